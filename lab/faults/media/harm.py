"""What is done on purpose to the RTP of one direction, packet by packet (pure: instants are given)."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

SECOND: Final = 1_000_000_000
"""Instants are whole nanoseconds, as the kernel stamps packets."""

_HEADER: Final = 12
_VERSION: Final = 2
_SILENT: Final = {0: 0xFF, 8: 0xD5}
"""A sample of nothing, by payload type: mu-law and A-law (G.711)."""
_DYNAMIC: Final = 96
"""From here on payload types are telephone events here (RFC 3551 6, RFC 4733)."""
_TWIN_AFTER: Final = 0.005


class Spread(StrEnum):
    """How jitter is spread: evenly from none to `jitter`, or normally around `delay` with that deviation."""

    UNIFORM = "uniform"
    NORMAL = "normal"


class Events(StrEnum):
    """What becomes of telephone events: they are kept, are lost, or each becomes the next digit's."""

    KEPT = "kept"
    LOST = "lost"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Harm:
    """What is done to one direction; by default nothing. Shares go from 0 to 1, times are seconds.

    Lost are: a share of `loss` at random, each `every`-th packet, bursts by Gilbert's model (`burst`: the
    chance of a loss after none, and of none after a loss), the first `head` packets, and all after the
    `last`-th. Packets come `delay` later, and by `jitter`, by `steps` (from so long after the first packet on
    so much) and by `drift` (seconds a second) later still; they keep their order unless `overtaking`. A share
    of `held[0]` is held for `held[1]` longer while others overtake them. A share of `twice` comes twice.
    `silent` payloads say nothing. `payload_type`, `source` (SSRC) and `port` (the one it comes from) are
    changed where given. Losses are of voice; telephone events have a rule of their own. RTCP is only
    delayed, and lost where all is.
    """

    loss: float = 0.0
    every: int = 0
    burst: tuple[float, float] | None = None
    head: int = 0
    last: int = 0
    delay: float = 0.0
    jitter: float = 0.0
    spread: Spread = Spread.UNIFORM
    steps: tuple[tuple[float, float], ...] = ()
    drift: float = 0.0
    overtaking: bool = False
    held: tuple[float, float] = (0.0, 0.0)
    twice: float = 0.0
    silent: bool = False
    events: Events = Events.KEPT
    payload_type: int | None = None
    source: int | None = None
    port: bool = False
    seed: int = 0


class Rtp(NamedTuple):
    """Of an RTP packet what the truth is about (RFC 3550 5.1)."""

    sequence: int
    timestamp: int
    payload_type: int
    source: int

    @property
    def is_event(self) -> bool:
        """Whether it is taken for a telephone event."""
        return self.payload_type >= _DYNAMIC


def rtp(packet: bytes) -> Rtp | None:
    """Read the header of a packet; None where it is no RTP (RTCP has the types 192 to 223, RFC 5761)."""
    if len(packet) < _HEADER or packet[0] >> 6 != _VERSION or 192 <= packet[1] <= 223:
        return None
    number = int.from_bytes
    return Rtp(number(packet[2:4]), number(packet[4:8]), packet[1] & 0x7F, number(packet[8:12]))


class Sending(NamedTuple):
    """A packet to send on, and when."""

    due: int
    data: bytes


class Course:
    """The packets of one direction, in the order in which they come."""

    def __init__(self, harm: Harm) -> None:
        self._harm = harm
        self._random = random.Random(harm.seed)  # noqa: S311
        self._number = 0
        self._began: int | None = None
        self._losing = False
        self._newest = 0

    def take(self, packet: bytes, at: int) -> tuple[Sending, ...]:
        """Return what a packet becomes: nothing, itself, a changed one, or two."""
        harm, read = self._harm, rtp(packet)
        if read is None:
            return () if harm.loss >= 1 else (Sending(at + int(harm.delay * SECOND), packet),)
        if read.is_event:
            if harm.events is Events.LOST or harm.loss >= 1:
                return ()
        elif self._lost():
            return ()
        sending = Sending(self._due(at), self._changed(packet, read))
        if harm.twice and self._random.random() < harm.twice:
            return sending, Sending(sending.due + int(_TWIN_AFTER * SECOND), sending.data)
        return (sending,)

    def _lost(self) -> bool:
        harm = self._harm
        self._number += 1
        if self._number <= harm.head or 0 < harm.last < self._number:
            return True
        if harm.burst is not None:
            begins, ends = harm.burst
            drawn = self._random.random()
            self._losing = drawn >= ends if self._losing else drawn < begins
        at_random = harm.loss > 0 and self._random.random() < harm.loss
        return self._losing or at_random or (harm.every > 0 and self._number % harm.every == 0)

    def _due(self, at: int) -> int:
        if self._began is None:
            self._began = at
        harm, since = self._harm, (at - self._began) / SECOND
        late = harm.delay + harm.drift * since + sum(more for start, more in harm.steps if since >= start)
        if harm.jitter and harm.spread is Spread.NORMAL:
            late += self._random.gauss(0.0, harm.jitter)
        elif harm.jitter:
            late += self._random.uniform(0.0, harm.jitter)
        due = at + round(max(0.0, late) * SECOND)
        if harm.held[0] and self._random.random() < harm.held[0]:
            return due + int(harm.held[1] * SECOND)
        if not harm.overtaking:
            due = max(due, self._newest)
            self._newest = due
        return due

    def _changed(self, packet: bytes, read: Rtp) -> bytes:
        harm, changed = self._harm, bytearray(packet)
        if harm.silent and read.payload_type in _SILENT:
            start = min(_HEADER + 4 * (packet[0] & 0x0F), len(packet))
            changed[start:] = bytes([_SILENT[read.payload_type]]) * (len(packet) - start)
        if harm.events is Events.OTHER and read.is_event and len(packet) > _HEADER:
            changed[_HEADER] = (packet[_HEADER] + 1) % 10
        if harm.payload_type is not None and not read.is_event:
            changed[1] = packet[1] & 0x80 | harm.payload_type
        if harm.source is not None:
            changed[8:12] = harm.source.to_bytes(4)
        return bytes(changed)
