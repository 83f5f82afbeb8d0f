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

    def difference(self, watcher: str, share: int = 99) -> float:
        """The median over the pairs of a watcher's p99 (or p50) less nobody's before it, in seconds."""
        pairs = zip(self._percentiles(NOBODY, share), self._percentiles(watcher, share), strict=True)
        return statistics.median(watched - alone for alone, watched in pairs)

    def cores(self, watcher: str) -> float:
        """The median of the server's share of a core, seen by that watcher."""
        return statistics.median(span.cores for span in self.spans if span.watcher == watcher)

    def spread(self, share: int = 99) -> float:
        """How far the p99s (or p50s) with nobody watching lie apart, in seconds."""
        alone = self._percentiles(NOBODY, share)
        return max(alone) - min(alone)

    @property
    def right(self) -> bool:
        """Whether we make less of a difference to the p99 than chance does."""
        return self.difference(DIALTONE) < self.spread()

    def _percentiles(self, watcher: str, share: int) -> list[float]:
        return [span.p99 if share == 99 else span.p50 for span in self.spans if span.watcher == watcher]


def percentile(values: Sequence[float], share: int) -> float:
    """Return the least value that so many percent are not over; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)] if ordered else math.nan
