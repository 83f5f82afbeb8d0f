"""AMI's framing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.asterisk.wire import (
    BLOCK_END,
    MAX_BLOCK_BYTES,
    Splitter,
    begins,
    decode,
    decode_lines,
    encode,
)
from tests.unit.asterisk.conftest import DATA, VERSIONS, recorded

LINES = st.lists(
    st.sampled_from([b"Event: X", b"A: 1", b"no header", b"x\r", b"\n", b"", b"\xff", b"y" * 40])
)
STREAMS = LINES.map(lambda lines: b"".join(line + b"\r\n" for line in lines))


def split(pieces: list[bytes], limit: int = MAX_BLOCK_BYTES) -> list[bytes]:
    """Return the blocks of a stream that comes in these pieces."""
    splitter = Splitter()
    splitter.limit = limit
    return [block for piece in pieces for block in splitter.feed(piece)]


def test_an_action_is_lines_ended_by_an_empty_one() -> None:
    assert encode("Login", "7", {"Username": "ümit"}) == (
        "Action: Login\r\nActionID: 7\r\nUsername: ümit\r\n\r\n".encode()
    )


@pytest.mark.parametrize("text", ["x\r\nAction: Originate", "x\n", "x\r", "x\0"])
@pytest.mark.parametrize("place", ["key", "value"])
def test_no_value_can_bring_in_another_header(text: str, place: str) -> None:
    headers = {"Username": text} if place == "value" else {text: "x"}
    with pytest.raises(ValueError, match="line break"):
        encode("Login", "1", headers)


def test_a_refused_value_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValueError, match="line break") as caught:
        encode("Login", "1", {"Key": "secret\r\n"})
    assert "secret" not in str(caught.value)


def test_a_block_is_read_whatever_is_in_its_values() -> None:
    block = decode(b"Event: X\r\nName: a: b!c\r\nBridgeId: \r\nEmpty:\r\nno header\r\nBad: \xff")
    assert block == {"Event": "X", "Name": "a: b!c", "BridgeId": "", "Empty": "", "Bad": "�"}


def test_a_header_that_comes_twice_says_nothing() -> None:
    # Either may be what a caller put into its number.
    block = decode(b"Event: X\r\nCallerIDNum: 1\r\nAccountCode: globex\r\nAccountCode: acme\r\nExten: 2")
    assert block == {"Event": "X", "CallerIDNum": "1", "Exten": "2"}
    assert decode(b"A: 1\r\nA:2\r\nB: 3\r\nA: 4") == {"B": "3"}
    assert decode(b"Empty:\r\nEmpty: \r\nB: 3") == {"B": "3"}


def test_of_variables_which_come_several_times_the_first_is_kept() -> None:
    block = decode(
        b"Event: X\r\nChanVariable: A=1\r\nChanVariable: B=2\r\nDestChanVariable: C=\r\nUniqueid: 1"
    )
    assert block == {"Event": "X", "ChanVariable": "A=1", "DestChanVariable": "C=", "Uniqueid": "1"}


def test_headers_keep_their_order_whatever_is_left_out() -> None:
    assert list(decode(b"B: 1\r\nA: 2\r\nno header\r\nC: 3\r\nA: 4\r\nD:")) == ["B", "C", "D"]


def test_a_block_begins_with_its_first_headers_only() -> None:
    block = decode(b"Event: X\r\nPrivilege: call,all\r\nNumber: 1")
    assert begins(block, "Event", "Privilege")
    assert not begins(block, "Event", "Number")
    assert not begins(block, "Privilege")
    assert not begins(decode(b"Event: X"), "Event", "Privilege")


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_that_is_read_of_a_recording_comes_twice(version: str) -> None:
    for path in sorted((DATA / version).glob("**/*.reply")):
        # Lines of a console, each a header of its own; an event of Asterisk's own tests; no AMI at all.
        if path.parent.name in ("ajam", "prometheus") or path.stem.startswith("Command-"):
            continue
        for raw in path.read_bytes().split(BLOCK_END):
            if b"Event: TestEvent" not in raw:
                names = [name for name, _ in decode_lines(raw)]
                assert list(decode(raw)) == names, path.name


def test_a_line_break_is_both_characters_and_lone_ones_stay_in_their_value() -> None:
    block = decode(b"Event: X\r\nName: a\nChannel: b\rState: c\r\nLast: \0")
    assert block == {"Event": "X", "Name": "a\nChannel: b\rState: c", "Last": "\0"}


def test_a_header_ends_with_its_first_colon_and_space() -> None:
    assert decode(b"Output: level 1: x\r\nTight:value") == {"Output": "level 1: x", "Tight": "value"}


def test_lines_are_all_there_in_order_however_often_a_header_comes() -> None:
    lines = decode_lines(recorded("22.10.1", "Command-core-show-taskprocessors").removesuffix(b"\r\n\r\n"))
    assert lines[0] == ("Response", "Success")
    assert [name for name, _ in lines[3:]] == ["Output"] * (len(lines) - 3)
    assert lines[-2] == ("Output", "129 taskprocessors")
    assert decode_lines(b"Tight:x\r\nnone\r\nTight:x") == [("Tight", "x"), ("Tight", "x")]


@given(STREAMS, st.randoms(use_true_random=False), st.sampled_from([5, 20, 60, MAX_BLOCK_BYTES]))
def test_pieces_of_any_size_make_the_same_blocks(stream: bytes, draw: random.Random, limit: int) -> None:
    cuts = sorted(draw.randrange(len(stream) + 1) for _ in range(draw.randrange(8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    finished = stream[: stream.rfind(b"\r\n\r\n") + 4] if b"\r\n\r\n" in stream else b""
    expected = [block[: limit + 1] for block in finished.split(b"\r\n\r\n")[:-1] if block]
    assert split(pieces, limit)[: len(expected)] == expected
    assert split([stream[n : n + 1] for n in range(len(stream))], limit) == split([stream], limit)


def test_more_than_one_empty_line_between_messages_is_no_message() -> None:
    stream = recorded("22.10.1", "CoreShowChannelMap") + b"\r\n\r\n\r\n\r\nResponse: Success\r\n\r\n"
    assert [decode(block).get("Response") for block in split([stream])] == ["Error", "Success"]


@pytest.mark.parametrize("piece", [1000, 100_000])
def test_of_a_message_that_is_too_large_the_beginning_is_given_once_and_the_rest_passed_over(
    piece: int,
) -> None:
    stream = b"Event: Big\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\nEvent: Next\r\n\r\n"
    big, following = split([stream[n : n + piece] for n in range(0, len(stream), piece)])
    assert len(big) == MAX_BLOCK_BYTES + 1
    assert big.startswith(b"Event: Big")
    assert following == b"Event: Next"


@pytest.mark.parametrize("unit", [b"x" * 1000, b"X: " + b"x" * 1000 + b"\r\n", b"\r", b"\n", b"\0"])
def test_a_message_without_end_is_not_kept(unit: bytes) -> None:
    splitter = Splitter()
    given = [len(block) for _ in range(300_000 // len(unit)) for block in splitter.feed(unit)]
    assert given == [MAX_BLOCK_BYTES + 1]
    assert len(splitter._rest) <= 3
    assert [decode(block) for block in splitter.feed(b"\r\n\r\nEvent: X\r\n\r\n")] == [{"Event": "X"}]


def test_a_message_of_just_the_limit_is_whole_however_it_comes() -> None:
    message = b"A: ".ljust(MAX_BLOCK_BYTES, b"x")
    for cut in range(len(message) - 2, len(message) + 4):
        stream = message + b"\r\n\r\n"
        assert split([stream[:cut], stream[cut:]]) == [message]
