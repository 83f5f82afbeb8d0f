"""The demo's own webhook receiver: what a real one would have got, as it came."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

_MAX_BODY: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One alert out of a received message, in Alertmanager's words."""

    status: str
    name: str
    about: str
    summary: str
    description: str

    @classmethod
    def of(cls, alert: dict[str, object]) -> "Received":
        """Read one entry of a version-4 payload's `alerts`."""
        labels, notes = alert.get("labels"), alert.get("annotations")
        labels = labels if isinstance(labels, dict) else {}
        notes = notes if isinstance(notes, dict) else {}
        about = " ".join(str(labels[name]) for name in ("tenant", "node", "flow") if labels.get(name))
        return cls(
            str(alert.get("status")),
            str(labels.get("alertname")),
            about,
            str(notes.get("summary", "")),
            str(notes.get("description", "")),
        )


@dataclass
class Receiver:
    """Listens on a free loopback port for the time of `running`."""

    alerts: list[Received] = field(default_factory=list)
    url: str = ""

    def got(self, name: str, about: str, status: str) -> bool:
        """Whether an alert of that name about that node or tenant has come with that status."""
        return any(a.name == name and about in a.about.split() and a.status == status for a in self.alerts)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Receiver"]:
        """Take messages until the block ends."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/hook", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}/hook"
            yield self
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        try:
            message = await request.json()
        except json.JSONDecodeError:
            return web.Response(status=400)
        if not isinstance(message, dict) or message.get("version") != "4":
            return web.Response(status=400)
        self.alerts += [Received.of(alert) for alert in message.get("alerts", [])]
        return web.Response()
