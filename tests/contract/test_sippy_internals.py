"""What we rely on inside sippy 2.5.0: an upgrade that changes any of it fails here, loudly."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any

import pytest

from dialtone.model import FailureCode, TlsPlan
from synthetic.agents import siplib
from synthetic.agents.adapter import OneSocket
from synthetic.agents.transactions import T2, TransactionManager
from synthetic.agents.wirelog import WireLog
from synthetic.probes.base import FlowError
from synthetic.target import Hop

RELIED_ON = {
    "__init__": ["self", "global_config", "req_cb"],
    "handleIncoming": ["self", "data_in", "ra", "server", "rtime"],
    "newTransaction": ["self", "msg", "resp_cb", "laddress", "userv", "cb_ifver", "compact", "t"],
    "cancelTransaction": ["self", "t", "extra_headers"],
    "incomingResponse": ["self", "msg", "t", "checksum"],
    "incomingRequest": ["self", "msg", "checksum", "tids", "server"],
    "sendResponse": ["self", "resp", "t", "retrans", "ack_cb", "lossemul"],
    "timerA": ["self", "t"],
    "timerB": ["self", "t"],
    "transmitData": ["self", "userv", "data", "address", "cachesum", "lossemul"],
    "transmitReq": ["self", "t", "msg", "_", "__"],
    "shutdown": ["self"],
}

RESPONSE = (
    "SIP/2.0 {status} Some Reason\r\nVia: {via}\r\nFrom: {from_}\r\nTo: <sip:101@acme.example>;tag=far\r\n"
    "Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{extra}Content-Length: 0\r\n\r\n"
)


def sippy_module(name: str) -> ModuleType:
    """Return a module of sippy, imported after siplib has put our parts in."""
    return import_module(f"sippy.{name}")


class Server(asyncio.DatagramProtocol):
    """A bare socket that collects what a transaction manager sends."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.inbox.put_nowait((data, addr))

    async def next(self) -> tuple[str, tuple[str, int]]:
        async with asyncio.timeout(5):
            data, addr = await self.inbox.get()
        return data.decode(), addr


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, ("127.0.0.1", 0))
    yield made
    transport.close()


@pytest.fixture
async def manager(server: Server) -> AsyncIterator[TransactionManager]:
    made = a_manager(server, lambda request, _: (request.genResponse(200, "OK"), None, None))
    yield made
    made.shutdown()


def a_manager(server: Server, on_request: Any = None) -> TransactionManager:
    hop = Hop(("127.0.0.1", server.port))
    return TransactionManager(hop, TlsPlan(), party="phone", wire=WireLog(), on_request=on_request)


def a_request(server: Server, method: str = "INVITE") -> Any:
    address = siplib.SipAddress(url=siplib.SipURL(username="100", host="acme.example"))
    address.setParam("tag", "near")
    return siplib.SipRequest(
        method=method,
        ruri=siplib.SipURL(username="101", host="acme.example"),
        fr0m=siplib.SipFrom(address=address),
        callid=siplib.SipCallId(),
        cseq=1,
        target=(("127.0.0.1", server.port), "udp"),
    )


def answer_to(sent: str, status: int, extra: str = "") -> bytes:
    headers = dict(line.split(": ", 1) for line in sent.split("\r\n\r\n")[0].split("\r\n")[1:])
    return RESPONSE.format(
        status=status,
        via=headers["Via"],
        from_=headers["From"],
        call_id=headers["Call-ID"],
        cseq=headers["CSeq"],
        extra=extra,
    ).encode()


def test_sippy_is_the_version_that_was_read() -> None:
    assert version("sippy") == "2.5.0"


@pytest.mark.parametrize("name", RELIED_ON)
def test_the_transaction_managers_methods_take_what_we_know(name: str) -> None:
    method = getattr(sippy_module("SipTransactionManager").SipTransactionManager, name)
    assert list(inspect.signature(method).parameters) == RELIED_ON[name]


def test_every_timer_of_sippy_is_ours() -> None:
    timeout = sippy_module("Time.Timeout")
    assert timeout.ED2 is siplib.DISPATCHER
    assert sippy_module("Core.EventDispatcher").ED2 is siplib.DISPATCHER
    assert list(inspect.signature(timeout.Timeout).parameters) == [
        "timeout_cb",
        "ival",
        "nticks",
        "cb_params",
    ]


def test_sippy_reads_the_clock_of_asyncio() -> None:
    manager = sippy_module("SipTransactionManager")
    assert manager.MonoTime is siplib.Instant
    assert inspect.getsource(manager).count("realt") == 1  # to log what came
    assert abs(siplib.Instant().monot - time.monotonic()) < 0.05
    assert siplib.Instant(7.5).monot == 7.5


def test_sippys_socket_table_is_ours() -> None:
    assert sippy_module("SipTransactionManager").local4remote is OneSocket


def test_what_sippy_prints_is_counted_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    before = siplib.COMPLAINTS.count
    try:
        raise ValueError("broken")
    except ValueError:
        sippy_module("Core.Exceptions").dump_exception("can't parse", extra="Authorization: secret")
    for name in ("SipMsg", "SipRequest", "SipTransactionManager", "SipURL"):
        sippy_module(name).print("secret")
    assert siplib.COMPLAINTS.count > before
    assert capfd.readouterr() == ("", "")


async def test_a_302_is_acknowledged_where_the_invite_went(
    manager: TransactionManager, server: Server
) -> None:
    manager.newTransaction(a_request(server), lambda *_: None, cb_ifver=2)
    invite, addr = await server.next()
    elsewhere = "Contact: <sip:stranger@127.0.0.9:9>\r\nRecord-Route: <sip:127.0.0.8;lr>\r\n"
    server.transport.sendto(answer_to(invite, 302, elsewhere), addr)
    ack, _ = await server.next()
    assert ack.startswith("ACK sip:101@acme.example SIP/2.0\r\n")
    assert "Route:" not in ack
    assert invite.split("branch=")[1][:20] == ack.split("branch=")[1][:20]


async def test_the_ack_of_a_refusal_has_the_route_of_its_invite(
    manager: TransactionManager, server: Server
) -> None:
    invite = a_request(server)
    for host in ("proxy.example", "front.example"):
        invite.appendHeader(siplib.SipHeader(name="route", bodys=f"<sip:{host};lr>"))
    manager.newTransaction(invite, lambda *_: None, cb_ifver=2)
    sent, addr = await server.next()
    server.transport.sendto(answer_to(sent, 486), addr)
    ack, _ = await server.next()
    assert "Route: <sip:proxy.example;lr>\r\nRoute: <sip:front.example;lr>\r\n" in ack


async def test_transactions_under_way_and_later_ones_end_with_a_503_of_our_own(
    manager: TransactionManager, server: Server
) -> None:
    seen: list[tuple[bool, int]] = []

    def ended(response: Any, transaction: Any) -> None:
        seen.append((response is transaction.r408, response.getSCode()[0]))

    manager.newTransaction(a_request(server), ended, cb_ifver=2)
    manager.give_up(FlowError(FailureCode.CONNECT, "the cable is out"))
    assert seen == [(True, 503)]
    later = manager.newTransaction(a_request(server, "REGISTER"), ended, cb_ifver=2)
    await asyncio.sleep(0)
    assert seen == [(True, 503)] * 2
    assert later.teA is None


@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
async def test_a_request_over_a_stream_is_never_sent_again(server: Server, method: str) -> None:
    """The server listens on UDP alone: what matters is that no timer A runs."""
    hop = Hop(("127.0.0.1", server.port), "tcp")
    phone = TransactionManager(hop, TlsPlan(), party="phone", wire=WireLog(), on_request=lambda *_: None)
    assert phone.newTransaction(a_request(server, method), lambda *_: None, cb_ifver=2).teA is None
    phone.shutdown()
    await phone.gone()


@pytest.mark.parametrize(
    ("uri", "port", "transport"),
    [
        ("sip:a@front.example", 5060, "udp"),
        ("sip:a@front.example;transport=TCP", 5060, "tcp"),
        ("sip:a@front.example;transport=tls", 5061, "tls"),
        ("sips:a@front.example", 5061, "tls"),
        ("sips:a@front.example:5070", 5070, "tls"),
    ],
)
def test_a_copied_uri_keeps_its_scheme_and_its_transports_port(uri: str, port: int, transport: str) -> None:
    copied = siplib.SipURL(uri).getCopy()
    assert str(copied) == uri
    assert copied.getTAddr() == (("front.example", port), transport)


@pytest.mark.parametrize(
    "uri", ["sip:gw%3Bx%2C1;day=1@192.0.2.1:5070;ob", "sip:%2b15145550100@sbc.example", "sip:a,b@192.0.2.1"]
)
def test_a_uri_is_copied_with_the_escapes_that_its_owner_wrote(uri: str) -> None:
    assert str(siplib.SipURL(uri).getCopy()) == uri


def test_what_a_uri_can_not_have_is_escaped() -> None:
    assert str(siplib.SipURL(username="*31#", host="acme.example")) == "sip:*31%23@acme.example"
    dialled = siplib.SipURL("sip:%3Ca%20b@acme.example")
    assert dialled.username == "<a b"
    assert str(dialled.getCopy()) == "sip:%3Ca%20b@acme.example"
    assert str(siplib.SipURL("sip:a b@acme.example").getCopy()) == "sip:a%20b@acme.example"


async def test_a_name_with_bytes_that_end_a_line_for_python_is_read_and_given_back_as_it_was(
    server: Server,
) -> None:
    """0x85 is in the UTF-8 of many letters; RFC 3261 ends a line with CRLF alone."""
    phone = a_manager(server, lambda request, _: (request.genResponse(486, "Busy"), None, None))
    request = a_request(server, "OPTIONS").localStr((("127.0.0.1", server.port), "udp")).encode()
    named = request.replace(b"From: <", 'From: "\u00c5sa \u2026" <'.encode())
    server.transport.sendto(named, phone.endpoint.local)
    answer, _ = await server.next()
    assert answer.startswith("SIP/2.0 486")
    assert '"\u00c5sa \u2026"' in answer
    phone.shutdown()


@pytest.mark.parametrize(("method", "longest"), [("REGISTER", T2), ("INVITE", 16.0)])
async def test_only_invites_double_their_pause_beyond_t2(
    manager: TransactionManager, server: Server, method: str, longest: float
) -> None:
    transaction = manager.newTransaction(a_request(server, method), None)
    for _ in range(5):
        transaction.teA.cancel()
        manager.timerA(transaction)
    assert transaction.tout == longest


async def test_a_provisional_response_does_not_end_the_retransmission_of_a_register(
    manager: TransactionManager, server: Server
) -> None:
    transaction = manager.newTransaction(a_request(server, "REGISTER"), lambda *_: None, cb_ifver=2)
    request, addr = await server.next()
    server.transport.sendto(answer_to(request, 100), addr)
    again, _ = await server.next()
    assert again == request
    assert transaction.tout == T2


async def test_the_final_responses_of_sippys_own_timers_can_be_told_from_real_ones(
    manager: TransactionManager, server: Server
) -> None:
    seen: list[bool] = []
    transaction = manager.newTransaction(
        a_request(server, "REGISTER"), lambda response, t: seen.append(response is t.r408), cb_ifver=2
    )
    transaction.teB.cancel()
    manager.timerB(transaction)
    assert seen == [True]


async def test_a_retransmitted_request_is_answered_again_and_handled_once(server: Server) -> None:
    handled: list[Any] = []

    def handle(request: Any, _: Any) -> Any:
        handled.append(request)
        return request.genResponse(200, "OK"), None, None

    phone = a_manager(server, handle)
    request = a_request(server, "OPTIONS").localStr((("127.0.0.1", server.port), "udp")).encode()
    for _ in range(2):
        server.transport.sendto(request, phone.endpoint.local)
        assert (await server.next())[0].startswith("SIP/2.0 200")
    phone.shutdown()
    assert len(handled) == 1


async def test_a_manager_that_is_shut_down_leaves_no_timer(server: Server) -> None:
    before = siplib.DISPATCHER.live
    phone = a_manager(server)
    phone.newTransaction(a_request(server), None)
    assert siplib.DISPATCHER.live > before
    phone.shutdown()
    assert siplib.DISPATCHER.live == before


def test_challenges_keep_what_stale_and_algorithms_are_read_from() -> None:
    challenge = sippy_module("SipWWWAuthenticate").SipWWWAuthenticate(
        'Digest realm="r", nonce="n", stale=TRUE, algorithm=SHA-256, qop="auth"'
    )
    challenge.parse()
    assert challenge.otherparams == [("stale", "TRUE")]
    assert challenge.supportedAlgorithm() == (True, "auth")
    assert challenge.aclass.hf_names == ("authorization",)


@pytest.mark.parametrize("name", ["SipConf", "SipURL", "SipVia"])
def test_dir_is_asked_for_one_name_alone(name: str) -> None:
    source = inspect.getsource(sippy_module(name))
    assert source.count("dir(") == source.count("'my' in dir(") > 0
    assert "my" in sippy_module(name).dir(siplib.SipURL().host)
    assert "my" not in sippy_module(name).dir("127.0.0.1")


def test_the_answer_that_never_came_is_asked_for_its_status_alone() -> None:
    assert "r408 = msg.genResponse" in inspect.getsource(
        sippy_module("SipTransactionManager").SipTransactionManager.newTransaction
    )
    uses = inspect.getsource(sippy_module("SipTransactionManager")).count("r408")
    assert uses == 5  # forgotten, made, given its time, and handed on in two ways


def test_a_cancel_is_made_with_its_invite_and_nowhere_else() -> None:
    source = inspect.getsource(sippy_module("SipTransactionManager"))
    assert source.count("genCANCEL") == 1
    assert "t.cancel = msg.genCANCEL()" in source


def test_a_header_is_the_first_of_its_name_or_the_one_with_that_number() -> None:
    message = siplib.SipResponse(
        RESPONSE.format(
            status=200,
            via="SIP/2.0/UDP a.example;branch=z9hG4bK1",
            from_="<sip:102@acme.example>;tag=a",
            call_id="x",
            cseq="1 REGISTER",
            extra="Via: SIP/2.0/UDP b.example\r\n",
        )
    )
    assert [message.getHFBody("via", n).hostname for n in (0, 1)] == ["a.example", "b.example"]
    for name, number in (("contact", 0), ("via", 2)):
        with pytest.raises(IndexError):
            message.getHFBody(name, number)


def test_a_tel_uri_is_read_only_where_our_reader_stands_in_and_then_written_as_it_came() -> None:
    assert list(inspect.signature(siplib.SipURL.convertTelURL).parameters) == ["self", "url", "_relaxed"]
    for text, shown in [
        ("<tel:+1-514-555;phone-context=x.example>;tag=a", "<tel:+1-514-555;phone-context=x.example>;tag=a"),
        ("tel:911;tag=a", "<tel:911>;tag=a"),
        ("sips:a@b.example;tag=a", "<sips:a@b.example>;tag=a"),
        ("sip:a@b.example;tag=a", "sip:a@b.example;tag=a"),
    ]:
        sender = siplib.SipFrom(text)
        sender.parse()
        assert sender.getTag() == "a"
        assert str(sender) == str(sender.getCopy()) == shown
        assert sender.getUrl().getCopy().scheme == text.strip("<").partition(":")[0]
