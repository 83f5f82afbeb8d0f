"""Both engines call the same fault the same: outcome, code, status and step."""

import asyncio
import socket
from dataclasses import dataclass, field
from pathlib import Path

import anyio.to_thread
import pytest

from dialtone.model import Engine, Failure, FailureCode, Flow, Outcome, ProbeRequest
from dialtone.runtime.clock import SystemClock
from synthetic.sipp.prober import SippProber
from tests.fakes.sip_probes import NEVER, PASSWORDS, a_request, an_account, run_here
from tests.fakes.sip_server import Manner, SipServer

pytestmark = pytest.mark.integration

AMPLE = 10.0
SHORT = 1.5
"""Timeouts, in seconds: of probes that end by themselves, and of those that are bound to run into it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What the platform does, and what a probe of it must be called; `step` begins its detail."""

    manner: Manner
    flow: Flow
    code: FailureCode | None = None
    step: str = ""
    status: int | None = None
    timeout: float = AMPLE
    passwords: tuple[str | None, ...] = field(default=(None, None))

    @property
    def outcome(self) -> Outcome:
        return Outcome.PASS if self.code is None else self.code.outcome


REGISTER, CALL = Flow.REGISTER, Flow.CALL
UNEXPECTED = FailureCode.UNEXPECTED_MESSAGE
TIMEOUT = FailureCode.TIMEOUT
TIMINGS = {REGISTER: {"rrd"}, CALL: {"srd", "pdd", "sdd", "sdt"}}
FAULTS = {
    "all is well": Fault(Manner.PROPER, REGISTER, status=200),
    "a call is well": Fault(Manner.PROPER, CALL, status=200),
    "wrong password": Fault(
        Manner.PROPER, REGISTER, FailureCode.AUTH, "phone REGISTER", 401, passwords=("wrong", None)
    ),
    "the caller's password is wrong": Fault(
        Manner.PROPER, CALL, FailureCode.AUTH, "caller INVITE", 407, passwords=("wrong", None)
    ),
    "403 to credentials": Fault(Manner.FORBIDS, REGISTER, FailureCode.AUTH, "phone REGISTER", 403),
    "challenged for ever": Fault(Manner.CHALLENGES_FOREVER, CALL, FailureCode.AUTH, "callee REGISTER", 401),
    "302 with a Contact": Fault(Manner.REDIRECTS, CALL, FailureCode.SIP_3XX, "caller INVITE", 302),
    "404": Fault(Manner.NOT_FOUND, CALL, FailureCode.SIP_4XX, "caller INVITE", 404),
    "500": Fault(Manner.FAILS, REGISTER, FailureCode.SIP_5XX, "phone REGISTER", 500),
    "603": Fault(Manner.DECLINES, CALL, FailureCode.SIP_6XX, "caller INVITE", 603),
    "silence": Fault(Manner.SILENT, REGISTER, TIMEOUT, "phone REGISTER: not done", timeout=SHORT),
    "garbage": Fault(Manner.TALKS_GARBAGE, REGISTER, UNEXPECTED, "phone REGISTER", timeout=SHORT),
    "huge datagrams": Fault(Manner.SENDS_HUGE, REGISTER, UNEXPECTED, "phone REGISTER", timeout=SHORT),
    "endless Record-Routes": Fault(
        Manner.SENDS_SEPARATORS, REGISTER, UNEXPECTED, "phone REGISTER", timeout=SHORT
    ),
    "broken headers": Fault(Manner.BREAKS_HEADERS, REGISTER, UNEXPECTED, "phone REGISTER", timeout=SHORT),
    "ringing for ever": Fault(Manner.RINGS_FOREVER, CALL, TIMEOUT, "caller INVITE: not done", timeout=SHORT),
    "answered by somebody else": Fault(Manner.ANSWERS_ITSELF, CALL, UNEXPECTED, "callee answer"),
    "the ACK is eaten": Fault(Manner.EATS_ACKS, CALL, TIMEOUT, "callee answer: the ACK did not arrive"),
    "the BYE is eaten": Fault(Manner.EATS_BYES, CALL, TIMEOUT, "caller BYE: not done", timeout=SHORT),
    "hung up during hold": Fault(Manner.HANGS_UP, CALL, UNEXPECTED, "hold"),
    "the session is described anew": Fault(Manner.REINVITES, CALL, status=200),
    "BYEs are challenged for ever": Fault(Manner.CHALLENGES_BYES, CALL, FailureCode.AUTH, "caller BYE", 407),
    "the first of every datagram is lost": Fault(Manner.LOSES_FIRST, CALL, status=200),
    "a 200 that overtakes its 180": Fault(Manner.SWAPS_RINGING, CALL, status=200),
    "a stale nonce": Fault(Manner.STALE_NONCE, CALL, status=200),
    "a stranger calls too": Fault(Manner.STRANGER_CALLS, CALL, status=200),
    "a call that nobody can know for ours": Fault(
        Manner.DISGUISES_CALLERS, CALL, FailureCode.ACCOUNT_BUSY, "the callee turned away", 486
    ),
    "a 200 to REGISTER that gets lost": Fault(
        Manner.LOSES_REGISTRATIONS, REGISTER, TIMEOUT, "phone REGISTER: not done", timeout=SHORT
    ),
    "a binding that stays": Fault(Manner.KEEPS_BINDINGS, CALL, status=200),
    "a reason phrase that is no UTF-8": Fault(Manner.SPEAKS_LATIN1, REGISTER, status=200),
}

NOT_ALIKE = {
    Manner.NAMES_NO_PORT: "SIPp sends to the next hop whatever a Contact says: a wrong one shows later",
}
"""Manners on which the engines agree in the code alone, and why."""

Seen = tuple[Failure | None, int | None, set[str]]


def asked(fault: Fault, target: str, engine: Engine) -> ProbeRequest:
    users = ("100", "101")[: fault.flow.accounts]
    accounts = tuple(an_account(u, password=word) for u, word in zip(users, fault.passwords, strict=False))
    return a_request(fault.flow, target, engine=engine, timeout=fault.timeout, accounts=accounts)


async def on_sippy(fault: Fault, spool: Path) -> Seen:
    async with SipServer(PASSWORDS, fault.manner) as server:
        report, _ = await run_here(asked(fault, server.target, Engine.SIPPY))
    return report.failure, report.status, set(report.timings)


async def on_sipp(fault: Fault, spool: Path) -> Seen:
    async with SipServer(PASSWORDS, fault.manner) as server:
        run = await SippProber(SystemClock(), spool, late=NEVER).run(asked(fault, server.target, Engine.SIPP))
    assert await anyio.to_thread.run_sync(lambda: list(spool.iterdir())) == []
    return run.result.failure, run.result.sip_status, set(run.result.timings)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_both_engines_call_a_fault_the_same(fault: Fault, tmp_path: Path) -> None:
    both = await asyncio.gather(on_sippy(fault, tmp_path), on_sipp(fault, tmp_path))
    for failure, status, timings in both:
        outcome = Outcome.PASS if failure is None else failure.code.outcome
        assert outcome is fault.outcome, failure
        assert (None if failure is None else failure.code) is fault.code, failure
        assert (failure.detail if failure is not None else "").startswith(fault.step)
        assert status == fault.status
        assert timings >= (TIMINGS[fault.flow] if failure is None else set())


async def test_a_port_that_nothing_listens_on_is_a_timeout_that_says_so_on_both(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    request = a_request(Flow.REGISTER, f"sip:127.0.0.1:{port}", timeout=SHORT)
    (report, _), run = await asyncio.gather(
        run_here(request), SippProber(SystemClock(), tmp_path, late=NEVER).run(request)
    )
    for failure in (report.failure, run.result.failure):
        assert failure is not None
        assert failure.code is FailureCode.TIMEOUT
        assert f"nothing listens on 127.0.0.1:{port} (ICMP port unreachable" in failure.detail


@pytest.mark.parametrize("manner", NOT_ALIKE, ids=str)
async def test_where_the_step_differs_the_outcome_and_the_code_do_not(manner: Manner, tmp_path: Path) -> None:
    fault = Fault(manner, Flow.CALL, timeout=SHORT)
    both = await asyncio.gather(on_sippy(fault, tmp_path), on_sipp(fault, tmp_path))
    assert {failure.code for failure, _, _ in both if failure is not None} == {UNEXPECTED}


def test_the_matrix_has_every_manner_of_the_server_that_a_probe_can_tell() -> None:
    left_out = {
        Manner.FLOODS,  # a busy machine may lose datagrams of it, which excuses the platform
        Manner.IS_LATE,  # of timings, not of faults
        Manner.REDIRECTS_WITH_CONTACT,
        Manner.PROVISIONAL_REGISTER,  # SIPp goes on after 4 s, T2: both pass where the timeout allows it
    }
    assert {fault.manner for fault in FAULTS.values()} | set(NOT_ALIKE) | left_out == set(Manner)
