"""Families and their series in the Prometheus text format 0.0.4."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add, itemgetter
from typing import Final, cast

from prometheus_client import Metric
from prometheus_client.utils import floatToGoString

from dialtone.model import CatalogError, Kind, MetricDef

OTHER_TENANT: Final = "_other"
"""Stands, in the exposition only, for the tenants past the series cap."""

Labels = tuple[str, ...]

go_float: Final[Callable[[float], str]] = floatToGoString
"""Writes a number as Go, and so Prometheus, does."""


Fold = Callable[[float, float], float]
"""What two values of tenants that are folded make, where that is not their sum: min or max."""


class Line:
    """A series of one value: a counter or a gauge. `shown` are its labels as the format escapes them."""

    __slots__ = ("labels", "shown", "tenant", "value")
    size: Final = 1

    def __init__(self, labels: Labels, shown: Labels, tenant: str | None, value: float) -> None:
        self.labels = labels
        self.shown = shown
        self.tenant = tenant
        self.value = value

    def add(self, other: "Point") -> None:
        """Add another's value, of the same family."""
        if isinstance(other, Line):
            self.value += other.value

    def extend(self, other: "Point", of: "Fold") -> None:
        """Take the least or most of this and another's value, of the same family."""
        if isinstance(other, Line):
            self.value = of(self.value, other.value)


class Moment:
    """A histogram as it was at one moment; whoever asks first, in any thread, makes its text."""

    __slots__ = ("_shown", "_template", "_text", "counts", "total")

    def __init__(self, template: str, shown: Labels, counts: Sequence[int], total: float) -> None:
        self._template = template
        self._shown = shown
        self._text = ""
        self.counts = counts
        self.total = total

    def values(self) -> list[float]:
        """Return what its lines show: the cumulative buckets, the count, the sum."""
        buckets = list(accumulate(self.counts))
        return [*map(float, buckets), float(buckets[-1]), self.total]

    def text(self) -> str:
        """Return its lines."""
        if not self._text:
            parts: list[str] = []
            for value in self.values():
                parts += self._shown
                parts.append(go_float(value))
            self._text = self._template % tuple(parts)
        return self._text


class Histogram:
    """A series of buckets, count and sum. `shown` are its labels as the template of its lines takes them."""

    __slots__ = ("_moment", "_template", "bounds", "counts", "labels", "shown", "tenant", "total")

    def __init__(
        self, labels: Labels, shown: Labels, tenant: str | None, bounds: tuple[float, ...], template: str
    ) -> None:
        self.labels = labels
        self.shown = shown
        self.tenant = tenant
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """How many values fell between each bound and the one before; the last is past all bounds."""
        self.total = 0.0
        self._template = template
        self._moment: Moment | None = None

    @property
    def size(self) -> int:
        """How many series Prometheus sees in it."""
        return len(self.bounds) + 3

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        self._moment = None

    def refill(self, counts: Sequence[int], total: float) -> None:
        """Go on from these counts, as many as there are bounds and one past them. Raises ValueError."""
        if len(counts) != len(self.counts):
            raise ValueError(f"{len(counts)} counts for {len(self.counts)} buckets")
        fresh = list(counts)
        if fresh != self.counts or total != self.total:  # most tenants are quiet from poll to poll
            self.counts = fresh
            self.total = total
            self._moment = None

    def add(self, other: "Point") -> None:
        """Add another's counts, of the same family."""
        if isinstance(other, Histogram):
            self.counts = list(map(add, self.counts, other.counts))
            self.total += other.total
            self._moment = None

    def moment(self) -> Moment:
        """Return it as it is now."""
        if self._moment is None:
            self._moment = Moment(self._template, self.shown, tuple(self.counts), self.total)
        return self._moment


Point = Line | Histogram


@dataclass(frozen=True, slots=True)
class Piece:
    """Series of one family as they were at one moment, for their text to be made later, by any thread.

    Lines by a `template` of label values, in the order of `order`, and the value; histograms each by itself.
    """

    template: str
    order: Sequence[int]
    labels: Sequence[Labels]
    values: Sequence[float]
    histograms: Sequence[Moment]

    def text(self) -> str:
        """Return the lines."""
        labels: Iterable[Labels] = self.labels
        if len(self.order) > 1:
            labels = map(itemgetter(*self.order), labels)
        values = map(go_float, self.values)
        lines = [self.template % (*shown, value) for shown, value in zip(labels, values, strict=True)]
        lines += [histogram.text() for histogram in self.histograms]
        return "".join(lines)


class Family:
    """One metric: makes its series, folds them, and hands them to prometheus_client."""

    def __init__(self, definition: MetricDef, fold: Fold | None = None) -> None:
        self.definition = definition
        self._fold = fold
        self.name = definition.name
        self._names = definition.labels
        self._tenant_at = self._names.index("tenant") if "tenant" in self._names else None
        help_text = definition.help.replace("\\", r"\\").replace("\n", r"\n")
        self.header = f"# HELP {self.name} {help_text}\n# TYPE {self.name} {definition.kind}\n"
        # The format gives no order to labels, prometheus_client sorts them by name; `le` is one of them.
        self._order = sorted(range(len(self._names)), key=self._names.__getitem__)
        bounds = _bound_texts(definition.buckets)
        self._template = self._shape(self.name)
        self._histogram_template = "".join(
            [
                *(self._shape(f"{self.name}_bucket", bound) for bound in bounds),
                self._shape(f"{self.name}_count"),
                self._shape(f"{self.name}_sum"),
            ]
        )

    def line(self, labels: Labels, value: float) -> Line:
        """Return a series of a counter or gauge. Raises CatalogError where the labels don't fit."""
        if self.definition.kind is Kind.HISTOGRAM:
            raise CatalogError(f"{self.name} is a histogram, which no single sample can give")
        clean = self.clean(labels)
        return Line(clean, self._escaped(clean), self._tenant(clean), float(value))

    def piece(self, points: Sequence[Point]) -> Piece:
        """Return series of this family as they are now."""
        if self.definition.kind is Kind.HISTOGRAM:
            moments = [point.moment() for point in points if isinstance(point, Histogram)]
            return Piece(self._template, self._order, (), (), moments)
        lines = cast("Sequence[Line]", points)  # as line() makes them; asking each would take the loop's time
        return Piece(
            self._template, self._order, [line.shown for line in lines], [line.value for line in lines], ()
        )

    def histogram(self, labels: Labels) -> Histogram:
        """Return an empty series of a histogram. Raises CatalogError where the labels don't fit."""
        if self.definition.kind is not Kind.HISTOGRAM:
            raise CatalogError(f"{self.name} is a {self.definition.kind}, which has no buckets")
        clean = self.clean(labels)
        shown = tuple([_escaped(clean[place]) for place in self._order])
        tenant, bounds = self._tenant(clean), self.definition.buckets
        return Histogram(clean, shown, tenant, bounds, self._histogram_template)

    def fold(self, points: Iterable[Point]) -> list[Point]:
        """Return the sums of these series as the tenant `_other`'s, in the order of first appearance.

        Of a gauge that folds to the least or the most, that of them.
        """
        sums: dict[Labels, Point] = {}
        for point in points:
            labels = self._other(point.labels)
            into = sums.get(labels)
            if into is not None:
                self._merge(into, point)
            elif isinstance(point, Line):
                sums[labels] = self.line(labels, point.value)
            else:
                into = sums[labels] = self.histogram(labels)
                into.add(point)
        return list(sums.values())

    def _merge(self, into: Point, point: Point) -> None:
        if self._fold is not None and isinstance(into, Line):
            into.extend(point, self._fold)
        else:
            into.add(point)

    def metric(self, points: Iterable[Point] = ()) -> Metric:
        """Return these series as prometheus_client's type."""
        # prometheus_client names a counter without the _total of its series.
        counter = self.definition.kind is Kind.COUNTER
        stem = self.name.removesuffix("_total") if counter else self.name
        metric = Metric(stem, self.definition.help, str(self.definition.kind))
        for point in points:
            labels = dict(zip(self._names, point.labels, strict=True))
            if isinstance(point, Line):
                metric.add_sample(self.name, labels, point.value)
                continue
            *buckets, count, total = point.moment().values()
            for le, value in zip(_bound_texts(point.bounds), buckets, strict=True):
                metric.add_sample(f"{self.name}_bucket", {**labels, "le": le}, value)
            metric.add_sample(f"{self.name}_count", labels, count)
            metric.add_sample(f"{self.name}_sum", labels, total)
        return metric

    def clean(self, labels: Labels) -> Labels:
        """Return label values as they can be shown. Raises CatalogError where they don't fit."""
        if len(labels) != len(self._names):
            raise CatalogError(f"{self.name} has the labels {self._names}, got {len(labels)} values")
        for label in labels:
            if not isinstance(label, str):
                raise CatalogError(f"{self.name}: label values are texts, not {type(label).__name__}")
        if all(map(str.isascii, labels)):
            return labels
        # A lone surrogate, from a server's undecodable bytes, has no UTF-8 and would spoil the whole page.
        return tuple(label.encode("utf-8", "replace").decode("utf-8") for label in labels)

    def _escaped(self, labels: Labels) -> Labels:
        escaped = tuple(map(_escaped, labels))
        return labels if escaped == labels else escaped

    def _other(self, labels: Labels) -> Labels:
        at = self._tenant_at
        return labels if at is None else (*labels[:at], OTHER_TENANT, *labels[at + 1 :])

    def _tenant(self, labels: Labels) -> str | None:
        return labels[self._tenant_at] if self._tenant_at is not None else None

    def _shape(self, name: str, le: str | None = None) -> str:
        """Return a line with places for the label values, in order, and the value."""
        pairs = [(self._names[place], "%s") for place in self._order]
        if le is not None:
            pairs = sorted([*pairs, ("le", le)])
        body = ",".join([f'{key}="{value}"' for key, value in pairs])
        return f"{name}{{{body}}} %s\n" if body else f"{name} %s\n"


def _bound_texts(bounds: tuple[float, ...]) -> list[str]:
    return [go_float(bound) for bound in (*bounds, float("inf"))]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
