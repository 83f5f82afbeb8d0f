"""What every Clock promises: the real one and the one that tests turn."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio
import pytest

from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from tests.fakes.clock import FakeClock

Pass = Callable[[float], Awaitable[None]]


@pytest.fixture(params=[SystemClock, FakeClock])
def subject(request: pytest.FixtureRequest) -> Clock:
    clock: Clock = request.param()
    return clock


@pytest.fixture
def let_pass(subject: Clock) -> Pass:
    """Let time pass as each clock can: really, or by turning it."""
    return subject.advance if isinstance(subject, FakeClock) else anyio.sleep


async def test_now_is_an_aware_instant_in_utc(subject: Clock) -> None:
    assert subject.now().utcoffset() == timedelta(0)


async def test_monotonic_never_goes_back_and_counts_seconds(subject: Clock, let_pass: Pass) -> None:
    before, wall = subject.monotonic(), subject.now()
    await let_pass(0.02)
    assert 0.019 < subject.monotonic() - before < 10
    assert subject.now() > wall


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_sleeping_for_nothing_returns_at_once_but_lets_others_run(
    subject: Clock, seconds: float
) -> None:
    others: list[str] = []

    async def other() -> None:
        others.append("ran")

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        await subject.sleep(seconds)
        await subject.sleep(seconds)
        assert others == ["ran"]


async def test_sleepers_wake_in_the_order_of_their_times_and_not_early(
    subject: Clock, let_pass: Pass
) -> None:
    start = subject.monotonic()
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await subject.sleep(seconds)
        # A loop's timer may ring one tick of the system's clock early.
        assert subject.monotonic() - start >= seconds - 0.001
        woken.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (0.06, 0.02, 0.04):
            group.start_soon(sleep, seconds)
        await let_pass(0.07)
    assert woken == [0.02, 0.04, 0.06]


async def test_a_sleep_can_be_cancelled(subject: Clock) -> None:
    with anyio.fail_after(10), anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(subject.sleep, 3600)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught


@pytest.mark.parametrize("seconds", [0.02, 0.0, -1.0])
async def test_an_alarm_rings_once_when_its_time_has_come_and_never_at_once(
    subject: Clock, let_pass: Pass, seconds: float
) -> None:
    rung: list[float] = []
    subject.alarm(seconds, lambda: rung.append(subject.monotonic()))
    set_at = subject.monotonic()
    assert not rung
    await let_pass(0.05)
    (at,) = rung
    assert at - set_at >= max(0.0, seconds) - 0.001


@pytest.mark.parametrize("seconds", [0.02, 0.0])
async def test_an_alarm_that_was_called_off_never_rings(
    subject: Clock, let_pass: Pass, seconds: float
) -> None:
    rung: list[int] = []
    call_off = subject.alarm(seconds, lambda: rung.append(1))
    subject.alarm(0.02, lambda: rung.append(2))
    call_off()
    await let_pass(0.05)
    call_off()
    assert rung == [2]
