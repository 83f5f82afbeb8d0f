"""Peers that are wrong, late or without end: a clear code, bounded memory, no hang past the deadline."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from dialtone.model import FailureCode, Flow, TlsPlan
from lab.faults.message import SipText
from synthetic.agents.chores import Chores
from synthetic.agents.intake import MAX_RECEIVED
from synthetic.agents.siplib import DISPATCHER
from synthetic.presence_documents import pidf
from synthetic.probes.base import FlowError
from synthetic.probes.runner import TIDY
from tests.fakes.sip_hostile import HostileServer, Watched
from tests.fakes.sip_peer import peer_and_phone
from tests.fakes.sip_probes import PASSWORDS, a_request, run_here
from tests.fakes.sip_scenes import SCENES, play, resident
from tests.fakes.sip_server import Address, SipServer

pytestmark = pytest.mark.integration

FAST = 1.5
"""A timeout for probes that are bound to run into it, in seconds."""
GIGABYTE = 1 << 30


# What belongs to something else.


def answers_to_something_else(live: Sequence[SipText], _port: int) -> list[bytes]:
    """Return final answers to a phone's requests, each with one thing about them that is wrong."""
    wrong = []
    for request in live:
        if request.is_response or request.method == "ACK":
            continue
        number, method = request.get("cseq").split()
        for name, value in (
            ("via", request.get("via").split(";branch=")[0] + ";branch=z9hG4bKwrong"),
            ("cseq", f"{int(number) + 1000} {method}"),
            ("cseq", f"{number} {'OPTIONS' if method != 'OPTIONS' else 'INVITE'}"),
            ("call-id", "wrong"),
            ("from", "<sip:100@acme.example>;tag=wrong"),
        ):
            for status in (180, 200, 403, 503):
                reply = request.reply(status, "Wrong", ("Contact", "<sip:wrong@127.0.0.1:9>"))
                kept = [(n, value if n.lower() == name else v) for n, v in reply.headers]
                wrong.append(SipText(reply.first, kept).encode())
    return wrong


def requests_about_something_else(live: Sequence[SipText], port: int) -> list[bytes]:
    """Return requests in dialogs of a phone's, each with one thing about them that is wrong."""
    wrong: list[bytes] = []
    for number, about in enumerate(live):
        ours, theirs = about.get("to"), about.get("from")
        if about.is_response:
            ours, theirs = theirs, ours
        for change in (
            {"From": f"{ours};tag=wrong"},
            {"To": "<sip:1@acme.example>;tag=wrong"},
            {"Call-ID": "w"},
        ):
            for method in ("BYE", "NOTIFY", "REFER", "INVITE", "CANCEL", "ACK"):
                if method == "NOTIFY" and about.method == "SUBSCRIBE" and "From" in change:
                    continue  # that is right: another branch may be the first to notify (RFC 6665 4.4.1)
                headers = {
                    "Via": f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKw{len(wrong)}",
                    "From": ours,
                    "To": theirs,
                    "Call-ID": about.get("call-id"),
                    "CSeq": f"{9000 + number} {method}",
                    "Contact": f"<sip:wrong@127.0.0.1:{port}>",
                    "Event": "presence",
                    "Subscription-State": "terminated",
                    "Refer-To": "<sip:102@acme.example>",
                }
                wrong.append(SipText(f"{method} sip:x SIP/2.0", list((headers | change).items())).encode())
    return wrong


@pytest.mark.parametrize("thrown", [answers_to_something_else, requests_about_something_else])
@pytest.mark.parametrize("state", SCENES)
async def test_what_belongs_to_something_else_changes_nothing(
    state: str, thrown: Callable[[Sequence[SipText], int], list[bytes]]
) -> None:
    with Watched() as watched:
        played = await play(SCENES[state], thrown, watched)
    assert not watched.escapes, watched.told
    assert played.thrown > 15
    assert played.report.failure is None


class FromElsewhere(SipServer):
    """Sends everything from another port than it listens on, as a server behind two addresses may."""

    async def open(self) -> int:
        self._other, _ = await self._loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
        return int(self._other.get_extra_info("sockname")[1])

    def shut(self) -> None:
        self._other.close()

    def _send(self, data: bytes, where: Address) -> None:
        self._other.sendto(data, where)


async def test_an_answer_from_another_address_is_known_by_its_branch_and_the_evidence_says_whence() -> None:
    async with FromElsewhere(PASSWORDS) as server:
        other = await server.open()
        report, evidence = await run_here(a_request(Flow.REGISTER, server.target))
        server.shut()
    assert report.failure is None
    assert {m.source for m in evidence.messages if m.direction == "received"} == {f"127.0.0.1:{other}"}


async def test_a_final_answer_ends_retransmission_though_something_came_before_it() -> None:
    async with peer_and_phone() as (peer, phone):
        timers = DISPATCHER.live
        asking = asyncio.create_task(phone.register())
        request = await peer.request("REGISTER")
        peer.answer(request, 100)
        peer.answer(request, 200)
        assert (await asking).status == 200
        assert DISPATCHER.live == timers


async def test_a_2xx_whose_to_can_not_be_read_is_unexpected_and_no_timeout() -> None:
    with Watched() as watched:
        async with peer_and_phone() as (peer, phone):
            calling = asyncio.create_task(phone.invite("101"))
            reply = (await peer.request("INVITE")).reply(200, "OK", peer.contact)
            reply.headers = [(name, '"' if name == "To" else value) for name, value in reply.headers]
            peer.send(reply)
            with pytest.raises(FlowError, match="can't be understood") as refused:
                async with asyncio.timeout(FAST):
                    await calling
    assert refused.value.code is FailureCode.UNEXPECTED_MESSAGE
    assert not watched.escapes, watched.told


async def test_a_chore_that_is_cancelled_before_it_began_is_over() -> None:
    chores, work = Chores(), asyncio.sleep(0)
    assert chores.start(work)
    chores.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


# What comes too late.


class AnswersLate(SipServer):
    """Holds the 200 to an INVITE back until `late` seconds after it came."""

    late = FAST + 0.4

    def _relay_back(self, message: SipText) -> None:
        if message.method == "INVITE" and message.status == 200:
            self._loop.call_later(self.late, super()._relay_back, message)
        else:
            super()._relay_back(message)


@pytest.mark.parametrize("late", [FAST - 0.1, FAST + 0.4, FAST + TIDY + 0.5])
async def test_a_callee_that_answers_after_the_deadline_is_a_timeout_and_no_call_stays_up(
    late: float,
) -> None:
    loop = asyncio.get_running_loop()
    with Watched() as watched:
        async with AnswersLate(PASSWORDS) as server:
            server.late = late
            started = loop.time()
            report, _ = await run_here(a_request(Flow.CALL, server.target, timeout=FAST))
            took = loop.time() - started
            await asyncio.sleep(max(0.0, late + 0.6 - took))
    assert not watched.escapes, watched.told
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert took < FAST + TIDY + 1
    assert {"CANCEL", "BYE"} & set(server.methods())
    assert server.bindings == {}


# What does not end.


def notifies(live: Sequence[SipText], port: int) -> list[bytes]:
    """Return 10,000 NOTIFYs of a phone's subscription, that tell of no call and of nobody who is there."""
    asked = [m for m in live if not m.is_response and m.method == "SUBSCRIBE"]
    if not asked:
        return []
    about = asked[-1]
    document = pidf("sip:100@acme.example", "closed") if about.get("event") == "presence" else ""
    return [
        SipText(
            "NOTIFY sip:x SIP/2.0",
            [
                ("Via", f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKflood{number}"),
                ("From", f"{about.get('to')};tag=srv"),
                ("To", about.get("from")),
                ("Call-ID", about.get("call-id")),
                ("CSeq", f"{1000 + number} NOTIFY"),
                ("Contact", f"<sip:127.0.0.1:{port}>"),
                ("Event", about.get("event")),
                ("Subscription-State", "active;expires=60"),
                ("Content-Type", "application/pidf+xml"),
            ],
            document,
        ).encode()
        for number in range(10_000)
    ]


def replies(live: Sequence[SipText], _port: int) -> list[bytes]:
    """Return 10,000 provisional replies to a phone's INVITE."""
    invites = [m for m in live if not m.is_response and m.method == "INVITE"]
    return [invites[-1].reply(182, f"Queued {n}").encode() for n in range(10_000)] if invites else []


@pytest.mark.parametrize(
    ("state", "flood"),
    [("subscribing", notifies), ("subscribed to calls", notifies), ("inviting", replies)],
)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_ten_thousand_messages_about_what_is_under_way_end_at_the_deadline(
    state: str, flood: Callable[[Sequence[SipText], int], list[bytes]], transport: str
) -> None:
    before = resident()
    with Watched() as watched:
        played = await play(SCENES[state], flood, watched, transport=transport, timeout=FAST)
    assert not watched.escapes, watched.told
    assert watched.taken <= 2 * MAX_RECEIVED
    assert played.report.failure is not None
    assert played.report.failure.code is FailureCode.TIMEOUT
    assert "more messages were received than a probe reads" in played.report.failure.detail
    assert played.overdue < 1
    assert resident() - before < 10


class Endless(asyncio.Protocol):
    """Sends a piece again and again, up to a gigabyte, as fast as it is read or once in `pause` seconds."""

    def __init__(self, piece: bytes, pause: float, sent: list[int]) -> None:
        self._piece, self._pause, self._sent = piece, pause, sent
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._task = asyncio.create_task(self._pour(transport))

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()

    async def _pour(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        while self._sent[0] < GIGABYTE:
            await self._room.wait()
            transport.write(self._piece)
            self._sent[0] += len(self._piece)
            await asyncio.sleep(self._pause)


@asynccontextmanager
async def endless(piece: bytes, pause: float = 0.0) -> AsyncIterator[tuple[int, list[int]]]:
    """Give the port of such a server, and how many bytes it has sent."""
    sent = [0]
    server = await asyncio.get_running_loop().create_server(
        lambda: Endless(piece, pause, sent), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1], sent
    finally:
        server.close()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("piece", "pause", "code", "most"),
    [
        (b"x" * 65_536, 0.0, FailureCode.UNEXPECTED_MESSAGE, 16 << 20),
        (b"X: y\r\n" * 10_000, 0.0, FailureCode.UNEXPECTED_MESSAGE, 16 << 20),
        (b"\x00" * 65_536, 0.0, FailureCode.UNEXPECTED_MESSAGE, 16 << 20),
        (b"\r\n" * 32_768, 0.0, FailureCode.TIMEOUT, GIGABYTE),
        (b"S", 1.0, FailureCode.UNEXPECTED_MESSAGE, 10),
    ],
    ids=["no line end", "no end of the head", "zeros", "nothing but line ends", "a byte a second"],
)
async def test_a_stream_that_never_makes_a_message_has_a_code_and_little_memory(
    piece: bytes, pause: float, code: FailureCode, most: int
) -> None:
    before = resident()
    with Watched() as watched:
        async with endless(piece, pause) as (port, sent):
            target = f"sip:127.0.0.1:{port};transport=tcp"
            report, _ = await run_here(a_request(Flow.REGISTER, target, timeout=FAST))
    assert not watched.escapes, watched.told
    assert report.failure is not None
    assert report.failure.code is code
    assert report.duration < FAST + 1
    assert sent[0] <= most
    assert resident() - before < 10


@pytest.mark.parametrize(("piece", "pause"), [(b"\x16", 1.0), (b"x" * 65_536, 0.0)])
async def test_a_handshake_that_never_ends_or_is_none_is_tls(piece: bytes, pause: float) -> None:
    with Watched() as watched:
        async with endless(piece, pause) as (port, sent):
            request = a_request(Flow.REGISTER, f"sip:127.0.0.1:{port};transport=tls", timeout=FAST)
            request = replace(request, plan=replace(request.plan, tls=TlsPlan(verify=False)))
            report, _ = await run_here(request)
    assert not watched.escapes, watched.told
    assert report.failure is not None
    assert report.failure.code is FailureCode.TLS
    assert report.duration < FAST + 1
    assert sent[0] < 16 << 20


async def test_a_hostile_server_that_throws_nothing_is_a_right_one() -> None:
    async with HostileServer(PASSWORDS) as server:
        report, _ = await run_here(a_request(Flow.CALL, server.target))
    assert report.failure is None
