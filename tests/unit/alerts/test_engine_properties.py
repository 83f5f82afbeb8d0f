"""The engine against what the words say, worked out again from the whole history at every step.

The references below keep everything and know nothing of windows, counters or restarts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alerts.engine import AlertEngine
from alerts.judges import node_judge, topology_judge
from alerts.rules import Rule, When
from dialtone.model import (
    AlertState,
    CheckState,
    Link,
    Origin,
    Outcome,
    ProbeResult,
    Severity,
    Trouble,
)
from tests.fakes.alerts import NOON, check, poll, result, topology

THOROUGH: Final = settings(deadline=None, max_examples=200)


def rule(when: When, *, hold: float = 0, failing: int = 1, of: int = 1) -> Rule:
    """Return a rule of that kind, without words."""
    judge = node_judge(when)
    return Rule("Rule", Severity.WARNING, when, "", "", hold, failing, of, judge)


def state(engine: AlertEngine) -> AlertState | None:
    """Return the state of the one alert that there can be."""
    return next((event.state for event in engine.active), None)


def restarted(engine: AlertEngine, by: Rule, now: datetime) -> AlertEngine:
    """Return what follows the engine after a kill."""
    again = AlertEngine([by])
    assert again.restore(engine.active, watched=lambda _: True, now=now) == []
    return again


class Poll(NamedTuple):
    """A poll that ends so many seconds after the last; a service that is killed is back before it."""

    later: int
    bad: bool
    killed: bool


POLLS: Final = st.lists(
    st.builds(Poll, st.integers(1, 20), st.sampled_from([True, True, True, False]), st.booleans()),
    max_size=14,
)


def held(polls: Sequence[tuple[int, bool]], hold: int) -> AlertState | None:
    """Return what is true after these (time, bad): bad since the last good one, and for how long."""
    in_a_row: list[int] = []
    for at, bad in polls:
        in_a_row = [*in_a_row, at] if bad else []
    if not in_a_row:
        return None
    longest = max(at - in_a_row[0] for at in in_a_row)
    return AlertState.FIRING if longest >= hold else AlertState.PENDING


@THOROUGH
@given(polls=POLLS, hold=st.sampled_from([0, 1, 8, 15, 60]))
def test_it_fires_when_all_was_bad_for_long_enough_whenever_the_service_was_killed(
    polls: list[Poll], hold: int
) -> None:
    by = rule(When.NODE_DOWN, hold=hold)
    engine, history, clock, told = AlertEngine([by]), [], 0, 0
    for seen in polls:
        clock += seen.later
        now = NOON + timedelta(seconds=clock)
        if seen.killed:
            engine = restarted(engine, by, now - timedelta(seconds=seen.later / 2))
        before = state(engine)
        events = engine.node_polled(poll(up=not seen.bad), now)
        history.append((clock, seen.bad))
        assert state(engine) == held(history, hold)
        assert len(events) == (before != state(engine))
        told += sum(event.state is AlertState.FIRING for event in events)
        told -= sum(event.state is AlertState.RESOLVED and event.started is not None for event in events)
        assert told == (state(engine) is AlertState.FIRING), "each beginning is told once, and each end"


@THOROUGH
@given(stops=st.lists(st.floats(301, 90_000), min_size=1, max_size=5))
def test_polls_with_hours_away_between_them_never_fire(stops: list[float]) -> None:
    by = rule(When.NODE_DOWN, hold=15)
    engine, now = AlertEngine([by]), NOON
    for stop in stops:
        engine.node_polled(poll(up=False), now)
        now += timedelta(seconds=stop)
        engine = restarted(engine, by, now)
    assert state(engine) is AlertState.PENDING


class Judged(NamedTuple):
    """What a topology's judge says of two troubles of a channel, None where it can't tell."""

    checks: dict[Trouble, CheckState | None]
    killed: bool


TWO: Final = (Trouble.APPLIER_BLOCKED, Trouble.LINK_SILENT)
JUDGED: Final = st.lists(
    st.builds(
        Judged,
        st.fixed_dictionaries({trouble: st.sampled_from([None, *CheckState]) for trouble in TWO}),
        st.booleans(),
    ),
    max_size=14,
)


def blamed(history: Sequence[Judged]) -> AlertState | None:
    """Return what is true after these: it ends when all that was bad is fine; a kill leaves the cause."""
    now: AlertState | None = None
    cause: set[Trouble] = set()
    blame: set[Trouble] = set()
    for checks, killed in history:
        bad, suspect, fine = (
            {trouble for trouble, said in checks.items() if said is state}
            for state in (CheckState.BAD, CheckState.SUSPECT, CheckState.FINE)
        )
        if killed:
            blame = set(cause)
        if bad:
            cause = cause if now is AlertState.FIRING else bad
            now, blame = AlertState.FIRING, blame | bad
        elif suspect:
            cause = cause if now else suspect
            now = now or AlertState.PENDING
        elif fine and blame <= fine:
            now, cause, blame = None, set(), set()
    return now


@THOROUGH
@given(history=JUDGED)
def test_a_database_ends_its_alert_when_what_raised_it_is_fine_whenever_the_service_was_killed(
    history: list[Judged],
) -> None:
    troubles = frozenset(TWO)
    by = Rule(
        "Rule",
        Severity.WARNING,
        When.DATABASE_TROUBLE,
        "",
        "",
        troubles=troubles,
        judge_topology=topology_judge(troubles),
    )
    engine, told = AlertEngine([by]), 0
    for number, (checks, killed) in enumerate(history):
        now = NOON + timedelta(seconds=15 * number)
        if killed:
            engine = restarted(engine, by, now)
        known = [check(trouble, said) for trouble, said in checks.items() if said is not None]
        link = Link("db2", "", "db1", "127.0.0.1:3306", True, True)
        before = state(engine)
        events = engine.topology_judged(topology(*known, links=(link,)), now)
        assert state(engine) == blamed(history[: number + 1])
        assert len(events) == (before != state(engine))
        told += sum(event.state is AlertState.FIRING for event in events)
        told -= sum(event.state is AlertState.RESOLVED and event.started is not None for event in events)
        assert told == (state(engine) is AlertState.FIRING)


class Slot(NamedTuple):
    """A slot `further` numbers after the last one (1: the next), and the attempts in it."""

    further: int
    attempts: tuple[Outcome, ...]


PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
GOOD, BAD = ((PASS,), (FAIL, PASS)), ((FAIL, FAIL),)
"""The slots that count, as definitions.md has them (availability, 2); the rest is unknown."""

SLOTS: Final = st.lists(
    st.builds(
        Slot,
        st.sampled_from([1, 1, 1, 1, 2, 3]),
        st.sampled_from([*GOOD, *BAD, *BAD, *BAD, (UNKNOWN,), (FAIL, UNKNOWN), (FAIL,)]),
    ),
    max_size=16,
)
WINDOWS: Final = st.sampled_from([(1, 1), (1, 3), (2, 2), (2, 3), (3, 3), (3, 5), (2, 6)])


def counted(slots: Sequence[tuple[int, tuple[Outcome, ...]]], failing: int, of: int) -> AlertState | None:
    """Return what is true after these slots: a step for each that is good or bad."""
    now: AlertState | None = None
    for index, (number, attempts) in enumerate(slots):
        if attempts not in GOOD + BAD:
            continue
        bad = sum(n > number - of and a in BAD for n, a in slots[: index + 1])
        if bad >= failing:
            now = AlertState.FIRING
        elif attempts in BAD:
            now = now or AlertState.PENDING
        elif bad == 0 or now is AlertState.FIRING:
            now = None
    return now


def results_of(number: int, attempts: Sequence[Outcome]) -> list[ProbeResult]:
    """Return the results of a slot of a minute."""
    numbered: list[tuple[Outcome, Literal[1, 2]]] = [(attempts[0], 1)]
    numbered += [(outcome, 2) for outcome in attempts[1:]]
    return [
        result(
            outcome, slot=number, attempt=attempt, started=NOON + timedelta(minutes=number, seconds=attempt)
        )
        for outcome, attempt in numbered
    ]


@THOROUGH
@given(slots=SLOTS, window=WINDOWS, data=st.data())
def test_it_fires_at_k_bad_slots_of_n_whenever_the_service_was_killed(
    slots: list[Slot], window: tuple[int, int], data: st.DataObject
) -> None:
    by = rule(When.PROBE_FAILING, failing=window[0], of=window[1])
    engine, number, history, told = AlertEngine([by]), 0, [], 0
    stored: list[ProbeResult] = []
    for further, attempts in slots:
        number += further
        for one in results_of(number, attempts):
            if data.draw(st.booleans()):
                engine = restarted(engine, by, one.started)
                engine.recall(data.draw(st.permutations(stored)))
            events = engine.probe_ended(one, one.started)
            stored.append(one)
            assert not (one.outcome is UNKNOWN and events), "unknown neither raises nor resolves"
            told += sum(event.state is AlertState.FIRING for event in events)
            told -= sum(event.state is AlertState.RESOLVED and event.started is not None for event in events)
        history.append((number, attempts))
        assert state(engine) == counted(history, *window)
        assert told == (state(engine) is AlertState.FIRING)


HOSTILE: Final = st.lists(
    st.tuples(
        st.integers(-3, 12) | st.integers(-(10**12), 10**12),
        st.sampled_from(Outcome),
        st.sampled_from([1, 2]),
        st.sampled_from([Origin.SCHEDULE, Origin.SCHEDULE, Origin.MANUAL, Origin.STRESS]),
        st.integers(-(10**6), 10**6),
    ),
    max_size=30,
)


@THOROUGH
@given(steps=HOSTILE, window=WINDOWS)
def test_whatever_numbers_and_clocks_come_it_never_fires_without_enough_bad_slots(
    steps: list[tuple[int, Outcome, Literal[1, 2], Origin, int]], window: tuple[int, int]
) -> None:
    by = rule(When.PROBE_FAILING, failing=window[0], of=window[1])
    engine, bad, since = AlertEngine([by]), set(), datetime.min.replace(tzinfo=UTC)
    for slot, outcome, attempt, origin, clock in steps:
        seen = result(outcome, slot=slot, attempt=attempt, origin=origin)
        counts = origin is Origin.SCHEDULE
        if counts and outcome is FAIL and attempt == 2:
            bad.add(slot)
        for event in engine.probe_ended(seen, NOON + timedelta(seconds=clock)):
            assert counts
            assert outcome is not UNKNOWN
            assert event.since >= since, "the store keeps the newest state"
            since = event.since
            if event.state is AlertState.FIRING:
                assert any(sum(end - window[1] < n <= end for n in bad) >= window[0] for end in bad)
            if event.state is AlertState.RESOLVED:
                assert outcome is PASS


@THOROUGH
@given(start=st.integers(0, 10**9), to=st.integers(0, 10**9), window=WINDOWS)
def test_wherever_the_numbers_jump_to_n_bad_slots_in_a_row_fire(
    start: int, to: int, window: tuple[int, int]
) -> None:
    assume(not to - 100 < start < to + 100)
    by = rule(When.PROBE_FAILING, failing=window[0], of=window[1])
    engine = AlertEngine([by])
    for slot in range(start, start + 10):
        engine.probe_ended(result(PASS, slot=slot), NOON)
    for slot in range(to, to + window[0]):
        for one in results_of(slot, (FAIL, FAIL)):
            engine.probe_ended(one, NOON)
    assert state(engine) is AlertState.FIRING
