"""A Galera or Percona XtraDB cluster: what each node says it is in, and whether they say the same.

Sources: Galera's and Percona XtraDB Cluster's documentation of wsrep status variables; MariaDB KB, "Galera
Cluster Status Variables". What each fault looks like was seen on MariaDB 10.11 with Galera 26.4.

A node that doesn't answer has no checks here. One that answers and has no wsrep is in no cluster.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import Galera
from collectors.mysql.topology.components import Component, Components, own_address
from collectors.mysql.topology.flow import flow_checks
from collectors.mysql.topology.seen import Seen, Views
from dialtone.model import Impact, Link, Topology, TopologyKind, Trouble

_DONOR: Final = "donor"
_DESYNCED: Final = "is desynced by itself: it gives another node a copy of its data, or a backup holds a lock"
"""FLUSH TABLES WITH READ LOCK desyncs a node too."""
_JOINING: Final = ("join", "initialized")
"""How wsrep_local_state_comment begins: Joining, with words of what it waits for, Joined; Initialized."""


def galera_checks(topology: Topology, views: Views, links: Sequence[Link]) -> Iterator[Seen]:
    """Look at the nodes of a cluster, alone and together."""
    if topology.kind is not TopologyKind.GALERA:
        return
    nodes = {name: galera for name, view in views.items() if view.now and (galera := view.now.galera)}
    for name, galera in nodes.items():
        yield from _node(name, galera)
    for name, view in views.items():
        if _outside(view):
            yield _non_primary(name, "runs without wsrep: it is in no cluster")
    components = Components(nodes, len(views))
    split = components.split()
    if components.all:
        yield _split_brain(components, split)
        yield from _small(views, components)
    if len(components.nodes) > 1 and not split:
        yield from _differ(components)
    yield from flow_checks(views)


def _outside(view: NodeView) -> bool:
    return view.now is not None and view.now.galera is None


def _node(name: str, galera: Galera) -> Iterator[Seen]:
    if not galera.primary:
        said = galera.status or "nothing"
        yield _non_primary(name, f"says {said}: it is in no primary component and refuses queries (1047)")
        return
    if galera.replicating:
        yield Seen(Trouble.NON_PRIMARY, bad=False, node=name)
    else:
        yield _non_primary(name, "writes stay on this node: wsrep_on is OFF")
    state = galera.state.lower()
    joining = state.startswith(_JOINING)
    if not joining:
        yield from _ready(name, galera)
    donor = state.startswith(_DONOR) and not galera.desync
    yield _state(Trouble.DESYNCED, name, galera.desync, "was told to lag behind (wsrep_desync is ON)")
    yield _state(Trouble.DONOR, name, donor, _DESYNCED)
    yield _state(Trouble.JOINING, name, joining and not galera.desync, f"is still joining: {galera.state}")


def _non_primary(name: str, detail: str) -> Seen:
    # A node that starts or stops passes through this.
    return Seen(
        Trouble.NON_PRIMARY, bad=True, node=name, value=1.0, detail=detail, impact=Impact.HURT, lasts=True
    )


def _ready(name: str, galera: Galera) -> Iterator[Seen]:
    lacks = [f"{word} is OFF" for word, on in _readiness(galera) if not on]
    if galera.rejects:
        lacks.append("wsrep_reject_queries is not NONE")
    yield Seen(
        Trouble.NOT_READY,
        bad=bool(lacks),
        node=name,
        value=float(bool(lacks)),
        detail=f"refuses queries: {' and '.join(lacks)}" if lacks else "",
        impact=Impact.HURT,
        lasts=True,
    )


def _readiness(galera: Galera) -> tuple[tuple[str, bool], ...]:
    return ("wsrep_ready", galera.ready), ("wsrep_connected", galera.connected)


def _state(trouble: Trouble, name: str, bad: bool, detail: str) -> Seen:
    return Seen(trouble, bad, name, value=float(bad), detail=detail if bad else "", lasts=True)


def _split_brain(components: Components, split: Sequence[Component]) -> Seen:
    # Of readings at different times: a cluster that was stopped whole and begun anew by another node
    # looks the same until all have been read again.
    sides = " | ".join(", ".join(component.nodes) for component in split)
    by = "" if components.by_address else ", by its size alone (no addresses)"
    return Seen(
        Trouble.SPLIT_BRAIN,
        bad=bool(split),
        value=float(max(len(split), 2) if split else 1),
        detail=f"each side takes itself for the primary component{by}: {sides}" if split else "",
        impact=Impact.HURT,
        lasts=True,
        about=tuple(name for component in split for name in component.nodes),
    )


def _small(views: Views, components: Components) -> Iterator[Seen]:
    main = components.main
    if main is None:
        return
    missing, unknown = _missing(views, components, main)
    short = max(len(views) - main.data, len(missing))
    if len(missing) < short:
        missing += unknown
    yield Seen(
        Trouble.CLUSTER_SMALL,
        bad=short > 0,
        value=float(max(short, 0)),
        detail=_small_detail(main.data, len(views), missing) if short > 0 else "",
        lasts=True,
        about=components.nodes,
    )


def _small_detail(data: int, expected: int, missing: Sequence[str]) -> str:
    if data >= expected:
        return f"{', '.join(missing)} missing in the cluster, that has others in their place"
    named = f"; {', '.join(missing)} missing" if missing else ""
    return f"{data} of {expected} members are in the cluster{named}"


def _missing(views: Views, components: Components, main: Component) -> tuple[list[str], list[str]]:
    """Return the members that the component doesn't have, and those of which one can't tell."""
    missing: list[str] = []
    unknown: list[str] = []
    for name, view in views.items():
        last = next((s.galera for s in (view.now, view.before) if s and s.galera), None)
        own = own_address(last) if last and components.by_address else ""
        if name in main.nodes or own in main.members:
            continue
        known = own or _outside(view) or (view.now and view.now.galera)
        (missing if known else unknown).append(name)
    return missing, unknown


def _differ(components: Components) -> Iterator[Seen]:
    main = components.main
    if main is None:
        return
    for component in components.all:
        same = component.members == main.members and component.data == main.data
        for name in component.nodes:
            yield Seen(
                Trouble.VIEW_DIFFERS,
                bad=not same,
                node=name,
                value=float(not same),
                detail=_difference(component, main) if not same else "",
                lasts=True,
                about=components.nodes,
            )


def _difference(component: Component, main: Component) -> str:
    seen = f"sees {component.data} members (view {component.view}), {', '.join(main.nodes)}"
    return f"{seen} {main.data} (view {main.view})"
