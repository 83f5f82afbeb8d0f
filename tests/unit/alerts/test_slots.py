"""k of n: what good, bad and unknown slots make of a probe."""

from dataclasses import replace

import pytest

from alerts.engine import AlertEngine, probe_alerts
from alerts.windows import SlotWindow
from dialtone.model import (
    AlertState,
    Origin,
    Outcome,
)
from tests.fakes.alerts import ACME, GLOBEX, NOON, result, rules
from tests.unit.alerts.story import slots, told


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


def test_the_alerts_that_a_probe_can_raise_are_known_beforehand(engine: AlertEngine) -> None:
    slots(engine, "b")
    engine.probe_ended(replace(result(Outcome.PASS), certificate_expires=NOON), NOON)
    known = probe_alerts(rules(), ACME, "call", "calls", "mtl1")
    assert known == {event.fingerprint for event in engine.active}
    assert len(known) == 2
    assert probe_alerts(rules()[:1], ACME, "call", "calls", "mtl1") == set()
