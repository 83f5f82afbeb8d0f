"""What results add up to, by series: outcomes and requests counted, histograms of timings of passes (pure).

A tally is flat, as the tables are that keep it: one count for each outcome of a series, one for each bucket.
"""

import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dialtone.model import (
    COUNTS,
    TIMING_BUCKETS,
    Engine,
    Flow,
    Origin,
    Outcome,
    ProbeResult,
    ProbeTotals,
    TimingTotals,
)
from dialtone.store.rows import hour_of

BOUNDS: Final[Mapping[str, str]] = {
    timing: json.dumps(list(bounds)) for timing, bounds in TIMING_BUCKETS.items()
}
"""The bounds of each timing's buckets, as they are written: what was counted by others is not added to."""


class Series(NamedTuple):
    """What is counted together."""

    tenant: str
    flow: Flow
    engine: Engine
    location: str


@dataclass(slots=True)
class Tally:
    """Counts by (series, outcome, failure code); counts and sums of seconds by (series, timing, bucket).

    `requests` are by (series, name of COUNTS), `hours` by (first microsecond of the hour, tenant, name).
    """

    outcomes: Counter[tuple[Series, Outcome, str]] = field(default_factory=Counter)
    counts: Counter[tuple[Series, str, int]] = field(default_factory=Counter)
    sums: dict[tuple[Series, str, int], float] = field(default_factory=dict)
    requests: Counter[tuple[Series, str]] = field(default_factory=Counter)
    hours: Counter[tuple[int, str, str]] = field(default_factory=Counter)

    def count(self, result: ProbeResult) -> None:
        """Count a scheduled result; others, and timings and counts unknown to the model, are left out."""
        if result.origin is not Origin.SCHEDULE:
            return
        series = Series(result.tenant, result.flow, result.engine, result.location)
        failure = "" if result.failure is None else result.failure.code.value
        self.outcomes[series, result.outcome, failure] += 1
        if result.outcome is not Outcome.INCONCLUSIVE:
            hour = hour_of(result.started)
            for name, count in result.counts.items():
                if name in COUNTS:
                    self.requests[series, name] += count
                    self.hours[hour, result.tenant, name] += count
        if result.outcome is Outcome.PASS:
            for timing, seconds in result.timings.items():
                if (bounds := TIMING_BUCKETS.get(timing)) is not None:
                    # A value on a bound is under it.
                    self.add_timing(series, timing, bisect_left(bounds, seconds), 1, seconds)

    def add_timing(self, series: Series, timing: str, bucket: int, count: int, seconds: float) -> None:
        """Add to a bucket."""
        key = series, timing, bucket
        self.counts[key] += count
        self.sums[key] = self.sums.get(key, 0.0) + seconds

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.outcomes.update(other.outcomes)
        self.requests.update(other.requests)
        self.hours.update(other.hours)
        for key, count in other.counts.items():
            self.add_timing(*key, count, other.sums[key])

    def totals(self) -> list[ProbeTotals]:
        """Return the sums by series, in the order of tenant, flow, engine and location."""
        outcomes: dict[Series, dict[tuple[Outcome, str], int]] = {}
        timings: dict[Series, dict[str, TimingTotals]] = {}
        requests: dict[Series, dict[str, int]] = {}
        for (series, outcome, failure), count in self.outcomes.items():
            outcomes.setdefault(series, {})[outcome, failure] = count
        for series, timing in dict.fromkeys((series, timing) for series, timing, _ in sorted(self.counts)):
            timings.setdefault(series, {})[timing] = self._histogram(series, timing)
        for (series, name), count in self.requests.items():
            requests.setdefault(series, {})[name] = count
        return [
            ProbeTotals(
                *series,
                outcomes=outcomes.get(series, {}),
                timings=timings.get(series, {}),
                counts=requests.get(series, {}),
            )
            for series in sorted(outcomes.keys() | timings.keys() | requests.keys())
        ]

    def _histogram(self, series: Series, timing: str) -> TimingTotals:
        keys = [(series, timing, bucket) for bucket in range(len(TIMING_BUCKETS[timing]) + 1)]
        return TimingTotals(
            tuple(self.counts[key] for key in keys), sum(self.sums.get(key, 0.0) for key in keys)
        )


def tally(results: Iterable[ProbeResult]) -> Tally:
    """Return what these results add up to."""
    found = Tally()
    for result in results:
        found.count(result)
    return found
