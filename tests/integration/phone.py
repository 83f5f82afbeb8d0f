"""A SIP phone made of one UDP socket: enough SIP to try a server with, and nothing done behind one's back."""

import asyncio
import hashlib
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

_DEADLINE: Final = 4.0
_PARAMETER: Final = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
_CHALLENGES: Final = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


@dataclass(frozen=True, slots=True)
class Sip:
    """A SIP message: its first line, its headers in order, its body."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the message in a datagram."""
        head, _, body = data.decode().partition("\r\n\r\n")
        line, *rest = head.split("\r\n")
        parted = (text.partition(":") for text in rest)
        return cls(line, tuple((name.strip(), value.strip()) for name, _, value in parted), body)

    @property
    def status(self) -> int:
        """The status code; 0 for a request."""
        return int(self.line.split()[1]) if self.line.startswith("SIP/2.0 ") else 0

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for header, value in self.headers if header.lower() == name.lower()]

    def one(self, name: str) -> str:
        """Return the value of a header that is there once."""
        (value,) = self.all(name)
        return value


class Phone:
    """A phone of a tenant, with a proxy that everything is sent to."""

    def __init__(self, proxy: int, user: str, domain: str, password: str, *, port: int = 0) -> None:
        self.user, self.domain, self._password = user, domain, password
        self._proxy = ("127.0.0.1", proxy)
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind(("127.0.0.1", port))
        self.port: int = self._sock.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._sock.close()

    async def register(self, *, contact_port: int | None = None, expires: int = 60) -> int:
        """Register with its password; return the final status."""
        contact = f"Contact: <sip:{self.user}@127.0.0.1:{contact_port or self.port}>;expires={expires}"
        reply = await self.ask("REGISTER", f"sip:{self.domain}", f"sip:{self.user}@{self.domain}", [contact])
        return reply.status

    async def ask(
        self,
        method: str,
        uri: str,
        to: str | None = None,
        headers: Sequence[str] = (),
        body: str = "",
    ) -> Sip:
        """Send a request, answer one challenge with the password, return the final reply."""
        call, tag = secrets.token_hex(8), secrets.token_hex(4)
        extra = list(headers)
        for number in (1, 2):
            self.send(self._request(method, uri, to or uri, call, tag, number, extra, body))
            reply = await self.receive(lambda message: message.status >= 200)
            if method == "INVITE" and reply.status >= 300:
                self.send(self._ack(uri, reply))
            if reply.status not in _CHALLENGES or number == 2:
                break
            asked, answered = _CHALLENGES[reply.status]
            proof = credentials(self.user, self._password, method, uri, reply.one(asked))
            extra = [*headers, f"{answered}: {proof}"]
        return reply

    def send(self, text: str) -> None:
        """Send a message as it is."""
        self._sock.sendto(text.encode(), self._proxy)

    async def receive(self, wanted: Callable[[Sip], bool] = lambda _: True) -> Sip:
        """Return the next message that is wanted; others are dropped. TimeoutError after 4 seconds."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_DEADLINE):
            while True:
                message = Sip.parse(await loop.sock_recv(self._sock, 65_536))
                if wanted(message):
                    return message

    def reply(self, request: Sip, status: str, *headers: str) -> None:
        """Answer a request that was received."""
        copied = [
            f"{name}: {value}"
            for name, value in request.headers
            if name in ("Via", "From", "Call-ID", "CSeq", "Record-Route")
        ]
        to = request.one("To")
        tagged = to if ";tag=" in to else f"{to};tag={secrets.token_hex(4)}"
        lines = [f"SIP/2.0 {status}", *copied, f"To: {tagged}", *headers, "Content-Length: 0", "", ""]
        self.send("\r\n".join(lines))

    def bye(self, reply: Sip, number: int) -> str:
        """Return the BYE of a call that was answered by that reply."""
        routes = [f"Route: {value}" for value in reversed(reply.all("Record-Route"))]
        return self._lines(
            f"BYE {reply.one('Contact').strip('<>')} SIP/2.0",
            [
                *routes,
                f"From: {reply.one('From')}",
                f"To: {reply.one('To')}",
                f"Call-ID: {reply.one('Call-ID')}",
            ],
            f"CSeq: {number} BYE",
        )

    def _request(
        self,
        method: str,
        uri: str,
        to: str,
        call: str,
        tag: str,
        number: int,
        extra: Sequence[str],
        body: str,
    ) -> str:
        own = [
            f"From: <sip:{self.user}@{self.domain}>;tag={tag}",
            f"To: <{to}>",
            f"Call-ID: {call}",
            *extra,
        ]
        if not any(line.startswith("Contact:") for line in extra):
            own.append(f"Contact: <sip:{self.user}@127.0.0.1:{self.port}>")
        return self._lines(f"{method} {uri} SIP/2.0", own, f"CSeq: {number} {method}", body)

    def _ack(self, uri: str, reply: Sip) -> str:
        """The ACK to a refusal belongs to the INVITE's transaction (RFC 3261, 17.1.1.3): its Via again."""
        number = reply.one("CSeq").split()[0]
        copied = [f"{name}: {reply.one(name)}" for name in ("Via", "From", "To", "Call-ID")]
        lines = [
            f"ACK {uri} SIP/2.0",
            *copied,
            f"CSeq: {number} ACK",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""])

    def _lines(self, first: str, headers: Sequence[str], cseq: str, body: str = "") -> str:
        via = f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{secrets.token_hex(8)}"
        length = f"Content-Length: {len(body.encode())}"
        return "\r\n".join([first, via, "Max-Forwards: 70", *headers, cseq, length, "", body])


def credentials(user: str, password: str, method: str, uri: str, challenge: str) -> str:
    """Return a digest of RFC 2617 with qop=auth, or without where the server asks for none."""
    asked = {name: quoted or bare for name, quoted, bare in _PARAMETER.findall(challenge)}
    realm, nonce = asked["realm"], asked["nonce"]
    secret = _md5(f"{user}:{realm}:{password}")
    request = _md5(f"{method}:{uri}")
    told = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if "qop" not in asked:
        return f'{told}, response="{_md5(f"{secret}:{nonce}:{request}")}"'
    client = secrets.token_hex(8)
    response = _md5(f"{secret}:{nonce}:00000001:{client}:auth:{request}")
    return f'{told}, qop=auth, nc=00000001, cnonce="{client}", response="{response}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
