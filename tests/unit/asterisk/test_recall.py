"""Items of a list are read once for as long as they say the same, and never taken for one another."""

from collections import deque
from typing import Final

import pytest

from collectors.asterisk.ajam import AjamClient
from collectors.asterisk.answers import MAX_LIST_ITEMS, Answer
from collectors.asterisk.client import AmiClient
from collectors.asterisk.parse import Channel, parse_channel, parse_channels
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import Block, decode
from dialtone.model import CollectError, CollectFailure, Secret
from tests.fakes.ajam import FakeAjam
from tests.fakes.ami import FakeAmi
from tests.unit.asterisk.conftest import VERSIONS, items, recorded

ACTION: Final = "CoreShowChannels"
END: Final = "CoreShowChannelsComplete"
HEAD: Final = b"Event: CoreShowChannel\r\nActionID: a1\r\n"
BEGINNING: Final = b"Response: Success\r\nActionID: a1\r\nEventList: start"


class Made:
    """Makes channels, and counts how many."""

    def __init__(self) -> None:
        self.count = 0
        self.recall = Recall("CoreShowChannel", "Duration", self._make)

    def _make(self, block: Block) -> Channel | None:
        self.count += 1
        return parse_channel(block)

    def read(self, *texts: bytes) -> list[Channel | None]:
        self.recall.turn()
        return self.recall.of([HEAD + text for text in texts], len(HEAD))


def item(number: int, state: str = "6", duration: str = "00:00:01", bridge: str = "") -> bytes:
    """Return an item as it comes, without what it begins with."""
    return (
        f"Channel: PJSIP/acme-{number}\r\nChannelState: {state}\r\nChannelStateDesc: Up\r\n"
        "CallerIDNum: 101\r\nCallerIDName: \r\nConnectedLineNum: \r\nConnectedLineName: \r\n"
        "Language: en\r\nAccountCode: acme\r\n"
        f"Context: calls\r\nExten: 102\r\nPriority: 1\r\nUniqueid: {number}\r\nLinkedid: {number}\r\n"
        f"Application: Dial\r\nDuration: {duration}\r\nBridgeId: {bridge}"
    ).encode()


def test_an_item_that_differs_by_its_duration_alone_is_read_once() -> None:
    made = Made()
    first = made.read(item(1), item(2))
    assert made.count == 2
    assert made.read(item(1, duration="00:00:16"), item(2, duration="01:00:16")) == first
    assert made.count == 2


@pytest.mark.parametrize("other", [item(1, state="5"), item(2), item(1, bridge="b")])
def test_an_item_that_says_anything_else_is_read_anew(other: bytes) -> None:
    made = Made()
    made.read(item(1))
    assert made.read(other) == [parse_channel(decode(other))]
    assert made.count == 2


def test_what_was_in_no_item_of_the_last_list_is_forgotten() -> None:
    made = Made()
    made.read(item(1))
    made.read(item(2))
    made.read(item(1))
    assert made.count == 3


def test_an_item_without_the_varying_header_is_read_like_any_other() -> None:
    made = Made()
    text = item(1).partition(b"\r\nDuration")[0]
    assert made.read(text) == made.read(text) == [parse_channel(decode(text))]
    assert made.count == 1


def test_a_header_whose_name_only_ends_like_the_varying_one_makes_a_difference() -> None:
    made = Made()
    texts = [item(1).replace(b"\r\nDuration", b"\r\nXDuration").replace(b":01", b":%02d" % n) for n in (1, 2)]
    made.read(texts[0])
    made.read(texts[1])
    assert made.count == 2


def begun(made: Made) -> Answer:
    """Return an answer whose list has begun."""
    answer = Answer(ACTION, "a1", END, made.recall)
    answer.take(BEGINNING)
    return answer


def test_items_over_the_limit_are_refused_however_they_come() -> None:
    answer = begun(Made())
    answer.take_items(deque([HEAD + item(1)] * MAX_LIST_ITEMS))
    assert len(answer.made) == MAX_LIST_ITEMS
    with pytest.raises(CollectError) as raised:
        answer.take_items(deque([HEAD + item(1)]))
    assert raised.value.failure is CollectFailure.TOO_LARGE
    with pytest.raises(CollectError) as raised:
        answer.take(HEAD + item(1))
    assert raised.value.failure is CollectFailure.TOO_LARGE


def test_an_answer_of_too_many_bytes_is_refused_though_its_items_are_known() -> None:
    answer = begun(Made())
    one = HEAD + item(1, bridge="b" * 60_000)
    answer.take_items(deque([one] * 500))
    with pytest.raises(CollectError) as raised:
        answer.take_items(deque([one] * 100))
    assert raised.value.failure is CollectFailure.TOO_LARGE


def test_an_item_that_is_too_large_is_refused() -> None:
    with pytest.raises(CollectError) as raised:
        begun(Made()).take_items(deque([HEAD + item(1, bridge="b" * 66_000)]))
    assert raised.value.failure is CollectFailure.TOO_LARGE


def test_items_end_where_anything_else_comes() -> None:
    answer = begun(Made())
    blocks = deque([HEAD + item(1), HEAD + item(2), b"Event: Hangup", HEAD + item(3)])
    answer.take_items(blocks)
    assert len(answer.made) == 2
    assert list(blocks) == [b"Event: Hangup", HEAD + item(3)]


def test_items_behind_the_end_are_none() -> None:
    answer = begun(Made())
    answer.take_items(deque([HEAD + item(1)]))
    answer.take(f"Event: {END}\r\nActionID: a1\r\nEventList: Complete\r\nListItems: 1".encode())
    assert answer.whole
    answer.take_items(deque([HEAD + item(2)]))
    assert len(answer.made) == 1
    with pytest.raises(CollectError, match="after its end"):
        answer.take(HEAD + item(2))


def test_items_before_the_response_are_none() -> None:
    blocks = deque([HEAD + item(1)])
    Answer(ACTION, "a1", END, Made().recall).take_items(blocks)
    assert len(blocks) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("fake", "kind"), [(FakeAmi, AmiClient), (FakeAjam, AjamClient)])
async def test_a_list_that_is_asked_for_again_is_read_once_by_both_transports(
    version: str, fake: type[FakeAmi] | type[FakeAjam], kind: type[AmiClient] | type[AjamClient]
) -> None:
    made = Made()
    async with fake({ACTION: recorded(version, ACTION)}).running() as server:
        client = kind(server.endpoint, "dialtone", Secret("geheim"), deadline=10.0)
        for _ in range(3):
            found = await client.items(ACTION, END, made.recall)
            assert tuple(found) == parse_channels(items(version, ACTION))
        await client.aclose()
    assert made.count == len(items(version, ACTION)) > 10


@pytest.mark.anyio
async def test_items_in_another_order_of_their_headers_are_taken_too() -> None:
    text = recorded("22.10.1", ACTION)
    turned = text.replace(
        b"Event: CoreShowChannel\r\nActionID: CoreShowChannels-1\r\n",
        b"ActionID: CoreShowChannels-1\r\nEvent: CoreShowChannel\r\n",
    )
    assert turned != text
    ami = FakeAmi({ACTION: turned})
    async with ami.running():
        client = AmiClient(ami.endpoint, "dialtone", Secret("geheim"), deadline=10.0)
        found = await client.items(ACTION, END, Made().recall)
        await client.aclose()
    assert tuple(found) == parse_channels(items("22.10.1", ACTION))


@pytest.mark.anyio
async def test_a_list_that_is_not_what_its_end_says_is_refused() -> None:
    whole = recorded("22.10.1", ACTION)
    head, first, *rest = whole.split(b"\r\n\r\n")
    ami = FakeAmi({ACTION: b"\r\n\r\n".join([head, *rest])})
    async with ami.running():
        client = AmiClient(ami.endpoint, "dialtone", Secret("geheim"), deadline=10.0)
        with pytest.raises(CollectError) as raised:
            await client.items(ACTION, END, Made().recall)
        await client.aclose()
    assert b"CoreShowChannel\r\n" in first
    assert raised.value.failure is CollectFailure.PROTOCOL
