"""The true lag against an independent measurement, from nothing to a minute, on real servers.

The other measurement knows nothing of heartbeats: the test writes the machine's time into the primary every
20 ms, and looks which was the last that came to the replica. The lag is then the age of the first that has
not come: of the oldest change that the replica lacks, and 0 where it lacks none. The age of the last that has
come would be up to 20 ms more, and nearer to our figure, which is the age of the last heartbeat that has
come: so this is the stricter comparison of the two.
"""

import asyncio
import sys
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import pytest

from collectors.mysql.collector import MysqlCollector
from collectors.mysql.fleet import Fleet
from dialtone.model import Reading
from dialtone.runtime.clock import SystemClock
from lab.base import LabContext
from lab.mysql.clock import missing as clock_missing
from lab.mysql.flavour import Flavour, missing
from lab.mysql.plan import Wishes, primary_replica
from lab.mysql.sql import Session
from lab.mysql.stage import Stage, staged, workshop
from tests.integration.database_stage import node_of

pytestmark = pytest.mark.live

BEAT: Final = 0.5
MORE: Final = 0.05
"""The true lag is right to the writer's interval and this, in seconds."""
FAULT: Final = 62.0
"""Seconds that a fault lasts."""
AHEAD: Final = 5.0
"""Seconds that a clock is wrong."""
HEALED: Final = 20.0

_EVERY: Final = 0.02
_POLLS: Final = 1.03
_QUICK: Final = 0.13
"""Seconds between two polls: no multiples of the beat, or all would come equally long after one."""
_LATE: Final = 0.8
"""The part of the way to the next beat at which things break: the last one that came is old already."""
_INSTANT: Final = 0.05
"""Seconds that a comparison may take; one that takes longer is of two instants, and is done again."""
_TRIES: Final = 20
_METRIC: Final = "mysql_replication_true_lag_seconds"
_AGE: Final = "mysql_replication_heartbeat_lag_seconds"
_TABLE: Final = "dialtone_lab.instants"


@dataclass(frozen=True, slots=True)
class Compared:
    """What was said of a replica, and between what it is by the other measurement; in seconds."""

    node: str
    at: float
    said: float
    least: float
    most: float

    @property
    def difference(self) -> float:
        """How many seconds too much was said; too little is negative."""
        return self.said - min(max(self.said, self.least), self.most)

    def __str__(self) -> str:
        return f"{self.node}: said {self.said:.3f}, is {self.least:.3f} to {self.most:.3f}"


class Measured:
    """A stage that is polled as the service does, and measured by itself."""

    def __init__(self, stage: Stage, replicas: dict[str, Session]) -> None:
        clock = SystemClock()
        self.fleet = Fleet()
        self.fleet.group(server.name for server in stage.servers)
        self._collectors = {
            server.name: MysqlCollector(node_of(stage, server.name), clock, self.fleet)
            for server in stage.servers
        }
        self._stage = stage
        self._replicas = replicas
        self._written: list[int] = []
        self.all: list[Compared] = []
        self.again = 0

    async def write(self) -> None:
        """Write the time into the primary, until cancelled."""
        async with self._stage["db1"].session() as root:
            due = time.monotonic()
            while True:
                now = time.time_ns() // 1000
                await root.rows(f"UPDATE {_TABLE} SET at = %s", now)  # noqa: S608 - a constant
                self._written.append(now)
                due = max(due + _EVERY, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    async def poll(self) -> dict[str, Compared]:
        """Poll all servers once; return what was said of each replica, compared."""
        await self._collectors["db1"].collect()
        found = {name: await self._compared(name) for name in self._replicas}
        self.all += found.values()
        return found

    async def polls(self, seconds: float, every: float = _POLLS) -> Sequence[dict[str, Compared]]:
        """Poll for so many seconds, so often."""
        due = time.monotonic()
        end = due + seconds
        found = []
        while due < end:
            due += every
            await asyncio.sleep(due - time.monotonic())
            found.append(await self.poll())
        return found

    async def before_a_beat(self) -> None:
        """Return when most of the time from one beat to the next has passed."""
        (row,) = await self._stage["db1"].sql(
            "SELECT TIMESTAMPDIFF(MICROSECOND, ts, UTC_TIMESTAMP(6)) / 1e6 AS age FROM dialtone.heartbeat"
        )
        await asyncio.sleep((_LATE * BEAT - float(row["age"])) % BEAT)

    async def back_in_step(self) -> None:
        """Poll until nothing is said to be late; all that is said on the way is compared too."""
        with anyio.fail_after(HEALED):
            late = True
            while late:
                late = any(one.said > BEAT + MORE for one in (await self.poll()).values())

    async def _compared(self, node: str) -> Compared:
        for _ in range(_TRIES):
            began = time.monotonic()
            before = await self._newest(node)
            reading = await self._collectors[node].collect()
            after = await self._newest(node)
            if time.monotonic() - began <= _INSTANT:
                snapshot = self.fleet.last(node)
                assert snapshot is not None
                said = figure(reading, _METRIC)
                return Compared(
                    node, snapshot.at, said, self._lag(after, snapshot.at), self._lag(before, snapshot.at)
                )
            self.again += 1
        pytest.fail(f"no poll of {node} within {_INSTANT:g} s: this machine is too busy to measure anything")

    async def _newest(self, node: str) -> int:
        (row,) = await self._replicas[node].rows(f"SELECT at FROM {_TABLE}")  # noqa: S608 - a constant
        return int(row["at"])

    def _lag(self, newest: int, at: float) -> float:
        """Return the age, at an instant, of the first that came after the newest on the replica."""
        place = bisect_right(self._written, newest)
        return max(0.0, at - self._written[place] / 1e6) if place < len(self._written) else 0.0

    def report(self, what: str) -> str:
        """Return the greatest differences in a line."""
        most, least = (function(self.all, key=lambda one: one.difference) for function in (max, min))
        return (
            f"{what}: {len(self.all)} comparisons up to {max(one.most for one in self.all):.1f} s,"
            f" {self.again} done again; at most {most.difference:+.3f} s ({most})"
            f" and {least.difference:+.3f} s ({least})"
        )


def figure(reading: Reading, metric: str) -> float:
    """Return the only value of a metric, which must be there."""
    (value,) = (sample.value for sample in reading.samples if sample.metric == metric)
    return value


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[LabContext]:
    with workshop(tmp_path / "lab") as context:
        yield context


@asynccontextmanager
async def measured(stage: Stage) -> AsyncIterator[Measured]:
    """Measure a stage for the time of the block; it has been in step for a while when that begins."""
    primary, *replicas = stage.servers
    await primary.sql(f"CREATE TABLE {_TABLE} (at BIGINT NOT NULL)")
    await primary.sql(f"INSERT INTO {_TABLE} VALUES (0)")  # noqa: S608 - a constant
    await stage.caught_up()
    async with AsyncExitStack() as held:
        sessions = {one.name: await held.enter_async_context(one.session()) for one in replicas}
        found = Measured(stage, sessions)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(found.write)
            await found.polls(2.0, _QUICK)
            yield found
            tasks.cancel_scope.cancel()


def hold(compared: Sequence[Compared]) -> None:
    """Fail with every comparison that is further off than it may be."""
    assert [str(one) for one in compared if abs(one.difference) > BEAT + MORE] == []


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Say it, whatever pytest keeps to itself."""
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


def needs(flavour: Flavour, *more: str) -> pytest.MarkDecorator:
    lacks = [*missing(flavour), *more]
    return pytest.mark.skipif(bool(lacks), reason="; ".join(lacks))


@pytest.mark.parametrize(
    "flavour", [pytest.param(flavour, marks=needs(flavour)) for flavour in (Flavour.MARIADB, Flavour.MYSQL_9)]
)
async def test_the_true_lag_is_right_from_nothing_to_a_minute_and_back_also_over_a_silent_link(
    shop: LabContext, flavour: Flavour, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = primary_replica(("db1", "db2", "db3"), Wishes(flavour, beat=BEAT, net_timeout=300))
    async with staged(shop, plan) as stage, measured(stage) as lag:
        hold(lag.all)
        assert max(one.most for one in lag.all) < MORE, "the replicas are in step"

        await lag.before_a_beat()
        async with anyio.create_task_group() as faults:
            faults.start_soon(stage["db2"].sql, "STOP REPLICA SQL_THREAD")
            faults.start_soon(stage.link("db3").blackhole)
        began = time.time()
        for polled in await lag.polls(FAULT):
            for one in polled.values():
                assert one.least > one.at - began - MORE, "nothing comes through"

        await stage["db2"].sql("START REPLICA SQL_THREAD")
        await stage.link("db3").heal()
        await lag.back_in_step()
        await lag.polls(2.0, _QUICK)
    tell(capsys, lag.report(flavour.value))
    assert max(one.most for one in lag.all) > 60
    assert max(one.most for one in lag.all[-2:]) < MORE
    hold(lag.all)


@needs(Flavour.MARIADB, *clock_missing())
@pytest.mark.parametrize(("server", "age"), [("db2", AHEAD), ("db1", -AHEAD)], ids=["replica", "source"])
async def test_the_true_lag_does_not_move_by_a_clock_that_is_set_wrong(
    shop: LabContext, server: str, age: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """`age` is by how much the heartbeat's age by the replica's own clock does move."""
    async with staged(shop, primary_replica(wishes=Wishes(beat=BEAT, clocks=True))) as stage:
        stage[server].set_clock(AHEAD)
        await asyncio.sleep(1.1 + 2 * BEAT)  # it holds within a second, and then for the next beats
        async with measured(stage) as lag:
            clock = lag.fleet.clock(server)
            assert clock is not None
            assert clock.offset == pytest.approx(AHEAD, abs=0.05)
            beats = lag.fleet.last("db2")
            assert beats is not None
            assert beats.heartbeats is not None
            assert beats.heartbeats[1].age == pytest.approx(age, abs=BEAT + MORE)
            await lag.polls(5.0)
            await lag.before_a_beat()
            await stage["db2"].sql("STOP REPLICA SQL_THREAD")
            await lag.polls(5.0)
    tell(capsys, lag.report(f"clock of {server} ahead by {AHEAD:g} s"))
    assert lag.all[-1].least > 4
    hold(lag.all)
