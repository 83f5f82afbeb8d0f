"""Spans of time as contracts name them: months and days by the wall clock of a zone, rolling periods.

All instants are UTC; a zone's wall clock has gaps and hours that come twice, and only this module and
`recurrence` know it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dialtone.model import zone_trouble

_PERIOD: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_FIRST_YEAR: Final = 1971
_LAST_YEAR: Final = 9998
_MOST_DAYS: Final = 3660
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `start` until `end` (UTC), the end not included."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> int:
        """How long it is; 0 where it ends before it starts."""
        return max(0, unix(self.end) - unix(self.start))

    def cut(self, other: "Span") -> "Span":
        """Return what both have in common; it starts where it ends if that is nothing."""
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.end, other.end)))


def unix(at: datetime) -> int:
    """Return the whole seconds from 1970 until an instant, rounded down."""
    return (at - _EPOCH) // _SECOND


def from_unix(seconds: int) -> datetime:
    """Return the instant (UTC) that is so many seconds after 1970."""
    return _EPOCH + timedelta(seconds=seconds)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises ValueError, in words, for any other."""
    if trouble := zone_trouble(name):
        raise ValueError(f"{name!r} {trouble}")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; use an IANA name like America/Montreal") from None


def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when the wall clock of a zone first shows that time (naive).

    One that it skips is the first instant after the gap; of one that it shows twice, the first time.
    """
    early = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    low, high = unix(wall.replace(tzinfo=zone, fold=1).astimezone(UTC)), unix(early)
    before = from_unix(low).astimezone(zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if from_unix(middle).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return from_unix(high)


def start_of_day(day: date, zone: str) -> datetime:
    """Return the instant (UTC) at which a calendar day begins in a zone."""
    return instant(datetime.combine(day, time()), zone_of(zone))


def month(period: str, zone: str) -> Span:
    """Return a calendar month (2026-10) by the clock of a zone. Raises ValueError, in words."""
    found = _PERIOD.fullmatch(period)
    if found is None:
        raise ValueError(f"{period!r} is no month; write it as year-month, like 2026-10")
    year, number = int(found[1]), int(found[2])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"{period} is out of range; months go from {_FIRST_YEAR}-01 to {_LAST_YEAR}-12")
    return _month(year, number, zone)


def period_of(at: datetime, zone: str) -> str:
    """Return the month (2026-10) that an instant lies in by the clock of a zone."""
    wall = at.astimezone(zone_of(zone))
    return f"{wall.year:04d}-{wall.month:02d}"


def previous_period(period: str) -> str:
    """Return the month before one. Raises ValueError, in words, as `month` does."""
    return period_of(month(period, "UTC").start - _SECOND, "UTC")


def months_over(span: Span, zone: str) -> tuple[Span, ...]:
    """Return the whole calendar months of a zone that a span touches, in order."""
    found = [month(period_of(span.start, zone), zone)]
    while found[-1].end < span.end:
        found.append(month(period_of(found[-1].end, zone), zone))
    return tuple(found)


def rolling(end: datetime, days: int) -> Span:
    """Return so many times 24 hours, ending at an instant (cut to the minute). Raises ValueError."""
    if not 0 < days <= _MOST_DAYS:
        raise ValueError(f"a rolling period has 1 to {_MOST_DAYS} days, not {days}")
    cut = end.replace(second=0, microsecond=0)
    try:
        return Span(cut - days * _DAY, cut)
    except OverflowError:
        raise ValueError(f"no {days} days lie before {end.isoformat()}") from None


@lru_cache(maxsize=1024)
def days_of(span: Span, zone: str) -> tuple[tuple[date, Span], ...]:
    """Return the calendar days of a zone that a span touches, each with what of it lies in the span.

    A day has 23, 24 or 25 hours, or what else the zone made of it; one that it skipped is left out.
    """
    place = zone_of(zone)
    found: list[tuple[date, Span]] = []
    day = span.start.astimezone(place).date()
    start = start_of_day(day, zone)
    while start < span.end:
        end = start_of_day(day + _DAY, zone)
        part = Span(start, end).cut(span)
        if part.start < part.end:
            found.append((day, part))
        day, start = day + _DAY, end
    return tuple(found)


@lru_cache(maxsize=256)
def offsets(span: Span, zone: str) -> tuple[tuple[int, int, int], ...]:
    """Return the times in which a zone's clock goes on without a jump: start, end, seconds ahead of UTC.

    Both are in seconds from 1970; together they are the span.
    """
    place = zone_of(zone)

    def ahead(at: int) -> int:
        offset = from_unix(at).astimezone(place).utcoffset()
        return 0 if offset is None else offset // _SECOND

    def change(low: int, high: int) -> int:
        before = ahead(low)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if ahead(middle) == before else (low, middle)
        return high

    found: list[tuple[int, int, int]] = []
    since = at = unix(span.start)
    end = unix(span.end)
    while at < end:
        then = min(at + 6 * 3600, end)
        if ahead(at) != ahead(then):
            then = change(at, then)
            found.append((since, then, ahead(at)))
            since = then
        at = then
    if since < end:
        found.append((since, end, ahead(since)))
    return tuple(found)


@lru_cache(maxsize=1024)
def _month(year: int, number: int, zone: str) -> Span:
    following = date(year + number // 12, number % 12 + 1, 1)
    return Span(start_of_day(date(year, number, 1), zone), start_of_day(following, zone))
