"""What results add up to, by series: counts of outcomes and requests, histograms of timings and media (pure).

A tally is flat, as the tables are that keep it: one count for each outcome of a series, one for each bucket.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dialtone.model import (
    COUNTS,
    MEDIA_BUCKETS,
    TIMING_BUCKETS,
    Engine,
    Flow,
    Origin,
    Outcome,
    ProbeResult,
    ProbeTotals,
    TimingTotals,
)
from dialtone.store.histograms import Histograms
from dialtone.store.rows import hour_of

BOUNDS: Final[Mapping[str, str]] = {
    name: json.dumps(list(bounds)) for name, bounds in (*TIMING_BUCKETS.items(), *MEDIA_BUCKETS.items())
}
"""The bounds of the buckets of each timing and of each figure of media, as they are written.

What was counted by others is not added to.
"""


class Series(NamedTuple):
    """What is counted together."""

    tenant: str
    flow: Flow
    engine: Engine
    location: str


@dataclass(slots=True)
class Tally:
    """Counts by (series, outcome, failure code); histograms by (series, timing), (series, listener, figure).

    `requests` are by (series, name of COUNTS), `hours` by (first microsecond of the hour, tenant, name).
    """

    outcomes: Counter[tuple[Series, Outcome, str]] = field(default_factory=Counter)
    timings: Histograms[tuple[Series, str]] = field(default_factory=Histograms)
    media: Histograms[tuple[Series, str, str]] = field(default_factory=Histograms)
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
            for stream in result.media:
                for figure, value in stream.figures.items():
                    self.media.observe((series, stream.listener, figure), MEDIA_BUCKETS[figure], value)
        if result.outcome is Outcome.PASS:
            for timing, seconds in result.timings.items():
                if (bounds := TIMING_BUCKETS.get(timing)) is not None:
                    self.timings.observe((series, timing), bounds, seconds)

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.outcomes.update(other.outcomes)
        self.requests.update(other.requests)
        self.hours.update(other.hours)
        self.timings.add(other.timings)
        self.media.add(other.media)

    def totals(self) -> list[ProbeTotals]:
        """Return the sums by series, in the order of tenant, flow, engine and location."""
        outcomes: dict[Series, dict[tuple[Outcome, str], int]] = {}
        timings: dict[Series, dict[str, TimingTotals]] = {}
        media: dict[Series, dict[tuple[str, str], TimingTotals]] = {}
        requests: dict[Series, dict[str, int]] = {}
        for (series, outcome, failure), count in self.outcomes.items():
            outcomes.setdefault(series, {})[outcome, failure] = count
        for series, timing in sorted(self.timings.names()):
            found = self.timings.totals((series, timing), TIMING_BUCKETS[timing])
            timings.setdefault(series, {})[timing] = found
        for series, listener, figure in sorted(self.media.names()):
            found = self.media.totals((series, listener, figure), MEDIA_BUCKETS[figure])
            media.setdefault(series, {})[listener, figure] = found
        for (series, name), count in self.requests.items():
            requests.setdefault(series, {})[name] = count
        return [
            ProbeTotals(
                *series,
                outcomes=outcomes.get(series, {}),
                timings=timings.get(series, {}),
                counts=requests.get(series, {}),
                media=media.get(series, {}),
            )
            for series in sorted(outcomes.keys() | timings.keys() | requests.keys() | media.keys())
        ]


def tally(results: Iterable[ProbeResult]) -> Tally:
    """Return what these results add up to."""
    found = Tally()
    for result in results:
        found.count(result)
    return found
