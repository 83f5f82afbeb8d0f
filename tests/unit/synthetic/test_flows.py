"""What every flow has of its runner: deadlines, the step that failed, and phones that leave in any case."""

import pytest

from dialtone.model import FailureCode, Flow
from synthetic.probes.base import FlowError
from synthetic.probes.runner import FLOWS, TIDY
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakePhone, failure_of, play, refused


async def test_a_failure_names_its_leg_and_still_leaves(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.errors["REGISTER"] = refused(404)
    report = await play(Flow.REGISTER, clock, phone)
    assert failure_of(report).detail == "phone REGISTER: 404 Not Found"
    assert report.status == 404
    assert report.timings == {}
    assert phone.done[-1] == "leave"


async def test_a_phone_that_can_not_leave_has_passed_all_the_same(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.errors["leave"] = FlowError(FailureCode.SIP_5XX, "500 Oops", 500)
    report = await play(Flow.REGISTER, clock, phone)
    assert report.failure is None
    assert report.marks[-1].name == "phone could not leave: 500 Oops"


async def test_leaving_has_a_deadline_of_its_own(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.delays["leave"] = 20.0
    report = await play(Flow.REGISTER, clock, phone)
    assert report.failure is None
    assert "phone could not leave: no answer" in {mark.name for mark in report.marks}


async def test_a_deadline_names_what_was_waited_for(clock: FakeClock) -> None:
    phone = FakePhone(clock)
    phone.delays["REGISTER"] = 11.0
    report = await play(Flow.REGISTER, clock, phone, timeout=5.0)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == "phone REGISTER: not done 5 s after the start"
    assert report.duration == pytest.approx(5.0)


async def test_what_the_phones_before_it_left_over_is_time_to_leave_for_the_last(clock: FakeClock) -> None:
    caller, callee = FakePhone(clock, "caller"), FakePhone(clock, "callee", "101")
    caller.reaches = callee
    callee.delays["leave"] = 0.8 * TIDY
    report = await play(Flow.CALL, clock, caller, callee)
    assert callee.done[-1] == "leave"
    assert not [mark.name for mark in report.marks if "could not leave" in mark.name]


async def test_one_that_can_not_leave_keeps_no_other_from_leaving(clock: FakeClock) -> None:
    caller, callee = FakePhone(clock, "caller"), FakePhone(clock, "callee", "101")
    caller.reaches = callee
    caller.delays["leave"] = 20.0
    callee.delays["leave"] = 0.4 * TIDY
    report = await play(Flow.CALL, clock, caller, callee)
    assert callee.done[-1] == "leave"
    assert [mark.name for mark in report.marks if "leave" in mark.name] == [
        "caller could not leave: no answer"
    ]


async def test_who_has_called_leaves_before_whom_it_called(clock: FakeClock) -> None:
    transferor, transferee = FakePhone(clock, "transferor", "100"), FakePhone(clock, "transferee", "101")
    target = FakePhone(clock, "target", "102")
    transferee.reaches = transferor
    for phone in (transferor, transferee, target):
        phone.errors["leave"] = FlowError(FailureCode.SIP_5XX, "500 Oops", 500)
    transferee.errors["INVITE"] = refused(486, reason="Busy Here")
    report = await play(Flow.BLIND_TRANSFER, clock, transferor, transferee, target)
    left = [mark.name.partition(" ")[0] for mark in report.marks if "could not leave" in mark.name]
    assert left == ["transferee", "transferor", "target"]


def test_every_flow_that_has_phones_is_there() -> None:
    assert set(FLOWS) == set(Flow) - {Flow.HTTP}
