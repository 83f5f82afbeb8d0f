"""Several workers of the sippy engine: as many as there is work for, and each probe goes to the idlest."""

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Protocol

import anyio
import structlog

from dialtone.ports import Clock
from dialtone.runtime.child import ChildProcess

MOST: Final = 4
"""Workers, whatever the machine has: 200 calls a second are more than any schedule places."""
BUSY_AT_ONCE: Final = 24
"""Probes under way in each worker from which on another is started."""
BUSY_A_SECOND: Final = 25
"""Probes begun in a second by each worker from which on another is started: timings hold up to about 50."""

_log = structlog.get_logger(__name__)


class Worker(Protocol):
    """What is needed of a ChildProcess."""

    @property
    def rests(self) -> float:
        """Seconds until it may start again, having died young; 0 while it runs or may start."""

    async def request(self, payload: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Send a request, return its reply. Raises ChildError."""


class _Place:
    """One worker and what it has to do."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.under_way = 0
        self._begun: deque[float] = deque(maxlen=BUSY_A_SECOND)

    def begin(self, now: float) -> None:
        self.under_way += 1
        self._begun.append(now)

    def rank(self, now: float) -> tuple[float, bool, int]:
        """Return what to choose a worker by, the least first."""
        return self.worker.rests, self.is_busy(now), self.under_way

    def is_busy(self, now: float) -> bool:
        """Whether another worker should help."""
        full = len(self._begun) == BUSY_A_SECOND and now - self._begun[0] < 1.0
        return full or self.under_way >= BUSY_AT_ONCE


class WorkerPool:
    """Asks the worker with the fewest probes under way; before one that rests after its death, a new one.

    `hire` makes one more worker, whose process starts with its first request. A worker that dies takes its
    own probes with it and no others.
    """

    def __init__(self, hire: Callable[[], Worker], clock: Clock, size: int) -> None:
        self._hire = hire
        self._clock = clock
        self._size = size
        self._places: list[_Place] = []

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._places)

    async def request(self, payload: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Have one of the workers answer. Raises ChildError."""
        now = self._clock.monotonic()
        place = self._choose(now)
        place.begin(now)
        try:
            return await place.worker.request(payload, timeout=timeout)
        finally:
            place.under_way -= 1

    def _choose(self, now: float) -> _Place:
        found = min(self._places, key=lambda one: one.rank(now), default=None)
        needed = found is None or found.worker.rests > 0 or found.is_busy(now)
        if found is None or (needed and len(self._places) < self._size):
            found = _Place(self._hire())
            self._places.append(found)
            if len(self._places) > 1:
                _log.info("one more worker for the probes", workers=len(self._places), most=self._size)
        return found


def usual_size() -> int:
    """Return how many workers this machine gets at most: one a CPU that we may use, up to MOST."""
    return max(1, min(MOST, len(os.sched_getaffinity(0))))


@asynccontextmanager
async def worker_pool(
    module: str, clock: Clock, *, grace: float, size: int | None = None
) -> AsyncIterator[WorkerPool]:
    """Own workers that run a module; at the end all of them are ended, at the same time."""
    async with AsyncExitStack() as stack:
        children = [
            await stack.enter_async_context(ChildProcess(module, clock=clock, grace=grace))
            for _ in range(size or usual_size())
        ]
        idle = iter(children)
        try:
            yield WorkerPool(lambda: next(idle), clock, len(children))
        finally:
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as ending:
                    for child in children:
                        ending.start_soon(child.finish)
