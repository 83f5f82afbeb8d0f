"""Counters and histograms per tenant, kept from poll to poll; pure.

Whatever a tenant has by then, its series are 0 the first time that they are shown, and what they are from
the next time on: who sees a counter appear at 3 can't tell how much of that is an increase.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import chain
from typing import Final

from dialtone.model import MetricDef, Sample, Spread
from dialtone.ports import TenantLookup

_WHOSE: Final = ("node", "tenant", "reseller")
"""What the labels of every metric here begin with."""


class _Labels:
    """Whole labels of each tenant's series, made once: a poll of a big platform shows tens of thousands."""

    def __init__(self, metric: MetricDef, combinations: Collection[tuple[str, ...]]) -> None:
        for labels in combinations:
            if len(labels) + len(_WHOSE) != len(metric.labels):
                raise ValueError(f"{metric.name} has the labels {metric.labels}: {labels} are not the last")
        self._combinations = tuple(combinations)
        self._made: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._node = ""
        self._tenants: TenantLookup | None = None

    def settle(self, node: str, tenants: TenantLookup) -> None:
        """Have them be a node's from now on, and of the tenants of this moment."""
        fixed = tenants.fixed()
        if fixed is not self._tenants or node != self._node:
            self._node, self._tenants = node, fixed
            self._made.clear()

    def of(self, domain: str) -> tuple[tuple[str, ...], ...]:
        """Return a tenant's, in the order of the combinations."""
        if (made := self._made.get(domain)) is None:
            assert self._tenants is not None  # noqa: S101 - settle() comes before
            whose = (self._node, domain, self._tenants.reseller(domain))
            made = self._made[domain] = tuple((*whose, *labels) for labels in self._combinations)
        return made

    def forget(self, domain: str) -> None:
        """Forget a tenant."""
        self._made.pop(domain, None)


class Tally:
    """A counter of one node by tenant and further labels.

    The metric's labels begin with node, tenant, reseller; `combinations` are the further labels' values, of
    which each tenant that has begun shows all.
    """

    def __init__(self, metric: MetricDef, combinations: Collection[tuple[str, ...]] = ((),)) -> None:
        self._metric = metric
        self._combinations = tuple(combinations)
        self._labels = _Labels(metric, self._combinations)
        self._counts: dict[str, dict[tuple[str, ...], int]] = {}
        self._nothing = (0,) * len(self._combinations)
        self._new: set[str] = set()

    def begin(self, domain: str) -> None:
        """Have a tenant show its counts from now on, 0 at first."""
        if domain not in self._counts:
            self._counts[domain] = dict.fromkeys(self._combinations, 0)
            self._new.add(domain)

    def add(self, domain: str, *labels: str, by: int = 1) -> None:
        """Count for a tenant, under one of the combinations."""
        self.begin(domain)
        self._counts[domain][labels] += by

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these."""
        for gone in self._counts.keys() - domains:
            del self._counts[gone]
            self._labels.forget(gone)

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Return the counts of every tenant that has begun."""
        self._labels.settle(node, tenants)
        new, self._new = self._new, set()
        labels = chain.from_iterable(map(self._labels.of, self._counts))
        values = chain.from_iterable(
            self._nothing if domain in new else counts.values() for domain, counts in self._counts.items()
        )
        return self._metric.samples(labels, values, at)


class Distribution:
    """A histogram of one node by tenant and further labels; as Tally in all else."""

    def __init__(self, metric: MetricDef, combinations: Collection[tuple[str, ...]] = ((),)) -> None:
        self._metric = metric
        self._combinations = tuple(combinations)
        self._labels = _Labels(metric, self._combinations)
        self._counts: dict[str, dict[tuple[str, ...], list[int]]] = {}
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}
        self._nothing = (0,) * (len(metric.buckets) + 1)
        self._new: set[str] = set()

    def begin(self, domain: str) -> None:
        """Have a tenant show its histograms from now on, empty at first."""
        if domain not in self._counts:
            self._counts[domain] = {labels: list(self._nothing) for labels in self._combinations}
            self._new.add(domain)

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
            self._labels.forget(gone)

    def spreads(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Spread]:
        """Yield the histograms of every tenant that has begun."""
        name = self._metric.name
        self._labels.settle(node, tenants)
        new, self._new = self._new, set()
        for domain, by_labels in self._counts.items():
            for labels, (own, counts) in zip(self._labels.of(domain), by_labels.items(), strict=True):
                if domain in new:
                    yield Spread(name, labels, self._nothing, 0.0, at)
                else:
                    yield Spread(name, labels, tuple(counts), self._totals.get((domain, own), 0.0), at)
