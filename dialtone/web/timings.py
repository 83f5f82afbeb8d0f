"""Timings by hour or day, from what results add up to (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dialtone.model import Flow, LogHistogram, Rollup

_BILLION: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TimingRow:
    """One timing of a flow in an hour or day: seconds. Percentiles are at most a tenth over the true ones."""

    start: datetime
    flow: Flow
    timing: str
    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


def timing_rows(rollups: Iterable[Rollup]) -> tuple[TimingRow, ...]:
    """Return what rollups of one tenant say of its timings, by start, flow and name.

    Those of several probes, engines and locations of a flow are added up.
    """
    sums: dict[tuple[datetime, Flow, str], LogHistogram] = {}
    for rollup in rollups:
        for timing, histogram in rollup.timings.items():
            sums.setdefault((rollup.start, rollup.key.flow, timing), LogHistogram()).add(histogram)
    return tuple(_row(*place, sums[place]) for place in sorted(sums) if sums[place].count)


def _row(start: datetime, flow: Flow, timing: str, values: LogHistogram) -> TimingRow:
    p50, p95, p99, most = (values.quantile(share) or 0.0 for share in (0.5, 0.95, 0.99, 1.0))
    mean = values.total / _BILLION / values.count
    return TimingRow(start, flow, timing, values.count, mean, p50, p95, p99, most)
