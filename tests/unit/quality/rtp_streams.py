"""What became of an RTP stream, worked out the long way: the whole of it in lists, looked at twice.

A reference for dialtone.quality.Reception, which sees a packet once and forgets it. Streams to try both on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from dialtone.quality import Received, Reception, buffer_of

RATE: Final = 8000
FRAME: Final = 0.02
STEP: Final = 160


@dataclass(frozen=True, slots=True)
class Packet:
    """One that came, and when (seconds); `timed` as of Reception.add."""

    sequence: int
    timestamp: int
    at: float
    timed: bool = True


def packets(
    numbers: Iterable[int], *, sequence: int = 0, timestamp: int = 0, delays: Sequence[float] = (0.0,)
) -> list[Packet]:
    """Return the packets of these places in a stream of 20 ms each, in this order of arrival.

    They come when they are due and later by `delays`, over and over; `sequence` and `timestamp` are those
    of the first.
    """
    return [
        Packet(
            (sequence + number) % 2**16,
            (timestamp + number * STEP) % 2**32,
            100.0 + number * FRAME + delays[place % len(delays)],
        )
        for place, number in enumerate(numbers)
    ]


def taken(stream: Iterable[Packet]) -> Reception:
    """Return what has taken in this stream."""
    reception = Reception(RATE)
    for packet in stream:
        reception.add(packet.sequence, packet.timestamp, packet.at, timed=packet.timed)
    return reception


@dataclass(slots=True)
class _Numbering:
    """Numbers that belong together, unrolled past 65535, as they came, and the packets that bore them."""

    numbers: list[int]
    bearers: list[Packet]
    begun_anew: bool = False

    @property
    def timed(self) -> list[Packet]:
        """First copies whose timestamps count: not the one that was a stray one until the next came."""
        return [
            packet
            for place, (number, packet) in enumerate(zip(self.numbers, self.bearers, strict=True))
            if packet.timed and number not in self.numbers[:place] and (place or not self.begun_anew)
        ]


def _numberings(stream: Sequence[Packet]) -> list[_Numbering]:
    """Tell numberings apart: one ends where two packets in a row, one number apart, are far from it."""
    found: list[_Numbering] = []
    stray: Packet | None = None
    for packet in stream:
        if not found:
            found.append(_Numbering([packet.sequence], [packet]))
            continue
        highest = max(found[-1].numbers)
        distance = (packet.sequence - highest + 2**15) % 2**16 - 2**15
        if -100 <= distance < 3000:
            found[-1].numbers.append(highest + distance)
            found[-1].bearers.append(packet)
            if distance >= 0:
                stray = None
        elif stray is not None and (packet.sequence - stray.sequence) % 2**16 == 1:
            found.append(_Numbering([packet.sequence - 1, packet.sequence], [stray, packet], True))
            stray = None
        else:
            stray = packet
    return found


def reference(stream: Sequence[Packet], sent: int | None = None) -> Received:
    """Return what became of a stream."""
    numberings = _numberings(stream)
    came = [
        number in having
        for one in numberings
        for having in [set(one.numbers)]
        for number in range(min(having), max(having) + 1)
    ]
    unique = sum(len(set(one.numbers)) for one in numberings)
    counted = sum(len(one.numbers) for one in numberings)
    expected = len(came) if sent is None else max(sent, unique)
    lost = max(0, expected - unique)
    clocks = [clock for one in numberings for clock in _clocks(one.timed)]
    jitters = _jitters(clocks)
    jitter = sum(jitters) / len(jitters) if jitters else 0.0
    return Received(
        packets=counted,
        unique=unique,
        expected=expected,
        lost=lost,
        late=_late(clocks, buffer_of(jitter)),
        duplicates=counted - unique,
        reordered=sum(_behind(one.numbers) for one in numberings),
        jitter=jitter,
        jitter_max=max(jitters, default=0.0),
        buffer=buffer_of(jitter),
        burst=_burst(came) if lost >= came.count(False) else 1.0,
        restarts=max(0, len(numberings) - 1),
    )


def _late(clocks: Sequence[Sequence[float]], buffer: float) -> int:
    """Count what comes later than a buffer (to 0.1 ms) after the usual delay.

    That is the median of its own and of up to 50 before it, and of as many after it. A clock begins where
    the one before it has ended.
    """
    delays: list[float] = []
    for clock in clocks:
        shift = delays[-1] - clock[0] if delays else 0.0
        delays += [delay + shift for delay in clock]

    def beside(place: int) -> int:
        return min(50, place, len(delays) - 1 - place)

    beyond = [
        delay - median(delays[place - beside(place) : place + beside(place) + 1])
        for place, delay in enumerate(delays)
    ]
    return sum(round(10_000 * one) > 10_000 * buffer for one in beyond)


def _behind(numbers: Sequence[int]) -> int:
    """Count those that came after a higher one, without second copies."""
    return sum(
        number < max(numbers[:place]) and number not in numbers[:place]
        for place, number in enumerate(numbers)
        if place
    )


def _unrolled(stream: Sequence[Packet]) -> list[tuple[Packet, int]]:
    """Return each with its timestamp, past 2**32 or under 0 where it went over the edge."""
    found: list[tuple[Packet, int]] = []
    for packet in stream:
        before = found[-1][1] if found else packet.timestamp
        found.append((packet, before + (packet.timestamp - before + 2**31) % 2**32 - 2**31))
    return found


def _clocks(timed: Sequence[Packet]) -> list[list[float]]:
    """Return when each came less when it was sent: a list for each clock of the timestamps."""
    found: list[list[float]] = []
    unrolled = _unrolled(timed)
    for place, (packet, sent) in enumerate(unrolled):
        delay = packet.at - sent / RATE
        if not place or _leaps(unrolled[place - 1], (packet, sent), delay - found[-1][-1]):
            found.append([])
        found[-1].append(delay)
    return found


def _leaps(before: tuple[Packet, int], after: tuple[Packet, int], change: float) -> bool:
    """Whether a timestamp is 10 s from the clock; or 0.2 s, and by a number not from 0 to 0.2 s on."""
    numbers = (after[0].sequence - before[0].sequence + 2**15) % 2**16 - 2**15
    a_number = (after[1] - before[1]) / RATE / numbers
    return abs(change) > 10 or (abs(change) > 0.2 and not 0 <= a_number <= 0.2)


def _jitters(clocks: Sequence[Sequence[float]]) -> list[float]:
    """Return RFC 3550's jitter after each packet but the first of each clock (6.4.1: D, then J)."""
    found: list[float] = []
    jitter = 0.0
    for clock in clocks:
        for before, after in pairwise(clock):
            jitter += (abs(after - before) - jitter) / 16
            found.append(jitter)
    return found


def _burst(came: Sequence[bool]) -> float:
    """Return BurstR, 1/(p+q), by counting how the chain goes from one number to the next."""
    runs = sum(not here for here, _ in groupby(came))
    got, lost = came.count(True), came.count(False)
    if not got or not lost:
        return 1.0
    return 1 / (min(1.0, runs / got) + runs / lost)
