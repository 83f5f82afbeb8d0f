"""`discover:` -> where tenants are looked for."""

from collections.abc import Sequence
from typing import Final

from dialtone.config.credentials import Secrets
from dialtone.config.problem import Where, nearest, quote
from dialtone.config.report import Report
from dialtone.config.schema import DiscoverEntry
from dialtone.config.settings import Discover
from dialtone.model import Database, Node, NodeKind

DEFAULT_SQL: Final = "SELECT domain FROM domain"
"""The table of OpenSIPS's domain module."""


def read_discover(
    report: Report, raw: object, nodes: Sequence[Node] | None, secrets: Secrets
) -> tuple[Discover, ...]:
    """Return the sources that are right; None for nodes means that they can't be judged by."""
    found: dict[str, Discover] = {}
    for where, item in report.entries(raw, ("discover",)):
        entry = report.take(DiscoverEntry, item, where)
        if entry is None:
            continue
        before = len(report.problems)
        source = _source(report, entry, where, nodes, secrets)
        if source is None or len(report.problems) > before:
            continue
        if source.name in found:
            report.problem(where, f"{source.name} is the name of another one already; give it its own `name`")
        found[source.name] = source
    return tuple(found.values())


def _source(
    report: Report, entry: DiscoverEntry, where: Where, nodes: Sequence[Node] | None, secrets: Secrets
) -> Discover | None:
    if (entry.node is None) == (entry.dsn is None):
        report.problem(where, "needs `node`, the name of an opensips node, or `dsn`, a database; not both")
        return None
    if entry.dsn is not None:
        secret = secrets.read(entry.password, (*where, "password")) if entry.password else None
        database = Database(entry.dsn.endpoint, entry.dsn.name, entry.dsn.username, secret)
        return Discover(
            entry.name or database.name, entry.every, database=database, sql=entry.sql or DEFAULT_SQL
        )
    for key in ("password", "sql"):
        if getattr(entry, key) is not None:
            report.problem((*where, key), "goes with `dsn`; a node is asked as `nodes` says")
    return _node(report, entry, where, nodes)


def _node(
    report: Report, entry: DiscoverEntry, where: Where, nodes: Sequence[Node] | None
) -> Discover | None:
    name = entry.node or ""
    if nodes is None:
        return None
    known = {node.name: node for node in nodes}
    node = known.get(name)
    if node is None:
        report.problem((*where, "node"), f"{quote(name)} is not a configured node{nearest(name, known)}")
    elif node.kind is not NodeKind.OPENSIPS:
        report.problem(
            (*where, "node"), f"{name} is a node of kind {node.kind}; an opensips node lists domains"
        )
    return Discover(entry.name or name, entry.every, node=node)
