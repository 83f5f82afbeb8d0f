"""A program with a ChildProcess, to be killed by a test: prints the child's pid and waits."""

import asyncio
import sys

import anyio

from dialtone.runtime import logs
from dialtone.runtime.child import ChildProcess
from dialtone.runtime.clock import SystemClock


async def main() -> None:
    """Start the child, have it block its loop, and say its pid."""
    logs.configure("info", "text", sys.stderr)
    worker = ChildProcess("tests.fakes.worker", clock=SystemClock())
    async with worker as child, anyio.create_task_group() as group:
        reply = await child.request({"do": "pid"}, timeout=30)
        group.start_soon(lambda: child.request({"do": "block"}, timeout=60))
        await anyio.sleep(0.05)
        print(reply["pid"], flush=True)  # noqa: T201 - how the test learns it
        await anyio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main())
