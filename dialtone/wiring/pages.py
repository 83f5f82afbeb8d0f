"""What the books say of tenants over a span of time, as the arithmetic takes it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dialtone.config import TenantTree
from dialtone.model import Correction, Maintenance, Scope, SliceCause, SliceSeries
from dialtone.ports import Books
from dialtone.sla.account import Pages
from dialtone.sla.calendar import Span

LOOK_BACK: Final = timedelta(days=3)
"""The longest window of a burn rate: a period's first days look back into the one before it."""


def lineage(tree: TenantTree, domain: str) -> tuple[str, ...]:
    """Return the tenants above one, the nearest first, the platform last; () of one not in the tree."""
    found: list[str] = []
    tenant = tree.get(domain)
    while tenant is not None and tenant is not tree.platform:
        tenant = tree.get(tenant.parent or "") or tree.platform
        found.append(tenant.domain)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LaidOver:
    """All maintenance and corrections of the store, whoever's, by tenant.

    Not filtered by a reader's scope: a reseller's maintenance holds for its clients. What of it is shown to
    whom is up to whoever shows it.
    """

    maintenance: Mapping[str, Sequence[Maintenance]]
    corrections: Mapping[str, Sequence[Correction]]

    def pages(
        self, tenants: Iterable[str], series: Iterable[SliceSeries], causes: Iterable[SliceCause]
    ) -> Pages:
        """Return the pages of a tenant, given with those above it."""
        names = tuple(tenants)
        maintenance = (one for name in names for one in self.maintenance.get(name, ()))
        corrections = (one for name in names for one in self.corrections.get(name, ()))
        return Pages(
            tuple(series),
            tuple(causes),
            tuple(sorted(maintenance, key=lambda one: one.id)),
            tuple(sorted(corrections, key=lambda one: one.id)),
        )


async def laid_over(books: Books) -> LaidOver:
    """Read what is laid over the measurements."""
    everything = Scope.everything()
    maintenance: dict[str, list[Maintenance]] = defaultdict(list)
    corrections: dict[str, list[Correction]] = defaultdict(list)
    for one in await books.maintenance(everything):
        maintenance[one.tenant].append(one)
    for other in await books.corrections(everything):
        corrections[other.tenant].append(other)
    return LaidOver(maintenance, corrections)


async def read_pages(
    books: Books, scope: Scope, above: Mapping[str, Collection[str]], span: Span, over: LaidOver
) -> dict[str, Pages]:
    """Return the pages of these tenants, those of which the scope may see.

    `above` says for each whose maintenance and corrections hold for it besides its own.
    """
    seen = [tenant for tenant in above if scope.allows(tenant)]
    since = span.start - LOOK_BACK
    series: dict[str, list[SliceSeries]] = defaultdict(list)
    causes: dict[str, list[SliceCause]] = defaultdict(list)
    for one in await books.slices(scope, since=since, until=span.end, tenants=seen):
        series[one.key.tenant].append(one)
    for cause in await books.causes(scope, since=since, until=span.end, tenants=seen):
        causes[cause.key.tenant].append(cause)
    return {tenant: over.pages((tenant, *above[tenant]), series[tenant], causes[tenant]) for tenant in seen}
