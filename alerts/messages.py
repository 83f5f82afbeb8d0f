"""From changes of alerts to messages: who is told, in how many messages, and under which key (pure)."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from alerts.payload import grouped
from dialtone.model import AlertEvent, AlertMessage, AlertState, Severity

TEST_RULE: Final = "DialtoneTest"


def announced(event: AlertEvent) -> bool:
    """Whether people are told: it fires, or it ended after it had fired."""
    if event.state is AlertState.RESOLVED:
        return event.started is not None
    return event.state is AlertState.FIRING


def messages_about(
    events: Iterable[AlertEvent], receivers: Iterable[str], now: datetime
) -> list[AlertMessage]:
    """Return the messages that these changes are worth: one a receiver and group, in order."""
    groups = grouped(filter(announced, events))
    return [_message(receiver, group, now) for receiver in receivers for group in groups]


def message_key(receiver: str, events: Iterable[AlertEvent]) -> str:
    """Return 32 hex digits that name the message about these events to this receiver.

    They are made of what the events are, not of when or how often they are sent: the same in every try
    and after every restart.
    """
    parts = [(e.fingerprint, e.state, e.since.astimezone(UTC).isoformat("T", "microseconds")) for e in events]
    return hashlib.sha256(json.dumps([receiver, *parts]).encode()).hexdigest()[:32]


def test_message(receiver: str, now: datetime) -> AlertMessage:
    """Return a message that is about nothing: for trying out whether a receiver can be told."""
    event = AlertEvent(
        fingerprint=hashlib.sha256(json.dumps([TEST_RULE, receiver]).encode()).hexdigest()[:16],
        rule=TEST_RULE,
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        since=now,
        started=now,
        cause="sent by dialtone alerts test",
    )
    return _message(receiver, [event], now)


def _message(receiver: str, events: Sequence[AlertEvent], now: datetime) -> AlertMessage:
    return AlertMessage(message_key(receiver, events), receiver, tuple(events), now)
