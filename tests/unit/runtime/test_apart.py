"""Work apart: its results and errors come back, and it can't hold the loop that waits for it."""

import asyncio
import threading
import time

import anyio
import pytest

from dialtone.runtime.apart import apart


async def test_what_the_work_returns_comes_back_from_another_thread() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert await apart(work, name="elsewhere") == "elsewhere"


async def test_what_the_work_raises_is_raised_here() -> None:
    async def work() -> None:
        raise LookupError("no such name")

    with pytest.raises(LookupError, match="no such name"):
        await apart(work, name="elsewhere")


async def test_work_that_never_yields_does_not_hold_this_loop() -> None:
    over = threading.Event()

    async def work() -> None:
        while not over.is_set():
            time.sleep(0.001)  # noqa: ASYNC251 - the point of the test

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: apart(work, name="busy"))
        for _ in range(100):  # this loop turns all the while
            await asyncio.sleep(0)
        assert not over.is_set()
        over.set()


async def test_who_is_cancelled_does_not_wait_and_the_work_is_cancelled_too() -> None:
    ended = threading.Event()
    began = threading.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: apart(work, name="patient"))
        assert await anyio.to_thread.run_sync(began.wait, 5)
        tasks.cancel_scope.cancel()
    assert await anyio.to_thread.run_sync(ended.wait, 5)
