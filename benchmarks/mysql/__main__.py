"""What watching MySQL and MariaDB costs us.

    python -m benchmarks.mysql poll [--stages pair,galera,mariadb-11,mysql-9] [--polls 300]

Exit 0: within the limit; 1: not; 2: a wrong option; 3: it could not be run. The servers are the lab's own:
real ones, on loopback.
"""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from typing import Final

import anyio

from benchmarks.mysql import poll
from dialtone.runtime import logs
from lab.base import LabError
from lab.mysql.faults.stages import STAGES

_STAGES: Final = "pair,galera,mariadb-11,mysql-9"


def _poll(options: argparse.Namespace) -> bool:
    costs = anyio.run(poll.measure, options.stages, options.polls)
    titles = f"{'CPU, ms a poll':14} {'version':10} {'server':8}"
    print(f"{titles} {'n':>5} {'samples':>8} {'median':>8} {'p99':>8}")  # noqa: T201
    for cost in costs:
        median, most = 1000 * cost.median, 1000 * cost.most
        place = f"{cost.stage:14} {cost.version:10} {cost.server:8}"
        print(f"{place} {len(cost.polls):>5} {cost.samples:>8} {median:>8.2f} {most:>8.2f}")  # noqa: T201
    print(f"\nLimit: a median of {1000 * poll.MOST:g} ms.")  # noqa: T201
    return all(cost.median < poll.MOST for cost in costs)


def _stages(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if wrong := [name for name in names if name not in STAGES]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is none of {', '.join(STAGES)}")
    return names


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.mysql", description=(__doc__ or "").splitlines()[0])
    command = parser.add_subparsers(required=True).add_parser("poll")
    command.set_defaults(work=_poll)
    command.add_argument("--stages", type=_stages, default=_stages(_STAGES))
    command.add_argument("--polls", type=int, default=300)
    arguments = parser.parse_args(words)
    if not 0 < arguments.polls < 1_000_000:
        parser.error("--polls: must be over 0")
    return arguments


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    logs.configure("error", "text", sys.stderr)
    before = os.getloadavg()[0]
    try:
        right = arguments.work(arguments)
    except (LabError, OSError, ValueError) as error:
        print(f"benchmarks.mysql: {error}", file=sys.stderr)  # noqa: T201
        return 3
    print(f"Python {platform.python_version()}, load average {before:.1f} before.")  # noqa: T201
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
