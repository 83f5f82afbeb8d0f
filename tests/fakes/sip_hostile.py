"""A server that is otherwise right and throws things at phones, and an eye on what that does to them."""

import asyncio
import gc
import re
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, Self
from unittest import mock

import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from lab.faults.message import SipText
from synthetic.agents.forks import PhoneTransactions
from synthetic.agents.framing import Framer, FramingError
from synthetic.agents.intake import Intake
from synthetic.agents.siplib import DISPATCHER
from synthetic.agents.transport import UdpEndpoint
from synthetic.media.port import MediaPort
from tests.fakes.sip_mutations import framed
from tests.fakes.sip_presence import PresenceServer
from tests.fakes.sip_server import Address

Throw = Callable[[Sequence[SipText], int], Sequence[bytes]]
"""What is thrown at a phone, given what has come from it of late and the server's port."""

_PARSER: Final = re.compile(r"[/\\](?:sippy[/\\]|siplib\.py$)")
_THROUGH: Final = {"handle", "handleIncoming", "incomingRequest", "incomingResponse"}
"""sippy with our corrections, and what else lies between a socket and what a phone makes of a message: an
exception that has passed nothing else is of the parser."""
_REMEMBERED: Final = 8
_AT_ONCE: Final = 8
"""Messages for each phone in one turn of the loop: its socket has room for them, and it reads 16 a turn."""


class HostileServer(PresenceServer):
    """Throws at every phone that it has heard when the first request of a method comes, then serves that.

    Over TCP it is the same server behind a gateway: what is thrown is framed unless `raw`.
    """

    def __init__(
        self,
        passwords: Mapping[str, str],
        at: str = "",
        throw: Throw = lambda _live, _port: (),
        *,
        transport: str = "udp",
        raw: bool = False,
    ) -> None:
        super().__init__(passwords)
        self.thrown = 0
        self._at = at
        self._throw = throw
        self._wire = transport
        self._raw = raw
        self._live: dict[Address, deque[SipText]] = {}
        self._arrived: asyncio.Queue[tuple[SipText, Address]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        if self._wire == "udp":
            await super().__aenter__()
        else:
            gateway = _Gateway(self)
            self.port = await gateway.open()
            self._transport: Any = gateway
        self._serving = asyncio.create_task(self._serve_all())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._serving.cancel()
        await asyncio.wait([self._serving])
        await super().__aexit__(*exc)

    @property
    def target(self) -> str:
        """The server as a probe's target."""
        return f"sip:127.0.0.1:{self.port};transport={self._wire}"

    @property
    def phones(self) -> set[int]:
        """The ports of the phones that it has heard."""
        return {port for _, port in self._live}

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take a message; what a phone says about garbage may be garbage too."""
        try:
            message = SipText.parse(data)
            known = message.get("call-id") and message.method
        except (ValueError, IndexError):
            return
        if known:
            self._live.setdefault(addr, deque(maxlen=_REMEMBERED)).append(message)
            super().datagram_received(data, addr)

    def _serve(self, message: SipText, addr: Address) -> None:
        self._arrived.put_nowait((message, addr))

    def _relay_back(self, message: SipText) -> None:
        if len([via for line in message.all("via") for via in line.split(",")]) > 1:
            super()._relay_back(message)

    async def _serve_all(self) -> None:
        """Serve one request after the other; the phones have time to read what is thrown before it."""
        while True:
            message, addr = await self._arrived.get()
            refused = message.method == "ACK" and ";tag=srv" in message.get("to")
            if message.method == self._at and not refused:
                self._at = ""
                await self._storm()
            super()._serve(message, addr)

    async def _storm(self) -> None:
        waiting = {
            phone: deque(self._throw(tuple(live), self.port)) for phone, live in list(self._live.items())
        }
        while any(waiting.values()):
            for phone, messages in waiting.items():
                for _ in range(min(_AT_ONCE, len(messages))):
                    message = messages.popleft()
                    self.thrown += 1
                    self._send(message if self._wire == "udp" or self._raw else framed(message), phone)
            await asyncio.sleep(0)

    def _send(self, data: bytes, where: Address) -> None:
        if 0 < where[1] < 65536:  # bindings come from Contacts that a mutated answer made
            super()._send(data, where)


class _Gateway:
    """Stands for a datagram socket: the datagrams are messages on the TCP connections of phones."""

    def __init__(self, server: asyncio.DatagramProtocol) -> None:
        self.server = server
        self.streams: dict[Address, asyncio.Transport] = {}
        self._closing = False

    async def open(self) -> int:
        """Listen; return the port."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        return int(self._listening.sockets[0].getsockname()[1])

    def sendto(self, data: bytes, where: Address) -> None:
        """Send over the connection of a phone."""
        if where in self.streams and not self.streams[where].is_closing():
            self.streams[where].write(data.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP"))

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._closing

    def close(self) -> None:
        """Stop listening and drop the connections."""
        self._closing = True
        self._listening.close()
        for stream in list(self.streams.values()):
            stream.abort()


class _Connection(asyncio.Protocol):
    def __init__(self, gateway: _Gateway) -> None:
        self._gateway = gateway
        self._framer = Framer()

    def connection_made(self, transport: Any) -> None:
        self._stream = transport
        self._peer: Address = transport.get_extra_info("peername")[:2]
        self._gateway.streams[self._peer] = transport

    def data_received(self, data: bytes) -> None:
        self._framer.feed(data)
        try:
            while (message := self._framer.next()) is not None:
                self._gateway.server.datagram_received(
                    message.replace(b"SIP/2.0/TCP", b"SIP/2.0/UDP"), self._peer
                )
        except FramingError:
            self._stream.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.streams.pop(self._peer, None)


class Watched:
    """Use as a context manager around phones of this process, on the loop that they run on.

    `escapes` is what must not be: an exception of our own code, wherever it was caught; one that reached the
    loop, a task or a timer; a log of level error. `odd` counts what the parser raised, by type.

    `taken` counts messages, `slowest` is the CPU time in seconds that one of them took. A mutated Contact,
    Via or description names anybody: nothing leaves but for this machine, and there for `servers` and their
    phones alone, where those are given; `strays` counts what was held back.
    """

    def __init__(self) -> None:
        self.escapes: list[str] = []
        self.odd: Counter[str] = Counter()
        self.taken = 0
        self.slowest = 0.0
        self.slowest_message = b""
        self.strays = 0
        self.servers: list[HostileServer] = []
        self._collecting = 0.0
        self._began = 0.0

    @property
    def told(self) -> str:
        """What has escaped, in full."""
        return "\n\n".join(self.escapes)

    def __enter__(self) -> Self:
        self._failures = DISPATCHER.failures
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _, context: self.escapes.append(_described(context)))
        gc.callbacks.append(self._collected)
        self._stack = ExitStack()
        self._stack.enter_context(capture_logs([self._read]))
        for owner, name, wrap in (
            (Intake, "take", self._timed),
            (PhoneTransactions, "handleIncoming", self._overheard),
            (UdpEndpoint, "_send_once", self._kept_here),
            (MediaPort, "send", self._silenced),
        ):
            stock = getattr(owner, name)
            self._stack.enter_context(mock.patch.object(owner, name, wrap(stock)))
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._collected)
        gc.collect()  # tasks whose exception nobody has asked for say so when they go
        self._stack.close()
        self._loop.set_exception_handler(None)
        failed = DISPATCHER.failures - self._failures
        self.escapes += ["a timer failed"] * failed

    def _read(self, _logger: object, level: str, entry: EventDict) -> EventDict:
        if level in ("error", "critical", "exception"):
            self.escapes.append(f"{entry} {traceback.format_exc()}")
        raise structlog.DropEvent

    def _collected(self, phase: str, _: object) -> None:
        """Note what the garbage of the test's own process costs: it is nobody's message."""
        if phase == "start":
            self._began = time.thread_time()
        else:
            self._collecting += time.thread_time() - self._began

    def _timed(self, stock: Callable[..., None]) -> Callable[..., None]:
        def take(intake: Intake, data: bytes, *rest: Any) -> None:
            started = time.thread_time() - self._collecting
            try:
                stock(intake, data, *rest)
            finally:
                took = time.thread_time() - self._collecting - started
                self.taken += 1
                if took > self.slowest:
                    self.slowest, self.slowest_message = took, data

        return take

    def _overheard(self, stock: Callable[..., None]) -> Callable[..., None]:
        def handle(manager: PhoneTransactions, *arguments: Any) -> None:
            try:
                stock(manager, *arguments)
            except Exception as error:
                stack = traceback.extract_tb(error.__traceback__)
                if any(not _PARSER.search(frame.filename) and frame.name not in _THROUGH for frame in stack):
                    self.escapes.append(f"{''.join(traceback.format_exception(error))}{arguments[0]!r}")
                else:
                    self.odd[type(error).__name__] += 1
                raise

        return handle

    def _kept_here(self, stock: Callable[..., None]) -> Callable[..., None]:
        def send_once(endpoint: UdpEndpoint, raw: bytes, destination: Address) -> None:
            here = destination[0] in ("127.0.0.1", "::1") and 0 < destination[1] < 65536
            known = {server.port for server in self.servers}.union(*(s.phones for s in self.servers))
            if here and (not self.servers or destination[1] in known):
                stock(endpoint, raw, destination)
            else:
                self.strays += 1

        return send_once

    def _silenced(self, stock: Callable[..., bool]) -> Callable[..., bool]:
        def send(port: MediaPort, make: Any) -> bool:
            stream = port._stream
            if stream is not None and stream.address is not None and stream.address[0] == "127.0.0.1":
                return stock(port, make)
            self.strays += 1
            return False

        return send


def _described(context: Mapping[str, Any]) -> str:
    error = context.get("exception")
    said = "".join(traceback.format_exception(error)) if error is not None else ""
    return f"{context.get('message')} {said}"
