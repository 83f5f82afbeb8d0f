"""How the probes of the timing benchmark are placed."""

import asyncio
from collections.abc import Collection

import pytest

from benchmarks.probes.load import FLOWS, Load, Phones, Placing
from dialtone.model import Account, FailureCode, Flow, ProbeRequest, ProbeRun, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.prober import FakeProber

ACCOUNTS = [
    Account(tenant, user, user, Secret("x"))
    for tenant in ("a.example", "b.example")
    for user in ("101", "102", "103")
]
PHONES = Phones.of(ACCOUNTS)


class Watched(FakeProber):
    """A prober that notes when probes start and which phones are busy; it refuses a busy callee."""

    def __init__(self, clock: FakeClock, *, lasts: float) -> None:
        super().__init__(clock, lasts=lasts)
        self.clock = clock
        self.starts: list[tuple[Flow, float]] = []
        self.busy: set[str] = set()

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Run it as the fake does."""
        callee = request.accounts[-1].aor
        assert callee not in self.busy
        self.starts.append((request.flow, self.clock.monotonic()))
        if request.flow is Flow.CALL:
            self.busy.add(callee)
        try:
            return await super().run(request)
        finally:
            self.busy.discard(callee)


async def placed(
    prober: FakeProber, clock: FakeClock, rate: float, seconds: float, flows: Collection[Flow] = FLOWS
) -> Load:
    """Place a load in virtual time."""
    task = asyncio.create_task(Placing(prober, clock, PHONES, "sip:127.0.0.1:5060").run(rate, seconds, flows))
    while not task.done():
        await clock.advance(1.0)
    return task.result()


def test_the_last_phone_of_each_tenant_calls_the_others() -> None:
    assert [phone.aor for phone in PHONES.callers] == ["103@a.example", "103@b.example"]
    assert [phone.aor for phone in PHONES.callees] == [
        "101@a.example",
        "101@b.example",
        "102@a.example",
        "102@b.example",
    ]
    assert PHONES.caller_of(PHONES.callees[1]).aor == "103@b.example"


async def test_calls_and_registrations_leave_at_the_asked_rate_between_each_other() -> None:
    clock = FakeClock()
    prober = Watched(clock, lasts=0.5)
    load = await placed(prober, clock, 4.0, 2.0)
    calls, registers = (
        [at for flow, at in prober.starts[2:] if flow is wanted] for wanted in (Flow.CALL, Flow.REGISTER)
    )
    assert [at - calls[0] for at in calls] == pytest.approx([number / 4 for number in range(8)])
    assert [at - calls[0] for at in registers] == pytest.approx([0.125 + number / 4 for number in range(8)])
    assert load.calls_per_second == pytest.approx(4)


async def test_the_probes_that_warm_the_engine_are_not_counted() -> None:
    clock = FakeClock()
    prober = Watched(clock, lasts=0.1)
    load = await placed(prober, clock, 2.0, 1.0)
    assert len(prober.requests) == 6
    assert len(load.runs) == 4
    assert len({request.id for request in prober.requests}) == 6


@pytest.mark.parametrize("flow", FLOWS)
async def test_one_flow_can_be_placed_alone(flow: Flow) -> None:
    clock = FakeClock()
    load = await placed(FakeProber(clock, lasts=0.1), clock, 2.0, 2.0, [flow])
    assert [run.result.flow for run in load.runs] == [flow] * 4


async def test_no_callee_serves_two_calls_at_once_and_the_rate_tells_of_the_waiting() -> None:
    clock = FakeClock()
    load = await placed(Watched(clock, lasts=2.0), clock, 8.0, 2.0)
    assert len(load.passed(Flow.CALL)) == 16
    assert load.calls_per_second < 4


async def test_the_runs_that_did_not_pass_are_counted_by_their_failure_and_kept_apart() -> None:
    clock = FakeClock()
    failures = [None, None, FailureCode.TIMEOUT, None, FailureCode.OVERLOADED, FailureCode.TIMEOUT]
    load = await placed(FakeProber(clock, failures), clock, 2.0, 2.0)
    assert load.outcomes() == {"pass": 5, "timeout": 2, "overloaded": 1}
    assert len(load.passed(Flow.CALL)) + len(load.passed(Flow.REGISTER)) == 5


def test_a_single_call_has_no_rate() -> None:
    assert Load(left=[1.0]).calls_per_second == 0
