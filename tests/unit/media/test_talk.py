"""Two phones talk over loopback: what one says the other hears, and what can't be sent is not counted."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from dialtone.model import FailureCode, Found, Hears
from synthetic.agents.sdp import Stream
from synthetic.media import packet
from synthetic.media.port import MediaPort, bound
from synthetic.media.voice import voice
from synthetic.probes.base import FlowError

ONE, OTHER = voice("r1", "caller"), voice("r1", "callee")
HOST = "127.0.0.1"


@asynccontextmanager
async def ports(rtcp: bool = True, host: str = HOST) -> AsyncIterator[tuple[MediaPort, MediaPort]]:
    """Two ports that have agreed on each other."""
    one, other = MediaPort(host, rtcp=rtcp), MediaPort(host, rtcp=rtcp)
    try:
        one.agreed(towards(other))
        other.agreed(towards(one))
        async with asyncio.timeout(20):
            yield one, other
    finally:
        one.close()
        other.close()


def towards(port: MediaPort, direction: str = "sendrecv", events: int | None = 101) -> Stream:
    return Stream((port.host, port.port), (0, 8), direction, events, (port.host, port.rtcp_port))


async def until(done: Callable[[], object]) -> None:
    while not done():  # noqa: ASYNC110 - a talk tells nobody when it has sent something
        await asyncio.sleep(0.02)


async def test_two_hear_each_other_and_every_packet_is_counted() -> None:
    async with ports() as (one, other):
        ours, theirs = one.talk(ONE, Hears.VOICE, OTHER), other.talk(OTHER, Hears.VOICE, ONE)
        await until(lambda: theirs.sent >= 30)
        ours.hush()
        theirs.hush()
        for talk, partner in ((ours, theirs), (theirs, ours)):
            heard = talk.heard(partner.sent)
            assert heard.found is Found.VOICE
            assert heard.received.unique == heard.received.expected == partner.sent
            assert heard.received.lost == 0
            assert heard.source == partner.source
        sent = ours.sent
        await asyncio.sleep(0.06)
        assert ours.sent == sent


async def test_a_round_trip_is_told_by_the_last_report_at_the_latest() -> None:
    async with ports() as (one, other):
        ours, theirs = one.talk(ONE, Hears.VOICE, OTHER), other.talk(OTHER, Hears.VOICE, ONE)
        await until(lambda: ours.sent and theirs.sent)
        assert ours.heard().rtt is None
        ours.hush()
        theirs.hush()
        rtt = ours.heard().rtt
        assert rtt is not None
        assert 0 <= rtt < 0.5


async def test_digits_go_both_ways_at_once() -> None:
    async with ports(rtcp=False) as (one, other):
        ours, theirs = one.talk(ONE, Hears.VOICE, OTHER), other.talk(OTHER, Hears.VOICE, ONE)
        ours.hush()
        await asyncio.gather(ours.dial("0#"), theirs.dial("dA"), theirs.dial(""))
        assert (ours.heard().digits, theirs.heard().digits) == ("DA", "0#")


async def test_digits_need_somebody_who_takes_them_and_are_over_with_the_call() -> None:
    async with ports() as (one, other):
        talk = one.talk(ONE, Hears.VOICE, OTHER)
        one.agreed(towards(other, events=None))
        with pytest.raises(FlowError, match="takes no telephone events") as failed:
            await talk.dial("1")
        assert failed.value.code is FailureCode.NO_DTMF
        one.agreed(towards(other))
        dialling = asyncio.create_task(talk.dial("123"))
        await asyncio.sleep(0)
        one.close()
        with pytest.raises(FlowError, match="the call ended"):
            await dialling


async def test_on_hold_nothing_is_sent_or_counted_and_the_voice_goes_on_after_it() -> None:
    async with ports() as (one, other):
        ours, theirs = one.talk(ONE, Hears.VOICE, OTHER), other.talk(OTHER, Hears.VOICE, ONE)
        one.agreed(towards(other, "recvonly"))
        await until(lambda: theirs.sent >= 5)
        assert ours.sent == 0
        assert theirs.heard().found is Found.NOTHING
        assert any("nowhere to go" in line for line in ours.heard().remarks)
        one.agreed(towards(other))
        await until(lambda: ours.sent >= 3)
        assert theirs.heard(ours.sent).received.lost == 0


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (None, "names nowhere to send RTP to"),
        (Stream(None, (), "inactive", why="refuses the audio (port 0)"), r"refuses the audio \(port 0\)"),
        (Stream(("::1", 4000), (0,), "sendrecv"), "names nowhere"),
    ],
)
async def test_without_anywhere_to_send_to_there_is_no_talk(stream: Stream | None, said: str) -> None:
    port = MediaPort(HOST)
    try:
        port.agreed(stream)
        with pytest.raises(FlowError, match=said) as failed:
            port.talk(ONE, Hears.ECHO)
        assert failed.value.code is FailureCode.NO_MEDIA
    finally:
        port.close()


async def test_once_the_leg_is_over_nothing_is_said_and_a_closed_port_talks_no_more() -> None:
    async with ports() as (one, other):
        up = True
        ours, theirs = one.talk(ONE, Hears.VOICE, OTHER, lambda: up), other.talk(OTHER, Hears.VOICE)
        await until(lambda: theirs.sent >= 2)
        up, sent = False, ours.sent
        await until(lambda: theirs.sent >= 5)
        assert ours.sent == sent > 0
        one.close()
        assert ours.heard().found is Found.VOICE
        with pytest.raises(FlowError, match="the call is over"):
            one.talk(ONE, Hears.VOICE)


async def test_who_waits_for_a_voice_hears_it_beside_a_talk() -> None:
    async with ports(rtcp=False) as (one, other):
        ours = one.talk(ONE, Hears.VOICE, OTHER)
        other.talk(OTHER, Hears.VOICE, ONE)
        at = await one.hear(OTHER)
        assert ours.heard().first == pytest.approx(at)


async def test_rtp_has_an_even_port_and_rtcp_the_next_which_are_both_given_back() -> None:
    taken: list[MediaPort] = []
    for _ in range(20):
        port = bound(HOST, taken.append, rtcp=True)
        assert port.port % 2 == 0
        assert port.rtcp_port == port.port + 1
    for port in taken:
        port.close()
        for number in (port.port, port.rtcp_port):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
                again.bind((HOST, number))


async def test_where_no_two_ports_are_free_the_tries_end(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = socket.socket.bind
    binds: list[int] = []

    class Crowded(socket.socket):
        def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
            binds.append(address[1])
            if address[1]:
                raise OSError(98, "Address already in use")
            stock(self, address)

    monkeypatch.setattr(socket, "socket", Crowded)
    with pytest.raises(
        FlowError, match=r"no media port on 127\.0\.0\.1: no two ports side by side"
    ) as failed:
        bound(HOST, lambda _: None, rtcp=True)
    assert failed.value.code is FailureCode.NO_PORT
    assert len(binds) == 64


async def test_a_flood_is_read_no_faster_than_its_bound_and_what_is_dropped_is_said() -> None:
    async with ports(rtcp=False) as (one, _):
        talk = one.talk(ONE, Hears.VOICE, OTHER)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            for number in range(5000):
                noisy.sendto(packet.write(0, False, number, 0, 5) + b"\xff" * 160, (HOST, one.port))
        assert one.dropped > 1000
        heard = talk.heard()
        assert heard.packets < 5000
        assert heard.packets + heard.dropped == 5000
        one.close()
        assert talk.heard().dropped == heard.dropped
        assert any("dropped by this machine" in line for line in heard.remarks)


def early(port: MediaPort, count: int) -> None:
    """Send what a platform plays before the answer, and its reports of it, and have them be 6 s old."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as platform:
        for number in range(count):
            ringing = packet.write(0, False, number, 160 * number, 5) + b"\x10" * 160
            platform.sendto(ringing, (HOST, port.port))
            platform.sendto(b"\x80", (HOST, port.rtcp_port))


@pytest.mark.parametrize("hears", [Hears.VOICE, Hears.ECHO, Hears.SOUND])
async def test_early_media_is_no_part_of_the_talk_however_old_and_leaves_it_the_whole_buffer(
    hears: Hears, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ports() as (one, other):
        early(one, 5000)
        stamped = time.time_ns  # too old to be believed from now on: such a stamp counts as now
        monkeypatch.setattr(time, "time_ns", lambda: stamped() + 6_000_000_000)
        ours = one.talk(ONE, hears, OTHER)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            for number in range(200):
                noisy.sendto(packet.write(0, False, number, 0, 5) + b"\xff" * 160, (HOST, one.port))
                noisy.sendto(b"\x80", (HOST, one.rtcp_port))
        heard = ours.heard()
        assert heard.found is Found.SILENCE
        assert (heard.packets, heard.dropped) == (200, 0)
        assert other.dropped == 0


@pytest.mark.parametrize("rtcp", [True, False])
async def test_what_the_partner_said_just_before_the_talk_began_counts(rtcp: bool) -> None:
    async with ports(rtcp) as (one, other):
        theirs = other.talk(OTHER, Hears.VOICE, ONE)
        await until(lambda: theirs.sent >= 3)
        theirs.hush()
        assert one.talk(ONE, Hears.VOICE, OTHER).heard(theirs.sent).received.lost == 0


async def test_a_flood_of_others_takes_no_packet_of_the_voice() -> None:
    async with ports() as (one, other):
        ours, theirs = one.talk(ONE, Hears.VOICE, OTHER), other.talk(OTHER, Hears.VOICE, ONE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as noisy:
            while theirs.sent < 40:  # some 1500 a second
                for number in range(15):
                    noisy.sendto(packet.write(0, False, number, 0, 5) + b"\x10" * 160, (HOST, one.port))
                await asyncio.sleep(0.01)
        theirs.hush()
        heard = ours.heard(theirs.sent)
        assert (heard.received.lost, heard.dropped) == (0, 0)
        assert heard.packets > 500


async def test_a_mute_port_is_read_by_nobody() -> None:
    async with ports(rtcp=False) as (one, other):
        other.speak(OTHER, lambda: True)
        await asyncio.sleep(0.1)
        assert one._socket.recv(2000)
