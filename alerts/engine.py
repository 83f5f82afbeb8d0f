"""From observations to alerts: pending, firing, resolved. Pure; time is an argument."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Final

from alerts.judges import troubles_in
from alerts.rules import Observation, Rule, Subject, Verdict, When, probe_subject
from alerts.windows import SlotWindow
from dialtone.model import (
    JUDGED,
    TENANTS_NAMED,
    AlertEvent,
    AlertState,
    NodeState,
    Origin,
    ProbeResult,
    TopologyState,
    Trouble,
)

IN_A_ROW: Final = 300.0
"""Seconds. A pending alert that is older at a start, and older than 2 * hold, does not go on."""

_ABOUT_PROBES: Final = frozenset({When.PROBE_FAILING, When.CERTIFICATE_EXPIRING})

_TICK: Final = timedelta(microseconds=1)
"""The least difference of two instants, here and in the store."""


def fingerprint(rule: str, subject: Subject) -> str:
    """Return 16 hex digits that name this trouble, the same after every restart."""
    parts = [rule, subject.tenant, subject.node, subject.flow, subject.channel]
    if subject.probe is not None:
        parts += [subject.probe, subject.location]
    # A node's alert keeps its name wherever the node belongs, and had it before there were topologies.
    if subject.node is None and subject.topology is not None:
        parts.append(subject.topology)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def probe_alerts(rules: Iterable[Rule], tenant: str, flow: str, probe: str, location: str) -> set[str]:
    """Return the fingerprints of the alerts that a probe of a tenant can raise, fired or not."""
    subject = Subject(tenant=tenant, flow=flow, probe=probe, location=location)
    return {fingerprint(rule.name, subject) for rule in rules if rule.when in _ABOUT_PROBES}


class AlertEngine:
    """Holds the alerts that are pending or firing; each call returns only what changed state.

    An alert keeps the cause and the value it had when it entered its state, so that a text that varies
    from poll to poll is no news. What is not observed stays as it is: an alert about a database ends when
    every trouble that was bad while it lasted has been judged and is fine. Over a restart those count that
    stand in its cause.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._active: dict[str, AlertEvent] = {}
        self._bad_since: dict[str, datetime] = {}
        self._lapsed: set[str] = set()
        self._entered: dict[str, datetime] = {}
        self._windows: dict[str, SlotWindow] = {}
        self._blamed: dict[str, frozenset[Trouble]] = {}
        self._tenants: dict[str, tuple[str, ...]] = {}
        self._named: dict[str, AlertEvent] = {}

    @property
    def active(self) -> tuple[AlertEvent, ...]:
        """The alerts that are pending or firing, oldest first."""
        return tuple(sorted(self._active.values(), key=lambda e: (e.since, e.fingerprint)))

    def take_named(self) -> list[AlertEvent]:
        """Return once the alerts that have got to know their tenants in a state that they were in before."""
        named, self._named = self._named, {}
        return list(named.values())

    def restore(
        self, events: Iterable[AlertEvent], *, watched: Callable[[AlertEvent], bool], now: datetime
    ) -> list[AlertEvent]:
        """Take up the alerts of an earlier run; return those that end because nobody watches them now.

        Nobody does where the rule is gone, looks at something else by now, or `watched` says so.
        A firing alert goes on firing and is no news. A pending one goes on too, from when it began: a
        service that crashes at every poll must still get to tell people. Only where it is older than
        twice its rule's `hold`, and than five minutes, has the service been away; what was bad before
        is not "in a row" with what comes next then, and the alert is pending anew from the next bad
        observation on.

        What has been judged already, because the earlier run could not be read before, is newer. Only
        that it fired is not forgotten, or it would end without a word: it fires again, and is returned.
        """
        news = []
        for event in events:
            key = event.fingerprint
            judged = key in self._entered
            self._entered[key] = max(event.since, self._entered.get(key, event.since))
            if event.state is AlertState.RESOLVED:
                continue
            rule = self._rules.get(event.rule)
            if rule is None or not _is_about(rule, event) or not watched(event):
                since = self._enter(key, now)
                news.append(replace(event, state=AlertState.RESOLVED, since=since, cause="no longer watched"))
                continue
            self._blame(key, troubles_in(event.cause) & rule.troubles)
            if not judged:
                self._active[key] = event
                if event.state is AlertState.PENDING:
                    self._resume(event, rule, now)
            elif event.state is AlertState.FIRING:
                self._active[key] = again = replace(event, since=self._enter(key, now))
                news.append(again)
        return news

    def recall(self, results: Iterable[ProbeResult]) -> None:
        """Remember stored results, in any order: raises and clears nothing.

        To be called after `restore` and before the first probe ends, with what the store has of the last
        slots: then k of n counts on as if nothing had stopped.
        """
        for result in sorted(results, key=lambda result: (result.started, result.attempt)):
            for _, window in self._watching(result):
                window.take(result)

    def clock_set(self, step: timedelta) -> None:
        """Count on as if the wall clock had not been set, forward or (negative) back, by that much."""
        self._bad_since = {key: since + step for key, since in self._bad_since.items()}

    def node_polled(self, state: NodeState, now: datetime) -> list[AlertEvent]:
        """Judge a poll."""
        return [
            event
            for rule in self._rules.values()
            for seen in rule.judge_node(state)
            for event in self._change(rule, self._with_tenants(seen), now)
        ]

    def topology_judged(self, state: TopologyState, now: datetime) -> list[AlertEvent]:
        """Judge a topology, and end what nobody can judge any more: a channel is gone, say."""
        self._tenants |= dict.fromkeys(state.topology.nodes, state.tenants)
        news = self._ended_by_kind(state, now)
        news += [
            event
            for rule in self._rules.values()
            for seen in rule.judge_topology(state)
            for event in self._change(rule, seen, now)
        ]
        for held in list(self._active.values()):
            if held.node in state.topology.nodes and (why := self._gone(held, state)):
                news.append(self._end(held, why, now))
        return news

    def probe_ended(self, result: ProbeResult, now: datetime) -> list[AlertEvent]:
        """Judge a probe's result."""
        if result.origin is not Origin.SCHEDULE:
            return []
        news = [
            event
            for rule, window in self._watching(result)
            if (seen := window.take(result)) is not None
            for event in self._change(rule, seen, now)
        ]
        news += [
            event
            for rule in self._rules.values()
            for seen in rule.judge_result(result)
            for event in self._change(rule, seen, now)
        ]
        return news

    def _watching(self, result: ProbeResult) -> Iterator[tuple[Rule, SlotWindow]]:
        """Yield the rules that a result is for, each with the window of the result's series."""
        # Somebody trying a wrong password by hand, or a stress run, says nothing about the service.
        if result.origin is not Origin.SCHEDULE:
            return
        subject = probe_subject(result)
        for rule in self._rules.values():
            if rule.when is When.PROBE_FAILING:
                key = fingerprint(rule.name, subject)
                if key not in self._windows:
                    self._windows[key] = SlotWindow(rule.failing, rule.of)
                yield rule, self._windows[key]

    def _change(self, rule: Rule, seen: Observation, now: datetime) -> Iterable[AlertEvent]:
        key = fingerprint(rule.name, seen.subject)
        if seen.verdict in (Verdict.SUSPECT, Verdict.BAD):
            event = self._raise(key, rule, seen, now)
        else:
            event = self._clear(key, seen, now)
        return () if event is None else (event,)

    def _clear(self, key: str, seen: Observation, now: datetime) -> AlertEvent | None:
        held = self._active.get(key)
        if held is None or (seen.verdict is Verdict.EASING and held.state is not AlertState.FIRING):
            return None
        if not self._blamed.get(key, frozenset()) <= seen.fine:
            return None
        self._drop(key)
        return replace(held, state=AlertState.RESOLVED, since=self._enter(key, now), value=seen.value)

    def _ended_by_kind(self, state: TopologyState, now: datetime) -> list[AlertEvent]:
        """End what is about troubles that a topology of this kind never has; blame no alert for these."""
        kind, name = state.topology.kind, state.topology.name
        news = []
        for held in list(self._active.values()):
            rule, key = self._rules[held.rule], held.fingerprint
            if rule.when is not When.DATABASE_TROUBLE or not _is_in(held, state):
                continue
            blamed = self._blamed.get(key, frozenset())
            if not JUDGED[kind].isdisjoint(blamed or rule.troubles):
                self._blamed[key] = blamed & JUDGED[kind]
            else:
                moved = held.topology not in (None, name)
                why = f"{held.node} is no longer in {held.topology}" if moved else f"{name} is {kind} now"
                news.append(self._end(held, why, now))
        return news

    def _end(self, held: AlertEvent, why: str, now: datetime) -> AlertEvent:
        self._drop(held.fingerprint)
        since = self._enter(held.fingerprint, now)
        return replace(held, state=AlertState.RESOLVED, since=since, cause=why)

    def _drop(self, key: str) -> None:
        del self._active[key]
        self._bad_since.pop(key, None)
        self._lapsed.discard(key)
        self._blamed.pop(key, None)

    def _blame(self, key: str, troubles: frozenset[Trouble]) -> None:
        if troubles:
            self._blamed[key] = self._blamed.get(key, frozenset()) | troubles

    def _raise(self, key: str, rule: Rule, seen: Observation, now: datetime) -> AlertEvent | None:
        self._blame(key, seen.bad)
        firing = seen.verdict is Verdict.BAD and self._bad_for(key, now) >= rule.hold
        state = AlertState.FIRING if firing else AlertState.PENDING
        held = self._active.get(key)
        if held is not None and held.state in (AlertState.FIRING, state) and key not in self._lapsed:
            self._name_tenants(held, seen)
            return None
        self._lapsed.discard(key)
        since = self._enter(key, now)
        event = AlertEvent(
            fingerprint=key,
            rule=rule.name,
            severity=rule.severity,
            state=state,
            since=since,
            started=since if firing else None,
            value=seen.value,
            cause=seen.cause,
            tenants=seen.tenants[:TENANTS_NAMED],
            tenants_total=len(seen.tenants),
            **asdict(seen.subject),
        )
        self._active[key] = event
        return event

    def _name_tenants(self, held: AlertEvent, seen: Observation) -> None:
        """Name the tenants of an alert that began before anybody had said who they are; that is no news."""
        if seen.tenants and not held.tenants_total:
            named = seen.tenants[:TENANTS_NAMED]
            event = replace(held, tenants=named, tenants_total=len(seen.tenants))
            self._active[held.fingerprint] = self._named[held.fingerprint] = event

    def _with_tenants(self, seen: Observation) -> Observation:
        """Return what a poll showed with the tenants whose data the node has, as far as that is known."""
        tenants = self._tenants.get(seen.subject.node or "", ())
        return replace(seen, tenants=tenants) if tenants else seen

    def _gone(self, held: AlertEvent, state: TopologyState) -> str:
        """Return why there is nothing left that an alert is about; "" where there is, or may be."""
        if self._rules[held.rule].when is not When.DATABASE_TROUBLE or not _is_known(held.node, state):
            return ""
        judged = {c.trouble for c in state.checks if (c.node, c.channel) == (held.node, held.channel)}
        links = {(link.replica, link.channel) for link in state.links}
        if held.channel is not None and not judged and (held.node, held.channel) not in links:
            return "the channel is gone"
        moved = held.topology not in (None, state.topology.name)
        blamed = self._blamed.get(held.fingerprint, frozenset())
        return f"{held.node} is no longer in {held.topology}" if moved and judged.isdisjoint(blamed) else ""

    def _bad_for(self, key: str, now: datetime) -> float:
        """Return for how many seconds it has been bad; none, where the clock was set back to before that."""
        since = self._bad_since[key] = min(self._bad_since.get(key, now), now)
        return (now - since).total_seconds()

    def _resume(self, pending: AlertEvent, rule: Rule, now: datetime) -> None:
        if (now - pending.since).total_seconds() > max(2 * rule.hold, IN_A_ROW):
            self._lapsed.add(pending.fingerprint)
        else:
            self._bad_since[pending.fingerprint] = min(pending.since, now)

    def _enter(self, key: str, now: datetime) -> datetime:
        """Return when a state is entered: now, but always later than the state that it follows.

        A clock that was set back would otherwise make the new state look older than the one in the
        store, which keeps the newest; and two states of one instant could make the same key for two
        messages, of which the second is news.
        """
        before = self._entered.get(key)
        self._entered[key] = since = now if before is None or now > before else before + _TICK
        return since


def _is_in(held: AlertEvent, state: TopologyState) -> bool:
    """Whether an alert is about a topology, or about a node that is in it now."""
    if held.node is None:
        return held.topology == state.topology.name
    return held.node in state.topology.nodes


def _is_known(node: str | None, state: TopologyState) -> bool:
    """Whether the topology was judged by what that node says now, and by all channels that it has."""
    read = any(member.node == node and member.up and member.channels_known for member in state.members)
    return read and any(check.node == node and check.channel is None for check in state.checks)


_PARTS: Final[Mapping[When, frozenset[tuple[str, ...]]]] = {
    When.NODE_DOWN: frozenset({("node",)}),
    When.DATABASE_TROUBLE: frozenset(
        {
            ("topology",),
            ("topology", "node"),
            ("topology", "node", "channel"),
            # Before there were topologies.
            ("node", "channel"),
        }
    ),
    When.PROBE_FAILING: frozenset({()}),
    When.CERTIFICATE_EXPIRING: frozenset({()}),
}
"""What of a topology, a node and a channel an alert of that kind may name. (Early versions kept no name of a
probe.)"""


def _is_about(rule: Rule, event: AlertEvent) -> bool:
    """Whether an alert is about what the rule looks at; a rule of that name may have been of another kind."""
    parts = tuple(name for name in ("topology", "node", "channel") if getattr(event, name) is not None)
    named = troubles_in(event.cause) if rule.troubles else frozenset()
    return parts in _PARTS[rule.when] and (not named or not named.isdisjoint(rule.troubles))
