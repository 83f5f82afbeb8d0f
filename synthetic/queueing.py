"""The line that probes wait in, so that they never load a platform more than its owner allows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from dialtone.ports import Clock
from dialtone.runtime.deadline import within

PATIENCE: Final = 5.0
"""How long a probe waits for its turn, in seconds; short enough for a confirmation within 10 s."""


class LineTooLongError(Exception):
    """There was no turn within the patience."""


class Line:
    """Lets so many probes start a second, evenly spaced, and so many run at a time."""

    def __init__(
        self, clock: Clock, *, per_second: float, at_a_time: int, patience: float = PATIENCE
    ) -> None:
        self._clock = clock
        self._spacing = 1.0 / per_second
        self._room = anyio.Semaphore(at_a_time)
        self._next_start = clock.monotonic()
        self._patience = patience

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold its place. Raises LineTooLongError."""
        deadline = self._clock.monotonic() + self._patience
        try:
            await within(self._clock, self._patience, self._room.acquire)
        except TimeoutError:
            raise LineTooLongError(f"no place among the running probes within {self._patience:g} s") from None
        try:
            await self._wait_for_start(deadline)
            yield
        finally:
            self._room.release()

    async def _wait_for_start(self, deadline: float) -> None:
        now = self._clock.monotonic()
        start = max(now, self._next_start)
        if start > deadline:
            raise LineTooLongError(f"over {self._patience:g} s of probes are waiting to start")
        self._next_start = start + self._spacing
        await self._clock.sleep(start - now)
