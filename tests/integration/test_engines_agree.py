"""Both engines call the same fault the same: outcome, code, status and step."""

import asyncio
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from dialtone.model import (
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    Engine,
    EventPackage,
    Failure,
    FailureCode,
    Flow,
    Outcome,
    Plan,
    ProbeRequest,
    Side,
)
from dialtone.runtime.clock import SystemClock
from synthetic.sipp.prober import SippProber
from tests.fakes.sip_presence import Habit, PresenceServer
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
    plan: Plan = field(default_factory=Plan)
    habit: Habit | None = None
    passwords: tuple[str | None, ...] = field(default=(None, None))

    @property
    def outcome(self) -> Outcome:
        return Outcome.PASS if self.code is None else self.code.outcome


OPTIONS, REGISTER, CALL, PRESENCE = Flow.OPTIONS, Flow.REGISTER, Flow.CALL, Flow.PRESENCE
UNEXPECTED = FailureCode.UNEXPECTED_MESSAGE
TIMEOUT = FailureCode.TIMEOUT
NO_NOTIFY, WRONG_STATE = FailureCode.NO_NOTIFY, FailureCode.WRONG_STATE
TIMINGS = {
    OPTIONS: {"options_delay"},
    REGISTER: {"rrd", "binding_delay"},
    CALL: {"srd", "pdd", "sdd", "sdt"},
    PRESENCE: {"presence_delay"},
}
THEIRS = Plan(hangs_up=Side.CALLEE)
TO_NUMBER = Plan(number="101")
TO_PLATFORM = Plan(number="600", answered_by=AnsweredBy.PLATFORM)
FROM_TRUNK = Plan(called_from=CalledFrom.TRUNK, caller_id="15145550100")
BY_CALL = Plan(event=EventPackage.DIALOG, changed_by=ChangedBy.CALL)


def served(
    habit: Habit,
    flow: Flow,
    code: FailureCode | None = None,
    step: str = "",
    status: int | None = None,
    **more: Any,
) -> Fault:
    """Return a fault of the presence server inside."""
    return Fault(Manner.PROPER, flow, code, step, status, habit=habit, **more)


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
    "a first request that is challenged twice": Fault(Manner.CHALLENGES_TWICE, CALL, status=200),
    "a stranger calls too": Fault(Manner.STRANGER_CALLS, CALL, status=200),
    "a call that nobody can know for ours": Fault(
        Manner.DISGUISES_CALLERS, CALL, FailureCode.ACCOUNT_BUSY, "the callee turned away", 486
    ),
    "a 200 to REGISTER that gets lost": Fault(
        Manner.LOSES_REGISTRATIONS, REGISTER, TIMEOUT, "phone REGISTER: not done", timeout=SHORT
    ),
    "a binding that stays": Fault(Manner.KEEPS_BINDINGS, CALL, status=200),
    "a binding that can't be taken back": Fault(
        Manner.KEEPS_BINDINGS, REGISTER, FailureCode.SIP_5XX, "phone unregister: 500", 500
    ),
    "the callee hangs up": Fault(Manner.PROPER, CALL, status=200, plan=THEIRS),
    "the callee's BYE is eaten": Fault(
        Manner.EATS_BYES, CALL, TIMEOUT, "callee BYE: not done", timeout=SHORT, plan=THEIRS
    ),
    "hung up on before the callee hangs up": Fault(Manner.HANGS_UP, CALL, UNEXPECTED, "hold", plan=THEIRS),
    "a number that leads to our callee": Fault(Manner.PROPER, CALL, status=200, plan=TO_NUMBER),
    "a number that leads to somebody else": Fault(
        Manner.ANSWERS_ITSELF,
        CALL,
        UNEXPECTED,
        "callee answer: the call was answered, but not by our callee; not done",
        timeout=SHORT,
        plan=TO_NUMBER,
    ),
    "a number that the platform answers": Fault(Manner.ANSWERS_ITSELF, CALL, status=200, plan=TO_PLATFORM),
    "a number that nobody answers": Fault(
        Manner.RINGS_FOREVER, CALL, TIMEOUT, "caller INVITE: not done", timeout=SHORT, plan=TO_PLATFORM
    ),
    "a platform that doesn't hang up": Fault(
        Manner.ANSWERS_ITSELF,
        CALL,
        TIMEOUT,
        "platform BYE: not done",
        timeout=SHORT,
        plan=replace(TO_PLATFORM, hangs_up=Side.CALLEE),
    ),
    "no number for the platform": Fault(
        Manner.PROPER,
        CALL,
        FailureCode.MISCONFIGURED,
        "a call that the platform answers needs a number",
        plan=replace(TO_PLATFORM, number=""),
    ),
    "the trunk's side is asked for a password": Fault(
        Manner.PROPER, CALL, FailureCode.AUTH, "trunk INVITE: the platform asks", 407, plan=FROM_TRUNK
    ),
    "longer ringing, longer hold and a header": Fault(
        Manner.PROPER,
        CALL,
        status=200,
        plan=Plan(ring=0.4, hold=0.6, headers=(("X-Billing", "no; really"), ("X-Route", "<sip:gw>"))),
    ),
    "a reason phrase that is no UTF-8": Fault(Manner.SPEAKS_LATIN1, REGISTER, status=200),
    "a server that is up": served(Habit.PROPER, OPTIONS, status=200),
    "a server that is down for now": served(
        Habit.IS_UNAVAILABLE, OPTIONS, FailureCode.SIP_5XX, "pinger OPTIONS: 503, where a 2xx is right", 503
    ),
    "a status that is right": served(
        Habit.ASKS_EVERYBODY_FOR_A_PASSWORD, OPTIONS, status=401, plan=Plan(statuses=(401, 407))
    ),
    "a 2xx that isn't wanted": served(
        Habit.PROPER, OPTIONS, UNEXPECTED, "pinger OPTIONS: 200, where 404", 200, plan=Plan(statuses=(404,))
    ),
    "a server that is silent": Fault(Manner.SILENT, OPTIONS, TIMEOUT, "pinger OPTIONS", timeout=SHORT),
    "a longer life is wanted": served(Habit.WANTS_LONGER_LIVES, REGISTER, status=200),
    "a longer life is always wanted": served(
        Habit.WANTS_LONGER_LIVES_FOREVER, REGISTER, FailureCode.SIP_4XX, "phone REGISTER: 423", 423
    ),
    "presence is well": served(Habit.PROPER, PRESENCE, status=200),
    "another phone of the user's is open": served(Habit.KNOWS_ANOTHER_PHONE, PRESENCE, status=200),
    "dialogs are well": served(Habit.PROPER, PRESENCE, status=200, plan=BY_CALL),
    "dialogs can't be published": served(
        Habit.PROPER,
        PRESENCE,
        FailureCode.MISCONFIGURED,
        "dialogs can't be published",
        plan=Plan(event=EventPackage.DIALOG),
    ),
    "PUBLISH is refused": served(
        Habit.REFUSES_PUBLICATIONS, PRESENCE, FailureCode.SIP_4XX, "presentity PUBLISH closed: 405", 405
    ),
    "the changing PUBLISH is refused": served(
        Habit.REFUSES_CHANGES, PRESENCE, FailureCode.SIP_5XX, "presentity PUBLISH open: 500", 500
    ),
    "SUBSCRIBE is refused": served(
        Habit.REFUSES_SUBSCRIPTIONS, PRESENCE, FailureCode.SIP_4XX, "watcher SUBSCRIBE: 489", 489
    ),
    "the watcher's password is wrong": served(
        Habit.PROPER, PRESENCE, FailureCode.AUTH, "watcher SUBSCRIBE", 407, passwords=("wrong", None)
    ),
    "the presentity's password is wrong": served(
        Habit.PROPER, PRESENCE, FailureCode.AUTH, "presentity PUBLISH closed", 401, passwords=(None, "wrong")
    ),
    "no NOTIFY at all": served(
        Habit.NEVER_NOTIFIES, PRESENCE, NO_NOTIFY, "watcher NOTIFY: no NOTIFY before the", timeout=SHORT
    ),
    "the NOTIFY of the change is lost": served(
        Habit.LOSES_THE_CHANGE, PRESENCE, NO_NOTIFY, "watcher NOTIFY: no NOTIFY after the", timeout=SHORT
    ),
    "the old state is told": served(
        Habit.TELLS_THE_OLD_STATE, PRESENCE, WRONG_STATE, "watcher NOTIFY: told closed and not", timeout=SHORT
    ),
    "the new state is told before the change": served(
        Habit.TELLS_THE_NEW_STATE_FIRST,
        PRESENCE,
        WRONG_STATE,
        "watcher NOTIFY: told open and not closed, before the change,",
        timeout=SHORT,
    ),
    "the subscription is ended": served(
        Habit.ENDS_SUBSCRIPTIONS,
        PRESENCE,
        UNEXPECTED,
        "watcher NOTIFY: the platform ended the subscription (noresource)",
    ),
    "a document that is none": served(
        Habit.TELLS_GARBAGE, PRESENCE, UNEXPECTED, "watcher NOTIFY: told nothing that can be", timeout=SHORT
    ),
    "a document of another type": served(
        Habit.TELLS_ANOTHER_TYPE, PRESENCE, UNEXPECTED, "watcher NOTIFY: told nothing that", timeout=SHORT
    ),
    "NOTIFYs without a document": served(
        Habit.TELLS_NOTHING, PRESENCE, NO_NOTIFY, "watcher NOTIFY: only NOTIFYs without", timeout=SHORT
    ),
    "the last NOTIFY is forgotten": served(
        Habit.FORGETS_THE_LAST_NOTIFY,
        PRESENCE,
        NO_NOTIFY,
        "watcher last NOTIFY: unsubscribed, but the NOTIFY that ends it did not come within 2 s",
    ),
    "unsubscribing is refused": served(
        Habit.REFUSES_TO_END, PRESENCE, FailureCode.SIP_5XX, "watcher unsubscribe: 500", 500
    ),
    "a NOTIFY that overtakes the answer": served(Habit.NOTIFIES_BEFORE_ANSWERING, PRESENCE, status=200),
    "a publication without a tag": served(
        Habit.NAMES_NO_TAG, PRESENCE, UNEXPECTED, "presentity PUBLISH closed: a 2xx to PUBLISH without", 200
    ),
    "a publication that is forgotten": served(Habit.FORGETS_PUBLICATIONS, PRESENCE, status=200),
    "longer subscriptions are wanted": served(Habit.WANTS_LONGER_LIVES, PRESENCE, status=200),
}

NOT_ALIKE = {
    Manner.NAMES_NO_PORT: "SIPp sends to the next hop whatever a Contact says: a wrong one shows later",
}
"""Manners on which the engines agree in the code alone, and why."""

Seen = tuple[Failure | None, int | None, set[str], dict[str, int]]


def asked(fault: Fault, target: str, engine: Engine) -> ProbeRequest:
    users = ("100", "101")[: fault.plan.accounts(fault.flow)]
    if fault.plan.called_from is CalledFrom.TRUNK:
        users = ("101",)
    accounts = tuple(an_account(u, password=word) for u, word in zip(users, fault.passwords, strict=False))
    changes = {"engine": engine, "timeout": fault.timeout, "accounts": accounts, "plan": fault.plan}
    return a_request(fault.flow, target, **changes)


def a_server(fault: Fault) -> SipServer:
    if fault.habit is None:
        return SipServer(PASSWORDS, fault.manner)
    return PresenceServer(PASSWORDS, fault.habit, fault.manner)


async def on_sippy(fault: Fault, spool: Path) -> Seen:
    async with a_server(fault) as server:
        report, _ = await run_here(asked(fault, server.target, Engine.SIPPY))
    return report.failure, report.status, set(report.timings), dict(report.counts)


async def on_sipp(fault: Fault, spool: Path) -> Seen:
    async with a_server(fault) as server:
        run = await SippProber(SystemClock(), spool, late=NEVER).run(asked(fault, server.target, Engine.SIPP))
    assert await anyio.to_thread.run_sync(lambda: list(spool.iterdir())) == []
    counts = dict(run.result.counts)
    return run.result.failure, run.result.sip_status, set(run.result.timings), counts


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_both_engines_call_a_fault_the_same(fault: Fault, tmp_path: Path) -> None:
    both = await asyncio.gather(on_sippy(fault, tmp_path), on_sipp(fault, tmp_path))
    for failure, status, timings, _ in both:
        outcome = Outcome.PASS if failure is None else failure.code.outcome
        assert outcome is fault.outcome, failure
        assert (None if failure is None else failure.code) is fault.code, failure
        assert (failure.detail if failure is not None else "").startswith(fault.step)
        assert status == fault.status
        assert timings >= (TIMINGS[fault.flow] if failure is None else set())
    assert both[0][3] == both[1][3]


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
    assert {failure.code for failure, *_ in both if failure is not None} == {UNEXPECTED}


def test_the_matrix_has_every_manner_of_the_server_that_a_probe_can_tell() -> None:
    left_out = {
        Manner.FLOODS,  # a busy machine may lose datagrams of it, which excuses the platform
        Manner.IS_LATE,  # of timings, not of faults
        Manner.REPEATS_ANSWERS,  # of the evidence, not of faults
        Manner.REDIRECTS_WITH_CONTACT,
        Manner.PROVISIONAL_REGISTER,  # SIPp goes on after 4 s, T2: both pass where the timeout allows it
    }
    assert {fault.manner for fault in FAULTS.values()} | set(NOT_ALIKE) | left_out == set(Manner)
