"""The callee's scenario by itself: what it says to callers that the other tests' server never is."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dialtone.runtime.clock import SystemClock
from lab.faults.message import SipText
from sipp_flows.catalogue import CALLEE
from synthetic.sipp.process import running
from synthetic.sipp.program import find_sipp
from synthetic.sipp.run import Invocation

pytestmark = pytest.mark.integration

G711 = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP {}\r\n"
WITHIN = 3.0


class Caller:
    """A UDP socket that talks to the callee as a proxy does: with a Via below its own."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._own = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._callee = ("127.0.0.1", port)
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        self._socket.close()

    async def say(
        self, method: str, *, number: int = 1, to: str = "", body: str = "", user: str = "100", **extra: str
    ) -> None:
        """Send a request; `extra` are headers with underscores for dashes."""
        headers = [
            ("Via", f"SIP/2.0/UDP {self._own};branch=z9hG4bK-{method.replace('CANCEL', 'INVITE')}{number}"),
            *([] if method == "CANCEL" else [("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-below")]),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{user}@acme.example>;tag=caller"),
            ("To", f"<sip:101@acme.example>{to}"),
            ("Call-ID", "a-call"),
            ("CSeq", f"{number} {method}"),
            ("Contact", f"<sip:{user}@{self._own}>"),
            *((name.replace("_", "-"), value) for name, value in extra.items()),
        ]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        request = SipText(f"{method} sip:101@127.0.0.1 SIP/2.0", headers, body)
        await self._loop.sock_sendto(self._socket, request.encode(), self._callee)

    async def hears(self, status: int, about: str) -> SipText:
        """Wait for a response, passing over those that came before it."""
        async with asyncio.timeout(WITHIN):
            while True:
                message = SipText.parse(await self._loop.sock_recv(self._socket, 65535))
                if message.is_response and (message.status, message.method) == (status, about):
                    return message


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    if shutil.which("sipp") is None:
        pytest.fail("no sipp here: install the Debian package sip-tester")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = {"probe": "r1", "caller": "100", "user": "101", "ring": "200"}
    invocation = Invocation(CALLEE.path, ("127.0.0.1", port), calls=None, keys=keys)
    async with running(await find_sipp(), invocation, tmp_path, SystemClock()) as run:
        assert await run.listening(WITHIN)
        talking = Caller(port)
        yield talking
        talking.close()
        log = (await run.stop()).log
    assert all(line.split()[0] in {str(note) for note in CALLEE.notes} for line in log)


def tag(message: SipText) -> str:
    return ";tag=" + message.get("to").split(";tag=")[1]


async def test_a_call_that_is_cancelled_while_it_rings_is_terminated(caller: Caller) -> None:
    await caller.say("INVITE", body=G711.format("8"), X_Dialtone_Probe="r1")
    ringing = await caller.hears(180, "INVITE")
    await caller.say("CANCEL")
    await caller.hears(200, "CANCEL")
    terminated = await caller.hears(487, "INVITE")
    assert tag(terminated) == tag(ringing)
    assert "z9hG4bK-below" in terminated.encode().decode()
    await caller.say("ACK", to=tag(terminated))


@pytest.mark.parametrize(
    ("offered", "answered"), [("8", "8 101"), ("0", "0 101"), ("18 8 0", "0 8 101"), ("9 0 18", "0 101")]
)
async def test_the_answer_has_what_the_offer_has_of_g711(caller: Caller, offered: str, answered: str) -> None:
    await caller.say("INVITE", body=G711.format(offered), X_Dialtone_Probe="r1")
    described = (await caller.hears(200, "INVITE")).body
    assert f"RTP/AVP {answered}\r\n" in described


async def test_an_invite_without_an_offer_gets_one(caller: Caller) -> None:
    await caller.say("INVITE", X_Dialtone_Probe="r1")
    assert "RTP/AVP 0 8 101\r\n" in (await caller.hears(200, "INVITE")).body


@pytest.mark.parametrize("offered", ["18", "9 3", "80 18"])
async def test_an_offer_without_g711_is_not_acceptable(caller: Caller, offered: str) -> None:
    await caller.say("INVITE", body=G711.format(offered), X_Dialtone_Probe="r1")
    await caller.hears(488, "INVITE")


async def test_a_call_that_lost_its_mark_is_known_by_its_caller(caller: Caller) -> None:
    await caller.say("INVITE", body=G711.format("8"))
    await caller.hears(200, "INVITE")


@pytest.mark.parametrize(("user", "mark"), [("555", None), ("100", "another-probe"), ("555", "r12")])
async def test_others_are_busy(caller: Caller, user: str, mark: str | None) -> None:
    marks: dict[str, Any] = {} if mark is None else {"X_Dialtone_Probe": mark}
    await caller.say("INVITE", body=G711.format("8"), user=user, **marks)
    await caller.hears(486, "INVITE")


async def test_a_registrars_keep_alive_is_answered(caller: Caller) -> None:
    await caller.say("OPTIONS")
    await caller.hears(200, "OPTIONS")


async def test_a_session_that_is_described_anew_is_answered_and_hung_up_on(caller: Caller) -> None:
    await caller.say("INVITE", body=G711.format("8"), X_Dialtone_Probe="r1")
    to = tag(await caller.hears(200, "INVITE"))
    await caller.say("ACK", to=to)
    await caller.say("INVITE", number=2, to=to, body=G711.format("8"))
    assert "m=audio" in (await caller.hears(200, "INVITE")).body
    await caller.say("ACK", number=2, to=to)
    await caller.say("BYE", number=3, to=to)
    await caller.hears(200, "BYE")


async def test_an_answer_to_bye_that_gets_lost_is_given_again(caller: Caller) -> None:
    await caller.say("INVITE", body=G711.format("8"), X_Dialtone_Probe="r1")
    to = tag(await caller.hears(200, "INVITE"))
    await caller.say("ACK", to=to)
    for _ in range(2):
        await caller.say("BYE", number=2, to=to)
        await caller.hears(200, "BYE")


async def test_an_answer_without_an_ack_is_given_again(caller: Caller) -> None:
    await caller.say("INVITE", body=G711.format("8"), X_Dialtone_Probe="r1")
    first = await caller.hears(200, "INVITE")
    assert tag(await caller.hears(200, "INVITE")) == tag(first)


@pytest.mark.parametrize("method", ["BYE", "CANCEL"])
async def test_a_request_about_no_call_is_told_so(caller: Caller, method: str) -> None:
    await caller.say(method, number=7, to=";tag=nobody")
    await caller.hears(481, method)
