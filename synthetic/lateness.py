"""How late a loop of ours is: a probe that a late loop measured, or led, says nothing about the platform."""

import asyncio
from collections import deque
from typing import Final, NoReturn

TICK: Final = 0.02
_NOTED: Final = 0.02
_KEPT: Final = 2000


class LatenessMeter:
    """Wakes every TICK seconds and remembers when that was late."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    async def run(self) -> NoReturn:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK
            await asyncio.sleep(TICK)
            self.note(loop.time(), loop.time() - due)

    def note(self, at: float, late: float) -> None:
        """Remember one wake-up, `at` on the loop's clock (CLOCK_MONOTONIC), unless its delay is small."""
        if late >= _NOTED:
            self._late.append((at, late))

    def held_since(self, start: float) -> float:
        """Return the sum of all lateness since then, in seconds: about how long the loop did other things."""
        return sum(late for at, late in self._late if at >= start)

    def worst_since(self, start: float) -> float:
        """Return the greatest lateness, in seconds, of any wake-up since then."""
        return max((late for at, late in self._late if at >= start), default=0.0)
