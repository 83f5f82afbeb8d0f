"""Messages that no sane peer sends, at phones in every state: RFC 4475's, and 2,000 mutated ones."""

import asyncio
from typing import Any
from unittest import mock

import pytest

from dialtone.model import FailureCode, Flow
from lab.faults.message import SipText
from synthetic.agents.phone import SipPhone
from synthetic.agents.siplib import DISPATCHER
from tests.fakes.sip_hostile import Watched
from tests.fakes.sip_mutations import Mutator, addressed, real, torture
from tests.fakes.sip_peer import SDP, peer_and_phone
from tests.fakes.sip_scenes import SCENES, Scene, play, storm

pytestmark = pytest.mark.integration

MESSAGES = torture()
FAST = 1.5
"""A timeout for probes that may run into it, in seconds."""

ANSWERS = {
    # Valid requests (RFC 4475 3.1.1): those of strangers find the phone busy.
    "dblreq": 405,
    "esc01": 486,
    "esc02": 405,
    "escnull": 405,
    "intmeth": 405,
    "longreq": 486,
    "lwsdisp": 200,
    "mpart01": 405,
    "semiuri": 200,
    "transports": 200,
    # Invalid ones (3.1.2, 3.2, 3.3) that say nothing wrong about what a phone needs to answer.
    "badbranch": 200,
    "baddate": 486,
    "badinv01": 486,
    "bext01": 200,
    "cparam01": 405,
    "cparam02": 405,
    "escruri": 486,
    "inv2543": 400,
    "invut": 486,
    "mcl01": 200,
    "mismatch01": 200,
    "mismatch02": 405,
    "multi01": 486,
    "ncl": 486,
    "regaut01": 405,
    "regbadct": 405,
    "regescrt": 405,
    "scalar02": 405,
    "sdp01": 486,
    "zeromf": 200,
}
"""What a phone that is in no call answers; to all others it is silent.

Of the valid ones those are wsinv, whose spaces within Via sippy does not read, and the two whose Request-URI
has a scheme of its own (novelsc, unkscm).
"""


def everything(*_: object) -> list[bytes]:
    return list(MESSAGES.values())


def test_the_messages_are_those_of_the_rfc() -> None:
    assert len(MESSAGES) == 49
    assert len(real()) > 60
    assert set(ANSWERS) < set(MESSAGES)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("state", SCENES)
async def test_a_platform_that_is_right_passes_whatever_else_comes(state: str, transport: str) -> None:
    timers = DISPATCHER.live
    with Watched() as watched:
        played = await play(SCENES[state], everything, watched, transport=transport)
    assert not watched.escapes, watched.told
    assert played.report.failure is None
    assert played.thrown >= len(MESSAGES)
    assert watched.taken > played.thrown
    assert watched.slowest < 0.1
    assert DISPATCHER.live == timers


@pytest.mark.parametrize("state", ["registering", "in a call", "publishing"])
async def test_messages_that_lie_about_their_length_end_a_stream_with_a_code_and_in_time(state: str) -> None:
    with Watched() as watched:
        played = await play(SCENES[state], everything, watched, transport="tcp", raw=True, timeout=FAST)
    assert not watched.escapes, watched.told
    assert played.report.failure is not None
    assert played.report.failure.code in (FailureCode.UNEXPECTED_MESSAGE, FailureCode.TIMEOUT)
    assert played.overdue < 1


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_request_is_answered_sanely_or_not_at_all(name: str) -> None:
    with Watched() as watched:
        async with peer_and_phone() as (peer, phone):
            peer.throw(addressed(MESSAGES[name], peer.port, name))
            after = await peer.response(peer.begin("OPTIONS", body=""))
            statuses = [m.status for m in peer.all if m.is_response and m is not after]
            turned_away = phone.turned_away
    assert not watched.escapes, watched.told
    assert after.status == 200
    assert [status for status in statuses if status != 100] == ([ANSWERS[name]] if name in ANSWERS else [])
    assert turned_away == (ANSWERS.get(name) == 486)


@pytest.mark.parametrize(
    ("method", "header", "value", "status"),
    [
        ("INVITE", "Contact", None, 400),
        ("INVITE", "Contact", "*", 400),
        ("INVITE", "Contact", "<sip:", 400),
        ("INVITE", "Record-Route", "nonsense", 400),
        ("OPTIONS", "Record-Route", "nonsense", 400),
        ("OPTIONS", "From", "<nonsense", None),
        ("OPTIONS", "To", "nobody", None),
        ("OPTIONS", "Contact", "nonsense", 200),
    ],
)
async def test_a_request_whose_headers_can_not_be_read_is_a_bad_request_or_unanswered(
    method: str, header: str, value: str | None, status: int | None
) -> None:
    with Watched() as watched:
        async with peer_and_phone() as (peer, phone):
            usual = {
                "Via": f"SIP/2.0/UDP 127.0.0.1:{peer.port};branch=z9hG4bKodd",
                "From": "<sip:555@acme.example>;tag=odd",
                "To": "<sip:100@acme.example>",
                "Call-ID": "odd",
                "CSeq": f"1 {method}",
                "Contact": f"<sip:555@127.0.0.1:{peer.port}>",
            }
            headers = {name: given for name, given in (usual | {header: value}).items() if given is not None}
            peer.send(SipText(f"{method} sip:100@acme.example SIP/2.0", list(headers.items())))
            after = await peer.response(peer.begin("OPTIONS", body=""))
            answered = [m.status for m in peer.all if m.is_response and m is not after and m.status > 100]
            assert phone.turned_away == 0
    assert not watched.escapes, watched.told
    assert answered == ([] if status is None else [status])


async def test_a_contact_that_nothing_can_be_sent_to_is_a_bad_request_in_and_out_of_a_call() -> None:
    nowhere = ("Contact", "<sip:peer@127.0.0.1:99999>")
    with Watched() as watched:
        async with peer_and_phone() as (peer, phone):
            assert (await peer.response(peer.begin("INVITE", nowhere))).status == 400
            invite = peer.begin("INVITE")
            call = await phone.next_call()
            call.answer()
            answer = await peer.response(invite)
            peer.acknowledge(answer)
            assert (await peer.response(peer.inside(answer, "INVITE", nowhere, body=SDP))).status == 400
            assert call.up
    assert not watched.escapes, watched.told


async def test_a_session_described_anew_on_a_branch_that_is_being_hung_up_has_to_wait() -> None:
    with Watched() as watched:
        async with peer_and_phone() as (peer, phone):
            calling = asyncio.create_task(phone.invite("101"))
            invite = await peer.request("INVITE")
            await peer.accept(invite, "one")
            await calling
            peer.answer(invite, 200, body=SDP, tag="two")
            await peer.request("BYE")
            again = peer.inside(invite, "INVITE", body=SDP, tag="two")
            assert (await peer.response(again)).status == 491
    assert not watched.escapes, watched.told


async def test_two_thousand_mutated_messages_at_phones_in_every_state() -> None:
    with Watched() as watched:
        seen = await storm(watched, Mutator(4475), total=2000, each=50, timeout=FAST, at_once=len(SCENES))
    assert not watched.escapes, watched.told
    assert watched.slowest < 0.1
    assert seen.overdue < 1
    assert seen.probes >= len(SCENES)
    assert len(seen.ends) > 3


def test_the_same_seed_makes_the_same_messages() -> None:
    def some(seed: int) -> list[bytes]:
        mutator = Mutator(seed)
        return [mutator.message((), 5060) for _ in range(200)]

    assert some(1) == some(1)
    assert some(1) != some(2)


# That what escapes is seen.


@pytest.mark.parametrize("error", [RuntimeError, AttributeError, ValueError])
async def test_a_phone_whose_handler_raises_is_seen(error: type[Exception]) -> None:
    def broken(_phone: SipPhone, _request: Any, _transaction: Any) -> Any:
        raise error("planted")

    with Watched() as watched, mock.patch.object(SipPhone, "_on_request", broken):
        await play(Scene(Flow.REGISTER, "REGISTER"), everything, watched)
    assert any("planted" in escape for escape in watched.escapes)


async def test_a_message_that_holds_the_loop_is_seen() -> None:
    def slow(_phone: SipPhone, request: Any, _transaction: Any) -> Any:
        sum(range(20_000_000))
        return request.genResponse(200, "OK"), None, None

    with Watched() as watched, mock.patch.object(SipPhone, "_on_request", slow):
        await play(Scene(Flow.REGISTER, "REGISTER"), lambda *_: [MESSAGES["semiuri"]], watched)
    assert watched.slowest > 0.1
