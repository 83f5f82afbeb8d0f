"""Hours of the week by the wall clock of a zone: quiet hours of probes, hours of service of contracts."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WeekSpan:
    """Hours that come back every week, by a wall clock.

    `days` are those on which it begins, Monday is 0. `start` and `end` are minutes since midnight; a span
    that ends at or before its start ends on the next day.
    """

    days: frozenset[int]
    start: int
    end: int


def is_covered(spans: Iterable[WeekSpan], day: int, minute: int) -> bool:
    """Whether a minute (since midnight) of a weekday (Monday is 0) is in one of the spans."""
    return any(_covers(span, day, minute) for span in spans)


def _covers(span: WeekSpan, day: int, minute: int) -> bool:
    if span.start < span.end:
        return day in span.days and span.start <= minute < span.end
    began_today = day in span.days and minute >= span.start
    return began_today or ((day - 1) % 7 in span.days and minute < span.end)
