"""Attempts, counted from traces as the other engine counts them."""

import pytest

from synthetic.sipp.counting import invitations, registrations
from synthetic.sipp.run import Traced
from tests.fakes.sipp_runs import (
    a_binding,
    a_caller,
    a_leg,
    a_request_received,
    a_request_sent,
    a_response,
    with_header,
)

CONTACT = "Contact: <sip:100@127.0.0.1:40000>;expires=60"


def test_a_registration_with_its_resend_is_one_and_asking_and_leaving_are_none() -> None:
    assert registrations([a_binding()]) == {"register": 1}


@pytest.mark.parametrize(
    ("status", "failed"), [(200, 0), (302, 0), (401, 0), (407, 0), (403, 1), (503, 1), (603, 1), (None, 1)]
)
def test_a_registration_fails_by_its_last_answer_or_without_one(status: int | None, failed: int) -> None:
    sent = with_header(a_request_sent("REGISTER", 1.0), CONTACT)
    answers = () if status is None else (a_response(status, "REGISTER", 1.1),)
    counted = registrations([a_leg("phone", messages=(sent, sent, *answers))])
    assert counted["register"] == 1
    assert counted["register_failed"] == failed


def test_a_call_with_its_resend_and_a_re_invite_is_one() -> None:
    tagged = with_header(a_request_sent("INVITE", 2.5, 5), "To: <sip:101@acme.example>;tag=1")
    caller = a_caller(messages=(*a_caller().finished.messages, tagged))
    assert invitations([caller])["invite"] == 1


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((a_response(200, "INVITE"),), "invite_200"),
        ((a_response(302, "INVITE"),), "invite_3xx"),
        ((a_response(486, "INVITE"),), "invite_end_user"),
        ((a_response(603, "INVITE"),), "invite_end_user"),
        ((a_response(503, "INVITE"),), "invite_ineffective"),
        ((), "invite_ineffective"),
        ((a_response(100, "INVITE"),), "invite_ineffective"),
        ((a_response(180, "INVITE"),), None),
        ((a_response(404, "INVITE"),), None),
    ],
)
def test_a_call_is_of_the_class_of_its_answer(answers: tuple[Traced, ...], kind: str | None) -> None:
    counted = invitations([a_leg("caller", messages=(a_request_sent("INVITE"), *answers))])
    assert counted == ({"invite": 1} if kind is None else {"invite": 1, kind: 1})


def test_what_others_send_is_no_attempt_of_ours() -> None:
    assert invitations([a_leg("callee", messages=(a_request_received("INVITE"),))]) == {}
