"""Session descriptions that come past the relay of RTP: whose ports they name then, and which stay."""

from collections.abc import Sequence
from typing import cast

import pytest

from lab.faults.media.description import Descriptions
from lab.faults.media.relay import MediaRelay
from lab.faults.message import SipText

CALLER, CALLEE = ("127.0.0.1", 5070), ("127.0.0.1", 5080)


class Aimed:
    """A relay with ports that only remembers what it is told."""

    def __init__(self, ports: Sequence[tuple[int, int]] = ((20000, 20002),)) -> None:
        self.ports = ports
        self.aimed: list[tuple[int, int, str, int, int]] = []

    def aim(self, *where: object) -> None:
        self.aimed.append(cast("tuple[int, int, str, int, int]", where))


def descriptions(relay: Aimed) -> Descriptions:
    return Descriptions(cast(MediaRelay, relay))


def a_message(*lines: str, call: str = "c1", kind: str = "application/sdp") -> SipText:
    body = "\r\n".join(["v=0", "s=-", *lines]) + "\r\n"
    return SipText("INVITE sip:x SIP/2.0", [("Call-ID", call), ("Content-Type", kind)], body)


def audio(port: int, *more: str) -> tuple[str, ...]:
    return ("c=IN IP4 127.0.0.1", f"m=audio {port} RTP/AVP 0 8 101", *more)


def test_an_offer_and_its_answer_name_the_ports_that_stand_for_each() -> None:
    relay = Aimed()
    on_the_way = descriptions(relay)
    offer = on_the_way.redirected(a_message(*audio(6000, "a=sendrecv")), CALLER)
    assert offer.body == a_message(*audio(20000, "a=sendrecv")).body
    assert on_the_way.redirected(a_message(*audio(7000)), CALLEE).body == a_message(*audio(20002)).body
    assert relay.aimed == [(0, 0, "127.0.0.1", 6000, 6001), (0, 1, "127.0.0.1", 7000, 7001)]


def test_a_description_that_comes_past_again_stays_as_it_is() -> None:
    relay = Aimed()
    on_the_way = descriptions(relay)
    offer = on_the_way.redirected(a_message(*audio(6000)), CALLER)
    assert on_the_way.redirected(offer, "down") is offer
    assert len(relay.aimed) == 1


def test_a_later_offer_of_either_side_keeps_the_port_and_aims_anew() -> None:
    relay = Aimed()
    on_the_way = descriptions(relay)
    for sender, port in ((CALLER, 6000), (CALLEE, 7000), (CALLEE, 7100), (CALLER, 6100)):
        on_the_way.redirected(a_message(*audio(port)), sender)
    assert [(end, port) for _, end, _, port, _ in relay.aimed] == [(0, 6000), (1, 7000), (1, 7100), (0, 6100)]


def test_rtcp_goes_where_the_description_says_and_is_told_the_relays_port() -> None:
    relay = Aimed()
    told = descriptions(relay).redirected(a_message(*audio(6000, "a=rtcp:6050")), CALLER)
    assert "a=rtcp:20001\r\n" in told.body
    assert relay.aimed == [(0, 0, "127.0.0.1", 6000, 6050)]


def test_the_address_of_the_medium_counts_before_that_of_the_session() -> None:
    relay = Aimed()
    message = a_message("c=IN IP4 127.0.0.9", "m=audio 6000 RTP/AVP 0", "c=IN IP4 127.0.0.2")
    told = descriptions(relay).redirected(message, CALLER)
    assert relay.aimed == [(0, 0, "127.0.0.2", 6000, 6001)]
    assert told.body.count("c=IN IP4 127.0.0.1\r\n") == 2


def test_each_call_has_its_own_ports_and_one_too_many_keeps_its_own() -> None:
    relay = Aimed([(20000, 20002), (20004, 20006)])
    on_the_way = descriptions(relay)
    told = [on_the_way.redirected(a_message(*audio(6000), call=call), CALLER).body for call in "abc"]
    assert told == [a_message(*audio(port)).body for port in (20000, 20004, 6000)]


@pytest.mark.parametrize(
    "message",
    [
        a_message(*audio(0)),
        a_message("c=IN IP4 0.0.0.0", "m=audio 6000 RTP/AVP 0"),
        a_message("c=IN IP6 ::1", "m=audio 6000 RTP/AVP 0"),
        a_message("m=audio 6000 RTP/AVP 0"),
        a_message("c=IN IP4 127.0.0.1", "m=video 6000 RTP/AVP 31"),
        a_message(*audio(6000), kind="text/plain"),
        SipText("BYE sip:x SIP/2.0", [("Call-ID", "c1")]),
    ],
)
def test_what_has_no_audio_that_could_be_relayed_stays_as_it_is(message: SipText) -> None:
    relay = Aimed()
    assert descriptions(relay).redirected(message, CALLER) is message
    assert relay.aimed == []


def test_of_several_streams_the_first_audio_alone_is_relayed() -> None:
    message = a_message(
        "c=IN IP4 127.0.0.1", "m=video 5000 RTP/AVP 31", *audio(6000)[1:], "m=audio 8000 RTP/AVP 0"
    )
    told = descriptions(Aimed()).redirected(message, CALLER)
    assert [line for line in told.body.split("\r\n") if line.startswith("m=")] == [
        "m=video 5000 RTP/AVP 31",
        "m=audio 20000 RTP/AVP 0 8 101",
        "m=audio 8000 RTP/AVP 0",
    ]
