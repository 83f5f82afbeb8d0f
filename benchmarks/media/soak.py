"""Runs the service with a hundred calls with media up at any moment, and looks whether anything suffers.

    python -m benchmarks.media soak [--minutes 10] [--calls 100]

The service is `dialtone serve` on the lab's SIP front; each call has five seconds of media. Exit 0: as
benchmarks.soak, and every call passed, no packet was lost, and every stream has a MOS of 4.3; 1: not;
2: a wrong option; 3: it could not be run.
"""

import argparse
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import yaml

from benchmarks.command import measured
from benchmarks.media.tally import Tally, checks, tally
from benchmarks.processes import Holding
from benchmarks.service import ServiceError
from benchmarks.soak.running import as_text, serve
from benchmarks.soak.verdict import Check, judge
from dialtone.store.sqlite import FILE_NAME
from lab import lab
from lab.base import LabError
from lab.sample import Size
from lab.state import LabState

_SECONDS: Final = 5
"""Of media in each call."""
_LASTS: Final = 5.25
"""Seconds from the begin of such a probe to its end: it registers, rings, talks, waits for what is late."""
_TIMEOUT: Final = 8.5
_INTERVAL: Final = 18
"""Seconds between a tenant's calls: the shortest that leaves time for a confirmation."""
_MOST_CALLS: Final = 500


async def soak(folder: Path, minutes: float, calls: int) -> tuple[list[Check], list[Holding], Tally]:
    """Run it all. Raises LabError, ServiceError."""
    name = f"media-{os.getpid()}"
    tenants = math.ceil(calls * _INTERVAL / _LASTS)
    try:
        state = await lab.up(name, only=["sip"], root=folder, size=Size(clients=tenants, phones=2))
        data = state.root / "data"
        rate, seconds = tenants / _INTERVAL, minutes * 60
        ran = await serve(_configuration(state, rate, calls), data, seconds)
        heard = await anyio.to_thread.run_sync(tally, data / FILE_NAME)
        judged = judge(ran.holdings, ran.outcomes, ran.ended, asked=(seconds - _LASTS) * rate)
        mean, most = heard.up
        up = Check("calls up in the mean", f"{mean:.1f} of {calls}, {most} the most", mean >= 0.9 * calls)
        return [*judged, up, *checks(heard)], ran.holdings, heard
    finally:
        with anyio.CancelScope(shield=True):
            await lab.down(name, root=folder)


def _configuration(state: LabState, rate: float, calls: int) -> Path:
    """Write the lab's configuration with one probe of every tenant; return its path."""
    document = yaml.safe_load(state.config.read_text())
    document["probes"] = [
        {
            "name": "media",
            "flow": "call",
            "target": f"sip:{state.addresses['sip']};transport=udp",
            "interval": f"{_INTERVAL}s",
            "timeout": f"{_TIMEOUT}s",
            "media": {"for": f"{_SECONDS}s"},
        }
    ]
    document["caps"] = {"calls_per_second": math.ceil(4 * rate), "concurrent_calls": 2 * calls}
    path = state.root / "soak.yaml"
    path.write_text(yaml.safe_dump(document))
    path.chmod(0o600)
    return path


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.media soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long (default: 10)")
    parser.add_argument("--calls", type=int, default=100, help="up at any moment (default: 100)")
    arguments = parser.parse_args(words)
    if not 2 <= arguments.minutes <= 24 * 60:
        parser.error("--minutes: from 2 to a day's 1440")
    if not 1 <= arguments.calls <= _MOST_CALLS:
        parser.error(f"--calls: from 1 to {_MOST_CALLS}")
    return arguments


def main(words: Sequence[str]) -> int:
    """Run and print; return the exit code."""
    arguments = _arguments(words)
    before = os.getloadavg()[0]
    judged, holdings, heard = measured(
        "media",
        lambda folder: soak(folder, arguments.minutes, arguments.calls),
        LabError,
        ServiceError,
        ValueError,
    )
    print(as_text(judged, holdings))  # noqa: T201
    print(f"{heard}\nload average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")  # noqa: T201
    right = all(check.right for check in judged)
    print(f"verdict: {'pass' if right else 'FAIL'}")  # noqa: T201
    return 0 if right else 1
