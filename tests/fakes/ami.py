"""An Asterisk manager interface on a real loopback socket, able to misbehave."""

import asyncio
import contextlib
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

Action = Mapping[str, str]
Manner = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
"""How a reply is sent: it is handed the connection and the reply that would be right."""

RIGHTS = {
    "Command": {"command"},
    "ConfbridgeListRooms": {"reporting"},
    "CoreSettings": {"system", "reporting"},
    "CoreShowChannels": {"system", "reporting"},
    "CoreStatus": {"system", "reporting"},
    "DeviceStateList": {"call", "reporting"},
    "Getvar": {"call", "reporting"},
    "PJSIPShowContacts": {"system"},
    "VoicemailUsersList": {"call", "reporting"},
}
"""Any of these lets a user send an action (ListCommands of 22.10); what isn't here needs none."""

_ACTION_ID = re.compile(rb"(?m)^ActionID: (?!forged)[^\r]*")
"""Of recorded replies; a test that forges one calls it so."""
_PRIVILEGE = re.compile(rb"(?m)^Privilege: ([^\r]*)")
_LISTED = re.compile(r".*\(Priv: ([^)]*)\)")
_CHALLENGE = "882021505"


@dataclass
class _Session:
    """One connection, and what its login asked for."""

    writer: asyncio.StreamWriter
    user: str = ""
    classes: frozenset[str] = frozenset()


@dataclass
class FakeAmi:
    """Answers actions with recorded replies, once logged in by MD5 challenge or by the plain password.

    `users` are name -> (secret, write rights: True for all, or their names). `reads` are the classes of
    events that a user may have, all where it isn't named. `manners` say for an action (or "banner") how its
    reply is sent instead of whole and at once. `actions` are all that were received. `tls` has it speak TLS.
    """

    replies: Mapping[str, bytes]
    users: Mapping[str, tuple[str, bool | Collection[str]]] = field(
        default_factory=lambda: {"dialtone": ("geheim", True)}
    )
    reads: Mapping[str, Collection[str]] = field(default_factory=dict)
    manners: dict[str, Manner] = field(default_factory=dict)
    banner: bytes = b"Asterisk Call Manager/11.0.0\r\n"
    tls: ssl.SSLContext | None = None
    has_challenge: bool = True
    actions: list[Action] = field(default_factory=list)
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    port: int = 0
    _sessions: list[_Session] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        """Where it listens, as a node's endpoint."""
        return f"{'tls' if self.tls else 'tcp'}://127.0.0.1:{self.port}"

    @property
    def names(self) -> list[str]:
        """The names of the actions received, in order."""
        return [action["Action"] for action in self.actions]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeAmi"]:
        """Listen on a free loopback port for the time of the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.hang_up()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        """Close every connection, as a restart of Asterisk does."""
        for session in self._sessions:
            session.writer.close()
        self._sessions.clear()

    def push(self, events: bytes) -> None:
        """Send events to whoever is logged in, asked for their class, and may read it."""
        for event in events.split(b"\r\n\r\n"):
            named = _PRIVILEGE.search(event)
            classes = set(named[1].decode().split(",")) if named else set()
            for session in self._sessions:
                if classes & session.classes:
                    session.writer.write(event + b"\r\n\r\n")

    def push_raw(self, stuff: bytes) -> None:
        """Send anything to whoever is logged in."""
        for session in self._sessions:
            if session.user:
                session.writer.write(stuff)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = _Session(writer)
        self._sessions.append(session)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await self._talk(reader, session)
        except asyncio.CancelledError:
            pass  # the end of running(); asyncio would make a noise about it
        finally:
            writer.close()
            self._tasks.discard(task)
            if session in self._sessions:
                self._sessions.remove(session)

    async def _talk(self, reader: asyncio.StreamReader, session: _Session) -> None:
        await self._send(session.writer, "banner", self.banner)
        while True:
            raw = await reader.readuntil(b"\r\n\r\n")
            lines = raw.decode().strip().split("\r\n")
            action = dict(line.split(": ", 1) for line in lines)
            self.actions.append(action)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            name = action["Action"]
            reply = self._reply(action, session)
            action_id = f"ActionID: {action['ActionID']}".encode()
            try:
                await self._send(session.writer, name, _ACTION_ID.sub(action_id, reply))
            finally:
                self.in_flight -= 1
            if reply == _error("Authentication failed") or name == "Logoff":
                break

    async def _send(self, writer: asyncio.StreamWriter, name: str, reply: bytes) -> None:
        if manner := self.manners.get(name):
            await manner(writer, reply)
        else:
            writer.write(reply)
        await writer.drain()

    def _reply(self, action: Action, session: _Session) -> bytes:
        """Return the right reply; a login is noted in the session."""
        name = action["Action"]
        if name == "Challenge" and self.has_challenge:
            return _success(f"Challenge: {_CHALLENGE}")
        if name == "Login":
            return self._log_in(action, session)
        if name == "Logoff":
            return b"Response: Goodbye\r\nActionID: 0\r\nMessage: Thanks for all the fish.\r\n\r\n"
        if not session.user or not self._may(session.user, RIGHTS.get(name, set())):
            return _error("Permission denied")
        if name == "Ping":
            return _success("Ping: Pong\r\nTimestamp: 1795390203.668229")
        if name == "ListCommands":
            return self._commands(session.user)
        if name not in self.replies:
            return _error(f"Invalid/unknown command: {name}. Use Action: ListCommands")
        return self.replies[name]

    def _log_in(self, action: Action, session: _Session) -> bytes:
        secret, _ = self.users.get(action["Username"], ("", False))
        key = hashlib.md5((_CHALLENGE + secret).encode()).hexdigest()  # noqa: S324 - AMI's own
        if not secret or (action.get("Key") != key and action.get("Secret") != secret):
            return _error("Authentication failed")
        session.user = action["Username"]
        asked = {"all"} if action["Events"] == "on" else set(action["Events"].split(","))
        may = self.reads.get(session.user)
        session.classes = frozenset(asked if may is None else asked & set(may))
        return _success("Message: Authentication accepted")

    def _may(self, user: str, rights: Collection[str]) -> bool:
        has = self.users[user][1]
        return has is True or not rights or (has is not False and bool(set(rights) & set(has)))

    def _commands(self, user: str) -> bytes:
        """Return ListCommands, as a server does: what the user may send of what is recorded or known."""
        if recorded := self.replies.get("ListCommands"):
            lines = recorded.decode().strip().split("\r\n")[2:]
        else:
            known = {"Challenge", "ListCommands", "Login", "Logoff", "Ping", *self.replies}
            rights = {name: ",".join([*sorted(RIGHTS.get(name, ())), "all"]) for name in sorted(known)}
            lines = [f"{name}: Does it.  (Priv: {listed})" for name, listed in rights.items()]
        shown = []
        for line in lines:
            listed = _LISTED.fullmatch(line)
            needed = set(listed[1].split(",")) - {"all", "<none>"} if listed else set()
            if self._may(user, needed):
                shown.append(line)
        return _success("\r\n".join(shown))


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


async def stops_reading(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Say nothing and read nothing more, as a stopped process."""
    writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport has it
    await asyncio.Event().wait()


async def with_a_huge_value(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send the reply with a value of a megabyte in its last message."""
    body = reply.removesuffix(b"\r\n\r\n")
    writer.write(body + b"\r\nAppData: " + b"x" * 1_000_000 + b"\r\n\r\n")


async def with_strange_lines(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send the reply with lines in each message that are no headers, and with odd bytes."""
    strange = b"\r\nno header\r\n: \r\n:\r\nX\0\xff\xfe: \0\rlone\nbreaks\r\n\rChannel: nobody's"
    writer.write(b"\r\n" + reply.replace(b"\r\n\r\n", strange + b"\r\n\r\n\r\n"))


async def with_a_wrong_action_id(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send the reply as one to somebody else."""
    writer.write(_ACTION_ID.sub(b"ActionID: dialtone-1", reply))


async def without_an_action_id(writer: asyncio.StreamWriter, reply: bytes) -> None:
    """Send the reply as one to nobody."""
    writer.write(re.sub(rb"ActionID: [^\r]*\r\n", b"", reply))


def with_events_between(events: bytes) -> Manner:
    """Send events before, between and behind the messages of a reply, all at once."""

    async def send(writer: asyncio.StreamWriter, reply: bytes) -> None:
        messages = reply.removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
        writer.write(events + b"".join(message + b"\r\n\r\n" + events for message in messages))

    return send


class Late:
    """A manner: keeps replies back until they are let go, on the connections that they are for."""

    def __init__(self) -> None:
        self._kept: list[tuple[asyncio.StreamWriter, bytes]] = []

    async def __call__(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        """Keep a reply back."""
        self._kept.append((writer, reply))

    def let_go(self) -> None:
        """Send what was kept back."""
        for writer, reply in self._kept:
            writer.write(reply)
