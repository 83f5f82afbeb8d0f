"""Calls with media on sippy: through the lab's real SIP front, over every transport, and on one phone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialtone.model import Account, Evidence, FailureCode, Flow, Found, Hears, MediaPlan, Plan, Secret
from lab import lab
from lab.faults.message import SipText
from lab.ports import has_ipv6
from lab.sample import sample
from synthetic.agents.placing import PlacedCall
from synthetic.agents.siplib import DISPATCHER
from synthetic.media.packet import read
from synthetic.media.port import MediaPort
from synthetic.probes.base import FlowError
from synthetic.probes.hearing import keyed_back
from synthetic.probes.runner import Report
from tests.fakes.certificates import Certificates
from tests.fakes.sip_front import SipFront
from tests.fakes.sip_peer import DESCRIPTION, SipPeer, peer_and_phone
from tests.fakes.sip_probes import PASSWORDS, a_request, run_here
from tests.fakes.sip_server import Manner, SipServer

pytestmark = pytest.mark.integration

ACME = "acme.ntek.clusterpbx.example"
BRIEF = MediaPlan(seconds=0.5)
BEST = 4.3
EVENTS = "a=rtpmap:101 telephone-event/8000\r\n"


def assert_heard(report: Report, media: MediaPlan) -> None:
    """Check that both heard all of each other; what this machine sent late is no matter here."""
    assert report.failure is None
    assert [(s.speaker, s.listener) for s in report.media] == [("callee", "caller"), ("caller", "callee")]
    for stream in report.media:
        assert stream.found is Found.VOICE
        assert stream.codec == media.codecs[0]
        assert stream.digits == (media.dtmf if stream.listener == "callee" else keyed_back(media.dtmf))
        assert stream.sent == stream.received > media.seconds * 40
        assert (stream.lost, stream.duplicates) == (0, 0)
        assert stream.mos is not None
        assert stream.mos > BEST or stream.late


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, tuple[Account, ...]]]:
    """The lab's front: its target, and two accounts of a tenant."""
    root: Path = tmp_path_factory.mktemp("labs")
    state = asyncio.run(lab.up("media", only=["sip"], root=root))
    try:
        phones = [phone for phone in sample(state.root / "accounts.csv").phones if phone.tenant == ACME]
        accounts = tuple(Account(p.tenant, p.user, p.user, Secret(p.password)) for p in phones[:2])
        yield f"sip:{state.addresses['sip']};transport=udp", accounts
    finally:
        asyncio.run(lab.down("media", root=root))


@pytest.mark.parametrize(
    "media",
    [MediaPlan(), MediaPlan(seconds=0.5, dtmf="12#"), MediaPlan(seconds=0.5, codecs=("PCMA", "PCMU"))],
    ids=["as it is by default", "with digits", "A-law first"],
)
async def test_both_phones_hear_each_other_through_a_real_proxy(
    front: tuple[str, tuple[Account, ...]], media: MediaPlan
) -> None:
    target, accounts = front
    plan = Plan(media=media)
    report, evidence = await run_here(a_request(Flow.CALL, target, tenant=ACME, accounts=accounts, plan=plan))
    assert_heard(report, media)
    at = {mark.name: mark.at for mark in evidence.marks}
    assert at["callee acknowledged"] <= at["callee hears the caller"] < at["hung up"]
    assert at["answered"] <= at["caller hears the callee"] < at["hung up"]
    assert report.timings["sdt"] >= media.seconds


@pytest.mark.parametrize(
    ("transport", "host"),
    [
        ("tcp", "127.0.0.1"),
        ("tls", "127.0.0.1"),
        pytest.param("udp", "::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no ::1")),
    ],
)
async def test_media_flows_however_the_signalling_travels(tmp_path: Path, transport: str, host: str) -> None:
    certificates = Certificates(tmp_path)
    tls = certificates.server(host) if transport == "tls" else None
    plan = Plan(tls=certificates.plan(), media=BRIEF)
    timers = DISPATCHER.live
    async with SipFront(PASSWORDS, transport=transport, host=host, tls=tls) as front:
        report, _ = await run_here(a_request(Flow.CALL, front.target, plan=plan))
    assert_heard(report, BRIEF)
    assert DISPATCHER.live == timers


async def call_through(manner: Manner, plan: Plan) -> tuple[Report, Evidence]:
    async with SipServer(PASSWORDS, manner) as server:
        return await run_here(a_request(Flow.CALL, server.target, plan=plan))


async def test_without_media_in_the_plan_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(MediaPort, "send", lambda *made: sent.append(made))
    report, evidence = await call_through(Manner.PROPER, Plan())
    assert report.failure is None
    assert report.media == ()
    assert sent == []
    assert not any("hears" in mark.name for mark in evidence.marks)


async def test_a_platform_that_hangs_up_while_both_talk_fails_as_ever() -> None:
    report, _ = await call_through(Manner.HANGS_UP, Plan(media=BRIEF))
    assert report.failure is not None
    assert report.failure.code is FailureCode.UNEXPECTED_MESSAGE
    assert report.failure.detail == "hold: the platform ended the call that had been answered"
    assert [(stream.listener, stream.sent) for stream in report.media] == [("caller", None), ("callee", None)]


async def test_a_talk_that_is_longer_than_the_probe_is_a_timeout() -> None:
    async with SipServer(PASSWORDS) as server:
        request = a_request(Flow.CALL, server.target, plan=Plan(media=MediaPlan(seconds=5)), timeout=1.0)
        report, _ = await run_here(request)
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert report.duration < 2
    assert server.bindings == {}


@asynccontextmanager
async def talking(
    described: str, media: MediaPlan = BRIEF
) -> AsyncIterator[tuple[SipPeer, PlacedCall, SipText]]:
    """Give a peer, a call of the phone that it has answered with a description, and its INVITE."""
    async with peer_and_phone(plan=Plan(media=media)) as (peer, phone):
        calling = asyncio.create_task(phone.invite("101"))
        invite = await peer.request("INVITE")
        peer.answer(invite, 200, body=described, tag="far")
        await peer.request("ACK")
        yield peer, await calling, invite


@pytest.fixture
def ears() -> Iterator[list[socket.socket]]:
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for ear in made:
        ear.setblocking(False)
        ear.bind(("127.0.0.1", 0))
    yield made
    for ear in made:
        ear.close()


async def packet_at(ear: socket.socket) -> bytes:
    async with asyncio.timeout(4):
        return await asyncio.get_running_loop().sock_recv(ear, 2048)


@pytest.mark.parametrize(
    ("described", "why"),
    [
        (DESCRIPTION.format(0), "the answer refuses the audio (port 0)"),
        (DESCRIPTION.format(4000) + "a=inactive\r\n", "the answer puts the audio on hold (a=inactive)"),
        (DESCRIPTION.format(4000) + "a=sendonly\r\n", "the answer puts the audio on hold (a=sendonly)"),
        (
            DESCRIPTION.format(4000).replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"),
            "the answer puts the audio on hold, as RFC 2543 did (address 0.0.0.0)",
        ),
        (
            DESCRIPTION.format(4000).replace("c=IN IP4 127.0.0.1", "c=IN IP4 media.example"),
            "the answer names a host to send to, and no address (media.example)",
        ),
        (
            DESCRIPTION.format(4000).replace("RTP/AVP", "RTP/SAVP"),
            "the answer wants the audio encrypted (RTP/SAVP)",
        ),
        ("v=0\r\n", "the answer describes no audio"),
        ("\x00\x00 nothing of the kind", "the answer describes no audio"),
    ],
)
async def test_an_answer_that_lets_no_voice_through_is_no_media_and_says_why(
    described: str, why: str
) -> None:
    async with talking(described) as (_, call, _):
        with pytest.raises(FlowError) as failed:
            call.talk(Hears.VOICE)
    assert (failed.value.code, failed.value.detail) == (FailureCode.NO_MEDIA, why)


async def test_an_announcement_that_takes_nothing_is_listened_to() -> None:
    async with talking(DESCRIPTION.format(4000) + "a=sendonly\r\n") as (_, call, _):
        assert call.talk(Hears.SOUND).sent == 0


@pytest.mark.parametrize("codecs", [("PCMU", "PCMA"), ("PCMA", "PCMU"), ("PCMA",)])
async def test_the_offer_names_the_codecs_that_the_plan_wants(codecs: tuple[str, ...]) -> None:
    numbers = {"PCMU": "0", "PCMA": "8"}
    media = MediaPlan(codecs=codecs)
    async with talking(DESCRIPTION.format(4000), media) as (_, _, invite):
        (line,) = [line for line in invite.body.splitlines() if line.startswith("m=")]
    assert line.split()[3:] == [*(numbers[codec] for codec in codecs), "101"]


async def test_the_speaker_follows_a_reinvite_to_another_port_and_is_silent_while_held(
    ears: list[socket.socket],
) -> None:
    first, second = ears
    async with talking(DESCRIPTION.format(first.getsockname()[1])) as (peer, call, invite):
        talk = call.talk(Hears.VOICE)
        before = read(await packet_at(first))
        moved = DESCRIPTION.format(second.getsockname()[1])
        peer.acknowledge(await peer.response(peer.inside(invite, "INVITE", body=moved)))
        after = read(await packet_at(second))
        assert before is not None
        assert after is not None
        assert before.source == after.source == talk.source
        held = moved + "a=inactive\r\n"
        peer.acknowledge(await peer.response(peer.inside(invite, "INVITE", body=held)))
        sent = talk.sent
        await asyncio.sleep(0.1)
        assert talk.sent == sent
        with pytest.raises(FlowError, match=r"the re-INVITE puts the audio on hold \(a=inactive\)"):
            call.talk(Hears.VOICE)
        peer.acknowledge(await peer.response(peer.inside(invite, "INVITE", body=moved)))
        again = call.talk(Hears.VOICE)
        await asyncio.sleep(0.1)
        assert again.sent


async def test_a_reinvite_that_is_refused_changes_nothing(ears: list[socket.socket]) -> None:
    first, _ = ears
    async with talking(DESCRIPTION.format(first.getsockname()[1])) as (peer, call, invite):
        call.talk(Hears.VOICE)
        for body in ("v=0\r\nm=audio 0 RTP/AVP 0\r\n", "v=0\r\nm=image 4000 udptl t38\r\n", "v=0\r\n"):
            refused = await peer.response(peer.inside(invite, "INVITE", body=body))
            assert refused.status == 488
        while True:
            try:
                first.recv(2048)  # what came until now
            except BlockingIOError:
                break
        assert read(await packet_at(first)) is not None


@pytest.mark.parametrize(("lines", "refused"), [("", True), (EVENTS, False)])
async def test_digits_are_refused_where_the_answer_takes_none(
    ears: list[socket.socket], lines: str, refused: bool
) -> None:
    described = DESCRIPTION.format(ears[0].getsockname()[1]).replace("0 8\r\n", f"0 8 101\r\n{lines}")
    async with talking(described) as (_, call, _):
        talk = call.talk(Hears.VOICE)
        talk.hush()
        if refused:
            with pytest.raises(FlowError) as failed:
                await talk.dial("1")
            assert failed.value.code is FailureCode.NO_DTMF
        else:
            async with asyncio.timeout(4):
                await talk.dial("1")


async def test_an_offer_that_we_can_not_take_is_refused_with_the_reason() -> None:
    async with peer_and_phone(plan=Plan(media=BRIEF)) as (peer, phone):
        offer = DESCRIPTION.format(4000).replace("RTP/AVP", "RTP/SAVP")
        invite = peer.begin("INVITE", body=offer)
        call = await phone.next_call()
        with pytest.raises(FlowError, match=r"no G.711 for us in its offer: it wants the audio encrypted"):
            call.answer()
        assert (await peer.response(invite)).status == 488


async def test_who_is_called_speaks_to_where_the_offer_says_and_names_its_own_number_for_events(
    ears: list[socket.socket],
) -> None:
    offer = DESCRIPTION.format(ears[0].getsockname()[1]).replace("0 8\r\n", "8 0 97\r\n")
    async with peer_and_phone(plan=Plan(media=BRIEF)) as (peer, phone):
        invite = peer.begin("INVITE", body=offer + "a=rtpmap:97 telephone-event/8000\r\n")
        call = await phone.next_call()
        call.answer()
        answer = await peer.response(invite)
        assert " RTP/AVP 8 0 97\r\n" in answer.body
        peer.acknowledge(answer)
        call.talk(Hears.VOICE)
        taken = read(await packet_at(ears[0]))
        assert taken is not None
        assert taken.payload_type == 8


async def test_a_call_that_began_without_an_offer_talks_by_its_ack(ears: list[socket.socket]) -> None:
    async with peer_and_phone(plan=Plan(media=BRIEF)) as (peer, phone):
        invite = peer.begin("INVITE", body="")
        call = await phone.next_call()
        call.answer()
        answer = await peer.response(invite)
        with pytest.raises(FlowError, match="has not described where it takes RTP"):
            call.talk(Hears.VOICE)
        described = DESCRIPTION.format(ears[0].getsockname()[1])
        number = int(answer.get("cseq").split()[0])
        peer.inside(answer, "ACK", number=number, body=described)
        await call.acknowledged()
        call.talk(Hears.VOICE)
        assert read(await packet_at(ears[0])) is not None
