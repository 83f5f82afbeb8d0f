"""Links that died without a word: both threads say Yes, the lag is 0, and nothing comes any more; pure.

The replica finds out by itself after slave_net_timeout (replica_net_timeout), 60 s by default. Sooner it is
told by any of:

- a heartbeat table: the source has a row that the replica, which says that it has applied all, lacks, and
  that is older than three intervals of its writer. Not of a replica that is busy or delayed: it may have
  received the row.
- GTIDs: the source has made transactions between its last two polls that the replica has not received; or,
  without GTIDs, its place in one file of the binary log has moved on, past the replica's. Only while it makes
  transactions: of an idle source nobody can tell, nor need to.
- replication's own heartbeats, where the replica counts them: none in two of their periods (by default 30 s
  each), whether the source is a member or not.

In each case nothing at all has come between the last two readings of the replica.
"""

from collections.abc import Iterator
from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.lag import silent_after
from collectors.mysql.snapshot import Channel, ClockReading, MysqlSnapshot
from collectors.mysql.topology.links import identity, lacking
from collectors.mysql.topology.seen import Seen, Views
from dialtone.model import Impact, Link, Trouble, has_restarted

_UNDERWAY: Final = 3.0
"""Seconds that a transaction may take from the source to the replica, and what one poll asks first and last
may lie apart."""

_PERIODS: Final = 2
_SLACK: Final = 1.0


def silence(
    view: NodeView, now: MysqlSnapshot, channel: Channel, before: Channel | None, link: Link, views: Views
) -> Iterator[Seen]:
    """Look for a link that is dead though it looks alive; yields nothing where that can't be told."""
    if channel.connecting and before is not None and before.io_running:
        return  # it has just begun to doubt its link itself: no proof that the link is well
    if not channel.io_running or _busy(channel):
        yield _seen(link)
        return
    if view.before is None or before is None:
        return
    if not before.io_running or _received(channel) != _received(before) or _began_anew(view.before, now):
        yield _seen(link)
        return
    apart = now.taken - view.before.taken
    found: list[Seen] = []
    if channel.source_heartbeats is not None and channel.heartbeat_period:
        patience = _PERIODS * channel.heartbeat_period + _SLACK
        if apart > patience:
            yield _seen(link, f"nothing has come in {apart:.0f} s, not even replication's own heartbeats")
            return
    source = views[link.source] if link.source else None
    if source is not None and source.now is not None:
        found += _by_rows(now, channel, link, source, source.now, views)
        found += _by_transactions(now, channel, link, source, source.now)
    worst = min(found, key=lambda seen: (not seen.bad, seen.lasts), default=None)
    if worst is not None:
        yield worst


def _by_rows(
    replica: MysqlSnapshot, channel: Channel, link: Link, source: NodeView, there: MysqlSnapshot, views: Views
) -> Iterator[Seen]:
    if replica.heartbeats is None or not there.heartbeats or not _caught_up(channel):
        return
    for server_id, newest in there.heartbeats.items():
        mine = replica.heartbeats.get(server_id)
        writer = _writer(server_id, views)
        if mine is None or writer is None or server_id == replica.server.server_id:
            continue
        clock, patience = writer
        now = replica.at + clock.offset
        patience += clock.error
        if newest.written <= mine.written or now - mine.written <= patience:
            yield _seen(link)
            continue
        # A row that was there that long before the replica was asked is proof. That there is a newer one by
        # now is not yet: the writer may have paused.
        rows = [newest]
        if source.before is not None and source.before.heartbeats:
            rows += [row for key, row in source.before.heartbeats.items() if key == server_id]
        proof = any(mine.written < row.written <= now - patience for row in rows)
        detail = f"its newest heartbeat is {now - mine.written:.1f} s old, that of {link.source} is newer"
        yield _seen(link, f"{_LOOKS_ALIVE}; {detail}", lasts=not proof)


def _by_transactions(
    replica: MysqlSnapshot, channel: Channel, link: Link, source: NodeView, there: MysqlSnapshot
) -> Iterator[Seen]:
    if source.before is None:
        return
    if there.server.gtid and source.before.server.gtid:
        have = (source.before.server.gtid, replica.server.gtid, channel.received, channel.executed)
        new = lacking(there.server.gtid, *have)
        lost = f"{new} new transactions of {link.source} have not come" if new else ""
    else:
        new, lost = _by_place(channel, source.before, there)
    if new is None:
        return
    if not new:
        yield _seen(link)
        return
    # What the source made since the replica was asked may be under way.
    yield _seen(link, f"{_LOOKS_ALIVE}; {lost}", lasts=there.taken > replica.taken - _UNDERWAY)


def _by_place(channel: Channel, before: MysqlSnapshot, there: MysqlSnapshot) -> tuple[int | None, str]:
    first, last, read = before.server.place, there.server.place, channel.read_place
    if first is None or last is None or read is None or not first.file == last.file == read.file:
        return None, ""
    new = max(0, last.position - max(first.position, read.position))
    return new, "the source's binary log has grown, and what is new has not come"


_LOOKS_ALIVE: Final = "both threads run, yet nothing comes"


def _busy(channel: Channel) -> bool:
    """Whether the I/O thread says that it does something else than wait: it may have no room, say."""
    return bool(channel.io_state) and "to send event" not in channel.io_state.lower()


def _received(channel: Channel) -> object:
    return channel.received, channel.read_place, channel.source_heartbeats


def _caught_up(channel: Channel) -> bool:
    """Whether the replica says that it has applied all that it has received."""
    read, done = channel.read_place, channel.executed_place
    if read is None or done is None:
        return channel.sql_running and channel.lag == 0 and not channel.delay
    return channel.sql_running and read == done


def _began_anew(before: MysqlSnapshot, now: MysqlSnapshot) -> bool:
    then, since = before.server.uptime, now.server.uptime
    return then is not None and since is not None and has_restarted(then, since, now.taken - before.taken)


def _writer(server_id: int, views: Views) -> tuple[ClockReading, float] | None:
    """Return the clock that a row is written by, and how old it may be."""
    for view in views.values():
        known = identity(view)
        if known is not None and known.server.server_id == server_id:
            return view.clock or known.server.clock, silent_after(view.heartbeat)
    return None


def _seen(link: Link, detail: str = "", *, lasts: bool = False) -> Seen:
    return Seen(
        Trouble.LINK_SILENT,
        bool(detail),
        link.replica,
        link.channel,
        value=float(bool(detail)),
        detail=detail,
        impact=Impact.EXPOSED,
        lasts=lasts,
        about=(link.replica, link.source) if link.source else (link.replica,),
    )
