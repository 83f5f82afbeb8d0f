"""`heartbeat:` of a mysql node -> its table, how often it is written, and as whom we write it."""

from collections.abc import Mapping
from dataclasses import dataclass

from dialtone.config.credentials import Secrets
from dialtone.config.problem import Where
from dialtone.config.report import Report
from dialtone.config.schema import HeartbeatEntry, HeartbeatWriterEntry
from dialtone.config.settings import HeartbeatWriter
from dialtone.config.values import HEARTBEAT_INTERVAL


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A table SCHEMA.TABLE that somebody writes `every` so many seconds; `writer` is None where not we do."""

    table: str
    every: float
    writer: HeartbeatWriter | None

    @property
    def options(self) -> Mapping[str, str]:
        """What a node has of it: no credentials."""
        return {"heartbeat": self.table, "heartbeat_every": f"{self.every:g}"}


def read_heartbeat(
    report: Report, where: Where, raw: object, watcher: str | None, secrets: Secrets
) -> Heartbeat | None:
    """Return what is written there, None with its problems noted. `watcher` is who reads the node."""
    if isinstance(raw, str):
        return Heartbeat(raw, HEARTBEAT_INTERVAL, None)
    entry = report.take(HeartbeatEntry, raw, where)
    if entry is None:
        return None
    writer = None
    if entry.writer is not None:
        writer = _writer(report, (*where, "writer"), entry.writer, watcher, secrets)
    return Heartbeat(entry.table, entry.every, writer)


def _writer(
    report: Report, where: Where, raw: object, watcher: str | None, secrets: Secrets
) -> HeartbeatWriter | None:
    entry = report.take(HeartbeatWriterEntry, raw, where)
    if entry is None:
        return None
    if entry.username == watcher:
        report.problem(
            (*where, "username"),
            f"{entry.username} is the user who watches, and needs no right to write; make another for this",
        )
    secret = secrets.read(entry.password, (*where, "password"))
    return HeartbeatWriter(entry.username, secret) if secret is not None else None
