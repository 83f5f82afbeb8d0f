"""A web server on loopback that says exactly what a test has it say, byte by byte."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Self

Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""What becomes of one request: its head, and where to write."""


def answer(body: bytes = b"hello", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return a whole answer; `length` is said instead of the body's true length."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class WebServer:
    """Answers every request with `said`, or does what `script` does; `heads` is what was asked."""

    def __init__(
        self,
        said: bytes = b"",
        *,
        script: Script | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._said = said or answer()
        self._script = script
        self._tls = tls
        self._host = host
        self._server: asyncio.Server | None = None
        self._at_work: set[asyncio.Task[None]] = set()
        self.heads: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Its root, by address."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}/"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if self._script is not None:
                await self._script(head, writer)
            else:
                writer.write(self._said)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side has hung up, as it may
        finally:
            writer.transport.abort() if self._script is not None else writer.close()
            self._at_work.discard(task)
