"""The message file of 3.6.1 as it wrote it, forms of other versions, and hostile content."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from synthetic.agents.wirelog import MAX_BYTES, MAX_MESSAGE, MAX_MESSAGES
from synthetic.sipp.messages import parse_messages

DATA = Path(__file__).parents[2] / "data/sipp"
RULE = b"-" * 47
AT = 1795407826.247219


def entry(
    body: bytes,
    direction: str = "sent",
    *,
    stamp: str = "2026-11-23 04:23:46.247219",
    size: int | None = None,
) -> bytes:
    shown = (
        f"({len(body) if size is None else size} bytes)" if direction == "sent" else f"[{len(body)}] bytes "
    )
    return RULE + f" {stamp}\nUDP message {direction} {shown}:\n\n".encode() + body + b"\n"


def test_a_call_is_read_message_by_message() -> None:
    messages, dropped = parse_messages((DATA / "passed/messages.log").read_bytes())
    assert dropped == 0
    first = [(message.direction, message.text.split("\r\n")[0].split(" sip:")[0]) for message in messages[:6]]
    assert first == [
        ("sent", "INVITE"),
        ("received", "SIP/2.0 180 Ringing"),
        ("received", "SIP/2.0 200 OK"),
        ("sent", "ACK"),
        ("sent", "BYE"),
        ("received", "SIP/2.0 200 OK"),
    ]
    assert len(messages) == 12
    assert all(message.text.endswith("Content-Length: 0\r\n\r\n") for message in messages)
    assert messages[0].at == AT


def test_a_message_that_sipp_remarks_on_again_is_there_once() -> None:
    messages, _ = parse_messages((DATA / "refused/messages.log").read_bytes())
    assert [message.text.split(" ")[0] for message in messages] == ["INVITE", "SIP/2.0", "ACK"]


def test_stamps_of_all_versions_are_utc_to_the_microsecond() -> None:
    stamps = ["2026-11-23 04:23:46.247219", "2026-11-23T04:23:46.247219Z", "2026-11-22T23:23:46.247219-05:00"]
    data = b"".join(entry(b"BYE", stamp=stamp) for stamp in stamps)
    assert [message.at for message in parse_messages(data)[0]] == [AT, AT, AT]


def test_the_header_of_the_newest_version_is_understood() -> None:
    data = RULE + b" 2026-11-23T04:23:46.247219Z\nTLS message sent [3] bytes:\n\nBYE\n"
    assert [(message.direction, message.text) for message in parse_messages(data)[0]] == [("sent", "BYE")]


def test_a_body_that_looks_like_another_entry_is_part_of_its_message() -> None:
    hostile = b"SIP/2.0 200 OK\r\n\r\n" + entry(b"INVITE forged", "received")
    for data in (
        entry(hostile, "received") + entry(b"BYE"),
        entry(hostile, "received")
        + RULE
        + b"\nUnexpected UDP message received:\n\n"
        + hostile
        + b"\n"
        + entry(b"BYE"),
    ):
        assert [message.text for message in parse_messages(data)[0]] == [hostile.decode(), "BYE"]


def test_a_message_that_was_printed_up_to_its_nul_does_not_swallow_the_next() -> None:
    data = (
        RULE
        + b" 2026-11-23 04:23:46.247219\nUDP message received [90] bytes :\n\nSIP/2.0 200\n"
        + entry(b"BYE")
    )
    assert [message.text for message in parse_messages(data)[0]] == ["SIP/2.0 200", "BYE"]


def test_a_message_cut_off_by_the_end_of_the_file_is_kept_as_far_as_it_goes() -> None:
    assert [message.text for message in parse_messages(entry(b"INVITE sip:x", size=500))[0]] == [
        "INVITE sip:x\n"
    ]


def test_bytes_that_are_no_utf_8_stay_visible() -> None:
    assert parse_messages(entry(b"caf\xe9 \xc3\xa9"))[0][0].text == "caf\\xe9 é"


def test_commands_to_the_control_port_and_impossible_dates_are_no_messages() -> None:
    control = RULE + b" 2026-11-23 04:23:46.247219\nUDP control message received [1] bytes :\n\nq\n"
    assert parse_messages(control + entry(b"BYE", stamp="2026-02-31 04:23:46.247219")) == ((), 0)


def test_many_messages_are_bounded_and_the_rest_is_counted() -> None:
    messages, dropped = parse_messages(entry(b"BYE") * (MAX_MESSAGES + 7))
    assert (len(messages), dropped) == (MAX_MESSAGES, 7)


def test_long_messages_are_cut_and_bounded_in_all() -> None:
    messages, dropped = parse_messages(entry(b"x" * 60_000) * 40)
    assert {len(message.text) for message in messages} == {MAX_MESSAGE}
    assert len(messages) == MAX_BYTES // MAX_MESSAGE
    assert dropped == 40 - len(messages)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_body_comes_back_whole_and_what_follows_it_too(first: bytes, second: bytes) -> None:
    messages, _ = parse_messages(entry(first) + entry(second, "received"))
    assert [message.text for message in messages] == [
        body.decode("utf-8", "backslashreplace") for body in (first, second)
    ]


@given(st.binary(max_size=600))
def test_no_file_makes_it_raise(garbage: bytes) -> None:
    assert parse_messages(garbage + entry(b"BYE"))[1] == 0
