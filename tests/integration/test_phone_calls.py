"""The calls of one phone, against a peer that answers as platforms do, or as none should."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dialtone.model import EventPackage, FailureCode, Plan
from synthetic.agents.legs import SipLeg
from synthetic.agents.placing import PlacedCall
from synthetic.agents.siplib import DISPATCHER
from synthetic.probes.base import FlowError
from tests.fakes.sip_peer import DESCRIPTION, SDP, SipPeer, peer_and_phone, tag_of

pytestmark = pytest.mark.integration


async def placed(peer: SipPeer, phone: Any) -> tuple[PlacedCall, Any]:
    """Return a call of the phone that the peer has answered, and its INVITE."""
    calling = asyncio.create_task(phone.invite("101"))
    invite = await peer.request("INVITE")
    await peer.accept(invite)
    return await calling, invite


async def test_another_branch_that_answers_is_acknowledged_and_hung_up() -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await placed(peer, phone)
        peer.answer(invite, 200, body=SDP, tag="fork")
        ack, bye = await peer.request("ACK"), await peer.request("BYE")
        assert {tag_of(ack.get("to")), tag_of(bye.get("to"))} == {"fork"}
        assert ack.get("cseq").split()[0] == invite.get("cseq").split()[0]
        peer.answer(bye, 200)
        assert call.up
        ending = asyncio.create_task(call.hang_up())
        bye = await peer.request("BYE")
        assert tag_of(bye.get("to")) == "far"
        peer.answer(bye, 200)
        assert (await ending).status == 200


async def test_a_repeated_2xx_is_acknowledged_again_and_nothing_else() -> None:
    async with peer_and_phone() as (peer, phone):
        call, invite = await placed(peer, phone)
        peer.answer(invite, 200, body=SDP, tag="far")  # to the letter
        await peer.request("ACK")
        peer.answer(invite, 200, ("X-Hop", "2"), body=SDP, tag="far")  # as another proxy passes it on
        peer.answer(invite, 200, ("X-Hop", "3"), body=SDP, tag="far")
        first, second = await peer.request("ACK"), await peer.request("ACK")
        assert first == second
        await peer.silence("BYE")
        assert call.up


async def test_provisional_responses_of_several_branches_are_one_call() -> None:
    async with peer_and_phone() as (peer, phone):
        calling = asyncio.create_task(phone.invite("101"))
        invite = await peer.request("INVITE")
        before = phone.progressed
        for status, tag in ((180, "one"), (183, "two"), (180, "three")):
            peer.answer(invite, status, tag=tag)
        await peer.accept(invite, "two")
        call = await calling
        assert (before, phone.progressed) == (False, True)
        assert call.setup.ringing == call.setup.progress
        assert call.setup.ringing is not None


@pytest.mark.parametrize("rings", [True, False])
async def test_an_answer_that_is_faster_than_our_giving_up_is_acknowledged_and_hung_up(rings: bool) -> None:
    async with peer_and_phone() as (peer, phone):
        calling = asyncio.create_task(phone.invite("101"))
        invite = await peer.request("INVITE")
        if rings:
            peer.answer(invite, 180, tag="far")
            await peer.until_taken()
            assert phone.progressed
        calling.cancel()
        leaving = asyncio.create_task(phone.leave())
        await asyncio.sleep(0)
        peer.answer(invite, 200, body=SDP, tag="far")
        await peer.request("ACK")
        bye = await peer.request("BYE")
        peer.answer(bye, 200)
        await leaving


async def test_several_calls_arrive_in_order_and_one_too_many_finds_it_busy() -> None:
    async with peer_and_phone() as (peer, phone):
        invites = [peer.begin("INVITE") for _ in range(5)]
        refused = await peer.response(invites[4])
        assert refused.status == 486
        for invite in invites[:4]:
            call = await phone.next_call()
            call.answer()
            answer = await peer.response(invite)
            assert answer.status == 200
            peer.acknowledge(answer)
            await call.acknowledged()
        ports = {m.body.split("m=audio ")[1].split()[0] for m in peer.all if m.is_response and m.body}
        assert len(ports) == 4


async def test_who_calls_is_told_to_wait_where_nobody_takes_the_call_at_once() -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE")
        assert (await peer.response(invite, 100)).status == 100
        call = await phone.next_call()
        call.ring()
        call.answer()
        assert (await peer.response(invite, 101)).status == 180
        peer.acknowledge(await peer.response(invite))


async def test_a_call_that_rings_at_once_needs_no_100() -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE")
        call = await phone.next_call()
        call.ring()
        call.answer()
        peer.acknowledge(await peer.response(invite))
        await call.acknowledged()
        assert [m.status for m in peer.all if m.is_response and "INVITE" in m.get("cseq")] == [180, 200]


@pytest.mark.parametrize(
    "written", ["<tel:+1-514-555-0100;phone-context=acme.example>", '"A, B" <tel:101>', "tel:+15145550100"]
)
async def test_a_call_from_a_number_is_taken_and_its_bye_goes_to_that(written: str) -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE", sender=f"{written};tag=far")
        async with asyncio.timeout(4):
            call = await phone.next_call()
        call.answer()
        answer = await peer.response(invite)
        uri = written.partition("<")[2] or f"{written}>"
        assert (answer.status, tag_of(answer.get("from"))) == (200, "far")
        assert f"<{uri};tag=" in answer.get("from")
        peer.acknowledge(answer)
        await call.acknowledged()
        ending = asyncio.create_task(call.hang_up())
        bye = await peer.request("BYE")
        assert f"<{uri};tag=far" in bye.get("to")
        peer.answer(bye, 200)
        assert (await ending).status == 200


@pytest.mark.parametrize(("number", "ours"), [("101", True), ("1-0-1", True), ("102", False)])
async def test_a_call_without_mark_is_known_by_the_number_that_it_comes_from(number: str, ours: bool) -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE", mark=False, sender=f"<tel:{number}>;tag=far")
        if ours:
            async with asyncio.timeout(4):
                await phone.next_call()
        else:
            assert (await peer.response(invite)).status == 486
        assert phone.turned_away == (not ours)


async def test_a_contact_that_is_a_number_leads_nowhere() -> None:
    async with peer_and_phone() as (peer, _):
        invite = peer.begin("INVITE", contact="<tel:101>")
        assert (await peer.response(invite)).status == 400


async def test_one_invite_on_two_ways_is_one_call() -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE")
        await phone.next_call()
        again = type(invite)(invite.first, list(invite.headers), invite.body)
        again.headers[0] = ("Via", f"SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bKother")
        peer.send(again)
        assert (await peer.response(again)).status == 482


@pytest.mark.parametrize("ours", [True, False])
async def test_a_reinvite_is_answered_and_moves_where_we_send(ours: bool) -> None:
    async with peer_and_phone() as (peer, phone):
        call: SipLeg
        if ours:
            call, about = await placed(peer, phone)
        else:
            invite = peer.begin("INVITE")
            call = incoming = await phone.next_call()
            incoming.answer()
            about = await peer.response(invite)
            peer.acknowledge(about)
        offer = DESCRIPTION.format(4000) + "a=sendonly\r\n"
        reinvite = peer.inside(about, "INVITE", body=offer)
        answer = await peer.response(reinvite)
        assert answer.status == 200
        assert "a=recvonly" in answer.body
        peer.acknowledge(answer)
        assert call.media is not None
        assert call.media._stream.address == ("127.0.0.1", 4000)  # type: ignore[union-attr]
        without = peer.inside(about, "INVITE")
        answer = await peer.response(without)
        assert "m=audio" in answer.body
        refused = peer.inside(about, "INVITE", body="v=0\r\nm=audio 4 RTP/AVP 18\r\n")
        assert (await peer.response(refused)).status == 488


async def test_a_call_that_takes_anothers_place_ends_it() -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE")
        old = await phone.next_call()
        old.answer()
        answer = await peer.response(invite)
        peer.acknowledge(answer)
        named = (
            f"{invite.get('call-id')};from-tag={tag_of(invite.get('from'))};to-tag={tag_of(answer.get('to'))}"
        )
        early = peer.begin("INVITE", ("Replaces", f"{named};early-only"))
        assert (await peer.response(early)).status == 486
        second = peer.begin("INVITE", ("Replaces", named))
        new = await phone.next_call()
        assert new.replacing is old
        before = old.replaced
        new.answer()
        assert (before, old.replaced) == (False, True)
        bye = await peer.request("BYE")
        assert bye.get("call-id") == invite.get("call-id")
        peer.answer(bye, 200)
        await old.ended()
        assert (await peer.response(second)).status == 200
        late = peer.begin("INVITE", ("Replaces", named))
        assert (await peer.response(late)).status == 603


@pytest.mark.parametrize(
    ("replaces", "status"),
    [
        ("nobody;from-tag=a;to-tag=b", 481),
        ("peer-1;from-tag=p1;to-tag=wrong", 481),
        ("only-a-call-id", 400),
        ("a b;from-tag=1;to-tag=2", 400),
        (";;;", 400),
    ],
)
async def test_a_call_that_would_replace_nothing_of_ours_is_refused(replaces: str, status: int) -> None:
    async with peer_and_phone() as (peer, phone):
        peer.begin("INVITE")
        await phone.next_call()
        invite = peer.begin("INVITE", ("Replaces", replaces))
        assert (await peer.response(invite)).status == status


async def test_a_strangers_replaces_is_refused_as_every_call_of_a_stranger() -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE", ("Replaces", "x;from-tag=a;to-tag=b"), mark=False)
        assert (await peer.response(invite)).status == 486
        assert phone.turned_away == 1


async def test_the_trunks_side_calls_from_its_own_address_with_the_plans_headers() -> None:
    plan = Plan(caller_id="15145550100", headers=(("X-Billing", "none, please"),))
    async with peer_and_phone(plan=plan, trunk=True) as (peer, phone):
        calling = asyncio.create_task(phone.invite("6100"))
        invite = await peer.request("INVITE")
        assert "<sip:15145550100@127.0.0.1>" in invite.get("from")
        assert invite.first == "INVITE sip:6100@acme.example SIP/2.0"
        assert ("X-Billing", "none, please") in invite.headers
        peer.answer(invite, 407, ("Proxy-Authenticate", 'Digest realm="r", nonce="n"'))
        with pytest.raises(FlowError, match="has no account") as refused:
            await calling
        assert refused.value.code is FailureCode.AUTH


async def test_any_final_status_answers_options_a_challenge_too() -> None:
    async with peer_and_phone(trunk=True) as (peer, phone):
        asking = asyncio.create_task(phone.options())
        request = await peer.request("OPTIONS")
        assert request.first == f"OPTIONS sip:127.0.0.1:{peer.port} SIP/2.0"
        peer.answer(request, 401, ("WWW-Authenticate", 'Digest realm="r", nonce="n"'))
        assert (await asking).status == 401


@pytest.mark.parametrize(
    ("target", "server"),
    [
        ("sip:core.example:5070;transport=tcp", "sip:core.example:5070;transport=tcp"),
        ("sip:[2001:db8::1]", "sip:[2001:db8::1]"),
    ],
)
async def test_options_are_for_the_target_and_not_for_the_proxy_on_the_way(target: str, server: str) -> None:
    plan = Plan(outbound_proxy="sip:edge.example")
    async with peer_and_phone(plan=plan, target=target, trunk=True) as (peer, phone):
        asking = asyncio.create_task(phone.options())
        request = await peer.request("OPTIONS")
        assert request.first == f"OPTIONS {server} SIP/2.0"
        peer.answer(request, 200)
        await asking


async def test_a_proxy_on_the_way_is_in_the_route_before_the_target() -> None:
    plan = Plan(outbound_proxy="sip:edge.example;transport=udp")
    async with peer_and_phone(plan=plan, target="sip:core.example:5070") as (peer, phone):
        asking = asyncio.create_task(phone.register())
        request = await peer.request("REGISTER")
        assert request.all("route") == ["<sip:edge.example;transport=udp;lr>", "<sip:core.example:5070;lr>"]
        peer.answer(request, 200)
        await asking


@pytest.mark.parametrize(
    ("minimum", "passes"), [("120", True), ("30", False), ("99999", False), ("x", False)]
)
async def test_a_binding_that_is_too_brief_is_asked_for_once_more(minimum: str, passes: bool) -> None:
    async with peer_and_phone() as (peer, phone):
        asking = asyncio.create_task(phone.register())
        first = await peer.request("REGISTER")
        peer.answer(first, 423, ("Min-Expires", minimum))
        if passes:
            second = await peer.request("REGISTER")
            assert second.get("expires") == "120"
            assert int(second.get("cseq").split()[0]) > int(first.get("cseq").split()[0])
            peer.answer(second, 200)
            assert (await asking).status == 200
        else:
            with pytest.raises(FlowError, match="423") as refused:
                await asking
            assert refused.value.code is FailureCode.SIP_4XX


async def test_what_is_put_up_outlives_a_long_probe() -> None:
    async with peer_and_phone(lasts=179.5) as (peer, phone):
        asking: dict[str, Callable[[], Awaitable[object]]] = {
            "REGISTER": lambda: phone.register(),
            "PUBLISH": lambda: phone.publish("open"),
            "SUBSCRIBE": lambda: phone.subscribe("101", EventPackage.PRESENCE),
        }
        for method, ask in asking.items():
            waiting = asyncio.ensure_future(ask())
            request = await peer.request(method)
            assert request.get("expires") == "180"
            peer.answer(request, 200, ("SIP-ETag", "x"))
            await waiting


async def test_our_binding_is_known_among_others_and_garbage() -> None:
    async with peer_and_phone() as (peer, phone):
        asking = asyncio.create_task(phone.bindings())
        request = await peer.request("REGISTER")
        assert not request.all("contact")
        host, port = phone.manager.endpoint.local
        others = f"<sip:100@192.0.2.1>, <sip:100@{host}:{port};ob>;expires=9, <nonsense:::>"
        peer.answer(request, 200, ("Contact", others))
        shown = await asking
        assert (shown.ours, shown.count) == (True, 3)


async def test_our_binding_is_known_by_the_address_that_the_front_sees_us_at() -> None:
    async with peer_and_phone() as (peer, phone):
        for there in ("198.51.100.9:40404", "198.51.100.9:40405", "[2001:DB8::0:9]:40404"):
            asking = asyncio.create_task(phone.bindings())
            request = await peer.request("REGISTER")
            answer = request.reply(200, "OK", ("Contact", f"<sip:100@{there}>"))
            address = "2001:db8::9" if there.startswith("[") else "198.51.100.9"
            via = f"{request.get('via').replace(';rport', '')};received={address};rport=40404"
            answer.headers = [(n, via if n.lower() == "via" else v) for n, v in answer.headers]
            peer.send(answer)
            assert (await asking).ours is there.endswith("40404")


async def test_a_binding_whose_removal_was_not_answered_is_taken_back_again() -> None:
    async with peer_and_phone() as (peer, phone):
        asking = asyncio.create_task(phone.register())
        peer.answer(await peer.request("REGISTER"), 200)
        await asking
        removing = asyncio.create_task(phone.unregister())
        first = await peer.request("REGISTER")
        removing.cancel()  # as the probe's deadline does
        leaving = asyncio.create_task(phone.leave())
        second = await peer.request("REGISTER")
        assert (first.get("expires"), second.get("expires")) == ("0", "0")
        assert second.get("cseq") != first.get("cseq")
        peer.answer(second, 200)
        await leaving


async def test_a_cancelled_call_ends_in_the_dialog_that_rang() -> None:
    async with peer_and_phone() as (peer, phone):
        invite = peer.begin("INVITE")
        (await phone.next_call()).ring()
        headers = [
            (name, value) for name, value in invite.headers if name in ("Via", "From", "To", "Call-ID")
        ]
        number = ("CSeq", f"{invite.get('cseq').split()[0]} CANCEL")
        peer.send(type(invite)(invite.first.replace("INVITE", "CANCEL"), [*headers, number]))
        ended = await peer.response(invite)
        assert ended.status == 487
        (ringing,) = [m for m in peer.all if m.is_response and m.status == 180]
        assert tag_of(ended.get("to")) == tag_of(ringing.get("to"))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKwrong"),
        ("CSeq", "77 REGISTER"),
        ("CSeq", "1 OPTIONS"),
        ("From", "<sip:100@acme.example>;tag=somebody-else"),
        ("Call-ID", "another"),
    ],
)
async def test_a_response_to_something_else_is_no_answer(header: str, value: str) -> None:
    async with peer_and_phone() as (peer, phone):
        asking = asyncio.create_task(phone.register())
        request = await peer.request("REGISTER")
        wrong = request.reply(200, "OK")
        wrong.headers = [(n, value if n.lower() == header.lower() else v) for n, v in wrong.headers]
        peer.send(wrong)
        await asyncio.wait([asking], timeout=0.1)
        assert not asking.done()
        peer.answer(request, 200)
        assert (await asking).status == 200


async def test_nothing_of_a_phone_is_left_after_it_has_left() -> None:
    timers, tasks = DISPATCHER.live, asyncio.all_tasks()
    async with peer_and_phone() as (peer, phone):
        call, _ = await placed(peer, phone)
        call.speak()
        peer.begin("INVITE")
        (await phone.next_call()).ring()
        leaving = asyncio.create_task(phone.leave())
        peer.answer(await peer.request("BYE"), 200)
        await leaving
        answers = [m.status for m in peer.all if m.is_response]
        assert answers[-1] == 480
    await asyncio.sleep(0)
    assert DISPATCHER.live == timers
    assert asyncio.all_tasks() == tasks
    assert call.media is not None
    assert call.media._socket.fileno() == -1
