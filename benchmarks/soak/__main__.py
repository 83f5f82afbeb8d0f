"""Runs the service with calls of many tenants for half an hour and looks whether anything of it grows.

    python -m benchmarks.soak [--minutes 30] [--rate 20]

Exit 0: memory flat and everything given back; 1: not; 2: a wrong option; 3: it could not be run. Needs what
the lab's SIP front needs.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import yaml

from benchmarks.command import measured
from benchmarks.processes import Holding
from benchmarks.service import ServiceError
from benchmarks.soak.running import as_text, serve
from benchmarks.soak.verdict import Check, judge
from lab import lab
from lab.base import LabError
from lab.sample import Size
from lab.state import LabState

_INTERVAL: Final = 5
"""Seconds between a tenant's calls: the shortest that leaves time for a confirmation."""


async def soak(folder: Path, minutes: float, rate: float) -> tuple[list[Check], list[Holding]]:
    """Run it all. Raises LabError, ServiceError."""
    name = f"soak-{os.getpid()}"
    size = Size(clients=round(rate * _INTERVAL), phones=2)
    try:
        state = await lab.up(name, only=["sip"], root=folder, size=size)
        return await _serve(state, minutes * 60, rate)
    finally:
        with anyio.CancelScope(shield=True):
            await lab.down(name, root=folder)


async def _serve(state: LabState, seconds: float, rate: float) -> tuple[list[Check], list[Holding]]:
    ran = await serve(_configuration(state, rate), state.root / "data", seconds)
    return judge(ran.holdings, ran.outcomes, ran.ended, asked=seconds * rate), ran.holdings


def _configuration(state: LabState, rate: float) -> Path:
    """Write the lab's configuration with one probe of every tenant; return its path."""
    document = yaml.safe_load(state.config.read_text())
    document["probes"] = [
        {
            "name": "calls",
            "flow": "call",
            "target": f"sip:{state.addresses['sip']};transport=udp",
            "interval": f"{_INTERVAL}s",
            "timeout": "2s",
        }
    ]
    document["caps"] = {"calls_per_second": 4 * rate, "concurrent_calls": round(10 * rate)}
    path = state.root / "soak.yaml"
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
    return path


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="for how long (default: 30)")
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second (default: 20)")
    arguments = parser.parse_args(words)
    if not 2 <= arguments.minutes <= 24 * 60:
        parser.error("--minutes: from 2 to a day's 1440")
    if not 1 <= arguments.rate <= 100:
        parser.error("--rate: from 1 to 100 calls a second")
    return arguments


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    checks, holdings = measured(
        "soak",
        lambda folder: soak(folder, arguments.minutes, arguments.rate),
        LabError,
        ServiceError,
        ValueError,
    )
    print(as_text(checks, holdings))  # noqa: T201
    return 0 if all(check.right for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
