"""The engine with the real rules: what fires, what ends, and above all what does neither."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.engine import AlertEngine
from alerts.rules import first_rules, one_line
from dialtone.model import AlertEvent, AlertState, Catalog, CatalogError, Origin, Outcome, Severity
from tests.fakes.alerts import ACME, GLOBEX, NOON, alert, poll, result, rules

HEALTHY = {"": (1.0, 1.0)}
SQL_STOPPED = {"": (1.0, 0.0)}


def told(events: list[AlertEvent]) -> list[str]:
    """Return events as "Rule state"."""
    return [f"{event.rule} {event.state}" for event in events]


@pytest.fixture
def engine() -> AlertEngine:
    """Return an engine with the real rules."""
    return AlertEngine(rules())


def test_one_failed_poll_is_pending_and_the_second_in_a_row_fires(engine: AlertEngine) -> None:
    assert told(engine.node_polled(poll(up=False), NOON)) == ["NodeDown pending"]
    [event] = engine.node_polled(poll(up=False), NOON + timedelta(seconds=15))
    assert (event.state, event.node, event.severity) == (AlertState.FIRING, "db2", Severity.CRITICAL)
    assert event.started == event.since == NOON + timedelta(seconds=15)
    assert event.cause == "connect: connection refused"


def test_an_alert_that_goes_on_firing_is_no_news(engine: AlertEngine) -> None:
    for _ in range(2):
        engine.node_polled(poll(up=False), NOON)
    assert engine.node_polled(poll(up=False), NOON) == []
    assert told(list(engine.active)) == ["NodeDown firing"]


def test_a_good_poll_ends_the_alert_once_and_keeps_when_it_began(engine: AlertEngine) -> None:
    for _ in range(2):
        engine.node_polled(poll(up=False), NOON)
    later = NOON + timedelta(minutes=3)
    [event] = engine.node_polled(poll(), later)
    assert (event.state, event.started, event.since) == (AlertState.RESOLVED, NOON, later)
    assert engine.node_polled(poll(), later) == []
    assert engine.active == ()


def test_a_single_failed_poll_never_fires_however_often_it_happens(engine: AlertEngine) -> None:
    seen = []
    for _ in range(5):
        seen += engine.node_polled(poll(up=False), NOON)
        seen += engine.node_polled(poll(), NOON)
    assert AlertState.FIRING not in {event.state for event in seen}
    assert all(event.started is None for event in seen)


@pytest.mark.parametrize(
    ("threads", "words"),
    [
        ((1.0, 0.0), "the SQL thread has stopped"),
        ((0.0, 1.0), "the I/O thread has stopped"),
        ((0.0, 0.0), "the I/O and SQL threads have stopped"),
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
        "the SQL thread has stopped: Could not execute Write_rows: Duplicate entry '7' for key 'PRIMARY'"
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
    engine.node_polled(poll(up=False, threads=HEALTHY), NOON)
    assert sorted(told(list(engine.active))) == ["NodeDown firing", "ReplicationBroken firing"]


def test_a_channel_that_is_not_reported_any_more_stays_as_it_was(engine: AlertEngine) -> None:
    engine.node_polled(poll(threads=SQL_STOPPED), NOON)
    assert engine.node_polled(poll(threads={}), NOON) == []
    assert told(list(engine.active)) == ["ReplicationBroken firing"]


def test_two_conclusive_fails_in_a_row_fire_and_name_flow_and_tenant(engine: AlertEngine) -> None:
    assert told(engine.probe_ended(result(Outcome.FAIL), NOON)) == ["ProbeFailing pending"]
    [event] = engine.probe_ended(result(Outcome.FAIL), NOON)
    assert (event.state, event.tenant, event.flow, event.node) == (AlertState.FIRING, ACME, "call", None)
    assert event.cause == "timeout: no answer to INVITE"


def test_inconclusive_neither_counts_nor_clears(engine: AlertEngine) -> None:
    for _ in range(3):
        assert engine.probe_ended(result(Outcome.INCONCLUSIVE), NOON) == []
    engine.probe_ended(result(Outcome.FAIL), NOON)
    engine.probe_ended(result(Outcome.INCONCLUSIVE), NOON)
    assert told(engine.probe_ended(result(Outcome.FAIL), NOON)) == ["ProbeFailing firing"]
    assert engine.probe_ended(result(Outcome.INCONCLUSIVE), NOON) == []
    assert told(list(engine.active)) == ["ProbeFailing firing"]


def test_one_pass_ends_it(engine: AlertEngine) -> None:
    for _ in range(2):
        engine.probe_ended(result(Outcome.FAIL), NOON)
    assert told(engine.probe_ended(result(Outcome.PASS), NOON)) == ["ProbeFailing resolved"]


def test_a_confirmation_that_passes_leaves_nothing_behind(engine: AlertEngine) -> None:
    engine.probe_ended(result(Outcome.FAIL), NOON)
    engine.probe_ended(result(Outcome.PASS), NOON)
    assert told(engine.probe_ended(result(Outcome.FAIL), NOON)) == ["ProbeFailing pending"]


def test_one_fail_of_each_of_two_tenants_is_no_alert_of_either(engine: AlertEngine) -> None:
    engine.probe_ended(result(Outcome.FAIL, ACME), NOON)
    engine.probe_ended(result(Outcome.FAIL, GLOBEX), NOON)
    assert {event.state for event in engine.active} == {AlertState.PENDING}


def test_probes_and_locations_are_counted_apart(engine: AlertEngine) -> None:
    engine.probe_ended(result(Outcome.FAIL), NOON)
    engine.probe_ended(result(Outcome.FAIL, probe="calls-tls"), NOON)
    engine.probe_ended(result(Outcome.FAIL, location="par1"), NOON)
    assert {event.state for event in engine.active} == {AlertState.PENDING}
    assert len({event.fingerprint for event in engine.active}) == 3


@pytest.mark.parametrize("origin", [Origin.MANUAL, Origin.STRESS])
def test_only_scheduled_probes_raise_or_clear_alerts(engine: AlertEngine, origin: Origin) -> None:
    for _ in range(3):
        assert engine.probe_ended(result(Outcome.FAIL, origin=origin), NOON) == []
    for _ in range(2):
        engine.probe_ended(result(Outcome.FAIL), NOON)
    assert engine.probe_ended(result(Outcome.PASS, origin=origin), NOON) == []
    assert told(list(engine.active)) == ["ProbeFailing firing"]


def test_a_restored_firing_alert_is_not_announced_again_and_ends_once(engine: AlertEngine) -> None:
    for _ in range(2):
        engine.node_polled(poll(up=False), NOON)
    again = AlertEngine(rules())
    assert again.restore(engine.active, watched=lambda _: True, now=NOON) == []
    for _ in range(3):
        assert again.node_polled(poll(up=False), NOON) == []
    assert told(again.node_polled(poll(), NOON)) == ["NodeDown resolved"]
    assert again.node_polled(poll(), NOON) == []


def test_a_restored_pending_alert_starts_counting_again(engine: AlertEngine) -> None:
    engine.node_polled(poll(up=False), NOON)
    again = AlertEngine(rules())
    again.restore(engine.active, watched=lambda _: True, now=NOON)
    assert again.node_polled(poll(up=False), NOON) == []
    assert told(again.node_polled(poll(up=False), NOON)) == ["NodeDown firing"]


def test_resolved_alerts_are_not_taken_up(engine: AlertEngine) -> None:
    assert engine.restore([alert(AlertState.RESOLVED, node="db2")], watched=lambda _: True, now=NOON) == []
    assert engine.active == ()


def test_an_alert_of_a_node_that_was_removed_ends_at_the_start(engine: AlertEngine) -> None:
    [event] = engine.restore([alert(node="old")], watched=lambda e: e.node != "old", now=NOON)
    assert (event.state, event.cause, event.started) == (AlertState.RESOLVED, "no longer watched", NOON)
    assert engine.active == ()


def test_an_alert_of_a_rule_that_no_longer_exists_ends_at_the_start(engine: AlertEngine) -> None:
    assert told(engine.restore([alert(rule="Old", node="db2")], watched=lambda _: True, now=NOON)) == [
        "Old resolved"
    ]


def test_fingerprints_do_not_depend_on_the_process() -> None:
    # A literal: a change of the formula would orphan every alert that a store holds.
    assert alert(node="db2").fingerprint == "56422b920cd9648d"


def test_a_catalogue_without_the_replication_metrics_is_a_mistake_found_at_the_start() -> None:
    with pytest.raises(CatalogError, match="mysql_replication_io_running"):
        first_rules(Catalog())


def test_texts_of_servers_become_one_bounded_printable_line() -> None:
    assert one_line("a\x1b[31m\r\n b\u202e") == "a [31m b"
    assert len(one_line("x" * 100_000)) == 500


@given(st.lists(st.sampled_from(Outcome), max_size=40))
def test_an_alert_fires_exactly_while_the_last_two_conclusive_results_have_failed(
    outcomes: list[Outcome],
) -> None:
    engine = AlertEngine(rules())
    announced = 0
    firing = False
    conclusive: list[Outcome] = []
    for outcome in outcomes:
        events = engine.probe_ended(result(outcome), NOON)
        announced += sum(event.state is AlertState.FIRING for event in events)
        if outcome is not Outcome.INCONCLUSIVE:
            conclusive.append(outcome)
        was, firing = firing, conclusive[-2:] == [Outcome.FAIL, Outcome.FAIL]
        announced -= firing and not was
        assert ("ProbeFailing firing" in told(list(engine.active))) == firing
        assert announced == 0
