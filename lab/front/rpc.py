"""Kamailio's JSON-RPC over a UNIX datagram socket (module jsonrpcs)."""

import asyncio
import itertools
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Protocol

MAX_REPLY: Final = 262_144
DEADLINE: Final = 2.0


class RpcError(Exception):
    """Kamailio did not answer, or answered with an error."""


class Kamailio(Protocol):
    """Whatever answers Kamailio's RPC."""

    async def call(self, method: str, *params: str) -> object:
        """Return the result of an RPC command. Raises RpcError."""


class DatagramKamailio:
    """A running Kamailio. One request at a time: it has one worker for them.

    `deadline` is for one request and the wait for its turn, in seconds.
    """

    def __init__(self, server: Path, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._server = str(server)
        self._reply_to = str(server.with_name(f"bridge-{os.getpid()}.sock"))
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()

    async def call(self, method: str, *params: str) -> object:
        """Return the result of an RPC command. Raises RpcError after the deadline, or on an error reply."""
        try:
            async with asyncio.timeout(self._deadline), self._turn:
                return await self._ask(method, params)
        except TimeoutError:
            raise RpcError(f"Kamailio doesn't answer {method}") from None
        except OSError as error:
            raise RpcError(f"Kamailio can't be asked for {method}: {error.strerror}") from None

    async def _ask(self, method: str, params: tuple[str, ...]) -> object:
        number = next(self._numbers)
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        loop = asyncio.get_running_loop()
        with self._socket() as sock:
            sock.connect(self._server)
            await loop.sock_sendall(sock, json.dumps(request).encode())
            reply = await loop.sock_recv(sock, MAX_REPLY)
        return _result(method, reply)

    @contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        """A socket of our own for each request: a late reply finds nobody, a restarted server is found."""
        path = Path(self._reply_to)
        path.unlink(missing_ok=True)
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
            sock.setblocking(False)
            sock.bind(self._reply_to)
            try:
                yield sock
            finally:
                path.unlink(missing_ok=True)


def _result(method: str, reply: bytes) -> object:
    try:
        answer = json.loads(reply)
    except ValueError:
        raise RpcError(f"Kamailio's answer to {method} is no JSON") from None
    if not isinstance(answer, dict) or "result" not in answer:
        raise RpcError(f"Kamailio refuses {method}")
    return answer["result"]
