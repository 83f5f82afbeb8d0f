"""MI as JSON-RPC in datagrams (module mi_datagram of 3.x and 4.x), over UDP or a UNIX socket."""

import asyncio
import itertools
import os
import secrets
import socket
from contextlib import suppress
from typing import Final, cast

from collectors.opensips import jsonrpc
from collectors.opensips.jsonrpc import MiRefused, Params
from dialtone.model import CollectError, CollectFailure

AGAIN: Final = 0.8
"""Seconds after which a request without a reply is sent once more: either datagram may have been lost."""
_MAX_WAITING: Final = 16
"""Datagrams that are kept until they are looked at."""


class Datagrams:
    """Asks over one socket, `udp://HOST:PORT` or `unix:///PATH`; implements client.Transport.

    A reply is told by its id: one that comes late, or twice, is passed over.
    """

    def __init__(self, endpoint: str, *, again: float = AGAIN) -> None:
        self._endpoint = endpoint
        self._again = again
        self._numbers = itertools.count(secrets.randbelow(2**30) + 1)
        self._inbox: _Inbox | None = None

    async def ask(self, command: str, params: Params) -> object | MiRefused:
        """Return a command's result, or how it was refused. Raises CollectError; has no deadline."""
        number = next(self._numbers)
        body = jsonrpc.request(number, command, params)
        inbox = await self._open()
        inbox.send(body)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._again):
                return await self._reply(inbox, number)
        inbox.send(body)
        return await self._reply(inbox, number)

    async def aclose(self) -> None:
        """Close the socket; a later command opens a new one."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.transport.close()

    async def _reply(self, inbox: "_Inbox", number: int) -> object | MiRefused:
        while True:
            try:
                raw = await inbox.next()
            except OSError as error:
                await self.aclose()
                raise CollectError(
                    CollectFailure.CONNECT, f"nobody answers at {self._endpoint}: {error.strerror}"
                ) from None
            if not raw.lstrip().startswith(b"{"):  # 500 Internal error: the reply was too long for a datagram
                said = raw[:60].decode("ascii", "replace").strip()
                raise CollectError(CollectFailure.SERVER, f"the server says {said!r} instead of a reply")
            reply = jsonrpc.parsed(raw)
            if isinstance(reply, dict) and reply.get("id") == number:
                return jsonrpc.result(raw, number)

    async def _open(self) -> "_Inbox":
        if self._inbox is not None:
            return self._inbox
        scheme, _, rest = self._endpoint.partition("://")
        loop = asyncio.get_running_loop()
        try:
            if scheme == "unix":
                # A server answers to where it was asked from: a name without a file leaves nothing behind.
                # It does so from another socket, which may not send to one that is connected.
                ours = f"\0dialtone-{os.getpid()}-{secrets.token_hex(8)}"
                _, inbox = await loop.create_datagram_endpoint(
                    lambda: _Inbox(rest), local_addr=ours, family=socket.AF_UNIX
                )
            else:
                host, _, port = rest.rpartition(":")
                _, inbox = await loop.create_datagram_endpoint(
                    _Inbox, remote_addr=(host.strip("[]"), int(port))
                )
        except socket.gaierror:
            raise CollectError(
                CollectFailure.DNS, f"the host name of {self._endpoint} does not resolve"
            ) from None
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else "no connection"
            raise CollectError(CollectFailure.CONNECT, f"can't connect to {self._endpoint}: {why}") from None
        self._inbox = inbox
        return inbox


class _Inbox(asyncio.DatagramProtocol):
    """The datagrams that came, and the errors that the network told of.

    `server` is the path of a UNIX socket; a UDP socket is connected.
    """

    transport: asyncio.DatagramTransport

    def __init__(self, server: str | None = None) -> None:
        self._server = server
        self._came: asyncio.Queue[bytes | OSError] = asyncio.Queue(_MAX_WAITING)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep a datagram while there is room."""
        self._put(data)

    def error_received(self, exc: Exception) -> None:
        """Keep what the network says: nobody listens there."""
        if isinstance(exc, OSError):
            self._put(exc)

    def send(self, body: bytes) -> None:
        """Send a request; what came before it is nobody's any more."""
        while not self._came.empty():
            self._came.get_nowait()
        self.transport.sendto(body, self._server)

    async def next(self) -> bytes:
        """Wait for a datagram. Raises OSError."""
        came = await self._came.get()
        if isinstance(came, OSError):
            raise came
        return came

    def _put(self, what: bytes | OSError) -> None:
        if not self._came.full():
            self._came.put_nowait(what)
