"""Stopping inside one process; what ends the process is in tests/integration."""

import os
import signal

import anyio
import pytest

from dialtone.runtime.stop import run_until_signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_cancels_the_work_and_is_told(number: signal.Signals) -> None:
    ended: list[str] = []
    before = signal.getsignal(number)

    async def work() -> None:
        os.kill(os.getpid(), number)
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    # The grace goes on after the call, and would end this process: it is longer than any test run.
    assert await run_until_signal(work, grace=86400) is number
    assert ended == ["cancelled"]
    assert signal.getsignal(number) == before


async def test_work_that_ends_by_itself_needs_no_signal() -> None:
    assert await run_until_signal(anyio.lowlevel.checkpoint) is None


async def test_what_the_work_raises_comes_through() -> None:
    async def work() -> None:
        raise OSError("port 9876 is taken")

    with pytest.raises(OSError, match="port 9876 is taken"):
        await run_until_signal(work)
