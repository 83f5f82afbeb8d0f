"""Nodes and probe runs of the sample platform, for tests that need some."""

from collections.abc import Mapping
from datetime import UTC, datetime

from dialtone.model import (
    Engine,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Node,
    NodeKind,
    NodeState,
    Origin,
    Outcome,
    ProbeResult,
    ProbeRun,
    Reading,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME = "acme.ntek.clusterpbx.example"
BOLT = "bolt.ntek.clusterpbx.example"


def a_node(name: str = "sip1", *, interval: float = 15.0, timeout: float = 5.0) -> Node:
    """Return an OpenSIPS node."""
    return Node(name, NodeKind.OPENSIPS, "http://127.0.0.1:8888/mi", interval=interval, timeout=timeout)


def a_state(node: Node | None = None, *, reading: Reading | None = None, at: datetime = NOON) -> NodeState:
    """Return a node that was read just now."""
    return NodeState(
        node or a_node(),
        True,
        at,
        at,
        0.01,
        read_at=at,
        reading=reading if reading is not None else Reading(()),
    )


def a_run(
    tenant: str = ACME,
    *,
    probe: str = "calls",
    flow: Flow = Flow.CALL,
    failure: FailureCode | None = None,
    timings: Mapping[str, float] | None = None,
    started: datetime = NOON,
    location: str = "mtl1",
    origin: Origin = Origin.SCHEDULE,
) -> ProbeRun:
    """Return a run that passed, or failed with that code."""
    result = ProbeResult(
        id=f"{tenant}/{probe}/{started.isoformat()}",
        probe=probe,
        flow=flow,
        engine=Engine.SIPPY,
        tenant=tenant,
        target="sip:127.0.0.1:5060;transport=udp",
        location=location,
        account=f"100@{tenant}",
        origin=origin,
        slot=int(started.timestamp() // 60),
        attempt=1,
        started=started,
        duration=1.5,
        outcome=failure.outcome if failure is not None else Outcome.PASS,
        timings=timings or {},
        failure=Failure(failure) if failure is not None else None,
    )
    return ProbeRun(result, Evidence())
