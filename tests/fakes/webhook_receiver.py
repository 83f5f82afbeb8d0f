"""A real HTTP receiver on loopback that can misbehave the ways that receivers do."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web


@dataclass(slots=True)
class WebhookReceiver:
    """What came (`bodies`, `headers`, `paths`) and how to answer the next.

    `status` is the answer's; `location` makes it a redirect, `retry_after` asks to wait, `date` is its
    own idea of the time. `hang` answers never, `hang_up` closes the connection instead, `reset` breaks it;
    `flood` is how many MiB the answer's body has; `drip` is sent instead of an answer, then `drop` again
    and again.
    """

    url: str = ""
    status: int = 200
    location: str | None = None
    retry_after: str | None = None
    date: str | None = None
    hang: bool = False
    hang_up: bool = False
    reset: bool = False
    flood: int = 0
    drip: bytes = b""
    drop: bytes = b""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    flooded: int = 0

    @property
    def keys(self) -> list[str]:
        """The idempotency keys of what came, with repetitions."""
        return [headers["Idempotency-Key"] for headers in self.headers]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        if self.hang_up:
            _transport(request).close()
        if self.hang or self.hang_up:
            await anyio.sleep_forever()
        if self.reset:
            _reset(request)
            await anyio.sleep_forever()
        if self.drip:
            await self._drip(request)
        if self.flood:
            return await self._flood(request)
        wanted = {"Location": self.location, "Retry-After": self.retry_after, "Date": self.date}
        headers = {name: value for name, value in wanted.items() if value is not None}
        return web.Response(status=self.status, headers=headers, text="thanks")

    async def _drip(self, request: web.Request) -> None:
        """Answer for ever, a little at a time."""
        transport = _transport(request)
        transport.write(self.drip)
        while not transport.is_closing():
            transport.write(self.drop)
            await anyio.sleep(0.01)

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=self.status)
        await answer.prepare(request)
        try:
            for _ in range(self.flood):
                await answer.write(b"x" * 1024 * 1024)
                self.flooded += 1
        except ConnectionError:
            pass
        return answer


def _transport(request: web.Request) -> asyncio.Transport:
    assert isinstance(request.transport, asyncio.Transport)
    return request.transport


def _reset(request: web.Request) -> None:
    """Break the connection off with RST: no time to linger."""
    transport = _transport(request)
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    transport.abort()


@asynccontextmanager
async def receiving() -> AsyncIterator[WebhookReceiver]:
    """Yield a receiver that listens on a free port of 127.0.0.1."""
    receiver = WebhookReceiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver._take)
    # No grace at the end: a hanging handler is cancelled at once.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}"
        yield receiver
    finally:
        await runner.cleanup()
