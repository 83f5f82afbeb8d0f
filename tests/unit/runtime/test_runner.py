"""The runner: what becomes of a node's state poll by poll, in virtual time."""

import anyio
import pytest
import structlog

from dialtone.model import CollectError, CollectFailure, NodeState, Reading, Sample
from dialtone.runtime.runner import CollectorRunner
from tests.fakes.clock import FakeClock
from tests.fakes.collector import FakeCollector
from tests.fakes.results import NOON, a_node
from tests.fakes.sink import FakeSink

READING = Reading((Sample("opensips_core_requests_total", ("sip1",), 1.0, NOON),))
REFUSED = CollectError(CollectFailure.AUTH, "wrong password")
CLOSED = CollectError(CollectFailure.CONNECT, "connection refused")


class Bench:
    """A runner with all that is around it."""

    def __init__(self, clock: FakeClock, *script: Reading | Exception | None, interval: float = 15.0) -> None:
        self.clock = clock
        self.collector = FakeCollector(*script)
        self.sink = FakeSink()
        self.node = a_node(interval=interval)
        self.runner = CollectorRunner(self.node, self.collector, clock, [self.sink])

    async def poll(self) -> NodeState:
        """Poll, letting the deadline come where the collector hangs; ends an interval later."""
        polled: list[NodeState] = []

        async def poll() -> None:
            polled.append(await self.runner.poll())

        async with anyio.create_task_group() as group:
            group.start_soon(poll)
            await self.clock.advance(self.node.interval)
        return polled[0]


async def test_a_poll_gives_the_reading_to_every_sink(clock: FakeClock) -> None:
    bench = Bench(clock, READING)
    state = await bench.runner.poll()
    assert state == NodeState(
        bench.node, up=True, since=NOON, polled_at=NOON, duration=0.0, read_at=NOON, reading=READING
    )
    assert bench.sink.states == [state]
    assert bench.runner.state is state


async def test_a_servers_words_are_one_printable_line(clock: FakeClock) -> None:
    bench = Bench(clock, Reading((), {"version": "3.6\ud800\x1b[31m\n8"}))
    state = await bench.poll()
    assert state.reading is not None
    assert state.reading.info == {"version": "3.6 [31m 8"}
    bench.collector.then([CollectError(CollectFailure.SERVER, "MI error 500: \ud800\n no")])
    assert (await bench.poll()).detail == "MI error 500: no"


async def test_the_duration_is_the_polls_own(clock: FakeClock) -> None:
    class Slow(FakeCollector):
        async def collect(self) -> Reading:
            await clock.sleep(1.25)
            return await super().collect()

    bench = Bench(clock, READING)
    bench.runner = CollectorRunner(bench.node, Slow(READING), clock, [])
    assert (await bench.poll()).duration == 1.25


async def test_a_poll_past_its_deadline_is_a_timeout(clock: FakeClock) -> None:
    bench = Bench(clock, None)
    state = await bench.poll()
    assert (state.up, state.failure, state.detail) == (False, CollectFailure.TIMEOUT, "no answer within 5 s")
    assert state.duration == 5.0


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (CLOSED, CollectFailure.CONNECT),
        (CollectError(CollectFailure.TOO_LARGE, "a reply of 9 MB"), CollectFailure.TOO_LARGE),
        (TimeoutError(), CollectFailure.TIMEOUT),
        (KeyError("oops"), CollectFailure.INTERNAL),
    ],
)
async def test_each_trouble_has_its_code(clock: FakeClock, error: Exception, failure: CollectFailure) -> None:
    state = await Bench(clock, error).runner.poll()
    assert (state.up, state.failure, state.reading, state.read_at) == (False, failure, None, None)


async def test_a_mistake_of_ours_is_counted_and_its_text_is_not_shown(clock: FakeClock) -> None:
    bench = Bench(clock, RuntimeError("mysql://root:hunter2@db"))
    with structlog.testing.capture_logs() as logs:
        states = [await bench.poll() for _ in range(3)]
    assert bench.runner.internal_errors == 3
    assert all(state.detail == "RuntimeError in our collector" for state in states)
    assert [entry["event"] for entry in logs if entry.get("exc_info")] == [
        "collecting failed by a mistake of ours"
    ]


async def test_a_reading_is_kept_while_fresh_and_withdrawn_past_three_intervals(clock: FakeClock) -> None:
    bench = Bench(clock, READING, CLOSED)
    kept = [(await bench.poll()).reading for _ in range(6)]
    assert kept == [READING] * 4 + [None] * 2
    assert bench.sink.states[-1].read_at == NOON


async def test_since_is_when_up_took_its_present_value(clock: FakeClock) -> None:
    bench = Bench(clock, READING, READING, CLOSED, CLOSED, READING)
    since = [(await bench.poll()).since for _ in range(5)]
    assert [int((at - NOON).total_seconds()) for at in since] == [0, 0, 30, 30, 60]


async def test_going_down_and_coming_back_are_one_line_each(clock: FakeClock) -> None:
    bench = Bench(clock, READING, CLOSED, CLOSED, None, CLOSED, READING, READING)
    with structlog.testing.capture_logs() as logs:
        for _ in range(8):
            await bench.poll()
    assert [(entry["event"], entry["node"]) for entry in logs] == [
        ("node is down", "sip1"),
        ("node is back", "sip1"),
    ]
    assert (logs[0]["failure"], logs[0]["detail"]) == (CollectFailure.CONNECT, "connection refused")


async def test_a_node_that_was_never_up_is_reported_once(clock: FakeClock) -> None:
    bench = Bench(clock, CLOSED)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await bench.poll()
    assert [entry["event"] for entry in logs] == ["node is down"]


async def test_refused_credentials_are_tried_less_and_less_often(clock: FakeClock) -> None:
    bench = Bench(clock, REFUSED, interval=10)
    asked_at: list[int] = []
    for tick in range(100):
        before = bench.collector.asked
        await bench.poll()
        if bench.collector.asked > before:
            asked_at.append(tick)
    # 1, 2, 4, 8, 16 intervals, then 20, at each of which 200 s are under the five minutes
    assert asked_at == [0, 1, 3, 7, 15, 31, 51, 71, 91]


async def test_the_spacing_is_never_over_five_minutes_nor_under_the_interval(clock: FakeClock) -> None:
    bench = Bench(clock, REFUSED, interval=120)
    for _ in range(11):
        await bench.poll()
    # at 0, 120, 360, then each 300 s, which on a schedule of 120 s are 240
    assert bench.collector.asked == 6
    slow = Bench(clock, REFUSED, interval=600)
    for _ in range(5):
        await slow.poll()
    assert slow.collector.asked == 5


async def test_between_two_tries_the_state_ages_and_is_not_told_again(clock: FakeClock) -> None:
    bench = Bench(clock, READING, REFUSED, interval=10)
    states = [await bench.poll() for _ in range(8)]
    assert [state.up for state in states] == [True] + [False] * 7
    assert states[3].reading == READING
    assert states[-1].reading is None
    # asked at 0 (read), 10, 20 and 40, by when the reading was too old
    assert bench.collector.asked == 4
    assert len(bench.sink.states) == 4


async def test_accepted_credentials_end_the_restraint(clock: FakeClock) -> None:
    bench = Bench(clock, REFUSED, REFUSED, REFUSED, READING, interval=10)
    states = [await bench.poll() for _ in range(9)]
    assert [state.up for state in states] == [False] * 7 + [True, True]
    bench.collector.then([REFUSED, READING])
    assert [(await bench.poll()).up for _ in range(2)] == [False, True]


async def test_other_failures_keep_the_interval(clock: FakeClock) -> None:
    bench = Bench(clock, CLOSED)
    for _ in range(20):
        await bench.poll()
    assert bench.collector.asked == 20


async def test_when_no_poll_ends_any_more_the_node_is_down_and_its_reading_withdrawn(
    clock: FakeClock,
) -> None:
    bench = Bench(clock, READING)
    await bench.runner.poll()
    await clock.advance(45)
    await bench.runner.expire()
    assert len(bench.sink.states) == 1
    await clock.advance(1)
    await bench.runner.expire()
    await bench.runner.expire()
    (_, state) = bench.sink.states
    assert (state.up, state.reading, state.read_at) == (False, None, NOON)
    assert (state.failure, state.detail) == (CollectFailure.TIMEOUT, "no poll has ended for 46 s")
    assert int((state.since - NOON).total_seconds()) == 46
    assert (await bench.poll()).up


async def test_before_the_first_poll_there_is_nothing_to_withdraw(clock: FakeClock) -> None:
    bench = Bench(clock)
    await clock.advance(1000)
    await bench.runner.expire()
    assert bench.sink.states == []
    assert bench.runner.state is None


async def test_a_step_of_the_wall_clock_makes_no_reading_old(clock: FakeClock) -> None:
    bench = Bench(clock, READING, CLOSED)
    await bench.poll()
    clock.jump(86_400)
    assert (await bench.poll()).reading == READING


async def test_what_a_server_says_is_one_bounded_line(clock: FakeClock) -> None:
    state = await Bench(clock, CollectError(CollectFailure.SERVER, "no\nsuch\n" * 1000)).runner.poll()
    assert state.detail.startswith("no such no such")
    assert len(state.detail) == 300
