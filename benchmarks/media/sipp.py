"""The other peer: SIPp's rtp_stream on one side of as many calls, its rtp_echo on the other.

It paces in bursts, and from one socket, which it never reads: what the echo sends back is dropped by the
kernel. So it is what sending alone costs in C, and what echoing does.
"""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from benchmarks.media.ends import HOST
from benchmarks.probes.front import free_port
from benchmarks.probes.peer import PeerError
from benchmarks.processes import cpu

_SCENARIO: Final = Path(__file__).with_name("streams.xml")
_VOICE: Final = "voice.raw"
_SECOND: Final = b"\x3f\xbf" * 4000
"""Of mu-law, loud; the scenario has it over and over."""
_SETUP: Final = 2.0
_WARM: Final = 2.0
_TIDY: Final = 20.0
"""Seconds: for all calls to be set up; of media before what counts; to end."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The share of a core that a stream took, of who speaks and of who echoes."""

    speaking: float
    echoing: float


async def measure(folder: Path, calls: int, seconds: float) -> Cost:
    """Run it. Raises PeerError."""
    (folder / _VOICE).write_bytes(_SECOND)
    echo, echo_media, caller, caller_media = (free_port() for _ in range(4))
    up = _SETUP + _WARM + seconds
    words = ["-sf", str(_SCENARIO), "-r", f"{calls / _SETUP:g}", "-l", str(calls), "-m", str(calls)]
    words += ["-d", str(round(1000 * (up + 1))), f"{HOST}:{echo}"]
    async with (
        _sipp(folder, echo, echo_media, "-sn", "uas", "-rtp_echo") as echoes,
        _sipp(folder, caller, caller_media, *words) as speaks,
    ):
        await anyio.sleep(_SETUP + _WARM)
        before, began = (cpu([speaks.pid]), cpu([echoes.pid])), anyio.current_time()
        await anyio.sleep(seconds)
        after, took = (cpu([speaks.pid]), cpu([echoes.pid])), anyio.current_time() - began
        with anyio.move_on_after(_TIDY):
            await speaks.wait()
        if speaks.returncode != 0:
            raise PeerError(f"SIPp's calls with media ended with code {speaks.returncode}")
    each = [(late - early) / took / calls for early, late in zip(before, after, strict=True)]
    return Cost(*each)


@asynccontextmanager
async def _sipp(folder: Path, port: int, media: int, *words: str) -> AsyncIterator[Process]:
    bound = ("-i", HOST, "-p", str(port), "-mi", HOST, "-mp", str(media), "-nostdin")
    process = await anyio.open_process(
        ["sipp", *bound, *words],
        cwd=folder,
        env={**os.environ, "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()
