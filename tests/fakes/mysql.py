"""A MySQL server on a real loopback socket: enough of the protocol to answer, and to misbehave.

Protocol: MySQL Internals, "Connection Phase" and "Text Resultset" (4.1 protocol, without
CLIENT_DEPRECATE_EOF, which a server need not offer).
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_CLIENT_SSL = 0x0800
_CAPABILITIES = 0x0008 | 0x0200 | 0x8000 | 0x80000
"""CONNECT_WITH_DB, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH."""
_UTF8MB4, _VAR_STRING = 45, 253
_QUIT, _QUERY = 0x01, 0x03
_SSL_REQUEST = 36
_LIMITS = "SET SESSION lock_wait_timeout="
_OK = b"\x00\x00\x00\x02\x00\x00\x00"

Row = Mapping[str, str | None]


@dataclass(frozen=True)
class Refusal:
    """An ERR packet."""

    code: int
    text: str = "refused"


@dataclass(frozen=True)
class Result:
    """Rows, with a number of warnings that the client may ask for; the last row forever if `endless`."""

    rows: Sequence[Row]
    warnings: int = 0
    endless: bool = False


@dataclass(frozen=True)
class Raw:
    """Bytes to be written as they are; then silence."""

    data: bytes


@dataclass(frozen=True)
class Ok:
    """An OK packet: done, and no rows."""


SILENCE = Raw(b"")
"""Nothing ever comes."""

HANG_UP = Refusal(0)
"""The connection is closed without a word."""

Answer = Refusal | Result | Raw | Ok


@dataclass
class FakeMysql:
    """Answers statements by their text; anything else is a syntax error, as to a server of another version.

    `greeting` is sent instead of the handshake, `login` instead of OK; a Result there stands for
    OK. `statements` and `logins` are what clients sent, `goodbyes` how many of them ended in order;
    `asked` is set by the first statement, `left` when the first client is gone. What opens a session, the
    limits of its time, is answered by `limit` and noted in `limits`.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    version: str = "9.7.4"
    greeting: Answer | None = None
    login: Answer | None = None
    tls: ssl.SSLContext | None = None
    limit: Answer = field(default_factory=Ok)
    limits: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    goodbyes: int = 0
    connections: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    @property
    def endpoint(self) -> str:
        """The address as a Node has it."""
        return f"mysql://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeMysql"]:
        """Listen on a free loopback port for the time of the block."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            self._tasks.add(asyncio.create_task(self._accept(listener)))
            try:
                yield self
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        """Close every connection without a word."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._tasks.add(asyncio.create_task(self._serve(connection)))

    async def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError), connection:
            first = 0
            if self.tls is not None:
                first = await self._asked_for_tls(connection)
            async with _wire(connection, self.tls) as wire:
                self._writers.append(wire.writer)
                await self._converse(wire, first)
        self.left.set()

    async def _asked_for_tls(self, connection: socket.socket) -> int:
        # Not through a stream: that might already have read what belongs to the TLS handshake.
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, packet(0, self.handshake()))
        request = await loop.sock_recv(connection, _SSL_REQUEST)
        assert len(request) == _SSL_REQUEST
        assert struct.unpack_from("<I", request, 4)[0] & _CLIENT_SSL
        return request[3] + 1

    async def _converse(self, wire: "_Wire", first: int) -> None:
        if self.greeting is not None:
            await wire.send(0, self.greeting)
        if first == 0:
            wire.write(0, self.handshake())
        if not await self._logged_in(wire):
            return
        while (command := (await wire.read())[1])[0] != _QUIT:
            assert command[0] == _QUERY
            statement = command[1:].decode()
            if statement.startswith(_LIMITS):
                self.limits.append(statement)
                await wire.send(1, self.limit)
                continue
            self.statements.append(statement)
            self.asked.set()
            await wire.send(1, self.answers.get(statement, Refusal(1064, f"near '{statement}'")))
        self.goodbyes += 1

    async def _logged_in(self, wire: "_Wire") -> bool:
        sequence, response = await wire.read()
        if len(response) == _SSL_REQUEST - 4:  # to a server without TLS: MariaDB's answer
            wire.write(sequence + 1, _refusal(Refusal(1043, "Bad handshake")))
            return False
        self.logins.append(response)
        if self.login is None:
            wire.write(sequence + 1, _OK)
            return True
        await wire.send(sequence + 1, self.login)
        return False

    def handshake(self) -> bytes:
        """Return the payload that a server greets with (HandshakeV10)."""
        capabilities = _CAPABILITIES | (_CLIENT_SSL if self.tls else 0)
        return b"".join(
            (
                b"\x0a" + self.version.encode() + b"\0" + struct.pack("<I", 7),
                b"saltsalt\0" + struct.pack("<HBH", capabilities & 0xFFFF, _UTF8MB4, 2),
                struct.pack("<HB", capabilities >> 16, 21) + bytes(10),
                b"saltsaltsalt\0" + b"mysql_native_password\0",
            )
        )


@dataclass
class _Wire:
    """Packets: three bytes of length, one of sequence, the payload."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def read(self) -> tuple[int, bytes]:
        head = await self.reader.readexactly(4)
        return head[3], await self.reader.readexactly(int.from_bytes(head[:3], "little"))

    def write(self, sequence: int, payload: bytes) -> None:
        self.writer.write(packet(sequence, payload))

    async def send(self, sequence: int, answer: Answer) -> None:
        match answer:
            case Result():
                for number, payload in enumerate(_result(answer), sequence):
                    self.write(number % 256, payload)
                    await self.writer.drain()
            case Refusal():
                if answer is HANG_UP:
                    raise ConnectionAbortedError
                self.write(sequence, _refusal(answer))
            case Ok():
                self.write(sequence, _OK)
            case Raw():
                self.writer.write(answer.data)
                await self.reader.read()  # until the client has had enough
        await self.writer.drain()


@contextlib.asynccontextmanager
async def _wire(connection: socket.socket, tls: ssl.SSLContext | None) -> AsyncIterator[_Wire]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    try:
        yield _Wire(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


def packet(sequence: int, payload: bytes) -> bytes:
    """Return a payload as it goes over the wire."""
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def _refusal(refusal: Refusal) -> bytes:
    return b"\xff" + struct.pack("<H", refusal.code) + b"#HY000" + refusal.text.encode()


def _result(result: Result) -> Iterator[bytes]:
    columns = list(result.rows[0]) if result.rows else ["none"]
    end = b"\xfe" + struct.pack("<HH", result.warnings, 2)
    rows = [b"".join(_cell(row[column]) for column in columns) for row in result.rows]
    yield from (_length(len(columns)), *map(column, columns), end, *rows)
    while result.endless:
        yield rows[-1]
    yield end


def column(name: str) -> bytes:
    """Return the payload that defines a column (Protocol::ColumnDefinition41)."""
    texts = b"".join(_text(text) for text in ("def", "", "", "", name, name))
    return texts + b"\x0c" + struct.pack("<HIBHBH", _UTF8MB4, 1024, _VAR_STRING, 0, 0, 0)


def _cell(value: str | None) -> bytes:
    return b"\xfb" if value is None else _text(value)


def _text(text: str) -> bytes:
    return _length(len(text.encode())) + text.encode()


def _length(number: int) -> bytes:
    return bytes([number]) if number < 0xFB else b"\xfc" + struct.pack("<H", number)
