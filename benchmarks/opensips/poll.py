"""What one poll of a big platform costs us, beside a program that reads OpenSIPS's own page of metrics."""

import gc
import statistics
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.opensips.servers import PLATFORM, servers, tenants
from collectors.opensips import OpensipsCollector
from dialtone.config import TenantTree
from dialtone.export.prometheus import Exposition
from dialtone.model import Level, Node, NodeKind, Tenant
from dialtone.runtime import garbage
from dialtone.runtime.board import Board
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.runner import CollectorRunner
from dialtone.wiring.parts import build_catalog

MOST: Final = 0.025
"""CPU seconds that a poll may take in the median."""
_WARM_UP: Final = 5
_SERIES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of each poll, and the lines of series that came of the last."""

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


async def measure(clients: int, polls: int) -> tuple[Cost, Cost]:
    """Return what polls cost: ours with all that the service does of one, a peer's reading of the page."""
    domains = tenants(clients)
    platform = Tenant(PLATFORM, None, Level.PLATFORM, PLATFORM)
    tree = TenantTree(platform, [_tenant(domain) for domain in domains])
    clock = SystemClock()
    exposition = Exposition(build_catalog(), tree.reseller, clock, _SERIES, tenants=tree.domains)
    garbage.settle()  # as the service does
    with servers(1, clients) as [port]:
        node = Node("sip1", NodeKind.OPENSIPS, f"http://127.0.0.1:{port}/mi", timeout=10.0)
        collector = OpensipsCollector(node, tree, clock)
        runner = CollectorRunner(node, collector, clock, (Board(), exposition))
        ours, series = [], 0
        for number in range(_WARM_UP + polls):
            before = time.process_time()
            state = await runner.poll()
            if not state.up or state.reading is None:
                raise ValueError(f"the poll failed: {state.detail}")
            if number >= _WARM_UP:
                ours.append(time.process_time() - before)
                series = len(state.reading.samples)
        await collector.aclose()
        page = f"http://127.0.0.1:{port}/metrics"
        theirs = [_cpu(lambda: _read(page)) for _ in range(max(3, polls // 10))]
        count = _read(page)
    return Cost(tuple(ours), series), Cost(tuple(theirs), count)


def _cpu(work: Callable[[], object]) -> float:
    gc.collect()
    before = time.process_time()
    work()
    return time.process_time() - before


def _read(page: str) -> int:
    with urllib.request.urlopen(page, timeout=30) as answer:  # noqa: S310 - ours
        text = answer.read().decode()
    return sum(len(family.samples) for family in text_string_to_metric_families(text))


def _tenant(domain: str) -> Tenant:
    parent = domain.partition(".")[2]
    level = Level.RESELLER if parent == PLATFORM else Level.CLIENT
    return Tenant(domain, parent, level, domain)
