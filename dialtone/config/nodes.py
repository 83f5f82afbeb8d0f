"""`nodes:` -> the servers to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dialtone.config.addresses import events_place
from dialtone.config.credentials import Secrets
from dialtone.config.heartbeat import read_heartbeat
from dialtone.config.problem import Where, listing, nearest
from dialtone.config.report import Report
from dialtone.config.schema import (
    AsteriskEntry,
    DatabaseEntry,
    MysqlEntry,
    NodeEntry,
    OpensipsEntry,
)
from dialtone.config.settings import HeartbeatWriter
from dialtone.config.tls import read_tls
from dialtone.config.tree import TenantTree
from dialtone.config.values import OneOf, Tenants
from dialtone.model import Database, Level, Node, NodeKind

_DEFAULT_TIMEOUT: Final = 5.0
_HTTP_SESSION: Final = 60.0
"""Seconds after which an Asterisk ends a session over HTTP that asks nothing (httptimeout)."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of node is written: its entry, the key of its address, the keys that are its options."""

    entry: type[NodeEntry]
    address: str
    options: tuple[str, ...] = ()


_KINDS: Final[Mapping[NodeKind, _Kind]] = {
    NodeKind.OPENSIPS: _Kind(OpensipsEntry, "mi", ("profile", "events")),
    NodeKind.ASTERISK: _Kind(AsteriskEntry, "ami", ("names",)),
    NodeKind.MYSQL: _Kind(MysqlEntry, "dsn"),
}
_kind_word: Final = OneOf(tuple(NodeKind))


def read_nodes(
    report: Report, raw: object, secrets: Secrets, folder: Path
) -> tuple[tuple[Node, ...], Mapping[str, HeartbeatWriter]]:
    """Return the nodes that are right, and as whom heartbeats are written to which of them.

    Relative paths start from `folder`.
    """
    found: dict[str, Node] = {}
    writers: dict[str, HeartbeatWriter] = {}
    lines: dict[str, int | None] = {}
    listening: dict[str | None, str] = {}
    for where, item in report.entries(raw, ("nodes",)):
        read = _node(report, item, where, secrets, folder)
        if read is None:
            continue
        node, writer = read
        if node.name in found:
            report.problem(where, f"the name {node.name} is taken by the node in line {lines[node.name]}")
            continue
        place = events_place(node.options["events"]) if "events" in node.options else None
        if place in listening:
            report.problem(
                (*where, "events"),
                f"is where the events of {listening[place]} come to; give each node its own",
            )
            continue
        if place is not None:
            listening[place] = node.name
        found[node.name], lines[node.name] = node, report.line(where)
        if writer is not None:
            writers[node.name] = writer
    return tuple(found.values()), writers


def _node(
    report: Report, raw: object, where: Where, secrets: Secrets, folder: Path
) -> tuple[Node, HeartbeatWriter | None] | None:
    if not isinstance(raw, Mapping) or "kind" not in raw:
        # Without a kind nothing more can be said; the common model says what is missing.
        if isinstance(raw, Mapping):
            report.problem((*where, "kind"), f"is missing; write one of {', '.join(NodeKind)}")
        else:
            report.take(NodeEntry, raw, where)
        return None
    try:
        kind = NodeKind(_kind_word(raw["kind"]))
    except ValueError as error:
        report.problem((*where, "kind"), str(error))
        return None
    shape = _KINDS[kind]
    entry = report.take(shape.entry, raw, where)
    if entry is None:
        return None
    endpoint, username = _address(entry, shape)
    timeout = entry.timeout or min(_DEFAULT_TIMEOUT, entry.interval)
    before = len(report.problems)
    if timeout > entry.interval:
        report.problem((*where, "timeout"), "must not be longer than the interval: polls never overlap")
    if isinstance(entry, MysqlEntry) and not username:
        report.problem((*where, "dsn"), "names no user; write mysql://USER@HOST:3306")
    if isinstance(entry, MysqlEntry) and entry.username and entry.dsn.username not in (None, entry.username):
        report.problem((*where, "username"), "differs from the user in dsn; keep one of them")
    if entry.password is not None and not username:
        report.problem((*where, "username"), "is missing; a password needs its user")
    secret = secrets.read(entry.password, (*where, "password")) if entry.password else None
    database = None
    if isinstance(entry, OpensipsEntry) and entry.database is not None:
        database = _database(report, entry.database, (*where, "database"), secrets)
    tls: Mapping[str, str] = {}
    if isinstance(entry, AsteriskEntry) and entry.tls is not None:
        tls = _tls(report, entry, (*where, "tls"), folder)
    if isinstance(entry, MysqlEntry) and "tls" in raw:
        tls = {"tls": "on", **_trust(report, entry.tls, (*where, "tls"), folder)}
    heartbeat = None
    if isinstance(entry, MysqlEntry) and entry.heartbeat is not None:
        heartbeat = read_heartbeat(report, (*where, "heartbeat"), entry.heartbeat, username, secrets)
    if len(report.problems) > before:
        return None
    if kind is NodeKind.ASTERISK and endpoint.startswith("http") and entry.interval >= _HTTP_SESSION:
        report.note(
            f"node {entry.name} is asked over HTTP every {entry.interval:g} s, and Asterisk ends such a "
            f"session after {_HTTP_SESSION:g} s (httptimeout in manager.conf): what happens between two "
            "polls is missed; ask more often, or over tcp:// or tls://"
        )
    options = {key: str(value) for key in shape.options if (value := getattr(entry, key)) is not None}
    options.update(tls)
    options.update(heartbeat.options if heartbeat else {})
    node = Node(
        entry.name, kind, endpoint, username, secret, entry.interval, timeout, entry.labels, options, database
    )
    return node, heartbeat.writer if heartbeat else None


def _tls(report: Report, entry: AsteriskEntry, where: Where, folder: Path) -> Mapping[str, str]:
    """Return the options tls_ca (an absolute path), tls_name and tls_verify, those that are written."""
    if entry.ami.startswith(("tcp:", "http:")):
        report.problem(
            where, "goes with tls:// and https://, and `ami` is neither; write one or take this out"
        )
    return _trust(report, entry.tls, where, folder)


def _trust(report: Report, raw: object, where: Where, folder: Path) -> Mapping[str, str]:
    if raw is None:
        report.problem(where, "says nothing; write {} for the system's authorities, or take it out")
    plan = read_tls(report, where, raw, folder)
    given = {"tls_ca": plan.ca, "tls_name": plan.name, "tls_verify": None if plan.verify else "false"}
    return {key: value for key, value in given.items() if value is not None}


def _database(report: Report, raw: object, where: Where, secrets: Secrets) -> Database | None:
    entry = report.take(DatabaseEntry, raw, where)
    if entry is None:
        return None
    secret = secrets.read(entry.password, (*where, "password")) if entry.password else None
    return Database(entry.dsn.endpoint, entry.dsn.name, entry.dsn.username, secret)


def _address(entry: NodeEntry, shape: _Kind) -> tuple[str, str | None]:
    if isinstance(entry, MysqlEntry):
        return entry.dsn.endpoint, entry.dsn.username or entry.username
    return str(getattr(entry, shape.address)), entry.username


def choose(report: Report, where: Where, tenants: Tenants, tree: TenantTree | None) -> tuple[str, ...]:
    """Return the domains that `tenants:` means; "all" is every tenant below the platform, in tree order."""
    if tree is None:
        return ()
    if tenants == "all":
        return tuple(tenant.domain for tenant in tree if tenant.level is not Level.PLATFORM)
    if unknown := [domain for domain in tenants if domain not in tree]:
        close = nearest(unknown[0], tree.domains) if len(unknown) == 1 else ""
        report.problem(where, f"no such tenant is configured: {listing(unknown)}{close}")
    return tenants
