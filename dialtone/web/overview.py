"""The state of everything that one reader sees, worst first (pure): the overview page and /status."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dialtone.model import AlertEvent, AlertState, Holding, Impact, NodeState, Outcome, ProbeResult, Tenant


class Health(StrEnum):
    """How a tenant is, by its own flows. Unknown: our side could not tell; untested: nothing was tried."""

    FAILING = "failing"
    UNKNOWN = "unknown"
    UNTESTED = "untested"
    PASSING = "passing"

    @property
    def rank(self) -> int:
        """Worst is 0."""
        return list(Health).index(self)


_BY_OUTCOME = {
    Outcome.FAIL: Health.FAILING,
    Outcome.INCONCLUSIVE: Health.UNKNOWN,
    Outcome.PASS: Health.PASSING,
}


@dataclass(frozen=True, slots=True)
class TenantView:
    """A tenant with the last result of each of its flows, its live alerts, and the tenants below it.

    `health` is its own; `clients_below` and `below_failing` count tenants under it, at any depth: those
    that have nothing below themselves, and those that fail. `databases` are the topologies that hold its
    data, and what it has of their troubles.
    """

    tenant: Tenant
    flows: tuple[ProbeResult, ...]
    alerts: tuple[AlertEvent, ...]
    health: Health
    below: tuple["TenantView", ...]
    clients_below: int
    below_failing: int
    databases: tuple[tuple[str, Impact], ...] = ()

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "TenantView"]]:
        """Yield this tenant and those below it, each with its depth."""
        yield depth, self
        for view in self.below:
            yield from view.walk(depth + 1)


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at once: tenants as a tree, nodes (platform only), alerts that pend or fire."""

    roots: tuple[TenantView, ...]
    nodes: tuple[NodeState, ...]
    alerts: tuple[AlertEvent, ...]

    @property
    def tenants(self) -> tuple[TenantView, ...]:
        """The tenants in the order in which they are shown."""
        return tuple(view for _, view in self.rows)

    @property
    def rows(self) -> tuple[tuple[int, TenantView], ...]:
        """The tree, flat: depth and tenant."""
        return tuple(row for root in self.roots for row in root.walk())

    @property
    def firing(self) -> tuple[AlertEvent, ...]:
        """The alerts that fire."""
        return tuple(a for a in self.alerts if a.state is AlertState.FIRING)

    def having(self, health: Health) -> int:
        """Return how many tenants are so."""
        return sum(view.health is health for view in self.tenants)

    def ended(self, outcome: Outcome) -> int:
        """Return how many flows last ended so."""
        return sum(r.outcome is outcome for view in self.tenants for r in view.flows)

    @property
    def flows(self) -> int:
        """How many flows have been tried."""
        return sum(len(view.flows) for view in self.tenants)

    @property
    def nodes_down(self) -> int:
        """How many nodes do not answer."""
        return sum(not node.up for node in self.nodes)

    @property
    def health(self) -> Health:
        """The worst there is, tested tenants and servers together; untested where nothing is known."""
        if self.firing or self.nodes_down or self.having(Health.FAILING):
            return Health.FAILING
        if self.having(Health.UNKNOWN):
            return Health.UNKNOWN
        return Health.PASSING if self.having(Health.PASSING) else Health.UNTESTED


def overview(
    tenants: Sequence[Tenant],
    results: Iterable[ProbeResult],
    nodes: Iterable[NodeState],
    alerts: Iterable[AlertEvent],
    holdings: Iterable[Holding] = (),
) -> Overview:
    """Put together what was read, worst first, then by name."""
    databases: dict[str, list[tuple[str, Impact]]] = {}
    for one in holdings:
        for domain in one.tenants:
            databases.setdefault(domain, []).append((one.topology, one.impact))
    live = tuple(a for a in alerts if a.state is not AlertState.RESOLVED)
    by_tenant: dict[str, list[ProbeResult]] = {}
    for result in results:
        by_tenant.setdefault(result.tenant, []).append(result)
    alerts_of: dict[str | None, list[AlertEvent]] = {}
    for alert in live:
        alerts_of.setdefault(alert.tenant, []).append(alert)
    known = {tenant.domain for tenant in tenants}
    below: dict[str | None, list[Tenant]] = {}
    for tenant in tenants:
        below.setdefault(tenant.parent if tenant.parent in known else None, []).append(tenant)

    def view(tenant: Tenant) -> TenantView:
        flows = tuple(sorted(by_tenant.get(tenant.domain, ()), key=_worst_flow))
        children = _worst_first(view(child) for child in below.get(tenant.domain, ()))
        return TenantView(
            tenant=tenant,
            flows=flows,
            alerts=tuple(alerts_of.get(tenant.domain, ())),
            health=min((_BY_OUTCOME[f.outcome] for f in flows), key=_rank, default=Health.UNTESTED),
            below=children,
            clients_below=sum(c.clients_below or 1 for c in children),
            below_failing=sum(c.below_failing + (c.health is Health.FAILING) for c in children),
            databases=tuple(databases.get(tenant.domain, ())),
        )

    return Overview(
        roots=_worst_first(view(tenant) for tenant in below.get(None, ())),
        nodes=tuple(sorted(nodes, key=lambda n: (n.up, n.node.name))),
        alerts=tuple(sorted(live, key=lambda a: (a.state is not AlertState.FIRING, a.severity, a.since))),
    )


def _rank(health: Health) -> int:
    return health.rank


def _worst_flow(result: ProbeResult) -> tuple[int, str, str, str]:
    return _BY_OUTCOME[result.outcome].rank, result.flow, result.probe, result.location


def _worst_first(views: Iterable[TenantView]) -> tuple[TenantView, ...]:
    def worst(view: TenantView) -> tuple[int, str]:
        return min(row.health.rank for _, row in view.walk()), view.tenant.domain

    return tuple(sorted(views, key=worst))
