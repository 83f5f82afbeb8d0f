"""Nodes and probe runs of the sample platform, for tests that need some."""

from collections.abc import Mapping
from datetime import datetime

from dialtone.model import (
    Evidence,
    Failure,
    FailureCode,
    Flow,
    MediaStream,
    Node,
    NodeKind,
    NodeState,
    Origin,
    Outcome,
    ProbeRun,
    Reading,
)
from tests.fakes.records import NOON, a_result

__all__ = ["ACME", "BOLT", "NOON", "a_node", "a_run", "a_state"]

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
    counts: Mapping[str, int] | None = None,
    expires: datetime | None = None,
    media: tuple[MediaStream, ...] = (),
) -> ProbeRun:
    """Return a run that passed, or failed with that code."""
    result = a_result(
        f"{tenant}/{probe}/{started.isoformat()}",
        tenant,
        probe=probe,
        flow=flow,
        location=location,
        origin=origin,
        started=started,
        outcome=failure.outcome if failure is not None else Outcome.PASS,
        timings=timings or {},
        failure=Failure(failure) if failure is not None else None,
        counts=counts or {},
        certificate_expires=expires,
        media=media,
    )
    return ProbeRun(result, Evidence())
