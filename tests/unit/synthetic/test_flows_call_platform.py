"""call to a number that the platform answers itself, on a phone that does as it is told."""

import pytest

from dialtone.model import AnsweredBy, CalledFrom, FailureCode, Flow, Plan, Side
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakePhone, failure_of, play, refused

ECHO = Plan(number="600", answered_by=AnsweredBy.PLATFORM)
ANNOUNCEMENT = Plan(number="604", answered_by=AnsweredBy.PLATFORM, hangs_up=Side.CALLEE)


@pytest.fixture
def caller(clock: FakeClock) -> FakePhone:
    return FakePhone(clock, "caller", "100")


async def test_a_number_is_called_held_and_hung_up_without_registering(
    clock: FakeClock, caller: FakePhone
) -> None:
    caller.delays |= {"INVITE": 0.1, "BYE": 0.05}
    report = await play(Flow.CALL, clock, caller, plan=ECHO)
    assert report.failure is None
    assert report.status == 200
    assert caller.done == ["INVITE", "BYE", "leave"]
    assert caller.dialled == ["600"]
    assert report.timings == {
        "srd": pytest.approx(0.1),
        "pdd": pytest.approx(0.1),
        "sdd": pytest.approx(0.05),
        "sdt": pytest.approx(0.3),
    }
    assert report.counts == {"invite": 1, "invite_200": 1, "session_complete": 1}


async def test_a_platform_that_is_to_hang_up_is_waited_for(clock: FakeClock, caller: FakePhone) -> None:
    caller.dropped_after = 4.0
    report = await play(Flow.CALL, clock, caller, plan=ANNOUNCEMENT)
    assert report.failure is None
    assert report.timings["sdt"] == pytest.approx(4.0)
    assert "sdd" not in report.timings
    assert "BYE" not in caller.done
    assert report.counts == {"invite": 1, "invite_200": 1, "session_complete": 1}


async def test_a_platform_that_never_hangs_up_is_a_timeout(clock: FakeClock, caller: FakePhone) -> None:
    report = await play(Flow.CALL, clock, caller, plan=ANNOUNCEMENT)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == "platform BYE: not done 10 s after the start"
    assert report.counts == {"invite": 1, "invite_200": 1}


async def test_a_platform_that_hangs_up_too_early_has_not_passed(clock: FakeClock, caller: FakePhone) -> None:
    caller.dropped_after = 0.2
    report = await play(Flow.CALL, clock, caller, plan=ECHO)
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == "hold: the platform ended the call that had been answered"


async def test_the_trunks_side_may_call_it_too(clock: FakeClock) -> None:
    trunk = FakePhone(clock, "trunk", "")
    trunk.errors["INVITE"] = refused(404)
    plan = Plan(number="600", answered_by=AnsweredBy.PLATFORM, called_from=CalledFrom.TRUNK)
    report = await play(Flow.CALL, clock, trunk, plan=plan)
    assert failure_of(report).detail == "trunk INVITE: 404 Not Found"


async def test_a_plan_without_a_number_can_not_be_called(clock: FakeClock, caller: FakePhone) -> None:
    report = await play(Flow.CALL, clock, caller, plan=Plan(answered_by=AnsweredBy.PLATFORM))
    assert failure_of(report).code is FailureCode.MISCONFIGURED
    assert failure_of(report).detail == "a call that the platform answers needs a number to dial"
    assert caller.done == ["leave"]
    assert report.counts == {}
