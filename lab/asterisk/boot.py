"""Waiting until Asterisk answers: its manager says that it has booted, its SIP port that it is there."""

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from lab.base import LabError
from lab.ports import LOOPBACK

_POLL: Final = 0.05
_LINE_LIMIT: Final = 4096
_SIP_DEADLINE: Final = 2.0  # RFC 3261's T1 is 0.5 s; nothing is lost on loopback
_SERVER: Final = b"\r\nServer: Asterisk"


async def wait_until_booted(
    port: int, user: str, secret: str, *, alive: Callable[[], bool], deadline: float
) -> None:
    """Return once the manager on 127.0.0.1:port reports FullyBooted. Raises LabError.

    The manager listens long before the SIP stack does, so that an open port proves nothing.
    """
    end = time.monotonic() + deadline
    while True:
        if not alive():
            raise LabError("Asterisk ended while it was starting")
        try:
            async with asyncio.timeout(end - time.monotonic()):
                await _login_and_listen(port, user, secret)
        except TimeoutError:
            raise LabError(f"Asterisk has not booted after {deadline:.0f} s") from None
        except (OSError, EOFError):
            await asyncio.sleep(_POLL)  # not listening yet, or closed while it loads its users
        else:
            return


async def _login_and_listen(port: int, user: str, secret: str) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=_LINE_LIMIT)
    try:
        login = f"Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: system\r\n\r\n"
        writer.write(login.encode())
        await writer.drain()
        while line := await reader.readline():
            if line.strip() == b"Message: Authentication failed":
                break
            if line.strip() == b"Event: FullyBooted":
                return
        raise EOFError
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class _FirstAnswer(asyncio.DatagramProtocol):
    """Keeps the first datagram that comes."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Take it in, the first one only."""
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """Take an ICMP error for the answer: nobody has the port."""
        if not self.answer.done():
            self.answer.set_exception(exc)


async def check_sip(port: int) -> None:
    """Make sure that it is Asterisk which answers on 127.0.0.1:port/udp. Raises LabError.

    Asterisk boots without complaint when the port is taken, so it is asked by OPTIONS (RFC 3261, 11).
    """
    transport, first = await asyncio.get_running_loop().create_datagram_endpoint(
        _FirstAnswer, remote_addr=(LOOPBACK, port)
    )
    here = transport.get_extra_info("sockname")[1]
    token = uuid.uuid4().hex
    options = (
        f"OPTIONS sip:{LOOPBACK}:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {LOOPBACK}:{here};branch=z9hG4bK{token}\r\n"
        f"From: <sip:lab@{LOOPBACK}>;tag={token[:8]}\r\nTo: <sip:{LOOPBACK}>\r\nCall-ID: {token}\r\n"
        "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    try:
        transport.sendto(options.encode())
        answer = await asyncio.wait_for(first.answer, _SIP_DEADLINE)
    except (OSError, TimeoutError):
        answer = b""
    finally:
        transport.close()
    if _SERVER not in answer:
        raise LabError(f"Asterisk did not get the SIP port {LOOPBACK}:{port}/udp")
