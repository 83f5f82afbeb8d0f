"""A user of Asterisk's manager for tests of the server itself: plain text, one action at a time."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from collectors.asterisk.wire import BLOCK_END, Block, decode
from tests.integration.asterisk_lab import Pbx

_DEADLINE: Final = 5.0
_CLASSES: Final = "call,agent,reporting"


class Ami:
    """A connection that is logged in. `heard` are the names of the events that came by themselves."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self.heard: list[str] = []

    async def ask(self, action: str, **headers: str) -> Block:
        """Send an action and return its response."""
        number = await self._send(action, headers)
        while (block := await self._next()).get("ActionID") != number or "Response" not in block:
            self._hear(block)
        return block

    async def list(self, action: str, ends_with: str, **headers: str) -> list[Block]:
        """Send an action that answers with a list; return the items."""
        number = await self._send(action, headers)
        items: list[Block] = []
        while (block := await self._next()).get("Event") != ends_with:
            if block.get("ActionID") != number:
                self._hear(block)
            elif "Response" in block:
                assert block["Response"] == "Success", block
            else:
                items.append(block)
        assert block["ListItems"] == str(len(items))
        return items

    async def _send(self, action: str, headers: dict[str, str]) -> str:
        number = str(next(self._numbers))
        lines = {"Action": action, "ActionID": number, **headers}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._writer.write(f"{text}\r\n".encode())
        await self._writer.drain()
        return number

    async def _next(self) -> Block:
        async with asyncio.timeout(_DEADLINE):
            return decode(await self._reader.readuntil(BLOCK_END))

    def _hear(self, block: Block) -> None:
        self.heard.append(block["Event"])


@asynccontextmanager
async def logged_in(pbx: Pbx, user: str, *, tls: bool = False, events: str = _CLASSES) -> AsyncIterator[Ami]:
    """Log in as a user of the lab's manager.conf, by TCP or by TLS."""
    where = urlsplit(pbx.address("ami-tls" if tls else "ami"))
    context = ssl.create_default_context(cafile=pbx.ca) if tls else None
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
    try:
        assert (await reader.readline()).startswith(b"Asterisk Call Manager/")
        ami = Ami(reader, writer)
        secret = pbx.node(user).secret
        assert secret is not None
        login = await ami.ask("Login", Username=user, Secret=secret.reveal(), Events=events)
        assert login["Response"] == "Success", login
        yield ami
        await ami.ask("Logoff")
    finally:
        writer.transport.abort()
