"""Session descriptions, lateness."""

import socket

import pytest

from synthetic.agents import sdp
from synthetic.agents.media import MediaPort
from synthetic.agents.wirelog import MAX_BYTES, MAX_MESSAGES, Packet, WireLog
from synthetic.lateness import LatenessMeter


def test_an_answer_takes_from_the_offer_what_we_speak() -> None:
    media = MediaPort("127.0.0.1")
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
    media = MediaPort("127.0.0.1")
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


def test_evidence_is_bounded_in_messages_and_in_bytes() -> None:
    def packet(size: int) -> Packet:
        return Packet(0.0, "phone", "received", ("127.0.0.1", 1), ("127.0.0.1", 2), b"x" * size, size)

    many, big = WireLog(), WireLog()
    for _ in range(MAX_MESSAGES * 2):
        many.add(packet(100))
        big.add(packet(8000))
    assert (len(many.packets), many.dropped) == (MAX_MESSAGES, MAX_MESSAGES)
    assert sum(len(kept.data) for kept in big.packets) <= MAX_BYTES
