"""Both transfers on SIPp, through the lab's real front and two real Asterisks."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialtone.model import Account, Engine, FailureCode, Flow, Plan, ProbeRun, Secret
from dialtone.runtime.clock import SystemClock
from lab import lab
from lab.sample import sample
from synthetic.sipp.prober import SippProber
from tests.fakes.sip_probes import NEVER, a_request

pytestmark = pytest.mark.integration

ACME = "acme.ntek.clusterpbx.example"
NEW, OLD = "6{user}", "7{user}"
"""How a phone is dialled through the Asterisk of series 22, and of series 16."""
MAY_NOT = "60{user}"
"""The same through 22, to a phone that may transfer nothing."""
TRANSFERS = [Flow.BLIND_TRANSFER, Flow.ATTENDED_TRANSFER]

Front = tuple[str, tuple[Account, ...]]


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """Start the front with both Asterisks; give its target and three accounts of one tenant."""
    root: Path = tmp_path_factory.mktemp("labs")
    state = asyncio.run(lab.up("transfers", only=["sip", "asterisk", "asterisk-16"], root=root))
    try:
        phones = [phone for phone in sample(state.root / "accounts.csv").phones if phone.tenant == ACME]
        accounts = tuple(Account(ACME, p.user, p.user, Secret(p.password)) for p in phones[:3])
        yield f"sip:{state.addresses['sip']};transport=udp", accounts
    finally:
        asyncio.run(lab.down("transfers", root=root))


async def transferred(front: Front, spool: Path, flow: Flow, plan: Plan, probe: str = "r1") -> ProbeRun:
    target, accounts = front
    request = a_request(
        flow, target, id=probe, tenant=ACME, accounts=accounts, engine=Engine.SIPP, plan=plan, timeout=10.0
    )
    return await SippProber(SystemClock(), spool, late=NEVER).run(request)


@pytest.mark.parametrize("dial", [NEW, OLD])
@pytest.mark.parametrize("flow", TRANSFERS)
async def test_a_transfer_passes_on_either_asterisk(
    front: Front, tmp_path: Path, flow: Flow, dial: str
) -> None:
    run = await transferred(front, tmp_path, flow, Plan(dial=dial))
    assert run.result.failure is None
    assert run.result.sip_status == 202
    assert set(run.result.timings) == {"notify_delay", "transfer_delay"}
    assert all(0 < value < 5 for value in run.result.timings.values())
    calls = 2 if flow is Flow.ATTENDED_TRANSFER else 1
    assert run.result.counts["session_complete"] == calls
    assert not any("could not leave" in mark.name for mark in run.evidence.marks)


@pytest.mark.parametrize(("dial", "consult"), [(NEW, OLD), (OLD, NEW)])
async def test_an_attended_transfer_passes_with_its_legs_on_different_asterisks(
    front: Front, tmp_path: Path, dial: str, consult: str
) -> None:
    run = await transferred(front, tmp_path, Flow.ATTENDED_TRANSFER, Plan(dial=dial, consult=consult))
    assert run.result.failure is None
    assert {m.party for m in run.evidence.messages} == {"transferor", "transferee", "target"}


@pytest.mark.parametrize(("flow", "consult"), [(Flow.BLIND_TRANSFER, ""), (Flow.ATTENDED_TRANSFER, NEW)])
async def test_a_phone_that_may_not_transfer_is_refused_and_its_call_stays_up(
    front: Front, tmp_path: Path, flow: Flow, consult: str
) -> None:
    run = await transferred(front, tmp_path, flow, Plan(dial=MAY_NOT, consult=consult))
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.TRANSFER_REFUSED
    assert run.result.sip_status == 603
    assert run.result.failure.detail.endswith("; the transferee's call stays up")


@pytest.mark.parametrize(
    ("flow", "plan"),
    [
        (Flow.BLIND_TRANSFER, Plan()),
        (Flow.ATTENDED_TRANSFER, Plan(dial=NEW, consult="{user}")),
    ],
    ids=["REFER", "Replaces"],
)
async def test_a_platform_that_leaves_the_work_to_the_phone_is_for_the_other_engine(
    front: Front, tmp_path: Path, flow: Flow, plan: Plan
) -> None:
    run = await transferred(front, tmp_path, flow, plan)
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.MISCONFIGURED
    assert "use the engine sippy" in run.result.failure.detail


async def test_the_plans_headers_are_in_both_calls(front: Front, tmp_path: Path) -> None:
    plan = Plan(dial=NEW, headers=(("X-Account", "tests"), ("X-Reason", "none at all")))
    run = await transferred(front, tmp_path, Flow.ATTENDED_TRANSFER, plan)
    assert run.result.failure is None
    sent = [m for m in run.evidence.messages if m.direction == "sent" and m.text.startswith("INVITE ")]
    assert {m.party for m in sent} == {"transferor", "transferee"}
    assert all("\r\nX-Account: tests\r\nX-Reason: none at all\r\n" in m.text for m in sent)


async def test_no_evidence_of_a_transfer_has_a_password_or_a_cue(front: Front, tmp_path: Path) -> None:
    run = await transferred(front, tmp_path, Flow.ATTENDED_TRANSFER, Plan(dial=NEW))
    text = "\n".join(message.text for message in run.evidence.messages)
    assert "Replaces=consult" in text
    assert "\nCUE " not in f"\n{text}"
    assert not any(account.password.reveal() in text for account in front[1])
