"""`quiet:` of a probe -> the hours in which it is not placed: 22:00-06:00, sat,sun, mon-fri 12:00-13:00."""

import re
from typing import Final

from dialtone.config.problem import quote
from dialtone.config.values import words
from dialtone.model import WeekSpan, is_covered

DAY_MINUTES: Final = 24 * 60
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[,-][a-z]{3}){0,6}))?[ ]*"
    r"(?:(?P<from>[0-9]{2}):(?P<from_minute>[0-9]{2})-(?P<to>[0-9]{2}):(?P<to_minute>[0-9]{2}))?",
    re.IGNORECASE,
)
_EXAMPLE: Final = 'write "22:00-06:00", "sat,sun" or "mon-fri 12:00-13:00"'


def quiet_spans(raw: object) -> tuple[WeekSpan, ...]:
    """Return the spans of a list of texts. Raises ValueError, also where they leave no minute of the week."""
    spans = tuple(_span(word) for word in words(raw))
    if all(is_covered(spans, day, minute) for day in range(7) for minute in range(DAY_MINUTES)):
        raise ValueError("leaves no minute of the week: the probe would never be placed; take it out instead")
    return spans


def _span(word: str) -> WeekSpan:
    found = _SPAN.fullmatch(word.strip())
    if found is None or (found["days"] is None and found["from"] is None):
        raise ValueError(f"{quote(word)} is no quiet time; {_EXAMPLE}")
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
