"""A program is run to its end, with its time, the memory of all its processes, and what it printed."""

import os
import sys

import anyio
import pytest

from benchmarks.media.running import RunError, run
from benchmarks.processes import resident

HELD = 40_000_000


async def test_what_it_printed_and_what_it_took_is_returned() -> None:
    took, said = await run([sys.executable, "-c", "print('done')"])
    assert said == "done\n"
    assert took.seconds > 0


async def test_one_that_fails_is_said_with_its_last_words() -> None:
    with pytest.raises(RunError, match="ended with 3: no such file"):
        await run([sys.executable, "-c", "import sys; print('no such file', file=sys.stderr); sys.exit(3)"])


async def test_one_that_there_is_not_is_said() -> None:
    with pytest.raises(RunError, match="can't be started"):
        await run(["/there/is/no/such/program"])


async def test_the_memory_of_children_counts() -> None:
    holds = f"held = bytearray({HELD}); print('ready', flush=True); input()"
    child = await anyio.open_process([sys.executable, "-c", holds])
    try:
        assert child.stdout is not None
        await child.stdout.receive()
        assert resident(os.getpid()) - resident(child.pid) > 0
        assert resident(child.pid) > HELD
    finally:
        child.kill()
        await child.aclose()
    assert resident(child.pid) == 0
