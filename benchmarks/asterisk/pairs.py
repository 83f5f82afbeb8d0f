"""What our polls and events do to a real Asterisk: how long calls take to be answered, with and without them.

The server is the lab's; beside it stands its own module res_prometheus, scraped as often.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import anyio

from benchmarks.asterisk.spans import DIALTONE, PROMETHEUS, WATCHERS, Pairs, Span, percentile
from benchmarks.processes import cpu
from collectors.asterisk import AsteriskCollector
from dialtone.config import TenantTree
from dialtone.model import Level, Node, NodeKind, Secret, Tenant
from dialtone.runtime.clock import SystemClock
from lab.asterisk import AsteriskPart
from lab.asterisk.series import NEW
from lab.base import LabContext, LabError, PartInfo, Sample
from lab.debian import BUNDLES, default_cache, unpacked
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from lab.sample import sample

_WAITING: Final = f"{NEW.prefix}01"
"""The number that answers at once, and then waits without media."""
_HOLD: Final = 0.5
_WARM_UP: Final = 200
_PATIENCE: Final = 30.0
_PAGE: Final = "[general]\nenabled = yes\ncore_metrics_enabled = yes\nuri = metrics\n"
_MODULE: Final = "res_prometheus.so"


class ServerError(Exception):
    """The server does not do its part. The message says what."""


class _Programs(LabProcesses):
    """The lab's programs, whose pids are known besides."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.pids: dict[str, int] = {}

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> int:
        pid = super().start(name, argv, cwd=cwd, env=env)
        self.pids[name] = pid
        return pid


Ask = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Lab:
    """The running server, its process, the port that calls must come from, and its sample platform."""

    info: PartInfo
    pid: int
    front: int
    platform: Sample
    page: str

    @property
    def sip(self) -> int:
        """Where it takes calls."""
        return int(self.info.addresses[NEW.sip].rpartition(":")[2])


async def measure(
    folder: Path, *, pairs: int, seconds: float, rate: float, every: float, channels: int
) -> Pairs:
    """Run the spans. Raises LabError, ServerError, and CollectError where a poll fails."""
    with _lab(folder) as (context, programs):
        lab = await _started(context, programs)
        await _calls(lab, channels, rate, hold=-1.0)
        await _calls(lab, _WARM_UP, rate, hold=_HOLD)
        spans = []
        async with aiohttp.ClientSession() as http:
            for _ in range(pairs):
                for watcher in WATCHERS:
                    async with _watching(watcher, lab, http) as ask:
                        spans.append(await _span(lab, watcher, ask, seconds, rate, every))
    return Pairs(tuple(spans))


async def _span(
    lab: Lab,
    watcher: str,
    ask: Ask | None,
    seconds: float,
    rate: float,
    every: float,
) -> Span:
    polls = 0

    async def watch(asked: Ask) -> None:
        nonlocal polls
        while True:
            await asked()
            polls += 1
            await anyio.sleep(every)

    before = cpu([lab.pid])
    try:
        async with anyio.create_task_group() as tasks:
            if ask is not None:
                tasks.start_soon(watch, ask)
            took = await _calls(lab, int(seconds * rate), rate, hold=_HOLD)
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the first to fail; what it tore down follows
    cores = (cpu([lab.pid]) - before) / seconds
    return Span(watcher, len(took), percentile(took, 50), percentile(took, 99), polls, cores)


async def _scrape(http: aiohttp.ClientSession, page: str) -> None:
    async with http.get(page, timeout=aiohttp.ClientTimeout(_PATIENCE)) as answer:
        text = await answer.read()
    if answer.status != 200 or b"asterisk_channels_state" not in text:
        raise ServerError(f"{page} has no channels (HTTP {answer.status})")


async def _calls(lab: Lab, count: int, rate: float, *, hold: float) -> list[float]:
    """Place calls of all tenants in turn; return the seconds that each took to be answered."""
    tenants = [tenant.domain for tenant in lab.platform.clients]
    words = (str(lab.front), str(lab.sip), _WAITING, str(count), str(rate), str(hold), *tenants)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.asterisk.caller", *words), stdout=asyncio.subprocess.PIPE
    )
    try:
        with anyio.fail_after(count / rate + _PATIENCE):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    said = json.loads(printed)
    if said["failed"]:
        raise ServerError(f"{said['failed']} of {count} calls failed")
    took: list[float] = said["took"]
    return took


@contextmanager
def _lab(folder: Path) -> Iterator[tuple[LabContext, _Programs]]:
    programs = _Programs(folder)
    ports = LoopbackPorts(folder, claims=folder / "claims.json")
    try:
        yield LabContext(folder, default_cache(), ports, programs, sample(folder / "accounts.csv")), programs
    finally:
        programs.stop_all()


async def _started(context: LabContext, programs: _Programs) -> Lab:
    """Start Asterisk as the lab does, without a front, and have it load res_prometheus."""
    info = await AsteriskPart().start(context)
    home = context.folder(NEW.part)
    (home / "etc" / "prometheus.conf").write_text(_PAGE)
    await anyio.to_thread.run_sync(_load, context.cache, home)
    return Lab(
        info,
        programs.pids[NEW.part],
        context.ports.take("sip"),
        context.sample,
        f"{info.addresses['ajam']}/metrics",
    )


def _load(cache: Path, home: Path) -> None:
    program = unpacked(next(bundle for bundle in BUNDLES if bundle.name == NEW.part), cache)
    if program is None:
        raise LabError("Asterisk is gone from the cache")
    command = program.command("-C", str(home / "etc" / "asterisk.conf"), "-r", "-x", f"module load {_MODULE}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if "Loaded" not in done.stdout:
        raise ServerError(f"{_MODULE} can't be loaded: {(done.stdout + done.stderr)[-300:]}")


@asynccontextmanager
async def _watching(watcher: str, lab: Lab, http: aiohttp.ClientSession) -> AsyncIterator[Ask | None]:
    """Yield what a watcher asks with; none of its events come once this has been left."""
    if watcher == DIALTONE:
        async with _collector(lab) as collector:
            yield collector.collect
    elif watcher == PROMETHEUS:
        yield lambda: _scrape(http, lab.page)
    else:
        yield None


@asynccontextmanager
async def _collector(lab: Lab) -> AsyncIterator[AsteriskCollector]:
    (entry,) = lab.info.nodes
    node = Node(
        str(entry["name"]),
        NodeKind.ASTERISK,
        str(entry["ami"]),
        username=str(entry["username"]),
        secret=Secret(lab.info.secrets["ami"]),
        timeout=5.0,
    )
    platform = lab.platform.platform
    tree = TenantTree(
        Tenant(platform, None, Level.PLATFORM, platform),
        [Tenant(t.domain, t.domain.partition(".")[2], Level(t.level), t.name) for t in lab.platform.tenants],
    )
    collector = AsteriskCollector(node, tree, SystemClock())
    try:
        yield collector
    finally:
        await collector.aclose()
