"""What watching MySQL and MariaDB costs, beside mysqld_exporter, and what each of us says of faults.

    python -m benchmarks.mysql poll     [--polls 300]
    python -m benchmarks.mysql exporter [--rounds 100] [--exporter PATH]
    python -m benchmarks.mysql faults   [--only WORD ...] [--exporter PATH]

Exit 0: within the limits; 1: not; 2: a wrong option; 3: it could not be run. The servers are the lab's: real
ones, on loopback. Without --exporter it is prometheus-mysqld-exporter or mysqld_exporter on PATH; where
neither is, these two commands are left out with a word. `faults` prints Markdown, and its progress to stderr.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import anyio

from benchmarks.mysql import beside, faults, peer, poll
from benchmarks.mysql.markdown import markdown
from dialtone.model import CollectError
from dialtone.runtime import logs
from lab.base import LabError
from lab.mysql.faults.case import Case
from lab.mysql.faults.matrix import Row
from lab.mysql.faults.table import FAULTS

_MISSING: Final = f"Left out: neither --exporter nor {' or '.join(peer.PROGRAMS)} on PATH."


def _poll(options: argparse.Namespace) -> bool:
    costs = anyio.run(poll.measure, options.polls)
    titles = f"{'CPU, ms a poll':36} {'n':>4} {'samples':>8} {'median':>7} {'most':>7}"
    print(f"{titles} {'collect() alone':>16}")  # noqa: T201
    for cost in costs:
        median, most, alone = (1000 * value for value in (cost.median, cost.most, cost.collecting))
        figures = f"{len(cost.polls):>4} {cost.samples:>8} {median:>7.2f} {most:>7.2f} {alone:>16.2f}"
        print(f"{cost.server:36} {figures}")  # noqa: T201
    print(f"\nLimit: a median of {1000 * poll.MOST:g} ms.")  # noqa: T201
    return all(cost.right for cost in costs)


def _exporter(options: argparse.Namespace) -> bool | None:
    program = peer.program(options.exporter)
    if program is None:
        print(_MISSING)  # noqa: T201
        return None
    asked = anyio.run(beside.measure, options.rounds, program)
    print(f"mysqld_exporter {peer.version(program)}, n={options.rounds} each, in turn; milliseconds")  # noqa: T201
    titles = f"{'server':36} {'asked by':30} {'median':>7} {'p95':>7}"
    print(f"{titles} {'CPU':>7} {'CPU of the server':>18}")  # noqa: T201
    for one in asked:
        median, late, cpu, load = (1000 * value for value in (one.median, one.late, one.cpu, one.load))
        print(  # noqa: T201
            f"{one.server:36} {one.who:30} {median:>7.2f} {late:>7.2f} {cpu:>7.2f} {load:>18.2f}"
        )
    print(  # noqa: T201
        f"\nlean: {', '.join(peer.LEAN)}.\n"
        f"Limit: the median of ours is no longer than that of {beside.THEIRS} with its defaults."
    )
    return beside.not_slower(asked)


def _faults(options: argparse.Namespace) -> bool | None:
    cases = _cases(options.only)
    program = peer.program(options.exporter)
    if program is None:
        print(_MISSING, file=sys.stderr)  # noqa: T201
        return None
    table = anyio.run(faults.measure, cases, program, _progress)
    words = "".join(f" --only {word!r}" for word in options.only)
    heading = (
        "# What Dialtone and mysqld_exporter say of faults\n\n"
        f"`python -m benchmarks.mysql faults{words}`, {datetime.now(UTC):%Y-%m-%d}, "
        f"mysqld_exporter {peer.version(program)}."
    )
    print(markdown(table, heading))  # noqa: T201
    return table.right


def _progress(row: Row) -> None:
    print(f"{row.case.stage:11} {row.case.name:46} {row.wrong or row.polls}", file=sys.stderr)  # noqa: T201


def _cases(only: Sequence[str]) -> list[Case]:
    """Return the faults of these stages, or with these words in their names; all without any."""
    words = [word.casefold() for word in only]
    found = [
        case
        for case in FAULTS
        if not words or any(word == case.stage or word in case.name.casefold() for word in words)
    ]
    if not found:
        raise ValueError(f"no fault is called {' or '.join(only)}")
    return found


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.mysql", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    polls = commands.add_parser("poll")
    polls.set_defaults(work=_poll)
    polls.add_argument("--polls", type=_count, default=300)
    pair = commands.add_parser("exporter")
    pair.set_defaults(work=_exporter)
    pair.add_argument("--rounds", type=_count, default=100)
    table = commands.add_parser("faults")
    table.set_defaults(work=_faults)
    table.add_argument("--only", action="append", default=[], metavar="WORD")
    for command in (pair, table):
        command.add_argument("--exporter", default="", metavar="PATH")
    return parser.parse_args(words)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1_000_000:
        raise argparse.ArgumentTypeError("a number over 0")
    return int(text)


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    logs.configure("error", "text", sys.stderr)
    before = os.getloadavg()[0]
    try:
        right = arguments.work(arguments)
    except (CollectError, LabError, OSError, ValueError) as error:
        print(f"benchmarks.mysql: {error}", file=sys.stderr)  # noqa: T201
        return 3
    if right is None:
        return 0
    print(
        f"{os.cpu_count()} CPUs, Python {platform.python_version()}, load average {before:.1f} to "
        f"{os.getloadavg()[0]:.1f}\nverdict: {'pass' if right else 'FAIL'}",
        file=sys.stderr if arguments.work is _faults else sys.stdout,
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
