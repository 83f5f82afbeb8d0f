"""A SIP phone that answers, hangs up, transfers and talks: SIP by any transport, and RTP."""

import asyncio
import re
import secrets
import socket
import ssl
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from tests.integration.phone import Sip, credentials

DEADLINE: Final = 8.0
_ASKED: Final = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}
_BUSY_AFTER: Final = 0.2
"""Seconds: Asterisk forgets a 180 that a refusal follows at once."""
_RTP_HEAD: Final = 12
_PACE: Final = 0.02
_FRAME: Final = 160
"""Bytes of 20 ms of G.711."""


Address = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """Where a phone's messages go: udp, tcp or tls; `ca` is a file that says whom TLS may trust."""

    host: str
    port: int
    transport: str = "udp"
    ca: str | None = None

    @classmethod
    def parse(cls, address: str, transport: str = "udp", ca: str | None = None) -> Self:
        """Return the way to host:port, or [host]:port."""
        host, _, port = address.rpartition(":")
        return cls(host.strip("[]"), int(port), transport, ca)


@dataclass(slots=True)
class Call:
    """One side of a call. `notified` are the sipfrags of its transfer, in the order in which they came."""

    id: str
    mine: str
    theirs: str
    target: str
    routes: list[str]
    number: int = 1
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    notified: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def tag(self, whose: str) -> str:
        """Return the tag of one side's From or To."""
        found = re.search(r";tag=([^;>\s]+)", whose)
        assert found
        return found[1]

    @property
    def replaces(self) -> str:
        """This call as the value of a Replaces in a Refer-To (RFC 3891, escaped as RFC 3261 19.1.1 asks)."""
        text = f"{self.id};to-tag={self.tag(self.theirs)};from-tag={self.tag(self.mine)}"
        return re.sub(r"[;=@]", lambda found: f"%{ord(found[0]):02X}", text)


class SoftPhone:
    """A phone of a tenant; while it is on, it answers what comes with 180 and 200, with 486 if it is `busy`.

    Calls that reached it are in `came`, requests of any kind in `requests`; `provisional` is the last status
    under 200 that it was given. It talks by RTP as long as it knows where to: bytes of its own `voice`.
    """

    def __init__(self, way: Way, user: str, domain: str, password: str, *, voice: int = 1) -> None:
        self.user, self.domain, self._password, self._voice = user, domain, password, voice
        self._way = way
        self._replies: dict[tuple[str, str], asyncio.Queue[Sip]] = {}
        self._calls: dict[str, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: set[int] = set()
        self._far: tuple[str, int] | None = None
        self.provisional = 0
        self.busy = False
        self.came: asyncio.Queue[tuple[Call, Sip]] = asyncio.Queue()
        self.requests: asyncio.Queue[Sip] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.setblocking(False)
        self._rtp.bind(("127.0.0.1", 0))
        if self._way.transport == "udp":
            family = socket.AF_INET6 if ":" in self._way.host else socket.AF_INET
            self._sock = socket.socket(family, socket.SOCK_DGRAM)
            self._sock.setblocking(False)
            self._sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            name = self._sock.getsockname()
        else:
            context = (
                ssl.create_default_context(cafile=self._way.ca) if self._way.transport == "tls" else None
            )
            self._reader, self._writer = await asyncio.open_connection(
                self._way.host, self._way.port, ssl=context
            )
            name = self._writer.get_extra_info("sockname")
        self._here = f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
        self._start(self._listen())
        self._start(self._listen_rtp())
        self._start(self._talk())
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._rtp.close()
        if self._way.transport == "udp":
            self._sock.close()
        else:
            self._writer.transport.abort()

    @property
    def contact(self) -> str:
        return f"<sip:{self.user}@{self._here};transport={self._way.transport}>"

    async def register(self, *, expires: int = 60) -> int:
        """Register; return the final status."""
        reply = await self.ask(
            "REGISTER", f"sip:{self.domain}", f"sip:{self.user}@{self.domain}", [f"Expires: {expires}"]
        )
        return reply.status

    async def call(self, number: str, *headers: str) -> tuple[int, Call | None]:
        """Call a number of the tenant; return the final status, and the call where there is one."""
        uri = f"sip:{number}@{self.domain}"
        reply = await self.ask("INVITE", uri, uri, [*headers, *self._media()], self._sdp())
        if reply.status >= 300:
            return reply.status, None
        routes = list(reversed(reply.all("Record-Route")))
        target = reply.one("Contact").strip("<>")
        call = Call(reply.one("Call-ID"), reply.one("From"), reply.one("To"), target, routes)
        call.number = int(reply.one("CSeq").split()[0])
        self._calls[call.id] = call
        self._media_of(reply)
        await self._within(call, "ACK", call.number)
        return reply.status, call

    async def hang_up(self, call: Call) -> int:
        """Hang up; return the status of the BYE."""
        return (await self._ask_within(call, "BYE")).status

    async def refer(self, call: Call, to: str) -> int:
        """Ask the other side to call `to`, the URI of Refer-To; return the status."""
        own = f"<sip:{self.user}@{self.domain}>"
        return (await self._ask_within(call, "REFER", f"Refer-To: <{to}>", f"Referred-By: {own}")).status

    async def hears(self, voice: int) -> None:
        """Wait until that voice is heard."""
        async with asyncio.timeout(DEADLINE):
            while voice not in self._heard:  # noqa: ASYNC110 - packets come fifty times a second
                await asyncio.sleep(_PACE)

    def forget_voices(self) -> None:
        """Begin to listen anew."""
        self._heard.clear()

    def press(self, digit: str) -> None:
        """Send a digit as RFC 4733 telephone-events of 100 ms: three packets, then the end three times."""
        assert self._far is not None
        for number, (end, duration) in enumerate(
            [(0, 160), (0, 480), (0, 800), (1, 800), (1, 800), (1, 800)]
        ):
            head = bytes([0x80, 101 | (0x80 if not number else 0)]) + (5000 + number).to_bytes(2, "big")
            head += (9_000_000).to_bytes(4, "big") + self._voice.to_bytes(4, "big")
            event = bytes(["0123456789*#".index(digit), end << 7 | 10]) + duration.to_bytes(2, "big")
            self._rtp.sendto(head + event, self._far)

    async def ask(self, method: str, uri: str, to: str, headers: Sequence[str] = (), body: str = "") -> Sip:
        """Send a request, answer one challenge, return the final reply."""
        call_id, own = secrets.token_hex(8), f"<sip:{self.user}@{self.domain}>;tag={secrets.token_hex(4)}"
        extra: list[str] = []
        for number in (1, 2):
            head = [f"From: {own}", f"To: <{to}>", f"Call-ID: {call_id}", f"Contact: {self.contact}"]
            reply = await self._transact(method, uri, [*head, *headers, *extra], number, body)
            if reply.status not in _ASKED or number == 2:
                break
            asked, answered = _ASKED[reply.status]
            proof = credentials(self.user, self._password, method, uri, reply.one(asked))
            extra = [f"{answered}: {proof}"]
        return reply

    async def _ask_within(self, call: Call, method: str, *headers: str) -> Sip:
        call.number += 1
        return await self._transact(method, call.target, self._dialog(call, *headers), call.number)

    async def _within(self, call: Call, method: str, number: int) -> None:
        await self._send(self._request(method, call.target, self._dialog(call), number, secrets.token_hex(8)))

    def _dialog(self, call: Call, *headers: str) -> list[str]:
        routes = [f"Route: {route}" for route in call.routes]
        known = [f"From: {call.mine}", f"To: {call.theirs}", f"Call-ID: {call.id}"]
        return [*routes, *known, f"Contact: {self.contact}", *headers]

    async def _transact(
        self, method: str, uri: str, headers: Sequence[str], number: int, body: str = ""
    ) -> Sip:
        branch = secrets.token_hex(8)
        replies = self._replies.setdefault((branch, method), asyncio.Queue())
        await self._send(self._request(method, uri, headers, number, branch, body))
        async with asyncio.timeout(DEADLINE):
            while (reply := await replies.get()).status < 200:
                self.provisional = reply.status
        if method == "INVITE" and reply.status >= 300:
            known = [f"{name}: {reply.one(name)}" for name in ("From", "To", "Call-ID")]
            await self._send(self._request("ACK", uri, known, number, branch))
        return reply

    def _request(
        self, method: str, uri: str, headers: Sequence[str], number: int, branch: str, body: str = ""
    ) -> str:
        via = f"Via: SIP/2.0/{self._way.transport.upper()} {self._here};rport;branch=z9hG4bK{branch}"
        tail = [f"CSeq: {number} {method}", "Max-Forwards: 70", f"Content-Length: {len(body)}", "", body]
        return "\r\n".join([f"{method} {uri} SIP/2.0", via, *headers, *tail])

    async def _send(self, text: str, where: Address | None = None) -> None:
        if self._way.transport == "udp":
            where = where or (self._way.host, self._way.port)
            await asyncio.get_running_loop().sock_sendto(self._sock, text.encode(), where)
        else:
            self._writer.write(text.encode())
            await self._writer.drain()

    async def _receive(self) -> tuple[Sip, Address | None]:
        if self._way.transport == "udp":
            data, source = await asyncio.get_running_loop().sock_recvfrom(self._sock, 65_536)
            return Sip.parse(data), source
        head = (await self._reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
        message = Sip.parse(head)
        body = await self._reader.readexactly(int(message.one("Content-Length")))
        return Sip.parse(head + body), None

    async def _listen(self) -> None:
        while True:
            message, source = await self._receive()
            if message.status:
                found = re.search(r"branch=z9hG4bK([^;]+)", message.all("Via")[0])
                assert found
                queue = self._replies.get((found[1], message.one("CSeq").split()[1]))
                if queue is not None:
                    queue.put_nowait(message)
            else:
                await self._asked(message, source)

    async def _asked(self, request: Sip, source: Address | None) -> None:
        method, call = request.line.split()[0], self._calls.get(request.one("Call-ID"))
        self.requests.put_nowait(request)
        if method == "INVITE":
            await self._answer(request, source)
        elif method != "ACK":
            await self._reply(request, source, "200 OK")
        if call is not None and method == "BYE":
            call.ended.set()
        if call is not None and method == "NOTIFY":
            call.notified.put_nowait(request.body.strip())

    async def _answer(self, invite: Sip, source: Address | None) -> None:
        tag = secrets.token_hex(4)
        known = self._calls.get(invite.one("Call-ID"))
        target = invite.one("Contact").strip("<>")
        if known is None:
            await self._reply(invite, source, "180 Ringing", tag)
            if self.busy:
                await asyncio.sleep(_BUSY_AFTER)
                await self._reply(invite, source, "486 Busy Here", tag)
                return
            mine = f"{invite.one('To')};tag={tag}"
            call = Call(invite.one("Call-ID"), mine, invite.one("From"), target, invite.all("Record-Route"))
            self._calls[call.id] = call
        self._media_of(invite)
        await self._reply(invite, source, "200 OK", tag, body=self._sdp())
        if known is None:
            self.came.put_nowait((call, invite))

    async def _reply(
        self, request: Sip, source: Address | None, status: str, tag: str = "x", body: str = ""
    ) -> None:
        """Answer where the request came from (RFC 3581), which needn't be the phone's own server."""
        copied = [
            f"{name}: {value}"
            for name, value in request.headers
            if name in ("Via", "From", "Call-ID", "CSeq", "Record-Route")
        ]
        to = request.one("To")
        lines = [f"To: {to if ';tag=' in to else f'{to};tag={tag}'}", f"Contact: {self.contact}"]
        lines += [*(self._media() if body else []), f"Content-Length: {len(body)}", "", body]
        await self._send("\r\n".join([f"SIP/2.0 {status}", *copied, *lines]), source)

    def _media(self) -> list[str]:
        return ["Content-Type: application/sdp", "Supported: replaces"]

    def _sdp(self) -> str:
        port = self._rtp.getsockname()[1]
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        )

    def _media_of(self, message: Sip) -> None:
        address = re.search(r"c=IN IP4 (\S+)", message.body)
        port = re.search(r"m=audio (\d+)", message.body)
        if address and port:
            self._far = (address[1], int(port[1]))

    async def _talk(self) -> None:
        sequence = 0
        while True:
            sequence += 1
            head = bytes([0x80, 0]) + sequence.to_bytes(2, "big") + (sequence * _FRAME).to_bytes(4, "big")
            if self._far is not None:
                packet = head + self._voice.to_bytes(4, "big") + bytes([self._voice]) * _FRAME
                self._rtp.sendto(packet, self._far)
            await asyncio.sleep(_PACE)

    async def _listen_rtp(self) -> None:
        while True:
            packet = await asyncio.get_running_loop().sock_recv(self._rtp, 2048)
            if packet[1] & 0x7F == 0 and len(set(packet[_RTP_HEAD:])) == 1:
                self._heard.add(packet[-1])

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(work))
