"""What is wrong with a server, by itself or in its place among the others; pure.

Sources: MySQL 8.4 Reference Manual, "Semisynchronous Replication", "Replica Server Options and Variables"
(replica_skip_errors, replica_exec_mode); MariaDB KB, "Semisynchronous Replication", "Replication Filters".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.lag import silent_after
from collectors.mysql.parse_heartbeats import in_local_time
from collectors.mysql.snapshot import ClockReading, Heartbeat, MysqlSnapshot
from collectors.mysql.statements import HEARTBEATS, Part
from collectors.mysql.topology.following import following_checks
from collectors.mysql.topology.seen import Seen, Views
from collectors.mysqlclient import one_line
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
            yield from _unread(view.name, view.now, _no_table(view, view.now))
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


def _unread(name: str, now: MysqlSnapshot, no_table: bool) -> Iterator[Seen]:
    """Look for parts that the server refuses: what rests on them has no check, and silence is no health.

    A node that takes no queries has troubles that say so, and the table of a source that has none is
    HEARTBEAT_STOPPED's.
    """
    told = no_table and now.server.writable
    parts = [part for part in now.unread if not (told and part == Part.HEARTBEAT)]
    if parts and now.galera is not None and not now.galera.serves:
        return
    notes = dict.fromkeys(now.notes.get(part) or str(now.unread[part]) for part in parts)
    yield Seen(
        Trouble.NOT_READ,
        bool(parts),
        name,
        value=float(len(parts)),
        detail=one_line(f"can't be read: {', '.join(parts)}; {'; '.join(notes)}") if parts else "",
        lasts=True,
    )


def _no_table(view: NodeView, now: MysqlSnapshot) -> bool:
    """Whether the heartbeat that is configured has no table, or one of another kind."""
    if view.heartbeat is None or (now.galera is not None and not now.galera.serves):
        return False
    return now.unread.get(Part.HEARTBEAT) is CollectFailure.SERVER


def _semi_sync(name: str, now: MysqlSnapshot, sources: set[str]) -> Iterator[Seen]:
    semi_sync = now.server.semi_sync
    if semi_sync is None:
        yield Seen(Trouble.SEMI_SYNC_OFF, bad=False, node=name)  # it may have been there: its alert ends
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
    if view.heartbeat is None:
        yield Seen(Trouble.HEARTBEAT_STOPPED, bad=False, node=view.name)
        return
    no_table = _no_table(view, now)
    if now.heartbeats is None and not no_table:
        return
    rows = now.heartbeats or {}
    writers = sum(other.now is not None and other.now.server.writable for other in views.values())
    alone = writers == 1
    if now.server.writable and not alone and kind is TopologyKind.ACTIVE_PASSIVE:
        return
    writer = now.server.server_id
    any_does = kind is TopologyKind.GALERA
    if writer not in rows and not no_table:
        if not alone and (any_does or kind is TopologyKind.MULTI_PRIMARY):
            return
        if len(rows) >= HEARTBEATS:  # its own may be among those that were not taken
            return
    ages = {
        number: _age(number, row, now, views) for number, row in rows.items() if any_does or number == writer
    }
    feeds = any(link.source == view.name for link in links) or bool(now.server.replicas)
    if not now.server.writable or not (feeds or not now.channels):
        yield Seen(Trouble.HEARTBEAT_STOPPED, bad=False, node=view.name)
        return
    patience, slack = silent_after(view.heartbeat), MOST_SKEW + now.server.clock.error
    beating = [age for age in ages.values() if -slack <= age <= patience]
    if beating:
        yield Seen(Trouble.HEARTBEAT_STOPPED, bad=False, node=view.name, value=max(0.0, min(beating)))
        return
    value = 0.0
    if no_table:
        detail = f"there is no table to write it to: {now.notes.get(Part.HEARTBEAT, '')}"
    elif not ages:
        detail = f"nobody writes a heartbeat for server_id {writer}"
    else:
        writer = min(ages, key=lambda number: abs(ages[number]))
        value = ages[writer]
        detail = _wrong_time(value, rows[writer], _row(view.before, writer))
    yield Seen(
        Trouble.HEARTBEAT_STOPPED,
        True,
        view.name,
        value=value,
        detail=detail,
        impact=Impact.NONE,
        # A server that was only just made the source, or started, has a writer in a moment.
        lasts=not _stood_still(view.before, now, writer, patience),
    )


def _age(writer: int, row: Heartbeat, now: MysqlSnapshot, views: Views) -> float:
    """Return how old a row is by the clock that it was written by, where that is a member's."""
    if writer != now.server.server_id:
        for view in views.values():
            if view.now is not None and view.now.server.server_id == writer:
                return now.at + (view.clock or view.now.server.clock).offset - row.written
    return row.age


def _wrong_time(age: float, row: Heartbeat, before: Heartbeat | None) -> str:
    if in_local_time(row, before):
        return "the heartbeat is in local time: run pt-heartbeat with --utc"
    if age < 0:
        return "the last heartbeat is dated in the future: it is in local time, or the clock was set back"
    return f"the last heartbeat was written {age:.1f} s ago"


def _stood_still(before: MysqlSnapshot | None, now: MysqlSnapshot, writer: int, patience: float) -> bool:
    """Whether a server that could be written to all the while had no beat between its last two readings."""
    if before is None or before.heartbeats is None or not before.server.writable:
        return False
    apart = now.taken - before.taken
    then, since = before.server.uptime, now.server.uptime
    if apart <= patience or then is None or since is None or has_restarted(then, since, apart):
        return False
    then_row, row = _row(before, writer), _row(now, writer)
    return (then_row and then_row.written) == (row and row.written)


def _row(snapshot: MysqlSnapshot | None, writer: int) -> Heartbeat | None:
    return None if snapshot is None else (snapshot.heartbeats or {}).get(writer)


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
            # Ours may have been set between the polls of two of them.
            lasts=True,
            about=tuple(clocks),
        )
    if len(clocks) > 1:
        ours = abs(right) > MOST_SKEW + max(clock.error for clock in clocks.values())
        detail = f"our own clock is {_apart(-right)} the servers': mend the one of this machine"
        yield Seen(
            Trouble.CLOCK_SKEW,
            ours,
            value=-right,
            detail=detail if ours else "",
            impact=Impact.NONE,
            lasts=True,
            about=tuple(clocks),
        )


def _middle(clocks: Mapping[str, ClockReading]) -> float:
    offsets = sorted((0.0, *(clock.offset for clock in clocks.values())))
    low, high = offsets[(len(offsets) - 1) // 2], offsets[len(offsets) // 2]
    return min(low, high, key=abs)


def _apart(ahead: float) -> str:
    return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"


def _whose(known: int) -> str:
    return "ours; which of the two is wrong can't be told" if known == 1 else "the others'"
