"""Histograms as the tables are that keep them: a count and a sum for each bucket of each key (pure)."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from dialtone.model import TimingTotals

K = TypeVar("K")


@dataclass(slots=True)
class Histograms(Generic[K]):
    """Counts and sums by (key, bucket); the bucket after the last bound has what is past them all."""

    counts: Counter[tuple[K, int]] = field(default_factory=Counter)
    sums: dict[tuple[K, int], float] = field(default_factory=dict)

    def observe(self, key: K, bounds: tuple[float, ...], value: float) -> None:
        """Count a value; one on a bound is under it."""
        self.put(key, bisect_left(bounds, value), 1, value)

    def put(self, key: K, bucket: int, count: int, total: float) -> None:
        """Add to a bucket."""
        self.counts[key, bucket] += count
        self.sums[key, bucket] = self.sums.get((key, bucket), 0.0) + total

    def add(self, other: "Histograms[K]") -> None:
        """Add others to these."""
        for key, bucket, count, total in other.buckets():
            self.put(key, bucket, count, total)

    def buckets(self) -> Iterator[tuple[K, int, int, float]]:
        """Go through key, bucket, count and sum."""
        for (key, bucket), count in self.counts.items():
            yield key, bucket, count, self.sums[key, bucket]

    def names(self) -> set[K]:
        """Return the keys."""
        return {key for key, _ in self.counts}

    def totals(self, key: K, bounds: tuple[float, ...]) -> TimingTotals:
        """Return one of them."""
        places = [(key, bucket) for bucket in range(len(bounds) + 1)]
        return TimingTotals(
            tuple(self.counts[place] for place in places),
            sum(self.sums.get(place, 0.0) for place in places),
        )
