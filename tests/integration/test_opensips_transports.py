"""A real OpenSIPS (3.x, 4.x) says the same over each transport of its management interface."""

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import anyio
import pytest

from collectors.opensips import OpensipsCollector
from dialtone.model import CollectError, Node, NodeKind, Reading
from dialtone.runtime.clock import SystemClock
from lab.front.opensips import find_modules
from tests.unit.opensips.conftest import Tenants

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

_PATIENCE: Final = 20.0
_CONFIGURATION: Final = """
log_level=1
stderror_enabled=yes
syslog_enabled=no
udp_workers=1
socket=udp:127.0.0.1:{sip}
mpath="{modules}/"
loadmodule "proto_udp.so"
loadmodule "signaling.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "dialog.so"
loadmodule "usrloc.so"
loadmodule "httpd.so"
loadmodule "mi_http.so"
loadmodule "mi_datagram.so"
loadmodule "mi_fifo.so"
modparam("httpd", "ip", "127.0.0.1")
modparam("httpd", "port", {http})
modparam("mi_datagram", "socket_name", "{datagram}")
modparam("mi_fifo", "fifo_name", "{folder}/fifo")
modparam("mi_fifo", "reply_dir", "{folder}/")
modparam("usrloc", "working_mode_preset", "single-instance-no-db")
modparam("dialog", "profiles_with_value", "tenant")
route {{
    sl_send_reply(404, "Not here");
}}
"""


def free_port(kind: socket.SocketKind) -> int:
    """Return a port that nobody had bound a moment ago."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture(params=["udp", "unix"])
def addresses(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start a server; return its addresses by transport. mi_datagram has one socket, of either kind."""
    program = shutil.which("opensips")
    modules = find_modules(Path(program).resolve().parent.parent) if program else None
    if program is None or modules is None:
        pytest.skip("there is no opensips program on PATH")
    http, udp = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    file = tmp_path / "mi.sock"
    text = _CONFIGURATION.format(
        sip=free_port(socket.SOCK_DGRAM),
        modules=modules,
        http=http,
        datagram=f"udp:127.0.0.1:{udp}" if request.param == "udp" else file,
        folder=tmp_path,
    )
    configuration = tmp_path / "opensips.cfg"
    configuration.write_text(text)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "-F", "-f", str(configuration), "-w", str(tmp_path)], stdout=log, stderr=log
        )
        try:
            yield {
                "http": f"http://127.0.0.1:{http}/mi",
                request.param: f"udp://127.0.0.1:{udp}" if request.param == "udp" else f"unix://{file}",
                "fifo": f"fifo://{tmp_path}/fifo?replies={tmp_path}",
            }
        finally:
            server.terminate()
            server.wait(_PATIENCE)


@pytest.fixture
async def collectors(addresses: dict[str, str]) -> AsyncIterator[dict[str, OpensipsCollector]]:
    """Return a collector over each transport."""
    made = {
        transport: OpensipsCollector(
            Node("sip1", NodeKind.OPENSIPS, url, timeout=5.0), Tenants(), SystemClock()
        )
        for transport, url in addresses.items()
    }
    yield made
    for collector in made.values():
        await collector.aclose()


def replies_in(folder: Path) -> list[Path]:
    """Return the FIFOs to reply into that lie in a folder."""
    return list(folder.glob("dialtone_*"))


async def reading_of(collector: OpensipsCollector) -> Reading:
    """Poll it; the server may still be starting."""
    with anyio.fail_after(_PATIENCE):
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
