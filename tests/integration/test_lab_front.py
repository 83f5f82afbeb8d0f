"""The real SIP front of the lab, on Kamailio with the bridge and, where there is one, on OpenSIPS."""

import asyncio
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from lab import lab
from lab.base import LabError
from lab.front import kamailio
from lab.front.answers import sip_status
from lab.sample import sample
from lab.state import LabState
from tests.contract import mi_shapes
from tests.integration.phone import Phone, Sip

pytestmark = pytest.mark.integration

_DATA: Final = Path(__file__).parents[1] / "data/lab"
CALLS: Final = _DATA / "calls.xml"
PHONES: Final = _DATA / "phones.xml"
ACME: Final = "acme.ntek.clusterpbx.example"
BOLT: Final = "bolt.ntek.clusterpbx.example"
GLOBEX: Final = "globex.modulis.clusterpbx.example"
_DEADLINE: Final = 6.0


@dataclass(frozen=True, slots=True)
class Front:
    """A front that runs, and its lab."""

    state: LabState
    passwords: dict[tuple[str, str], str]

    @property
    def sip(self) -> int:
        return int(self.state.addresses["sip"].rpartition(":")[2])

    @property
    def asterisk(self) -> int:
        ports = json.loads((self.state.root / "ports.json").read_text())
        return int(ports["asterisk-sip"])

    def phone(self, user: str, domain: str, *, password: str | None = None, port: int = 0) -> Phone:
        return Phone(
            self.sip, user, domain, password or self.passwords.get((domain, user), "none"), port=port
        )

    async def mi(self, method: str, params: object = ()) -> object:
        body = mi_shapes.body(method, params if params != () else [])
        kind = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.state.addresses["mi"], data=body, headers=kind) as reply,
        ):
            return await reply.json()

    async def calls(self) -> dict[str, int]:
        reply = await self.mi("profile_get_values", {"profile": "tenant"})
        assert isinstance(reply, dict)
        return {item["value"]: item["count"] for item in reply["result"] if item["count"]}

    async def statistics(self, *names: str) -> dict[str, int]:
        reply = await self.mi("get_statistics", {"statistics": list(names)})
        assert isinstance(reply, dict)
        return dict(reply["result"])

    async def until_calls(self, wanted: dict[str, int]) -> None:
        """Wait until MI shows exactly these calls per tenant."""
        deadline = asyncio.get_running_loop().time() + _DEADLINE
        while (seen := await self.calls()) != wanted:
            assert asyncio.get_running_loop().time() < deadline, f"{seen} instead of {wanted}"
            await asyncio.sleep(0.05)


def _without_opensips() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not (Path(folder) / "opensips").exists())


def _up(name: str, root: Path) -> Front:
    state = asyncio.run(lab.up(name, only=["sip"], root=root))
    phones = sample(state.root / "accounts.csv").phones
    return Front(state, {(phone.tenant, phone.user): phone.password for phone in phones})


@pytest.fixture(scope="module", params=["kamailio", pytest.param("opensips", marks=pytest.mark.opensips)])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Choose which server the front is."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "kamailio":
            patch.setenv("PATH", _without_opensips())
        elif shutil.which("opensips") is None:
            pytest.skip("no opensips on PATH")
        yield request.param


@pytest.fixture(scope="module")
def front(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A lab with nothing but the front, shared by the tests of one server."""
    root = tmp_path_factory.mktemp(server)
    try:
        yield _up("one", root)
    finally:
        asyncio.run(lab.down("one", root=root))


async def test_a_phone_registers_with_its_password(front: Front) -> None:
    with front.phone("101", ACME) as phone:
        assert await phone.register() == 200
        assert (await front.statistics("usrloc:"))["usrloc:registered_users"] >= 1
        assert await phone.register(expires=0) == 200


@pytest.mark.parametrize("user", ["101", "999"])
async def test_a_wrong_password_or_user_is_refused_once_and_for_all(front: Front, user: str) -> None:
    with front.phone(user, ACME, password="wrong") as phone:
        assert await phone.register() == 403


async def test_a_phone_can_not_register_as_another_one(front: Front) -> None:
    with front.phone("101", ACME) as phone:
        uri = f"sip:102@{ACME}"
        reply = await phone.ask(
            "REGISTER", f"sip:{ACME}", uri, [f"Contact: <sip:102@127.0.0.1:{phone.port}>"]
        )
        assert reply.status == 403


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        (f"sip:999@{ACME}", 404),
        (f"sip:105@{ACME}", 480),
        (f"sip:101@{BOLT}", 403),
        (f"sip:600@{BOLT}", 403),
        ("sip:101@elsewhere.example", 403),
    ],
)
async def test_a_call_that_can_not_be_placed_is_refused(front: Front, uri: str, status: int) -> None:
    with front.phone("104", ACME) as phone:
        assert (await phone.ask("INVITE", uri)).status == status
    await front.until_calls({})


async def test_a_call_with_a_wrong_password_is_refused(front: Front) -> None:
    with front.phone("104", ACME, password="wrong") as phone:
        assert (await phone.ask("INVITE", f"sip:102@{ACME}")).status == 403


async def test_seven_calls_of_three_tenants_are_counted_exactly_and_then_gone(
    front: Front, tmp_path: Path
) -> None:
    wanted = {ACME: 3, BOLT: 2, GLOBEX: 2}
    with front.phone("102", ACME) as a, front.phone("102", BOLT) as b, front.phone("102", GLOBEX) as c:
        uas = _sipp(tmp_path, "-sf", str(PHONES), "-m", "7")
        try:
            for phone in (a, b, c):
                assert await phone.register(contact_port=uas.port) == 200
            uac = _sipp(tmp_path, "-sf", str(CALLS), "-inf", str(_lines(front, wanted, tmp_path)),
                        "-m", "7", "-r", "50", f"127.0.0.1:{front.sip}")  # fmt: skip
            try:
                await front.until_calls(wanted)
                assert (await front.statistics("dialog:"))["dialog:active_dialogs"] == 7
                size = await front.mi("profile_get_size", {"profile": "tenant"})
                assert isinstance(size, dict)
                assert size["result"]["Profile"]["count"] == 7
                await front.until_calls({})
                assert await asyncio.to_thread(uac.process.wait, 10) == 0, uac.log()
                assert (await front.statistics("dialog:"))["dialog:active_dialogs"] == 0
            finally:
                uac.end()
        finally:
            uas.end()


async def test_extensions_go_to_asterisk_with_the_tenant_and_no_forged_one(front: Front) -> None:
    with front.phone("103", ACME) as phone, front.phone("pbx", ACME, port=front.asterisk) as asterisk:
        headers = [f"X-Tenant: {GLOBEX}", f"X-Tenant6: {GLOBEX}", "X-Trunk: did", "X-Peer: gw1"]
        call = asyncio.create_task(phone.ask("INVITE", f"sip:600@{ACME}", headers=headers))
        invite = await asterisk.receive(_is("INVITE"))
        assert invite.line == f"INVITE sip:600@{ACME} SIP/2.0"
        assert invite.all("X-Tenant") == [ACME]
        assert not invite.all("X-Tenant6") + invite.all("X-Trunk") + invite.all("X-Peer")
        assert not invite.all("Proxy-Authorization")
        asterisk.reply(invite, "486 Busy Here")
        assert (await call).status == 486


async def test_asterisk_calls_a_phone_without_a_password_and_the_tenant_is_counted(front: Front) -> None:
    with front.phone("101", GLOBEX) as phone, front.phone("queue", GLOBEX, port=front.asterisk) as asterisk:
        assert await phone.register() == 200
        headers = [f"Route: <sip:127.0.0.1:{front.sip};lr>", f"X-Tenant: {GLOBEX}"]
        call = asyncio.create_task(asterisk.ask("INVITE", f"sip:101@{GLOBEX}", headers=headers))
        invite = await phone.receive(_is("INVITE"))
        assert not invite.all("X-Tenant")
        phone.reply(invite, "200 OK", f"Contact: <sip:101@127.0.0.1:{phone.port}>")
        answer = await call
        assert answer.status == 200
        await front.until_calls({GLOBEX: 1})
        asterisk.send(asterisk.bye(answer, 2))
        phone.reply(await phone.receive(_is("BYE")), "200 OK")
        assert (await asterisk.receive(lambda message: "BYE" in message.one("CSeq"))).status == 200
        await front.until_calls({})


async def test_asterisk_can_not_cross_tenants(front: Front) -> None:
    with front.phone("queue", GLOBEX, port=front.asterisk) as asterisk:
        reply = await asterisk.ask("INVITE", f"sip:101@{GLOBEX}", headers=[f"X-Tenant: {ACME}"])
        assert reply.status == 403


async def test_who_claims_to_be_asterisk_from_another_port_must_show_a_password(front: Front) -> None:
    with front.phone("101", GLOBEX, password="wrong") as phone:
        reply = await phone.ask("INVITE", f"sip:101@{GLOBEX}", headers=[f"X-Tenant: {GLOBEX}"])
        assert reply.status == 403


async def test_presence_reaches_a_watcher_of_the_same_tenant_only(front: Front) -> None:
    pidf = (
        '<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" '
        f'entity="sip:101@{ACME}"><tuple id="t1"><status><basic>open</basic></status></tuple></presence>'
    )
    kind = ["Event: presence", "Expires: 60", "Content-Type: application/pidf+xml"]
    watching = ["Event: presence", "Expires: 60", "Accept: application/pidf+xml"]
    with (
        front.phone("101", ACME) as phone,
        front.phone("102", ACME) as watcher,
        front.phone("101", BOLT) as bolt,
    ):
        assert (await phone.ask("PUBLISH", f"sip:101@{ACME}", headers=kind, body=pidf)).status == 200
        assert (await bolt.ask("SUBSCRIBE", f"sip:101@{ACME}", headers=watching)).status == 403
        assert (await watcher.ask("SUBSCRIBE", f"sip:101@{ACME}", headers=watching)).status in (200, 202)
        notify = await watcher.receive(_is("NOTIFY"))
        watcher.reply(notify, "200 OK")
        assert "<basic>open</basic>" in notify.body


@pytest.mark.parametrize("name", [n for n in mi_shapes.REQUESTS if n != "live-profile_get_values-tenant"])
async def test_mi_replies_have_the_shape_of_the_recordings(front: Front, name: str) -> None:
    reply = await front.mi(*mi_shapes.REQUESTS[name])
    if name in mi_shapes.OPTIONAL and "bridge" not in front.state.processes:
        # An OpenSIPS of another version, or with other modules, may list more than was recorded.
        assert isinstance(reply, dict)
        assert reply.keys() == {"jsonrpc", "result", "id"}
        return
    assert mi_shapes.differs(name, reply) == ""


async def test_the_front_speaks_tcp_too(front: Front) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", front.sip)
    request = (
        f"OPTIONS sip:127.0.0.1:{front.sip} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKtcp\r\n"
        f"From: <sip:a@{ACME}>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: tcp\r\nCSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    writer.write(request.encode())
    async with asyncio.timeout(_DEADLINE):
        assert await reader.readline() == b"SIP/2.0 200 OK\r\n"
    writer.close()
    await writer.wait_closed()


async def test_the_state_says_which_server_it_is(front: Front, server: str) -> None:
    says = front.state.parts[0].says
    if server == "kamailio":
        assert says.startswith("SIP front: Kamailio ")
        assert "with the MI bridge (no opensips on PATH)" in says
    else:
        assert says.startswith("SIP front: OpenSIPS ")
        assert ("without TLS" in says) == ("sip-tls" not in front.state.addresses)


def test_nothing_listens_beyond_loopback(front: Front) -> None:
    listening = [address for name, address in front.state.addresses.items() if name not in ("mi", "ca")]
    ports = {int(address.rpartition(":")[2]) for address in listening}
    ports.add(int(front.state.addresses["mi"].split(":")[2].partition("/")[0]))
    found = {
        int(address.split(":")[1], 16): address.split(":")[0]
        for table in ("tcp", "udp")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (address := line.split()[1]) and int(address.split(":")[1], 16) in ports
    }
    assert found == dict.fromkeys(ports, "0100007F")


def test_a_front_that_can_not_start_says_why_and_leaves_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / server
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'no such module: tm'\nexit 1\n")
    program.chmod(0o755)
    if server == "opensips":
        installed = Path(shutil.which("opensips") or "").resolve().parent.parent
        for folder in ("lib", "lib64", "share"):
            if (installed / folder).is_dir():
                (tmp_path / folder).symlink_to(installed / folder)
    else:
        known = kamailio.find_modules(Path(shutil.which("kamailio") or "/usr/sbin/kamailio"))
        monkeypatch.setattr(kamailio, "find_modules", lambda program: known)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(LabError, match=rf"sip: {server} ended before SIP answered\nno such module: tm"):
        asyncio.run(lab.up("broken", only=["sip"], root=tmp_path))
    assert lab.status("broken", root=tmp_path) is None
    assert list((tmp_path / "broken/run").iterdir()) == []


def test_two_labs_live_side_by_side(front: Front) -> None:
    root = front.state.root.parent
    try:
        other = _up("two", root)
        assert not Counter(_held(front.state.root)) & Counter(_held(other.state.root))
        assert other.passwords.keys() == front.passwords.keys()
        assert not set(other.passwords.values()) & set(front.passwords.values())
        assert asyncio.run(_register(other, "103", BOLT)) == 200
        assert asyncio.run(_register(front, "103", BOLT, other.passwords[BOLT, "103"])) == 403
    finally:
        asyncio.run(lab.down("two", root=root))
    assert asyncio.run(sip_status(front.sip)) == "SIP/2.0 200 OK"
    assert asyncio.run(sip_status(other.sip)) is None
    assert lab.status("two", root=root) is None


async def _register(front: Front, user: str, domain: str, password: str | None = None) -> int:
    with front.phone(user, domain, password=password) as phone:
        return await phone.register()


def _held(root: Path) -> list[int]:
    return list(json.loads((root / "ports.json").read_text()).values())


def _is(method: str) -> Callable[[Sip], bool]:
    return lambda message: message.line.startswith(f"{method} ")


@dataclass(frozen=True, slots=True)
class Sipp:
    """A SIPp of ours."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def log(self) -> str:
        return self.output.read_text(errors="replace")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def _sipp(folder: Path, *words: str) -> Sipp:
    port = _free_port()
    output = folder / f"sipp-{port}.log"
    command = ["sipp", *words, "-i", "127.0.0.1", "-p", str(port), "-nostdin", "-trace_err"]
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    return Sipp(process, port, output)


def _free_port() -> int:
    with Phone(0, "", "", "") as bound:
        return bound.port


def _lines(front: Front, calls: dict[str, int], folder: Path) -> Path:
    """The file that SIPp takes its callers from; passwords don't go on a command line."""
    path = folder / "callers.csv"
    path.touch(mode=0o600)
    lines = [
        f"101;{domain};[authentication username=101 password={front.passwords[domain, '101']}];102"
        for domain, count in calls.items()
        for _ in range(count)
    ]
    path.write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    return path
