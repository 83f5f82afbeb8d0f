"""MI over HTTP: JSON-RPC of module mi_http (3.x, 4.x), and mi_json's GET requests (1.11, 2.4)."""

import itertools
import os
import socket
from typing import Final
from urllib.parse import quote

import aiohttp

from collectors.opensips import jsonrpc
from collectors.opensips.jsonrpc import MAX_REPLY_BYTES, MiRefused, Params
from dialtone.model import CollectError, CollectFailure, Secret

_CHUNK: Final = 64 * 1024
_SAFE: Final = ":/@._-"
"""What stays as it is in a parameter of mi_json: 2.4 reads no percent sign in names that need none."""


class _Http:
    """One kept connection to a server; aiohttp's exceptions end here."""

    def __init__(self, url: str, username: str | None, password: Secret | None) -> None:
        self._url = url
        self._login = None if username is None or password is None else (username, password)
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close the connection; a later request opens a new one."""
        # Let go before closing: a deadline may cut the closing short, and a closed session serves nobody.
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def exchange(self, method: str, url: str, body: bytes | None) -> bytes:
        """Return the body of a reply with status 200. Raises CollectError."""
        try:
            try:
                return await self._once(method, url, body)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    raise
                return await self._once(method, url, body)  # the one retry: the kept connection had died
        except aiohttp.ClientError as error:
            await self.aclose()
            raise _translated(error, self._url) from error

    async def _once(self, method: str, url: str, body: bytes | None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1), cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = {} if body is None else {"Content-Type": "application/json"}
        if self._login is not None:
            user, password = self._login
            headers["Authorization"] = aiohttp.encode_basic_auth(user, password.reveal(), "utf-8")
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            # Status before body: OpenSIPS never ends the chunked body of a 202, 405 and some 400/500.
            if response.status != 200:
                response.close()
                raise CollectError(*_refusal(response.status, self._url))
            raw = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                raw += chunk
                if len(raw) > MAX_REPLY_BYTES:
                    response.close()
                    raise jsonrpc.too_large()
            return bytes(raw)


class JsonRpcOverHttp:
    """Asks `POST <url>`; implements client.Transport."""

    def __init__(self, url: str, username: str | None = None, password: Secret | None = None) -> None:
        self._url = url
        self._http = _Http(url, username, password)
        self._numbers = itertools.count(1)

    async def ask(self, command: str, params: Params) -> object | MiRefused:
        """Return a command's result, or how it was refused. Raises CollectError."""
        number = next(self._numbers)
        body = jsonrpc.request(number, command, params)
        return jsonrpc.result(await self._http.exchange("POST", self._url, body), number)

    async def aclose(self) -> None:
        """Close the connection; a later command opens a new one."""
        await self._http.aclose()


class MiJson:
    """Asks `GET <url>/<command>?params=a,b` (module mi_json of 1.11 to 2.4); implements client.Transport.

    Where there is nothing to tell, and on 1.11 where something is wrong too, the reply has no body: None.
    """

    def __init__(self, url: str, username: str | None = None, password: Secret | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = _Http(url, username, password)

    async def ask(self, command: str, params: Params) -> object | MiRefused:
        """Return a command's result, None where the reply is empty, or how it was refused.

        Raises CollectError; ValueError where a parameter can't be written.
        """
        words = [word for value in params.values() for word in ([value] if isinstance(value, str) else value)]
        if any("," in word for word in words):
            raise ValueError("mi_json splits parameters at commas: one can't have any")
        query = f"?params={','.join(quote(word, safe=_SAFE) for word in words)}" if words else ""
        raw = await self._http.exchange("GET", f"{self._url}/{quote(command, safe='')}{query}", None)
        if not raw.strip():
            return None
        reply = jsonrpc.parsed(raw)
        error = reply.get("error") if isinstance(reply, dict) else None
        if isinstance(error, dict):
            return jsonrpc.refused(error)
        if isinstance(error, str):
            return MiRefused(0, error[:200])
        return reply

    async def aclose(self) -> None:
        """Close the connection; a later command opens a new one."""
        await self._http.aclose()


def _refusal(status: int, url: str) -> tuple[CollectFailure, str]:
    if status in (401, 403):
        return CollectFailure.AUTH, f"{url} answered HTTP {status}: credentials refused"
    hint = " (is the path right? mi_http serves /mi, mi_json /json)" if status in (400, 404, 405) else ""
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
