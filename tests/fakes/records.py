"""Results, alerts and messages to put into a store; a test names only what it is about."""

from datetime import UTC, datetime
from typing import Any, Final

from dialtone.model import (
    AlertEvent,
    AlertMessage,
    AlertState,
    Engine,
    Flow,
    Found,
    MediaStream,
    Origin,
    Outcome,
    ProbeResult,
    Severity,
)

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_result(
    result_id: str = "r1", tenant: str = "acme.ntek.clusterpbx.example", **changes: Any
) -> ProbeResult:
    """Return a passed call of a tenant, with what is given instead."""
    values: dict[str, Any] = {
        "id": result_id,
        "probe": "calls",
        "flow": Flow.CALL,
        "engine": Engine.SIPPY,
        "tenant": tenant,
        "target": "sip:127.0.0.1:5060;transport=udp",
        "location": "mtl1",
        "account": f"100@{tenant}",
        "origin": Origin.SCHEDULE,
        "slot": 29_545_920,
        "attempt": 1,
        "started": NOON,
        "duration": 1.25,
        "outcome": Outcome.PASS,
        "timings": {"srd": 0.0125, "pdd": 0.03},
    }
    return ProbeResult(**(values | changes))


def a_stream(listener: str = "callee", **changes: Any) -> MediaStream:
    """Return two seconds of a call as they are best, with what is given instead."""
    values: dict[str, Any] = {
        "speaker": "caller" if listener == "callee" else "callee",
        "listener": listener,
        "found": Found.VOICE,
        "codec": "PCMU",
        "sent": 100,
        "received": 100,
        "jitter": 0.004,
        "buffer": 0.02,
        "rtt": 0.03,
        "delay": 0.055,
        "mos": 4.41,
    }
    return MediaStream(**(values | changes))


def an_alert(
    fingerprint: str = "f1", tenant: str | None = "acme.ntek.clusterpbx.example", **changes: Any
) -> AlertEvent:
    """Return a firing alert of a tenant, with what is given instead."""
    values: dict[str, Any] = {
        "fingerprint": fingerprint,
        "rule": "ProbeFailing",
        "severity": Severity.CRITICAL,
        "state": AlertState.FIRING,
        "since": NOON,
        "tenant": tenant,
    }
    return AlertEvent(**(values | changes))


def a_message(
    key: str = "m1", *events: AlertEvent, receiver: str = "hook", created: datetime = NOON
) -> AlertMessage:
    """Return a message to a receiver about these alerts, or about one of an_alert()."""
    return AlertMessage(key, receiver, events or (an_alert(),), created)
