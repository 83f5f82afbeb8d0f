"""`make opensips-suite`: every test marked `opensips` against the OpenSIPS on PATH, with a result file."""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "benchmarks" / "opensips"
UNAVAILABLE: Final = 69
"""The exit code where there was nothing to test with; every other one is pytest's."""

_PROGRAMS: Final = {
    "opensips": "put the folder of an installed OpenSIPS 3.x or 4.x (sbin) at the front of PATH",
    "sipp": "install Debian's sip-tester",
}
_MOST: Final = 160
_PATIENCE: Final = 30
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test: passed, failed, error (before or after it) or skipped, its seconds, and why."""

    test: str
    outcome: str
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was tested with what, and when. `changed` are our files that are not as in the commit."""

    version: str
    revision: str
    commit: str
    changed: int
    at: datetime
    machine: str
    python: str


class Recorder:
    """A plugin of pytest that keeps what became of each test."""

    def __init__(self) -> None:
        self._found: dict[str, Outcome] = {}

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """By the tests' names."""
        return [found for _, found in sorted(self._found.items())]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one of the three phases of a test."""
        last = self._found.get(report.nodeid, Outcome(report.nodeid, "passed", 0.0))
        outcome, why = last.outcome, last.why
        if report.failed:
            outcome, why = ("failed" if report.when == "call" else "error"), _why(report)
        elif report.skipped:
            outcome, why = "skipped", _why(report)
        self._found[report.nodeid] = Outcome(report.nodeid, outcome, last.seconds + report.duration, why)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take a file that could not be read."""
        if report.failed:
            self._found[report.nodeid] = Outcome(report.nodeid, "error", 0.0, _why(report))


def _why(report: pytest.TestReport | pytest.CollectReport) -> str:
    if isinstance(report.longrepr, tuple):  # of a skipped one: file, line, reason
        return _line(report.longrepr[2].removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    return _line(crash.message if crash is not None else report.longreprtext)


def _line(text: str) -> str:
    return text.strip().partition("\n")[0][:_MOST]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def missing() -> list[str]:
    """Return what the machine lacks, a line each."""
    return [f"no {name} on PATH: {cure}" for name, cure in _PROGRAMS.items() if shutil.which(name) is None]


def facts() -> Facts:
    """Return what will be tested with what."""
    said = _said("opensips", "-V")
    version = re.search(r"version: opensips (\S+)", said)
    revision = re.search(r"git revision: (\S+)", said)
    found = re.match(r"[\d.]*\d", platform.release())
    kernel = found[0] if found else _UNKNOWN
    changed = _said("git", "status", "--porcelain", "--", ".", ":(exclude)benchmarks/opensips/suite-*.md")
    return Facts(
        version[1] if version else _UNKNOWN,
        revision[1] if revision else f"{_UNKNOWN} (`opensips -V` names none)",
        _said("git", "rev-parse", "HEAD").strip() or _UNKNOWN,
        len(changed.splitlines()),
        datetime.now(UTC),
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {kernel}",
        platform.python_version(),
    )


def _said(*command: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def page(known: Facts, outcomes: Sequence[Outcome], code: int) -> str:
    """Return the result as Markdown."""
    counts = Counter(one.outcome for one in outcomes)
    totals = ", ".join(f"{counts[word]} {word}" for word in ("passed", "failed", "error", "skipped"))
    verdict = "passed" if code == 0 else f"NOT PASSED (exit code {code})"
    tree = "clean" if not known.changed else f"NOT CLEAN: {known.changed} files differ from the commit"
    head = f"""# The whole path against OpenSIPS {known.version}

Written by `make opensips-suite`.

**{verdict}**: {totals}, {sum(one.seconds for one in outcomes):.0f} s.

| | |
|---|---|
| OpenSIPS | {known.version}, git revision {known.revision} |
| Dialtone | {known.commit}, tree {tree} |
| date | {known.at:%Y-%m-%d %H:%M} UTC |
| machine | {known.machine} |
| Python | {known.python} |

| test | outcome | seconds |
|---|---|---|
"""
    return head + "".join(f"| `{_cell(one.test)}` | {_told(one)} | {one.seconds:.1f} |\n" for one in outcomes)


def _told(one: Outcome) -> str:
    word = one.outcome if one.outcome in ("passed", "skipped") else f"**{one.outcome}**"
    return f"{word}: {_cell(one.why)}" if one.why else word


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite; return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.opensips.suite", description=__doc__)
    parser.add_argument("--tests", type=Path, default=ROOT / "tests", help="where the tests are")
    parser.add_argument("--into", type=Path, default=FOLDER, help="where the result goes")
    given = parser.parse_args(argv)
    if lacks := missing():
        print("make opensips-suite:", "; ".join(lacks), file=sys.stderr)  # noqa: T201
        return UNAVAILABLE
    known, recorder = facts(), Recorder()
    code = int(pytest.main(["-m", "opensips", str(given.tests)], [recorder]))
    if not code and not any(one.outcome == "passed" for one in recorder.outcomes):
        print("make opensips-suite: nothing was tested, all was skipped", file=sys.stderr)  # noqa: T201
        code = UNAVAILABLE
    file = given.into / f"suite-{re.sub(r'[^0-9A-Za-z.-]', '_', known.version)}.md"
    file.write_text(page(known, recorder.outcomes, code))
    print(f"make opensips-suite: the result is in {file}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
