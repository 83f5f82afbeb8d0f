"""When series of slices were placed: opened and ended by plan, or opened by a result (pure).

Everything here counts in whole seconds since 1970 UTC.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Self

from dialtone.model import DAY_SECONDS, Flow, Measure, ProbeResult, SeriesKey
from dialtone.store.rows import instant

MINUTE: Final = 60


class Span(NamedTuple):
    """From `since` on, before `until`."""

    since: int
    until: int

    def touches(self, since: int, until: int) -> bool:
        """Whether they have an instant in common."""
        return since < self.until and until > self.since


class Place(NamedTuple):
    """What is measured together: the series of all measures of one probe at one location."""

    tenant: str
    flow: Flow
    probe: str
    location: str
    interval: int

    @classmethod
    def of(cls, key: SeriesKey) -> Self:
        """Return the place of a series."""
        return cls(key.tenant, key.flow, key.probe, key.location, key.interval)

    @classmethod
    def has(cls, result: ProbeResult) -> Self:
        """Return the place of a result that is on the books."""
        return cls(result.tenant, result.flow, result.probe, result.location, int(result.interval))

    @property
    def slots_a_day(self) -> int:
        """How many slots begin within a day."""
        return DAY_SECONDS // self.interval

    def is_closed(self, slot: int, closed: Iterable[Span]) -> bool:
        """Whether a slot lies, even in part, in one of these spans."""
        start = slot * self.interval
        return any(span.touches(start, start + self.interval) for span in closed)

    def key(self, measure: Measure) -> SeriesKey:
        """Return the key of the series that goes by a measure."""
        return SeriesKey(*self, measure)


@dataclass(frozen=True, slots=True)
class Tenure:
    """A series while it was placed; `until` is None for still."""

    id: int
    measure: Measure
    since: int
    until: int | None

    def covers(self, second: int) -> bool:
        """Whether the series was placed then."""
        return self.since <= second and (self.until is None or second < self.until)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: a span, of some tenants or (None) all that may be seen."""

    since: int
    until: int
    tenants: frozenset[str] | None

    @classmethod
    def of(cls, since: datetime, until: datetime, tenants: Collection[str] | None) -> Self:
        """Return a span cut to seconds. Raises ValueError where an instant has no zone."""
        first, last = -(-instant(since) // 1_000_000), -(-instant(until) // 1_000_000)
        return cls(first, last, None if tenants is None else frozenset(tenants))

    @property
    def days(self) -> range:
        """The days (from 1970-01-01, UTC) that it touches."""
        return range(self.since // DAY_SECONDS, (self.until - 1) // DAY_SECONDS + 1)

    def slots(self, interval: int) -> tuple[int, int]:
        """Return the first slot that begins in it, and the first that begins after it."""
        return -(-self.since // interval), -(-self.until // interval)

    def wants(self, tenant: str, tenure: Tenure) -> bool:
        """Whether a series is asked for: it was placed at some time of the span."""
        if self.tenants is not None and tenant not in self.tenants:
            return False
        return tenure.since < self.until and (tenure.until is None or tenure.until > self.since)


@dataclass(frozen=True, slots=True)
class Opening:
    """What must be done so that a slot is covered: a new tenure, or (`id`) one that begins earlier."""

    id: int | None
    since: int
    until: int | None


def covering(tenures: Collection[Tenure], second: int) -> Tenure | None:
    """Return the tenure in which an instant lies."""
    return next((tenure for tenure in tenures if tenure.covers(second)), None)


def opening(tenures: Collection[Tenure], second: int, closed: Sequence[Span]) -> Opening | None:
    """Return how a result of a slot that no tenure covers opens one, None where it must not.

    One that begins later is moved back; whatever the order in which results come, it begins with the first.
    A probe that began in the minute in which its series was ended opens nothing. No tenure is made to touch a
    closed month.
    """
    minute = second // MINUTE * MINUTE
    if any(one.until is not None and one.until <= second < one.until + MINUTE for one in tenures):
        return None
    later = min((one for one in tenures if one.since > second), key=lambda one: one.since, default=None)
    end = min((span.since for span in closed if span.since > second), default=None)
    if later is not None and (end is None or later.since <= end):
        return Opening(later.id, minute, later.until)
    return Opening(None, minute, end)


def beginning(tenures: Collection[Tenure], second: int, closed: Sequence[Span]) -> int:
    """Return when a series that is planned at an instant begins: cut to the minute.

    Later where the clock was set back: not before an earlier tenure ended, nor before the last closed month.
    """
    ends = (one.until for one in tenures if one.until is not None)
    return max(second // MINUTE * MINUTE, *(span.until for span in closed), *ends, 0)


def ending(tenure: Tenure, second: int, closed: Sequence[Span]) -> int:
    """Return when an open series that is planned no more ends: cut to the minute.

    Later where the clock was set back: not before it began, and not within a closed month or before one.
    """
    after = (span.until for span in closed if span.until > tenure.since)
    return max(second // MINUTE * MINUTE, tenure.since, *after)
