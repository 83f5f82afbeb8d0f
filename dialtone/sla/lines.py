"""Lines: what is known at each instant of a span of time, as bits of whole numbers.

Bit i of a plane is the i-th step of the grid. A month of 60 s steps is one number of 43,200 bits, so that
laying a mask over it, combining probes and counting what is bad are single operations on it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd
from operator import or_
from typing import Final

from dialtone.model import SliceSeries
from dialtone.sla.calendar import unix

_FEW: Final = 16
"""Runs that are faster found one by one than in a text of a month's bits."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`count` steps of `step` seconds from `start` on (seconds from 1970, a multiple of the step)."""

    start: int
    step: int
    count: int

    @property
    def end(self) -> int:
        """Where it ends, in seconds from 1970."""
        return self.start + self.step * self.count

    @property
    def all(self) -> int:
        """The plane in which every bit is set."""
        return (1 << self.count) - 1

    def bits(self, start: int, end: int) -> int:
        """Return the plane of a span (seconds from 1970), as far as it lies on the grid."""
        low = min(max((start - self.start) // self.step, 0), self.count)
        high = min(max((end - self.start) // self.step, low), self.count)
        return ((1 << (high - low)) - 1) << low

    def time(self, bit: int) -> int:
        """Return when a step begins, in seconds from 1970."""
        return self.start + bit * self.step

    def cut(self, plane: int, finer: "Grid") -> int:
        """Return what a plane of this grid is on a part of it that has the same step."""
        shift = (finer.start - self.start) // self.step
        return (plane >> shift if shift >= 0 else plane << -shift) & finer.all

    def seconds(self, plane: int) -> int:
        """Return how long the set bits of a plane last together."""
        return plane.bit_count() * self.step


@dataclass(frozen=True, slots=True)
class Line:
    """Where something was placed on a grid, and where it was good and bad; elsewhere it is unknown."""

    placed: int
    good: int
    bad: int


def common_step(intervals: Iterable[int]) -> int:
    """Return the step of a grid on which minutes and all these intervals begin and end."""
    return gcd(60, *intervals)


def series_line(series: SliceSeries, grid: Grid) -> Line:
    """Lay the slices of a series on a grid whose step divides the interval; outside its tenure is nothing."""
    interval = series.key.interval
    until = grid.end if series.until is None else unix(series.until)
    placed = grid.bits(unix(series.since), until)
    first, times = grid.start // interval, interval // grid.step
    count, ahead = -(-grid.end // interval) - first, first - series.first
    good, bad = _from(series.slices.good, ahead, count), _from(series.slices.bad, ahead, count)
    if times > 1:
        shift = (grid.start - first * interval) // grid.step
        good, bad = expanded(good, times) >> shift, expanded(bad, times) >> shift
    return Line(placed, good & placed, bad & placed)


def _from(plane: int, bit: int, count: int) -> int:
    """Return so many bits of a plane from one on, which may lie before its first."""
    if bit <= -count or not plane:
        return 0
    part = plane >> bit if bit >= 0 else plane << -bit
    return part if part.bit_length() <= count else part & ((1 << count) - 1)


def expanded(plane: int, times: int) -> int:
    """Return a plane in which every bit is there so many times."""
    if times == 1 or not plane:
        return plane
    return int(f"{plane:b}".replace("1", "x" * times).replace("0", "0" * times).replace("x", "1"), 2)


def runs(plane: int) -> list[tuple[int, int]]:
    """Return the runs of set bits in order: the first bit, and the one after the last."""
    found: list[tuple[int, int]] = []
    edges = plane ^ plane << 1
    while edges and len(found) < _FEW:
        end = edges.bit_length() - 1
        edges ^= 1 << end
        start = edges.bit_length() - 1
        edges ^= 1 << start
        found.append((start, end))
    rest = _runs_of_text(plane & ((1 << edges.bit_length()) - 1)) if edges else []
    return [*rest, *reversed(found)]


def _runs_of_text(plane: int) -> list[tuple[int, int]]:
    text = f"{plane:b}"
    found: list[tuple[int, int]] = []
    size = len(text)
    start = text.rfind("1")
    while start >= 0:
        end = text.rfind("0", 0, start)
        found.append((size - 1 - start, size - 1 - end))
        start = text.rfind("1", 0, end) if end > 0 else -1
    return found


def counts(plane: int, spans: Sequence[tuple[int, int]]) -> list[int]:
    """Return how many bits of a plane are set in each of many spans of bits."""
    if not plane:
        return [0] * len(spans)
    data = plane.to_bytes(-(-plane.bit_length() // 8), "little")
    number = int.from_bytes
    return [
        _part(data, low, high).bit_count()
        if (low | high) & 7
        else number(data[low >> 3 : high >> 3], "little").bit_count()
        for low, high in spans
    ]


def reaches(plane: int, spans: Iterable[tuple[int, int]]) -> list[bool]:
    """Return whether a plane has any bit in each of many spans of bits."""
    data = plane.to_bytes(-(-plane.bit_length() // 8), "little")
    # Mostly the first bit of a span says it, for a few bytes of what may be weeks.
    return [
        low < high and (_part(data, low, min(low + 64, high)) or _part(data, low, high)) > 0
        for low, high in spans
    ]


def _part(data: bytes, low: int, high: int) -> int:
    """Return the bits of a span out of a plane's bytes."""
    return int.from_bytes(data[low >> 3 : (high + 7) >> 3], "little") >> (low & 7) & ((1 << (high - low)) - 1)


def first_bits(plane: int, most: int) -> int:
    """Return a plane with only the first so many of its set bits."""
    if plane.bit_count() <= most:
        return plane
    kept, left = 0, most
    for start, end in runs(plane):
        size = min(end - start, left)
        kept |= ((1 << size) - 1) << start
        left -= size
        if not left:
            break
    return kept


def strictest(lines: Sequence[Line]) -> Line:
    """Combine what must all be good: bad if any is bad, else unknown if any that is placed is unknown."""
    if len(lines) == 1:
        return lines[0]
    placed = reduce(or_, (line.placed for line in lines))
    bad = reduce(or_, (line.bad for line in lines))
    unknown = reduce(or_, (line.placed & ~(line.good | line.bad) for line in lines))
    return Line(placed, placed & ~(bad | unknown), bad)


def quorum(locations: Sequence[Line]) -> Line:
    """Combine what several locations saw of one flow (docs/sla.md).

    Where one is placed it decides. Where several are, bad is what more than half of the conclusive ones, and
    at least two, call bad; else good is what one calls good.
    """
    if len(locations) == 1:
        return locations[0]
    placed = several = 0
    for line in locations:
        several |= placed & line.placed
        placed |= line.placed
    bads, goods = _tally([line.bad for line in locations]), _tally([line.good for line in locations])
    any_bad, any_good = reduce(or_, bads, 0), reduce(or_, goods, 0)
    several_bad = _greater(bads, goods) & reduce(or_, bads[1:], 0)
    bad = (any_bad & ~several) | (several_bad & several)
    return Line(placed, any_good & ~bad, bad)


def _tally(planes: Iterable[int]) -> list[int]:
    """Count, at each bit, in how many planes it is set: the binary digits, the least significant first."""
    digits: list[int] = []
    for plane in planes:
        carry = plane
        for place, digit in enumerate(digits):
            digits[place], carry = digit ^ carry, digit & carry
        if carry:
            digits.append(carry)
    return digits


def _greater(left: Sequence[int], right: Sequence[int]) -> int:
    """Return the bits at which one tally is greater than another."""
    greater, equal = 0, -1
    for place in reversed(range(max(len(left), len(right)))):
        one = left[place] if place < len(left) else 0
        other = right[place] if place < len(right) else 0
        greater |= equal & one & ~other
        equal &= ~(one ^ other)
    return greater
