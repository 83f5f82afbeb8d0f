"""Blocks: the series of one source, by metric, with their text kept while nothing changes."""

from collections import Counter
from collections.abc import Iterable, Iterator

from dialtone.export.series import Family, Labels, Line, Point

Folded = frozenset[str]
"""The tenants whose series are shown only in sum."""


Key = tuple[str, Labels]
"""A metric and label values as a sample gives them; what is shown may differ in what UTF-8 can't write."""


class Block:
    """The series of one source: given anew each time (a node's reading), or growing (the probes')."""

    def __init__(self, series: Iterable[tuple[str, Point]] = ()) -> None:
        self._series: dict[str, dict[Labels, Point]] = {}
        self._texts: dict[str, str] = {}
        self._sums: dict[str, list[Point]] = {}
        self._folded: Folded = frozenset()
        self._names: list[str] = []
        self._labels: list[Labels] = []
        self._lines: dict[Key, Line] = {}
        self._arranged: list[Line] = []
        self.sizes: Counter[str | None] = Counter()
        """How many series each tenant has here; None stands for those of no tenant."""
        for name, point in series:
            self.add(name, point)

    @property
    def names(self) -> set[str]:
        """The metrics that have series here."""
        return set(self._series)

    def identities(self) -> Iterator[tuple[str, Labels]]:
        """Yield what makes each series unique: its metric and label values."""
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

    def __contains__(self, key: Key) -> bool:
        return key in self._lines

    def identity(self, key: Key) -> tuple[str, Labels]:
        """Return what is shown for a key that is here."""
        return key[0], self._lines[key].labels

    def put(self, key: Key, line: Line) -> None:
        """Add the series of a key that isn't here yet; arrange() and fill() are to follow."""
        self._lines[key] = line
        self.add(key[0], line)

    def remove(self, key: Key) -> None:
        """Take out the series of a key that is here; arrange() and fill() are to follow."""
        name, line = key[0], self._lines.pop(key)
        del self._series[name][line.labels]
        if not self._series[name]:
            del self._series[name]
        self.sizes[line.tenant] -= line.size
        if not self.sizes[line.tenant]:
            del self.sizes[line.tenant]  # tenants come and go
        self.changed(name)

    @property
    def keys(self) -> list[Key]:
        """The keys in the order that was arranged last."""
        return list(zip(self._names, self._labels, strict=True))

    def has(self, names: list[str], labels: list[Labels]) -> bool:
        """Whether these are the keys, in this order; without a pair for each, of which there are many."""
        return names == self._names and labels == self._labels

    def arrange(self, keys: list[Key]) -> None:
        """Take these keys, all that are here, as the order in which fill() gives values."""
        self._names, self._labels = [key[0] for key in keys], [key[1] for key in keys]
        self._arranged = [self._lines[key] for key in keys]

    def fill(self, values: Iterable[float]) -> None:
        """Give all series of keys their values, in the order of the keys."""
        for line, value in zip(self._arranged, values, strict=True):
            line.value = value
        self._texts.clear()
        self._sums.clear()

    def changed(self, name: str) -> None:
        """Forget what is kept of a metric, a value of which has changed."""
        self._texts.pop(name, None)
        self._sums.pop(name, None)

    def shown(self, name: str, folded: Folded) -> list[Point]:
        """Return the series of a metric that are shown as they are."""
        points = self._series.get(name, {}).values()
        return [point for point in points if point.tenant not in folded] if folded else list(points)

    def text(self, name: str, folded: Folded) -> str:
        """Return the lines of `shown`."""
        self._refold(folded)
        text = self._texts.get(name)
        if text is None:
            text = self._texts[name] = "".join([point.text() for point in self.shown(name, folded)])
        return text

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
            self._texts.clear()
            self._sums.clear()
            self._folded = folded
