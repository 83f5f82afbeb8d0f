"""RTP of our phones: sent, heard, counted (RFC 3550), and telephone events (RFC 4733)."""
