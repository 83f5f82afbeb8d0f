"""Counters and histograms per tenant, kept from poll to poll; pure."""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from datetime import datetime

from dialtone.model import MetricDef, Sample, Spread
from dialtone.ports import TenantLookup


class Tally:
    """A counter of one node by tenant and further labels.

    The metric's labels begin with node, tenant, reseller; `combinations` are the further labels' values, of
    which each tenant that has begun shows all, from 0.
    """

    def __init__(self, metric: MetricDef, combinations: Collection[tuple[str, ...]] = ((),)) -> None:
        self._metric = metric
        self._combinations = tuple(combinations)
        self._counts: dict[str, dict[tuple[str, ...], int]] = {}

    def begin(self, domain: str) -> None:
        """Have a tenant show its counts from now on, 0 at first."""
        if domain not in self._counts:
            self._counts[domain] = dict.fromkeys(self._combinations, 0)

    def add(self, domain: str, *labels: str, by: int = 1) -> None:
        """Count for a tenant, under one of the combinations."""
        self.begin(domain)
        self._counts[domain][labels] += by

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these."""
        for gone in self._counts.keys() - domains:
            del self._counts[gone]

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the counts of every tenant that has begun."""
        for domain, counts in self._counts.items():
            whose = (node, domain, tenants.reseller(domain))
            for labels, count in counts.items():
                yield self._metric.sample(*whose, *labels, value=count, at=at)


class Distribution:
    """A histogram of one node by tenant and further labels; as Tally in all else."""

    def __init__(self, metric: MetricDef, combinations: Collection[tuple[str, ...]] = ((),)) -> None:
        self._metric = metric
        self._combinations = tuple(combinations)
        self._counts: dict[str, dict[tuple[str, ...], list[int]]] = {}
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}

    def begin(self, domain: str) -> None:
        """Have a tenant show its histograms from now on, empty at first."""
        if domain not in self._counts:
            empty = len(self._metric.buckets) + 1
            self._counts[domain] = {labels: [0] * empty for labels in self._combinations}

    def observe(self, domain: str, *labels: str, value: float) -> None:
        """Take in one value, in the metric's unit, under one of the combinations."""
        self.begin(domain)
        self._counts[domain][labels][bisect_left(self._metric.buckets, value)] += 1
        key = domain, labels
        self._totals[key] = self._totals.get(key, 0.0) + value

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these."""
        for gone in self._counts.keys() - domains:
            for labels in self._counts.pop(gone):
                self._totals.pop((gone, labels), None)

    def spreads(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Spread]:
        """Yield the histograms of every tenant that has begun."""
        for domain, by_labels in self._counts.items():
            whose = (node, domain, tenants.reseller(domain))
            for labels, counts in by_labels.items():
                total = self._totals.get((domain, labels), 0.0)
                yield self._metric.spread(*whose, *labels, counts=tuple(counts), total=total, at=at)
