"""What is promised of delivery as a whole: nothing lost, in order, repeated only where it must be."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Final

import anyio
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from alerts.delivery import LONGEST_WAIT, SEND_DEADLINE
from alerts.outbox import KEEP_AGAIN, KEEP_DEADLINE
from alerts.watch import AlertWatch
from dialtone.model import AlertState, MessageState
from tests.fakes.alerts import ALERTS, replica, rules, stopped
from tests.fakes.clock import FakeClock
from tests.fakes.notifier import RecordingNotifier
from tests.fakes.troubled_store import Trouble, TroubledStore

NODES: Final = ("db1", "db2")
RECEIVERS: Final = ("chat", "pager")
LATE: Final = KEEP_AGAIN + 10 * KEEP_DEADLINE
"""Seconds after which a store that has come back knows everything."""


class Platform:
    """Two databases whose replication breaks and heals, the service that watches them, and who is told.

    A flip is one change of one database; `flips` are those that were found, in order.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self.clock = FakeClock()
        self.store = TroubledStore()
        self.hooks = {name: RecordingNotifier() for name in RECEIVERS}
        self.broken = dict.fromkeys(NODES, False)
        self.flips: list[tuple[str, str]] = []
        self._tasks = tasks
        self._life = anyio.CancelScope()

    async def start(self) -> None:
        """Start the service on what the store holds; a store in trouble costs it its deadline."""
        self._life = anyio.CancelScope()
        self._tasks.start_soon(self._live, self._life)
        await self.clock.advance(KEEP_DEADLINE)

    async def kill(self) -> None:
        """End the service at once, with everything that it held in memory."""
        self._life.cancel()
        await self.clock.advance(0)

    async def flip(self, node: str) -> None:
        """Break a database, or heal it, and let it be polled."""
        self.broken[node] = not self.broken[node]
        self.flips.append((node, "firing" if self.broken[node] else "resolved"))
        await self.observe(node)

    async def observe(self, *nodes: str) -> None:
        """Poll these."""
        for node in nodes:
            await self.watch.topology_judged(stopped(node) if self.broken[node] else replica(node=node))
            await self.clock.advance(1)

    async def heal(self) -> None:
        """Let store and receivers work, and enough time pass for all that is promised then."""
        self.store.trouble = None
        for hook in self.hooks.values():
            hook.down = hook.deaf = False
        await self.clock.advance(LATE + LONGEST_WAIT + SEND_DEADLINE)

    def told(self, receiver: str) -> list[tuple[str, str]]:
        """Return what a receiver was told, in order, without the repetitions that it tells by their keys."""
        return [(str(event.node), event.state.value) for event in self.hooks[receiver].events]

    async def _live(self, life: anyio.CancelScope) -> None:
        with life:
            self.watch = AlertWatch(self.store, self.hooks, self.clock, rules=rules(), metric=ALERTS)
            await self.watch.restore()
            await self.watch.run()


@asynccontextmanager
async def a_platform() -> AsyncIterator[Platform]:
    """Yield a platform whose service runs."""
    async with anyio.create_task_group() as tasks:
        platform = Platform(tasks)
        await platform.start()
        yield platform
        tasks.cancel_scope.cancel()


async def test_a_receiver_that_is_down_for_an_hour_gets_everything_in_order_once_it_is_back() -> None:
    async with a_platform() as platform:
        chat = platform.hooks["chat"]
        chat.down = True
        start = platform.clock.monotonic()
        while platform.clock.monotonic() - start < 3600:
            for node in NODES:
                await platform.flip(node)
            await platform.clock.advance(15)
        assert chat.messages == []
        assert platform.told("pager") == platform.flips
        chat.down = False
        await platform.clock.advance(LONGEST_WAIT)
    assert len(platform.flips) > 400
    assert platform.told("chat") == platform.flips
    assert len(chat.messages) == len(platform.flips)


async def test_a_kill_in_the_middle_of_that_hour_loses_nothing_and_repeats_nothing() -> None:
    async with a_platform() as platform:
        chat = platform.hooks["chat"]
        chat.down = True
        for number in range(60):
            await platform.flip(NODES[number % 2])
            await platform.clock.advance(30)
            if number % 20 == 10:
                await platform.kill()
                await platform.start()
        chat.down = False
        await platform.clock.advance(LONGEST_WAIT)
    for receiver in RECEIVERS:
        assert platform.told(receiver) == platform.flips
        assert len(platform.hooks[receiver].messages) == len(platform.flips)


@pytest.mark.parametrize("steps", range(40))
async def test_a_kill_at_any_step_of_a_flips_way_loses_nothing_and_repeats_one_message_at_most(
    steps: int,
) -> None:
    async with a_platform() as platform:
        await platform.flip("db1")
        platform.broken["db2"] = True
        await platform.watch.topology_judged(stopped("db2"))
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        await platform.kill()
        await platform.start()
        # Where the kill came before the store had it, the next poll finds it again.
        await platform.observe(*NODES)
    for receiver in RECEIVERS:
        assert platform.told(receiver) == [("db1", "firing"), ("db2", "firing")]
        assert len(platform.hooks[receiver].messages) <= 3


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("phase", ["flip", "try", "settle", "start"])
async def test_a_store_that_breaks_in_any_phase_costs_no_message(phase: str, trouble: Trouble) -> None:
    async with a_platform() as platform:
        chat = platform.hooks["chat"]

        async def breaks_in(now: str) -> None:
            if phase == now:
                platform.store.trouble = trouble

        chat.down = True
        await breaks_in("flip")
        await platform.flip("db1")
        await breaks_in("try")
        await platform.clock.advance(60)
        await breaks_in("settle")
        chat.down = False
        await platform.clock.advance(120)
        await platform.flip("db2")
        await platform.clock.advance(60)
        if phase == "start":
            await platform.kill()
            await breaks_in("start")
            await platform.start()
        for node in NODES:
            await platform.flip(node)
            await platform.clock.advance(30)
        await platform.heal()
        await platform.observe(*NODES)
        entries = await platform.store.outbox()
    for receiver in RECEIVERS:
        # What a service that can't read its store can't know: that there was something to end.
        expected = platform.flips[:2] if phase == "start" else platform.flips
        assert platform.told(receiver)[: len(expected)] == expected
        assert platform.told(receiver)[-1][1] == "resolved"
        assert len(platform.hooks[receiver].keys) == len(set(platform.hooks[receiver].keys))
    assert {entry.state for entry in entries} == {MessageState.DELIVERED}


STEPS: Final = st.one_of(
    st.tuples(st.just("flip"), st.sampled_from(NODES)),
    st.tuples(st.sampled_from(["down", "deaf", "up"]), st.sampled_from(RECEIVERS)),
    st.tuples(st.just("store"), st.sampled_from([*Trouble, None])),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 11.0, 400.0])),
    st.tuples(st.just("restart"), st.sampled_from([*Trouble, None])),
)
"""What may happen; a restart names the trouble that the store is in when the service starts again."""

histories = given(st.lists(STEPS, max_size=25))
often = settings(max_examples=80, deadline=None)


async def act(platform: Platform, verb: str, about: object, *, orderly: bool = True) -> None:
    """Do one step of a history; before an orderly kill the store is given what it could not take."""
    match verb, about:
        case "flip", str():
            await platform.flip(about)
        case "down" | "deaf" | "up", str():
            platform.hooks[about].down = verb == "down"
            platform.hooks[about].deaf = verb == "deaf"
        case "store", Trouble() | None:
            platform.store.trouble = about
        case "pass", float():
            await platform.clock.advance(about)
        case "restart", Trouble() | None:
            if orderly:
                platform.store.trouble = None
                await platform.clock.advance(LATE)
            await platform.kill()
            platform.store.trouble = about
            await platform.start()


@often
@histories
async def test_whatever_happens_in_whatever_order_every_flip_is_told_in_order(
    history: Sequence[tuple[str, object]],
) -> None:
    with capture_logs():
        async with a_platform() as platform:
            for verb, about in history:
                await act(platform, verb, None if verb == "restart" else about)
            await platform.heal()
            entries = await platform.store.outbox()
        for receiver, hook in platform.hooks.items():
            assert platform.told(receiver) == platform.flips
            kept = [entry.message.key for entry in entries if entry.message.receiver == receiver]
            # A repetition follows at once: the receiver's word never goes back.
            assert [key for key, _ in groupby(hook.keys)] == kept
        assert {entry.state for entry in entries} <= {MessageState.DELIVERED}


@often
@histories
async def test_a_store_that_can_not_be_read_at_a_start_leaves_nobody_with_a_wrong_last_word(
    history: Sequence[tuple[str, object]],
) -> None:
    with capture_logs():
        async with a_platform() as platform:
            for verb, about in history:
                await act(platform, verb, about)
            await platform.heal()
            await platform.observe(*NODES)
        broken = {node for node, is_broken in platform.broken.items() if is_broken}
        for hook in platform.hooks.values():
            repeated = [event for message in hook.messages for event in message.events]
            # Both for who tells repetitions by their keys and for who does not.
            for heard in (hook.events, repeated):
                last = {event.node: event.state for event in heard}
                assert {node for node, state in last.items() if state is AlertState.FIRING} == broken


@often
@histories
async def test_whatever_the_store_was_given_is_told_even_if_it_breaks_and_the_service_is_killed_then(
    history: Sequence[tuple[str, object]],
) -> None:
    with capture_logs():
        async with a_platform() as platform:
            for verb, about in history:
                await act(platform, verb, about, orderly=False)
            await platform.heal()
            entries = await platform.store.outbox()
        for entry in entries:
            if entry.state is MessageState.DROPPED:
                assert entry.detail.startswith("a later message overtook it")
            else:
                assert entry.state is MessageState.DELIVERED
                assert entry.message.key in platform.hooks[entry.message.receiver].keys
