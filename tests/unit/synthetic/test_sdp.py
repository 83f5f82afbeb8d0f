"""Session descriptions: what we write, and what is made of what others write."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.agents import sdp
from synthetic.agents.sdp import Stream
from synthetic.media.port import MediaPort

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AT = ("192.0.2.1", 4000)

ASTERISK = (
    "v=0\r\no=- 1821734567 1821734567 IN IP4 192.0.2.1\r\ns=Asterisk\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 10122 RTP/AVP 8 0 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
    "a=maxptime:150\r\na=sendrecv\r\n"
)
RTPENGINE = (
    "v=0\r\no=root 2890844526 2890844527 IN IP4 192.0.2.1\r\ns=session\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 30014 RTP/AVP 0 8 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=sendrecv\r\na=rtcp:30015\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:zIcRtPw8\r\na=ice-pwd:SY2zGQkJ0m5kTqYwY9mTlGkDGu\r\n"
    "a=candidate:Gvq0gY7Fm4UhMzq6 1 UDP 2130706431 192.0.2.1 30014 typ host\r\n"
    "a=candidate:Gvq0gY7Fm4UhMzq6 2 UDP 2130706430 192.0.2.1 30015 typ host\r\n"
)
BROWSER = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "a=msid-semantic: WMS stream\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110 126\r\nc=IN IP4 0.0.0.0\r\n"
    "a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:F7gI\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n"
    "a=rtpmap:126 telephone-event/8000\r\n"
)
SBC_HOLD = (
    "v=0\r\no=SBC 7 8 IN IP4 192.0.2.1\r\ns=sip call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 16400 RTP/AVP 0 18 100\r\nc=IN IP4 192.0.2.1\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:100 telephone-event/8000\r\n"
    "a=fmtp:100 0-15\r\na=sendonly\r\n"
)


@pytest.fixture
def media() -> Iterator[MediaPort]:
    port = MediaPort("127.0.0.1")
    yield port
    port.close()


@pytest.mark.parametrize(
    ("described", "stream"),
    [
        (ASTERISK, Stream(("192.0.2.1", 10122), (8, 0), "sendrecv", 101, ("192.0.2.1", 10123))),
        (RTPENGINE, Stream(("192.0.2.1", 30014), (0, 8), "sendrecv", 96, ("192.0.2.1", 30015))),
        (
            BROWSER,
            Stream(None, (), "inactive", why="wants the audio encrypted (UDP/TLS/RTP/SAVPF)"),
        ),
        (
            SBC_HOLD,
            Stream(
                ("192.0.2.1", 16400),
                (0,),
                "recvonly",
                100,
                ("192.0.2.1", 16401),
                "puts the audio on hold (a=sendonly)",
            ),
        ),
    ],
    ids=["Asterisk", "rtpengine", "a browser", "an SBC that holds"],
)
def test_what_servers_write_is_read(described: str, stream: Stream) -> None:
    assert sdp.read(described) == stream
    assert sdp.read(described.replace("\r\n", "\n")) == stream


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("m=audio 0 RTP/AVP 0", "refuses the audio (port 0)"),
        ("m=audio 4000 RTP/SAVP 0", "wants the audio encrypted (RTP/SAVP)"),
        ("m=audio 4000 udp 0", "wants the audio over udp, not RTP/AVP"),
        ("m=audio 4000 RTP/AVP 9 18", "has none of our codecs, only 9, 18"),
        ("m=audio 4000 RTP/AVP 9\r\na=rtpmap:9 G722/8000", "has none of our codecs, only G722/8000"),
        ("m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 opus/48000", "has none of our codecs, only OPUS/48000"),
        ("m=audio 4000 RTP/AVP x", "has none of our codecs, only unknown ones"),
        ("m=video 4000 RTP/AVP 0", "describes no audio"),
        ("", "describes no audio"),
        ("m=audio 4000 RTP/AVP 0\r\na=inactive", "puts the audio on hold (a=inactive)"),
        ("m=audio 4000 RTP/AVP 0\r\na=sendonly", "puts the audio on hold (a=sendonly)"),
        ("m=audio 4000 RTP/AVP 0\r\na=recvonly", "sends no audio (a=recvonly)"),
        (
            "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0",
            "puts the audio on hold, as RFC 2543 did (address 0.0.0.0)",
        ),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 ::", "puts the audio on hold, as RFC 2543 did (address ::)"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.2.36.42/127", "names a group to send to (224.2.36.42)"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 ff15::101/3", "names a group to send to (ff15::101)"),
        (
            "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 pbx.example",
            "names a host to send to, and no address (pbx.example)",
        ),
        (
            "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 255.255.255.255",
            "names an address to send to that is nobody's (255.255.255.255)",
        ),
        ("m=audio 70000 RTP/AVP 0", "names a port to send to that is none (70000)"),
    ],
)
def test_what_keeps_audio_from_flowing_is_said_for_a_person(written: str, why: str) -> None:
    assert sdp.read(f"{HEAD}{written}\r\n").why == why


def test_a_description_that_says_nowhere_where_to_names_no_address() -> None:
    assert sdp.read("v=0\r\nm=audio 4000 RTP/AVP 0\r\n") == Stream(
        None, (0,), "sendrecv", why="names no address to send to"
    )


def test_the_medias_own_connection_outweighs_the_sessions() -> None:
    stream = sdp.read(f"{HEAD}m=audio 4000 RTP/AVP 8 0\r\nc=IN IP6 ::1\r\n")
    assert stream == Stream(("::1", 4000), (8, 0), "sendrecv", rtcp=("::1", 4001))


def test_the_medias_own_direction_outweighs_the_sessions() -> None:
    assert sdp.read(f"{HEAD}a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n").direction == "recvonly"
    assert sdp.read(f"{HEAD}a=sendonly\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n").direction == "sendrecv"


@pytest.mark.parametrize(
    ("line", "rtcp"),
    [
        ("", ("192.0.2.1", 4001)),
        ("a=rtcp:53020", ("192.0.2.1", 53020)),
        ("a=rtcp:53020 IN IP4 192.0.2.7", ("192.0.2.7", 53020)),
        ("a=rtcp:53020 IN IP6 2001:db8::7", ("2001:db8::7", 53020)),
        ("a=rtcp:9 IN IP4 0.0.0.0", None),
        ("a=rtcp:0", None),
        ("a=rtcp:70000", None),
        ("a=rtcp:many", ("192.0.2.1", 4001)),
        ("a=rtcp-mux", ("192.0.2.1", 4001)),
    ],
)
def test_rtcp_goes_where_it_is_said_else_to_the_next_port(line: str, rtcp: tuple[str, int] | None) -> None:
    assert sdp.read(f"{HEAD}m=audio 4000 RTP/AVP 0\r\n{line}\r\n").rtcp == rtcp


def test_after_the_last_port_there_is_none_for_rtcp() -> None:
    assert sdp.read(f"{HEAD}m=audio 65535 RTP/AVP 0\r\n").rtcp is None


@pytest.mark.parametrize(
    ("written", "payloads", "events"),
    [
        ("0 8 101\r\na=rtpmap:101 telephone-event/8000", (0, 8), 101),
        ("0 97\r\na=rtpmap:97 Telephone-Event/8000/1", (0,), 97),
        ("0 110 126\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000", (0,), 126),
        ("0 101", (0,), None),
        ("0 8\r\na=rtpmap:101 telephone-event/8000", (0, 8), None),
        ("0 8\r\na=rtpmap:0 PCMU/16000", (8,), None),
        ("0 8\r\na=rtpmap:0 opus/48000", (8,), None),
        ("0 8\r\na=rtpmap:0 pcmu/8000/1", (0, 8), None),
        ("0 0 8 8", (0, 8), None),
        ("8 0\r\na=rtpmap:999 x/8000\r\na=rtpmap:1e3 y/8000\r\na=rtpmap:", (8, 0), None),
        ("0000 00 8", (0, 8), None),
    ],
)
def test_formats_are_what_their_rtpmap_says(
    written: str, payloads: tuple[int, ...], events: int | None
) -> None:
    stream = sdp.read(f"{HEAD}m=audio 4000 RTP/AVP {written}\r\n")
    assert (stream.payloads, stream.events) == (payloads, events)


def test_only_the_codecs_that_are_asked_for_are_ours() -> None:
    described = f"{HEAD}m=audio 4000 RTP/AVP 0 8\r\n"
    assert sdp.read(described, ("PCMA",)).payloads == (8,)
    assert sdp.read(described, ("PCMA", "PCMU")).payloads == (0, 8)  # the other side's order
    assert sdp.read(f"{HEAD}m=audio 4000 RTP/AVP 0\r\n", ("PCMA",)).why == "has none of our codecs, only 0"


def test_the_first_audio_that_we_can_take_is_taken() -> None:
    stream = sdp.read(f"{HEAD}m=audio 0 RTP/AVP 0\r\nm=audio 4002 RTP/SAVP 0\r\nm=audio 4000 RTP/AVP 0\r\n")
    assert stream == Stream(AT, (0,), "sendrecv", rtcp=("192.0.2.1", 4001))


def test_our_offer_has_the_codecs_in_the_order_that_is_asked_for(media: MediaPort) -> None:
    assert f"m=audio {media.port} RTP/AVP 0 8 101\r\n" in sdp.offer(media)
    reverse = sdp.offer(media, ("PCMA", "PCMU"))
    assert f"m=audio {media.port} RTP/AVP 8 0 101\r\n" in reverse
    assert reverse.index("a=rtpmap:8 PCMA/8000") < reverse.index("a=rtpmap:0 PCMU/8000")
    assert "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n" in reverse
    assert f"m=audio {media.port} RTP/AVP 0 101\r\n" in sdp.offer(media, ("PCMU",))


@pytest.mark.parametrize(("beside", "said"), [(1, ""), (7, "a=rtcp:{}\r\n")])
def test_an_rtcp_port_is_named_where_it_is_not_the_next(media: MediaPort, beside: int, said: str) -> None:
    media.rtcp_port = media.port + beside
    offer = sdp.offer(media)
    assert ("a=rtcp" in offer) is bool(said)
    assert said.format(media.rtcp_port) in offer
    stream = sdp.read(offer)
    assert stream.rtcp == ("127.0.0.1", media.rtcp_port)


@pytest.mark.parametrize("number", [None, 96, 101, 126])
def test_an_answer_calls_telephone_events_what_the_offer_does(media: MediaPort, number: int | None) -> None:
    events = "" if number is None else f" {number}\r\na=rtpmap:{number} telephone-event/8000"
    answer = sdp.answer(media, f"{HEAD}m=audio 4000 RTP/AVP 9 8 0{events}\r\n")
    assert answer is not None
    listed = "" if number is None else f" {number}"
    assert f"m=audio {media.port} RTP/AVP 8 0{listed}\r\n" in answer
    assert ("telephone-event" in answer) is (number is not None)
    assert sdp.read(answer).events == number


def test_an_answer_takes_from_the_offer_what_we_speak(media: MediaPort) -> None:
    answer = sdp.answer(media, "v=0\r\nm=audio 4000 RTP/AVP 9 8 0\r\n", ("PCMU",))
    assert answer is not None
    assert f"m=audio {media.port} RTP/AVP 0\r\n" in answer
    assert answer.endswith("\r\n")
    assert sdp.answer(media, "m=audio 4000 RTP/AVP 9 18\r\n") is None
    assert sdp.answer(media, "m=audio 4000 RTP/AVP 0\r\n", ("PCMA",)) is None
    assert sdp.answer(media, "m=video 4000 RTP/AVP 0\r\n") is None
    assert sdp.answer(media, None) == sdp.offer(media)
    assert sdp.answer(media, BROWSER) is None


def test_what_we_do_not_do_is_not_answered(media: MediaPort) -> None:
    answer = sdp.answer(media, RTPENGINE)
    assert answer is not None
    assert f"m=audio {media.port} RTP/AVP 0 8 96\r\n" in answer
    assert not any(word in answer for word in ("ice", "candidate", "rtcp", "mux", "BUNDLE"))


@pytest.mark.parametrize(
    "offered",
    [
        "m=audio 4000 RTP/AVP " + " ".join(map(str, range(127, -1, -1))),
        "m=audio 4000/2 RTP/AVP 96 8 0",
        "m=x-data 9 RTP/AVP 0\r\nm=audio 4000 RTP/AVP 96 8 0",
        "m=audio 4000 RTP/AVP 8 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "m=audio 0 RTP/AVP 8 0\r\nm=audio 4000 RTP/AVP 8 0\r\nm=audio 4000 RTP/AVP 8 0",
    ],
    ids=[
        "every payload type",
        "a range of ports",
        "a type that is nobody's",
        "a stream that is no RTP",
        "several audios",
    ],
)
def test_an_offer_of_g711_among_anything_else_is_taken(media: MediaPort, offered: str) -> None:
    answer = sdp.answer(media, f"v=0\r\nc=IN IP4 192.0.2.1\r\n{offered}\r\n")
    assert answer is not None
    assert answer.count(f"m=audio {media.port} RTP/AVP 8 0\r\n") == 1
    assert answer.count("\r\nm=") == offered.count("m=")


def test_each_section_of_an_offer_is_answered_and_a_changed_answer_is_counted(media: MediaPort) -> None:
    first = sdp.answer(media, "v=0\r\nm=video 5000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 8\r\n")
    second = sdp.answer(media, "v=0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\n")
    assert first is not None
    assert second is not None
    assert "m=video 0 RTP/AVP 96\r\n" in first
    assert first.index("m=video") < first.index("m=audio")
    assert "a=recvonly" in second
    assert [text.split("\r\n")[1].split()[2] for text in (first, second)] == ["1", "2"]


def test_a_session_on_hold_is_answered_as_one(media: MediaPort) -> None:
    answer = sdp.answer(media, f"{HEAD}a=inactive\r\nm=audio 4000 RTP/AVP 0\r\n")
    assert answer is not None
    assert "a=inactive\r\n" in answer


@pytest.mark.parametrize(
    "hostile",
    [
        HEAD + "a=x\r\n" * 100_000 + "m=audio 4000 RTP/AVP 0\r\n",
        HEAD + "m=audio 4000 RTP/AVP 0\r\n" * 10_000,
        HEAD + "m=audio 4000 RTP/AVP" + " 0" * 30_000 + "\r\n",
        HEAD + "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 " + "x" * 60_000 + "/8000\r\n",
        HEAD + "c=IN IP4 " + "1." * 30_000 + "\r\nm=audio 4000 RTP/AVP 0\r\n",
        "\x00" * 1000 + "m=audio 4000 RTP/AVP 0\x00\r\n",
        HEAD + "m=audio 99999999 RTP/AVP 0\r\nm=audio -1 RTP/AVP 0\r\nm=audio ٤٠٠٠ RTP/AVP 0\r\n",
        HEAD + "m=audio 4000 \x1b[31mRTP\x07 0\r\n",
        "\r\n".join("m=" * depth for depth in range(200)),
    ],
    ids=["long", "many", "wide", "a long name", "a long address", "NULs", "odd ports", "escapes", "nested"],
)
def test_a_hostile_description_is_read_in_bounds(hostile: str) -> None:
    stream = sdp.read(hostile)
    assert len(stream.payloads) <= 2
    assert len(stream.why) < 160
    assert stream.why.isprintable()
    assert stream.why.isascii()


@given(st.text(max_size=300))
def test_any_description_is_read_and_answered_or_not(text: str) -> None:
    port = MediaPort("127.0.0.1")
    try:
        for body in (text, f"v=0\r\nm=audio 4000 RTP/AVP 0\r\n{text}", f"m=audio {text}"):
            assert sdp.read(body).why.isprintable()
            assert sdp.answer(port, body) is None or sdp.read(body).payloads
    finally:
        port.close()
