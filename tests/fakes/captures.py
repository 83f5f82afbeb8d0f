"""Capture files as tests write them: packets by their bytes, in any link layer and file format."""

import gzip
import ipaddress
import struct
from collections.abc import Iterable, Sequence
from typing import Final

Packet = tuple[float, bytes]
"""When it was captured, in seconds since 1970, and all of it from the link layer on."""

AT: Final = 1_772_366_400.0
A: Final = "10.0.0.1"
B: Final = "10.0.0.2"
ETHERNET: Final = 1
NULL: Final = 0
RAW: Final = 101
COOKED: Final = 113
UDP: Final = 17
TCP: Final = 6
_MAC: Final = bytes(6)


def pcap(
    packets: Iterable[Packet], *, link: int = RAW, snaplen: int = 262_144, nanoseconds: bool = False
) -> bytes:
    """Return a classic file; packets are cut at `snaplen`."""
    magic, unit = (0xA1B23C4D, 1_000_000_000) if nanoseconds else (0xA1B2C3D4, 1_000_000)
    parts = [struct.pack("<IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for at, packet in packets:
        parts.append(
            struct.pack("<IIII", int(at), round(at % 1 * unit), min(len(packet), snaplen), len(packet))
        )
        parts.append(packet[:snaplen])
    return b"".join(parts)


def pcapng(packets: Iterable[Packet], *, link: int = RAW) -> bytes:
    """Return a file in the newer format: a section, an interface, and enhanced packets."""
    parts = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    parts.append(_block(1, struct.pack("<HHI", link, 0, 0)))
    for at, packet in packets:
        micros = round(at * 1_000_000)
        head = struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, len(packet), len(packet))
        parts.append(_block(6, head + packet + bytes(-len(packet) % 4)))
    return b"".join(parts)


def gzipped(file: bytes) -> bytes:
    """Return the file as gzip makes it."""
    return gzip.compress(file, mtime=0)


def ip(source: str, destination: str, kind: int, data: bytes, *, ident: int = 0, fragment: int = 0) -> bytes:
    """Return a packet of IPv4 or IPv6; `fragment` is the field of flags and offset of IPv4."""
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if ":" in source:
        return struct.pack("!IHBB", 6 << 28, len(data), kind, 64) + ends + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), ident, fragment, 64, kind, 0)
    return head + ends + data


def udp(source: str, port: int, destination: str, other: int, data: bytes) -> bytes:
    """Return a datagram, without a checksum."""
    return ip(source, destination, UDP, struct.pack("!HHHH", port, other, 8 + len(data), 0) + data)


def tcp(source: str, port: int, destination: str, other: int, sequence: int, data: bytes) -> bytes:
    """Return a segment with data, in the middle of a connection."""
    head = struct.pack("!HHIIBBHHH", port, other, sequence, 1, 0x50, 0x18, 65_535, 0, 0)
    return ip(source, destination, TCP, head + data)


def fragments(packet: bytes, size: int) -> list[bytes]:
    """Return an IPv4 packet in fragments with `size` bytes of data each, a multiple of 8."""
    source, destination = (str(ipaddress.IPv4Address(packet[n : n + 4])) for n in (12, 16))
    data = packet[20:]
    return [
        ip(
            source,
            destination,
            packet[9],
            data[start : start + size],
            ident=77,
            fragment=start // 8 | (0x2000 if start + size < len(data) else 0),
        )
        for start in range(0, len(data), size)
    ]


def linked(packet: bytes, link: int, *, vlan: bool = False) -> bytes:
    """Return the packet with the header of its link layer."""
    six = packet[0] >> 4 == 6
    kind = struct.pack("!H", 0x86DD if six else 0x0800)
    match link:
        case 1:
            return _MAC + _MAC + (b"\x81\x00\x00\x05" if vlan else b"") + kind + packet
        case 0:
            return struct.pack("<I", 30 if six else 2) + packet
        case 113:
            return struct.pack("!HHH8s", 0, 1, 6, _MAC) + kind + packet
    return packet


def rtp(
    sequence: int,
    *,
    ssrc: int = 0xCAFE,
    payload_type: int = 0,
    timestamp: int | None = None,
    marker: bool = False,
    data: bytes = bytes(160),
) -> bytes:
    """Return a packet of RTP; its time goes on by 160 a packet."""
    when = sequence * 160 if timestamp is None else timestamp
    kind = payload_type | (0x80 if marker else 0)
    return struct.pack("!BBHII", 0x80, kind, sequence & 0xFFFF, when & 0xFFFFFFFF, ssrc) + data


def sender_report(ssrc: int, ntp: float, *, packets: int, reports: Sequence[bytes] = ()) -> bytes:
    """Return an RTCP sender's report; `ntp` is seconds of its clock, any epoch."""
    stamp = round(ntp * (1 << 32))
    body = struct.pack("!IQIII", ssrc, stamp, 0, packets, packets * 160) + b"".join(reports)
    return struct.pack("!BBH", 0x80 | len(reports), 200, len(body) // 4) + body


def receiver_report(ssrc: int, *, reports: Sequence[bytes] = ()) -> bytes:
    """Return an RTCP receiver's report."""
    body = struct.pack("!I", ssrc) + b"".join(reports)
    return struct.pack("!BBH", 0x80 | len(reports), 201, len(body) // 4) + body


def report_block(about: int, *, ntp: float = 0.0, delay: float = 0.0) -> bytes:
    """Return a report block; `ntp` is that of the last sender's report, 0 for none, `delay` since then."""
    last = round(ntp * (1 << 32)) >> 16 & 0xFFFFFFFF
    return struct.pack("!IIIIII", about, 0, 0, 0, last, round(delay * 65_536))


def sip(method: str = "INVITE", *, call: str = "c1", body: str = "") -> bytes:
    """Return a request."""
    return (
        f"{method} sip:200@acme.example SIP/2.0\r\nVia: SIP/2.0/UDP {A}:5060;branch=z9hG4bK{call}\r\n"
        f"From: <sip:100@acme.example>;tag=1\r\nTo: <sip:200@acme.example>\r\nCall-ID: {call}\r\n"
        f"CSeq: 1 {method}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)
