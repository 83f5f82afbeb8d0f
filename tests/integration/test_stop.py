"""Stopping a process that does not want to."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteReceiveStream, Process

from dialtone.runtime.stop import EXIT_STUCK

pytestmark = pytest.mark.integration


async def heard(stream: ByteReceiveStream | None, text: bytes) -> None:
    """Wait until the program has said that."""
    assert stream is not None
    said = b""
    while text not in said:
        said += await stream.receive()


@asynccontextmanager
async def program(work: str, grace: float) -> AsyncIterator[Process]:
    command = [sys.executable, "-m", "tests.fakes.stoppable", work, str(grace)]
    process = await anyio.open_process(command)
    try:
        with anyio.fail_after(30):
            await heard(process.stdout, b"ready\n")
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.aclose()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_polite_program_ends_by_itself_with_exit_code_0(number: signal.Signals) -> None:
    async with program("polite", 20) as process:
        process.send_signal(number)
        await heard(process.stdout, number.name.encode())
        assert await process.wait() == 0


async def test_a_thread_that_outlives_the_work_does_not_outlive_the_grace() -> None:
    async with program("looking-up", 0.5) as process:
        process.send_signal(signal.SIGTERM)
        await heard(process.stdout, b"SIGTERM")
        with anyio.fail_after(10):
            assert await process.wait() == EXIT_STUCK


@pytest.mark.parametrize("work", ["blocked", "stubborn"])
async def test_work_that_does_not_end_is_ended_after_the_grace(work: str) -> None:
    async with program(work, 0.1) as process:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == EXIT_STUCK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_program_at_once(number: signal.Signals) -> None:
    async with program("stubborn", 60) as process:
        process.send_signal(number)
        await heard(process.stderr, b"stopping")
        process.send_signal(number)
        assert await process.wait() == -number
