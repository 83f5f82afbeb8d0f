"""The outbox and a store that may fail at any point: what is written when, and who waits for it."""

from collections.abc import Sequence
from datetime import datetime

import anyio
import pytest
from structlog.testing import capture_logs

from alerts.outbox import KEEP_AGAIN, KEEP_DEADLINE, REMEMBERED, Earlier
from dialtone.model import AlertEvent, AlertMessage, AlertState, MessageState, Scope
from dialtone.ports import DeliveryError
from dialtone.store import MemoryStore
from tests.fakes.alerts import alert
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_line import DeliveryLine, a_message, nodes
from tests.fakes.notifier import RecordingNotifier
from tests.fakes.troubled_store import Trouble, TroubledStore


async def test_a_change_and_its_messages_are_one_transaction(
    line: DeliveryLine, store: TroubledStore, clock: FakeClock
) -> None:
    async with line.running():
        event = alert(node="db2")
        line.outbox.record([event], [a_message("db2"), a_message("db2", receiver="pager")])
        store.trouble = Trouble.SILENT  # it commits, and we never hear of it
        await clock.advance(0)
    assert store.calls == ["put_alerts"]
    store.trouble = None
    assert await store.alerts(Scope.everything()) == [event]
    assert [entry.message.receiver for entry in await store.outbox()] == ["hook", "pager"]


async def test_nobody_is_told_before_the_store_has_it_or_has_failed(
    line: DeliveryLine, store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    store.trouble = Trouble.HANGS
    async with line.running():
        line.say("db1")
        await clock.advance(KEEP_DEADLINE - 0.1)
        assert hook.calls == 0
        await clock.advance(0.1)
        assert nodes(hook) == ["db1"]
        # From now on it is known to fail: nobody waits for it.
        line.say("db2")
        await clock.advance(0)
        assert nodes(hook) == ["db1", "db2"]


@pytest.mark.parametrize("trouble", Trouble)
async def test_what_the_store_could_not_take_it_has_later_with_what_became_of_it(
    line: DeliveryLine, store: TroubledStore, hook: RecordingNotifier, clock: FakeClock, trouble: Trouble
) -> None:
    hook.problems = [DeliveryError("the receiver answered 404 Not Found", permanent=True)]
    store.trouble = trouble
    async with line.running():
        line.say("db1", "db2")
        await clock.advance(300)
        hook.down = True
        line.say("db3")
        await clock.advance(4 * KEEP_DEADLINE)
        store.trouble = None
        await clock.advance(KEEP_AGAIN + KEEP_DEADLINE)
        entries = await line.entries()
        assert list(entries) == ["db1", "db2", "db3"]
        assert [entry.state for entry in entries.values()] == [
            MessageState.REFUSED,
            MessageState.DELIVERED,
            MessageState.WAITING,
        ]
        assert entries["db3"].tries == line.delivery.counts.failed
        assert {event.node for event in await store.alerts(Scope.everything())} == {"db1", "db2", "db3"}
        hook.down = False
        await clock.advance(300)
    assert nodes(hook) == ["db2", "db3"]
    assert await line.entries(MessageState.WAITING) == {}


async def test_a_kill_while_an_outage_is_made_up_for_leaves_one_delivered_message_to_repeat_at_most(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    """At every step of the way the store believes no more than one of what was delivered to wait."""
    seen: list[int] = []

    class Watched(TroubledStore):
        async def put_alerts(
            self, events: Sequence[AlertEvent], messages: Sequence[AlertMessage] = ()
        ) -> None:
            await super().put_alerts(events, messages)
            await self._look()

        async def settle_message(self, key: str, state: MessageState, at: datetime, detail: str = "") -> None:
            await super().settle_message(key, state, at, detail)
            await self._look()

        async def _look(self) -> None:
            waiting = await MemoryStore.outbox(self, MessageState.WAITING)
            seen.append(len({entry.message.key for entry in waiting} & set(hook.keys)))

    watched = Watched()
    watched.trouble = Trouble.FULL
    line = DeliveryLine(watched, hook, clock)
    async with line.running():
        line.say(*(f"db{number}" for number in range(20)))
        await clock.advance(1)
        hook.down = True
        line.say("db20", "db21")
        await clock.advance(1)
        watched.trouble = None
        await clock.advance(2 * KEEP_AGAIN)
        assert list(await line.entries(MessageState.WAITING)) == ["db20", "db21"]
        hook.down = False
        await clock.advance(300)
    assert list(await line.entries(MessageState.DELIVERED)) == [f"db{number}" for number in range(22)]
    assert max(seen) == 1


async def test_only_the_newest_state_of_an_alert_is_kept_after_an_outage_but_every_message(
    line: DeliveryLine, store: TroubledStore, clock: FakeClock
) -> None:
    store.trouble = Trouble.FULL
    async with line.running():
        for state in (AlertState.FIRING, AlertState.RESOLVED):
            message = a_message("db2", state)
            line.outbox.record(message.events, [message])
            await clock.advance(1)
        store.trouble = None
        await clock.advance(KEEP_AGAIN)
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.RESOLVED
    assert [entry.message.events[0].state for entry in await store.outbox()] == ["firing", "resolved"]


async def test_a_state_that_comes_while_the_one_before_it_is_being_written_is_written_too(
    line: DeliveryLine, store: TroubledStore, clock: FakeClock
) -> None:
    async with line.running():
        line.say("db2")
        while not store.calls:
            await anyio.lowlevel.checkpoint()
        ended = a_message("db2", AlertState.RESOLVED)
        line.outbox.record(ended.events, [ended])
        await clock.advance(0)
    assert store.calls.count("put_alerts") == 2
    [kept] = await store.alerts(Scope.everything())
    assert kept.state is AlertState.RESOLVED


async def test_a_settlement_that_the_store_refuses_is_repeated_and_the_message_is_not_sent_again(
    line: DeliveryLine, store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    async with line.running():
        line.say("db1")
        await clock.advance(0)
        hook.down = False
        store.trouble = Trouble.FULL
        await clock.advance(3600)
        assert nodes(hook) == ["db1"]
        assert list(await line.entries(MessageState.WAITING)) == ["db1"]
        store.trouble = None
        await clock.advance(KEEP_AGAIN)
    assert list(await line.entries(MessageState.DELIVERED)) == ["db1"]
    assert nodes(hook) == ["db1"]


async def test_a_broken_store_is_asked_every_ten_seconds_and_logged_once(
    line: DeliveryLine, store: TroubledStore, clock: FakeClock
) -> None:
    store.trouble = Trouble.FULL
    async with line.running():
        with capture_logs() as logs:
            line.say("db1")
            await clock.advance(0)
            for node in "abcdefgh":
                line.say(node)
                await clock.advance(KEEP_AGAIN)
            assert store.calls == ["put_alerts"] * 9
            assert line.outbox.errors == 9
            store.trouble = None
            await clock.advance(KEEP_AGAIN)
    assert [log["event"] for log in logs] == ["alert.store_failing", "alert.store_recovered"]


async def test_a_store_that_works_is_asked_nothing_while_nothing_happens(
    line: DeliveryLine, store: TroubledStore, clock: FakeClock
) -> None:
    await line.outbox.restore()
    assert store.calls == ["alerts", "outbox", "message_totals"]
    async with line.running():
        await clock.advance(86_400)
        assert len(store.calls) == 3
        line.say("db1")
        await clock.advance(0)
        assert store.calls[3:] == ["put_alerts", "settle_message"]
        await clock.advance(86_400)
    assert len(store.calls) == 5


async def test_a_bug_of_the_store_is_trouble_like_any_other(
    line: DeliveryLine,
    store: TroubledStore,
    hook: RecordingNotifier,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("s3cret")

    async with line.running():
        with capture_logs() as logs, monkeypatch.context() as patch:
            patch.setattr(store, "put_alerts", broken)
            line.say("db1")
            await clock.advance(0)
        assert nodes(hook) == ["db1"]
        assert [log["why"] for log in logs] == ["the store broke (KeyError)"]
        await clock.advance(KEEP_AGAIN)
    assert list(await line.entries(MessageState.DELIVERED)) == ["db1"]


async def test_what_is_left_of_earlier_runs_is_read_once(
    line: DeliveryLine, store: TroubledStore, clock: FakeClock
) -> None:
    event, message = alert(node="old"), a_message("old")
    await store.put_alerts([event], [message])
    await store.note_try(message.key, "down")
    await line.outbox.restore()
    async with line.running():
        await clock.advance(3600)
    assert line.earlier == [Earlier([event], [message], {("hook", "failed"): 1})]


@pytest.mark.parametrize("trouble", [Trouble.FULL, Trouble.HANGS])
async def test_a_store_that_can_not_be_read_at_the_start_is_read_later_and_before_it_is_written(
    line: DeliveryLine, store: TroubledStore, hook: RecordingNotifier, clock: FakeClock, trouble: Trouble
) -> None:
    await store.put_alerts([], [a_message("old")])
    store.calls.clear()
    store.trouble = trouble
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.outbox.restore)
        # No longer than that is the start of the service held up.
        await clock.advance(KEEP_DEADLINE)
    assert line.outbox.errors == 1
    async with line.running():
        line.say("db1")
        await clock.advance(3 * (KEEP_AGAIN + KEEP_DEADLINE))
        assert nodes(hook) == ["db1"]
        assert set(store.calls) == {"alerts"}
        store.trouble = None
        await clock.advance(KEEP_AGAIN + KEEP_DEADLINE)
    assert [message.key for message in line.earlier[0].waiting] == [a_message("old").key]
    assert list(await line.entries()) == ["old", "db1"]


async def test_a_long_outage_piles_up_no_more_than_can_be_counted_later(
    line: DeliveryLine, store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    store.trouble = Trouble.FULL
    async with line.running():
        with capture_logs() as logs:
            for size in (REMEMBERED, 50):
                line.say(*(f"{size}-{number}" for number in range(size)))
                await clock.advance(KEEP_AGAIN)
            hook.down = True
            line.say("waits")
            await clock.advance(KEEP_AGAIN)
            store.trouble = None
            await clock.advance(KEEP_AGAIN)
    assert len(hook.messages) == line.delivery.counts.delivered == REMEMBERED + 50
    assert len(await line.entries(MessageState.DELIVERED)) == REMEMBERED
    assert list(await line.entries(MessageState.WAITING)) == ["waits"]
    [said] = [log for log in logs if log["event"] == "alert.store_recovered"]
    assert said["messages_never_kept"] == 50


async def test_a_stop_is_silent_about_what_waits_in_the_store(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    async with line.running():
        line.say("db1")
        await clock.advance(0)
    with capture_logs() as logs:
        line.outbox.tell_what_is_lost()
    assert logs == []


async def test_a_stop_names_what_only_this_process_knew(
    line: DeliveryLine, store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    store.trouble = Trouble.FULL
    async with line.running():
        line.say("told")
        await clock.advance(0)
        hook.down = True
        line.say("db1", "db2")
        await clock.advance(0)
    with capture_logs() as logs:
        line.outbox.tell_what_is_lost()
    [log] = logs
    assert (log["event"], log["messages"], log["changes"]) == (
        "alert.undelivered_at_stop",
        {"hook": 2},
        3,
    )
