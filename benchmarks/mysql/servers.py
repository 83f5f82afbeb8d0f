"""The real servers that are measured, on loopback, and our watching of one."""

import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from collectors.mysql import MysqlCollector
from collectors.mysql.fleet import Fleet
from dialtone.export.prometheus import Exposition
from dialtone.model import CollectError, CollectFailure, Node, NodeKind, NodeState, Reading, Secret
from dialtone.runtime.board import Board
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.runner import CollectorRunner
from dialtone.wiring.parts import build_catalog
from lab.mysql.database import Database
from lab.mysql.flavour import Flavour
from lab.mysql.plan import Plan, Wishes, galera, primary_replica
from lab.mysql.replication import HEARTBEAT_TABLE, WATCHER
from lab.mysql.stage import Stage, staged, workshop

_T = TypeVar("_T")

MARIADB: Final = primary_replica(name="mariadb")
GALERA: Final = galera()
MYSQL: Final = primary_replica(wishes=Wishes(Flavour.MYSQL_9, workers=4), name="mysql")

SEATS: Final[tuple[tuple[Plan, str, str], ...]] = (
    (MARIADB, "db2", "MariaDB {}, replica"),
    (MARIADB, "db1", "MariaDB {}, its primary"),
    (GALERA, "g1", "MariaDB {}, Galera node"),
    (MYSQL, "db2", "MySQL {}, replica with 4 workers"),
)
"""A topology, which server of it, and what that is called, by its version."""
_SERIES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """A server that runs, in its topology; `title` says which it is."""

    title: str
    stage: Stage
    server: Database


async def on_each(work: Callable[[Place], Awaitable[_T]]) -> list[_T]:
    """Run each topology and do something with those of its servers that are measured. Raises LabError."""
    found: list[_T] = []
    plans = dict.fromkeys(plan for plan, _, _ in SEATS)
    with tempfile.TemporaryDirectory(prefix="dialtone-mysql-") as folder:
        for plan in plans:
            with workshop(Path(folder) / plan.name) as lab:
                async with staged(lab, plan) as stage:
                    found += [
                        await work(Place(title.format(stage.version), stage, stage[name]))
                        for own, name, title in SEATS
                        if own is plan
                    ]
    return found


class Watching:
    """Our polls of one server, as the service makes them: the board and the exposition get each.

    `collected` is the CPU that collect() took of the last poll, in seconds.
    """

    def __init__(self, place: Place) -> None:
        clock = SystemClock()
        node = Node(
            place.server.name,
            NodeKind.MYSQL,
            f"mysql://{place.server.address}",
            WATCHER,
            Secret(place.stage.passwords.watcher),
            options={"heartbeat": HEARTBEAT_TABLE},
        )
        self._collector = MysqlCollector(node, clock, Fleet())
        exposition = Exposition(build_catalog(), lambda domain: "", clock, _SERIES)
        self._runner = CollectorRunner(node, self, clock, (Board(), exposition))
        self.collected = 0.0

    async def poll(self) -> NodeState:
        """Poll once. Raises CollectError where that fails."""
        state = await self._runner.poll()
        if not state.up:
            raise CollectError(state.failure or CollectFailure.INTERNAL, f"the poll failed: {state.detail}")
        return state

    async def collect(self) -> Reading:
        """Do what the collector does, and take its time."""
        before = time.process_time()
        reading = await self._collector.collect()
        self.collected = time.process_time() - before
        return reading

    async def aclose(self) -> None:
        """Close the collector."""
        await self._collector.aclose()
