"""What became of calls with media: added up one by one, or from the store that the service leaves."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.soak.verdict import Check
from dialtone.model import MediaStream, Outcome, ProbeRun, stream_from_json

LEAST_MOS: Final = 4.3
"""What each direction must score where nothing is on the way; 4.41 is the most (ITU-T G.107)."""

_RESULTS: Final = "SELECT failure_code, failure_detail, outcome, started, duration, media FROM results"
_MICRO: Final = 1e-6


@dataclass(slots=True)
class Tally:
    """How calls ended, and what their streams were like; streams of inconclusive calls are left out.

    `details` keeps one line of each kind of failure, `spans` when each call began and how long it took.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    streams: int = 0
    sent: int = 0
    lost: int = 0
    late: int = 0
    poor: int = 0
    worst: float = 5.0
    jitters: list[float] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)

    def take(self, run: ProbeRun) -> None:
        """Take a call that has ended."""
        result, failure = run.result, run.result.failure
        code, detail = (failure.code, failure.detail) if failure is not None else (None, "")
        span = result.started.timestamp(), result.duration
        self.add(result.outcome, code, detail, result.media, span)

    def add(
        self,
        outcome: str,
        code: str | None,
        detail: str,
        media: Iterable[MediaStream],
        span: tuple[float, float],
    ) -> None:
        """Add a call by what is kept of it."""
        self.spans.append(span)
        self.outcomes[code or outcome] += 1
        if code:
            self.details.setdefault(code, detail)
        for stream in media if outcome != Outcome.INCONCLUSIVE else ():
            score = 1.0 if stream.mos is None else stream.mos
            self.streams += 1
            self.sent += stream.sent or 0
            self.lost += stream.lost
            self.late += stream.late
            self.poor += score < LEAST_MOS
            self.worst = min(self.worst, score)
            self.jitters.append(stream.jitter)

    @property
    def up(self) -> tuple[float, int]:
        """Calls at once, in the mean and the most, ramps apart; of calls that were placed in one go."""
        return at_once(self.spans)

    @property
    def overloaded(self) -> int:
        """Calls for which this machine had no time."""
        return self.outcomes["overloaded"]

    @property
    def faults(self) -> list[str]:
        """What is not as it is where nothing is on the way; empty where all is well."""
        return [f"{check.name}: {check.seen}" for check in checks(self) if not check.right]

    def __str__(self) -> str:
        words = ", ".join(f"{count:,} {word}" for word, count in sorted(self.outcomes.items()))
        jitter = 1e3 * sum(self.jitters) / len(self.jitters) if self.jitters else 0.0
        lines = [
            words or "no calls",
            f"{self.streams:,} streams, {self.sent:,} packets, {self.lost} lost, {self.late} late",
            f"jitter {jitter:.3f} ms in the mean, least MOS {self.worst:.2f}",
            *(f"{code}: {detail}" for code, detail in sorted(self.details.items())),
        ]
        return "\n".join(lines)


def checks(heard: Tally) -> list[Check]:
    """Judge calls between phones of ours, with nothing on the way that could harm their media."""
    placed = heard.outcomes.total()
    passed, failed = heard.outcomes["pass"], placed - heard.outcomes["pass"] - heard.overloaded
    late, poor = heard.overloaded, f"{heard.poor} of {heard.streams}, least {heard.worst:.2f}"
    return [
        Check("calls that failed", f"{failed} of {placed}", passed > 0 == failed),
        Check("calls overloaded", f"{late} of {placed}", late == 0),
        Check("packets lost", f"{heard.lost} of {heard.sent}", heard.lost == 0 < heard.sent),
        Check(f"streams under MOS {LEAST_MOS}", poor, heard.poor == 0 < heard.streams),
    ]


def tally(store: Path) -> Tally:
    """Return what a store of ours says of all its results. Raises ValueError for a file that is none."""
    heard = Tally()
    try:
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            for code, detail, outcome, started, duration, media in connection.execute(_RESULTS):
                streams, span = map(stream_from_json, json.loads(media)), (started * _MICRO, duration)
                heard.add(outcome, code, detail or "", streams, span)
    except (sqlite3.Error, KeyError, TypeError) as error:
        raise ValueError(f"the service's store can't be read: {error}") from None
    return heard


def at_once(spans: Iterable[tuple[float, float]]) -> tuple[float, int]:
    """Return how many were under way at once, in the mean and the most; each is a begin and a duration.

    The mean is over the time between the first end and the last begin: before and after it is a ramp.
    """
    edges = sorted(edge for begin, lasts in spans for edge in ((begin, 1), (begin + lasts, -1)))
    if not edges:
        return 0.0, 0
    steady = min(at for at, way in edges if way < 0), max(at for at, way in edges if way > 0)
    up = most = 0
    area, last = 0.0, edges[0][0]
    for at, way in edges:
        area += up * max(0.0, min(at, steady[1]) - max(last, steady[0]))
        up += way
        most, last = max(most, up), at
    took = steady[1] - steady[0]
    return (area / took if took > 0 else 0.0), most
