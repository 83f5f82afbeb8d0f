"""A small registrar and proxy over UDP, TCP or TLS, IPv4 or IPv6; it reaches phones where they came from."""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from enum import StrEnum, auto
from typing import Any, Self

from lab.faults.message import SipText
from synthetic.address import hostport
from synthetic.agents.framing import Framer
from tests.fakes.sip_server import NONCE, digest

Address = tuple[str, int]
FRONT = "front.example"
"""The name that it puts into Record-Route: no phone of a test could look it up."""


class FrontManner(StrEnum):
    """How it behaves."""

    PROPER = auto()
    SILENT = auto()
    UNAVAILABLE = auto()
    UNAVAILABLE_FOR_CALLS = auto()
    CLOSES_IN_CALLS = auto()
    CLOSES_AT_ONCE = auto()
    TALKS_GARBAGE = auto()
    NEVER_ENDS_A_HEAD = auto()
    ANNOUNCES_TOO_MUCH = auto()
    REPLIES_10000_TIMES = auto()
    FLOODS_WITH_NOTIFIES = auto()
    PINGS = auto()
    SENDS_BYTE_BY_BYTE = auto()


Send = Callable[[bytes], None]
_GARBAGE = {
    FrontManner.TALKS_GARBAGE: b"HTTP/1.1 400 Bad Request\r\nConnection: close, which is no SIP\r\n\r\n",
    FrontManner.NEVER_ENDS_A_HEAD: b"SIP/2.0 200 OK\r\n" + b"X: y\r\n" * 8000,
    FrontManner.ANNOUNCES_TOO_MUCH: b"SIP/2.0 200 OK\r\nContent-Length: 999999999\r\n\r\n",
}


class SipFront:
    """Use as an async context manager; `passwords` are by user, `requests` is all that came."""

    def __init__(
        self,
        passwords: Mapping[str, str],
        *,
        transport: str = "tcp",
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        manner: FrontManner = FrontManner.PROPER,
    ) -> None:
        self.requests: list[SipText] = []
        self.first_request = asyncio.Event()
        self.connections = 0
        self.pongs = 0
        self.bindings: dict[str, Address] = {}
        self._contacts: dict[str, tuple[tuple[str, str], ...]] = {}
        self._passwords = passwords
        self._transport = transport
        self._host = host
        self._tls = tls
        self._manner = manner
        self._peers: dict[Address, Send] = {}
        self._closers: dict[Address, Callable[[], None]] = {}
        self._branches: dict[str, Address] = {}

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._transport == "udp":
            datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (self._host, 0))
            self.port: int = datagrams.get_extra_info("sockname")[1]
            self._close = datagrams.close
        else:
            server = await loop.create_server(lambda: _Connection(self), self._host, 0, ssl=self._tls)
            self.port = server.sockets[0].getsockname()[1]
            self._close = server.close
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()
        for close in list(self._closers.values()):
            close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @property
    def target(self) -> str:
        """The server as a probe's target."""
        return f"sip:{hostport((self._host, self.port))};transport={self._transport}"

    def methods(self) -> list[str]:
        """Return the methods of the requests, in order."""
        return [request.method for request in self.requests]

    def joined(self, peer: Address, send: Send, close: Callable[[], None] | None = None) -> None:
        """Remember how to reach a phone."""
        self._peers[peer] = send
        if close is not None:
            self.connections += 1
            self._closers[peer] = close
            if self._manner is FrontManner.CLOSES_AT_ONCE:
                close()

    def left(self, peer: Address) -> None:
        """Forget a phone."""
        self._peers.pop(peer, None)
        self._closers.pop(peer, None)

    def take(self, data: bytes, peer: Address) -> None:
        """Take a message."""
        message = SipText.parse(data)
        if message.is_response:
            self._relay_back(message)
            return
        self.requests.append(message)
        self.first_request.set()
        first = len(self.requests) == 1
        match self._manner:
            case FrontManner.SILENT:
                return
            case FrontManner.UNAVAILABLE:
                if message.method != "ACK":
                    self._reply(peer, message, 503, "Service Unavailable")
                return
            case FrontManner.UNAVAILABLE_FOR_CALLS if message.method == "INVITE":
                self._reply(peer, message, 503, "Service Unavailable")
                return
            case FrontManner.REPLIES_10000_TIMES if first:
                for number in range(10_000):
                    self._reply(peer, message, 182, f"Queued {number}")
                return
            case FrontManner.FLOODS_WITH_NOTIFIES if first:
                for number in range(10_000):
                    self._send(peer, self._notify(number, peer))
            case FrontManner.PINGS if first:
                self._peers[peer](b"\r\n\r\n")
            case manner if manner in _GARBAGE:
                self._peers[peer](_GARBAGE[manner])
                return
        if message.method == "REGISTER":
            self._register(message, peer)
        elif message.method == "OPTIONS":
            self._reply(peer, message, 200, "OK")
        else:
            self._route(message, peer)

    def _notify(self, number: int, peer: Address) -> SipText:
        headers = [
            ("Via", f"SIP/2.0/{self._transport.upper()} {FRONT};branch=z9hG4bKflood{number}"),
            ("From", "<sip:flood@acme.example>;tag=flood"),
            ("To", "<sip:100@acme.example>;tag=none"),
            ("Call-ID", f"flood{number}"),
            ("CSeq", f"{number} NOTIFY"),
            ("Event", "presence"),
        ]
        return SipText(f"NOTIFY sip:100@{hostport(peer)} SIP/2.0", headers)

    def _register(self, message: SipText, peer: Address) -> None:
        if not self._authorised(message, peer, 401, "WWW-Authenticate", "authorization"):
            return
        user = re.search(r"sip:([^@]+)@", message.get("to"))
        contact = re.search(r"@(\[[0-9a-f:]+\]|[0-9.]+):([0-9]+)", message.get("contact"))
        if user is not None and not message.get("contact"):  # what is bound? (RFC 3261 10.2.3)
            self._reply(peer, message, 200, "OK", *self._contacts.get(user[1], ()))
        elif user is None or contact is None:
            self._reply(peer, message, 400, "Bad Request")
        elif "expires=0" in message.get("contact") or message.get("expires") == "0":
            self.bindings.pop(user[1], None)
            self._contacts.pop(user[1], None)
            self._reply(peer, message, 200, "OK")
        else:
            self.bindings[user[1]] = (contact[1].strip("[]"), int(contact[2]))
            self._contacts[user[1]] = (("Contact", message.get("contact")),)
            self._reply(peer, message, 200, "OK", *self._contacts[user[1]])

    def _authorised(self, message: SipText, peer: Address, status: int, name: str, answer: str) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', message.get(answer)))
        password = self._passwords.get(given.get("username", ""))
        if password is not None and given.get("response") == digest(given, password, message.method):
            return True
        challenge = f'Digest realm="acme.example", nonce="{NONCE}", algorithm=MD5, qop="auth"'
        self._reply(peer, message, status, "Unauthorized", (name, challenge))
        return False

    def _route(self, message: SipText, peer: Address) -> None:
        initial = message.method == "INVITE" and ";tag=" not in message.get("to")
        if message.method == "ACK" and ";tag=srv" in message.get("to"):
            return  # of our own refusal
        if initial and not self._authorised(message, peer, 407, "Proxy-Authenticate", "proxy-authorization"):
            return
        uri = message.first.split()[1]
        direct = re.search(r"@(\[[0-9a-f:]+\]|[0-9.]+):([0-9]+)", uri)
        user = re.search(r"sip:([^@]+)@", uri)
        where = (
            (direct[1].strip("[]"), int(direct[2])) if direct else self.bindings.get(user[1] if user else "")
        )
        if where is None or where not in self._peers:
            if message.method != "ACK":
                self._reply(peer, message, 404, "Not Found")
            return
        branch = f"z9hG4bK{len(self._branches)}"
        self._branches[branch] = peer
        headers = [("Via", f"SIP/2.0/{self._transport.upper()} {FRONT}:{self.port};branch={branch}")]
        if initial:
            transport = "" if self._transport == "udp" else f";transport={self._transport}"
            headers.append(("Record-Route", f"<sip:{FRONT}:{self.port}{transport};lr>"))
        hidden = ("route", "proxy-authorization")
        headers += [(n, v) for n, v in message.headers if n.lower() not in hidden]
        first = message.first if direct else f"{message.method} sip:{hostport(where)} SIP/2.0"
        self._send(where, SipText(first, headers, message.body))
        if message.method == "ACK" and self._manner is FrontManner.CLOSES_IN_CALLS:
            self._closers[peer]()

    def _relay_back(self, message: SipText) -> None:
        vias = [via.strip() for line in message.all("via") for via in line.split(",")]
        found = re.search(r"branch=([^;]+)", vias[0])
        where = self._branches.get(found[1]) if found else None
        if where is None:
            return  # an answer to what we made up ourselves
        others = [(name, value) for name, value in message.headers if name.lower() != "via"]
        self._send(
            where, SipText(message.first, [*(("Via", via) for via in vias[1:]), *others], message.body)
        )

    def _reply(
        self, peer: Address, message: SipText, status: int, reason: str, *extra: tuple[str, str]
    ) -> None:
        self._send(peer, message.reply(status, reason, *extra))

    def _send(self, peer: Address, message: SipText) -> None:
        send = self._peers.get(peer)
        if send is None:
            return
        raw = message.encode()
        step = 1 if self._manner is FrontManner.SENDS_BYTE_BY_BYTE else len(raw)
        for start in range(0, len(raw), step):
            send(raw[start : start + step])


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, front: SipFront) -> None:
        self._front = front

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        peer = addr[:2]
        self._front.joined(peer, lambda raw: self._transport.sendto(raw, addr))
        self._front.take(data, peer)


class _Connection(asyncio.Protocol):
    def __init__(self, front: SipFront) -> None:
        self._front = front
        self._framer = Framer()

    def connection_made(self, transport: Any) -> None:
        self._peer: Address = transport.get_extra_info("peername")[:2]
        self._front.joined(self._peer, transport.write, transport.abort)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"\r\n"):  # a request may be right behind it
            self._front.pongs += 1
        self._framer.feed(data)
        while (message := self._framer.next()) is not None:
            self._front.take(message, self._peer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._front.left(self._peer)
