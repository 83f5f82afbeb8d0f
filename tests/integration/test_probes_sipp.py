"""The flows on SIPp: the real program, against a server that misbehaves and the lab's real SIP front."""

import asyncio
import os
import re
import signal
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest

from dialtone.model import (
    Account,
    CalledFrom,
    Engine,
    FailureCode,
    Flow,
    Plan,
    ProbeRequest,
    ProbeRun,
    Secret,
)
from dialtone.runtime.clock import SystemClock
from lab import lab
from lab.faults.message import SipText
from lab.sample import sample
from synthetic.ladder import ladder
from synthetic.sipp.prober import SippProber
from tests.fakes.sip_presence import Habit, PresenceServer
from tests.fakes.sip_probes import NEVER, PASSWORDS, a_request, an_account
from tests.fakes.sip_server import SDP, Manner, SipServer

pytestmark = pytest.mark.integration

ACME = "acme.ntek.clusterpbx.example"
GLOBEX = "globex.modulis.clusterpbx.example"
FAST = 1.5
PATIENCE = 10.0


@pytest.fixture
def prober(tmp_path: Path) -> SippProber:
    return SippProber(SystemClock(), tmp_path, late=NEVER)


async def probe(prober: SippProber, manner: Manner, flow: Flow, **changes: Any) -> tuple[ProbeRun, SipServer]:
    async with SipServer(PASSWORDS, manner) as server:
        run = await prober.run(a_request(flow, server.target, engine=Engine.SIPP, **changes))
    return run, server


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def programs(spool: Path) -> dict[int, Path]:
    """Return the processes that work in a spool, and the folder of each."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                folder = (entry / "cwd").readlink()
            except OSError:
                continue
            if folder.is_relative_to(spool):
                found[int(entry.name)] = folder
    return found


async def the_program(spool: Path) -> tuple[int, Path]:
    """Wait until one runs that has its injection file no more: it is at work."""
    with anyio.fail_after(PATIENCE):
        while True:
            for pid, folder in (await anyio.to_thread.run_sync(programs, spool)).items():
                if (folder / "messages.log").exists():
                    return pid, folder
            await anyio.sleep(0.01)


async def the_invite(server: SipServer) -> None:
    with anyio.fail_after(PATIENCE):
        while "INVITE" not in server.methods():  # noqa: ASYNC110 - the server has no event for it
            await anyio.sleep(0.01)


@asynccontextmanager
async def under_way(prober: SippProber, request: ProbeRequest) -> AsyncIterator[asyncio.Task[ProbeRun]]:
    task = asyncio.create_task(prober.run(request))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_register_passes_and_leaves_no_binding(prober: SippProber) -> None:
    run, server = await probe(prober, Manner.PROPER, Flow.REGISTER)
    assert run.result.failure is None
    assert run.result.sip_status == 200
    assert 0 < run.result.timings["rrd"] < 1
    assert server.bindings == {}
    sent = [m.text.split()[0] for m in run.evidence.messages if m.direction == "sent"]
    assert sent == ["REGISTER"] * 6
    assert set(run.result.timings) == {"rrd", "binding_delay"}
    assert run.result.counts == {"register": 1}
    assert {"registered", "binding seen", "unregistered"} <= {mark.name for mark in run.evidence.marks}


async def test_rrd_is_from_the_first_register_so_authentication_is_inside(prober: SippProber) -> None:
    run, _ = await probe(prober, Manner.IS_LATE, Flow.REGISTER)
    assert run.result.timings["rrd"] == pytest.approx(0.3, abs=0.1)


async def test_a_call_passes_with_every_timing_and_both_ends_saw_it(prober: SippProber) -> None:
    run, server = await probe(prober, Manner.PROPER, Flow.CALL)
    assert run.result.failure is None
    assert set(run.result.timings) == {"srd", "pdd", "sdd", "sdt"}
    assert run.result.timings["srd"] < 0.2 < run.result.timings["sdt"]
    assert {"answered", "hung up", "callee registered", "callee invited", "callee acknowledged"} <= {
        mark.name for mark in run.evidence.marks
    }
    assert server.bindings == {}
    assert "INVITE sip:101@acme.example SIP/2.0" in {request.first for request in server.requests}


async def test_the_callee_is_called_on_the_address_that_it_registered_from(prober: SippProber) -> None:
    run, server = await probe(prober, Manner.PROPER, Flow.CALL)
    sources = {m.source for m in run.evidence.messages if m.party == "callee" and m.direction == "sent"}
    assert len(sources) == 1
    contacts = {request.get("contact") for request in server.requests if request.method == "REGISTER"}
    assert all(sources.copy().pop() in contact for contact in contacts)


async def test_the_ladder_shows_both_phones_around_the_platform(prober: SippProber) -> None:
    run, _ = await probe(prober, Manner.PROPER, Flow.CALL)
    lines = ladder(run.evidence).splitlines()
    assert lines[0].split() == ["ms", "caller", "platform", "callee"]
    assert any("INVITE 2 --------->|" in line for line in lines)
    assert any("timings in steps of 0.1 ms by SIPp" in line for line in lines)


CHALLENGED = {
    Flow.REGISTER: {"REGISTER": 6},
    Flow.CALL: {"REGISTER": 4, "INVITE": 2, "BYE": 1},
    Flow.PRESENCE: {"PUBLISH": 6, "SUBSCRIBE": 4},
}
"""How often each is asked where each is challenged once: a second challenge changes nothing."""


@pytest.mark.parametrize(("flow", "asked"), CHALLENGED.items())
async def test_a_late_second_challenge_to_the_first_request_is_no_refused_password(
    prober: SippProber, flow: Flow, asked: dict[str, int]
) -> None:
    async with PresenceServer(PASSWORDS, manner=Manner.CHALLENGES_TWICE) as server:
        run = await prober.run(a_request(flow, server.target, engine=Engine.SIPP))
    assert run.result.failure is None
    assert {method: server.methods().count(method) for method in asked} == asked
    assert not [mark.name for mark in run.evidence.marks if "could not leave" in mark.name]
    assert not server.bindings
    assert not server.published
    assert not server.subscribers


async def test_a_wrong_password_is_auth_where_the_first_request_is_challenged_twice(
    prober: SippProber,
) -> None:
    accounts = (an_account(password="wrong"),)
    run, server = await probe(prober, Manner.CHALLENGES_TWICE, Flow.REGISTER, accounts=accounts)
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.AUTH
    assert server.methods() == ["REGISTER"] * 2


async def test_a_transferees_call_is_challenged_twice_too(prober: SippProber) -> None:
    passwords = {**PASSWORDS, "102": PASSWORDS["101"]}
    accounts = tuple(an_account(user, password=password) for user, password in passwords.items())
    async with SipServer(passwords, Manner.CHALLENGES_TWICE) as server:
        asked = a_request(Flow.BLIND_TRANSFER, server.target, accounts=accounts, timeout=4.0)
        run = await prober.run(asked)
    assert server.methods().count("REFER") == 1  # so far it came, and this server knows no more of transfers
    assert server.methods().count("INVITE") == 2
    assert run.result.failure is not None
    assert run.result.failure.detail.startswith("transferor REFER")


@pytest.mark.parametrize("flow", [Flow.REGISTER, Flow.CALL, Flow.PRESENCE])
async def test_what_a_probe_puts_up_lives_as_long_as_the_probe_may_take(
    prober: SippProber, flow: Flow
) -> None:
    async with PresenceServer(PASSWORDS) as server:
        await prober.run(a_request(flow, server.target, engine=Engine.SIPP, timeout=90.5))
    assert {r.get("expires") for r in server.requests if r.all("expires")} == {"91", "0"}


async def test_threads_that_wait_for_a_disk_elsewhere_take_no_time_of_a_probe(prober: SippProber) -> None:
    release = threading.Event()

    async def waiting() -> None:
        await anyio.to_thread.run_sync(release.wait)

    others = int(anyio.to_thread.current_default_thread_limiter().total_tokens)
    async with anyio.create_task_group() as group:
        for _ in range(others):
            group.start_soon(waiting)
        try:
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(PATIENCE):
                run, _ = await probe(prober, Manner.PROPER, Flow.CALL)
        finally:
            release.set()
    assert run.result.failure is None


async def test_a_call_that_rings_for_ever_is_cancelled_at_the_deadline(prober: SippProber) -> None:
    run, server = await probe(prober, Manner.RINGS_FOREVER, Flow.CALL, timeout=FAST)
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.TIMEOUT
    assert "CANCEL" in server.methods()
    assert "ACK" in server.methods()[server.methods().index("CANCEL") :]
    assert server.requests[-1].method == "REGISTER"
    assert server.bindings == {}
    assert run.result.duration == pytest.approx(FAST, abs=1.0)


async def test_a_call_that_somebody_else_answered_is_hung_up(prober: SippProber) -> None:
    _, server = await probe(prober, Manner.ANSWERS_ITSELF, Flow.CALL)
    assert "BYE" in server.methods()
    assert server.bindings == {}


async def test_a_strangers_call_is_refused_and_ours_passes(prober: SippProber) -> None:
    run, _ = await probe(prober, Manner.STRANGER_CALLS, Flow.CALL)
    assert run.result.failure is None
    refused = [m.text for m in run.evidence.messages if m.text.startswith("SIP/2.0 486")]
    assert refused
    assert all("Call-ID: stranger" in text for text in refused)


async def test_a_digest_answer_names_the_request_uri_and_not_the_next_hop(prober: SippProber) -> None:
    _, server = await probe(prober, Manner.PROPER, Flow.CALL)
    answers = [
        (request.first.split()[1], request.get("authorization") or request.get("proxy-authorization"))
        for request in server.requests
    ]
    named = {uri for uri, answer in answers if answer and f'uri="{uri}"' in answer}
    assert named == {"sip:acme.example", "sip:101@acme.example"}
    assert all(f'uri="{uri}"' in answer for uri, answer in answers if answer)


async def test_a_registration_that_gets_no_second_answer_is_not_followed_by_a_bye(
    prober: SippProber,
) -> None:
    _, server = await probe(prober, Manner.LOSES_REGISTRATIONS, Flow.REGISTER, timeout=FAST)
    assert "BYE" not in server.methods()


async def test_silence_while_our_own_loop_was_held_is_no_failure_of_the_platform(tmp_path: Path) -> None:
    prober = SippProber(SystemClock(), tmp_path, late=0.6)
    async with SipServer(PASSWORDS, Manner.SILENT) as server:
        asked = a_request(Flow.REGISTER, server.target, engine=Engine.SIPP, timeout=FAST)
        running = asyncio.create_task(prober.run(asked))
        await server.first_request.wait()
        time.sleep(0.9)  # noqa: ASYNC251 - a loop that does nothing else is what is tried
        run = await running
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.OVERLOADED
    assert "our own loop was held" in run.result.failure.detail
    assert "without that: timeout" in run.result.failure.detail


async def test_a_refused_registration_is_not_taken_back_because_there_is_none(prober: SippProber) -> None:
    """Each further REGISTER with a wrong password is a step towards the platform's ban list."""
    accounts = (an_account(password="wrong"),)
    _, server = await probe(prober, Manner.PROPER, Flow.REGISTER, accounts=accounts)
    assert server.methods() == ["REGISTER"] * 2


async def test_a_binding_whose_200_never_came_is_removed_too(prober: SippProber) -> None:
    run, server = await probe(prober, Manner.LOSES_REGISTRATIONS, Flow.REGISTER, timeout=FAST)
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.TIMEOUT
    assert server.bindings == {}


async def test_a_binding_that_stays_after_a_call_is_a_mark_and_no_failure(prober: SippProber) -> None:
    run, _ = await probe(prober, Manner.KEEPS_BINDINGS, Flow.CALL)
    assert run.result.failure is None
    assert "callee could not leave: 500 Location Locked" in {mark.name for mark in run.evidence.marks}


ODD = "[x] {y} 'z' \"q\" \\ , # % & = + $ ! ^ ~ `|<>@:"


@pytest.mark.parametrize("password", [ODD, " spaces at both ends ", "pâssé ☎", "x" * 255])
async def test_a_password_of_any_characters_but_the_refused_ones_reaches_the_digest(
    prober: SippProber, password: str
) -> None:
    async with SipServer({"100": password}) as server:
        request = a_request(Flow.REGISTER, server.target, accounts=(an_account(password=password),))
        result = (await prober.run(request)).result
    assert result.failure is None


async def test_evidence_holds_no_digest_answer_nonce_or_password(prober: SippProber) -> None:
    run, _ = await probe(prober, Manner.PROPER, Flow.CALL)
    text = "\n".join(message.text for message in run.evidence.messages)
    assert "Authorization" in text
    assert "c0ffee" not in text
    assert not any(password in text for password in PASSWORDS.values())


async def test_while_it_runs_no_file_and_no_command_line_has_the_password(
    prober: SippProber, tmp_path: Path
) -> None:
    def everything(pid: int, folder: Path) -> tuple[bytes, list[Path]]:
        said = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        return said, [path for path in folder.parent.rglob("*") if path.is_file()]

    async with SipServer(PASSWORDS, Manner.SILENT) as server:
        request = a_request(Flow.REGISTER, server.target, timeout=PATIENCE)
        async with under_way(prober, request):
            await server.first_request.wait()
            pid, folder = await the_program(tmp_path)
            said, written = await anyio.to_thread.run_sync(everything, pid, folder)
            assert PASSWORDS["100"].encode() not in said
            assert written
            assert not any(PASSWORDS["100"].encode() in path.read_bytes() for path in written)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


async def test_a_sipp_that_is_killed_is_an_inconclusive_probe(prober: SippProber, tmp_path: Path) -> None:
    async with SipServer(PASSWORDS, Manner.SILENT) as server:
        request = a_request(Flow.REGISTER, server.target, timeout=PATIENCE)
        async with under_way(prober, request) as task:
            await server.first_request.wait()
            pid, _ = await the_program(tmp_path)
            os.kill(pid, signal.SIGKILL)
            result = (await task).result
    assert result.failure is not None
    assert result.failure.code is FailureCode.ENGINE_CRASHED
    assert "SIGKILL" in result.failure.detail
    assert programs(tmp_path) == {}


async def test_a_probe_that_is_given_up_leaves_no_process_no_binding_and_no_file(
    prober: SippProber, tmp_path: Path
) -> None:
    async with SipServer(PASSWORDS, Manner.RINGS_FOREVER) as server:
        async with under_way(prober, a_request(Flow.CALL, server.target, timeout=PATIENCE)):
            await the_invite(server)
        assert server.bindings == {}
    assert programs(tmp_path) == {}
    assert left_in(tmp_path) == []


async def test_ten_probes_at_once_do_not_mix(prober: SippProber, tmp_path: Path) -> None:
    async with SipServer(PASSWORDS) as server:
        requests = [a_request(Flow.REGISTER, server.target, id=f"r{n}", timeout=20.0) for n in range(10)]
        runs = await asyncio.gather(*map(prober.run, requests))
    assert all(run.result.failure is None for run in runs)
    sockets = [{m.source for m in run.evidence.messages if m.direction == "sent"} for run in runs]
    assert len(set.union(*sockets)) == 10
    assert left_in(tmp_path) == []


class Platform(SipServer):
    """A proper server that also does what a platform may; `habit` says what."""

    def __init__(self, habit: str) -> None:
        super().__init__(PASSWORDS)
        self._habit = habit
        self._answer = b""
        self.answered: list[SipText] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take a datagram; those that answer our own requests go nowhere else."""
        data = data.replace(b"\r\nt:", b"\r\nTo:")  # SIPp's ACK has the To of the response as it came
        message = SipText.parse(data)
        if message.is_response and "z9hG4bKown" in message.all("via")[0]:
            self.answered.append(message)
            return
        super().datagram_received(data, addr)

    def _serve(self, message: SipText, addr: tuple[str, int]) -> None:
        habit, method, initial = self._habit, message.method, ";tag=" not in message.get("to")
        if habit == "trying" and method == "BYE":
            self._send(message.reply(100, "Trying").encode(), addr)
        elif habit in ("INVITE", "BYE") and method == "BYE":  # one of ours crosses it
            self._ask(habit, message.get("to"), message.get("from"), message, addr)
            self._loop.call_later(0.05, super()._serve, message, addr)
            return
        elif habit == "two servers" and method == "INVITE" and message.get("proxy-authorization"):
            challenge = 'Digest realm="behind", nonce="1", algorithm=MD5, qop="auth"'
            self._send(message.reply(401, "Unauthorized", ("WWW-Authenticate", challenge)).encode(), addr)
            return
        elif habit == "late answer" and method == "INVITE" and message.get("proxy-authorization"):
            self._send(message.reply(180, "Ringing").encode(), addr)
            contact = ("Contact", f"<sip:late@127.0.0.1:{self.port}>")
            self._answer = message.reply(200, "OK", contact, body=SDP, tag="late").encode()
            return
        elif habit == "late answer" and method in ("CANCEL", "BYE"):
            if method == "CANCEL":
                self._send(self._answer, addr)
            self._send(message.reply(200, "OK").encode(), addr)
            return
        super()._serve(message, addr)
        if habit == "to the caller" and method == "ACK" and not initial and "srv" not in message.get("to"):
            self._ask("OPTIONS", message.get("to"), message.get("from"), message, addr)

    def _forward(self, message: SipText, where: tuple[str, int], initial: bool) -> None:
        super()._forward(message, where, initial)
        if self._habit == "to the callee" and message.method == "ACK":
            self._ask("OPTIONS", message.get("from"), message.get("to"), message, where)

    def _send(self, data: bytes, where: tuple[str, int]) -> None:
        if self._habit == "compact" and data.startswith(b"SIP/2.0"):
            for name, short in ((b"Via", b"v"), (b"From", b"f"), (b"To", b"t"), (b"Call-ID", b"i")):
                data = data.replace(b"\r\n" + name + b":", b"\r\n" + short + b":")
        super()._send(data, where)

    def _ask(self, method: str, sender: str, to: str, about: SipText, where: tuple[str, int]) -> None:
        headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKown{method}"),
            *(("Max-Forwards", "70"), ("From", sender), ("To", to), ("Call-ID", about.get("call-id"))),
            *(("CSeq", f"70 {method}"), ("Contact", f"<sip:platform@127.0.0.1:{self.port}>")),
        ]
        self._send(SipText(f"{method} sip:x@127.0.0.1 SIP/2.0", headers).encode(), where)


@pytest.mark.parametrize("asked", ["to the caller", "to the callee"])
async def test_a_keep_alive_in_the_call_is_answered_and_no_failure(prober: SippProber, asked: str) -> None:
    """As OpenSIPS sends them to both sides where a dialog is made with ping."""
    async with Platform(asked) as server:
        run = await prober.run(a_request(Flow.CALL, server.target, engine=Engine.SIPP))
    assert run.result.failure is None
    assert [(answer.status, answer.method) for answer in server.answered] == [(200, "OPTIONS")]


@pytest.mark.parametrize("habit", ["trying", "INVITE", "BYE"])
async def test_what_comes_between_a_bye_and_its_answer_is_no_failure(prober: SippProber, habit: str) -> None:
    async with Platform(habit) as server:
        run = await prober.run(a_request(Flow.CALL, server.target, engine=Engine.SIPP))
    assert run.result.failure is None
    assert "sdd" in run.result.timings


async def test_headers_in_compact_form_are_understood(prober: SippProber) -> None:
    async with Platform("compact") as server:
        run = await prober.run(a_request(Flow.CALL, server.target, engine=Engine.SIPP))
    assert run.result.failure is None
    assert all("branch=z9hG4bK" in request.get("via") for request in server.requests)


async def test_a_second_server_that_wants_credentials_is_no_refused_password(prober: SippProber) -> None:
    async with Platform("two servers") as server:
        run = await prober.run(a_request(Flow.CALL, server.target, engine=Engine.SIPP))
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.MISCONFIGURED
    assert "use the engine sippy" in run.result.failure.detail


async def test_an_answer_that_crosses_the_cancel_is_hung_up(prober: SippProber) -> None:
    async with Platform("late answer") as server:
        run = await prober.run(a_request(Flow.CALL, server.target, engine=Engine.SIPP, timeout=FAST))
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.TIMEOUT
    assert "BYE" in server.methods()


async def test_a_sipp_that_was_stopped_for_a_while_is_overloaded(tmp_path: Path) -> None:
    """Its probe may even pass: its timings are ours then, not the platform's."""
    prober = SippProber(SystemClock(), tmp_path)
    async with SipServer(PASSWORDS, Manner.SILENT) as server:
        request = a_request(Flow.REGISTER, server.target, timeout=FAST)
        async with under_way(prober, request) as task:
            await server.first_request.wait()
            pid, _ = await the_program(tmp_path)
            os.kill(pid, signal.SIGSTOP)
            await anyio.sleep(0.6)
            os.kill(pid, signal.SIGCONT)
            result = (await task).result
    assert result.failure is not None
    assert result.failure.code is FailureCode.OVERLOADED


async def test_calls_of_two_runs_have_nothing_in_common_in_their_call_ids(prober: SippProber) -> None:
    run, server = await probe(prober, Manner.PROPER, Flow.CALL)
    assert run.result.failure is None
    ids = {request.get("call-id").split("-")[2] for request in server.requests}
    assert len(ids) == 3


class Trunk(SipServer):
    """A server that lets everybody call in."""

    def _authorised(self, message: SipText, addr: tuple[str, int], *challenge: Any) -> bool:
        return message.method == "INVITE" or super()._authorised(message, addr, *challenge)


async def test_the_plans_headers_are_in_every_invite_and_nowhere_else(prober: SippProber) -> None:
    headers = (("X-Billing", 'none; of="yours"'), ("X-Gateway", "<sip:[gw]@[2001:db8::1]>"))
    run, server = await probe(prober, Manner.PROPER, Flow.CALL, plan=Plan(headers=headers))
    assert run.result.failure is None
    for request in server.requests:
        wanted = [(name, request.get(name.lower())) for name, _ in headers]
        assert wanted == (
            list(headers) if request.method == "INVITE" else [("X-Billing", ""), ("X-Gateway", "")]
        )


async def test_the_trunks_side_calls_from_its_own_address_as_who_the_plan_says(prober: SippProber) -> None:
    plan = Plan(called_from=CalledFrom.TRUNK, caller_id="+15145550100", number="101")
    async with Trunk(PASSWORDS) as server:
        request = a_request(Flow.CALL, server.target, plan=plan, accounts=(an_account("101"),))
        run = await prober.run(request)
    assert run.result.failure is None
    (invite,) = (r for r in server.requests if r.method == "INVITE")
    assert invite.first == "INVITE sip:101@acme.example SIP/2.0"
    assert invite.get("from").startswith("<sip:+15145550100@127.0.0.1>")
    assert not invite.get("proxy-authorization")


async def test_a_caller_may_call_through_another_front_than_its_callee_is_registered_at(
    prober: SippProber,
) -> None:
    async with SipServer(PASSWORDS) as home, SipServer(PASSWORDS) as other:
        other.bindings = home.bindings
        plan = Plan(caller_target=other.target)
        run = await prober.run(a_request(Flow.CALL, home.target, plan=plan))
        assert run.result.failure is None
        assert set(home.methods()) == {"REGISTER"}
        assert {"INVITE", "ACK", "BYE"} == set(other.methods())
        other.bindings = {}
        lost = await prober.run(a_request(Flow.CALL, home.target, plan=plan))
    assert lost.result.failure is not None
    assert lost.result.failure.detail == f"caller INVITE through {other.target}: 404 Not Found"


@pytest.mark.parametrize(("ring", "hold"), [(0.0, 0.0), (0.5, 0.2), (0.1, 0.8)])
async def test_the_call_rings_and_is_held_as_long_as_the_plan_says(
    prober: SippProber, ring: float, hold: float
) -> None:
    run, _ = await probe(prober, Manner.PROPER, Flow.CALL, plan=Plan(ring=ring, hold=hold))
    assert run.result.failure is None
    marks = {mark.name: mark.at for mark in run.evidence.marks}
    assert marks["answered"] - marks["callee invited"] == pytest.approx(ring, abs=0.15)
    assert run.result.timings["sdt"] == pytest.approx(hold, abs=0.25)


async def test_no_cue_of_ours_is_in_the_evidence(prober: SippProber) -> None:
    run, _ = await probe(prober, Manner.PROPER, Flow.CALL)
    text = "\n".join(message.text for message in run.evidence.messages)
    assert "CUE" not in text


async def test_a_presence_probe_that_is_given_up_takes_down_what_it_put_up(
    prober: SippProber, tmp_path: Path
) -> None:
    async with PresenceServer(PASSWORDS, Habit.NEVER_NOTIFIES) as server:
        async with under_way(prober, a_request(Flow.PRESENCE, server.target, timeout=PATIENCE)):
            with anyio.fail_after(PATIENCE):
                while not server.subscribers:  # noqa: ASYNC110 - the server has no event for it
                    await anyio.sleep(0.01)
        assert server.published == {}
        assert server.subscribers == {}
    assert programs(tmp_path) == {}
    assert left_in(tmp_path) == []


async def test_over_ipv6_a_server_is_asked_as_well(prober: SippProber) -> None:
    class Answers(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(SipText.parse(data).reply(200, "OK").encode(), addr)

    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Answers, local_addr=("::1", 0)
        )
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        port = transport.get_extra_info("sockname")[1]
        run = await prober.run(a_request(Flow.OPTIONS, f"sip:[::1]:{port}"))
    finally:
        transport.close()
    assert run.result.failure is None


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, list[Account]]]]:
    """Start the lab's SIP front; give its target and its phones' accounts by tenant."""
    root: Path = tmp_path_factory.mktemp("labs")
    state = asyncio.run(lab.up("sipp", only=["sip"], root=root))
    try:
        accounts: dict[str, list[Account]] = {}
        for phone in sample(state.root / "accounts.csv").phones:
            account = Account(phone.tenant, phone.user, phone.user, Secret(phone.password))
            accounts.setdefault(phone.tenant, []).append(account)
        yield f"sip:{state.addresses['sip']};transport=udp", accounts
    finally:
        asyncio.run(lab.down("sipp", root=root))


Front = tuple[str, dict[str, list[Account]]]


@pytest.mark.parametrize("tenant", [ACME, GLOBEX])
@pytest.mark.parametrize("flow", [Flow.OPTIONS, Flow.REGISTER, Flow.CALL, Flow.PRESENCE])
async def test_the_lab_is_passed_for_each_tenant(
    prober: SippProber, front: Front, flow: Flow, tenant: str
) -> None:
    target, accounts = front
    request = a_request(
        flow, target, tenant=tenant, accounts=tuple(accounts[tenant][: Plan().accounts(flow)])
    )
    run = await prober.run(request)
    assert run.result.failure is None
    assert not any("could not leave" in mark.name for mark in run.evidence.marks)


@pytest.mark.parametrize(("flow", "leg"), [(Flow.REGISTER, "phone REGISTER"), (Flow.CALL, "caller INVITE")])
async def test_a_wrong_password_at_the_lab_is_auth(
    prober: SippProber, front: Front, flow: Flow, leg: str
) -> None:
    target, accounts = front
    first, second = accounts[ACME][:2]
    wrong = Account(ACME, first.user, first.auth_user, Secret("not-the-password"))
    request = a_request(flow, target, tenant=ACME, accounts=(wrong, second)[: Plan().accounts(flow)])
    run = await prober.run(request)
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.AUTH
    assert run.result.failure.detail.startswith(leg)
    assert "not-the-password" not in "".join(message.text for message in run.evidence.messages)


async def test_another_tenants_account_is_no_way_into_the_lab(prober: SippProber, front: Front) -> None:
    target, accounts = front
    stranger = accounts[GLOBEX][0]
    posing = Account(ACME, stranger.user, stranger.auth_user, stranger.password)
    result = (await prober.run(a_request(Flow.REGISTER, target, tenant=ACME, accounts=(posing,)))).result
    assert result.failure is not None
    assert result.failure.code is FailureCode.AUTH


async def test_a_digest_answer_that_a_server_repeats_is_shown_nowhere(prober: SippProber) -> None:
    run, server = await probe(prober, Manner.REPEATS_ANSWERS, Flow.REGISTER)
    assert run.result.failure is not None
    assert run.result.failure.code is FailureCode.AUTH
    shown = "\n".join([run.result.failure.detail, *(m.text for m in run.evidence.messages)]).lower()
    shown += "\n".join(mark.name for mark in run.evidence.marks).lower()
    given = "\n".join(request.get("authorization") for request in server.requests)
    answers = re.findall(r'(?:response|cnonce)="?([^",\s]+)', given)
    assert len(answers) >= 2
    assert [answer for answer in answers if answer.lower()[:12] in shown] == []
    assert "X-Echo: Digest" in "\n".join(message.text for message in run.evidence.messages)
