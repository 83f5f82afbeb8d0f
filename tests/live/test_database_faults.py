"""The whole fault table on real database servers: no row is red, and without the faults every row is."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import anyio
import pytest

from dialtone.model import TopologyKind
from dialtone.runtime.clock import SystemClock
from lab.base import LabContext
from lab.mysql import galera as cluster
from lab.mysql.clock import missing as clock_missing
from lab.mysql.faults.case import EVERY, Case
from lab.mysql.faults.matrix import Row, Run, run_matrix
from lab.mysql.faults.stages import STAGES
from lab.mysql.faults.table import FAULTS, PHASES
from lab.mysql.flavour import missing
from lab.mysql.stage import workshop

pytestmark = pytest.mark.live

CASES: Final = (*FAULTS, *PHASES)
ENOUGH: Final = 24
"""Faults that there must be at least, and healthy phases."""


def lacking(stage: str) -> str:
    """Return what this machine lacks for a stage, "" where it has all."""
    plan = STAGES[stage][1]()
    lacks = [*missing(plan.wishes.flavour)]
    if plan.wishes.clocks:
        lacks += clock_missing()
    if plan.kind is TopologyKind.GALERA:
        lacks += cluster.missing()
    return "; ".join(lacks)


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[ExitStack]:
    """What the labs of a test are held by; at its end no process of them is left."""
    with ExitStack() as held:
        yield held


async def produced(
    cases: Sequence[Case], shops: ExitStack, folder: Path, *, sabotage: bool = False
) -> Sequence[Row]:
    """Produce these cases; return their rows."""
    numbers = itertools.count()

    def lab(name: str) -> LabContext:
        return shops.enter_context(workshop(folder / f"{name}-{next(numbers)}"))

    rows = await run_matrix(cases, Run(lab, SystemClock(), lambda _: None, sabotage))
    assert [row.case for row in rows] == list(cases)
    return rows


def test_there_are_enough_faults_and_healthy_phases_and_each_has_a_name_of_its_own() -> None:
    assert len(FAULTS) >= ENOUGH
    assert len(PHASES) >= ENOUGH
    assert all(case.phase is None for case in FAULTS)
    assert all(case.phase is not None for case in PHASES)
    assert len({(case.stage, case.name) for case in CASES}) == len(CASES)
    assert {case.stage for case in CASES} == {case.stage for case in PHASES} == set(STAGES)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Row]:
    """The rows of every case that this machine can produce; two stages run at a time."""
    cases = [case for case in CASES if not lacking(case.stage)]
    with ExitStack() as held:
        return anyio.run(produced, cases, held, tmp_path_factory.mktemp("stages"))


@pytest.mark.parametrize("stage", STAGES)
def test_every_fault_is_said_with_its_cause_and_of_healthy_servers_nothing(
    stage: str, rows: Sequence[Row]
) -> None:
    if lacks := lacking(stage):
        pytest.skip(lacks)
    own = [row for row in rows if row.case.stage == stage]
    wrong = [f"{row.case.name}: {row.wrong}" for row in own if not row.right]
    assert not wrong, "\n".join(wrong)
    assert len(own) == sum(case.stage == stage for case in CASES)
    assert all(row.polls is not None for row in own)


async def test_with_the_faults_left_out_every_row_is_red_because_nothing_is_said(
    shops: ExitStack, tmp_path: Path
) -> None:
    """A quick fault of each stage, and the quickest healthy phase."""
    quick = {case.stage: case for case in reversed(FAULTS) if case.every == EVERY and not lacking(case.stage)}
    cases = [*quick.values(), PHASES[0]]
    rows = await produced(cases, shops, tmp_path, sabotage=True)
    assert [row.case.name for row in rows if row.right or row.polls is not None] == []
    for row in rows:
        expected = ", ".join(str(one) for one in row.case.expected)
        assert row.wrong == f"not said: {expected}; said: nothing", row.case.name
