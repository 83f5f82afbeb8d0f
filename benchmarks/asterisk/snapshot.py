"""What one poll of a busy Asterisk costs us, beside a program that reads res_prometheus's page."""

import gc
import statistics
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.asterisk.platforms import big_platform, collector_of, node_at
from benchmarks.asterisk.series import lines_of
from benchmarks.asterisk.server import server
from collectors.asterisk import AsteriskCollector
from dialtone.export.prometheus import Exposition
from dialtone.model import Reading
from dialtone.runtime import garbage
from dialtone.runtime.board import Board
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.runner import CollectorRunner
from dialtone.wiring.parts import build_catalog

MOST: Final = 0.080
"""CPU seconds that a poll may take in the median."""
VERSION: Final = "22.10.1"
_WARM_UP: Final = 5
_SERIES: Final = 1_000_000
_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of each poll, and the series that came of the last."""

    name: str
    polls: tuple[float, ...]
    series: int

    @property
    def median(self) -> float:
        """The median of them."""
        return statistics.median(self.polls)

    @property
    def most(self) -> float:
        """The dearest of them."""
        return max(self.polls)


class _Metered:
    """Implements ports.Collector: another collector, whose CPU seconds of its last poll are known."""

    def __init__(self, collector: AsteriskCollector) -> None:
        self._collector = collector
        self.spent = 0.0

    async def collect(self) -> Reading:
        before = time.process_time()
        reading = await self._collector.collect()
        self.spent = time.process_time() - before
        return reading

    async def aclose(self) -> None:
        await self._collector.aclose()


async def measure(clients: int, channels: int, polls: int) -> tuple[Cost, Cost, Cost]:
    """Return what polls cost: collect() alone, all that the service does of one, and a peer's reading."""
    tree, clock = big_platform(clients), SystemClock()
    exposition = Exposition(build_catalog(), tree.reseller, clock, _SERIES, tenants=tree.domains)
    garbage.settle()  # as the service does
    with server(VERSION, channels, clients) as running:
        collector = _Metered(collector_of(running.endpoint, tree, timeout=_TIMEOUT))
        node = node_at(running.endpoint, _TIMEOUT)
        runner = CollectorRunner(node, collector, clock, (Board(), exposition))
        alone, whole, series = [], [], 0
        for number in range(_WARM_UP + polls):
            before = time.process_time()
            state = await runner.poll()
            spent = time.process_time() - before
            if not state.up or state.reading is None:
                raise ValueError(f"the poll failed: {state.detail}")
            if number >= _WARM_UP:
                alone.append(collector.spent)
                whole.append(spent)
            series = lines_of(state.reading)
        await collector.aclose()
        page = f"http://127.0.0.1:{running.http}/metrics"
        theirs = [_cpu(lambda: _read(page)) for _ in range(max(3, polls // 10))]
        count = _read(page)
    return (
        Cost("Dialtone", tuple(alone), series),
        Cost("Dialtone, exposition included", tuple(whole), series),
        Cost("reading res_prometheus's page", tuple(theirs), count),
    )


def _cpu(work: Callable[[], object]) -> float:
    gc.collect()
    before = time.process_time()
    work()
    return time.process_time() - before


def _read(page: str) -> int:
    with urllib.request.urlopen(page, timeout=30) as answer:  # noqa: S310 - ours
        text = answer.read().decode()
    return sum(len(family.samples) for family in text_string_to_metric_families(text))
