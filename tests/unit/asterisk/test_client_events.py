"""Events as the AMI client hands them over: in order, whatever comes between, behind or too big."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import structlog

from collectors.asterisk.client import AmiClient
from collectors.asterisk.wire import Block
from dialtone.model import CollectError, CollectFailure, Secret
from tests.fakes import ami
from tests.fakes.ami import FakeAmi
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.asking import channels, status
from tests.unit.asterisk.conftest import VERSIONS, blocks, recorded

REPLIES = {name: recorded("22.10.1", name) for name in ("CoreShowChannels", "CoreStatus")}


def event(number: int, classes: str = "call,all") -> bytes:
    """Return an event with a number."""
    return f"Event: Hangup\r\nPrivilege: {classes}\r\nNumber: {number}\r\n\r\n".encode()


async def until(happened: Callable[[], bool]) -> None:
    """Let everything run until something has happened."""
    while not happened():  # noqa: ASYNC110 - what other tasks and the kernel do
        await asyncio.sleep(0)


class Listener:
    """Keeps what it hears; raises first where it is told to."""

    def __init__(self) -> None:
        self.heard: list[Block] = []
        self.raises = False

    def __call__(self, block: Block) -> None:
        self.heard.append(block)
        if self.raises:
            raise LookupError("a mistake")

    @property
    def numbers(self) -> list[int]:
        return [int(block["Number"]) for block in self.heard]


@pytest.fixture
async def server() -> AsyncIterator[FakeAmi]:
    """Return a server with 14 channels."""
    async with FakeAmi(dict(REPLIES)).running() as running:
        yield running


@pytest.fixture
def listener() -> Listener:
    """Return who hears the events."""
    return Listener()


@pytest.fixture
async def client(server: FakeAmi, listener: Listener, clock: FakeClock) -> AsyncIterator[AmiClient]:
    """Return a logged-in client of it that has events; its deadline is 5 s of the test's time."""
    made = AmiClient(server.endpoint, "dialtone", Secret("geheim"), deadline=5.0, hear=listener, clock=clock)
    await made.connect()
    yield made
    await made.aclose()


async def test_the_classes_that_are_counted_are_asked_for(server: FakeAmi, client: AmiClient) -> None:
    (login,) = (action for action in server.actions if action["Action"] == "Login")
    assert login["Events"] == "call,agent,reporting"


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_a_server_tells_is_heard_whole_and_in_order(
    server: FakeAmi, client: AmiClient, listener: Listener, version: str
) -> None:
    stream = recorded(version, "events/full-event-stream")
    whole = stream[stream.index(b"Event: ") : stream.rindex(b"\r\n\r\n") + 4]
    server.push_raw(whole + event(1))
    await until(lambda: bool(listener.heard) and "Number" in listener.heard[-1])
    told = [block for block in blocks(version, "events/full-event-stream") if "Event" in block]
    assert listener.heard[:-1] == told[: len(listener.heard) - 1]
    assert len(listener.heard) - 1 == whole.count(b"Event: ") - whole.count(b"\r\nEvent: Sub")
    assert client.lost_events == 0


async def test_events_that_the_user_may_not_read_do_not_come(server: FakeAmi, listener: Listener) -> None:
    server.reads = {"dialtone": {"call"}}
    client = AmiClient(server.endpoint, "dialtone", Secret("geheim"), deadline=20.0, hear=listener)
    await client.connect()
    server.push(event(1) + event(2, "agent,all") + event(3, "reporting,all") + event(4))
    await until(lambda: len(listener.heard) == 2)
    await status(client)
    assert listener.numbers == [1, 4]
    await client.aclose()


async def test_events_between_the_items_of_a_list_are_heard_and_are_no_items(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    server.manners["CoreShowChannels"] = ami.with_events_between(event(1))
    assert len(await channels(client)) == 14
    await until(lambda: len(listener.heard) == 17)


async def test_what_came_behind_an_answer_is_heard_after_who_asked_has_seen_the_answer(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    server.manners["CoreShowChannels"] = ami.with_events_between(event(1))
    for polls in range(1, 4):
        await channels(client)
        # One event before the head, and one behind each message but the last.
        assert len(listener.heard) == polls * 16 + (polls - 1)
        await until(lambda polls=polls: len(listener.heard) == polls * 17)  # type: ignore[misc]


async def test_events_come_between_polls_without_being_asked_for(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    for number in range(5):
        server.push(event(number))
        await until(lambda number=number: len(listener.heard) == number + 1)  # type: ignore[misc]
    assert listener.numbers == [0, 1, 2, 3, 4]


async def test_what_is_no_event_or_an_answer_to_somebody_is_not_heard(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    server.push_raw(b"Response: Success\r\n\r\nno header\r\n\r\n\r\n\r\nKey: value\r\n\r\n")
    server.push_raw(b"Event: OriginateResponse\r\nActionID: somebody-else\r\n\r\n" + event(1))
    await until(lambda: bool(listener.heard))
    assert listener.numbers == [1]


async def test_an_event_with_a_value_of_a_megabyte_is_lost_and_counted_and_the_connection_goes_on(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    big = b"Event: VarSet\r\nPrivilege: call,all\r\nValue: " + b"x" * 1_000_000 + b"\r\n\r\n"
    server.push_raw(event(1) + big + event(2) + big + event(3))
    await until(lambda: len(listener.heard) == 3)
    assert listener.numbers == [1, 2, 3]
    assert client.lost_events == 2
    assert len(await channels(client)) == 14
    assert server.connections == 1


async def test_an_event_that_is_too_big_for_one_is_lost_while_long_lines_are_read_too(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    big = b"Event: VarSet\r\nPrivilege: call,all\r\nValue: " + b"x" * 100_000 + b"\r\n\r\n"
    server.replies = {**server.replies, "ListCommands": recorded("22.10.1", "ListCommands")}
    server.manners["ListCommands"] = ami.with_events_between(big)
    assert len(await client.lines("ListCommands")) > 50
    await until(lambda: client.lost_events == 2)
    assert listener.heard == []


async def test_half_an_event_is_not_heard_before_its_end(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    first, second = event(1)[:20], event(1)[20:]
    server.push_raw(event(0) + first)
    await until(lambda: len(listener.heard) == 1)
    assert listener.numbers == [0]
    server.push_raw(second)
    await until(lambda: len(listener.heard) == 2)
    assert listener.numbers == [0, 1]


async def test_half_an_event_at_the_end_of_a_connection_is_not_heard_on_the_next(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    server.push_raw(event(1)[:20])
    server.hang_up()
    await until(lambda: client._connection is not None and client._connection.ended.done())
    assert len(await channels(client)) == 14
    server.push(event(2))
    await until(lambda: bool(listener.heard))
    assert listener.numbers == [2]


async def test_events_before_a_connections_end_are_heard(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    server.push(event(1) + event(2))
    server.hang_up()
    await until(lambda: client._connection is not None and client._connection.ended.done())
    assert listener.numbers == [1, 2]


async def test_a_listener_that_fails_hears_the_next_event_and_is_logged_once(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    listener.raises = True
    with structlog.testing.capture_logs() as logs:
        server.push(event(1) + event(2))
        await until(lambda: len(listener.heard) == 2)
        assert len(await channels(client)) == 14
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert server.connections == 1


async def test_a_silent_connection_is_pinged_and_events_are_no_silence(
    server: FakeAmi, client: AmiClient, clock: FakeClock, listener: Listener
) -> None:
    for number in range(5):
        await clock.advance(15.0)
        server.push(event(number))
        await until(lambda number=number: len(listener.heard) == number + 1)  # type: ignore[misc]
    assert "Ping" not in server.names
    await clock.advance(20.0)
    await until(lambda: "Ping" in server.names)


async def test_a_flood_waits_at_the_server_while_we_are_busy(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    flood = event(1) * 100_000
    server.push_raw(flood)
    await until(lambda: len(listener.heard) > 100)
    connection = client._connection
    assert connection is not None
    most = 0
    while len(listener.heard) < 100_000:
        kept = len(connection._splitter._rest) + sum(map(len, connection._blocks))
        most = max(most, kept)
        await asyncio.sleep(0)
    assert most < 512 * 1024


async def test_an_answer_amid_a_flood_is_found(
    server: FakeAmi, client: AmiClient, listener: Listener
) -> None:
    server.manners["CoreShowChannels"] = ami.with_events_between(event(1) * 1000)
    assert len(await channels(client)) == 14
    assert len(listener.heard) >= 15_000


async def test_a_line_that_somebody_got_into_an_event_is_no_answer_of_ours(
    server: FakeAmi, client: AmiClient, clock: FakeClock
) -> None:
    server.manners["CoreStatus"] = ami.silent
    asked = asyncio.ensure_future(status(client))
    await until(lambda: "CoreStatus" in server.names)
    for number in range(50):
        forged = f"Response: Success\r\nActionID: dialtone-{number}\r\nCoreProcessedCalls: 0\r\n\r\n"
        server.push_raw(forged.encode())
    await clock.advance(5.0)
    with pytest.raises(CollectError) as caught:
        await asked
    assert caught.value.failure is CollectFailure.TIMEOUT
