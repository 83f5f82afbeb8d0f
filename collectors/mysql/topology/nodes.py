"""What is wrong with a server, by itself or in its place among the others; pure.

Sources: MySQL 8.4 Reference Manual, "Semisynchronous Replication", "Replica Server Options and Variables"
(replica_skip_errors, replica_exec_mode); MariaDB KB, "Semisynchronous Replication", "Replication Filters".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.lag import silent_after
from collectors.mysql.snapshot import ClockReading, MysqlSnapshot
from collectors.mysql.topology.following import following_checks
from collectors.mysql.topology.seen import Seen, Views
from dialtone.model import (
    CollectFailure,
    Impact,
    Link,
    Topology,
    TopologyKind,
    Trouble,
    has_restarted,
)

MOST_SKEW: Final = 1.0
"""Seconds by which a clock may differ, beyond what its reading may be wrong by."""

_ANSWERS: Final = frozenset(
    {
        CollectFailure.AUTH,
        CollectFailure.DENIED,
        CollectFailure.PROTOCOL,
        CollectFailure.TOO_LARGE,
        CollectFailure.INTERNAL,
    }
)
"""Failures that say that somebody is there: it is we who can't read it."""


def node_checks(topology: Topology, views: Views, links: Sequence[Link]) -> Iterator[Seen]:
    """Look at each member, and at their clocks together."""
    sources = {link.source for link in links if link.source is not None}
    for view in views.values():
        if view.up is not None:
            yield _down(topology, view, views, links)
        if view.now is not None:
            yield _skipping(view.name, view.now, view.before)
            yield from _semi_sync(view.name, view.now, sources)
            yield from _heartbeat(topology.kind, view, view.now, views, links)
    yield from _clocks(views)
    yield from following_checks(topology, views, links)


def _down(topology: Topology, view: NodeView, views: Views, links: Sequence[Link]) -> Seen:
    down = view.up is False
    hurts = down and view.failure not in _ANSWERS and _needed(topology, view, views, links)
    return Seen(
        Trouble.MEMBER_DOWN,
        down,
        view.name,
        value=float(down),
        detail=": ".join(part for part in (view.failure, view.detail) if part) if down else "",
        impact=Impact.HURT if hurts else Impact.EXPOSED,
        lasts=True,
    )


def _needed(topology: Topology, view: NodeView, views: Views, links: Sequence[Link]) -> bool:
    """Whether a server that is down was the one to write to, as far as it and the others say."""
    if topology.kind is TopologyKind.PRIMARY_REPLICA and view.name in {link.source for link in links}:
        # A relay is somebody's source too.
        return view.before is None or not view.before.channels
    could = view.before is None or view.before.server.writable
    return could and not any(_takes_writes(other.now) for other in views.values() if other.now is not None)


def _takes_writes(snapshot: MysqlSnapshot) -> bool:
    galera = snapshot.galera
    return snapshot.server.writable and (galera is None or (galera.serves and galera.replicating))


def _skipping(name: str, now: MysqlSnapshot, before: MysqlSnapshot | None) -> Seen:
    grown = 0
    if before is not None and now.server.skipped is not None and before.server.skipped is not None:
        grown = max(0, now.server.skipped - before.server.skipped)
    told = [f"{now.server.skips} lets the data of source and replica drift apart"] if now.server.skips else []
    if grown:
        told.append(f"{grown} errors were skipped since the last poll")
    return Seen(Trouble.ERRORS_SKIPPED, bool(told), name, value=float(grown), detail="; ".join(told))


def _semi_sync(name: str, now: MysqlSnapshot, sources: set[str]) -> Iterator[Seen]:
    semi_sync = now.server.semi_sync
    if semi_sync is None:
        return
    # A server may be ready for the day on which it becomes the source.
    is_source = now.server.writable and (name in sources or bool(now.server.replicas) or not now.channels)
    off = is_source and semi_sync.source_enabled and not (semi_sync.source_active and semi_sync.clients > 0)
    why = "no replica acknowledges" if semi_sync.clients == 0 else "it fell back to asynchronous"
    yield Seen(
        Trouble.SEMI_SYNC_OFF,
        off,
        name,
        value=float(off),
        detail=f"commits don't wait for a replica: {why}" if off else "",
        lasts=True,
    )


def _heartbeat(
    kind: TopologyKind, view: NodeView, now: MysqlSnapshot, views: Views, links: Sequence[Link]
) -> Iterator[Seen]:
    """Look for the server's own row, whose age both by and on its own clock needs no other one.

    Not judged where nobody can tell whose writer should beat: that of any node does for a cluster, and of two
    that are active at once one is too many. That a server never had a row is no news beside another writer.
    """
    if view.heartbeat is None or now.heartbeats is None:
        return
    writers = sum(other.now is not None and other.now.server.writable for other in views.values())
    alone = writers == 1
    if now.server.writable and not alone and kind is TopologyKind.ACTIVE_PASSIVE:
        return
    row = now.heartbeats.get(now.server.server_id)
    if row is None and not alone and kind in (TopologyKind.GALERA, TopologyKind.MULTI_PRIMARY):
        return
    if kind is TopologyKind.GALERA:
        row = min(now.heartbeats.values(), key=lambda found: found.age, default=None)
    feeds = any(link.source == view.name for link in links) or bool(now.server.replicas)
    if not now.server.writable or not (feeds or not now.channels):
        yield Seen(Trouble.HEARTBEAT_STOPPED, bad=False, node=view.name)
        return
    patience = silent_after(view.heartbeat)
    if row is not None and row.age <= patience:
        yield Seen(Trouble.HEARTBEAT_STOPPED, bad=False, node=view.name, value=max(0.0, row.age))
        return
    if row is None:
        value, detail = 0.0, f"nobody writes a heartbeat for server_id {now.server.server_id}"
    else:
        value, detail = row.age, f"the last heartbeat was written {row.age:.1f} s ago"
    yield Seen(
        Trouble.HEARTBEAT_STOPPED,
        True,
        view.name,
        value=value,
        detail=detail,
        impact=Impact.NONE,
        # A server that was only just made the source, or started, has a writer in a moment.
        lasts=not _stood_still(view.before, now, patience),
    )


def _stood_still(before: MysqlSnapshot | None, now: MysqlSnapshot, patience: float) -> bool:
    """Whether a server that could be written to all the while had no beat between its last two readings."""
    if before is None or before.heartbeats is None or not before.server.writable:
        return False
    apart = now.taken - before.taken
    then, since = before.server.uptime, now.server.uptime
    if apart <= patience or then is None or since is None or has_restarted(then, since, apart):
        return False
    return _own_beat(before) == _own_beat(now)


def _own_beat(snapshot: MysqlSnapshot) -> float | None:
    row = (snapshot.heartbeats or {}).get(snapshot.server.server_id)
    return None if row is None else row.written


def _clocks(views: Views) -> Iterator[Seen]:
    """Compare the clocks with each other and with ours: the one in the middle is right.

    Where as many say the one as say the other, it is ours that is believed.
    """
    clocks = {
        view.name: view.clock or view.now.server.clock for view in views.values() if view.now is not None
    }
    if not clocks:
        return
    right = _middle(clocks)
    for name, clock in clocks.items():
        ahead = clock.offset - right
        bad = abs(ahead) > MOST_SKEW + clock.error
        yield Seen(
            Trouble.CLOCK_SKEW,
            bad,
            name,
            value=ahead,
            detail=f"its clock is {_apart(ahead)} {_whose(len(clocks))}" if bad else "",
        )
    if len(clocks) > 1:
        ours = abs(right) > MOST_SKEW + max(clock.error for clock in clocks.values())
        detail = f"our own clock is {_apart(-right)} the servers': mend the one of this machine"
        yield Seen(Trouble.CLOCK_SKEW, ours, value=-right, detail=detail if ours else "", impact=Impact.NONE)


def _middle(clocks: Mapping[str, ClockReading]) -> float:
    offsets = sorted((0.0, *(clock.offset for clock in clocks.values())))
    low, high = offsets[(len(offsets) - 1) // 2], offsets[len(offsets) // 2]
    return min(low, high, key=abs)


def _apart(ahead: float) -> str:
    return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"


def _whose(known: int) -> str:
    return "ours; which of the two is wrong can't be told" if known == 1 else "the others'"
