"""A SIPp is looked at for as long as it runs, whoever waits for what meanwhile."""

import os
import signal
from pathlib import Path

import anyio
import pytest

from dialtone.model import Account, FailureCode, Flow, Secret
from dialtone.runtime.clock import SystemClock
from sipp_flows.catalogue import CALLEE
from synthetic.probes.base import FlowError
from synthetic.sipp.errand import Errand, Way
from synthetic.sipp.lateness import LATE
from synthetic.sipp.ports import Ports
from synthetic.sipp.program import find_sipp
from synthetic.sipp.stage import Act, on_stage, server
from tests.fakes.sip_probes import a_request

pytestmark = pytest.mark.integration

KEYS = {"probe": "p", "caller": "101", "user": "102", "ring": "0"}
STALL = 3 * LATE


@pytest.fixture
async def errand(tmp_path: Path) -> Errand:
    clock, way = SystemClock(), Way(("127.0.0.1", 9), "127.0.0.1")
    accounts = tuple(Account("acme.example", user, "", Secret("secret")) for user in ("101", "102"))
    request = a_request(Flow.CALL, "sip:127.0.0.1:9", accounts=accounts)
    deadline = clock.monotonic() + request.timeout
    return Errand(await find_sipp(), request, way, way, tmp_path, clock, deadline, Ports())


async def stalled(act: Act) -> None:
    """Stop it for a while, with nobody who waits for it."""
    os.kill(act.run.pid, signal.SIGSTOP)
    await anyio.sleep(STALL)
    os.kill(act.run.pid, signal.SIGCONT)
    await anyio.sleep(LATE)


async def test_one_that_nobody_waits_for_is_looked_at_too(errand: Errand) -> None:
    with errand.ports.free("127.0.0.1") as port:
        waiting = server(errand, "callee", CALLEE, port, KEYS)
        async with on_stage(errand, "callee", waiting, errand.folder) as act:
            await stalled(act)
            leg = act.leg(await act.stopped())
    assert STALL - LATE < leg.late < STALL + 5 * LATE


async def test_what_goes_wrong_while_it_is_looked_at_comes_through_as_it_is(errand: Errand) -> None:
    with errand.ports.free("127.0.0.1") as port:
        waiting = server(errand, "callee", CALLEE, port, KEYS)
        with pytest.raises(FlowError, match="as told"):
            async with on_stage(errand, "callee", waiting, errand.folder) as act:
                raise FlowError(FailureCode.TIMEOUT, "as told")
    assert act.run.over
