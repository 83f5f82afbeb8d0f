"""AMI's framing."""

import pytest

from collectors.asterisk.wire import decode, encode


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


def test_of_a_repeated_header_the_first_value_is_kept() -> None:
    # Whatever a caller manages to get into a later line can't take the channel's name away.
    assert decode(b"Channel: PJSIP/a-1\r\nChannel: Local/b;1")["Channel"] == "PJSIP/a-1"
