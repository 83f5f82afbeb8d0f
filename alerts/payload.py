"""Alertmanager's webhook message, version 4, made from our alerts (pure).

Receivers written for Alertmanager take it as it is. Source: the payload of Alertmanager's
`webhook_config`; tests/data/alerts holds what a real Alertmanager sent.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Final

from alerts.rules import Rule
from dialtone.model import ABOUT, AlertEvent, AlertState

_MOST_NAMES: Final = 460
"""Characters for the names of tenants in a message; a chat service shows no more."""

NOT_ENDED: Final = "0001-01-01T00:00:00Z"
"""Go's zero time: what Alertmanager writes as the end of an alert that still fires."""


class AlertWriter:
    """Puts alerts into words and into Alertmanager's form.

    `external_url` is where people reach the service; `reseller_of` gives a tenant's reseller, None for a
    tenant that has none.
    """

    def __init__(
        self, rules: Iterable[Rule], *, external_url: str, reseller_of: Callable[[str], str | None]
    ) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._url = external_url.rstrip("/")
        self._reseller_of = reseller_of

    def message(self, receiver: str, events: Sequence[AlertEvent]) -> dict[str, object]:
        """Return one message about these events, which are of one group (see `group_key`)."""
        alerts = [self._alert(event) for event in events]
        labels = [self.labels(event) for event in events]
        notes = [self.annotations(event) for event in events]
        group = group_labels(events[0])
        return {
            "receiver": receiver,
            "status": "firing" if any(e.state is AlertState.FIRING for e in events) else "resolved",
            "alerts": alerts,
            "groupLabels": group,
            "commonLabels": reduce(_common, labels),
            "commonAnnotations": reduce(_common, notes),
            "externalURL": self._url,
            "version": "4",
            "groupKey": "{}:{" + ", ".join(f"{k}={json.dumps(v)}" for k, v in sorted(group.items())) + "}",
            "truncatedAlerts": 0,
        }

    def labels(self, event: AlertEvent) -> dict[str, str]:
        """Return what identifies the alert; a part that does not apply is absent, never empty."""
        every = {
            "alertname": event.rule,
            "severity": event.severity,
            "reseller": self._reseller_of(event.tenant) if event.tenant else None,
            **event.about,
        }
        return {name: str(value) for name, value in every.items() if value}

    def annotations(self, event: AlertEvent) -> dict[str, str]:
        """Return the words for a person: `summary` is one line, `description` adds cause and effect.

        `tenants` is there where the alert is about a database that tenants have their data in.
        """
        rule = self._rules.get(event.rule)
        if rule is None:
            return {"summary": event.rule, "description": event.cause}
        names = _names(event)
        summary = rule.summary.format(**names)
        if event.channel:
            summary += f" (channel {event.channel})"
        cause = f"Cause: {event.cause.rstrip('.')}. " if event.cause else ""
        description = f"{summary}. {cause}{rule.felt.format(**names)}"
        if not event.tenants:
            return {"summary": summary, "description": description}
        tenants = whose(event)
        return {
            "summary": summary,
            "description": f"{description} This is about {tenants}.",
            "tenants": tenants,
        }

    def _alert(self, event: AlertEvent) -> dict[str, object]:
        resolved = event.state is AlertState.RESOLVED
        return {
            "status": "resolved" if resolved else "firing",
            "labels": self.labels(event),
            "annotations": self.annotations(event),
            "startsAt": _instant(event.started or event.since),
            "endsAt": _instant(event.since) if resolved else NOT_ENDED,
            "generatorURL": f"{self._url}/#{event.fingerprint}",
            "fingerprint": event.fingerprint,
        }


def whose(event: AlertEvent) -> str:
    """Return "12 tenants: a, b and 10 more", of at most 500 characters; event.tenants has at least one."""
    total = max(event.tenants_total, len(event.tenants))
    names, room = [], _MOST_NAMES
    for tenant in event.tenants:
        room -= len(tenant) + 2
        if room < 0:
            break
        names.append(tenant)
    words = ", ".join(names)
    if len(names) < total:
        words += f" and {total - len(names):,} more"
    return f"{total:,} tenant{'s'[: total != 1]}: {words}"


def _names(event: AlertEvent) -> dict[str, str]:
    """Return the fields of a rule's words; an alert about a topology as a whole says that for its node."""
    names = dict.fromkeys(ABOUT, "") | event.about
    # Before there were topologies, alerts about databases named none.
    names["topology"] = names["topology"] or names["node"]
    names["node"] = names["node"] or names["topology"]
    return names


def group_labels(event: AlertEvent) -> dict[str, str]:
    """Return what alerts are grouped by: the rule, and the tenant, or else the node, or else the topology."""
    about = {"tenant": event.tenant} if event.tenant else {"node": event.node}
    if not any(about.values()):
        about = {"topology": event.topology}
    return {"alertname": event.rule} | {name: value for name, value in about.items() if value}


def grouped(events: Iterable[AlertEvent]) -> list[list[AlertEvent]]:
    """Return the events by group, in the order in which they came.

    An alert that fired and ended in between makes two messages: within one, the receiver could not tell
    which is the later state.
    """
    messages: list[list[AlertEvent]] = []
    open_ones: dict[tuple[tuple[str, str], ...], list[AlertEvent]] = {}
    for event in events:
        key = tuple(group_labels(event).items())
        message = open_ones.get(key)
        if message is None or any(other.fingerprint == event.fingerprint for other in message):
            message = open_ones[key] = []
            messages.append(message)
        message.append(event)
    return messages


def _common(left: Mapping[str, str], right: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in left.items() if right.get(name) == value}


def _instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as Alertmanager writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
