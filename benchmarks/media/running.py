"""A program from its start to its end: how long it took, and what memory all its processes had at most."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.to_thread

from benchmarks.processes import resident

_LOOK: Final = 0.02
_MOST: Final = 300.0
"""Seconds between two looks at its memory, and until it is ended the hard way."""


class RunError(Exception):
    """A program did not do its part. The message says which and why."""


@dataclass(frozen=True, slots=True)
class Took:
    """What it took: seconds, and bytes that its processes had in memory together (RSS), at most."""

    seconds: float
    memory: int


async def run(words: Sequence[str]) -> tuple[Took, str]:
    """Run it; return what it took and what it printed. Raises RunError."""
    most = 0
    began = anyio.current_time()
    try:
        process = await anyio.open_process(words, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise RunError(f"{words[0]} can't be started: {error.strerror}") from None
    said: list[bytes] = []
    errors: list[bytes] = []

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, await anyio.to_thread.run_sync(resident, process.pid))
            await anyio.sleep(_LOOK)

    async def take(stream: anyio.abc.ByteReceiveStream | None, into: list[bytes]) -> None:
        if stream is not None:
            into.extend([chunk async for chunk in stream])

    try:
        with anyio.fail_after(_MOST):
            async with anyio.create_task_group() as looking:
                looking.start_soon(look)
                async with anyio.create_task_group() as taking:
                    taking.start_soon(take, process.stdout, said)
                    taking.start_soon(take, process.stderr, errors)
                code = await process.wait()
                looking.cancel_scope.cancel()
    except TimeoutError:
        raise RunError(f"{words[0]} did not end within {_MOST:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()
    took = Took(anyio.current_time() - began, most)
    if code != 0:
        raise RunError(f"{' '.join(words[:5])} ended with {code}: {_last(b''.join(errors))}")
    return took, b"".join(said).decode(errors="replace")


def _last(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"
