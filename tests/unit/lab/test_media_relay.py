"""The relay of RTP, its process and sockets: what it passes on, from where, and what it says of it."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

import pytest

from lab.base import LabError
from lab.faults.media.harm import Harm
from lab.faults.media.relay import MediaRelay
from lab.faults.media.settings import Settings
from lab.faults.media.truth import Truths

HOST = "127.0.0.1"


def a_packet(number: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number, number * 160, 77) + b"\x3f" * 160


class Ear(asyncio.DatagramProtocol):
    """A phone's port: what came, and from which port."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (HOST, 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.put_nowait((data, addr[1]))

    def send(self, data: bytes, port: int) -> None:
        self._transport.sendto(data, (HOST, port))

    async def next(self) -> tuple[bytes, int]:
        return await asyncio.wait_for(self.came.get(), 5)


@asynccontextmanager
async def a_call(settings: Settings) -> AsyncIterator[tuple[MediaRelay, list[Ear]]]:
    """Give the relay and, for each of its calls, the caller's ears and the callee's: RTP and RTCP."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(MediaRelay(settings))
        ears = [await stack.enter_async_context(Ear()) for _ in range(4 * settings.calls)]
        for place in range(2 * settings.calls):
            relay.aim(place // 2, place % 2, HOST, ears[2 * place].port, ears[2 * place + 1].port)
        await relay.truth()  # so that it knows where all are
        yield relay, ears


async def the_truth(relay: MediaRelay, packets: int = 0) -> Truths:
    """Return the truth of the first call once so many packets have come that go to its callee."""
    async with asyncio.timeout(5):
        while True:
            truths = (await relay.truth())[0]
            if truths.to_callee.packets >= packets:
                return truths
            await asyncio.sleep(0.01)


async def test_each_end_hears_the_other_from_the_port_that_stands_for_it() -> None:
    async with a_call(Settings()) as (relay, (caller, caller_rtcp, callee, callee_rtcp)):
        for_caller, for_callee = relay.ports[0]
        assert for_caller % 2 == for_callee % 2 == 0
        caller.send(a_packet(1), for_callee)
        assert await callee.next() == (a_packet(1), for_caller)
        callee.send(a_packet(2), for_caller)
        assert await caller.next() == (a_packet(2), for_callee)
        caller_rtcp.send(b"\x80\xc8 report", for_callee + 1)
        assert await callee_rtcp.next() == (b"\x80\xc8 report", for_caller + 1)
        truth = await the_truth(relay)
        assert [len(way.came) for way in truth] == [len(way.went) for way in truth] == [1, 1]
        assert len(truth.to_callee.reports) == 1
        assert truth.to_callee.touched == 0


async def test_the_truth_tells_what_came_what_was_lost_and_what_came_twice() -> None:
    harm = Harm(every=3, twice=1.0)
    async with a_call(Settings(to_callee=harm)) as (relay, (caller, _, callee, _)):
        for number in range(9):
            caller.send(a_packet(number), relay.ports[0][1])
        got = [(await callee.next())[0] for _ in range(12)]
        truth = (await the_truth(relay, 9)).to_callee  # nobody hears the last one, which is lost
        assert (truth.packets, truth.lost, truth.twice, truth.overflow, truth.unaimed) == (9, 3, 6, 0, 0)
        assert [note.sequence for note in truth.went] == [struct.unpack_from("!H", one, 2)[0] for one in got]
        assert sorted({note.sequence for note in truth.went}) == [0, 1, 3, 4, 6, 7]


async def test_the_truth_has_the_order_of_the_listener_and_instants_after_those_of_what_came() -> None:
    async with a_call(Settings(to_callee=Harm(jitter=0.03, overtaking=True))) as (
        relay,
        (caller, _, callee, _),
    ):
        for number in range(20):
            caller.send(a_packet(number), relay.ports[0][1])
        order = [struct.unpack_from("!H", (await callee.next())[0], 2)[0] for _ in range(20)]
        truth = (await the_truth(relay)).to_callee
        assert [note.sequence for note in truth.went] == order
        instants = [note.at for note in truth.went]
        assert instants == sorted(instants)
        came = {note.sequence: note.at for note in truth.came}
        assert all(0 <= note.at - came[note.sequence] < 0.5 for note in truth.went)


async def test_crossed_calls_hear_each_other() -> None:
    async with a_call(Settings(calls=2, crossed=True)) as (relay, ears):
        caller, callee, other_caller, other_callee = ears[::2]
        caller.send(a_packet(1), relay.ports[0][1])
        assert (await other_callee.next()) == (a_packet(1), relay.ports[1][0])
        other_callee.send(a_packet(2), relay.ports[1][0])
        assert (await caller.next())[0] == a_packet(2)
        assert callee.came.empty()
        assert other_caller.came.empty()
        assert (await the_truth(relay)).to_callee.touched == 1


async def test_another_source_port_is_none_that_a_description_named() -> None:
    async with a_call(Settings(to_callee=Harm(port=True))) as (relay, (caller, _, callee, _)):
        caller.send(a_packet(1), relay.ports[0][1])
        assert (await callee.next())[1] not in {port + more for port in relay.ports[0] for more in (0, 1)}


async def test_what_is_for_an_end_that_nobody_has_named_is_told_apart() -> None:
    async with MediaRelay(Settings()) as relay, Ear() as caller:
        caller.send(a_packet(1), relay.ports[0][1])
        truth = (await the_truth(relay, 1)).to_callee
        assert (truth.packets, truth.unaimed, truth.went) == (1, 1, [])


async def test_a_relay_that_is_gone_says_so() -> None:
    async with MediaRelay(Settings()) as relay:
        pass
    with pytest.raises(LabError, match="has ended"):
        await relay.truth()
