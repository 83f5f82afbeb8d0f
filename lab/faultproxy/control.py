"""Steering a fault proxy from another process: a word a line on a loopback port, the mode as answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from lab.base import LabError
from lab.faultproxy.proxy import LOOPBACK, FaultProxy, Mode

_COMMANDS: Final[dict[str, Callable[[FaultProxy], Awaitable[None]]]] = {
    "ok": FaultProxy.heal,
    "heal": FaultProxy.heal,
    "cut": FaultProxy.cut,
    "blackhole": FaultProxy.blackhole,
}
_ASK: Final = "mode"
_LINE: Final = 64
_IDLE: Final = 5.0
"""Seconds that a client of the control port may be silent."""


@asynccontextmanager
async def controlled(proxy: FaultProxy, port: int) -> AsyncIterator[int]:
    """Take commands for the proxy on 127.0.0.1:port while the block runs; gives the port (0: any free one).

    A client sends one of ok, heal, cut, blackhole or mode and a newline, and is told the mode once
    it holds, or `error` and why not. Raises LabError for a busy port.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_IDLE):
                word = (await reader.readline()).decode(errors="replace").strip()
                writer.write(f"{await _obey(proxy, word)}\n".encode())
                await writer.drain()
        except (OSError, ValueError):  # silent, gone, or a line over the limit
            pass
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, LOOPBACK, port, limit=_LINE)
    except OSError as error:
        raise LabError(f"the fault proxy can't be steered on {LOOPBACK}:{port}: {error.strerror}") from None
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _obey(proxy: FaultProxy, word: str) -> str:
    if word != _ASK:
        if word not in _COMMANDS:
            return f"error {word[:_LINE]!r} is none of {', '.join((*_COMMANDS, _ASK))}"
        await _COMMANDS[word](proxy)
    return proxy.mode


async def steer(address: str, command: str, *, deadline: float = 3.0) -> Mode:
    """Send a command to the proxy steered at `address` (host:port); return its mode, which holds by then.

    `deadline` is seconds. Raises LabError when nothing answers, or for a word it doesn't know.
    """
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(deadline):
            reader, writer = await asyncio.open_connection(host, int(port), limit=4 * _LINE)
            try:
                writer.write(f"{command}\n".encode())
                answer = (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
    except (OSError, ValueError) as error:
        raise LabError(f"the fault proxy at {address} doesn't answer: is the lab up? ({error})") from None
    try:
        return Mode(answer)
    except ValueError:
        raise LabError(f"the fault proxy at {address} refused: {answer or 'no answer'}") from None
