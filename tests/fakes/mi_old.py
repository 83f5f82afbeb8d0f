"""An OpenSIPS 1.11 or 2.4 behind mi_json, on a real loopback socket: GET requests, replies without an id."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

REFUSED = b'{"error": {"code": 404, "message": "Statistics Not Found"}}'


@dataclass
class FakeMiJson:
    """Answers `command` or `command?params` with a recorded reply, and 404 to whatever else.

    A server refuses all statistics where one group is `lacking`: 1.11 with an empty reply (`silent`).
    """

    replies: Mapping[str, bytes]
    lacking: frozenset[str] = frozenset()
    silent: bool = False
    requests: list[str] = field(default_factory=list)
    url: str = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeMiJson"]:
        """Listen on a free loopback port for the time of the block."""
        app = web.Application()
        app.router.add_get("/json/{command}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/json"
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        command = request.match_info["command"]
        params = request.rel_url.raw_query_string.removeprefix("params=")
        self.requests.append(f"{command}?{params}" if params else command)
        refused = b"" if self.silent else REFUSED
        if self.lacking & {word.removesuffix(":") for word in params.split(",")}:
            return web.Response(body=refused)
        return web.Response(body=self.replies.get(command, refused), content_type="application/json")
