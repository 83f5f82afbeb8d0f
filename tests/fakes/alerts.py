"""Polls, results and alerts for tests, with everything but the point of the test filled in."""

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from alerts.engine import fingerprint
from alerts.rules import Rule, Subject, first_rules
from dialtone.model import (
    AlertEvent,
    AlertState,
    Catalog,
    CollectFailure,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Kind,
    MetricDef,
    Node,
    NodeKind,
    NodeState,
    Origin,
    Outcome,
    ProbeResult,
    ProbeRun,
    Reading,
    Severity,
)
from tests.fakes.records import NOON, a_result

__all__ = ["ACME", "ALERTS", "GLOBEX", "IO", "NOON", "SQL", "alert", "poll", "result", "rules", "run"]

ACME: Final = "acme.ntek.clusterpbx.example"
GLOBEX: Final = "globex.ntek.clusterpbx.example"

IO: Final = MetricDef("mysql_replication_io_running", Kind.GAUGE, "Receiver thread", ("node", "channel"))
SQL: Final = MetricDef("mysql_replication_sql_running", Kind.GAUGE, "Applier thread", ("node", "channel"))
ALERTS: Final = MetricDef("dialtone_alerts", Kind.GAUGE, "Alerts", ("rule", "severity", "tenant", "state"))

_ids: Final = itertools.count(1)


def rules() -> tuple[Rule, ...]:
    """Return the real rules over a catalogue with the metrics that they need."""
    return first_rules(Catalog((IO, SQL)))


def poll(
    name: str = "db2",
    *,
    up: bool = True,
    threads: Mapping[str, tuple[float, float]] | None = None,
    info: Mapping[str, str] | None = None,
) -> NodeState:
    """Return a poll of a database node; `threads` are (I/O, SQL) by channel."""
    samples = []
    for channel, (io, sql) in (threads or {}).items():
        samples.append(IO.sample(name, channel, value=io, at=NOON))
        samples.append(SQL.sample(name, channel, value=sql, at=NOON))
    return NodeState(
        node=Node(name, NodeKind.MYSQL, "mysql://127.0.0.1:3306"),
        up=up,
        since=NOON,
        polled_at=NOON,
        duration=0.01,
        read_at=NOON,
        reading=Reading(tuple(samples), info or {}),
        failure=None if up else CollectFailure.CONNECT,
        detail="" if up else "connection refused",
    )


def result(
    outcome: Outcome,
    tenant: str = ACME,
    *,
    probe: str = "calls",
    flow: Flow = Flow.CALL,
    location: str = "mtl1",
    origin: Origin = Origin.SCHEDULE,
    detail: str = "no answer to INVITE",
    started: datetime = NOON,
    result_id: str | None = None,
) -> ProbeResult:
    """Return a result; a failed one timed out, an inconclusive one had no engine."""
    codes = {Outcome.FAIL: FailureCode.TIMEOUT, Outcome.INCONCLUSIVE: FailureCode.ENGINE_CRASHED}
    code = codes.get(outcome)
    return a_result(
        result_id or f"r{next(_ids):05d}",
        tenant,
        probe=probe,
        flow=flow,
        location=location,
        account=f"101@{tenant}",
        origin=origin,
        started=started,
        duration=0.5,
        outcome=outcome,
        timings={"pdd": 0.084} if outcome is Outcome.PASS else {},
        failure=Failure(code, detail) if code else None,
    )


def run(outcome: Outcome, tenant: str = ACME, *, origin: Origin = Origin.SCHEDULE) -> ProbeRun:
    """Return a whole probe run."""
    return ProbeRun(result(outcome, tenant, origin=origin), Evidence())


def alert(
    state: AlertState = AlertState.FIRING,
    *,
    rule: str = "NodeDown",
    severity: Severity = Severity.CRITICAL,
    tenant: str | None = None,
    node: str | None = None,
    flow: str | None = None,
    channel: str | None = None,
    since: datetime = NOON,
    started: datetime | None = NOON,
    cause: str = "connect: connection refused",
) -> AlertEvent:
    """Return an alert as the engine would make it."""
    subject = Subject(tenant=tenant, node=node, flow=flow, channel=channel)
    return AlertEvent(
        fingerprint=fingerprint(rule, subject),
        rule=rule,
        severity=severity,
        state=state,
        since=since,
        started=started,
        tenant=tenant,
        node=node,
        flow=flow,
        channel=channel,
        value=0.0,
        cause=cause,
    )
