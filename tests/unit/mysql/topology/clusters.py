"""What real nodes of Galera said in each state (MariaDB 10.11, Galera 26.4), and members in other states."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import Channel, Galera, MysqlSnapshot
from dialtone.model import CollectFailure, Topology, TopologyKind
from tests.unit.mysql.recordings import recording
from tests.unit.mysql.topology.views import snapshot, view


def recorded(state: str, /, **changes: Any) -> Galera:
    """What a node said in that state, but for what is given; the name ends with the node's number."""
    said = recording("mariadb-10.11-galera", state).snapshot.galera
    assert said is not None
    return replace(said, **changes)


def server(name: str, *, channels: Sequence[Channel] = (), **fields: Any) -> NodeView:
    """A server that answers; it takes writes unless `writable` is false."""
    return view(name, snapshot(channels=channels, **fields))


def node(name: str, now: Galera, before: Galera | None = None, *, seconds: float = 15.0) -> NodeView:
    """A node of a cluster, and what it said some seconds before."""
    last = None if before is None else snapshot(galera=before)
    return view(name, snapshot(at=seconds, galera=now), last)


def down(
    name: str, failure: str = CollectFailure.CONNECT, *, before: MysqlSnapshot | None = None
) -> NodeView:
    """A server that can't be read, and what it said last."""
    return view(name, before=before, failure=failure)


def fresh(name: str) -> NodeView:
    """A server that was not polled yet."""
    return NodeView(name)


def together(kind: TopologyKind, *members: NodeView) -> tuple[Topology, dict[str, NodeView]]:
    """Those servers as a topology."""
    return Topology("main", kind, tuple(one.name for one in members)), {one.name: one for one in members}
