"""What a packet capture tells: SIP calls, their figures, RTP streams; read by tshark in its own process."""
