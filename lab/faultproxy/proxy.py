"""The proxy itself: forwards, resets or swallows what goes through it."""

import asyncio
import errno
import socket
import struct
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from lab.base import LabError

LOOPBACK: Final = "127.0.0.1"

_CHUNK: Final = 64 * 1024
"""Bytes read at once. At most three times as many are held for one direction of a connection."""

_BACKLOG: Final = 128
_DIAL: Final = 3.0
"""Seconds to wait for the target."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 seconds: close() sends RST instead of FIN (socket(7))."""


class Mode(StrEnum):
    """What becomes of the traffic."""

    OK = "ok"
    CUT = "cut"
    BLACKHOLE = "blackhole"


class FaultProxy:
    """Forwards TCP from a port on 127.0.0.1 to `target` (host, port) while the block runs.

    ok: bytes flow, with backpressure from the slower end. cut: connections are reset, new ones
    refused, as by a firewall that rejects. blackhole: connections stay open and new ones are
    accepted, but nothing comes through, as when a cable is pulled; after `heal` what was held flows
    on, as TCP would retransmit it. `port` 0 takes any free one. Raises LabError for a busy port.
    """

    def __init__(self, target: tuple[str, int], *, port: int = 0) -> None:
        self._target = target
        self._port = port
        self._mode = Mode.OK
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: set[asyncio.Task[None]] = set()
        self._claim: socket.socket | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        # The claim is bound but never listens: it keeps the port ours while a cut link refuses.
        self._claim = _bound(self._port)
        self._port = self._claim.getsockname()[1]
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cut()
        if self._claim is not None:
            self._claim.close()

    @property
    def port(self) -> int:
        """The port to connect to on 127.0.0.1."""
        return self._port

    @property
    def mode(self) -> Mode:
        """What becomes of the traffic now."""
        return self._mode

    @property
    def connections(self) -> int:
        """How many connections are open through the proxy."""
        return len(self._connections)

    async def heal(self) -> None:
        """Let traffic through again: what a blackhole held, and new connections after a cut."""
        self._mode = Mode.OK
        self._flowing.set()
        await self._listen()

    async def cut(self) -> None:
        """Reset every connection and refuse new ones; returns when that is done."""
        self._mode = Mode.CUT
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def blackhole(self) -> None:
        """Swallow everything: connections stay open, new ones are accepted, all are silent."""
        self._mode = Mode.BLACKHOLE
        self._flowing.clear()
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            listener = _bound(self._port)
            self._server = await asyncio.start_server(
                self._accepted, sock=listener, limit=_CHUNK, backlog=_BACKLOG
            )

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode is Mode.CUT:  # it was accepted in the moment of the cut
            _reset([writer])
            return
        task = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        ended_well = False
        try:
            await self._join(reader, ends)
            ended_well = True
        except* OSError:
            pass  # the target refused, or one end was reset: the other learns it below
        finally:
            if not ended_well:
                _reset(ends)
            for end in ends:
                end.close()

    async def _join(self, reader: asyncio.StreamReader, ends: list[asyncio.StreamWriter]) -> None:
        await self._flowing.wait()
        async with asyncio.timeout(_DIAL):
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=_CHUNK)
        ends.append(far_writer)
        async with asyncio.TaskGroup() as both_ways:
            both_ways.create_task(self._pipe(reader, far_writer))
            both_ways.create_task(self._pipe(far_reader, ends[0]))

    async def _pipe(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        # So drain() returns only when all is with the kernel; until then nothing more is read.
        sink.transport.set_write_buffer_limits(high=0)
        while True:
            data = await source.read(_CHUNK)
            await self._flowing.wait()
            if not data:
                sink.write_eof()
                return
            sink.write(data)
            await sink.drain()


def _bound(port: int) -> socket.socket:
    # With its protocol named, asyncio sets TCP_NODELAY on what it accepts; else small packets wait 40 ms.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Lets the listener bind beside our own claim on the port, and nobody but this user.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((LOOPBACK, port))
    except OSError as error:
        bound.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            why = f"the fault proxy can't have port {port} on {LOOPBACK}: {error.strerror}"
            raise LabError(why) from None
        raise
    return bound


def _reset(ends: list[asyncio.StreamWriter]) -> None:
    for end in ends:
        with suppress(OSError):  # gone already
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        end.transport.abort()
