"""The canary: what it asks, when it is asked again, and what counts as our own trouble."""

import asyncio

import pytest
from structlog.testing import capture_logs

from dialtone.model import (
    CONFIRM_AFTER,
    Account,
    Engine,
    Failure,
    FailureCode,
    Flow,
    ProbeRequest,
    ProbeRun,
    Secret,
)
from synthetic.answerer import DOMAIN, Answerer
from synthetic.canary import FRESH, TIMEOUT, Canary, canary_of
from tests.fakes.clock import FakeClock
from tests.fakes.prober import FakeProber

ANSWERER = Answerer(
    Account(DOMAIN, "canary", "canary", Secret("sesame")),
    "sip:127.0.0.1:4000;transport=udp",
    "http://127.0.0.1:4001/",
)


class Hanging:
    """A prober that never ends."""

    async def run(self, request: ProbeRequest) -> ProbeRun:
        """Hang."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError


def a_canary(
    clock: FakeClock, *failures: FailureCode | None, lasts: float = 0.0
) -> tuple[Canary, FakeProber]:
    prober = FakeProber(clock, failures, lasts=lasts)
    return Canary(dict.fromkeys((Engine.SIPPY, Engine.SERVICE), prober), clock, ANSWERER), prober


async def test_it_registers_at_our_own_answerer(clock: FakeClock) -> None:
    canary, prober = a_canary(clock)
    assert await canary.trouble(Engine.SIPPY) is None
    (request,) = prober.requests
    assert (request.flow, request.engine, request.target) == (Flow.REGISTER, Engine.SIPPY, ANSWERER.sip)
    assert (request.tenant, request.accounts) == (DOMAIN, (ANSWERER.account,))
    assert canary.successes == {Engine.SIPPY: True}


async def test_of_the_service_it_asks_a_page(clock: FakeClock) -> None:
    canary, prober = a_canary(clock)
    assert await canary.trouble(Engine.SERVICE) is None
    (request,) = prober.requests
    assert (request.flow, request.target, request.accounts) == (Flow.HTTP, ANSWERER.http, ())


@pytest.mark.parametrize("code", [FailureCode.TIMEOUT, FailureCode.AUTH, FailureCode.ENGINE_CRASHED])
async def test_whatever_keeps_it_from_passing_is_our_own_trouble(clock: FakeClock, code: FailureCode) -> None:
    canary, _ = a_canary(clock, code)
    assert await canary.trouble(Engine.SIPPY) == Failure(code, "as told")
    assert canary.successes == {Engine.SIPPY: False}


async def test_trouble_holds_for_some_seconds_and_no_longer(clock: FakeClock) -> None:
    canary, prober = a_canary(clock, FailureCode.TIMEOUT, None)
    assert await canary.trouble(Engine.SIPPY) is not None
    await clock.advance(FRESH)
    assert await canary.trouble(Engine.SIPPY) is not None
    await clock.advance(0.1)
    assert await canary.trouble(Engine.SIPPY) is None
    assert len(prober.requests) == 2


async def test_a_pass_holds_for_no_failure_and_its_confirmation_both(clock: FakeClock) -> None:
    canary, prober = a_canary(clock, None, FailureCode.TIMEOUT)
    assert await canary.trouble(Engine.SIPPY) is None
    assert await canary.trouble(Engine.SIPPY) is None
    assert len(prober.requests) == 1
    await clock.advance(CONFIRM_AFTER)
    assert await canary.trouble(Engine.SIPPY) is not None


async def test_of_one_engine_there_is_one_at_a_time_and_all_who_wait_share_it(clock: FakeClock) -> None:
    canary, prober = a_canary(clock, lasts=1.0)
    asking = [asyncio.create_task(canary.trouble(Engine.SIPPY)) for _ in range(20)]
    await clock.advance(2)
    assert [await one for one in asking] == [None] * 20
    assert len(prober.requests) == 1


async def test_one_engines_trouble_is_not_anothers(clock: FakeClock) -> None:
    probers = {
        Engine.SIPPY: FakeProber(clock, [FailureCode.TIMEOUT]),
        Engine.SIPP: FakeProber(clock),
    }
    canary = Canary(probers, clock, ANSWERER)
    assert await canary.trouble(Engine.SIPPY) is not None
    assert await canary.trouble(Engine.SIPP) is None


async def test_the_schedules_is_always_made_anew(clock: FakeClock) -> None:
    canary, prober = a_canary(clock)
    await canary.check(Engine.SIPPY)
    await canary.check(Engine.SIPPY)
    assert len(prober.requests) == 2


async def test_an_engine_that_does_not_end_it_is_given_up(clock: FakeClock) -> None:
    canary = Canary({Engine.SIPPY: Hanging()}, clock, ANSWERER)
    asking = asyncio.create_task(canary.trouble(Engine.SIPPY))
    await clock.advance(TIMEOUT + 30)
    failure = await asking
    assert failure is not None
    assert failure.code is FailureCode.ENGINE_CRASHED


async def test_an_engine_that_is_not_there_and_an_answerer_that_could_not_start_are_our_trouble(
    clock: FakeClock,
) -> None:
    missing = await Canary({}, clock, ANSWERER).trouble(Engine.SIPP)
    assert missing is not None
    assert missing.code is FailureCode.ENGINE_MISSING
    prober = FakeProber(clock)
    mute = await Canary({Engine.SIPPY: prober}, clock, None, why="no port").trouble(Engine.SIPPY)
    assert mute == Failure(FailureCode.NO_PORT, "our answerer could not start: no port")
    assert prober.requests == []


async def test_it_is_logged_once_that_it_fails_and_once_that_it_passes_again(clock: FakeClock) -> None:
    canary, _ = a_canary(clock, None, *[FailureCode.TIMEOUT] * 3, None, None)
    with capture_logs() as logs:
        for _ in range(6):
            await canary.check(Engine.SIPPY)
    assert [entry["log_level"] for entry in logs] == ["error", "info"]


async def test_it_comes_with_an_answerer_of_its_own(clock: FakeClock) -> None:
    prober = FakeProber(clock)
    async with canary_of({Engine.SIPPY: prober}, clock) as canary:
        assert await canary.trouble(Engine.SIPPY) is None
    (request,) = prober.requests
    assert request.target.startswith("sip:127.0.0.1:")
    assert request.accounts[0].password.reveal()
