"""The server on a real socket: starting, stopping in time, and clients that mean no good."""

import logging
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.abc import SocketStream
from fastapi import FastAPI

from dialtone.web import ListenError, create_app, open_listener, serve_on
from dialtone.web.server import PATIENCE
from tests.unit.web.cast import context

pytestmark = pytest.mark.integration


@dataclass(slots=True)
class Served:
    """A server under test. `stopped_in` is set once it is down: seconds from the cancellation."""

    port: int
    stopped_in: float = 0.0


@asynccontextmanager
async def serving(app: FastAPI, patience: int = PATIENCE) -> AsyncIterator[Served]:
    """Serve on a free port, and measure the stop."""
    listener = open_listener("127.0.0.1", 0)
    served = Served(listener.getsockname()[1])
    up = anyio.Event()
    begun = 0.0
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            await serve_on(listener, app, started=up.set, patience=patience)

        tasks.start_soon(serve)
        with anyio.fail_after(5):
            await up.wait()
        yield served
        begun = time.monotonic()
        tasks.cancel_scope.cancel()
    served.stopped_in = time.monotonic() - begun


async def ask(port: int, request: bytes) -> SocketStream:
    """Send bytes to the server and leave the connection open."""
    stream = await anyio.connect_tcp("127.0.0.1", port)
    await stream.send(request)
    return stream


async def test_it_answers_and_is_gone_after_the_stop() -> None:
    async with serving(create_app(await context())) as served, httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{served.port}/api/v1/status")
        assert (answer.status_code, answer.json()["location"]) == (200, "mtl1")
        assert "server" not in answer.headers
    assert served.stopped_in < 2
    with pytest.raises(OSError, match="connect"):
        await anyio.connect_tcp("127.0.0.1", served.port)
    open_listener("127.0.0.1", served.port).close()


async def test_idle_and_half_finished_requests_do_not_hold_the_stop() -> None:
    async with serving(create_app(await context())) as served:
        idle = await ask(served.port, b"")
        half = await ask(served.port, b"GET / HTTP/1.1\r\nHost: local")
        waiting = await ask(
            served.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        )
    assert served.stopped_in < 4.5
    for stream in (idle, half, waiting):
        await stream.aclose()


async def test_a_client_that_reads_nothing_does_not_hold_the_stop() -> None:
    big = b"x" * 16 * 1024 * 1024
    async with serving(create_app(await context(metrics_page=lambda: [big]))) as served:
        stuck = await ask(served.port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await stuck.receive(12)) == b"HTTP/1.1 200"
    assert served.stopped_in < 4.5
    await stuck.aclose()


async def test_an_answer_under_way_is_finished_at_the_stop() -> None:
    app = FastAPI()
    asked, go = anyio.Event(), anyio.Event()

    @app.get("/slow")
    async def slow() -> str:
        asked.set()
        await go.wait()
        return "done"

    got: list[str] = []
    listener = open_listener("127.0.0.1", 0)
    port = listener.getsockname()[1]

    async def get() -> None:
        async with httpx.AsyncClient() as http:
            got.append((await http.get(f"http://127.0.0.1:{port}/slow")).json())

    async with anyio.create_task_group() as clients, anyio.create_task_group() as tasks:
        tasks.start_soon(serve_on, listener, app)
        clients.start_soon(get)
        await asked.wait()
        tasks.cancel_scope.cancel()
        go.set()
    assert got == ["done"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n", 413),
        (b"\x16\x03\x01\x02\x00" * 100, 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
    ids=["long header", "long address", "large body", "not HTTP", "two hosts", "no host"],
)
async def test_requests_out_of_bounds_are_refused(request_bytes: bytes, status: int) -> None:
    app = create_app(await context())
    async with serving(app) as served, await ask(served.port, request_bytes) as stream:
        with anyio.fail_after(5):
            answer = await stream.receive(64)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_headers_that_never_end_are_cut_off() -> None:
    app = create_app(await context())
    start = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    async with serving(app) as served, await ask(served.port, start) as stream:

        async def send_for_ever() -> None:
            while True:
                await stream.send(b"X: " + b"x" * 1000 + b"\r\n")

        with anyio.fail_after(10), pytest.raises(anyio.BrokenResourceError):
            await send_for_ever()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HTTP/1.1\r\nX: ",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n",
    ],
    ids=["nothing", "half a head", "an answered request without its body"],
)
async def test_a_connection_on_which_no_request_comes_is_closed(begun: bytes) -> None:
    app = create_app(await context())
    async with serving(app, patience=1) as served, await ask(served.port, begun) as stream:

        async def drip() -> None:
            while True:
                await stream.send(b"x")
                await anyio.sleep(0.1)

        async def read() -> None:
            while True:
                await stream.receive()

        with anyio.fail_after(10):
            # Once it is closed, the other side says so to whoever reads (the end) or writes (a reset).
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await (drip() if begun else read())


async def test_a_connection_in_use_is_not_closed() -> None:
    async with serving(create_app(await context()), patience=1) as served:
        url = f"http://127.0.0.1:{served.port}/healthz"
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as http:
            ports = set()
            for _ in range(4):
                async with http.stream("GET", url) as answer:
                    ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
                    await answer.aread()
                await anyio.sleep(0.5)
    assert len(ports) == 1


async def test_signals_stay_as_they_were() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serving(create_app(await context())):
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert during == before


async def test_it_says_nothing_on_its_own_handlers(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(create_app(await context())) as served, httpx.AsyncClient() as http:
        await http.get(f"http://127.0.0.1:{served.port}/healthz")
    assert logging.getLogger("uvicorn").handlers == []
    assert not [record for record in caplog.records if record.name == "uvicorn.access"]


def test_a_busy_port_is_an_error_that_says_how_to_see_who_holds_it() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            open_listener("127.0.0.1", port)
    message = str(caught.value)
    assert message.startswith(f"can't listen on 127.0.0.1:{port}: another program holds it")
    assert f"`ss -ltnp 'sport = :{port}'`" in message
    assert "`listen:`" in message


@pytest.mark.parametrize(
    ("host", "words"),
    [("192.0.2.1", "this machine has no such address"), ("no such host", "correct `listen:`")],
)
def test_an_address_that_is_not_ours_is_an_error_that_says_so(host: str, words: str) -> None:
    with pytest.raises(ListenError, match=words):
        open_listener(host, 0)
