"""What a collector of an Asterisk says, by short keys, and waiting until it is right."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from collectors.asterisk import METRICS, AsteriskCollector
from dialtone.config.tree import TenantTree
from dialtone.model import MetricDef, Node, NodeState, Reading
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.runner import CollectorRunner
from tests.integration.asterisk_lab import Pbx

PATIENCE: Final = 10.0
_PAUSE: Final = 0.1
_SLACK: Final = 2.0
_METRICS: Final[Mapping[str, MetricDef]] = {metric.name: metric for metric in METRICS}

Figures = dict[str, Mapping[str, float]]
"""Values by metric and by labels: the tenant's first label and what else there is, with a space
between them. Of a histogram its number of observations."""


def short(domain: str) -> str:
    """Return a tenant's first label."""
    return domain.partition(".")[0]


def figures(reading: Reading) -> dict[str, dict[str, float]]:
    """Return all figures of a reading; two series of one key are a mistake."""
    found: dict[str, dict[str, float]] = {}
    for sample in reading.samples:
        _put(found, sample.metric, sample.labels, sample.value)
    for spread in reading.spreads:
        _put(found, spread.metric, spread.labels, sum(spread.counts))
    return found


def _put(found: dict[str, dict[str, float]], metric: str, labels: tuple[str, ...], value: float) -> None:
    named = dict(zip(_METRICS[metric].labels, labels, strict=True))
    words = [short(text) if name in ("tenant", "queue") else text for name, text in named.items()
             if name not in ("node", "reseller")]  # fmt: skip
    key = " ".join(words)
    of_metric = found.setdefault(metric, {})
    assert key not in of_metric, f"{metric} {key}"
    of_metric[key] = value


def series(reading: Reading) -> set[tuple[str, tuple[str, ...]]]:
    """Return every series of a reading, histograms as one each."""
    return {(sample.metric, sample.labels) for sample in reading.samples} | {
        (spread.metric, spread.labels) for spread in reading.spreads
    }


def without_zeros(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values that are not 0."""
    return {key: value for key, value in values.items() if value}


def differences(reading: Reading, wanted: Figures) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """Return what was seen and what was wanted of each metric that isn't as wanted, zeros aside."""
    seen = figures(reading)
    return {
        metric: (found, dict(values))
        for metric, values in wanted.items()
        if (found := without_zeros(seen.get(metric, {}))) != values
    }


async def until(collector: AsteriskCollector, wanted: Figures, patience: float = PATIENCE) -> Reading:
    """Poll until each of these metrics is exactly that, zeros aside; fails with what is different."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        reading = await collector.collect()
        wrong = differences(reading, wanted)
        if not wrong:
            return reading
        assert asyncio.get_running_loop().time() < deadline, f"(seen, wanted): {wrong}; {reading.info}"
        await asyncio.sleep(_PAUSE)


class Polled:
    """A node that is polled as the service does it: once an interval, and never two polls at a time.

    `polls` are all that have ended: when each began (the event loop's time), and the node's state after it.
    """

    def __init__(self, node: Node, collector: AsteriskCollector) -> None:
        self.collector = collector
        self.polls: list[tuple[float, NodeState]] = []
        self._node = node
        self._runner = CollectorRunner(node, collector, SystemClock(), ())
        self._ended = asyncio.Condition()

    async def run(self) -> None:
        """Poll for ever."""
        loop = asyncio.get_running_loop()
        first = loop.time()
        while True:
            began = loop.time()
            state = await self._runner.poll()
            async with self._ended:
                self.polls.append((began, state))
                self._ended.notify_all()
            passed = (loop.time() - first) % self._node.interval
            await asyncio.sleep(self._node.interval - passed)

    async def next(self) -> NodeState:
        """Return the state after the first poll that begins from now on, which is in an interval at most."""
        now = asyncio.get_running_loop().time()
        async with asyncio.timeout(self._node.interval + self._node.timeout + _SLACK), self._ended:
            while not self.polls or self.polls[-1][0] < now:
                await self._ended.wait()
        return self.polls[-1][1]

    async def right(self, wanted: Figures) -> None:
        """Have the first poll that begins from now on say exactly this."""
        state = await self.next()
        assert state.up, f"{state.failure}: {state.detail}"
        assert state.reading is not None
        wrong = differences(state.reading, wanted)
        assert not wrong, f"(seen, wanted): {wrong}"


@asynccontextmanager
async def polling(node: Node, tenants: TenantTree) -> AsyncIterator[Polled]:
    """Have a node polled for the time of the block."""
    collector = AsteriskCollector(node, tenants, SystemClock())
    polled = Polled(node, collector)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(polled.run())
        try:
            yield polled
        finally:
            task.cancel()
            await collector.aclose()


@asynccontextmanager
async def watching(pbx: Pbx, node: Node | None = None) -> AsyncIterator[AsteriskCollector]:
    """Have a collector for the time of the block, by the real clock."""
    collector = AsteriskCollector(node or pbx.node(), pbx.tenants, SystemClock())
    try:
        yield collector
    finally:
        await collector.aclose()
