"""Serves the application over HTTP, and stops in time whatever the clients do."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from typing import Final

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

GRACE: Final = 2
"""Seconds that answers under way get at a stop."""

STOP_DEADLINE: Final = 4.0
"""Seconds after which the stop is over, come what may: under the service's 5."""

MAX_HEAD: Final = 16 * 1024
"""Bytes of a request line with its headers that are kept while the rest is awaited."""

MAX_CONNECTIONS: Final = 200
"""At once; whoever comes above it gets 503."""

PATIENCE: Final = 15
"""Seconds that a connection may stand without a whole request head; then its place is free again."""

_BACKLOG: Final = 128


class ListenError(Exception):
    """The address can't be listened on. The message says which, why and how to mend it."""


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a busy port is found before anything else starts.

    Port 0 takes a free one (`getsockname` tells). Raises ListenError.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ListenError(f"can't listen on {place}: {error.strerror}; correct `listen:`") from None
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(f"can't listen on {place}: {_advice(error, port)}") from None
    sock.setblocking(False)
    return sock


async def serve_on(
    listener: socket.socket,
    app: ASGIApp,
    *,
    started: Callable[[], None] | None = None,
    patience: int = PATIENCE,
) -> None:
    """Serve on a listener until cancelled; closes it. `started` is called once connections are taken.

    At the cancellation answers under way are finished for GRACE seconds, then cut. `patience` is in seconds.
    """
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,  # through logging, like everybody
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=patience,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEAD,
        backlog=_BACKLOG,
    )
    server = _Server(config, started)
    done = anyio.Event()
    # Shielded, because uvicorn ends well only when asked to, never when cancelled.
    shield = anyio.CancelScope(shield=True)

    async def serve() -> None:
        try:
            with shield:
                await server.serve(sockets=[listener])
        finally:
            done.set()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            try:
                await done.wait()
            finally:
                server.should_exit = True
                with anyio.move_on_after(STOP_DEADLINE, shield=True):
                    await done.wait()
                shield.cancel()
    finally:
        server.cut()
        listener.close()


class _Server(uvicorn.Server):
    """Leaves signals to the service, and says when it is up."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._tell = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install nothing: the wiring turns signals into a cancellation."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell once connections are taken."""
        await super().startup(sockets)
        if self._tell is not None:
            self._tell()

    def cut(self) -> None:
        """Close what clients still hold open: one that reads nothing would keep its connection for ever."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class _Connection(H11Protocol):
    """Closes itself when no request comes: uvicorn does so only between requests, and only at full silence.

    Who opens connections and says nothing, or a byte now and then, would hold all places for ever.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_one_after(None)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, unless it has come already (pipelining)."""
        answered = self.cycle
        super().on_response_complete()
        self._expect_one_after(answered)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _expect_one_after(self, last: RequestResponseCycle | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._close_without, last)

    def _close_without(self, last: RequestResponseCycle | None) -> None:
        if self.cycle is last:
            self.transport.close()


def _advice(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            "another program holds it, perhaps a second `dialtone serve`. "
            f"`ss -ltnp 'sport = :{port}'` shows which: stop it, or set another port in `listen:`"
        )
    if error.errno == errno.EACCES:
        return "ports under 1024 need root; set a higher port in `listen:`"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address (`ip address` lists those it has); correct `listen:`"
    return f"{error.strerror}; correct `listen:`"
