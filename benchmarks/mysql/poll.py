"""What one poll of a real server costs us: connecting, asking, parsing, and what the service does of it."""

import statistics
import time
from dataclasses import dataclass
from typing import Final

from benchmarks.mysql.servers import Place, Watching, on_each
from dialtone.runtime import garbage

MOST: Final = 0.003
"""CPU seconds that a poll may take in the median."""
_WARM_UP: Final = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of each poll of a server, and of collect() in it, and the samples of the last."""

    server: str
    polls: tuple[float, ...]
    collected: tuple[float, ...]
    samples: int

    @property
    def median(self) -> float:
        """The median of the polls."""
        return statistics.median(self.polls)

    @property
    def most(self) -> float:
        """The dearest of them."""
        return max(self.polls)

    @property
    def collecting(self) -> float:
        """The median of collect()."""
        return statistics.median(self.collected)

    @property
    def right(self) -> bool:
        """Whether a poll is cheap enough."""
        return self.median < MOST


async def measure(polls: int) -> list[Cost]:
    """Return what polls cost, server by server. Raises LabError, CollectError."""
    garbage.settle()  # as the service does

    async def cost(place: Place) -> Cost:
        return await _cost(place, polls)

    return await on_each(cost)


async def _cost(place: Place, polls: int) -> Cost:
    watching = Watching(place)
    whole, collected, samples = [], [], 0
    for number in range(_WARM_UP + polls):
        before = time.process_time()
        state = await watching.poll()
        spent = time.process_time() - before
        if number >= _WARM_UP:
            whole.append(spent)
            collected.append(watching.collected)
        samples = len(state.reading.samples) if state.reading is not None else 0
    await watching.aclose()
    return Cost(place.title, tuple(whole), tuple(collected), samples)
