"""An Asterisk manager interface on a real loopback socket, able to misbehave."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Action = Mapping[str, str]
Manner = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""How a reply is sent: it is handed the connection and the reply that would be right."""

_ACTION_ID = re.compile(rb"(?m)^ActionID: [^\r]*")
_CHALLENGE = "882021505"


@dataclass
class FakeAmi:
    """Answers actions with recorded replies, once logged in by MD5 challenge.

    `users` are name -> (secret, has write=reporting). `manners` say for an action (or "banner") how
    its reply is sent instead of whole and at once. `actions` are all that were received.
    """

    replies: Mapping[str, bytes]
    users: Mapping[str, tuple[str, bool]] = field(default_factory=lambda: {"dialtone": ("geheim", True)})
    manners: dict[str, Manner] = field(default_factory=dict)
    banner: bytes = b"Asterisk Call Manager/11.0.0\r\n"
    actions: list[Action] = field(default_factory=list)
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    port: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        """Where it listens, as a node's endpoint."""
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def names(self) -> list[str]:
        """The names of the actions received, in order."""
        return [action["Action"] for action in self.actions]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeAmi"]:
        """Listen on a free loopback port for the time of the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.hang_up()

    def hang_up(self) -> None:
        """Close every connection, as a restart of Asterisk does."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._send(writer, "banner", self.banner)
            user = ""
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                lines = raw.decode().strip().split("\r\n")
                action = dict(line.split(": ", 1) for line in lines)
                self.actions.append(action)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                name = action["Action"]
                reply, user = self._reply(action, user)
                await self._send(
                    writer, name, _ACTION_ID.sub(f"ActionID: {action['ActionID']}".encode(), reply)
                )
                self.in_flight -= 1
                if reply == _error("Authentication failed"):
                    break
        writer.close()

    async def _send(self, writer: asyncio.StreamWriter, name: str, reply: bytes) -> None:
        if manner := self.manners.get(name):
            await manner(writer, reply)
        else:
            writer.write(reply)
        await writer.drain()

    def _reply(self, action: Action, user: str) -> tuple[bytes, str]:
        """Return the right reply, and who is logged in after it."""
        name = action["Action"]
        if name == "Challenge":
            return _success(f"Challenge: {_CHALLENGE}"), user
        if name == "Login":
            secret, _ = self.users.get(action["Username"], ("", False))
            key = hashlib.md5((_CHALLENGE + secret).encode()).hexdigest()  # noqa: S324 - AMI's own
            if not secret or action.get("Key") != key:
                return _error("Authentication failed"), ""
            return _success("Message: Authentication accepted"), action["Username"]
        if not user or not self.users[user][1]:
            return _error("Permission denied"), user
        if name not in self.replies:
            return _error(f"Invalid/unknown command: {name}. Use Action: ListCommands"), user
        return self.replies[name], user


def _success(line: str) -> bytes:
    return f"Response: Success\r\nActionID: 0\r\n{line}\r\n\r\n".encode()


def _error(message: str) -> bytes:
    return f"Response: Error\r\nActionID: 0\r\nMessage: {message}\r\n\r\n".encode()


def getvar(value: str) -> bytes:
    """Return a reply to Getvar."""
    return _success(f"Variable: STRFTIME\r\nValue: {value}")


async def silent(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Say nothing and keep the connection open."""


async def cut_in_the_middle(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send half of the reply, then close."""
    writer.write(reply[: len(reply) // 2])
    await writer.drain()
    writer.close()


async def in_small_pieces(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send the right reply a few bytes at a time, as a slow network does."""
    for start in range(0, len(reply), 7):
        writer.write(reply[start : start + 7])
        await writer.drain()
        await asyncio.sleep(0)


async def flooded_with_events(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send events that nobody asked for, and never the reply."""
    event = b"Event: RTCPSent\r\nPrivilege: reporting,all\r\nChannel: PJSIP/acme-1\r\n\r\n" * 100
    while not writer.is_closing():
        writer.write(event)
        await writer.drain()


async def without_end(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send list items for ever."""
    head, item = reply.split(b"\r\n\r\n")[:2]
    writer.write(head + b"\r\n\r\n")
    while not writer.is_closing():
        writer.write((item + b"\r\n\r\n") * 100)
        await writer.drain()


async def as_one_endless_message(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send one message that never ends."""
    while not writer.is_closing():
        writer.write(b"ChanVariable: X=" + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def with_a_stranger_first(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send an event and another action's answer before the right reply."""
    writer.write(b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n")
    writer.write(b"Response: Error\r\nActionID: somebody-else\r\nMessage: Permission denied\r\n\r\n")
    writer.write(reply)
