"""Metrics: what exists (MetricDef) and what was measured (Sample)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import repeat
from typing import Final, NamedTuple


class Kind(StrEnum):
    """Prometheus metric types that the project uses."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricScope(StrEnum):
    """Whose figure a metric is; it decides who may read it."""

    NODE = "node"
    TENANT = "tenant"
    PROBE = "probe"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class MetricDef:
    """One metric family: its name as exposed, and all that dashboards and rules ask of it.

    `name` follows Prometheus conventions (base unit at the end, counters end in `_total`), `unit`
    is that base unit or "" (seconds, bytes, ratio), `labels` are the label names in the order in
    which samples give their values. `buckets` are a histogram's upper bounds, in `unit`.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    scope: MetricScope = MetricScope.NODE
    unit: str = ""
    buckets: tuple[float, ...] = ()

    def sample(self, *labels: str, value: float, at: datetime) -> "Sample":
        """Return one value of this family; label values in the order of `labels`."""
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, got {len(labels)} values")
        return Sample(self.name, labels, value, at)

    def samples(
        self, labels: Iterable[tuple[str, ...]], values: Iterable[float], at: datetime
    ) -> "Iterator[Sample]":
        """Return many values of this family, whose label values are right: at a third of sample()'s time."""
        return map(_sample, zip(repeat(self.name), labels, values, repeat(at)))

    def spread(self, *labels: str, counts: tuple[int, ...], total: float, at: datetime) -> "Spread":
        """Return one series of this histogram: as many counts as it has buckets, and one past them."""
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, got {len(labels)} values")
        if len(counts) != len(self.buckets) + 1:
            raise ValueError(f"{self.name} has {len(self.buckets)} buckets, got {len(counts)} counts")
        return Spread(self.name, labels, counts, total, at)


class Sample(NamedTuple):
    """One value of one series. `labels` are values, in the order of the MetricDef's label names.

    A tuple, unlike its neighbours: a poll of a big platform makes some ten thousand of them.
    """

    metric: str
    labels: tuple[str, ...]
    value: float
    at: datetime


_sample: Final[Callable[[Iterable[object]], Sample]] = partial(tuple.__new__, Sample)


class Spread(NamedTuple):
    """One series of a histogram: how many values fell up to each bucket, and past the last; their sum.

    The counts are not cumulative. `labels` are as a Sample's.
    """

    metric: str
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    total: float
    at: datetime
