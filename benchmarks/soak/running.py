"""The service under a load of its own making, looked at every ten seconds."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from benchmarks.processes import Holding, alive, holding
from benchmarks.service import Service, serving
from benchmarks.soak.verdict import Check, Ended

_LOOK: Final = 10.0
_OUTCOMES: Final = "dialtone_probe_outcome"


@dataclass(frozen=True, slots=True)
class Ran:
    """What was seen of it: what it held, how its probes ended by outcome, how it ended itself."""

    holdings: list[Holding]
    outcomes: dict[str, float]
    ended: Ended


async def serve(config: Path, data: Path, seconds: float) -> Ran:
    """Run `dialtone serve` on a configuration whose data folder that is. Raises ServiceError."""
    seen: set[int] = set()
    async with serving(config) as service:
        holdings = await _watched(service, seconds, seen)
        outcomes = await service.sums(_OUTCOMES, "outcome")
    ended = Ended(service.code, sum(map(alive, seen)), len(list(_litter(data))))
    return Ran(holdings, outcomes, ended)


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
