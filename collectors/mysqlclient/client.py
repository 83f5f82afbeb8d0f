"""One server over the MySQL protocol: log in, read, go. The driver is known to this module and errors.py.

A connection lives for one session. That costs some milliseconds, and in return each poll proves that
the server still lets somebody in (a full server, error 1040, is down for its applications too),
goes where the name now points after a failover, and never meets a connection that a firewall forgot
or that a cancelled statement left out of step.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import asyncmy.connection
import asyncmy.errors

from collectors.mysqlclient import resultset
from collectors.mysqlclient.errors import GARBAGE, translated
from collectors.mysqlclient.resultset import Row
from dialtone.model import CollectError, CollectFailure, Secret

MAX_SESSION_BYTES: Final = 1024 * 1024
"""Most that a server may send in a session, unless its owner says otherwise. The row of a replication channel
has some 3 KiB, and nobody has 256."""

_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 256 * 1024
"""Rows, and their bytes, after which others have their turn: a big table arrives faster than it is read."""

_DEFAULT_PORT: Final = 3306
_PROGRAM: Final = "dialtone"
_COM_QUERY: Final = 3
_READ_ONLY: Final = "SET SESSION TRANSACTION READ ONLY"
_HEADER: Final = 4


class MysqlClient:
    """Opens sessions to one server.

    `endpoint` is mysql://HOST:PORT, `deadline` seconds for a whole session: connecting, all
    statements, goodbye. `statements` are all that can be sent, each of them reading; `database` is the
    one that they are about, `most` the bytes that the server may send in a session, `most_packet` those of
    one row; `grants` says what an account needs for the statements. With `tls` nothing is sent in clear: a
    server without TLS, or with a certificate that the context doesn't accept, is a failure. Raises ValueError
    for what isn't so.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        username: str,
        password: Secret | None,
        deadline: float,
        statements: frozenset[str],
        database: str | None = None,
        tls: ssl.SSLContext | None = None,
        most: int = MAX_SESSION_BYTES,
        most_packet: int = MAX_SESSION_BYTES,
        grants: str = "SELECT on the tables",
    ) -> None:
        url = urlsplit(endpoint)
        if url.scheme != "mysql" or not url.hostname:
            raise ValueError(f"{endpoint!r} is not the address of a server; write mysql://HOST:3306")
        self._host = url.hostname
        self._port = url.port or _DEFAULT_PORT
        self._where = f"{url.hostname}:{self._port}"
        self._username = username
        self._password = password
        self._deadline = deadline
        self._tls = tls
        self._statements = statements
        self._database = database
        self._grants = grants
        self._most = most
        self._most_packet = most_packet

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Session"]:
        """Log in for the time of the block. Raises CollectError; also for what goes wrong inside it."""
        connection = _Connection(  # type: ignore[no-untyped-call] # the driver's constructor has no types
            host=self._host,
            port=self._port,
            db=self._database,
            user=self._username,
            # Bytes: the driver would encode text as latin-1, and show it where that fails.
            password=self._password.reveal().encode() if self._password else b"",
            connect_timeout=self._deadline,
            autocommit=None,  # nothing to commit; True would send a SET
            ssl=self._tls,
            program_name=_PROGRAM,
            auth_plugin_map={} if self._tls else dict.fromkeys(_TELLS_THE_PASSWORD, _Refusal),
        )
        connection.most, connection.most_packet = self._most, self._most_packet
        try:
            async with asyncio.timeout(self._deadline):
                await _guarded(connection.connect(), self._where, self._grants)
                yield Session(connection, self._statements, self._where, self._grants)
                await _guarded(connection.ensure_closed(), self._where, self._grants)
        except TimeoutError:
            raise CollectError(
                CollectFailure.TIMEOUT, f"{self._where}: not done in {self._deadline:g} s"
            ) from None
        finally:
            connection.close()


class Session:
    """A server that let us in."""

    def __init__(self, connection: "_Connection", allowed: frozenset[str], where: str, grants: str) -> None:
        self._connection = connection
        self._allowed = allowed
        self._where = where
        self._grants = grants

    async def write_nothing(self) -> None:
        """Have the server refuse whatever would write in this session. Raises CollectError.

        For statements of an operator's: the rights of the account are what protects; this is the second lock.
        """
        await _guarded(self._connection.send(_READ_ONLY), self._where, self._grants)
        resultset.check_ok(await self._packet())

    async def rows(self, statement: str, columns: Collection[str] = ()) -> Sequence[Row]:
        """Return the rows of one of the client's statements, columns by name. Raises as each() does."""
        return [row async for row in self.each(statement, columns)]

    async def each(self, statement: str, columns: Collection[str] = ()) -> AsyncIterator[Row]:
        """Yield the rows of one of the client's statements as they come; go through all of them.

        Every row has these columns, and maybe more. Raises RefusedError when the server said no, after which
        the session goes on; any other CollectError ends it.
        """
        if statement not in self._allowed:
            raise ValueError(f"{statement!r} is not on the list of statements that only read")
        await _guarded(self._connection.send(statement), self._where, self._grants)
        width = resultset.column_count(await self._packet())
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
        packet = await _guarded(self._connection.read_packet(), self._where, self._grants)
        return bytes(packet.get_all_data())


async def _guarded(work: Awaitable[Any], where: str, grants: str) -> Any:
    """Return what the driver's work returns; what it raises becomes a CollectError."""
    try:
        return await work
    except asyncmy.errors.MySQLError as error:
        raise translated(error, where, grants) from error
    except GARBAGE as error:
        raise CollectError(
            CollectFailure.PROTOCOL,
            f"{where}: what answers there doesn't speak MySQL's protocol ({type(error).__name__})",
        ) from error


# Sends the password as it is, or hashed in a way that is reversed at once (MySQL before 4.1).
_TELLS_THE_PASSWORD: Final = ("mysql_clear_password", "dialog", "mysql_old_password")


class _Refusal:
    """Takes the place of a plugin that would give the password to whoever answers at that port."""

    def __init__(self, connection: object) -> None:
        del connection

    def authenticate(self, packet: object) -> None:
        del packet
        raise asyncmy.errors.OperationalError(
            2059, "the server wants the password in clear, which is for TLS only; nothing was sent"
        )


class _Connection(asyncmy.connection.Connection):
    """A connection that takes so much and no more; the driver itself believes every length it is told."""

    _proto: Any  # the driver's receive buffer; its published types leave it out
    most = most_packet = MAX_SESSION_BYTES
    _taken = 0
    _awaited = 0

    async def read_packet(self, *kind: Any) -> Any:
        """Return the next packet: the one door that everything from the server comes through."""
        packet = await super().read_packet(*kind)  # type: ignore[no-untyped-call]
        size = len(packet.get_all_data())
        self._check_packet(size)
        self._taken += _HEADER + size
        self._awaited = 0
        self._check(self._proto.length - self._proto.pos)
        return packet

    async def _fill_buffer(self, need: int) -> None:
        """Wait for `need` unread bytes, several times for a packet in parts."""
        self._awaited += need
        self._check(self._awaited)
        self._check_packet(self._awaited - _HEADER)
        await super()._fill_buffer(need)  # type: ignore[misc] # inside the driver, so a test holds it

    def _check(self, more: int) -> None:
        if self._taken + more > self.most:
            raise CollectError(
                CollectFailure.TOO_LARGE,
                f"the server sends more than {self.most // 1024} KiB in one session",
            )

    def _check_packet(self, size: int) -> None:
        if size > self.most_packet:
            raise CollectError(
                CollectFailure.TOO_LARGE,
                f"the server sends more than {self.most_packet // 1024} KiB in one row",
            )

    async def send(self, statement: str) -> None:
        """Send a statement; its reply is read packet by packet with read_packet()."""
        await self._execute_command(_COM_QUERY, statement)  # type: ignore[attr-defined]
