"""Who replicates from whom, how far behind it is, and what each server thereby is in its topology; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from collectors.mysql import gtid
from collectors.mysql.fleet import NodeView
from collectors.mysql.lag import true_lag
from collectors.mysql.snapshot import Channel, MysqlSnapshot
from collectors.mysql.statements import Part
from collectors.mysql.topology.seen import Views
from dialtone.model import Link, Role, Topology, TopologyKind

_BY_WRITABILITY: Final = frozenset({TopologyKind.ACTIVE_PASSIVE, TopologyKind.MULTI_PRIMARY})


def links(topology: Topology, views: Views) -> tuple[Link, ...]:
    """Return every channel of every member that is up, in the order of the members."""
    return tuple(
        _link(channel, view, view.now, views)
        for view in views.values()
        if view.now is not None
        for channel in view.now.channels
    )


def source_of(channel: Channel, replica: str, views: Views) -> str | None:
    """Return the member that a channel comes from, None for a stranger.

    By its UUID where both servers have one, else by its server_id, which strangers may have too. A member
    that is down is known by what it said last; one that was never read is nobody's source.
    """
    found = [name for name, view in views.items() if name != replica and _is(identity(view), channel)]
    return found[0] if len(found) == 1 else None


def identity(view: NodeView) -> MysqlSnapshot | None:
    """Return the reading that says who a server is: that does not change while it is down."""
    return view.now or view.before


def channels_known(view: NodeView) -> bool:
    """Whether a server's channels could be read."""
    return view.now is not None and Part.CHANNELS not in view.now.unread


def lacking(wanted: str, *have: str) -> int | None:
    """Return how many of the transactions `wanted` are in none of the others; None where unreadable."""
    left = gtid.parse(wanted)
    for text in have:
        if left is None or (known := gtid.parse(text)) is None:
            return None
        left = gtid.minus(left, known)
    return None if left is None else gtid.count(left)


def measured(
    channel: Channel, view: NodeView, replica: MysqlSnapshot, views: Views
) -> tuple[float | None, str | None]:
    """Return the true lag of a channel of `view`, and the member by whose heartbeat.

    That of the source or, where that only relays, of the one above it; without a member that of a stranger.
    """
    stranger = True
    for above, server_id, delay in _above(channel, view.name, views):
        stranger = False
        lag = true_lag(replace(channel, source_id=server_id, delay=delay), replica, above)
        if lag is not None or _beats(above):
            return lag, above.name
    # Nobody that we read: the row is aged by the replica's own clock.
    return (true_lag(channel, replica, None, view.before) if stranger else None), None


def roles(topology: Topology, views: Views, links: Sequence[Link]) -> dict[str, Role]:
    """Return what each member is; a source that is down is known by those that replicate from it."""
    return {name: _role(topology.kind, view, links) for name, view in views.items()}


def _role(kind: TopologyKind, view: NodeView, links: Sequence[Link]) -> Role:
    if kind is TopologyKind.GALERA:
        return Role.MEMBER
    if kind in _BY_WRITABILITY:
        if view.now is None:
            return Role.UNKNOWN
        return Role.ACTIVE if view.now.server.writable else Role.PASSIVE
    follows = any(link.replica == view.name for link in links)
    feeds = any(link.source == view.name for link in links)
    if view.now is not None:
        feeds = feeds or bool(view.now.server.replicas)
    if follows:
        return Role.RELAY if feeds else Role.REPLICA
    if view.now is not None and not channels_known(view):
        return Role.UNKNOWN
    if feeds or (kind is TopologyKind.PRIMARY_REPLICA and view.now is not None and view.now.server.writable):
        return Role.SOURCE
    return Role.UNKNOWN


def _is(snapshot: MysqlSnapshot | None, channel: Channel) -> bool:
    if snapshot is None:
        return False
    server = snapshot.server
    if channel.source_uuid and server.server_uuid:
        return channel.source_uuid.lower() == server.server_uuid.lower()
    return channel.source_id != 0 and channel.source_id == server.server_id


def _link(channel: Channel, view: NodeView, replica: MysqlSnapshot, views: Views) -> Link:
    name = source_of(channel, view.name, views)
    source = views[name] if name else None
    lag = measured(channel, view, replica, views)[0]
    by_heartbeat = lag is not None
    if lag is None and channel.lag is not None:
        lag = max(0.0, channel.lag - channel.delay)
    return Link(
        replica=view.name,
        channel=channel.name,
        source=name,
        address=channel.source_address,
        io_running=channel.io_running,
        sql_running=channel.sql_running,
        lag=lag,
        measured=by_heartbeat,
        delay=channel.delay,
        gap=_gap(channel, replica, source),
    )


def _above(channel: Channel, name: str, views: Views) -> Iterator[tuple[NodeView, int, float]]:
    """Yield the servers that a channel's changes come through, nearest first: each with its server_id and
    the delay that is meant from there on; no further than to one with several channels, or none.
    """
    seen = {name}
    delay = 0.0
    while True:
        delay += channel.delay
        source = source_of(channel, name, views)
        if source is None or source in seen:
            return
        seen.add(source)
        name = source
        view = views[name]
        if (known := identity(view)) is not None:
            yield view, known.server.server_id, delay
        if view.now is None or len(view.now.channels) != 1:
            return
        channel = view.now.channels[0]


def _beats(view: NodeView) -> bool:
    """Whether a server should write heartbeats, or is not there to be asked."""
    return view.now is None or view.now.server.writable


def _gap(channel: Channel, replica: MysqlSnapshot, source: NodeView | None) -> int | None:
    if source is None or source.now is None or not source.now.server.gtid:
        return None
    return lacking(source.now.server.gtid, replica.server.gtid, channel.executed)
