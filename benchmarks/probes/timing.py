"""Compares the timings of the sippy engine, and of SIPp beside it, with packet stamps of the same probes.

    python -m benchmarks.probes timing [--rate 50] [--seconds 30] [--format text|json] [--sabotage]

Exit 0: every timing is within the limits; 1: not; 2: a wrong option; 3: it could not be measured. Needs
the right to capture on the loopback interface (root, or dumpcap for its group), SIPp, and what the lab's
SIP front needs.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.command import measured
from benchmarks.probes import peer, report
from benchmarks.probes.capture import CaptureError, capturing
from benchmarks.probes.comparison import Pair, Row, compare
from benchmarks.probes.front import MOST_CALLS, Front, free_port, front
from benchmarks.probes.load import Load, Placing
from benchmarks.probes.packets import RULES, Wire, first_call_id
from dialtone.model import Engine, Flow, ProbeRun
from dialtone.runtime.clock import SystemClock
from lab.base import LabError
from synthetic.agents.link import GRACE, WORKER, SippyProber
from synthetic.agents.pool import worker_pool

_MOST_SECONDS: Final = 600.0
_WARM: Final = 3.0
"""Seconds of the same load before what counts: as many workers run then as it takes."""
_SPOILT: Final = "benchmarks.probes.late_worker"
_FLOWS: Final = {
    "rrd": (Flow.REGISTER, "REGISTER"),
    "srd": (Flow.CALL, "INVITE"),
    "sdd": (Flow.CALL, "INVITE"),
}
"""Which probes a timing is of, and the request in their evidence that tells the Call-ID."""


async def measure(folder: Path, rate: float, seconds: float, *, sabotage: bool) -> report.Result:
    """Run the whole comparison. Raises LabError, CaptureError, PeerError."""
    sipp, before = peer.version(), os.getloadavg()[0]
    async with front(folder, rate) as platform:
        heard = None
        async with capturing(folder, platform.port) as capture:
            load = await _engine(platform, rate, seconds, sabotage=sabotage)
            if not sabotage:
                phones = peer.Peer(folder, platform.port, platform.phones)
                heard = await phones.place(free_port, rate=rate, seconds=seconds)
    wire = Wire(await capture.packets(), platform.port)
    return report.Result(
        rate=rate,
        seconds=seconds,
        achieved=load.calls_per_second,
        outcomes=load.outcomes(),
        rows=[row(timing, load, wire) for timing in RULES],
        peer=[] if heard is None else [compare(Engine.SIPP, t, heard.pairs(t, wire)) for t in RULES],
        packets=capture.received,
        dropped=capture.dropped,
        machine=report.machine(sipp=sipp, front=platform.version),
        load=(before, os.getloadavg()[0]),
        sabotaged=sabotage,
    )


async def _engine(platform: Front, rate: float, seconds: float, *, sabotage: bool) -> Load:
    """Place the probes as the service does: through a pool of workers."""
    clock = SystemClock()
    async with worker_pool(_SPOILT if sabotage else WORKER, clock, grace=GRACE) as workers:
        prober = SippyProber(workers, clock)
        await Placing(prober, clock, platform.phones, platform.target, name="warm").run(rate, _WARM)
        return await Placing(prober, clock, platform.phones, platform.target).run(rate, seconds)


def row(timing: str, load: Load, wire: Wire) -> Row:
    """Compare one timing of the probes that passed with the packets."""
    flow, method = _FLOWS[timing]
    return compare(Engine.SIPPY, timing, [_pair(timing, method, run, wire) for run in load.passed(flow)])


def _pair(timing: str, method: str, run: ProbeRun, wire: Wire) -> Pair:
    call_id = first_call_id([message.text for message in run.evidence.messages], method)
    span = None if call_id is None else wire.span(timing, call_id)
    return run.result.timings.get(timing), None if span is None else span.seconds


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.probes timing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second (default: 50)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for how long (default: 30)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--sabotage", action="store_true", help="spoil the engine's stamps: every row must fail, exit code 1"
    )
    arguments = parser.parse_args(words)
    if not 1 <= arguments.rate <= MOST_CALLS:
        parser.error(f"--rate: from 1 to {MOST_CALLS:g} calls a second")
    if not 1 <= arguments.seconds <= _MOST_SECONDS:
        parser.error(f"--seconds: from 1 to {_MOST_SECONDS:g}")
    return arguments


def main(words: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    arguments = _arguments(words)
    result = measured(
        "probes",
        lambda folder: measure(folder, arguments.rate, arguments.seconds, sabotage=arguments.sabotage),
        LabError,
        CaptureError,
        peer.PeerError,
    )
    print(report.as_json(result) if arguments.format == "json" else report.as_text(result))  # noqa: T201
    return 0 if result.passes else 1
