"""A small registrar and proxy on a real UDP socket, which can misbehave in the ways that platforms do."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Self

from lab.faults.message import SipText

NONCE = "c0ffee"
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"

Address = tuple[str, int]
_SECOND_CHALLENGE = 0.03
"""Seconds after the first, with CHALLENGES_TWICE."""


class Manner(StrEnum):
    """How the server behaves."""

    PROPER = auto()
    SILENT = auto()
    CHALLENGES_FOREVER = auto()
    FORBIDS = auto()
    REPEATS_ANSWERS = auto()
    REDIRECTS = auto()
    NOT_FOUND = auto()
    FAILS = auto()
    DECLINES = auto()
    TALKS_GARBAGE = auto()
    SENDS_HUGE = auto()
    BREAKS_HEADERS = auto()
    SPEAKS_LATIN1 = auto()
    SWAPS_RINGING = auto()
    LOSES_FIRST = auto()
    IS_LATE = auto()
    ANSWERS_ITSELF = auto()
    EATS_ACKS = auto()
    EATS_BYES = auto()
    HANGS_UP = auto()
    RINGS_FOREVER = auto()
    REDIRECTS_WITH_CONTACT = auto()
    PROVISIONAL_REGISTER = auto()
    STALE_NONCE = auto()
    KEEPS_BINDINGS = auto()
    FLOODS = auto()
    LOSES_REGISTRATIONS = auto()
    NAMES_NO_PORT = auto()
    SENDS_SEPARATORS = auto()
    CHALLENGES_BYES = auto()
    STRANGER_CALLS = auto()
    DISGUISES_CALLERS = auto()
    REINVITES = auto()
    CHALLENGES_TWICE = auto()


REFUSALS = {
    Manner.REDIRECTS: (302, "Moved Temporarily"),
    Manner.NOT_FOUND: (404, "Not Found"),
    Manner.FAILS: (500, "Server Internal Error"),
    Manner.DECLINES: (603, "Decline"),
}
_OWN_REQUESTS = {Manner.HANGS_UP: "BYE", Manner.REINVITES: "INVITE"}
"""What the platform sends the caller once its call is acknowledged."""
GARBAGE = {
    Manner.TALKS_GARBAGE: b"\x00\xff\xfe HTTP/1.1 200 OK\r\n" + b"\xc3\x28" * 40,
    Manner.SENDS_HUGE: b"SIP/2.0 200 OK\r\nVia: " + b"x" * 65_000,
    Manner.BREAKS_HEADERS: b"SIP/2.0 200 OK\r\nVia: ;;;\r\nCSeq: zero\r\nTo: <\r\nFrom: \xff\r\ni: 1\r\n\r\n",
}


class SipServer(asyncio.DatagramProtocol):
    """Use as an async context manager; `passwords` are by user, `requests` is all that came."""

    def __init__(
        self, passwords: Mapping[str, str], manner: Manner = Manner.PROPER, domain: str = "acme.example"
    ) -> None:
        self.manner = manner
        self.requests: list[SipText] = []
        self.first_request = asyncio.Event()
        self.bindings: dict[str, Address] = {}
        self._bound: dict[str, list[Address]] = {}
        self._passwords = passwords
        self._domain = domain
        self._lost: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, bytes] = {}
        self._callers: dict[str, Address] = {}

    async def __aenter__(self) -> Self:
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()
        await asyncio.sleep(0)

    @property
    def target(self) -> str:
        """The server as a probe's target."""
        return f"sip:127.0.0.1:{self.port};transport=udp"

    def methods(self) -> list[str]:
        """Return the methods of the requests, in order."""
        return [request.method for request in self.requests]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a datagram."""
        message = SipText.parse(data)
        if message.is_response:
            self._relay_back(message)
            return
        self.requests.append(message)
        self.first_request.set()
        if self._loses(message):
            return
        if self.manner is Manner.FLOODS:
            for number in range(3000):
                self._send(f"OPTIONS {number}, which is no SIP but long enough".encode(), addr)
        elif self.manner is Manner.SENDS_SEPARATORS:
            for number in range(12):  # none the same, or the parser would see the first alone
                head = f"INVITE sip:{number}@acme.example SIP/2.0\r\nRecord-Route: "
                self._send(head.encode() + b'",' * 7_700 + b"\r\n\r\n", addr)
        elif self.manner in GARBAGE:
            self._send(GARBAGE[self.manner], addr)
        elif self.manner is not Manner.SILENT:
            self._loop.call_later(self._delay(message), self._serve, message, addr)

    def _delay(self, message: SipText) -> float:
        """Return how long a request waits; one with credentials for a second challenge."""
        answered = message.all("authorization") or message.all("proxy-authorization")
        if self.manner is Manner.CHALLENGES_TWICE and answered:
            return 3 * _SECOND_CHALLENGE
        return 0.15 if self.manner is Manner.IS_LATE else 0.0

    def _loses(self, message: SipText) -> bool:
        key = message.get("via")
        if self.manner is Manner.LOSES_FIRST and message.method != "ACK" and key not in self._lost:
            self._lost.add(key)
            return True
        return (
            self.manner is Manner.EATS_ACKS
            and message.method == "ACK"
            and ";tag=srv" not in message.get("to")
        ) or (self.manner is Manner.EATS_BYES and message.method == "BYE")

    def _serve(self, message: SipText, addr: Address) -> None:
        if message.method == "REGISTER":
            self._register(message, addr)
        elif message.method == "ACK" and ";tag=srv" in message.get("to"):
            return  # of our own refusal
        elif message.method in ("INVITE", "ACK", "BYE", "CANCEL", "REFER", "NOTIFY"):
            self._route(message, addr)

    def _register(self, message: SipText, addr: Address) -> None:
        if self.manner is Manner.PROVISIONAL_REGISTER and message.get("via") not in self._lost:
            self._lost.add(message.get("via"))  # the provisional arrives, the final response gets lost once
            self._send(message.reply(100, "Trying").encode(), addr)
            return
        if not self._authorised(message, addr, 401, "WWW-Authenticate", "authorization"):
            return
        if refused := REFUSALS.get(self.manner):
            if message.get("expires") == "0" or self.manner is not Manner.FAILS:
                refused = None
            else:
                self._send(message.reply(*refused).encode(), addr)
                return
        user = re.search(r"sip:([^@]+)@", message.get("to"))
        if user is not None and not message.all("contact"):  # a question: RFC 3261 10.2.3
            self._send(message.reply(200, "OK", *self._contacts(user[1])).encode(), addr)
            return
        contact = re.search(r"@([0-9.]+):([0-9]+)", message.get("contact"))
        if user is None or contact is None:
            self._send(message.reply(400, "Bad Request").encode(), addr)
            return
        if "expires=0" in message.get("contact"):
            if self.manner is Manner.KEEPS_BINDINGS:
                self._send(message.reply(500, "Location Locked").encode(), addr)
                return
            self.bindings.pop(user[1], None)
            self._bound[user[1]] = [b for b in self._bound.get(user[1], ()) if b[1] != int(contact[2])]
        else:
            self.bindings[user[1]] = (contact[1], int(contact[2]))
            self._bound.setdefault(user[1], []).append(self.bindings[user[1]])
            if self.manner is Manner.LOSES_REGISTRATIONS:
                return  # bound, but nobody hears of it
        reason = "D\xe9j\xe0 vu" if self.manner is Manner.SPEAKS_LATIN1 else "OK"
        self._send(message.reply(200, reason, ("Contact", message.get("contact"))).encode(), addr)

    def _contacts(self, user: str) -> list[tuple[str, str]]:
        bound = [f"<sip:{user}@{host}:{port}>;expires=60" for host, port in self._bound.get(user, ())]
        return [("Contact", ", ".join([*bound, f"<sip:{user}@192.0.2.7:5060>;expires=9"]))] if bound else []

    def _authorised(self, message: SipText, addr: Address, status: int, name: str, answer: str) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', message.get(answer)))
        password = self._passwords.get(given.get("username", ""))
        if given and self.manner is Manner.FORBIDS:
            self._send(message.reply(403, "Forbidden").encode(), addr)
            return False
        if given and self.manner is Manner.REPEATS_ANSWERS:
            said = message.get(answer)
            hidden = f"{given['response'].upper()} {given['cnonce']}"
            self._send(message.reply(403, f"No {said}", ("X-Echo", said), body=hidden).encode(), addr)
            return False
        nonce = NONCE + ("2" if self.manner is Manner.STALE_NONCE and given else "")
        if (
            password is not None
            and self.manner is not Manner.CHALLENGES_FOREVER
            and given.get("nonce") == nonce
        ):
            expected = digest(given, password, message.method)
            if given.get("response") == expected:
                return True
        stale = ", stale=true" if self.manner is Manner.STALE_NONCE and given.get("nonce") == NONCE else ""
        self._challenge(message, addr, status, name, nonce, stale)
        return False

    def _challenge(
        self, message: SipText, addr: Address, status: int, name: str, nonce: str = NONCE, stale: str = ""
    ) -> None:
        challenge = f'Digest realm="{self._domain}", nonce="{nonce}", algorithm=MD5, qop="auth"{stale}'
        self._send(message.reply(status, "Unauthorized", (name, challenge)).encode(), addr)
        if self.manner is Manner.CHALLENGES_TWICE:  # as one is that went out twice, by a stateless server
            again = challenge.replace(nonce, f"{nonce}-again")
            second = message.reply(status, "Unauthorized", (name, again)).encode()
            self._loop.call_later(_SECOND_CHALLENGE, self._send, second, addr)

    def _route(self, message: SipText, addr: Address) -> None:
        initial = message.method == "INVITE" and ";tag=" not in message.get("to")
        if initial:
            if not self._authorised(message, addr, 407, "Proxy-Authenticate", "proxy-authorization"):
                return
            self._send(message.reply(100, "Trying").encode(), addr)
            if self.manner in REFUSALS:
                extra = (("Contact", "<sip:stranger@127.0.0.1:9>"),)
                self._send(message.reply(*REFUSALS[self.manner], *extra).encode(), addr)
                return
            if self.manner in (Manner.ANSWERS_ITSELF, Manner.NAMES_NO_PORT):
                port = self.port if self.manner is Manner.ANSWERS_ITSELF else 99_999
                own = ("Contact", f"<sip:voicemail@127.0.0.1:{port}>")
                self._send(message.reply(200, "OK", own, body=SDP, tag="vm").encode(), addr)
                return
            if self.manner is Manner.RINGS_FOREVER:
                self._send(message.reply(180, "Ringing").encode(), addr)
                return
        if message.method == "CANCEL" and self.manner is Manner.RINGS_FOREVER:
            self._send(message.reply(200, "OK").encode(), addr)
            invite = next(r for r in reversed(self.requests) if r.method == "INVITE")
            self._send(invite.reply(487, "Request Terminated").encode(), addr)
            return
        if self.manner is Manner.ANSWERS_ITSELF:
            if message.method == "BYE":
                self._send(message.reply(200, "OK").encode(), addr)
            return
        if message.method == "BYE" and self.manner is Manner.CHALLENGES_BYES:
            self._challenge(message, addr, 407, "Proxy-Authenticate")
            return
        where = self._next_hop(message)
        if where is None:
            if message.method != "ACK":
                self._send(message.reply(404, "Not Found").encode(), addr)
            return
        self._forward(message, where, initial)
        if message.method == "ACK" and self.manner in _OWN_REQUESTS:
            self._callers[message.get("call-id")] = addr
            self._in_dialog(_OWN_REQUESTS[self.manner], message.get("to"), message.get("from"), message)

    def _next_hop(self, message: SipText) -> Address | None:
        uri = message.first.split()[1]
        if direct := re.search(r"@([0-9.]+):([0-9]+)", uri):
            return (direct[1], int(direct[2])) if int(direct[2]) < 65536 else None
        user = re.search(r"sip:([^@]+)@", uri)
        return self.bindings.get(user[1]) if user else None

    def _forward(self, message: SipText, where: Address, initial: bool) -> None:
        branch = hashlib.md5(message.get("via").encode(), usedforsecurity=False).hexdigest()
        headers = [("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{branch}")]
        if initial:
            headers.append(("Record-Route", f"<sip:127.0.0.1:{self.port};lr>"))
        hidden = ["route", "proxy-authorization"]
        if initial and self.manner is Manner.STRANGER_CALLS:
            self._send(_of_a_stranger(message, self.port).encode(), where)
        if self.manner is Manner.DISGUISES_CALLERS:
            message = _disguised(message)
        headers += [(n, v) for n, v in message.headers if n.lower() not in hidden]
        first = message.first
        if initial or message.method == "CANCEL":
            first = f"{message.method} sip:{where[0]}:{where[1]} SIP/2.0"
        self._send(SipText(first, headers, message.body).encode(), where)

    def _relay_back(self, message: SipText) -> None:
        vias = [via.strip() for line in message.all("via") for via in line.split(",")]  # RFC 3261 7.3.1
        headers = [(name, value) for name, value in message.headers if name.lower() != "via"]
        relayed = SipText(message.first, [*(("Via", via) for via in vias[1:]), *headers], message.body)
        if len(vias) < 2:
            if message.method == "INVITE" and message.status == 200:  # the answer to a re-INVITE of our own
                self._in_dialog("ACK", message.get("from"), message.get("to"), message)
            return
        to = re.search(r"UDP ([0-9.]+):([0-9]+)", vias[1])
        if to is None:
            return
        where = (to[1], int(to[2]))
        if self.manner is Manner.SWAPS_RINGING and message.method == "INVITE":
            if message.status == 180:
                self._held[message.get("call-id")] = relayed.encode()
                return
            self._send(relayed.encode(), where)
            if held := self._held.pop(message.get("call-id"), None):
                self._send(held, where)
            return
        if message.status != 100:
            self._send(relayed.encode(), where)

    def _in_dialog(self, method: str, sender: str, receiver: str, about: SipText) -> None:
        """Send the caller a request of our own, as the platform that it talks to."""
        host, port = self._callers[about.get("call-id")]
        own = f"sip:platform@127.0.0.1:{self.port}"  # a re-INVITE refreshes the target (RFC 3261 12.2.1.2)
        headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKown{method}"),
            ("Max-Forwards", "70"),
            ("From", sender),
            ("To", receiver),
            ("Call-ID", about.get("call-id")),
            ("CSeq", f"1 {method}"),
            ("Contact", f"<{own if about.is_response else about.first.split()[1]}>"),
        ]
        body = SDP if method == "INVITE" else ""
        if body:
            headers.append(("Content-Type", "application/sdp"))
        self._send(SipText(f"{method} sip:{host}:{port} SIP/2.0", headers, body).encode(), (host, port))

    def _send(self, data: bytes, where: Address) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(data, where)


def _of_a_stranger(invite: SipText, port: int) -> SipText:
    """Return the INVITE of somebody else to the same phone."""
    other = {
        "via": f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKstranger",
        "from": "<sip:555@acme.example>;tag=stranger",
        "call-id": "stranger",
    }
    kept = [(n, other.get(n.lower(), v)) for n, v in invite.headers if n.lower() != "x-dialtone-probe"]
    return SipText(invite.first, kept, invite.body)


def _disguised(message: SipText) -> SipText:
    """Return a message as a B2BUA sends it on that shows neither the caller nor headers it doesn't know."""
    kept = [(n, v) for n, v in message.headers if n.lower() != "x-dialtone-probe"]
    kept = [(n, v.replace("sip:100@", "sip:anonymous@") if n.lower() == "from" else v) for n, v in kept]
    return SipText(message.first, kept, message.body)


def digest(given: Mapping[str, str], password: str, method: str) -> str:
    """Return the MD5 answer to a challenge with qop=auth (RFC 2617 3.2.2.1)."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    first = md5(f"{given['username']}:{given['realm']}:{password}")
    second = md5(f"{method}:{given['uri']}")
    return md5(f"{first}:{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}:{second}")
