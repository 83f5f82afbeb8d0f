"""Hours of the week, of probes (`quiet:`) and contracts (`hours:`), such as mon-fri 12:00-13:00."""

import re
from collections.abc import Iterable
from typing import Final

from dialtone.config.problem import quote
from dialtone.config.values import words
from dialtone.model import WeekSpan

DAY_MINUTES: Final = 24 * 60
WEEK_MINUTES: Final = 7 * DAY_MINUTES
_WEEK: Final = (1 << WEEK_MINUTES) - 1
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[,-][a-z]{3}){0,6}))?[ ]*"
    r"(?:(?P<from>[0-9]{2}):(?P<from_minute>[0-9]{2})-(?P<to>[0-9]{2}):(?P<to_minute>[0-9]{2}))?",
    re.IGNORECASE,
)
_MOST: Final = 100
_EXAMPLE: Final = 'write "22:00-06:00", "sat,sun" or "mon-fri 12:00-13:00"'


def quiet_spans(raw: object) -> tuple[WeekSpan, ...]:
    """Return the spans of a list of texts. Raises ValueError, also where they leave no minute of the week."""
    spans = week_spans(raw, "quiet time")
    if not spans:
        raise ValueError("leaves no minute of the week: the probe would never be placed; take it out instead")
    return spans


def week_spans(raw: object, what: str) -> tuple[WeekSpan, ...]:
    """Return the spans of a list of texts, () where they are the whole week. `what` is one, to a person.

    Raises ValueError.
    """
    given = words(raw)
    if len(given) > _MOST:
        raise ValueError(f"has {len(given):,} entries; {_MOST} are the most")
    spans = tuple(_span(word, what) for word in given)
    return () if week_minutes(spans).bit_count() == WEEK_MINUTES else spans


def week_minutes(spans: Iterable[WeekSpan]) -> int:
    """Return the minutes of the week that spans cover, a bit each from Monday's first on."""
    found = 0
    for span in spans:
        length = span.end - span.start + (DAY_MINUTES if span.end <= span.start else 0)
        for day in span.days:
            found |= ((1 << length) - 1) << (day * DAY_MINUTES + span.start)
    # A span of Sunday's may end on Monday.
    return (found & _WEEK) | (found >> WEEK_MINUTES)


def _span(word: str, what: str) -> WeekSpan:
    found = _SPAN.fullmatch(word.strip())
    if found is None or (found["days"] is None and found["from"] is None):
        raise ValueError(f"{quote(word)} is no {what}; {_EXAMPLE}")
    days = frozenset(range(7)) if found["days"] is None else _days(found["days"].lower(), word)
    if found["from"] is None:
        return WeekSpan(days, 0, DAY_MINUTES)
    start = _minutes(found["from"], found["from_minute"], word)
    end = _minutes(found["to"], found["to_minute"], word)
    if start == DAY_MINUTES:
        raise ValueError(f"{quote(word)} begins when the day is over; write 00:00")
    if start == end:
        raise ValueError(f"{quote(word)} begins when it ends; for whole days name the days alone")
    return WeekSpan(days, start, end)


def _minutes(hour: str, minute: str, word: str) -> int:
    found = int(hour) * 60 + int(minute)
    if int(minute) > 59 or found > DAY_MINUTES:
        raise ValueError(f"{quote(word)}: {hour}:{minute} is no time of day; use 00:00 to 24:00")
    return found


def _days(text: str, word: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"{quote(word)}: days are {', '.join(_DAYS)}; {_EXAMPLE}")
        begin = _DAYS.index(first)
        count = (_DAYS.index(last) - begin) % 7 if dash else 0
        found.update((begin + step) % 7 for step in range(count + 1))
    return frozenset(found)
