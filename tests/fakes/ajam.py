"""An Asterisk manager over HTTP (rawman) on a real loopback socket, able to misbehave."""

import asyncio
import contextlib
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

Manner = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""How a reply is sent: it is handed the connection and the whole HTTP response that would be right."""

_ACTION_ID = re.compile(rb"(?m)^ActionID: (?!forged)[^\r]*")
"""Of recorded replies; a test that forges one calls it so."""
_COOKIE = re.compile(r'mansession_id="([0-9a-f]+)"')
_CHALLENGE = "150672266"


@dataclass(frozen=True)
class Request:
    """One request as it came: its head, the session's cookie ("" for none), the form."""

    head: str
    cookie: str
    form: Mapping[str, str]


@dataclass
class FakeAjam:
    """Answers forms with recorded replies, in sessions that begin with a login by MD5 challenge.

    `users` are name -> (secret, has write=reporting). `manners` say for an action how its reply is sent
    instead of whole and at once. `events` wait to be fetched, and go once to whoever asked for some at login.
    """

    replies: Mapping[str, bytes]
    users: Mapping[str, tuple[str, bool]] = field(default_factory=lambda: {"dialtone": ("geheim", True)})
    manners: dict[str, Manner] = field(default_factory=dict)
    events: list[bytes] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0
    port: int = 0
    _made: int = 0
    _hearing: set[str] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def endpoint(self) -> str:
        """Where it listens, as a node's endpoint."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/rawman"

    @property
    def names(self) -> list[str]:
        """The names of the actions received, in order."""
        return [request.form["Action"] for request in self.requests]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeAjam"]:
        """Listen on a free loopback port for the time of the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()

    async def received(self, action: str) -> None:
        """Return when such an action has come."""
        while action not in self.names:
            self._news.clear()
            await self._news.wait()

    def forget(self) -> None:
        """End every session, as a restart does, and a minute without a request."""
        self.sessions.clear()
        self.events.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            if (start := await reader.readexactly(1)) == b"\x16":
                raise ConnectionAbortedError("a TLS handshake, and this is none")
            head = (start + await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?im)^content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            cookie = _COOKIE.search(head)
            form = dict(parse_qsl(body.decode(), strict_parsing=True))
            self.requests.append(Request(head, cookie[1] if cookie else "", form))
            self._news.set()
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            await asyncio.sleep(0)
            right = self._respond(self.requests[-1])
            if manner := self.manners.get(form["Action"]):
                await manner(writer, right)
            else:
                writer.write(right)
            await writer.drain()
            self.in_flight -= 1
        self._writers.discard(writer)
        writer.close()

    def _respond(self, request: Request) -> bytes:
        if not request.head.startswith("POST /rawman HTTP/1.1\r\n"):
            return http(b"<html>", status="404 Not Found", kind="text/html")
        cookie = request.cookie
        if cookie not in self.sessions:
            self._made += 1
            cookie = f"{0xE72F0000 + self._made:x}"
            self.sessions[cookie] = ""
        reply = self._reply(request.form, cookie)
        return http(_ACTION_ID.sub(f"ActionID: {request.form['ActionID']}".encode(), reply), cookie)

    def _reply(self, form: Mapping[str, str], cookie: str) -> bytes:
        name, user = form["Action"], self.sessions[cookie]
        if name == "Challenge":
            return success(f"Challenge: {_CHALLENGE}")
        if name == "Login":
            secret, _ = self.users.get(form["Username"], ("", False))
            key = hashlib.md5((_CHALLENGE + secret).encode()).hexdigest()  # noqa: S324 - AMI's own
            if not secret or form.get("Key") != key:
                return error("Authentication failed")
            self.sessions[cookie] = form["Username"]
            self._hearing = self._hearing - {cookie} | ({cookie} if form["Events"] != "off" else set())
            return success("Message: Authentication accepted")
        if name == "Logoff":
            del self.sessions[cookie]
            return b"Response: Goodbye\r\nActionID: 0\r\nMessage: Thanks for all the fish.\r\n\r\n"
        if not user or (name != "WaitEvent" and not self.users[user][1]):
            return error("Permission denied")
        if name == "WaitEvent":
            assert form["Timeout"] == "0", "anything else has the server wait"
            events = b"".join(self.events) if cookie in self._hearing else b""
            self.events.clear()
            end = b"Event: WaitEventComplete\r\nActionID: 0\r\n\r\n"
            return success("Message: Waiting for Event completed.") + events + end
        if name not in self.replies:
            return error(f"Invalid/unknown command: {name}. Use Action: ListCommands")
        return self.replies[name]


def http(body: bytes, cookie: str = "", *, status: str = "200 OK", kind: str = "text/plain") -> bytes:
    """Return an HTTP response as Asterisk words it."""
    head = [f"HTTP/1.1 {status}", "Server: Asterisk/22.10.1", "Connection: close", f"Content-type: {kind}"]
    if cookie:
        head.append(f'Set-Cookie: mansession_id="{cookie}"; Version=1; Max-Age=60')
    head += ["Pragma: SuppressEvents", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def success(line: str) -> bytes:
    """Return a response with one line of its own."""
    return f"Response: Success\r\nActionID: 0\r\n{line}\r\n\r\n".encode()


def error(message: str) -> bytes:
    """Return a refusal, which comes with status 200 like everything else."""
    return f"Response: Error\r\nActionID: 0\r\nMessage: {message}\r\n\r\n".encode()


def instead(response: bytes) -> Manner:
    """Send something else."""

    async def manner(writer: asyncio.StreamWriter, right: bytes) -> None:
        writer.write(response)

    return manner


def replaced(old: bytes, new: bytes) -> Manner:
    """Send the right response with something in it replaced, and its length told right."""

    async def manner(writer: asyncio.StreamWriter, right: bytes) -> None:
        assert old in right
        head, _, body = right.replace(old, new).partition(b"\r\n\r\n")
        head = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head)
        writer.write(head + b"\r\n\r\n" + body)

    return manner


async def silent(writer: asyncio.StreamWriter, right: bytes) -> None:
    """Say nothing and keep the connection open, for as long as the other side does."""
    await writer.wait_closed()


async def closed(writer: asyncio.StreamWriter, right: bytes) -> None:
    """Close without a word."""


async def cut_in_the_middle(writer: asyncio.StreamWriter, right: bytes) -> None:
    """Send half of the response, then close."""
    writer.write(right[: len(right) * 2 // 3])


async def in_small_pieces(writer: asyncio.StreamWriter, right: bytes) -> None:
    """Send the right response a few bytes at a time, as a slow network does."""
    for start in range(0, len(right), 7):
        writer.write(right[start : start + 7])
        await writer.drain()
        await asyncio.sleep(0)


async def without_end(writer: asyncio.StreamWriter, right: bytes) -> None:
    """Tell no length, and send the first block of the body for ever."""
    head, _, body = right.partition(b"\r\n\r\n")
    block = body.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    writer.write(re.sub(rb"Content-Length: \d+\r\n", b"", head + b"\r\n\r\n"))
    while not writer.is_closing():
        writer.write(block * 200)
        await writer.drain()


async def half_told_as_whole(writer: asyncio.StreamWriter, right: bytes) -> None:
    """Send half of the body and tell its length, as a proxy does that lost the rest."""
    head, _, body = right.partition(b"\r\n\r\n")
    body = body[: len(body) * 2 // 3]
    writer.write(re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head))
    writer.write(b"\r\n\r\n" + body)
