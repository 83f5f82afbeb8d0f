"""The values of what was promised: shares, periods, days, instants by a wall clock.

As in values.py, what is wrong is a ValueError with words for a person.
"""
# ruff: noqa: TRY004 - pydantic reports ValueError; a TypeError would end the validation

import re
from collections.abc import Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import Final, TypeVar

from dialtone.config.document import WrittenNumber
from dialtone.config.problem import nearest, quote
from dialtone.config.quiet import week_spans
from dialtone.config.values import DAY, OneOf, duration, kind_of, language, text, words
from dialtone.model import LONGEST_MAINTENANCE, TIMINGS, Flow, WeekSpan

HOUR: Final = 3600
MONTH: Final = "month"
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,12})?) ?%")
_SHARE: Final = re.compile(r"[01]\.[0-9]{1,14}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2}))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_PERIOD: Final = re.compile(r"([0-9]{1,4})d")
_flow: Final = OneOf(tuple(Flow))
_YEARS: Final = range(2000, 2100)
_LONGEST_PERIOD: Final = 366
_LONGEST_TITLE: Final = 60
_MOST_TITLES: Final = 20

_Day = TypeVar("_Day", date, datetime)


def share(raw: object) -> Fraction:
    """Return a share, over 0 and at most 1, exactly as it was written: `99.95%` or 0.9995."""
    found: Fraction | None = None
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        written = raw.text if isinstance(raw, WrittenNumber) else str(raw)
        if raw > 1 or isinstance(raw, int):
            raise ValueError(f"{quote(written)} is not a share; with a percent sign it is one, like 99.95%")
        raw = written
    if isinstance(raw, str):
        if match := _PERCENT.fullmatch(raw.strip()):
            found = Fraction(match[1]) / 100
        elif _SHARE.fullmatch(raw.strip()):
            found = Fraction(raw.strip())
    if found is None:
        shown = quote(raw) if isinstance(raw, str) else kind_of(raw)
        raise ValueError(f"{shown} is not a share; write one like 99.95% or 0.9995, at most 12 digits behind")
    if not 0 < found <= 1:
        raise ValueError(f"must be over 0 % and at most 100 %, not {percent(found)}")
    return found


def percent(value: Fraction) -> str:
    """Return a share as a person writes it: 99.95 %; truncated where it has more digits than twelve."""
    digits = str(int(value * 10**14)).rjust(13, "0")
    return f"{digits[:-12]}.{digits[-12:]}".rstrip("0").rstrip(".") + " %"


def titles(raw: object) -> Mapping[str, str]:
    """Return titles by language: those of a mapping such as {en: Telephony}; a text is for any ("")."""
    if not isinstance(raw, Mapping):
        return {"": text(raw, most=_LONGEST_TITLE)}
    if not 0 < len(raw) <= _MOST_TITLES:
        raise ValueError(f"has {len(raw):,} languages; give it 1 to {_MOST_TITLES}, or one text")
    found: dict[str, str] = {}
    for tag, title in raw.items():
        try:
            found[language(tag)] = text(title, most=_LONGEST_TITLE)
        except ValueError as error:
            raise ValueError(f"{quote(str(tag))}: {error}") from None
    return found


def flows(raw: object) -> tuple[Flow, ...]:
    """Return flows, each once."""
    return tuple(Flow(_flow(word)) for word in words(raw))


def period(raw: object) -> int:
    """Return the days of a rolling period, 0 for the calendar month."""
    if raw == MONTH:
        return 0
    match = _PERIOD.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None or not 1 <= int(match[1]) <= _LONGEST_PERIOD:
        shown = quote(raw) if isinstance(raw, str) else kind_of(raw)
        raise ValueError(f"{shown} is no period; write month, or 1d to {_LONGEST_PERIOD}d")
    return int(match[1])


def service_hours(raw: object) -> tuple[WeekSpan, ...]:
    """Return the hours of service of a list of texts, () where they are the whole week."""
    return week_spans(raw, "time of service")


def least_mos(raw: object) -> float:
    """Return a score, of more than 1 and at most 4.4, the most that G.711 gets."""
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError(f"must be a number, not {quote(raw) if isinstance(raw, str) else kind_of(raw)}")
    if not 1 < raw <= 4.4:
        raise ValueError(f"must be over 1 and at most 4.4, the most that G.711 gets, not {raw:,}")
    return float(raw)


def threshold(raw: object) -> float:
    """Return the seconds that something may take: a millisecond to an hour."""
    seconds = round(duration(raw), 9)
    if not 0.001 <= seconds <= HOUR:
        raise ValueError(f"must be between 1ms and 1h, not {seconds:g} s")
    return seconds


def timing(raw: object) -> str:
    """Return the name of a timing."""
    found = text(raw)
    if found not in TIMINGS:
        known = ", ".join(TIMINGS)
        raise ValueError(f"{quote(found)} is not a timing{nearest(found, TIMINGS) or f'; known are {known}'}")
    return found


def allowance(raw: object) -> int:
    """Return the seconds of a month that may be excluded: whole minutes, none to 31 days."""
    return 0 if raw == 0 and not isinstance(raw, bool) else _minutes(raw)


def length(raw: object) -> int:
    """Return the seconds that work lasts: whole minutes, one to 31 days."""
    return _minutes(raw)


def _minutes(raw: object) -> int:
    seconds = duration(raw)
    if seconds % 60:
        raise ValueError(f"must be whole minutes, not {seconds:,g} s")
    if seconds > LONGEST_MAINTENANCE:
        raise ValueError(f"must be at most 31d, not {seconds / DAY:,.0f}d")
    return int(seconds)


def day(raw: object) -> date:
    """Return a day such as 2026-10-12, from 2000 to 2099."""
    found = text(raw)
    try:
        if not _DAY.fullmatch(found):
            raise ValueError
        read = date.fromisoformat(found)
    except ValueError:
        raise ValueError(f"{quote(found)} is not a day; write one like 2026-10-12") from None
    return _within_years(read, found)


def instant(raw: object) -> datetime:
    """Return a time of whole minutes such as 2026-11-03T02:00, naive unless it says Z or an offset."""
    found = text(raw)
    match = _INSTANT.fullmatch(found)
    try:
        if match is None:
            raise ValueError
        read = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[4] or ''}")
    except ValueError:
        raise ValueError(
            f"{quote(found)} is not a time; write one like 2026-11-03T02:00, by the clock of `zone`"
        ) from None
    if match[3] not in (None, "00"):
        raise ValueError(f"{quote(found)} is no whole minute; leave the seconds out")
    return _within_years(read, found)


def _within_years(read: _Day, found: str) -> _Day:
    if read.year not in _YEARS:
        raise ValueError(f"{quote(found)} is too far away; years are {_YEARS[0]} to {_YEARS[-1]}")
    return read
