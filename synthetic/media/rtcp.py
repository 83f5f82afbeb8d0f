"""RTCP (RFC 3550 6): the reports of a talk written, those of the other side read, and the round trip time.

A first report leaves after 0.5 s, a second after 1 s, then one each 2 s, and one when the talk ends. RFC 3550
6.2 has 5 s between two, for sessions of many that last; a test lasts seconds, and a round trip takes a report
of ours that theirs answers. Both together stay under a hundredth of what the voice takes.
"""

import secrets
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from dialtone.quality import Received
from synthetic.media.listening import Source
from synthetic.media.speaking import Speaker

_SENDER, _RECEIVER, _DESCRIPTION = 200, 201, 202
_FIRST: Final = (0.5, 1.0)
_EACH: Final = 2.0
_EPOCH: Final = 2_208_988_800  # of NTP, in seconds before that of Unix
_MAX_PACKETS: Final = 16
_MAX_BLOCKS: Final = 31
_MAX_KEPT: Final = 64
_MAX_RTT: Final = 60.0
_HEAD: Final = struct.Struct("!BBHI")
_SENT: Final = struct.Struct("!QIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_MIDDLE: Final = 0xFFFFFFFF  # of the 64 bits of NTP, after 16 are cut off: units of 1/65536 s
_WHOLE: Final = (1 << 64) - 1  # NTP begins again in 2036
_ROUNDED: Final = 2  # of those units, by which a round trip may seem less than none


class Block(NamedTuple):
    """What a report says of one source: what is lost of it, and when the last report of it came (6.4.1).

    `fraction` is of 256, `jitter` by the clock of the stream, `last` and `since` are LSR and DLSR.
    """

    source: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    last: int
    since: int


class Report(NamedTuple):
    """A sender's report, with when it was sent (the middle 32 bits of NTP), or a receiver's, without."""

    source: int
    sent: int | None
    blocks: tuple[Block, ...]


@dataclass(slots=True)
class _Counted:
    """What was reported of a source last, to tell what was lost since."""

    expected: int = 0
    lost: int = 0


def read(datagram: bytes) -> list[Report]:
    """Return the reports of a compound packet: those before the first thing in it that can't be read."""
    reports = []
    for count, kind, source, body in _packets(datagram):
        sent = None
        if kind == _SENDER and len(body) >= _SENT.size:
            sent = _SENT.unpack_from(body)[0] >> 16 & _MIDDLE
            body = body[_SENT.size :]
        if kind == _RECEIVER or sent is not None:
            reports.append(Report(source, sent, tuple(_blocks(body, count))))
    return reports


def cname(datagram: bytes) -> str:
    """Return the CNAME that a compound packet begins its descriptions with, "" where there is none."""
    for _, kind, _, body in _packets(datagram):
        if kind == _DESCRIPTION and body[:1] == b"\x01":
            return body[2 : 2 + body[1]].decode("ascii", "replace") if len(body) > 1 else ""
    return ""


def write(source: int, sent: tuple[int, int, int, int] | None, blocks: list[Block], name: str) -> bytes:
    """Return a compound packet: a report, and who sends it (SDES with CNAME, 6.5).

    `sent` is NTP (64 bits), the timestamp of RTP at the same time, packets and octets; None for who only
    receives.
    """
    body = b""
    if sent is not None:
        ntp, *counts = sent
        body = _SENT.pack(ntp, *(count & _MIDDLE for count in counts))
    body += b"".join(
        _BLOCK.pack(
            block.source,
            (block.fraction & 0xFF) << 24 | max(-0x800000, min(block.lost, 0x7FFFFF)) & 0xFFFFFF,
            block.highest & _MIDDLE,
            block.jitter & _MIDDLE,
            block.last,
            block.since & _MIDDLE,
        )
        for block in blocks[:_MAX_BLOCKS]
    )
    kind = _RECEIVER if sent is None else _SENDER
    count = min(len(blocks), _MAX_BLOCKS)
    return _packet(count, kind, source, body) + _packet(1, _DESCRIPTION, source, _named(name))


def _packets(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield the count, type, source and the rest of each packet, up to what can't be read."""
    at = 0
    for _ in range(_MAX_PACKETS):
        if len(datagram) < at + _HEAD.size:
            return
        first, kind, words, source = _HEAD.unpack_from(datagram, at)
        end = at + 4 * (words + 1)
        if first >> 6 != 2 or not at + _HEAD.size <= end <= len(datagram):
            return
        yield first & 0x1F, kind, source, datagram[at + _HEAD.size : end]
        at = end


def _blocks(body: bytes, count: int) -> Iterator[Block]:
    for at in range(0, min(count * _BLOCK.size, len(body) - _BLOCK.size + 1), _BLOCK.size):
        source, lost, highest, jitter, last, since = _BLOCK.unpack_from(body, at)
        signed = lost & 0xFFFFFF
        signed -= (signed & 0x800000) << 1
        yield Block(source, lost >> 24, signed, highest, jitter, last, since)


def _signed(source: int) -> str:
    """Return what the name of a phone of ours with that SSRC begins with."""
    return f"{source:08x}-"


def _packet(count: int, kind: int, source: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, (len(body) + 4) // 4, source) + body


def _named(name: str) -> bytes:
    said = name.encode()[:255]
    item = bytes((1, len(said))) + said
    return item + bytes(4 - len(item) % 4)  # one null at least ends the items


class Control:
    """The reports of one talk: `speaker` says what we have sent, `sources` what has come.

    Instants are CLOCK_MONOTONIC, seconds; NTP is made of that clock too, so that it goes evenly.
    """

    def __init__(self, speaker: Speaker, sources: Mapping[int, Source], began: float) -> None:
        self._speaker = speaker
        self._sources = sources
        # Tells nothing of this machine (RFC 7022), and who writes it: a bridge borrows an SSRC, but no name.
        self._name = f"{_signed(speaker.source)}{secrets.token_urlsafe(12)}"
        self._epoch = time.time() - time.monotonic() + _EPOCH
        self._due = deque(began + after for after in _FIRST)
        self._sent: deque[int] = deque(maxlen=_MAX_KEPT)
        self._came: dict[int, tuple[int, float]] = {}
        self._counted: dict[int, _Counted] = {}
        self._rtts: deque[float] = deque(maxlen=_MAX_KEPT)
        self.reporter: int | None = None
        """The SSRC of whoever reports on what we send, where that is a phone of ours; of one before it
        nothing is kept.
        """

    @property
    def rtt(self) -> float | None:
        """The mean of the round trip times that were told, in seconds; None where none was."""
        return sum(self._rtts) / len(self._rtts) if self._rtts else None

    def due(self, now: float) -> bool:
        """Whether it is time for the next report; says so once."""
        if now < self._due[0]:
            return False
        last = self._due.popleft()
        if not self._due:
            self._due.append((last if last + _EACH > now else now) + _EACH)
        return True

    def report(self, clock: Callable[[], float] = time.monotonic) -> bytes:
        """Return the next report. The clock is read last: what is done between it and sending is no way."""
        came = [(number, source.highest, source.received()) for number, source in self._sources.items()]
        now, speaker, sent = clock(), self._speaker, None
        if speaker.packets:
            ntp = int((now + self._epoch) * (1 << 32)) & _WHOLE
            self._sent.append(ntp >> 16 & _MIDDLE)
            sent = (ntp, speaker.clock, speaker.packets, speaker.octets)
        blocks = [self._block(number, highest, received, now) for number, highest, received in came]
        return write(speaker.source, sent, blocks, self._name)

    def take(self, datagram: bytes, at: float) -> None:
        """Take what came at an instant. A round trip is that of a report that we did send (6.4.1)."""
        called = cname(datagram)
        for report in read(datagram):
            reporter = report.source if called.startswith(_signed(report.source)) else None
            if report.sent is not None and report.source in self._sources:
                self._came[report.source] = report.sent, at
            for block in report.blocks:
                if block.source != self._speaker.source or block.last not in self._sent:
                    continue
                came = int((at + self._epoch) * 65_536)
                took = (came - block.last - block.since) & _MIDDLE
                took -= (took & 0x80000000) << 1
                if -_ROUNDED <= took <= _MAX_RTT * 65_536:
                    if reporter != self.reporter:
                        self._rtts.clear()
                    self.reporter = reporter
                    self._rtts.append(max(0, took) / 65_536)

    def _block(self, number: int, highest: int, received: Received, now: float) -> Block:
        counted = self._counted.get(number) or _Counted()
        expected, lost = received.expected - counted.expected, received.lost - counted.lost
        self._counted[number] = _Counted(received.expected, received.lost)
        fraction = min(255, max(0, lost) * 256 // expected) if expected > 0 else 0
        last, at = self._came.get(number, (0, now))
        since = int((now - at) * 65_536) if last else 0
        jitter = int(received.jitter * 8000)
        return Block(number, fraction, received.lost, highest, jitter, last, since)
