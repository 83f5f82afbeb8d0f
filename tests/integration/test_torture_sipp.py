"""Mutated answers to probes on SIPp: the prober ends in time with a code, and nothing of them is left."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from dialtone.model import Engine, FailureCode, Flow
from dialtone.runtime.clock import SystemClock
from lab.faults.message import SipText
from synthetic.probes.runner import TIDY
from synthetic.sipp.prober import SippProber
from tests.fakes.sip_mutations import Mutator
from tests.fakes.sip_presence import PresenceServer
from tests.fakes.sip_probes import NEVER, PASSWORDS, a_request
from tests.fakes.sip_server import Address
from tests.integration.test_probes_sipp import left_in, programs

pytestmark = pytest.mark.integration

FAST = 1.5
FLOWS = (Flow.OPTIONS, Flow.REGISTER, Flow.CALL, Flow.PRESENCE)
TOTAL = 200
EACH = 4
SHARE = 16
"""Mutated messages in all, before each right answer, and for one probe at most about."""


class MutatingServer(PresenceServer):
    """Answers each request with mutated messages about it first."""

    def __init__(self, mutator: Mutator) -> None:
        super().__init__(PASSWORDS)
        self.thrown = 0
        self._mutator = mutator

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a datagram; what a confused SIPp says may be confused."""
        try:
            message = SipText.parse(data)
            known = message.get("call-id") and message.method
        except (ValueError, IndexError):
            return
        if known:
            for _ in range(EACH if self.thrown < SHARE else 0):
                self.thrown += 1
                self._transport.sendto(self._mutator.message((message,), self.port), addr)
            super().datagram_received(data, addr)

    def _relay_back(self, message: SipText) -> None:
        if len([via for line in message.all("via") for via in line.split(",")]) > 1:
            super()._relay_back(message)


async def test_two_hundred_mutated_messages_to_sipp_leave_no_process_and_no_file(tmp_path: Path) -> None:
    prober = SippProber(SystemClock(), tmp_path, late=NEVER)
    loop = asyncio.get_running_loop()
    mutator = Mutator(3)
    ends: Counter[str] = Counter()
    thrown = 0

    async def one(flow: Flow) -> None:
        nonlocal thrown
        async with MutatingServer(mutator) as server:
            started = loop.time()
            run = await prober.run(a_request(flow, server.target, engine=Engine.SIPP, timeout=FAST))
            took = loop.time() - started
        failure = run.result.failure
        thrown += server.thrown
        ends["passed" if failure is None else failure.code.value] += 1
        assert failure is None or isinstance(failure.code, FailureCode)
        assert run.result.duration < FAST + 1, (flow, failure)
        assert took < FAST + TIDY + 2, (flow, failure)  # SIPp's own start and end are no part of the probe

    while thrown < TOTAL:
        await asyncio.gather(*(one(flow) for flow in FLOWS))
    assert len(ends) > 1
    assert left_in(tmp_path) == []
    assert programs(tmp_path) == {}
