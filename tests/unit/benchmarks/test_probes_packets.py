"""What the packets alone say of RRD, SRD and SDD."""

import pytest

from benchmarks.probes.packets import SipPacket, Wire, first_call_id, parse

FRONT = 5060
PHONE = 40001
CALLEE = 40002
MS = 1_000_000


def sent(at: int, method: str, call_id: str = "c1", port: int = PHONE) -> SipPacket:
    """A request from a phone to the front, `at` milliseconds."""
    return SipPacket(at * MS, port, FRONT, call_id, method, None)


def answered(at: int, method: str, status: int, call_id: str = "c1", port: int = PHONE) -> SipPacket:
    """A response from the front to a phone."""
    return SipPacket(at * MS, FRONT, port, call_id, method, status)


def milliseconds(timing: str, *packets: SipPacket, call_id: str = "c1") -> float | None:
    """What the wire says of one call."""
    span = Wire(packets, FRONT).span(timing, call_id)
    return None if span is None else span.seconds * 1e3


REGISTER = (
    sent(10, "REGISTER"),
    answered(11, "REGISTER", 401),
    sent(12, "REGISTER"),
    answered(14, "REGISTER", 200),
)
CALL = (
    sent(100, "INVITE"),
    answered(101, "INVITE", 407),
    sent(101, "ACK"),
    sent(102, "INVITE"),
    answered(103, "INVITE", 100),
    answered(107, "INVITE", 180),
    answered(300, "INVITE", 200),
    sent(301, "ACK"),
    sent(600, "BYE"),
    answered(603, "BYE", 200),
)


def test_rrd_has_the_authentication_inside() -> None:
    assert milliseconds("rrd", *REGISTER) == pytest.approx(4)


def test_rrd_ends_with_the_first_200_not_with_that_of_the_leaving() -> None:
    leaving = (sent(50, "REGISTER"), answered(59, "REGISTER", 200))
    assert milliseconds("rrd", *REGISTER, *leaving) == pytest.approx(4)


def test_a_refused_registration_has_no_rrd() -> None:
    assert milliseconds("rrd", *REGISTER[:3], answered(14, "REGISTER", 403)) is None


def test_srd_passes_over_the_challenge_and_the_100() -> None:
    assert milliseconds("srd", *CALL) == pytest.approx(7)


def test_srd_ends_with_the_200_where_nothing_else_came() -> None:
    assert milliseconds("srd", *(p for p in CALL if p.status != 180)) == pytest.approx(200)


@pytest.mark.parametrize("status", [302, 486, 500, 603])
def test_a_call_that_failed_has_no_srd(status: int) -> None:
    assert milliseconds("srd", sent(100, "INVITE"), answered(105, "INVITE", status)) is None


def test_sdd_is_from_the_bye_to_its_200() -> None:
    assert milliseconds("sdd", *CALL) == pytest.approx(3)


def test_a_retransmission_moves_neither_end() -> None:
    again = (sent(601, "BYE"), answered(610, "BYE", 200))
    assert milliseconds("sdd", *CALL, *again) == pytest.approx(3)


def test_the_callees_leg_is_not_the_callers() -> None:
    other_leg = (
        SipPacket(103 * MS, FRONT, CALLEE, "c1", "INVITE", None),
        SipPacket(104 * MS, CALLEE, FRONT, "c1", "INVITE", 180),
    )
    packets = sorted((*CALL, *other_leg), key=lambda p: p.at)
    assert milliseconds("srd", *packets) == pytest.approx(7)


def test_an_answer_to_another_port_ends_nothing() -> None:
    assert milliseconds("sdd", sent(600, "BYE"), answered(601, "BYE", 200, port=CALLEE)) is None


def test_a_call_nobody_saw_has_no_timing() -> None:
    assert milliseconds("srd", *CALL, call_id="another") is None


def test_a_call_whose_request_was_lost_has_no_timing() -> None:
    assert milliseconds("sdd", answered(603, "BYE", 200)) is None


def test_the_calls_of_a_port_come_in_the_order_of_their_ends() -> None:
    packets = (
        sent(1, "BYE", "slow"),
        sent(2, "BYE", "quick"),
        sent(2, "BYE", "of another", CALLEE),
        answered(3, "BYE", 200, "of another", CALLEE),
        answered(4, "BYE", 200, "quick"),
        answered(9, "BYE", 200, "slow"),
        sent(10, "BYE", "unanswered"),
    )
    spans = Wire(packets, FRONT).spans_of("sdd", PHONE)
    assert [span.seconds * 1e3 for span in spans] == pytest.approx([2, 8])


def test_stamps_keep_their_nanoseconds() -> None:
    (packet,) = parse(["1795406797.239859139\t40001\t5060\tc1\tREGISTER\t\n"])
    assert packet == SipPacket(1795406797239859139, PHONE, FRONT, "c1", "REGISTER", None)


def test_responses_have_their_status() -> None:
    (packet,) = parse(["1.000000001\t5060\t40001\tc1\tINVITE\t180"])
    assert packet == SipPacket(1_000_000_001, FRONT, PHONE, "c1", "INVITE", 180)


def test_packets_are_sorted_by_their_stamps() -> None:
    lines = ["2.000000000\t1\t2\tlate\tBYE\t", "1.000000000\t1\t2\tearly\tBYE\t"]
    assert [packet.call_id for packet in parse(lines)] == ["early", "late"]


@pytest.mark.parametrize("line", ["", "1.000000000\t1\t2\t\t\t", "1.000000000\t1\t2"])
def test_what_is_no_sip_is_left_out(line: str) -> None:
    assert parse([line]) == []


def test_stamps_in_microseconds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.000001 has 6 decimals, 9 are needed"):
        parse(["1.000001\t1\t2\tc1\tBYE\t"])


def test_a_probes_call_id_is_that_of_its_first_request() -> None:
    texts = [
        "SIP/2.0 200 OK\r\nCall-ID: answer\r\n\r\n",
        "REGISTER sip:x SIP/2.0\r\nCall-ID: binding\r\n\r\n",
        "INVITE sip:x SIP/2.0\r\nVia: y\r\ncall-id :  first \r\n\r\n",
        "INVITE sip:x SIP/2.0\r\ni: second\r\n\r\n",
    ]
    assert first_call_id(texts, "INVITE") == "first"
    assert first_call_id(texts, "REGISTER") == "binding"
    assert first_call_id(texts[3:], "INVITE") == "second"
    assert first_call_id(texts, "BYE") is None
