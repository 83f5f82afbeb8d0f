"""Measures what a probe costs in CPU: in the workers, on the service's side, and SIPp for the same calls.

    python -m benchmarks.probes cpu [--rate 50] [--seconds 20] [--format text|json] [--profile FILE]

Exit 0: the signalling of a call probe is under the limit; 1: not; 2: a wrong option; 3: it could not be
measured.
With --profile the workers run under cProfile, which writes FILE (pstats) and spoils the figures: exit 1.
Needs SIPp, and what the lab's SIP front needs.
"""

import argparse
import json
import os
import pstats
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import anyio

from benchmarks.command import measured
from benchmarks.probes import peer, report
from benchmarks.probes.front import MOST_CALLS, Front, free_port, front
from benchmarks.probes.load import Placing
from benchmarks.probes.metered_worker import signalling
from benchmarks.probes.profiled_worker import STATS
from benchmarks.processes import cpu
from dialtone.config.settings import EvidenceLimits
from dialtone.model import Flow
from dialtone.runtime.clock import SystemClock
from lab.base import LabError
from synthetic.agents.link import GRACE, SippyProber
from synthetic.agents.pool import worker_pool

LIMIT: Final = 6.0
"""Milliseconds of CPU that the signalling of a call probe may take."""

_METERED: Final = "benchmarks.probes.metered_worker"
_PROFILED: Final = "benchmarks.probes.profiled_worker"
_MOST_SECONDS: Final = 600.0
_WARM: Final = 4.0
_IDLE: Final = 5.0
_ENDS: Final = 10.0
"""Seconds: of load before what counts, for as many workers as it takes; of idling; to write a profile."""


class CpuError(Exception):
    """It could not be measured. The message says why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one flow took: milliseconds of CPU a probe, in the workers and on the service's side.

    Of the workers' that is less what they take when idle; `signalling` is what of it their SIP side took
    (see metered_worker). The service's side is this process: the pool, the pipes, JSON, and the placing of
    the load.
    """

    flow: str
    outcomes: Mapping[str, int]
    signalling: float
    workers: float
    service: float

    @property
    def faults(self) -> list[str]:
        """Why it fails; empty where it is sound and within the limit."""
        placed, passed = sum(self.outcomes.values()), self.outcomes.get("pass", 0)
        said = []
        if passed < report.PASSES * placed or not placed:
            said.append(f"only {passed} of {placed} passed")
        if self.flow == Flow.CALL and not self.signalling < LIMIT:
            said.append(f"not under {LIMIT:g} ms")
        return said


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run; `peer` is SIPp's milliseconds for a call, both sides, with (un)registration."""

    rate: float
    seconds: float
    workers: int
    costs: Sequence[Cost]
    peer: float
    machine: Mapping[str, str]
    load: Sequence[float]
    profiled: bool

    @property
    def passes(self) -> bool:
        """The verdict."""
        return bool(self.costs) and not self.profiled and not any(cost.faults for cost in self.costs)


async def measure(folder: Path, rate: float, seconds: float, profile: Path | None) -> Result:
    """Run it all. Raises LabError, PeerError, CpuError."""
    sipp, before = peer.version(), os.getloadavg()[0]
    os.environ["TMPDIR"] = str(folder)  # where a worker under the profiler leaves its figures
    async with front(folder, rate) as platform:
        workers, costs = await _engine(platform, rate, seconds, _METERED if profile is None else _PROFILED)
        spent = _children()
        phones = peer.Peer(folder, platform.port, platform.phones)
        await phones.place(free_port, rate=rate, seconds=seconds, leaving=True)
        spent = _children() - spent
    if profile is not None:
        _keep_profile(folder, profile)
    return Result(
        rate=rate,
        seconds=seconds,
        workers=workers,
        costs=costs,
        peer=1e3 * spent / round(rate * seconds),
        machine=report.machine(sipp=sipp, front=platform.version),
        load=(before, os.getloadavg()[0]),
        profiled=profile is not None,
    )


async def _engine(platform: Front, rate: float, seconds: float, module: str) -> tuple[int, list[Cost]]:
    """Return how many workers there were, and what each flow took."""
    clock = SystemClock()
    costs = []
    async with worker_pool(module, clock, grace=GRACE + _ENDS) as pool:
        prober = SippyProber(pool, clock)

        def placing(name: str) -> Placing:
            every = EvidenceLimits().every
            return Placing(prober, clock, platform.phones, platform.target, name=name, every=every)

        await placing("warm").run(rate, _WARM)
        pids = list(_workers(module))
        idle = cpu(pids)
        await anyio.sleep(_IDLE)
        idle = (cpu(pids) - idle) / _IDLE
        for flow in (Flow.CALL, Flow.REGISTER):
            began, workers, service = time.monotonic(), cpu(pids), time.process_time()
            sip = _signalling(pids) if module == _METERED else 0.0
            load = await placing(flow).run(rate, seconds, [flow])
            service = time.process_time() - service
            workers = cpu(pids) - workers - idle * (time.monotonic() - began)
            sip = _signalling(pids) - sip if module == _METERED else 0.0
            if pids != list(_workers(module)):
                raise CpuError(
                    "a worker was started or ended meanwhile; the machine is too busy for this rate"
                )
            each = 1e3 / len(load.runs)
            costs.append(Cost(flow, load.outcomes(), each * sip, each * workers, each * service))
    return len(pids), costs


def _workers(module: str) -> Iterator[int]:
    """Give this process's children that run a module."""
    for task in Path("/proc/self/task").iterdir():
        for child in sorted(map(int, (task / "children").read_text().split())):
            with suppress(OSError):
                if module.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    yield child


def _signalling(pids: Sequence[int]) -> float:
    folder = Path(os.environ["TMPDIR"])
    return sum(signalling(folder, pid) for pid in pids)


def _children() -> float:
    """Return the CPU seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _keep_profile(folder: Path, file: Path) -> None:
    first, *others = map(str, folder.glob(STATS.format("*")))
    pstats.Stats(first).add(*others).dump_stats(file)


def as_text(result: Result) -> str:
    """Return the table and the verdict."""
    lines = [f"{name}: {value}" for name, value in result.machine.items()]
    lines += [
        f"load average before and after: {', '.join(f'{value:.1f}' for value in result.load)}",
        f"{result.rate:g} probes/s of each flow for {result.seconds:g} s; workers: {result.workers}",
        "",
        f"{'CPU, ms a probe':18}{'n':>6}{'signalling':>12}{'all of it':>11}{'service':>9}",
    ]
    for cost in result.costs:
        count = sum(cost.outcomes.values())
        verdict = "; ".join(cost.faults) or "sound"
        took = f"{cost.signalling:12.2f}{cost.workers:11.2f}{cost.service:9.2f}"
        lines.append(f"{cost.flow:18}{count:6}{took}  {verdict}")
    lines += [
        f"{'SIPp, same calls':18}{round(result.rate * result.seconds):6}{'':12}{result.peer:11.2f}",
        "",
        *(["PROFILED: the figures say nothing."] if result.profiled else []),
        f"Limit: {LIMIT:g} ms of signalling for a call: register, INVITE, both legs, BYE, unregister.",
        "All of it: the workers' CPU, with their event loop, flows, JSON and evidence.",
        f"verdict: {'pass' if result.passes else 'FAIL'}",
    ]
    return "\n".join(lines)


def as_json(result: Result) -> str:
    """Return all of it as one JSON object."""
    document = asdict(result) | {"limit": LIMIT, "passes": result.passes}
    document["costs"] = [asdict(cost) | {"faults": cost.faults} for cost in result.costs]
    return json.dumps(document, indent=1, allow_nan=False)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.probes cpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=50.0, help="probes a second (default: 50)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long (default: 20)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="profile the workers into this file")
    arguments = parser.parse_args(words)
    if not 1 <= arguments.rate <= MOST_CALLS:
        parser.error(f"--rate: from 1 to {MOST_CALLS:g} probes a second")
    if not 5 <= arguments.seconds <= _MOST_SECONDS:
        parser.error(f"--seconds: from 5 to {_MOST_SECONDS:g}")
    return arguments


def main(words: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    arguments = _arguments(words)
    result = measured(
        "probes",
        lambda folder: measure(folder, arguments.rate, arguments.seconds, arguments.profile),
        LabError,
        CpuError,
        peer.PeerError,
    )
    print(as_json(result) if arguments.format == "json" else as_text(result))  # noqa: T201
    return 0 if result.passes else 1
