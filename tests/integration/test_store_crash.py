"""The store when the machine is against it: killed processes, everybody at once."""

import itertools
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import pytest
from anyio import to_thread

from dialtone.model import MessageState, Outcome, ProbeResult, ProbeTotals, Scope
from dialtone.ports import Store
from dialtone.store import open_store

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[2]
ALICE: Final = Scope.everything()

LIFE: Final = """
import itertools, pathlib, sys
from datetime import timedelta
import anyio
from dialtone.model import Failure, FailureCode, MessageState, Outcome
from dialtone.store import open_store
from tests.fakes.records import NOON, a_message, a_result, an_alert

CRASHED = {
    "outcome": Outcome.INCONCLUSIVE, "timings": {}, "failure": Failure(FailureCode.ENGINE_CRASHED)
}

def say(*words):
    print(*words, flush=True)

async def main():
    folder, life = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    say("awake")
    store = await open_store(folder)
    for result in await store.adopt_unended():
        say("adopted", result.id)

    async def probe():
        for n in itertools.count():
            one, two = f"{life}.{n}a", f"{life}.{n}b"
            for name in (one, two):
                await store.begin_result(a_result(name, **CRASHED))
                say("begun", name)
            await store.add_results([a_result(name, timings={"srd": 0.25}) for name in (one, two)])
            say("ended", one)
            say("ended", two)

    async def flip():
        for n in itertools.count(life * 1_000_000):
            event = an_alert(f"{n}", since=NOON + timedelta(seconds=n))
            to_pager = a_message(f"{n}p", event, receiver="pager")
            await store.put_alerts([event], [a_message(f"{n}", event), to_pager])
            say("flipped", n)

    async def deliver():
        while True:
            for entry in await store.outbox(MessageState.WAITING, limit=5):
                await store.note_try(entry.message.key, "500")
                say("tried", entry.message.key)
                await store.settle_message(entry.message.key, MessageState.DELIVERED, NOON)
                say("settled", entry.message.key)

    async with anyio.create_task_group() as tasks:
        for task in (probe, flip, deliver):
            tasks.start_soon(task)

anyio.run(main)
"""

OPENER: Final = """
import pathlib, sys
import anyio
from dialtone.store import open_store

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    store = await open_store(pathlib.Path(sys.argv[1]))
    await store.aclose()

anyio.run(main)
"""


def child(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Witness:
    """Remembers, over all lives of a service, what it was told is done; `facts` are numbers by word."""

    def __init__(self) -> None:
        self.facts: defaultdict[str, set[str]] = defaultdict(set)

    def live_and_die(self, folder: Path, life: int, lines: int, longer: float) -> None:
        """Run a service and kill it once it has said so many lines, and so many seconds more."""
        with child(LIFE, str(folder), str(life)) as service:
            assert service.stdout is not None
            for line in itertools.islice(service.stdout, lines):
                self._hear(line)
            time.sleep(longer)
            service.send_signal(signal.SIGKILL)
            # What it said between our last read and its death counts too.
            for line in service.stdout:
                self._hear(line)
            assert service.wait(10) == -signal.SIGKILL

    def _hear(self, line: str) -> None:
        word, _, about = line.rstrip("\n").partition(" ")
        if line.endswith("\n"):  # the last one may be cut
            self.facts[word].add(about)

    async def check(self, store: Store) -> None:
        """Compare what was said with what is there."""
        results = {result.id: result for result in await store.results(ALICE, limit=1_000_000)}
        passed = {name for name, result in results.items() if result.outcome is Outcome.PASS}
        assert self.facts["ended"] <= passed
        assert self.facts["adopted"] <= results.keys() - passed
        assert {name for name in passed if name.endswith("a")} == {f"{name[:-1]}a" for name in passed}
        self._check_totals(results.values(), await store.probe_totals(ALICE))

        flips = {alert.fingerprint for alert in await store.alerts(ALICE)}
        entries = await store.outbox()
        assert self.facts["flipped"] <= flips
        assert {entry.message.key for entry in entries} == flips | {f"{flip}p" for flip in flips}
        numbers = [int(entry.message.key.rstrip("p")) for entry in entries]
        assert numbers == sorted(numbers)
        settled = [entry for entry in entries if entry.state is MessageState.DELIVERED]
        assert self.facts["settled"] <= {entry.message.key for entry in settled}
        assert self.facts["tried"] <= {entry.message.key for entry in entries if entry.tries}
        for receiver in ("hook", "pager"):
            own = [entry for entry in entries if entry.message.receiver == receiver]
            counts = {
                "failed": sum(one.tries for one in own),
                "delivered": sum(one in settled for one in own),
            }
            kept = await store.message_totals()
            assert {word: kept.get((receiver, word), 0) for word in counts} == counts

    def _check_totals(self, results: Collection[ProbeResult], totals: Sequence[ProbeTotals]) -> None:
        outcomes = Counter(result.outcome for result in results)
        counted: Counter[Outcome] = Counter()
        for one in totals:
            for (outcome, _), count in one.outcomes.items():
                counted[outcome] += count
        assert counted == outcomes
        assert sum(sum(one.timings["srd"].counts) for one in totals if one.timings) == outcomes[Outcome.PASS]
        assert sum(one.timings["srd"].sum for one in totals if one.timings) == 0.25 * outcomes[Outcome.PASS]


async def test_nothing_that_was_acknowledged_is_lost_to_twenty_kills(tmp_path: Path) -> None:
    rng = random.Random(20)
    witness = Witness()
    for life in range(1, 21):
        # Some die while they open the file or adopt.
        lines = rng.choice([1, 2, rng.randrange(3, 30), rng.randrange(30, 200), rng.randrange(30, 200)])
        # The moment itself is any of a few turns of traffic: in the midst of a transaction, or between two.
        await to_thread.run_sync(witness.live_and_die, tmp_path, life, lines, rng.uniform(0, 0.004))
        store = await open_store(tmp_path)
        await witness.check(store)
        await store.aclose()
    store = await open_store(tmp_path)
    assert len(await store.adopt_unended()) <= 2
    await witness.check(store)
    results = {result.id for result in await store.results(ALICE, limit=1_000_000)}
    assert witness.facts["begun"] <= results
    assert await store.adopt_unended() == []
    await store.aclose()
    for word in ("begun", "ended", "adopted", "flipped", "tried", "settled"):
        assert witness.facts[word], f"no service got as far as {word}"


def test_processes_that_start_at_once_make_one_schema(tmp_path: Path) -> None:
    for attempt in range(3):
        children = [child(OPENER, str(tmp_path / f"{attempt}")) for _ in range(4)]
        for one in children:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in children:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        endings = [(one.communicate(timeout=60)[1], one.returncode) for one in children]
        assert endings == [("", 0)] * 4
