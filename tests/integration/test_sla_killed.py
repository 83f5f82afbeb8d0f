"""Months under fire: a service that is killed again and again keeps books that are whole, and verify."""

import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from anyio import to_thread

from dialtone.config import Settings, load
from dialtone.ports import Store
from dialtone.sla.closing import chain_problems
from dialtone.store import MemoryStore, open_store
from dialtone.store.sqlite import FILE_NAME
from dialtone.wiring.ledger import Ledger
from tests.fakes.clock import FakeClock
from tests.integration import sla_life
from tests.integration.sla_life import ACME, BEGIN, BOLT, EVERYTHING, TENANTS, Kind, Step, steps

pytestmark = pytest.mark.integration

_log = logging.getLogger(__name__)

ROOT: Final = Path(__file__).parents[2]
LIVES: Final = 50
SEED: Final = 9
ZONES: Final = {ACME: ZoneInfo("America/Montreal"), BOLT: ZoneInfo("Europe/Paris")}
DEADLINE: Final = 300.0
"""Seconds after which all that runs is ended, and the test fails: many times what it takes."""


@dataclass(frozen=True, slots=True)
class Blow:
    """When a life is killed: `late` seconds after it has done so many steps and begins one of that kind."""

    done: int
    late: float
    kind: Kind | None = None


def blows(rng: random.Random) -> Iterator[Blow]:
    """Yield random moments; every tenth within a closing, which is rare, and every seventh at the birth."""
    kinds: list[Kind] = ["settle", "marks", "declare", "withdraw", "correct", "tidy"]
    for life in range(1, LIVES + 1):
        if life % 10 == 0:
            yield Blow(0, rng.uniform(0, 0.25), "close")
        elif life % 7 == 0:
            yield Blow(-1, rng.uniform(0, 0.1))
        elif life % 2:
            yield Blow(rng.randrange(1, 30), rng.uniform(0, 0.03))
        else:
            yield Blow(rng.randrange(10), rng.uniform(0, 0.01), rng.choice(kinds))


class Expected:
    """What must be in the books after some steps, by arithmetic of its own."""

    def __init__(self) -> None:
        self.applied = -1
        self.fresh: set[str] = set()
        self.maintenance: dict[str, bool] = {}
        self.corrections: list[str] = []
        self._opened = -1
        self._over: dict[str, float] = dict.fromkeys(TENANTS, 0.0)
        self._attempts: defaultdict[tuple[str, int], tuple[set[str], set[str]]] = defaultdict(
            lambda: (set(), set())
        )
        self._others: dict[tuple[str, str, int], str] = {}
        self._seen: set[str] = set()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def apply(self, one: Step, settings: Settings) -> None:
        """Go on by a step."""
        assert one.number == self.applied + 1
        self.applied = one.number
        if one.kind == "results":
            self._add_results(one)
        elif one.kind == "marks":
            for mark in sla_life.marks(one, settings):
                self._judge(mark.key.tenant, "passive", mark.slot, mark.state.name, first="BAD")
        elif one.kind == "settle" and self._opened < 0:
            self._opened = int(one.at.timestamp()) // 60 * 60
        elif one.kind == "declare":
            self.maintenance[f"step {one.number}"] = False
        elif one.kind == "withdraw" and (reason := sla_life.withdrawn_by(one)):
            self.maintenance[reason] = True
        elif one.kind == "correct":
            self.corrections.append(f"step {one.number}")
        elif one.kind == "tidy":
            self.fresh = set()
        elif one.kind == "close":
            self._over = {tenant: month_end(one.period, zone) for tenant, zone in ZONES.items()}

    def _add_results(self, one: Step) -> None:
        for result in sla_life.batch(one):
            self.fresh.add(result.id)
            if result.id in self._seen:
                continue
            self._seen.add(result.id)
            day = f"{result.started:%Y-%m-%d}"
            self._counts[result.tenant, day, result.outcome] += 1
            if result.slot * 60 >= self._over[result.tenant]:
                self._attempts[result.tenant, result.slot][result.attempt - 1].add(result.outcome)
            if (seconds := result.timings.get("srd")) is not None:
                found = "GOOD" if seconds <= 0.5 else "BAD"
                self._judge(result.tenant, "latency", result.slot, found, first="GOOD")

    def _judge(self, tenant: str, sli: str, slot: int, found: str, *, first: str) -> None:
        """Put down what a slice of a series is that was opened at a time; `first` stands over the other."""
        if slot * 60 >= max(self._opened, self._over[tenant]):
            key = tenant, sli, slot
            self._others[key] = first if first in (found, self._others.get(key)) else found

    def seen(self) -> dict[str, Any]:
        """Return what somebody sees who opens the books."""
        slices = {
            (tenant, "availability", slot): state
            for (tenant, slot), attempts in self._attempts.items()
            if (state := verdict(*attempts))
        }
        return {
            "slices": slices | self._others,
            "counts": dict(self._counts),
            "maintenance": dict(self.maintenance),
            "corrections": list(self.corrections),
        }


def verdict(first: set[str], second: set[str]) -> str | None:
    """Return what attempts make of a slice (definitions: availability 2), None for unknown."""
    if "pass" in first or ("fail" in first and "pass" in second):
        return "GOOD"
    return "BAD" if "fail" in first and "fail" in second else None


def month_end(period: str, zone: ZoneInfo) -> float:
    """Return the instant at which a month is over."""
    year, month = map(int, period.split("-"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone).timestamp()


async def seen(store: Store) -> dict[str, Any]:
    """Return what the books show."""
    books, until = store.books, BEGIN + timedelta(days=1000)
    slices = {}
    for series in await books.slices(EVERYTHING, since=BEGIN - timedelta(days=30), until=until):
        for day in series.days:
            assert not day.good & day.bad
            for state, plane in (("GOOD", day.good), ("BAD", day.bad)):
                for place in [place for place, bit in enumerate(f"{plane:b}"[::-1]) if bit == "1"]:
                    key = series.key.tenant, series.key.measure.sli.name.lower(), day.day * 1440 + place
                    assert key not in slices
                    slices[key] = state
    counts: Counter[tuple[str, str, str]] = Counter()
    for rollup in await books.rollups(EVERYTHING, since=BEGIN - timedelta(days=1), until=until, daily=True):
        for (outcome, _), count in rollup.outcomes.items():
            counts[rollup.key.tenant, f"{rollup.start:%Y-%m-%d}", outcome] += count
    declared = [one for one in await books.maintenance(EVERYTHING) if one.source == "cli"]
    return {
        "slices": slices,
        "counts": dict(counts),
        "maintenance": {one.reason: one.withdrawn is not None for one in declared},
        "corrections": [one.reason for one in await books.corrections(EVERYTHING)],
    }


class Witness:
    """Remembers, over all lives, what it was told is done; and looks at the books after each."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder = folder
        self.settings = load(config)
        self.expected = Expected()
        self.done = -1
        self.begun = -1
        self.closings: dict[int, str] = {}
        self.struck: Counter[str] = Counter()
        self._clock = FakeClock(steps()[0].at)

    def hear(self, line: str) -> Step | None:
        """Take in a line of a life; return the step that it begins."""
        word, *about = line.split()
        if word == "begun":
            self.begun = int(about[0])
            return steps()[self.begun]
        if word == "done":
            self.done = int(about[0])
            self.closings.update((int(n), made) for n, made in (one.split(":") for one in about[1:]))
            if self.done > self.expected.applied:
                self.expected.apply(steps()[self.done], self.settings)
        return None

    async def check(self, *, everything: bool) -> None:
        """Compare what was said with what is there; one step may be there that was not said to be done."""
        store = await open_store(self.folder)
        try:
            found = await seen(store)
            if found != self.expected.seen() and self.begun > self.expected.applied:
                self.expected.apply(steps()[self.begun], self.settings)
            for what, meant in self.expected.seen().items():
                assert found[what] == meant, f"{what}, after step {self.begun} had begun"
            await self._check_results(store)
            await self._check_closings(store, everything=everything)
            rows = [row.id for row in await store.books.audit(EVERYTHING, limit=100_000)]
            assert rows == list(range(len(rows), 0, -1))
        finally:
            await store.aclose()

    async def _check_results(self, store: Store) -> None:
        """Look for what came since results were last forgotten, unless that may have been done again."""
        kept = {result.id for result in await store.results(EVERYTHING, limit=100_000)}
        if self.begun < 0 or steps()[self.begun].kind != "tidy":
            assert self.expected.fresh <= kept

    async def _check_closings(self, store: Store, *, everything: bool) -> None:
        closings = await store.books.closings(EVERYTHING)
        assert chain_problems(closings) == {}
        there = {one.sequence: one.hash for one in closings}
        assert there.items() >= self.closings.items()
        assert len(there) - len(self.closings) <= len(TENANTS)
        assert await store.books.last_hash() == (closings[-1].hash if closings else "")
        if closings:
            ledger = Ledger(self.settings, store.books, self._clock)
            period = None if everything else closings[-1].period
            for one in await ledger.verify(EVERYTHING, period=period):
                assert one.problems == ()

    async def finish(self) -> Store:
        """Do what the last life left undone; return the store."""
        store = await open_store(self.folder)
        if self.begun > self.done:
            await self._do(steps()[self.begun], store)
        return store

    async def twin(self) -> Store:
        """Return the store of a service that did the same and was never killed."""
        store = MemoryStore()
        for one in steps()[: self.begun + 1]:
            await self._do(one, store)
        return store

    async def _do(self, one: Step, store: Store) -> None:
        self._clock.jump((one.at - self._clock.now()).total_seconds())
        await sla_life.do(one, store, Ledger(self.settings, store.books, self._clock), self.settings)


@contextmanager
def nursery(folder: Path, config: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run what forks lives, ended at the deadline."""
    argv = [sys.executable, "-m", "tests.integration.sla_life", str(folder), str(config)]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        watchdog = threading.Timer(DEADLINE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def live_and_die(process: "subprocess.Popen[str]", witness: Witness, blow: Blow) -> None:
    """Have a life lived from the first step that is not done, and end it by the blow."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{witness.done + 1}\n")
    process.stdin.flush()
    born, done = process.stdout.readline().split(), 0
    assert born[0] == "born", born
    if blow.done >= 0:
        for line in process.stdout:
            begun = witness.hear(line)
            done += line.startswith("done")
            assert not line.startswith("dead"), "a life ended by itself"
            if done >= blow.done and (blow.kind is None or (begun and begun.kind == blow.kind)):
                break
    time.sleep(blow.late)
    os.kill(int(born[1]), signal.SIGKILL)
    # What it said between our last read and its death counts too.
    for line in process.stdout:
        if line.startswith("dead"):
            assert line == f"dead {-signal.SIGKILL}\n"
            break
        witness.hear(line)
    cut_short = steps()[witness.begun].kind if witness.begun > witness.done else "between"
    witness.struck[cut_short] += 1


async def test_books_that_were_killed_at_fifty_moments_are_whole_and_verify(tmp_path: Path) -> None:
    config = sla_life.prepare(tmp_path)
    witness, rng = Witness(tmp_path / "data", config), random.Random(SEED)
    with nursery(tmp_path / "data", config) as process:
        for life, blow in enumerate(blows(rng), 1):
            await to_thread.run_sync(live_and_die, process, witness, blow)
            _log.info("seed %s, life %s: %s, step %s begun", SEED, life, blow, witness.begun)
            await witness.check(everything=life == LIVES)
    _log.info("killed in %s; %s closings", dict(witness.struck), len(witness.closings))
    assert len(witness.closings) >= 6, "the lives were too short to close months"
    with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store = await witness.finish()
    await compare(store, await witness.twin())
    await store.aclose()


async def compare(store: Store, twin: Store) -> None:
    """Compare books that were killed with those that were not: to the byte, closings and their hashes too."""
    one, other = store.books, twin.books
    assert await one.closings(EVERYTHING) == await other.closings(EVERYTHING)
    assert await one.maintenance(EVERYTHING) == await other.maintenance(EVERYTHING)
    assert await one.corrections(EVERYTHING) == await other.corrections(EVERYTHING)
    assert await one.audit(EVERYTHING, limit=100_000) == await other.audit(EVERYTHING, limit=100_000)
    since, until = BEGIN - timedelta(days=1), BEGIN + timedelta(days=1000)
    series, theirs = [
        [replace(each, id=0) for each in await books.slices(EVERYTHING, since=since, until=until)]
        for books in (one, other)
    ]
    assert series == theirs
    assert await one.causes(EVERYTHING, since=since, until=until) == await other.causes(
        EVERYTHING, since=since, until=until
    )
    for daily in (True, False):
        assert await one.rollups(EVERYTHING, since=since, until=until, daily=daily) == await other.rollups(
            EVERYTHING, since=since, until=until, daily=daily
        )
