"""When each list is asked for, what becomes of one that fails, and for how long its figures are shown."""

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import anyio
import pytest

from collectors.asterisk.manager import ACTIONS, TASK_PROCESSORS, AmiRefusedError, check
from collectors.asterisk.parse import parse_channels
from collectors.asterisk.parts import HOLD, METRICS, SLOW, Parts
from collectors.asterisk.recall import Recall
from collectors.asterisk.rights import Commands, parse_commands
from collectors.asterisk.whose import Whose, read_patterns
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, CollectError, CollectFailure
from dialtone.runtime.deadline import within
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.conftest import VERSIONS, blocks, items
from tests.unit.asterisk.lists import Figures, client, spread, told
from tests.unit.asterisk.test_processors import lines

T = TypeVar("T")

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TIMEOUT = 5.0
INTERVAL = 15.0
FAST = ["QueueStatus", "ConfbridgeListRooms", "BridgeList", "ParkedCalls"]
SLOWS = ["DeviceStateList", "VoicemailUsersList", "PJSIPShowContacts", "Command"]
ENDS = {
    "QueueStatus": "QueueStatusComplete",
    "ConfbridgeListRooms": "ConfbridgeListRoomsComplete",
    "BridgeList": "BridgeListComplete",
    "ParkedCalls": "ParkedCallsComplete",
    "DeviceStateList": "DeviceStateListComplete",
    "VoicemailUsersList": "VoicemailUserEntryComplete",
    "PJSIPShowContacts": "ContactListComplete",
}
ALL: Commands = {action: frozenset() for action in ACTIONS}
Manner = Callable[[], Awaitable[None]]


class Script:
    """A manager that answers with recordings; `manners` say what an action does before, or instead."""

    def __init__(self, version: str = "22.10.1") -> None:
        self.version = version
        self.asked: list[str] = []
        self.answers: dict[str, Sequence[Block]] = {}
        self.manners: dict[str, Manner] = {}
        self.connections = 1
        self.lost_events = 0

    async def connect(self) -> None: ...
    async def drain(self) -> None: ...
    async def aclose(self) -> None: ...

    async def ask(self, action: str, headers: Mapping[str, str] | None = None) -> Block:
        raise AssertionError(f"{action} is not asked here")

    async def list(
        self, action: str, ends_with: str, headers: Mapping[str, str] | None = None
    ) -> Sequence[Block]:
        assert ends_with == ENDS[action]
        await self._begin(action, headers)
        return self.answers[action] if action in self.answers else items(self.version, action)

    async def items(self, action: str, ends_with: str, recall: Recall[T]) -> Sequence[T]:
        raise AssertionError(f"{action} is not asked here")

    async def lines(self, action: str, headers: Mapping[str, str] | None = None) -> Sequence[tuple[str, str]]:
        assert headers == {"Command": TASK_PROCESSORS}
        await self._begin(action, headers)
        return lines(self.version, "Command-core-show-taskprocessors")

    async def _begin(self, action: str, headers: Mapping[str, str] | None) -> None:
        check(action, headers or {})
        self.asked.append(action)
        if manner := self.manners.get(action):
            await manner()


def failing(error: Exception) -> Manner:
    async def fail() -> None:
        raise error

    return fail


def silent(asked: anyio.Event) -> Manner:
    async def wait() -> None:
        asked.set()
        await anyio.sleep_forever()

    return wait


class Watch:
    """Polls parts by a clock that is turned by hand."""

    def __init__(self, tenants: TenantTree, version: str = "22.10.1", interval: float = INTERVAL) -> None:
        self.tenants = tenants
        self.commands = ALL
        self.clock = FakeClock()
        self.manager = Script(version)
        self.interval = interval
        self.parts = Parts("pbx1", self.clock, timeout=TIMEOUT, interval=interval)
        self.whose = Whose(tenants, read_patterns("{tenant}-*"))
        self.channels = parse_channels(items(version, "CoreShowChannels"))

    async def poll(self, commands: Commands | None = None, *, spent: float = 0.0) -> list[str]:
        """Poll once, after so many seconds of the poll have gone; return what was asked."""
        self.manager.asked = []
        began = self.clock.monotonic() - spent
        owners = self.whose.channels(self.channels)
        may = self.commands if commands is None else commands
        await self.parts.read(self.manager, self.whose, owners, self.channels, may, began)
        return self.manager.asked

    async def polls(self, number: int, commands: Commands = ALL) -> list[list[str]]:
        """Poll so often, an interval apart."""
        asked = []
        for _ in range(number):
            asked.append(await self.poll(commands))
            await self.clock.advance(self.interval)
        return asked

    def late(self, seconds: float) -> Manner:
        """Return what takes so long."""

        async def wait() -> None:
            await self.clock.advance(seconds)

        return wait

    @property
    def figures(self) -> Figures:
        return told(self.parts.samples(self.tenants, AT))

    def shows(self, metric: str) -> bool:
        return any(key[0] == metric for key in self.figures)


@pytest.fixture
def watch(tenants: TenantTree) -> Watch:
    """Return a watch of an Asterisk 22 on which everything may be asked."""
    return Watch(tenants)


def test_the_tables_keep_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


@pytest.mark.parametrize("version", VERSIONS)
async def test_after_a_minute_everything_is_shown(version: str, tenants: TenantTree) -> None:
    watch = Watch(tenants, version)
    watch.manager.answers["VoicemailUsersList"] = items("22.10.1", "VoicemailUsersList")
    await watch.polls(4)
    found = watch.figures
    assert found["queue_agents", client("acme"), "acme-support", "available"] == 1
    assert found["conference_parties", client("bd")] == 2
    assert found["parked_calls", client("acme")] == 2
    assert found["parked_calls", UNKNOWN_TENANT] == 1  # a tenant of the lab that is none here
    assert found["longest_parked_seconds", client("acme")] == 4
    assert found["endpoints", client("globex"), "in-use"] == 3
    assert found["mailboxes", client("bd")] == 1
    assert found["contacts", client("acme"), "reachable"] == 1
    assert found["task_processors",] == (142 if version == "16.28.0" else 129)
    assert not watch.parts.troubles


async def test_short_lists_are_asked_for_at_each_poll_and_one_slow_one_once_a_minute(watch: Watch) -> None:
    first, *asked = await watch.polls(13)
    assert set(first) >= {*FAST, *SLOWS}  # so that one poll, as by `dialtone collect`, shows all
    for poll in asked:
        assert {action for action in poll if action in FAST} == set(FAST)
        assert len([action for action in poll if action in SLOWS]) <= 1
    slow = [action for poll in asked for action in poll if action in SLOWS]
    assert slow == [*SLOWS, *SLOWS, SLOWS[0]]  # three minutes


async def test_an_action_that_the_login_may_not_send_is_not_asked_for(watch: Watch) -> None:
    mine = parse_commands(lines("22.10.1", "ListCommands-reporting"))
    asked = {action for poll in await watch.polls(8, mine) for action in poll}
    assert asked == {
        "QueueStatus",
        "ConfbridgeListRooms",
        "BridgeList",
        "DeviceStateList",
        "VoicemailUsersList",
    }
    assert not watch.parts.troubles  # what it may not ask is told by rights.missing()


async def test_what_it_may_ask_after_a_new_login_is_asked_for(watch: Watch) -> None:
    assert await watch.poll({}) == []
    assert await watch.poll() == [*FAST, *SLOWS]


async def test_figures_of_what_may_no_more_be_asked_for_go(watch: Watch) -> None:
    await watch.poll()
    lacking = {action: rights for action, rights in ALL.items() if action != "ParkedCalls"}
    await watch.polls(4, lacking)
    assert not watch.shows("longest_parked_seconds")
    assert watch.shows("parked_calls")


# One list that can't be read


async def test_an_empty_list_may_be_a_refusal_that_is_none(watch: Watch) -> None:
    words = blocks("22.10.1", "ConfbridgeListRooms-idle")[0]["Message"]
    watch.manager.manners["PJSIPShowContacts"] = failing(AmiRefusedError("No Contacts found\n"))
    await watch.poll()
    watch.manager.manners["ConfbridgeListRooms"] = failing(AmiRefusedError(words))
    await watch.polls(5)
    assert watch.figures["conferences", client("bd")] == 0
    assert not watch.shows("contacts")  # nobody has had one
    assert not watch.parts.troubles


async def test_a_refused_list_is_a_trouble_of_its_own(watch: Watch) -> None:
    watch.manager.manners["QueueStatus"] = failing(AmiRefusedError("No such thing"))
    assert "ParkedCalls" in await watch.poll()
    assert watch.parts.troubles == {"queues": "QueueStatus: No such thing"}
    assert watch.shows("parked_calls")
    watch.manager.manners.clear()
    await watch.poll()
    assert not watch.parts.troubles
    assert watch.shows("queue_waiting")


async def test_what_another_list_says_when_it_is_empty_is_a_refusal_here(watch: Watch) -> None:
    watch.manager.manners["QueueStatus"] = failing(AmiRefusedError("No active conferences."))
    await watch.poll()
    assert "queues" in watch.parts.troubles


@pytest.mark.parametrize("word", ["x" * 9000, ""])
async def test_words_of_a_refusal_are_bounded(word: str, watch: Watch) -> None:
    watch.manager.manners["ConfbridgeListRooms"] = failing(AmiRefusedError(word))
    await watch.poll()
    assert len(watch.parts.troubles["conferences"]) <= 200


async def test_a_list_that_makes_no_sense_is_a_trouble_and_keeps_its_last_figures(watch: Watch) -> None:
    await watch.poll()
    watch.manager.answers["QueueStatus"] = [{"Event": "QueueParams", "Queue": "x", "Calls": "-1"}]
    assert "ParkedCalls" in await watch.poll()
    assert watch.parts.troubles.keys() == {"queues"}
    assert watch.figures["queue_agents", client("acme"), "acme-support", "available"] == 1
    assert watch.manager.asked.count("QueueStatus") == 1
    assert "QueueStatus" in await watch.poll()  # it costs nothing to ask again


@pytest.mark.parametrize("failure", [CollectFailure.PROTOCOL, CollectFailure.SERVER])
async def test_a_list_that_the_server_breaks_off_is_left_alone_the_second_time(
    failure: CollectFailure, watch: Watch
) -> None:
    watch.manager.manners["ConfbridgeListRooms"] = failing(CollectError(failure, "broken off"))
    for _ in range(2):
        assert {"QueueStatus", "ParkedCalls"} < set(await watch.poll())
        await watch.clock.advance(INTERVAL)
    assert "ConfbridgeListRooms" not in await watch.poll()
    assert "not asked for again for 10 minutes" in watch.parts.troubles["conferences"]


async def test_a_list_that_is_denied_after_all_is_left_alone(watch: Watch) -> None:
    denied = CollectError(CollectFailure.DENIED, "PJSIPShowContacts: needs write = system")
    watch.manager.manners["PJSIPShowContacts"] = failing(denied)
    asked = [action for poll in await watch.polls(24) for action in poll]
    assert asked.count("PJSIPShowContacts") == 1
    assert asked.count("VoicemailUsersList") == 6


@pytest.mark.parametrize("failure", [CollectFailure.TIMEOUT, CollectFailure.CONNECT])
async def test_a_list_that_costs_the_connection_twice_is_not_asked_for_again_for_ten_minutes(
    failure: CollectFailure, watch: Watch
) -> None:
    watch.manager.manners["QueueStatus"] = failing(CollectError(failure, "no answer to QueueStatus"))
    for _ in range(2):
        with pytest.raises(CollectError) as caught:
            await watch.polls(1)
        assert caught.value.failure is failure
        await watch.clock.advance(INTERVAL)
    asked = await watch.polls(int(HOLD / INTERVAL) - 1)
    assert not any("QueueStatus" in poll for poll in asked)
    assert all("ParkedCalls" in poll for poll in asked)
    assert "queues" in watch.parts.troubles
    await watch.clock.advance(INTERVAL)
    with pytest.raises(CollectError):
        await watch.poll()
    await watch.clock.advance(INTERVAL)
    assert "QueueStatus" not in await watch.poll()  # at once, this time


async def test_once_may_be_the_servers_own_trouble(watch: Watch) -> None:
    for _ in range(3):  # a server that is stopped, and goes on
        watch.manager.manners["QueueStatus"] = failing(CollectError(CollectFailure.TIMEOUT, "no answer"))
        with pytest.raises(CollectError):
            await watch.poll()
        watch.manager.manners.clear()
        await watch.clock.advance(INTERVAL)
        assert "QueueStatus" in await watch.poll()
        assert watch.shows("queue_waiting")
        assert not watch.parts.troubles
        await watch.clock.advance(INTERVAL)


async def test_a_list_that_is_too_large_is_left_alone_at_once(watch: Watch) -> None:
    large = CollectError(CollectFailure.TOO_LARGE, "QueueStatus: over 50000 items")
    watch.manager.manners["QueueStatus"] = failing(large)
    with pytest.raises(CollectError):
        await watch.poll()
    assert "QueueStatus" not in await watch.poll()
    assert watch.parts.troubles["queues"].startswith("QueueStatus: over 50000 items")


async def timed_out(watch: Watch, begun: anyio.Event) -> None:
    """Poll until the runner's deadline, which passes once that has begun."""

    async def poll() -> None:
        with pytest.raises(TimeoutError):
            await within(watch.clock, TIMEOUT, watch.poll)

    async with anyio.create_task_group() as group:
        group.start_soon(poll)
        await begun.wait()
        await watch.clock.advance(TIMEOUT)


async def called_off(watch: Watch, begun: anyio.Event) -> None:
    """Poll, and cancel that as asyncio does once that has begun."""
    task = asyncio.ensure_future(watch.poll())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


ENDINGS = pytest.mark.parametrize("ending", [timed_out, called_off])
Ending = Callable[[Watch, anyio.Event], Awaitable[None]]


@ENDINGS
async def test_a_list_that_outlasts_the_poll_does_not_do_so_for_good(ending: Ending, watch: Watch) -> None:
    for _ in range(2):
        begun = anyio.Event()
        watch.manager.manners["QueueStatus"] = silent(begun)
        await ending(watch, begun)
        assert not watch.shows("queue_waiting")
        await watch.clock.advance(INTERVAL)
    assert "QueueStatus" not in await watch.poll()
    assert watch.shows("parked_calls")
    assert watch.parts.troubles["queues"].startswith("QueueStatus: not read within the poll's 5 s")


@ENDINGS
async def test_a_poll_that_is_called_off_while_a_list_is_parsed_takes_nothing_of_it(
    ending: Ending, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    only: Commands = {"QueueStatus": frozenset()}
    await watch.poll(only)
    before = watch.figures
    loop, begun = asyncio.get_running_loop(), anyio.Event()
    goes_on, ended = threading.Event(), threading.Event()

    def slow(self: Whose, name: str) -> str:
        loop.call_soon_threadsafe(begun.set)
        goes_on.wait(10)
        ended.set()
        return ""

    monkeypatch.setattr(Whose, "name", slow)
    await watch.clock.advance(INTERVAL)
    watch.commands = only
    await ending(watch, begun)
    watch.commands = ALL
    goes_on.set()
    await asyncio.to_thread(ended.wait, 10)
    monkeypatch.undo()
    assert watch.figures == before
    assert watch.parts.troubles == {"queues": "QueueStatus: not read within the poll's 5 s"}
    await watch.clock.advance(INTERVAL)
    await watch.poll()
    assert not watch.parts.troubles


async def test_events_are_counted_while_a_list_of_queues_is_parsed(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watch.poll()
    assert watch.figures["queue_joined_total", client("bd"), "bd-support"] == 0
    (event,) = blocks("22.10.1", "events/QueueCallerJoin")
    loop, begun = asyncio.get_running_loop(), anyio.Event()
    goes_on, name_of, here = threading.Event(), Whose.name, threading.get_ident()

    def slow(self: Whose, name: str) -> str:
        if threading.get_ident() != here:
            loop.call_soon_threadsafe(begun.set)
            goes_on.wait(10)
        return name_of(self, name)

    monkeypatch.setattr(Whose, "name", slow)
    await watch.clock.advance(INTERVAL)
    task = asyncio.ensure_future(watch.poll({"QueueStatus": frozenset()}))
    await begun.wait()
    watch.parts.hear(event, watch.whose)
    goes_on.set()
    await task
    assert watch.figures["queue_joined_total", client("bd"), "bd-support"] == 1


async def test_credentials_that_are_refused_meanwhile_end_the_poll(watch: Watch) -> None:
    watch.manager.manners["ConfbridgeListRooms"] = failing(CollectError(CollectFailure.AUTH, "refused"))
    with pytest.raises(CollectError) as caught:
        await watch.poll()
    assert caught.value.failure is CollectFailure.AUTH
    assert "ParkedCalls" not in watch.manager.asked


# Time


async def test_no_list_is_begun_once_half_of_the_polls_time_has_gone(watch: Watch) -> None:
    assert await watch.poll(spent=TIMEOUT / 2) == []
    watch.manager.manners["QueueStatus"] = watch.late(1.0)
    assert await watch.poll(spent=1.6) == ["QueueStatus"]


async def test_what_was_left_out_is_first_in_the_next_poll(watch: Watch) -> None:
    for action in (*FAST, *SLOWS):
        watch.manager.manners[action] = watch.late(2.6)
    asked = await watch.polls(14)
    assert all(len(poll) == 1 for poll in asked)
    first = [poll[0] for poll in asked[:8]]
    assert sorted(first) == sorted([*FAST, *SLOWS])


async def test_a_list_that_never_has_its_turn_is_told(watch: Watch) -> None:
    for _ in range(4):
        await watch.poll(spent=TIMEOUT)
        await watch.clock.advance(INTERVAL)
    assert "longer timeout" in watch.parts.troubles["queues"]
    await watch.polls(4)
    assert not watch.parts.troubles


async def test_figures_are_shown_for_three_periods_and_no_longer(watch: Watch) -> None:
    await watch.poll()
    await watch.clock.advance(3 * INTERVAL)
    assert watch.shows("queue_waiting")
    await watch.clock.advance(1)
    assert not watch.shows("queue_waiting")
    assert not watch.shows("parked_calls")
    assert watch.shows("endpoints")
    await watch.clock.advance(3 * SLOW)
    assert not watch.shows("endpoints")


async def test_before_anything_was_read_nothing_is_shown(watch: Watch) -> None:
    assert watch.figures == {}
    assert dict(spread(watch.parts.spreads(watch.tenants, AT))) == {}


async def test_polls_that_are_seldom_leave_no_gaps(tenants: TenantTree) -> None:
    watch = Watch(tenants, interval=120.0)
    shown = []
    for _ in range(16):
        await watch.poll()
        shown.append({key[0] for key in watch.figures})
        await watch.clock.advance(watch.interval)
    slow = {"endpoints", "mailboxes", "contacts", "task_processors"}
    assert all(slow <= metrics for metrics in shown[4:])


# Events, and tenants that go


async def test_events_of_queues_are_counted(watch: Watch) -> None:
    await watch.poll()
    assert watch.figures["queue_answered_total", client("bd"), "bd-support"] == 0
    assert set(spread(watch.parts.spreads(watch.tenants, AT)).values()) == {(0, 0)}
    for name in ("QueueCallerJoin", "AgentConnect", "AgentComplete"):
        (event,) = blocks("22.10.1", f"events/{name}")
        watch.parts.hear(event, watch.whose)
    watch.parts.hear({"Event": "Hangup"}, watch.whose)
    assert watch.figures["queue_answered_total", client("bd"), "bd-support"] == 1
    waits = spread(watch.parts.spreads(watch.tenants, AT))
    assert waits["queue_talk_seconds", client("bd"), "bd-support"] == (1, 64)


def grown(version: str, by: int) -> list[Block]:
    """Return the recorded queues after so many calls more that agents have talked with."""
    return [
        {**block, "Completed": str(int(block["Completed"]) + by)} if "Completed" in block else block
        for block in items(version, "QueueStatus")
    ]


async def test_a_login_without_events_of_queues_is_told_so_when_calls_have_ended_unheard(
    watch: Watch,
) -> None:
    await watch.poll()
    watch.manager.answers["QueueStatus"] = grown("22.10.1", 1)
    await watch.poll()
    assert watch.parts.unheard == ""
    await watch.poll()
    assert watch.parts.unheard == (
        "no events of queues: waits and answers are not counted; "
        "set read = call,agent,reporting in manager.conf"
    )
    watch.manager.connections += 1
    await watch.poll()
    assert watch.parts.unheard == ""


async def test_what_happened_between_two_logins_is_nothing_that_was_not_sent(watch: Watch) -> None:
    for n in range(4):
        watch.manager.connections += 1
        watch.manager.answers["QueueStatus"] = grown("22.10.1", n)
        await watch.poll()
        assert watch.parts.unheard == ""


async def test_a_connection_that_is_made_anew_within_a_poll_is_noticed(watch: Watch) -> None:
    async def made() -> None:
        watch.manager.connections += 1

    await watch.poll()
    watch.manager.manners["QueueStatus"] = made
    watch.manager.answers["QueueStatus"] = grown("22.10.1", 1)
    await watch.poll()
    watch.manager.manners.clear()
    await watch.polls(2)
    assert watch.parts.unheard == ""


async def test_tenants_that_have_gone_are_forgotten_everywhere(watch: Watch) -> None:
    await watch.polls(4)
    watch.parts.keep([client("acme")])
    shown = {key[1] for key in watch.figures if len(key) > 1}
    assert shown == {client("acme"), UNKNOWN_TENANT}


async def test_each_tenants_figures_are_its_own(watch: Watch) -> None:
    await watch.polls(4)
    for sample in watch.parts.samples(watch.tenants, AT):
        if "queue" in sample.metric and "_tenant_" in sample.metric:
            assert sample.labels[1].partition(".")[0] == sample.labels[3].partition("-")[0]
    assert not math.isnan(sum(watch.figures.values()))
