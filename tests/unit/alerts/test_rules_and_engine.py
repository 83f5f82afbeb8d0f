"""The engine with the real rules: what fires, what ends, and above all what does neither."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import pytest

from alerts.engine import IN_A_ROW, AlertEngine, fingerprint, probe_alerts
from alerts.pack import load_rules
from alerts.rules import Rule, Subject, When, one_line
from alerts.windows import SlotWindow
from dialtone.model import (
    AlertEvent,
    AlertState,
    Catalog,
    CatalogError,
    NodeState,
    Origin,
    Outcome,
    Severity,
)
from tests.fakes.alerts import ACME, GLOBEX, NOON, alert, poll, result, rules

HEALTHY = {"": (1.0, 1.0)}
SQL_STOPPED = {"": (1.0, 0.0)}
TICK: Final = timedelta(microseconds=1)


def after(seconds: float) -> datetime:
    """Return an instant so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def everything(_: AlertEvent) -> bool:
    """Watch it all still."""
    return True


def told(events: list[AlertEvent]) -> list[str]:
    """Return events as "Rule state"."""
    return [f"{event.rule} {event.state}" for event in events]


@pytest.fixture
def engine() -> AlertEngine:
    """Return an engine with the real rules."""
    return AlertEngine(rules())


def node_down(engine: AlertEngine, name: str = "db2", start: float = 0) -> None:
    """Let a node fail two polls of the default interval."""
    for seconds in (start, start + 15):
        engine.node_polled(poll(name, up=False), after(seconds))


def test_one_failed_poll_is_pending_and_the_second_in_a_row_fires(engine: AlertEngine) -> None:
    assert told(engine.node_polled(poll(up=False), NOON)) == ["NodeDown pending"]
    [event] = engine.node_polled(poll(up=False), after(15))
    assert (event.state, event.node, event.severity) == (AlertState.FIRING, "db2", Severity.CRITICAL)
    assert event.started == event.since == after(15)
    assert event.cause == "connect: connection refused"


def test_the_second_failed_poll_fires_though_the_first_ended_late_at_its_timeout(engine: AlertEngine) -> None:
    engine.node_polled(poll(up=False), after(5))
    assert told(engine.node_polled(poll(up=False), after(14.9))) == ["NodeDown firing"]


def test_a_server_that_is_polled_each_second_may_be_away_for_a_few(engine: AlertEngine) -> None:
    seen = [told(engine.node_polled(poll(up=False), after(second))) for second in range(9)]
    assert seen == [["NodeDown pending"], *([[]] * 7), ["NodeDown firing"]]


def test_a_bad_poll_that_comes_much_later_fires_if_nothing_good_lay_between(engine: AlertEngine) -> None:
    engine.node_polled(poll(up=False), NOON)
    assert told(engine.node_polled(poll(up=False), after(300))) == ["NodeDown firing"]


def test_an_alert_that_goes_on_firing_is_no_news(engine: AlertEngine) -> None:
    node_down(engine)
    assert engine.node_polled(poll(up=False), after(30)) == []
    assert told(list(engine.active)) == ["NodeDown firing"]


def test_a_good_poll_ends_the_alert_once_and_keeps_when_it_began(engine: AlertEngine) -> None:
    node_down(engine)
    [event] = engine.node_polled(poll(), after(180))
    assert (event.state, event.started, event.since) == (AlertState.RESOLVED, after(15), after(180))
    assert engine.node_polled(poll(), after(195)) == []
    assert engine.active == ()


def test_a_single_failed_poll_never_fires_however_often_it_happens(engine: AlertEngine) -> None:
    seen = []
    for minute in range(5):
        seen += engine.node_polled(poll(up=False), after(60 * minute))
        seen += engine.node_polled(poll(), after(60 * minute + 15))
    assert {event.state for event in seen} == {AlertState.PENDING, AlertState.RESOLVED}
    assert all(event.started is None for event in seen)


def test_a_clock_that_is_set_back_neither_fires_nor_makes_a_state_older_than_the_last(
    engine: AlertEngine,
) -> None:
    engine.node_polled(poll(up=False), NOON)
    assert engine.node_polled(poll(up=False), after(-3600)) == []
    [fired] = engine.node_polled(poll(up=False), after(-3585))
    assert (fired.state, fired.since) == (AlertState.FIRING, NOON + TICK)
    [ended] = engine.node_polled(poll(), after(-3500))
    assert ended.since == NOON + 2 * TICK


@pytest.mark.parametrize(
    ("threads", "words"),
    [
        ((1.0, 0.0), "the SQL thread does not run"),
        ((0.0, 1.0), "the I/O thread does not run"),
        ((0.0, 0.0), "the I/O and SQL threads do not run"),
    ],
)
def test_a_stopped_replica_thread_fires_at_once_and_says_which(
    engine: AlertEngine, threads: tuple[float, float], words: str
) -> None:
    [event] = engine.node_polled(poll(threads={"": threads}), NOON)
    assert (event.rule, event.state, event.node, event.cause) == (
        "ReplicationBroken",
        AlertState.FIRING,
        "db2",
        words,
    )


def test_the_cause_of_broken_replication_is_the_servers_own_error_text(engine: AlertEngine) -> None:
    info = {"channel/dc2/error": "Could not execute Write_rows:\nDuplicate entry '7' for key 'PRIMARY'"}
    [event] = engine.node_polled(poll(threads={"dc2": (1.0, 0.0)}, info=info), NOON)
    assert event.channel == "dc2"
    assert event.cause == (
        "the SQL thread does not run: Could not execute Write_rows: Duplicate entry '7' for key 'PRIMARY'"
    )


def test_each_channel_has_its_own_alert(engine: AlertEngine) -> None:
    [first] = engine.node_polled(poll(threads={"a": (1.0, 0.0), "b": (1.0, 1.0)}), NOON)
    [second] = engine.node_polled(poll(threads={"a": (1.0, 0.0), "b": (0.0, 1.0)}), NOON)
    assert (first.channel, second.channel) == ("a", "b")
    assert first.fingerprint != second.fingerprint
    [ended] = engine.node_polled(poll(threads={"a": (1.0, 1.0), "b": (0.0, 1.0)}), NOON)
    assert (ended.channel, ended.state) == ("a", AlertState.RESOLVED)


def test_a_database_that_goes_down_does_not_end_broken_replication(engine: AlertEngine) -> None:
    engine.node_polled(poll(threads=SQL_STOPPED), NOON)
    # Its last reading, from before the trouble, may still be there: it proves nothing now.
    engine.node_polled(poll(up=False, threads=HEALTHY), NOON)
    engine.node_polled(poll(up=False, threads=HEALTHY), after(15))
    assert sorted(told(list(engine.active))) == ["NodeDown firing", "ReplicationBroken firing"]


def test_a_channel_that_is_not_reported_any_more_stays_as_it_was(engine: AlertEngine) -> None:
    engine.node_polled(poll(threads=SQL_STOPPED), NOON)
    assert engine.node_polled(poll(threads={}), NOON) == []
    assert told(list(engine.active)) == ["ReplicationBroken firing"]


def test_half_of_the_threads_is_not_enough_to_call_replication_healthy(engine: AlertEngine) -> None:
    engine.node_polled(poll(threads=SQL_STOPPED), NOON)
    state = poll(threads=HEALTHY)
    assert state.reading is not None
    half = replace(state, reading=replace(state.reading, samples=state.reading.samples[:1]))
    assert engine.node_polled(half, after(15)) == []
    assert told(list(engine.active)) == ["ReplicationBroken firing"]


def late(engine: AlertEngine, state: NodeState) -> list[str]:
    """Return what comes of a state that lasts two minutes."""
    return [word for second in range(0, 121, 15) for word in told(engine.node_polled(state, after(second)))]


FIRED = ["ReplicationLate pending", "ReplicationLate firing"]
SOURCE = {"channel//source": "1"}


def test_a_replica_that_lags_a_minute_for_a_minute_is_a_warning_with_the_lag(engine: AlertEngine) -> None:
    assert late(engine, poll(threads=HEALTHY, lag={"": 75.0})) == FIRED
    [event] = engine.active
    assert (event.node, event.channel, event.severity) == ("db2", "", Severity.WARNING)
    assert (event.value, event.since, event.cause) == (75.0, after(60), "75 s behind, more than 60 s")


def test_a_lag_of_exactly_the_bound_is_not_late(engine: AlertEngine) -> None:
    assert late(engine, poll(threads=HEALTHY, lag={"": 60.0})) == []


def test_a_moment_of_lag_is_pending_and_ends_untold(engine: AlertEngine) -> None:
    assert told(engine.node_polled(poll(threads=HEALTHY, lag={"": 75.0}), NOON)) == [
        "ReplicationLate pending"
    ]
    [event] = engine.node_polled(poll(threads=HEALTHY, lag={"": 3.0}), after(15))
    assert (event.state, event.started) == (AlertState.RESOLVED, None)


def test_the_heartbeat_is_believed_over_a_replica_that_says_0_over_a_dead_link(engine: AlertEngine) -> None:
    state = poll(threads=HEALTHY, info=SOURCE, lag={"": 0.0}, heartbeats={"1": 90.0})
    assert late(engine, state) == FIRED
    [event] = engine.active
    assert (
        event.cause
        == "90 s behind, more than 60 s, by the heartbeat of server 1; the replica itself says 0 s"
    )


def test_a_heartbeat_that_is_young_is_believed_over_a_replica_that_says_it_lags(engine: AlertEngine) -> None:
    state = poll(threads=HEALTHY, info=SOURCE, lag={"": 500.0}, heartbeats={"1": 0.2})
    assert late(engine, state) == []


def test_a_heartbeat_tells_the_lag_that_the_replica_does_not_know(engine: AlertEngine) -> None:
    assert late(engine, poll(threads=HEALTHY, info=SOURCE, heartbeats={"1": 90.0})) == FIRED
    [event] = engine.active
    assert event.cause.endswith("the replica itself knows nothing")


def test_in_a_pair_only_the_heartbeat_of_the_channels_own_source_counts(engine: AlertEngine) -> None:
    # Each server has rows of both; that of the passive one is as old as its last time as the active one.
    state = poll(threads=HEALTHY, info=SOURCE, lag={"": 0.0}, heartbeats={"1": 0.3, "2": 86400.0})
    assert late(engine, state) == []


def test_each_channel_is_judged_by_its_own_source(engine: AlertEngine) -> None:
    info = {"channel/a/source": "1", "channel/b/source": "2"}
    threads = {"a": (1.0, 1.0), "b": (1.0, 1.0)}
    state = poll(threads=threads, info=info, lag={"a": 0.0, "b": 0.0}, heartbeats={"1": 90.0, "2": 1.0})
    late(engine, state)
    assert [event.channel for event in engine.active] == ["a"]


@pytest.mark.parametrize("heartbeats", [{}, {"1": 3650.0}])
def test_a_lag_that_is_meant_is_not_late(engine: AlertEngine, heartbeats: dict[str, float]) -> None:
    state = poll(threads=HEALTHY, info=SOURCE, lag={"": 3650.0}, delay={"": 3600.0}, heartbeats=heartbeats)
    assert late(engine, state) == []


def test_a_delayed_replica_that_is_later_than_meant_is_late_by_the_rest(engine: AlertEngine) -> None:
    assert late(engine, poll(threads=HEALTHY, lag={"": 3700.0}, delay={"": 3600.0})) == FIRED
    [event] = engine.active
    assert event.value == 100.0


@pytest.mark.parametrize("threads", [(0.0, 1.0), (1.0, 0.0)])
def test_a_replica_with_a_stopped_thread_is_broken_and_not_late(
    engine: AlertEngine, threads: tuple[float, float]
) -> None:
    state = poll(threads={"": threads}, info=SOURCE, lag={"": 500.0}, heartbeats={"1": 500.0})
    assert late(engine, state) == ["ReplicationBroken firing"]


def test_a_lag_that_nobody_knows_neither_raises_nor_clears(engine: AlertEngine) -> None:
    assert late(engine, poll(threads=HEALTHY, info=SOURCE, heartbeats={"2": 500.0})) == []
    late(engine, poll(threads=HEALTHY, lag={"": 75.0}))
    assert engine.node_polled(poll(threads=HEALTHY), after(135)) == []
    assert engine.node_polled(poll(threads=SQL_STOPPED), after(150))[0].rule == "ReplicationBroken"
    assert "ReplicationLate firing" in told(list(engine.active))


def with_a_heartbeat(state: NodeState) -> NodeState:
    """Return the poll of a node whose heartbeat table is configured."""
    return replace(state, node=replace(state.node, options={"heartbeat": "dialtone.heartbeat"}))


@pytest.mark.parametrize("heartbeats", [{}, {"2": 0.1}, {"1": -3600.0}])
def test_the_0_of_a_replica_ends_nothing_while_the_heartbeat_of_its_source_can_not_be_read(
    engine: AlertEngine, heartbeats: dict[str, float]
) -> None:
    dead_link = poll(threads=HEALTHY, info=SOURCE, lag={"": 0.0}, heartbeats={"1": 90.0})
    assert late(engine, with_a_heartbeat(dead_link)) == FIRED
    unread = poll(threads=HEALTHY, info=SOURCE, lag={"": 0.0}, heartbeats=heartbeats)
    assert engine.node_polled(with_a_heartbeat(unread), after(135)) == []
    well = poll(threads=HEALTHY, info=SOURCE, lag={"": 0.0}, heartbeats={"1": 0.1})
    assert told(engine.node_polled(with_a_heartbeat(well), after(150))) == ["ReplicationLate resolved"]


def test_a_replica_that_says_it_lags_is_believed_while_its_heartbeat_can_not_be_read(
    engine: AlertEngine,
) -> None:
    assert late(engine, with_a_heartbeat(poll(threads=HEALTHY, info=SOURCE, lag={"": 75.0}))) == FIRED


def test_a_heartbeat_from_the_future_is_no_lag(engine: AlertEngine) -> None:
    late(engine, poll(threads=HEALTHY, lag={"": 75.0}))
    ahead = poll(threads=HEALTHY, info=SOURCE, lag={"": 75.0}, heartbeats={"1": -2.0})
    [event] = engine.node_polled(ahead, after(135))
    assert (event.state, event.value) == (AlertState.RESOLVED, 0.0)


ATTEMPTS: Final[dict[str, list[tuple[Outcome, Literal[1, 2]]]]] = {
    "g": [(Outcome.PASS, 1)],
    "b": [(Outcome.FAIL, 1), (Outcome.FAIL, 2)],
    "f": [(Outcome.FAIL, 1), (Outcome.PASS, 2)],
    "u": [(Outcome.INCONCLUSIVE, 1)],
    "x": [(Outcome.FAIL, 1), (Outcome.INCONCLUSIVE, 2)],
    "-": [],
}
"""Slots: good, bad, flapped, unknown, unknown after a failure, and left out."""


def slots(engine: AlertEngine, verdicts: str, first: int = 1000) -> list[list[str]]:
    """Let slots end, a letter of ATTEMPTS each; return what was told of each."""
    return [
        [
            word.removeprefix("ProbeFailing ")
            for outcome, attempt in ATTEMPTS[verdict]
            for word in told(engine.probe_ended(result(outcome, slot=slot, attempt=attempt), NOON))
        ]
        for slot, verdict in enumerate(verdicts, first)
    ]


def test_two_bad_slots_of_three_fire_and_name_who_fails_where(engine: AlertEngine) -> None:
    assert slots(engine, "bb") == [["pending"], ["firing"]]
    [event] = engine.active
    assert (event.tenant, event.flow, event.node) == (ACME, "call", None)
    assert (event.probe, event.location) == ("calls", "mtl1")
    assert (event.cause, event.value) == ("timeout: no answer to INVITE", 2.0)


def test_a_first_attempt_that_fails_says_nothing_before_its_confirmation(engine: AlertEngine) -> None:
    for slot in range(1000, 1010):
        assert engine.probe_ended(result(Outcome.FAIL, slot=slot, attempt=1), NOON) == []
    assert engine.active == ()


@pytest.mark.parametrize(
    ("verdicts", "told_of"),
    [
        ("bgb", "pending . firing"),
        ("bggb", "pending . . ."),
        ("bggg", "pending . . resolved"),
        ("bfb", "pending . firing"),
        ("ffff", ". . . ."),
        ("xxxx", ". . . ."),
        ("uuuu", ". . . ."),
        ("bub", "pending . firing"),
        ("buub", "pending . . ."),
        ("b--b", "pending . . ."),
        ("b-b", "pending . firing"),
        ("buuuu", "pending . . . ."),
        ("bbuuuu", "pending firing . . . ."),
        ("bbg", "pending firing ."),
        ("bbgg", "pending firing . resolved"),
        ("bbgf", "pending firing . resolved"),
        ("bbgb", "pending firing . ."),
        ("bbuuub", "pending firing . . . ."),
        ("bbuuug", "pending firing . . . resolved"),
        ("bbxxxg", "pending firing . . . resolved"),
        ("bgbgb", "pending . firing resolved firing"),
        ("bbggb", "pending firing . resolved pending"),
        ("bgbggb", "pending . firing resolved . pending"),
        ("bggbgb", "pending . . . . firing"),
    ],
)
def test_what_slots_do_under_two_of_three(engine: AlertEngine, verdicts: str, told_of: str) -> None:
    assert [" ".join(changes) or "." for changes in slots(engine, verdicts)] == told_of.split()


def test_a_slot_that_is_tried_again_counts_once_and_as_it_was_first(engine: AlertEngine) -> None:
    assert slots(engine, "b") == [["pending"]]
    assert slots(engine, "b") == slots(engine, "g") == [[]]
    assert slots(engine, "b", 1001) == [["firing"]]


def test_a_slot_that_was_cut_short_is_decided_when_it_is_tried_again(engine: AlertEngine) -> None:
    slots(engine, "b")
    assert slots(engine, "x", 1001) == [[]]
    assert slots(engine, "b", 1001) == [["firing"]]


def test_a_late_result_counts_in_its_own_slot(engine: AlertEngine) -> None:
    slots(engine, "b-g")
    assert slots(engine, "b", 1001) == [["firing"]]


def test_one_result_from_before_the_window_changes_nothing(engine: AlertEngine) -> None:
    slots(engine, "bb")
    assert engine.probe_ended(result(Outcome.PASS, slot=10), NOON) == []
    assert slots(engine, "g", 1002) == [[]]
    assert engine.probe_ended(result(Outcome.PASS, slot=11), NOON) == []
    assert told(list(engine.active)) == ["ProbeFailing firing"]


def test_a_late_result_just_before_the_window_does_not_count(engine: AlertEngine) -> None:
    slots(engine, "b-g", 1001)
    assert engine.probe_ended(result(Outcome.FAIL, slot=1000), NOON) == []


@pytest.mark.parametrize("start", [10, 5_000_000])
def test_slots_that_are_numbered_anew_are_counted_anew(engine: AlertEngine, start: int) -> None:
    # The clock was stepped by hours, or the probe's interval changed.
    slots(engine, "bb")
    seen = slots(engine, "gg", start)
    assert ["resolved"] in seen
    assert slots(engine, "bb", start + 2) == [["pending"], ["firing"]]


def test_a_window_keeps_no_more_than_its_slots_whatever_numbers_come() -> None:
    window = SlotWindow(2, 3)
    for slot in (0, 5, -5, -6, 10**18, 7, 8, 9, 9, 10, 3, 2, 1, -(10**18)):
        for outcome in (Outcome.FAIL, Outcome.PASS):
            window.take(result(outcome, slot=slot))
            assert len(window) <= 3


def test_one_bad_slot_of_each_of_two_tenants_is_no_alert_of_either(engine: AlertEngine) -> None:
    for tenant in (ACME, GLOBEX):
        engine.probe_ended(result(Outcome.FAIL, tenant, slot=1), NOON)
    assert {event.state for event in engine.active} == {AlertState.PENDING}
    assert {event.tenant for event in engine.active} == {ACME, GLOBEX}


def test_probes_and_locations_are_counted_apart(engine: AlertEngine) -> None:
    engine.probe_ended(result(Outcome.FAIL, slot=1), NOON)
    engine.probe_ended(result(Outcome.FAIL, slot=2, probe="calls-tls"), NOON)
    engine.probe_ended(result(Outcome.FAIL, slot=2, location="par1"), NOON)
    assert {event.state for event in engine.active} == {AlertState.PENDING}
    assert len({event.fingerprint for event in engine.active}) == 3


@pytest.mark.parametrize("origin", [Origin.MANUAL, Origin.STRESS])
def test_only_scheduled_probes_raise_or_clear_alerts(engine: AlertEngine, origin: Origin) -> None:
    for slot in range(3):
        assert engine.probe_ended(result(Outcome.FAIL, slot=slot, origin=origin), NOON) == []
    slots(engine, "bb")
    for slot in range(1002, 1006):
        assert engine.probe_ended(result(Outcome.PASS, slot=slot, origin=origin), NOON) == []
    assert told(list(engine.active)) == ["ProbeFailing firing"]


def restarted(engine: AlertEngine, now: datetime) -> AlertEngine:
    """Return an engine that took up the alerts of another."""
    again = AlertEngine(rules())
    assert again.restore(engine.active, watched=everything, now=now) == []
    return again


def test_a_restored_firing_alert_is_not_announced_again_and_ends_once(engine: AlertEngine) -> None:
    node_down(engine)
    again = restarted(engine, after(20))
    for seconds in (30, 45, 60):
        assert again.node_polled(poll(up=False), after(seconds)) == []
    assert told(again.node_polled(poll(), after(75))) == ["NodeDown resolved"]
    assert again.node_polled(poll(), after(90)) == []


def test_a_service_that_crashes_after_every_poll_still_tells_people(engine: AlertEngine) -> None:
    engine.node_polled(poll(up=False), NOON)
    again = restarted(restarted(engine, after(5)), after(10))
    assert told(again.node_polled(poll(up=False), after(15))) == ["NodeDown firing"]


def test_what_was_bad_hours_ago_is_not_in_a_row_with_what_comes_next(engine: AlertEngine) -> None:
    engine.node_polled(poll(up=False), NOON)
    again = restarted(engine, after(7200))
    [event] = again.node_polled(poll(up=False), after(7201))
    assert (event.state, event.since) == (AlertState.PENDING, after(7201))
    assert again.node_polled(poll(up=False), after(7202)) == []
    # The store knows it as new now: a crash here costs nothing.
    assert told(restarted(again, after(7203)).node_polled(poll(up=False), after(7216))) == ["NodeDown firing"]


def test_a_pending_alert_of_hours_ago_ends_where_nothing_is_bad_any_more(engine: AlertEngine) -> None:
    engine.node_polled(poll(up=False), NOON)
    [event] = restarted(engine, after(7200)).node_polled(poll(), after(7201))
    assert (event.state, event.started) == (AlertState.RESOLVED, None)


@pytest.mark.parametrize(("away", "state"), [(IN_A_ROW, "firing"), (IN_A_ROW + 1, "pending")])
def test_five_minutes_away_are_still_in_a_row(engine: AlertEngine, away: float, state: str) -> None:
    engine.node_polled(poll(up=False), NOON)
    again = restarted(engine, after(away))
    assert told(again.node_polled(poll(up=False), after(away))) == [f"NodeDown {state}"]


def test_a_clock_that_was_set_back_while_away_neither_fires_at_once_nor_never(engine: AlertEngine) -> None:
    engine.node_polled(poll(up=False), NOON)
    again = restarted(engine, after(-3600))
    assert again.node_polled(poll(up=False), after(-3599)) == []
    assert told(again.node_polled(poll(up=False), after(-3584))) == ["NodeDown firing"]


@pytest.mark.parametrize("state", [AlertState.FIRING, AlertState.RESOLVED])
def test_a_clock_that_was_set_back_while_away_makes_no_state_older_than_the_stores(
    engine: AlertEngine, state: AlertState
) -> None:
    engine.restore([alert(state, node="db2")], watched=everything, now=after(-3600))
    events = [
        *engine.node_polled(poll(), after(-3590)),
        *engine.node_polled(poll(up=False), after(-3580)),
    ]
    assert [event.since for event in events] == [NOON + n * TICK for n in range(1, len(events) + 1)]


def test_states_that_follow_each_other_over_restarts_never_have_the_same_instant(engine: AlertEngine) -> None:
    # The clock was set back: every state is entered "before" the first one.
    held = [alert(node="db2", rule="ReplicationBroken", channel="")]
    instants = [held[0].since]
    for threads in (HEALTHY, SQL_STOPPED, HEALTHY, SQL_STOPPED):
        engine = AlertEngine(rules())
        engine.restore(held, watched=everything, now=after(-3600))
        held = engine.node_polled(poll(threads=threads), after(-3590))
        instants += [event.since for event in held]
    assert len(instants) == len(set(instants)) == 5
    assert instants == sorted(instants)


OF_ANOTHER_KIND: Final = {
    When.NODE_DOWN: "for: 0s",
    When.REPLICATION_LATE: "over: 10s, for: 0s",
    When.PROBE_FAILING: "failing: 1, of: 1",
}


@pytest.mark.parametrize("before", OF_ANOTHER_KIND)
@pytest.mark.parametrize("now", OF_ANOTHER_KIND)
def test_an_alert_of_a_rule_that_looks_at_something_else_by_now_ends(
    tmp_path: Path, before: When, now: When
) -> None:
    def mine(when: When) -> tuple[Rule, ...]:
        words = "severity: warning, summary: a, felt: b"
        (tmp_path / "rules.yaml").write_text(
            f"rules: [{{name: Mine, when: {when}, {OF_ANOTHER_KIND[when]}, {words}}}]"
        )
        return tuple(rule for rule in rules(tmp_path / "rules.yaml") if rule.name == "Mine")

    earlier = AlertEngine(mine(before))
    earlier.node_polled(poll(up=before is not When.NODE_DOWN, threads=HEALTHY, lag={"": 99.0}), NOON)
    earlier.probe_ended(result(Outcome.FAIL), NOON)
    assert told(list(earlier.active)) == ["Mine firing"]
    again = AlertEngine(mine(now))
    gone = again.restore(earlier.active, watched=everything, now=after(10))
    assert told(gone) == ([] if before is now else ["Mine resolved"])
    assert len(again.active) == (before is now)


def test_an_alert_of_an_early_version_that_kept_no_name_of_its_probe_goes_on(engine: AlertEngine) -> None:
    fired = alert(rule="ProbeFailing", tenant=ACME, flow="call", probe="calls", location="mtl1")
    early = replace(fired, probe=None, location=None)
    assert engine.restore([early], watched=everything, now=after(10)) == []
    [ended] = engine.probe_ended(result(Outcome.PASS), after(60))
    assert (ended.fingerprint, ended.state) == (fired.fingerprint, AlertState.RESOLVED)


def test_what_fired_and_was_judged_anew_before_that_could_be_read_fires_again_and_ends_with_a_word(
    engine: AlertEngine,
) -> None:
    engine.node_polled(poll(up=False), after(60))
    [again] = engine.restore([alert(node="db2")], watched=everything, now=after(70))
    assert (again.state, again.started) == (AlertState.FIRING, NOON)
    assert again.since > after(60)
    [ended] = engine.node_polled(poll(), after(75))
    assert (ended.state, ended.started) == (AlertState.RESOLVED, NOON)


def test_slots_are_recalled_in_any_order_without_a_word_and_counted_on(engine: AlertEngine) -> None:
    results = [
        result(Outcome.FAIL, slot=1000, attempt=1, started=NOON),
        result(Outcome.FAIL, slot=1000, attempt=2, started=after(1)),
        result(Outcome.PASS, slot=1001, started=after(60)),
    ]
    for one in results:
        engine.probe_ended(one, one.started)
    again = restarted(engine, after(90))
    again.recall(reversed(results))
    assert told(list(again.active)) == ["ProbeFailing pending"]
    assert slots(again, "b", 1002) == [["firing"]]


def test_a_stop_of_an_hour_leaves_no_slot_in_a_row(engine: AlertEngine) -> None:
    results = [result(Outcome.FAIL, slot=1000)]
    slots(engine, "b")
    again = restarted(engine, after(3600))
    again.recall(results)
    assert slots(again, "bgggg", 1060) == [["pending"], [], [], ["resolved"], []]


def test_what_the_store_did_not_learn_of_an_alert_its_results_tell(engine: AlertEngine) -> None:
    # Killed between keeping the second bad slot's result and the flip.
    slots(engine, "b")
    again = restarted(engine, after(60))
    again.recall([result(Outcome.FAIL, slot=1000), result(Outcome.FAIL, slot=1001, started=after(60))])
    assert slots(again, "g", 1002) == [["firing"]]


def test_results_by_hand_are_not_recalled(engine: AlertEngine) -> None:
    engine.recall([result(Outcome.FAIL, slot=1000, origin=Origin.MANUAL)])
    assert slots(engine, "b", 1001) == [["pending"]]


def test_resolved_alerts_are_not_taken_up(engine: AlertEngine) -> None:
    assert engine.restore([alert(AlertState.RESOLVED, node="db2")], watched=everything, now=NOON) == []
    assert engine.active == ()


def test_an_alert_of_a_node_that_was_removed_ends_at_the_start(engine: AlertEngine) -> None:
    [event] = engine.restore([alert(node="old")], watched=lambda e: e.node != "old", now=NOON)
    assert (event.state, event.cause, event.started) == (AlertState.RESOLVED, "no longer watched", NOON)
    assert engine.active == ()


def test_an_alert_of_a_rule_that_no_longer_exists_ends_at_the_start(engine: AlertEngine) -> None:
    assert told(engine.restore([alert(rule="Old", node="db2")], watched=everything, now=NOON)) == [
        "Old resolved"
    ]


def test_fingerprints_do_not_depend_on_the_process_nor_on_the_version() -> None:
    # Literals: a change of the formula would orphan every alert that a store holds.
    assert alert(node="db2").fingerprint == "56422b920cd9648d"
    about = Subject(tenant=ACME, flow="call", probe="calls", location="mtl1")
    assert fingerprint("ProbeFailing", about) == "4b9a716130a8be9f"


def test_the_alerts_that_a_probe_can_raise_are_known_beforehand(engine: AlertEngine) -> None:
    slots(engine, "b")
    [event] = engine.active
    assert probe_alerts(rules(), ACME, "call", "calls", "mtl1") == {event.fingerprint}
    assert probe_alerts(rules()[:1], ACME, "call", "calls", "mtl1") == set()


def test_a_catalogue_without_the_replication_metrics_is_a_mistake_found_at_the_start() -> None:
    with pytest.raises(CatalogError, match="mysql_replication_io_running"):
        load_rules(Catalog(), None)


def test_texts_of_servers_become_one_bounded_printable_line() -> None:
    assert one_line("a\x1b[31m\r\n b\u202e") == "a [31m b"
    assert len(one_line("x" * 100_000)) == 500
