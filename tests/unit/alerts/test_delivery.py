"""One receiver's delivery in virtual time: when it tries, what it gives up, and that the order holds."""

import pytest
from structlog.testing import capture_logs

from alerts.delivery import LONGEST_ASKED, LONGEST_WAIT, SEND_DEADLINE, AskedToWaitError
from alerts.outbox import KEEP_DEADLINE
from dialtone.model import AlertMessage, MessageState
from dialtone.ports import DeliveryError
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_line import DeliveryLine, a_message, nodes
from tests.fakes.notifier import RecordingNotifier
from tests.fakes.troubled_store import Trouble, TroubledStore


async def test_what_is_taken_is_settled_as_delivered(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    async with line.running():
        line.say("db1", "db2")
        await clock.advance(5)
    assert nodes(hook) == ["db1", "db2"]
    entries = await line.entries()
    assert [entry.state for entry in entries.values()] == [MessageState.DELIVERED] * 2
    assert all(entry.tries == 0 and not entry.detail for entry in entries.values())
    assert (line.delivery.counts.delivered, line.delivery.waiting) == (2, 0)


@pytest.mark.parametrize("permanent", [None, True])
async def test_a_message_is_counted_once_the_store_knows_of_it_so_that_no_kill_makes_a_counter_fall(
    store: TroubledStore, clock: FakeClock, permanent: bool | None
) -> None:
    class Taking(RecordingNotifier):
        async def send(self, message: AlertMessage) -> None:
            store.trouble = Trouble.HANGS
            if permanent:
                raise DeliveryError("the receiver answered 404 Not Found", permanent=True)

    line = DeliveryLine(store, Taking(), clock)
    counts = line.delivery.counts
    async with line.running():
        line.say("db1")
        await clock.advance(KEEP_DEADLINE / 2)
        assert (counts.delivered, counts.refused, line.delivery.waiting) == (0, 0, 1)
        await clock.advance(KEEP_DEADLINE)
        assert (counts.delivered + counts.refused, line.delivery.waiting) == (1, 0)


async def test_tries_back_off_from_a_second_to_five_minutes(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    async with line.running():
        line.say("db1")
        await clock.advance(7)
        assert hook.calls == 4  # at 0, 1, 3 and 7 s
        await clock.advance(3600)
        calls = hook.calls
        await clock.advance(LONGEST_WAIT)
        assert hook.calls == calls + 1


async def test_a_message_starts_with_the_shortest_wait_whatever_the_one_before_it_met(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.problems = [DeliveryError("the receiver answered 500", permanent=False)] * 5
    async with line.running():
        line.say("db1")
        await clock.advance(31)
        assert nodes(hook) == ["db1"]
        hook.problems = [DeliveryError("the receiver answered 500", permanent=False)]
        line.say("db2")
        await clock.advance(1)
    assert nodes(hook) == ["db1", "db2"]


async def test_a_message_that_can_not_be_delivered_holds_back_those_behind_it(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    async with line.running():
        line.say("db1", "db2", "db3")
        await clock.advance(100)
        assert line.delivery.waiting == 3
        hook.down = False
        await clock.advance(LONGEST_WAIT)
    assert nodes(hook) == ["db1", "db2", "db3"]


async def test_failed_tries_are_noted_with_the_problem_and_the_message_goes_on_waiting(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    async with line.running():
        line.say("db1")
        await clock.advance(3)
    [entry] = (await line.entries()).values()
    assert (entry.state, entry.tries) == (MessageState.WAITING, 3)
    assert entry.detail == "no connection (Connection refused)"
    assert line.delivery.counts.failed == 3
    assert (await line.store.message_totals())["hook", "failed"] == 3


async def test_a_refused_message_is_a_dead_letter_and_the_next_goes_out(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.problems = [DeliveryError("the receiver answered 404 Not Found", permanent=True)]
    async with line.running():
        line.say("db1", "db2")
        await clock.advance(3600)
    assert nodes(hook) == ["db2"]
    assert hook.calls == 2
    entries = await line.entries()
    assert (entries["db1"].state, entries["db1"].detail) == (
        MessageState.REFUSED,
        "the receiver answered 404 Not Found",
    )
    assert entries["db1"].settled is not None
    assert (line.delivery.counts.refused, line.delivery.counts.delivered) == (1, 1)


async def test_a_try_has_a_deadline_of_its_own(store: TroubledStore, clock: FakeClock) -> None:
    hook = RecordingNotifier(hang=True)
    line = DeliveryLine(store, hook, clock)
    async with line.running():
        line.say("db1")
        await clock.advance(SEND_DEADLINE + 1)
        assert hook.calls == 2
    [entry] = (await line.entries()).values()
    assert entry.detail == f"not done within {SEND_DEADLINE:g} s"


@pytest.mark.parametrize(
    ("asked", "wait"), [(0.0, 1.0), (0.5, 1.0), (42.0, 42.0), (LONGEST_ASKED + 1, LONGEST_ASKED)]
)
async def test_a_receiver_that_asks_to_wait_is_not_tried_sooner_and_not_left_for_more_than_an_hour(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock, asked: float, wait: float
) -> None:
    hook.problems = [AskedToWaitError("the receiver answered 429 Too Many Requests", seconds=asked)]
    async with line.running():
        line.say("db1")
        await clock.advance(wait - 0.01)
        assert hook.calls == 1
        await clock.advance(0.01)
    assert nodes(hook) == ["db1"]


async def test_what_is_asked_for_never_shortens_our_own_back_off(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.problems = [AskedToWaitError("503", seconds=1.0)] * 100
    async with line.running():
        line.say("db1")
        await clock.advance(7)
    assert hook.calls == 4


async def test_a_notifier_with_a_bug_costs_one_message_and_shows_no_secret(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.problems = [ZeroDivisionError("http://chat.example/hook/s3cret")]
    async with line.running():
        with capture_logs() as logs:
            line.say("db1", "db2")
            await clock.advance(5)
    assert nodes(hook) == ["db2"]
    said = str(logs) + str(await line.entries())
    assert "ZeroDivisionError" in said
    assert "s3cret" not in said


async def test_trouble_and_recovery_are_one_line_each_however_many_tries_there_are(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    async with line.running():
        with capture_logs() as logs:
            line.say("db1", "db2")
            await clock.advance(3600)
            hook.down = False
            await clock.advance(LONGEST_WAIT)
    said = [log["event"] for log in logs]
    assert said == ["alert.delivery_failing", "alert.delivery_recovered"]


async def test_a_queue_has_a_bound_and_the_oldest_message_gives_way(
    store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    line = DeliveryLine(store, hook, clock, limit=2)
    hook.down = True
    async with line.running():
        with capture_logs() as logs:
            line.say("under-way")
            await clock.advance(0)
            line.say("db1", "db2", "db3", "db4")
            await clock.advance(1)
            hook.down = False
            await clock.advance(LONGEST_WAIT)
    # The one under way may have reached the receiver already: it keeps its place.
    assert nodes(hook) == ["under-way", "db3", "db4"]
    entries = await line.entries(MessageState.DROPPED)
    assert list(entries) == ["db1", "db2"]
    assert entries["db1"].detail == "2 later ones were waiting"
    assert line.delivery.counts.dropped == 2
    assert [log["event"] for log in logs].count("alert.no_room") == 1


async def test_the_next_message_waits_until_the_store_has_what_became_of_the_last(
    line: DeliveryLine, store: TroubledStore, hook: RecordingNotifier, clock: FakeClock
) -> None:
    async with line.running():
        line.say("db1", "db2")
        await clock.advance(0)
    assert store.calls == ["put_alerts", "settle_message", "settle_message"]
    hook.messages.clear()
    async with line.running():
        line.say("db3")
        await clock.advance(0)
        store.trouble = Trouble.HANGS
        line.outbox.settle(a_message("db9"), MessageState.DROPPED)
        line.delivery.add(a_message("db4"))
        line.delivery.add(a_message("db5"))
        await clock.advance(5)
        assert nodes(hook) == ["db3", "db4"]
        # A store that fails holds up nobody.
        await clock.advance(5)
        assert nodes(hook) == ["db3", "db4", "db5"]


async def test_messages_of_an_earlier_run_come_before_all_that_was_not_tried_yet(
    line: DeliveryLine, hook: RecordingNotifier, clock: FakeClock
) -> None:
    hook.down = True
    async with line.running():
        line.say("tried", "new")
        await clock.advance(0)
        line.delivery.add_earlier([a_message("old1"), a_message("old2")])
        hook.down = False
        await clock.advance(1)
    assert nodes(hook) == ["tried", "old1", "old2", "new"]


async def test_counts_go_on_from_those_of_earlier_runs(line: DeliveryLine, clock: FakeClock) -> None:
    line.delivery.counts.add({"delivered": 7, "refused": 2, "of another time": 9})
    async with line.running():
        line.say("db1")
        await clock.advance(0)
    assert (line.delivery.counts.delivered, line.delivery.counts.refused) == (8, 2)


async def test_an_idle_delivery_wakes_nobody(line: DeliveryLine, clock: FakeClock) -> None:
    async with line.running():
        await clock.advance(0)
        assert clock.sleeping == 0
        await clock.advance(86_400)
        assert clock.sleeping == 0
