"""What a run says: were all probes placed in time, did they pass, what did they cost (pure)."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.tenants.lateness import Spread, starts
from benchmarks.tenants.usage import Look
from dialtone.model import Outcome, ProbeResult

LATEST: Final = 1.0
"""Seconds that a probe may begin after it was due."""
MOST_NOT_PASSED: Final = 0.001
"""The share of probes that may end otherwise than by a pass."""


@dataclass(frozen=True, slots=True)
class Span:
    """The slots that are judged: those from `first` to before `end`."""

    first: int
    end: int

    def __contains__(self, slot: int) -> bool:
        """Whether a slot is judged."""
        return self.first <= slot < self.end


@dataclass(frozen=True, slots=True)
class Row:
    """One probe over all tenants: counts, how late it began in seconds, how long it took in seconds."""

    probe: str
    due: int
    placed: int
    passed: int
    late: tuple[float, float, float]
    duration: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run: rows by probe, why probes did not pass, the step within which a lateness is known (seconds)."""

    rows: tuple[Row, ...]
    failures: Mapping[str, int]
    step: float

    @property
    def missing(self) -> int:
        """How many were due and never placed."""
        return sum(row.due - row.placed for row in self.rows)

    @property
    def latest(self) -> float:
        """How late the latest began, in seconds."""
        return max(row.late[-1] for row in self.rows)

    @property
    def not_passed(self) -> float:
        """The share of those placed that did not pass."""
        placed = sum(row.placed for row in self.rows)
        return 1 - sum(row.passed for row in self.rows) / placed if placed else 1.0

    @property
    def right(self) -> bool:
        """Whether it is what is asked for."""
        return not self.missing and self.latest <= LATEST and self.not_passed <= MOST_NOT_PASSED


def judge(results: Sequence[ProbeResult], spread: Spread, span: Span) -> Verdict:
    """Judge the results of whole slots. Raises ValueError where there are none."""
    spread = spread.as_seen(starts(results))
    planned = [one for one in results if one.slot in span and one.attempt == 1]
    failed = Counter(f"{one.probe}: {one.failure.code}" for one in planned if one.failure is not None)
    jobs = Counter(probe for _, probe in spread.phases)
    rows = tuple(
        _row(probe, count * (span.end - span.first), [one for one in planned if one.probe == probe], spread)
        for probe, count in jobs.items()
    )
    return Verdict(rows, dict(failed.most_common()), spread.step)


def _row(probe: str, due: int, results: Sequence[ProbeResult], spread: Spread) -> Row:
    late = sorted(spread.lateness(start) for start in starts(results))
    durations = sorted(one.duration for one in results)
    placed = {(one.tenant, one.slot) for one in results}
    passed = sum(one.outcome is Outcome.PASS for one in results)
    shown = (quantile(late, 0.5), quantile(late, 0.99), quantile(late, 1.0))
    return Row(probe, due, len(placed), passed, shown, quantile(durations, 0.5))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of the sorted values does not pass; infinity where there are none."""
    return values[math.ceil(share * len(values)) - 1] if values else math.inf


@dataclass(frozen=True, slots=True)
class Usage:
    """Cores that were busy on the mean, by program, and those of the machine; memory in MiB."""

    dialtone: Mapping[str, float]
    platform: Mapping[str, float]
    machine: float
    memory: float

    @property
    def others(self) -> float:
        """Cores that neither Dialtone nor the platform kept busy: the kernel's own work, other people."""
        return max(0.0, self.machine - sum(self.dialtone.values()) - sum(self.platform.values()))


def usage(looks: Sequence[Look]) -> Usage:
    """Return what was used between the first look and the last."""
    first, last = looks[0], looks[-1]
    seconds = last.at - first.at

    def cores(begin: Mapping[str, float], end: Mapping[str, float]) -> dict[str, float]:
        return {name: (end[name] - begin.get(name, 0.0)) / seconds for name in end}

    return Usage(
        cores(first.dialtone, last.dialtone),
        cores(first.platform, last.platform),
        (last.machine - first.machine) / seconds,
        max(one.memory for one in looks) / (1 << 20),
    )


def as_text(verdict: Verdict, used: Usage, notes: Iterable[str]) -> str:
    """Return the report, 80 columns."""
    lines = ["probe             due  placed  passed   late ms p50     p99     max  takes s"]
    lines += [
        f"{row.probe:14} {row.due:6} {row.placed:7} {row.passed:7}"
        f" {1000 * row.late[0]:13.1f} {1000 * row.late[1]:7.1f} {1000 * row.late[2]:7.1f} {row.duration:8.2f}"
        for row in verdict.rows
    ]
    lines.append(f"(lateness: {1000 * verdict.step:.0f} ms too great at most)")
    lines += [f"  {count} x {why}" for why, count in verdict.failures.items()]
    for name, cores in (("Dialtone", used.dialtone), ("platform", used.platform)):
        parts = ", ".join(f"{program} {value:.2f}" for program, value in sorted(cores.items()))
        lines.append(f"{name}: {sum(cores.values()):.2f} cores ({parts})")
    lines.append(f"others on this machine: {used.others:.2f} cores; Dialtone's memory: {used.memory:.0f} MiB")
    lines += notes
    checks = (
        ("none skipped", f"{verdict.missing}", not verdict.missing),
        (f"none late by more than {LATEST:g} s", f"{verdict.latest:.3f} s", verdict.latest <= LATEST),
        ("passed", f"{1 - verdict.not_passed:.3%}", verdict.not_passed <= MOST_NOT_PASSED),
    )
    lines += [f"{'ok ' if right else 'RED'} {name}: {seen}" for name, seen, right in checks]
    return "\n".join(lines)
