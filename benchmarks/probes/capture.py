"""Takes packets off the loopback interface: dumpcap, which stamps in nanoseconds, read by tshark.

Both come with Debian's package tshark. tcpdump stamps no better and would be one package more.
"""

import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, Process

from benchmarks.probes.packets import FIELDS, SipPacket, parse

_INTERFACE: Final = "lo"
_BUFFER: Final = 64
"""Megabytes in the kernel for what dumpcap has not taken yet."""
_STARTS: Final = 10.0
_FLUSHES: Final = 1.0
_STOPS: Final = 10.0
_READS: Final = 120.0
"""Seconds: until it captures; until the kernel has handed over the last block; to end; to read all of it."""
_CAPTURES: Final = "File: "
_COUNTS: Final = re.compile(r"Packets received/dropped on interface .*: (\d+)/(\d+)")


class CaptureError(Exception):
    """Packets can't be had. The message says why and how to mend it."""


class Capture:
    """A capture of one UDP port. `received` and `dropped` are packets, known once it has ended."""

    def __init__(self, file: Path, port: int) -> None:
        self.file = file
        self.received = 0
        self.dropped = 0
        self._port = port

    async def packets(self) -> list[SipPacket]:
        """Read the SIP messages. Raises CaptureError."""
        columns = [word for name in FIELDS for word in ("-e", name)]
        words = ["tshark", "-n", "-r", str(self.file), "-d", f"udp.port=={self._port},sip"]
        words += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=f", *columns]
        try:
            with anyio.fail_after(_READS):
                done = await anyio.run_process(words, check=False)
        except FileNotFoundError:
            raise CaptureError("there is no tshark on PATH: apt-get install tshark") from None
        except TimeoutError:
            raise CaptureError(f"tshark did not read the capture within {_READS:g} s") from None
        if done.returncode != 0:
            raise CaptureError(f"tshark can't read the capture: {_last_words(done.stderr.decode())}")
        try:
            return parse(done.stdout.decode(errors="replace").splitlines())
        except ValueError as error:
            raise CaptureError(f"the packets can't be judged by: {error}") from None

    def take_counts(self, said: str) -> None:
        """Read dumpcap's last words. Raises CaptureError where they are not there."""
        counts = _COUNTS.search(said)
        if counts is None:
            raise CaptureError(f"dumpcap did not end in order: {_last_words(said)}")
        self.received, self.dropped = int(counts[1]), int(counts[2])


@asynccontextmanager
async def capturing(folder: Path, port: int, *, media: bool = False) -> AsyncIterator[Capture]:
    """Capture what this UDP port sends and receives for the time of the block. Raises CaptureError.

    With `media` it is all UDP of the interface, whatever the calls' ports are.
    """
    capture = Capture(folder / "packets.pcapng", port)
    wanted = "udp" if media else f"udp port {port}"
    words = ["dumpcap", "-i", _INTERFACE, "-f", wanted, "-B", str(_BUFFER), "-q"]
    try:
        process = await anyio.open_process([*words, "-w", str(capture.file)], stdout=subprocess.DEVNULL)
    except FileNotFoundError:
        raise CaptureError("there is no dumpcap on PATH: apt-get install tshark") from None
    try:
        await _wait_for_start(process)
        yield capture
        await anyio.sleep(_FLUSHES)
        capture.take_counts(await _end(process))
    finally:
        if process.returncode is None:
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def _wait_for_start(process: Process) -> None:
    said = ""
    try:
        with anyio.fail_after(_STARTS):
            async for chunk in _stderr(process):
                said += chunk.decode(errors="replace")
                if _CAPTURES in said:
                    return
            await process.wait()
        raise CaptureError(
            f"dumpcap can't capture on {_INTERFACE}: {_first_words(said)}; run this as root, or let your"
            " user: dpkg-reconfigure wireshark-common, then adduser USER wireshark and log in again"
        )
    except TimeoutError:
        raise CaptureError(f"dumpcap did not start within {_STARTS:g} s: {_last_words(said)}") from None


async def _end(process: Process) -> str:
    """Return what it says at its end."""
    if process.returncode is None:
        process.terminate()
    try:
        with anyio.fail_after(_STOPS):
            said = "".join([chunk.decode(errors="replace") async for chunk in _stderr(process)])
            await process.wait()
    except TimeoutError:
        raise CaptureError(f"dumpcap did not end within {_STOPS:g} s") from None
    return said


def _stderr(process: Process) -> ByteReceiveStream:
    if process.stderr is None:
        raise CaptureError("dumpcap was started without a pipe")
    return process.stderr


def _first_words(said: str) -> str:
    lines = [line for line in _lines(said) if line.startswith("dumpcap:")]
    return lines[0].removeprefix("dumpcap:").strip(" .") if lines else _last_words(said)


def _last_words(said: str) -> str:
    return next(reversed(_lines(said)), "it says nothing")


def _lines(said: str) -> Sequence[str]:
    return [line.strip() for line in said.splitlines() if line.strip()]
