"""The ratios of RFC 6076 by tenant, those above with what is below them in sum (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dialtone.model import Tenant
from dialtone.quality import Ratios, added, ratios


class Source(StrEnum):
    """Whose requests are counted: those of scheduled probes, or all that servers count of the tenants."""

    PROBES = "probes"
    TRAFFIC = "traffic"


@dataclass(frozen=True, slots=True)
class Share:
    """Counts by the names of model.COUNTS, and the ratios that they make."""

    counts: Mapping[str, int]
    ratios: Ratios


@dataclass(frozen=True, slots=True)
class TenantRatios:
    """A tenant's own figures, and those of itself and all below it, None where nothing is.

    `below` is how many tenants that are.
    """

    tenant: Tenant
    own: Share
    below: int
    subtree: Share | None


def ratios_of(tenants: Sequence[Tenant], counts: Mapping[str, Mapping[str, int]]) -> tuple[TenantRatios, ...]:
    """Return the figures of these tenants, in their order; only what these have counted is in any sum."""
    known = {tenant.domain for tenant in tenants}
    children: dict[str, list[str]] = {}
    for tenant in tenants:
        if tenant.parent in known and tenant.parent is not None:
            children.setdefault(tenant.parent, []).append(tenant.domain)

    def under(domain: str) -> Iterator[str]:
        for child in children.get(domain, ()):
            yield child
            yield from under(child)

    def figures(tenant: Tenant) -> TenantRatios:
        below = list(under(tenant.domain))
        whole = added(counts.get(domain, {}) for domain in (tenant.domain, *below))
        return TenantRatios(
            tenant=tenant,
            own=share(counts.get(tenant.domain, {})),
            below=len(below),
            subtree=share(whole) if below else None,
        )

    return tuple(map(figures, tenants))


def share(counts: Mapping[str, int]) -> Share:
    """Return counts with their ratios."""
    return Share(counts, ratios(counts))
