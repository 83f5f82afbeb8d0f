"""MI as JSON-RPC in datagrams (module mi_datagram of 3.x and 4.x), over UDP or a UNIX socket."""

import asyncio
import itertools
import os
import secrets
import socket
from contextlib import suppress
from typing import Final

from collectors.opensips import jsonrpc
from collectors.opensips.jsonrpc import MiRefused, Params
from dialtone.model import CollectError, CollectFailure

AGAIN: Final = 0.8
"""Seconds after which a request without a reply is sent once more: either datagram may have been lost."""
_MAX_WAITING: Final = 16
"""Datagrams that are kept until they are looked at."""
_LARGEST: Final = 65535


class Datagrams:
    """Asks over one socket, `udp://HOST:PORT` or `unix:///PATH`; implements client.Transport.

    A reply is told by its id: one that comes late, or twice, is passed over, as is what is no reply at all.
    Where nothing else has come for a while, that is the failure.
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
        try:
            inbox.send(body)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._again):
                    return await _reply(inbox, number)
            if inbox.nonsense is not None:
                raise _no_reply(inbox.nonsense)
            inbox.send(body)
            return await _reply(inbox, number)
        except BlockingIOError:
            await self.aclose()
            why = f"{self._endpoint} takes no more requests: the server does not read them"
            raise CollectError(CollectFailure.CONNECT, why) from None
        except OSError as error:
            await self.aclose()
            why = f"nobody answers at {self._endpoint}: {error.strerror}"
            raise CollectError(CollectFailure.CONNECT, why) from None
        except CollectError:
            await self.aclose()  # a second reply of that kind is not the next command's
            raise

    async def aclose(self) -> None:
        """Close the socket; a later command opens a new one."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()

    async def _open(self) -> "_Inbox":
        if self._inbox is not None:
            return self._inbox
        scheme, _, rest = self._endpoint.partition("://")
        try:
            self._inbox = _unix(rest) if scheme == "unix" else await _udp(rest)
        except socket.gaierror:
            why = f"the host name of {self._endpoint} does not resolve"
            raise CollectError(CollectFailure.DNS, why) from None
        except OSError as error:
            why = f"can't connect to {self._endpoint}: {error.strerror}"
            raise CollectError(CollectFailure.CONNECT, why) from None
        return self._inbox


class _Inbox:
    """A socket of ours and what came on it. `nonsense` is the last that was no reply, of one request.

    asyncio's own datagram transport keeps what can't be sent now, and a UNIX socket always looks as if it
    could: the loop would spin for as long as the server does not read.
    """

    def __init__(self, own: socket.socket, server: str | None) -> None:
        self.nonsense: bytes | None = None
        self._socket = own
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Queue[bytes | OSError] = asyncio.Queue(_MAX_WAITING)
        self._loop.add_reader(own.fileno(), self._readable)

    def send(self, body: bytes) -> None:
        """Send a request; what came before it is nobody's any more. Raises OSError."""
        while not self._came.empty():
            self._came.get_nowait()
        self.nonsense = None
        if self._server is None:
            self._socket.send(body)
        else:
            self._socket.sendto(body, self._server)

    async def next(self) -> bytes:
        """Wait for a datagram. Raises OSError: the network says that nobody listens there."""
        came = await self._came.get()
        if isinstance(came, OSError):
            raise came
        return came

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        came: bytes | OSError
        try:
            came = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError as error:
            came = error
        if not self._came.full():
            self._came.put_nowait(came)


def _unix(path: str) -> _Inbox:
    """Return a socket that a server can answer to: a name without a file leaves nothing behind.

    It is not connected: mi_datagram answers from another socket, which may not send to one that is.
    """
    own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        own.bind(f"\0dialtone-{os.getpid()}-{secrets.token_hex(8)}")
    except OSError:
        own.close()
        raise
    return _Inbox(own, path)


async def _udp(where: str) -> _Inbox:
    """Return a socket that is connected to HOST:PORT: nobody else can answer on it."""
    host, _, port = where.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    own = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    try:
        own.connect(address)
    except OSError:
        own.close()
        raise
    return _Inbox(own, None)


async def _reply(inbox: _Inbox, number: int) -> object | MiRefused:
    while True:
        raw = await inbox.next()
        try:
            reply = jsonrpc.parsed(raw)
        except CollectError:
            inbox.nonsense = raw
            continue
        if isinstance(reply, dict) and reply.get("id") == number:
            return jsonrpc.result(raw, number)


def _no_reply(raw: bytes) -> CollectError:
    """Return the failure of a datagram that is no reply: what the server says where one would be too long."""
    if raw.lstrip().startswith(b"{"):
        return CollectError(CollectFailure.PROTOCOL, "the reply is no JSON")
    said = raw[:60].decode("ascii", "replace").strip()
    return CollectError(CollectFailure.SERVER, f"the server says {said!r} instead of a reply")
