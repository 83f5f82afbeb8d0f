"""A fake MI in a process of its own, which a test can stop and let go on; run with the version recorded."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.fakes.mi import FakeMi

_DATA: Final = Path(__file__).parents[1] / "data" / "opensips"
_RECORDED: Final = {
    "get_statistics": "live-get_statistics-all",
    "list_statistics": "live-list_statistics",
    "profile_get_values": "live-profile_get_values-tenant",
    "version": "live-version",
}
"""What is answered; of every other command it says that there is none."""
_START: Final = 20.0


@dataclass(frozen=True, slots=True)
class MiProcess:
    """One that runs."""

    process: asyncio.subprocess.Process
    mi: str

    def hang(self) -> None:
        """Stop it: the kernel goes on taking connections for it, nobody answers."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)


def recorded(version: str) -> dict[str, bytes]:
    """Return a recorded server's replies by command."""
    return {command: (_DATA / version / f"{name}.json").read_bytes() for command, name in _RECORDED.items()}


@asynccontextmanager
async def mi_process(version: str) -> AsyncIterator[MiProcess]:
    """Run one for the time of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, version),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START):
            address = await process.stdout.readline()
        yield MiProcess(process, address.decode().strip())
    finally:
        process.kill()
        await process.communicate()


async def _main(version: str) -> None:
    async with FakeMi(recorded(version)).running() as server:
        print(server.url, flush=True)  # noqa: T201 - the way to the test
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
