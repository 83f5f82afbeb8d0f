"""What the holdings of a soak say: did memory stay flat, was everything given back? (pure)"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.processes import Holding

MOST_GROWTH: Final = 0.02
"""How much the memory may grow over the second half."""
MOST_FAILED: Final = 0.001
"""The share of probes that may fail: on a platform that is well, each is a false alarm."""
MOST_INCONCLUSIVE: Final = 0.02
"""The share of probes for which this machine may have had no time."""
_EDGE: Final = 0.2
"""The share of a half that its beginning and its end are: their medians are compared."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, and what was seen."""

    name: str
    seen: str
    right: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: the service's exit code, processes still alive, files that ought to be gone."""

    code: int | None
    left_alive: int
    left_files: int


def judge(holdings: Sequence[Holding], outcomes: dict[str, float], ended: Ended, asked: float) -> list[Check]:
    """Judge a soak that was to place `asked` probes. Raises ValueError for too few holdings to judge by."""
    if len(holdings) < 10:
        raise ValueError(f"{len(holdings)} looks are too few; let it run for longer")
    growth = second_half_growth([one.memory for one in holdings])
    placed = sum(outcomes.values())
    failed, inconclusive = outcomes.get("fail", 0.0), outcomes.get("inconclusive", 0.0)
    return [
        Check("probes placed", f"{placed:,.0f} of {asked:,.0f}", placed >= 0.98 * asked),
        Check("probes that failed", f"{failed:,.0f}", failed <= MOST_FAILED * placed),
        Check("probes inconclusive", f"{inconclusive:,.0f}", inconclusive <= MOST_INCONCLUSIVE * placed),
        Check("memory over the second half", f"{growth:+.2%}", growth < MOST_GROWTH),
        *(_steady(name, holdings, get) for name, get in _COUNTED.items()),
        Check("exit code of the service", str(ended.code), ended.code == 0),
        Check("processes left", str(ended.left_alive), ended.left_alive == 0),
        Check("files left", str(ended.left_files), ended.left_files == 0),
    ]


def second_half_growth(values: Sequence[float]) -> float:
    """Return how much values grew from the begin of their second half to its end, as a share."""
    begin, end = _edges(values[len(values) // 2 :])
    return end / begin - 1


_COUNTED: Final[dict[str, Callable[[Holding], int]]] = {
    "descriptors over the second half": lambda one: one.descriptors,
    "sockets over the second half": lambda one: one.sockets,
    "threads over the second half": lambda one: one.threads,
    "processes over the second half": lambda one: len(one.pids),
}


def _steady(name: str, holdings: Sequence[Holding], get: Callable[[Holding], int]) -> Check:
    """Check that a count came back to where it was; probes under way make it swing."""
    values = [get(one) for one in holdings]
    half = values[len(values) // 2 :]
    begin, end = _edges(half)
    swing = max(half) - min(half)
    return Check(name, f"{begin:g} to {end:g}", end - begin <= max(2, 0.25 * swing))


def _edges(values: Sequence[float]) -> tuple[float, float]:
    size = max(1, round(_EDGE * len(values)))
    return median(values[:size]), median(values[-size:])
