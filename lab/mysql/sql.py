"""The lab's own SQL: over the Unix socket, every statement with a deadline."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncmy
import asyncmy.cursors
import asyncmy.errors

from lab.base import LabError

_DEADLINE: Final = 10.0

Row = dict[str, Any]
"""Columns by name; the driver turns numbers into int, NULL into None."""


class _Cursor(asyncmy.cursors.Cursor):
    """A cursor that logs no warnings: what the lab says on its terminal is for people."""

    async def _show_warnings(self, conn: object) -> None:
        """Leave them with the server."""


class Session:
    """A connection to one server; autocommit."""

    def __init__(self, connection: Any, where: str) -> None:
        self._connection = connection
        self._where = where

    async def rows(self, statement: str, *values: object) -> Sequence[Row]:
        """Run a statement, `%s` standing for the values; return its rows. Raises LabError."""
        try:
            async with asyncio.timeout(_DEADLINE), self._connection.cursor(_Cursor) as cursor:
                await cursor.execute(statement, values or None)
                if cursor.description is None:
                    return ()
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
        except TimeoutError:
            raise LabError(f"{self._where}: no answer in {_DEADLINE:g} s to {statement}") from None
        except asyncmy.errors.MySQLError as error:
            # The statement, not the values: they may be passwords.
            raise LabError(f"{self._where}: {_told(error)} to {statement}") from None


@asynccontextmanager
async def connected(socket: Path, user: str = "root", password: str = "") -> AsyncIterator[Session]:
    """Connect for the time of the block; root needs no password, the kernel vouches. Raises LabError."""
    where = socket.parent.name
    try:
        # sockaddr_un holds 107 bytes, less than many a folder's path; this name for it is short.
        folder = os.open(socket.parent, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise LabError(f"{where}: {socket.parent}: {error.strerror}") from None
    try:
        async with asyncio.timeout(_DEADLINE):
            connection = await asyncmy.connect(
                unix_socket=f"/proc/self/fd/{folder}/{socket.name}",
                user=user,
                password=password,
                autocommit=True,
            )
    except TimeoutError:
        raise LabError(f"{where}: no answer in {_DEADLINE:g} s") from None
    except asyncmy.errors.MySQLError as error:
        raise LabError(f"{where}: {_told(error)}") from None
    finally:
        os.close(folder)
    try:
        yield Session(connection, where)
        with suppress(TimeoutError):
            async with asyncio.timeout(_DEADLINE):
                await connection.ensure_closed()  # says goodbye, or the server's log tells of an aborted one
    finally:
        connection.close()


def _told(error: asyncmy.errors.MySQLError) -> str:
    return " ".join(str(part) for part in error.args)
