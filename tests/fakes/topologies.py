"""Topologies for tests of what shows them."""

from dialtone.model import (
    Check,
    Link,
    Member,
    Role,
    Topology,
    TopologyKind,
    TopologyState,
)
from tests.fakes.results import NOON


def a_member(
    node: str, *, up: bool = True, role: Role = Role.UNKNOWN, writable: bool | None = False
) -> Member:
    """Return a server of a topology."""
    return Member(node, up, role, writable, "10.11.19-MariaDB", 0.0, 0.001)


def a_link(
    replica: str,
    source: str | None,
    *,
    channel: str = "",
    io_running: bool = True,
    sql_running: bool = True,
    lag: float | None = 0.0,
    gap: int | None = None,
) -> Link:
    """Return a channel that is measured by a heartbeat."""
    address = f"{source or 'elsewhere'}:3306"
    return Link(replica, channel, source, address, io_running, sql_running, lag, measured=True, gap=gap)


def a_topology_state(
    name: str = "main",
    kind: TopologyKind = TopologyKind.ACTIVE_PASSIVE,
    *,
    members: tuple[Member, ...] = (),
    links: tuple[Link, ...] = (),
    checks: tuple[Check, ...] = (),
    tenants: tuple[str, ...] = (),
) -> TopologyState:
    """Return a topology as judged at noon."""
    topology = Topology(name, kind, tuple(member.node for member in members), tenants)
    return TopologyState(topology, NOON, members, links, checks, tenants)
