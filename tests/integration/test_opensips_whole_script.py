"""The whole script of docs/opensips.md starts, serves two phones, and counts their calls once each."""

import re
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from collectors.opensips import OpensipsCollector
from dialtone.model import Node, NodeKind
from dialtone.runtime.clock import SystemClock
from tests.integration.opensips_phones import Phone
from tests.integration.opensips_server import (
    PATIENCE,
    OpensipsServer,
    Ports,
    installed,
    running,
    snippets,
)
from tests.unit.opensips.conftest import Tenants

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

ACME = "acme.ntek.example.net"
STRANGER = "stranger.example"


@pytest.fixture(params=["as it is", "with series"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpensipsServer]:
    """Start a server on what an operator copies, with the addresses and folders of this test."""
    program, ports = installed(), Ports.free()
    fragment, series, whole = snippets()
    included = tmp_path / "dialtone.cfg"
    for old, new in {
        "udp:192.0.2.10:5060": f"udp:127.0.0.1:{ports.sip}",
        "/usr/lib/x86_64-linux-gnu/opensips/modules/": f"{program.modules}/",
        "/etc/opensips/dialtone.cfg": str(included),
        '"port", 8888': f'"port", {ports.http}',
        "clusterpbx[.]example$": "example[.]net$",
    }.items():
        assert whole.count(old) == 1, old
        whole = whole.replace(old, new)
    lacking = [
        name
        for name in re.findall(r'loadmodule "(\w+)\.so"', whole)
        if name != "proto_udp" and not (program.modules / f"{name}.so").exists()  # it is built in
    ]
    if lacking:
        pytest.skip(f"this OpenSIPS was built without {', '.join(lacking)}")
    if request.param == "with series":
        for route, line in {
            "route[dialtone_call]": "route(dialtone_series);",
            "route[dialtone_answered]": "route(dialtone_asr, 1);",
            "\nroute[dialtone_failed]": "route(dialtone_asr, -1);",
        }.items():
            head, found, body = fragment.partition(route)
            assert found
            block, end, rest = body.partition("\n}\n")
            fragment = f"{head}{found}{block}\n    {line}{end}{rest}"
        fragment += series
    included.write_text(fragment)
    # One worker: these phones say all things twice at once, which no timer does.
    whole = f"stderror_enabled=yes\nsyslog_enabled=no\nudp_workers=1\n{whole}"
    with running(tmp_path, whole, program=program, ports=ports) as started:
        yield started


def place_calls(front: int) -> None:
    """One answered call, one to nobody, and one by a stranger."""
    with Phone(front) as caller, Phone(front) as callee:
        callee.register(ACME, "101")
        caller.invite(ACME, "101")
        callee.answer(callee.hear("INVITE"), 200)
        answer = caller.hear("SIP/2.0 200")
        caller.within("ACK", answer, calling=True)
        caller.within("BYE", answer, calling=True)
        callee.answer(callee.hear("BYE"), 200)
        caller.hear("SIP/2.0 200 Said")
        caller.forget()
        caller.refused(caller.invite(ACME, "999"), 404)
        caller.refused(caller.invite(STRANGER), 403)


async def test_the_whole_script_of_the_guide_starts_and_counts_each_call_once(server: OpensipsServer) -> None:
    await anyio.to_thread.run_sync(place_calls, server.ports.sip)
    node = Node("sip1", NodeKind.OPENSIPS, server.mi, timeout=PATIENCE)
    collector = OpensipsCollector(node, Tenants(), SystemClock())
    try:
        reading = await collector.collect()
    finally:
        await collector.aclose()
    counted = {
        s.labels[1:]: s.value
        for s in reading.samples
        if s.metric == "opensips_tenant_sessions_total" and s.value
    }
    ours = (ACME, "ntek.example.net")
    expected = {"attempted": 2, "established": 1, "completed": 1, "failed": 1}
    assert counted == {(*ours, result): number for result, number in expected.items()}
    assert "tenants" not in reading.info
