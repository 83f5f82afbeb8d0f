"""The relay before a SIP server passes everything on, but for what its rules are about."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from dialtone.model import Engine, FailureCode, Flow
from lab.faults.message import SipText
from lab.faults.relay import SipRelay
from lab.faults.rules import GARBAGE, Answer, Become, Edit, Instead, Late, Rule, Way, drop
from lab.faults.table import FAULTS

Address = tuple[str, int]


class Socket(asyncio.DatagramProtocol):
    """A UDP socket that remembers what came."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[SipText, Address]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.came.put_nowait((SipText.parse(data), addr))

    async def next(self) -> tuple[SipText, Address]:
        return await asyncio.wait_for(self.came.get(), 5)

    @property
    def port(self) -> int:
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)


@asynccontextmanager
async def sockets(*rules: Rule) -> AsyncIterator[tuple[Socket, SipRelay, Socket]]:
    loop = asyncio.get_running_loop()
    phone, server = Socket(), Socket()
    for end in (phone, server):
        await loop.create_datagram_endpoint(lambda end=end: end, ("127.0.0.1", 0))  # type: ignore[misc]
    try:
        async with SipRelay(("127.0.0.1", server.port), rules) as relay:
            yield phone, relay, server
    finally:
        phone.transport.close()
        server.transport.close()
        await asyncio.sleep(0)


def a_request(phone: int, relay: int, method: str = "REGISTER") -> SipText:
    headers = [
        ("Via", f"SIP/2.0/UDP 127.0.0.1:{phone};branch=z9hG4bK1"),
        ("From", "<sip:100@acme.example>;tag=1"),
        ("To", "<sip:100@acme.example>"),
        ("Call-ID", "c1"),
        ("CSeq", f"1 {method}"),
        ("Contact", f"<sip:100@127.0.0.1:{phone}>"),
        ("Route", f"<sip:127.0.0.1:{relay};lr>"),
    ]
    return SipText(f"{method} sip:acme.example SIP/2.0", headers, "")


async def test_the_server_takes_the_relay_for_the_phone_and_the_phone_the_relay_for_the_server() -> None:
    async with sockets() as (phone, relay, server):
        phone.transport.sendto(a_request(phone.port, relay.port).encode(), ("127.0.0.1", relay.port))
        request, leg = await server.next()
        assert request.get("contact") == f"<sip:100@127.0.0.1:{leg[1]}>"
        assert request.get("route") == f"<sip:127.0.0.1:{server.port};lr>"
        assert leg[1] not in (phone.port, relay.port)
        record = ("Record-Route", f"<sip:127.0.0.1:{server.port};lr>")
        server.transport.sendto(request.reply(200, "OK", record).encode(), leg)
        response, source = await phone.next()
        assert source == ("127.0.0.1", relay.port)
        assert response.get("via") == f"SIP/2.0/UDP 127.0.0.1:{phone.port};branch=z9hG4bK1"
        assert response.get("record-route") == f"<sip:127.0.0.1:{relay.port};lr>"


async def test_two_phones_have_a_leg_each() -> None:
    async with sockets() as (phone, relay, server):
        other = Socket()
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: other, ("127.0.0.1", 0))
        for end in (phone, other):
            end.transport.sendto(a_request(end.port, relay.port).encode(), ("127.0.0.1", relay.port))
        legs = {(await server.next())[1] for _ in range(2)}
        other.transport.close()
        assert len(legs) == 2


@pytest.mark.parametrize(
    ("rule", "status"),
    [
        (Rule(Way.UP, "REGISTER", Answer(503, "Service Unavailable")), 503),
        (Rule(Way.DOWN, "REGISTER", Become(404, "Not Found"), status=2), 404),
        (Rule(Way.DOWN, "REGISTER", Become(404, "Not Found"), status=200), 404),
        (Rule(Way.DOWN, "REGISTER", Become(404, "Not Found"), status=5), 200),
        (Rule(Way.DOWN, "INVITE", drop, status=2), 200),
        (Rule(Way.UP, "REGISTER", drop, initial=False), 200),
        (Rule(Way.UP, "REGISTER", drop, where=lambda m: m.get("expires") == "0"), 200),
        (Rule(Way.DOWN, "REGISTER", Edit("200 OK", "299 Fine"), status=2), 299),
        (Rule(Way.DOWN, "REGISTER", Late(0.01), status=2), 200),
    ],
)
async def test_a_rule_is_about_what_it_names_and_nothing_else(rule: Rule, status: int) -> None:
    async with sockets(rule) as (phone, relay, server):
        phone.transport.sendto(a_request(phone.port, relay.port).encode(), ("127.0.0.1", relay.port))
        if not (rule.way is Way.UP and isinstance(rule.deed, Answer)):
            request, leg = await server.next()
            server.transport.sendto(request.reply(200, "OK").encode(), leg)
        response, _ = await phone.next()
        assert response.status == status
        assert response.get("via").startswith(f"SIP/2.0/UDP 127.0.0.1:{phone.port};")


async def test_garbage_comes_back_instead_of_an_answer() -> None:
    async with sockets(Rule(Way.UP, "REGISTER", Instead(GARBAGE))) as (phone, relay, server):
        phone.transport.sendto(a_request(phone.port, relay.port).encode(), ("127.0.0.1", relay.port))
        assert (await phone.next())[0].first == GARBAGE.decode("latin-1").partition("\r\n")[0]
        assert server.came.empty()


async def test_a_rule_for_the_first_message_lets_the_second_pass() -> None:
    async with sockets(Rule(Way.UP, "REGISTER", drop, times=1)) as (phone, relay, server):
        for _ in range(2):
            phone.transport.sendto(a_request(phone.port, relay.port).encode(), ("127.0.0.1", relay.port))
        await server.next()
        assert server.came.empty()


def test_there_are_thirty_faults_and_more_each_with_a_name_of_its_own() -> None:
    assert len(FAULTS) >= 30
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_fault_is_produced_by_something() -> None:
    """Or leaving it out would change nothing, and the sabotaged table could not turn red."""
    assert all(fault.rules or fault.change or fault.media for fault in FAULTS)


def test_every_flow_and_both_engines_have_faults() -> None:
    assert {fault.flow for fault in FAULTS} == set(Flow)
    sip = [fault for fault in FAULTS if fault.flow is not Flow.HTTP]
    for engine in (Engine.SIPPY, Engine.SIPP):
        assert {fault.flow for fault in sip if engine in fault.engines} == set(Flow) - {Flow.HTTP}


def test_every_code_that_a_platform_can_cause_is_in_the_table() -> None:
    failures = {code for code in FailureCode if code.outcome == "fail"}
    assert failures <= {fault.code for fault in FAULTS}
