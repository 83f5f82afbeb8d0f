"""Runs the service with calls of many tenants for half an hour and looks whether anything of it grows.

    python -m benchmarks.soak [--minutes 30] [--rate 20]

Exit 0: memory flat and everything given back; 1: not; 2: a wrong option; 3: it could not be run. Needs what
the lab's SIP front needs.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import yaml

from benchmarks.processes import Holding, alive, holding
from benchmarks.service import Service, ServiceError, serving
from benchmarks.soak.verdict import Check, Ended, judge
from dialtone.cli.signals import SignalledError, until_signal
from dialtone.runtime import logs
from lab import lab
from lab.base import LabError
from lab.sample import Size
from lab.state import LabState

_INTERVAL: Final = 5
"""Seconds between a tenant's calls: the shortest that leaves time for a confirmation."""
_LOOK: Final = 10.0
_OUTCOMES: Final = "dialtone_probe_outcome"


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
    seen: set[int] = set()
    async with serving(_configuration(state, rate)) as service:
        holdings = await _watched(service, seconds, seen)
        outcomes = await service.sums(_OUTCOMES, "outcome")
    ended = Ended(service.code, sum(map(alive, seen)), len(list(_litter(state.root / "data"))))
    return judge(holdings, outcomes, ended, asked=seconds * rate), holdings


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


async def _watched(service: Service, seconds: float, seen: set[int]) -> list[Holding]:
    """Look every _LOOK seconds; note in `seen` every process that there was."""
    holdings: list[Holding] = []
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        service.check()
        holdings.append(await anyio.to_thread.run_sync(holding, service.process.pid, now))
        seen.update(holdings[-1].pids)
        await anyio.sleep(_LOOK - (time.monotonic() - began) % _LOOK)
        if sys.stderr.isatty():
            print(f"\r{now / 60:5.1f} min, {holdings[-1].memory >> 20} MiB", end="", file=sys.stderr)  # noqa: T201
    return holdings


def _litter(data: Path) -> list[Path]:
    """Return what a service that ended in order must not leave behind."""
    return [*data.glob("spool/*"), *data.glob("evidence/*/*/.unfinished-*")]


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
    """Run and print; return the exit code. A signal takes down what had come up."""
    arguments = _arguments(words)
    logs.configure("warning", "text", sys.stderr)
    with tempfile.TemporaryDirectory(prefix="dialtone-soak-") as folder:
        work = functools.partial(soak, Path(folder), arguments.minutes, arguments.rate)
        try:
            checks, holdings = anyio.run(until_signal, work)
        except SignalledError as ended:
            return ended.code
        except (LabError, ServiceError, ValueError) as error:
            print(f"benchmarks.soak: {error}", file=sys.stderr)  # noqa: T201
            return 3
    print(as_text(checks, holdings))  # noqa: T201
    return 0 if all(check.right for check in checks) else 1


def as_text(checks: Sequence[Check], holdings: Sequence[Holding]) -> str:
    """Return the report, 80 columns: ten moments, then the checks."""
    lines = ["minute  memory MiB  descriptors  sockets  threads  processes"]
    step = max(1, len(holdings) // 10)
    lines += [
        f"{one.at / 60:6.1f} {one.memory / (1 << 20):11.1f} {one.descriptors:12} {one.sockets:8}"
        f" {one.threads:8} {len(one.pids):10}"
        for one in holdings[::step]
    ]
    lines += [f"{'ok ' if check.right else 'RED'} {check.name}: {check.seen}" for check in checks]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
