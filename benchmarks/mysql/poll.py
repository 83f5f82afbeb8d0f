"""What one poll of a real server costs us: connecting, asking, parsing, and what the service does of it."""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collectors.mysql import MysqlCollector
from collectors.mysql.fleet import Fleet
from dialtone.export.prometheus import Exposition
from dialtone.model import Node, NodeKind, Secret
from dialtone.runtime import garbage
from dialtone.runtime.board import Board
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.runner import CollectorRunner
from dialtone.wiring import build_catalog
from lab.mysql.faults.stages import STAGES
from lab.mysql.replication import HEARTBEAT_TABLE, WATCHER
from lab.mysql.stage import Stage, staged, workshop

MOST: Final = 0.003
"""CPU seconds that a poll may take in the median."""
_WARM_UP: Final = 10
_SERIES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of each poll of a server, and the samples of the last."""

    stage: str
    server: str
    version: str
    polls: tuple[float, ...]
    samples: int

    @property
    def median(self) -> float:
        """The median of them."""
        return statistics.median(self.polls)

    @property
    def most(self) -> float:
        """The dearest of them but one in a hundred."""
        return sorted(self.polls)[int(0.99 * (len(self.polls) - 1))]


async def measure(stages: tuple[str, ...], polls: int) -> tuple[Cost, ...]:
    """Return what polls of the servers of these stages cost, one after the other. Raises LabError."""
    garbage.settle()  # as the service does
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="dialtone-mysql-") as folder:
        for name in stages:
            with workshop(Path(folder) / name) as lab:
                async with staged(lab, STAGES[name][1]()) as stage:
                    costs += [cost async for cost in _costs(name, stage, polls)]
    return tuple(costs)


async def _costs(name: str, stage: Stage, polls: int) -> AsyncIterator[Cost]:
    clock, fleet = SystemClock(), Fleet()
    exposition = Exposition(build_catalog(), lambda domain: "", clock, _SERIES)
    for server in stage.servers:
        node = Node(
            server.name,
            NodeKind.MYSQL,
            f"mysql://{server.address}",
            WATCHER,
            Secret(stage.passwords.watcher),
            options={"heartbeat": HEARTBEAT_TABLE},
        )
        collector = MysqlCollector(node, clock, fleet)
        runner = CollectorRunner(node, collector, clock, (Board(), exposition))
        spent, samples = [], 0
        for number in range(_WARM_UP + polls):
            before = time.process_time()
            state = await runner.poll()
            if state.reading is None or not state.up:
                raise ValueError(f"the poll of {server.name} failed: {state.detail}")
            if number >= _WARM_UP:
                spent.append(time.process_time() - before)
                samples = len(state.reading.samples)
        await collector.aclose()
        yield Cost(name, server.name, stage.version, tuple(spent), samples)
