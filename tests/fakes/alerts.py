"""Polls, results and alerts for tests, with everything but the point of the test filled in."""

import itertools
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from alerts.engine import fingerprint
from alerts.pack import load_rules
from alerts.rules import Rule, Subject
from dialtone.model import (
    TENANTS_NAMED,
    AlertEvent,
    AlertState,
    Check,
    CheckState,
    CollectFailure,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Impact,
    Kind,
    Link,
    Member,
    MetricDef,
    Node,
    NodeKind,
    NodeState,
    Origin,
    Outcome,
    ProbeResult,
    ProbeRun,
    Reading,
    Role,
    Severity,
    Topology,
    TopologyKind,
    TopologyState,
    Trouble,
)
from tests.fakes.records import NOON, a_result

__all__ = ["ACME", "ALERTS", "GLOBEX", "NOON", "alert", "poll", "result", "rules", "run"]

ACME: Final = "acme.ntek.clusterpbx.example"
GLOBEX: Final = "globex.ntek.clusterpbx.example"

ALERTS: Final = MetricDef("dialtone_alerts", Kind.GAUGE, "Alerts", ("rule", "severity", "tenant", "state"))

_ids: Final = itertools.count(1)


def rules(extra: Path | None = None) -> tuple[Rule, ...]:
    """Return the real rules, with a file of an operator's over them."""
    return load_rules(extra)


def poll(name: str = "db2", *, up: bool = True, kind: NodeKind = NodeKind.MYSQL) -> NodeState:
    """Return a poll of a node, a database where nothing else is said."""
    return NodeState(
        node=Node(name, kind, "mysql://127.0.0.1:3306"),
        up=up,
        since=NOON,
        polled_at=NOON,
        duration=0.01,
        read_at=NOON,
        reading=Reading((), {}),
        failure=None if up else CollectFailure.CONNECT,
        detail="" if up else "connection refused",
    )


def check(
    trouble: Trouble,
    state: CheckState = CheckState.BAD,
    *,
    node: str | None = "db2",
    channel: str | None = "",
    value: float | None = None,
    detail: str | None = None,
    impact: Impact = Impact.EXPOSED,
) -> Check:
    """Return a check, of the default channel of db2 where nothing else is said; a fine one has no detail."""
    fine = state is CheckState.FINE
    return Check(
        trouble,
        state,
        node,
        None if node is None else channel,
        float(not fine) if value is None else value,
        ("" if fine else f"{trouble.value} is seen") if detail is None else detail,
        impact,
    )


def topology(
    *checks: Check,
    name: str = "main",
    kind: TopologyKind = TopologyKind.PRIMARY_REPLICA,
    nodes: tuple[str, ...] = ("db1", "db2"),
    down: Collection[str] = (),
    links: tuple[Link, ...] = (),
    tenants: tuple[str, ...] = (),
) -> TopologyState:
    """Return a topology as judged; each node that is up has a check of its own that is fine."""
    up = [node for node in nodes if node not in down]
    clocks = [check(Trouble.CLOCK_SKEW, CheckState.FINE, node=node, channel=None) for node in up]
    return TopologyState(
        Topology(name, kind, nodes),
        NOON,
        tuple(Member(node, node in up, Role.UNKNOWN) for node in nodes),
        links,
        (*clocks, *checks),
        tenants,
    )


def replica(
    *bad: Trouble,
    node: str = "db2",
    channel: str = "",
    detail: str | None = None,
    impact: Impact = Impact.EXPOSED,
    tenants: tuple[str, ...] = (),
) -> TopologyState:
    """Return a topology whose replica has these troubles of a channel and none of the others."""
    checks = [
        check(
            trouble,
            CheckState.BAD if trouble in bad else CheckState.FINE,
            node=node,
            channel=channel,
            detail=detail if trouble in bad else None,
            impact=impact,
        )
        for trouble in _OF_CHANNELS
    ]
    return topology(*checks, nodes=("db0", node), tenants=tenants)


_OF_CHANNELS: Final = (
    Trouble.IO_STOPPED,
    Trouble.IO_UNREACHABLE,
    Trouble.SQL_STOPPED,
    Trouble.SQL_ERROR,
    Trouble.DUPLICATE_KEY,
    Trouble.LINK_SILENT,
    Trouble.LATE,
)


def stopped(node: str = "db2") -> TopologyState:
    """Return a topology whose replica's SQL thread stands still."""
    return replica(Trouble.SQL_STOPPED, node=node, detail="the SQL thread does not run")


HEALTHY: Final = replica()
STOPPED: Final = stopped()
LATE: Final = replica(Trouble.LATE, detail="75 s behind, more than 60 s")
"""A replica that is well, one whose SQL thread stands still, and one that is late."""


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
    topology: str | None = None,
    tenants: tuple[str, ...] = (),
    since: datetime = NOON,
    started: datetime | None = NOON,
    cause: str = "connect: connection refused",
) -> AlertEvent:
    """Return an alert as the engine would make it."""
    subject = Subject(tenant, node, flow, channel, probe, location, topology)
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
        topology=topology,
        tenants=tenants[:TENANTS_NAMED],
        tenants_total=len(tenants),
    )
