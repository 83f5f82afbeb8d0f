"""An OpenSIPS behind mi_datagram or mi_fifo, able to misbehave."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.mi import recorded_reply

Misbehave = Callable[[dict[str, Any]], list[bytes]]
"""Turns a parsed request into what is sent for it."""


@dataclass
class _Fake:
    replies: Mapping[str, bytes]
    misbehave: Misbehave | None = None
    requests: list[bytes] = field(default_factory=list)
    url: str = ""

    def answers(self, body: bytes) -> list[bytes]:
        """Return what is sent for a request."""
        self.requests.append(body)
        request = json.loads(body)
        if self.misbehave is not None:
            return self.misbehave(request)
        return [recorded_reply(self.replies, request)]


class FakeDatagrams(_Fake):
    """Answers each command with a recorded reply in one datagram."""

    @asynccontextmanager
    async def running(self, path: Path | None = None) -> AsyncIterator["FakeDatagrams"]:
        """Listen on a UNIX socket at that path, or on a free loopback port, for the time of the block."""
        fake = self

        class Server(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                for answer in fake.answers(data):
                    if path is None:
                        self.transport.sendto(answer, addr)
                        continue
                    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
                        other.sendto(answer, addr)  # as mi_datagram: a connected socket would refuse it

        loop = asyncio.get_running_loop()
        local: Any = ("127.0.0.1", 0) if path is None else str(path)
        family = socket.AF_INET if path is None else socket.AF_UNIX
        transport, _ = await loop.create_datagram_endpoint(Server, local_addr=local, family=family)
        name = transport.get_extra_info("sockname")
        self.url = f"udp://127.0.0.1:{name[1]}" if path is None else f"unix://{path}"
        try:
            yield self
        finally:
            transport.close()


class FakeFifo(_Fake):
    """Reads a FIFO and answers each request into the one that it names."""

    @asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator["FakeFifo"]:
        """Serve a FIFO in that folder, where replies are looked for too, for the time of the block."""
        path = folder / "opensips_fifo"
        os.mkfifo(path)
        reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[None]] = set()

        def readable() -> None:
            for line in os.read(reader, 65536).splitlines():
                task = loop.create_task(self._serve(folder, line))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        loop.add_reader(reader, readable)
        self.url = f"fifo://{path}?replies={folder}"
        try:
            yield self
        finally:
            loop.remove_reader(reader)
            os.close(reader)
            for task in tasks:
                task.cancel()

    async def _serve(self, folder: Path, line: bytes) -> None:
        _, name, body = line.split(b":", 2)
        answers = self.answers(body)
        if not answers:
            return
        writer = os.open(folder / name.decode(), os.O_WRONLY | os.O_NONBLOCK)
        try:
            for answer in answers:
                rest = memoryview(answer)
                while rest:
                    with suppress(BlockingIOError):
                        rest = rest[os.write(writer, rest) :]
                    await asyncio.sleep(0)
        except BrokenPipeError:
            pass
        finally:
            os.close(writer)
