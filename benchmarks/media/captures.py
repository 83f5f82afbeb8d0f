"""Captures 100,000 packets of real calls with media, and has them analysed: time, memory, and every count.

    python -m benchmarks.media captures [--packets 100000] [--calls 40] [--keep FILE]

The same file is read by `dialtone capture analyze` and by the peer, `tshark -z rtp,streams`; both are held
against what the phones of the calls counted themselves. Exit 0: within 30 s and 500 MB of memory (all
processes of it together), and packets and losses of every stream are the same in all three; 1: not; 2: a
wrong option; 3: it could not be measured. Needs the right to capture on the loopback interface, and what the
lab's SIP front needs.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from benchmarks.command import measured
from benchmarks.media.calls import MediaCalls
from benchmarks.media.counted import Compared, by_analysis, by_answerers, by_tshark, compare
from benchmarks.media.running import RunError, Took, run
from benchmarks.media.tally import Tally
from benchmarks.probes import report
from benchmarks.probes.capture import CaptureError, capturing
from benchmarks.probes.front import front
from dialtone.model import MediaPlan
from dialtone.runtime.clock import SystemClock
from lab.base import LabError
from synthetic.agents.link import sippy_prober

MOST_SECONDS: Final = 30.0
MOST_MEMORY: Final = 500_000_000
"""What the analysis of MEASURED packets may take, in seconds, and in bytes of all its processes together."""
MEASURED: Final = 100_000

_SECONDS: Final = 5.0
_A_CALL: Final = 88.0
"""Packets a second of a call that is up and is followed by the next: 100 while it talks."""
_RAMPS: Final = 5.0
"""Seconds of that many calls that what comes before and after them amounts to."""
_OTHERS: Final = 0.5
_MOST_CALLS: Final = 100
_MOST_PACKETS: Final = 2_000_000
_TSHARK: Final = ("-q", "--disable-protocol", "sdp", "--enable-heuristic", "rtp_udp", "-z", "rtp,streams")
"""Streams are found by what they look like: with SDP read, tshark takes longer than in proportion."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who read the capture: what it took, and how its counts differ from the phones'."""

    who: str
    took: Took
    compared: Compared


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run: how many packets the capture has, of how many calls, and who read it."""

    packets: int
    dropped: int
    size: int
    heard: Tally
    ours: Reader
    peer: Reader
    machine: Mapping[str, str]
    load: Sequence[float]

    @property
    def faults(self) -> list[str]:
        """Why it fails; empty where it is within the limits."""
        said = list(self.heard.faults)
        if self.dropped:
            said.append(f"the capture lost {self.dropped} packets")
        if self.packets < MEASURED:
            said.append(f"{self.packets:,} packets are fewer than {MEASURED:,}")
        if not self.ours.took.seconds < MOST_SECONDS:
            said.append(f"the analysis took {self.ours.took.seconds:.1f} s, not under {MOST_SECONDS:g}")
        if not self.ours.took.memory < MOST_MEMORY:
            said.append(f"it took {self.ours.took.memory / 1e6:.0f} MB, not under {MOST_MEMORY / 1e6:g}")
        readers = (self.ours, self.peer)
        return said + [f"{one.who}: {_said(one.compared)}" for one in readers if not one.compared.same]


async def measure(folder: Path, packets: int, calls: int, keep: Path | None) -> Result:
    """Run it all. Raises LabError, CaptureError, RunError."""
    before = os.getloadavg()[0]
    clock, media = SystemClock(), MediaPlan(_SECONDS)
    async with (
        front(folder, _OTHERS * calls) as platform,
        capturing(folder, platform.port, media=True) as capture,
        sippy_prober(clock) as prober,
    ):
        placing = MediaCalls(prober, platform.phones, platform.target, media, "captured")
        async with placing.kept_up(calls):
            await anyio.sleep(max(0.0, packets / (_A_CALL * calls) - _RAMPS))
    counted, heard = by_answerers(placing.runs), Tally()
    for one in placing.runs:
        heard.take(one)
    if keep is not None:
        shutil.copyfile(capture.file, keep)
    machine = report.machine(front=platform.version)
    words = [sys.executable, "-m", "dialtone", "capture", "analyze", str(capture.file), "--format", "json"]
    took, said = await run(words)
    try:
        ours = Reader("dialtone capture analyze", took, compare(by_analysis(json.loads(said)), counted))
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the analysis can't be understood: {type(error).__name__}: {error}") from None
    took, said = await run(["tshark", "-n", "-r", str(capture.file), *_TSHARK])
    try:
        peer = Reader("tshark -z rtp,streams", took, compare(by_tshark(said), counted))
    except ValueError as error:
        raise RunError(str(error)) from None
    return Result(
        capture.received,
        capture.dropped,
        capture.file.stat().st_size,
        heard,
        ours,
        peer,
        machine,
        (before, os.getloadavg()[0]),
    )


def as_text(result: Result) -> str:
    """Return the table, in Markdown, and the verdict."""
    lines = [f"{name}: {value}" for name, value in result.machine.items()]
    lines += [
        f"load average before and after: {', '.join(f'{value:.1f}' for value in result.load)}",
        f"a capture of {result.packets:,} packets, {result.size / 1e6:.1f} MB",
        f"calls: {result.heard}; {result.heard.up[0]:.1f} at once in the mean",
        "",
        "| | seconds | MB of memory, most | against the phones' own counts |",
        "|---|---|---|---|",
        *map(_row, (result.ours, result.peer)),
        "",
        f"Limits for the first: {MOST_SECONDS:g} s, {MOST_MEMORY / 1e6:g} MB, every count the same.",
        *(f"fault: {fault}" for fault in result.faults),
        f"verdict: {'FAIL' if result.faults else 'pass'}",
    ]
    return "\n".join(lines)


def _row(one: Reader) -> str:
    figures = f"{one.took.seconds:.1f} | {one.took.memory / 1e6:.0f}"
    return f"| {one.who} | {figures} | {_said(one.compared)} |"


def _said(one: Compared) -> str:
    if one.same:
        return f"{one.streams} streams, the same in each"
    others = f"{one.packets} with other packets, {one.lost} with other losses"
    return f"{one.streams} streams: {one.missing} missing, {others}"


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.media captures", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packets", type=int, default=110_000, help="about so many (default: 110000)")
    parser.add_argument("--calls", type=int, default=40, help="calls at once (default: 40)")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="copy the capture there")
    arguments = parser.parse_args(words)
    if not 1000 <= arguments.packets <= _MOST_PACKETS:
        parser.error(f"--packets: from 1000 to {_MOST_PACKETS}")
    if not 1 <= arguments.calls <= _MOST_CALLS:
        parser.error(f"--calls: from 1 to {_MOST_CALLS}")
    return arguments


def main(words: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    arguments = _arguments(words)
    result = measured(
        "media",
        lambda folder: measure(folder, arguments.packets, arguments.calls, arguments.keep),
        LabError,
        CaptureError,
        RunError,
    )
    print(as_text(result))  # noqa: T201
    return 1 if result.faults else 0
