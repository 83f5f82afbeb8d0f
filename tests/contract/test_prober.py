"""Every Prober, the real ones and the fake: it reports on what it was asked, and never raises."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dialtone.model import Flow, Outcome
from dialtone.ports import Prober
from dialtone.runtime.clock import SystemClock
from synthetic.agents.link import sippy_prober
from synthetic.sipp.prober import SippProber
from tests.fakes.clock import FakeClock
from tests.fakes.prober import FakeProber
from tests.fakes.sip_probes import PASSWORDS, a_request, an_account
from tests.fakes.sip_server import SipServer


@pytest.fixture
async def target() -> AsyncIterator[str]:
    async with SipServer(PASSWORDS) as server:
        yield server.target


@pytest.fixture(params=["sippy", "sipp", "fake"])
async def prober(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Prober]:
    if request.param == "fake":
        yield FakeProber(FakeClock())
    elif request.param == "sipp":
        yield SippProber(SystemClock(), tmp_path / "spool")
    else:
        async with sippy_prober(SystemClock()) as real:
            yield real


async def test_a_run_is_about_its_request(prober: Prober, target: str) -> None:
    request = a_request(Flow.REGISTER, target, id="r9", slot=11, attempt=2)
    result = (await prober.run(request)).result
    assert (result.id, result.probe, result.flow, result.engine) == (
        "r9",
        "calls",
        Flow.REGISTER,
        request.engine,
    )
    assert (result.tenant, result.target, result.location) == (request.tenant, target, "mtl1")
    assert (result.slot, result.attempt, result.origin) == (11, 2, request.origin)
    assert result.account == request.accounts[0].aor
    assert result.evidence is None


async def test_a_probe_that_can_be_made_passes_with_its_timing_and_status(
    prober: Prober, target: str
) -> None:
    result = (await prober.run(a_request(Flow.REGISTER, target, timeout=20.0))).result
    assert result.outcome is Outcome.PASS
    assert result.sip_status == 200
    assert "rrd" in result.timings


async def test_failure_is_none_exactly_when_it_passed(prober: Prober, target: str) -> None:
    run = await prober.run(a_request(Flow.REGISTER, target, timeout=20.0))
    assert (run.result.failure is None) is (run.result.outcome is Outcome.PASS)


async def test_what_can_not_be_run_is_no_exception(prober: Prober) -> None:
    accounts = (an_account("nobody"),)
    run = await prober.run(
        a_request(Flow.REGISTER, "sip:127.0.0.1:1;transport=carrier-pigeon", accounts=accounts)
    )
    assert run.result.tenant == accounts[0].tenant
