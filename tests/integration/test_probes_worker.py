"""The worker as a process of its own: what happens to it is never downtime of a tenant."""

import asyncio
import os
import signal

import anyio
import pytest

from dialtone.model import FailureCode, Flow, Outcome
from dialtone.runtime.child import ChildProcess
from dialtone.runtime.clock import SystemClock
from synthetic.agents.link import WORKER, SippyProber
from tests.fakes.sip_probes import PASSWORDS, a_request
from tests.fakes.sip_server import Manner, SipServer

pytestmark = pytest.mark.integration


async def asked(server: SipServer) -> None:
    """Wait until the first request has reached a server."""
    with anyio.fail_after(30):
        await server.first_request.wait()


async def test_a_worker_killed_in_the_middle_is_inconclusive_and_the_next_probe_works() -> None:
    clock = SystemClock()
    async with (
        SipServer(PASSWORDS) as proper,
        SipServer(PASSWORDS, Manner.SILENT) as silent,
        ChildProcess(WORKER, clock=clock) as worker,
    ):
        prober = SippyProber(worker, clock)
        lost = asyncio.create_task(prober.run(a_request(Flow.CALL, silent.target, timeout=60.0)))
        await asked(silent)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        result = (await lost).result
        assert result.outcome is Outcome.INCONCLUSIVE
        assert result.failure is not None
        assert result.failure.code is FailureCode.ENGINE_CRASHED
        assert "SIGKILL" in result.failure.detail
        again = (await prober.run(a_request(Flow.REGISTER, proper.target, timeout=20.0))).result
    assert again.failure is None or again.failure.code is FailureCode.OVERLOADED
    assert again.timings["rrd"] > 0


async def test_a_worker_that_is_stopped_is_inconclusive_and_replaced() -> None:
    clock = SystemClock()
    async with (
        SipServer(PASSWORDS, Manner.SILENT) as silent,
        ChildProcess(WORKER, clock=clock, grace=0.5) as worker,
    ):
        prober = SippyProber(worker, clock)
        running = asyncio.create_task(prober.run(a_request(Flow.REGISTER, silent.target, timeout=1.0)))
        await asked(silent)
        stopped = worker.pid
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        result = (await running).result
        assert result.failure is not None
        assert result.failure.code is FailureCode.ENGINE_CRASHED
        assert "fell silent" in result.failure.detail
        after = (await prober.run(a_request(Flow.REGISTER, silent.target, timeout=1.0))).result
        assert worker.pid != stopped
    assert after.failure is not None
    assert after.failure.code in (FailureCode.TIMEOUT, FailureCode.OVERLOADED, FailureCode.ENGINE_CRASHED)
