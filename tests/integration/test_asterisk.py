"""Asterisk 22 as the lab starts it, and the collector that reads it."""

import asyncio
import re
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from collectors.asterisk import AsteriskCollector
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Level, Node, NodeKind, Secret, Tenant
from lab.asterisk import AsteriskPart
from lab.base import LabContext, LabError, PartInfo
from lab.debian import default_cache
from lab.ports import LoopbackPorts
from lab.processes import LabProcesses
from lab.sample import sample
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.contract import AmiContract

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

SCENARIO = Path(__file__).parents[1] / "data" / "asterisk" / "tenants.xml"
PATIENCE = 10.0
MESSAGE_BYTES = 65_535


@dataclass(frozen=True)
class Pbx:
    """The running server: where it is, who may ask it, and where the front's port is."""

    info: PartInfo
    home: Path
    front: int
    tenants: TenantTree
    clients: tuple[str, ...]

    @property
    def sip(self) -> int:
        return int(self.info.addresses["asterisk-sip"].rpartition(":")[2])


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[LabContext]:
    """Return a lab of its own for an Asterisk that is not meant to come up."""
    processes = LabProcesses(tmp_path)
    ports = LoopbackPorts(tmp_path, claims=tmp_path / "claims.json")
    accounts = sample(tmp_path / "accounts.csv")
    yield LabContext(tmp_path, default_cache(), ports, processes, accounts, answers=6.0)
    processes.stop_all()


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """Start Asterisk without a front, whose port is the tests' own."""
    root = tmp_path_factory.mktemp("lab")
    ports = LoopbackPorts(root, claims=root / "claims.json")
    processes = LabProcesses(root)
    platform = sample(root / "accounts.csv")
    context = LabContext(root, default_cache(), ports, processes, platform)
    try:
        info = asyncio.run(AsteriskPart().start(context))
        tree = TenantTree(
            Tenant(platform.platform, None, Level.PLATFORM, "Platform"),
            [Tenant(t.domain, t.domain.partition(".")[2], Level(t.level), t.name) for t in platform.tenants],
        )
        clients = tuple(tenant.domain for tenant in platform.clients)
        yield Pbx(info, root, ports.take("sip"), tree, clients)
    finally:
        processes.stop_all()


@pytest.fixture
async def collector(pbx: Pbx, clock: FakeClock) -> AsyncIterator[AsteriskCollector]:
    """Return a collector as the part's own entry for dialtone.yaml describes it."""
    (entry,) = pbx.info.nodes
    node = Node(
        str(entry["name"]),
        NodeKind.ASTERISK,
        str(entry["ami"]),
        username=str(entry["username"]),
        secret=Secret(pbx.info.secrets["ami"]),
        timeout=2.0,
    )
    made = AsteriskCollector(node, pbx.tenants, clock)
    yield made
    await made.aclose()


async def figures(collector: AsteriskCollector, metric: str) -> dict[str, float]:
    """Return a metric of one poll by its second label (tenant or state), leaving out zeros."""
    reading = await collector.collect()
    return {s.labels[1]: s.value for s in reading.samples if s.metric == metric and s.value}


async def until(collector: AsteriskCollector, metric: str, expected: dict[str, float]) -> None:
    """Poll until a metric is exactly this; fails with what it was instead."""
    found: dict[str, float] = {}
    with anyio.move_on_after(PATIENCE):
        while (found := await figures(collector, metric)) != expected:  # noqa: ASYNC110 - a server's state
            await anyio.sleep(0.05)
    assert found == expected


class Front:
    """A SIP front of the simplest kind: one UDP socket, and messages as text."""

    def __init__(self, pbx: Pbx, *, port: int | None = None) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", pbx.front if port is None else port))
        self._socket.setblocking(False)
        self._pbx = pbx
        self._port = self._socket.getsockname()[1]

    def __enter__(self) -> "Front":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def invite(self, extension: str, tenant: str, *, header: bool = True) -> "Dialog":
        """Send an INVITE as the tenant's phone 101."""
        dialog = Dialog(self, extension, tenant)
        sdp = (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
        )
        own = f"X-Tenant: {tenant}\r\n" if header else ""
        await dialog.send("INVITE", f"{own}Content-Type: application/sdp\r\n", sdp)
        return dialog

    async def send(self, text: str) -> None:
        """Send a message to Asterisk."""
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(self._socket, text.encode(), ("127.0.0.1", self._pbx.sip))

    async def receive(self) -> str:
        """Return the next message."""
        with anyio.fail_after(PATIENCE):
            raw = await asyncio.get_running_loop().sock_recv(self._socket, MESSAGE_BYTES)
        return raw.decode()

    async def status(self, method: str) -> int:
        """Return the status of the next final answer to such a request."""
        while True:
            message = await self.receive()
            found = re.match(r"SIP/2\.0 ([2-6]\d\d)", message)
            if found and re.search(rf"^CSeq: \d+ {method}\r$", message, re.MULTILINE):
                self.last = message
                return int(found[1])

    async def reply(self, request: str, status: str) -> None:
        """Answer a request of Asterisk's."""
        kept = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", request, re.MULTILINE)
        head = "".join(
            line.replace("\r\n", ";tag=1\r\n") if line.startswith("To:") else line for line in kept
        )
        await self.send(f"SIP/2.0 {status}\r\n{head}Content-Length: 0\r\n\r\n")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"


class Dialog:
    """One call from the front to Asterisk."""

    def __init__(self, front: Front, extension: str, tenant: str) -> None:
        self._front, self._uri, self._tenant = front, f"sip:{extension}@{tenant}", tenant
        self._id = uuid.uuid4().hex
        self._to = f"<{self._uri}>"

    async def send(self, method: str, headers: str = "", body: str = "") -> None:
        """Send a request of this call."""
        number = 2 if method == "BYE" else 1
        branch = f"z9hG4bK{self._id}{'' if method in ('INVITE', 'CANCEL') else method}"
        await self._front.send(
            f"{method} {self._uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self._front.address};branch={branch}\r\n"
            f"From: <sip:101@{self._tenant}>;tag=a\r\nTo: {self._to}\r\nCall-ID: {self._id}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:101@{self._front.address}>\r\nMax-Forwards: 70\r\n"
            f"{headers}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    async def final(self) -> int:
        """Return the final status of the INVITE and acknowledge it (RFC 3261, 13.2.2.4 and 17.1.1.3)."""
        status = await self._front.status("INVITE")
        if found := re.search(r"^To: (.*)\r$", self._front.last, re.MULTILINE):
            self._to = found[1]
        await self.send("ACK")
        return status

    async def bye(self) -> int:
        """Hang up; return the status of the BYE."""
        await self.send("BYE")
        return await self._front.status("BYE")


class TestRealAsteriskKeepsTheContract(AmiContract):
    """What the fake is held to as well."""

    @pytest.fixture
    def endpoint(self, pbx: Pbx) -> str:
        return str(pbx.info.nodes[0]["ami"])

    @pytest.fixture
    def secret(self, pbx: Pbx) -> str:
        return pbx.info.secrets["ami"]

    @pytest.fixture
    def powerless(self, pbx: Pbx) -> tuple[str, str]:
        text = (pbx.home / "asterisk/etc/manager.conf").read_text()
        found = re.search(r"\[lab\]\nsecret = (\S+)", text)
        assert found
        return "lab", found[1]


@pytest.mark.parametrize(
    ("port", "kind", "says"),
    [
        ("ami", socket.SOCK_STREAM, "has not booted"),
        ("asterisk-sip", socket.SOCK_DGRAM, "did not get the SIP port"),
    ],
)
async def test_a_port_that_is_taken_is_a_start_that_failed_with_asterisks_own_words(
    spare: LabContext, port: str, kind: socket.SocketKind, says: str
) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", spare.ports.take(port)))
        with pytest.raises(LabError, match=says) as caught:
            await AsteriskPart().start(spare)
    assert "Address already in use" in str(caught.value)


async def test_calls_of_three_tenants_are_counted_exactly_and_gone_when_they_end(
    pbx: Pbx, collector: AsteriskCollector, tmp_path: Path
) -> None:
    acme, bolt, *_, umbrella = pbx.clients
    calls = [("601", acme)] * 3 + [("600", bolt)] * 2 + [("606", umbrella)] * 2
    (tmp_path / "calls.csv").write_text(
        "SEQUENTIAL\n" + "".join(f"{extension};{tenant}\n" for extension, tenant in calls)
    )
    command = ["sipp", f"127.0.0.1:{pbx.sip}", "-sf", str(SCENARIO), "-inf", "calls.csv", "-i", "127.0.0.1"]
    command += ["-p", str(pbx.front), "-m", str(len(calls)), "-r", "100", "-nostdin", "-timeout", "30"]
    sipp = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    await until(collector, "asterisk_tenant_calls", {acme: 3, bolt: 2, umbrella: 2})
    assert await figures(collector, "asterisk_channels") == {"up": 7}
    assert await figures(collector, "asterisk_tenant_early_calls") == {}
    assert await sipp.wait() == 0
    await until(collector, "asterisk_tenant_calls", {})
    assert await figures(collector, "asterisk_channels") == {}


async def test_a_ringing_call_is_early_and_a_cancel_without_tenant_ends_it(
    pbx: Pbx, collector: AsteriskCollector
) -> None:
    tenant = pbx.clients[0]
    with Front(pbx) as front:
        call = await front.invite("602", tenant)
        await until(collector, "asterisk_tenant_early_calls", {tenant: 1})
        assert await figures(collector, "asterisk_tenant_calls") == {tenant: 1}
        assert await figures(collector, "asterisk_channels") == {"ring": 1}
        await call.send("CANCEL")  # a proxy makes its own CANCEL, without our header (RFC 3261, 16.10)
        assert await call.final() == 487
    await until(collector, "asterisk_tenant_calls", {})


async def test_a_reading_says_which_asterisk_it_is_and_how_long_it_runs(
    pbx: Pbx, collector: AsteriskCollector, clock: FakeClock
) -> None:
    reading = await collector.collect()
    assert reading.info["version"].startswith("22.")
    assert f"Asterisk {reading.info['version']}" in pbx.info.says
    metrics = {sample.metric for sample in reading.samples}
    assert {"asterisk_uptime_seconds", "asterisk_calls_processed_total"} <= metrics
    tenants = {s.labels[1] for s in reading.samples if s.metric == "asterisk_tenant_calls"}
    assert tenants == {*pbx.tenants.domains, UNKNOWN_TENANT}


@pytest.mark.parametrize(("extension", "status"), [("603", 486), ("699", 404), ("101x", 404)])
async def test_what_is_busy_or_not_there_is_refused(pbx: Pbx, extension: str, status: int) -> None:
    with Front(pbx) as front:
        call = await front.invite(extension, pbx.clients[0])
        assert await call.final() == status


async def test_nobody_but_the_front_gets_in(pbx: Pbx) -> None:
    with Front(pbx, port=0) as stranger:
        call = await stranger.invite("600", pbx.clients[0])
        assert await call.final() == 403


@pytest.mark.parametrize("tenant", ["charlie.example", "ntek.clusterpbx.example"])
async def test_a_tenant_that_is_none_of_ours_gets_nothing(pbx: Pbx, tenant: str) -> None:
    with Front(pbx) as front:
        call = await front.invite("600", tenant)
        assert await call.final() == 401


async def test_without_the_fronts_word_no_tenant_is_believed(pbx: Pbx) -> None:
    with Front(pbx) as front:
        call = await front.invite("600", pbx.clients[0], header=False)
        assert await call.final() == 401


async def test_a_queue_rings_the_tenants_own_phones_by_the_front(
    pbx: Pbx, collector: AsteriskCollector
) -> None:
    tenant = pbx.clients[1]
    rung: dict[str, str] = {}
    with Front(pbx) as front:
        call = await front.invite("605", tenant)
        assert await call.final() == 200
        while len(rung) < 5:
            message = await front.receive()
            if found := re.match(r"INVITE (\S+) SIP", message):
                rung[found[1]] = message
        assert set(rung) == {f"sip:{user}@{tenant}" for user in range(101, 106)}
        for request in rung.values():
            assert f"Route: <sip:127.0.0.1:{pbx.front};lr>" in request
            assert re.search(rf"^From: .*@{tenant}>", request, re.MULTILINE)
            await front.reply(request, "180 Ringing")
        # One call: the caller and the five phones that ring belong together.
        await until(collector, "asterisk_channels", {"up": 1, "ringing": 5})
        assert await figures(collector, "asterisk_tenant_calls") == {tenant: 1}
        assert await call.bye() == 200
    await until(collector, "asterisk_tenant_calls", {})
