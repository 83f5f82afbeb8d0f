"""Asterisk's manager interface (AMI) over TCP or TLS: one kept connection, a closed list of actions.

Measured on Asterisk 16.28 and 22.10.
"""

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import structlog

from collectors.asterisk.answers import Answer
from collectors.asterisk.connection import Connection
from collectors.asterisk.manager import EVENT_CLASSES, AmiRefusedError, Hear, check
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import MAX_BLOCK_BYTES, Block, decode_lines
from dialtone.model import CollectError, CollectFailure, Secret, TlsPlan
from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.deadline import within
from dialtone.runtime.tls import TrustError, client_context, why_not

T = TypeVar("T")

_log = structlog.get_logger(__name__)

MAX_LINES_BYTES: Final = 1024 * 1024
"""Of an answer that is asked for by its lines: task processors are some per endpoint, 140 bytes each."""

_PORTS: Final[Mapping[str, int]] = {"tcp": 5038, "tls": 5039}
_CLOSE_DEADLINE: Final = 1.0
_BROKEN_OFF: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""What ends a connection that was established: while connecting, that is the TLS handshake."""


class AmiClient:
    """Implements Manager: asks one server; connects when there is something to ask.

    `endpoint` is tcp://HOST:PORT or tls://HOST:PORT, `deadline` seconds for each action, for connecting too.
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
        tls: TlsPlan | None = None,
        clock: Clock | None = None,
    ) -> None:
        url = urlsplit(endpoint)
        self._host, self._port = url.hostname or "", url.port or _PORTS.get(url.scheme, _PORTS["tcp"])
        self._where = endpoint
        self._tls = (tls or TlsPlan()) if url.scheme == "tls" else None
        self._name = (self._tls.name if self._tls else None) or self._host
        self._username, self._secret = username, secret
        self._deadline = deadline
        self._clock: Clock = clock or SystemClock()
        self._hear = hear
        self._hear_failed = False
        self._turn = asyncio.Lock()
        self._connection: Connection | None = None
        self._refused: tuple[float, CollectError] | None = None
        self.connections = 0
        self.lost_events = 0

    async def aclose(self) -> None:
        """Log off and close, within two seconds; a later action opens a new connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._turn.locked():  # somebody waits for an answer on it, and is told that none comes
            connection.abort()
            return
        with contextlib.suppress(CollectError, AmiRefusedError):
            await connection.exchange("Logoff", {}, _CLOSE_DEADLINE)
        await connection.close()

    async def connect(self) -> None:
        """Make sure of a logged-in connection; `connections` counts them. Raises CollectError.

        For a deadline's time after credentials were refused nothing is tried: whatever one poll asks, it
        fails to log in once.
        """
        async with self._turn:
            if self._connection is not None:
                if not self._connection.ended.done():
                    return
                self._drop()  # Asterisk was restarted between two polls: no failure, a new connection
            if self._refused is not None and self._clock.monotonic() < self._refused[0]:
                raise self._refused[1]
            try:
                connection = await self._open()
                await self._log_in(connection)
                if self._connection is not connection:
                    connection.abort()
                    raise self._was_closed()
            except BaseException as error:
                if isinstance(error, CollectError) and error.failure is CollectFailure.AUTH:
                    self._refused = self._clock.monotonic() + self._deadline, error
                self._drop()
                raise
            connection.watch(self._deadline)
            self._refused = None
            self.connections += 1

    async def ask(self, action: str, headers: Mapping[str, str] | None = None) -> Block:
        """Send an action and return its response. Raises CollectError, AmiRefusedError."""
        answer, _ = await self._ask(action, headers)
        return answer.response or {}

    async def list(
        self, action: str, ends_with: str, headers: Mapping[str, str] | None = None
    ) -> Sequence[Block]:
        """Send an action that answers with a list, and return its items. Raises as ask()."""
        answer, _ = await self._ask(action, headers, ends_with=ends_with)
        return answer.items

    async def items(self, action: str, ends_with: str, recall: Recall[T]) -> Sequence[T]:
        """Send an action that answers with a list, and return what is made of its items. Raises as ask()."""
        recall.turn()
        answer, _ = await self._ask(action, None, ends_with=ends_with, recall=recall)
        return answer.made

    async def lines(self, action: str, headers: Mapping[str, str] | None = None) -> Sequence[tuple[str, str]]:
        """Send an action and return all lines of its one response, in order. Raises as ask()."""
        _, raw = await self._ask(action, headers, limit=MAX_LINES_BYTES)
        return decode_lines(raw)

    async def drain(self) -> None:
        """Do nothing: events come by themselves."""

    async def settings(self) -> Block:
        """Return CoreSettings: versions and limits. Needs write=reporting, as all here do."""
        return await self.ask("CoreSettings")

    async def status(self) -> Block:
        """Return CoreStatus: when it started, by its own wall clock, and calls processed (22)."""
        return await self.ask("CoreStatus")

    async def channels(self) -> Sequence[Block]:
        """Return CoreShowChannels: one block a channel, all of them or CollectError."""
        return await self.list("CoreShowChannels", "CoreShowChannelsComplete")

    async def zone_offset(self, instant: int) -> str:
        """Return the server's distance from UTC at that Unix time, like "-0500".

        The server's own dialplan function STRFTIME tells; its times come without a zone.
        Raises AmiRefusedError where func_strings is not loaded or the login lacks `reporting`.
        """
        return (await self.ask("Getvar", {"Variable": f"STRFTIME({instant:d},,%z)"})).get("Value", "")

    async def _ask(
        self,
        action: str,
        headers: Mapping[str, str] | None,
        *,
        ends_with: str = "",
        limit: int = MAX_BLOCK_BYTES,
        recall: Recall[Any] | None = None,
    ) -> tuple[Answer, bytes]:
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
        try:
            return await within(self._clock, self._deadline, self._greeted)
        except TimeoutError:
            unknown = self._tls is None and not self.connections
            hint = " (a TLS port says nothing first: is it tls://?)" if unknown else ""
            raise CollectError(
                CollectFailure.TIMEOUT, f"{self._where} did not greet in {self._deadline:g} s{hint}"
            ) from None
        except TrustError as error:
            raise CollectError(CollectFailure.TLS, f"{self._where}: {error}") from None
        except (OSError, ValueError) as error:
            raise self._translated(error) from None

    async def _greeted(self) -> Connection:
        # Reading certificates blocks; the context is the same for as long as their file is.
        context = await asyncio.to_thread(client_context, self._tls) if self._tls else None
        connection = self._connection = Connection(
            self._clock, self._where, self._name, self._tell, self._lose
        )
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            self._host,
            self._port,
            ssl=context,
            server_hostname=self._name if context else None,
            ssl_handshake_timeout=self._deadline if context else None,
            ssl_shutdown_timeout=_CLOSE_DEADLINE if context else None,
        )
        if (wrong := await connection.greeted) is not None:
            raise wrong
        return connection

    def _translated(self, error: OSError | ValueError) -> CollectError:
        if isinstance(error, socket.gaierror | UnicodeError):
            return CollectError(CollectFailure.DNS, f"the host name of {self._where} does not resolve")
        if isinstance(error, ssl.SSLError | ValueError) or (self._tls and isinstance(error, _BROKEN_OFF)):
            return CollectError(CollectFailure.TLS, f"{self._where}: {why_not(error, self._name)}")
        # asyncio's own words repeat the address; several addresses tried come without an errno.
        reason = os.strerror(error.errno) if error.errno else "none of its addresses answers"
        return CollectError(CollectFailure.CONNECT, f"can't connect to {self._where}: {reason}")

    async def _log_in(self, connection: Connection) -> None:
        events = "off" if self._hear is None else EVENT_CLASSES
        login = {"Username": self._username, **await self._proof(connection), "Events": events}
        try:
            await connection.exchange("Login", login, self._deadline)
        except AmiRefusedError:
            # A wrong password, an unknown user and an address that isn't permitted get the same words.
            raise CollectError(
                CollectFailure.AUTH,
                f"{self._where} refused user {self._username}: wrong password, no such user in manager.conf, "
                "or its permit= excludes this machine",
            ) from None

    async def _proof(self, connection: Connection) -> dict[str, str]:
        """Return what shows that we know the password, by MD5 challenge wherever the server has it.

        The password itself goes only to a server that has no challenge and whose certificate we have
        verified: anybody in between could else refuse the challenge and be told the password.
        """
        try:
            reply, _ = await connection.exchange("Challenge", {"AuthType": "MD5"}, self._deadline)
            challenge = (reply.response or {}).get("Challenge", "")
        except (AmiRefusedError, CollectError) as error:
            # Before a login an action that the server doesn't know is denied.
            if isinstance(error, CollectError) and error.failure is not CollectFailure.DENIED:
                raise
            challenge = ""
        if challenge:
            # MD5 is what the protocol asks for (Login, AuthType: MD5).
            proof = (challenge + self._secret.reveal()).encode()
            return {"AuthType": "MD5", "Key": hashlib.md5(proof, usedforsecurity=False).hexdigest()}
        if self._tls is not None and self._tls.verify:
            return {"Secret": self._secret.reveal()}
        raise CollectError(
            CollectFailure.AUTH,
            f"{self._where} has no MD5 challenge; a password is sent in clear over verified TLS only",
        )

    def _tell(self, event: Block) -> None:
        if self._hear is None:
            return
        try:
            self._hear(event)
        except Exception:  # noqa: BLE001 - a mistake of ours about one event must not take the others away
            if not self._hear_failed:
                _log.exception("an event could not be taken in, by a mistake of ours", endpoint=self._where)
            self._hear_failed = True

    def _lose(self) -> None:
        self.lost_events += 1

    def _was_closed(self) -> CollectError:
        return CollectError(CollectFailure.CONNECT, f"the connection to {self._where} was closed by us")

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
