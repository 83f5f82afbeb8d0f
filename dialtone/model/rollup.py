"""Rollups: what the results of an hour or a day add up to, kept when the results themselves are gone."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Final

from dialtone.model.probe import TIMINGS, Engine, Flow, Origin, Outcome, ProbeResult

_DECADES: Final = range(-6, 5)
_BILLION: Final = 1_000_000_000
_FLOAT_IS_EXACT: Final = 1_000_000.0
"""Under it a billionth is more than a float's own step, so that their product rounds to the right integer."""

LOG_BOUNDS: Final = (
    0.0,
    *(float(f"{step / 10:.1f}e{decade}") for decade in _DECADES for step in range(10, 100)),
)
"""Upper bounds of the bins: zero, and all numbers of two significant digits from 1e-6 to 99,000.

A value on a bound is in the bin under it, so how many values were at most a threshold of two digits (0.18 s)
is exact, and a percentile is at most a tenth of itself off (log-linear histograms: arXiv:2001.06561).
"""


def billionths(value: float) -> int:
    """Return a finite value in billionths, rounded; of any size."""
    if abs(value) < _FLOAT_IS_EXACT:
        return round(value * _BILLION)
    return round(Fraction(value) * _BILLION)


@dataclass(slots=True)
class LogHistogram:
    """Counts by bin; the one past the last bound has what is over it. `total` is the sum in billionths.

    Integers, so that the sum of two is the same in any order. `least` and `most` are to the billionth too.
    All values are finite.
    """

    bins: Counter[int] = field(default_factory=Counter)
    total: int = 0
    least: float | None = None
    most: float | None = None

    @property
    def count(self) -> int:
        """How many values."""
        return self.bins.total()

    def observe(self, value: float) -> None:
        """Count a value."""
        units = billionths(value)
        rounded = units / _BILLION
        self.bins[bisect_left(LOG_BOUNDS, value)] += 1
        self.total += units
        self.least = rounded if self.least is None else min(self.least, rounded)
        self.most = rounded if self.most is None else max(self.most, rounded)

    def add(self, other: "LogHistogram") -> None:
        """Add another to this one."""
        self.bins.update(other.bins)
        self.total += other.total
        if other.least is not None and other.most is not None:
            self.least = other.least if self.least is None else min(self.least, other.least)
            self.most = other.most if self.most is None else max(self.most, other.most)

    def at_most(self, threshold: float) -> int:
        """Return how many values were at most that; exact where the threshold is one of LOG_BOUNDS.

        Any other is taken for the next one over it; what is over them all is under a threshold only where
        the greatest value is. No value is under one below zero: none is measured there.
        """
        if threshold < 0 or self.most is None:
            return 0
        if threshold > LOG_BOUNDS[-1]:
            return self.count - (self.bins[len(LOG_BOUNDS)] if threshold < self.most else 0)
        last = bisect_left(LOG_BOUNDS, threshold)
        return sum(count for bin_, count in self.bins.items() if bin_ <= last)

    def quantile(self, share: float) -> float | None:
        """Return the bound under which that share of the values lies (nearest rank), None without any.

        No more than the greatest value; at most a tenth over the true quantile, or a millionth. `share` is
        from 0 to 1, to the millionth.
        """
        if self.most is None:
            return None
        rank = max(1, -(-self.count * round(share * 1_000_000) // 1_000_000))
        seen = 0
        for bin_ in sorted(self.bins):
            seen += self.bins[bin_]
            if seen >= rank:
                return min(LOG_BOUNDS[bin_], self.most) if bin_ < len(LOG_BOUNDS) else self.most
        return self.most

    def nonzero(self) -> Iterator[tuple[int, int]]:
        """Go through the bins that have something, by value."""
        return iter(sorted((bin_, count) for bin_, count in self.bins.items() if count))


@dataclass(frozen=True, slots=True)
class RollupKey:
    """Whose results."""

    tenant: str
    flow: Flow
    probe: str
    engine: Engine
    location: str


@dataclass(slots=True)
class Rollup:
    """What the scheduled results of a key that started within an hour or a day (UTC) add up to.

    `outcomes` counts attempts by outcome and failure code ("" where it passed), `confirming` those of them
    that were second attempts. `timings` (of TIMINGS) are of passes alone, `media` of all conclusive ones by
    listener and name of MEDIA_FIGURES.
    """

    key: RollupKey
    start: datetime
    outcomes: Counter[tuple[Outcome, str]] = field(default_factory=Counter)
    confirming: Counter[Outcome] = field(default_factory=Counter)
    timings: dict[str, LogHistogram] = field(default_factory=dict)
    media: dict[tuple[str, str], LogHistogram] = field(default_factory=dict)

    def count(self, result: ProbeResult) -> None:
        """Count a result of the key and the span; whether it is one is not looked at."""
        self.outcomes[result.outcome, "" if result.failure is None else result.failure.code.value] += 1
        if result.attempt == 2:
            self.confirming[result.outcome] += 1
        if result.outcome is Outcome.PASS:
            for name in result.timings.keys() & TIMINGS.keys():
                self.timings.setdefault(name, LogHistogram()).observe(result.timings[name])
        if result.outcome is not Outcome.INCONCLUSIVE:
            for stream in result.media:
                for figure, value in stream.figures.items():
                    self.media.setdefault((stream.listener, figure), LogHistogram()).observe(value)

    def add(self, other: "Rollup") -> None:
        """Add what another of the same key adds up to."""
        self.outcomes.update(other.outcomes)
        self.confirming.update(other.confirming)
        for name, histogram in other.timings.items():
            self.timings.setdefault(name, LogHistogram()).add(histogram)
        for place, histogram in other.media.items():
            self.media.setdefault(place, LogHistogram()).add(histogram)


def rollup_key(result: ProbeResult) -> RollupKey | None:
    """Return what a result is added up under; None for one that is not scheduled: it is in no rollup."""
    if result.origin is not Origin.SCHEDULE:
        return None
    return RollupKey(result.tenant, result.flow, result.probe, result.engine, result.location)


def added_up(rollups: Iterable[Rollup], key: RollupKey, start: datetime) -> Rollup:
    """Return what several of one key add up to."""
    total = Rollup(key, start)
    for one in rollups:
        total.add(one)
    return total
