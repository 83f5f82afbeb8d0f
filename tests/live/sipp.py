"""SIPp as phones: calls that are held until they are told to end, and phones that answer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.integration.phone import Phone
from tests.integration.sipp_process import sipp_process, told_to_end
from tests.live.stage import Stage

_DATA: Final = Path(__file__).parents[1] / "data"
_CALLER: Final = "101"
_MOST_SECONDS: Final = 120
CALL_ID: Final = "%u-held"
"""Numbered from 1 by SIPp itself."""


@dataclass(frozen=True, slots=True)
class Sipp:
    """A SIPp that runs. `calls` is how many it was told to place or to take."""

    process: asyncio.subprocess.Process
    port: int
    calls: int
    log: Path

    def hang_up(self) -> None:
        """Tell every held call to end."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(1, self.calls + 1):
                sock.sendto(told_to_end(CALL_ID.replace("%u", str(number))), ("127.0.0.1", self.port))

    async def passed(self) -> None:
        """Return when SIPp has ended; fails unless every call passed."""
        async with asyncio.timeout(15):
            code = await self.process.wait()
        assert code == 0, self.log.read_text(errors="replace")


@asynccontextmanager
async def calls(stage: Stage, folder: Path, wanted: Mapping[tuple[str, str], int]) -> AsyncIterator[Sipp]:
    """Place so many calls by (tenant, called number) through the front, as the tenant's phone 101.

    They are held until `hang_up`; what is left at the end of the block is killed.
    """
    injected = folder / "callers.csv"
    injected.touch(mode=0o600)  # passwords don't go on a command line
    lines = [
        f"{_CALLER};{tenant};"
        f"[authentication username={_CALLER} password={stage.passwords[tenant, _CALLER]}];{callee}"
        for (tenant, callee), count in wanted.items()
        for _ in range(count)
    ]
    injected.write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    words = ["-sf", str(_DATA / "live/held.xml"), "-inf", str(injected), "-cid_str", CALL_ID, "-r", "20"]
    async with sipp_running(folder, "callers", len(lines), *words, f"127.0.0.1:{stage.sip}") as sipp:
        yield sipp


@asynccontextmanager
async def answering(folder: Path, number: int) -> AsyncIterator[Sipp]:
    """Have a SIPp that takes so many calls, each until the caller hangs up."""
    async with sipp_running(folder, "answering", number, "-sf", str(_DATA / "lab/phones.xml")) as sipp:
        yield sipp


@asynccontextmanager
async def sipp_running(folder: Path, name: str, number: int, *words: str) -> AsyncIterator[Sipp]:
    """Run a SIPp with these words, on a port of its own, until so many calls have ended."""
    with Phone(0, "", "", "") as bound:
        port = bound.port
    async with sipp_process(folder, name, port, *words, calls=number, seconds=_MOST_SECONDS) as process:
        yield Sipp(process, port, number, folder / f"{name}.log")
