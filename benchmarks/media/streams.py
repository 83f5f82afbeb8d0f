"""Measures what a two-way G.711 stream costs: 50 packets a second spoken, 50 heard, told apart and counted.

    python -m benchmarks.media streams [--streams 100] [--seconds 20] [--no-sipp]

All our ends are in one process, as in a worker of the sippy engine, their partners in another one. Exit 0:
an end of ours takes under the limit, and no packet was lost; 1: not; 2: a wrong option; 3: it could not be
measured. The peers, after it: sippy's own RTP, in the same way, and SIPp (left out with --no-sipp).
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.command import measured
from benchmarks.media import pair, sipp
from benchmarks.media.lateness import Lateness
from benchmarks.media.pair import Pair, PairError
from benchmarks.probes import peer, report
from benchmarks.probes.comparison import percentile

LIMIT: Final = 0.0025
"""The share of a core that one two-way stream may take."""
OURS: Final = "Dialtone"
SIPPY: Final = "sippy's RTP"

_NEAR: Final = "benchmarks.media.own_ends"
_FAR: Final = "benchmarks.media.noting_ends"
_PEER: Final = "benchmarks.media.sippy_ends"
_MOST_STREAMS: Final = 500
_MOST_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Result:
    """A whole run; `peer` is sippy's RTP, `sipp` is None where it was left out."""

    ours: Pair
    peer: Pair
    sipp: sipp.Cost | None
    machine: Mapping[str, str]
    load: Sequence[float]

    @property
    def faults(self) -> list[str]:
        """Why it fails; empty where it is within the limits."""
        ours = self.ours
        dropped = ours.near.dropped + ours.far.dropped
        said = []
        if not ours.cost < LIMIT:
            said.append(f"a stream takes {ours.cost:.3%} of a core, not under {LIMIT:.2%}")
        if ours.lost or dropped:
            said.append(f"{ours.lost} packets lost, {dropped} dropped by the kernel")
        if ours.unsent:
            said.append(f"{ours.unsent} packets were due and never sent")
        if wrong := sum(end.found != "voice" for end in (*ours.near.ends, *ours.far.ends)):
            said.append(f"{wrong} ends did not hear the voice of their partner")
        return said


async def measure(folder: Path, streams: int, seconds: float, *, with_sipp: bool) -> Result:
    """Run one after the other. Raises PairError, PeerError."""
    version = peer.version() if with_sipp else "left out"
    before = os.getloadavg()[0]
    ours = await pair.talk(OURS, _NEAR, _FAR, streams, seconds)
    theirs = await pair.talk(SIPPY, _PEER, _PEER, streams, seconds)
    cost = await sipp.measure(folder, streams, seconds) if with_sipp else None
    return Result(ours, theirs, cost, report.machine(sipp=version), (before, os.getloadavg()[0]))


def as_text(result: Result, seconds: float) -> str:
    """Return the tables, in Markdown, and the verdict."""
    ours = result.ours
    lines = [f"{name}: {value}" for name, value in result.machine.items()]
    lines += [
        f"load average before and after: {', '.join(f'{value:.1f}' for value in result.load)}",
        f"{ours.calls} calls, {seconds:g} s of what counts; packets are of both sides and of all the talk",
        "",
        "| | of a core, a stream | packets sent | came | lost | dropped by the kernel |",
        "|---|---|---|---|---|---|",
        *map(_row, (ours, result.peer)),
    ]
    if result.sipp is not None:
        lines += [
            f"| SIPp's rtp_stream, which never listens | {result.sipp.speaking:.3%} | | | | |",
            f"| SIPp's rtp_echo | {result.sipp.echoing:.3%} | | | | |",
        ]
    lines += [
        "",
        *_floor(ours),
        f"Limit: {LIMIT:.2%} of a core for a stream of ours, nothing lost, dropped or left out.",
        *(f"fault: {fault}" for fault in result.faults),
        f"verdict: {'FAIL' if result.faults else 'pass'}",
    ]
    return "\n".join(lines)


def _floor(ours: Pair) -> list[str]:
    """Return what our own pacing does to a stream, as its listener's kernel stamps it."""
    jitter = sorted(1e3 * end.jitter for end in ours.far.ends if end.jitter is not None)
    if not jitter:
        return []
    mean, p99, most = sum(jitter) / len(jitter), percentile(jitter, 0.99), jitter[-1]
    late = Lateness(**ours.far.more["lateness"])
    figures = ", ".join(
        f"{1e3 * value:.2f} ms ({name})"
        for name, value in (("p50", late.p50), ("p99", late.p99), ("most", late.most))
    )
    return [
        f"Jitter floor, ours: mean {mean:.3f} ms, p99 of the streams {p99:.3f} ms, most {most:.3f} ms.",
        f"Pacing, ours: a packet leaves late by {figures}; {late.packets:,} packets.",
        "",
    ]


def _row(one: Pair) -> str:
    sent, came = one.near.sent + one.far.sent, one.near.received + one.far.received
    dropped = one.near.dropped + one.far.dropped
    return f"| {one.who} | {one.cost:.3%} | {sent:,} | {came:,} | {one.lost:,} | {dropped:,} |"


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks.media streams", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=100, help="calls at once (default: 100)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each kind (default: 20)")
    parser.add_argument("--no-sipp", action="store_true", help="leave SIPp out")
    arguments = parser.parse_args(words)
    if not 1 <= arguments.streams <= _MOST_STREAMS:
        parser.error(f"--streams: from 1 to {_MOST_STREAMS}")
    if not 2 <= arguments.seconds <= _MOST_SECONDS:
        parser.error(f"--seconds: from 2 to {_MOST_SECONDS:g}")
    return arguments


def main(words: Sequence[str]) -> int:
    """Measure and print; return the exit code."""
    arguments = _arguments(words)
    result = measured(
        "media",
        lambda folder: measure(folder, arguments.streams, arguments.seconds, with_sipp=not arguments.no_sipp),
        PairError,
        peer.PeerError,
    )
    print(as_text(result, arguments.seconds))  # noqa: T201
    return 1 if result.faults else 0
