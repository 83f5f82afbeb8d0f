"""Asterisk's manager interface (AMI) over TCP or TLS: one kept connection, a closed list of actions.

Measured on Asterisk 16.28 and 22.10.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from collectors.asterisk.account import Account
from collectors.asterisk.answers import Answer
from collectors.asterisk.connection import Connection
from collectors.asterisk.hearing import Hearing
from collectors.asterisk.manager import AmiRefusedError, Hear, check
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import MAX_BLOCK_BYTES, Block, decode_lines
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.deadline import within
from dialtone.runtime.tls import TrustError, client_context, why_not_there

T = TypeVar("T")

MAX_LINES_BYTES: Final = 1024 * 1024
"""Of an answer that is asked for by its lines: task processors are some per endpoint, 140 bytes each."""

_PORTS: Final[Mapping[str, int]] = {"tcp": 5038, "tls": 5039}
GREETING: Final = 0.5
"""Of the deadline, within which a server must be connected and have greeted, as Asterisk does at once: what
has to be said of a silent port is said before the poll's own deadline.
"""
_CLOSE_DEADLINE: Final = 1.0
_BROKEN_OFF: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""What ends a connection that was established: while connecting, that is the TLS handshake."""


class AmiClient:
    """Implements Manager: asks one server; connects when there is something to ask.

    `endpoint` is tcp://HOST:PORT or tls://HOST:PORT, `deadline` seconds for each action, half of it for
    connecting.
    Without `hear` no events are asked for. `tls` says whom to trust. Errors are CollectError: the operating
    system's exceptions end here. After any error but a refusal the connection is given up, because nobody
    knows what is still under way on it; the next action makes a new one.
    """

    def __init__(
        self,
        endpoint: str,
        username: str,
        secret: Secret,
        *,
        deadline: float,
        hear: Hear | None = None,
        connected: Callable[[], None] | None = None,
        tls: TlsPlan | None = None,
        clock: Clock | None = None,
    ) -> None:
        url = urlsplit(endpoint)
        self._host, self._port = url.hostname or "", url.port or _PORTS.get(url.scheme, _PORTS["tcp"])
        self._where = endpoint
        self._tls = (tls or TlsPlan()) if url.scheme == "tls" else None
        self._name = (self._tls.name if self._tls else None) or self._host
        self._deadline = deadline
        self._clock: Clock = clock or SystemClock()
        self._account = Account(endpoint, username, secret, self._clock, deadline)
        self._hearing = Hearing(endpoint, hear, connected)
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self._reached = False

    @property
    def connections(self) -> int:
        """How many logins have succeeded so far."""
        return self._hearing.connections

    @property
    def lost_events(self) -> int:
        """How many events were not taken in."""
        return self._hearing.lost

    async def aclose(self) -> None:
        """Log off and close, within two seconds and for good."""
        self._closed = True
        if self._connection is None:
            return
        if self._turn.locked():  # somebody waits for an answer on it, and is told that none comes
            self._connection.abort()
            return
        connection, self._connection = self._connection, None
        with contextlib.suppress(CollectError, AmiRefusedError):
            await connection.exchange("Logoff", {}, _CLOSE_DEADLINE)
        await connection.close()

    async def connect(self) -> None:
        """Make sure of a logged-in connection; `connections` counts them. Raises CollectError."""
        async with self._turn:
            self._check_open()
            if self._connection is not None:
                if not self._connection.ended.done():
                    return
                self._drop()  # Asterisk was restarted between two polls: no failure, a new connection
            self._account.check()
            try:
                connection = await self._open()
                await self._log_in(connection)
            except BaseException:
                self._drop()
                raise
            connection.watch(self._deadline)

    async def ask(self, action: str, headers: Mapping[str, str] | None = None) -> Block:
        """Send an action and return its response. Raises CollectError, AmiRefusedError."""
        return (await self._ask(action, headers)).response or {}

    async def list(
        self, action: str, ends_with: str, headers: Mapping[str, str] | None = None
    ) -> Sequence[Block]:
        """Send an action that answers with a list, and return its items. Raises as ask()."""
        return (await self._ask(action, headers, ends_with=ends_with)).items

    async def items(self, action: str, ends_with: str, recall: Recall[T]) -> Sequence[T]:
        """Send an action that answers with a list, and return what is made of its items. Raises as ask()."""
        recall.turn()
        return (await self._ask(action, None, ends_with=ends_with, recall=recall)).made

    async def lines(self, action: str, headers: Mapping[str, str] | None = None) -> Sequence[tuple[str, str]]:
        """Send an action and return all lines of its one response, in order. Raises as ask()."""
        return decode_lines((await self._ask(action, headers, limit=MAX_LINES_BYTES)).raw)

    async def drain(self) -> None:
        """Do nothing: events come by themselves."""

    async def _ask(
        self,
        action: str,
        headers: Mapping[str, str] | None,
        *,
        ends_with: str = "",
        limit: int = MAX_BLOCK_BYTES,
        recall: Recall[Any] | None = None,
    ) -> Answer:
        check(action, headers or {})
        await self.connect()
        async with self._turn:
            connection = self._connection
            if connection is None:
                raise self._was_closed()
            try:
                return await connection.exchange(
                    action,
                    headers or {},
                    self._deadline,
                    ends_with=ends_with,
                    limit=limit,
                    recall=recall,
                )
            except AmiRefusedError:
                raise
            except BaseException as error:
                if not (isinstance(error, CollectError) and error.failure is CollectFailure.DENIED):
                    self._drop()
                raise

    async def _open(self) -> Connection:
        """Return a connection whose banner has come."""
        limit = self._deadline * GREETING
        self._reached = False
        try:
            return await within(self._clock, limit, self._greeted)
        except TimeoutError:
            raise CollectError(
                CollectFailure.TIMEOUT, f"{self._where}: {self._silence()} (waited {limit:g} s)"
            ) from None
        except TrustError as error:
            raise CollectError(CollectFailure.TLS, f"{self._where}: {error}") from None
        except (OSError, ValueError) as error:
            raise await self._translated(error) from None

    async def _greeted(self) -> Connection:
        # Reading certificates blocks; the context is the same for as long as their file is.
        context = await asyncio.to_thread(client_context, self._tls) if self._tls else None
        connection = self._connection = Connection(
            self._clock, self._where, self._name, self._hearing.tell, self._hearing.lose
        )

        def reached() -> Connection:
            self._reached = True  # asyncio makes the protocol when TCP is connected, before TLS
            return connection

        await asyncio.get_running_loop().create_connection(
            reached,
            self._host,
            self._port,
            ssl=context,
            server_hostname=self._name if context else None,
            ssl_handshake_timeout=self._deadline if context else None,
            ssl_shutdown_timeout=_CLOSE_DEADLINE if context else None,
        )
        if (wrong := await connection.greeted) is not None:
            raise wrong
        self._check_open()  # it was closed before there was anything to cut
        return connection

    def _silence(self) -> str:
        """Return what it may be that no greeting has come."""
        if not self._reached:
            return "nothing answers: is the machine up, and does a firewall let us through?"
        if self._tls is None:
            what, other = "greeting", "TLS (tls://) or HTTP (http://)"
        elif self._connection is not None and self._connection.made:
            what, other = "greeting", "HTTP (https://)"
        else:
            what, other = "TLS handshake", "plain AMI (tcp://) or HTTP (http://)"
        guess = "" if self.connections else f"is this a port for {other}, or "
        return f"connected, but no {what} came: {guess}does Asterisk hang?"

    async def _translated(self, error: OSError | ValueError) -> CollectError:
        if isinstance(error, socket.gaierror | UnicodeError):
            return CollectError(CollectFailure.DNS, f"the host name of {self._where} does not resolve")
        broken_off = self._tls is not None and isinstance(error, _BROKEN_OFF)
        if isinstance(error, ssl.SSLError | ValueError) or broken_off:
            place = self._host, self._port
            why = await why_not_there(error, self._name, place, self._tls or TlsPlan())
            return CollectError(CollectFailure.TLS, f"{self._where}: {why}")
        # asyncio's own words repeat the address; several addresses tried come without an errno.
        reason = os.strerror(error.errno) if error.errno else "none of its addresses answers"
        return CollectError(CollectFailure.CONNECT, f"can't connect to {self._where}: {reason}")

    async def _log_in(self, connection: Connection) -> None:
        login = {**await self._proof(connection), "Events": self._hearing.classes}
        try:
            await connection.exchange("Login", login, self._deadline)
        except AmiRefusedError:
            raise self._account.refused() from None
        self._account.accepted()
        self._hearing.connect()

    async def _proof(self, connection: Connection) -> Mapping[str, str]:
        """Return what shows that we know the password, by MD5 challenge wherever the server has it.

        The password itself goes only to a server that has no challenge and whose certificate we have
        verified: anybody in between could else refuse the challenge and be told the password.
        """
        try:
            answer = await connection.exchange("Challenge", {"AuthType": "MD5"}, self._deadline)
            challenge = (answer.response or {}).get("Challenge", "")
        except (AmiRefusedError, CollectError) as error:
            # Before a login an action that the server doesn't know is denied.
            if isinstance(error, CollectError) and error.failure is not CollectFailure.DENIED:
                raise
            challenge = ""
        if challenge:
            return self._account.proof(challenge)
        if self._tls is not None and self._tls.verify:
            return self._account.password()
        raise self._account.in_vain(
            f"{self._where} has no MD5 challenge; a password is sent in clear over verified TLS only"
        )

    def _check_open(self) -> None:
        if self._closed:
            raise self._was_closed()

    def _was_closed(self) -> CollectError:
        return CollectError(CollectFailure.CONNECT, f"the connection to {self._where} was closed by us")

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
