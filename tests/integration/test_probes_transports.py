"""The sippy engine over UDP, TCP and TLS, IPv4 and IPv6: what passes, what fails how, and failover."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dialtone.model import Evidence, FailureCode, Flow, Plan, ProbeRequest, TlsPlan
from dialtone.runtime.clock import SystemClock
from synthetic.agents.codec import decode_report, encode_request
from synthetic.agents.siplib import DISPATCHER
from synthetic.agents.transactions import TransactionManager
from synthetic.agents.wirelog import MAX_MESSAGES, WireLog
from synthetic.agents.worker import Worker
from synthetic.dns import Names
from synthetic.lateness import LatenessMeter
from synthetic.probes.runner import Report
from synthetic.target import Hop
from tests.fakes.certificates import Certificates
from tests.fakes.dns_server import DnsServer
from tests.fakes.sip_front import FrontManner, SipFront
from tests.fakes.sip_probes import NEVER, PASSWORDS, a_request

pytestmark = pytest.mark.integration

FAST = 1.5
"""A timeout for probes that are bound to run into it, in seconds."""
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


FAMILIES = [4, pytest.param(6, marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1"))]


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def run(request: ProbeRequest, names: Names | None = None) -> tuple[Report, Evidence]:
    worker = Worker(SystemClock(), LatenessMeter(), late=NEVER, names=names)
    return decode_report(await worker.handle(encode_request(request)))


@asynccontextmanager
async def a_front(
    certificates: Certificates,
    transport: str = "tcp",
    *,
    family: int = 4,
    manner: FrontManner = FrontManner.PROPER,
) -> AsyncIterator[SipFront]:
    host = LOOPBACK[family]
    tls = certificates.server(host) if transport == "tls" else None
    async with SipFront(PASSWORDS, transport=transport, host=host, tls=tls, manner=manner) as front:
        yield front


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_registering_and_calling_pass_and_say_how_they_travelled(
    certificates: Certificates, transport: str, family: int
) -> None:
    plan = Plan(tls=certificates.plan())
    timers = DISPATCHER.live
    async with a_front(certificates, transport, family=family) as front:
        registered, _ = await run(a_request(Flow.REGISTER, front.target, plan=plan))
        called, evidence = await run(a_request(Flow.CALL, front.target, plan=plan))
    assert (registered.failure, called.failure) == (None, None)
    assert {"srd", "pdd", "sdd", "sdt"} <= set(called.timings)
    assert front.bindings == {}
    assert {message.transport for message in evidence.messages} == {transport}
    vias = {line for r in front.requests for line in r.all("via")}
    assert {via.split()[0] for via in vias} == {f"SIP/2.0/{transport.upper()}"}
    host = f"[{LOOPBACK[family]}]" if family == 6 else LOOPBACK[family]
    assert all(via.split()[1].startswith(f"{host}:") for via in vias)
    if transport != "udp":
        assert front.connections == 3
        assert all(f";transport={transport}" in r.get("contact") for r in front.requests if r.get("contact"))
    assert DISPATCHER.live == timers


async def test_every_request_of_a_phone_goes_over_its_one_connection_and_none_is_sent_twice(
    certificates: Certificates,
) -> None:
    async with a_front(certificates) as front:
        report, evidence = await run(a_request(Flow.CALL, front.target))
    assert report.failure is None
    assert front.connections == 2
    sent = [message.text for message in evidence.messages if message.direction == "sent"]
    assert len(sent) == len(set(sent))
    assert {m.destination for m in evidence.messages if m.direction == "sent"} == {f"127.0.0.1:{front.port}"}
    assert any("Record-Route: <sip:front.example" in m.text for m in evidence.messages)


async def test_connecting_is_no_part_of_a_registration_delay(certificates: Certificates) -> None:
    async with a_front(certificates, "tls") as front:
        report, evidence = await run(
            a_request(Flow.REGISTER, front.target, plan=Plan(tls=certificates.plan()))
        )
    first = next(m.at for m in evidence.messages if m.direction == "sent")
    accepted = next(m.at for m in evidence.messages if m.text.startswith("SIP/2.0 200"))
    assert report.timings["rrd"] == pytest.approx(accepted - first, abs=1e-6)


async def test_a_message_that_comes_byte_by_byte_is_read(certificates: Certificates) -> None:
    async with a_front(certificates, manner=FrontManner.SENDS_BYTE_BY_BYTE) as front:
        report, _ = await run(a_request(Flow.CALL, front.target))
    assert report.failure is None


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("contact", [("127.0.0.1", 9), ("front.example", 9)])
async def test_what_a_udp_socket_can_not_reach_is_reached_through_its_hop(
    certificates: Certificates, contact: tuple[str, int]
) -> None:
    """A presence server may give subscribers over IPv6 its one Contact, which is IPv4."""
    async with a_front(certificates, "udp", family=6) as front:
        hop = Hop(("::1", front.port))
        manager = TransactionManager(
            hop, TlsPlan(), party="phone", wire=WireLog(), on_request=lambda *_: None
        )
        manager.endpoint.send_to(b"OPTIONS sip:x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n", contact)
        async with asyncio.timeout(5):
            await front.first_request.wait()
        manager.shutdown()
    assert front.methods() == ["OPTIONS"]


async def test_a_keep_alive_is_answered_and_disturbs_nothing(certificates: Certificates) -> None:
    async with a_front(certificates, manner=FrontManner.PINGS) as front:
        report, _ = await run(a_request(Flow.REGISTER, front.target))
    assert report.failure is None
    assert front.pongs >= 1


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_port_on_which_nothing_listens_is_said_at_once(transport: str) -> None:
    with socket.socket() as taken:  # bound and not listening: refused
        taken.bind(("127.0.0.1", 0))
        target = f"sip:127.0.0.1:{taken.getsockname()[1]};transport={transport}"
        report, evidence = await run(a_request(Flow.CALL, target))
    assert report.failure is not None
    assert report.failure.code is FailureCode.CONNECT
    assert "nothing listens there" in report.failure.detail
    assert report.duration < 1
    assert evidence.messages == ()


@pytest.mark.parametrize(
    ("names", "expired", "trusted", "said"),
    [
        (("elsewhere.example",), False, True, "wrong name"),
        (("localhost",), True, True, "has expired"),
        (("localhost",), False, False, "unknown CA"),
    ],
)
async def test_a_certificate_that_does_not_convince_says_why(
    tmp_path: Path,
    certificates: Certificates,
    names: tuple[str, ...],
    expired: bool,
    trusted: bool,
    said: str,
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    tls = certificates.server(*names, expired=expired)
    async with SipFront(PASSWORDS, transport="tls", tls=tls) as front:
        target = f"sips:localhost:{front.port}"
        plan = Plan(tls=certificates.plan() if trusted else Certificates(other).plan())
        report, _ = await run(a_request(Flow.REGISTER, target, plan=plan))
        trusting, _ = await run(
            a_request(Flow.REGISTER, target, plan=Plan(tls=certificates.plan(verify=False)))
        )
    assert report.failure is not None
    assert report.failure.code is FailureCode.TLS
    assert said in report.failure.detail
    assert report.duration < 1
    assert trusting.failure is None


async def test_a_certificate_may_be_for_a_name_that_the_plan_gives(certificates: Certificates) -> None:
    async with SipFront(PASSWORDS, transport="tls", tls=certificates.server("edge.example")) as front:
        plan = Plan(tls=certificates.plan(name="edge.example"))
        report, _ = await run(a_request(Flow.REGISTER, front.target, plan=plan))
    assert report.failure is None


async def test_a_name_that_is_written_as_absolute_is_the_one_in_the_certificate(
    certificates: Certificates,
) -> None:
    async with SipFront(PASSWORDS, transport="tls", tls=certificates.server("localhost")) as front:
        plan = Plan(tls=certificates.plan())
        report, _ = await run(a_request(Flow.REGISTER, f"sips:localhost.:{front.port}", plan=plan))
    assert report.failure is None


@pytest.mark.parametrize("content", [None, "no certificate at all"])
async def test_a_file_of_authorities_that_can_not_be_read_is_our_own_mistake(
    tmp_path: Path, certificates: Certificates, content: str | None
) -> None:
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_text(content)
    async with a_front(certificates, "tls") as front:
        report, _ = await run(a_request(Flow.REGISTER, front.target, plan=Plan(tls=TlsPlan(ca=str(file)))))
    assert report.failure is not None
    assert report.failure.code is FailureCode.MISCONFIGURED
    assert str(file) in report.failure.detail


async def test_tls_to_a_server_that_speaks_plain_tcp_says_so(certificates: Certificates) -> None:
    async with a_front(certificates, "tcp", manner=FrontManner.CLOSES_AT_ONCE) as front:
        target = front.target.replace("=tcp", "=tls")
        report, _ = await run(a_request(Flow.REGISTER, target, plan=Plan(tls=certificates.plan())))
    assert report.failure is not None
    assert report.failure.code is FailureCode.TLS


@pytest.mark.parametrize(("transport", "code"), [("tcp", FailureCode.TIMEOUT), ("tls", FailureCode.TLS)])
async def test_a_peer_that_takes_the_connection_and_is_silent_ends_at_the_deadline(
    transport: str, code: FailureCode
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"sip:127.0.0.1:{silent.getsockname()[1]};transport={transport}"
        report, _ = await run(a_request(Flow.REGISTER, target, timeout=FAST))
    assert report.failure is not None
    assert report.failure.code is code
    assert report.duration == pytest.approx(FAST, abs=0.5)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_a_connection_lost_in_a_call_is_said_and_what_was_put_up_is_taken_down(
    certificates: Certificates, transport: str
) -> None:
    async with a_front(certificates, transport, manner=FrontManner.CLOSES_IN_CALLS) as front:
        plan = Plan(tls=certificates.plan())
        report, _ = await run(a_request(Flow.CALL, front.target, plan=plan, timeout=4.0))
    assert report.failure is not None
    assert report.failure.code is FailureCode.CONNECT
    assert "the connection to" in report.failure.detail
    assert "BYE" in front.methods()
    assert front.bindings == {}
    assert report.duration < 4.5


async def test_a_connection_closed_at_once_is_no_timeout(certificates: Certificates) -> None:
    async with a_front(certificates, manner=FrontManner.CLOSES_AT_ONCE) as front:
        report, _ = await run(a_request(Flow.REGISTER, front.target))
    assert report.failure is not None
    assert report.failure.code is FailureCode.CONNECT
    assert report.duration < 2


@pytest.mark.parametrize(
    "manner",
    [FrontManner.TALKS_GARBAGE, FrontManner.NEVER_ENDS_A_HEAD, FrontManner.ANNOUNCES_TOO_MUCH],
)
async def test_what_can_not_be_taken_apart_is_an_unexpected_message(
    certificates: Certificates, manner: FrontManner
) -> None:
    async with a_front(certificates, manner=manner) as front:
        report, evidence = await run(a_request(Flow.REGISTER, front.target, timeout=FAST))
    assert report.failure is not None
    assert report.failure.code is FailureCode.UNEXPECTED_MESSAGE
    assert report.duration < FAST + 0.5
    assert any(message.direction == "received" for message in evidence.messages)


@pytest.mark.parametrize("manner", [FrontManner.REPLIES_10000_TIMES, FrontManner.FLOODS_WITH_NOTIFIES])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_flood_ends_in_time_with_bounded_memory(
    certificates: Certificates, transport: str, manner: FrontManner
) -> None:
    loop = asyncio.get_running_loop()
    async with a_front(certificates, transport, manner=manner) as front:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = loop.time()
        plan = Plan(tls=certificates.plan())
        report, evidence = await run(a_request(Flow.REGISTER, front.target, timeout=FAST, plan=plan))
        took = loop.time() - started
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert report.duration <= FAST + 1
    assert took < FAST + 2 + 1  # the deadline, what taking down may take, and one more
    assert grown < 100_000  # KiB; half of that is the server's own 10,000 messages
    assert len(evidence.messages) <= MAX_MESSAGES
    if transport != "udp":  # a datagram that finds no room in the socket is gone
        assert any("more messages" in mark.name for mark in evidence.marks)


# Failover.


def zone(*ports: int, service: str = "_sip._udp") -> list[tuple[str, str, str]]:
    """Return SRV records of edge.example for servers on this machine, the first preferred."""
    services = [
        (f"{service}.edge.example", "SRV", f"{n} 0 {port} here.example.") for n, port in enumerate(ports)
    ]
    return [*services, ("here.example", "A", "127.0.0.1")]


def failed_over(evidence: Evidence) -> list[str]:
    return [mark.name for mark in evidence.marks if mark.name.startswith("failed over")]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_dead_first_server_is_passed_over_at_once(certificates: Certificates, transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as dead:
        dead.bind(("127.0.0.1", 0))
        port = dead.getsockname()[1]
        if transport == "udp":
            dead.close()
        async with a_front(certificates, transport) as front:
            service = f"_sip._{transport}"
            async with DnsServer(*zone(port, front.port, service=service)) as server:
                request = a_request(Flow.CALL, f"sip:edge.example;transport={transport}")
                report, evidence = await run(request, server.names())
    assert report.failure is None
    assert report.duration < 3
    [mark] = failed_over(evidence)
    assert mark.startswith(f"failed over from 127.0.0.1:{port} to 127.0.0.1:{front.port} after 0.")
    assert "nothing listens" in mark


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_silent_first_server_has_its_share_of_the_time(
    certificates: Certificates, transport: str
) -> None:
    async with (
        a_front(certificates, transport, manner=FrontManner.SILENT) as silent,
        a_front(certificates, transport) as front,
        DnsServer(*zone(silent.port, front.port, service=f"_sip._{transport}")) as server,
    ):
        request = a_request(Flow.REGISTER, f"sip:edge.example;transport={transport}", timeout=3.0)
        report, evidence = await run(request, server.names())
    assert report.failure is None
    assert report.timings["rrd"] < 1
    assert 1.4 < report.duration < 2.5
    assert ["no answer within 1.5 s" in mark for mark in failed_over(evidence)] == [True]


async def test_a_503_to_the_first_request_is_tried_elsewhere_and_another_refusal_is_not(
    certificates: Certificates,
) -> None:
    async with (
        a_front(certificates, "udp", manner=FrontManner.UNAVAILABLE) as full,
        a_front(certificates, "udp") as front,
        DnsServer(*zone(full.port, front.port)) as server,
    ):
        report, evidence = await run(a_request(Flow.REGISTER, "sip:edge.example"), server.names())
        assert report.failure is None
        assert len(failed_over(evidence)) == 1
        assert "503" in failed_over(evidence)[0]
        wrong = a_request(Flow.REGISTER, "sip:edge.example")
        wrong = replace(wrong, accounts=(replace(wrong.accounts[0], user="999", auth_user="999"),))
        asked = len(front.requests)
        refused, evidence = await run(wrong, server.names())
    assert refused.failure is not None
    assert refused.failure.code is FailureCode.AUTH
    assert len(front.requests) - asked == 2


async def test_a_503_to_a_call_is_the_platforms_own_once_the_hop_has_served(
    certificates: Certificates,
) -> None:
    async with (
        a_front(certificates, "udp", manner=FrontManner.UNAVAILABLE_FOR_CALLS) as first,
        a_front(certificates, "udp") as second,
        DnsServer(*zone(first.port, second.port)) as server,
    ):
        report, evidence = await run(a_request(Flow.CALL, "sip:edge.example"), server.names())
    assert report.failure is not None
    assert (report.failure.code, report.status) == (FailureCode.SIP_5XX, 503)
    assert failed_over(evidence) == []
    assert second.requests == []


async def test_no_hop_that_serves_is_the_last_ones_failure(certificates: Certificates) -> None:
    async with (
        a_front(certificates, "udp", manner=FrontManner.SILENT) as first,
        a_front(certificates, "udp", manner=FrontManner.SILENT) as second,
        DnsServer(*zone(first.port, second.port)) as server,
    ):
        report, evidence = await run(
            a_request(Flow.REGISTER, "sip:edge.example", timeout=FAST), server.names()
        )
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert report.duration == pytest.approx(FAST, abs=0.5)
    assert len(failed_over(evidence)) == 1


async def test_one_hop_has_all_the_time(certificates: Certificates) -> None:
    async with a_front(certificates, "udp", manner=FrontManner.SILENT) as silent:
        report, evidence = await run(a_request(Flow.REGISTER, silent.target, timeout=FAST))
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert report.duration == pytest.approx(FAST, abs=0.5)
    assert failed_over(evidence) == []
    assert len([m for m in evidence.messages if m.direction == "sent"]) >= 2


async def test_a_call_may_come_in_through_another_front_than_its_callee_is_registered_at(
    certificates: Certificates,
) -> None:
    """The second front knows no binding: that it is asked is what is tested."""
    async with a_front(certificates, "udp") as first, a_front(certificates, "tcp") as second:
        plan = Plan(caller_target=second.target)
        report, _ = await run(a_request(Flow.CALL, first.target, plan=plan))
    assert report.status == 404
    assert {"INVITE"} < set(second.methods())
    assert "INVITE" not in first.methods()


async def test_with_an_outbound_proxy_everything_passes_it_and_names_the_target(
    certificates: Certificates,
) -> None:
    async with a_front(certificates, "tcp") as proxy:
        plan = Plan(outbound_proxy=proxy.target)
        report, evidence = await run(a_request(Flow.CALL, "sip:198.51.100.7", plan=plan))
    assert report.failure is None
    assert {m.destination for m in evidence.messages if m.direction == "sent"} == {f"127.0.0.1:{proxy.port}"}
    routes = [r.all("route") for r in proxy.requests if r.method == "REGISTER"]
    assert all(len(route) == 2 and "198.51.100.7" in route[1] for route in routes)


async def test_a_name_server_that_hangs_is_a_failure_of_dns_before_the_deadline() -> None:
    async with DnsServer(silent=True) as server:
        report, evidence = await run(a_request(Flow.CALL, "sip:edge.example", timeout=1.0), server.names())
    assert report.failure is not None
    assert report.failure.code is FailureCode.DNS
    assert report.duration < 1.5
    assert evidence == Evidence()


async def test_all_the_names_of_a_probe_have_its_time_together() -> None:
    records = ("front.example", "A", "127.0.0.1")
    async with DnsServer(records, ignored=["AAAA"]) as server:
        plan = Plan(caller_target="sip:front.example:5060")  # takes half a second: nobody answers to AAAA
        request = a_request(Flow.CALL, "sip:edge.example:5060", timeout=1.0, plan=plan)
        report, _ = await run(request, server.names())
    assert report.failure is not None
    assert report.failure.code is FailureCode.DNS
    assert "edge.example" in report.failure.detail
    assert report.duration < 1.3
