"""Has the service place four probes a minute of each of 1,000 tenants, and looks when they begin.

    python -m benchmarks.tenants [--tenants 1000] [--minutes 5]

Exit 0: none skipped, none late by more than a second, at least 99.9 % passed; 1: not; 2: a wrong option;
3: it could not be run. Needs what the lab's SIP front and its Asterisk need.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from benchmarks.command import measured
from benchmarks.service import Service, ServiceError, serving
from benchmarks.tenants.lateness import spread
from benchmarks.tenants.load import INTERVAL, PHONES, PROBES, configure
from benchmarks.tenants.usage import look
from benchmarks.tenants.verdict import Span, Usage, Verdict, as_text, judge, usage
from dialtone.config import load
from dialtone.model import Scope
from dialtone.store import open_store
from lab import lab
from lab.base import LabError
from lab.sample import Size
from lab.state import LabState

_LOOK: Final = 15.0
"""Seconds between two looks, each with a scrape: Prometheus's usual interval."""
_WARM_UP: Final = 1
"""Whole slots that are not judged."""
_ENDING: Final = 20.0
"""Seconds after the last slot in which its probes end."""
_MOST_RESULTS: Final = 10_000_000


async def run(folder: Path, clients: int, minutes: int) -> tuple[Verdict, Usage, list[str]]:
    """Run it all. Raises LabError, ServiceError, and ValueError where no probe was placed."""
    name = f"tenants-{os.getpid()}"
    try:
        state = await lab.up(
            name, only=["sip", "asterisk"], root=folder, size=Size(clients=clients, phones=PHONES)
        )
        return await _serve(state, clients, minutes)
    finally:
        with anyio.CancelScope(shield=True):
            await lab.down(name, root=folder)


async def _serve(state: LabState, clients: int, minutes: int) -> tuple[Verdict, Usage, list[str]]:
    config = configure(state, clients)
    settings = load(config)
    async with serving(config) as service:
        span = _span(minutes)
        await _until(span.first * INTERVAL, service)
        looks, loads = [], []
        while True:
            looks.append(
                await anyio.to_thread.run_sync(look, service.process.pid, state.root, time.monotonic())
            )
            loads.append(os.getloadavg()[0])
            if time.time() >= span.end * INTERVAL:
                break
            await service.scrape()
            await _until(min(time.time() + _LOOK, span.end * INTERVAL), service)
        skipped = (await service.sums("dialtone_scheduler_skipped", "job_kind")).get("probe", 0.0)
        behind = (await service.sums("dialtone_scheduler_lateness_seconds", "job_kind")).get("probe", 0.0)
        await _until(time.time() + _ENDING, service)
    store = await open_store(settings.data)
    try:
        results = await store.results(Scope.everything(), limit=_MOST_RESULTS)
    finally:
        await store.aclose()
    planned = spread(settings.probes[0].tenants, tuple(spec.name for spec in settings.probes), INTERVAL)
    notes = [
        f"load average {min(loads):.1f} to {max(loads):.1f}, {os.cpu_count()} CPUs",
        f"the service says: {skipped:g} skipped since its start, {1000 * behind:.0f} ms late now",
    ]
    return judge(results, planned, span), usage(looks), notes


def _span(minutes: int) -> Span:
    first = math.ceil(time.time() / INTERVAL) + _WARM_UP
    return Span(first, first + minutes * 60 // INTERVAL)


async def _until(instant: float, service: Service) -> None:
    """Wait for an instant, in seconds since 1970. Raises ServiceError where the service ends before it."""
    while (left := instant - time.time()) > 0:
        service.check()
        await anyio.sleep(min(left, 1.0))


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.tenants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tenants", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--minutes", type=int, default=5, help="for how long (default: 5)")
    arguments = parser.parse_args(words)
    if not 1 <= arguments.tenants <= 5000:
        parser.error("--tenants: from 1 to 5000")
    if not 1 <= arguments.minutes <= 24 * 60:
        parser.error("--minutes: from 1 to a day's 1440")
    return arguments


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    verdict, used, notes = measured(
        "tenants",
        lambda folder: run(folder, arguments.tenants, arguments.minutes),
        LabError,
        ServiceError,
        ValueError,
    )
    print(f"{arguments.tenants} tenants x {', '.join(PROBES)} every {INTERVAL} s")  # noqa: T201
    print(as_text(verdict, used, notes))  # noqa: T201
    return 0 if verdict.right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
