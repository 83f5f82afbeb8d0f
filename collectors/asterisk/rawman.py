"""One request to rawman, the plain-text page of Asterisk's manager over HTTP: a form in, cookie and body out.

Each request has a connection of its own: of a kept one that dies under a request nobody knows whether the
server had handed out its events already, which it does once.
"""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp

from collectors.asterisk.answers import MAX_REPLY_BYTES
from dialtone.model import CollectError, CollectFailure, TlsPlan
from dialtone.runtime.tls import TrustError, client_context, why_not_there

_CHUNK: Final = 64 * 1024
_COOKIE: Final = re.compile(r'mansession_id=("?)([0-9A-Fa-f]{1,32})\1\s*(?:;|$)')
_HEADERS: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "identity"}
_BROKEN_OFF: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""What ends a connection that was established: while connecting, that is the TLS handshake."""
_HINTS: Final[Mapping[int, tuple[CollectFailure, str]]] = {
    401: (CollectFailure.AUTH, "it wants HTTP's own login: is the path rawman's, and no proxy before it?"),
    403: (CollectFailure.AUTH, "an ACL excludes this machine"),
    404: (
        CollectFailure.SERVER,
        "is webenabled in manager.conf, and is http.conf's prefix in the path?",
    ),
    503: (CollectFailure.SERVER, "too many requests at once: sessionlimit in http.conf"),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came with status 200. `cookie` is the session's number, "" where none was set."""

    cookie: str
    body: bytes


class Rawman:
    """Posts forms to a URL. Redirects are not followed, proxies of the environment not used."""

    def __init__(self, url: str, tls: TlsPlan | None) -> None:
        self._url = url
        parts = urlsplit(url)
        self._tls = (tls or TlsPlan()) if parts.scheme == "https" else None
        self._place = parts.hostname or "", parts.port or 443
        self._name = (self._tls.name if self._tls else None) or self._place[0]
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._answered = False

    async def post(self, action: str, form: Mapping[str, str], cookie: str) -> Reply:
        """Send a form in the session of that cookie, "" for none. Raises CollectError. Has no deadline."""
        headers = _HEADERS | ({"Cookie": f'mansession_id="{cookie}"'} if cookie else {})
        try:
            # Reading certificates blocks; the context is the same for as long as their file is.
            context = await asyncio.to_thread(client_context, self._tls) if self._tls else None
            if self._closed:
                raise CollectError(CollectFailure.CONNECT, f"{self._url}: the session was closed by us")
            if self._session is None:
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=1, force_close=True),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(),
                    auto_decompress=False,
                )
            async with self._session.post(
                self._url,
                data=urlencode(form).encode(),
                headers=headers,
                allow_redirects=False,
                ssl=context or True,
                server_hostname=self._name if context else None,
            ) as response:
                self._answered = True
                self._judge(response)
                return Reply(_session_of(response), await self._body(action, response))
        except TrustError as error:
            raise CollectError(CollectFailure.TLS, f"{self._url}: {error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise await self._translated(action, error) from None

    async def aclose(self) -> None:
        """Cut what is under way; nothing is sent any more."""
        self._closed = True
        # Let go before closing: a deadline may cut the closing short, and a closed session serves nobody.
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _judge(self, response: aiohttp.ClientResponse) -> None:
        """Raise what is wrong before the body is read: it may have no end."""
        status = response.status
        wrong: CollectError | None = None
        if 300 <= status < 400:
            wrong = CollectError(
                CollectFailure.SERVER,
                f"{self._url} answered HTTP {status}: it leads elsewhere; write that address",
            )
        elif status != 200:
            failure, hint = _HINTS.get(status, (CollectFailure.SERVER, ""))
            wrong = CollectError(failure, f"{self._url} answered HTTP {status}{f' ({hint})' if hint else ''}")
        elif response.content_type != "text/plain":
            wrong = CollectError(
                CollectFailure.PROTOCOL,
                f"{self._url} answers by {response.content_type[:80]!r} where rawman has 'text/plain': "
                "is the path right?",
            )
        if wrong is not None:
            response.close()
            raise wrong

    async def _body(self, action: str, response: aiohttp.ClientResponse) -> bytes:
        raw = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            raw += chunk
            if len(raw) > MAX_REPLY_BYTES:
                response.close()
                raise CollectError(CollectFailure.TOO_LARGE, f"{action}: over {MAX_REPLY_BYTES} bytes")
        return bytes(raw)

    async def _translated(self, action: str, error: Exception) -> CollectError:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return await self._no_tls(error.certificate_error)
        if isinstance(error, aiohttp.ClientConnectorError):
            return await self._not_connected(error.os_error)
        if isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError | OSError):
            if isinstance(error, ssl.SSLError):
                return await self._no_tls(error)
            hint = "" if self._answered or self._tls else ": is this a port for TLS (https://, tls://)?"
            return CollectError(
                CollectFailure.CONNECT, f"{self._url} closed the connection during {action}{hint}"
            )
        if isinstance(error, aiohttp.ClientPayloadError):
            return CollectError(CollectFailure.CONNECT, f"{self._url} broke its answer to {action} off")
        if isinstance(error, aiohttp.ClientResponseError):
            return CollectError(
                CollectFailure.PROTOCOL,
                f"{self._url}: what answers there is no web server; for AMI write tcp:// or tls://",
            )
        return CollectError(CollectFailure.PROTOCOL, f"{self._url} can't be asked over HTTP")

    async def _not_connected(self, error: OSError) -> CollectError:
        if isinstance(error, socket.gaierror):
            return CollectError(CollectFailure.DNS, f"the host name of {self._url} does not resolve")
        if isinstance(error, ssl.SSLError) or (self._tls and isinstance(error, _BROKEN_OFF)):
            return await self._no_tls(error)
        reason = os.strerror(error.errno) if error.errno else "none of its addresses answers"
        return CollectError(CollectFailure.CONNECT, f"can't connect to {self._url}: {reason}")

    async def _no_tls(self, error: Exception) -> CollectError:
        why = await why_not_there(error, self._name, self._place, self._tls or TlsPlan())
        return CollectError(CollectFailure.TLS, f"{self._url}: {why}")


def _session_of(response: aiohttp.ClientResponse) -> str:
    found = (_COOKIE.match(cookie) for cookie in response.headers.getall("Set-Cookie", []))
    return next((match[2] for match in found if match), "")
