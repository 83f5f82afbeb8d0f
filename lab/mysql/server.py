"""One MariaDB server of the lab: its folder, its command line, and waiting for it."""

import asyncio
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.base import LabContext, LabError
from lab.mysql.sql import connected

LOOPBACK: Final = "127.0.0.1"

NET_TIMEOUT: Final = 8
"""slave_net_timeout: seconds of silence until a replica doubts its link; the server's own default is 60."""

SOCKET: Final = "mysqld.sock"
_OPTIONS: Final = (
    f"--bind-address={LOOPBACK}",
    f"--socket={SOCKET}",
    "--pid-file=mysqld.pid",
    "--skip-name-resolve",
    "--log-bin=bin",
    "--relay-log=relay",
    "--binlog-format=ROW",
    # The passive side writes down what it applies, so that it can become the active one.
    "--log-slave-updates=1",
    # Only one side is written to, so that one sequence of GTIDs serves both.
    "--gtid-domain-id=0",
    f"--slave-net-timeout={NET_TIMEOUT}",
    # A lab outlives no crash of its machine: nothing is flushed to disk for the sake of it.
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=0",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
    "--key-buffer-size=1M",
    "--max-connections=50",
    # The kernel's AIO contexts are few and shared by all labs.
    "--innodb-use-native-aio=0",
    "--performance-schema=OFF",
)
_PAUSE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Server:
    """A server: `number` is its server_id, `folder` its data directory."""

    name: str
    number: int
    port: int
    folder: Path
    read_only: bool

    @property
    def socket(self) -> Path:
        """The Unix socket that lets root in."""
        return self.folder / SOCKET

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        return f"{LOOPBACK}:{self.port}"

    def command(self, mariadbd: str) -> list[str]:
        """Return its command line, to be run in its folder: the socket's name is relative to it."""
        return [
            mariadbd,
            "--no-defaults",
            f"--datadir={self.folder}",
            f"--port={self.port}",
            f"--server-id={self.number}",
            f"--report-host={self.name}",
            f"--read-only={int(self.read_only)}",
            *_OPTIONS,
            # mariadbd refuses to be root unless it is told to.
            *(["--user=root"] if os.geteuid() == 0 else []),
        ]

    def make_folder(self, template: Path) -> None:
        """Begin with a fresh copy of the template, whatever an earlier lab left. Raises LabError."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.copytree(template, self.folder)
            self.folder.chmod(0o700)
        except (OSError, shutil.Error) as error:
            raise LabError(f"{self.name}: its data directory can't be made: {error}") from None

    async def wait_until_it_answers(self, lab: LabContext) -> None:
        """Return once root gets an answer. Raises LabError with the log's tail."""
        end = time.monotonic() + lab.answers
        while True:
            with suppress(LabError):
                async with connected(self.socket) as session:
                    await session.rows("SELECT 1")
                    return
            log = lab.processes.log_tail(self.name)
            if not lab.processes.alive(self.name):
                raise LabError(f"{self.name} ended while it was starting\n{log}")
            if time.monotonic() >= end:
                raise LabError(f"{self.name} doesn't answer after {lab.answers:.0f} s\n{log}")
            await asyncio.sleep(_PAUSE)
