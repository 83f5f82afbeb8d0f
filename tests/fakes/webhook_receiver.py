"""A real HTTP receiver on loopback that can misbehave the ways that receivers do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web


@dataclass(slots=True)
class WebhookReceiver:
    """What came (`bodies`, `headers`, `paths`) and how to answer the next.

    `status` is the answer's; `location` makes it a redirect; `hang` answers never; `flood` is how many
    MiB the answer's body has.
    """

    url: str = ""
    status: int = 200
    location: str | None = None
    hang: bool = False
    flood: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    flooded: int = 0

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        if self.hang:
            await anyio.sleep_forever()
        if self.flood:
            return await self._flood(request)
        headers = {"Location": self.location} if self.location else None
        return web.Response(status=self.status, headers=headers, text="thanks")

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
