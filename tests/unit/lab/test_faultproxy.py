"""The fault proxy on real sockets: flows, cuts, swallows, heals, and is steered from outside."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from lab.base import LabError
from lab.faultproxy import FaultProxy, Mode, steer
from lab.faultproxy.control import controlled

PATIENCE = 5.0
SILENCE = 0.1


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[int]:
    """A server on a free port, gone with all its connections after the block; gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                await handle(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, limit=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def echo() -> contextlib.AbstractAsyncContextManager[int]:
    """A server that sends back what it gets; gives its port."""
    return serving(_echoes)


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of that port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def proxied() -> AsyncIterator[FaultProxy]:
    """A proxy in front of an echo server."""
    async with echo() as target, FaultProxy(("127.0.0.1", target)) as proxy:
        yield proxy


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, word: bytes) -> bytes:
    """Send a word; return as much of what comes back."""
    writer.write(word)
    async with asyncio.timeout(PATIENCE):
        return await reader.readexactly(len(word))


async def silent(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes for a moment, neither bytes nor an end."""
    try:
        async with asyncio.timeout(SILENCE):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_bytes_flow_both_ways_and_an_end_reaches_the_other_side() -> None:
    async with proxied() as proxy, connected(proxy.port) as (reader, writer):
        assert await said(reader, writer, b"hello") == b"hello"
        assert proxy.connections == 1
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""


async def test_a_cut_resets_what_is_open_and_refuses_what_is_new() -> None:
    async with proxied() as proxy, connected(proxy.port) as (reader, writer):
        assert await said(reader, writer, b"hello") == b"hello"
        await proxy.cut()
        with pytest.raises(ConnectionResetError):
            await said(reader, writer, b"still there?")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        assert (proxy.mode, proxy.connections) == (Mode.CUT, 0)


async def test_a_cut_proxy_keeps_its_port_and_heals_on_it() -> None:
    async with proxied() as proxy:
        port = proxy.port
        await proxy.cut()
        await proxy.heal()
        async with connected(port) as (reader, writer):
            assert await said(reader, writer, b"back") == b"back"


async def test_a_blackhole_keeps_connections_open_and_silent_and_loses_nothing() -> None:
    async with proxied() as proxy, connected(proxy.port) as (reader, writer):
        assert await said(reader, writer, b"hello") == b"hello"
        await proxy.blackhole()
        writer.write(b"held")
        assert await silent(reader)
        await proxy.heal()
        async with asyncio.timeout(PATIENCE):
            assert await reader.readexactly(4) == b"held"


async def test_a_blackhole_accepts_new_connections_and_is_silent() -> None:
    async with proxied() as proxy:
        await proxy.blackhole()
        async with connected(proxy.port) as (reader, writer):
            writer.write(b"anybody?")
            assert await silent(reader)
            await proxy.cut()
            with pytest.raises(ConnectionResetError):
                await reader.read(1)


async def test_a_blackhole_hides_that_the_other_side_hung_up() -> None:
    async with proxied() as proxy, connected(proxy.port) as (reader, writer):
        assert await said(reader, writer, b"hello") == b"hello"
        await proxy.blackhole()
        writer.write_eof()
        assert await silent(reader)
        await proxy.heal()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""


async def test_a_reader_that_does_not_read_stops_the_writer() -> None:
    async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    taken = 0
    async with (
        serving(never_reads) as target,
        FaultProxy(("127.0.0.1", target)) as proxy,
        connected(proxy.port) as (_, writer),
    ):
        with contextlib.suppress(TimeoutError):
            while True:
                writer.write(bytes(65536))
                async with asyncio.timeout(0.5):
                    await writer.drain()
                taken += 65536
        writer.transport.abort()
    # What the kernel buffers on both sides of the proxy, and the proxy's own few chunks.
    assert 0 < taken < 64 * 1024 * 1024


async def test_a_target_that_refuses_resets_the_client() -> None:
    async with echo() as target:
        pass
    async with FaultProxy(("127.0.0.1", target)) as proxy, connected(proxy.port) as (reader, _):
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(ConnectionResetError):
                await reader.read(1)


async def test_a_busy_port_is_refused_with_its_number() -> None:
    async with echo() as target:
        with pytest.raises(LabError, match=f"can't have port {target} on 127.0.0.1"):
            async with FaultProxy(("127.0.0.1", target), port=target):
                pytest.fail("two servers on one port")


async def test_it_is_steered_by_a_word_a_line() -> None:
    async with proxied() as proxy, controlled(proxy, 0) as control:
        where = f"127.0.0.1:{control}"
        assert await steer(where, "mode") is Mode.OK
        for command, mode in {"cut": Mode.CUT, "blackhole": Mode.BLACKHOLE, "heal": Mode.OK}.items():
            assert await steer(where, command) is mode
            assert proxy.mode is mode


async def test_an_unknown_word_is_refused_and_changes_nothing() -> None:
    async with proxied() as proxy, controlled(proxy, 0) as control:
        with pytest.raises(LabError, match="'burn' is none of ok, heal, cut"):
            await steer(f"127.0.0.1:{control}", "burn")
        assert proxy.mode is Mode.OK


async def test_an_endless_line_to_the_control_port_is_dropped() -> None:
    async with proxied() as proxy, controlled(proxy, 0) as control:
        async with connected(control) as (reader, writer):
            writer.write(b"x" * 10_000)
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
        assert await steer(f"127.0.0.1:{control}", "mode") is Mode.OK


async def test_steering_without_a_proxy_says_so() -> None:
    async with echo() as port:
        pass
    with pytest.raises(LabError, match="doesn't answer: is the lab up"):
        await steer(f"127.0.0.1:{port}", "cut")


async def test_the_program_runs_until_sigterm_and_is_steered_by_its_control_port() -> None:
    async with echo() as listen, echo() as control:
        ports = (listen, control)
    async with echo() as target:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lab.faultproxy", "--listen", str(ports[0])),
            *("--target", str(target), "--control", str(ports[1])),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            async with asyncio.timeout(2 * PATIENCE):
                while True:
                    try:
                        assert await steer(f"127.0.0.1:{ports[1]}", "mode") is Mode.OK
                        break
                    except LabError:
                        await asyncio.sleep(0.02)
            async with connected(ports[0]) as (reader, writer):
                assert await said(reader, writer, b"hello") == b"hello"
            assert await steer(f"127.0.0.1:{ports[1]}", "cut") is Mode.CUT
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", ports[0])
        finally:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == 0
