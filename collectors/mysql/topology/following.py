"""Whether each member follows another as its topology wants it, and has nothing of its own; pure.

GTIDs that a replica alone has: MySQL 8.4 Reference Manual, "Failover with GTIDs" (errant transactions).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from collectors.mysql import gtid
from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import Flavour, MysqlSnapshot
from collectors.mysql.topology.links import channels_known, identity
from collectors.mysql.topology.seen import Seen, Views
from dialtone.model import Link, Topology, TopologyKind, Trouble

_FOLLOWING: Final = frozenset(
    {TopologyKind.PRIMARY_REPLICA, TopologyKind.ACTIVE_PASSIVE, TopologyKind.MULTI_PRIMARY}
)


def following_checks(topology: Topology, views: Views, links: Sequence[Link]) -> Iterator[Seen]:
    """Look for members that replicate from no other, and for those that went their own way."""
    if topology.kind in _FOLLOWING:
        yield from _alone(topology.kind, views, links)
    for view in views.values():
        if view.now is not None:
            yield from _errant(view.name, view.now, views, links)


def _alone(kind: TopologyKind, views: Views, links: Sequence[Link]) -> Iterator[Seen]:
    known = {name: view.now for name, view in views.items() if view.now and channels_known(view)}
    lone = [name for name, now in known.items() if not _follows(name, now, views, links)]
    # Of two that follow each other none may follow nobody: after a switch it would get nothing.
    excused = _heads(lone, views, links) if kind is TopologyKind.PRIMARY_REPLICA else set()
    for name in known:
        bad = name in lone and name not in excused
        yield Seen(
            Trouble.NOT_REPLICATING,
            bad,
            name,
            value=float(bad),
            detail="it replicates from no other member" if bad else "",
            # A planned switch passes through this.
            lasts=True,
            about=tuple(lone) if bad else (name,),
        )


def _follows(name: str, now: MysqlSnapshot, views: Views, links: Sequence[Link]) -> bool:
    """Whether a member has a channel from another one, or one that may be: its source is not known yet."""
    if any(link.replica == name and link.source is not None for link in links):
        return True
    unread = any(identity(view) is None for view in views.values())
    return any(unread or channel.source_id == 0 for channel in now.channels)


def _heads(lone: Sequence[str], views: Views, links: Sequence[Link]) -> set[str]:
    """Return those that are right to follow nobody: written to and followed, or else one of the two."""
    writers = {name for name in lone if _writable(views[name])}
    if len(lone) == 1:
        return set(lone)
    followed = {name for name in lone if any(link.source == name for link in links)}
    if both := writers & followed:
        return both
    return next((found for found in (writers, followed) if len(found) == 1), set())


def _writable(view: NodeView) -> bool:
    return view.now is not None and view.now.server.writable


def _errant(name: str, now: MysqlSnapshot, views: Views, links: Sequence[Link]) -> Iterator[Seen]:
    """Look for transactions that a replica has and none of its sources.

    Those of the servers above it don't count: they may have made some since they were asked. Not told where
    one of these is none of ours or doesn't answer, or where the replica is above itself, in a ring.
    """
    sources = _sources(name, links)
    if now.server.flavour is not Flavour.MYSQL or not now.server.gtid:
        return
    if not sources:
        if channels_known(views[name]):  # a source: what it has is what there is
            yield Seen(Trouble.ERRANT_TRANSACTIONS, bad=False, node=name)
        return
    above = _above(name, links)
    there = {source: views[source].now for source in above if source is not None}
    if name in above or len(there) < len(above) or None in there.values():
        return
    said = {source: snapshot.server for source, snapshot in there.items() if snapshot is not None}
    direct = [said[source].gtid for source in sources if source]
    extra = gtid.errant(now.server.gtid, direct, {server.server_uuid for server in said.values()})
    if extra is None:
        return
    yield Seen(
        Trouble.ERRANT_TRANSACTIONS,
        extra > 0,
        name,
        value=float(extra),
        detail=f"{extra} transactions of its own: no source has them, nor ever gets them" if extra else "",
        lasts=True,
        about=(name, *sorted(source for source in sources if source)),
    )


def _sources(name: str, links: Sequence[Link]) -> set[str | None]:
    return {link.source for link in links if link.replica == name}


def _above(name: str, links: Sequence[Link]) -> set[str | None]:
    """Return the members that a member's changes come from, directly or not, and None for strangers."""
    found: set[str | None] = set()
    todo = _sources(name, links)
    while todo:
        found |= todo
        todo = {above for source in todo if source for above in _sources(source, links)} - found
    return found
