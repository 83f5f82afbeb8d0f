"""Writes a month of 1,000 tenants with four probes a minute, and measures status, statements and the store.

    python -m benchmarks.sla [--tenants 1000] [--results 1000000]

Exit 0: status of a tenant within 10 ms, of all within 1 s, all statements as JSON and HTML by two processes
within 2 minutes, the store under 2 GB; 1: not; 2: a wrong option; 3: it could not be run.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.command import measured
from benchmarks.sla.figures import Figures, measure
from benchmarks.sla.history import write
from benchmarks.sla.platform import configure, domains
from dialtone.config import load
from dialtone.ports import StoreError

LIMITS: Final = Figures(status_of_one=0.010, status_of_all=1.0, statements=120.0, size=2_000_000_000)


async def run(folder: Path, clients: int, results: int) -> Figures:
    """Make the store, and measure."""
    config = configure(folder, clients)
    await write(load(config), domains(clients), results)
    return await measure(config, domains(clients))


def as_text(found: Figures) -> str:
    """Return a table of what was found beside the limits."""
    rows = [
        (
            "status of one tenant",
            f"{found.status_of_one * 1000:.1f} ms",
            f"{LIMITS.status_of_one * 1000:g} ms",
        ),
        ("status of all", f"{found.status_of_all:.2f} s", f"{LIMITS.status_of_all:g} s"),
        ("all statements", f"{found.statements:.0f} s", f"{LIMITS.statements:g} s"),
        ("store", f"{found.size / 1e6:.0f} MB", f"{LIMITS.size / 1e6:.0f} MB"),
    ]
    return "\n".join(f"{what:22} {is_:>10}   limit {limit}" for what, is_, limit in rows)


def is_within(found: Figures) -> bool:
    """Whether everything is within its limit."""
    return (
        found.status_of_one <= LIMITS.status_of_one
        and found.status_of_all <= LIMITS.status_of_all
        and found.statements <= LIMITS.statements
        and found.size <= LIMITS.size
    )


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.sla", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tenants", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument(
        "--results", type=int, default=1_000_000, help="the newest so many (default: a million)"
    )
    arguments = parser.parse_args(words)
    if not 1 <= arguments.tenants <= 5000:
        parser.error("--tenants: from 1 to 5000")
    if not 10_000 <= arguments.results <= 20_000_000:
        parser.error("--results: from 10000 to 20000000")
    return arguments


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    found = measured(
        "sla", lambda folder: run(folder, arguments.tenants, arguments.results), StoreError, ValueError
    )
    print(as_text(found))  # noqa: T201
    return 0 if is_within(found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
