"""Transfers: three phones of ours through a server that is a proxy and no more, and one against a peer."""

import asyncio
from typing import Any

import pytest

from dialtone.model import Evidence, FailureCode, Flow
from lab.faults.message import SipText
from synthetic.agents.placing import PlacedCall
from synthetic.agents.siplib import DISPATCHER
from synthetic.probes.base import FlowError
from synthetic.probes.runner import Report
from tests.fakes.sip_peer import SDP, SipPeer, peer_and_phone, tag_of
from tests.fakes.sip_probes import a_request, an_account, run_here
from tests.fakes.sip_server import SipServer

pytestmark = pytest.mark.integration

THREE = {"100": "first-secret", "101": "second-secret", "102": "third-secret"}
FRAG = "message/sipfrag;version=2.0"


async def transfer(flow: Flow) -> tuple[Report, Evidence, SipServer]:
    """Run a transfer of three accounts."""
    accounts = tuple(an_account(user, password=password) for user, password in THREE.items())
    async with SipServer(THREE) as server:
        report, evidence = await run_here(a_request(flow, server.target, accounts=accounts))
    return report, evidence, server


async def test_a_blind_transfer_through_a_proxy_reaches_the_target() -> None:
    report, _, server = await transfer(Flow.BLIND_TRANSFER)
    assert report.failure is None
    assert {"transfer_delay", "notify_delay"} <= set(report.timings)
    assert server.bindings == {}


async def test_an_attended_transfer_through_a_proxy_replaces_the_consultation_and_is_heard() -> None:
    before = DISPATCHER.live
    report, evidence, server = await transfer(Flow.ATTENDED_TRANSFER)
    assert report.failure is None
    assert any("Replaces: " in m.text for m in evidence.messages if m.text.startswith("INVITE"))
    assert "target hears the transferee" in {mark.name for mark in evidence.marks}
    assert server.bindings == {}
    assert DISPATCHER.live == before


async def talking(peer: SipPeer, phone: Any, user: str = "101") -> tuple[PlacedCall, SipText]:
    """Return a call that the peer has answered, and its INVITE."""
    calling = asyncio.create_task(phone.invite(user))
    invite = await peer.request("INVITE")
    await peer.accept(invite, f"far-{user}")
    return await calling, invite


def told(
    peer: SipPeer, about: SipText, line: str, state: str, event: str = "refer", number: int = 0
) -> SipText:
    """Send the NOTIFY of a transfer."""
    headers = (("Event", event), ("Subscription-State", state), ("Content-Type", FRAG))
    return peer.inside(about, "NOTIFY", *headers, body=f"{line}\r\n", number=number, tag="far-101")


async def test_refer_with_replaces_names_the_far_ends_dialog_the_far_ends_way() -> None:
    async with peer_and_phone() as (peer, phone):
        first, _ = await talking(peer, phone)
        second, consulted = await talking(peer, phone, "102")
        asking = asyncio.create_task(first.refer("102", replaces=second))
        refer = await peer.request("REFER")
        call_id, ours = consulted.get("call-id"), tag_of(consulted.get("from"))
        assert refer.get("refer-to") == (
            f"<sip:102@acme.example?Replaces={call_id}%3Bto-tag%3Dfar-102%3Bfrom-tag%3D{ours}>"
        )
        peer.answer(refer, 202)
        assert (await asking).accepted.status == 202


@pytest.mark.parametrize("state", ["terminated;reason=noresource", "active;expires=9"])
@pytest.mark.parametrize("status", [200, 486])
async def test_the_final_status_is_the_fragments_whatever_the_state(status: int, state: str) -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await talking(peer, phone)
        asking = asyncio.create_task(call.refer("102"))
        refer = await peer.request("REFER")
        early = told(peer, invite, "SIP/2.0 100 Trying", "active;expires=60")  # before the 202
        assert (await peer.response(early)).status == 200
        peer.answer(refer, 202)
        referral = await asking
        told(peer, invite, f"SIP/2.0 {status} Said", state)
        verdict = await referral.final()
        assert (verdict.status, verdict.terminated) == (status, state.startswith("terminated"))
        again = told(peer, invite, "SIP/2.0 503 Changed My Mind", "terminated")
        assert (await peer.response(again)).status == 200
        assert (await referral.final()).status == status


async def test_a_notify_that_another_one_overtook_is_not_refused_and_the_final_one_counts() -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await talking(peer, phone)
        asking = asyncio.create_task(call.refer("102"))
        peer.answer(await peer.request("REFER"), 202)
        referral = await asking
        for line, number in (("180 Ringing", 502), ("100 Trying", 501)):
            early = told(peer, invite, f"SIP/2.0 {line}", "active;expires=60", number=number)
            assert (await peer.response(early)).status == 200
        told(peer, invite, "SIP/2.0 200 OK", "terminated", number=503)
        assert (await referral.final()).status == 200
        behind = told(peer, invite, "SIP/2.0 180 Ringing", "active;expires=60", number=502)
        assert (await peer.response(behind)).status == 200
        assert (await referral.final()).status == 200


@pytest.mark.parametrize("line", ["SIP/2.0 100 Trying", "garbage", ""])
async def test_a_subscription_that_ends_without_a_final_status_says_so(line: str) -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await talking(peer, phone)
        asking = asyncio.create_task(call.refer("102"))
        peer.answer(await peer.request("REFER"), 202)
        referral = await asking
        told(peer, invite, line, "terminated;reason=timeout")
        with pytest.raises(FlowError, match="without a final status") as failed:
            await referral.final()
        assert failed.value.code is FailureCode.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(
    ("event", "line", "status"),
    [
        ("refer;id=4711", "SIP/2.0 200 OK", 481),
        ("presence", "SIP/2.0 200 OK", 489),
        ("refer", "SIP/2.0 2000 OK", 400),
        ("refer", "HTTP/1.1 200 OK", 400),
    ],
)
async def test_a_notify_of_something_else_ends_no_transfer(event: str, line: str, status: int) -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await talking(peer, phone)
        asking = asyncio.create_task(call.refer("102"))
        refer = await peer.request("REFER")
        peer.answer(refer, 202)
        referral = await asking
        wrong = told(peer, invite, line, "active", event)
        assert (await peer.response(wrong)).status == status
        right = f"refer;id={refer.get('cseq').split()[0]}"
        told(peer, invite, "SIP/2.0 200 OK", "terminated", right)
        assert (await referral.final()).status == 200


async def test_a_notify_after_the_transferors_bye_still_counts() -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await talking(peer, phone)
        asking = asyncio.create_task(call.refer("102"))
        peer.answer(await peer.request("REFER"), 202)
        referral = await asking
        ending = asyncio.create_task(call.hang_up())
        peer.answer(await peer.request("BYE"), 200)
        await ending
        told(peer, invite, "SIP/2.0 200 OK", "terminated")
        assert (await referral.final()).status == 200


@pytest.mark.parametrize("status", [302, 403, 404, 481, 503, 603])
async def test_every_refusal_of_refer_is_a_refused_transfer(status: int) -> None:
    async with peer_and_phone() as (peer, phone):
        call, _ = await talking(peer, phone)
        asking = asyncio.create_task(call.refer("102"))
        challenged = await peer.request("REFER")
        peer.answer(challenged, 407, ("Proxy-Authenticate", 'Digest realm="r", nonce="n"'))
        refer = await peer.request("REFER")
        assert refer.all("proxy-authorization")
        peer.answer(refer, status)
        with pytest.raises(FlowError, match=str(status)) as refused:
            await asking
        assert (refused.value.code, refused.value.status) == (FailureCode.TRANSFER_REFUSED, status)


async def test_a_refer_to_our_phone_is_followed_and_its_end_told() -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await talking(peer, phone)
        call.speak()
        replaces = "Replaces=abc%40x%3Bto-tag%3Dt%3Bfrom-tag%3Df"
        refer = peer.inside(
            invite, "REFER", ("Refer-To", f"<sip:102@ACME.example?{replaces}>"), tag="far-101"
        )
        assert (await peer.response(refer)).status == 202
        trying = await peer.request("NOTIFY")
        assert (trying.body, trying.get("content-type")) == ("SIP/2.0 100 Trying\r\n", FRAG)
        peer.answer(trying, 200)
        placed = await peer.request("INVITE")
        assert placed.get("replaces") == "abc@x;to-tag=t;from-tag=f"
        assert placed.get("x-dialtone-probe") == "r1"
        await peer.accept(placed)
        final = await peer.request("NOTIFY")
        assert final.body == "SIP/2.0 200 OK\r\n"
        assert final.get("subscription-state").startswith("terminated")
        peer.answer(final, 200)
        assert call.replaced
        assert len({m.body.split("m=audio ")[1][:6] for m in (invite, placed)}) == 1


async def test_a_followed_refer_that_fails_tells_why() -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await talking(peer, phone)
        refer = peer.inside(invite, "REFER", ("Refer-To", "sip:102@acme.example"), tag="far-101")
        assert (await peer.response(refer)).status == 202
        peer.answer(await peer.request("INVITE"), 486)
        final = await peer.request("NOTIFY")
        while "100" in final.body:
            final = await peer.request("NOTIFY")
        assert final.body == "SIP/2.0 486 Said\r\n"
        assert not call.replaced


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("Refer-To", "<sip:102@elsewhere.example>"),), 603),
        ((("Refer-To", "<sip:102@acme.example;method=BYE>"),), 603),
        ((("Refer-To", "<sip:acme.example>"),), 603),
        ((("Refer-To", "<sip:1%0d%0aX@acme.example>"),), 603),
        ((("Refer-To", "<tel:+15145550100>"),), 603),
        (
            (("Refer-To", "<sip:102@acme.example?Replaces=x%0d%0aEvil%3Ayes%3Bto-tag%3Da%3Bfrom-tag%3Db>"),),
            400,
        ),
        ((("Refer-To", "<<<"),), 400),
        ((), 400),
        ((("Refer-To", "<sip:102@acme.example>"), ("Refer-To", "<sip:103@acme.example>")), 400),
    ],
)
async def test_a_refer_that_leads_away_or_nowhere_is_not_followed(
    headers: tuple[tuple[str, str], ...], status: int
) -> None:
    async with peer_and_phone() as (peer, phone):
        _, invite = await talking(peer, phone)
        refer = peer.inside(invite, "REFER", *headers, tag="far-101")
        assert (await peer.response(refer)).status == status
        await peer.silence("NOTIFY")


async def test_a_refer_outside_any_call_is_refused() -> None:
    async with peer_and_phone() as (peer, _):
        refer = peer.begin("REFER", ("Refer-To", "<sip:102@acme.example>"), body="")
        assert (await peer.response(refer)).status == 405
        assert SDP not in refer.body
