"""A FakeClock for tests that let much time pass."""

import heapq

import anyio

from tests.fakes.clock import FakeClock

_TURNS = 30


class QuickClock(FakeClock):
    """Turns the loop a few times before it asks whether all tasks wait.

    anyio.wait_all_tasks_blocked() pauses for a tenth of a second whenever it finds a task that runs,
    and the one that was just woken always does.
    """

    async def advance(self, seconds: float) -> None:
        """Let that much time pass; every task runs until it waits again before the next one wakes."""
        end = self._elapsed + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, due)
            woken.set()
            await _settle()
        self._elapsed = end
        await _settle()


async def _settle() -> None:
    for _ in range(_TURNS):
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()
