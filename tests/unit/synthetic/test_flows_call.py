"""call between two phones of ours, on phones that do as they are told."""

import pytest

from dialtone.model import CalledFrom, FailureCode, Flow, Plan, Side
from synthetic.probes.base import FlowError
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakePhone, failure_of, play, refused

COMPLETE = {"register": 1, "invite": 1, "invite_200": 1, "session_complete": 1}
INCOMPLETE = {"register": 1, "invite": 1, "invite_200": 1}


@pytest.fixture
def caller(clock: FakeClock) -> FakePhone:
    return FakePhone(clock, "caller", "100")


@pytest.fixture
def callee(clock: FakeClock, caller: FakePhone) -> FakePhone:
    phone = FakePhone(clock, "callee", "101")
    caller.reaches = phone
    return phone


async def test_a_call_measures_srd_pdd_sdd_and_sdt(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.delays |= {"INVITE": 0.1, "BYE": 0.05}
    report = await play(Flow.CALL, clock, caller, callee)
    assert report.failure is None
    assert report.timings == {
        "srd": pytest.approx(0.1),
        "pdd": pytest.approx(0.1),
        "sdd": pytest.approx(0.05),
        "sdt": pytest.approx(0.3),
    }
    assert report.counts == COMPLETE
    assert caller.dialled == ["101"]
    assert {mark.name for mark in report.marks} == {
        "callee registered",
        "callee invited",
        "answered",
        "callee acknowledged",
        "hung up",
        "callee hung up on",
    }


async def test_the_plan_says_how_long_it_rings_and_is_held(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.rings = False
    report = await play(Flow.CALL, clock, caller, callee, plan=Plan(ring=1.5, hold=2.5))
    assert report.failure is None
    assert report.timings["srd"] == pytest.approx(1.5)
    assert report.timings["sdt"] == pytest.approx(2.5)


async def test_srd_falls_back_to_the_200_when_nothing_came_before_it(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.delays["INVITE"] = 0.1
    caller.rings = False
    report = await play(Flow.CALL, clock, caller, callee)
    assert report.timings["srd"] == report.timings["pdd"] == pytest.approx(0.3)


async def test_a_callee_that_hangs_up_measures_its_own_bye(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.delays["BYE"] = 7.0
    callee.delays["BYE"] = 0.05
    report = await play(Flow.CALL, clock, caller, callee, plan=Plan(hangs_up=Side.CALLEE))
    assert report.failure is None
    assert report.timings["sdd"] == pytest.approx(0.05)
    assert report.timings["sdt"] == pytest.approx(0.3)
    assert report.counts == COMPLETE
    assert "BYE" not in caller.done
    names = {mark.name for mark in report.marks}
    assert {"callee hung up", "caller hung up on"} <= names
    assert "callee hung up on" not in names


async def test_a_caller_that_never_sees_the_callees_bye_has_not_passed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.bye_arrives = False
    report = await play(Flow.CALL, clock, caller, callee, plan=Plan(hangs_up=Side.CALLEE))
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == ("caller BYE: the BYE was confirmed, but did not arrive within 2 s")
    assert report.counts == INCOMPLETE


@pytest.mark.parametrize(
    ("plan", "dialled"),
    [
        (Plan(dial="6{user}"), "6101"),
        (Plan(dial="{user}{"), "101{"),
        (Plan(number="608", dial="6{user}"), "608"),
        (Plan(number="15145550123", called_from=CalledFrom.TRUNK), "15145550123"),
    ],
    ids=str,
)
async def test_the_plan_says_what_is_dialled(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, plan: Plan, dialled: str
) -> None:
    report = await play(Flow.CALL, clock, caller, callee, plan=plan)
    assert report.failure is None
    assert caller.dialled == [dialled]


async def test_the_trunks_side_calls_under_its_own_name(clock: FakeClock, callee: FakePhone) -> None:
    trunk = FakePhone(clock, "trunk", "")
    trunk.errors["INVITE"] = refused(404)
    plan = Plan(called_from=CalledFrom.TRUNK, number="15145550123")
    report = await play(Flow.CALL, clock, trunk, callee, plan=plan)
    assert failure_of(report).detail == "trunk INVITE: 404 Not Found"


async def test_a_failure_says_through_which_server_the_call_went(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.errors["INVITE"] = refused(404)
    report = await play(Flow.CALL, clock, caller, callee, plan=Plan(caller_target="sip:192.0.2.7:5060"))
    assert failure_of(report).detail == "caller INVITE through sip:192.0.2.7:5060: 404 Not Found"


async def test_a_call_that_somebody_else_answered_has_not_passed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.reaches = None
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == (
        "callee answer: the call was answered, but not by our callee within 2 s"
    )


async def test_a_group_in_which_somebody_else_was_faster_says_that_ours_rang(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.tried, caller.platform_answers = (0.1,), 0.0
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert "not by our callee (it rang there and was cancelled)" in failure_of(report).detail
    assert "answer" not in callee.done


async def test_a_call_that_was_cancelled_and_comes_again_is_taken(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.tried = (0.1, 0.05)
    report = await play(Flow.CALL, clock, caller, callee, plan=Plan(number="605"))
    assert report.failure is None
    assert callee.done.count("answer") == 1


async def test_a_queue_may_answer_first_and_call_our_phone_later(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.platform_answers, caller.passed_on_after = 0.1, 5.0
    report = await play(Flow.CALL, clock, caller, callee, plan=Plan(number="605"))
    assert report.failure is None
    assert report.timings["srd"] == pytest.approx(0.1)
    assert report.timings["sdt"] == pytest.approx(5.5)


async def test_a_number_that_never_leads_to_our_phone_is_told_from_a_slow_one_by_the_deadline(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.platform_answers = 0.1
    report = await play(Flow.CALL, clock, caller, callee, plan=Plan(number="605"))
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == (
        "callee answer: the call was answered, but not by our callee; not done 10 s after the start"
    )
    assert report.duration == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("arrives", "leg"), [("ack_arrives", "callee answer"), ("bye_arrives", "callee BYE")]
)
async def test_what_does_not_reach_the_callee_has_not_passed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, arrives: str, leg: str
) -> None:
    setattr(caller, arrives, False)
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail.startswith(leg)
    assert report.counts == INCOMPLETE


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_a_call_that_the_platform_drops_at_either_side_has_not_passed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, side: str
) -> None:
    {"caller": caller, "callee": callee}[side].dropped_after = 0.1
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == "hold: the platform ended the call that had been answered"
    assert "BYE" not in caller.done
    assert set(report.timings) == {"srd", "pdd"}
    assert report.counts == INCOMPLETE


async def test_of_two_sides_that_fail_the_first_is_the_cause(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.errors["answer"] = FlowError(FailureCode.UNEXPECTED_MESSAGE, "no G.711 in the offer")
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).detail == "callee answer: no G.711 in the offer"
    assert report.counts == {"register": 1, "invite": 1}  # it was our doing that the INVITE ended


async def test_a_failure_with_a_call_turned_away_is_inconclusive_and_keeps_what_was_seen(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.turned_away = 1
    caller.errors["INVITE"] = refused(486, reason="Busy Here")
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.ACCOUNT_BUSY
    assert failure_of(report).detail.startswith(
        "the callee turned away a call that it could not know for ours"
    )
    assert "486 Busy Here" in failure_of(report).detail


async def test_a_call_turned_away_that_the_platform_lets_ring_on_is_inconclusive_too(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.delays["INVITE"] = 60.0  # another phone of the group rings meanwhile
    callee.turned_away = 1
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.ACCOUNT_BUSY
    assert failure_of(report).detail.startswith("the callee turned away a call")
    assert "; caller INVITE; not done" in failure_of(report).detail


async def test_a_call_that_was_turned_away_excuses_nothing_once_ours_has_arrived(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.turned_away = 1
    caller.ack_arrives = False
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.TIMEOUT


@pytest.mark.parametrize(("party", "step"), [("callee", "REGISTER"), ("caller", "INVITE"), ("caller", "BYE")])
async def test_every_leg_of_a_call_is_named(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, party: str, step: str
) -> None:
    phone = {"caller": caller, "callee": callee}[party]
    phone.errors[step] = FlowError(FailureCode.AUTH, "the password was refused", 401)
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).detail == f"{party} {step}: the password was refused"
    assert caller.done[-1] == callee.done[-1] == "leave"


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (refused(302, FailureCode.SIP_3XX), "invite_3xx"),
        (refused(480), "invite_end_user"),
        (refused(486), "invite_end_user"),
        (refused(600, FailureCode.SIP_6XX), "invite_end_user"),
        (refused(603, FailureCode.SIP_6XX), "invite_end_user"),
        (refused(408), "invite_ineffective"),
        (refused(500, FailureCode.SIP_5XX), "invite_ineffective"),
        (refused(503, FailureCode.SIP_5XX), "invite_ineffective"),
        (refused(504, FailureCode.SIP_5XX), "invite_ineffective"),
        (FlowError(FailureCode.TIMEOUT, "timer B"), "invite_ineffective"),
        (FlowError(FailureCode.CONNECT, "refused"), "invite_ineffective"),
        (FlowError(FailureCode.UNEXPECTED_MESSAGE, "a 2xx without a session description", 200), "invite_200"),
        (refused(404), ""),
        (refused(502, FailureCode.SIP_5XX), ""),
        (FlowError(FailureCode.AUTH, "the password was refused", 407), ""),
        (FlowError(FailureCode.UNEXPECTED_MESSAGE, "the 407 can't be understood"), ""),
    ],
    ids=str,
)
async def test_an_invite_counts_by_its_answer(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, error: FlowError, counted: str
) -> None:
    caller.errors["INVITE"] = error
    report = await play(Flow.CALL, clock, caller, callee)
    expected = {"register": 1, "invite": 1, **({counted: 1} if counted else {})}
    assert report.counts == expected


@pytest.mark.parametrize("rang", [False, True])
async def test_an_invite_that_met_the_deadline_is_ineffective_unless_it_rang(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, rang: bool
) -> None:
    caller.delays["INVITE"] = 60.0
    caller.progressed = rang
    report = await play(Flow.CALL, clock, caller, callee)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == "caller INVITE: not done 10 s after the start"
    assert report.counts == {"register": 1, "invite": 1, **({} if rang else {"invite_ineffective": 1})}
