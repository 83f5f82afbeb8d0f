"""Which faults are produced, in which order they are told, and what makes a row right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from dialtone.model import Engine, Failure, FailureCode, Flow, ProbeRequest, ProbeRun
from lab.base import LabError
from lab.faults.matrix import PARTS, Row, Wanted, run_matrix, unreachable, wanted
from lab.faults.table import FAULTS
from lab.files import locked
from lab.state import LabState, PartState
from tests.fakes.clock import FakeClock
from tests.fakes.prober import FakeProber

ACCOUNTS = "tenant,user,auth_user,password\n" + "".join(
    f"{tenant}.example,{user},,secret\n" for tenant in ("acme", "bolt") for user in (101, 102, 103, 104)
)
ADDRESSES = {
    "sip": "127.0.0.1:9",
    "sip-tls": "127.0.0.1:9",
    "http": "http://127.0.0.1:9",
    "https": "https://127.0.0.1:9",
}
NOT_FOUND, BUSY = "the page is not found", "a number that is busy (486)"


def a_lab(folder: Path, parts: Sequence[str] = PARTS, *, dead: str = "", **without: str) -> LabState:
    (folder / "accounts.csv").write_text(ACCOUNTS)
    there = {name: where for name, where in ADDRESSES.items() if name not in without}
    running = {"kamailio": True} | ({dead: False} if dead else {})
    return LabState(
        "mine",
        folder,
        folder / "dialtone.yaml",
        tuple(PartState(p, p, there) for p in parts),
        running,
    )


class Told:
    """The rows that were told of, in their order."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def __call__(self, rows: Sequence[Row]) -> None:
        assert len({row.fault.name for row in rows}) == 1
        self.faults.append(rows[0].fault.name)


class SlowFirst(FakeProber):
    """Each probe takes less time than the one before."""

    async def run(self, request: ProbeRequest) -> ProbeRun:
        for _ in range(50 - 10 * len(self.requests)):
            await anyio.lowlevel.checkpoint()
        return await super().run(request)


def probers(
    *failures: FailureCode | None, kind: type[FakeProber] = FakeProber
) -> Mapping[Engine, FakeProber]:
    clock = FakeClock()
    return {engine: kind(clock, failures) for engine in Engine}


async def ran(
    lab: LabState, asked: Wanted, engines: Mapping[Engine, FakeProber], *, sabotage: bool = False
) -> list[Row]:
    return await run_matrix(lab, engines, asked, sabotage=sabotage, told=Told())


def named(rows: Wanted) -> list[str]:
    return [fault.name for fault, _ in rows]


def test_without_words_all_faults_are_meant_on_all_their_engines() -> None:
    assert wanted() == [(fault, list(fault.engines)) for fault in FAULTS]


def test_a_word_is_a_flow_an_engine_or_a_part_of_a_name_or_code_in_any_case() -> None:
    assert {fault.flow for fault, _ in wanted(["presence"])} == {Flow.PRESENCE}
    assert {engine for _, engines in wanted(["sippy"]) for engine in engines} == {Engine.SIPPY}
    assert BUSY in named(wanted(["BUSY"]))
    media = {fault.code for fault in FAULTS if "media" in fault.code}
    assert len(media) > 1
    assert media <= {fault.code for fault, _ in wanted(["media"])}
    assert len(wanted(["busy", "http"])) == len(wanted(["busy"])) + len(wanted(["http"]))


@pytest.mark.parametrize("word", ["wombat", "", " ", "transfers"])
def test_a_word_that_means_nothing_is_told_and_produces_nothing(word: str) -> None:
    with pytest.raises(ValueError, match=r"no flow, no engine.*blind-transfer.*sipp.*no-media"):
        wanted(["busy", word])


def test_a_row_is_right_only_when_the_probe_met_the_fault_and_said_its_code() -> None:
    fault = next(f for f in FAULTS if f.code is FailureCode.TIMEOUT)
    timeout = Failure(FailureCode.TIMEOUT, "not done")
    assert Row(fault, Engine.SIPP, timeout).right
    assert not Row(fault, Engine.SIPP, timeout, produced=False).right
    assert not Row(fault, Engine.SIPP, Failure(FailureCode.AUTH, "no")).right
    assert not Row(fault, Engine.SIPP, None).right
    assert Row(fault, Engine.SIPP, None).said == "passed"
    assert Row(fault, Engine.SIPP, timeout, produced=False).said == (
        "timeout, before it met the fault: not done"
    )


async def test_rows_are_told_in_the_order_of_the_table_whichever_ends_first(tmp_path: Path) -> None:
    asked, told = wanted(["http"]), Told()
    engines = probers(kind=SlowFirst)
    rows = await run_matrix(a_lab(tmp_path), engines, asked, sabotage=True, told=told)
    assert told.faults == [row.fault.name for row in rows] == named(asked)
    assert len(told.faults) > 2


async def test_a_probe_that_was_broken_on_our_side_is_run_again_and_one_that_failed_is_not(
    tmp_path: Path,
) -> None:
    asked = wanted([NOT_FOUND])
    engines = probers(FailureCode.OVERLOADED, FailureCode.HTTP_STATUS)
    assert [row.right for row in await ran(a_lab(tmp_path), asked, engines)] == [True]
    assert len(engines[Engine.SERVICE].requests) == 2
    engines = probers(FailureCode.TIMEOUT, FailureCode.HTTP_STATUS)
    assert [row.right for row in await ran(a_lab(tmp_path), asked, engines)] == [False]
    assert len(engines[Engine.SERVICE].requests) == 1
    engines = probers(*[FailureCode.OVERLOADED] * 9)
    assert [row.right for row in await ran(a_lab(tmp_path), asked, engines)] == [False]
    assert len(engines[Engine.SERVICE].requests) == 5


async def test_the_right_code_for_another_reason_is_no_right_row(tmp_path: Path) -> None:
    """The fake prober sends nothing, so that its probe never meets the lost INVITE."""
    asked = [(fault, [Engine.SIPP]) for fault in FAULTS if fault.name == "INVITE gets no answer"]
    engines = probers(*[FailureCode.TIMEOUT] * 9)
    (row,) = await ran(a_lab(tmp_path), asked, engines)
    assert row.got is not None
    assert row.got.code is row.fault.code
    assert not row.right
    assert len(engines[Engine.SIPP].requests) == 5


async def test_a_fault_of_sound_that_no_packet_met_is_no_right_row(tmp_path: Path) -> None:
    asked = [(fault, [Engine.SIPPY]) for fault in FAULTS if fault.name == "the callee hears silence"]
    engines = probers(*[FailureCode.ONE_WAY_MEDIA] * 9)
    (row,) = await ran(a_lab(tmp_path), asked, engines)
    assert row.got is not None
    assert row.got.code is row.fault.code
    assert not row.produced


async def test_where_two_calls_are_crossed_another_one_goes_on_by_others_of_the_tenants_phones(
    tmp_path: Path,
) -> None:
    asked = [(fault, [Engine.SIPPY]) for fault in FAULTS if fault.code is FailureCode.CROSSED_MEDIA]
    engines = probers(*[None] * 2)
    lab, sippy = a_lab(tmp_path), engines[Engine.SIPPY]
    await ran(lab, asked, engines, sabotage=True)
    assert len(sippy.requests) == 1
    await ran(lab, asked, engines)
    one, other = sippy.requests[1:3]
    assert one.id != other.id
    assert one.target == other.target
    users = [account.user for request in (one, other) for account in request.accounts]
    assert sorted(users) == ["101", "102", "103", "104"]


async def test_sabotage_leaves_out_every_change_to_what_is_asked(tmp_path: Path) -> None:
    asked = wanted([NOT_FOUND])
    with_fault, without = probers(), probers()
    await ran(a_lab(tmp_path), asked, with_fault)
    await ran(a_lab(tmp_path), asked, without, sabotage=True)
    assert with_fault[Engine.SERVICE].requests[0].target.endswith("/no-such-page")
    assert without[Engine.SERVICE].requests[0].target == "http://127.0.0.1:9/admin"


async def test_a_tenant_is_lent_to_one_fault_at_a_time(tmp_path: Path) -> None:
    clock = FakeClock()
    engine = FakeProber(clock, lasts=1.0)
    asked = wanted(["http"])
    async with anyio.create_task_group() as group:
        group.start_soon(ran, a_lab(tmp_path), asked, {Engine.SERVICE: engine})
        for _ in asked:
            await anyio.wait_all_tasks_blocked()
            await clock.advance(1.0)
    assert engine.most_at_once == 2
    assert len(engine.requests) == len(asked)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parts": ["sip"]}, "has no asterisk, http"),
        ({"dead": "asterisk"}, "asterisk has ended"),
        ({"http": "gone", "https": "gone"}, "has no address that these faults"),
    ],
)
async def test_a_lab_that_is_not_all_there_is_told_before_any_probe_runs(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    engines = probers()
    with pytest.raises(LabError, match=words):
        await ran(a_lab(tmp_path, **changes), wanted(["http"]), engines)
    assert not any(engine.requests for engine in engines.values())


async def test_a_fault_that_the_lab_has_no_address_for_is_left_out_and_can_be_named(tmp_path: Path) -> None:
    lab, asked = a_lab(tmp_path, https="gone"), wanted(["http"])
    rows = await ran(lab, asked, probers())
    assert unreachable(lab, asked) == ["the certificate is another host's"]
    assert [row.fault.name for row in rows] == [n for n in named(asked) if n not in unreachable(lab, asked)]


async def test_two_commands_never_use_the_phones_of_one_lab_at_once(tmp_path: Path) -> None:
    lab = a_lab(tmp_path)
    others = locked(tmp_path / ".faults.lock", busy="", patience=0.0)
    with others, pytest.raises(LabError, match="another command produces faults in the lab mine"):
        await ran(lab, wanted(["http"]), probers())
    assert all(row.got is None for row in await ran(lab, wanted(["http"]), probers()))
