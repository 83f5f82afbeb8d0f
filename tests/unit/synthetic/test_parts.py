"""Targets, session descriptions, lateness, the pipe's spelling of things."""

import socket

import pytest

from dialtone.model import Evidence, Failure, FailureCode, Flow, Mark, Message
from synthetic.agents import sdp
from synthetic.agents.codec import decode_report, decode_request, encode_report, encode_request
from synthetic.agents.wirelog import MAX_BYTES, MAX_MESSAGES, Packet, WireLog
from synthetic.lateness import LatenessMeter
from synthetic.probes.runner import Report
from synthetic.target import Target, parse_target
from tests.fakes.sip_probes import a_request


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sip:127.0.0.1:5070;transport=udp", Target("127.0.0.1", 5070)),
        ("sip:edge.example", Target("edge.example", 5060)),
        ("SIP:edge.example;TRANSPORT=UDP", Target("edge.example", 5060)),
        ("sip:[::1]:5062", Target("::1", 5062)),
    ],
)
def test_a_target_is_host_and_port(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", "sip:", "sip:a:0", "sip:a:70000", "sip:a;transport=tcp", "sip:a b", "sip:u@a"]
)
def test_what_is_no_target_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"target|transport|port"):
        parse_target(text)


def test_an_answer_takes_from_the_offer_what_we_speak() -> None:
    media = sdp.MediaPort("127.0.0.1")
    try:
        answer = sdp.answer(media, "v=0\r\nm=audio 4000 RTP/AVP 9 8 0 101\r\n")
        assert answer is not None
        assert f"m=audio {media.port} RTP/AVP 8 0 101\r\n" in answer
        assert answer.endswith("\r\n")
        assert sdp.answer(media, "m=audio 4000 RTP/AVP 9 18\r\n") is None
        assert sdp.answer(media, "m=video 4000 RTP/AVP 0\r\n") is None
        assert sdp.answer(media, None) == sdp.offer(media)
    finally:
        media.close()


def test_a_description_names_a_port_that_is_really_bound() -> None:
    media = sdp.MediaPort("127.0.0.1")
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
            pytest.raises(OSError, match="in use"),
        ):
            other.bind(("127.0.0.1", media.port))
    finally:
        media.close()


def test_the_worst_lateness_is_that_of_the_probe_and_not_of_the_time_before() -> None:
    meter = LatenessMeter()
    meter.note(10.0, 0.5)
    meter.note(20.0, 0.15)
    meter.note(21.0, 0.001)
    assert meter.worst_since(5.0) == 0.5
    assert meter.worst_since(15.0) == 0.15
    assert meter.worst_since(20.5) == 0.0


def test_a_request_travels_whole() -> None:
    request = a_request(Flow.CALL)
    assert decode_request(encode_request(request)) == request


def test_a_report_travels_whole() -> None:
    marks = (Mark("answered", 0.25),)
    report = Report(Failure(FailureCode.SIP_4XX, "404"), 404, {"srd": 0.1}, marks, 1.5)
    evidence = Evidence((Message(0.1, "caller", "sent", "a:1", "b:2", "udp", "INVITE \u00e9"),), marks)
    assert decode_report(encode_report(report, evidence)) == (report, evidence)


def test_evidence_is_bounded_in_messages_and_in_bytes() -> None:
    def packet(size: int) -> Packet:
        return Packet(0.0, "phone", "received", ("127.0.0.1", 1), ("127.0.0.1", 2), b"x" * size, size)

    many, big = WireLog(), WireLog()
    for _ in range(MAX_MESSAGES * 2):
        many.add(packet(100))
        big.add(packet(8000))
    assert (len(many.packets), many.dropped) == (MAX_MESSAGES, MAX_MESSAGES)
    assert sum(len(kept.data) for kept in big.packets) <= MAX_BYTES
