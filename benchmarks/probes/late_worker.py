"""The sippy worker with its measuring spoilt, for `--sabotage`: `python -m benchmarks.probes.late_worker`.

What arrives is stamped when it is read, not when the kernel got it, and the loop is held for half of the
time: the error of an engine on a busy loop without kernel stamps. It proves that the benchmark can fail.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, NoReturn

import anyio

from synthetic.agents import transport, worker

_HELD: Final = 0.005
_FREE: Final = 0.005
"""Seconds that the loop is held for, and left alone."""
_STAMP: Final = "_received_at"


def _read_at(_ancillary: Iterable[tuple[int, int, bytes]]) -> float:
    return time.monotonic()


async def _hold() -> NoReturn:
    while True:
        await anyio.sleep(_FREE)
        time.sleep(_HELD)  # noqa: ASYNC251 - blocking the loop is what this is for


async def main() -> None:
    """Serve as the worker does, but late."""
    if not hasattr(transport, _STAMP):
        raise RuntimeError(f"synthetic.agents.transport has no {_STAMP}: there is nothing to sabotage")
    setattr(transport, _STAMP, _read_at)
    async with anyio.create_task_group() as group:
        group.start_soon(_hold)
        await worker.main()
        group.cancel_scope.cancel()


if __name__ == "__main__":
    asyncio.run(main())
