"""Requests and replies with one running child process."""

import os
import signal
from collections.abc import Mapping
from itertools import count
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, Process

from dialtone.ports import Clock
from dialtone.runtime.frames import FrameError, LineBuffer, decode, encode
from dialtone.runtime.stderrlog import StderrLog

_DRAIN: Final = 1.0


class ChildError(Exception):
    """The child did not answer a request. `detail` is one line for a person."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ChildDied(ChildError):  # noqa: N818 - says what happened
    """The child ended, could not be started, or is being given time before its next start."""


class ChildTimeout(ChildError):  # noqa: N818 - says what happened
    """The child had not answered at the deadline; it has been told to give up the request."""


class ChildRefused(ChildError):  # noqa: N818 - says what happened
    """The child's handler raised, or the request or its reply can't travel (too long, no JSON)."""


class Conversation:
    """All that is said with one process, from its start to its end."""

    def __init__(self, module: str, process: Process, clock: Clock) -> None:
        self.process = process
        self._module = module
        self._numbers = count(1)
        self._pending: dict[int, _Pending] = {}
        self._over: str | None = None
        self._ended = anyio.Event()
        self._stderr = StderrLog(module, process.pid, clock)

    async def ask(self, frame: Mapping[str, object]) -> dict[str, object]:
        """Send a frame and return its reply; without a `request` in it, it is a ping. Raises ChildError."""
        if self._over is not None:
            raise ChildDied(self._over)
        number, pending = next(self._numbers), _Pending()
        try:
            line = encode({"id": number, **frame})
        except FrameError as error:
            raise ChildRefused(str(error)) from None
        self._pending[number] = pending
        try:
            await self._send(line)
            await pending.done.wait()
        finally:
            del self._pending[number]
        if pending.failure is not None:
            raise pending.failure
        return pending.reply

    async def converse(self) -> str:
        """Read replies until the child ends or says what can't be understood; return why it is over.

        The process and its group are gone when this returns.
        """
        drained = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(self._stderr.follow, _stream(self.process.stderr), drained.set)
            broken = await self._take_replies()
            self.signal(signal.SIGKILL)  # past its end of file it is gone or useless; its own children go too
            with anyio.move_on_after(_DRAIN):
                await drained.wait()
            group.cancel_scope.cancel()
        await self.process.aclose()
        self._ended.set()
        return " ".join(filter(None, [self._module, broken or _status(self.process), self._stderr.last]))

    async def end(self, grace: float) -> None:
        """Ask it to end; make it end after the grace, in seconds of the operating system."""
        self.signal(signal.SIGTERM)
        with anyio.move_on_after(grace):
            await self._ended.wait()
            return
        self.signal(signal.SIGKILL)
        await self._ended.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child's process group while it may have members."""
        if not self._ended.is_set():
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return  # it is gone, and its end merely not seen yet

    def fail_pending(self, why: str) -> None:
        """Fail all that waits, and all that is asked from now on."""
        self._over = why
        for pending in self._pending.values():
            pending.settle(failure=ChildDied(why))

    async def _send(self, line: bytes) -> None:
        stdin = self.process.stdin
        try:
            if stdin is not None:
                await stdin.send(line)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # it is dying; whoever reads its stdout sees the end and fails all that is pending

    async def _take_replies(self) -> str:
        stdout, lines = _stream(self.process.stdout), LineBuffer()
        try:
            async for chunk in stdout:
                for line in lines.feed(chunk):
                    self._take(decode(line))
        except FrameError as error:
            return f"can't be understood: {error};"
        except (OSError, anyio.BrokenResourceError) as error:
            return f"can't be read: {error};"
        return ""

    def _take(self, frame: Mapping[str, object]) -> None:
        number, reply, error = frame.get("id"), frame.get("reply", {}), frame.get("error")
        pending = self._pending.get(number) if isinstance(number, int) else None
        if pending is None:
            return  # its deadline is past
        if isinstance(error, str):
            pending.settle(failure=ChildRefused(error))
        elif isinstance(reply, dict):
            pending.settle(reply=reply)
        else:
            raise FrameError("a reply that is no object")


class _Pending:
    """A request that waits for its reply."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.reply: dict[str, object] = {}
        self.failure: ChildError | None = None

    def settle(self, *, reply: dict[str, object] | None = None, failure: ChildError | None = None) -> None:
        if not self.done.is_set():
            self.reply, self.failure = reply or {}, failure
            self.done.set()


def _stream(stream: ByteReceiveStream | None) -> ByteReceiveStream:
    if stream is None:
        raise RuntimeError("the child was started without pipes")
    return stream


def _status(process: Process) -> str:
    code = process.returncode
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"exited with {code}"
