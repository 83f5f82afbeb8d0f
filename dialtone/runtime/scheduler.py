"""The scheduler: each job at its own phase, without drift, never overlapping with itself."""

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from dialtone.ports import Clock

_log = structlog.get_logger(__name__)

_STEP: Final = 0.5
"""A change of wall clock against monotonic clock (seconds) that is a step, and no measuring noise."""
_ON_TIME: Final = 0.001
"""A planned time is taken for now when it is no more than this (seconds) past."""
_LATE: Final = 0.1
"""The share of the interval by which a run may begin late where the one before it still went.

In an outage every probe takes its longest: were the next one skipped for some milliseconds, every second slot
of the outage would have no result, and half of the downtime would not be counted.
"""
_KEPT_RUNS: Final = 32


@dataclass(frozen=True, slots=True)
class Planned:
    """When a run was due: in UTC, and as a slot, floor(planned UTC / interval).

    No job gets the same slot twice while the process lives, whatever the wall clock does.
    """

    at: datetime
    slot: int


Action = Callable[[Planned], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobFigures:
    """One job since it was added: counts, and how late (seconds) its last run began."""

    name: str
    runs: int
    skipped: int
    errors: int
    lateness: float


class Scheduler:
    """Runs each job every `interval` seconds, from a moment of its first interval on: a random one, or given.

    The phase is fixed on the monotonic clock. A planned time that comes while the last run still
    goes waits for its end for a tenth of the interval; then it is skipped and counted. An action that raises
    is logged and counted; nothing else notices.
    """

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self._jobs: dict[str, _Job] = {}
        self._group: TaskGroup | None = None
        self._origin = clock.monotonic()

    def add(
        self, name: str, interval: float, action: Action, *, phase: float | None = None, at_once: bool = False
    ) -> None:
        """Add a job, before or while the scheduler runs; `interval` is in seconds, the name its own.

        `phase`, a share of the interval (0 to 1), says when in it the job runs, counted from the scheduler's
        making, so that jobs can be spread evenly. One that is to run `at_once` has the phase of the moment
        in which the scheduler takes it up.
        """
        if not (math.isfinite(interval) and interval > 0):
            raise ValueError(f"the interval of {name} must be more than 0 seconds, not {interval}")
        if name in self._jobs:
            raise ValueError(f"there is a job called {name} already")
        if phase is not None and not 0 <= phase < 1:
            raise ValueError(f"the phase of {name} must be from 0 to 1, not {phase}")
        first = self._clock.monotonic() + self._rng.uniform(0, interval)
        if phase is not None:
            first = self._origin + phase * interval
        job = self._jobs[name] = _Job(name, interval, action, self._clock, None if at_once else first)
        if self._group is not None:
            self._group.start_soon(job.drive)

    async def run(self) -> None:
        """Run the jobs until cancelled."""
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                for job in self._jobs.values():
                    group.start_soon(job.drive)
                await anyio.sleep_forever()
            finally:
                self._group = None

    def figures(self) -> tuple[JobFigures, ...]:
        """Return every job's figures as they are now, in the order in which they were added."""
        return tuple(job.figures() for job in self._jobs.values())


class _Job:
    def __init__(self, name: str, interval: float, action: Action, clock: Clock, first: float | None) -> None:
        self._name = name
        self._interval = interval
        self._action = action
        self._clock = clock
        self._due = clock.monotonic() if first is None else first
        self._at_once = first is None
        self._slots = _Slots(interval)
        self._offset = self._wall_offset()
        self._running = False
        self._runs = self._skipped = self._errors = 0
        self._lateness = 0.0

    async def drive(self) -> None:
        if self._at_once:
            self._due = self._clock.monotonic()
        self._pass_over()  # where the scheduler starts long after the job was added, nothing is made up for
        while True:
            await self._clock.sleep(self._due - self._clock.monotonic())
            self._lateness = max(0.0, self._clock.monotonic() - self._due)
            await self._run(self._planned())
            self._due += self._interval
            self._skipped += self._pass_over()

    def figures(self) -> JobFigures:
        # A run that hangs is being skipped over at this moment, and shows it.
        skipping = self._overdue(self._due + self._interval) if self._running else 0
        return JobFigures(self._name, self._runs, self._skipped + skipping, self._errors, self._lateness)

    async def _run(self, planned: Planned) -> None:
        self._runs += 1
        self._running = True
        try:
            await self._action(planned)
        except Exception:  # noqa: BLE001 - the edge of one job: the others go on
            self._errors += 1
            _log.exception("a scheduled action failed", job=self._name)
        finally:
            self._running = False

    def _pass_over(self) -> int:
        missed = self._overdue(self._due)
        self._due += missed * self._interval
        return missed

    def _overdue(self, due: float) -> int:
        """Return how many planned times, from `due` on, are in the past."""
        grace = max(_ON_TIME, _LATE * self._interval)
        return max(0, math.ceil((self._clock.monotonic() - due - grace) / self._interval))

    def _planned(self) -> Planned:
        offset = self._wall_offset()
        if abs(offset - self._offset) >= _STEP:
            self._offset = offset
        at = datetime.fromtimestamp(0, UTC) + timedelta(seconds=self._due + self._offset)
        return Planned(at, self._slots.take(math.floor(at.timestamp() / self._interval)))

    def _wall_offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class _Slots:
    """The slots that a job has used, as few contiguous runs, so that none is used twice.

    Where the wall clock was set back, a planned time falls into a slot that is taken; it gets the
    next free one then. So nothing is measured into a slice that is written already, and nothing
    goes unmeasured until the clock has caught up.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._runs: list[range] = []

    def take(self, slot: int) -> int:
        while (taken := next((run for run in self._runs if slot in run), None)) is not None:
            slot = taken.stop
        before = next((run for run in self._runs if run.stop == slot), range(slot, slot))
        self._runs = [run for run in self._runs if run is not before][1 - _KEPT_RUNS :]
        self._runs.append(range(before.start, slot + 1))
        return slot
