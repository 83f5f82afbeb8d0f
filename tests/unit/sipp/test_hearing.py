"""What the runs of a call mean where the plan is another than the usual one."""

import pytest

from dialtone.model import AnsweredBy, CalledFrom, Failure, FailureCode, Plan, Side
from synthetic.sipp import call
from synthetic.sipp.judging import Verdict, judged
from synthetic.sipp.record import Leg
from synthetic.sipp.run import Traced
from synthetic.sipp.trip import Trip
from tests.fakes.sipp_runs import (
    CALL_ID,
    a_call,
    a_callee,
    a_caller,
    a_request_received,
    a_request_sent,
    a_response,
)

THEIRS = Plan(hangs_up=Side.CALLEE)
PLATFORM = Plan(number="600", answered_by=AnsweredBy.PLATFORM)
ANSWERED = (
    a_request_sent("INVITE", 2.0),
    a_response(200, "INVITE", 2.4),
    a_request_sent("ACK", 2.41),
)
HUNG_UP_ON = a_caller("answered 200", "dropped", messages=(*ANSWERED, a_request_received("BYE", 3.1)))


def one_that_hangs_up(*log: str, bye: tuple[Traced, ...]) -> Leg:
    words = (f"invited {CALL_ID}", f"acknowledged {CALL_ID}", f"hanging-up {CALL_ID}", *log)
    return a_callee(*words, messages=(*a_callee().finished.messages[:3], *bye))


def alone(caller: Leg, plan: Plan = PLATFORM, name: str = "caller") -> Verdict:
    return judged(call.JOURNEY, Trip({name: caller}, plan, 3.0, 0.1))


def test_a_callee_that_hangs_up_and_a_caller_that_sees_it_are_a_whole_call() -> None:
    bye = (a_request_sent("BYE", 3.0), a_response(200, "BYE", 3.05))
    trip = a_call(caller=HUNG_UP_ON, callee=one_that_hangs_up(f"ended {CALL_ID}", bye=bye), plan=THEIRS)
    assert judged(call.JOURNEY, trip) == Verdict(None, 200)
    measured = {name: value for part in call.timings(trip) for name, value in part.timings.items()}
    assert measured["sdd"] == pytest.approx(0.05)
    assert measured["sdt"] == pytest.approx(0.6)
    assert call.counts(trip)["session_complete"] == 1


def test_a_bye_of_the_callees_that_does_not_arrive_is_told() -> None:
    bye = (a_request_sent("BYE", 3.0), a_response(200, "BYE", 3.05))
    caller = a_caller("answered 200", messages=ANSWERED)
    trip = a_call(caller=caller, callee=one_that_hangs_up(f"ended {CALL_ID}", bye=bye), plan=THEIRS)
    detail = "caller BYE: the BYE was confirmed, but did not arrive within 2 s"
    assert judged(call.JOURNEY, trip).failure == Failure(FailureCode.TIMEOUT, detail)
    assert call.counts(trip)["session_complete"] == 0


def test_a_password_for_the_callees_bye_is_beyond_sipp_and_no_failure_of_the_platform() -> None:
    bye = (a_request_sent("BYE", 3.0), a_response(407, "BYE", 3.05))
    trip = a_call(caller=HUNG_UP_ON, callee=one_that_hangs_up(bye=bye), plan=THEIRS)
    failure = judged(call.JOURNEY, trip).failure
    assert failure is not None
    assert failure.code is FailureCode.MISCONFIGURED
    assert failure.detail.startswith("callee BYE: ")


def test_a_call_that_is_not_held_as_long_as_the_plan_says_was_overdue() -> None:
    failure = judged(call.JOURNEY, a_call(plan=Plan(hold=5.0))).failure
    assert failure == Failure(FailureCode.TIMEOUT, "hold: not done 3 s after the start")


def test_a_platform_that_hangs_up_as_it_should_is_a_whole_call_without_sdd() -> None:
    plan = Plan(number="600", answered_by=AnsweredBy.PLATFORM, hangs_up=Side.CALLEE)
    trip = Trip({"caller": HUNG_UP_ON}, plan, 3.0, 0.1)
    assert judged(call.JOURNEY, trip) == Verdict(None, 200)
    (measured,) = call.timings(trip)
    assert set(measured.timings) == {"srd", "pdd", "sdt"}
    assert call.counts(trip)["session_complete"] == 1


def test_a_platform_that_hangs_up_though_the_caller_should_dropped_the_call() -> None:
    failure = alone(HUNG_UP_ON).failure
    assert failure is not None
    assert (failure.code, failure.detail.partition(":")[0]) == (FailureCode.UNEXPECTED_MESSAGE, "hold")


def test_a_challenge_to_the_trunks_side_says_that_it_has_no_account() -> None:
    asked = a_caller("challenged 407", "denied", messages=(*ANSWERED[:1], a_response(407, "INVITE", 2.1)))
    plan = Plan(number="600", answered_by=AnsweredBy.PLATFORM, called_from=CalledFrom.TRUNK)
    verdict = alone(asked, plan, "trunk")
    assert verdict.failure is not None
    assert verdict.failure.code is FailureCode.AUTH
    assert "this side has no account" in verdict.failure.detail
    assert verdict.status == 407


def test_a_bye_that_the_callee_stamps_a_moment_before_the_caller_does_was_the_callers() -> None:
    messages = (*a_callee().finished.messages[:3], a_request_received("BYE", 3.05))
    assert judged(call.JOURNEY, a_call(callee=a_callee(messages=messages))).failure is None
