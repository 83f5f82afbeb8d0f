"""The messages of a probe as a capture file that Wireshark, tshark and sngrep open.

A classic pcap file (https://datatracker.ietf.org/doc/html/draft-ietf-opsawg-pcap) of raw IP packets
(LINKTYPE_RAW, 101). Every message is one UDP datagram between the two ends that it went between, also where
it went over TCP or TLS: what they carried is readable so, and each message stands for itself. The Via of a
message says how it really went. Nothing was captured: texts are the redacted ones of the record.
"""

import ipaddress
import struct
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from dialtone.model import Message

MAGIC: Final = 0xA1B2C3D4
LINKTYPE_RAW: Final = 101
_SNAPLEN: Final = 262_144
_UDP: Final = 17
_HOPS: Final = 64
_MOST: Final = 65_535 - 20 - 8
"""The longest text that fits into a datagram over IPv4, in bytes; the rest of a longer one is cut off."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def pcap(messages: Iterable[Message], started: datetime) -> bytes:
    """Return the file. A message whose ends are no IP addresses and ports is left out."""
    parts = [struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, _SNAPLEN, LINKTYPE_RAW)]
    begun = round(started.timestamp() * 1_000_000)
    for message in messages:
        packet = _packet(message)
        if packet is not None:
            seconds, micros = divmod(begun + round(message.at * 1_000_000), 1_000_000)
            parts.append(struct.pack("<IIII", seconds & 0xFFFFFFFF, micros, len(packet), len(packet)))
            parts.append(packet)
    return b"".join(parts)


def _packet(message: Message) -> bytes | None:
    try:
        source, source_port = _end(message.source)
        destination, destination_port = _end(message.destination)
    except ValueError:
        return None
    if source.version != destination.version:
        return None
    payload = message.text.encode("utf-8", "backslashreplace")[:_MOST]
    length = 8 + len(payload)
    pseudo = source.packed + destination.packed + struct.pack("!IBBBB", length, 0, 0, 0, _UDP)
    ports = struct.pack("!HHH", source_port, destination_port, length)
    # A sum of zero means that there is none (RFC 768), and is written as its complement.
    checksum = _checksum(pseudo + ports + b"\0\0" + payload) or 0xFFFF
    datagram = ports + struct.pack("!H", checksum) + payload
    if source.version == 6:
        header = struct.pack("!IHBB", 6 << 28, length, _UDP, _HOPS)
        return header + source.packed + destination.packed + datagram
    before = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0, _HOPS, _UDP)
    ends = source.packed + destination.packed
    return before + struct.pack("!H", _checksum(before + b"\0\0" + ends)) + ends + datagram


def _end(text: str) -> tuple[_Address, int]:
    """Return address and port of `127.0.0.1:5060` or `[::1]:5060`. Raises ValueError."""
    host, _, port = text.rpartition(":")
    number = int(port)
    if not 0 <= number <= 65535:
        raise ValueError(f"{port} is no port")
    return ipaddress.ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0]), number


def _checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
