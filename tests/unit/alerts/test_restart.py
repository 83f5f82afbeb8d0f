"""The engine over restarts: what goes on, what ends, and what is never told twice."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from alerts.engine import IN_A_ROW, AlertEngine
from alerts.rules import Rule, When
from dialtone.model import (
    AlertEvent,
    AlertState,
    CheckState,
    Origin,
    Outcome,
    Trouble,
)
from tests.fakes.alerts import ACME, HEALTHY, LATE, NOON, STOPPED, alert, check, poll, result, rules, topology
from tests.unit.alerts.story import TICK, after, node_down, slots, told


def everything(_: AlertEvent) -> bool:
    """Watch it all still."""
    return True


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
    for state in (HEALTHY, STOPPED, HEALTHY, STOPPED):
        engine = AlertEngine(rules())
        engine.restore(held, watched=everything, now=after(-3600))
        held = engine.topology_judged(state, after(-3590))
        instants += [event.since for event in held]
    assert len(instants) == len(set(instants)) == 5
    assert instants == sorted(instants)


OF_ANOTHER_KIND: Final = {
    When.NODE_DOWN: "for: 0s",
    When.DATABASE_TROUBLE: "troubles: [late], for: 0s",
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
    earlier.node_polled(poll(up=before is not When.NODE_DOWN), NOON)
    earlier.topology_judged(LATE, NOON)
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


def test_an_alert_about_a_database_goes_on_and_ends_once(engine: AlertEngine) -> None:
    states = {
        "topology": check(Trouble.NO_WRITER, node=None),
        "node": check(Trouble.CLOCK_SKEW, channel=None),
        "channel": check(Trouble.DUPLICATE_KEY, detail="Duplicate entry '1': io-error: late"),
    }
    for bad in states.values():
        held = AlertEngine(rules())
        held.topology_judged(topology(bad), NOON)
        again = restarted(held, after(10))
        assert again.topology_judged(topology(bad), after(15)) == []
        [ended] = again.topology_judged(topology(replace(bad, state=CheckState.FINE)), after(30))
        assert (ended.state, ended.started) == (AlertState.RESOLVED, NOON)


def test_what_pends_about_a_database_counts_on(engine: AlertEngine) -> None:
    engine.topology_judged(LATE, NOON)
    again = restarted(engine, after(10))
    assert again.topology_judged(LATE, after(59)) == []
    assert told(again.topology_judged(LATE, after(60))) == ["ReplicationLate firing"]


def test_what_raised_an_alert_before_a_restart_has_to_be_fine_after_it(engine: AlertEngine) -> None:
    blocked, silent = Trouble.APPLIER_BLOCKED, Trouble.LINK_SILENT
    engine.topology_judged(topology(check(blocked), check(silent, CheckState.FINE)), NOON)
    again = restarted(engine, after(10))
    assert again.topology_judged(topology(check(silent, CheckState.FINE)), after(15)) == []
    [ended] = again.topology_judged(topology(check(blocked, CheckState.FINE)), after(30))
    assert ended.state is AlertState.RESOLVED


def test_an_alert_of_before_there_were_topologies_goes_on_and_ends(engine: AlertEngine) -> None:
    words = "the SQL thread does not run: io-error"
    early = alert(rule="ReplicationBroken", node="db2", channel="", cause=words)
    assert engine.restore([early], watched=everything, now=after(10)) == []
    assert engine.topology_judged(STOPPED, after(15)) == []
    [ended] = engine.topology_judged(HEALTHY, after(30))
    assert (ended.fingerprint, ended.state) == (early.fingerprint, AlertState.RESOLVED)


def test_an_alert_whose_troubles_the_rule_looks_at_no_more_ends_at_the_start(engine: AlertEngine) -> None:
    held = alert(rule="ReplicationLate", node="db2", channel="", topology="main", cause="io-error: gone")
    gone = [held, replace(held, cause="late, io-error: still there")]
    assert told(engine.restore(gone[:1], watched=everything, now=NOON)) == ["ReplicationLate resolved"]
    again = AlertEngine(rules())
    assert again.restore(gone[1:], watched=everything, now=NOON) == []
    assert told(again.topology_judged(HEALTHY, after(15))) == ["ReplicationLate resolved"]


def test_a_channel_that_went_while_the_service_was_away_ends_its_alert(engine: AlertEngine) -> None:
    engine.topology_judged(STOPPED, NOON)
    [ended] = restarted(engine, after(60)).topology_judged(topology(), after(70))
    assert (ended.state, ended.cause) == (AlertState.RESOLVED, "the channel is gone")


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
