"""The sippy engine over every transport and both families, through the lab's real SIP front."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialtone.model import Account, Flow, Plan, Secret, TlsPlan
from lab import lab
from lab.sample import sample
from lab.state import LabState
from tests.fakes.sip_probes import a_request, run_here

pytestmark = pytest.mark.integration

ACME = "acme.ntek.clusterpbx.example"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabState]:
    root: Path = tmp_path_factory.mktemp("labs")
    made = asyncio.run(lab.up("transports", only=["sip"], root=root))
    try:
        yield made
    finally:
        asyncio.run(lab.down("transports", root=root))


@pytest.mark.parametrize("flow", [Flow.OPTIONS, Flow.REGISTER, Flow.CALL, Flow.PRESENCE])
@pytest.mark.parametrize("address", ["sip", "sip6"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_flow_passes_over_a_transport(
    state: LabState, transport: str, address: str, flow: Flow
) -> None:
    where = state.addresses.get(f"{address}-tls" if transport == "tls" else address)
    if where is None:
        pytest.skip(f"this front has no {address} over {transport}")
    plan = Plan(tls=TlsPlan(ca=state.addresses.get("ca")))
    phones = [p for p in sample(state.root / "accounts.csv").phones if p.tenant == ACME]
    accounts = tuple(
        Account(p.tenant, p.user, p.user, Secret(p.password)) for p in phones[: plan.accounts(flow)]
    )
    target = f"sip:{where};transport={transport}"
    report, evidence = await run_here(a_request(flow, target, tenant=ACME, accounts=accounts, plan=plan))
    assert report.failure is None
    assert {message.transport for message in evidence.messages} == {transport}
    assert not any("could not leave" in mark.name for mark in evidence.marks)
