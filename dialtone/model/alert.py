"""Alerts: what is wrong, with whom, since when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

ABOUT: Final = ("tenant", "topology", "node", "flow", "channel", "probe", "location")
"""What an alert may be about, in the names of its fields."""

TENANTS_NAMED: Final = 50
"""How many tenants an alert about a database names at most."""


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
    `tenant`, `topology`, `node`, `flow`, `channel`, `probe` and `location`, each None where it does not
    apply. Where the tenants have something of a database's trouble, `tenants` are those whose data it holds,
    in the order of the tree: of `tenants_total` that there are, the first TENANTS_NAMED.
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
    probe: str | None = None
    location: str | None = None
    value: float | None = None
    cause: str = ""
    topology: str | None = None
    tenants: tuple[str, ...] = ()
    tenants_total: int = 0

    @property
    def about(self) -> dict[str, str]:
        """What the alert is about, by the names of ABOUT; a part that does not apply is absent."""
        return {name: value for name in ABOUT if (value := getattr(self, name))}


class MessageState(StrEnum):
    """What has become of a message: refused ones would be refused again, dropped ones had no room."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One message to one receiver, about alerts of one group, as the outbox keeps it until it is settled.

    `key` is its idempotency key: the same however often it is sent, and after every restart.
    """

    key: str
    receiver: str
    events: tuple[AlertEvent, ...]
    created: datetime


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """A message with what has become of it.

    `tries` counts the attempts that failed, `detail` is the last problem (empty without one), `settled` is
    when it left the state waiting.
    """

    message: AlertMessage
    state: MessageState
    tries: int = 0
    detail: str = ""
    settled: datetime | None = None
