"""Polls, results and alerts for tests, with everything but the point of the test filled in."""

import itertools
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from alerts.engine import fingerprint
from alerts.pack import load_rules
from alerts.rules import Rule, Subject
from collectors.mysql.metrics import METRICS
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

__all__ = ["ACME", "ALERTS", "CATALOG", "GLOBEX", "NOON", "alert", "poll", "result", "rules", "run"]

ACME: Final = "acme.ntek.clusterpbx.example"
GLOBEX: Final = "globex.ntek.clusterpbx.example"

CATALOG: Final = Catalog(METRICS)
"""The metrics that rules look at, as their collector has them."""

ALERTS: Final = MetricDef("dialtone_alerts", Kind.GAUGE, "Alerts", ("rule", "severity", "tenant", "state"))

_ids: Final = itertools.count(1)


def rules(extra: Path | None = None) -> tuple[Rule, ...]:
    """Return the real rules, with a file of an operator's over them."""
    return load_rules(CATALOG, extra)


def poll(
    name: str = "db2",
    *,
    up: bool = True,
    threads: Mapping[str, tuple[float, float]] | None = None,
    info: Mapping[str, str] | None = None,
    lag: Mapping[str, float] | None = None,
    delay: Mapping[str, float] | None = None,
    heartbeats: Mapping[str, float] | None = None,
) -> NodeState:
    """Return a poll of a database node.

    `threads` are (I/O, SQL) by channel, `lag` and `delay` seconds by channel, `heartbeats` ages in
    seconds by server_id.
    """
    values = [
        ("io_running", {channel: io for channel, (io, _) in (threads or {}).items()}),
        ("sql_running", {channel: sql for channel, (_, sql) in (threads or {}).items()}),
        ("lag_seconds", lag or {}),
        ("sql_delay_seconds", delay or {}),
        ("heartbeat_lag_seconds", heartbeats or {}),
    ]
    samples = [
        CATALOG[f"mysql_replication_{metric}"].sample(name, label, value=value, at=NOON)
        for metric, by_label in values
        for label, value in by_label.items()
    ]
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
    slot: int = 1000,
    attempt: Literal[1, 2] | None = None,
    detail: str = "no answer to INVITE",
    started: datetime = NOON,
    result_id: str | None = None,
) -> ProbeResult:
    """Return a result; a failed one timed out, an inconclusive one had no engine.

    It is the one that decides its slot unless `attempt` is given: a fail is a confirmation, the rest first
    attempts.
    """
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
        slot=slot,
        attempt=attempt or (2 if outcome is Outcome.FAIL else 1),
        started=started,
        duration=0.5,
        outcome=outcome,
        timings={"pdd": 0.084} if outcome is Outcome.PASS else {},
        failure=Failure(code, detail) if code else None,
    )


def run(
    outcome: Outcome, tenant: str = ACME, *, origin: Origin = Origin.SCHEDULE, slot: int = 1000
) -> ProbeRun:
    """Return a whole probe run."""
    return ProbeRun(result(outcome, tenant, origin=origin, slot=slot), Evidence())


def alert(
    state: AlertState = AlertState.FIRING,
    *,
    rule: str = "NodeDown",
    severity: Severity = Severity.CRITICAL,
    tenant: str | None = None,
    node: str | None = None,
    flow: str | None = None,
    channel: str | None = None,
    probe: str | None = None,
    location: str | None = None,
    since: datetime = NOON,
    started: datetime | None = NOON,
    cause: str = "connect: connection refused",
) -> AlertEvent:
    """Return an alert as the engine would make it."""
    subject = Subject(tenant, node, flow, channel, probe, location)
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
        probe=probe,
        location=location,
        value=0.0,
        cause=cause,
    )
