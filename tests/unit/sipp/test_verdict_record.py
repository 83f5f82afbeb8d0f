"""What the traces of a probe's runs tell."""

import pytest

from dialtone.model import Secret
from synthetic.sipp import call, register
from synthetic.sipp.record import Leg, agreed, hiding, messages, said
from synthetic.sipp.run import Traced
from tests.fakes.sipp_runs import (
    CALL_ID,
    LOCAL,
    a_call,
    a_call_trip,
    a_callee,
    a_caller,
    a_leg,
    a_register_trip,
    a_registration,
    a_request_received,
    a_request_sent,
    a_response,
    a_timer,
)


def timings(registration: Leg, caller: Leg | None) -> tuple[dict[str, float], bool]:
    if caller is None:
        return agreed(register.timings(a_register_trip(registration)))
    return agreed(call.timings(a_call_trip(registration, caller=caller)))


def test_rrd_is_from_the_first_register_to_its_200() -> None:
    measured, clock_set = timings(a_registration(), None)
    assert measured == {"rrd": pytest.approx(0.03)}
    assert not clock_set


def test_a_registration_that_failed_measures_nothing() -> None:
    leg = a_leg(
        "phone", "refused 500", messages=(a_request_sent("REGISTER"), a_response(500, "REGISTER", 1.0))
    )
    assert timings(leg, None) == ({}, False)


def test_a_call_has_every_timing() -> None:
    measured, _ = timings(a_registration("callee"), a_caller())
    assert measured == {
        "srd": pytest.approx(0.25),
        "pdd": pytest.approx(0.25),
        "sdd": pytest.approx(0.05),
        "sdt": pytest.approx(0.7),
    }


def test_another_provisional_response_ends_srd_and_not_pdd() -> None:
    exchange = (
        a_request_sent("INVITE", 2.0),
        a_response(182, "INVITE", 2.1),
        a_response(183, "INVITE", 2.3),
        a_response(200, "INVITE", 2.4),
    )
    measured, _ = timings(a_registration(), a_caller("answered 200", messages=exchange))
    assert measured == {"srd": pytest.approx(0.1), "pdd": pytest.approx(0.3)}


def test_a_180_that_the_200_overtook_leaves_the_200_to_end_both() -> None:
    exchange = (
        a_request_sent("INVITE", 2.0),
        a_response(200, "INVITE", 2.4),
        a_response(180, "INVITE", 2.41),
    )
    measured, _ = timings(a_registration(), a_caller("answered 200", messages=exchange))
    assert measured == {"srd": pytest.approx(0.4), "pdd": pytest.approx(0.4)}


def test_a_wall_clock_that_was_set_leaves_the_timings_to_sipps_own_clock() -> None:
    trips = (a_timer("pdd", 0.252), a_timer("srd", 0.404), a_timer("sdd", 60.0))
    measured, clock_set = timings(a_registration(), a_caller(round_trips=trips))
    assert clock_set
    assert measured == {"srd": 0.252, "pdd": 0.252, "sdd": 60.0}


def test_a_negative_timing_is_never_told() -> None:
    exchange = (a_request_sent("REGISTER", 9.0), a_response(200, "REGISTER", 1.0))
    assert timings(a_leg("phone", "registered 200", messages=exchange), None) == ({}, True)


def test_sipps_own_clock_may_differ_by_its_step() -> None:
    trips = (a_timer("rrd", 0.036),)
    leg = a_leg("phone", "registered 200", messages=a_registration().finished.messages, round_trips=trips)
    measured, clock_set = timings(leg, None)
    assert measured == {"rrd": pytest.approx(0.03)}
    assert not clock_set


def test_instants_have_the_names_that_the_other_engine_gives_them() -> None:
    assert [(m.name, m.at) for m in register.marks(a_register_trip())] == [
        ("registered", 1.03),
        ("binding seen", 1.05),
        ("unregistered", 1.07),
    ]
    assert [(m.name, m.at) for m in call.marks(a_call())] == [
        ("callee registered", 1.03),
        ("answered", 2.4),
        ("hung up", 3.1),
        ("callee invited", 2.2),
        ("callee acknowledged", 2.5),
        ("callee hung up on", 3.12),
    ]


def test_a_strangers_messages_are_no_instants_of_ours() -> None:
    exchange = (a_request_received("INVITE", 2.1, "stranger"), a_request_received("INVITE", 2.2))
    found = call.marks(a_call_trip(callee=a_callee(f"invited {CALL_ID}", messages=exchange)))
    assert [m.at for m in found if m.name == "callee invited"] == [2.2]


def test_messages_are_in_the_order_of_time_with_both_addresses_and_no_secret() -> None:
    letter = Traced(
        2.05, "sent", 'MESSAGE sip:x SIP/2.0\r\nAuthorization: Digest response="42"\r\n\r\nhunter-two'
    )
    legs = (a_registration("callee"), a_caller(messages=(letter,)))
    found = messages(legs, hiding(legs, [Secret("hunter-two")]), 1.0)
    assert [message.at for message in found] == sorted(message.at for message in found)
    assert found[0].at == pytest.approx(0.0)
    assert (found[0].source, found[0].destination) == (f"{LOCAL[0]}:{LOCAL[1]}", "192.0.2.1:5060")
    assert (found[1].source, found[1].destination) == ("192.0.2.1:5060", f"{LOCAL[0]}:{LOCAL[1]}")
    assert found[-1].party == "caller"
    assert "hunter-two" not in found[-1].text
    assert "42" not in found[-1].text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\xff HTTP/1.1 200 OK\r\n",
        "SIP/2.0 200 OK\r\nVia: ;;;\r\nCSeq: zero\r\ni: 1\r\n\r\n",
        "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n",
        "SIP/2.0 999 No\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
        "INVITE " + "x" * 5000,
    ],
)
def test_what_is_no_sip_is_passed_over(text: str) -> None:
    assert said([Traced(0.0, "received", text)]) == []
