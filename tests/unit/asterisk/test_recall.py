"""Items of a list are read once for as long as they say the same, and never taken for one another."""

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


class Made:
    """Makes channels, and counts how many."""

    def __init__(self) -> None:
        self.count = 0
        self.recall = Recall("CoreShowChannel", "Duration", self._make)

    def _make(self, block: Block) -> Channel:
        self.count += 1
        return parse_channel(block)

    def read(self, *texts: bytes) -> list[Channel]:
        self.recall.turn()
        return [self.recall.of(text) for text in texts]


def item(number: int, state: str = "6", duration: str = "00:00:01", bridge: str = "") -> bytes:
    """Return an item as it comes, without what it begins with."""
    return (
        f"\r\nChannel: PJSIP/acme-{number}\r\nChannelState: {state}\r\nUniqueid: {number}\r\n"
        f"Linkedid: {number}\r\nDuration: {duration}\r\nBridgeId: {bridge}"
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
    texts = [item(1).replace(b"\r\nDuration", b"\r\nXDuration").replace(b"01", b"%02d" % n) for n in (1, 2)]
    made.read(texts[0])
    made.read(texts[1])
    assert made.count == 2


def test_items_over_the_limit_are_refused_however_they_come() -> None:
    made = Made()
    answer = Answer(ACTION, END, made.recall)
    answer.take({"Response": "Success", "EventList": "start"}, 10)
    for _ in range(MAX_LIST_ITEMS):
        answer.take_item(item(1), 10)
    with pytest.raises(CollectError) as raised:
        answer.take_item(item(1), 10)
    assert raised.value.failure is CollectFailure.TOO_LARGE


def test_an_answer_of_too_many_bytes_is_refused_though_its_items_are_known() -> None:
    made = Made()
    answer = Answer(ACTION, END, made.recall)
    answer.take({"Response": "Success", "EventList": "start"}, 10)
    answer.take_item(item(1), 30_000_000)
    with pytest.raises(CollectError) as raised:
        answer.take_item(item(1), 30_000_000)
    assert raised.value.failure is CollectFailure.TOO_LARGE


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
