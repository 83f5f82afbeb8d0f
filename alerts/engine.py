"""From observations to alerts: pending, firing, resolved. Pure; time is an argument."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from alerts.rules import PROBE_FAILING, Observation, Rule, Subject, probe_subject
from dialtone.model import AlertEvent, AlertState, NodeState, ProbeResult


def fingerprint(rule: str, subject: Subject) -> str:
    """Return 16 hex digits that name this trouble, the same after every restart."""
    parts = [rule, subject.tenant, subject.node, subject.flow, subject.channel, *subject.series]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def probe_alert(tenant: str, flow: str, probe: str, location: str) -> str:
    """Return the fingerprint of the alert that a probe of a tenant can raise, fired or not."""
    return fingerprint(PROBE_FAILING, probe_subject(tenant, flow, probe, location))


class AlertEngine:
    """Holds the alerts that are pending or firing; each call returns only what changed state.

    An alert keeps the cause it had when it entered its state, so that a text that varies from poll to
    poll is no news. What is not observed stays as it is.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._active: dict[str, AlertEvent] = {}
        self._bad: dict[str, int] = {}
        self._entered: dict[str, datetime] = {}

    @property
    def active(self) -> tuple[AlertEvent, ...]:
        """The alerts that are pending or firing, oldest first."""
        return tuple(sorted(self._active.values(), key=lambda e: (e.since, e.fingerprint)))

    def restore(
        self, events: Iterable[AlertEvent], *, watched: Callable[[AlertEvent], bool], now: datetime
    ) -> list[AlertEvent]:
        """Take up the alerts of an earlier run; return those that end because nobody watches them now.

        A firing alert goes on firing and is no news. A pending one starts counting again: what was
        seen before a stop of unknown length is not "in a row" with what comes next.
        """
        gone = []
        for event in events:
            self._entered[event.fingerprint] = event.since
            if event.state is AlertState.RESOLVED:
                continue
            if event.rule in self._rules and watched(event):
                self._active[event.fingerprint] = event
            else:
                since = self._enter(event.fingerprint, now)
                gone.append(replace(event, state=AlertState.RESOLVED, since=since, cause="no longer watched"))
        return gone

    def node_polled(self, state: NodeState, now: datetime) -> list[AlertEvent]:
        """Judge a poll."""
        return [
            event
            for rule in self._rules.values()
            for seen in rule.judge_node(state)
            for event in self._change(rule, seen, now)
        ]

    def probe_ended(self, result: ProbeResult, now: datetime) -> list[AlertEvent]:
        """Judge a probe's result."""
        return [
            event
            for rule in self._rules.values()
            for seen in rule.judge_result(result)
            for event in self._change(rule, seen, now)
        ]

    def _change(self, rule: Rule, obs: Observation, now: datetime) -> Iterable[AlertEvent]:
        event = self._raise(rule, obs, now) if obs.bad else self._clear(rule, obs, now)
        return () if event is None else (event,)

    def _clear(self, rule: Rule, obs: Observation, now: datetime) -> AlertEvent | None:
        key = fingerprint(rule.name, obs.subject)
        self._bad.pop(key, None)
        held = self._active.pop(key, None)
        if held is None:
            return None
        return replace(held, state=AlertState.RESOLVED, since=self._enter(key, now), value=obs.value)

    def _raise(self, rule: Rule, obs: Observation, now: datetime) -> AlertEvent | None:
        key = fingerprint(rule.name, obs.subject)
        self._bad[key] = count = min(self._bad.get(key, 0) + 1, rule.after)
        firing = count >= rule.after
        state = AlertState.FIRING if firing else AlertState.PENDING
        held = self._active.get(key)
        if held is not None and held.state in (AlertState.FIRING, state):
            return None
        since = self._enter(key, now)
        event = AlertEvent(
            fingerprint=key,
            rule=rule.name,
            severity=rule.severity,
            state=state,
            since=since,
            started=since if firing else None,
            tenant=obs.subject.tenant,
            node=obs.subject.node,
            flow=obs.subject.flow,
            channel=obs.subject.channel,
            value=obs.value,
            cause=obs.cause,
        )
        self._active[key] = event
        return event

    def _enter(self, key: str, now: datetime) -> datetime:
        """Return when a state is entered: now, but never before the state that it follows.

        A clock that was set back would otherwise make the new state look older than the one in the
        store, which keeps the newest.
        """
        self._entered[key] = since = max(now, self._entered.get(key, now))
        return since
