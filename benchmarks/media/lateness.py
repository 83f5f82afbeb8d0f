"""How evenly packets leave: by when each came, over loopback, against the stream's own clock (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.probes.comparison import percentile

_WRAP: Final = 1 << 32
Stamp = tuple[int, float]
"""A packet: its RTP timestamp, and when it came in seconds."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds that packets came after they were due, by the one of their stream that came soonest."""

    packets: int
    p50: float
    p99: float
    most: float


def lateness(streams: Iterable[Sequence[Stamp]], rate: int = 8000) -> Lateness:
    """Return it over all packets of these streams, whose clocks run at `rate` Hz; NaN of none."""
    late = sorted(value for stamps in streams if stamps for value in _of_stream(stamps, rate))
    return Lateness(len(late), *(percentile(late, share) for share in (0.5, 0.99, 1.0)))


def _of_stream(stamps: Sequence[Stamp], rate: int) -> list[float]:
    first, began = stamps[0]
    delays = []
    for timestamp, at in stamps:
        step = (timestamp - first) % _WRAP
        step -= _WRAP if step >= _WRAP // 2 else 0
        delays.append(at - began - step / rate)
    least = min(delays)
    return [delay - least for delay in delays]
