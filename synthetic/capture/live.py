"""Recording packets of named ports for a bounded time, by dumpcap: for diagnosis, by hand."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import anyio
import anyio.to_thread
from anyio.abc import Process

from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.deadline import within
from synthetic.capture.file import LAUNCHER, CaptureError

PROGRAM: Final = "dumpcap"
ANY: Final = "any"
"""The name for all interfaces together. Some versions of libpcap record there twice what goes over lo."""
MOST_SECONDS: Final = 3600.0
MOST_PORTS: Final = 50
MOST_BYTES: Final = 2 * 1000 * 1000 * 1000
DEFAULT_BYTES: Final = 200 * 1000 * 1000
_KILOBYTE: Final = 1000
_SNAPLEN: Final = 262_144
_FRAGMENTS: Final = "(ip[6:2] & 0x1fff != 0) or (ip6[6] = 44)"
"""What is left of a datagram after its first fragment has no ports in it (RFC 791 3.1, RFC 8200 4.5)."""
_GRACE: Final = 5.0
_MOST_SAID: Final = 16 * 1024
_FULL: Final = ("no space left", "file too large", "could not be written", "error while writing")
_COUNTS: Final = re.compile(r"received/dropped on interface .*: (\d+)/(\d+) ")

Ports = int | tuple[int, int]
"""A port, or the first and the last one of a range."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording that is over. `dropped` packets came but were lost for want of time to write them."""

    packets: int
    dropped: int
    bytes: int


def capture_filter(ports: Sequence[Ports], *, tagged: bool) -> str:
    """Return the filter (pcap-filter(7)) for packets of these ports; `tagged` of VLANs as well.

    Raises CaptureError where one is no port, or there are none or too many.
    """
    if not 1 <= len(ports) <= MOST_PORTS:
        raise CaptureError(
            f"{len(ports)} ports to record", f"name 1 to {MOST_PORTS} ports or ranges, as 5060"
        )
    terms = []
    for entry in ports:
        first, last = entry if isinstance(entry, tuple) else (entry, entry)
        if not 1 <= first <= last <= 65_535:
            what = f"{first} is no port" if first == last else f"{first}-{last} is no range of ports"
            raise CaptureError(what, "a port is 1 to 65535, a range 10000-20000")
        terms.append(f"port {first}" if first == last else f"portrange {first}-{last}")
    plain = f"{' or '.join(terms)} or {_FRAGMENTS}"
    return f"({plain}) or (vlan and ({plain}))" if tagged else plain


async def record(
    interface: str,
    ports: Sequence[Ports],
    seconds: float,
    path: Path,
    *,
    max_bytes: int = DEFAULT_BYTES,
    clock: Clock | None = None,
) -> Recorded:
    """Record into a new file, which only its owner may read, until the time is over or the file is full.

    Cancelled, it stops the recording, and the file holds what had come. Raises CaptureError, also where the
    file is there already.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise CaptureError(f"{seconds:g} s of recording", f"record for up to {MOST_SECONDS:g} s")
    if not _KILOBYTE <= max_bytes <= MOST_BYTES:
        raise CaptureError(f"{max_bytes} bytes of recording", f"allow {_KILOBYTE} to {MOST_BYTES} bytes")
    packets = capture_filter(ports, tagged=interface != ANY)
    _check_interface(interface)
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin:/usr/bin")
    if program is None:
        raise CaptureError(f"the program {PROGRAM} is missing", "install the Debian package wireshark-common")
    command = [*LAUNCHER, program, "-q", "-i", interface, "-f", packets, "-s", str(_SNAPLEN)]
    command += ["-a", f"duration:{seconds:g}", "-a", f"filesize:{max_bytes // _KILOBYTE}", "-w", "-"]
    file = await anyio.to_thread.run_sync(_create, path)
    with file:
        said, code = await _run(command, file, seconds, clock or SystemClock())
    size = (await anyio.Path(path).stat()).st_size
    counts = _COUNTS.search(said)
    if code == -signal.SIGXFSZ or any(words in said.lower() for words in _FULL):
        raise CaptureError(
            f"the disk was full before the time was over: {size} bytes are in {path}",
            "make room, or record for less time or with a smaller --max-size",
        )
    if counts is None:
        if not size:
            await anyio.Path(path).unlink()
        raise _refusal(interface, said)
    return Recorded(int(counts[1]), int(counts[2]), size)


async def _run(command: list[str], file: BinaryIO, seconds: float, clock: Clock) -> tuple[str, int | None]:
    """Run it to its end; return what it said, and its exit code."""
    try:
        with anyio.CancelScope(shield=True):  # a start given up half-way would leave an orphan
            process = await anyio.open_process(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                start_new_session=True,  # Ctrl-C at a terminal is for us, and we stop it
            )
    except OSError as error:
        raise CaptureError(f"{PROGRAM} can't be started: {error.strerror or error}") from None
    said = bytearray()

    async def listen() -> None:
        assert process.stderr is not None  # noqa: S101 - a pipe was asked for
        async for chunk in process.stderr:
            said.extend(chunk[: _MOST_SAID - len(said)])
        await process.wait()

    try:
        with contextlib.suppress(TimeoutError):
            await within(clock, seconds + _GRACE, listen)
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)
    return said.decode("utf-8", "replace"), process.returncode


async def _stop(process: Process) -> None:
    """End it: asked, it writes the file to its end."""
    for end in (process.terminate, process.kill):
        if process.returncode is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            end()
        with anyio.move_on_after(_GRACE):
            await process.wait()
    await process.aclose()


def _create(path: Path) -> BinaryIO:
    # Opened here: as root, dumpcap gives up the right to write where its owner is another.
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except FileExistsError:
        raise CaptureError(f"{path} is there already", "name a new file, or remove that one") from None
    except OSError as error:
        raise CaptureError(
            f"{path} can't be written: {error.strerror or error}", "name a file where this user may write"
        ) from None


def _check_interface(interface: str) -> None:
    known = [ANY, *(name for _, name in socket.if_nameindex())]
    if interface not in known:
        raise CaptureError(f"there is no interface {interface[:40]!r}", f"there are: {', '.join(known)}")


def _refusal(interface: str, said: str) -> CaptureError:
    lowered = said.lower()
    if "permission" in lowered or "not permitted" in lowered:
        return CaptureError(
            f"recording on {interface} needs a permission that this user has not",
            "run it as root, or: dpkg-reconfigure wireshark-common, adduser USER wireshark, log in anew",
        )
    lines = [
        line.removeprefix(f"{PROGRAM}: ") for line in said.splitlines() if line.startswith(f"{PROGRAM}: ")
    ]
    why = "".join(c for c in (lines[-1] if lines else "it said nothing") if c.isprintable())
    return CaptureError(f"{PROGRAM} recorded nothing on {interface}: {why[:300]}")
