"""In front of every route: whose request it is, what it may do, and that the answer has safe headers."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from dialtone.model import AccessRole, Level, Scope
from dialtone.web.bodies import MAX_BODY, PATIENCE, BodyError, replayed, whole_body
from dialtone.web.context import LOCAL, Visitor, WebContext, WebToken
from dialtone.web.problems import problem

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""Asked by supervisors without a token; they name nothing."""

PLATFORM_ONLY: Final = frozenset({"/metrics"})
"""Mixes tenants and nodes."""

MAX_HEAD: Final = 16 * 1024
"""Bytes of an address with all headers. The server's own bound holds only for what comes in pieces."""

_HEADERS: Final = {
    # Pages have no script and load their style sheet from us; nobody may frame them.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing; a body that comes with one is not read."""

_JSON: Final = "application/json"

_CHALLENGE: Final = (
    'Bearer realm="dialtone", Basic realm="dialtone: the token is the password", charset="UTF-8"'
)


class Keys:
    """Finds who holds a token without telling by its time how much of it was right."""

    def __init__(self, tokens: Iterable[WebToken]) -> None:
        self._tokens = [(_digest(token.secret.reveal().encode()), token) for token in tokens]

    def visitor(self, authorization: str) -> Visitor | None:
        """Return whom an Authorization header stands for, None for nobody."""
        offered = _token(authorization)
        if not offered:
            return None
        found = None
        digest = _digest(offered)
        for known, token in self._tokens:
            if hmac.compare_digest(known, digest):
                found = token
        return Visitor(found.scope(), found.role, found.name) if found is not None else None


class Gate:
    """ASGI middleware; puts who asks into the request's state as `visitor`, a Visitor.

    `patience` is how many seconds a body may take to come.
    """

    def __init__(self, app: ASGIApp, context: WebContext, patience: float = PATIENCE) -> None:
        self._app = app
        self._patience = patience
        self._keys = Keys(context.tokens) if context.tokens else None
        self._hosts = _hosts(context)
        self._tenants = context.tenants

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it with a problem."""
        if connection["type"] == "lifespan":
            await self._app(connection, receive, send)
            return
        if connection["type"] != "http":
            return  # there are no web sockets here

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._admit(connection)
        if answer is None and connection["method"] not in _READS:
            try:
                receive = replayed(await whole_body(receive, self._patience), receive)
            except BodyError as error:
                answer = problem(error.status, str(error), headers={"Connection": "close"})
        await (answer or self._app)(connection, receive, send_safely)

    def _admit(self, connection: Connection) -> Response | None:
        """Return why the request is refused, or None after noting whose it is."""
        headers = Headers(scope=connection)
        path = connection["path"]
        if _head_size(connection) > MAX_HEAD:
            return problem(431, f"address and headers have at most {MAX_HEAD} bytes together")
        if _too_large(headers.get("content-length", "0")):
            return problem(413, f"a request has at most {MAX_BODY} bytes")
        visitor: Visitor | None = Visitor(Scope.everything(), AccessRole.OPERATOR, LOCAL)
        if self._keys is None:
            if _host(headers.get("host", "")) not in self._hosts:
                # Without tokens a page of some other site could have its name point here (DNS rebinding)
                # and read everything with the browser of somebody on this machine.
                return problem(
                    421,
                    "this service is not called that: use its `listen:` address, localhost or external URL",
                )
        elif path not in OPEN:
            visitor = self._keys.visitor(headers.get("authorization", ""))
        if visitor is None:
            return problem(
                401,
                "send a token: Authorization: Bearer TOKEN (a browser: any user name, the token as password)",
                headers={"WWW-Authenticate": _CHALLENGE},
            )
        if path in PLATFORM_ONLY and not visitor.scope.sees_all:
            return problem(403, "these figures mix tenants: they need a token of the platform's scope")
        if connection["method"] not in _READS:
            refused = self._refused(connection["method"], headers, visitor)
            if refused is not None:
                return refused
        connection.setdefault("state", {})["visitor"] = visitor
        return None

    def _refused(self, method: str, headers: Headers, visitor: Visitor) -> Response | None:
        """Return why what would change something is refused, None where it may be tried."""
        if visitor.role is not AccessRole.OPERATOR:
            return problem(
                403,
                "this token only reads: declaring and withdrawing need one with `role: operator` "
                "in `access.tokens` of the configuration",
            )
        if not self._is_provider(visitor.scope):
            return problem(
                403,
                "this token's scope is a client's: who gives the service keeps the books of a contract. "
                "Declaring and withdrawing need a scope of a reseller or of the platform",
            )
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method != "DELETE" and media_type != _JSON:
            # A page of some other site can have a browser send a form here, or plain text, but no JSON.
            return problem(415, f"send JSON, and say so: Content-Type: {_JSON}")
        return None

    def _is_provider(self, scope: Scope) -> bool:
        """Whether a scope is the platform's, or has a reseller in it: a client's never has one."""
        return scope.sees_all or any(
            one.level is not Level.CLIENT and scope.allows(one.domain) for one in self._tenants()
        )


def _token(authorization: str) -> bytes:
    """Return the token that a header carries: Bearer (RFC 6750), or Basic's password (RFC 7617)."""
    scheme, _, rest = authorization.partition(" ")
    given = rest.strip().encode("latin-1")
    if scheme.lower() == "bearer":
        return given
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _hosts(context: WebContext) -> frozenset[str]:
    named = {context.host.lower(), urlsplit(context.external_url).hostname or "localhost"}
    return frozenset(named | {"localhost", "127.0.0.1", "::1"})


def _host(header: str) -> str:
    """Return a Host header's name without port and brackets, "" where it is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _head_size(connection: Connection) -> int:
    fields = sum(len(name) + len(value) for name, value in connection["headers"])
    return fields + len(connection.get("raw_path") or b"") + len(connection["query_string"])


def _too_large(length: str) -> bool:
    return not length.isdecimal() or len(length) > 12 or int(length) > MAX_BODY
