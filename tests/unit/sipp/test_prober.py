"""The prober around SIPp: what it does when there is no SIPp, or one that is no use. No traffic here."""

from pathlib import Path
from typing import Any

import pytest

from dialtone.model import Engine, Evidence, FailureCode, Flow, Outcome, ProbeRun
from dialtone.runtime.clock import SystemClock
from synthetic.sipp.prober import SippProber
from synthetic.sipp.program import Sipp, SippLocator, SippMissingError
from tests.fakes.sip_probes import a_request, an_account
from tests.fakes.sipp_program import SippProgram


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "data" / "spool"


@pytest.fixture
def useless(tmp_path: Path) -> SippProber:
    """Return a prober whose SIPp says its version and then gives up."""
    program = SippProgram(tmp_path).version("3.6.1", "echo 'no such option' >&2; exit 1")
    return SippProber(SystemClock(), tmp_path / "data" / "spool", SippLocator(program).find)


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def probe(prober: SippProber, **changes: Any) -> ProbeRun:
    return await prober.run(a_request(Flow.REGISTER, engine=Engine.SIPP, **changes))


async def test_without_sipp_the_probe_is_inconclusive_and_says_how_to_mend_it(spool: Path) -> None:
    prober = SippProber(SystemClock(), spool, SippLocator("/nowhere/sipp").find)
    result = (await probe(prober)).result
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.failure is not None
    assert result.failure.code is FailureCode.ENGINE_MISSING
    assert "install the Debian package sip-tester" in result.failure.detail
    assert result.engine is Engine.SIPP


async def test_a_sipp_that_gives_up_at_once_is_misconfigured_and_leaves_no_folder(
    useless: SippProber, spool: Path
) -> None:
    run = await probe(useless)
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.MISCONFIGURED
    assert run.result.failure.detail.startswith("phone REGISTER: ")
    assert "no such option" in run.result.failure.detail
    assert run.evidence.messages == ()
    assert left_in(spool) == []


async def test_an_account_that_sipp_can_not_be_given_is_named_without_its_password(
    useless: SippProber,
) -> None:
    result = (await probe(useless, accounts=(an_account(password="semi;colon"),))).result
    assert result.failure is not None
    assert result.failure.code is FailureCode.MISCONFIGURED
    assert "the password of 100@acme.example has a semicolon" in result.failure.detail
    assert "semi;colon" not in result.failure.detail


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("sip:127.0.0.1:5060;transport=carrier-pigeon", FailureCode.MISCONFIGURED),
        ("http://127.0.0.1", FailureCode.MISCONFIGURED),
        ("sip:no-such-host.invalid", FailureCode.DNS),
    ],
)
async def test_a_target_that_leads_nowhere_says_why(
    useless: SippProber, target: str, code: FailureCode
) -> None:
    run = await probe(useless, target=target)
    assert run.result.failure is not None
    assert run.result.failure.code is code
    assert run.evidence == Evidence()


async def test_a_spool_that_can_not_be_written_is_said_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    program = SippProgram(tmp_path).version("3.6.1")
    prober = SippProber(SystemClock(), tmp_path / "file" / "spool", SippLocator(program).find)
    result = (await probe(prober)).result
    assert result.failure is not None
    assert result.failure.code is FailureCode.ENGINE_CRASHED
    assert str(tmp_path / "file") in result.failure.detail


async def test_a_fault_of_our_own_is_inconclusive_and_no_exception(spool: Path) -> None:
    async def broken() -> Sipp:
        raise LookupError("hunter-two")

    result = (await probe(SippProber(SystemClock(), spool, broken))).result
    assert result.failure is not None
    assert result.failure.code is FailureCode.ENGINE_CRASHED
    assert "hunter-two" not in result.failure.detail


async def test_an_engine_that_comes_back_is_used(spool: Path, tmp_path: Path) -> None:
    found: list[Sipp] = []

    async def find() -> Sipp:
        if not found:
            raise SippMissingError("not yet")
        return found[0]

    prober = SippProber(SystemClock(), spool, find)
    first = (await probe(prober)).result.failure
    found.append(Sipp(SippProgram(tmp_path).version("3.6.1", "exit 1"), (3, 6, 1)))
    second = (await probe(prober)).result.failure
    assert first is not None
    assert second is not None
    assert (first.code, second.code) == (FailureCode.ENGINE_MISSING, FailureCode.MISCONFIGURED)
