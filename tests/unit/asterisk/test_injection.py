"""Lines that a caller puts into its number, which Asterisk writes as they are: they change nothing of others.

A caller has some 80 bytes, in which line breaks come as %0D%0A; the number that it calls has as many.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest

from collectors.asterisk.ajam import AjamClient
from collectors.asterisk.client import AmiClient
from collectors.asterisk.parse import parse_channel, parse_channels
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import Block
from dialtone.model import Secret
from tests.fakes.ajam import FakeAjam
from tests.fakes.ami import FakeAmi
from tests.unit.asterisk.conftest import VERSIONS, blocks, items, recorded

pytestmark = pytest.mark.anyio

CHANNELS: Final = ("CoreShowChannels", "CoreShowChannelsComplete")
QUEUES: Final = ("QueueStatus", "QueueStatusComplete")
MOST: Final = 79
FORGED: Final = (
    b"1\r\nAccountCode: globex",
    b"1\r\nEvent: CoreShowChannelsComplete\r\nListItems: 2",
    b"1\r\nEvent: QueueStatusComplete",
    b"1\r\nEventList: cancelled",
    b"1\r\nEventList: Complete\r\nListItems: 1",
    b"1\r\nActionID: forged",
    b"1\r\nResponse: Error\r\nMessage: Permission denied",
    b"1\r\nDuration: 00:00:01",
    b"1\r\n",
    b"1\r\n\r\n",
    b"1\r\n\r\n\r\n\r\n",
    b"1\r\n\r\nAccountCode: globex",
    b"1\r\n\r\nEvent: CoreShowChannel\r\nChannel: PJSIP/x",
    b"1\r\n\r\nEvent: CoreShowChannelsComplete\r\nEventList: Complete\r\nListItems: 1",
    b"1\r\n\r\nEvent: QueueStatusComplete\r\nEventList: Complete\r\nListItems: 1",
    b"1\r\n\r\nEvent: QueueStatusComplete\r\nEventList: cancelled",
    b"1\r\n\r\nResponse: Error\r\nMessage: Permission denied",
    b"1\r\n\r\nResponse: Success\r\nActionID: forged\r\nMessage: x",
    b"1\r\n\r\nResponse: Goodbye",
    b"1\r\n\r\nAsterisk Call Manager/1",
    b"1\r\n\r\nEvent: Shutdown\r\nPrivilege: system,all",
)
Transport = tuple[type[FakeAmi] | type[FakeAjam], type[AmiClient] | type[AjamClient]]


@pytest.fixture(params=[(FakeAmi, AmiClient), (FakeAjam, AjamClient)], ids=["ami", "ajam"])
def transport(request: pytest.FixtureRequest) -> Transport:
    """Each of the two ways."""
    chosen: Transport = request.param
    return chosen


class Talk:
    """A server and its client; `told` are events' names, and "connected"."""

    def __init__(self, transport: Transport, version: str, name: str, number: bytes, header: bytes) -> None:
        fake, self._client = transport
        reply = recorded(version, name)
        # The recorded callers say nothing of the kind: the first item that has such a header gets it.
        forged, count = re.subn(
            rb"(?m)^(" + header + rb"): [^\r]*", rb"\1: " + _quoted(number), reply, count=1
        )
        assert count == 1
        self.server = fake({name.partition("-")[0]: forged})
        self.told: list[str] = []

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[AmiClient | AjamClient]:
        async with self.server.running():
            client = self._client(
                *(self.server.endpoint, "dialtone", Secret("geheim")),
                deadline=10.0,
                hear=lambda block: self.told.append(block["Event"]),
                connected=lambda: self.told.append("connected"),
            )
            yield client
            await client.aclose()


def _quoted(number: bytes) -> bytes:
    return number.replace(b"\\", rb"\\")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("number", FORGED)
async def test_a_list_is_whole_and_all_others_are_in_it(
    transport: Transport, version: str, number: bytes
) -> None:
    assert len(number) <= MOST
    talk = Talk(transport, version, "CoreShowChannels", number, b"CallerIDNum")
    recall = Recall("CoreShowChannel", "Duration", parse_channel)
    right = parse_channels(items(version, "CoreShowChannels"))
    async with talk.begun() as client:
        for _ in range(3):
            found = await client.items(*CHANNELS, recall)
            # Nobody is told that a duration or a message came twice.
            assert found[0] in (None, right[0])
            assert tuple(found[1:]) == right[1:]
            assert parse_channels(await client.list(*CHANNELS))[-len(right) + 1 :] == right[1:]
        assert client.connections == 1
    assert set(talk.told) <= {"connected", "Shutdown"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("number", FORGED)
async def test_a_list_whose_items_end_with_their_action_id_is_whole(
    transport: Transport, version: str, number: bytes
) -> None:
    talk = Talk(transport, version, "QueueStatus-waiting", number, b"CallerIDNum")
    whole = [plain(block) for block in items(version, "QueueStatus-waiting")]
    async with talk.begun() as client:
        for _ in range(3):
            found = [plain(block) for block in await client.list(*QUEUES)]
            assert len(found) == len(whole)
            assert sum(block not in whole for block in found) <= 1
        assert client.connections == 1


def plain(block: Block) -> Block:
    """Return a block without its ActionID, which is another at each look."""
    return {name: value for name, value in block.items() if name != "ActionID"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_account_code_that_a_caller_gives_makes_its_call_nobodys(
    transport: Transport, version: str
) -> None:
    talk = Talk(transport, version, "CoreShowChannels", b"1\r\nAccountCode: globex", b"CallerIDNum")
    async with talk.begun() as client:
        first, *_ = await client.items(*CHANNELS, Recall("CoreShowChannel", "Duration", parse_channel))
    assert first is None


HANGUP: Final = (
    b"Event: Hangup\r\nPrivilege: call,all\r\nChannel: PJSIP/a-1\r\n"
    b"CallerIDNum: %s\r\nAccountCode: acme\r\n\r\n"
)


async def heard(transport: Transport, events: bytes) -> list[Block]:
    """Return what is heard of events, and of one that follows."""
    fake, kind = transport
    found: list[Block] = []
    last = b"Event: Last\r\nPrivilege: call,all\r\n\r\n"
    async with fake({}).running() as server:
        client = kind(server.endpoint, "dialtone", Secret("geheim"), deadline=10.0, hear=found.append)
        await client.connect()
        if isinstance(server, FakeAmi):
            server.push_raw(events + last)
        else:
            server.events.append(events + last)
            await client.drain()
        await until(lambda: bool(found) and found[-1]["Event"] == "Last")
        assert client.connections == 1
        assert client.lost_events == 0
        await client.aclose()
    return found[:-1]


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110 - what other tasks and the kernel do
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "number",
    [
        b"1\r\n\r\nEvent: Newchannel\r\nChannel: PJSIP/x",
        b"1\r\n\r\nPrivilege: call,all\r\nEvent: Newchannel",
        b"1\r\n\r\nX: 1\r\nEvent: Newchannel\r\nPrivilege: call,all",
        b"1\r\n\r\nResponse: Success\r\nEvent: Newchannel\r\nPrivilege: call,all",
        b"1\r\n\r\nResponse: Success\r\nActionID: forged",
        b"1\r\n\r\nEvent: WaitEventComplete\r\nActionID: forged",
        b"1\r\n\r\n",
    ],
)
async def test_what_follows_a_broken_event_is_none(transport: Transport, number: bytes) -> None:
    assert len(number) <= MOST
    (event,) = await heard(transport, HANGUP % number)
    assert event == {
        "Event": "Hangup",
        "Privilege": "call,all",
        "Channel": "PJSIP/a-1",
        "CallerIDNum": "1",
    }


@pytest.mark.parametrize("line", [b"ActionID: forged", b"Response: Success", b"X: 1"])
async def test_no_line_hides_the_event_that_it_is_in(transport: Transport, line: bytes) -> None:
    (event,) = await heard(transport, HANGUP % (b"1\r\n" + line))
    assert event["Event"] == "Hangup"
    assert event["AccountCode"] == "acme"


@pytest.mark.parametrize("line", [b"Event: Newchannel", b"Privilege: reporting,all"])
async def test_an_event_of_two_names_or_classes_is_none(transport: Transport, line: bytes) -> None:
    assert await heard(transport, HANGUP % (b"1\r\n" + line)) == []


@pytest.mark.parametrize("line", [b"AccountCode: globex", b"Channel: PJSIP/globex-1"])
async def test_of_a_line_that_comes_twice_neither_is_heard(transport: Transport, line: bytes) -> None:
    (event,) = await heard(transport, HANGUP % (b"1\r\n" + line))
    assert "globex" not in str(event)
    assert line.partition(b":")[0].decode() not in event


@pytest.mark.parametrize("version", VERSIONS)
async def test_recorded_events_are_events(transport: Transport, version: str) -> None:
    stream = recorded(version, "events/calls")
    told = [block for block in blocks(version, "events/calls") if "Event" in block]
    assert await heard(transport, stream) == told


async def test_who_counts_is_told_of_each_connection_before_its_first_event(transport: Transport) -> None:
    fake, kind = transport
    told: list[str] = []
    event = b"Event: First\r\nPrivilege: call,all\r\n\r\n"

    async def with_an_event(writer: asyncio.StreamWriter, reply: bytes) -> None:
        writer.write(reply + event)

    async with fake({"CoreStatus": recorded("22.10.1", "CoreStatus")}).running() as server:
        client = kind(
            *(server.endpoint, "dialtone", Secret("geheim")),
            deadline=10.0,
            hear=lambda block: told.append(block["Event"]),
            connected=lambda: told.append(f"connected {client.connections}"),
        )
        for number in (1, 2):
            if isinstance(server, FakeAmi):
                server.manners["Login"] = with_an_event
                server.hang_up()
                await asyncio.sleep(0.01)
            else:
                server.forget()
                server.events.append(event)
            await client.ask("CoreStatus")
            await client.drain()
            await until(lambda number=number: told.count("First") == number)  # type: ignore[misc]
        await client.aclose()
    assert told == ["connected 1", "First", "connected 2", "First"]
