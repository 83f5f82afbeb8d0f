"""Blocks: the series of one source, by metric."""

from collections import Counter
from collections.abc import Iterable, Iterator

from dialtone.export.series import Family, Histogram, Labels, Line, Point
from dialtone.model import Spread

Folded = frozenset[str]
"""The tenants whose series are shown only in sum."""


Identity = tuple[str, Labels]
"""What makes a series unique: its metric and label values."""


class Block:
    """The series of one source: given anew each time (a node's reading), or growing (the probes')."""

    def __init__(self, series: Iterable[tuple[str, Point]] = ()) -> None:
        self._series: dict[str, dict[Labels, Point]] = {}
        self._sums: dict[str, list[Point]] = {}
        self._folded: Folded = frozenset()
        self._names: list[str] = []
        self._labels: list[Labels] = []
        self._lines: list[Line] = []
        self._histograms: list[Histogram] = []
        self.sizes: Counter[str | None] = Counter()
        """How many series each tenant has here; None stands for those of no tenant."""
        for name, point in series:
            self.add(name, point)

    @property
    def names(self) -> set[str]:
        """The metrics that have series here."""
        return set(self._series)

    def identities(self) -> Iterator[Identity]:
        """Yield what makes each series unique."""
        for name, points in self._series.items():
            for labels in points:
                yield name, labels

    def get(self, name: str, labels: Labels) -> Point | None:
        """Return a series, None where there is none."""
        return self._series.get(name, {}).get(labels)

    def add(self, name: str, point: Point) -> None:
        """Add a series that isn't there yet."""
        self._series.setdefault(name, {})[point.labels] = point
        self.sizes[point.tenant] += point.size
        self.changed(name)

    def remove(self, name: str, labels: Labels) -> None:
        """Take out a series that is here; arrange() and fill() are to follow."""
        point = self._series[name].pop(labels)
        if not self._series[name]:
            del self._series[name]
        self.sizes[point.tenant] -= point.size
        if not self.sizes[point.tenant]:
            del self.sizes[point.tenant]  # tenants come and go
        self.changed(name)

    def has(self, names: list[str], labels: list[Labels], lines: int) -> bool:
        """Whether the series are those that were arranged for these names and labels, in this order.

        That many of them are lines, the rest histograms.
        """
        return lines == len(self._lines) and names == self._names and labels == self._labels

    def arrange(self, names: list[str], labels: list[Labels], identities: Iterable[Identity]) -> None:
        """Take an order in which fill() gives values: what was given, and the identities of that.

        Lines come before histograms.
        """
        self._names, self._labels = names, labels
        points = [self._series[name][clean] for name, clean in identities]
        self._lines = [point for point in points if isinstance(point, Line)]
        self._histograms = [point for point in points if isinstance(point, Histogram)]

    def fill(self, values: Iterable[float], spreads: Iterable[Spread]) -> None:
        """Give all series what they show, in the order of arrange(); the counts fit the buckets."""
        for line, value in zip(self._lines, values, strict=True):
            line.value = value
        for histogram, (_, _, counts, total, _) in zip(self._histograms, spreads, strict=True):
            histogram.refill(counts, total)
        self._sums.clear()

    def changed(self, name: str) -> None:
        """Forget what is kept of a metric, a value of which has changed."""
        self._sums.pop(name, None)

    def shown(self, name: str, folded: Folded) -> list[Point]:
        """Return the series of a metric that are shown as they are."""
        points = self._series.get(name, {}).values()
        return [point for point in points if point.tenant not in folded] if folded else list(points)

    def sums(self, family: Family, folded: Folded) -> list[Point]:
        """Return the sums of a metric's series that are not shown."""
        self._refold(folded)
        sums = self._sums.get(family.name)
        if sums is None:
            points = self._series.get(family.name, {}).values()
            sums = family.fold(point for point in points if point.tenant in folded)
            self._sums[family.name] = sums
        return sums

    def _refold(self, folded: Folded) -> None:
        if folded != self._folded:
            self._sums.clear()
            self._folded = folded
