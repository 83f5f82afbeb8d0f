"""Servers of a topology as tests put them together; every default is that of a healthy one."""

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import (
    Channel,
    ClockReading,
    Flavour,
    Galera,
    Heartbeat,
    LastError,
    MysqlSnapshot,
    Place,
    Server,
)
from dialtone.model import Topology, TopologyKind

EPOCH = 1_790_000_000.0
"""Our wall clock as our monotonic clock said 0."""

EXACT = ClockReading(0.0, 0.001)
"""A server's clock that agrees with ours."""


def uuid(server_id: int) -> str:
    """The UUID of the MySQL server with that id."""
    return f"{server_id:08x}-0000-0000-0000-000000000000"


def topology(
    kind: TopologyKind = TopologyKind.PRIMARY_REPLICA,
    *nodes: str,
    tenants: tuple[str, ...] | None = None,
    lag: float = 60.0,
) -> Topology:
    """A topology called main of db1 and db2, or of these."""
    return Topology("main", kind, nodes or ("db1", "db2"), tenants, lag)


def error(code: int, text: str = "") -> LastError:
    """What a thread failed with."""
    return LastError(code, text or f"what the server says of {code}")


def place(position: int, file: str = "bin.000001") -> Place:
    """A place in a binary log."""
    return Place(file, position)


def channel(source: int = 1, **fields: Any) -> Channel:
    """A channel from the MariaDB server with that id, running and with nothing left to apply."""
    healthy: dict[str, Any] = {
        "name": "default",
        "source_id": source,
        "source_uuid": "",
        "source_address": f"10.0.0.{source}:3306",
        "io_running": True,
        "connecting": False,
        "sql_running": True,
        "lag": 0.0,
        "delay": 0.0,
        "io_state": "Waiting for master to send event",
        "applier_state": "Slave has read all relay log; waiting for more updates",
        "read_place": place(100),
        "executed_place": place(100),
    }
    return Channel(**healthy | fields)


def heartbeat(written: float, *, at: float, offset: float = 0.0) -> Heartbeat:
    """The row of a beat `written` seconds after EPOCH, read at `at` from a server that is `offset` ahead."""
    return Heartbeat(EPOCH + written, at + offset - written)


def snapshot(
    server_id: int = 1,
    *,
    at: float = 0.0,
    channels: Sequence[Channel] = (),
    beats: Mapping[int, float] | None = None,
    galera: Galera | None = None,
    writable: bool = True,
    **fields: Any,
) -> MysqlSnapshot:
    """A reading at `at` seconds of our clocks; `fields` are Server's. MariaDB, unless `flavour` says MySQL.

    `beats` are the heartbeat rows: when they were written, in seconds after EPOCH by the writer's clock, by
    its server_id.
    """
    mysql = fields.get("flavour") is Flavour.MYSQL
    server: dict[str, Any] = {
        "version": "8.4.6" if mysql else "10.11.19-MariaDB",
        "flavour": Flavour.MARIADB,
        "server_id": server_id,
        "server_uuid": uuid(server_id) if mysql else "",
        "read_only": not writable,
        "super_read_only": not writable if mysql else None,
        "clock": EXACT,
        "replicas": 0,
        "uptime": 100_000.0 + at,
    }
    made = Server(**server | fields)
    rows = None
    if beats is not None:
        rows = {
            writer: heartbeat(written, at=at, offset=made.clock.offset) for writer, written in beats.items()
        }
    return MysqlSnapshot(at, EPOCH + at, made, tuple(channels), rows, galera)


def galera(**fields: Any) -> Galera:
    """What the first of three healthy nodes says of its cluster."""
    healthy: dict[str, Any] = {
        "status": "Primary",
        "size": 3,
        "view": 7,
        "cluster_uuid": "6f1c0a52-0000-0000-0000-000000000000",
        "members": ("10.0.0.1:3306", "10.0.0.2:3306", "10.0.0.3:3306"),
        "own": "10.0.0.1:3306",
        "state": "Synced",
        "ready": True,
        "connected": True,
        "committed": 100,
        "receive_queue": 0,
        "send_queue": 0,
        "paused": 0.0,
        "pauses_sent": 0,
        "pauses_received": 0,
        "pause_requested": False,
        "certification_failures": 0,
        "brute_force_aborts": 0,
        "desync": False,
    }
    return Galera(**healthy | fields)


def view(
    name: str,
    now: MysqlSnapshot | None = None,
    before: MysqlSnapshot | None = None,
    *,
    polls: int = 2,
    beat: float | None = None,
    **fields: Any,
) -> NodeView:
    """A server that is up, or down without `now`; `beat` is the interval of its heartbeat's writer."""
    held: dict[str, Any] = {
        "up": now is not None,
        "clock": None if now is None else now.server.clock,
        "failure": "" if now is not None else "connect",
        "detail": "" if now is not None else "nobody listens",
    }
    return NodeView(name, polls=polls, now=now, before=before, heartbeat=beat, **held | fields)


def views(*members: NodeView) -> dict[str, NodeView]:
    """The servers by name."""
    return {member.name: member for member in members}
