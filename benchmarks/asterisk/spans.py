"""Spans of calls to one server, watched by nobody, by us, or by a scrape of res_prometheus; pure."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NOBODY: Final = "nobody"
DIALTONE: Final = "Dialtone"
PROMETHEUS: Final = "res_prometheus"
WATCHERS: Final = (NOBODY, DIALTONE, PROMETHEUS)


@dataclass(frozen=True, slots=True)
class Span:
    """Calls answered while somebody watched: percentiles of their set-up in seconds, polls, and the share of
    one core that the server took."""

    watcher: str
    calls: int
    p50: float
    p99: float
    polls: int
    cores: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """Spans in turn, as many of each watcher's."""

    spans: tuple[Span, ...]

    def difference(self, watcher: str) -> float:
        """The median over the pairs of a watcher's p99 less nobody's before it, in seconds."""
        watched = self._p99(watcher)
        return statistics.median(b - a for a, b in zip(self._p99(NOBODY), watched, strict=True))

    def cores(self, watcher: str) -> float:
        """The median of the server's share of a core, seen by that watcher."""
        return statistics.median(span.cores for span in self.spans if span.watcher == watcher)

    @property
    def spread(self) -> float:
        """How far the p99s with nobody watching lie apart, in seconds."""
        alone = self._p99(NOBODY)
        return max(alone) - min(alone)

    @property
    def right(self) -> bool:
        """Whether we make less of a difference than chance does."""
        return self.difference(DIALTONE) < self.spread

    def _p99(self, watcher: str) -> list[float]:
        return [span.p99 for span in self.spans if span.watcher == watcher]


def percentile(values: Sequence[float], share: int) -> float:
    """Return the least value that so many percent are not over; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] if ordered else math.nan
