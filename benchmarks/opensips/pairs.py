"""What our polls do to a real server: how long it takes to answer OPTIONS, with and without them, in turn."""

import asyncio
import contextlib
import json
import math
import shutil
import socket
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from benchmarks.opensips.servers import PLATFORM, tenants
from collectors.opensips import OpensipsCollector
from dialtone.config import TenantTree
from dialtone.model import Level, Node, NodeKind, Tenant
from dialtone.runtime.clock import SystemClock
from lab.front.opensips import find_modules

_SCRIPT: Final = """
log_level=1
stderror_enabled=yes
syslog_enabled=no
udp_workers=4
socket=udp:127.0.0.1:{sip}
mpath="{modules}/"
loadmodule "proto_udp.so"
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "dialog.so"
loadmodule "statistics.so"
loadmodule "httpd.so"
loadmodule "mi_http.so"
modparam("httpd", "ip", "127.0.0.1")
modparam("httpd", "port", {http})
modparam("httpd", "buf_size", 4194304)
modparam("dialog", "profiles_with_value", "tenant")
modparam("statistics", "stat_groups", "tenants")
route {{
    $var(st) = "tenants:" + $rd + "_" + $rU;
    update_stat($var(st), 1);
    sl_send_reply(200, "OK");
    exit;
}}
"""
_PATIENCE: Final = 20.0
_WARM_UP_RATE: Final = 2000.0


class ServerError(Exception):
    """There is no server to ask. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class Span:
    """A minute or so: answers, percentiles of their times in seconds, polls, and the samples of the last."""

    polled: bool
    answers: int
    p50: float
    p99: float
    polls: int = 0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Pairs:
    """Spans without and with polls, in turn."""

    version: str
    spans: tuple[Span, ...]

    @property
    def difference(self) -> float:
        """The median over the pairs of the p99 with polls less that without, in seconds."""
        quiet, polled = self._p99(False), self._p99(True)
        return statistics.median(b - a for a, b in zip(quiet, polled, strict=True))

    @property
    def spread(self) -> float:
        """How far the p99s without polls lie apart, in seconds."""
        quiet = self._p99(False)
        return max(quiet) - min(quiet)

    @property
    def right(self) -> bool:
        """Whether the polls make less of a difference than chance does."""
        return self.difference < self.spread

    def _p99(self, polled: bool) -> list[float]:
        return [span.p99 for span in self.spans if span.polled is polled]


async def measure(
    folder: Path, *, pairs: int, seconds: float, rate: float, every: float, clients: int
) -> Pairs:
    """Run them. Raises ServerError, and CollectError where a poll fails."""
    async with _server(folder) as (sip, http):
        node = Node("sip1", NodeKind.OPENSIPS, f"http://127.0.0.1:{http}/mi", timeout=5.0)
        domains = tenants(clients)
        tree = TenantTree(
            Tenant(PLATFORM, None, Level.PLATFORM, PLATFORM),
            [Tenant(domain, PLATFORM, Level.RESELLER, domain) for domain in domains],
        )
        collector = OpensipsCollector(node, tree, SystemClock())
        try:
            await _sent(sip, 5 * clients, _WARM_UP_RATE, clients)
            version = (await collector.collect()).info["version"]
            spans = []
            for _ in range(pairs):
                for polled in (False, True):
                    every_now = every if polled else None
                    spans.append(await _span(collector, sip, seconds, rate, every_now, clients))
        finally:
            await collector.aclose()
    return Pairs(version, tuple(spans))


async def _span(
    collector: OpensipsCollector, sip: int, seconds: float, rate: float, every: float | None, clients: int
) -> Span:
    polls, samples = 0, 0

    async def poll(interval: float) -> None:
        nonlocal polls, samples
        while True:
            samples = len((await collector.collect()).samples)
            polls += 1
            await anyio.sleep(interval)

    async with anyio.create_task_group() as tasks:
        if every is not None:
            tasks.start_soon(poll, every)
        took = await _sent(sip, int(seconds * rate), rate, clients)
        tasks.cancel_scope.cancel()
    return Span(every is not None, len(took), _percentile(took, 50), _percentile(took, 99), polls, samples)


def _percentile(values: Sequence[float], share: int) -> float:
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] if ordered else math.nan


async def _sent(sip: int, count: int, rate: float, clients: int) -> list[float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.opensips.sender", str(sip), str(count), str(rate), str(clients)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        with anyio.fail_after(2 * count / rate + _PATIENCE):
            printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    took: list[float] = json.loads(printed)
    return took


@asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[tuple[int, int]]:
    program, modules = _installed()
    sip, http = _free(socket.SOCK_DGRAM), _free(socket.SOCK_STREAM)
    script = folder / "opensips.cfg"
    script.write_text(_SCRIPT.format(sip=sip, http=http, modules=modules))
    async with AsyncExitStack() as stack:
        log = stack.enter_context((folder / "opensips.log").open("wb"))
        process = await asyncio.create_subprocess_exec(
            *(program, "-F", "-f", str(script), "-w", str(folder), "-m", "512"), stdout=log, stderr=log
        )
        stack.push_async_callback(_end, process)
        if not await _listens(http):
            raise ServerError(f"opensips does not start: {(folder / 'opensips.log').read_text()[-500:]}")
        yield sip, http


def _installed() -> tuple[str, Path]:
    program = shutil.which("opensips")
    modules = find_modules(Path(program).resolve().parent.parent) if program else None
    if program is None or modules is None:
        raise ServerError("there is no opensips program on PATH")
    return program, modules


async def _listens(port: int) -> bool:
    """Wait until somebody takes connections there; False if nobody does."""
    with anyio.move_on_after(_PATIENCE):
        while True:
            with contextlib.suppress(OSError):
                stream = await anyio.connect_tcp("127.0.0.1", port)
                await stream.aclose()
                return True
            await anyio.sleep(0.1)
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    with anyio.move_on_after(_PATIENCE, shield=True):
        await process.wait()
        return
    process.kill()


def _free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
