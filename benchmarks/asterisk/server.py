"""A manager of a busy Asterisk, made of recordings, in a process of its own; and a page of res_prometheus.

    python -m benchmarks.asterisk.server VERSION CHANNELS TENANTS

It prints its ports, and then takes orders on standard input: `rounds FIRST COUNT` or `calls FIRST COUNT`
have so many rounds of the recorded stream, or calls, come as events before the next answer. It prints how
many events that is. It runs until its standard input is closed.
"""

import asyncio
import hashlib
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

from aiohttp import web

from benchmarks.asterisk import recorded
from benchmarks.opensips.servers import tenants

USER: Final = "dialtone"
SECRET: Final = "benchmark"  # noqa: S105 - of a server on loopback that says nothing of anybody
_STOP: Final = 10.0
_PIECE: Final = 65_536
_ACTION_ID: Final = re.compile(rb"(?m)^ActionID: [^\r]*")
_GREETING: Final = b"Asterisk Call Manager/11.0.0\r\n"
_IDLE: Final = {
    "ConfbridgeListRooms": "ConfbridgeListRoomsComplete",
    "DeviceStateList": "DeviceStateListComplete",
    "ParkedCalls": "ParkedCallsComplete",
    "PJSIPShowContacts": "ContactListComplete",
    "QueueStatus": "QueueStatusComplete",
    "VoicemailUsersList": "VoicemailUserEntryComplete",
}
"""Lists that have nothing in them here, and how they end."""


class Server:
    """What it says: recordings, so many channels of these tenants, and the events it was told to send."""

    def __init__(self, version: str, channels: int, domains: Sequence[str]) -> None:
        self._version, self._channels, self._domains = version, channels, domains
        self._polls = 0
        self._pending: list[bytes] = []
        self._challenge = secrets.token_hex(8)

    def order(self, words: Sequence[str]) -> int:
        """Have events come before the next answer; return how many."""
        kind, first, count = words[0], int(words[1]), int(words[2])
        if kind == "rounds":
            self._pending = list(recorded.rounds(self._version, first, count))
        else:
            domains = self._domains
            self._pending = [
                recorded.call(self._version, domains[number % len(domains)], number)
                for number in range(first, first + count)
            ]
        return sum(text.count(b"\r\n\r\n") for text in self._pending)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        writer.write(_GREETING)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                action = recorded.fields(await reader.readuntil(b"\r\n\r\n"))
                if action["Action"] not in ("Challenge", "Login"):
                    await self._tell(writer)
                writer.write(self._answer(action))
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        pending, self._pending = self._pending, []
        for text in pending:
            for start in range(0, len(text), _PIECE):
                writer.write(text[start : start + _PIECE])
                await writer.drain()

    def _answer(self, action: recorded.Fields) -> bytes:
        name, number = action["Action"], action["ActionID"]
        if name == "Challenge":
            return _success(number, Challenge=self._challenge)
        if name == "Login":
            key = hashlib.md5((self._challenge + SECRET).encode(), usedforsecurity=False).hexdigest()
            if action.get("Key") != key:
                return _error(number, "Authentication failed")
            return _success(number, Message="Authentication accepted")
        if name == "CoreShowChannels":
            self._polls += 1
            made = recorded.channels(self._version, self._domains, self._channels, self._polls)
            return _list(number, "CoreShowChannelsComplete", made)
        if name in ("Ping", "Logoff"):
            return _success(number, Ping="Pong")
        if name == "Getvar":
            return _success(number, Value="+0000")
        if said := recorded.reply(self._version, name):
            return _ACTION_ID.sub(b"ActionID: " + number.encode(), said)
        if name in _IDLE:
            return _list(number, _IDLE[name], ())
        return _error(number, f"Invalid/unknown command: {name}. Use Action: ListCommands to show commands.")

    async def page(self, _: web.Request) -> web.Response:
        """Show the same channels as res_prometheus does."""
        made = recorded.channels(self._version, self._domains, self._channels, self._polls)
        return web.Response(text=recorded.page(made), content_type="text/plain")


def _success(number: str, **headers: str) -> bytes:
    return recorded.rendered({"Response": "Success", "ActionID": number, **headers})


def _error(number: str, message: str) -> bytes:
    return recorded.rendered({"Response": "Error", "ActionID": number, "Message": message})


def _list(number: str, end: str, items: Sequence[recorded.Fields] | Iterator[recorded.Fields]) -> bytes:
    blocks = [recorded.rendered({"Event": item["Event"], "ActionID": number, **item}) for item in items]
    last = {"Event": end, "ActionID": number, "EventList": "Complete", "ListItems": str(len(blocks))}
    return b"".join([_success(number, EventList="start"), *blocks, recorded.rendered(last)])


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its manager's port, its page's, and the way to it."""

    ami: int
    http: int
    orders: IO[str]
    says: IO[str]

    @property
    def endpoint(self) -> str:
        """Where its manager is, as a node's endpoint."""
        return f"tcp://127.0.0.1:{self.ami}"

    def order(self, kind: str, first: int, count: int) -> int:
        """Have events come before its next answer; return how many. See the module."""
        self.orders.write(f"{kind} {first} {count}\n")
        self.orders.flush()
        return int(self.says.readline())


@contextmanager
def server(version: str, channels: int, clients: int) -> Iterator[Running]:
    """Run one for the time of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.asterisk.server", version, str(channels), str(clients)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None  # noqa: S101 - as asked for above
        assert process.stdout is not None  # noqa: S101
        ami, http = json.loads(process.stdout.readline())
        yield Running(ami, http, process.stdin, process.stdout)
    finally:
        process.communicate(timeout=_STOP)


async def _serve(served: Server) -> None:
    manager = await asyncio.start_server(served.talk, "127.0.0.1", 0)
    app = web.Application()
    app.router.add_get("/metrics", served.page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps([manager.sockets[0].getsockname()[1], runner.addresses[0][1]]), flush=True)  # noqa: T201
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(served.order(line.split()), flush=True)  # noqa: T201
    manager.close()
    await runner.cleanup()


if __name__ == "__main__":
    VERSION, CHANNELS, TENANTS = sys.argv[1:]
    asyncio.run(_serve(Server(VERSION, int(CHANNELS), tenants(int(TENANTS)))))
