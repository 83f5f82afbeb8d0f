"""AlertWatch in virtual time: from what was found to who is told, over restarts."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest
from structlog.testing import capture_logs

from alerts.delivery import LONGEST_WAIT
from alerts.outbox import KEEP_AGAIN, KEEP_DEADLINE
from alerts.watch import AlertWatch
from dialtone.model import AlertEvent, AlertState, MessageState, Outcome, Scope, TopologyState
from dialtone.ports import Notifier
from tests.fakes.alerts import (
    ACME,
    ALERTS,
    HEALTHY,
    LATE,
    NOON,
    STOPPED,
    alert,
    poll,
    result,
    rules,
    run,
    stopped,
)
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_line import a_message
from tests.fakes.notifier import RecordingNotifier
from tests.fakes.troubled_store import Trouble, TroubledStore

FIRED, ENDED = "ReplicationBroken firing", "ReplicationBroken resolved"


@pytest.fixture
def store() -> TroubledStore:
    """Return a store that is well until a test says otherwise."""
    return TroubledStore()


@pytest.fixture
def hook() -> RecordingNotifier:
    """Return a receiver that takes everything until a test says otherwise."""
    return RecordingNotifier()


def make(
    store: TroubledStore,
    clock: FakeClock,
    *,
    watched: Callable[[AlertEvent], bool] = lambda _: True,
    **receivers: Notifier,
) -> AlertWatch:
    """Return a watch with the real rules."""
    return AlertWatch(store, receivers, clock, rules=rules(), metric=ALERTS, watched=watched)


@asynccontextmanager
async def running(watch: AlertWatch) -> AsyncIterator[None]:
    """Run the watch's task meanwhile; its end is as sudden as a kill."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run)
        yield
        tasks.cancel_scope.cancel()


async def test_broken_replication_is_kept_and_told_and_so_is_its_end(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=hook)
    async with running(watch):
        await watch.topology_judged(STOPPED)
        await clock.advance(15)
        await watch.topology_judged(HEALTHY)
        await clock.advance(0)
    assert hook.states == [FIRED, ENDED]
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.RESOLVED
    assert [entry.message.key for entry in await store.outbox(MessageState.DELIVERED)] == hook.keys


async def test_who_is_told_of_a_database_is_told_of_its_tenants(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=hook)
    async with running(watch):
        await watch.topology_judged(replace(STOPPED, tenants=(ACME,)))
        await clock.advance(0)
    [event] = hook.events
    assert (event.topology, event.node, event.tenants, event.tenants_total) == ("main", "db2", (ACME,), 1)
    assert await store.alerts(Scope.everything()) == [event]


async def test_tenants_that_become_known_while_it_fires_are_kept_and_nobody_is_told_again(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=hook)
    async with running(watch):
        await watch.topology_judged(STOPPED)
        await clock.advance(15)
        await watch.topology_judged(replace(STOPPED, tenants=(ACME,)))
        await clock.advance(0)
        [kept] = await store.alerts(Scope.everything())
        assert (kept.state, kept.tenants, kept.since) == (AlertState.FIRING, (ACME,), NOON)
        assert hook.states == [FIRED]
        await watch.topology_judged(HEALTHY)
        await clock.advance(0)
    assert [event.tenants for event in hook.events] == [(), (ACME,)]
    assert hook.states == [FIRED, ENDED]


async def test_what_only_pends_is_kept_and_not_told(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=hook)
    async with running(watch):
        await watch.node_polled(poll(up=False))
        await clock.advance(0)
        assert [event.state for event in await store.alerts(Scope.everything())] == [AlertState.PENDING]
        await watch.node_polled(poll())
        await clock.advance(0)
    assert hook.calls == 0
    assert await store.outbox() == []


async def test_without_receivers_alerts_are_kept_all_the_same(store: TroubledStore, clock: FakeClock) -> None:
    watch = make(store, clock)
    async with running(watch):
        await watch.topology_judged(STOPPED)
        await clock.advance(0)
    assert [event.state for event in await store.alerts(Scope.everything())] == [AlertState.FIRING]


async def test_the_sinks_return_at_once_while_receiver_and_store_hang(
    store: TroubledStore, clock: FakeClock
) -> None:
    store.trouble = Trouble.HANGS
    watch = make(store, clock, hook=RecordingNotifier(hang=True))
    async with running(watch):
        with anyio.fail_after(1):
            for _ in range(100):
                await watch.topology_judged(STOPPED)
                await watch.topology_judged(HEALTHY)
                await watch.probe_ended(run(Outcome.FAIL))


@pytest.mark.parametrize("trouble", Trouble)
async def test_a_store_in_trouble_does_not_keep_alerts_from_people_and_has_them_later(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock, trouble: Trouble
) -> None:
    watch = make(store, clock, hook=hook)
    store.trouble = trouble
    async with running(watch):
        await watch.topology_judged(STOPPED)
        await clock.advance(KEEP_DEADLINE)
        assert hook.states == [FIRED]
        assert watch.store_errors >= 1
        store.trouble = None
        await clock.advance(KEEP_AGAIN + KEEP_DEADLINE)
    assert [event.state for event in await store.alerts(Scope.everything())] == [AlertState.FIRING]
    assert len(hook.messages) == 1


async def test_after_a_restart_nothing_is_told_twice_and_the_end_once(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    first = make(store, clock, hook=hook)
    async with running(first):
        await first.topology_judged(STOPPED)
        await clock.advance(0)
    second = make(store, clock, hook=hook)
    await second.restore()
    async with running(second):
        await second.topology_judged(STOPPED)
        await clock.advance(15)
        assert len(hook.messages) == 1
        await second.topology_judged(HEALTHY)
        await second.topology_judged(HEALTHY)
        await clock.advance(0)
    assert hook.states == [FIRED, ENDED]
    assert len(hook.messages) == 2


async def test_what_waited_at_a_kill_is_delivered_after_the_restart_in_order_and_before_what_is_new(
    store: TroubledStore, clock: FakeClock
) -> None:
    down = RecordingNotifier()
    down.down = True
    first = make(store, clock, hook=down)
    async with running(first):
        for state in (STOPPED, HEALTHY, STOPPED):
            await first.topology_judged(state)
            await clock.advance(15)
    kept = [entry.message.key for entry in await store.outbox()]
    hook = RecordingNotifier()
    second = make(store, clock, hook=hook)
    await second.restore()
    assert second.waiting == {"hook": 3}
    async with running(second):
        await second.topology_judged(HEALTHY)
        await clock.advance(0)
    assert hook.keys[:3] == kept
    assert hook.states == [FIRED, ENDED, FIRED, ENDED]
    assert second.waiting == {"hook": 0}


async def test_a_kill_while_a_message_is_under_way_sends_that_one_again_with_the_same_key(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.deaf = True
    first = make(store, clock, hook=hook)
    async with running(first):
        for state in (STOPPED, HEALTHY):
            await first.topology_judged(state)
            await clock.advance(1)
    hook.deaf = False
    second = make(store, clock, hook=hook)
    await second.restore()
    async with running(second):
        await clock.advance(0)
    assert len(hook.messages) == 3
    assert hook.messages[0] == hook.messages[1]
    assert hook.states == [FIRED, ENDED]


async def test_messages_to_a_receiver_that_is_no_longer_configured_are_given_up_with_words(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    await store.put_alerts([], [a_message("db1", receiver="gone"), a_message("db2")])
    watch = make(store, clock, hook=hook)
    with capture_logs() as logs:
        await watch.restore()
    async with running(watch):
        await clock.advance(0)
    gone, delivered = await store.outbox()
    assert (gone.state, gone.detail) == (MessageState.REFUSED, "the receiver is no longer configured")
    assert delivered.state is MessageState.DELIVERED
    assert [(log["event"], log["receiver"], log["messages"]) for log in logs] == [
        ("alert.receiver_gone", "gone", 1)
    ]


async def test_the_four_counts_go_on_after_a_restart(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    first = make(store, clock, hook=hook, other=RecordingNotifier())
    hook.down = True
    async with running(first):
        await first.topology_judged(STOPPED)
        await clock.advance(1)
        hook.down = False
        await clock.advance(2)
    assert (first.deliveries["hook"].failed, first.deliveries["hook"].delivered) == (2, 1)
    second = make(store, clock, hook=hook, other=RecordingNotifier(), new=RecordingNotifier())
    await second.restore()
    assert second.deliveries["hook"] == first.deliveries["hook"]
    assert second.deliveries["other"] == first.deliveries["other"]
    assert second.deliveries["new"].delivered == 0


async def test_an_alert_whose_node_was_removed_is_ended_for_the_receivers(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    await store.put_alerts([alert(node="old"), alert(node="db2")])
    watch = make(store, clock, watched=lambda event: event.node == "db2", hook=hook)
    await watch.restore()
    async with running(watch):
        await clock.advance(0)
    assert [(event.node, event.state) for event in hook.events] == [("old", AlertState.RESOLVED)]


async def test_a_store_that_can_not_be_read_at_the_start_is_counted_and_work_goes_on(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=hook)
    store.trouble = Trouble.FULL
    await watch.restore()
    assert watch.store_errors == 1
    async with running(watch):
        await watch.topology_judged(STOPPED)
        await clock.advance(0)
        assert hook.states == [FIRED]


async def earlier_run(store: TroubledStore, clock: FakeClock, *states: TopologyState) -> None:
    """Leave messages about db2 in the store, from a run whose receiver was down."""
    down = RecordingNotifier()
    down.down = True
    watch = make(store, clock, hook=down)
    async with running(watch):
        for each in states:
            await watch.topology_judged(each)
            await clock.advance(15)


async def test_what_was_waiting_in_a_store_that_is_read_late_is_told_then(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    await earlier_run(store, clock, STOPPED)
    store.trouble = Trouble.FULL
    watch = make(store, clock, hook=hook)
    await watch.restore()
    async with running(watch):
        # It has ended meanwhile; as long as nothing is known of its beginning that is no news.
        await watch.topology_judged(HEALTHY)
        await clock.advance(60)
        assert hook.calls == 0
        store.trouble = None
        await clock.advance(KEEP_AGAIN)
        assert hook.states == [FIRED]
        assert watch.deliveries["hook"].failed == 5  # at 0, 1, 3, 7 and 15 s
        await watch.topology_judged(HEALTHY)
        await clock.advance(0)
    assert hook.states == [FIRED, ENDED]


async def test_what_is_read_late_takes_nothing_back_of_what_was_judged_meanwhile(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    await store.put_alerts([alert(AlertState.PENDING, node="db2", started=None)])
    store.trouble = Trouble.FULL
    watch = make(store, clock, hook=hook)
    await watch.restore()
    async with running(watch):
        for _ in range(2):
            await watch.node_polled(poll(up=False))
            await clock.advance(15)
        store.trouble = None
        await clock.advance(KEEP_AGAIN)
        await watch.node_polled(poll(up=False))
        await clock.advance(0)
    assert hook.states == ["NodeDown firing"]
    assert len(hook.messages) == 1
    assert [sample.labels[-1] for sample in watch.samples(NOON)] == ["firing"]


async def test_what_was_told_before_the_store_could_be_read_is_not_replaced_by_an_older_state(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    await store.put_alerts([alert(rule="ReplicationBroken", node="db2", channel="")])
    store.trouble = Trouble.FULL
    watch = make(store, clock, hook=hook)
    await watch.restore()
    async with running(watch):
        for state in (STOPPED, HEALTHY):
            await watch.topology_judged(state)
            await clock.advance(1)
        store.trouble = None
        await clock.advance(2 * KEEP_AGAIN)
        await watch.topology_judged(STOPPED)
        await clock.advance(0)
    assert hook.states == [FIRED, ENDED, FIRED]


async def test_what_had_fired_and_only_pends_when_the_store_is_read_late_ends_for_the_receivers_too(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    await store.put_alerts([alert(node="db2")])
    store.trouble = Trouble.FULL
    watch = make(store, clock, hook=hook)
    await watch.restore()
    async with running(watch):
        await clock.advance(1)
        await watch.node_polled(poll(up=False))
        store.trouble = None
        await clock.advance(2 * KEEP_AGAIN)
        await watch.node_polled(poll())
        await clock.advance(0)
    assert hook.states == ["NodeDown firing", "NodeDown resolved"]
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.RESOLVED


async def test_an_end_that_is_read_late_never_follows_a_new_beginning(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    await earlier_run(store, clock, STOPPED, HEALTHY)
    store.trouble = Trouble.FULL
    watch = make(store, clock, hook=hook)
    await watch.restore()
    async with running(watch):
        await watch.topology_judged(STOPPED)
        await clock.advance(60)
        assert hook.states == [FIRED]
        store.trouble = None
        await clock.advance(KEEP_AGAIN)
    # It still fires, and the receiver's last word is that it does.
    assert hook.states == [FIRED]
    entries = await store.outbox()
    assert [entry.state for entry in entries] == ["dropped", "dropped", "delivered"]
    assert entries[0].detail == "a later message overtook it while the store could not be read"
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.FIRING


async def test_a_broken_receiver_does_not_hold_up_the_other(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    bad = RecordingNotifier()
    bad.down = True
    watch = make(store, clock, bad=bad, hanging=RecordingNotifier(hang=True), good=hook)
    async with running(watch):
        for state in (STOPPED, HEALTHY):
            await watch.topology_judged(state)
            await clock.advance(0)
        assert hook.states == [FIRED, ENDED]
        await clock.advance(60)
    assert bad.messages == []
    assert watch.deliveries["bad"].failed > 3
    assert watch.waiting == {"bad": 2, "hanging": 2, "good": 0}


async def test_trouble_and_recovery_of_a_receiver_are_one_line_each(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    watch = make(store, clock, hook=hook)
    async with running(watch):
        with capture_logs() as logs:
            await watch.topology_judged(STOPPED)
            await watch.topology_judged(HEALTHY)
            await clock.advance(3600)
            hook.down = False
            await clock.advance(LONGEST_WAIT)
    assert [log["event"] for log in logs] == [
        "alert.firing",
        "alert.resolved",
        "alert.delivery_failing",
        "alert.delivery_recovered",
    ]


async def test_a_stop_names_only_what_the_store_has_not_got(store: TroubledStore, clock: FakeClock) -> None:
    watch = make(store, clock, hook=RecordingNotifier(hang=True))
    with capture_logs() as logs:
        async with running(watch):
            await watch.topology_judged(STOPPED)
            await clock.advance(0)
    assert [log["event"] for log in logs] == ["alert.firing"]
    store.trouble = Trouble.FULL
    with capture_logs() as logs:
        async with running(watch):
            await watch.topology_judged(HEALTHY)
            await clock.advance(0)
    [line] = [log for log in logs if log["event"] == "alert.undelivered_at_stop"]
    assert line["messages"] == {"hook": 1}


async def test_samples_count_what_pends_and_fires_by_rule_tenant_and_state(
    store: TroubledStore, clock: FakeClock
) -> None:
    watch = make(store, clock)
    assert watch.samples(NOON) == []
    for name in ("db1", "db2"):
        await watch.topology_judged(stopped(name))
    await watch.probe_ended(run(Outcome.FAIL))
    assert [(sample.metric, sample.labels, sample.value) for sample in watch.samples(NOON)] == [
        ("dialtone_alerts", ("ProbeFailing", "critical", ACME, "pending"), 1.0),
        ("dialtone_alerts", ("ReplicationBroken", "critical", "", "firing"), 2.0),
    ]


def ended(flow: str, *, after: float) -> AlertEvent:
    """Return the end of a probe's alert, so many seconds after noon."""
    since = NOON + timedelta(seconds=after)
    return alert(
        AlertState.RESOLVED,
        rule="ProbeFailing",
        tenant=ACME,
        flow=flow,
        probe=flow,
        location="a",
        since=since,
    )


async def test_the_series_to_recall_are_those_of_alerts_about_probes_that_last_or_ended_lately(
    store: TroubledStore, clock: FakeClock
) -> None:
    await store.put_alerts(
        [
            alert(node="db2"),
            alert(rule="ProbeFailing", tenant=ACME, flow="call", probe="calls", location="mtl1"),
            alert(rule="ProbeFailing", tenant=ACME, flow="call", probe="calls-tls", location="mtl1"),
            ended("register", after=-60),
            ended("options", after=-7 * 86400),
        ]
    )
    watch = make(store, clock)
    await watch.restore()
    assert watch.probe_series == {(ACME, "call"), (ACME, "register")}


async def test_recalled_results_count_for_what_comes_next(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=hook)
    watch.recall([result(Outcome.FAIL, slot=1000)])
    async with running(watch):
        await watch.probe_ended(run(Outcome.FAIL, slot=1001))
        await clock.advance(0)
    assert hook.states == ["ProbeFailing firing"]


async def test_a_clock_that_was_set_back_keeps_no_change_from_the_store_or_from_people(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    watch = make(store, clock, hook=hook)
    async with running(watch):
        await watch.topology_judged(STOPPED)
        await clock.advance(0)
        clock.jump(-3600)
        for state in (HEALTHY, STOPPED, HEALTHY):
            await watch.topology_judged(state)
            await clock.advance(15)
    assert hook.states == [FIRED, ENDED, FIRED, ENDED]
    assert len(set(hook.keys)) == 4
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.RESOLVED
    assert kept.started is not None
    assert kept.since >= kept.started


@pytest.mark.parametrize("step", [-7200, -40, 40, 7200])
async def test_a_clock_that_is_set_makes_nothing_late_for_longer_or_shorter_than_it_was(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock, step: float
) -> None:
    watch = make(store, clock, hook=hook)
    async with running(watch):
        for second in (0, 15, 30, 45):
            await watch.topology_judged(LATE)
            await clock.advance(15)
            if second == 15:
                clock.jump(step)
            assert hook.states == []
        await watch.topology_judged(LATE)
        await clock.advance(0)
    assert hook.states == ["ReplicationLate firing"]


async def test_nor_does_one_that_is_set_back_over_a_restart(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    first = make(store, clock, hook=hook)
    async with running(first):
        for state in (STOPPED, HEALTHY):
            await first.topology_judged(state)
            await clock.advance(0)
    clock.jump(-3600)
    second = make(store, clock, hook=hook)
    await second.restore()
    async with running(second):
        await second.topology_judged(STOPPED)
        await clock.advance(0)
    assert hook.states == [FIRED, ENDED, FIRED]
    since = [event.since for event in hook.events]
    assert since == sorted(since)
    assert since[-1] - NOON < timedelta(seconds=1)
