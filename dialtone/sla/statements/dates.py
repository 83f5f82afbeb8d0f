"""Dates, times of day and durations as people of a locale write them."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.units import format_unit

_UNITS = (("duration-hour", 3600), ("duration-minute", 60), ("duration-second", 1))


@lru_cache(4096)
def duration(seconds: int, locale: Locale) -> str:
    """Return whole seconds (0 or more) in hours, minutes and seconds: `1 hr 5 min`, `743 h`."""
    parts: list[str] = []
    rest = seconds
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(format_unit(count, unit, length="short", locale=locale))
    # A number and its unit stay together; between the parts a line may break.
    return " ".join(_joined(part) for part in parts) or _joined(
        format_unit(0, "duration-minute", length="short", locale=locale)
    )


def brief_duration(seconds: int, locale: Locale) -> str:
    """Return seconds in the one unit that says them shortly, rounded up: `72 min`, `24 hr`."""
    unit, size = _UNITS[2] if seconds < 60 else _UNITS[1] if seconds < 60_000 else _UNITS[0]
    return _joined(format_unit(-(-seconds // size), unit, length="short", locale=locale))


@lru_cache(1024)
def long_date(day: date, locale: Locale) -> str:
    """Return a day with its month in full: `October 3, 2026`."""
    return format_date(day, "long", locale=locale)


def month_name(period: str, locale: Locale) -> str:
    """Return a month (2026-10) by name: `October 2026`."""
    return format_skeleton("yMMMM", date.fromisoformat(period + "-01"), locale=locale)


def short_date(day: date, locale: Locale) -> str:
    """Return a day within a year that is known: `Oct 3`."""
    return format_skeleton("MMMd", day, locale=locale)


def instant(at: datetime, zone: ZoneInfo, locale: Locale, *, year: bool = False) -> str:
    """Return an instant by the wall clock of a zone: `Oct 3 14:02`.

    Seconds are told where they aren't 0. The hour that a wall clock has twice comes with its distance to
    UTC: `Nov 1 01:30 (UTC-05:00)`.
    """
    local = at.astimezone(zone)
    # Babel would turn the wall clock by a zone of its own where it is told one.
    wall = local.replace(tzinfo=None)
    day = format_skeleton("yMMMd" if year else "MMMd", wall, locale=locale)
    clock = format_skeleton("Hms" if local.second else "Hm", wall, locale=locale)
    said = f"{day} {clock}"
    if local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset():
        offset = local.strftime("%z")
        said += f" (UTC{offset[:3]}:{offset[3:5]})"
    return said


@lru_cache(1024)
def day_length(day: date, zone: ZoneInfo) -> int:
    """Return how many seconds a calendar day has: 23 or 25 hours where clocks are changed."""
    midnights = (
        datetime(each.year, each.month, each.day, tzinfo=zone) for each in (day, day + timedelta(days=1))
    )
    begin, end = (midnight.timestamp() for midnight in midnights)
    return int(end - begin)


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """Return the midnight that ends a calendar day."""
    after = day + timedelta(days=1)
    return datetime(after.year, after.month, after.day, tzinfo=zone)


def weekday_names(locale: Locale, *, first: int = 0) -> tuple[str, ...]:
    """Return the seven short names of weekdays, beginning with `first` (Monday is 0)."""
    names = locale.days["stand-alone"]["abbreviated"]
    return tuple(names[(first + number) % 7] for number in range(7))


def month_span(period: str, zone: str) -> tuple[datetime, datetime]:
    """Return the first instant of a calendar month (2026-10) in a zone, and that of the next."""
    first = date.fromisoformat(period + "-01")
    after = (first + timedelta(days=31)).replace(day=1)
    begin, end = (datetime(each.year, each.month, 1, tzinfo=ZoneInfo(zone)) for each in (first, after))
    return begin.astimezone(UTC), end.astimezone(UTC)


def _joined(text: str) -> str:
    return text.replace(" ", "\u00a0").replace("\u202f", "\u00a0")
