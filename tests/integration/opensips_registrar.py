"""A real OpenSIPS that keeps its registrations in a real MariaDB, and phones that register there."""

import asyncio
import json
import socket
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import pytest

from lab.base import LabContext, Sample
from lab.mysql import MysqlPart
from lab.mysql.server import Server
from lab.mysql.sql import connected
from lab.mysql.template import program, system_user, template, version
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from tests.integration.opensips_server import OpensipsServer, Program, installed, opensips

PASSWORD: Final = "for-loopback-alone"
"""Of a database that lives as long as a test."""
_TABLES: Final = ("standard", "usrloc", "presence")
_SCRIPT: Final = """
loadmodule "db_mysql.so"
modparam("usrloc", "working_mode_preset", "{mode}")
modparam("usrloc", "db_url", "mysql://opensips:{password}@127.0.0.1:{database}/opensips")
modparam("usrloc", "use_domain", {use_domain})
modparam("usrloc", "timer_interval", {timer})
modparam("registrar", "min_expires", 1)
modparam("registrar", "default_expires", 3600)
loadmodule "event_datagram.so"
route {{
    if ($rm == "REGISTER") {{
        save("location");
    }}
}}
"""
_REGISTER: Final = """REGISTER sip:{domain} SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch};rport\r
From: <sip:{user}@{domain}>;tag=t\r
To: <sip:{user}@{domain}>\r
Call-ID: {call_id}\r
CSeq: {cseq} REGISTER\r
Contact: <sip:{user}@127.0.0.1:{device}>;expires={expires}\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""
_WINDOW: Final = 50
_PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Phone:
    """A device that registers an address; `device` is the port in its contact."""

    user: str
    domain: str
    device: int = 5099
    call_id: str = ""
    cseq: int = 1
    expires: int = 3600

    def again(self, **changes: Any) -> "Phone":
        """Return its next REGISTER."""
        return replace(self, cseq=self.cseq + 1, **changes)


@asynccontextmanager
async def database(folder: Path, cache: Path, schema: Path) -> AsyncIterator[Server]:
    """Run a MariaDB with OpenSIPS's tables; `opensips` may write them, `dialtone` read three."""
    processes = LabProcesses(folder)
    ports = LoopbackPorts(folder, claims=folder.parent / "ports.json")
    lab = LabContext(folder, cache, ports, processes, Sample("example.net", (), ()))
    mariadbd = str(program("mariadbd"))
    server = Server("db1", 1, ports.take("db1"), folder / "db1", read_only=False)
    try:
        source = await asyncio.to_thread(template, cache, version(mariadbd), system_user())
        await asyncio.to_thread(server.make_folder, source)
        processes.start(server.name, server.command(mariadbd), cwd=server.folder)
        await server.wait_until_it_answers(lab)
        await _fill(server, schema)
        yield server
    finally:
        processes.stop_all()
        ports.give_back()


async def _fill(server: Server, schema: Path) -> None:
    async with connected(server.socket) as session:
        await session.rows("CREATE DATABASE opensips")
        await session.rows("USE opensips")
        for name in _TABLES:
            for statement in _definitions(schema / f"{name}-create.sql"):
                await session.rows(statement)
        for user in ("opensips", "dialtone"):
            await session.rows(f"CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'")
        await session.rows("GRANT ALL ON opensips.* TO opensips@'%'")
        for table in ("location", "presentity", "active_watchers"):
            await session.rows(f"GRANT SELECT ON opensips.{table} TO dialtone@'%'")


def _definitions(file: Path) -> list[str]:
    if not file.exists():
        pytest.skip("this OpenSIPS came without the definitions of its tables")
    return [statement for statement in file.read_text().split(";\n") if statement.strip()]


@dataclass(frozen=True, slots=True)
class Registrar:
    """A server and its database."""

    server: OpensipsServer
    database: Server
    program: Program
    folder: Path
    values: Mapping[str, object]

    @contextmanager
    def restarted(self) -> Iterator["Registrar"]:
        """End the server and run another at its addresses, with the same database."""
        self.server.process.terminate()
        self.server.process.wait(_PATIENCE)
        with opensips(
            self.folder, _SCRIPT, self.values, program=self.program, ports=self.server.ports
        ) as server:
            yield replace(self, server=server)

    def ask(self, method: str, **params: object) -> Any:
        """Return what the server itself says; a request of the test's own: nobody may poll its list."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(  # noqa: S310 - http, on loopback
            self.server.mi, body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as reply:  # noqa: S310
            return json.load(reply)["result"]

    async def numbers(self) -> tuple[int, int]:
        """Return how many addresses and contacts the server counts."""
        found = await anyio.to_thread.run_sync(lambda: self.ask("get_statistics", statistics=["usrloc:"]))
        return int(found["usrloc:location-users"]), int(found["usrloc:location-contacts"])

    async def aors(self) -> Counter[str]:
        """Return how many addresses the server's own list has of each domain."""
        found = await anyio.to_thread.run_sync(lambda: self.ask("ul_dump", brief="1"))
        records = found["Domains"][0]["AORs"]
        return Counter(record["AOR"].partition("@")[2] for record in records)

    async def register(self, phones: Sequence[Phone]) -> None:
        """Send a REGISTER of each phone; every one is answered with 200."""
        await anyio.to_thread.run_sync(_register, self.server.ports.sip, phones)


@asynccontextmanager
async def registrar(
    folder: Path, cache: Path, *, mode: str = "write-through", timer: int = 1, use_domain: int = 1
) -> AsyncIterator[Registrar]:
    """Run both for the time of the block."""
    found = installed()
    schema = found.path.resolve().parent.parent / "share/opensips/mysql"
    if missing := MysqlPart().missing():
        pytest.skip("; ".join(missing))
    data = folder / "db"
    data.mkdir()
    async with database(data, cache, schema) as tables:
        values = {
            "mode": "sql-only" if mode == "only" else f"single-instance-sql-{mode}",
            "timer": timer,
            "use_domain": use_domain,
            "database": tables.port,
            "password": PASSWORD,
        }
        with opensips(folder, _SCRIPT, values, program=found) as server:
            yield Registrar(server, tables, found, folder, values)


def _register(port: int, phones: Sequence[Phone]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1.0)
        waiting: dict[str, bytes] = {}
        left = list(reversed(phones))
        tries = 0
        while left or waiting:
            while left and len(waiting) < _WINDOW:
                phone = left.pop()
                branch = f"{phone.user}x{phone.domain}x{phone.device}x{phone.cseq}".replace(".", "")
                call_id = phone.call_id or f"{phone.user}-{phone.device}@{phone.domain}"
                request = _REGISTER.format(
                    user=phone.user, domain=phone.domain, device=phone.device, call_id=call_id,
                    cseq=phone.cseq, expires=phone.expires, branch=branch, port=sock.getsockname()[1],
                ).encode()  # fmt: skip
                waiting[branch] = request
                sock.sendto(request, ("127.0.0.1", port))
            try:
                reply = sock.recv(65535).decode()
            except TimeoutError:
                tries += 1
                assert tries < _PATIENCE, f"{len(waiting)} REGISTERs are not answered"
                for request in waiting.values():
                    sock.sendto(request, ("127.0.0.1", port))
                continue
            branch = reply.partition("branch=z9hG4bK")[2].partition(";")[0].partition("\r")[0]
            if waiting.pop(branch, None) is not None:
                assert reply.startswith("SIP/2.0 200"), reply
