"""A Clock that stands still until a test turns it."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

_TURNS: Final = 30


class FakeClock:
    """Passes the Clock contract in virtual time: `advance` wakes sleepers in order, one instant at a time."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, Callable[[], object]]] = []

    def now(self) -> datetime:
        """Return the virtual wall clock."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the virtual seconds since the clock was made, plus a thousand."""
        return 1000.0 + self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced that far."""
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        self._wake(seconds, woken.set)
        await woken.wait()

    def alarm(self, seconds: float, ring: Callable[[], object]) -> Callable[[], None]:
        """Call `ring` once the clock has been advanced that far; return what calls it off."""
        if seconds <= 0:
            return asyncio.get_running_loop().call_soon(ring).cancel
        entry = self._wake(seconds, ring)

        def call_off() -> None:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

        return call_off

    async def advance(self, seconds: float) -> None:
        """Let that much time pass; every task runs until it waits again before the next one wakes."""
        end = self._elapsed + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, wake = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            wake()
            await _settle()
        self._elapsed = end
        await _settle()

    def jump(self, seconds: float) -> None:
        """Step the wall clock alone, as NTP or an operator does; monotonic time is not touched."""
        self._start += timedelta(seconds=seconds)

    @property
    def sleeping(self) -> int:
        """How many tasks and alarms wait on this clock."""
        return len(self._sleepers)

    def _wake(self, seconds: float, wake: Callable[[], object]) -> tuple[float, int, Callable[[], object]]:
        entry = (self._elapsed + seconds, next(self._order), wake)
        heapq.heappush(self._sleepers, entry)
        return entry


async def _settle() -> None:
    """Let every task run until it waits.

    wait_all_tasks_blocked() pauses for a tenth of a second whenever it finds a task that runs, and
    one that was just woken always does: so the loop is turned a few times first.
    """
    for _ in range(_TURNS):
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()
