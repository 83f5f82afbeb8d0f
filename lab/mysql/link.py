"""The network between a stage's servers: every channel goes through a fault proxy of its own."""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lab.base import LabContext, LabError
from lab.faultproxy import Mode, steer
from lab.mysql.server import LOOPBACK
from lab.processes import python_path

_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Link:
    """The way by which `replica` reaches `source` for one channel.

    `port` is where the replica connects to, `control` where the proxy is steered.
    """

    name: str
    replica: str
    source: str
    channel: str
    port: int
    control: int
    target: str

    async def cut(self) -> None:
        """Reset the connection and refuse new ones, as a firewall that rejects."""
        await self._steer("cut")

    async def blackhole(self) -> None:
        """Swallow everything, as when a cable is pulled: the connection stays open."""
        await self._steer("blackhole")

    async def heal(self) -> None:
        """Let everything through again, and what the blackhole held."""
        await self._steer("heal")

    async def mode(self) -> Mode:
        """Return what becomes of the traffic now."""
        return await self._steer("mode")

    async def _steer(self, word: str) -> Mode:
        return await steer(f"{LOOPBACK}:{self.control}", word)


def start_links(lab: LabContext, process: str, links: Sequence[Link]) -> None:
    """Start one process that is the proxies of all these links. Raises LabError."""
    options = [
        option
        for link in links
        for option in (
            *("--listen", str(link.port)),
            *("--target", link.target),
            *("--control", str(link.control)),
        )
    ]
    argv = [sys.executable, "-m", "lab.faultproxy", *options]
    lab.processes.start(process, argv, env={"PYTHONPATH": python_path()})


async def wait_for_links(lab: LabContext, process: str, links: Sequence[Link]) -> None:
    """Return once all of them can be steered. Raises LabError with the log's tail."""
    end = time.monotonic() + lab.answers
    for link in links:
        while True:
            try:
                await link.mode()
                break
            except LabError as error:
                if not lab.processes.alive(process) or time.monotonic() >= end:
                    raise LabError(f"{error}\n{lab.processes.log_tail(process)}") from None
                await asyncio.sleep(_PAUSE)
