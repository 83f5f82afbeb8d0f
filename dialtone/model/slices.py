"""Slices: what is known of each interval of a tenant's flow at one location, two bits each.

Bitmaps hold what was measured and nothing else. What excludes a slice (maintenance) or corrects it is kept
beside them and laid over them when figures are computed, so that raw and corrected figures are two readings
of the same bits, and a correction can be withdrawn (docs/sla.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final, Literal, TypeAlias

from dialtone.model.probe import Flow, Origin, Outcome, ProbeResult

DAY_SECONDS: Final = 86_400


class SliceState(IntEnum):
    """What is known of a slice; the first bit is in the plane `good`, the second in the plane `bad`."""

    UNKNOWN = 0
    GOOD = 1
    BAD = 2
    EXCLUDED = 3


class Sli(IntEnum):
    """What is judged of a slot (service level indicator)."""

    AVAILABILITY = 0
    LATENCY = 1
    MOS = 2
    PASSIVE = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """What makes a slice good or bad.

    - AVAILABILITY: the probe, with its confirmation.
    - LATENCY: the timing `timing` (a name of TIMINGS) of a pass, at most `threshold` seconds.
    - MOS: the worst MOS heard by a conclusive probe, `threshold` at least.
    - PASSIVE: the tenant's own traffic: SEER at least `threshold`, ISA at most `other`; None for neither.
    """

    sli: Sli = Sli.AVAILABILITY
    timing: str = ""
    threshold: float | None = None
    other: float | None = None


AVAILABILITY: Final = Measure()


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Whose slices: one probe of a tenant at one location, cut by `interval` whole seconds, by one measure.

    The interval divides a day. A passive series has no probe and no location ("").
    """

    tenant: str
    flow: Flow
    probe: str
    location: str
    interval: int
    measure: Measure = AVAILABILITY


@dataclass(frozen=True, slots=True)
class DaySlices:
    """The slices that begin within one UTC day. `day` counts from 1970-01-01.

    Two planes of 86,400/interval bits; bit i is the slot that begins i intervals after midnight. In the store
    they are little-endian bytes, the plane `good` before the plane `bad`: 360 bytes at 60 s.
    """

    day: int
    good: int
    bad: int


@dataclass(frozen=True, slots=True)
class Slices:
    """Slices of one series over any number of days, from midnight (UTC) of `day` on.

    Bit i of each plane is the slot that begins i intervals after that midnight; what is in neither is
    unknown. A month of 60 s is two numbers of 44,640 bits, so that all of it is shifted, masked and counted
    at once.
    """

    day: int = 0
    good: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class SliceSeries:
    """A series while it was placed: from `since` until `until` (None: still).

    Both instants are whole seconds. The same key may have several, one after another. `unread` are the days,
    counted from 1970-01-01, of which the books have slices that can't be read: these count as unknown.
    """

    id: int
    key: SeriesKey
    since: datetime
    until: datetime | None
    slices: Slices = Slices()
    unread: tuple[int, ...] = ()

    @property
    def first(self) -> int:
        """The slot (counted from 1970) that the first bit of its slices is about."""
        return self.slices.day * (DAY_SECONDS // self.key.interval)

    @property
    def days(self) -> tuple[DaySlices, ...]:
        """The days of which something is known, in order."""
        slots = DAY_SECONDS // self.key.interval
        mask = (1 << slots) - 1
        good, bad = self.slices.good, self.slices.bad
        count = -(-max(good.bit_length(), bad.bit_length()) // slots)
        shifts = range(0, count * slots, slots)
        every = (((good >> shift) & mask, (bad >> shift) & mask) for shift in shifts)
        return tuple(
            DaySlices(day, *of_day) for day, of_day in enumerate(every, self.slices.day) if any(of_day)
        )


@dataclass(frozen=True, slots=True)
class SliceCause:
    """Why slices became bad: from this slot on, until another cause follows or a slice is good.

    `key` is that of the series whose slices they are, `slot` counts its intervals, `cause` is in the words of
    the alerts (`timeout: no answer ...`), `known` is when the confirming attempt ended.
    """

    key: SeriesKey
    slot: int
    cause: str
    known: datetime
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class SliceMark:
    """A verdict on one slot that is no probe's result: of the tenant's own traffic."""

    key: SeriesKey
    slot: int
    state: Literal[SliceState.GOOD, SliceState.BAD]
    cause: str
    known: datetime


Attempts: TypeAlias = Mapping[Literal[1, 2], frozenset[Outcome]]
"""The conclusive outcomes of a slot's attempts; a slot that was probed twice (a restart) may have several."""


def slice_interval(interval: float) -> int | None:
    """Return an interval as a series has it, None where its slices can't be kept: no whole part of a day."""
    seconds = int(interval)
    return seconds if seconds > 0 and seconds == interval and DAY_SECONDS % seconds == 0 else None


def is_on_the_books(result: ProbeResult) -> bool:
    """Whether a result has a say in slices: a scheduled one, of an interval that cuts a day evenly."""
    return result.origin is Origin.SCHEDULE and slice_interval(result.interval) is not None


def verdict(attempts: Attempts) -> SliceState:
    """Return what the attempts of a slot make of its slice (docs/sla.md).

    Bad is a failure that was confirmed, and contradicted by no pass; whatever the order in which they come.
    """
    first, second = attempts.get(1, frozenset()), attempts.get(2, frozenset())
    failed = Outcome.FAIL in first
    if Outcome.PASS in first or (failed and Outcome.PASS in second):
        return SliceState.GOOD
    return SliceState.BAD if failed and Outcome.FAIL in second else SliceState.UNKNOWN


def measured(result: ProbeResult, measure: Measure) -> SliceState:
    """Return what one result alone makes of its slot by a latency or MOS measure; UNKNOWN says nothing.

    A timing is that of a pass (RFC 6076: those of failures are never mixed in); a MOS that of any conclusive
    probe.
    """
    value: float | None = None
    if measure.sli is Sli.LATENCY and result.outcome is Outcome.PASS:
        value = result.timings.get(measure.timing)
    elif measure.sli is Sli.MOS and result.outcome is not Outcome.INCONCLUSIVE:
        value = min((stream.mos for stream in result.media if stream.mos is not None), default=None)
    if value is None or measure.threshold is None:
        return SliceState.UNKNOWN
    kept = value <= measure.threshold if measure.sli is Sli.LATENCY else value >= measure.threshold
    return SliceState.GOOD if kept else SliceState.BAD


def merged(known: SliceState, found: SliceState) -> SliceState:
    """Return what a slice is once more is known of it: good stands over bad, and either over unknown.

    So neither a duplicate nor the order of arrival changes anything.
    """
    if SliceState.GOOD in (known, found):
        return SliceState.GOOD
    return SliceState.BAD if SliceState.BAD in (known, found) else SliceState.UNKNOWN


def planes(data: bytes) -> tuple[int, int]:
    """Return the planes good and bad of a day's bytes."""
    half = len(data) // 2
    return int.from_bytes(data[:half], "little"), int.from_bytes(data[half:], "little")


def plane_size(interval: int) -> int:
    """Return how many bytes one plane of a day has."""
    return -(-(DAY_SECONDS // interval) // 8)


def joined_days(days: Mapping[int, bytes], interval: int) -> Slices:
    """Return the slices of days, each given by its number and its bytes; one that is not there is unknown."""
    if not days:
        return Slices()
    first, last = min(days), max(days)
    size, slots = plane_size(interval), DAY_SECONDS // interval
    if slots % 8:
        good = bad = 0
        for day, data in days.items():
            of_good, of_bad = planes(data)
            good |= (of_good & (1 << slots) - 1) << (day - first) * slots
            bad |= (of_bad & (1 << slots) - 1) << (day - first) * slots
        return Slices(first, good, bad)
    every = list(days.values())
    if list(days) != list(range(first, last + 1)):
        nothing = bytes(2 * size)
        every = [days.get(day, nothing) for day in range(first, last + 1)]
    return Slices(
        first,
        int.from_bytes(b"".join([data[:size] for data in every]), "little"),
        int.from_bytes(b"".join([data[size:] for data in every]), "little"),
    )


def plane_bytes(good: int, bad: int, interval: int) -> bytes:
    """Return the bytes of a day's planes."""
    size = plane_size(interval)
    return good.to_bytes(size, "little") + bad.to_bytes(size, "little")
