"""True lag: by the source's clock where it is known, unknown where nobody writes, and never below zero."""

from dataclasses import replace

import pytest

from collectors.mysql.fleet import NodeView
from collectors.mysql.lag import silent_after, true_lag
from collectors.mysql.snapshot import ClockReading, Heartbeat
from tests.unit.mysql.snapshots import CHANNEL, snapshot

FRESH = {1: Heartbeat(999.8, 0.2)}


def source(offset: float = 0.0, every: float | None = 1.0, beat: Heartbeat | None = FRESH[1]) -> NodeView:
    """The node db1, server 1, whose clock is ahead by that; `beat` is its own row."""
    now = snapshot(1, heartbeats={} if beat is None else {1: beat})
    return NodeView("db1", True, 1, now=now, clock=ClockReading(offset, 0.001), heartbeat=every)


@pytest.mark.parametrize(
    ("written", "offset", "lag"),
    [
        (999.5, 0.0, 0.5),
        (940.0, 0.0, 60.0),
        (1004.5, 5.0, 0.5),
        (994.5, -5.0, 0.5),
        (1000.2, 0.0, 0.0),
    ],
)
def test_a_row_is_aged_by_the_clock_of_who_wrote_it(written: float, offset: float, lag: float) -> None:
    replica = snapshot(heartbeats={1: Heartbeat(written, age=77.0)})
    assert true_lag(CHANNEL, replica, source(offset)) == pytest.approx(lag)


def test_a_delay_that_is_meant_is_no_lag() -> None:
    replica = snapshot(heartbeats={1: Heartbeat(993.0, 7.0)})
    assert true_lag(replace(CHANNEL, delay=6.0), replica, source()) == pytest.approx(1.0)
    assert true_lag(replace(CHANNEL, delay=60.0), replica, source()) == 0.0


def test_the_row_of_a_source_that_is_none_of_ours_is_aged_by_the_replicas_clock() -> None:
    replica = snapshot(heartbeats={1: Heartbeat(990.0, age=12.5)})
    assert true_lag(CHANNEL, replica, None, snapshot(heartbeats={1: Heartbeat(980.0, age=7.5)})) == 12.5


@pytest.mark.parametrize("before", [None, {}, {2: Heartbeat(1.0, 1.0)}, {1: Heartbeat(990.0, age=2.5)}])
def test_an_old_row_of_a_source_that_is_none_of_ours_is_believed_only_while_it_goes_on(
    before: dict[int, Heartbeat] | None,
) -> None:
    old = snapshot(heartbeats={1: Heartbeat(990.0, age=12.5)})
    assert true_lag(CHANNEL, old, None, snapshot(heartbeats=before)) is None
    assert true_lag(CHANNEL, old, None) is None
    # No older than what a writer leaves out now and then, beyond the delay that is meant, it needs no other.
    assert true_lag(replace(CHANNEL, delay=9.0), old, None) == 3.5


@pytest.mark.parametrize("heartbeats", [None, {}, {2: Heartbeat(999.0, 1.0)}])
def test_without_a_row_of_that_source_the_lag_is_unknown(heartbeats: dict[int, Heartbeat] | None) -> None:
    assert true_lag(CHANNEL, snapshot(heartbeats=heartbeats), source()) is None
    assert true_lag(CHANNEL, snapshot(heartbeats=heartbeats), None) is None


@pytest.mark.parametrize("beat", [None, Heartbeat(990.0, 10.0), Heartbeat(8200.0, -7200.0)])
def test_a_writer_that_died_or_has_another_zone_tells_no_lag(beat: Heartbeat | None) -> None:
    replica = snapshot(heartbeats={1: Heartbeat(990.0, 10.0)})
    assert true_lag(CHANNEL, replica, source(beat=beat)) is None


def test_a_source_that_is_down_leaves_the_lag_unknown() -> None:
    replica = snapshot(heartbeats={1: Heartbeat(990.0, 10.0)})
    assert true_lag(CHANNEL, replica, NodeView("db1", up=False, heartbeat=1.0)) is None


def test_a_slow_writer_is_given_its_time() -> None:
    late = Heartbeat(985.0, 15.0)
    replica = snapshot(heartbeats={1: late})
    assert true_lag(CHANNEL, replica, source(every=10.0, beat=late)) == 15.0
    assert true_lag(CHANNEL, replica, source(every=None, beat=late)) is None
    assert (silent_after(10.0), silent_after(1.0), silent_after(None)) == (31.0, 4.0, 4.0)


def test_a_source_whose_table_can_not_be_read_is_taken_to_be_written() -> None:
    view = replace(source(), now=snapshot(1, heartbeats=None))
    assert true_lag(CHANNEL, snapshot(heartbeats=FRESH), view) == pytest.approx(0.2)
