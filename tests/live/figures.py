"""What Dialtone says, whichever way it is asked: labelled values, and waiting until they are right."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from prometheus_client.parser import text_string_to_metric_families

PATIENCE: Final = 20.0
_PAUSE: Final = 0.1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """One value with its labels by name."""

    metric: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All that was said at once."""

    all: tuple[Figure, ...]

    @classmethod
    def of_exposition(cls, text: str) -> "Figures":
        """Read Prometheus's text format."""
        families = text_string_to_metric_families(text)
        return cls(tuple(Figure(s.name, s.labels, s.value) for family in families for s in family.samples))

    def by(self, label: str, metric: str, **where: str) -> dict[str, float]:
        """Return a metric's values by one label, of the series that have these labels.

        Two series with the same value of the label would be a mistake of the caller's.
        """
        chosen = [
            figure
            for figure in self.all
            if figure.metric == metric and where.items() <= figure.labels.items()
        ]
        values = {figure.labels[label]: figure.value for figure in chosen}
        assert len(values) == len(chosen), f"{metric} by {label} is ambiguous: {chosen}"
        return values

    def one(self, metric: str, **where: str) -> float | None:
        """Return the value of the one series of a metric that has these labels; None without any."""
        chosen = [f.value for f in self.all if f.metric == metric and where.items() <= f.labels.items()]
        assert len(chosen) <= 1, f"{metric} {where} is ambiguous"
        return chosen[0] if chosen else None


async def until_right(
    look: Callable[[], Awaitable[T]],
    right: Callable[[T], bool],
    patience: float = PATIENCE,
) -> T:
    """Look again and again until what is seen is right; return it. Fails with what it was instead."""
    deadline = asyncio.get_running_loop().time() + patience
    while not right(seen := await look()):
        assert asyncio.get_running_loop().time() < deadline, f"still, after {patience:g} s: {seen}"
        await asyncio.sleep(_PAUSE)
    return seen


async def until_equal(look: Callable[[], Awaitable[T]], wanted: T, patience: float = PATIENCE) -> None:
    """Look again and again until exactly this is seen."""
    deadline = asyncio.get_running_loop().time() + patience
    while (seen := await look()) != wanted:
        if asyncio.get_running_loop().time() >= deadline:
            break
        await asyncio.sleep(_PAUSE)
    assert seen == wanted
