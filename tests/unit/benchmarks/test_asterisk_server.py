"""The benchmarks' Asterisk: our client logs in; events come before the answer that follows their order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from benchmarks.asterisk import recorded
from benchmarks.asterisk.server import SECRET, USER, Server
from collectors.asterisk.client import AmiClient
from collectors.asterisk.wire import Block
from dialtone.model import CollectError, CollectFailure, Secret

DOMAINS = ("a.r.example", "b.r.example")

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def client(server: Server, heard: list[Block], secret: str = SECRET) -> AsyncIterator[AmiClient]:
    talks = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        await server.talk(reader, writer)

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    made = AmiClient(f"tcp://127.0.0.1:{port}", USER, Secret(secret), deadline=10.0, hear=heard.append)
    try:
        yield made
    finally:
        await made.aclose()
        listening.close()
        await asyncio.wait_for(asyncio.gather(*filter(None, talks)), 10.0)


@pytest.mark.parametrize("order", [("rounds", "3", "2"), ("calls", "7", "20")])
async def test_all_events_that_were_ordered_are_heard_before_the_next_answer(order: tuple[str, ...]) -> None:
    server, heard = Server("22.10.1", 0, DOMAINS), list[Block]()
    async with client(server, heard) as asking:
        await asking.ask("Ping")
        assert heard == []
        count = server.order(order)
        await asking.ask("Ping")
        assert len(heard) == count > 100
        await asking.ask("Ping")
        assert len(heard) == count


async def test_a_list_of_channels_is_whole() -> None:
    async with client(Server("16.28.0", 50, DOMAINS), []) as asking:
        items = await asking.list("CoreShowChannels", "CoreShowChannelsComplete")
    assert len({item["Uniqueid"] for item in items}) == 50


async def test_a_poll_finds_other_calls_than_the_one_before() -> None:
    async with client(Server("22.10.1", 240, DOMAINS), []) as asking:
        one, two = [
            {item["Uniqueid"] for item in await asking.list("CoreShowChannels", "CoreShowChannelsComplete")}
            for _ in range(2)
        ]
    assert 0 < len(two - one) < 120


async def test_what_was_recorded_is_answered_as_recorded() -> None:
    said = recorded.reply("22.10.1", "CoreStatus") or b""
    async with client(Server("22.10.1", 0, DOMAINS), []) as asking:
        answer = await asking.ask("CoreStatus")
    assert dict(answer) | {"ActionID": ""} == recorded.fields(said) | {"ActionID": ""}


async def test_another_secret_is_refused() -> None:
    async with client(Server("22.10.1", 0, DOMAINS), [], "another") as asking:
        with pytest.raises(CollectError) as raised:
            await asking.ask("Ping")
    assert raised.value.failure is CollectFailure.AUTH
