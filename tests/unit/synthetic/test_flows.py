"""register and call, on phones that do as they are told and a clock that is turned by hand."""

import asyncio

import pytest

from dialtone.model import FailureCode, Flow
from synthetic.probes.base import FlowError
from synthetic.probes.runner import Report, run_flow
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakePhone


@pytest.fixture
def caller(clock: FakeClock) -> FakePhone:
    return FakePhone(clock, "caller", "100")


@pytest.fixture
def callee(clock: FakeClock, caller: FakePhone) -> FakePhone:
    phone = FakePhone(clock, "callee", "101")
    caller.reaches = phone
    return phone


async def run(flow: Flow, clock: FakeClock, *phones: FakePhone, timeout: float = 10.0) -> Report:
    running = asyncio.create_task(run_flow(flow, clock, phones, timeout, clock.monotonic()))
    await clock.advance(30)
    return await running


async def test_register_measures_rrd_and_leaves(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.delays["REGISTER"] = 0.25
    report = await run(Flow.REGISTER, clock, phone)
    assert report.failure is None
    assert report.timings == {"rrd": pytest.approx(0.25)}
    assert report.status == 200
    assert phone.done == ["REGISTER", "leave"]


async def test_a_failure_names_its_leg_and_still_leaves(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.errors["REGISTER"] = FlowError(FailureCode.SIP_4XX, "404 Not Found", 404)
    report = await run(Flow.REGISTER, clock, phone)
    assert report.failure is not None
    assert report.failure.detail == "phone REGISTER: 404 Not Found"
    assert report.status == 404
    assert report.timings == {}
    assert phone.done[-1] == "leave"


async def test_a_phone_that_can_not_leave_has_passed_all_the_same(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.errors["leave"] = FlowError(FailureCode.SIP_5XX, "500 Oops", 500)
    report = await run(Flow.REGISTER, clock, phone)
    assert report.failure is None
    assert [mark.name for mark in report.marks] == ["registered", "phone could not leave: 500 Oops"]


async def test_leaving_has_a_deadline_of_its_own(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.delays["leave"] = 20.0
    report = await run(Flow.REGISTER, clock, phone)
    assert report.failure is None
    assert "phone could not leave: no answer" in {mark.name for mark in report.marks}


async def test_a_deadline_names_what_was_waited_for(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.delays["REGISTER"] = 11.0
    report = await run(Flow.REGISTER, clock, phone, timeout=5.0)
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert report.failure.detail == "phone REGISTER: not done 5 s after the start"
    assert report.duration == pytest.approx(5.0)


async def test_a_call_measures_srd_pdd_sdd_and_sdt(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.delays |= {"INVITE": 0.1, "BYE": 0.05}
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.failure is None
    assert report.timings == {
        "srd": pytest.approx(0.1),
        "pdd": pytest.approx(0.1),
        "sdd": pytest.approx(0.05),
        "sdt": pytest.approx(0.3),
    }


async def test_srd_falls_back_to_the_200_when_nothing_came_before_it(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.delays["INVITE"] = 0.1
    caller.rings = False
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.timings["srd"] == report.timings["pdd"] == pytest.approx(0.3)


async def test_a_call_that_somebody_else_answered_has_not_passed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.reaches = None
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.failure is not None
    assert report.failure.code is FailureCode.UNEXPECTED_MESSAGE
    assert "not by our callee" in report.failure.detail


@pytest.mark.parametrize(
    ("arrives", "leg"), [("ack_arrives", "callee answer"), ("bye_arrives", "callee BYE")]
)
async def test_what_does_not_reach_the_callee_has_not_passed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, arrives: str, leg: str
) -> None:
    setattr(caller, arrives, False)
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert report.failure.detail.startswith(leg)


async def test_a_call_that_the_platform_drops_has_not_passed(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    caller.platform_drops.set()
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.failure is not None
    assert report.failure.code is FailureCode.UNEXPECTED_MESSAGE
    assert "BYE" not in caller.done
    assert set(report.timings) == {"srd", "pdd"}


async def test_a_failure_with_a_call_turned_away_is_inconclusive_and_keeps_what_was_seen(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.turned_away = 1
    caller.errors["INVITE"] = FlowError(FailureCode.SIP_4XX, "486 Busy Here", 486)
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.failure is not None
    assert report.failure.code is FailureCode.ACCOUNT_BUSY
    assert "486 Busy Here" in report.failure.detail


async def test_a_call_that_was_turned_away_excuses_nothing_once_ours_has_arrived(
    clock: FakeClock, caller: FakePhone, callee: FakePhone
) -> None:
    callee.turned_away = 1
    caller.ack_arrives = False
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT


@pytest.mark.parametrize(("party", "step"), [("callee", "REGISTER"), ("caller", "INVITE"), ("caller", "BYE")])
async def test_every_leg_of_a_call_is_named(
    clock: FakeClock, caller: FakePhone, callee: FakePhone, party: str, step: str
) -> None:
    phone = {"caller": caller, "callee": callee}[party]
    phone.errors[step] = FlowError(FailureCode.AUTH, "the password was refused", 401)
    report = await run(Flow.CALL, clock, caller, callee)
    assert report.failure is not None
    assert report.failure.detail == f"{party} {step}: the password was refused"
    assert caller.done[-1] == callee.done[-1] == "leave"
