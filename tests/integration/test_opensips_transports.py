"""A real OpenSIPS (3.x, 4.x) says the same over each transport of its management interface."""

import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest

from collectors.opensips import OpensipsCollector
from dialtone.model import CollectError, CollectFailure, Node, NodeKind, Reading
from dialtone.runtime.clock import SystemClock
from tests.integration.opensips_server import PATIENCE, fragment, free_port, opensips
from tests.unit.opensips.conftest import Tenants

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

_SCRIPT: Final = """
loadmodule "mi_datagram.so"
loadmodule "mi_fifo.so"
modparam("mi_datagram", "socket_name", "{datagram}")
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}/")
{fragment}
route {{
    if ($rm != "INVITE") {{
        exit;
    }}
    route(dialtone_call);
    $ru = "sip:101@127.0.0.1:{callee}";
    t_relay();
}}
"""


@pytest.fixture(params=["udp", "unix"])
def addresses(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start a server; return its addresses by transport. mi_datagram has one socket, of either kind."""
    callee, udp, file = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM), tmp_path / "mi.sock"
    values = {
        "datagram": f"udp:127.0.0.1:{udp}" if request.param == "udp" else file,
        "fragment": fragment(),
        "callee": callee,
    }
    with opensips(tmp_path, _SCRIPT, values) as server:
        yield {
            "http": server.mi,
            request.param: f"udp://127.0.0.1:{udp}" if request.param == "udp" else f"unix://{file}",
            "sip": f"{server.ports.sip}",
            "callee": f"{callee}",
            "fifo": f"fifo://{tmp_path}/fifo?replies={tmp_path}",
        }


@pytest.fixture
async def collectors(addresses: dict[str, str]) -> AsyncIterator[dict[str, OpensipsCollector]]:
    """Return a collector over each transport."""
    made = {
        transport: OpensipsCollector(
            Node("sip1", NodeKind.OPENSIPS, url, timeout=5.0), Tenants(), SystemClock()
        )
        for transport, url in addresses.items()
        if "://" in url
    }
    yield made
    for collector in made.values():
        await collector.aclose()


def replies_in(folder: Path) -> list[Path]:
    """Return the FIFOs to reply into that lie in a folder."""
    return list(folder.glob("dialtone_*"))


async def reading_of(collector: OpensipsCollector) -> Reading:
    """Poll it; the server may still be starting."""
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                return await collector.collect()
            except CollectError:
                await anyio.sleep(0.1)


async def test_a_real_server_says_the_same_over_each_transport(
    collectors: dict[str, OpensipsCollector], tmp_path: Path
) -> None:
    readings = {name: await reading_of(collector) for name, collector in collectors.items()}
    expected = readings["http"]
    assert expected.info["version"][0] in "34"
    assert len(expected.samples) > 50
    for name, reading in readings.items():
        assert reading.info == expected.info, name
        assert [s.labels for s in reading.samples] == [s.labels for s in expected.samples], name
    for collector in collectors.values():
        for _ in range(20):
            await collector.collect()
    assert not replies_in(tmp_path)


_INVITE: Final = """INVITE sip:101@{domain} SIP/2.0\r
Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{number};rport\r
From: <sip:102@{domain}>;tag=a{number}\r
To: <sip:101@{domain}>\r
Call-ID: {number}@test\r
CSeq: 1 INVITE\r
Contact: <sip:102@127.0.0.1:{port}>\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""


async def test_the_documented_script_counts_the_calls_of_each_tenant(
    addresses: dict[str, str], collectors: dict[str, OpensipsCollector]
) -> None:
    """Two calls of one tenant are answered (200 twice each), one of another is refused."""
    await reading_of(collectors["http"])  # it is up
    acme, other = "acme.ntek.example.net", "other.example"
    outcomes = {acme: (200, 200), other: (486,)}
    await anyio.to_thread.run_sync(call, int(addresses["sip"]), int(addresses["callee"]), outcomes)
    reading = await reading_of(collectors["fifo"])
    sessions = {
        s.labels[1:]: s.value
        for s in reading.samples
        if s.metric == "opensips_tenant_sessions_total" and s.value
    }
    ours, stranger = (acme, "ntek.example.net"), ("_unknown", "")
    assert sessions == {
        (*ours, "attempted"): 2,
        (*ours, "established"): 2,
        (*stranger, "attempted"): 1,
        (*stranger, "end_user"): 1,
    }
    calls = {s.labels[1]: s.value for s in reading.samples if s.metric == "opensips_tenant_dialogs"}
    assert (calls[acme], calls["_unknown"]) == (2, 0)


def call(front: int, callee: int, outcomes: Mapping[str, Sequence[int]]) -> None:
    """Place calls through a front as a bare phone, and answer them as another, each answer twice."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as calls,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as answers,
    ):
        calls.bind(("127.0.0.1", 0))
        answers.bind(("127.0.0.1", callee))
        for one in (calls, answers):
            one.settimeout(PATIENCE)
        number = 0
        for domain, statuses in outcomes.items():
            for status in statuses:
                number += 1
                invite = _INVITE.format(domain=domain, number=number, port=calls.getsockname()[1])
                calls.sendto(invite.encode(), ("127.0.0.1", front))
                request = answers.recv(65535).decode()
                lines = request.split("\r\n")
                kept = [
                    line
                    for line in lines
                    if line.startswith(("Via", "Record-Route", "From", "Call-ID", "CSeq"))
                ]
                to = next(line for line in lines if line.startswith("To:"))
                contact = f"Contact: <sip:101@127.0.0.1:{callee}>"
                head = [f"SIP/2.0 {status} Said", *kept, f"{to};tag=b", contact, "Content-Length: 0", "", ""]
                for _ in range(2 if status < 300 else 1):
                    answers.sendto("\r\n".join(head).encode(), ("127.0.0.1", front))
                    while not calls.recv(65535).startswith(f"SIP/2.0 {status}".encode()):
                        pass


_GLUED: Final = """
loadmodule "mi_fifo.so"
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}")
route {{
    exit;
}}
"""


async def test_a_reply_dir_without_a_slash_is_asked_about(tmp_path: Path) -> None:
    with opensips(tmp_path, _GLUED):
        url = f"fifo://{tmp_path}/fifo?replies={tmp_path}"
        node = Node("sip1", NodeKind.OPENSIPS, url, timeout=1.0)
        collector = OpensipsCollector(node, Tenants(), SystemClock())
        with anyio.fail_after(PATIENCE):
            while True:
                with pytest.raises(CollectError) as caught:
                    await collector.collect()
                if caught.value.failure is CollectFailure.TIMEOUT:  # it has read the request
                    break
                await anyio.sleep(0.1)
    assert "`reply_dir`" in caught.value.detail
    assert "with a slash at its end" in caught.value.detail
    assert not replies_in(tmp_path)
