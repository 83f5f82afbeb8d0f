"""What is asked of a server that let us in: statements of a closed list, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from collectors.mysqlclient import resultset
from collectors.mysqlclient.connection import Connection, guarded
from collectors.mysqlclient.errors import RefusedError
from collectors.mysqlclient.limits import limits
from collectors.mysqlclient.resultset import Row
from dialtone.model import CollectError, CollectFailure

_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 256 * 1024
"""Rows, and their bytes, after which others have their turn: a big table arrives faster than it is read."""

_READ_ONLY: Final = "SET SESSION TRANSACTION READ ONLY"


class Timed(NamedTuple):
    """Rows, and when: `sent` just before the statement was handed to the socket, `received` as the first
    packet of its answer was there. Both by the clock that was given."""

    rows: Sequence[Row]
    sent: float
    received: float


class Session:
    """A server that let us in."""

    def __init__(self, connection: Connection, allowed: frozenset[str], where: str, grants: str) -> None:
        self._connection = connection
        self._allowed = allowed
        self._where = where
        self._grants = grants
        self._asked = self._awaited = ""

    @property
    def version(self) -> str:
        """What the server said it is before it let us in, such as 10.11.14-MariaDB; a proxy may say less."""
        return self._connection.version

    @property
    def private(self) -> bool:
        """Whether nobody else can read what the server answers: verified TLS, or on this machine."""
        return self._connection.private

    @property
    def awaited(self) -> str:
        """The statement of which the server owes us the answer, or more of it; "" for none."""
        return self._awaited

    async def limit(self, seconds: float) -> None:
        """Have the server itself end what takes longer than that. Raises CollectError, but for a no.

        A server that doesn't know such limits is asked all the same.
        """
        for statement in limits(self.version, seconds):
            try:
                await self._done(statement)
            except RefusedError:
                continue
            return

    async def write_nothing(self) -> None:
        """Have the server refuse whatever would write in this session. Raises CollectError.

        For statements of an operator's: the rights of the account are what protects; this is the second lock.
        """
        await self._done(_READ_ONLY)

    async def done(self, statement: str) -> None:
        """Send one of the client's statements that has no rows. Raises as each() does."""
        self._check(statement)
        await self._done(statement)

    async def rows(self, statement: str, columns: Collection[str] = ()) -> Sequence[Row]:
        """Return the rows of one of the client's statements, columns by name. Raises as each() does."""
        return [row async for row in self.each(statement, columns)]

    async def timed(
        self, statement: str, columns: Collection[str] = (), *, clock: Callable[[], float] = time.time
    ) -> Timed:
        """Return the rows of a statement, and when it was asked and answered. Raises as each() does.

        What the server's clock says in them was so between the two; `clock` gives seconds.
        """
        self._check(statement)
        sent = clock()
        await self._send(statement)
        first = await self._packet()
        received = clock()
        return Timed([row async for row in self._rows(first, columns)], sent, received)

    async def each(self, statement: str, columns: Collection[str] = ()) -> AsyncIterator[Row]:
        """Yield the rows of one of the client's statements as they come; go through all of them.

        Every row has these columns, and maybe more. Raises RefusedError when the server said no, after which
        the session goes on; any other CollectError ends it.
        """
        self._check(statement)
        await self._send(statement)
        async for row in self._rows(await self._packet(), columns):
            yield row

    def _check(self, statement: str) -> None:
        if statement not in self._allowed:
            raise ValueError(f"{statement!r} is not on the list of statements that may be sent")

    async def _done(self, statement: str) -> None:
        await self._send(statement)
        resultset.check_ok(await self._packet())

    async def _send(self, statement: str) -> None:
        self._asked = statement
        await guarded(self._connection.send(statement), self._where, self._grants)

    async def _rows(self, first: bytes, columns: Collection[str]) -> AsyncIterator[Row]:
        width = resultset.column_count(first)
        names = [resultset.column_name(await self._packet()) for _ in range(width)]
        packet = await self._packet()
        if resultset.divides(packet):
            packet = await self._packet()
        count = size = 0
        while not resultset.ends(packet):
            if not count:
                resultset.check_columns(names, columns)
            yield resultset.row(packet, names)
            count, size = count + 1, size + len(packet)
            if count % _AT_ONCE == 0 or size > _BYTES_AT_ONCE:
                size = 0
                await asyncio.sleep(0)
            packet = await self._packet()

    async def _packet(self) -> bytes:
        self._awaited = self._asked
        try:
            packet = await guarded(self._connection.read_packet(), self._where, self._grants)
        except CollectError:
            self._awaited = ""
            raise
        self._awaited = ""
        return bytes(packet.get_all_data())


class StandingSession:
    """A session that stays open; each statement has a deadline of its own.

    After any error but a RefusedError it is over: the connection is closed at once, because nobody knows what
    is still under way on it, and each later statement raises CollectError.
    """

    def __init__(self, connection: Connection, session: Session, where: str, deadline: float) -> None:
        self._connection = connection
        self._session = session
        self._where = where
        self._deadline = deadline
        self._turn = asyncio.Lock()
        self._over = False

    @property
    def version(self) -> str:
        """What the server said it is before it let us in."""
        return self._session.version

    @property
    def open(self) -> bool:
        """Whether a next statement may be answered, as far as is known without asking."""
        return not self._over and self._connection.usable

    async def done(self, statement: str) -> None:
        """Send one of the client's statements without rows. Raises RefusedError for a no; CollectError."""
        async with self._alone():
            await self._session.done(statement)

    async def rows(self, statement: str, columns: Collection[str] = ()) -> Sequence[Row]:
        """Return the rows of one of the client's statements. Raises RefusedError for a no; CollectError."""
        async with self._alone():
            return await self._session.rows(statement, columns)

    async def timed(
        self, statement: str, columns: Collection[str] = (), *, clock: Callable[[], float] = time.time
    ) -> Timed:
        """Return rows with their times, as Session.timed(). Raises RefusedError for a no; CollectError."""
        async with self._alone():
            return await self._session.timed(statement, columns, clock=clock)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One statement at a time; whatever waits for its turn waits at most for the deadlines before it."""
        async with self._turn:
            if self._over:
                raise CollectError(CollectFailure.CONNECT, f"{self._where}: the session is over")
            self._connection.renew()
            try:
                async with asyncio.timeout(self._deadline):
                    yield
            except (RefusedError, ValueError):
                raise
            except TimeoutError:
                self._end()
                raise CollectError(
                    CollectFailure.TIMEOUT, f"{self._where}: no answer in {self._deadline:g} s"
                ) from None
            except BaseException:
                self._end()
                raise

    def _end(self) -> None:
        self._over = True
        self._connection.close()
