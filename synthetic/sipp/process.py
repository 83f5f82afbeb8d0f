"""Supervision of one SIPp: it dies with us, is watched with deadlines, and ends whatever it does."""

import contextlib
import os
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import BinaryIO, Final

import anyio
from anyio.abc import Process

from dialtone.ports import Clock
from dialtone.runtime.deadline import within as within_
from synthetic.sipp import files
from synthetic.sipp.command import command_line
from synthetic.sipp.exits import classify
from synthetic.sipp.kernel import coarse_clock_step, holds_udp_port, receive_buffer_limit
from synthetic.sipp.program import LAUNCHER, Sipp, SippMissingError
from synthetic.sipp.run import Finished, Invocation
from synthetic.sipp.threads import in_thread

_POLL: Final = 0.01
_ENVIRONMENT: Final = {"LC_ALL": "C", "TZ": "UTC0"}
"""All that it gets, and PATH: it writes times in the zone of TZ."""
_STEPS: Final = ((signal.SIGUSR1, 0.1), (signal.SIGUSR1, 0.2), (signal.SIGTERM, 2.0))
"""How SIPp is asked to end, and the seconds that it has each time before it is asked less kindly.

The first SIGUSR1 lets open calls end and starts none, the second aborts them with BYE or CANCEL. Measured
on 3.6.1: it then waits for its aborted calls for ever (mended in the source of 3.7.7), and takes no notice of
the second signal once it has started all its calls. SIGTERM makes it write its statistics and exit within
5 ms; its calls it leaves as they are.
"""
_REAPED: Final = 5.0
"""Seconds that the kernel has to bury a process after SIGKILL."""


@asynccontextmanager
async def running(sipp: Sipp, invocation: Invocation, folder: Path, clock: Clock) -> AsyncIterator["SippRun"]:
    """Run SIPp in a folder, which is its own; leaving the context ends it.

    It is the first of its process group, reads nothing and prints to the folder alone. It does not outlive
    us, even by kill -9: the kernel kills it when the thread that started it is gone.
    Raises SippMissingError where it can't be started, OSError where the folder can't be written, and
    ValueError for an invocation that no command line says.
    """
    command = command_line(sipp, invocation, buffer=receive_buffer_limit())
    with await in_thread(files.prepare, folder, invocation.scenario) as stderr:
        process = await _start(command, folder, stderr)
    run = SippRun(process, invocation, folder, clock)
    try:
        yield run
    finally:
        await run.aclose()


class SippRun:
    """One SIPp that runs, or has run. Made by `running`."""

    def __init__(self, process: Process, invocation: Invocation, folder: Path, clock: Clock) -> None:
        self._process = process
        self._invocation = invocation
        self._folder = folder
        self._clock = clock
        self._asked = False
        self._forced = False
        self._collecting = anyio.Lock()
        self._finished: Finished | None = None

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._forced or self._process.returncode is not None

    async def listening(self, within: float) -> bool:
        """Wait until SIPp has bound its local port; False when it ended instead. Raises TimeoutError."""
        return await within_(self._clock, within, self._bound)

    async def ended(self, within: float) -> Finished:
        """Wait until SIPp has ended by itself and return what is left.

        Raises TimeoutError, and SIPp goes on.
        """
        await within_(self._clock, within, self._process.wait)
        return await self._collect()

    async def stop(self) -> Finished:
        """End it, kindly at first, and return what is left; at once where it has ended already.

        It is gone after 2.3 s at most: the operating system's time, not our clock's, is meant.
        """
        with anyio.CancelScope(shield=True):
            for number, pause in _STEPS:
                if self.over:
                    break
                self._asked = True
                with contextlib.suppress(ProcessLookupError):
                    # Process.send_signal polls first, and may take the exit code from the loop's own watcher,
                    # which reports 255 then (python/cpython#87744).
                    os.kill(self.pid, number)
                with anyio.move_on_after(pause):
                    await self._process.wait()
            await self._bury()
        return await self._collect()

    async def aclose(self) -> None:
        """End it where it still runs, with all that it started."""
        if self.over:
            with anyio.CancelScope(shield=True):
                await self._bury()
        else:
            await self.stop()

    async def _bound(self) -> bool:
        _, port = self._invocation.local
        while not self.over:
            if await in_thread(holds_udp_port, self.pid, port):
                return True
            await self._clock.sleep(_POLL)
        return False

    async def _bury(self) -> None:
        """Kill what is left of the group: SIPp where it did not obey, and commands of its scenario."""
        self._forced = self._forced or not self.over
        await _end_group(self._process)

    async def _collect(self) -> Finished:
        async with self._collecting:
            if self._finished is None:
                self._finished = await in_thread(self._read)
            return self._finished

    def _read(self) -> Finished:
        left = files.collect(self._folder, self.pid)
        code = self._process.returncode
        code = -signal.SIGKILL if code is None else code  # not buried in time
        how = classify(code, began=left.began, asked=self._asked, forced=self._forced)
        return Finished(
            ending=how.ending,
            code=code,
            statistics=left.statistics,
            round_trips=left.round_trips,
            messages=left.messages,
            dropped_messages=left.dropped_messages,
            log=left.log,
            errors=left.errors,
            resolution=coarse_clock_step(),
            steps=left.steps,
            meaning=how.meaning,
            truncated=left.truncated,
        )


async def _start(command: list[str], folder: Path, stderr: BinaryIO) -> Process:
    """Start it through setpriv, which asks the kernel to kill it when we are gone, and becomes it.

    --no-new-privs: a SIPp with file capabilities would lose that request (prctl(2), PR_SET_PDEATHSIG).
    """
    environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
    try:
        with anyio.CancelScope(shield=True):  # a start given up half-way would leave an orphan
            process = await anyio.open_process(
                [LAUNCHER, "--no-new-privs", "--pdeathsig", "KILL", *command],
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=stderr,
                cwd=folder,
                env=environment,
                start_new_session=True,
                umask=0o077,
            )
    except OSError as error:
        raise SippMissingError(f"SIPp can't be started: {error.strerror or error}") from None
    try:
        _limit(process.pid)
    except OSError:  # a sandbox that forbids it: without bounds it does not run
        with anyio.CancelScope(shield=True):
            await _end_group(process)
        raise
    return process


async def _end_group(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.move_on_after(_REAPED):
        await process.wait()


def _limit(pid: int) -> None:
    """Bound the files that it writes: a flood must not fill the disk; no core: it would hold passwords."""
    for kind, value in ((resource.RLIMIT_FSIZE, files.MAX_FILE), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(pid, kind, (bound, bound))
