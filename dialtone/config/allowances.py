"""Whether the work that is declared fits into what contracts let it exclude."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final, TypeAlias

from dialtone.config.problem import listing
from dialtone.config.tree import TenantTree
from dialtone.model import Flow, Maintenance, Objective, WeekSpan
from dialtone.sla.calendar import Span
from dialtone.sla.exclusions import work_by_month

_AHEAD: Final = timedelta(days=366)
"""How far what recurs is looked at, from where the last work of the file begins."""


def overruns(
    objectives: Sequence[Objective], maintenance: Sequence[Maintenance], tree: TenantTree
) -> Iterator[str]:
    """Yield a note for each objective whose cap is under the work of some calendar month.

    Work outside of its hours of service takes nothing of the cap, and what overlaps counts once.
    """
    if not objectives or not maintenance:
        return
    weighing = _Weighing(maintenance)
    over: dict[tuple[str, int, int, str], list[str]] = {}
    theirs = _by_tenant(maintenance, tree)
    for objective in objectives:
        most, names = weighing.busiest(theirs.get(objective.tenant, ()), objective)
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
        last = max(one.begins for one in maintenance)
        self._looked = Span(max(min(one.begins for one in maintenance), last - _AHEAD), last + _AHEAD)
        self._known: dict[tuple[tuple[int, ...], tuple[Flow, ...], tuple[WeekSpan, ...], str], _Busiest] = {}

    def busiest(self, numbers: tuple[int, ...], objective: Objective) -> "_Busiest":
        """Return the most seconds of any month, and the names of what makes them up."""
        key = (numbers, objective.flows, objective.hours, objective.zone)
        if key not in self._known:
            declared = [self._maintenance[number] for number in numbers]
            months = work_by_month(*key[1:], declared, self._looked)
            seconds, sources = max(reversed(months), key=lambda month: month[0])
            self._known[key] = seconds, listing(dict.fromkeys(one.name for one in sources))
        return self._known[key]


_Busiest: TypeAlias = tuple[int, str]
