"""The fault table with a mysqld_exporter beside each server: what we say of a fault, and what it shows."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio

from benchmarks.mysql.peer import Exporters, PeerError
from benchmarks.mysql.shown import Shown, falls_behind, fired, read
from dialtone.model import TopologyKind
from dialtone.runtime.clock import SystemClock
from lab.base import LabContext
from lab.mysql.faults.case import Act, Case
from lab.mysql.faults.matrix import Row, Run, run_matrix
from lab.mysql.stage import Stage, workshop


@dataclass(frozen=True, slots=True)
class Compared:
    """A case: how ours came out, and by server what the exporters showed just before the fault and while it
    was there; nothing where the lab failed before that.
    """

    row: Row
    before: Mapping[str, Shown]
    shown: Mapping[str, Shown]

    @property
    def alerts(self) -> Sequence[str]:
        """The mixin's alerts that the fault sets off, with their servers."""
        return fired(self.shown, self.before)

    @property
    def late(self) -> bool:
        """Whether a lag grows in what is shown, which may become an alert."""
        return any(falls_behind(one, self.before[name]) for name, one in self.shown.items())

    @property
    def noticed(self) -> bool:
        """Whether anything that is shown has changed by the fault."""
        return any(one.differs(self.before[name]) for name, one in self.shown.items())


@dataclass(frozen=True, slots=True)
class Table:
    """All cases, and by stage what its exporters show while nothing is wrong, and its servers' version."""

    compared: tuple[Compared, ...]
    healthy: Mapping[str, Mapping[str, Shown]]
    versions: Mapping[str, str]

    @property
    def right(self) -> bool:
        """Whether Dialtone named every fault."""
        return all(one.row.right for one in self.compared)


async def measure(cases: Sequence[Case], exporter: Path, told: Callable[[Row], object]) -> Table:
    """Produce these faults and look at each with both; `told` gets each of our rows at once."""
    numbers = itertools.count()
    with ExitStack() as labs:
        root = Path(labs.enter_context(tempfile.TemporaryDirectory(prefix="dialtone-mysql-")))

        def lab(name: str) -> LabContext:
            return labs.enter_context(workshop(root / f"{name}-{next(numbers)}"))

        async with AsyncExitStack() as held:
            beside = _Beside(exporter, held)
            watched = [replace(case, act=beside.act(case)) for case in cases]
            rows = await run_matrix(watched, Run(lab, SystemClock(), told, look=beside.look))
    nothing: Mapping[str, Shown] = {}
    compared = [
        Compared(row, beside.before.get(_key(row.case), nothing), beside.shown.get(_key(row.case), nothing))
        for row in rows
    ]
    return Table(tuple(compared), beside.healthy, beside.versions)


class _Beside:
    """The exporters of all stages, and what they showed."""

    def __init__(self, exporter: Path, held: AsyncExitStack) -> None:
        self._program = exporter
        self._held = held
        self._exporters: dict[Stage, Exporters] = {}
        self.healthy: dict[str, Mapping[str, Shown]] = {}
        self.versions: dict[str, str] = {}
        self.before: dict[tuple[str, str], Mapping[str, Shown]] = {}
        self.shown: dict[tuple[str, str], Mapping[str, Shown]] = {}

    def act(self, case: Case) -> Act:
        """Return the case's fault, with a look at the exporters before it."""

        @asynccontextmanager
        async def act(stage: Stage) -> AsyncIterator[object]:
            if stage not in self._exporters:
                exporters = Exporters(stage, self._program)
                self._exporters[stage] = await self._held.enter_async_context(exporters)
            before = await self._all(stage)
            self.healthy.setdefault(case.stage, before)
            self.versions[case.stage] = stage.version
            self.before[_key(case)] = before
            async with case.act(stage) as broken:
                yield broken

        return act

    async def look(self, case: Case, stage: Stage) -> None:
        """Take down what they show while the fault is there."""
        self.shown[_key(case)] = await self._all(stage)

    async def _all(self, stage: Stage) -> Mapping[str, Shown]:
        shown: dict[str, Shown] = {server.name: Shown(page=False) for server in stage.servers}

        async def of(server: str) -> None:
            try:
                page = await self._exporters[stage].page(server)
                shown[server] = read(page, member=stage.plan.kind is TopologyKind.GALERA)
            except (PeerError, ValueError):
                return

        async with anyio.create_task_group() as tasks:
            for server in shown:
                tasks.start_soon(of, server)
        return shown


def _key(case: Case) -> tuple[str, str]:
    return case.stage, case.name
