"""True lag: how long ago a source wrote what its replica shows last; pure.

The replica's own figure is 0 over a link that silently died, and NULL when a thread stands still. A row that
the source writes every second tells the truth: its age on the replica, by the source's clock, is the lag.
"""

from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import Channel, Heartbeat, MysqlSnapshot

BEATS: Final = 3
"""Heartbeats in a row that a writer may leave out before it is taken for dead."""

_SLACK: Final = 1.0
_EVERY: Final = 1.0


def silent_after(every: float | None) -> float:
    """Return the age in seconds at which a row on its own server says that nobody writes it any more."""
    return BEATS * (_EVERY if every is None else every) + _SLACK


def true_lag(
    channel: Channel, replica: MysqlSnapshot, source: NodeView | None, before: MysqlSnapshot | None = None
) -> float | None:
    """Return how many seconds a channel is behind its source, beyond the delay that is meant; never below 0.

    `source` is the node that the channel replicates from, None where it is none of ours: its row is then aged
    by the replica's clock. None while it is unknown: without a row of that source, and while nobody is
    known to write it: the source is down, or its own row is old, or that of one that is none of ours is old
    and as it was in the replica's reading `before`.

    Too high by up to the writer's interval, and wrong by half the round trip that the clock was read in.
    """
    row = (replica.heartbeats or {}).get(channel.source_id)
    if row is None:
        return None
    age = row.age
    if source is not None:
        if source.now is None or not _written(source.now, source.heartbeat):
            return None
        offset = (source.clock or source.now.server.clock).offset
        age = replica.at + offset - row.written
    elif age - channel.delay > silent_after(None) and not _moved(channel.source_id, row, before):
        return None
    return max(0.0, age - channel.delay)


def _moved(server_id: int, row: Heartbeat, before: MysqlSnapshot | None) -> bool:
    last = ((before and before.heartbeats) or {}).get(server_id)
    return last is not None and row.written > last.written


def _written(source: MysqlSnapshot, every: float | None) -> bool:
    """Whether a server's own row is fresh; so it is taken to be where the table can't be read there."""
    if source.heartbeats is None:
        return True
    own = source.heartbeats.get(source.server.server_id)
    # A row from the future is in local time: it tells nothing.
    return own is not None and -_SLACK <= own.age <= silent_after(every)
