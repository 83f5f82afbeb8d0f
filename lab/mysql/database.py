"""A server of a stage: it starts, stops, dies, freezes and answers root."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from lab.base import LabContext, LabError
from lab.mysql.clock import Clock
from lab.mysql.flavour import Program
from lab.mysql.options import command
from lab.mysql.plan import Seat, Wishes
from lab.mysql.server import LOOPBACK, SOCKET
from lab.mysql.sql import Row, Session, connected
from lab.proc import Process, look_up

_PAUSE: Final = 0.02
_GRACE: Final = 30.0
"""Seconds that a server may take to end in order."""


class Extra(Protocol):
    """What a server of a cluster needs beyond the usual."""

    def options(self, *, bootstrap: bool) -> Sequence[str]:
        """Return more options for a start; blocks. Raises LabError."""

    @property
    def env(self) -> Mapping[str, str]:
        """More of the environment."""

    async def wait(self) -> None:
        """Return once the server is one of its cluster. Raises LabError."""


class Database:
    """A server of a stage. All methods raise LabError when what they do can't be done.

    It is a process of its own that outlives this object; its log is that of the process.
    """

    def __init__(
        self,
        lab: LabContext,
        seat: Seat,
        wishes: Wishes,
        program: Program,
        folder: Path,
        extra: Extra | None = None,
    ) -> None:
        self._lab = lab
        self.seat = seat
        self._wishes = wishes
        self.program = program
        self.folder = folder
        self.port = lab.ports.take(seat.name)
        self.extra = extra
        self._clock = Clock(folder.with_suffix(".clock")) if wishes.clocks else None
        self._process: Process | None = None
        self.later: tuple[str, ...] = ()
        """Options for all further starts."""

    @property
    def name(self) -> str:
        """What the server is called."""
        return self.seat.name

    @property
    def number(self) -> int:
        """Its server_id."""
        return self.seat.number

    @property
    def mysql(self) -> bool:
        """Whether it is MySQL and not MariaDB: then statements have other words."""
        return self.program.flavour.is_mysql

    @property
    def socket(self) -> Path:
        """The Unix socket that lets root in."""
        return self.folder / SOCKET

    @property
    def address(self) -> str:
        """Where it listens itself, as host:port, past every link."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._lab.processes.alive(self.name)

    @property
    def pid(self) -> int:
        """The process."""
        return self._its_process().pid

    def make_folder(self) -> None:
        """Begin with a fresh copy of the template, whatever was there (blocks)."""
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.copytree(self.program.template, self.folder)
            self.folder.chmod(0o700)
        except (OSError, shutil.Error) as error:
            raise LabError(f"{self.name}: its data directory can't be made: {error}") from None

    def launch(self, extra: Sequence[str] = ()) -> None:
        """Start the process and don't wait for it; `extra` are more options, for this time only."""
        env: dict[str, str] = {}
        if self._clock is not None:
            env |= self._clock.env()
        if self.extra is not None:
            env |= self.extra.env
        argv = [*self.command(), *self.later, *extra]
        self._process = look_up(self._lab.processes.start(self.name, argv, cwd=self.folder, env=env))

    def command(self) -> list[str]:
        """Return its command line, without what belongs to one start only."""
        return command(self.program, self.seat, self._wishes, self.folder, self.port)

    async def start(self, *, bootstrap: bool = False, wait: bool = True) -> None:
        """Start it again with its data; return when it answers, in a cluster when it is a member.

        `bootstrap` has it begin a new cluster. Its replica threads start by themselves.
        """
        more: Sequence[str] = ()
        if self.extra is not None:
            options = self.extra.options
            more = await asyncio.to_thread(lambda: options(bootstrap=bootstrap))
        self.launch(more)
        if wait:
            await self.answers()
            if self.extra is not None:
                await self.extra.wait()

    async def answers(self) -> None:
        """Return once root gets an answer; the error has the log's tail."""
        end = time.monotonic() + self._lab.answers
        while True:
            with suppress(LabError):
                await self.sql("SELECT 1")
                return
            if not self.runs:
                raise LabError(f"{self.name} ended while it was starting\n{self.log_tail()}")
            if time.monotonic() >= end:
                raise LabError(
                    f"{self.name} doesn't answer after {self._lab.answers:.0f} s\n{self.log_tail()}"
                )
            await asyncio.sleep(_PAUSE)

    async def stop(self) -> None:
        """Shut it down in order (SIGTERM)."""
        self.thaw()
        await asyncio.to_thread(self._lab.processes.stop, self.name, grace=_GRACE)

    async def restart(self) -> None:
        """Shut it down in order and start it again."""
        await self.stop()
        await self.start()

    async def kill(self) -> None:
        """End it by SIGKILL, as the kernel does when memory is short; nothing is written any more."""
        process = self._its_process()
        process.signal(signal.SIGKILL)
        end = time.monotonic() + self._lab.answers
        # Until the kernel has forgotten it: MySQL won't start while the pid in its socket's lock is there.
        while self.runs or look_up(process.pid) == process:
            if time.monotonic() >= end:
                raise LabError(f"{self.name} doesn't end, not even by SIGKILL")
            await asyncio.sleep(_PAUSE)

    def freeze(self) -> None:
        """Stop its process (SIGSTOP): its connections stay open, and it is silent."""
        self._its_process().signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on (SIGCONT); no error where it isn't frozen, or doesn't run."""
        if self._process is not None:
            self._process.signal(signal.SIGCONT)

    def set_clock(self, ahead: float) -> None:
        """Set its clock so many seconds ahead of the machine's; it holds within a second.

        The stage must have been wished for with `clocks`. Its timeouts and waits stay right.
        """
        if self._clock is None:
            raise LabError(f"{self.name} has the machine's clock: wish for clocks=True")
        self._clock.set(ahead)

    async def sql(self, statement: str, *values: object) -> Sequence[Row]:
        """Run a statement as root over the socket, `%s` standing for the values; return its rows."""
        async with connected(self.socket) as root:
            return await root.rows(statement, *values)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Give a connection as root, for what must be in one: LOCK TABLES, a transaction, SET SESSION."""
        async with connected(self.socket) as root:
            yield root

    async def value(self, expression: str) -> object:
        """Return what an expression is: `@@read_only`, `(SELECT COUNT(*) FROM x.y)`."""
        (row,) = await self.sql(f"SELECT {expression} AS it")
        return row["it"]

    async def status(self, pattern: str) -> Mapping[str, str]:
        """Return SHOW GLOBAL STATUS LIKE the pattern, by name."""
        rows = await self.sql("SHOW GLOBAL STATUS LIKE %s", pattern)
        return {str(row["Variable_name"]): str(row["Value"]) for row in rows}

    async def set_writable(self, writable: bool) -> None:
        """Take writes, or refuse them from now on (read_only; super_read_only too on MySQL)."""
        if self.mysql and not writable:
            await self.sql("SET GLOBAL super_read_only = ON")  # sets read_only as well
        else:
            await self.sql(f"SET GLOBAL read_only = {'OFF' if writable else 'ON'}")

    def log_tail(self, lines: int = 20) -> str:
        """Return the end of the server's log since it was started last."""
        return self._lab.processes.log_tail(self.name, lines)

    def _its_process(self) -> Process:
        if self._process is None or not self.runs:
            raise LabError(f"{self.name} doesn't run")
        return self._process
