"""What the incidents of an account come to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from dialtone.sla.figures import Account

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many incidents, and the mean seconds to detect and to recover.

    `to_recover` is of those that are over, `to_detect` of those whose detection is on record; None where
    there is none.
    """

    incidents: int
    to_detect: Fraction | None
    to_recover: Fraction | None


def totals(account: Account) -> Totals:
    """Return what the incidents of an account come to."""
    return Totals(
        len(account.incidents),
        _mean(whole_seconds(i.start, i.known) for i in account.incidents if i.known is not None),
        _mean(whole_seconds(i.start, i.end) for i in account.incidents if i.end is not None),
    )


def whole_seconds(start: datetime, end: datetime) -> int:
    """Return the whole seconds between two instants; what is left over is cut off."""
    return (end - start) // _SECOND


def _mean(seconds: Iterable[int]) -> Fraction | None:
    found = list(seconds)
    return Fraction(sum(found), len(found)) if found else None
