"""Reading a capture in a child process: records as they come, in the order of the file.

What crashes, hangs or blocks there (tshark, pyshark, a hostile file) is a CaptureError here.
"""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import Process

from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.deadline import within
from dialtone.runtime.frames import FrameError, LineBuffer, decode, encode
from synthetic.capture.file import LAUNCHER, CaptureError, checked
from synthetic.capture.records import Read, Record
from synthetic.capture.tshark import MISSING, PROGRAM
from synthetic.capture.wire import Decoder, Limits, decode_read, encode_request

Progress = Callable[[int, int], None]
"""Called about four times a second with how many bytes of the file are read, and how many it has."""

_WORKER: Final = "synthetic.capture.worker"
_PATIENCE: Final = 60.0
_KEPT: Final = ("HOME", "PATH", "TMPDIR", "VIRTUAL_ENV")
_REAPED: Final = 5.0
_NOWHERE: Final = "/proc/self/nowhere"
"""Can't exist: tshark shall know no preferences of a person, and no scripts. (/dev/null makes 4.0 crash.)"""


class Reading:
    """The records of one capture. Made by `read_capture`; iterate it once, then ask for `read`."""

    def __init__(
        self,
        process: Process,
        path: Path,
        size: int,
        on_progress: Progress | None,
        clock: Clock,
        patience: float,
    ) -> None:
        self._process = process
        self._path = path
        self._size = size
        self._on_progress = on_progress
        self._clock = clock
        self._patience = patience
        self._read: Read | None = None
        self._decoder = Decoder()
        self._told = 0

    @property
    def pid(self) -> int:
        """The child's process id, which is its group's too."""
        return self._process.pid

    @property
    def read(self) -> Read:
        """How it was read, once the iteration has ended. Raises RuntimeError before."""
        if self._read is None:
            raise RuntimeError("the capture has not been read to its end")
        return self._read

    async def __aiter__(self) -> AsyncIterator[list[Record]]:
        """Yield the records in batches of a few hundred. Raises CaptureError."""
        lines = LineBuffer()
        moved, position = self._clock.monotonic(), -1
        while True:
            left = self._patience - (self._clock.monotonic() - moved)
            try:
                chunk = await within(self._clock, max(left, 0.01), self._chunk)
            except TimeoutError:
                raise self._stuck() from None
            try:
                frames = [decode(line) for line in lines.feed(chunk)]
            except FrameError as error:
                raise CaptureError(
                    f"what the reader of {self._path} says can't be understood: {error}"
                ) from None
            for frame in frames:
                done = frame.get("progress")
                if isinstance(done, int) and done == position:
                    if self._clock.monotonic() - moved >= self._patience:
                        raise self._stuck()
                    continue
                moved = self._clock.monotonic()
                if isinstance(done, int):
                    position = done
                    self._tell(done)
                elif self._take_end(frame):
                    self._tell(self._size)
                    return
                else:
                    yield self._records(frame)
                    moved = self._clock.monotonic()  # the time of whoever takes them is not the child's

    def _records(self, frame: dict[str, object]) -> list[Record]:
        try:
            rows = frame["records"]
            if not isinstance(rows, list):
                raise TypeError("records that are no list")
            return [self._decoder.record(row) for row in rows]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CaptureError(
                f"what the reader of {self._path} says can't be understood: {type(error).__name__}: {error}"
            ) from None

    def _take_end(self, frame: dict[str, object]) -> bool:
        if "error" in frame:
            what, mend = frame["error"] if isinstance(frame["error"], list) else (frame["error"], "")
            raise CaptureError(str(what), str(mend))
        if "end" not in frame:
            return False
        self._read = decode_read(frame["end"])
        return True

    async def _chunk(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            return await self._process.stdout.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, OSError):
            with anyio.move_on_after(_REAPED):
                await self._process.wait()
            code = self._process.returncode
            how = (
                f"was ended by {signal.Signals(-code).name}"
                if code is not None and code < 0
                else f"exited with {code}"
            )
            killed = code is not None and code < 0
            raise CaptureError(
                f"the process that read {self._path} {how}",
                "is there enough memory? Try a part of it (editcap -c)" if killed else "",
            ) from None

    def _tell(self, done: int) -> None:
        self._told = max(self._told, min(done, self._size))  # it falls where a second tshark begins
        if self._on_progress is not None:
            self._on_progress(self._told, self._size)

    def _stuck(self) -> CaptureError:
        return CaptureError(
            f"reading {self._path} has not come further for {self._patience:g} s",
            "try a part of it (editcap -c), or read it with tshark to see where it hangs",
        )


@asynccontextmanager
async def read_capture(
    path: Path,
    *,
    limits: Limits | None = None,
    on_progress: Progress | None = None,
    clock: Clock | None = None,
    patience: float = _PATIENCE,
) -> AsyncIterator[Reading]:
    """Read a capture in a child process, which is gone with all that it started when the context is left.

    `patience` is how long reading may stand still, in seconds. Raises CaptureError.
    """
    path = await anyio.to_thread.run_sync(Path.absolute, path)
    size = await anyio.to_thread.run_sync(checked, path)
    if shutil.which(PROGRAM) is None:
        raise CaptureError(MISSING.what, MISSING.mend)
    process = await _start()
    try:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(
            anyio.BrokenResourceError, OSError
        ):  # its end is seen where its words are read
            await process.stdin.send(encode(encode_request(path, limits or Limits())))
        yield Reading(process, path, size, on_progress, clock or SystemClock(), patience)
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _start() -> Process:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {
        "LC_ALL": "C",
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
        "WIRESHARK_CONFIG_DIR": _NOWHERE,
    }
    try:
        with anyio.CancelScope(shield=True):  # a start given up half-way would leave an orphan
            process = await anyio.open_process(
                [*LAUNCHER, sys.executable, "-P", "-m", _WORKER],
                stderr=DEVNULL,
                env=environment,
                start_new_session=True,
            )
    except OSError as error:
        raise CaptureError(f"the reader of captures can't be started: {error.strerror or error}") from None
    return process


async def _end(process: Process) -> None:
    """Kill its whole group: it holds nothing that is worth an orderly end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(_REAPED):
        await process.aclose()
