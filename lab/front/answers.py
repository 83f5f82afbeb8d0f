"""Waiting until a server answers: SIP by OPTIONS, MI by its version."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import aiohttp

from lab.base import LabError
from lab.ports import LOOPBACK

_ATTEMPT: Final = 0.5
_PAUSE: Final = 0.05
_MAX_REPLY: Final = 65_536
_OPTIONS: Final = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {me};rport;branch=z9hG4bK{word}\r\n"
    "From: <sip:lab@{host}>;tag={word}\r\n"
    "To: <sip:{host}:{port}>\r\n"
    "Call-ID: {word}@{host}\r\n"
    "CSeq: 1 OPTIONS\r\n"
    "Max-Forwards: 70\r\n"
    "Content-Length: 0\r\n\r\n"
)


async def until(
    what: str, ask: Callable[[], Awaitable[str | None]], dead: Callable[[], str | None], seconds: float
) -> str:
    """Ask again and again until there is an answer, at most so many seconds.

    Raises LabError then, or as soon as `dead` names a program that ended.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        if (answer := await ask()) is not None:
            return answer
        if (program := dead()) is not None:
            raise LabError(f"{program} ended before {what} answered")
        if loop.time() >= deadline:
            raise LabError(f"{what} doesn't answer after {seconds:.0f} s")
        await asyncio.sleep(_PAUSE)


async def sip_status(port: int) -> str | None:
    """Send one OPTIONS by UDP; return the status line, None where none came."""
    loop = asyncio.get_running_loop()
    reply: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Once(reply), remote_addr=(LOOPBACK, port))
    try:
        host, own = transport.get_extra_info("sockname")[:2]
        word = secrets.token_hex(8)
        transport.sendto(_OPTIONS.format(host=LOOPBACK, port=port, me=f"{host}:{own}", word=word).encode())
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(_ATTEMPT):
                return (await reply).partition(b"\r\n")[0].decode(errors="replace")
        return None
    finally:
        transport.close()


async def mi_version(url: str) -> str | None:
    """Ask MI for its version; return it, None where no proper answer came."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "version"}
    with suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        timeout = aiohttp.ClientTimeout(total=_ATTEMPT * 5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, json=request) as reply,
        ):
            if reply.status == 200:
                return str((await reply.json())["result"]["Server"])
    return None


class _Once(asyncio.DatagramProtocol):
    """Hands over the first datagram, or the ICMP error that came instead."""

    def __init__(self, reply: asyncio.Future[bytes]) -> None:
        self._reply = reply

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        del addr
        if not self._reply.done():
            self._reply.set_result(data[:_MAX_REPLY])

    def error_received(self, exc: Exception) -> None:
        if not self._reply.done():
            self._reply.set_exception(exc)
