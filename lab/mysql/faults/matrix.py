"""Produces every fault on its stage, polls as the service does, and compares what is said."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import anyio

from dialtone.model import TopologyState, Trouble
from dialtone.ports import Clock
from lab.base import LabContext, LabError
from lab.mysql.faults.case import POLLS, Case
from lab.mysql.faults.stages import STAGES
from lab.mysql.faults.watched import Watched, not_fine, told
from lab.mysql.stage import Stage, staged

_PAUSE: Final = 0.5
_HEALTHY: Final = 40.0
"""Seconds in which a stage must be healthy again after a fault."""
_CASE: Final = 180.0
_AT_ONCE: Final = 2
"""Stages that run at the same time."""
_AFTERWARDS: Final = 2
"""Polls after a healthy phase in which nothing may be said either."""


@dataclass(frozen=True, slots=True)
class Row:
    """How a case came out. `polls` is in how many polls the fault was seen, None where it was not.

    `wrong` is why it is red, "" where it is right.
    """

    case: Case
    polls: int | None = None
    wrong: str = ""

    @property
    def right(self) -> bool:
        """Whether all was said that must be, in time, and nothing else."""
        return not self.wrong


Told: TypeAlias = Callable[[Row], object]
Look: TypeAlias = Callable[[Case, Stage], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Run:
    """How cases are run. `lab` gives each stage a lab of its own, by its name; `told` gets each row at once.

    With `sabotage` the faults are left out. `look` is awaited while a fault is there and has been polled.
    """

    lab: Callable[[str], LabContext]
    clock: Clock
    told: Told
    sabotage: bool = False
    look: Look | None = None


async def run_matrix(cases: Sequence[Case], run: Run) -> list[Row]:
    """Run these cases, a stage's in their order; return the rows in the order of the cases."""
    by_stage: dict[str, list[Case]] = {}
    for case in cases:
        by_stage.setdefault(case.stage, []).append(case)
    rows: dict[tuple[str, str], Row] = {}
    free = anyio.CapacityLimiter(_AT_ONCE)

    async def on_stage(name: str, own: list[Case]) -> None:
        def done(row: Row) -> None:
            rows[row.case.stage, row.case.name] = row
            run.told(row)

        async with free:
            while own:
                await _on_stage(name, own, run, done)

    async with anyio.create_task_group() as tasks:
        for name, own in by_stage.items():
            tasks.start_soon(on_stage, name, own)
    return [rows[case.stage, case.name] for case in cases]


async def _on_stage(name: str, waiting: list[Case], run: Run, done: Told) -> None:
    """Run the cases that wait on a stage, until none does or the stage can't be mended."""
    begun: Case | None = None
    row: Row | None = None
    try:
        async with staged(run.lab(name), STAGES[name][1]()) as stage:
            watched = Watched(stage, run.clock)
            await _until_healthy(watched)
            while waiting:
                begun, row = waiting.pop(0), None
                with anyio.fail_after(_CASE):
                    row = await _row(begun, stage, watched, run)
                    await _until_healthy(watched)
                done(row)
                begun = None
    except (LabError, TimeoutError, ExceptionGroup) as error:
        failed = begun or waiting.pop(0)
        done(row if row is not None else Row(failed, wrong=f"the lab failed: {_first(error)}"))


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def _until_healthy(watched: Watched) -> None:
    """Poll until nothing is wrong, nor suspected to be, in two polls. Raises LabError."""
    fine = 0
    with anyio.move_on_after(_HEALTHY):
        while fine < 2:
            state = await watched.poll()
            fine = fine + 1 if _whole(state) else 0
            await anyio.sleep(_PAUSE)
        return
    wrong = ", ".join(f"{told(check)}: {check.detail}" for check in not_fine(watched.state))
    raise LabError(f"{watched.state.topology.name} isn't healthy after {_HEALTHY:.0f} s: {wrong}")


def _whole(state: TopologyState) -> bool:
    return all(member.up for member in state.members) and not not_fine(state)


async def _row(case: Case, stage: Stage, watched: Watched, run: Run) -> Row:
    if case.phase is not None and (raised := await _raised(case, stage, watched)):
        return Row(case, wrong=f"said of healthy servers: {', '.join(sorted(raised))}")
    if run.sabotage:
        return await _seen(case, stage, watched, None)
    async with case.act(stage):
        return await _seen(case, stage, watched, run.look)


async def _raised(case: Case, stage: Stage, watched: Watched) -> set[str]:
    """Return what is said, for certain, while a healthy phase lasts and shortly after."""
    raised: set[str] = set()
    over = anyio.Event()

    async def phase() -> None:
        if case.phase is not None:
            await case.phase(stage)
        over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(phase)
        left = _AFTERWARDS
        while left:
            await anyio.sleep(case.every)
            left -= over.is_set()
            raised |= {f"{told(check)} ({check.detail})" for check in (await watched.poll()).troubles}
    return raised


async def _seen(case: Case, stage: Stage, watched: Watched, look: Look | None) -> Row:
    lacking = [str(one) for one in case.expected]
    more: set[str] = set()
    may = {one.trouble for one in case.expected} | case.also
    for number in range(1, POLLS + 1):
        await anyio.sleep(case.every)
        state = await watched.poll()
        more |= {f"{told(check)} ({check.detail})" for check in state.troubles if check.trouble not in may}
        lacking = [str(one) for one in case.expected if not one.fits(state)]
        if not lacking:
            if look is not None:
                await look(case, stage)
            return Row(case, number, f"also said: {', '.join(sorted(more))}" if more else "")
    if look is not None:
        await look(case, stage)
    said = ", ".join(f"{told(check)} [{check.state}]" for check in not_fine(watched.state)) or "nothing"
    return Row(case, None, f"not said: {', '.join(lacking)}; said: {said}")


def expected_troubles(case: Case) -> tuple[Trouble, ...]:
    """Return the troubles that a case must get."""
    return tuple(dict.fromkeys(one.trouble for one in case.expected))
