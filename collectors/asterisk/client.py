"""Asterisk's manager interface (AMI) over TCP: one kept connection, a closed list of actions.

The login is by MD5 challenge, so the password never crosses the wire, and with events off, so
that nothing comes but what was asked for. Measured on Asterisk 16.28 and 22.10.
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from collectors.asterisk.wire import BLOCK_END, Block, decode, encode
from dialtone.model import CollectError, CollectFailure, Secret

READ_ONLY_ACTIONS: Final = frozenset(
    {"Challenge", "Login", "CoreSettings", "CoreStatus", "CoreShowChannels", "Getvar"}
)
"""All that this client can send; Getvar for one constant expression, the time zone (see `zone_offset`)."""

MAX_BLOCK_BYTES: Final = 64 * 1024
MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
MAX_LIST_ITEMS: Final = 50_000
"""A channel takes some 500 bytes; 4800 of them were 2.2 MB."""

_BANNER: Final = b"Asterisk Call Manager/"
_PORT: Final = 5038
_CLOSE_DEADLINE: Final = 1.0
_MAX_DETAIL: Final = 200


class AmiRefusedError(Exception):
    """The server understood an action and answered `Response: Error`; the connection is fine."""


class AmiClient:
    """Asks one server, one action at a time; connects when there is something to ask.

    `endpoint` is tcp://HOST:PORT, `deadline` seconds for each action, for connecting too. Errors are
    CollectError: the operating system's exceptions end here. After any error but a refusal the
    connection is given up, because what is still under way on it would be taken for the next
    answer; the next action makes a new one.
    """

    def __init__(self, endpoint: str, username: str, secret: Secret, *, deadline: float) -> None:
        url = urlsplit(endpoint)
        self._host, self._port = url.hostname or "", url.port or _PORT
        self._where = endpoint
        self._username, self._secret = username, secret
        self._deadline = deadline
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.connections = 0

    async def aclose(self) -> None:
        """Close the connection; a later action opens a new one."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CLOSE_DEADLINE):
                    await writer.wait_closed()

    async def connect(self) -> None:
        """Make sure of a logged-in connection; `connections` counts them. Raises CollectError."""
        async with self._turn:
            if self._streams is not None:
                reader, writer = self._streams
                if not reader.at_eof() and not writer.is_closing():
                    return
                self._drop()  # Asterisk was restarted between two polls: no failure, a new connection
            try:
                await self._open()
                await self._log_in()
            except BaseException:
                self._drop()
                raise
            self.connections += 1

    async def settings(self) -> Block:
        """Return CoreSettings: versions and limits. Needs write=reporting, as all here do."""
        return (await self._ask("CoreSettings", {}))[0]

    async def status(self) -> Block:
        """Return CoreStatus: when it started, by its own wall clock, and calls processed (22)."""
        return (await self._ask("CoreStatus", {}))[0]

    async def channels(self) -> list[Block]:
        """Return CoreShowChannels: one block a channel, all of them or CollectError."""
        return (await self._ask("CoreShowChannels", {}, ends_with="CoreShowChannelsComplete"))[1]

    async def zone_offset(self, instant: int) -> str:
        """Return the server's distance from UTC at that Unix time, like "-0500".

        The server's own dialplan function STRFTIME tells; its times come without a zone.
        Raises AmiRefusedError where func_strings is not loaded or the login lacks `reporting`.
        """
        reply, _ = await self._ask("Getvar", {"Variable": f"STRFTIME({instant:d},,%z)"})
        return reply.get("Value", "")

    async def _ask(
        self, action: str, headers: Mapping[str, str], ends_with: str = ""
    ) -> tuple[Block, list[Block]]:
        await self.connect()
        async with self._turn:
            try:
                return await self._exchange(action, headers, ends_with)
            except AmiRefusedError:
                raise
            except BaseException:
                self._drop()
                raise

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self._deadline):
                self._streams = await asyncio.open_connection(self._host, self._port, limit=MAX_BLOCK_BYTES)
                banner = await self._streams[0].readuntil(b"\r\n")
        except TimeoutError:
            raise CollectError(
                CollectFailure.TIMEOUT, f"{self._where} did not greet in {self._deadline:g} s"
            ) from None
        except socket.gaierror:
            raise CollectError(
                CollectFailure.DNS, f"the host name of {self._where} does not resolve"
            ) from None
        except OSError as error:
            # asyncio's own words repeat the address; several addresses tried come without an errno.
            reason = os.strerror(error.errno) if error.errno else "none of its addresses answers"
            raise CollectError(CollectFailure.CONNECT, f"can't connect to {self._where}: {reason}") from None
        except asyncio.IncompleteReadError:
            raise CollectError(
                CollectFailure.CONNECT,
                f"{self._where} closed at once: too many unfinished logins, or no AMI",
            ) from None
        except asyncio.LimitOverrunError:
            banner = b""
        if not banner.startswith(_BANNER):
            raise CollectError(CollectFailure.PROTOCOL, f"{self._where} is no Asterisk manager interface")

    async def _log_in(self) -> None:
        try:
            reply, _ = await self._exchange("Challenge", {"AuthType": "MD5"})
            challenge = reply.get("Challenge", "") + self._secret.reveal()
            # MD5 is what the protocol asks for (Login, AuthType: MD5).
            key = hashlib.md5(challenge.encode(), usedforsecurity=False).hexdigest()
            login = {"AuthType": "MD5", "Username": self._username, "Key": key, "Events": "off"}
            await self._exchange("Login", login)
        except AmiRefusedError:
            # A wrong password, an unknown user and an address that isn't permitted get the same words.
            raise CollectError(
                CollectFailure.AUTH,
                f"{self._where} refused user {self._username}: wrong password, no such user in manager.conf, "
                "or its permit= excludes this machine",
            ) from None

    async def _exchange(
        self, action: str, headers: Mapping[str, str], ends_with: str = ""
    ) -> tuple[Block, list[Block]]:
        """Send one action and read its answer: the response and, of a list, its items."""
        if action not in READ_ONLY_ACTIONS:
            raise ValueError(f"{action!r} is not on the list of read-only actions")
        assert self._streams is not None  # noqa: S101 - connect() came before
        reader, writer = self._streams
        action_id = f"dialtone-{next(self._numbers)}"
        try:
            message = encode(action, action_id, headers)
        except ValueError as error:  # a user name that the configuration let through
            raise CollectError(CollectFailure.INTERNAL, str(error)) from None
        try:
            async with asyncio.timeout(self._deadline):
                writer.write(message)
                await writer.drain()
                return await _Answer(action, action_id, ends_with).read(reader)
        except TimeoutError:
            raise CollectError(
                CollectFailure.TIMEOUT, f"no answer to {action} from {self._where} in {self._deadline:g} s"
            ) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise CollectError(
                CollectFailure.CONNECT, f"{self._where} closed the connection during {action}"
            ) from None
        except asyncio.LimitOverrunError:
            raise CollectError(
                CollectFailure.TOO_LARGE, f"a message of {self._where} is over {MAX_BLOCK_BYTES} bytes"
            ) from None

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class _Answer:
    """Reads the answer to one action, whatever else comes in between."""

    def __init__(self, action: str, action_id: str, ends_with: str) -> None:
        self._action, self._id, self._end = action, action_id, ends_with
        self._response: Block | None = None
        self._items: list[Block] = []

    async def read(self, reader: asyncio.StreamReader) -> tuple[Block, list[Block]]:
        """Return response and items. Raises AmiRefusedError, CollectError, and what StreamReader raises."""
        size = 0
        while True:
            raw = await reader.readuntil(BLOCK_END)
            size += len(raw)
            if size > MAX_REPLY_BYTES:
                raise CollectError(CollectFailure.TOO_LARGE, f"{self._action}: over {MAX_REPLY_BYTES} bytes")
            block = decode(raw)
            if block.get("ActionID") == self._id and self._take(block):
                return self._response or {}, self._items

    def _take(self, block: Block) -> bool:
        """Take in one block of this answer; True when the answer is complete."""
        if self._response is None:
            return self._begin(block)
        if block.get("EventList") == "cancelled":
            raise CollectError(CollectFailure.SERVER, f"{self._action}: the server broke the list off")
        if block.get("Event") != self._end:
            if len(self._items) == MAX_LIST_ITEMS:
                raise CollectError(CollectFailure.TOO_LARGE, f"{self._action}: over {MAX_LIST_ITEMS} items")
            self._items.append(block)
            return False
        if block.get("ListItems") != str(len(self._items)):
            raise CollectError(CollectFailure.PROTOCOL, f"{self._action}: the list is not what its end says")
        return True

    def _begin(self, block: Block) -> bool:
        if block.get("Response") == "Success":
            self._response = block
            return not self._end
        message = block.get("Message", "")[:_MAX_DETAIL]
        if message == "Permission denied":
            raise CollectError(
                CollectFailure.DENIED, f"{self._action}: this user needs write = reporting in manager.conf"
            )
        raise AmiRefusedError(message)
