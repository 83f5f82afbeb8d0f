"""A page of metrics as a Prometheus reads it."""

from dataclasses import dataclass
from typing import Self

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Series:
    """What makes a series unique."""

    metric: str
    labels: frozenset[tuple[str, str]]

    def has(self, **labels: str) -> bool:
        return labels.items() <= dict(self.labels).items()


@dataclass(frozen=True, slots=True)
class Page:
    """The values by series, and the type of each metric by the name of its samples."""

    values: dict[Series, float]
    kinds: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text format; a series that comes twice fails."""
        values: dict[Series, float] = {}
        kinds: dict[str, str] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                series = Series(sample.name, frozenset(sample.labels.items()))
                assert series not in values, series
                values[series] = sample.value
                kinds[sample.name] = family.type
        return cls(values, kinds)

    def by(self, label: str, metric: str, **labels: str) -> dict[str, float]:
        """Return the values of a metric by one label; those that have no such label are left out."""
        return {
            dict(series.labels)[label]: value
            for series, value in self.values.items()
            if series.metric == metric and series.has(**labels) and label in dict(series.labels)
        }

    def one(self, metric: str, **labels: str) -> float | None:
        """Return the value of the one series with these labels; None where there is none."""
        found = [v for s, v in self.values.items() if s.metric == metric and s.has(**labels)]
        assert len(found) < 2, f"{metric} {labels} is ambiguous"
        return found[0] if found else None

    def of(self, node: str, prefix: str = "opensips_") -> dict[Series, float]:
        """Return what is shown of a node."""
        return {s: v for s, v in self.values.items() if s.metric.startswith(prefix) and s.has(node=node)}
