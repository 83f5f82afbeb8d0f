"""The lab's part that starts the web pages and says where they are."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

import aiohttp

from lab import certificates
from lab.base import LabContext, LabError, PartInfo
from lab.files import write_json
from lab.front.answers import until
from lab.ports import LOOPBACK
from lab.processes import python_path

_PROGRAM: Final = "http"
_ATTEMPT: Final = 2.0
_LOG_LINES: Final = 12


class HttpPart:
    """A web server with an admin page, a list of tenants and provisioning files, by http and https."""

    name = "http"

    def missing(self) -> Sequence[str]:
        """Return what this machine lacks for it."""
        return certificates.missing()

    async def start(self, lab: LabContext) -> PartInfo:
        """Start it and return once it answers. Raises LabError."""
        made = await asyncio.to_thread(certificates.certificates, lab)
        ports = {name: lab.ports.take(name) for name in ("http", "https")}
        platform = lab.folder(self.name) / "platform.json"
        proxy = f"{LOOPBACK}:{lab.ports.take('sip')}"
        tenants = [tenant.domain for tenant in lab.sample.tenants]
        write_json(platform, {"name": lab.sample.platform, "proxy": proxy, "tenants": tenants})
        options = {**ports, "chain": made.chain, "key": made.key}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        lab.processes.start(
            _PROGRAM,
            [sys.executable, "-m", "lab.http.pages", *words, str(platform)],
            cwd=platform.parent,
            env={"PYTHONPATH": python_path()},
        )
        urls = {name: f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()}
        try:
            await until(
                "the admin page",
                lambda: _answer(f"{urls['http']}/admin"),
                lambda: None if lab.processes.alive(_PROGRAM) else _PROGRAM,
                lab.answers,
            )
        except LabError as error:
            raise LabError(f"{error}\n{lab.processes.log_tail(_PROGRAM, _LOG_LINES)}") from None
        return PartInfo(
            name=self.name,
            says=f"web pages: {urls['http']}/admin and {urls['https']}/provisioning/TENANT.cfg",
            addresses={**urls, "ca": str(made.ca)},
        )


async def _answer(url: str) -> str | None:
    try:
        timeout = aiohttp.ClientTimeout(total=_ATTEMPT)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as reply:
            return str(reply.status) if reply.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None
