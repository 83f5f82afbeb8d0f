"""The line that probes wait in, so that they never load a platform more than its owner allows."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from dialtone.ports import Clock
from dialtone.runtime.deadline import within

PATIENCE: Final = 5.0
"""How long a probe waits for its turn, in seconds."""
TO_CONFIRM: Final = 8.0
"""The same of one that confirms a failure: long enough to get past those who wait, and within 10 s of it."""


class LineTooLongError(Exception):
    """There was no turn within the patience."""


class Line:
    """Lets so many probes start a second, evenly spaced, and so many run at a time.

    Who confirms a failure comes first: an outage makes every probe last its whole timeout, and where the
    places are too few for that, what can be tried twice is known, and all of it tried once is not.
    """

    def __init__(self, clock: Clock, *, per_second: float, at_a_time: int) -> None:
        self._clock = clock
        self._spacing = 1.0 / per_second
        self._places = _Places(at_a_time)
        self._next_start = clock.monotonic()

    @asynccontextmanager
    async def turn(self, *, confirms: bool = False) -> AsyncIterator[None]:
        """Wait for a turn and hold its place. Raises LineTooLongError."""
        patience = TO_CONFIRM if confirms else PATIENCE
        deadline = self._clock.monotonic() + patience
        try:
            await within(self._clock, patience, lambda: self._places.take(first=confirms))
        except TimeoutError:
            raise LineTooLongError(f"no place among the running probes within {patience:g} s") from None
        try:
            await self._wait_for_start(deadline)
            yield
        finally:
            self._places.give_back()

    async def _wait_for_start(self, deadline: float) -> None:
        now = self._clock.monotonic()
        start = max(now, self._next_start)
        if start > deadline:
            raise LineTooLongError(f"{start - now:.1f} s of probes are waiting to start")
        self._next_start = start + self._spacing
        await self._clock.sleep(start - now)


class _Places:
    """A semaphore with a second queue, whose waiters come first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._first: deque[anyio.Event] = deque()
        self._others: deque[anyio.Event] = deque()

    async def take(self, *, first: bool) -> None:
        if self._free:
            self._free -= 1
            return
        given, queue = anyio.Event(), self._first if first else self._others
        queue.append(given)
        try:
            await given.wait()
        except BaseException:
            if given.is_set():  # it was given in the same instant
                self.give_back()
            else:
                queue.remove(given)
            raise

    def give_back(self) -> None:
        if queue := self._first or self._others:
            queue.popleft().set()
        else:
            self._free += 1
