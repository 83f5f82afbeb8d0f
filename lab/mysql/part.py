"""The lab's part that starts the pair and says how to reach it."""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Final

from lab.base import LabContext, LabError, PartInfo
from lab.faultproxy import steer
from lab.files import write_private
from lab.mysql.replication import (
    HEARTBEAT_TABLE,
    WATCHER,
    Passwords,
    follow,
    make_accounts,
    wait_for_heartbeat,
    wait_until_replicating,
)
from lab.mysql.server import LOOPBACK, Server
from lab.mysql.template import program, system_user, template, version
from lab.processes import python_path

_PACKAGE: Final = "mariadb-server-core"
_PROGRAMS: Final = ("mariadbd", "mariadb-install-db")
_LINK: Final = "db-link"
_HEARTBEAT: Final = "db-heartbeat"
_PAUSE: Final = 0.02


class MysqlPart:
    """A MariaDB pair: db1 is active, db2 passive (read_only), and each replicates from the other.

    db2 reaches db1 through the fault proxy `db-link`; a heartbeat is written to db1.
    """

    name = "mysql"

    def missing(self) -> Sequence[str]:
        """Return the programs that this machine lacks."""
        return [f"{name}: apt-get install {_PACKAGE}" for name in _PROGRAMS if program(name) is None]

    async def start(self, lab: LabContext) -> PartInfo:
        """Start the pair and return once both replicate and a heartbeat came through. Raises LabError."""
        mariadbd = program("mariadbd")
        if mariadbd is None:
            raise LabError(f"mariadbd is missing: apt-get install {_PACKAGE}")
        server_version = await asyncio.to_thread(version, mariadbd)
        source = await asyncio.to_thread(template, lab.cache, server_version, system_user())
        folder = lab.folder(self.name)
        folder.chmod(0o700)
        active = Server("db1", 1, lab.ports.take("db1"), folder / "db1", read_only=False)
        passive = Server("db2", 2, lab.ports.take("db2"), folder / "db2", read_only=True)
        passwords = Passwords.fresh()
        for server in (active, passive):
            await asyncio.to_thread(server.make_folder, source)
            lab.processes.start(server.name, server.command(mariadbd), cwd=server.folder)
        link = _start_link(lab, active)
        for server in (active, passive):
            await server.wait_until_it_answers(lab)
            await make_accounts(server, passwords)
        await _wait_for_link(lab)
        await follow(passive, link, passwords)
        await follow(active, passive.port, passwords)
        for server in (passive, active):
            await wait_until_replicating(server, lab.answers)
        _start_heartbeat(lab, active, passwords)
        try:
            await wait_for_heartbeat(passive, active, lab.answers)
        except LabError as error:
            raise LabError(f"{error}\n{lab.processes.log_tail(_HEARTBEAT)}") from None
        return _info(lab, server_version, active, passive, passwords)


def _start_link(lab: LabContext, active: Server) -> int:
    listen = lab.ports.take(_LINK)
    lab.processes.start(
        _LINK,
        [
            *(sys.executable, "-m", "lab.faultproxy", "--listen", str(listen)),
            *("--target", active.address, "--control", str(_control(lab))),
        ],
        env={"PYTHONPATH": python_path()},
    )
    return listen


def _control(lab: LabContext) -> int:
    return lab.ports.take(f"{_LINK}-control")


async def _wait_for_link(lab: LabContext) -> None:
    end = time.monotonic() + lab.answers
    while True:
        try:
            await steer(f"{LOOPBACK}:{_control(lab)}", "mode")
        except LabError as error:
            if not lab.processes.alive(_LINK) or time.monotonic() >= end:
                raise LabError(f"{error}\n{lab.processes.log_tail(_LINK)}") from None
            await asyncio.sleep(_PAUSE)
        else:
            return


def _start_heartbeat(lab: LabContext, active: Server, passwords: Passwords) -> None:
    password_file = active.folder.parent / "heartbeat.password"
    write_private(password_file, passwords.heart)
    lab.processes.start(
        _HEARTBEAT,
        [
            *(sys.executable, "-m", "lab.mysql.heartbeat", "--socket", str(active.socket)),
            *("--server-id", str(active.number), "--password-file", str(password_file)),
        ],
        env={"PYTHONPATH": python_path()},
    )


def _info(
    lab: LabContext, server_version: str, active: Server, passive: Server, passwords: Passwords
) -> PartInfo:
    return PartInfo(
        name=MysqlPart.name,
        says=(
            f"MariaDB {server_version.partition('-')[0]}: {active.name} (active) on {active.address}, "
            f"{passive.name} (passive) on {passive.address}, replicating from each other"
        ),
        nodes=tuple(
            {
                "name": server.name,
                "kind": "mysql",
                "dsn": f"mysql://{WATCHER}@{server.address}",
                "password": {"file": "secrets/mysql"},
                "heartbeat": HEARTBEAT_TABLE,
                "interval": "2s",
                "timeout": "2s",
            }
            for server in (active, passive)
        ),
        config={
            "topologies": [
                {
                    "name": "main",
                    "kind": "active-passive",
                    "nodes": [active.name, passive.name],
                    "tenants": "all",
                }
            ]
        },
        secrets={"mysql": passwords.watcher},
        addresses={
            active.name: active.address,
            passive.name: passive.address,
            f"{active.name}-socket": str(active.socket),
            f"{passive.name}-socket": str(passive.socket),
            _LINK: f"{LOOPBACK}:{lab.ports.take(_LINK)}",
            f"{_LINK}-control": f"{LOOPBACK}:{_control(lab)}",
        },
    )
