"""What runs of SIPp mean: one failure or none."""

from dataclasses import replace
from typing import Any

import pytest

from dialtone.model import Failure, FailureCode, Outcome
from synthetic.sipp import call, register
from synthetic.sipp.excuses import excused, overloaded
from synthetic.sipp.judging import Verdict, judged, left
from synthetic.sipp.lateness import LATE
from synthetic.sipp.record import Leg
from synthetic.sipp.run import Ending, Traced
from synthetic.sipp.trip import Trip
from tests.fakes.sipp_runs import (
    CALL_ID,
    a_binding,
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
)

SENT = (a_request_sent("REGISTER"),)
INVITED = (a_request_sent("INVITE"),)


def registered(leg: Leg, *, closed: bool = False) -> Verdict:
    return judged(register.JOURNEY, a_register_trip(leg, closed=closed))


def called(made: Trip) -> Verdict:
    return judged(call.JOURNEY, made)


def test_a_registration_that_passed_has_no_failure() -> None:
    assert registered(a_binding()) == Verdict(None, 200)


def test_a_call_that_both_ends_saw_has_no_failure() -> None:
    assert called(a_call()) == Verdict(None, 200)


@pytest.mark.parametrize(
    ("log", "status", "code", "detail"),
    [
        (("refused 302",), 302, FailureCode.SIP_3XX, "phone REGISTER: 302 Because"),
        (("refused 404",), 404, FailureCode.SIP_4XX, "phone REGISTER: 404 Because"),
        (("challenged 401", "refused 500"), 500, FailureCode.SIP_5XX, "phone REGISTER: 500 Because"),
        (("refused 603",), 603, FailureCode.SIP_6XX, "phone REGISTER: 603 Because"),
        (("refused 403",), 403, FailureCode.SIP_4XX, "phone REGISTER: 403 Because"),
        (("challenged 401", "refused 403"), 403, FailureCode.AUTH, "phone REGISTER: 403 Because"),
    ],
)
def test_a_refusal_has_its_class_and_a_403_to_credentials_is_a_refused_password(
    log: tuple[str, ...], status: int, code: FailureCode, detail: str
) -> None:
    messages = (*SENT, a_response(status, "REGISTER"))
    leg = a_leg("phone", *log, messages=messages, failed="FailedTestDoesntMatch")
    assert registered(leg) == Verdict(Failure(code, detail), status)


def test_a_second_challenge_is_a_refused_password() -> None:
    leg = a_leg(
        "phone", "challenged 401", "challenged 401", "denied", messages=SENT, failed="FailedTestDoesntMatch"
    )
    detail = "phone REGISTER: the password was refused (another 401)"
    assert registered(leg) == Verdict(Failure(FailureCode.AUTH, detail), 401)


def test_a_status_that_the_scenario_does_not_know_is_told_by_its_message() -> None:
    leg = a_leg("phone", messages=(*SENT, a_response(477, "REGISTER")), failed="FailedUnexpectedMessage")
    assert registered(leg) == Verdict(Failure(FailureCode.SIP_4XX, "phone REGISTER: 477 Because"), 477)


def test_another_message_than_a_response_is_unexpected() -> None:
    leg = a_leg("phone", messages=SENT, failed="FailedUnexpectedMessage")
    failure = registered(leg).failure
    assert failure is not None
    assert failure.code is FailureCode.UNEXPECTED_MESSAGE


@pytest.mark.parametrize("failed", ["FailedMaxUDPRetrans", "FailedTimeoutOnRecv", ""])
def test_silence_is_a_timeout(failed: str) -> None:
    leg = a_leg("phone", messages=SENT, failed=failed, ending=Ending.STOPPED)
    detail = "phone REGISTER: not done 3 s after the start"
    assert registered(leg) == Verdict(Failure(FailureCode.TIMEOUT, detail), None)


def test_silence_of_a_closed_port_says_so() -> None:
    leg = a_leg("phone", messages=SENT, failed="FailedTimeoutOnRecv")
    failure = registered(leg, closed=True).failure
    assert failure is not None
    assert failure.code is FailureCode.TIMEOUT
    assert failure.detail.endswith("nothing listens on 192.0.2.1:5060 (ICMP port unreachable)")


@pytest.mark.parametrize(
    "changes",
    [
        {
            "messages": (
                *SENT,
                Traced(0.1, "received", "SIP/2.0 200 OK\r\nVia: ;;;\r\nCSeq: zero\r\ni: 1\r\n\r\n"),
            )
        },
        {"messages": SENT, "errors": ('non SIP message discarded: "HTTP/1.1 200 OK" (15)',)},
        {"messages": SENT, "errors": ("SIP message without Call-ID discarded",)},
    ],
)
def test_an_answer_that_is_no_sip_is_unexpected_and_no_timeout(changes: dict[str, Any]) -> None:
    failure = registered(a_leg("phone", failed="FailedTimeoutOnRecv", **changes)).failure
    assert failure is not None
    assert failure.code is FailureCode.UNEXPECTED_MESSAGE
    assert "no valid SIP" in failure.detail


@pytest.mark.parametrize(
    ("ending", "errors", "code"),
    [
        (
            Ending.FATAL,
            ("Unable to bind main socket, errno = 98 (Address already in use)",),
            FailureCode.NO_PORT,
        ),
        (Ending.FATAL, ("Unable to load or parse 'flow.xml' xml scenario file",), FailureCode.MISCONFIGURED),
        (Ending.KILLED, (), FailureCode.ENGINE_CRASHED),
        (Ending.HUNG, (), FailureCode.ENGINE_CRASHED),
        (Ending.NO_CALL, (), FailureCode.ENGINE_CRASHED),
        (Ending.UNKNOWN, (), FailureCode.ENGINE_CRASHED),
        (Ending.MEDIA_FAILED, (), FailureCode.ENGINE_CRASHED),
    ],
)
def test_trouble_of_sipp_itself_is_inconclusive(
    ending: Ending, errors: tuple[str, ...], code: FailureCode
) -> None:
    leg = a_leg("phone", ending=ending, errors=errors, meaning="in words", statistics=None)
    failure = registered(leg).failure
    assert failure is not None
    assert failure.code is code
    assert failure.code.outcome is Outcome.INCONCLUSIVE
    assert failure.detail.startswith("phone REGISTER: ")


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ("Couldn't find 'Proxy-Authenticate' or 'WWW-Authenticate' in 401 or 407!", FailureCode.AUTH, 401),
        ("createAuthHeader: authentication must be digest", FailureCode.AUTH, 401),
        ("createAuthHeaderMD5: couldn't parse realm in 'Digest'", FailureCode.AUTH, 401),
        ("createAuthHeader: authentication must use MD5 or AKAv1-MD5", FailureCode.MISCONFIGURED, None),
        ("Invalid sip message received 'x'", FailureCode.UNEXPECTED_MESSAGE, None),
        ("Segmentation of something", FailureCode.ENGINE_CRASHED, None),
    ],
)
def test_what_sipp_gives_up_for_in_the_middle_is_told_apart(
    said: str, code: FailureCode, status: int | None
) -> None:
    messages = (*SENT, a_response(401, "REGISTER"))
    leg = a_leg("phone", "challenged 401", ending=Ending.FATAL, errors=(said,), messages=messages)
    verdict = registered(leg)
    assert verdict.failure is not None
    assert (verdict.failure.code, verdict.status) == (code, status)


def test_the_text_of_an_error_after_traffic_is_not_quoted_it_may_hold_a_message() -> None:
    leg = a_leg(
        "phone", ending=Ending.FATAL, errors=('Digest response="42"',), messages=SENT, meaning="fatal"
    )
    failure = registered(leg).failure
    assert failure is not None
    assert "42" not in failure.detail


def test_packets_that_our_own_machine_holds_back_are_no_timeout_of_the_platform() -> None:
    failure = registered(a_leg("phone", messages=SENT, failed="FailedCannotSendMessage")).failure
    assert failure is not None
    assert failure.code is FailureCode.NO_PORT


def test_a_sipp_that_sent_nothing_blames_nobody_else() -> None:
    failure = registered(a_leg("phone", ending=Ending.STOPPED)).failure
    assert failure is not None
    assert failure.code is FailureCode.ENGINE_CRASHED


def test_a_call_fails_with_its_callees_registration() -> None:
    refused = a_leg("callee", "refused 500", messages=(*SENT, a_response(500, "REGISTER")))
    assert called(a_call_trip(refused)) == Verdict(
        Failure(FailureCode.SIP_5XX, "callee REGISTER: 500 Because"), 500
    )


@pytest.mark.parametrize(
    ("caller", "callee", "code", "detail", "status"),
    [
        (
            a_caller("challenged 407", "refused 404", messages=(*INVITED, a_response(404, "INVITE"))),
            a_callee("nothing"),
            FailureCode.SIP_4XX,
            "caller INVITE: 404 Because",
            404,
        ),
        (
            a_caller("challenged 407", "gave-up", messages=INVITED, failed="FailedTimeoutOnRecv"),
            a_callee("nothing"),
            FailureCode.TIMEOUT,
            "caller INVITE: not done 3 s after the start",
            None,
        ),
        (
            a_caller("answered 200", "no-description", "hanging-up", "ended 200"),
            a_callee(),
            FailureCode.UNEXPECTED_MESSAGE,
            "caller INVITE: a 2xx without a session description",
            200,
        ),
        (
            a_caller(),
            a_callee("nothing"),
            FailureCode.UNEXPECTED_MESSAGE,
            "callee answer: the call was answered, but not by our callee within 2 s",
            None,
        ),
        (
            a_caller(),
            a_callee(f"invited {CALL_ID}", f"unacknowledged {CALL_ID}"),
            FailureCode.TIMEOUT,
            "callee answer: the ACK did not arrive within 2 s",
            None,
        ),
        (
            a_caller(),
            a_callee("indescribable x"),
            FailureCode.UNEXPECTED_MESSAGE,
            "callee answer: the INVITE arrived with no G.711 in its offer",
            None,
        ),
        (
            a_caller("answered 200", "dropped", messages=(*INVITED, a_request_received("BYE", 2.6))),
            a_callee(),
            FailureCode.UNEXPECTED_MESSAGE,
            "hold: the platform ended the call that had been answered",
            None,
        ),
        (
            a_caller("answered 200", "hanging-up", failed="FailedTimeoutOnRecv"),
            a_callee(f"invited {CALL_ID}", f"acknowledged {CALL_ID}"),
            FailureCode.TIMEOUT,
            "caller BYE: not done 3 s after the start",
            None,
        ),
        (
            a_caller(
                *("answered 200", "hanging-up"),
                messages=(*INVITED, a_request_sent("BYE", 3.1), a_response(481, "BYE", 3.2)),
                failed="FailedUnexpectedMessage",
            ),
            a_callee(),
            FailureCode.SIP_4XX,
            "caller BYE: 481 Because",
            481,
        ),
        (
            a_caller("answered 200", "hanging-up", "challenged 407", "denied"),
            a_callee(),
            FailureCode.AUTH,
            "caller BYE: the password was refused (another 407)",
            407,
        ),
        (
            a_caller(),
            a_callee(f"invited {CALL_ID}", f"acknowledged {CALL_ID}"),
            FailureCode.TIMEOUT,
            "callee BYE: the BYE was confirmed, but did not arrive within 2 s",
            None,
        ),
    ],
)
def test_a_call_fails_at_the_step_that_went_wrong_first(
    caller: Leg, callee: Leg, code: FailureCode, detail: str, status: int | None
) -> None:
    assert called(a_call(caller=caller, callee=callee)) == Verdict(Failure(code, detail), status)


def test_a_callee_that_turned_the_call_away_is_busy_and_no_fault_of_the_platform() -> None:
    caller = a_caller("refused 486", messages=(*INVITED, a_response(486, "INVITE")))
    verdict = called(a_call(caller=caller, callee=a_callee("turned-away x")))
    assert verdict.failure is not None
    assert verdict.failure.code is FailureCode.ACCOUNT_BUSY
    assert verdict.failure.detail.endswith("caller INVITE: 486 Because")
    assert verdict.status == 486


def test_a_stranger_that_was_turned_away_beside_our_own_call_changes_nothing() -> None:
    log = ("turned-away x", f"invited {CALL_ID}", f"acknowledged {CALL_ID}", f"ended {CALL_ID}")
    assert called(a_call(callee=a_callee(*log))).failure is None


def test_a_callees_sipp_that_dies_is_the_cause_of_what_the_caller_saw() -> None:
    caller = a_caller("refused 503", messages=(*INVITED, a_response(503, "INVITE")))
    failure = called(
        a_call(caller=caller, callee=a_callee(ending=Ending.KILLED, meaning="ended by SIGKILL"))
    ).failure
    assert failure == Failure(FailureCode.ENGINE_CRASHED, "callee answer: ended by SIGKILL")


def test_a_deadline_before_the_caller_could_begin_is_its_timeout() -> None:
    failure = called(a_call_trip(callee=a_callee("nothing"))).failure
    assert failure == Failure(FailureCode.TIMEOUT, "caller INVITE: not done 3 s after the start")


def test_lost_datagrams_of_ours_excuse_the_platform_and_say_what_it_would_have_been() -> None:
    excused = overloaded(Failure(FailureCode.TIMEOUT, "caller INVITE: silence"), None, 3, 0.0)
    assert excused is not None
    assert excused.code is FailureCode.OVERLOADED
    assert excused.detail.startswith("3 datagrams to SIPp were lost")
    assert excused.detail.endswith("; without that: timeout: caller INVITE: silence")


@pytest.mark.parametrize("failure", [None, Failure(FailureCode.NO_PORT, "taken")])
def test_what_is_no_failure_of_the_platform_stays_as_it_is(failure: Failure | None) -> None:
    assert overloaded(failure, None, 3, 0.0) == failure


def test_a_failure_without_lost_datagrams_stays_one() -> None:
    failure = Failure(FailureCode.TIMEOUT, "silence")
    assert overloaded(failure, None, 0, LATE) is failure


def test_a_sipp_that_could_not_run_says_nothing_about_the_platform_even_where_it_passed() -> None:
    late = Failure(FailureCode.OVERLOADED, "SIPp could not run for 250 ms")
    assert overloaded(None, None, 0, 0.25) == late
    assert overloaded(None, 200, 0, 0.25) == late
    failed = overloaded(Failure(FailureCode.TIMEOUT, "silence"), None, 0, 0.25)
    assert failed == Failure(
        FailureCode.OVERLOADED, "SIPp could not run for 250 ms; without that: timeout: silence"
    )


def challenged(status: int, method: str, realm: str) -> Traced:
    name = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}[status]
    challenge = a_response(status, method)
    return replace(
        challenge, text=challenge.text.replace("\r\n\r\n", f'\r\n{name}: Digest realm="{realm}"\r\n\r\n')
    )


def answering(name: str, method: str, realm: str) -> Traced:
    request = a_request_sent(method)
    return replace(
        request, text=request.text.replace("\r\n\r\n", f'\r\n{name}: Digest realm="{realm}"\r\n\r\n')
    )


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (challenged(401, "REGISTER", "a"), FailureCode.AUTH),
        (challenged(401, "REGISTER", "b"), FailureCode.MISCONFIGURED),
        (challenged(407, "REGISTER", "a"), FailureCode.MISCONFIGURED),
    ],
)
def test_a_challenge_of_another_server_is_no_refused_password(second: Traced, code: FailureCode) -> None:
    first = challenged(401, "REGISTER", "a")
    messages = (*SENT, first, answering("Authorization", "REGISTER", "a"), second)
    status = second.text.split()[1]
    log = ("challenged 401", f"challenged {status}", "denied")
    verdict = registered(a_leg("phone", *log, messages=messages, failed="FailedTestDoesntMatch"))
    assert verdict.failure is not None
    assert verdict.failure.code is code


@pytest.mark.parametrize("came", [a_response(189, "REGISTER"), a_request_received("SUBSCRIBE")])
def test_what_the_scenario_has_no_place_for_is_not_the_platforms_fault(came: Traced) -> None:
    messages = (*SENT, a_response(401, "REGISTER"), *SENT, came)
    leg = a_leg("phone", "challenged 401", messages=messages, failed="FailedUnexpectedMessage")
    verdict = registered(leg)
    assert verdict.failure is not None
    assert verdict.failure.code is FailureCode.MISCONFIGURED
    assert "use the engine sippy" in verdict.failure.detail
    assert verdict.status is None


def test_a_call_that_was_given_up_is_a_timeout_whatever_came_afterwards() -> None:
    caller = a_caller(
        "gave-up", messages=(*INVITED, a_response(487, "INVITE")), failed="FailedTestDoesntMatch"
    )
    failure = called(a_call(caller=caller)).failure
    assert failure == Failure(FailureCode.TIMEOUT, "caller INVITE: not done 3 s after the start")


def test_a_run_that_passed_and_has_no_line_of_it_is_a_full_disk_of_ours() -> None:
    verdict = registered(a_leg("phone", messages=SENT))
    assert verdict.failure is not None
    assert verdict.failure.code is FailureCode.ENGINE_CRASHED


def test_leaving_says_why_it_did_not_work() -> None:
    assert left(a_registration()) is None
    refused = a_leg(
        "phone", "refused 500", messages=(*SENT, a_response(500, "REGISTER", reason="Location Locked"))
    )
    assert left(refused) == "500 Location Locked"
    assert left(a_leg("phone", messages=SENT, ending=Ending.STOPPED)) == "no answer"


def test_a_failure_while_our_own_loop_was_held_is_ours_and_says_what_it_was_without() -> None:
    failed = Failure(FailureCode.TIMEOUT, "caller INVITE: not done 4 s after the start")
    found = excused(failed, None, 1.9, tolerated=0.5)
    assert found is not None
    assert found.code is FailureCode.OVERLOADED
    assert "1900 ms" in found.detail
    assert found.detail.endswith("without that: timeout: caller INVITE: not done 4 s after the start")


def test_a_loop_that_was_held_a_little_excuses_nothing_and_no_pass_is_taken_back() -> None:
    failed = Failure(FailureCode.TIMEOUT, "no answer")
    ours = Failure(FailureCode.NO_PORT, "no port")
    assert excused(failed, None, 0.5, tolerated=0.5) is failed
    assert excused(None, 200, 9.0, tolerated=0.5) is None
    assert excused(ours, None, 9.0, tolerated=0.5) is ours


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (FailureCode.SIP_4XX, 400),
        (FailureCode.SIP_4XX, 404),
        (FailureCode.SIP_5XX, 503),
        (FailureCode.AUTH, 401),
        (FailureCode.TRANSFER_REFUSED, 603),
    ],
)
def test_nothing_of_ours_excuses_what_the_platform_refused(code: FailureCode, status: int) -> None:
    failed = Failure(code, str(status))
    assert overloaded(failed, status, 3, 9.0) is failed
    assert excused(failed, status, 9.0, tolerated=0.5) is failed


@pytest.mark.parametrize("status", [408, 480, 487, 504])
def test_a_phone_of_ours_that_could_not_run_explains_that_the_platform_did_not_reach_it(status: int) -> None:
    failed = Failure(FailureCode.SIP_4XX, str(status))
    for found in (overloaded(failed, status, 0, 0.25), overloaded(failed, status, 3, 0.0)):
        assert found is not None
        assert found.code is FailureCode.OVERLOADED
    assert excused(failed, status, 9.0, tolerated=0.5) is failed  # it starts and ends the runs alone


def test_a_proof_that_is_missing_after_a_2xx_may_be_ours() -> None:
    found = excused(Failure(FailureCode.UNEXPECTED_MESSAGE, "not reached"), 200, 0.6, tolerated=0.5)
    assert found is not None
    assert found.code is FailureCode.OVERLOADED


AGAIN = (*SENT, a_response(401, "REGISTER"), a_request_sent("REGISTER", number=2))
LATE_CHALLENGE = a_response(401, "REGISTER", reason="again")


@pytest.mark.parametrize(
    ("log", "failed"),
    [
        (("challenged 401", "challenged 401", "denied"), "FailedTestDoesntMatch"),
        (("challenged 401",), "FailedUnexpectedMessage"),
        (("challenged 401", "challenged 401"), "FailedTimeoutOnRecv"),
    ],
)
def test_a_late_challenge_to_the_first_request_is_no_answer_to_the_second(
    log: tuple[str, ...], failed: str
) -> None:
    verdict = registered(a_leg("phone", *log, messages=(*AGAIN, LATE_CHALLENGE), failed=failed))
    assert verdict.failure is not None
    assert verdict.failure.code is FailureCode.MISCONFIGURED
    assert "a late 401 to an older REGISTER" in verdict.failure.detail
    assert verdict.status is None


def test_a_challenge_to_the_second_request_is_a_refused_password_after_a_late_one_too() -> None:
    messages = (*AGAIN, LATE_CHALLENGE, a_response(401, "REGISTER", number=2))
    log = ("challenged 401", "challenged 401", "challenged 401", "denied")
    verdict = registered(a_leg("phone", *log, messages=messages, failed="FailedTestDoesntMatch"))
    assert verdict.failure is not None
    assert (verdict.failure.code, verdict.status) == (FailureCode.AUTH, 401)


@pytest.mark.parametrize(
    "after", [(), (LATE_CHALLENGE, a_request_sent("REGISTER", number=2))], ids=["alone", "sent again"]
)
def test_a_second_request_without_an_answer_is_a_timeout(after: tuple[Traced, ...]) -> None:
    leg = a_leg("phone", "challenged 401", messages=(*AGAIN, *after), failed="FailedTimeoutOnRecv")
    failure = registered(leg).failure
    assert failure is not None
    assert failure.code is FailureCode.TIMEOUT
