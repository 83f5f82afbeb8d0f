"""What a collector of an Asterisk says, by short keys, and waiting until it is right."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from collectors.asterisk import METRICS, AsteriskCollector
from dialtone.model import MetricDef, Node, Reading
from dialtone.runtime.clock import SystemClock
from tests.integration.asterisk_lab import Pbx

PATIENCE: Final = 10.0
_PAUSE: Final = 0.1
_METRICS: Final[Mapping[str, MetricDef]] = {metric.name: metric for metric in METRICS}

Figures = Mapping[str, Mapping[str, float]]
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


async def until(collector: AsteriskCollector, wanted: Figures, patience: float = PATIENCE) -> Reading:
    """Poll until each of these metrics is exactly that, zeros aside; fails with what is different."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        reading = await collector.collect()
        seen = figures(reading)
        wrong = {
            metric: (found, dict(values))
            for metric, values in wanted.items()
            if (found := without_zeros(seen.get(metric, {}))) != values
        }
        if not wrong:
            return reading
        assert asyncio.get_running_loop().time() < deadline, f"(seen, wanted): {wrong}; {reading.info}"
        await asyncio.sleep(_PAUSE)


@asynccontextmanager
async def watching(pbx: Pbx, node: Node | None = None) -> AsyncIterator[AsteriskCollector]:
    """Have a collector for the time of the block, by the real clock."""
    collector = AsteriskCollector(node or pbx.node(), pbx.tenants, SystemClock())
    try:
        yield collector
    finally:
        await collector.aclose()
