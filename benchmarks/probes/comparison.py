"""How far an engine's timings are from the packets', and whether that is near enough."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MEAN_LIMIT: Final = 0.05
P99_LIMIT: Final = 0.2
"""The mean error, and the 99th percentile of its absolute value, must be under these, in milliseconds."""
ENOUGH: Final = 100
"""Fewer values have no 99th percentile of their own."""

Pair = tuple[float | None, float | None]
"""One probe: what the engine says and what the packets say, in seconds; None where either says nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """One timing of one engine. Errors (the engine's figure less the packets') are in milliseconds.

    `n` counts the probes that passed, `matched` those with both figures; `wire` is the packets' median.
    All figures are NaN where nothing matched.
    """

    engine: str
    timing: str
    n: int
    matched: int
    wire: float
    mean: float
    absolute: float
    p50: float
    p99: float
    max: float

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it fails; empty where it is within the limits."""
        said = []
        if self.matched < self.n:
            said.append(f"{self.n - self.matched} of {self.n} not matched")
        if self.matched < ENOUGH:
            said.append(f"fewer than {ENOUGH} values")
        if not abs(self.mean) < MEAN_LIMIT:
            said.append(f"mean error not under {MEAN_LIMIT:g} ms")
        if not self.p99 < P99_LIMIT:
            said.append(f"p99 not under {P99_LIMIT:g} ms")
        return tuple(said)


def compare(engine: str, timing: str, pairs: Sequence[Pair]) -> Row:
    """Return the row of one timing."""
    both = [(1e3 * said, 1e3 * seen) for said, seen in pairs if said is not None and seen is not None]
    errors = [said - seen for said, seen in both]
    sizes = sorted(map(abs, errors))
    return Row(
        engine,
        timing,
        n=len(pairs),
        matched=len(both),
        wire=percentile(sorted(seen for _, seen in both), 0.5),
        mean=_mean(errors),
        absolute=_mean(sizes),
        p50=percentile(sizes, 0.5),
        p99=percentile(sizes, 0.99),
        max=percentile(sizes, 1.0),
    )


def in_order(said: Sequence[float], seen: Sequence[float]) -> list[Pair]:
    """Pair two lists whose elements are known by their order alone.

    One missing anywhere would shift all that follow, so lists of different lengths match nowhere.
    """
    if len(said) != len(seen):
        return [(value, None) for value in said] or [(None, value) for value in seen]
    return list(zip(said, seen, strict=True))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of all is at or below (nearest rank); NaN of nothing."""
    if not ordered:
        return math.nan
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
