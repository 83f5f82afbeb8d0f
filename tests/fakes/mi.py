"""An OpenSIPS MI server over HTTP on a real loopback socket, able to misbehave."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

Answer = Callable[[dict[str, object]], bytes | None]
"""Turns a parsed request into the whole HTTP response; None keeps silent."""
UNKNOWN = b'{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}}'
"""What 3.x and 4.x say of a command of a module that is not loaded."""


def http(body: bytes, status: str = "200 OK", *extra: str) -> bytes:
    """Return an HTTP response with that body."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *extra]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def recorded_reply(replies: Mapping[str, bytes], request: dict[str, object]) -> bytes:
    """Return the recorded reply to a request, with its id; the error of a command that the server lacks."""
    recorded = replies.get(str(request["method"]), UNKNOWN)
    return json.dumps(json.loads(recorded) | {"id": request["id"]}).encode()


@dataclass
class FakeMi:
    """Answers each command with a recorded reply. `requests` are the raw bodies received."""

    replies: Mapping[str, bytes]
    misbehave: Answer | None = None
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    url: str = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeMi"]:
        """Listen on a free loopback port for the time of the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mi"
        tasks_end = server.close
        try:
            yield self
        finally:
            tasks_end()
            for writer in list(self._writers):
                writer.close()

    def __post_init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                body = await reader.readexactly(length)
                self.requests.append(body)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                await asyncio.sleep(0)
                answer = self._answer(json.loads(body))
                self.in_flight -= 1
                if answer is None:
                    continue
                writer.write(answer)
                await writer.drain()
                if not answer:
                    break
        self._writers.discard(writer)
        writer.close()

    def _answer(self, request: dict[str, object]) -> bytes | None:
        if self.misbehave is not None:
            return self.misbehave(request)
        return http(recorded_reply(self.replies, request))
