"""A deadline on our clock cancels the work, and nothing else changes."""

import anyio
import pytest

from dialtone.runtime.deadline import within
from tests.fakes.clock import FakeClock


async def test_what_the_work_returns_comes_back(clock: FakeClock) -> None:
    async def work() -> int:
        return 42

    assert await within(clock, 1, work) == 42


async def test_work_that_takes_longer_is_cancelled(clock: FakeClock) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    async def impatient() -> None:
        with pytest.raises(TimeoutError, match=r"not done within 2\.5 s"):
            await within(clock, 2.5, work)
        ended.append("timed out")

    async with anyio.create_task_group() as group:
        group.start_soon(impatient)
        await clock.advance(2.4)
        assert ended == []
        await clock.advance(0.1)
        assert ended == ["cancelled", "timed out"]


async def test_what_the_work_raises_comes_through_as_it_is(clock: FakeClock) -> None:
    async def work() -> None:
        raise LookupError("nothing here")

    with pytest.raises(LookupError, match="nothing here"):
        await within(clock, 1, work)


async def test_a_group_that_the_work_raises_stays_a_group(clock: FakeClock) -> None:
    async def work() -> None:
        raise ExceptionGroup("both", [LookupError("a"), ValueError("b")])

    with pytest.raises(ExceptionGroup, match="both"):
        await within(clock, 1, work)


async def test_cancelling_from_outside_is_no_timeout(clock: FakeClock) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await within(clock, 1, anyio.sleep_forever)
    assert scope.cancelled_caught
