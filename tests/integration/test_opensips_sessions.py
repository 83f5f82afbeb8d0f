"""The documented script on a real OpenSIPS: each call is counted once, as what it was."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest

from collectors.opensips import OpensipsCollector
from dialtone.model import CollectError, Node, NodeKind, Reading
from dialtone.quality import ratios
from dialtone.runtime.clock import SystemClock
from tests.integration.opensips_phones import Phone
from tests.integration.opensips_server import PATIENCE, Ports, opensips, snippets
from tests.unit.opensips.conftest import Tenants

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

ACME: Final = "acme.ntek.example.net"
_RINGS_AFTER: Final = 0.1
_SCRIPT: Final = """
modparam("tm", "fr_timeout", 2)
loadmodule "sipmsgops.so"
loadmodule "ratelimit.so"
{fragment}
{series}
failure_route[next_gateway] {{
    if ($T_reply_code == 503 && $avp(tried) == NULL) {{
        $avp(tried) = "yes";
        $ru = "sip:101@127.0.0.1:{second}";
        t_on_failure("next_gateway");
        t_relay();
        exit;
    }}
    route(dialtone_failed);
}}
route {{
    if (has_totag()) {{
        if (loose_route()) {{
            route(dialtone_in_dialog);
            t_relay();
        }} else if ($rm == "ACK") {{
            t_check_trans();
        }}
        exit;
    }}
    if ($rm == "CANCEL") {{
        if (t_check_trans()) {{
            t_relay();
        }}
        exit;
    }}
    if ($rm != "INVITE") {{
        exit;
    }}
    record_route();
    route(dialtone_call);
    if (!rl_check("tenant_$fd", 50)) {{
        exit;
    }}
    if ($rU == "everywhere") {{
        $branch = "sip:101@127.0.0.1:{second}";
    }}
    if ($rU == "gateways") {{
        t_on_failure("next_gateway");
    }}
    $ru = "sip:101@127.0.0.1:{first}";
    t_relay();
}}
"""


class Scene:
    """A server, who calls through it, and two phones that are called."""

    def __init__(self, mi: str, caller: Phone, first: Phone, second: Phone) -> None:
        self.mi = mi
        self.caller = caller
        self.first = first
        self.second = second

    def answered(self, user: str = "101") -> tuple[str, str]:
        """Have a call answered; return the INVITE that came and the answer to it."""
        self.caller.invite(ACME, user)
        invite = self.first.hear("INVITE")
        time.sleep(_RINGS_AFTER)
        self.first.answer(invite, 180)
        self.caller.hear("SIP/2.0 180")
        self.first.answer(invite, 200)
        answer = self.caller.hear("SIP/2.0 200")
        self.caller.within("ACK", answer, calling=True)
        return invite, answer

    def refused(self, status: int, told: int | None = None, user: str = "101") -> None:
        """Have a call refused; the caller is told that status or another."""
        invite = self.caller.invite(ACME, user)
        self.first.answer(self.first.hear("INVITE"), status)
        self.caller.refused(invite, told or status)


def hung_up_by_caller(scene: Scene) -> None:
    _, answer = scene.answered()
    scene.caller.within("BYE", answer, calling=True)
    scene.first.answer(scene.first.hear("BYE"), 200, times=3)
    scene.caller.hear("SIP/2.0 200 Said")


def hung_up_by_callee(scene: Scene) -> None:
    invite, _ = scene.answered()
    scene.first.within("BYE", invite, calling=False)
    scene.caller.answer(scene.caller.hear("BYE"), 200, times=3)
    scene.first.hear("SIP/2.0 200")


def hung_up_by_both(scene: Scene) -> None:
    invite, answer = scene.answered()
    scene.caller.within("BYE", answer, calling=True)
    scene.first.within("BYE", invite, calling=False)
    scene.first.answer(scene.first.hear("BYE"), 200)
    scene.caller.answer(scene.caller.hear("BYE"), 200)
    scene.first.hear("SIP/2.0 200")


def hung_up_on_nobody(scene: Scene) -> None:
    _, answer = scene.answered()
    scene.caller.within("BYE", answer, calling=True)
    scene.first.answer(scene.first.hear("BYE"), 481)
    scene.caller.hear("SIP/2.0 481")


def cancelled(scene: Scene) -> None:
    invite = scene.caller.invite(ACME)
    came = scene.first.hear("INVITE")
    scene.first.answer(came, 180)
    scene.caller.hear("SIP/2.0 180")
    scene.caller.cancel(invite)
    scene.first.answer(scene.first.hear("CANCEL"), 200)
    scene.first.answer(came, 487)
    scene.caller.refused(invite, 487)


def answered_by_two(scene: Scene) -> None:
    scene.caller.invite(ACME, "everywhere")
    one, other = scene.first.hear("INVITE"), scene.second.hear("INVITE")
    scene.first.answer(one, 200)
    scene.second.answer(other, 200, "c")
    scene.caller.hear("SIP/2.0 200")


def answered_by_the_second(scene: Scene) -> None:
    scene.caller.invite(ACME, "everywhere")
    scene.first.answer(scene.first.hear("INVITE"), 486)
    scene.second.answer(scene.second.hear("INVITE"), 200, "c")
    scene.caller.hear("SIP/2.0 200")


def answered_by_the_next_gateway(scene: Scene) -> None:
    scene.caller.invite(ACME, "gateways")
    scene.first.answer(scene.first.hear("INVITE"), 503)
    scene.second.answer(scene.second.hear("INVITE"), 200, "c")
    scene.caller.hear("SIP/2.0 200")


def refused_by_the_next_gateway(scene: Scene) -> None:
    invite = scene.caller.invite(ACME, "gateways")
    scene.first.answer(scene.first.hear("INVITE"), 503)
    scene.second.answer(scene.second.hear("INVITE"), 404, "c")
    scene.caller.refused(invite, 404)


def answered_by_nobody(scene: Scene) -> None:
    invite = scene.caller.invite(ACME)
    scene.first.hear("INVITE")
    scene.caller.refused(invite, 408)


CALLS: Final[dict[str, tuple[Callable[[Scene], None], dict[str, int]]]] = {
    "hung up by caller": (hung_up_by_caller, {"established": 1, "completed": 1}),
    "hung up by callee": (hung_up_by_callee, {"established": 1, "completed": 1}),
    "hung up by both": (hung_up_by_both, {"established": 1, "completed": 1}),
    "a BYE that is refused": (hung_up_on_nobody, {"established": 1}),
    "302": (lambda scene: scene.refused(302), {"redirected": 1}),
    "404": (lambda scene: scene.refused(404), {"failed": 1}),
    "486": (lambda scene: scene.refused(486), {"end_user": 1}),
    # tm tells the caller a 500 then (RFC 3261 16.7); what counts is what was said.
    "503": (lambda scene: scene.refused(503, 500), {"ineffective": 1}),
    "603": (lambda scene: scene.refused(603), {"end_user": 1}),
    "cancelled": (cancelled, {"failed": 1}),
    "nobody": (answered_by_nobody, {"ineffective": 1}),
    "two answers": (answered_by_two, {"established": 1}),
    "one of two": (answered_by_the_second, {"established": 1}),
    "the next gateway": (answered_by_the_next_gateway, {"established": 1}),
    "no gateway": (refused_by_the_next_gateway, {"failed": 1}),
}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    ports = Ports.free()
    fragment, series, _ = snippets()
    for route, line in {
        't_on_failure("dialtone_failed");': "route(dialtone_series);",
        '_answered", 1);': "route(dialtone_asr, 1);",
        '_failed_$T_reply_code", 1);': "route(dialtone_asr, -1);",
    }.items():
        assert fragment.count(route) == 1
        fragment = fragment.replace(route, f"{route}\n{line}")
    with Phone(ports.sip) as caller, Phone(ports.sip) as first, Phone(ports.sip) as second:
        values = {"fragment": fragment, "series": series, "first": first.port, "second": second.port}
        with opensips(tmp_path, _SCRIPT, values, ports=ports) as server:
            yield Scene(server.mi, caller, first, second)


async def reading(mi: str) -> Reading:
    """Poll the server, which may still be starting, as one that was never asked before."""
    collector = OpensipsCollector(Node("sip1", NodeKind.OPENSIPS, mi, timeout=5.0), Tenants(), SystemClock())
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                found = await collector.collect()
            except CollectError:
                await anyio.sleep(0.1)
            else:
                await collector.aclose()
                return found


def sessions(found: Reading) -> dict[str, int]:
    """Return what was counted of the tenant's sessions, by result."""
    return {
        s.labels[3]: int(s.value)
        for s in found.samples
        if s.metric == "opensips_tenant_sessions_total" and s.labels[1] == ACME and s.value
    }


async def test_every_call_is_counted_once_as_what_it_was_though_all_is_said_twice(scene: Scene) -> None:
    expected: dict[str, int] = {}
    for name, (place, results) in CALLS.items():
        for result, count in {"attempted": 1, **results}.items():
            expected[result] = expected.get(result, 0) + count
        for phone in (scene.caller, scene.first, scene.second):
            phone.forget()
        await anyio.to_thread.run_sync(place, scene)
        with anyio.fail_after(PATIENCE):
            while (found := sessions(await reading(scene.mi))) != expected:
                assert all(found[result] <= expected.get(result, 0) for result in found), (
                    name,
                    found,
                    expected,
                )
                await anyio.sleep(0.05)
    await anyio.sleep(1)  # what is said again comes within this time, and counts nothing
    last = await reading(scene.mi)
    assert sessions(last) == expected
    answered = expected["established"] / expected["attempted"]
    shown = {s.metric: s.value for s in last.samples if s.labels[1:2] == (ACME,)}
    assert shown["opensips_tenant_answer_seizure_ratio"] == int(answered * 100) / 100
    assert 0 < shown["opensips_tenant_post_dial_delay_seconds"] < 1
    assert shown["opensips_tenant_window_calls"] == expected["attempted"]
    pipes = {s.labels[-1]: s.value for s in last.samples if s.metric == "opensips_tenant_ratelimit_limit"}
    assert pipes == {"tenant": 50}
    counts = {"invite": expected["attempted"], "invite_200": expected["established"]}
    assert ratios(counts).ser == answered
