"""An MI server over HTTP that answers a request byte by byte as a test says, for as long as it likes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from tests.fakes.mi import http, recorded_reply

Request = Mapping[str, object]


class Reply:
    """Where an answer goes. `written` are the bytes that the other side has taken, or the kernel for it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.written = 0
        self._writer = writer

    async def write(self, data: bytes) -> None:
        """Send this; returns when there is room for more."""
        self._writer.write(data)
        await self._writer.drain()
        self.written += len(data)

    async def hang(self) -> None:
        """Send nothing more, and stay connected."""
        await asyncio.Event().wait()


Answer = Callable[[Request, Reply], Awaitable[None]]
"""Answers one request; where it returns the connection is closed."""


class RawMi:
    """Answers as `answer` says, which may be changed at any time."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.url = ""
        self.replies: list[Reply] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["RawMi"]:
        """Listen on a free loopback port for the time of the block."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mi"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            request = json.loads(await reader.readexactly(length))
            self.replies.append(reply := Reply(writer))
            await self.answer(request, reply)


def polite(recorded: Mapping[str, bytes]) -> Answer:
    """Return what a well server answers."""

    async def answer(request: Request, reply: Reply) -> None:
        await reply.write(http(recorded_reply(recorded, dict(request)), "200 OK", "Connection: close"))

    return answer
