"""The child's side of ChildProcess: answers requests that arrive as lines on stdin.

The child takes file descriptors 0 and 1 for itself and leaves /dev/null and stderr in their place,
so that a library that prints or reads can't break the conversation.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog

from dialtone.runtime import logs
from dialtone.runtime.frames import FrameError, LineBuffer, decode, encode

Handler = Callable[[dict[str, object]], Awaitable[dict[str, object]]]

_CHUNK: Final = 64 * 1024
_MAX_ERROR: Final = 500
_PR_SET_PDEATHSIG: Final = 1

_log = structlog.get_logger(__name__)


async def serve_requests(handler: Handler) -> None:
    """Answer requests until stdin closes or SIGTERM comes; running handlers are cancelled then.

    Requests run at the same time and are answered as they finish. Each is cancelled at the deadline
    its sender gave. A handler that raises becomes an error reply, and a traceback in the log.
    Call it once, from the module's `main`: `asyncio.run(serve_requests(handle))`.
    """
    _die_with_parent()
    source, sink = _take_stdio()
    logs.configure("info", "text", sys.stderr)
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with anyio.create_task_group() as group:

            async def stop_on_signal() -> None:
                async for _ in signals:
                    group.cancel_scope.cancel()

            group.start_soon(stop_on_signal)
            await _Conversation(handler, source, sink).run()
            group.cancel_scope.cancel()


class _Conversation:
    def __init__(self, handler: Handler, source: int, sink: int) -> None:
        self._handler = handler
        self._source = source
        self._sink = sink
        self._writing = anyio.Lock()

    async def run(self) -> None:
        """Read until the parent closes its end; what still runs then is cancelled."""
        lines = LineBuffer()
        async with anyio.create_task_group() as group:
            while chunk := await self._read():
                for line in lines.feed(chunk):
                    group.start_soon(self._answer, decode(line))
            group.cancel_scope.cancel()

    async def _answer(self, frame: dict[str, object]) -> None:
        number, request, timeout = frame.get("id"), frame.get("request"), frame.get("timeout")
        if not isinstance(request, dict):  # a ping: the parent asks whether this loop still turns
            await self._write({"id": number})
            return
        try:
            with anyio.fail_after(timeout if isinstance(timeout, int | float) else None):
                reply: dict[str, object] = {"id": number, "reply": await self._handler(request)}
        except TimeoutError:
            reply = {"id": number, "error": "TimeoutError: not done by its deadline"}
        except Exception as error:  # noqa: BLE001 - the edge of one request: the others go on
            _log.exception("a request failed", request=number)
            reply = {"id": number, "error": f"{type(error).__name__}: {error}"[:_MAX_ERROR]}
        try:
            await self._write(reply)
        except FrameError as error:
            await self._write({"id": number, "error": f"FrameError: {error}"[:_MAX_ERROR]})

    async def _read(self) -> bytes:
        await anyio.wait_readable(self._source)
        return os.read(self._source, _CHUNK)

    async def _write(self, frame: dict[str, object]) -> None:
        line = memoryview(encode(frame))
        async with self._writing:
            with anyio.CancelScope() as scope:
                while line:
                    await anyio.wait_writable(self._sink)
                    try:
                        line = line[os.write(self._sink, line) :]
                    except BrokenPipeError:
                        return  # nobody reads any more; the end of stdin comes next
                    # Half a line would make the rest unreadable: once begun, it is finished.
                    scope.shield = True


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent is gone (prctl(2)), even by kill -9.

    A closed stdin says the same, but only a loop that still turns would notice that.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _take_stdio() -> tuple[int, int]:
    """Return non-blocking copies of stdin and stdout, and put /dev/null and stderr in their place."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    os.set_blocking(source, False)
    os.set_blocking(sink, False)
    return source, sink
