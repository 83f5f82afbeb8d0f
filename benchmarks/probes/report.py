"""The result of a run as text and as JSON, with what it was run on; no host name, no path."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from benchmarks.probes.comparison import MEAN_LIMIT, P99_LIMIT, Row

PASSES: Final = 0.99
"""The share of the probes placed that must have passed: the few that are left out can't hide many."""
KEEPS_PACE: Final = 0.98
"""The share of the asked rate that the calls must have left at."""

_COLUMNS: Final = ("wire", "mean", "absolute", "p50", "p99", "max")
_HEADINGS: Final = ("wire p50", "mean", "mean abs", "p50", "p99", "max")


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run. `outcomes` are the engine's probes by outcome or failure; `rows` its own timings.

    `peer` has the rows of SIPp, which decide nothing; `dropped` counts packets that the capture lost; `load`
    is the machine's load average before and after.
    """

    rate: float
    seconds: float
    achieved: float
    outcomes: Mapping[str, int]
    rows: Sequence[Row]
    peer: Sequence[Row]
    packets: int
    dropped: int
    machine: Mapping[str, str]
    load: Sequence[float]
    sabotaged: bool

    @property
    def faults(self) -> list[str]:
        """Why the run fails as a whole, whatever its rows say."""
        said = []
        placed = sum(self.outcomes.values())
        passed = self.outcomes.get("pass", 0)
        if passed < PASSES * placed or not placed:
            said.append(f"only {passed} of {placed} probes passed")
        if self.achieved < KEEPS_PACE * self.rate:
            said.append(f"only {self.achieved:.1f} calls/s left, {self.rate:g} were asked")
        if self.dropped:
            said.append(f"the capture lost {self.dropped} packets")
        return said

    @property
    def passes(self) -> bool:
        """The verdict: every timing of the engine is within the limits, and the run was sound."""
        return bool(self.rows) and not self.faults and not any(row.faults for row in self.rows)


def machine(**more: str) -> dict[str, str]:
    """Return what the run was on: processor, kernel, and the versions that matter."""
    return {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sippy": metadata.version("sippy"),
        **more,
    }


def as_text(result: Result) -> str:
    """Return the table and the verdict."""
    asked = f"{result.rate:g} calls/s and as many registrations for {result.seconds:g} s"
    outcomes = ", ".join(f"{count} {word}" for word, count in sorted(result.outcomes.items()))
    lines = [f"{name}: {value}" for name, value in result.machine.items()]
    lines += [
        f"load average before and after: {', '.join(f'{value:.1f}' for value in result.load)}",
        f"{asked}; {result.achieved:.1f} calls/s left; probes: {outcomes}; {result.packets} packets",
        "",
        f"{'ms':14}{'n':>6}{'matched':>9}" + "".join(f"{heading:>12}" for heading in _HEADINGS),
    ]
    for row in [*result.rows, *result.peer]:
        share = f"{row.matched / row.n:.1%}" if row.n else "-"
        figures = "".join(f"{getattr(row, column):12.3f}" for column in _COLUMNS)
        verdict = "; ".join(row.faults) or "within"
        lines.append(f"{row.engine:7}{row.timing:7}{row.n:6}{share:>9}{figures}  {verdict}")
    lines += [
        "",
        *(["SABOTAGED: the engine's stamps were spoilt on purpose."] if result.sabotaged else []),
        "Errors: the engine's figure less the packets'; p50, p99 and max of their absolute values.",
        "The rows of sippy decide; those of SIPp are its own figures for calls of the same kind.",
        f"Limits: mean error under {MEAN_LIMIT:g} ms, p99 under {P99_LIMIT:g} ms, every probe matched.",
        *(f"fault: {fault}" for fault in result.faults),
        f"verdict: {'pass' if result.passes else 'FAIL'}",
    ]
    return "\n".join(lines)


def as_json(result: Result) -> str:
    """Return all of it as one JSON object; a figure that nothing gave is null."""
    document = {
        "machine": dict(result.machine),
        "load": list(result.load),
        "rate": result.rate,
        "seconds": result.seconds,
        "achieved": result.achieved,
        "outcomes": dict(result.outcomes),
        "sabotaged": result.sabotaged,
        "packets": result.packets,
        "dropped": result.dropped,
        "limits": {"mean": MEAN_LIMIT, "p99": P99_LIMIT},
        "rows": [_row(row) for row in result.rows],
        "peer": [_row(row) for row in result.peer],
        "faults": result.faults,
        "passes": result.passes,
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _row(row: Row) -> dict[str, object]:
    values: dict[str, object] = asdict(row)
    known = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
    return known | {"faults": list(row.faults)}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
