"""AlertWatch and its deliveries in virtual time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from structlog.testing import capture_logs

from alerts.delivery import LONGEST_WAIT, Delivery
from alerts.watch import KEEP_AGAIN, KEEP_DEADLINE, AlertWatch
from dialtone.model import AlertEvent, AlertState, Outcome, Scope
from dialtone.ports import DeliveryError, Notifier
from tests.fakes.alerts import ACME, ALERTS, NOON, alert, poll, rules, run
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import RecordingNotifier
from tests.fakes.store import BreakableStore

STOPPED = {"": (1.0, 0.0)}
HEALTHY = {"": (1.0, 1.0)}


@pytest.fixture
def store() -> BreakableStore:
    """Return a store whose disk can be full."""
    return BreakableStore()


def make(
    store: BreakableStore,
    clock: FakeClock,
    *,
    watched: Callable[[AlertEvent], bool] = lambda _: True,
    **receivers: Notifier,
) -> AlertWatch:
    """Return a watch with the real rules."""
    return AlertWatch(store, receivers, clock, rules=rules(), metric=ALERTS, watched=watched)


@asynccontextmanager
async def running(watch: AlertWatch) -> AsyncIterator[None]:
    """Run the watch's task meanwhile."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run)
        yield
        tasks.cancel_scope.cancel()


async def test_broken_replication_is_kept_and_told_and_so_is_its_end(
    store: BreakableStore, clock: FakeClock
) -> None:
    hook = RecordingNotifier()
    watch = make(store, clock, hook=hook)
    async with running(watch):
        await watch.node_polled(poll(threads=STOPPED))
        await clock.advance(15)
        await watch.node_polled(poll(threads=HEALTHY))
        await clock.advance(0)
    assert hook.states == ["ReplicationBroken firing", "ReplicationBroken resolved"]
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.RESOLVED


async def test_a_change_is_kept_before_it_is_told(clock: FakeClock) -> None:
    order: list[str] = []

    class OrderedStore(BreakableStore):
        async def put_alerts(self, events: object) -> None:
            order.append("kept")

    class OrderedNotifier:
        async def send(self, events: object) -> None:
            order.append("told")

    watch = make(OrderedStore(), clock, hook=OrderedNotifier())
    async with running(watch):
        await watch.node_polled(poll(threads=STOPPED))
        await clock.advance(0)
    assert order == ["kept", "told"]


async def test_what_only_pends_is_kept_and_not_told(store: BreakableStore, clock: FakeClock) -> None:
    hook = RecordingNotifier()
    watch = make(store, clock, hook=hook)
    async with running(watch):
        await watch.node_polled(poll(up=False))
        await clock.advance(0)
        assert [event.state for event in await store.alerts(Scope.everything())] == [AlertState.PENDING]
        await watch.node_polled(poll())
        await clock.advance(0)
    assert hook.sent == []


async def test_the_sinks_return_at_once_while_receiver_and_store_hang(clock: FakeClock) -> None:
    class HangingStore(BreakableStore):
        async def put_alerts(self, events: object) -> None:
            await anyio.sleep_forever()

    watch = make(HangingStore(), clock, hook=RecordingNotifier(hang=True))
    async with running(watch):
        with anyio.fail_after(1):
            for _ in range(100):
                await watch.node_polled(poll(threads=STOPPED))
                await watch.node_polled(poll(threads=HEALTHY))
                await watch.probe_ended(run(Outcome.FAIL))


async def test_a_full_disk_does_not_keep_alerts_from_people(store: BreakableStore, clock: FakeClock) -> None:
    hook = RecordingNotifier()
    watch = make(store, clock, hook=hook)
    store.broken = True
    async with running(watch):
        with capture_logs() as logs:
            await watch.node_polled(poll(threads=STOPPED))
            await clock.advance(0)
            await clock.advance(3 * KEEP_AGAIN)
    assert hook.states == ["ReplicationBroken firing"]
    assert watch.store_errors == 4
    assert [log["event"] for log in logs].count("alert.store_failing") == 1


async def test_a_disk_that_hangs_does_not_keep_alerts_from_people(clock: FakeClock) -> None:
    class HangingStore(BreakableStore):
        async def put_alerts(self, events: object) -> None:
            await anyio.sleep_forever()

    hook = RecordingNotifier()
    watch = make(HangingStore(), clock, hook=hook)
    async with running(watch):
        await watch.node_polled(poll(threads=STOPPED))
        await clock.advance(KEEP_DEADLINE)
    assert hook.states == ["ReplicationBroken firing"]
    assert watch.store_errors == 1


async def test_what_a_full_disk_refused_is_kept_once_there_is_room(
    store: BreakableStore, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=RecordingNotifier())
    store.broken = True
    async with running(watch):
        await watch.node_polled(poll(threads=STOPPED))
        await clock.advance(0)
        store.broken = False
        await clock.advance(KEEP_AGAIN)
    assert [event.state for event in await store.alerts(Scope.everything())] == [AlertState.FIRING]


async def test_after_a_restart_nothing_is_told_twice_and_the_end_once(
    store: BreakableStore, clock: FakeClock
) -> None:
    first = make(store, clock, hook=RecordingNotifier())
    async with running(first):
        await first.node_polled(poll(threads=STOPPED))
        await clock.advance(0)
    hook = RecordingNotifier()
    second = make(store, clock, hook=hook)
    await second.restore()
    async with running(second):
        await second.node_polled(poll(threads=STOPPED))
        await clock.advance(15)
        assert hook.sent == []
        await second.node_polled(poll(threads=HEALTHY))
        await second.node_polled(poll(threads=HEALTHY))
        await clock.advance(0)
    assert hook.states == ["ReplicationBroken resolved"]


async def test_an_alert_whose_node_was_removed_is_ended_for_the_receivers(
    store: BreakableStore, clock: FakeClock
) -> None:
    await store.put_alerts([alert(node="old"), alert(node="db2")])
    hook = RecordingNotifier()
    watch = make(store, clock, watched=lambda event: event.node == "db2", hook=hook)
    await watch.restore()
    async with running(watch):
        await clock.advance(0)
    assert [(event.node, event.state) for [event] in hook.sent] == [("old", AlertState.RESOLVED)]


async def test_a_store_that_can_not_be_read_at_the_start_is_counted_and_work_goes_on(
    store: BreakableStore, clock: FakeClock
) -> None:
    hook = RecordingNotifier()
    watch = make(store, clock, hook=hook)
    store.broken = True
    await watch.restore()
    assert watch.store_errors == 1
    store.broken = False
    async with running(watch):
        await watch.node_polled(poll(threads=STOPPED))
        await clock.advance(0)
    assert hook.states == ["ReplicationBroken firing"]


async def test_a_broken_receiver_does_not_hold_up_the_other(store: BreakableStore, clock: FakeClock) -> None:
    good, bad = RecordingNotifier(), RecordingNotifier()
    bad.down = True
    watch = make(store, clock, good=good, bad=bad)
    async with running(watch):
        await watch.node_polled(poll(threads=STOPPED))
        await clock.advance(60)
    assert good.states == ["ReplicationBroken firing"]
    assert bad.sent == []
    assert watch.deliveries["bad"].failed > 3


async def test_retries_back_off_and_end_never_overtakes_beginning(
    store: BreakableStore, clock: FakeClock
) -> None:
    hook = RecordingNotifier()
    hook.down = True
    watch = make(store, clock, hook=hook)
    async with running(watch):
        with capture_logs() as logs:
            await watch.node_polled(poll(threads=STOPPED))
            await clock.advance(0)
            await watch.node_polled(poll(threads=HEALTHY))
            await clock.advance(7)
            assert hook.calls == 4  # at 0, 1, 3 and 7 s
            await clock.advance(3600)
            calls = hook.calls
            await clock.advance(LONGEST_WAIT)
            assert hook.calls == calls + 1
            hook.down = False
            await clock.advance(LONGEST_WAIT)
    assert hook.states == ["ReplicationBroken firing", "ReplicationBroken resolved"]
    said = [log["event"] for log in logs]
    assert said.count("alert.delivery_failing") == said.count("alert.delivery_recovered") == 1


async def test_a_message_that_is_refused_for_good_is_given_up_and_the_next_goes_out(clock: FakeClock) -> None:
    hook = RecordingNotifier([DeliveryError("the receiver answered 404 Not Found", permanent=True)])
    delivery = Delivery("hook", hook, clock)
    delivery.add([alert(node="db1")])
    delivery.add([alert(node="db2")])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await clock.advance(0)
        tasks.cancel_scope.cancel()
    assert [event.node for [event] in hook.sent] == ["db2"]
    assert (delivery.counts.refused, delivery.counts.delivered) == (1, 1)


async def test_a_notifier_with_a_bug_costs_one_message_and_shows_no_secret(clock: FakeClock) -> None:
    hook = RecordingNotifier([ZeroDivisionError("http://chat.example/hook/s3cret")])
    delivery = Delivery("hook", hook, clock)
    delivery.add([alert(node="db1")])
    delivery.add([alert(node="db2")])
    async with anyio.create_task_group() as tasks:
        with capture_logs() as logs:
            tasks.start_soon(delivery.run)
            await clock.advance(0)
            tasks.cancel_scope.cancel()
    assert [event.node for [event] in hook.sent] == ["db2"]
    assert "ZeroDivisionError" in str(logs)
    assert "s3cret" not in str(logs)


async def test_a_queue_has_a_bound_and_the_oldest_message_gives_way(clock: FakeClock) -> None:
    hook = RecordingNotifier()
    delivery = Delivery("hook", hook, clock, limit=2)
    for name in ("db1", "db2", "db3"):
        delivery.add([alert(node=name)])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(delivery.run)
        await clock.advance(0)
        tasks.cancel_scope.cancel()
    assert [event.node for [event] in hook.sent] == ["db2", "db3"]
    assert delivery.counts.dropped == 1


async def test_a_stop_says_how_much_was_not_delivered(store: BreakableStore, clock: FakeClock) -> None:
    watch = make(store, clock, hook=RecordingNotifier(hang=True))
    with capture_logs() as logs:
        async with running(watch):
            await watch.node_polled(poll(threads=STOPPED))
            await clock.advance(0)
    [line] = [log for log in logs if log["event"] == "alert.undelivered_at_stop"]
    assert line["messages"] == {"hook": 1}


async def test_samples_count_what_pends_and_fires_by_rule_tenant_and_state(
    store: BreakableStore, clock: FakeClock
) -> None:
    watch = make(store, clock)
    assert watch.samples(NOON) == []
    for name in ("db1", "db2"):
        await watch.node_polled(poll(name, threads=STOPPED))
    await watch.probe_ended(run(Outcome.FAIL))
    assert [(sample.metric, sample.labels, sample.value) for sample in watch.samples(NOON)] == [
        ("dialtone_alerts", ("ProbeFailing", "critical", ACME, "pending"), 1.0),
        ("dialtone_alerts", ("ReplicationBroken", "critical", "", "firing"), 2.0),
    ]


async def test_a_clock_that_is_set_back_does_not_keep_the_end_of_an_alert_from_the_store(
    store: BreakableStore, clock: FakeClock
) -> None:
    watch = make(store, clock)
    async with running(watch):
        await watch.node_polled(poll(threads=STOPPED))
        await clock.advance(0)
        clock.jump(-3600)
        await watch.node_polled(poll(threads=HEALTHY))
        await clock.advance(0)
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.RESOLVED
    assert kept.started is not None
    assert kept.since >= kept.started
