"""Messages are taken apart whatever shape they are in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic.capture.records import SipPacket
from synthetic.capture.sip import MAX_NAME, Party, Sip, parse, party
from tests.fakes.sip_capture import CALLEE, CALLER, sip


def taken(data: bytes) -> Sip | None:
    return parse(SipPacket(1.0, CALLER, CALLEE, "UDP", data))


def test_a_request_says_who_calls_whom() -> None:
    said = parse(sip(1.0, "INVITE", more="Authorization: Digest x\r\n", body="v=0\r\n"))
    assert said is not None
    assert (said.method, said.status, said.call_id, said.sequence) == ("INVITE", None, "c1", 1)
    assert (str(said.caller), said.from_tag, said.to_tag) == ("100@acme.ntek.example", "a", "")
    assert (said.branch, said.credentials, said.body) == ("z9hG4bK1", True, "v=0\r\n")
    assert said.uri == Party("200", "acme.ntek.example")


def test_compact_folded_and_badly_ended_headers_are_read() -> None:
    said = taken(
        b"\r\n\r\nSIP/2.0 486 Busy Here\nv: SIP/2.0/UDP x\n ;branch=z9x\nf:<sip:A@EXAMPLE.com.>\n\t;tag=1\n"
        b"t: sip:b@example.com;tag=2\nI : abc\ncseq:  7\tINVITE\nno colon here\n\nbody"
    )
    assert said is not None
    assert (said.method, said.status, said.reason) == ("INVITE", 486, "Busy Here")
    assert (said.branch, said.from_tag, said.to_tag, said.call_id) == ("z9x", "1", "2", "abc")
    assert said.caller == Party("A", "example.com")
    assert said.body == "body"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\x00garbage",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\nCall-ID: a\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\nCall-ID: a\r\nCSeq: many INVITE\r\n\r\n",
        b"INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n",
        b"SIP/2.0 9999 Odd\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n",
    ],
)
def test_what_belongs_to_nothing_is_nothing(data: bytes) -> None:
    assert taken(data) is None


@pytest.mark.parametrize(
    ("text", "found", "domain"),
    [
        (
            "<sip:100:secret@acme.example:5070;transport=tcp>;tag=1",
            Party("100", "acme.example"),
            "acme.example",
        ),
        ('"a, <sip:evil@evil.example>" <sips:1@a.example>', Party("1", "a.example"), "a.example"),
        ("sip:a.example;tag=x", Party("", "a.example"), "a.example"),
        ("<sip:1@192.0.2.7>", Party("1", "192.0.2.7"), ""),
        ("<sip:1@[2001:db8::1]:5060>", Party("1", "2001:db8::1"), ""),
        ("<tel:+15145550100>", Party("+15145550100"), ""),
        ("<sip:1@bad domain>", Party("1", "bad domain"), ""),
        ("<<<>>>", Party(), ""),
    ],
)
def test_whom_a_header_names(text: str, found: Party, domain: str) -> None:
    assert party(text) == found
    assert party(text).domain == domain


def test_a_call_id_of_ten_kilobytes_is_cut_and_still_told_from_another() -> None:
    long = [parse(sip(0, "INVITE", call_id="x" * 10_000 + end)) for end in "ab"]
    names = {said.call_id for said in long if said is not None}
    assert len(names) == 2
    assert max(map(len, names)) <= MAX_NAME


@given(st.binary(max_size=300), st.integers(0, 200))
def test_nothing_makes_it_raise(garbage: bytes, where: int) -> None:
    whole = sip(0, "INVITE").data
    taken(garbage)
    taken(whole[:where] + garbage + whole[where:])
