"""The flows on sippy, against a server on a real socket that behaves, or misbehaves, as platforms do."""

import asyncio
import errno
import re
import socket
from dataclasses import replace

import pytest

from dialtone.model import Evidence, FailureCode, Flow
from dialtone.runtime.clock import SystemClock
from synthetic.agents.codec import decode_report, encode_request
from synthetic.agents.siplib import DISPATCHER
from synthetic.agents.transport import UdpEndpoint
from synthetic.agents.wirelog import MAX_MESSAGES
from synthetic.agents.worker import Worker
from synthetic.lateness import LatenessMeter
from synthetic.probes.runner import Report
from tests.fakes.sip_probes import PASSWORDS, a_request, an_account, run_here
from tests.fakes.sip_server import Manner, SipServer

pytestmark = pytest.mark.integration

FAST = 1.5
"""A timeout for probes that are bound to run into it, in seconds."""


async def probe(manner: Manner, flow: Flow, **changes: object) -> tuple[Report, Evidence, SipServer]:
    async with SipServer(PASSWORDS, manner) as server:
        report, evidence = await run_here(a_request(flow, server.target, **changes))
    return report, evidence, server


async def test_register_passes_and_leaves_no_binding() -> None:
    report, evidence, server = await probe(Manner.PROPER, Flow.REGISTER)
    assert report.failure is None
    assert report.status == 200
    assert 0 < report.timings["rrd"] < 1
    assert server.bindings == {}
    assert [m.text.split()[0] for m in evidence.messages if m.direction == "sent"] == ["REGISTER"] * 6


async def test_rrd_is_from_the_first_register_so_authentication_is_inside() -> None:
    report, evidence, _ = await probe(Manner.IS_LATE, Flow.REGISTER)
    first, *_ = [m.at for m in evidence.messages if m.direction == "sent"]
    accepted = next(m.at for m in evidence.messages if m.text.startswith("SIP/2.0 200"))
    assert report.timings["rrd"] == pytest.approx(accepted - first, abs=1e-6)
    assert report.timings["rrd"] >= 0.3


async def test_a_call_passes_with_every_timing_and_both_ends_saw_it() -> None:
    report, evidence, server = await probe(Manner.PROPER, Flow.CALL)
    assert report.failure is None
    assert set(report.timings) == {"srd", "pdd", "sdd", "sdt"}
    assert report.timings["srd"] < report.timings["sdt"]
    assert report.timings["sdt"] == pytest.approx(0.3, abs=0.25)
    assert {"callee acknowledged", "callee hung up on"} <= {mark.name for mark in evidence.marks}
    assert server.bindings == {}
    assert "INVITE sip:101@acme.example SIP/2.0" in {request.first for request in server.requests}


async def test_a_180_that_the_200_overtook_leaves_the_200_to_end_srd() -> None:
    report, _, _ = await probe(Manner.SWAPS_RINGING, Flow.CALL)
    assert report.failure is None
    assert report.timings["srd"] >= 0.2
    assert report.timings["pdd"] == report.timings["srd"]


@pytest.mark.parametrize(
    ("manner", "flow", "code", "status", "leg"),
    [
        (Manner.CHALLENGES_FOREVER, Flow.REGISTER, FailureCode.AUTH, 401, "phone REGISTER"),
        (Manner.FORBIDS, Flow.REGISTER, FailureCode.AUTH, 403, "phone REGISTER"),
        (Manner.FORBIDS, Flow.CALL, FailureCode.AUTH, 403, "callee REGISTER"),
        (Manner.FAILS, Flow.REGISTER, FailureCode.SIP_5XX, 500, "phone REGISTER"),
        (Manner.REDIRECTS, Flow.CALL, FailureCode.SIP_3XX, 302, "caller INVITE"),
        (Manner.NOT_FOUND, Flow.CALL, FailureCode.SIP_4XX, 404, "caller INVITE"),
        (Manner.DECLINES, Flow.CALL, FailureCode.SIP_6XX, 603, "caller INVITE"),
        (Manner.HANGS_UP, Flow.CALL, FailureCode.UNEXPECTED_MESSAGE, None, "hold"),
        (Manner.ANSWERS_ITSELF, Flow.CALL, FailureCode.UNEXPECTED_MESSAGE, None, "callee answer"),
        (Manner.EATS_ACKS, Flow.CALL, FailureCode.TIMEOUT, None, "callee answer"),
    ],
)
async def test_a_refusal_says_its_code_its_status_and_its_leg(
    manner: Manner, flow: Flow, code: FailureCode, status: int | None, leg: str
) -> None:
    report, _, server = await probe(manner, flow)
    assert report.failure is not None
    assert (report.failure.code, report.status) == (code, status)
    assert report.failure.detail.startswith(leg)
    assert server.bindings == {}


@pytest.mark.parametrize(
    ("manner", "flow", "code"),
    [
        (Manner.SILENT, Flow.REGISTER, FailureCode.TIMEOUT),
        (Manner.EATS_BYES, Flow.CALL, FailureCode.TIMEOUT),
        (Manner.TALKS_GARBAGE, Flow.REGISTER, FailureCode.UNEXPECTED_MESSAGE),
        (Manner.SENDS_HUGE, Flow.REGISTER, FailureCode.UNEXPECTED_MESSAGE),
        (Manner.BREAKS_HEADERS, Flow.REGISTER, FailureCode.UNEXPECTED_MESSAGE),
    ],
)
async def test_no_answer_or_nonsense_ends_at_the_deadline(
    manner: Manner, flow: Flow, code: FailureCode, capfd: pytest.CaptureFixture[str]
) -> None:
    report, evidence, server = await probe(manner, flow, timeout=FAST)
    assert report.failure is not None
    assert report.failure.code is code
    assert report.duration == pytest.approx(FAST, abs=0.5)
    assert report.status is None
    assert server.bindings == {}
    assert evidence.messages
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("family", "host", "written"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        pytest.param(
            socket.AF_INET6,
            "::1",
            "[::1]",
            marks=pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6"),
        ),
    ],
)
async def test_nothing_listening_is_a_timeout_that_says_so(family: int, host: str, written: str) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    report, evidence = await run_here(a_request(Flow.REGISTER, f"sip:{written}:{port}", timeout=FAST))
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert f"nothing listens on {written}:{port}" in report.failure.detail
    assert f"Via: SIP/2.0/UDP {written}:" in evidence.messages[0].text


async def test_a_server_that_comes_back_before_the_deadline_passes() -> None:
    """Retransmission goes on after ICMP: a restart of a second is a slow registration, no downtime."""
    async with SipServer(PASSWORDS) as gone:
        port = gone.port
    running = asyncio.create_task(run_here(a_request(Flow.REGISTER, f"sip:127.0.0.1:{port}")))
    loop = asyncio.get_running_loop()
    await asyncio.wait([running], timeout=0.2)
    server = SipServer(PASSWORDS)
    server._transport, _ = await loop.create_datagram_endpoint(lambda: server, ("127.0.0.1", port))
    report, _ = await running
    server._transport.close()
    assert report.failure is None
    assert report.timings["rrd"] > 0.4


async def test_a_wrong_password_is_auth() -> None:
    report, _, _ = await probe(Manner.PROPER, Flow.REGISTER, accounts=(an_account(password="wrong"),))
    assert report.failure is not None
    assert report.failure.code is FailureCode.AUTH
    assert report.status == 401


async def test_a_callers_wrong_password_is_auth_on_the_callers_leg() -> None:
    accounts = (an_account("100", password="wrong"), an_account("101"))
    report, _, server = await probe(Manner.PROPER, Flow.CALL, accounts=accounts)
    assert report.failure is not None
    assert report.failure.code is FailureCode.AUTH
    assert report.failure.detail.startswith("caller INVITE")
    assert server.bindings == {}


async def test_a_stale_nonce_is_no_wrong_password() -> None:
    report, _, _ = await probe(Manner.STALE_NONCE, Flow.REGISTER)
    assert report.failure is None


async def test_lost_packets_are_sent_again() -> None:
    report, _, _ = await probe(Manner.LOSES_FIRST, Flow.CALL)
    assert report.failure is None
    assert report.timings["srd"] >= 0.5


async def test_a_final_response_lost_after_a_provisional_one_is_asked_for_again() -> None:
    report, _, _ = await probe(Manner.PROVISIONAL_REGISTER, Flow.REGISTER)
    assert report.failure is None


async def test_other_encodings_than_utf8_are_taken() -> None:
    report, _, _ = await probe(Manner.SPEAKS_LATIN1, Flow.REGISTER)
    assert report.failure is None


async def test_the_ack_of_a_redirect_goes_to_the_platform_and_not_to_the_stranger_it_names() -> None:
    _, evidence, server = await probe(Manner.REDIRECTS, Flow.CALL)
    acks = [m for m in evidence.messages if m.direction == "sent" and m.text.startswith("ACK")]
    assert len(acks) == 2
    assert {ack.destination for ack in acks} == {f"127.0.0.1:{server.port}"}
    assert {ack.text.split("\r\n", 1)[0] for ack in acks} == {"ACK sip:101@acme.example SIP/2.0"}


async def test_a_call_that_rings_for_ever_is_cancelled_at_the_deadline() -> None:
    report, _, server = await probe(Manner.RINGS_FOREVER, Flow.CALL, timeout=FAST)
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert report.failure.detail.startswith("caller INVITE")
    assert "CANCEL" in server.methods()
    assert server.requests[-1].method == "REGISTER"
    assert server.bindings == {}


async def test_a_call_that_somebody_else_answered_is_hung_up() -> None:
    _, _, server = await probe(Manner.ANSWERS_ITSELF, Flow.CALL)
    assert "BYE" in server.methods()


async def test_a_binding_that_stays_is_a_mark_and_no_failure() -> None:
    report, evidence, _ = await probe(Manner.KEEPS_BINDINGS, Flow.CALL)
    assert report.failure is None
    assert any("could not leave" in mark.name for mark in evidence.marks)


async def test_evidence_holds_no_digest_answer_nonce_or_password() -> None:
    _, evidence, _ = await probe(Manner.PROPER, Flow.CALL)
    text = "\n".join(message.text for message in evidence.messages)
    assert "Authorization" in text
    assert "c0ffee" not in text
    assert not any(password in text for password in PASSWORDS.values())


async def test_twenty_probes_at_once_do_not_mix() -> None:
    async with SipServer(PASSWORDS) as server:
        flows = [Flow.CALL if number % 2 else Flow.REGISTER for number in range(20)]
        probes = [run_here(a_request(flow, server.target, timeout=20.0)) for flow in flows]
        runs = await asyncio.gather(*probes)
    registered = [report for (report, _), flow in zip(runs, flows, strict=True) if flow is Flow.REGISTER]
    assert all(report.failure is None for report in registered)
    sockets = [{m.source for m in evidence.messages if m.direction == "sent"} for _, evidence in runs]
    assert sum(map(len, sockets)) == len(set.union(*sockets)) == 30


async def test_a_probe_leaves_no_timer_behind() -> None:
    before = DISPATCHER.live
    await probe(Manner.EATS_ACKS, Flow.CALL, timeout=FAST)
    assert DISPATCHER.live == before


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("sip:no-such-host.invalid:5060", FailureCode.DNS),
        ("sip:127.0.0.1:5060;transport=sctp", FailureCode.MISCONFIGURED),
        ("sip:224.0.0.1:0", FailureCode.MISCONFIGURED),
    ],
)
async def test_a_target_that_leads_nowhere_says_why(target: str, code: FailureCode) -> None:
    report, evidence = await run_here(a_request(Flow.REGISTER, target))
    assert report.failure is not None
    assert report.failure.code is code
    assert evidence == Evidence()


async def test_a_binding_whose_200_never_came_is_removed_too() -> None:
    report, _, server = await probe(Manner.LOSES_REGISTRATIONS, Flow.REGISTER, timeout=FAST)
    assert report.failure is not None
    assert report.failure.code is FailureCode.TIMEOUT
    assert server.bindings == {}
    sequences = [int(request.get("cseq").split()[0]) for request in server.requests]
    assert sequences == sorted(sequences)  # none of the first is sent again once the phone takes it back


async def test_a_refused_registration_is_not_taken_back_because_there_is_none() -> None:
    """Each further REGISTER with a wrong password is a step towards the platform's ban list."""
    _, _, server = await probe(Manner.PROPER, Flow.REGISTER, accounts=(an_account(password="wrong"),))
    assert server.methods() == ["REGISTER"] * 2


async def test_a_contact_that_nothing_can_be_sent_to_is_the_platforms_fault() -> None:
    report, _, server = await probe(Manner.NAMES_NO_PORT, Flow.CALL)
    assert report.failure is not None
    assert report.failure.code is FailureCode.UNEXPECTED_MESSAGE
    assert report.failure.detail.startswith("caller INVITE")
    assert server.bindings == {}


async def test_a_strangers_call_to_our_callee_is_refused_and_ours_passes() -> None:
    report, evidence, _ = await probe(Manner.STRANGER_CALLS, Flow.CALL)
    assert report.failure is None
    refused = [m.text for m in evidence.messages if m.text.startswith("SIP/2.0 486")]
    assert refused
    assert all("Call-ID: stranger" in text for text in refused)


async def test_a_call_that_can_not_be_known_for_ours_is_no_failure_of_the_platform() -> None:
    report, _, server = await probe(Manner.DISGUISES_CALLERS, Flow.CALL)
    assert report.failure is not None
    assert report.failure.code is FailureCode.ACCOUNT_BUSY
    assert "turned away" in report.failure.detail
    assert server.bindings == {}


async def test_packets_that_our_own_machine_holds_back_are_no_timeout_of_the_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def held_back(*_: object) -> None:
        raise PermissionError(errno.EPERM, "a firewall rule of ours")

    monkeypatch.setattr(UdpEndpoint, "_send_once", held_back)
    report, _ = await run_here(a_request(Flow.REGISTER, "sip:127.0.0.1:5060", timeout=FAST))
    assert report.failure is not None
    assert report.failure.code is FailureCode.NO_PORT
    assert "Operation not permitted" in report.failure.detail


async def test_messages_made_of_separators_do_not_hold_the_loop() -> None:
    loop = asyncio.get_running_loop()
    async with SipServer(PASSWORDS, Manner.SENDS_SEPARATORS) as server:
        meter = LatenessMeter()
        measuring = asyncio.create_task(meter.run())
        started = loop.time()
        await run_here(a_request(Flow.REGISTER, server.target, timeout=FAST))
        measuring.cancel()
    assert meter.worst_since(started) < 0.5


async def test_a_second_bye_goes_on_from_the_number_of_the_first() -> None:
    """Each answered challenge raises it (RFC 3261 12.2.1.1); a number used twice is refused with 500."""
    _, _, server = await probe(Manner.CHALLENGES_BYES, Flow.CALL)
    byes = dict.fromkeys(
        (r.get("via"), int(r.get("cseq").split()[0])) for r in server.requests if r.method == "BYE"
    )
    numbers = [number for _, number in byes]
    assert len(numbers) >= 4
    assert len(set(numbers)) == len(numbers)


async def test_a_late_loop_of_our_own_is_overloaded_and_says_what_it_saw() -> None:
    """Our own trouble is never downtime: a failure measured by a late loop is inconclusive."""
    meter = LatenessMeter()
    meter.note(float("inf"), 0.25)
    worker = Worker(SystemClock(), meter)
    async with SipServer(PASSWORDS, Manner.FAILS) as server:
        payload = encode_request(a_request(Flow.REGISTER, server.target))
        report, evidence = decode_report(await worker.handle(payload))
    assert report.failure is not None
    assert report.failure.code is FailureCode.OVERLOADED
    assert "250 ms late" in report.failure.detail
    assert "sip-5xx" in report.failure.detail
    assert evidence.messages


@pytest.mark.parametrize("manner", [Manner.PROPER, Manner.FAILS])
async def test_only_a_pass_does_without_evidence_where_none_is_asked_for(manner: Manner) -> None:
    async with SipServer(PASSWORDS, manner) as server:
        request = replace(a_request(Flow.REGISTER, server.target), evidence=False)
        report, evidence = await run_here(request)
    assert (report.failure is None) == (manner is Manner.PROPER)
    assert bool(evidence.messages) == (report.failure is not None)
    assert bool(report.timings) == (report.failure is None)


async def test_a_flood_ends_at_the_deadline_with_bounded_evidence() -> None:
    async with SipServer(PASSWORDS, Manner.FLOODS) as server:
        report, evidence = await run_here(a_request(Flow.REGISTER, server.target, timeout=FAST))
    assert report.failure is not None
    assert report.failure.code is FailureCode.UNEXPECTED_MESSAGE
    assert len(evidence.messages) <= MAX_MESSAGES
    assert any("more messages" in mark.name for mark in evidence.marks)


@pytest.mark.parametrize("flow", [Flow.REGISTER, Flow.CALL])
async def test_a_digest_answer_that_a_server_repeats_is_shown_nowhere(flow: Flow) -> None:
    report, evidence, server = await probe(Manner.REPEATS_ANSWERS, flow)
    assert report.failure is not None
    assert report.failure.code is FailureCode.AUTH
    shown = "\n".join([report.failure.detail, *(m.text for m in evidence.messages)]).lower()
    shown += "\n".join(mark.name for mark in evidence.marks).lower()
    given = "\n".join(request.get("authorization") for request in server.requests)
    answers = re.findall(r'(?:response|cnonce)="?([^",\s]+)', given)
    assert len(answers) >= 2
    assert [answer for answer in answers if answer.lower()[:12] in shown] == []
    assert "X-Echo: Digest" in "\n".join(message.text for message in evidence.messages)
