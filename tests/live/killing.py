"""A service that is killed again and again under traffic, and everything that is seen of it meanwhile."""

import contextlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import anyio
from aiohttp import web
from anyio.abc import Process

from dialtone.model import AlertEvent, ProbeResult, Scope
from dialtone.store import SqliteStore, open_store
from tests.fakes.mi import FakeMi, http
from tests.integration.service import descendants, runs
from tests.live.figures import Figures
from tests.live.kill_checks import Came, Kept

_MI: Final = Path(__file__).parents[1] / "data" / "opensips" / "3.6.8"
_REPLIES: Final = {
    "get_statistics": "live-get_statistics-all",
    "profile_get_values": "live-profile_get_values-tenant",
    "version": "live-version",
}
_ANSWER_AFTER: Final = 0.1
_LOOK_EVERY: Final = 0.25
_FLIP_WITHIN: Final = (0.3, 1.2)
_GONE_WITHIN: Final = 3.0
_STOPPED_WITHIN: Final = 6.0
_PAUSE: Final = 0.02
_ALL: Final = 1_000_000


@dataclass(slots=True)
class Hook:
    """A webhook receiver that writes down what comes and then takes its time to say so.

    Between the two the sender may die, and must send the message again.
    """

    url: str = ""
    came: list[Came] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Hook"]:
        """Listen on a free port for the time of the block."""
        app = web.Application()
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.came.append(Came(time.monotonic(), request.headers["Idempotency-Key"], body))
        await anyio.sleep(_ANSWER_AFTER)
        return web.Response()


class FlippingNodes:
    """Servers that answer, refuse and answer again, so that alerts fire and end all the time."""

    def __init__(self, rng: random.Random, count: int) -> None:
        replies = {name: (_MI / f"{file}.json").read_bytes() for name, file in _REPLIES.items()}
        self._servers = [FakeMi(replies) for _ in range(count)]
        self._rng = rng

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FlippingNodes"]:
        """Listen for the time of the block."""
        async with contextlib.AsyncExitStack() as stack:
            for server in self._servers:
                await stack.enter_async_context(server.running())
            yield self

    def entries(self) -> list[dict[str, object]]:
        """Return them as `nodes:` of a configuration."""
        return [
            {"name": f"node{number}", "kind": "opensips", "mi": one.url, "interval": "1s", "timeout": "0.9s"}
            for number, one in enumerate(self._servers)
        ]

    @asynccontextmanager
    async def flipping(self) -> AsyncIterator[None]:
        """Turn one after the other for the time of the block; afterwards all are well."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._flip)
            yield
            tasks.cancel_scope.cancel()
        for server in self._servers:
            server.misbehave = None

    async def _flip(self) -> None:
        while True:
            await anyio.sleep(self._rng.uniform(*_FLIP_WITHIN))
            server = self._rng.choice(self._servers)
            server.misbehave = _refuse if server.misbehave is None else None


def _refuse(_: dict[str, object]) -> bytes:
    return http(b"{}", "503 Service Unavailable")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the store held when its service had just died."""

    results: dict[str, object]
    alerts: tuple[AlertEvent, ...]
    messages: tuple[Kept, ...]
    under_way: frozenset[str]


@dataclass(slots=True)
class Watcher:
    """Keeps what the service shows of itself while it lives."""

    base: str
    session: aiohttp.ClientSession
    results: dict[str, object] = field(default_factory=dict)
    alerts: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)

    async def watch(self) -> None:
        """Look until cancelled; a service that is not there is no news."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                await self.look()
            await anyio.sleep(_LOOK_EVERY)

    async def look(self) -> str:
        """Look once and return /metrics. Raises aiohttp.ClientError or TimeoutError."""
        page = await self._get("/metrics")
        self.pages.append(page)
        async with self.session.get(f"{self.base}/api/v1/results?limit=1000") as answer:
            answer.raise_for_status()
            for item in (await answer.json())["items"]:
                self.results[item["id"]] = item
        async with self.session.get(f"{self.base}/api/v1/alerts") as answer:
            answer.raise_for_status()
            for item in (await answer.json())["items"]:
                self.alerts[item["fingerprint"], item["state"], item["since"]] = item
        return page

    async def _get(self, path: str) -> str:
        async with self.session.get(self.base + path) as answer:
            answer.raise_for_status()
            return await answer.text()

    def scrapes(self) -> list[Figures]:
        """Return every page of /metrics that came whole, in order."""
        return [Figures.of_exposition(page) for page in self.pages]


class Victim:
    """`dialtone serve` on one configuration, started again after each kill."""

    def __init__(self, config: Path, data: Path) -> None:
        self.log = config.with_suffix(".log")
        self.kills: list[float] = []
        self._config = config
        self._data = data
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it; it need not be ready when this returns."""
        argv = [sys.executable, "-m", "dialtone", "serve", str(self._config), "--log-format", "json"]
        with self.log.open("ab") as output:
            self._process = await anyio.open_process(argv, stdin=None, stdout=output, stderr=output)

    async def kill(self) -> list[str]:
        """Kill it and nothing else; name those of its processes that outlive it, and end them."""
        process = self._running()
        below = [(pid, _born(pid)) for pid in descendants(process.pid)]
        process.send_signal(signal.SIGKILL)
        self.kills.append(time.monotonic())
        await process.wait()
        await self.close()
        left = _left(below)
        with anyio.move_on_after(_GONE_WITHIN):
            while left:
                await anyio.sleep(_PAUSE)
                left = _left(below)
        names = [f"process {pid} ({_argv(pid)}) outlives kill {len(self.kills)}" for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return names

    async def stop(self) -> int:
        """End it in order; return its code."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(_STOPPED_WITHIN):
            code = await process.wait()
        await self.close()
        return code

    async def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process is not None:
            process, self._process = self._process, None
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()

    def pids(self, word: str) -> list[int]:
        """Return its processes with that word on their command line."""
        return [pid for pid in descendants(self._running().pid) if word in _argv(pid).split()]

    async def newborn(self, word: str) -> int:
        """Wait for a process with that word on its command line to begin, and return it."""
        old = {*self.pids(word)}
        new: set[int] = set()
        while not new:
            await anyio.sleep(_PAUSE)
            new = {*self.pids(word)} - old
        return min(new)

    async def snapshot(self, folder: Path) -> Snapshot:
        """Return what the store holds, from a copy: nobody may write while it is made."""
        copy = folder / f"after-{len(self.kills)}"
        copy.mkdir()
        for file in self._data.glob("dialtone.sqlite3*"):
            shutil.copy2(file, copy)
        store = await open_store(copy)
        try:
            return Snapshot(
                {result.id: result for result in await all_results(store)},
                tuple(await store.alerts(Scope.everything())),
                tuple(await all_messages(store)),
                frozenset(result.id for result in await store.adopt_unended()),
            )
        finally:
            await store.aclose()
            shutil.rmtree(copy)

    def _running(self) -> Process:
        assert self._process is not None
        assert self._process.returncode is None, self.log.read_text()[-4000:]
        return self._process


async def all_results(store: SqliteStore) -> list[ProbeResult]:
    """Return every result."""
    return await store.results(Scope.everything(), limit=_ALL)


async def all_messages(store: SqliteStore) -> Sequence[Kept]:
    """Return every message, whatever became of it, in order."""
    return [Kept(entry.message.key, entry.message.events) for entry in await store.outbox()]


def _argv(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    return ""


def _born(pid: int) -> str:
    """Return when a process began, in the kernel's ticks: with its id, that names it for good."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def _left(processes: Iterable[tuple[int, str]]) -> list[int]:
    return [pid for pid, born in processes if runs(pid) and _born(pid) == born]
