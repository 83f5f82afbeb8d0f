"""What is published of a topology: its checks, what its tenants have of them, who is how far behind."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from dialtone.model import (
    IMPACTS,
    CheckState,
    Kind,
    MetricDef,
    MetricScope,
    Sample,
    TopologyState,
    Trouble,
)
from dialtone.ports import TenantLookup


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(f"mysql_topology_{name}", Kind.GAUGE, text, ("topology", *labels), unit=unit)


TROUBLE: Final = _gauge(
    "trouble",
    "Whether a check found trouble for certain (1); node and channel are empty where it is of the whole",
    "trouble",
    "node",
    "channel",
)
IMPACT: Final = _gauge(
    "impact", "What tenants have of it all: 0 nothing, 1 nothing until one more thing fails, 2 harm now"
)
MEMBERS: Final = _gauge(
    "members", "Servers of the topology that are up, down, or not known yet to be either", "state"
)
GAP: Final = _gauge(
    "replication_gap_transactions",
    "Transactions that the source has and the replica has not applied",
    "node",
    "channel",
)
LAG: Final = _gauge(
    "lag_seconds",
    "Lag beyond the delay that is meant, by the source's heartbeat if there is one; absent while unknown",
    "node",
    "channel",
    unit="seconds",
)
SWITCHES: Final = MetricDef(
    "mysql_topology_switches_total",
    Kind.COUNTER,
    "Times that another server became the one that takes writes",
    ("topology",),
)
TENANT_IMPACT: Final = MetricDef(
    "mysql_topology_tenant_impact",
    Kind.GAUGE,
    "What a tenant has of the troubles of the topology that holds its data, as mysql_topology_impact",
    ("topology", "tenant", "reseller"),
    MetricScope.TENANT,
)

METRICS: Final = (TROUBLE, IMPACT, SWITCHES, MEMBERS, GAP, LAG, TENANT_IMPACT)
"""All that is published of topologies, for the catalogue."""

STATES: Final = ("up", "down", "unknown")


def topology_samples(state: TopologyState, tenants: TenantLookup, at: datetime) -> tuple[Sample, ...]:
    """Return the samples of one topology."""
    return tuple(_samples(state, tenants, at))


def _samples(state: TopologyState, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
    name, impact = state.topology.name, float(IMPACTS.index(state.impact))
    for check in state.checks:
        labels = (name, str(check.trouble), check.node or "", check.channel or "")
        yield TROUBLE.sample(*labels, value=float(check.state is CheckState.BAD), at=at)
    yield IMPACT.sample(name, value=impact, at=at)
    yield SWITCHES.sample(name, value=float(state.switches), at=at)
    # Of a member that was not polled yet nothing is judged.
    judged = {check.node for check in state.checks if check.trouble is Trouble.MEMBER_DOWN}
    known = [
        "up" if member.up else "down" if member.node in judged else "unknown" for member in state.members
    ]
    for word in STATES:
        yield MEMBERS.sample(name, word, value=float(known.count(word)), at=at)
    for link in state.links:
        if link.gap is not None:
            yield GAP.sample(name, link.replica, link.channel, value=float(link.gap), at=at)
        if link.lag is not None:
            yield LAG.sample(name, link.replica, link.channel, value=link.lag, at=at)
    for domain in state.tenants:
        yield TENANT_IMPACT.sample(name, domain, tenants.reseller(domain), value=impact, at=at)
