"""What a packet is, by its own bytes: SIP, RTP, RTCP or something else. Pure.

tshark takes the layers below apart (link, VLAN, IP and its fragments, UDP) and says what it knows to be
another protocol; RTP and RTCP are told by their bytes, wherever they go. Its own RTP heuristic sees no odd
port, and its dissectors keep every message of a capture in memory.
"""

import re
import struct
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from synthetic.capture.records import Address, RtcpPacket, RtpPacket

_SIP: Final = re.compile(rb"(?:SIP/2\.0 [1-6][0-9]{2}\b|[A-Za-z0-9.!%*_+`'~-]{1,32} [^\s]{1,8192} SIP/2\.0)")
_RTP_HEADER: Final = 12
_REPORT: Final = 24
_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_TYPES: Final = range(200, 214)
"""Packet types of RTCP in use (RFC 3550, 4585, 3611, 5760); no RTP has these (RFC 5761 4)."""
_MOST_REPORTS: Final = 10_000
"""So many sender's reports are remembered, the last ones."""
_UNITS: Final = 65_536
"""Units of a delay in a report block, in one second (RFC 3550 6.4.1)."""


def looks_like_sip(data: bytes) -> bool:
    """Say whether the data begins with the first line of a SIP message (RFC 3261 7.1, 7.2)."""
    return _SIP.match(data) is not None


def rtp(data: bytes, size: int, at: float, source: Address, destination: Address) -> RtpPacket | None:
    """Return what looks like the header of RTP; None where it can't be one (RFC 3550 5.1, RFC 5761 4).

    `data` is as much of the datagram as was captured, `size` is how long it was. One packet in eight of
    random bytes passes: only several of one source that follow each other are a stream.
    """
    if len(data) < _RTP_HEADER:
        return None
    flags, kind, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    payload_type = kind & 0x7F
    if flags >> 6 != 2 or 64 <= payload_type <= 95:
        return None
    header = _RTP_HEADER + 4 * (flags & 0x0F)
    if flags & 0x10:
        if len(data) >= header + 4:
            header += 4 * int.from_bytes(data[header + 2 : header + 4], "big")
        header += 4
    padding = data[-1] if flags & 0x20 and len(data) == size else 0
    length = size - header - padding
    if length < 0:
        return None
    return RtpPacket(
        at, source, destination, ssrc, sequence, timestamp, payload_type, bool(kind & 0x80), length
    )


class Reports:
    """Reads RTCP, and remembers the sender's reports: those about them give the round trip."""

    def __init__(self) -> None:
        self._sent: OrderedDict[tuple[int, int], float] = OrderedDict()

    def read(self, data: bytes, at: float, source: Address, destination: Address) -> list[RtcpPacket] | None:
        """Return the reports of a datagram of RTCP, which may hold none; None where it isn't one.

        A compound packet begins with a report, a reduced one (RFC 5506) with anything.
        """
        blocks = list(_blocks(data))
        if not blocks:
            return None
        reports: list[RtcpPacket] = []
        for kind, count, body in blocks:
            if kind not in (_SENDER_REPORT, _RECEIVER_REPORT):
                continue
            start = 24 if kind == _SENDER_REPORT else 4
            if len(body) < start:
                continue
            ssrc, sent = int.from_bytes(body[:4], "big"), None
            if kind == _SENDER_REPORT:
                middle, sent = int.from_bytes(body[6:10], "big"), int.from_bytes(body[16:20], "big")
                self._remember(ssrc, middle, at)
            abouts: list[tuple[int | None, float | None]] = [
                (about, self._round_trip(about, last, delay, at))
                for about, last, delay in _report_blocks(body[start:], count)
            ]
            reports += [
                RtcpPacket(at, source, destination, ssrc, about, rtt, sent)
                for about, rtt in abouts or [(None, None)]
            ]
        return reports

    def _remember(self, ssrc: int, middle: int, at: float) -> None:
        self._sent[ssrc, middle] = at
        if len(self._sent) > _MOST_REPORTS:
            self._sent.popitem(last=False)

    def _round_trip(self, about: int, last: int, delay: int, at: float) -> float | None:
        """Return the seconds from the sender's report to the one about it, less what the reporter waited."""
        sent = self._sent.get((about, last)) if last else None
        rtt = None if sent is None else at - sent - delay / _UNITS
        return rtt if rtt is not None and rtt >= 0 else None


def _blocks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, count and body of each packet of a compound one (RFC 3550 6.1), as far as it goes."""
    while len(data) >= 8 and data[0] >> 6 == 2 and data[1] in _TYPES:
        length = 4 + 4 * int.from_bytes(data[2:4], "big")
        if length > len(data):
            return
        yield data[1], data[0] & 0x1F, data[4:length]
        data = data[length:]


def _report_blocks(body: bytes, count: int) -> Iterator[tuple[int, int, int]]:
    """Yield whom each report block is about, which sender's report it saw last, and the delay since."""
    for start in range(0, min(count * _REPORT, len(body) - _REPORT + 1), _REPORT):
        about, last, delay = struct.unpack_from("!I12xII", body, start)
        yield about, last, delay
