"""Recurrence rules (RFC 5545 3.3.10) by the wall clock of a zone: what maintenance recurs by.

python-dateutil expands one month or one year at a time and this module goes from one to the next: left to
itself it looks for the next day of an impossible rule (30 February) until the year 9999. What is left out of
the grammar is what no maintenance needs and what costs without bound: seconds, minutes, hours, week numbers.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.rrule import MONTHLY, YEARLY, rrule, weekday

from dialtone.sla.calendar import Span, instant, zone_of

_MOST_CHARACTERS: Final = 500
_MOST_COUNT: Final = 1000
_MOST_INTERVAL: Final = 1000
_MOST_MONTHS: Final = 1200
"""A rule with COUNT is followed for so many months from its start."""
_ONCE: Final = 12 * 10_000
"""An interval past the year 9999 from anywhere: dateutil stops after the first month or year."""
_MOST_WEEKS: Final = 5
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_UNTIL: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
_BYDAY: Final = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d{1,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Rule:
    freq: str
    interval: int = 1
    count: int | None = None
    until: str = ""
    days: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0


def check_rrule(text: str, zone: str) -> None:
    """Raise ValueError, in words for who wrote it, where a rule can't be followed or a zone isn't known."""
    zone_of(zone)
    rule = _parsed(text)
    if rule.until:
        _last(rule, zone_of(zone))


def starts(text: str, begins: datetime, zone: str, span: Span) -> list[datetime]:
    """Return the instants (UTC) within a span at which what recurs begins, the first at `begins` or later.

    By the wall clock: a time that a day skips is the first instant after the gap, one that it has twice is
    the first. Costs milliseconds whatever the rule. Raises ValueError as check_rrule does.
    """
    rule = _parsed(text)
    place = zone_of(zone)
    first = begins.astimezone(place).replace(tzinfo=None, fold=0)
    last = _last(rule, place) if rule.until else None
    low, high = (_wall(at, place) for at in (span.start, span.end))
    if rule.count is None:
        days = _days(rule, first, max(first.date(), low.date() - timedelta(days=1)), high.date())
    else:
        days = _counted(rule, first, high.date())
    found: list[datetime] = []
    for day in days:
        wall = datetime.combine(day, first.time())
        at = max(begins, instant(wall, place))
        if wall > high + timedelta(days=1) or (last is not None and not last(wall, at)):
            break
        if span.start <= at < span.end:
            found.append(at)
    return found


def _wall(at: datetime, place: ZoneInfo) -> datetime:
    return at.astimezone(place).replace(tzinfo=None)


def _counted(rule: _Rule, first: datetime, end: date) -> Iterator[date]:
    for number, day in enumerate(_days(rule, first, first.date(), end)):
        if rule.count is None or number >= rule.count:
            return
        yield day


def _days(rule: _Rule, first: datetime, low: date, high: date) -> Iterator[date]:
    """Go through the days from `low` to `high` on which a rule that began with `first` recurs."""
    if rule.freq == "YEARLY":
        phase = (low.year - first.year) % rule.interval
        end = high.year if rule.count is None else min(high.year, first.year + _MOST_MONTHS // 12)
        years = range(low.year - phase, end + 1, rule.interval)
        found: Iterator[date] = (day for year in years for day in _expanded(rule, first, year, None))
    else:
        found = _by_month(rule, first, low, high)
    return (day for day in found if max(low, first.date()) <= day <= high)


def _by_month(rule: _Rule, first: datetime, low: date, high: date) -> Iterator[date]:
    since, until = _month_number(low), _month_number(high)
    if rule.count is not None:
        until = min(until, _month_number(first) + _MOST_MONTHS)
    if rule.freq == "MONTHLY":
        since -= (since - _month_number(first)) % rule.interval
        for number in range(since, until + 1, rule.interval):
            yield from _expanded(rule, first, *_month_at(number))
        return
    origin = first.date()
    if rule.freq == "WEEKLY":
        origin -= timedelta(days=(origin.weekday() - rule.week_start) % 7)
    length = 7 if rule.freq == "WEEKLY" else 1
    for number in range(since, until + 1):
        for day in _expanded(rule, first, *_month_at(number)):
            if (day - origin).days // length % rule.interval == 0:
                yield day


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month_at(number: int) -> tuple[int, int]:
    return number // 12, number % 12 + 1


def _expanded(rule: _Rule, first: datetime, year: int, month: int | None) -> list[date]:
    """Return the days of a month, or of a year, by everything in a rule but its interval and ends."""
    return list(_expand(rule, (first.month, first.day, first.weekday()), year, month))


@lru_cache(maxsize=4096)
def _expand(rule: _Rule, began: tuple[int, int, int], year: int, month: int | None) -> tuple[date, ...]:
    if not 1 <= year <= 9999:
        return ()
    days, month_days, months = rule.days, rule.month_days, rule.months
    if not days and not month_days:
        if rule.freq == "WEEKLY":
            days = ((0, began[2]),)
        elif rule.freq == "DAILY":
            month_days = tuple(range(1, 32))
        else:
            month_days = (began[1],)
            if rule.freq == "YEARLY" and not months:
                months = (began[0],)
    found = rrule(
        YEARLY if month is None else MONTHLY,
        dtstart=datetime.combine(date(year, month or 1, 1), time()),
        interval=_ONCE,
        byweekday=[weekday(day, number or None) for number, day in days] or None,
        bymonthday=month_days or None,
        bymonth=months or None,
        bysetpos=rule.positions or None,
    )
    return tuple(at.date() for at in found)


def _last(rule: _Rule, place: ZoneInfo) -> Callable[[datetime, datetime], bool]:
    """Return what says whether an occurrence (its wall clock, its instant) is still before the rule's end."""
    found = _UNTIL.fullmatch(rule.until)
    if found is None:
        raise ValueError(f"UNTIL={rule.until} is no date; write it like 20261231 or 20261231T235959Z")
    try:
        day = date(int(found[1][:4]), int(found[1][4:6]), int(found[1][6:]))
        hour, minute, second = (int(found[2][at : at + 2]) for at in (0, 2, 4)) if found[2] else (23, 59, 59)
        wall = datetime.combine(day, time(hour, minute, second))
    except ValueError:
        raise ValueError(f"UNTIL={rule.until} is a date that does not exist") from None
    if found[3]:
        end = wall.replace(tzinfo=UTC)
        return lambda _, at: at <= end
    return lambda at, _: at <= wall


def _numbers(name: str, text: str, low: int, high: int, *, signed: bool) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        value = int(part) if _NUMBER.fullmatch(part) else 0
        if not low <= abs(value) <= high or (value < 0 and not signed):
            reach = f"{low} to {high}" + (f", or -{high} to -{low} from the end" if signed else "")
            raise ValueError(f"{name}: {part!r} is no number from {reach}")
        found.add(value)
    return tuple(sorted(found))


def _byday(text: str) -> tuple[tuple[int, int], ...]:
    found: set[tuple[int, int]] = set()
    for part in text.split(","):
        match = _BYDAY.fullmatch(part)
        if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):
            raise ValueError(f"BYDAY: {part!r} is no day; write MO,TU or, of a month, 1SU,-1FR")
        found.add((int(match[1] or 0), _WEEKDAYS.index(match[2])))
    return tuple(sorted(found))


@lru_cache(maxsize=1024)
def _parsed(text: str) -> _Rule:
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"a rule of {len(text)} characters is too long; {_MOST_CHARACTERS} at most")
    parts: dict[str, str] = {}
    for part in text.strip().upper().split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise ValueError(f"{part!r} is no part of a rule like FREQ=WEEKLY;BYDAY=SU (RFC 5545)")
        if name in parts:
            raise ValueError(f"{name} is given twice")
        parts[name] = value
    unknown = [name for name in parts if name not in _NAMES]
    if unknown:
        raise ValueError(f"{unknown[0]} is not known in a rule; known are {', '.join(_NAMES)}")
    if parts.get("FREQ") not in _FREQUENCIES:
        raise ValueError(f"FREQ must be one of {', '.join(_FREQUENCIES)}: FREQ=WEEKLY;BYDAY=SU")
    return _checked(parts)


def _checked(parts: Mapping[str, str]) -> _Rule:
    freq = parts["FREQ"]
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("a rule ends by COUNT or by UNTIL, not by both")
    by_set = "BYSETPOS" in parts
    if by_set and (
        freq not in ("MONTHLY", "YEARLY") or not parts.keys() & {"BYDAY", "BYMONTHDAY", "BYMONTH"}
    ):
        raise ValueError("BYSETPOS goes with FREQ=MONTHLY or YEARLY and another BY")
    if "BYMONTHDAY" in parts and freq == "WEEKLY":
        raise ValueError("BYMONTHDAY does not go with FREQ=WEEKLY")
    days = _byday(parts["BYDAY"]) if "BYDAY" in parts else ()
    if freq not in ("MONTHLY", "YEARLY") and any(number for number, _ in days):
        raise ValueError(f"BYDAY of FREQ={freq} names days without numbers: MO,TU")
    if (freq == "MONTHLY" or "BYMONTH" in parts) and any(abs(number) > _MOST_WEEKS for number, _ in days):
        raise ValueError(f"BYDAY: a month has no day of a number over {_MOST_WEEKS}; write 1SU or -1FR")
    start = parts.get("WKST", "MO")
    if start not in _WEEKDAYS:
        raise ValueError(f"WKST: {start!r} is no day; write MO or SU")
    return _Rule(
        freq,
        interval=_single(parts, "INTERVAL", _MOST_INTERVAL) or 1,
        count=_single(parts, "COUNT", _MOST_COUNT),
        until=parts.get("UNTIL", ""),
        days=days,
        month_days=_several(parts, "BYMONTHDAY", 31, signed=True),
        months=_several(parts, "BYMONTH", 12, signed=False),
        positions=_several(parts, "BYSETPOS", 366, signed=True),
        week_start=_WEEKDAYS.index(start),
    )


def _single(parts: Mapping[str, str], name: str, most: int) -> int | None:
    if name not in parts:
        return None
    found = _numbers(name, parts[name], 1, most, signed=False)
    if len(found) > 1:
        raise ValueError(f"{name} takes one number, not {parts[name]}")
    return found[0]


def _several(parts: Mapping[str, str], name: str, most: int, *, signed: bool) -> tuple[int, ...]:
    return _numbers(name, parts[name], 1, most, signed=signed) if name in parts else ()


_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_NAMES: Final = (
    "FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST",
)  # fmt: skip
