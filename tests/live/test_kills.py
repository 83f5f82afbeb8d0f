"""kill -9 at any moment, under traffic: nothing acknowledged is lost, and no tenant is blamed for it."""

import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
import pytest
import yaml

from dialtone.model import AlertState, Engine, FailureCode, MessageState, Outcome, ProbeResult, Scope
from dialtone.store import SqliteStore, open_store
from dialtone.web.models import ResultOut
from tests.fakes.sip_server import SipServer
from tests.integration.service import runs, until
from tests.live.figures import Figures
from tests.live.kill_checks import (
    Kept,
    blamed,
    counters,
    crashed,
    fallen,
    lost,
    misadopted,
    miscounted,
    misdelivered,
    misjudged,
    out_of_turn,
    survived,
    unannounced,
    unrecorded,
)
from tests.live.killing import FlippingNodes, Hook, Snapshot, Victim, Watcher, all_results
from tests.live.stage import ACME, Stage, staged

pytestmark = pytest.mark.live

_CRASHED: Final = frozenset({FailureCode.ENGINE_CRASHED})
_LATE: Final = frozenset({FailureCode.ENGINE_CRASHED, FailureCode.OVERLOADED})
"""What may be inconclusive: a machine that is busy starting things may also be late."""
_KILL_WITHIN: Final = (0.3, 8.0)
"""Seconds of a service's life: its start, when it takes up what the last one left, is among them."""
_WORKER: Final = "synthetic.agents.worker"
_SIPP: Final = "-sf"
"""Words of the command lines of the engines; SIPp is also started to say its version, without a scenario."""
_SETTLED: Final = 40.0
_PATIENCE: Final = 150.0
_NAMED: Final = 40


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The lab's SIP front; the tests of this module only kill what is ours."""
    with staged(tmp_path_factory.mktemp("kills"), only=["sip"]) as ready:
        yield ready


@pytest.fixture
def rng() -> random.Random:
    """Moments and victims by chance; the seed is printed with a failure."""
    seed = random.getrandbits(32)
    sys.stderr.write(f"seed {seed}\n")
    return random.Random(seed)


def a_probe(name: str, flow: str, target: str, **changes: object) -> dict[str, object]:
    return {"name": name, "flow": flow, "target": target, "interval": "5s", "timeout": "2s"} | changes


@dataclass(slots=True)
class Scene:
    """A service to be killed, and all around it."""

    victim: Victim
    watcher: Watcher
    hook: Hook
    nodes: FlippingNodes
    seen: SipServer
    data: Path

    @asynccontextmanager
    async def store(self) -> AsyncIterator[SqliteStore]:
        """Open the service's store beside it."""
        store = await open_store(self.data)
        try:
            yield store
        finally:
            await store.aclose()

    async def results(self) -> list[ProbeResult]:
        async with self.store() as store:
            return await all_results(store)

    async def passed_since(self, since: datetime, engine: Engine) -> bool:
        """Whether a probe of an engine that began after an instant has passed."""
        return any(
            result.outcome is Outcome.PASS and result.engine is engine and result.started > since
            for result in await self.results()
        )


@asynccontextmanager
async def scene(
    stage: Stage, folder: Path, rng: random.Random, probes: list[dict[str, object]]
) -> AsyncIterator[Scene]:
    """Have the service's surroundings; the first of the probes is sent to a server that tells what it saw."""
    passwords = {user: password for (tenant, user), password in stage.passwords.items() if tenant == ACME}
    async with (
        Hook().listening() as hook,
        FlippingNodes(rng, 4).running() as nodes,
        SipServer(passwords, domain=ACME) as seen,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session,
    ):
        listen = f"127.0.0.1:{free_port()}"
        data = folder / "data"
        tree: dict[str, Any] = yaml.safe_load(stage.state.config.read_text())
        tree |= {
            "data": str(data),
            "listen": listen,
            "accounts": {"file": str(stage.state.root / "accounts.csv")},
            "nodes": nodes.entries(),
            "probes": [probes[0] | {"target": seen.target, "tenants": [ACME]}, *probes[1:]],
            "caps": {"calls_per_second": 50, "concurrent_calls": 50},
            "alerts": {"receivers": [{"name": "hook", "url": hook.url}], "rules": "rules.yaml"},
        }
        # At once: a service that lives for seconds never sees a server down for eight.
        (folder / "rules.yaml").write_text("rules: [{name: NodeDown, for: 0s}]\n")
        config = folder / "dialtone.yaml"
        config.write_text(yaml.safe_dump(tree))
        victim = Victim(config, data)
        try:
            yield Scene(victim, Watcher(f"http://{listen}", session), hook, nodes, seen, data)
        finally:
            await victim.close()


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def target(stage: Stage) -> str:
    return f"sip:127.0.0.1:{stage.sip};transport=udp"


def others(stage: Stage) -> list[str]:
    return [client for client in stage.clients if client != ACME]


async def settled(on: Scene) -> tuple[Figures, list[ProbeResult]]:
    """Wait until every alert has ended and been told; return figures and the results that they are of."""

    async def quiet() -> bool:
        async with on.store() as store:
            waiting = await store.outbox(MessageState.WAITING)
            alerts = await store.alerts(Scope.everything())
        return not waiting and all(alert.state is AlertState.RESOLVED for alert in alerts)

    async def answers() -> bool:
        try:
            await on.watcher.look()
        except (aiohttp.ClientError, TimeoutError):
            return False
        return True

    await until("the service answers", answers, seconds=_SETTLED)
    await until("every alert has ended and been told", quiet, seconds=_SETTLED)
    seen: tuple[Figures, list[ProbeResult]] | None = None
    with anyio.move_on_after(_SETTLED):
        while seen is None or miscounted(*seen):
            before = Figures.of_exposition(await on.watcher.look())
            results = await on.results()
            if counters(before) == counters(Figures.of_exposition(await on.watcher.look())):
                seen = before, results
    assert seen is not None, "the figures never stood still"
    return seen


def placed(seen: SipServer, last: Snapshot) -> set[str]:
    """Return the probes whose calls reached the platform, but for those that the last stop cut short."""
    calls = {request.get("x-dialtone-probe") for request in seen.requests if request.method == "INVITE"}
    return calls - {""} - last.under_way


def told(messages: Iterable[Kept]) -> dict[str, object]:
    """Return the states of alerts that messages tell of."""
    return {
        f"{event.fingerprint} {event.state} {event.since.isoformat()}": True
        for message in messages
        for event in message.events
    }


def shown_alerts(watcher: Watcher) -> dict[str, object]:
    """Return the states of alerts that the API has shown, of those that people are told of."""
    return {
        f"{fingerprint} {state} {datetime.fromisoformat(since).isoformat()}": True
        for (fingerprint, state, since), alert in watcher.alerts.items()
        if alert["started"] is not None and state != AlertState.PENDING
    }


def losses(on: Scene, snapshots: Sequence[Snapshot], last: Snapshot) -> list[str]:
    """Return everything that the kills broke."""
    results = [result for result in last.results.values() if isinstance(result, ProbeResult)]
    messages = {message.key: message.events for message in last.messages}
    wrong: list[str] = []
    for snapshot in snapshots:
        wrong += lost("result", snapshot.results, last.results)
        wrong += lost("message", {one.key: one.events for one in snapshot.messages}, messages)
        wrong += unannounced(snapshot.alerts, snapshot.messages)
    shown = {result.id: ResultOut.of(result).model_dump(mode="json") for result in results}
    wrong += lost("shown result", on.watcher.results, shown)
    wrong += lost("shown alert", shown_alerts(on.watcher), told(last.messages))
    wrong += unannounced(last.alerts, last.messages)
    wrong += out_of_turn(last.messages)
    wrong += misdelivered(last.messages, on.hook.came, on.victim.kills)
    wrong += misjudged(results, allowed=_LATE)
    wrong += misadopted(results, [snapshot.under_way for snapshot in snapshots])
    wrong += unrecorded(placed(on.seen, last), results)
    wrong += fallen(on.watcher.scrapes())
    wrong += [f"{alert.tenant} is blamed: {alert.cause}" for alert in last.alerts if alert.tenant]
    return wrong


def none_of(wrong: Sequence[str]) -> None:
    """Fail with what is wrong, line by line."""
    assert not wrong, "\n".join([f"{len(wrong)} things are wrong:", *wrong[:_NAMED]])


async def test_nothing_is_lost_to_20_kills_of_the_service(
    stage: Stage, rng: random.Random, tmp_path: Path
) -> None:
    probes = [
        a_probe("seen", "call", ""),
        a_probe("calls", "call", target(stage)),
        a_probe("registers", "register", target(stage)),
        a_probe("others", "call", target(stage), tenants=others(stage), engine="sipp"),
    ]
    wrong: list[str] = []
    snapshots: list[Snapshot] = []
    async with scene(stage, tmp_path, rng, probes) as on:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(on.watcher.watch)
            async with on.nodes.flipping():
                for _ in range(20):
                    await on.victim.start()
                    await anyio.sleep(rng.uniform(*_KILL_WITHIN))
                    wrong += await on.victim.kill()
                    snapshots.append(await on.victim.snapshot(tmp_path))
            await on.victim.start()
            figures, results = await settled(on)
            tasks.cancel_scope.cancel()
        assert await on.victim.stop() == 0
        last = await on.victim.snapshot(tmp_path)
    none_of(wrong + miscounted(figures, results) + losses(on, snapshots, last))
    cut = sum(len(snapshot.under_way) for snapshot in snapshots)
    assert cut >= 5, "the kills met too little"
    assert len(results) - cut >= 25, "too little was finished to be lost (a busy machine starts slowly)"
    assert len(last.messages) >= 10


async def test_20_kills_of_the_worker_cost_the_probes_under_way_and_nothing_else(
    stage: Stage, rng: random.Random, tmp_path: Path
) -> None:
    probes = [
        a_probe("seen", "call", ""),
        a_probe("calls", "call", target(stage)),
        a_probe("registers", "register", target(stage)),
        a_probe("others", "call", target(stage), tenants=others(stage)),
    ]
    kills: list[datetime] = []
    stops: list[Snapshot] = []
    async with scene(stage, tmp_path, rng, probes) as on:

        async def worker() -> list[int]:
            return on.victim.pids(_WORKER)

        async def passed() -> bool:
            return await on.passed_since(kills[-1], Engine.SIPPY)

        # A worker that dies young is not started again at once: more kills of one service would only wait.
        for _ in range(4):
            await on.victim.start()
            for _ in range(5):
                await until("a worker runs", worker)
                await anyio.sleep(rng.uniform(0.0, 2.0))
                for pid in on.victim.pids(_WORKER):  # one more helps out while one rests after its death
                    os.kill(pid, signal.SIGKILL)
                kills.append(datetime.now(UTC))
                await until("a probe passes again", passed)
            assert await on.victim.stop() == 0
            stops.append(await on.victim.snapshot(tmp_path))
        cut = frozenset[str]().union(*(stop.under_way for stop in stops))
        results = await on.results()
    own = [result for result in results if result.id not in cut]
    wrong = misjudged(results, allowed=_LATE) + survived(own, kills) + blamed(own, kills)
    none_of(wrong + unrecorded(placed(on.seen, stops[-1]), results))
    assert len(crashed(own)) >= 10, "the kills met too little"


async def test_10_kills_of_sipp_cost_the_probes_that_it_ran_and_nothing_else(
    stage: Stage, rng: random.Random, tmp_path: Path
) -> None:
    probes = [
        a_probe("seen", "call", ""),
        a_probe("calls", "call", target(stage), engine="sipp"),
        a_probe("registers", "register", target(stage), engine="sipp"),
    ]
    kills: list[datetime] = []
    async with scene(stage, tmp_path, rng, probes) as on:

        async def passed() -> bool:
            return await on.passed_since(kills[-1], Engine.SIPP)

        await on.victim.start()
        with anyio.fail_after(_PATIENCE):
            while len(kills) < 10:
                pid = await on.victim.newborn(_SIPP)
                await anyio.sleep(rng.uniform(0.0, 0.2))
                if not runs(pid):
                    continue  # it had no more to do than that
                os.kill(pid, signal.SIGKILL)
                kills.append(datetime.now(UTC))
                await until("a probe passes again", passed)
        results = await on.results()
        assert await on.victim.stop() == 0
    none_of(misjudged(results, allowed=_LATE) + blamed(results, kills))
    # One that only took a phone off again costs no probe.
    assert len(crashed(results)) >= 5, "the kills met too little"
