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
    "dialogs by a call": Case(
        Flow.PRESENCE, Plan(event=EventPackage.DIALOG, changed_by=ChangedBy.CALL, number="600")
    ),
    "blind transfer on 22": transfer(BLIND, "6{user}"),
    "blind transfer on 16": transfer(BLIND, "7{user}"),
    "attended transfer on 22": transfer(ATTENDED, "6{user}"),
    "attended transfer on 16": transfer(ATTENDED, "7{user}"),
    "attended transfer from 22 to 16": transfer(ATTENDED, "6{user}", "7{user}"),
    "attended transfer from 16 to 22": transfer(ATTENDED, "7{user}", "6{user}"),
}
PER_FLOW = {
    flow: next(case for name, case in CASES.items() if case.flow is flow) for flow in Flow if flow != "http"
}
"""The first case of each flow: what is tried over every transport."""


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
    return await prober.run(
        a_request(
            case.flow, target, tenant=ACME, engine=engine, accounts=accounts, plan=plan, timeout=case.timeout
        )
    )


def passed(run: ProbeRun) -> None:
    assert run.result.failure is None, run.result.failure
    assert run.result.outcome is Outcome.PASS
    assert not [mark.name for mark in run.evidence.marks if "could not leave" in mark.name]


def udp(state: LabState) -> str:
    return f"sip:{state.addresses['sip']};transport=udp"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_flow_passes_on_sippy_over_udp(state: LabState, case: Case) -> None:
    async with sippy_prober(SystemClock()) as prober:
        passed(await ran(state, prober, Engine.SIPPY, case, udp(state)))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_flow_passes_on_sipp_over_udp(state: LabState, tmp_path: Path, case: Case) -> None:
    prober = SippProber(SystemClock(), tmp_path, late=NEVER)
    passed(await ran(state, prober, Engine.SIPP, case, udp(state)))
    assert await anyio.to_thread.run_sync(lambda: list(tmp_path.iterdir())) == []


@pytest.mark.parametrize("address", ["sip", "sip6", "sip-tls", "sip6-tls"])
@pytest.mark.parametrize("flow", PER_FLOW, ids=str)
async def test_a_flow_passes_on_sippy_over_every_transport(state: LabState, flow: Flow, address: str) -> None:
    if address not in state.addresses:
        pytest.skip(f"this machine's front has no {address}")
    transports = ("tls",) if address.endswith("-tls") else ("tcp",) if address == "sip" else ("udp", "tcp")
    async with sippy_prober(SystemClock()) as prober:
        for transport in transports:
            target = f"sip:{state.addresses[address]};transport={transport}"
            run = await ran(state, prober, Engine.SIPPY, PER_FLOW[flow], target)
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


def test_every_flow_has_a_case() -> None:
    assert {case.flow for case in CASES.values()} == set(Flow) - {Flow.HTTP}
