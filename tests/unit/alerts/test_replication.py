"""What the rules make of replicas: broken, late, neither, and what nobody can know."""

from dataclasses import replace

import pytest

from alerts.engine import AlertEngine
from alerts.pack import load_rules
from alerts.rules import one_line
from dialtone.model import (
    AlertState,
    Catalog,
    CatalogError,
    NodeState,
    Severity,
)
from tests.fakes.alerts import NOON, poll
from tests.unit.alerts.story import HEALTHY, SQL_STOPPED, after, told


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


def test_a_catalogue_without_the_replication_metrics_is_a_mistake_found_at_the_start() -> None:
    with pytest.raises(CatalogError, match="mysql_replication_io_running"):
        load_rules(Catalog(), None)


def test_texts_of_servers_become_one_bounded_printable_line() -> None:
    assert one_line("a\x1b[31m\r\n b\u202e") == "a [31m b"
    assert len(one_line("x" * 100_000)) == 500
