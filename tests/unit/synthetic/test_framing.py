"""Messages out of a stream: however the bytes arrive, and whatever they are."""

import random

import pytest

from synthetic.agents.framing import MAX_BODY, MAX_HEAD, Framer, FramingError


def taken(framer: Framer) -> list[bytes]:
    found = []
    while (message := framer.next()) is not None:
        found.append(message)
    return found


def a_message(number: int, body: bytes, name: bytes) -> bytes:
    head = b"OPTIONS sip:x SIP/2.0\r\nCall-ID: %d\r\n%s%d\r\n\r\n" % (number, name, len(body))
    return head + body


@pytest.mark.parametrize("size", [1, 2, 7, 1460, 65536])
def test_messages_come_out_whole_however_the_stream_was_cut(size: int) -> None:
    rng = random.Random(size)
    messages, stream = [], b""
    for number in range(200):
        body = rng.randbytes(rng.randrange(300)).replace(b"\0", b"\r\n\r\n")
        name = rng.choice([b"Content-Length: ", b"l:", b"CONTENT-LENGTH \t: "])
        messages.append(a_message(number, body, name))
        stream += rng.choice([b"", b"\r\n", b"\r\n\r\n"]) + messages[-1]
    framer, found = Framer(), []
    for start in range(0, len(stream), size):
        framer.feed(stream[start : start + size])
        found += taken(framer)
    assert found == messages
    assert framer.rest == b""


def test_a_length_in_the_body_is_no_header() -> None:
    message = a_message(1, b"\r\nContent-Length: 999\r\n", b"Content-Length: ")
    framer = Framer()
    framer.feed(message * 2)
    assert taken(framer) == [message, message]


def test_a_message_without_a_length_has_no_body() -> None:
    framer = Framer()
    framer.feed(b"OPTIONS sip:x SIP/2.0\r\n\r\nSIP/2.0 200 OK\r\n\r\n")
    assert len(taken(framer)) == 2


def test_two_line_ends_are_a_ping_and_one_is_an_answer() -> None:
    framer = Framer()
    framer.feed(b"\r\n\r\n")
    assert framer.next() is None
    assert framer.pings == 1
    framer.feed(b"\r\n")
    assert framer.next() is None
    assert framer.pings == 1


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS sip:x SIP/2.0\r\n" + b"A: b\r\n" * MAX_HEAD,
        b"x" * (MAX_HEAD + 1),
        b"OPTIONS sip:x SIP/2.0\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 4\r\nl: 5\r\n\r\nabcde",
    ],
)
def test_what_would_never_end_or_can_be_cut_in_two_ways_is_an_error(data: bytes) -> None:
    framer = Framer()
    framer.feed(data)
    with pytest.raises(FramingError):
        taken(framer)


def test_random_bytes_are_an_error_or_messages_and_nothing_else() -> None:
    rng = random.Random(7)
    for _ in range(300):
        framer = Framer()
        try:
            for _ in range(20):
                framer.feed(
                    rng.choice([rng.randbytes(50), b"\r\n\r\n", b"l: 3\r\n", b"Content-Length: 7\r\n"])
                )
                taken(framer)
        except FramingError:
            continue
        assert len(framer.rest) <= 20 * 50
