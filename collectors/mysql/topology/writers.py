"""Who may write: as many servers as the topology's kind allows, and numbers that don't collide.

Sources: MySQL 8.4 manual, 7.1.8 (read_only, super_read_only) and 19.1.6.2 (auto_increment_increment,
auto_increment_offset); MariaDB KB, "Read-Only Replicas" and "AUTO_INCREMENT"; Galera's of wsrep_ready.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import gcd
from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import Server
from collectors.mysql.statements import Part
from collectors.mysql.topology.links import channels_known
from collectors.mysql.topology.seen import Seen, Views
from collectors.mysql.topology.upstream import Upstream
from dialtone.model import CollectFailure, Impact, Link, Topology, TopologyKind, Trouble

_SILENT: Final = frozenset({CollectFailure.CONNECT, CollectFailure.TIMEOUT})
"""Failures by which a server doesn't answer. By any other, our password say, it may well take writes."""
_PAIRS: Final = 3
"""Most pairs that a detail names."""


@dataclass(frozen=True, slots=True)
class _Stand:
    """Whether a server can be written to, None where that is unknown, and why not."""

    can: bool | None
    why: str = ""
    silent: bool = False


def writer_checks(topology: Topology, views: Views, links: Sequence[Link]) -> Iterator[Seen]:
    """Look at who can write.

    A member that doesn't answer can't be written to either, but only beside one that answers: where all are
    silent it may be our own network. A member that was not polled yet, or that refuses us, is unknown.
    """
    match topology.kind:
        case TopologyKind.ACTIVE_PASSIVE:
            stands = {name: _of_server(view) for name, view in views.items()}
            yield from _no_writer(stands)
            yield from _one_writer(stands)
        case TopologyKind.PRIMARY_REPLICA:
            yield from _primary_replica(views, Upstream(tuple(views), links))
        case TopologyKind.MULTI_PRIMARY:
            stands = {name: _of_server(view) for name, view in views.items()}
            yield from _no_writer(stands)
            yield from _collisions(views, stands)
        case TopologyKind.GALERA:
            stands = {name: _of_galera(view) for name, view in views.items()}
            yield from _no_writer(stands)
        case TopologyKind.STANDALONE:
            pass


def _absent(view: NodeView) -> _Stand:
    silent = view.up is False and view.failure in _SILENT
    return _Stand(None, "doesn't answer" if silent else "", silent)


def _of_server(view: NodeView) -> _Stand:
    if view.now is None:
        return _absent(view)
    writable = view.now.server.writable
    return _Stand(writable, "" if writable else "is read-only")


def _of_galera(view: NodeView) -> _Stand:
    if view.now is None:
        return _absent(view)
    galera = view.now.galera
    if galera is None:
        return _Stand(False, "is in no cluster")
    if not galera.primary:
        return _Stand(False, f"is {galera.status or 'in no component'}")
    if not (galera.ready and galera.connected):
        return _Stand(False, "isn't ready")
    if galera.rejects:
        return _Stand(False, "rejects queries")
    if not galera.replicating:
        return _Stand(False, "writes for itself alone")
    return _of_server(view)


def _all_known(stands: Mapping[str, _Stand]) -> bool:
    return all(stand.can is not None for stand in stands.values())


def _no_writer(stands: Mapping[str, _Stand], sources: Sequence[str] | None = None) -> Iterator[Seen]:
    """Look for a member that can be written to, where it is known which are the sources: one of those."""
    asked = tuple(stands) if sources is None else sources
    if any(stands[name].can for name in asked):
        yield Seen(Trouble.NO_WRITER, bad=False)
        return
    unknown = any(stands[name].can is None and not stands[name].silent for name in asked)
    if unknown or all(stands[name].silent for name in asked):
        return
    yield Seen(
        Trouble.NO_WRITER,
        bad=True,
        value=1.0,
        detail="nobody can write: " + ", ".join(f"{name} {stands[name].why}" for name in asked),
        impact=Impact.HURT,
        lasts=True,
        about=tuple(stands),
    )


def _one_writer(stands: Mapping[str, _Stand]) -> Iterator[Seen]:
    writers = [name for name, stand in stands.items() if stand.can]
    if len(writers) > 1:
        yield _two_writers(writers, "changes on one collide with the others'")
    elif _all_known(stands):
        yield Seen(Trouble.TWO_WRITERS, bad=False, value=float(len(writers)))


def _two_writers(writers: Sequence[str], so: str) -> Seen:
    return Seen(
        Trouble.TWO_WRITERS,
        bad=True,
        value=float(len(writers)),
        detail=f"{_listed(writers)} take writes: {so}",
        impact=Impact.HURT,
        lasts=True,
        about=tuple(writers),
    )


def _primary_replica(views: Views, upstream: Upstream) -> Iterator[Seen]:
    stands = {name: _of_server(view) for name, view in views.items()}
    absent = [view for view in views.values() if not channels_known(view)]
    sources = [name for name, view in views.items() if channels_known(view) and upstream.is_head(name)]
    writers = [name for name in sources if stands[name].can]
    if writers or not absent:
        yield from _no_writer(stands, sources)
    elif not any(stand.can for stand in stands.values()):
        yield from _no_writer(stands)
    apart = {name for a, b in combinations(writers, 2) if not upstream.meant(a, b) for name in (a, b)}
    if apart and not any(_may_join(view) for view in absent):
        split = [name for name in writers if name in apart]
        yield _two_writers(split, "what one has the other never gets, or both change the same rows")
    elif not apart and not absent:
        yield Seen(Trouble.TWO_WRITERS, bad=False, value=float(len(writers)))
    for name, stand in stands.items():
        head = upstream.is_head(name)
        if stand.can is not None and (channels_known(views[name]) or not head):
            bad = stand.can and not head
            yield Seen(
                Trouble.REPLICA_WRITABLE,
                bad=bad,
                node=name,
                value=float(bad),
                detail="a replica that takes writes: they are on no other server" if bad else "",
                lasts=True,
            )


def _may_join(view: NodeView) -> bool:
    """Return whether a member that doesn't tell may replicate from several sources, which is meant."""
    last = view.before
    return last is None or Part.CHANNELS in last.unread or len(last.channels) > 1


def _collisions(views: Views, stands: Mapping[str, _Stand]) -> Iterator[Seen]:
    servers = {
        name: view.now.server
        for name, view in views.items()
        # Galera sets both by itself (wsrep_auto_increment_control).
        if view.now is not None and view.now.galera is None and stands[name].can
    }
    pairs = [(a, b) for a, b in combinations(servers, 2) if _collide(servers[a], servers[b])]
    if pairs:
        told = [_told(a, b, servers) for a, b in pairs[:_PAIRS]]
        more = [f"and {len(pairs) - _PAIRS} pairs more"] if len(pairs) > _PAIRS else []
        yield Seen(
            Trouble.AUTO_INCREMENT_COLLISION,
            bad=True,
            value=float(len(pairs)),
            detail="the same numbers come from " + "; ".join(told + more),
            about=tuple(servers),
        )
    elif _all_known(stands):
        yield Seen(Trouble.AUTO_INCREMENT_COLLISION, bad=False)


def _told(a: str, b: str, servers: Mapping[str, Server]) -> str:
    (offset, step), (other_offset, other_step) = _numbers(servers[a]), _numbers(servers[b])
    return f"{a} ({offset} and every {step}) and {b} ({other_offset} and every {other_step})"


def _collide(one: Server, other: Server) -> bool:
    (offset, step), (other_offset, other_step) = _numbers(one), _numbers(other)
    return (offset - other_offset) % gcd(step, other_step) == 0


def _numbers(server: Server) -> tuple[int, int]:
    """Return where a server's numbers begin, and their distance; an offset beyond that is ignored."""
    step = max(server.increment, 1)
    return (server.offset if 1 <= server.offset <= step else 1), step


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
