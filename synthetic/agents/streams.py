"""A TCP or TLS connection for sippy on asyncio: one phone's only one, to its hop.

Everything goes over it, whatever a Contact or Route names: the phone reaches its front as one behind NAT does
(RFC 5626). The socket is bound and connecting when the constructor returns, so that Via and Contact can be
written before the connection is up; what is sent until then waits.

Times: a message is received when the read that completed it returned; there are no kernel stamps of messages
in a stream. It is sent when it was given to the connection.
"""

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

from dialtone.model import FailureCode
from synthetic.address import Address, bracketed, hostport
from synthetic.agents.framing import Framer, FramingError
from synthetic.agents.intake import BATCH, SETUP, Intake, Setup, as_bytes
from synthetic.agents.tls import client_context, why_not
from synthetic.probes.base import FlowError

HANDSHAKE: Final = 32.0
"""Seconds that a TLS handshake may take; RFC 3261 gives a transaction as many (timers B and F)."""
CLOSING: Final = 1.0
"""Seconds that the other side has to agree that TLS ends."""
_MAX_WAITING: Final = 64
_MAX_UNSENT: Final = 1 << 20
"""How many messages wait for the connection, and how many bytes for a peer that doesn't read."""


class StreamEndpoint(asyncio.Protocol):
    """What sippy's transaction manager takes for its Udp_server: one connection of one phone.

    Raises OSError where there is no port. `sent_at` is when the last message left (CLOCK_MONOTONIC, seconds).
    `contact` is an address that an earlier connection of the phone has given out as its Contact.
    """

    def __init__(self, config: Mapping[str, Any], options: Any, contact: Address | None = None) -> None:
        setup: Setup = config[SETUP]
        self._options = options
        self.uopts = options.getCopy()
        self.transport = setup.hop.transport
        self.sent_at: float = 0.0
        self._was_up = False
        self._setup = setup
        self._peer = setup.hop.address
        self._where = hostport(self._peer)
        self._trouble: FlowError | None = None
        self._framer = Framer()
        self._intake = Intake(setup, self)
        self._read_at = 0.0
        self._waiting: list[bytes] = []
        self._stream: asyncio.Transport | None = None
        self._closed = False
        self._ready = asyncio.Event()
        self._gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._socket, self._refused = _begun((self.uopts.laddress[0].strip("[]"), 0), self._peer)
        self.own: Address = self._socket.getsockname()[:2]
        self._contact = contact or self.own
        self._opening = self._loop.create_task(self._open())
        self._opening.add_done_callback(self._opened)

    @property
    def local(self) -> Address:
        """The address and port that our Contact names."""
        return self._contact

    def renewed_options(self) -> Any:
        """Return the options for another connection of the same phone, sippy's callback included."""
        return self._options.getCopy()

    @property
    def lost(self) -> bool:
        """Whether it was up and is no longer, of the network's or the other side's doing."""
        return self._was_up and self._trouble is not None

    async def ready(self) -> None:
        """Wait until the connection is up. Raises FlowError where it failed, or was lost since."""
        await self._ready.wait()
        if self._trouble is not None:
            raise self._trouble

    async def gone(self) -> None:
        """Wait until nothing is left of the connection, after `shutdown`: CLOSING seconds at most."""
        try:
            async with asyncio.timeout(CLOSING):
                await self._gone.wait()
        except TimeoutError:
            if self._stream is not None:
                self._stream.abort()

    def getSIPaddr(self) -> tuple[tuple[str, int], str]:  # noqa: N802 - sippy's name
        """Return what sippy writes into Via."""
        return (bracketed(self.own[0]), self.own[1]), self.transport

    def addr2str(self, address: Address) -> str:
        """Return an address as sippy logs it."""
        return f"{self.transport}:{address[0]}:{address[1]}"

    def send_to(self, data: str | bytes, address: Address, delayed: bool = False) -> None:
        """Send a message over the connection, or once it is up; what comes after its end is lost."""
        raw = as_bytes(data)
        self.sent_at = time.monotonic()
        if self._trouble is not None or self._closed:
            return
        if self._stream is not None:
            self._write(self._stream, raw)
        elif len(self._waiting) < _MAX_WAITING:
            self._waiting.append(raw)

    def shutdown(self) -> None:
        """Close it; nothing more is delivered."""
        self.uopts.data_callback = None
        if self._closed:
            return
        self._keep_rest()
        self._closed = True
        if self._stream is not None:
            self._stream.close()
        else:
            self._opening.cancel()

    async def _open(self) -> None:
        """Connect, and agree on TLS."""
        setup = self._setup
        # A name that is written as absolute is in no certificate (RFC 6066 3 has it without the dot too).
        name = (setup.tls.name or setup.hop.name or self._peer[0]).rstrip(".")
        context, stage = None, FailureCode.CONNECT
        setup.wire.unfinished[setup.party] = FlowError(stage, f"{self._where} does not answer to TCP")
        try:
            await self._connected()
            if self.transport == "tls":
                stage = FailureCode.TLS
                detail = f"{self._where} takes the connection and does not answer to TLS"
                setup.wire.unfinished[setup.party] = FlowError(stage, detail)
                context = await asyncio.to_thread(client_context, setup.tls)
            # Python takes a name and the two limits with TLS alone.
            await self._loop.create_connection(
                lambda: self,
                sock=self._socket,
                ssl=context,
                server_hostname=name if context else None,
                ssl_handshake_timeout=HANDSHAKE if context else None,
                ssl_shutdown_timeout=CLOSING if context else None,
            )
        except FlowError as error:
            self._fail(error)
        except (OSError, ValueError) as error:  # a handshake that takes too long is a ConnectionAbortedError
            words = why_not(error, name) if stage is FailureCode.TLS else _in_words(error)
            self._fail(FlowError(stage, f"{self._where}: {words}"))

    def _opened(self, _: object) -> None:
        """Let go of a socket that became no connection, also where its task was cancelled unbegun."""
        if self._stream is None:
            self._socket.close()
            self._gone.set()

    async def _connected(self) -> None:
        if self._refused == 0:
            return
        if self._refused == errno.EINPROGRESS:
            done = asyncio.Event()
            self._loop.add_writer(self._socket.fileno(), done.set)
            try:
                await done.wait()
            finally:
                self._loop.remove_writer(self._socket.fileno())
            self._refused = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if self._refused:
            raise OSError(self._refused, os.strerror(self._refused))

    # What asyncio tells the protocol of a connection.

    def connection_made(self, transport: Any) -> None:
        """Send what waits."""
        self._setup.wire.unfinished.pop(self._setup.party, None)
        self._stream = transport
        self._was_up = True
        if self._closed:
            transport.close()
            return
        self._ready.set()
        for raw in self._waiting:
            self._write(transport, raw)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
        self._read_at = time.monotonic()
        self._framer.feed(data)
        self._deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait that nothing more will come."""
        self._gone.set()
        if isinstance(exc, ssl.SSLError):  # of TLS 1.3, whose server may refuse us after the handshake
            self._fail(FlowError(FailureCode.TLS, f"{self._where}: {why_not(exc, self._where)}"))
            return
        how = "closed by the other side" if exc is None else f"lost: {_in_words(exc)}"
        self._fail(FlowError(FailureCode.CONNECT, f"the connection to {self._where} was {how}"))

    def _deliver(self) -> None:
        """Give whole messages on, a batch at a time; what is behind them is not read meanwhile."""
        if self._closed or self._stream is None or self._trouble is not None:
            return
        for _ in range(BATCH):
            try:
                message = self._framer.next()
            except FramingError as error:
                self._setup.wire.nonsense += 1
                self._fail(FlowError(FailureCode.UNEXPECTED_MESSAGE, f"{self._where}: {error}"))
                return
            if self._framer.pings:
                self._framer.pings = 0
                if self._intake.full():
                    break
                self._stream.write(b"\r\n")
            if message is None:
                self._stream.resume_reading()
                return
            if self._intake.full():
                break
            self._intake.take(message, self._peer, self._read_at)
            if self.uopts.data_callback is None:  # closed by whom the message was told to
                return
        else:
            self._loop.call_soon(self._deliver)
        self._stream.pause_reading()

    def _write(self, stream: asyncio.Transport, raw: bytes) -> None:
        self.sent_at = time.monotonic()
        stream.write(raw)
        self._setup.wire.left += 1
        self._intake.record(self.sent_at, "sent", self._peer, raw)
        if stream.get_write_buffer_size() > _MAX_UNSENT:
            self._fail(FlowError(FailureCode.CONNECT, f"{self._where} does not read what it is sent"))

    def _fail(self, error: FlowError) -> None:
        if self._trouble is not None or self._closed:
            return
        self._keep_rest()
        self._trouble = error
        self._setup.wire.unfinished.pop(self._setup.party, None)
        self._setup.wire.troubles.setdefault(self._setup.party, error)
        self._waiting.clear()
        self._ready.set()
        if self._stream is not None:
            self._stream.abort()
        # Not now: what fails may be a send from inside sippy.
        self._loop.call_soon(self._setup.on_trouble, error)

    def _keep_rest(self) -> None:
        """Keep for the evidence what came of a message that never was whole."""
        rest = self._framer.rest
        if rest and self._trouble is None:
            self._setup.wire.nonsense += 1
            self._intake.record(self._read_at, "received", self._peer, rest)


def _begun(local: Address, peer: Address) -> tuple[socket.socket, int]:
    """Return a socket that is connecting, and connect(2)'s error, 0 where it is connected already.

    It is bound first: a connection that is refused at once would leave it without an address.
    """
    begun = socket.socket(socket.AF_INET6 if ":" in peer[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        begun.setblocking(False)
        begun.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun.bind(local)
        return begun, begun.connect_ex(peer)
    except OSError:
        begun.close()
        raise


def _in_words(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        return "nothing listens there (connection refused)"
    return os.strerror(number) if number else str(error) or type(error).__name__
