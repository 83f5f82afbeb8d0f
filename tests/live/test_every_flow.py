"""Every flow passes: on both engines over UDP, on sippy over TCP, TLS and IPv6, behind Asterisk 16 and 22."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio.to_thread
import pytest

from dialtone.model import (
    Account,
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    Engine,
    EventPackage,
    FailureCode,
    Flow,
    Outcome,
    Plan,
    ProbeRun,
    Secret,
    Side,
    TlsPlan,
)
from dialtone.ports import Prober
from dialtone.runtime.clock import SystemClock
from lab import lab
from lab.sample import sample
from lab.state import LabState
from synthetic.agents.link import sippy_prober
from synthetic.http.prober import HttpProber
from synthetic.sipp.prober import SippProber
from tests.fakes.sip_probes import NEVER, a_request

pytestmark = pytest.mark.live

ACME = "acme.ntek.clusterpbx.example"
PARTS = ["sip", "sip-b", "asterisk", "asterisk-16", "http"]
PLATFORM, TRUNK = AnsweredBy.PLATFORM, CalledFrom.TRUNK


@dataclass(frozen=True, slots=True)
class Case:
    """One way to do a flow; `caller` is the lab's address that the caller sends to, where it is its own."""

    flow: Flow
    plan: Plan = field(default_factory=Plan)
    caller: str = ""
    timeout: float = 12.0


def number(dialled: str, **changes: object) -> Case:
    """Return a call to a number that the platform answers."""
    return Case(Flow.CALL, Plan(number=dialled, answered_by=PLATFORM, **changes))  # type: ignore[arg-type]


def transfer(flow: Flow, dial: str, consult: str = "") -> Case:
    """Return a transfer through an Asterisk: 6 is series 22, 7 is series 16."""
    return Case(flow, Plan(dial=dial, consult=consult))


BY_A_CALL = "dialogs by a call"
ATTENDED, BLIND = Flow.ATTENDED_TRANSFER, Flow.BLIND_TRANSFER
CASES = {
    "options": Case(Flow.OPTIONS),
    "register": Case(Flow.REGISTER),
    "a call": Case(Flow.CALL),
    "a call that the callee ends": Case(Flow.CALL, Plan(hangs_up=Side.CALLEE)),
    "a call through 22": Case(Flow.CALL, Plan(dial="6{user}")),
    "a call through 16": Case(Flow.CALL, Plan(dial="7{user}")),
    "a call with a header for the billing": Case(Flow.CALL, Plan(headers=(("X-Test-Call", "1"),))),
    "registered at A, called through B": Case(Flow.CALL, caller="sip-b"),
    "echo on 22": number("600"),
    "echo on 16": number("700"),
    "voicemail": number("604"),
    "conference": number("606"),
    "IVR": number("607"),
    "a call that the platform ends": number("609", hangs_up=Side.CALLEE, hold=3.0),
    "outside by the default gateway": number("91234"),
    "outside by a named gateway": number("91234", headers=(("X-Gateway", "gw2"),)),
    "a queue": Case(Flow.CALL, Plan(number="605")),
    "a ring group": Case(Flow.CALL, Plan(number="608")),
    "a DID from the trunk's side": Case(
        Flow.CALL, Plan(number="15140001101", called_from=TRUNK), caller="trunk"
    ),
    "presence by PUBLISH": Case(Flow.PRESENCE),
    BY_A_CALL: Case(Flow.PRESENCE, Plan(event=EventPackage.DIALOG, changed_by=ChangedBy.CALL, number="600")),
    "blind transfer on 22": transfer(BLIND, "6{user}"),
    "blind transfer on 16": transfer(BLIND, "7{user}"),
    "attended transfer on 22": transfer(ATTENDED, "6{user}"),
    "attended transfer on 16": transfer(ATTENDED, "7{user}"),
    "attended transfer from 22 to 16": transfer(ATTENDED, "6{user}", "7{user}"),
    "attended transfer from 16 to 22": transfer(ATTENDED, "7{user}", "6{user}"),
}
EVERYWHERE = [
    "options",
    "register",
    "a call",
    "a call through 22",
    "echo on 16",
    "presence by PUBLISH",
    BY_A_CALL,
    "blind transfer on 22",
    "attended transfer on 22",
    "attended transfer from 16 to 22",
]
"""What is tried over every transport: each flow, and what depends on the way that a phone came."""
WAYS = {
    "TCP": ("sip", "tcp"),
    "TLS": ("sip-tls", "tls"),
    "UDP on IPv6": ("sip6", "udp"),
    "TCP on IPv6": ("sip6", "tcp"),
    "TLS on IPv6": ("sip6-tls", "tls"),
}
"""The ways to the front besides UDP: the name of its address, and the transport."""
TRIES = 3
"""How often a flow is run where our own machine was too busy: such a run says nothing of the platform."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabState]:
    root: Path = tmp_path_factory.mktemp("labs")
    made = asyncio.run(lab.up("flows", only=PARTS, root=root))
    try:
        yield made
    finally:
        asyncio.run(lab.down("flows", root=root))


async def ran(state: LabState, prober: Prober, engine: Engine, case: Case, target: str) -> ProbeRun:
    plan = case.plan
    if case.caller:
        plan = replace(plan, caller_target=f"sip:{state.addresses[case.caller]};transport=udp")
    if "transport=tls" in target:
        plan = replace(plan, tls=TlsPlan(ca=state.addresses["ca"]))
    phones = [p for p in sample(state.root / "accounts.csv").phones if p.tenant == ACME]
    accounts = tuple(
        Account(p.tenant, p.user, p.user, Secret(p.password)) for p in phones[: plan.accounts(case.flow)]
    )
    request = a_request(
        case.flow, target, tenant=ACME, engine=engine, accounts=accounts, plan=plan, timeout=case.timeout
    )
    for _ in range(TRIES):
        run = await prober.run(request)
        if run.result.failure is None or run.result.failure.code is not FailureCode.OVERLOADED:
            break
    return run


def passed(run: ProbeRun) -> None:
    assert run.result.failure is None, run.result.failure
    assert run.result.outcome is Outcome.PASS
    assert not [mark.name for mark in run.evidence.marks if "could not leave" in mark.name]


def udp(state: LabState) -> str:
    return f"sip:{state.addresses['sip']};transport=udp"


def there_is(state: LabState, name: str) -> None:
    """Skip what this front can't do: what it lacks stands behind `without` in what the lab says of it."""
    says = next(part.says for part in state.parts if part.name == "sip")
    if name == BY_A_CALL and "dialog-info" in says.partition("; without ")[2]:
        pytest.skip(f"this front publishes no dialog-info of calls: {says}")


@pytest.mark.parametrize("name", CASES)
async def test_a_flow_passes_on_sippy_over_udp(state: LabState, name: str) -> None:
    there_is(state, name)
    async with sippy_prober(SystemClock()) as prober:
        passed(await ran(state, prober, Engine.SIPPY, CASES[name], udp(state)))


@pytest.mark.parametrize("name", CASES)
async def test_a_flow_passes_on_sipp_over_udp(state: LabState, tmp_path: Path, name: str) -> None:
    there_is(state, name)
    prober = SippProber(SystemClock(), tmp_path, late=NEVER)
    passed(await ran(state, prober, Engine.SIPP, CASES[name], udp(state)))
    assert await anyio.to_thread.run_sync(lambda: list(tmp_path.iterdir())) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", EVERYWHERE)
async def test_a_flow_passes_on_sippy_over_every_transport(state: LabState, name: str, way: str) -> None:
    there_is(state, name)
    address, transport = WAYS[way]
    if address not in state.addresses:
        pytest.skip(f"this machine's front has no {address}")
    async with sippy_prober(SystemClock()) as prober:
        target = f"sip:{state.addresses[address]};transport={transport}"
        run = await ran(state, prober, Engine.SIPPY, CASES[name], target)
    passed(run)
    assert {message.transport for message in run.evidence.messages} == {transport}


@pytest.mark.parametrize("page", ["/admin", "/api/v1/tenants", "/provisioning/{tenant}.cfg"])
@pytest.mark.parametrize("address", ["http", "https"])
async def test_a_page_passes_in_the_service(state: LabState, address: str, page: str) -> None:
    plan = Plan(tls=TlsPlan(ca=state.addresses["ca"])) if address == "https" else Plan()
    target = state.addresses[address] + page
    request = a_request(Flow.HTTP, target, tenant=ACME, engine=Engine.SERVICE, accounts=(), plan=plan)
    run = await HttpProber(SystemClock()).run(request)
    passed(run)
    assert (run.result.certificate_expires is not None) is (address == "https")


@pytest.mark.parametrize("names", [list(CASES), EVERYWHERE], ids=["over UDP", "over every transport"])
def test_every_flow_has_a_case(names: list[str]) -> None:
    assert {CASES[name].flow for name in names} == set(Flow) - {Flow.HTTP}
