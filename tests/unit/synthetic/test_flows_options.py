"""options, on a phone that does as it is told."""

import pytest

from dialtone.model import FailureCode, Flow, Plan
from synthetic.probes.base import FlowError
from tests.fakes.clock import FakeClock
from tests.fakes.sip_phones import FakePhone, failure_of, play


@pytest.fixture
def pinger(clock: FakeClock) -> FakePhone:
    return FakePhone(clock, "pinger")


@pytest.mark.parametrize(
    ("statuses", "status"), [((), 200), ((), 202), ((200, 404), 404), ((401,), 401)], ids=str
)
async def test_a_status_that_is_right_passes_and_is_measured(
    clock: FakeClock, pinger: FakePhone, statuses: tuple[int, ...], status: int
) -> None:
    pinger.status = status
    pinger.delays["OPTIONS"] = 0.25
    report = await play(Flow.OPTIONS, clock, pinger, plan=Plan(statuses=statuses))
    assert report.failure is None
    assert report.status == status
    assert report.timings == {"options_delay": pytest.approx(0.25)}
    assert report.counts == {}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (302, FailureCode.SIP_3XX),
        (404, FailureCode.SIP_4XX),
        (503, FailureCode.SIP_5XX),
        (603, FailureCode.SIP_6XX),
    ],
)
async def test_another_status_fails_by_its_class(
    clock: FakeClock, pinger: FakePhone, status: int, code: FailureCode
) -> None:
    pinger.status = status
    report = await play(Flow.OPTIONS, clock, pinger)
    assert failure_of(report).code is code
    assert failure_of(report).detail == f"pinger OPTIONS: {status}, where a 2xx is right"
    assert report.status == status
    assert report.timings == {}


async def test_a_200_that_is_not_wanted_is_no_success(clock: FakeClock, pinger: FakePhone) -> None:
    report = await play(Flow.OPTIONS, clock, pinger, plan=Plan(statuses=(404, 405)))
    assert failure_of(report).code is FailureCode.UNEXPECTED_MESSAGE
    assert failure_of(report).detail == "pinger OPTIONS: 200, where 404, 405 is right"


async def test_silence_is_a_timeout(clock: FakeClock, pinger: FakePhone) -> None:
    pinger.delays["OPTIONS"] = 60.0
    report = await play(Flow.OPTIONS, clock, pinger)
    assert failure_of(report).code is FailureCode.TIMEOUT
    assert failure_of(report).detail == "pinger OPTIONS: not done 10 s after the start"


async def test_trouble_with_the_connection_keeps_its_code(clock: FakeClock, pinger: FakePhone) -> None:
    pinger.errors["OPTIONS"] = FlowError(FailureCode.TLS, "certificate has expired")
    report = await play(Flow.OPTIONS, clock, pinger)
    assert failure_of(report).code is FailureCode.TLS
