"""One poll of ours beside one scrape of mysqld_exporter, in turn, on the same real server."""

import ctypes
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.mysql.peer import LEAN, LEANEST, USUAL, Exporters
from benchmarks.mysql.servers import Place, Watching, on_each
from dialtone.runtime import garbage

OURS: Final = "Dialtone"
THEIRS: Final = "mysqld_exporter"
SCRAPES: Final = {
    THEIRS: USUAL,
    f"{THEIRS}, lean": LEAN,
    f"{THEIRS}, slave_status": LEANEST,
}
"""By name, its collectors that are asked for."""
_WARM_UP: Final = 10


@dataclass(frozen=True, slots=True)
class Turn:
    """One poll or scrape: seconds by the clock, CPU seconds of whoever asked, and of the server."""

    took: float
    cpu: float
    server: float


@dataclass(frozen=True, slots=True)
class Asked:
    """All turns of one who asked one server."""

    server: str
    who: str
    turns: tuple[Turn, ...]

    @property
    def median(self) -> float:
        """The median of the seconds by the clock."""
        return statistics.median(turn.took for turn in self.turns)

    @property
    def late(self) -> float:
        """Seconds that 95 of 100 turns are not over."""
        took = sorted(turn.took for turn in self.turns)
        return took[max(0, -(-95 * len(took) // 100) - 1)]

    @property
    def cpu(self) -> float:
        """CPU seconds of a turn, the mean: an exporter's garbage is collected now and then."""
        return statistics.fmean(turn.cpu for turn in self.turns)

    @property
    def load(self) -> float:
        """CPU seconds of the server in a turn, the mean."""
        return statistics.fmean(turn.server for turn in self.turns)


def not_slower(asked: Sequence[Asked]) -> bool:
    """Whether on every server the median of ours is no longer than the exporter's with its defaults."""
    medians = {(one.server, one.who): one.median for one in asked}
    servers = {one.server for one in asked}
    return all(medians[server, OURS] <= medians[server, THEIRS] for server in servers)


async def measure(rounds: int, exporter: Path) -> list[Asked]:
    """Return what everybody's turns took, server by server. Raises LabError, CollectError."""
    garbage.settle()  # as the service does

    async def beside(place: Place) -> list[Asked]:
        async with Exporters(place.stage, exporter, (place.server,)) as exporters:
            return await _in_turn(place, exporters, rounds)

    return [one for asked in await on_each(beside) for one in asked]


async def _in_turn(place: Place, exporters: Exporters, rounds: int) -> list[Asked]:
    name, watching = place.server.name, Watching(place)
    exporter = CpuClock(exporters.by_server[name].pid)
    server = CpuClock(place.server.pid)

    def scrape(collectors: Sequence[str]) -> Callable[[], Awaitable[object]]:
        return lambda: exporters.scrape(name, collectors)

    asks: dict[str, tuple[Callable[[], Awaitable[object]], Callable[[], float]]] = {
        OURS: (watching.poll, time.process_time),
        **{who: (scrape(collectors), exporter.seconds) for who, collectors in SCRAPES.items()},
    }
    turns: dict[str, list[Turn]] = {who: [] for who in asks}
    names = list(asks)
    for number in range(_WARM_UP + rounds):
        # Each begins as often as any other: what one leaves in caches is the next one's.
        first = number % len(names)
        for who in names[first:] + names[:first]:
            ask, cpu = asks[who]
            turn = await _turn(ask, cpu, server.seconds)
            if number >= _WARM_UP:
                turns[who].append(turn)
    await watching.aclose()
    return [Asked(place.title, who, tuple(turns[who])) for who in names]


async def _turn(
    ask: Callable[[], Awaitable[object]], cpu: Callable[[], float], server: Callable[[], float]
) -> Turn:
    busy, used, begun = server(), cpu(), time.perf_counter()
    await ask()
    took, spent = time.perf_counter() - begun, cpu() - used
    return Turn(took, spent, server() - busy)


class CpuClock:
    """The CPU time of another process, to the nanosecond (clock_getcpuclockid(3)); proc(5) has 10 ms."""

    def __init__(self, pid: int) -> None:
        """Find the clock. Raises OSError where there is no such process."""
        clock = ctypes.c_int()
        if error := ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
            raise OSError(error, f"no CPU clock of process {pid}")
        self._clock = clock.value

    def seconds(self) -> float:
        """Return what it has used up to now. Raises OSError once it has ended."""
        return time.clock_gettime(self._clock)
