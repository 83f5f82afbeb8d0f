"""Quiet hours: whether a probe of a tenant may be placed now."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from dialtone.model import WeekSpan, is_covered


def is_quiet(spans: Sequence[WeekSpan], zone: str, at: datetime) -> bool:
    """Whether an instant is in one of the spans, by the wall clock of an IANA zone.

    So an hour that the wall clock shows twice, at the end of summer time, is quiet twice, and a span that
    begins in one that it leaves out begins with the next.
    """
    if not spans:
        return False
    local = at.astimezone(ZoneInfo(zone))
    return is_covered(spans, local.weekday(), local.hour * 60 + local.minute)
