"""The scheduler in virtual time: phase, overlap, drift, clock steps, failures."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.runtime.scheduler import JobFigures, Planned, Scheduler
from tests.fakes.clock import FakeClock


class FixedRandom(random.Random):
    """Says the same share of every interval."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self._share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._share


class Job:
    """Remembers its runs; takes `seconds` for each."""

    def __init__(self, clock: FakeClock, seconds: float = 0.0) -> None:
        self._clock = clock
        self._start = clock.monotonic()
        self.seconds = seconds
        self.planned: list[Planned] = []
        self.began: list[float] = []

    async def __call__(self, planned: Planned) -> None:
        self.planned.append(planned)
        self.began.append(round(self._clock.monotonic() - self._start, 6))
        await self._clock.sleep(self.seconds)

    @property
    def slots(self) -> list[int]:
        return [planned.slot for planned in self.planned]


@asynccontextmanager
async def running(scheduler: Scheduler) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(scheduler.run)
        yield
        group.cancel_scope.cancel()


async def test_a_job_at_once_runs_when_the_scheduler_takes_it_up_and_then_at_its_interval(
    clock: FakeClock,
) -> None:
    scheduler = Scheduler(clock, FixedRandom(0.5))
    early, late, spread = Job(clock), Job(clock), Job(clock)
    scheduler.add("early", 60, early, at_once=True)
    scheduler.add("spread", 60, spread)
    await clock.advance(7)  # between the plan and the start the store is read
    async with running(scheduler):
        await clock.advance(0)
        assert early.began == [7]
        await clock.advance(13)
        scheduler.add("late", 60, late, at_once=True)
        await clock.advance(100)
    assert early.began == [7, 67]
    assert late.began == [20, 80]
    assert spread.began == [30, 90]
    assert figures_of(scheduler, "early").skipped == 0


def figures_of(scheduler: Scheduler, name: str) -> JobFigures:
    return next(figures for figures in scheduler.figures() if figures.name == name)


async def test_a_job_runs_once_an_interval_from_its_phase_on(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.25)), Job(clock)
    scheduler.add("job", 60, job)
    async with running(scheduler):
        await clock.advance(200)
    assert job.began == [15, 75, 135, 195]


async def test_starts_are_spread_over_the_whole_interval(clock: FakeClock) -> None:
    scheduler = Scheduler(clock, random.Random(7))
    jobs = [Job(clock) for _ in range(200)]
    for number, job in enumerate(jobs):
        scheduler.add(str(number), 60, job)
    async with running(scheduler):
        await clock.advance(60)
    assert all(len(job.began) == 1 for job in jobs)
    quarters = Counter(int(job.began[0] // 15) for job in jobs)
    assert set(quarters) == {0, 1, 2, 3}
    assert min(quarters.values()) > 30


async def test_a_given_phase_is_kept_whenever_the_job_is_added(clock: FakeClock) -> None:
    scheduler = Scheduler(clock, random.Random(7))
    early, late = Job(clock), Job(clock)
    scheduler.add("early", 60, early, phase=0.25)
    async with running(scheduler):
        await clock.advance(40)
        scheduler.add("late", 60, late, phase=0.5)
        await clock.advance(100)
    assert early.began == [15, 75, 135]
    assert late.began == [90]


@pytest.mark.parametrize("phase", [-0.1, 1.0, float("nan")])
async def test_a_phase_is_a_share_of_the_interval(clock: FakeClock, phase: float) -> None:
    with pytest.raises(ValueError, match="the phase of job must be"):
        Scheduler(clock, random.Random(0)).add("job", 60, Job(clock), phase=phase)


async def test_planned_says_the_due_time_in_utc_and_its_slot(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.5)), Job(clock)
    scheduler.add("job", 60, job)
    async with running(scheduler):
        await clock.advance(60)
    (planned,) = job.planned
    assert planned.at.isoformat() == "2026-03-01T12:00:30+00:00"
    assert planned.slot == int(planned.at.timestamp() // 60)


async def test_a_planned_time_during_a_run_is_skipped_and_counted_not_queued(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0)), Job(clock, seconds=25)
    scheduler.add("job", 10, job)
    async with running(scheduler):
        await clock.advance(65)
        assert job.began == [0, 30, 60]
        assert figures_of(scheduler, "job").skipped == 4


async def test_a_run_that_ends_a_little_after_the_next_planned_time_costs_no_slot(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0)), Job(clock, seconds=10.1)
    scheduler.add("job", 10, job)
    async with running(scheduler):
        await clock.advance(85)
        assert job.began == pytest.approx([0, 10.1, 20.2, 30.3, 40.4, 50.5, 60.6, 70.7, 80.8])
        assert [b - a for a, b in zip(job.slots, job.slots[1:], strict=False)] == [1] * 8
        assert figures_of(scheduler, "job").skipped == 0
        job.seconds = 1
        await clock.advance(60)
        assert job.began[-5:] == pytest.approx([100, 110, 120, 130, 140]), "its phase has not moved"


async def test_a_run_that_hangs_shows_what_it_makes_us_skip(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0)), Job(clock, seconds=10_000)
    scheduler.add("job", 10, job)
    async with running(scheduler):
        await clock.advance(55)
        assert figures_of(scheduler, "job").skipped == 5
        assert figures_of(scheduler, "job").runs == 1


async def test_a_slow_job_does_not_delay_another(clock: FakeClock) -> None:
    scheduler, slow, quick = Scheduler(clock, FixedRandom(0)), Job(clock, seconds=1000), Job(clock)
    scheduler.add("slow", 10, slow)
    scheduler.add("quick", 10, quick)
    async with running(scheduler):
        await clock.advance(35)
    assert quick.began == [0, 10, 20, 30]


async def test_runs_that_take_time_do_not_make_the_phase_drift(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.3)), Job(clock, seconds=0.7)
    scheduler.add("job", 10, job)
    async with running(scheduler):
        await clock.advance(10_000)
    assert job.began == [3 + 10 * number for number in range(1000)]


async def test_an_action_that_raises_is_logged_and_counted_and_runs_again(clock: FakeClock) -> None:
    scheduler, other = Scheduler(clock, FixedRandom(0)), Job(clock)

    async def broken(planned: Planned) -> None:
        raise LookupError(planned.slot)

    scheduler.add("broken", 10, broken)
    scheduler.add("other", 10, other)
    with structlog.testing.capture_logs() as logs:
        async with running(scheduler):
            await clock.advance(25)
    assert figures_of(scheduler, "broken").errors == 3
    assert figures_of(scheduler, "other").errors == 0
    assert len(other.began) == 3
    assert [(entry["job"], entry["log_level"]) for entry in logs] == [("broken", "error")] * 3


async def test_a_job_may_be_added_while_the_scheduler_runs(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.5)), Job(clock)
    async with running(scheduler):
        await clock.advance(100)
        scheduler.add("job", 10, job)
        await clock.advance(20)
    assert job.began == [105, 115]


async def test_a_late_start_of_the_scheduler_makes_up_for_nothing(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.5)), Job(clock)
    scheduler.add("job", 10, job)
    await clock.advance(47)
    async with running(scheduler):
        await clock.advance(20)
    assert job.began == [55, 65]
    assert figures_of(scheduler, "job").skipped == 0


async def test_cancelling_run_ends_the_jobs_and_it_may_run_again(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.5)), Job(clock)
    scheduler.add("job", 10, job)
    async with running(scheduler):
        await clock.advance(10)
    await clock.advance(100)
    assert job.began == [5]
    async with running(scheduler):
        await clock.advance(10)
    assert job.began == [5, 115]


async def test_a_name_is_taken_once_and_an_interval_is_positive(clock: FakeClock) -> None:
    scheduler = Scheduler(clock, random.Random(0))
    scheduler.add("job", 10, Job(clock))
    with pytest.raises(ValueError, match="called job already"):
        scheduler.add("job", 10, Job(clock))
    for interval in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="more than 0 seconds"):
            scheduler.add("other", interval, Job(clock))


async def test_a_wall_clock_set_forward_makes_no_burst(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.5)), Job(clock)
    scheduler.add("job", 60, job)
    async with running(scheduler):
        await clock.advance(120)
        clock.jump(3600)
        await clock.advance(120)
    assert job.began == [30, 90, 150, 210]
    assert job.planned[2].at.isoformat() == "2026-03-01T13:02:30+00:00"
    assert [b - a for a, b in zip(job.slots, job.slots[1:], strict=False)] == [1, 61, 1]


@pytest.mark.parametrize("step", [-1, -31, -60, -3600])
async def test_a_wall_clock_set_back_neither_stops_the_job_nor_uses_a_slot_twice(
    clock: FakeClock, step: float
) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.001)), Job(clock)
    scheduler.add("job", 60, job)
    async with running(scheduler):
        await clock.advance(3600)
        clock.jump(step)
        await clock.advance(3600)
    assert len(job.began) == 120
    assert len(set(job.slots)) == 120


async def test_after_a_wrong_clock_was_put_right_slots_are_right_too(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0.5)), Job(clock)
    scheduler.add("job", 60, job)
    async with running(scheduler):
        await clock.advance(300)
        clock.jump(86_400)
        await clock.advance(300)
        clock.jump(-86_400)
        await clock.advance(300)
    assert len(set(job.slots)) == 15
    assert job.slots[-1] == int(job.planned[-1].at.timestamp() // 60)


async def test_noise_between_the_clocks_moves_no_slot(clock: FakeClock) -> None:
    scheduler, job = Scheduler(clock, FixedRandom(0)), Job(clock)
    scheduler.add("job", 10, job)
    async with running(scheduler):
        for noise in (0.01, -0.01) * 20:
            clock.jump(noise)
            await clock.advance(10)
    assert [b - a for a, b in zip(job.slots, job.slots[1:], strict=False)] == [1] * (len(job.slots) - 1)


@settings(deadline=None)
@given(st.data())
def test_no_history_of_clock_steps_doubles_a_slot_or_makes_a_burst(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.floats(-500, 500), max_size=8))
    durations = data.draw(st.lists(st.floats(0, 130), min_size=len(steps), max_size=len(steps)))

    async def history() -> None:
        clock = FakeClock()
        scheduler, job = Scheduler(clock, FixedRandom(data.draw(st.floats(0, 1)))), Job(clock)
        scheduler.add("job", 60, job)
        async with running(scheduler):
            for step, duration in zip(steps, durations, strict=True):
                await clock.advance(100)
                clock.jump(step)
                job.seconds = duration
        assert len(set(job.slots)) == len(job.slots)
        assert all(b - a > 53.9 for a, b in zip(job.began, job.began[1:], strict=False))

    anyio.run(history)
