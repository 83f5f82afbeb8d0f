"""OpenSIPS's management interface over HTTP JSON-RPC (module mi_http, OpenSIPS 3.x and 4.x).

The server has one process for MI: a request that hangs makes every other one wait. So there is
one request in flight, a deadline on each, a cap on the reply, and a closed list of cheap commands.
"""

import asyncio
import itertools
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp

from dialtone.model import CollectError, CollectFailure

READ_ONLY_COMMANDS: Final = frozenset({"get_statistics", "profile_get_values", "version"})
"""All that this client can send. Dumps (ul_dump, dlg_list, t_hash) are quadratic and block MI."""

MAX_REPLY_BYTES: Final = 8 * 1024 * 1024
MAX_REQUEST_BYTES: Final = 1024
"""3.6 and 4.0 answer nothing useful to a longer body: ask for groups, not for names."""


@dataclass(frozen=True, slots=True)
class MiRefused:
    """The server understood and said no, as JSON-RPC error; `code` is its, 404 for what isn't there."""

    code: int
    message: str


class MiClient:
    """Sends read-only commands to one server, one at a time.

    `deadline` is seconds for one command with its retry. Errors are CollectError: the vendor's and
    the library's exceptions end here.
    """

    def __init__(self, url: str, *, deadline: float) -> None:
        self._url = url
        self._deadline = deadline
        self._ids = itertools.count(1)
        self._turn = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; a later command opens a new one."""
        # Let go before closing: a deadline may cut the closing short, and a closed session serves nobody.
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def statistics(self, groups: Sequence[str]) -> object:
        """Return get_statistics of these groups; one that the server lacks is left out by it."""
        return self._ok(await self._command("get_statistics", {"statistics": [f"{g}:" for g in groups]}))

    async def profile_values(self, profile: str) -> object | MiRefused:
        """Return the values of a dialog profile with their live dialogs, or how it was refused."""
        return await self._command("profile_get_values", {"profile": profile})

    async def version(self) -> object:
        """Return the reply to version: {"Server": text}."""
        return self._ok(await self._command("version", {}))

    @staticmethod
    def _ok(reply: object | MiRefused) -> object:
        if isinstance(reply, MiRefused):
            raise CollectError(CollectFailure.SERVER, f"MI error {reply.code}: {reply.message}")
        return reply

    async def _command(self, command: str, params: Mapping[str, object]) -> object | MiRefused:
        if command not in READ_ONLY_COMMANDS:
            raise ValueError(f"{command!r} is not on the list of read-only commands")
        # A request without id, or one whose method is no string, is what crashes servers: see the
        # contract test. Both are constants of this one line.
        number = next(self._ids)
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": command, "params": params}).encode()
        if len(body) > MAX_REQUEST_BYTES:
            raise ValueError(f"an MI request has at most {MAX_REQUEST_BYTES} bytes, this one {len(body)}")
        try:
            async with asyncio.timeout(self._deadline), self._turn:
                try:
                    raw = await self._post(body)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    if isinstance(error, aiohttp.ClientConnectorError):
                        raise
                    raw = await self._post(body)  # the one retry: the kept connection had died
        except TimeoutError:
            await self.aclose()
            raise CollectError(
                CollectFailure.TIMEOUT, f"no reply to {command} from {self._url} in {self._deadline:g} s"
            ) from None
        except aiohttp.ClientError as error:
            await self.aclose()
            raise _translated(error, self._url) from error
        return _reply(raw, number)

    async def _post(self, body: bytes) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1), cookie_jar=aiohttp.DummyCookieJar()
            )
        async with self._session.post(
            self._url,
            data=body,
            headers={"Content-Type": "application/json"},
            allow_redirects=False,
        ) as response:
            # Status before body: OpenSIPS never ends the chunked body of a 202, 405 and some 400/500.
            if response.status != 200:
                response.close()
                raise CollectError(*_http_refusal(response.status, self._url))
            raw = bytearray()
            async for chunk in response.content.iter_chunked(65536):
                raw += chunk
                if len(raw) > MAX_REPLY_BYTES:
                    response.close()
                    raise CollectError(
                        CollectFailure.TOO_LARGE, f"the reply is over {MAX_REPLY_BYTES // 1024 // 1024} MiB"
                    )
            return bytes(raw)


def _http_refusal(status: int, url: str) -> tuple[CollectFailure, str]:
    if status in (401, 403):
        return CollectFailure.AUTH, f"{url} answered HTTP {status}: credentials refused"
    hint = " (is the path right? mi_http serves /mi)" if status in (400, 404, 405) else ""
    return CollectFailure.SERVER, f"{url} answered HTTP {status}{hint}"


def _translated(error: aiohttp.ClientError, url: str) -> CollectError:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return CollectError(CollectFailure.DNS, f"the host name of {url} does not resolve")
    if isinstance(error, aiohttp.ClientSSLError):
        return CollectError(CollectFailure.TLS, f"{url}: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, socket.gaierror):
            return CollectError(CollectFailure.DNS, f"the host name of {url} does not resolve")
        return CollectError(CollectFailure.CONNECT, f"can't connect to {url}: {_why(error.os_error)}")
    if isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError):
        return CollectError(CollectFailure.CONNECT, f"{url} closed the connection without a reply")
    return CollectError(CollectFailure.PROTOCOL, f"{url} does not speak HTTP: {type(error).__name__}")


def _why(error: OSError) -> str:
    """Return the system's words; asyncio's own repeat the address instead."""
    return os.strerror(error.errno) if error.errno else "no connection"


def _reply(raw: bytes, number: int) -> object | MiRefused:
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError):
        raise CollectError(CollectFailure.PROTOCOL, "the reply is no JSON") from None
    if not isinstance(reply, dict) or reply.get("id") != number:
        raise CollectError(CollectFailure.PROTOCOL, "the reply is no JSON-RPC answer to this request")
    if isinstance(error := reply.get("error"), dict):
        code, message = error.get("code"), error.get("message")
        return MiRefused(code if isinstance(code, int) else 0, str(message)[:200])
    if "result" not in reply:
        raise CollectError(CollectFailure.PROTOCOL, "the reply has neither result nor error")
    result: object = reply["result"]
    return result
