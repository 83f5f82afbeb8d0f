"""Prometheus's mysqld_exporter beside a server of the lab: its account, its process, and what it shows.

The account has the rights that its documentation asks for (README of prometheus/mysqld_exporter, "Required
Grants"): PROCESS, REPLICATION CLIENT, SELECT, and on MariaDB SLAVE MONITOR.
"""

import asyncio
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
import anyio

from dialtone.model import TopologyKind
from lab.base import LabError
from lab.mysql.database import Database
from lab.mysql.server import LOOPBACK
from lab.mysql.stage import Stage

PROGRAMS: Final = ("prometheus-mysqld-exporter", "mysqld_exporter")
"""What it is called, in Debian and elsewhere."""

USUAL: Final = ()
"""Its default collectors: global status and variables, slave_status, and three of information_schema."""
LEAN: Final = ("global_status", "global_variables", "slave_status")
"""The collectors that its alerts' series come from."""
LEANEST: Final = ("slave_status",)

_USER: Final = "exporter"
_PRIVILEGES: Final = "PROCESS, REPLICATION CLIENT, SELECT"
_STARTS: Final = 10.0
_PAUSE: Final = 0.05
_GRACE: Final = 2.0
_TIMEOUT: Final = 4.0
"""Seconds that a scrape may take; told to the exporter as Prometheus does."""


class PeerError(LabError):
    """The exporter can't be run, or can't be read."""


def program(path: str) -> Path | None:
    """Return the exporter: that one, or without a path what PATH has. Raises PeerError for a wrong path."""
    names = (path,) if path else PROGRAMS
    found = next((where for name in names if (where := shutil.which(name))), None)
    if path and found is None:
        raise PeerError(f"{path} is no program")
    return Path(found).resolve() if found else None


def version(exporter: Path) -> str:
    """Return its version: 0.14.0. Blocks. Raises PeerError."""
    try:
        done = subprocess.run(
            [str(exporter), "--version"], capture_output=True, text=True, timeout=_STARTS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"{exporter}: {error}") from None
    words = (done.stdout + done.stderr).split()
    if "version" not in words[:-1]:
        raise PeerError(f"{exporter} doesn't say which version it is")
    return words[words.index("version") + 1]


@dataclass(frozen=True, slots=True)
class Exporter:
    """One that runs beside a server; `page` is its address, `pid` its process."""

    server: str
    pid: int
    page: str


class Exporters:
    """Those of a stage, one beside each server or beside some of them; they end with this block."""

    def __init__(self, stage: Stage, exporter: Path, servers: Sequence[Database] | None = None) -> None:
        self._stage = stage
        self._program = exporter
        self._servers = stage.servers if servers is None else servers
        self._http: aiohttp.ClientSession | None = None
        self.by_server: Mapping[str, Exporter] = {}

    async def __aenter__(self) -> Self:
        """Make the accounts and start them. Raises LabError, PeerError."""
        password = secrets.token_urlsafe(24)
        await _accounts(self._stage, self._servers, password)
        # As Prometheus: the connection stays open, and what comes packed isn't unpacked by us.
        self._http = aiohttp.ClientSession(auto_decompress=False)
        try:
            self.by_server = {
                server.name: _started(self._stage, server, self._program, password)
                for server in self._servers
            }
            for name in self.by_server:
                await self._answers(name)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        await self._end()

    async def scrape(self, server: str, collectors: Sequence[str] = USUAL) -> bytes:
        """Return the page as it comes, packed, made by these collectors. Raises PeerError."""
        return await self._get(server, collectors, "gzip")

    async def page(self, server: str) -> str:
        """Return the page as text. Raises PeerError where there is none in time."""
        return (await self._get(server, USUAL, "identity")).decode(errors="replace")

    async def _get(self, server: str, collectors: Sequence[str], encoding: str) -> bytes:
        if self._http is None:
            raise PeerError("not started")
        headers = {"Accept-Encoding": encoding, "X-Prometheus-Scrape-Timeout-Seconds": f"{_TIMEOUT:g}"}
        params = [("collect[]", name) for name in collectors]
        patience = aiohttp.ClientTimeout(_TIMEOUT + 1)
        where = self.by_server[server].page
        try:
            async with self._http.get(where, params=params, headers=headers, timeout=patience) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PeerError(f"{server}'s exporter: {str(error) or 'no answer'}") from None
        if answer.status != 200:
            raise PeerError(f"{server}'s exporter: HTTP {answer.status}")
        return text

    async def _end(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._http is not None:
                await self._http.close()
            for server in self._servers:
                await asyncio.to_thread(self._stage.lab.processes.stop, _name(server.name), grace=_GRACE)

    async def _answers(self, server: str) -> None:
        """Return once it is there and has reached its server."""
        last = ""
        with anyio.move_on_after(_STARTS):
            while True:
                try:
                    last = await self.page(server)
                except PeerError as error:
                    last = str(error)
                if "\nmysql_up 1\n" in last:
                    return
                await asyncio.sleep(_PAUSE)
        log = self._stage.lab.processes.log_tail(_name(server))
        raise PeerError(f"{server}'s exporter doesn't reach it: {last[-200:]}\n{log}")


def _name(server: str) -> str:
    return f"{server}-exporter"


def _started(stage: Stage, server: Database, exporter: Path, password: str) -> Exporter:
    port = stage.lab.ports.take(_name(server.name))
    config = server.folder.with_suffix(".exporter")
    config.touch(mode=0o600)
    login = {"user": _USER, "password": password, "host": LOOPBACK, "port": server.port}
    config.write_text("[client]\n" + "".join(f"{key} = {value}\n" for key, value in login.items()))
    argv = [
        str(exporter),
        f"--config.my-cnf={config}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=error",
    ]
    pid = stage.lab.processes.start(_name(server.name), argv, env={"DATA_SOURCE_NAME": ""})
    return Exporter(server.name, pid, f"http://{LOOPBACK}:{port}/metrics")


async def _accounts(stage: Stage, servers: Sequence[Database], password: str) -> None:
    """Make the account on each server, in no binary log; in a cluster once."""
    clustered = stage.plan.kind is TopologyKind.GALERA
    for server in servers[:1] if clustered else servers:
        # super_read_only holds for root too.
        shut = server.mysql and await server.value("@@super_read_only") == 1
        if shut:
            await server.set_writable(True)
        try:
            await _account(server, password, logged=clustered)
        finally:
            if shut:
                await server.set_writable(False)


async def _account(server: Database, password: str, *, logged: bool) -> None:
    user = f"{_USER}@'{LOOPBACK}'"
    async with server.session() as root:
        if not logged:
            await root.rows("SET SESSION sql_log_bin = 0")
        await root.rows(f"DROP USER IF EXISTS {user}")
        await root.rows(f"CREATE USER {user} IDENTIFIED BY %s", password)
        more = "" if server.mysql else ", SLAVE MONITOR"
        await root.rows(f"GRANT {_PRIVILEGES}{more} ON *.* TO {user}")
