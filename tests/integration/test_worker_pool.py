"""Workers as processes: one that is killed takes its own requests with it, and all end together."""

import asyncio
import os
import signal
import time

import anyio
import pytest

from dialtone.runtime.child import ChildDied
from dialtone.runtime.clock import SystemClock
from synthetic.agents.pool import BUSY_AT_ONCE, WorkerPool, worker_pool

pytestmark = pytest.mark.integration

WORKER = "tests.fakes.worker"


async def pid_of(pool: WorkerPool) -> int:
    """Return the process that would be asked next."""
    return int(str((await pool.request({"do": "pid"}, timeout=30.0))["pid"]))


async def busy(pool: WorkerPool, times: int) -> list["asyncio.Task[dict[str, object]]"]:
    """Have the pool wait for so many requests."""
    asked = [
        asyncio.create_task(pool.request({"do": "wait", "seconds": 60}, timeout=90.0)) for _ in range(times)
    ]
    await asyncio.sleep(0)
    return asked


async def test_a_killed_worker_takes_its_own_requests_alone_and_is_replaced() -> None:
    async with worker_pool(WORKER, SystemClock(), grace=2.0, size=2) as pool:
        first = await pid_of(pool)
        of_first = await busy(pool, BUSY_AT_ONCE)
        second = await pid_of(pool)
        assert first != second
        of_second = await busy(pool, 5)
        os.kill(first, signal.SIGKILL)
        with anyio.fail_after(10):
            ended = await asyncio.gather(*of_first, return_exceptions=True)
        assert all(isinstance(answer, ChildDied) for answer in ended)
        assert not any(task.done() for task in of_second)
        with anyio.fail_after(10):
            third = second
            while third == second:  # for a second the other one counts as busy, with what it was given
                await anyio.sleep(0.1)
                third = await pid_of(pool)
        assert third != first
        for task in of_second:
            task.cancel()


async def test_workers_that_will_not_end_cost_one_grace_and_not_one_each() -> None:
    pids = []
    async with worker_pool(WORKER, SystemClock(), grace=1.5, size=3) as pool:
        waiting = []
        for _ in range(3):
            pids.append(await pid_of(pool))
            await pool.request({"do": "ignore-sigterm"}, timeout=30.0)
            waiting += await busy(pool, BUSY_AT_ONCE)
        assert len(set(pids)) == pool.workers == 3
        before = time.monotonic()
    assert time.monotonic() - before < 3.0
    for pid in pids:  # they were waited for
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, ChildDied) for answer in ended)
