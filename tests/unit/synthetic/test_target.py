"""Targets and what they lead to (RFC 3263), against a name server on a real socket."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from dialtone.model import FailureCode
from synthetic.dns import MAX_ADDRESSES, MAX_SERVICES, Names, Service, in_order
from synthetic.probes.base import FlowError
from synthetic.target import MAX_HOPS, Hop, Target, hops, parse_target, resolve
from tests.fakes.dns_server import DnsServer


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sip:127.0.0.1:5070;transport=udp", Target("127.0.0.1", 5070, "udp")),
        ("sip:edge.example", Target("edge.example")),
        ("SIP:edge.example;TRANSPORT=TCP", Target("edge.example", None, "tcp")),
        ("sip:[::1]:5062", Target("::1", 5062)),
        ("sip:[2001:DB8::0:1];transport=tls", Target("2001:db8::1", None, "tls")),
        ("sips:edge.example", Target("edge.example", None, "tls")),
        ("sips:edge.example:5071;transport=tcp", Target("edge.example", 5071, "tls")),
    ],
)
def test_a_target_is_host_port_and_transport(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1",
        "sip:",
        "sip:a:0",
        "sip:a:70000",
        "sip:a;transport=sctp",
        "sip:a b",
        "sip:u@a",
        "sips:a;transport=udp",
        "sip:[1:2]",
        "sip:[::1",
        "sip:" + "a" * 300,
    ],
)
def test_what_is_no_target_says_so(text: str) -> None:
    with pytest.raises(ValueError, match=r"target|transport|port|udp"):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("sip:127.0.0.1", Hop(("127.0.0.1", 5060), "udp", "127.0.0.1")),
        ("sip:127.0.0.1;transport=tcp", Hop(("127.0.0.1", 5060), "tcp", "127.0.0.1")),
        ("sips:[::1]", Hop(("::1", 5061), "tls", "::1")),
        ("sip:[::1]:7;transport=tls", Hop(("::1", 7), "tls", "::1")),
    ],
)
async def test_an_address_is_itself_and_nobody_is_asked(text: str, hop: Hop) -> None:
    async with DnsServer() as server:
        assert await hops(text, server.names()) == (hop,)
    assert server.asked == []


async def test_localhost_works_without_any_name_server() -> None:
    async with DnsServer(silent=True) as server:
        names = Names(server.names()._resolver)
        found = await hops("sip:localhost:5062", names)
        assert await resolve(parse_target("sip:localhost:5062")) == ("127.0.0.1", 5062)
    assert found[0] == Hop(("127.0.0.1", 5062), "udp", "localhost")
    assert server.asked == []


async def test_this_machines_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("::1 edge.example Edge\n127.0.0.2 edge.example # the old one\nrubbish edge.example\n\n")
    names = Names(hosts=file)
    assert await names.addresses("EDGE.example.") == ("127.0.0.2", "::1")
    assert await names.addresses("edge") == ("::1",)
    file.write_text("127.0.0.33 edge.example\n")
    assert await names.addresses("edge.example") == ("127.0.0.33",)


async def test_a_name_with_a_port_is_its_addresses_and_srv_is_not_asked_for() -> None:
    records = ("edge.example", "A", "127.0.0.1"), ("edge.example", "AAAA", "::1")
    async with DnsServer(*records) as server:
        found = await hops("sip:edge.example:5070;transport=tcp", server.names())
    assert [hop.address for hop in found] == [("127.0.0.1", 5070), ("::1", 5070)]
    assert {kind for _, kind in server.asked} == {"A", "AAAA"}


@pytest.mark.parametrize(
    ("text", "asked", "transport", "port"),
    [
        ("sip:edge.example", ["_sip._udp.edge.example", "_sip._tcp.edge.example"], "udp", 5060),
        ("sip:edge.example;transport=tcp", ["_sip._tcp.edge.example"], "tcp", 5060),
        ("sip:edge.example;transport=tls", ["_sips._tcp.edge.example"], "tls", 5061),
        ("sips:edge.example", ["_sips._tcp.edge.example"], "tls", 5061),
    ],
)
async def test_a_name_alone_asks_for_its_services_and_falls_back_on_its_address(
    text: str, asked: list[str], transport: str, port: int
) -> None:
    async with DnsServer(("edge.example", "A", "127.0.0.1")) as server:
        found = await hops(text, server.names())
    assert [name for name, kind in server.asked if kind == "SRV"] == asked
    assert [(hop.address, hop.transport) for hop in found] == [(("127.0.0.1", port), transport)]


async def test_services_are_tried_by_priority_and_keep_the_name_that_the_certificate_must_have() -> None:
    async with DnsServer(
        ("_sips._tcp.edge.example", "SRV", "20 0 5071 b.example."),
        ("_sips._tcp.edge.example", "SRV", "10 5 5070 a.example."),
        ("a.example", "A", "127.0.0.1"),
        ("b.example", "A", "127.0.0.2"),
    ) as server:
        found = await hops("sips:edge.example", server.names())
    assert found == (
        Hop(("127.0.0.1", 5070), "tls", "edge.example"),
        Hop(("127.0.0.2", 5071), "tls", "edge.example"),
    )


async def test_a_service_whose_server_has_no_address_is_passed_over() -> None:
    async with DnsServer(
        ("_sip._udp.edge.example", "SRV", "10 0 5060 gone.example."),
        ("_sip._udp.edge.example", "SRV", "20 0 5060 b.example."),
        ("b.example", "A", "127.0.0.2"),
    ) as server:
        assert [hop.address for hop in await hops("sip:edge.example", server.names())] == [
            ("127.0.0.2", 5060)
        ]


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ((), "no such name"),
        ((("_sip._udp.edge.example", "SRV", "0 0 0 ."),), "not offered"),
        ((("_sip._udp.edge.example", "SRV", "0 0 5060 gone.example."),), "have no address"),
    ],
)
async def test_a_name_that_leads_nowhere_says_why(
    records: tuple[tuple[str, str, str], ...], said: str
) -> None:
    async with DnsServer(*records) as server:
        with pytest.raises(FlowError, match=said) as raised:
            await hops("sip:edge.example", server.names())
    assert raised.value.code is FailureCode.DNS


async def test_a_name_server_that_fails_is_told_from_a_name_that_is_not_there() -> None:
    async with DnsServer(fails=True) as server:
        with pytest.raises(FlowError, match="refused or failed") as raised:
            await hops("sip:edge.example:5060", server.names())
    assert raised.value.code is FailureCode.DNS


@pytest.mark.parametrize("text", ["sip:edge.example", "sip:edge.example:5060"])
async def test_a_name_server_that_hangs_is_given_up_in_time(text: str) -> None:
    loop = asyncio.get_running_loop()
    async with DnsServer(silent=True) as server:
        started = loop.time()
        with pytest.raises(FlowError, match=r"took over 0\.3 s") as raised:
            await hops(text, server.names(), within=0.3)
    assert raised.value.code is FailureCode.DNS
    assert loop.time() - started < 1


async def test_a_name_server_that_drops_questions_for_ipv6_does_not_hide_the_ipv4_address() -> None:
    async with DnsServer(("edge.example", "A", "127.0.0.1"), ignored=("AAAA",)) as server:
        assert await resolve(parse_target("sip:127.0.0.1")) == ("127.0.0.1", 5060)
        found = await hops("sip:edge.example:5060", server.names())
    assert [hop.address for hop in found] == [("127.0.0.1", 5060)]


async def test_what_a_name_leads_to_is_bounded() -> None:
    records = [("_sip._udp.edge.example", "SRV", f"{n} 0 5060 s{n}.example.") for n in range(20)]
    records += [(f"s{n}.example", "A", f"127.0.{n}.{m}") for n in range(20) for m in range(20)]
    async with DnsServer(*records) as server:
        names = server.names()
        assert len(await names.services("_sip._udp.edge.example")) == MAX_SERVICES
        assert len(await names.addresses("s1.example")) == MAX_ADDRESSES
        assert len(await hops("sip:edge.example", names)) == MAX_HOPS


async def test_an_engine_for_udp_alone_refuses_other_transports() -> None:
    with pytest.raises(ValueError, match="tls"):
        await resolve(parse_target("sips:127.0.0.1"))


def test_services_of_one_priority_are_drawn_by_weight() -> None:
    services = [
        Service(1, 0, 1, "never"),
        Service(1, 10, 1, "some"),
        Service(1, 30, 1, "most"),
        Service(0, 0, 1, "z"),
    ]
    rng = random.Random(1)
    orders = [[service.host for service in in_order(services, rng)] for _ in range(2000)]
    assert all(order[0] == "z" for order in orders)
    assert all(sorted(order) == ["most", "never", "some", "z"] for order in orders)
    first = Counter(order[1] for order in orders)
    assert first["most"] / first["some"] == pytest.approx(3, rel=0.25)
    assert first["never"] < 100
