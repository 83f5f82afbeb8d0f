"""register, on a phone that does as it is told."""

import pytest

from dialtone.model import FailureCode, Flow
from synthetic.probes.base import FlowError
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakePhone, failure_of, play, refused


@pytest.fixture
def phone(clock: FakeClock) -> FakePhone:
    return FakePhone(clock)


async def test_register_measures_rrd_and_the_binding_delay_and_leaves(
    clock: FakeClock, phone: FakePhone
) -> None:
    phone.delays |= {"REGISTER": 0.25, "bindings": 0.01}
    report = await play(Flow.REGISTER, clock, phone)
    assert report.failure is None
    assert report.timings == {"rrd": pytest.approx(0.25), "binding_delay": pytest.approx(0.01)}
    assert report.status == 200
    assert report.counts == {"register": 1}
    assert phone.done == ["REGISTER", "bindings", "unregister", "leave"]
    assert [mark.name for mark in report.marks] == ["registered", "binding seen", "unregistered"]


async def test_a_binding_that_shows_late_is_asked_for_again_ever_more_slowly(
    clock: FakeClock, phone: FakePhone
) -> None:
    phone.bound_after = 1.0
    report = await play(Flow.REGISTER, clock, phone)
    assert report.failure is None
    assert phone.done.count("bindings") == 6  # at 0, 50, 150, 350, 750 and 1250 ms
    assert report.timings["binding_delay"] == pytest.approx(1.25)


async def test_a_binding_that_never_shows_is_no_binding_within_two_seconds(
    clock: FakeClock, phone: FakePhone
) -> None:
    phone.bound_after = None
    phone.others_bound = 3
    report = await play(Flow.REGISTER, clock, phone)
    assert failure_of(report).code is FailureCode.NO_BINDING
    assert failure_of(report).detail == (
        "phone bindings: registered, but 2 s later not among the registrar's contacts, of which it shows 3"
    )
    assert report.duration <= 2.0
    assert set(report.timings) == {"rrd"}
    assert "unregister" not in phone.done
    assert phone.done[-1] == "leave"
    assert report.counts == {"register": 1}


@pytest.mark.parametrize("step", ["bindings", "unregister"])
async def test_what_follows_the_registration_fails_in_its_own_step(
    clock: FakeClock, phone: FakePhone, step: str
) -> None:
    phone.errors[step] = FlowError(FailureCode.SIP_5XX, "500 Location Locked", 500)
    report = await play(Flow.REGISTER, clock, phone)
    assert failure_of(report).code is FailureCode.SIP_5XX
    assert failure_of(report).detail == f"phone {step}: 500 Location Locked"
    assert report.counts == {"register": 1}


async def test_a_registrar_that_does_not_show_what_it_has_is_a_timeout(
    clock: FakeClock, phone: FakePhone
) -> None:
    phone.delays["bindings"] = 60.0
    report = await play(Flow.REGISTER, clock, phone)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == "phone bindings: not done 10 s after the start"


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (refused(404), 1),
        (FlowError(FailureCode.SIP_5XX, "503", 503), 1),
        (FlowError(FailureCode.SIP_6XX, "603", 603), 1),
        (FlowError(FailureCode.AUTH, "403 Forbidden", 403), 1),
        (FlowError(FailureCode.TIMEOUT, "timer F"), 1),
        (FlowError(FailureCode.CONNECT, "refused"), 1),
        (FlowError(FailureCode.AUTH, "the password was refused", 401), 0),
        (FlowError(FailureCode.AUTH, "the password was refused", 407), 0),
        (FlowError(FailureCode.SIP_4XX, "402 Payment Required", 402), 0),
        (FlowError(FailureCode.SIP_3XX, "302 Moved", 302), 0),
        (FlowError(FailureCode.UNEXPECTED_MESSAGE, "the 401 can't be understood"), 0),
    ],
    ids=str,
)
async def test_what_counts_as_a_failed_registration_is_rfc_6076(
    clock: FakeClock, phone: FakePhone, error: FlowError, failed: int
) -> None:
    phone.errors["REGISTER"] = error
    report = await play(Flow.REGISTER, clock, phone)
    assert failure_of(report).code is error.code
    assert report.counts.get("register") == 1
    assert report.counts.get("register_failed", 0) == failed


async def test_a_registration_without_an_answer_has_failed(clock: FakeClock, phone: FakePhone) -> None:
    phone.delays["REGISTER"] = 60.0
    report = await play(Flow.REGISTER, clock, phone)
    assert report.counts == {"register": 1, "register_failed": 1}
