"""What a phone publishes and watches, against a peer that says what presence servers say, or should not."""

import asyncio
import re
from typing import Any

import pytest

from dialtone.model import EventPackage, FailureCode
from lab.faults.message import SipText
from synthetic.agents.intake import MAX_LINES, MAX_SEPARATORS
from synthetic.agents.watching import MAX_WAITING, SipSubscription
from synthetic.presence_documents import DIALOG_INFO, PIDF, own_tuple, pidf
from synthetic.probes.base import FlowError
from tests.fakes.sip_peer import PROBE, SipPeer, peer_and_phone

pytestmark = pytest.mark.integration

OPEN, CLOSED = pidf("sip:101@acme.example", "open"), pidf("sip:101@acme.example", "closed")
CONFIRMED = (
    '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:a@b">'
    '<dialog id="1"><state>confirmed</state></dialog></dialog-info>'
)


def notify(peer: SipPeer, about: SipText, body: str = OPEN, **changes: Any) -> SipText:
    """Send a NOTIFY of the subscription that the request began."""
    state = changes.pop("state", "active;expires=60")
    headers = [("Event", changes.pop("event", "presence"))]
    headers += [("Subscription-State", state)] if state else []
    headers += [("Content-Type", changes.pop("kind", PIDF))] if body else []
    return peer.inside(about, "NOTIFY", *headers, body=body, **changes)


async def subscribed(
    peer: SipPeer, phone: Any, event: EventPackage = EventPackage.PRESENCE
) -> tuple[SipSubscription, SipText]:
    """Return a subscription that the peer has accepted, and its SUBSCRIBE."""
    asking = asyncio.create_task(phone.subscribe("101", event))
    request = await peer.request("SUBSCRIBE")
    peer.answer(request, 200, ("Expires", "60"), tag="far")
    return await asking, request


async def test_a_notify_that_overtakes_the_200_counts() -> None:
    async with peer_and_phone() as (peer, phone):
        asking = asyncio.create_task(phone.subscribe("101", EventPackage.PRESENCE))
        request = await peer.request("SUBSCRIBE")
        assert (request.get("event"), request.get("accept")) == ("presence", PIDF)
        told = notify(peer, request)
        assert (await peer.response(told)).status == 200
        peer.answer(request, 200, tag="far")
        subscription = await asking
        notified = await subscription.notified()
        assert (notified.state, notified.active, notified.problem) == ("open", True, "")


async def test_a_dialog_subscription_reads_dialog_info() -> None:
    async with peer_and_phone() as (peer, phone):
        subscription, request = await subscribed(peer, phone, EventPackage.DIALOG)
        notify(peer, request, CONFIRMED, event="dialog", kind=DIALOG_INFO)
        assert (await subscription.notified()).state == "confirmed"


async def test_what_this_run_has_published_counts_before_what_another_left_behind() -> None:
    stale = '<tuple id="dialtone-dead"><status><basic>open</basic></status></tuple></presence>'
    async with peer_and_phone() as (peer, phone):
        subscription, request = await subscribed(peer, phone)
        ours = pidf("sip:101@acme.example", "closed", own_tuple(PROBE))
        notify(peer, request, ours.replace("</presence>", stale))
        assert (await subscription.notified()).state == "closed"
        notify(peer, request, CLOSED.replace("</presence>", stale))
        assert (await subscription.notified()).state == "open"


async def test_a_dialog_info_with_many_attributes_is_no_nonsense() -> None:
    dialogs = "".join(
        f'<dialog id="{n}" call-id="c" local-tag="a">\n<state>terminated</state>\n</dialog>\n'
        for n in range(140)
    )
    async with peer_and_phone() as (peer, phone):
        subscription, request = await subscribed(peer, phone, EventPackage.DIALOG)
        body = CONFIRMED.replace("</dialog-info>", f"{dialogs}</dialog-info>")
        assert body.count('"') > MAX_SEPARATORS
        assert body.count("\n") > MAX_LINES
        told = notify(peer, request, body, event="dialog", kind=DIALOG_INFO)
        assert (await peer.response(told)).status == 200
        assert (await subscription.notified()).state == "confirmed"


async def test_notifies_are_given_in_order_and_an_old_one_is_refused() -> None:
    async with peer_and_phone() as (peer, phone):
        subscription, request = await subscribed(peer, phone)
        notify(peer, request, CLOSED, number=10)
        late = notify(peer, request, OPEN, number=9)
        assert (await peer.response(late)).status == 500
        notify(peer, request, OPEN, number=11)
        assert [(await subscription.notified()).state for _ in range(2)] == ["closed", "open"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"tag": "another-branch"}, 481),
        ({"event": "dialog"}, 489),
        ({"event": ""}, 489),
        ({"state": ""}, 400),
    ],
)
async def test_a_notify_of_something_else_is_refused_and_tells_nothing(
    changes: dict[str, str], status: int
) -> None:
    async with peer_and_phone() as (peer, phone):
        subscription, request = await subscribed(peer, phone)
        wrong = notify(peer, request, CLOSED, **changes)
        assert (await peer.response(wrong)).status == status
        notify(peer, request, OPEN)
        assert (await subscription.notified()).state == "open"


async def test_a_notify_that_nobody_asked_for_is_not_known() -> None:
    async with peer_and_phone() as (peer, _):
        unasked = peer.begin("NOTIFY", ("Event", "message-summary"), body="")
        assert (await peer.response(unasked)).status == 481


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("<presence", PIDF, "no XML"),
        ("<!DOCTYPE x [<!ENTITY e 'e'>]><x>&e;</x>", PIDF, "document type"),
        (CONFIRMED, PIDF, "no presence"),
        (OPEN, "text/plain", "text/plain"),
    ],
)
async def test_a_document_that_can_not_be_read_is_a_problem_and_no_state(
    body: str, kind: str, said: str
) -> None:
    async with peer_and_phone() as (peer, phone):
        subscription, request = await subscribed(peer, phone)
        told = notify(peer, request, body, kind=kind)
        assert (await peer.response(told)).status == 200
        notified = await subscription.notified()
        assert notified.state is None
        assert said in notified.problem


async def test_a_flood_of_notifies_keeps_the_newest_few() -> None:
    async with peer_and_phone() as (peer, phone):
        subscription, request = await subscribed(peer, phone)
        for _ in range(200):
            last = notify(peer, request, CLOSED)
            await asyncio.sleep(0)
        last = notify(peer, request, OPEN)
        await peer.response(last)
        states = [(await subscription.notified()).state for _ in range(MAX_WAITING)]
        assert states == ["closed"] * (MAX_WAITING - 1) + ["open"]


async def test_unsubscribing_is_a_subscribe_in_the_dialog_and_leaving_does_not_repeat_it() -> None:
    async with peer_and_phone() as (peer, phone):
        subscription, first = await subscribed(peer, phone)
        ending = asyncio.create_task(subscription.unsubscribe())
        request = await peer.request("SUBSCRIBE")
        assert (request.get("expires"), request.get("event")) == ("0", "presence")
        assert request.get("to").endswith(";tag=far")
        peer.answer(request, 200)
        await ending
        notify(peer, first, "", state="terminated;reason=timeout")
        notified = await subscription.notified()
        assert (notified.active, notified.reason, notified.state) == (False, "timeout", None)
        await phone.leave()
        assert [m.method for m in peer.all if not m.is_response] == ["SUBSCRIBE", "SUBSCRIBE"]


async def test_leaving_ends_what_is_watched_and_published() -> None:
    async with peer_and_phone() as (peer, phone):
        await subscribed(peer, phone)
        publishing = asyncio.create_task(phone.publish("open"))
        peer.answer(await peer.request("PUBLISH"), 200, ("SIP-ETag", "tag.1"))
        await publishing
        leaving = asyncio.create_task(phone.leave())
        ended = await peer.request("SUBSCRIBE")
        peer.answer(ended, 481)  # it is gone: as good
        taken = await peer.request("PUBLISH")
        assert (taken.get("expires"), taken.get("sip-if-match"), taken.body) == ("0", "tag.1", "")
        peer.answer(taken, 200, ("SIP-ETag", "tag.2"))
        await leaving


async def test_a_publication_is_changed_by_its_tag_and_begun_anew_where_that_is_forgotten() -> None:
    async with peer_and_phone() as (peer, phone):
        publishing = asyncio.create_task(phone.publish("open"))
        first = await peer.request("PUBLISH")
        assert first.first == "PUBLISH sip:100@acme.example SIP/2.0"
        assert not first.all("sip-if-match")
        document = pidf("sip:100@acme.example", "open", own_tuple(PROBE))
        assert (first.get("content-type"), first.body) == (PIDF, document)
        peer.answer(first, 200, ("SIP-ETag", "one"))
        await publishing
        publishing = asyncio.create_task(phone.publish("closed"))
        second = await peer.request("PUBLISH")
        assert second.get("sip-if-match") == "one"
        peer.answer(second, 412)
        third = await peer.request("PUBLISH")
        assert not third.all("sip-if-match")
        peer.answer(third, 200, ("SIP-ETag", "two"))
        assert (await publishing).status == 200


async def interrupted(peer: SipPeer, phone: Any) -> tuple[SipText, asyncio.Task[None]]:
    """Publish closed, then open, and give that up; return its request, and the phone's leaving."""
    publishing = asyncio.create_task(phone.publish("closed"))
    peer.answer(await peer.request("PUBLISH"), 200, ("SIP-ETag", "one"))
    await publishing
    publishing = asyncio.create_task(phone.publish("open"))
    change = await peer.request("PUBLISH")
    publishing.cancel()
    await asyncio.wait([publishing])
    return change, asyncio.create_task(phone.leave())


@pytest.mark.parametrize("answered_first", [True, False])
async def test_a_change_whose_answer_came_too_late_is_taken_back_all_the_same(answered_first: bool) -> None:
    async with peer_and_phone() as (peer, phone):
        change, leaving = await interrupted(peer, phone)
        if answered_first:
            peer.answer(change, 200, ("SIP-ETag", "two"))
        removal = await peer.request("PUBLISH")
        assert (removal.get("expires"), removal.get("sip-if-match")) == ("0", "one")
        peer.answer(removal, 412)
        if not answered_first:
            peer.answer(change, 200, ("SIP-ETag", "two"))
        removal = await peer.request("PUBLISH")
        assert (removal.get("expires"), removal.get("sip-if-match")) == ("0", "two")
        peer.answer(removal, 200, ("SIP-ETag", "three"))
        await leaving


async def test_a_change_that_was_overtaken_by_its_removal_is_not_waited_for() -> None:
    async with peer_and_phone() as (peer, phone):
        _, leaving = await interrupted(peer, phone)
        peer.answer(await peer.request("PUBLISH"), 200, ("SIP-ETag", "two"))
        async with asyncio.timeout(4):
            await leaving
        assert len([m for m in peer.all if m.method == "PUBLISH"]) == 3


async def test_a_first_publication_whose_answer_came_too_late_is_taken_back() -> None:
    async with peer_and_phone() as (peer, phone):
        publishing = asyncio.create_task(phone.publish("closed"))
        first = await peer.request("PUBLISH")
        publishing.cancel()
        await asyncio.wait([publishing])
        leaving = asyncio.create_task(phone.leave())
        peer.answer(first, 200, ("SIP-ETag", "one"))
        removal = await peer.request("PUBLISH")
        assert (removal.get("expires"), removal.get("sip-if-match")) == ("0", "one")
        peer.answer(removal, 200)
        await leaving


async def test_a_publication_that_the_server_has_forgotten_is_taken_back_once() -> None:
    async with peer_and_phone() as (peer, phone):
        publishing = asyncio.create_task(phone.publish("closed"))
        peer.answer(await peer.request("PUBLISH"), 200, ("SIP-ETag", "one"))
        await publishing
        leaving = asyncio.create_task(phone.leave())
        peer.answer(await peer.request("PUBLISH"), 412)
        async with asyncio.timeout(4):
            await leaving
        assert [m.method for m in peer.all] == ["PUBLISH", "PUBLISH"]


async def test_a_publication_that_failed_by_itself_is_not_waited_for() -> None:
    async with peer_and_phone() as (peer, phone):
        publishing = asyncio.create_task(phone.publish("closed"))
        await peer.request("PUBLISH")
        phone.manager.give_up(FlowError(FailureCode.CONNECT, "the connection was closed"))
        with pytest.raises(FlowError, match="was closed"):
            await publishing
        await phone.leave()


@pytest.mark.parametrize("status", [403, 412])
async def test_a_publication_that_was_refused_is_not_taken_back(status: int) -> None:
    async with peer_and_phone() as (peer, phone):
        publishing = asyncio.create_task(phone.publish("open"))
        peer.answer(await peer.request("PUBLISH"), status)
        with pytest.raises(FlowError):
            await publishing
        await phone.leave()
        assert [m.method for m in peer.all] == ["PUBLISH"]


async def test_a_2xx_to_subscribe_without_a_tag_is_unexpected() -> None:
    async with peer_and_phone() as (peer, phone):
        asking = asyncio.create_task(phone.subscribe("101", EventPackage.PRESENCE))
        request = await peer.request("SUBSCRIBE")
        untagged = request.reply(200, "OK", peer.contact, ("Expires", "60"))
        untagged.headers[:] = [
            (name, re.sub(";tag=.*", "", value) if name.lower() == "to" else value)
            for name, value in untagged.headers
        ]
        peer.send(untagged)
        with pytest.raises(FlowError, match="without a To tag") as failed:
            await asking
        assert failed.value.code is FailureCode.UNEXPECTED_MESSAGE
        await phone.leave()


@pytest.mark.parametrize("tag", [(), (("SIP-ETag", ""),), (("SIP-ETag", "a b"),), (("SIP-ETag", "x" * 300),)])
async def test_a_2xx_to_publish_without_a_tag_is_unexpected(tag: tuple[tuple[str, str], ...]) -> None:
    async with peer_and_phone() as (peer, phone):
        publishing = asyncio.create_task(phone.publish("open"))
        peer.answer(await peer.request("PUBLISH"), 200, *tag)
        with pytest.raises(FlowError, match="SIP-ETag") as failed:
            await publishing
        assert failed.value.code is FailureCode.UNEXPECTED_MESSAGE


@pytest.mark.parametrize(("status", "code"), [(403, "sip-4xx"), (489, "sip-4xx"), (500, "sip-5xx")])
async def test_a_subscription_that_is_refused_says_so(status: int, code: str) -> None:
    async with peer_and_phone() as (peer, phone):
        asking = asyncio.create_task(phone.subscribe("101", EventPackage.PRESENCE))
        peer.answer(await peer.request("SUBSCRIBE"), status)
        with pytest.raises(FlowError) as failed:
            await asking
        assert failed.value.code == code
        await phone.leave()
