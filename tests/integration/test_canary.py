"""The canary on the real engines: it passes while our side is well, and fails when it is not."""

import shutil
from pathlib import Path

import pytest

from dialtone.model import Engine, FailureCode
from dialtone.ports import Prober
from dialtone.runtime.clock import SystemClock
from synthetic.agents.link import sippy_prober
from synthetic.answerer import DOMAIN, Answerer
from synthetic.canary import Canary, canary_of
from synthetic.http.prober import HttpProber
from synthetic.sipp.prober import SippProber
from tests.fakes.sip_probes import PASSWORDS, an_account
from tests.fakes.sip_server import Manner, SipServer

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("engine", Engine)
async def test_every_engine_passes_at_our_own_answerer(engine: Engine, tmp_path: Path) -> None:
    if engine is Engine.SIPP and shutil.which("sipp") is None:
        pytest.skip("no sipp on PATH")
    clock = SystemClock()
    async with sippy_prober(clock) as sippy:
        probers: dict[Engine, Prober] = {
            Engine.SIPPY: sippy,
            Engine.SIPP: SippProber(clock, tmp_path),
            Engine.SERVICE: HttpProber(clock),
        }
        async with canary_of(probers, clock) as canary:
            first = await canary.trouble(engine)
            if first is not None and first.code is FailureCode.OVERLOADED:  # this machine, not the canary
                await canary.check(engine)
            assert canary.successes == {engine: True}, first


async def test_an_answerer_that_is_mute_is_our_trouble() -> None:
    clock = SystemClock()
    async with sippy_prober(clock) as sippy, SipServer(PASSWORDS, Manner.SILENT) as silent:
        mute = Answerer(an_account("canary", DOMAIN), silent.target, "http://127.0.0.1:9/")
        canary = Canary({Engine.SIPPY: sippy, Engine.SERVICE: HttpProber(clock)}, clock, mute)
        silence, refusal = await canary.trouble(Engine.SIPPY), await canary.trouble(Engine.SERVICE)
    assert silence is not None
    assert silence.code in (FailureCode.TIMEOUT, FailureCode.OVERLOADED)
    assert refusal is not None
    assert refusal.code is FailureCode.CONNECT
