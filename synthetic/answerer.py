"""Our own SIP registrar and web server on loopback: what a canary talks to instead of the platform.

It does as much of RFC 3261 as a `register` flow asks for: challenges (digest, MD5, qop auth, RFC 2617),
bindings that can be asked for and taken back, OPTIONS. Whoever else on this machine sends it something gets
nothing, or a refusal: there is nothing of the platform's here, and nothing grows with what arrives.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast

import structlog

from dialtone.model import Account, Secret
from dialtone.ports import Clock

HOST: Final = "127.0.0.1"
DOMAIN: Final = "canary.invalid"
"""The tenant of the canary: a name that can belong to nobody (RFC 2606)."""
USER: Final = "canary"
MAX_DATAGRAM: Final = 8192
MAX_BINDINGS: Final = 64
MAX_REMEMBERED: Final = 64
EXPIRES: Final = 60
NONCE_LIFE: Final = 30.0

_REQUEST: Final = re.compile(r"([A-Z]{3,12}) (sips?:[^\s]{1,200}) SIP/2\.0")
_HEADER: Final = re.compile(r"([A-Za-z-]{1,40})[ \t]*:[ \t]*(.*)")
_LONG: Final = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}
_NEEDED: Final = ("via", "from", "to", "call-id", "cseq")
_PARAMETER: Final = re.compile(r'([a-z]{1,20})=(?:"([^"]{0,200})"|([^",\s]{1,200}))', re.IGNORECASE)
_CONTACT: Final = re.compile(r"<([^<>]{1,300})>([^,]{0,200})")
_CONTACT_EXPIRES: Final = re.compile(r";\s*expires\s*=\s*([0-9]{1,9})", re.IGNORECASE)
_TAG: Final = re.compile(r";\s*tag=", re.IGNORECASE)
_RPORT: Final = re.compile(r";rport(?=;|$|\s)", re.IGNORECASE)
_REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 405: "Not Allowed"}
_HTTP_BODY: Final = b"dialtone canary\n"
_HTTP_WITHIN: Final = 2.0
_HTTP_AT_ONCE: Final = 16

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    uri: str
    headers: Mapping[str, list[str]]

    def one(self, name: str) -> str:
        found = self.headers.get(name)
        return found[0] if found else ""


@dataclass(slots=True)
class Registrar:
    """Answers datagrams; knows one account, whose password is made for it and told to nobody else."""

    clock: Clock
    password: Secret = field(default_factory=lambda: Secret(secrets.token_urlsafe(18)))
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _bindings: dict[str, float] = field(default_factory=dict)
    _said: OrderedDict[tuple[tuple[str, int], bytes], bytes] = field(default_factory=OrderedDict, repr=False)
    """The last responses, which a retransmission gets again, word for word (RFC 3261 17.2.2)."""

    @property
    def account(self) -> Account:
        """The account that may register."""
        return Account(DOMAIN, USER, USER, self.password)

    def answer(self, data: bytes, source: tuple[str, int]) -> bytes | None:
        """Return the response to a datagram, None where there is nothing to say; nothing makes it raise."""
        said = self._said.get((source, data))
        if said is None:
            request = _parse(data)
            if request is None or request.method == "ACK":
                return None
            said = self._said[source, data] = self._respond(request, source)
            if len(self._said) > MAX_REMEMBERED:
                self._said.popitem(last=False)
        return said

    def _respond(self, request: _Request, source: tuple[str, int]) -> bytes:
        if request.method == "OPTIONS":
            return _response(request, 200, source)
        if request.method != "REGISTER":
            return _response(request, 405, source, "Allow: REGISTER, OPTIONS")
        return self._register(request, source)

    def _register(self, request: _Request, source: tuple[str, int]) -> bytes:
        credentials = request.one("authorization")
        if not credentials:
            return self._challenge(request, source)
        given = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(credentials)}
        if not self._is_fresh(given.get("nonce", "")):
            return self._challenge(request, source, stale=True)
        expected = self._expected(request.method, given).encode()
        if not hmac.compare_digest(expected, given.get("response", "").encode()):
            return _response(request, 403, source)
        self._bind(request)
        now = self.clock.monotonic()
        bound = [f"Contact: <{uri}>;expires={round(end - now)}" for uri, end in self._bindings.items()]
        return _response(request, 200, source, *bound)

    def _challenge(self, request: _Request, source: tuple[str, int], *, stale: bool = False) -> bytes:
        instant = f"{self.clock.monotonic():.3f}"
        said = f'Digest realm="{DOMAIN}", nonce="{instant}-{self._sign(instant)}", algorithm=MD5, qop="auth"'
        return _response(request, 401, source, f"WWW-Authenticate: {said}{', stale=true' if stale else ''}")

    def _sign(self, instant: str) -> str:
        return hmac.new(self._key, instant.encode(), hashlib.sha256).hexdigest()[:32]

    def _is_fresh(self, nonce: str) -> bool:
        instant, _, signature = nonce.rpartition("-")
        if not hmac.compare_digest(self._sign(instant).encode(), signature.encode()):
            return False
        return self.clock.monotonic() - float(instant) <= NONCE_LIFE

    def _expected(self, method: str, given: Mapping[str, str]) -> str:
        secret = _md5(f"{USER}:{DOMAIN}:{self.password.reveal()}")
        parts = [secret, *(given.get(name, "") for name in ("nonce", "nc", "cnonce"))]
        return _md5(":".join([*parts, "auth", _md5(f"{method}:{given.get('uri', '')}")]))

    def _bind(self, request: _Request) -> None:
        """Take over the contacts of a request (RFC 3261 10.3), as many as there is room for."""
        now = self.clock.monotonic()
        self._bindings = {uri: end for uri, end in self._bindings.items() if end > now}
        contact = ", ".join(request.headers.get("contact", []))
        wanted = request.one("expires")
        usual = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else EXPIRES
        if contact.strip() == "*":
            self._bindings.clear()
        for uri, parameters in _CONTACT.findall(contact):
            own = _CONTACT_EXPIRES.search(parameters)
            seconds = min(int(own[1]) if own else usual, EXPIRES)
            self._bindings.pop(uri, None)
            if seconds > 0 and len(self._bindings) < MAX_BINDINGS:
                self._bindings[uri] = now + seconds


def _parse(data: bytes) -> _Request | None:
    """Return a request, None for anything else."""
    if len(data) > MAX_DATAGRAM:
        return None
    head = data.decode("utf-8", "replace").partition("\r\n\r\n")[0]
    first, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    line = _REQUEST.fullmatch(first)
    if line is None:
        return None
    headers: dict[str, list[str]] = {}
    for text in lines:
        if found := _HEADER.fullmatch(text):
            name = found[1].lower()
            headers.setdefault(_LONG.get(name, name), []).append(found[2].strip())
    if not all(headers.get(name) for name in _NEEDED):
        return None
    return _Request(line[1], line[2], headers)


def _response(request: _Request, status: int, source: tuple[str, int], *more: str) -> bytes:
    vias = request.headers["via"]
    # RFC 3581 4: the sender asks where its request came from.
    first = _RPORT.sub(f";rport={source[1]};received={source[0]}", vias[0], count=1)
    to = request.one("to")
    lines = [
        f"SIP/2.0 {status} {_REASONS[status]}",
        *(f"Via: {via}" for via in (first, *vias[1:])),
        f"From: {request.one('from')}",
        f"To: {to}" if _TAG.search(to) else f"To: {to};tag=canary",
        f"Call-ID: {request.one('call-id')}",
        f"CSeq: {request.one('cseq')}",
        *more,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own is no subclass of it before Python 3.12.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._registrar.answer(data, addr)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)

    def error_received(self, exc: Exception) -> None:
        """Whoever asked has gone: nothing to do."""


class _Web:
    """Answers any GET with 200 and a line of text, and hangs up."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_HTTP_AT_ONCE)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._room.locked():
                async with self._room, asyncio.timeout(_HTTP_WITHIN):
                    await self._answer(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a stranger, or a canary that has given up
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        status = b"200 OK" if request.startswith(b"GET ") else b"405 Method Not Allowed"
        length = str(len(_HTTP_BODY)).encode()
        writer.write(
            b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain\r\nContent-Length: " + length
            + b"\r\nConnection: close\r\n\r\n" + _HTTP_BODY
        )  # fmt: skip
        await writer.drain()


@dataclass(frozen=True, slots=True)
class Answerer:
    """Where the answerer is to be found: the account to register with, a SIP URI and a URL."""

    account: Account
    sip: str
    http: str


@asynccontextmanager
async def answering(clock: Clock) -> AsyncIterator[Answerer]:
    """Answer on two ports of loopback for the time of the block. Raises OSError where there is no port."""
    loop = asyncio.get_running_loop()
    registrar = Registrar(clock)
    datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(registrar), local_addr=(HOST, 0))
    try:
        web = await asyncio.start_server(_Web().serve, HOST, 0, limit=MAX_DATAGRAM, backlog=_HTTP_AT_ONCE)
        try:
            sip_port = datagrams.get_extra_info("sockname")[1]
            web_port = web.sockets[0].getsockname()[1]
            yield Answerer(
                registrar.account,
                f"sip:{HOST}:{sip_port};transport=udp",
                f"http://{HOST}:{web_port}/",
            )
        finally:
            web.close()
    finally:
        datagrams.close()
