"""aiohttp's connection with three more things: when it got how far, what it received, and a hard end.

A head, and what comes before one (1xx), is not held back by aiohttp as a body is: it is bounded here.
"""

import asyncio
import functools
import socket
import ssl
from datetime import datetime
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from dialtone.model import FailureCode
from dialtone.ports import Clock
from synthetic.address import hostport
from synthetic.dns import Names
from synthetic.http.certificate import expires
from synthetic.probes.base import FlowError

MAX_RECEIVED: Final = 4 << 20
"""Bytes that one request may bring in before it is cut off: four times the longest body that is read."""
MAX_HEAD: Final = 64 << 10
"""The same until the head of the final response is there: thousands of 1xx cost our loop much more."""
_SWITCHING: Final = 101
"""The one 1xx that is final: what follows is no HTTP."""
_FINAL: Final = 200


class Progress:
    """How far a request has got: its step, its addresses, its first byte. Instants are the clock's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._received = 0
        self._answered = False
        self.step = "connecting"
        self.connected: float | None = None
        self.first_byte: float | None = None
        self.flooded = ""
        """What came that was too much, in words; empty where nothing was."""
        self.local = self.remote = ""
        self.certificate_expires: datetime | None = None

    def looking_up(self, name: str) -> None:
        """A name is being resolved."""
        self.step = f"looking up {name}"

    def connecting(self) -> None:
        """The address is known."""
        self.step = "connecting"

    def established(self) -> None:
        """TCP is there; what follows, where it is asked for, is TLS."""
        self.step = "the TLS handshake"

    def opened(self, transport: asyncio.Transport) -> None:
        """The connection is there, with TLS where that was asked for."""
        self._transport = transport
        if self.flooded:  # aiohttp asks once more after a connection that was cut
            self.cut()
            return
        self.step = "waiting for the answer"
        self.connected = self._clock.monotonic()
        self.local = _place(transport.get_extra_info("sockname"))
        self.remote = _place(transport.get_extra_info("peername"))
        shown = transport.get_extra_info("ssl_object")
        if isinstance(shown, ssl.SSLObject) and (der := shown.getpeercert(binary_form=True)):
            self.certificate_expires = expires(der)

    def received(self, size: int) -> None:
        """So many bytes came in."""
        if self.first_byte is None:
            self.first_byte = self._clock.monotonic()
            self.step = "reading the answer"
        self._received += size
        if self._received > MAX_RECEIVED:
            self.flooded = f"over {MAX_RECEIVED >> 20} MiB came and no whole answer"
        elif not self._answered and self._received > MAX_HEAD:
            self.flooded = f"over {MAX_HEAD >> 10} KiB came and no final answer's head"
        if self.flooded:
            self.cut()

    def answered(self) -> None:
        """The head of the final response is there."""
        self._answered = True

    @property
    def step_size(self) -> int:
        """How many bytes may be looked at before it must be said again what they were, at least one."""
        bound = MAX_RECEIVED if self._answered else MAX_HEAD
        return max(bound - self._received, 1)

    def begin_again(self) -> None:
        """Another request follows a redirect; its answer is the one that counts."""
        self.step, self.connected, self.first_byte, self._received = "connecting", None, None, 0
        self._answered = False

    def cut(self) -> None:
        """Close at once, whatever the other side is doing."""
        if self._transport is not None:
            self._transport.abort()


class Connector(aiohttp.TCPConnector):
    """Connects for one probe: nothing is kept for the next one."""

    def __init__(self, progress: Progress, names: Names) -> None:
        super().__init__(
            resolver=Resolver(names, progress),
            use_dns_cache=False,
            force_close=True,
            limit=1,
        )

        def watched(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
            progress.established()
            return _Watched(loop, progress)

        # Called once TCP is established, to make what receives. It is aiohttp's own: the tests of first bytes
        # and of handshakes that hang say when it has changed.
        self._factory = functools.partial(watched, self._loop)


class Resolver(AbstractResolver):
    """Asks for names as the SIP probes do, within their deadline. Raises FlowError with the code dns."""

    def __init__(self, names: Names, progress: Progress) -> None:
        self._names = names
        self._progress = progress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host."""
        self._progress.looking_up(host)
        found = await self._names.addresses(host)
        self._progress.connecting()
        if not found:
            raise FlowError(FailureCode.DNS, f"{host} has no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class _Watched(ResponseHandler):
    """aiohttp's protocol, which tells how far it has got."""

    def __init__(self, loop: asyncio.AbstractEventLoop, progress: Progress) -> None:
        super().__init__(loop)
        self._progress = progress

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP and TLS give
        self._progress.opened(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol. One read may bring a quarter of a MiB: it is taken up to each bound."""
        while data and not self._progress.flooded:
            piece, data = data[: self._progress.step_size], data[self._progress.step_size :]
            self._progress.received(len(piece))
            if not self._progress.flooded:
                super().data_received(piece)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take a head and its body from aiohttp's parser."""
        if data[0].code >= _FINAL or data[0].code == _SWITCHING:
            self._progress.answered()
        super().feed_data(data, size)


def _place(address: object) -> str:
    return hostport((str(address[0]), int(address[1]))) if isinstance(address, tuple) else ""
