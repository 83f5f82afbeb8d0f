"""`topologies:` -> which database servers belong together, and whose data they hold."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from dialtone.config.credentials import Secrets
from dialtone.config.discover import DEFAULT_SQL
from dialtone.config.nodes import choose
from dialtone.config.problem import Where, nearest, quote
from dialtone.config.report import Report
from dialtone.config.schema import TenantQueryEntry, TopologyEntry
from dialtone.config.settings import TenantQuery
from dialtone.config.tree import TenantTree
from dialtone.model import Database, Node, NodeKind, Topology, TopologyKind

_BEYOND_BEAT: Final = 1.0
"""Seconds by which a `lag` must be longer than the time between two beats: a beat takes its way."""


def read_topologies(
    report: Report,
    raw: object,
    nodes: Sequence[Node] | None,
    tree: TenantTree | None,
    secrets: Secrets,
) -> tuple[tuple[Topology, ...], tuple[TenantQuery, ...]]:
    """Return the topologies that are right, and where to ask for the tenants of those that say so.

    None for nodes or tree means that they can't be judged by.
    """
    found: dict[str, Topology] = {}
    queries: list[TenantQuery] = []
    places: dict[str, Where] = {}
    of: dict[str, str] = {}
    for where, item in report.entries(raw, ("topologies",)):
        entry = report.take(TopologyEntry, item, where)
        if entry is None:
            continue
        before = len(report.problems)
        if nodes is not None:
            _check_members(report, where, entry, nodes)
            _check_lag(report, where, entry, nodes)
        for name in entry.nodes:
            if of.setdefault(name, entry.name) != entry.name:
                report.problem(
                    (*where, "nodes"), f"{name} is in {of[name]} already; a node is in one topology"
                )
        tenants, query = _tenants(report, (*where, "tenants"), entry, tree, secrets)
        if entry.name in found:
            report.problem((*where, "name"), f"{entry.name} is the name of another topology already")
        if len(report.problems) > before:
            continue
        places[entry.name] = where
        found[entry.name] = Topology(entry.name, TopologyKind(entry.kind), entry.nodes, tenants, entry.lag)
        if query is not None:
            queries.append(query)
            _note_own(report, query, entry, nodes or ())
        _note_majority(report, entry)
    _check_names(report, places, of, nodes or ())
    return tuple(found.values()), tuple(queries)


def _check_members(report: Report, where: Where, entry: TopologyEntry, nodes: Sequence[Node]) -> None:
    there = (*where, "nodes")
    kinds = {node.name: node.kind for node in nodes}
    for name in entry.nodes:
        if name not in kinds:
            report.problem(there, f"{quote(name)} is not a configured node{nearest(name, kinds)}")
        elif kinds[name] is not NodeKind.MYSQL:
            report.problem(there, f"{name} is a node of kind {kinds[name]}; a topology joins mysql nodes")
    if len(entry.nodes) < 2:
        report.problem(there, "a topology joins at least two nodes")
    servers: dict[tuple[str | None, int | None], str] = {}
    for node in nodes:
        if node.name in entry.nodes and node.kind is NodeKind.MYSQL:
            first = servers.setdefault(_server(node.endpoint), node.name)
            if first != node.name:
                report.problem(
                    there, f"{first} and {node.name} are the same server; have each server in it once"
                )


def _check_lag(report: Report, where: Where, entry: TopologyEntry, nodes: Sequence[Node]) -> None:
    """Refuse a `lag` that a healthy replica reaches: what it shows is as old as the last beat."""
    beats = {
        node.name: float(node.options["heartbeat_every"])
        for node in nodes
        if node.name in entry.nodes and "heartbeat_every" in node.options
    }
    name = max(beats, key=beats.__getitem__, default=None)
    if name is None or entry.lag >= beats[name] + _BEYOND_BEAT:
        return
    report.problem(
        (*where, "lag"),
        f"is {entry.lag:g} s, and the heartbeat of {name} is written every {beats[name]:g} s: a replica that "
        f"is well would be late before each beat; write at least {beats[name] + _BEYOND_BEAT:g}s, or beat "
        "more often",
    )


def _tenants(
    report: Report, where: Where, entry: TopologyEntry, tree: TenantTree | None, secrets: Secrets
) -> tuple[tuple[str, ...] | None, TenantQuery | None]:
    """Return model.Topology's `tenants`, and where to ask for them if the entry says so."""
    given = entry.tenants
    if isinstance(given, Mapping):
        return (), _query(report, where, entry.name, given, secrets)
    return None if given == "all" else choose(report, where, given, tree), None


def _query(
    report: Report, where: Where, name: str, given: Mapping[str, object], secrets: Secrets
) -> TenantQuery | None:
    asked = report.take(TenantQueryEntry, given, where)
    if asked is None:
        return None
    secret = secrets.read(asked.password, (*where, "password")) if asked.password else None
    database = Database(asked.dsn.endpoint, asked.dsn.name, asked.dsn.username, secret)
    return TenantQuery(name, database, asked.sql or DEFAULT_SQL, asked.every)


def _check_names(
    report: Report, places: Mapping[str, Where], of: Mapping[str, str], nodes: Sequence[Node]
) -> None:
    """Note the names that a node has too which stands alone: that one is a topology of its own name."""
    for node in nodes:
        if node.kind is NodeKind.MYSQL and node.name not in of and node.name in places:
            report.problem(
                (*places[node.name], "name"),
                f"{node.name} is the name of a mysql node that is in no topology, and shown as one itself; "
                "choose another",
            )


def _note_own(report: Report, query: TenantQuery, entry: TopologyEntry, nodes: Sequence[Node]) -> None:
    own = [
        n.name
        for n in nodes
        if n.name in entry.nodes and _server(n.endpoint) == _server(query.database.endpoint)
    ]
    if own:
        report.note(
            f"topology {entry.name} asks {own[0]}, a node of its own, for its tenants: while that is down "
            "they are those of its last answer, and after a restart of the service none; ask another server"
        )


def _server(endpoint: str) -> tuple[str | None, int | None]:
    url = urlsplit(endpoint)
    return url.hostname, url.port


def _note_majority(report: Report, entry: TopologyEntry) -> None:
    if entry.kind != TopologyKind.GALERA or len(entry.nodes) % 2:
        return
    report.note(
        f"topology {entry.name} is a Galera cluster of {len(entry.nodes)} nodes: cut in halves none of them "
        "has a majority, and all stop; have an odd number, at least three, or an arbitrator (garbd)"
    )
