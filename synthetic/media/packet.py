"""RTP packets (RFC 3550 5.1): their header written and read."""

import struct
from typing import Final, NamedTuple

MAX_SIZE: Final = 2048
"""Bytes of a datagram that are read: more than any packet of sound has."""

_HEADER: Final = struct.Struct("!BBHII")
_MARKER: Final = 0x80


class Packet(NamedTuple):
    """An RTP packet: its payload without padding, CSRCs and header extension left out."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    source: int
    payload: bytes


def read(datagram: bytes) -> Packet | None:
    """Return the RTP packet that a datagram is, None where it is none."""
    size = len(datagram)
    if size < _HEADER.size:
        return None
    first, second, sequence, timestamp, source = _HEADER.unpack_from(datagram)
    start, end = _HEADER.size, size
    if first != 0x80:
        if first >> 6 != 2:
            return None
        start += 4 * (first & 0x0F)
        if first & 0x10:  # a header extension (5.3.1)
            if size < start + 4:
                return None
            start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4])
        if first & 0x20:  # padding, which counts itself in the last byte
            if not 0 < datagram[-1] <= size - start:
                return None
            end -= datagram[-1]
        if start > end:
            return None
    payload = datagram[start:end]
    return Packet(second & 0x7F, second >= _MARKER, sequence, timestamp, source, payload)


def write(payload_type: int, marker: bool, sequence: int, timestamp: int, source: int) -> bytes:
    """Return the header of an RTP packet; its payload follows."""
    second = payload_type | _MARKER if marker else payload_type
    return _HEADER.pack(0x80, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, source)


def is_rtcp(datagram: bytes) -> bool:
    """Whether a datagram on the port of RTP is RTCP (RFC 5761 4)."""
    return len(datagram) >= 8 and datagram[0] >> 6 == 2 and 192 <= datagram[1] <= 223
