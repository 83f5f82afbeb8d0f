"""The engine with the real rules: when an alert pends, fires and ends, and above all when it does neither."""

from alerts.engine import AlertEngine, fingerprint
from alerts.rules import Subject
from dialtone.model import (
    AlertState,
    Severity,
)
from tests.fakes.alerts import ACME, NOON, alert, poll
from tests.unit.alerts.story import TICK, after, node_down, told


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


def test_fingerprints_do_not_depend_on_the_process_nor_on_the_version() -> None:
    # Literals: a change of the formula would orphan every alert that a store holds.
    assert alert(node="db2").fingerprint == "56422b920cd9648d"
    about = Subject(tenant=ACME, flow="call", probe="calls", location="mtl1")
    assert fingerprint("ProbeFailing", about) == "4b9a716130a8be9f"
