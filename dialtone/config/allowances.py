"""Whether the work that is declared fits into what contracts let it exclude."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dialtone.config.problem import listing
from dialtone.config.tree import TenantTree
from dialtone.model import Flow, Maintenance, Objective
from dialtone.sla.calendar import Span
from dialtone.sla.recurrence import starts

_AHEAD: Final = timedelta(days=366)
"""How far what recurs is looked at, from where the last work of the file begins."""


def overruns(
    objectives: Sequence[Objective], maintenance: Sequence[Maintenance], tree: TenantTree
) -> Iterator[str]:
    """Yield a note for each objective whose cap is under the work of some calendar month.

    Times that overlap count each: it is how much is declared.
    """
    if not objectives or not maintenance:
        return
    weighing = _Weighing(maintenance)
    over: dict[tuple[str, int, int, str], list[str]] = {}
    theirs = _by_tenant(maintenance, tree)
    for objective in objectives:
        most, names = weighing.busiest(theirs.get(objective.tenant, ()), objective.flows)
        if most > objective.maintenance:
            key = (objective.service, objective.maintenance, most, names)
            over.setdefault(key, []).append(objective.tenant)
    for (service, cap, most, names), domains in over.items():
        yield (
            f"objective {service} excludes {cap / 3600:g} h of maintenance a month at most, and {names} "
            f"take{'' if ',' in names else 's'} up to {most / 3600:g} h: what is over counts. It is so for "
            f"{len(domains):,} tenant{'s' if len(domains) > 1 else ''}: {listing(domains)}"
        )


def _by_tenant(maintenance: Sequence[Maintenance], tree: TenantTree) -> dict[str, tuple[int, ...]]:
    """Return the places in `maintenance` of what holds for each tenant: its own, and that of those above."""
    own: dict[str, list[int]] = {}
    for number, one in enumerate(maintenance):
        own.setdefault(one.tenant, []).append(number)
    found: dict[str, tuple[int, ...]] = {}
    for tenant in tree:
        above = found.get(tenant.parent, ()) if tenant.parent is not None else ()
        here = own.get(tenant.domain)
        found[tenant.domain] = (*above, *here) if here else above
    return found


class _Weighing:
    """Adds up what is declared, month by month; what is the same for many tenants once."""

    def __init__(self, maintenance: Sequence[Maintenance]) -> None:
        self._maintenance = maintenance
        self._last = max(one.begins for one in maintenance)
        self._known: dict[tuple[tuple[int, ...], tuple[Flow, ...]], tuple[int, str]] = {}

    def busiest(self, numbers: tuple[int, ...], flows: tuple[Flow, ...]) -> tuple[int, str]:
        """Return the most seconds of any month, and the names of what makes them up."""
        key = (numbers, flows)
        if key not in self._known:
            self._known[key] = self._busiest(numbers, frozenset(flows))
        return self._known[key]

    def _busiest(self, numbers: Sequence[int], flows: frozenset[Flow]) -> tuple[int, str]:
        months: Counter[str] = Counter()
        of_month: dict[str, list[str]] = {}
        for one in (self._maintenance[number] for number in numbers):
            if one.flows and flows.isdisjoint(one.flows):
                continue
            for month, times in _months(one.recurs, one.begins, one.zone, self._last + _AHEAD):
                months[month] += times * one.seconds
                of_month.setdefault(month, []).append(one.name)
        if not months:
            return 0, ""
        busiest = max(months, key=lambda month: (months[month], month))
        return months[busiest], listing(dict.fromkeys(of_month[busiest]))


@lru_cache(maxsize=4096)
def _months(recurs: str, begins: datetime, zone: str, until: datetime) -> tuple[tuple[str, int], ...]:
    """Return how often work begins in each month, like 2026-11, of what is looked at."""
    looked = Span(max(begins, until - 2 * _AHEAD), until)
    times = starts(recurs, begins, zone, looked) if recurs else [begins]
    place = ZoneInfo(zone)
    return tuple(Counter(f"{at.astimezone(place):%Y-%m}" for at in times).items())
