"""The error of our timings while calls with media are up in the same workers, beside that without them.

    python -m benchmarks.media timing [--calls 50] [--rate 20] [--seconds 15] [--rounds 2]

Load, packets, comparison and limits are those of benchmarks.probes. Rounds without media calls and rounds
with so many at once take turns, in the same workers. Exit 0: every timing is within the limits, with and
without, and every call with media passed without a loss; 1: not; 2: a wrong option; 3: it could not be
measured. Needs what `benchmarks.probes timing` needs, SIPp apart.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.command import measured
from benchmarks.media.calls import MediaCalls, parted
from benchmarks.media.tally import LEAST_MOS, Tally, at_once
from benchmarks.probes import report
from benchmarks.probes.capture import CaptureError, capturing
from benchmarks.probes.comparison import MEAN_LIMIT, P99_LIMIT, Row
from benchmarks.probes.front import MOST_CALLS, front
from benchmarks.probes.load import Load, Placing
from benchmarks.probes.packets import RULES, Wire
from benchmarks.probes.timing import row
from dialtone.model import MediaPlan
from dialtone.runtime.clock import SystemClock
from lab.base import LabError
from synthetic.agents.link import GRACE, WORKER, SippyProber
from synthetic.agents.pool import worker_pool

_SECONDS: Final = 5.0
"""Seconds of media in each call."""
_WARM: Final = 3.0
_MOST_AT_ONCE: Final = 200
_MOST_SECONDS: Final = 600.0
_MOST_ROUNDS: Final = 10
_OTHERS: Final = 0.5
"""Of what the front has phones for, calls a second: by call that is up, which has a callee to itself."""
_UP: Final = 0.95
"""The share of the calls asked for that must be up in the mean of each round."""
_THEIRS: Final = ("srd", "sdd")
"""Timings of the calls with media themselves."""


@dataclass(frozen=True, slots=True)
class Condition:
    """So many calls with media at once: the timings of the probes beside them, and of themselves.

    `outcomes` are of the probes beside them. `heard` is None where there were none. `up` is how many there
    were at once, in the mean of each round.
    """

    calls: int
    rows: Sequence[Row]
    outcomes: Mapping[str, int]
    heard: Tally | None
    up: Sequence[float] = ()

    @property
    def faults(self) -> list[str]:
        """Why it fails; empty where it is within the limits."""
        placed, passed = sum(self.outcomes.values()), self.outcomes.get("pass", 0)
        said = [f"{row.engine} {row.timing}: {fault}" for row in self.rows for fault in row.faults]
        if passed < report.PASSES * placed or not placed:
            said.append(f"only {passed} of {placed} probes passed")
        if self.heard is not None:
            said += self.heard.faults
        said += [f"only {up:.1f} calls were up in the mean" for up in self.up if up < _UP * self.calls]
        return said


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run."""

    conditions: Sequence[Condition]
    workers: int
    dropped: int
    machine: Mapping[str, str]
    load: Sequence[float]

    @property
    def faults(self) -> list[str]:
        """Why it fails."""
        said = [f"{one.calls} calls with media: {fault}" for one in self.conditions for fault in one.faults]
        if self.dropped:
            said.append(f"the capture lost {self.dropped} packets")
        return said


async def measure(folder: Path, calls: int, rate: float, seconds: float, rounds: int) -> Result:
    """Run all rounds. Raises LabError, CaptureError."""
    clock, before = SystemClock(), os.getloadavg()[0]
    async with front(folder, rate + _OTHERS * calls) as platform:
        for_media, others = parted(platform.phones, calls)
        async with (
            capturing(folder, platform.port) as capture,
            worker_pool(WORKER, clock, grace=GRACE) as workers,
        ):
            prober = SippyProber(workers, clock)

            def placing(name: str) -> Placing:
                return Placing(prober, clock, others, platform.target, name=name)

            await placing("warm").run(rate, _WARM)
            alone, beside, theirs, heard = Load(), Load(), Load(), Tally()
            up: list[float] = []
            for number in range(rounds):
                _add(alone, await placing(f"alone{number}").run(rate, seconds))
                media = MediaCalls(prober, for_media, platform.target, MediaPlan(_SECONDS), f"media{number}")
                async with media.kept_up(calls):
                    _add(beside, await placing(f"beside{number}").run(rate, seconds))
                theirs.runs += media.runs
                up.append(
                    at_once((one.result.started.timestamp(), one.result.duration) for one in media.runs)[0]
                )
            count = workers.workers
    for run in theirs.runs:
        heard.take(run)
    wire = Wire(await capture.packets(), platform.port)
    return Result(
        [
            Condition(0, [row(timing, alone, wire) for timing in RULES], alone.outcomes(), None),
            Condition(
                calls,
                [
                    *(row(timing, beside, wire) for timing in RULES),
                    *(replace(row(timing, theirs, wire), engine="media") for timing in _THEIRS),
                ],
                beside.outcomes(),
                heard,
                up,
            ),
        ],
        count,
        capture.dropped,
        report.machine(front=platform.version),
        (before, os.getloadavg()[0]),
    )


def _add(whole: Load, part: Load) -> None:
    whole.runs += part.runs


def as_text(result: Result, rate: float) -> str:
    """Return the table, in Markdown, and the verdict."""
    lines = [f"{name}: {value}" for name, value in result.machine.items()]
    lines += [
        f"load average before and after: {', '.join(f'{value:.1f}' for value in result.load)}",
        f"{rate:g} calls/s and as many registrations; {result.workers} workers",
        *(f"calls with media: {one.heard}" for one in result.conditions if one.heard is not None),
        *(f"at once in each round, in the mean: {_all(one.up)}" for one in result.conditions if one.up),
        "",
        "| media calls | timing | n | matched | median on the wire, ms | mean error | size p50 | p99 | max |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(condition.calls, row) for condition in result.conditions for row in condition.rows),
        "",
        "Errors: the engine's figure less the packets', ms; p50, p99 and max of their absolute values.",
        "Rows of media are of the calls with media themselves, the others of the probes beside them.",
        f"Limits: mean error under {MEAN_LIMIT:g} ms, p99 under {P99_LIMIT:g} ms, every probe matched;",
        f"every call with media passes, loses nothing, and has a MOS of {LEAST_MOS}.",
        *(f"fault: {fault}" for fault in result.faults),
        f"verdict: {'FAIL' if result.faults else 'pass'}",
    ]
    return "\n".join(lines)


def _all(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _row(calls: int, one: Row) -> str:
    figures = " | ".join(f"{value:.3f}" for value in (one.wire, one.mean, one.p50, one.p99, one.max))
    return f"| {calls} | {one.engine} {one.timing.upper()} | {one.n} | {one.matched} | {figures} |"


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.media timing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=50, help="calls with media at once (default: 50)")
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second beside them (default: 20)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round (default: 15)")
    parser.add_argument("--rounds", type=int, default=2, help="without, and with (default: 2 of each)")
    arguments = parser.parse_args(words)
    if not 1 <= arguments.calls <= _MOST_AT_ONCE:
        parser.error(f"--calls: from 1 to {_MOST_AT_ONCE}")
    if not 1 <= arguments.rate <= MOST_CALLS:
        parser.error(f"--rate: from 1 to {MOST_CALLS:g} calls a second")
    if not 5 <= arguments.seconds <= _MOST_SECONDS:
        parser.error(f"--seconds: from 5 to {_MOST_SECONDS:g}")
    if not 1 <= arguments.rounds <= _MOST_ROUNDS:
        parser.error(f"--rounds: from 1 to {_MOST_ROUNDS}")
    return arguments


def main(words: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    arguments = _arguments(words)
    result = measured(
        "media",
        lambda folder: measure(folder, arguments.calls, arguments.rate, arguments.seconds, arguments.rounds),
        LabError,
        CaptureError,
    )
    print(as_text(result, arguments.rate))  # noqa: T201
    return 1 if result.faults else 0
