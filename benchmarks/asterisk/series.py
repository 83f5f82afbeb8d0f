"""How many series a node has shown after few calls and after many, beside res_prometheus's two a channel."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from benchmarks.asterisk.platforms import big_platform, collector_of
from benchmarks.asterisk.server import server
from dialtone.model import Reading

VERSION: Final = "22.10.1"
TENANTS: Final = 10
FEW: Final = 10
_BATCH: Final = 500
_TIMEOUT: Final = 30.0
_PER_CHANNEL: Final = 2
_LEGS: Final = 2
_LISTS: Final = 8
"""Polls after which every list has been read: the slow ones are read one a poll."""
_CALLS: Final = "asterisk_calls"

Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown after so many calls had come and gone: lines now, and different ones up to now.

    `theirs` are res_prometheus's series of those calls' channels, each of which a Prometheus keeps.
    """

    calls: int
    now: int
    ever: int
    theirs: int


async def measure(calls: int) -> list[Shown]:
    """Have the calls come and go, a batch before each poll, beside one of each tenant that is up.

    Raises ValueError where one that has ended is left.
    """
    seen: set[Line] = set()
    shown = []
    with server(VERSION, _LEGS * TENANTS, TENANTS) as running:
        collector = collector_of(running.endpoint, big_platform(TENANTS), timeout=_TIMEOUT)
        try:
            done = 0
            for _ in range(_LISTS):
                seen |= lines(await collector.collect())
            for until in (FEW, calls):
                while done < until:
                    batch = min(_BATCH, until - done)
                    running.order("calls", done, batch)
                    done += batch
                    reading = await collector.collect()
                    seen |= lines(reading)
                now = [one.value for one in reading.samples if one.metric == _CALLS]
                if now != [TENANTS]:
                    raise ValueError(f"{now} calls where {TENANTS} are up")
                shown.append(Shown(done, lines_of(reading), len(seen), _PER_CHANNEL * _LEGS * done))
        finally:
            await collector.aclose()
    return shown


def right(shown: Iterable[Shown]) -> bool:
    """Whether there are as many lines after many calls as after few, and the same ones."""
    return len({(one.now, one.ever) for one in shown}) == 1


def lines(reading: Reading) -> set[Line]:
    """Return the series of a reading, a histogram's as one for each line of it."""
    found = {(sample.metric, *sample.labels) for sample in reading.samples}
    for spread in reading.spreads:
        parts = (*(f"bucket {number}" for number in range(len(spread.counts))), "sum", "count")
        found |= {(spread.metric, *spread.labels, part) for part in parts}
    return found


def lines_of(reading: Reading) -> int:
    """Return how many series a reading has."""
    return len(lines(reading))
