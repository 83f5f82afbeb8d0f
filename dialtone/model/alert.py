"""Alerts: what is wrong, with whom, since when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How urgent: critical wakes somebody, warning waits for the morning."""

    CRITICAL = "critical"
    WARNING = "warning"


class AlertState(StrEnum):
    """Pending may become firing, unknown freezes what was (no data is no proof of health)."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One alert as it stands. `fingerprint` names the same trouble for its whole life.

    `since` is when the state was entered, `started` when the alert began firing (None before),
    `value` what was measured, `cause` one line for a person. Exactly what the alert is about is in
    `tenant`, `node`, `flow` and `channel`, each None where it does not apply.
    """

    fingerprint: str
    rule: str
    severity: Severity
    state: AlertState
    since: datetime
    started: datetime | None = None
    tenant: str | None = None
    node: str | None = None
    flow: str | None = None
    channel: str | None = None
    value: float | None = None
    cause: str = ""
