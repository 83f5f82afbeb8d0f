"""One server over the MySQL protocol: log in, read, go.

A connection lives for one session. That costs some milliseconds, and in return each poll proves that
the server still lets somebody in (a full server, error 1040, is down for its applications too),
goes where the name now points after a failover, and never meets a connection that a firewall forgot
or that a cancelled statement left out of step. A writer that beats every second keeps its own (standing).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from collectors.mysqlclient.connection import (
    MAX_SESSION_BYTES,
    Connection,
    UntrustedError,
    connection,
    guarded,
)
from collectors.mysqlclient.look import names_at
from collectors.mysqlclient.restraint import Restraint
from collectors.mysqlclient.session import Session, StandingSession
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan

_DEFAULT_PORT: Final = 3306
_SHOWN: Final = 60


class MysqlClient:
    """Opens sessions to one server.

    `endpoint` is mysql://HOST:PORT, `deadline` seconds for a whole session: connecting, all
    statements, goodbye. `statements` are all that can be sent, each of them reading, but for a writer's own;
    `database` is the one that they are about, `most` the bytes that the server may send in a session,
    `most_packet` those of one row; `grants` says what an account needs for the statements. With `tls`, which
    says whom to trust, nothing is sent in clear: a server without TLS, or with a certificate that isn't
    right, is a failure, and no password goes there. Without it (also the databases of `discover:` and of an
    OpenSIPS's `database:` may stay so) rows pass in clear, and the password never does. Raises ValueError for
    what isn't so.
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
        tls: TlsPlan | None = None,
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
        self._restraint = Restraint(self._where)
        self._names: Sequence[str] | None = None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Log in for the time of the block. Raises CollectError; also for what goes wrong inside it.

        Who lets us in and then leaves a statement unanswered is SERVER, any other silence TIMEOUT.
        Where that happens some of the next sessions only see whether it lets us in: SERVER too.
        """
        held_back = self._restraint.turn()
        link = session = None
        try:
            async with asyncio.timeout(self._deadline):
                link = await self._link()
                session = await self._let_in(link)
                if held_back is not None:
                    await guarded(link.ensure_closed(), self._where, self._grants)
                    raise held_back
                await session.limit(self._deadline)
                yield session
                await guarded(link.ensure_closed(), self._where, self._grants)
                self._restraint.went_well()
        except TimeoutError:
            awaited = session.awaited if session is not None else ""
            raise CollectError(
                CollectFailure.SERVER if awaited else CollectFailure.TIMEOUT,
                f"{self._where}: not done in {self._deadline:g} s"
                + (f", no answer to {awaited[:_SHOWN]}" if awaited else ""),
            ) from None
        finally:
            # Also where somebody else's deadline ended it, by cancelling us.
            if session is not None and session.awaited:
                self._restraint.hung(session.awaited)
            if link is not None:
                link.close()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[StandingSession]:
        """Log in for as long as the block takes; the deadline is for logging in and for each statement.

        Raises CollectError where the server lets nobody in. An error of a statement is raised where the
        statement is sent, and the next connection is a matter of another standing().
        """
        link = None
        try:
            try:
                async with asyncio.timeout(self._deadline):
                    link = await self._link()
                    session = await self._let_in(link)
                    await session.limit(self._deadline)
            except TimeoutError:
                raise CollectError(
                    CollectFailure.TIMEOUT, f"{self._where}: no answer in {self._deadline:g} s"
                ) from None
            yield StandingSession(link, session, self._where, self._deadline)
            with suppress(TimeoutError, CollectError):
                async with asyncio.timeout(self._deadline):
                    await guarded(link.ensure_closed(), self._where, self._grants)
        finally:
            if link is not None:
                link.close()

    async def _link(self) -> Connection:
        link = await connection(
            (self._host, self._port),
            username=self._username,
            password=self._password,
            deadline=self._deadline,
            database=self._database,
            tls=self._tls,
        )
        link.most, link.most_packet = self._most, self._most_packet
        return link

    async def _let_in(self, link: Connection) -> Session:
        try:
            await guarded(link.connect(), self._where, self._grants)
        except UntrustedError as error:
            if not error.wrong_name or self._tls is None:
                raise
            if self._names is None:  # once: a server counts connections that break off, and shuts out hosts
                self._names = await names_at((self._host, self._port), self._tls, self._deadline)
            raise (error if self._names is None else error.knowing(self._names)) from None
        self._names = None
        return Session(link, self._statements, self._where, self._grants)
