"""Burn rates: how fast a budget is spent, over windows that end where the account does (definitions).

A rate of 1 spends the budget just within the period. Somebody is called, or a ticket opened, where a long
and a short window both burn too fast: the long one says that it matters, the short one that it goes on
(Google SRE workbook, chapter 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from dialtone.model import DAY_SECONDS
from dialtone.sla.calendar import month, period_of
from dialtone.sla.exclusions import States
from dialtone.sla.figures import Account, Burn
from dialtone.sla.lines import Grid

WINDOWS: Final = (300, 1800, 3600, 7200, 21_600, DAY_SECONDS, 3 * DAY_SECONDS)
"""Seconds."""

REACH: Final = max(WINDOWS)
"""How many seconds before the account's end, or the period's start, burn rates look at."""

_NONE: Final = Fraction(0)

LEAST_BAD_SLICES: Final = 3
"""In the long window: at one probe a minute and 99.9 % a single failure in an hour is over 14.4 already."""


@dataclass(frozen=True, slots=True)
class BurnRule:
    """Both windows (seconds) must burn faster than `factor`, which is for a period of 30 days."""

    severity: Literal["page", "ticket"]
    long: int
    short: int
    factor: Fraction


RULES: Final = (
    BurnRule("page", 3600, 300, Fraction(144, 10)),
    BurnRule("page", 21_600, 1800, Fraction(6)),
    BurnRule("ticket", DAY_SECONDS, 7200, Fraction(3)),
    BurnRule("ticket", 3 * DAY_SECONDS, 21_600, Fraction(1)),
)


@dataclass(frozen=True, slots=True)
class Burning:
    """A budget that is spent too fast; `factor` is the rule's, scaled by period / 30 days.

    `share` is that of the budget which goes within the long window at that rate.
    """

    severity: Literal["page", "ticket"]
    long: Burn
    short: Burn
    factor: Fraction
    share: Fraction


def burn_rates(
    grid: Grid, service: States, slices: Sequence[tuple[int, int]], share: Fraction
) -> tuple[Burn, ...]:
    """Return the burn rate of each window that ends with the grid.

    `slices` are how long bad ones last, and where those are; `share` is what the target leaves. A bad slice
    of the service is one of the longest that were bad there: a failure is one, whatever else is probed.
    """
    longest_first = sorted(slices, key=lambda one: -one[0])
    found: list[Burn] = []
    good, bad, size = service.good, service.bad, grid.count
    for window in reversed(WINDOWS):
        cut = max(0, size - window // grid.step)
        good, bad, size = good >> cut, bad >> cut, size - cut
        seconds, measured = grid.seconds(bad), grid.seconds(bad) + grid.seconds(good)
        rate = (Fraction(seconds, measured) / share if seconds else _NONE) if measured and share else None
        count, left = 0, bad
        for length, plane in longest_first if bad else ():
            here = plane >> grid.count - size & left
            count += grid.seconds(here) // length
            left ^= here
        found.append(Burn(window, rate, count))
    return tuple(reversed(found))


def burning(account: Account) -> tuple[Burning, ...]:
    """Return the rules by which an account's budget is spent too fast, the fastest first."""
    seconds = _period_seconds(account)
    scale = seconds / Fraction(30 * DAY_SECONDS)
    burns = {one.window: one for one in account.burns}
    found: list[Burning] = []
    for rule in RULES:
        long, short, factor = burns[rule.long], burns[rule.short], rule.factor * scale
        if long.rate is None or short.rate is None or long.bad < LEAST_BAD_SLICES:
            continue
        if long.rate > factor and short.rate > factor:
            share = factor * rule.long / seconds
            found.append(Burning(rule.severity, long, short, factor, share))
    return tuple(found)


def _period_seconds(account: Account) -> int:
    objective = account.objective
    if objective.rolling:
        return objective.rolling * DAY_SECONDS
    return month(period_of(account.start, objective.zone), objective.zone).seconds
