"""The clock of the tests keeps its own promises."""

import anyio
import pytest

from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio


async def test_sleepers_wake_in_the_order_of_their_time(clock: FakeClock) -> None:
    woke: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woke.append(f"{name}@{clock.monotonic() - 1000:g}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleeper, "late", 10)
        tasks.start_soon(sleeper, "early", 3)
        await clock.advance(5)
        assert woke == ["early@3"]
        await clock.advance(5)
    assert woke == ["early@3", "late@10"]


async def test_a_jump_of_the_wall_clock_leaves_monotonic_time_alone(clock: FakeClock) -> None:
    before = clock.monotonic()
    clock.jump(-3600)
    assert clock.monotonic() == before
    assert clock.now().hour == 11
