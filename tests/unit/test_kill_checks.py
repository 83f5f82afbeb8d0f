"""The checks of the kill suites find each kind of loss, and nothing where nothing was lost."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from dialtone.model import AlertEvent, AlertState, Failure, FailureCode, Outcome, ProbeResult
from tests.fakes.records import NOON, a_result, an_alert
from tests.live.figures import Figure, Figures
from tests.live.kill_checks import (
    Came,
    Kept,
    blamed,
    counters,
    fallen,
    lost,
    misadopted,
    miscounted,
    misdelivered,
    misjudged,
    out_of_turn,
    survived,
    unannounced,
    unrecorded,
)

CRASHED: Final = frozenset({FailureCode.ENGINE_CRASHED})
ACME: Final = "acme.ntek.clusterpbx.example"


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def cut(result_id: str, **changes: Any) -> ProbeResult:
    failure = Failure(FailureCode.ENGINE_CRASHED, "the service stopped while the probe ran")
    values: dict[str, Any] = {"outcome": Outcome.INCONCLUSIVE, "failure": failure, "timings": {}}
    return a_result(result_id, **(values | changes))


def failed(result_id: str, **changes: Any) -> ProbeResult:
    return a_result(result_id, outcome=Outcome.FAIL, failure=Failure(FailureCode.TIMEOUT), **changes)


def flip(state: AlertState, seconds: float, name: str = "f1") -> AlertEvent:
    return an_alert(name, state=state, since=after(seconds), started=NOON)


def kept(*keys: str) -> list[Kept]:
    states = (AlertState.FIRING, AlertState.RESOLVED)
    return [Kept(key, (flip(states[number % 2], number),)) for number, key in enumerate(keys)]


def came(*keys: str, body: str = "same") -> list[Came]:
    return [Came(float(number), key, {"of": key, "body": body}) for number, key in enumerate(keys)]


def scrape(*outcomes: tuple[str, str, float], srd: float = 0.0) -> Figures:
    series = {"tenant": ACME, "reseller": "ntek", "flow": "call", "engine": "sippy", "location": "mtl1"}
    figures = [
        Figure("dialtone_probe_outcome_total", {**series, "outcome": outcome, "failure": failure}, count)
        for outcome, failure, count in outcomes
    ]
    figures += [Figure(f"dialtone_probe_{name}_seconds_count", series, srd) for name in ("srd", "pdd")]
    return Figures((*figures, Figure("dialtone_up", {"node": "sip1"}, 1.0)))


def test_what_is_gone_or_changed_is_named_and_what_is_new_is_not() -> None:
    shown = {"a": 1, "b": 2, "c": 3}
    assert lost("result", shown, {**shown, "d": 4}) == []
    assert lost("result", shown, {"a": 1, "b": 5}) == ["result b has changed: 2 5", "result c is gone"]


def test_a_failure_is_a_false_one_and_so_is_trouble_that_nobody_made() -> None:
    busy = a_result("busy", outcome=Outcome.INCONCLUSIVE, failure=Failure(FailureCode.ACCOUNT_BUSY))
    results = [a_result("good"), cut("cut")]
    assert misjudged(results, allowed=CRASHED) == []
    assert [line.split()[1] for line in misjudged([*results, failed("bad"), busy], allowed=CRASHED)] == [
        "bad",
        "busy",
    ]


def test_a_failure_is_never_allowed() -> None:
    assert misjudged([failed("bad")], allowed=frozenset(FailureCode))


def test_exactly_the_probes_under_way_are_inconclusive() -> None:
    results = [a_result("a"), cut("b"), cut("c")]
    assert misadopted(results, [frozenset({"b"}), frozenset({"c"})]) == []
    assert misadopted(results, [frozenset({"b"})]) == ["probe c is inconclusive and was not under way"]
    assert misadopted(results, [frozenset({"b", "c", "a", "x"})]) == [
        "probe a was cut short and is not inconclusive",
        "probe x was cut short and is not inconclusive",
    ]


def test_a_probe_that_the_platform_saw_has_a_result() -> None:
    assert unrecorded(["a", "a"], [a_result("a"), a_result("b")]) == []
    assert unrecorded(["a", "c"], [a_result("a")]) == ["probe c was placed and has no result"]


def test_a_probe_that_passes_across_a_kill_of_its_engine_is_found() -> None:
    results = [a_result("r", started=NOON, duration=1.0), cut("c", started=NOON, duration=1.0)]
    assert survived(results, [after(-0.5), after(1.5)]) == []
    assert survived(results, [after(0.05), after(0.95)]) == [], "the clocks agree no better than that"
    assert survived(results, [after(0.5)]) == ["result r is pass across a kill of its engine"]


def test_a_crash_without_a_kill_is_found() -> None:
    results = [cut("c", started=NOON, duration=1.0), a_result("r", started=after(5), duration=1.0)]
    assert blamed(results, [after(0.5)]) == []
    assert blamed(results, [after(9.0)]) == ["result c crashed without a kill"]


def test_a_counter_that_falls_or_goes_is_found() -> None:
    first, second = scrape(("pass", "", 3.0), srd=3.0), scrape(("pass", "", 4.0), srd=4.0)
    assert fallen([first, second, second]) == []
    assert len(fallen([second, first])) == 3
    assert fallen([first, scrape(srd=3.0)])[0].endswith("fell from 3 to None")
    assert all(name.startswith("dialtone_probe_") for name, _ in counters(first)), "a node may go down"


def test_a_counter_that_differs_from_the_results_is_found() -> None:
    results = [a_result("a"), a_result("b"), cut("c")]
    right = (("pass", "", 2.0), ("inconclusive", "engine-crashed", 1.0))
    assert miscounted(scrape(*right, srd=2.0), results) == []
    assert miscounted(scrape(right[0], srd=2.0), results) == [
        f"outcomes {ACME} call sippy inconclusive engine-crashed: /metrics has 0, there are 1"
    ]
    assert len(miscounted(scrape(*right, srd=1.0), results)) == 2
    assert len(miscounted(scrape(*right, srd=2.0), results[1:])) == 3
    # The same number in another series is no comfort.
    assert len(miscounted(scrape(("fail", "timeout", 2.0), right[1], srd=2.0), results)) == 2


def test_an_alert_whose_last_state_no_message_tells_of_is_found() -> None:
    firing, resolved = flip(AlertState.FIRING, 0), flip(AlertState.RESOLVED, 5)
    told = [Kept("k1", (firing,)), Kept("k2", (resolved,))]
    pending = replace(firing, fingerprint="f2", state=AlertState.PENDING, started=None)
    silent = replace(pending, state=AlertState.RESOLVED)
    assert unannounced([resolved, pending, silent], told) == []
    assert len(unannounced([resolved], told[:1])) == 1
    assert len(unannounced([firing], told)) == 1, "the message is ahead of the state"
    assert len(unannounced([firing], [])) == 1
    assert len(unannounced([replace(firing, since=after(1))], told[:1])) == 1


def test_an_alert_that_is_told_twice_in_a_row_is_found() -> None:
    assert out_of_turn(kept("k1", "k2", "k3", "k4")) == []
    again = Kept("k9", (flip(AlertState.FIRING, 9),))
    assert len(out_of_turn([*kept("k1"), again])) == 1
    assert len(out_of_turn([Kept("k1", (flip(AlertState.RESOLVED, 0),))])) == 1
    other = Kept("k2", (flip(AlertState.FIRING, 1, "f2"),))
    assert out_of_turn([*kept("k1"), other]) == []


def test_messages_that_came_once_and_in_order_are_right_with_one_more_for_each_kill() -> None:
    messages = kept("k1", "k2", "k3")
    assert misdelivered(messages, came("k1", "k2", "k3"), []) == []
    assert misdelivered(messages, came("k1", "k1", "k2", "k2", "k3"), [0.5, 2.5]) == []


def test_a_message_that_is_missing_invented_or_changed_is_found() -> None:
    messages = kept("k1", "k2")
    assert misdelivered(messages, came("k1"), []) == ["message k2 never came"]
    assert "message k9 was never kept" in misdelivered(messages, came("k1", "k2", "k9"), [])
    changed = [*came("k1"), *came("k1", body="other"), *came("k2")]
    changed = [replace(one, at=float(at)) for at, one in enumerate(changed)]
    assert misdelivered(messages, changed, [0.5]) == ["message k1 came again with another body"]


def test_a_message_out_of_order_is_found() -> None:
    messages = kept("k1", "k2", "k3")
    assert "message k2 came after k3" in misdelivered(messages, came("k1", "k3", "k2"), [])
    # An old one again, after a later one: the receiver would take the alert back.
    assert "message k1 came after k2" in misdelivered(messages, came("k1", "k2", "k1", "k3"), [1.5])


def test_a_second_duplicate_of_one_kill_or_one_without_a_kill_is_found() -> None:
    messages = kept("k1", "k2")
    assert len(misdelivered(messages, came("k1", "k1", "k2"), [])) == 1
    assert len(misdelivered(messages, came("k1", "k1", "k2"), [5.0])) == 1
    assert len(misdelivered(messages, came("k1", "k1", "k2", "k2"), [0.5])) == 1
