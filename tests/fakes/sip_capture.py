"""Captured SIP and RTP, as a test writes it down: who sends what to whom, when."""

import socket
import struct
from collections.abc import Iterable
from typing import Any

from synthetic.capture.records import Address, RtpPacket, SipPacket

CALLER: Address = ("192.0.2.1", 5060)
PROXY: Address = ("192.0.2.9", 5060)
CALLEE: Address = ("192.0.2.2", 5060)
ACME = "acme.ntek.example"


def sip(
    at: float,
    first: str,
    sequence: str = "1 INVITE",
    *,
    source: Address = CALLER,
    destination: Address = PROXY,
    call_id: str = "c1",
    domain: str = ACME,
    from_tag: str = "a",
    to_tag: str = "",
    branch: str = "z9hG4bK1",
    more: str = "",
    body: str = "",
) -> SipPacket:
    """Return a message; `first` is `INVITE`, `200`, or a whole first line."""
    line = first
    if first.isdigit():
        line = f"SIP/2.0 {first} Said"
    elif first.isalpha():
        line = f"{first} sip:200@{domain} SIP/2.0"
    text = (
        f"{line}\r\nVia: SIP/2.0/UDP {source[0]};branch={branch}\r\n"
        f'From: "A <b>" <sip:100@{domain}>;tag={from_tag}\r\n'
        f"To: <sip:200@{domain}>{f';tag={to_tag}' if to_tag else ''}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {sequence}\r\n{more}\r\n{body}"
    )
    return SipPacket(at, source, destination, "UDP", text.encode())


def back(at: float, status: str, sequence: str = "1 INVITE", **changes: Any) -> SipPacket:
    """Return a response on the caller's hop."""
    values: dict[str, Any] = {"source": PROXY, "destination": CALLER, "to_tag": "b", **changes}
    return sip(at, status, sequence, **values)


def answered(at: float = 0.0, call_id: str = "c1", duration: float = 10.0, **changes: Any) -> list[SipPacket]:
    """Return a whole call: 180 after 0.2 s, 200 after 1 s, BYE from the caller, its 200 0.05 s later."""
    same: dict[str, Any] = {"call_id": call_id, **changes}
    up = at + 1
    return [
        sip(at, "INVITE", **same),
        back(at + 0.01, "100", **same),
        back(at + 0.2, "180", **same),
        back(up, "200", **same),
        sip(up + 0.01, "ACK", "1 ACK", to_tag="b", branch="z9hG4bK2", **same),
        sip(up + duration, "BYE", "2 BYE", to_tag="b", branch="z9hG4bK3", **same),
        back(up + duration + 0.05, "200", "2 BYE", branch="z9hG4bK3", **same),
    ]


def described(host: str, port: int, lines: str = "", payloads: str = "0") -> str:
    """Return a session description with one section of audio."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {payloads}\r\n{lines}"
    )


def spoken(
    numbers: range | list[int],
    *,
    at: float = 0.0,
    source: Address = ("192.0.2.1", 4000),
    destination: Address = ("192.0.2.2", 4002),
    ssrc: int = 7,
    payload_type: int = 0,
    step: int = 160,
    rate: int = 8000,
) -> list[RtpPacket]:
    """Return packets with these sequence numbers, each sent when its number says."""
    first = numbers[0]
    return [
        RtpPacket(
            at + (number - first) * step / rate,
            source,
            destination,
            ssrc,
            number & 0xFFFF,
            (number * step) & 0xFFFFFFFF,
            payload_type,
            False,
            step,
        )
        for number in numbers
    ]


def pcap(records: Iterable[SipPacket | RtpPacket], *, start: float = 1_770_000_000.0) -> bytes:
    """Return these records as a capture file of raw IPv4 (LINKTYPE_RAW), in the order given."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)]
    for record in records:
        data = record.data if isinstance(record, SipPacket) else _rtp(record)
        ends = b"".join(map(socket.inet_aton, (record.source[0], record.destination[0])))
        datagram = struct.pack("!HHHH", record.source[1], record.destination[1], 8 + len(data), 0) + data
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0) + ends + datagram
        seconds, micros = divmod(round((start + record.at) * 1_000_000), 1_000_000)
        parts.append(struct.pack("<IIII", seconds, micros, len(packet), len(packet)) + packet)
    return b"".join(parts)


def _rtp(packet: RtpPacket) -> bytes:
    second = packet.payload_type | packet.marker << 7
    head = struct.pack("!BBHII", 0x80, second, packet.sequence, packet.timestamp, packet.ssrc)
    return head + bytes(packet.size)
