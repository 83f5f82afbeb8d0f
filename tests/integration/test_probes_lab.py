"""The flows on sippy through the lab's real SIP front."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dialtone.model import Account, FailureCode, Flow, Plan, Secret
from lab import lab
from lab.sample import sample
from tests.fakes.sip_probes import a_request, run_here

pytestmark = pytest.mark.integration

ACME = "acme.ntek.clusterpbx.example"
GLOBEX = "globex.modulis.clusterpbx.example"


@dataclass(frozen=True, slots=True)
class Front:
    """A front that runs: where, and its phones' accounts by tenant."""

    target: str
    accounts: dict[str, list[Account]]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    root: Path = tmp_path_factory.mktemp("labs")
    state = asyncio.run(lab.up("probes", only=["sip"], root=root))
    try:
        accounts: dict[str, list[Account]] = {}
        for phone in sample(state.root / "accounts.csv").phones:
            account = Account(phone.tenant, phone.user, phone.user, Secret(phone.password))
            accounts.setdefault(phone.tenant, []).append(account)
        yield Front(f"sip:{state.addresses['sip']};transport=udp", accounts)
    finally:
        asyncio.run(lab.down("probes", root=root))


async def test_register_passes_for_a_tenant(front: Front) -> None:
    request = a_request(Flow.REGISTER, front.target, tenant=ACME, accounts=tuple(front.accounts[ACME][:1]))
    report, evidence = await run_here(request)
    assert report.failure is None
    assert 0 < report.timings["rrd"] < 2
    assert {mark.name for mark in evidence.marks} == {"registered", "binding seen", "unregistered"}


@pytest.mark.parametrize("tenant", [ACME, GLOBEX])
async def test_a_call_passes_for_each_tenant_with_every_timing(front: Front, tenant: str) -> None:
    request = a_request(Flow.CALL, front.target, tenant=tenant, accounts=tuple(front.accounts[tenant][:2]))
    report, evidence = await run_here(request)
    assert report.failure is None
    assert set(report.timings) == {"srd", "pdd", "sdd", "sdt"}
    assert not any("could not leave" in mark.name for mark in evidence.marks)


@pytest.mark.parametrize(("flow", "leg"), [(Flow.REGISTER, "phone REGISTER"), (Flow.CALL, "caller INVITE")])
async def test_a_wrong_password_is_auth(front: Front, flow: Flow, leg: str) -> None:
    first, second = front.accounts[ACME][:2]
    wrong = Account(ACME, first.user, first.auth_user, Secret("not-the-password"))
    accounts = (wrong, second)[: Plan().accounts(flow)]
    report, evidence = await run_here(a_request(flow, front.target, tenant=ACME, accounts=accounts))
    assert report.failure is not None
    assert report.failure.code is FailureCode.AUTH
    assert report.failure.detail.startswith(leg)
    assert "not-the-password" not in "".join(message.text for message in evidence.messages)


async def test_another_tenants_account_is_no_way_in(front: Front) -> None:
    stranger = front.accounts[GLOBEX][0]
    posing = Account(ACME, stranger.user, stranger.auth_user, stranger.password)
    report, _ = await run_here(a_request(Flow.REGISTER, front.target, tenant=ACME, accounts=(posing,)))
    assert report.failure is not None
    assert report.failure.code is FailureCode.AUTH
