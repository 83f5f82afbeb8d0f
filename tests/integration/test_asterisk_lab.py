"""What the lab's Asterisks offer to be watched: users and their rights, events, TLS, AJAM, numbers."""

import asyncio
import re
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import aiohttp
import anyio
import pytest

from collectors.asterisk.events import EVENTS
from lab.asterisk.manager import COLLECTOR, LAB_USER, TEST_USERS
from lab.asterisk.part import CONSOLE
from lab.asterisk.series import Series
from lab.files import read_json
from tests.integration.asterisk_ami import Ami, logged_in
from tests.integration.asterisk_calls import Placed, held, phones
from tests.integration.asterisk_lab import SERIES, Pbx, asterisk
from tests.live.figures import until_equal

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

_PATIENCE: Final = 10.0
_LISTENING: Final = "0A"


@pytest.fixture(scope="module", params=SERIES, ids=["22", "16"])
def pbx(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """Each of the two Asterisks by itself."""
    series: Series = request.param
    with asterisk(tmp_path_factory.mktemp(series.part), series) as running:
        yield running


async def until(ami: Ami, right: Callable[[Counter[str]], bool]) -> Counter[str]:
    """Look at the channels' drivers with their states until they are right; return them."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            items = await ami.list("CoreShowChannels", "CoreShowChannelsComplete")
            seen = Counter(f"{i['Channel'].partition('/')[0]} {i['ChannelStateDesc']}" for i in items)
            if right(seen):
                return seen
            await asyncio.sleep(0.05)


async def test_the_collector_is_sent_what_is_counted_and_no_other_event(pbx: Pbx, tmp_path: Path) -> None:
    acme = pbx.clients[0]
    calls = [Placed.by_phone("101", acme), Placed.by_phone(pbx.number("02"), acme)]
    async with (
        logged_in(pbx, COLLECTOR) as ami,
        logged_in(pbx, "system") as other,
        phones(pbx, tmp_path),
        held(pbx, tmp_path, calls) as sipp,
    ):
        await until(ami, lambda seen: seen == {"PJSIP Up": 2, "PJSIP Ring": 1})
        await sipp.hang_up()
        await sipp.passed()
        for each in (ami, other):
            await until(each, lambda seen: not seen)
            await each.ask("Ping")
        assert {"Newchannel", "Newstate", "BridgeEnter", "Hangup"} <= set(ami.heard) <= EVENTS
        assert ami.heard == [event for event in other.heard if event in EVENTS]
        assert "HangupRequest" in other.heard


async def test_a_filter_holds_back_no_item_of_a_list(pbx: Pbx) -> None:
    lists = [
        ("QueueStatus", "QueueStatusComplete"),
        ("VoicemailUsersList", "VoicemailUserEntryComplete"),
        ("DeviceStateList", "DeviceStateListComplete"),
    ]
    async with logged_in(pbx, COLLECTOR) as ami, logged_in(pbx, "deaf") as other:
        for action, end in lists:
            mine, theirs = await ami.list(action, end), await other.list(action, end)
            assert len(mine) == len(theirs) > 0
        assert other.heard == []


async def test_each_user_has_its_rights_and_no_others(pbx: Pbx) -> None:
    rights = {}
    for user in (COLLECTOR, *TEST_USERS, LAB_USER):
        async with logged_in(pbx, user) as ami:
            command = await ami.ask("Command", Command="core show taskprocessors")
            contacts = await ami.ask("PJSIPShowContacts")
            status = await ami.ask("CoreStatus")
            parked = await ami.ask("ParkedCalls")
            replies = {"command": command, "system": contacts, "reporting": status, "call": parked}
            rights[user] = {
                right for right, reply in replies.items() if reply.get("Message") != "Permission denied"
            }
    assert rights == {
        COLLECTOR: {"reporting"},
        "system": {"system", "reporting"},
        "cli": {"command", "reporting"},
        "call": {"call", "reporting"},
        "deaf": {"reporting"},
        LAB_USER: set(),
    }


async def test_the_manager_speaks_tls_with_the_labs_own_certificate(pbx: Pbx) -> None:
    async with logged_in(pbx, COLLECTOR, tls=True) as ami:
        assert (await ami.ask("CoreStatus"))["Response"] == "Success"
    port = int(pbx.address("ami-tls").rpartition(":")[2])
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())


@pytest.mark.parametrize("way", ["ajam", "ajam-tls"])
async def test_the_manager_is_there_by_http(pbx: Pbx, way: str) -> None:
    secret = pbx.node().secret
    assert secret is not None
    trusted = ssl.create_default_context(cafile=pbx.ca)
    where = f"{pbx.address(way)}/rawman"
    jar = aiohttp.CookieJar(unsafe=True)  # the host is an address
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        login = {"action": "Login", "username": COLLECTOR, "secret": secret.reveal()}
        async with session.get(where, params=login, ssl=trusted) as reply:
            assert "Authentication accepted" in await reply.text()
        async with session.get(where, params={"action": "CoreStatus"}, ssl=trusted) as reply:
            assert "CoreCurrentCalls: 0" in await reply.text()
        async with session.get(f"{pbx.address(way)}/httpstatus", ssl=trusted) as reply:
            assert reply.status == 404


async def test_a_parked_call_is_in_its_tenants_lot_and_can_be_taken(pbx: Pbx, tmp_path: Path) -> None:
    acme, bolt, *_ = pbx.clients
    calls = [Placed.by_phone(pbx.number("12"), tenant) for tenant in (acme, bolt)]
    calls.append(Placed.by_phone(pbx.number("13"), bolt))
    async with logged_in(pbx, "call") as ami, held(pbx, tmp_path, calls, rate=2) as sipp:
        await until(ami, lambda seen: seen == {"PJSIP Up": 3})

        async def lots() -> dict[str, str]:
            bridges = await ami.list("BridgeList", "BridgeListComplete", BridgeType="holding_bridge")
            return {bridge["BridgeName"]: bridge["BridgeNumChannels"] for bridge in bridges}

        await until_equal(lots, {acme: "1", bolt: "0"})
        parked = await ami.list("ParkedCalls", "ParkedCallsComplete")
        assert [(call["Parkinglot"], call["ParkeeAccountCode"]) for call in parked] == [(acme, acme)]
        await sipp.hang_up([0, 1])  # with the parked one ends the one that took it
        await sipp.passed()
        await until(ami, lambda seen: not seen)
        assert Counter(ami.heard)["ParkedCall"] == 2
        assert Counter(ami.heard)["UnParkedCall"] == 1


async def test_its_console_is_reached_by_the_script_in_its_folder(pbx: Pbx) -> None:
    command = ("sh", str(pbx.home / CONSOLE), "-x", "core show uptime")
    found = await anyio.run_process(command, stdin=subprocess.DEVNULL)
    assert b"System uptime: " in found.stdout


async def test_a_call_by_a_local_channel_has_two_of_asterisks_own(pbx: Pbx, tmp_path: Path) -> None:
    call = Placed.by_phone(pbx.number("10"), pbx.clients[0])
    async with logged_in(pbx, COLLECTOR) as ami, held(pbx, tmp_path, [call]) as sipp:
        await until(ami, lambda seen: seen == {"PJSIP Up": 1, "Local Up": 2})
        await sipp.hang_up()
        await sipp.passed()
        await until(ami, lambda seen: not seen)


async def test_messages_in_a_mailbox_are_told_by_folder(pbx: Pbx) -> None:
    acme, bolt, *_ = pbx.clients
    pbx.leave_messages(acme, 3)
    pbx.leave_messages(bolt, 2, "Old")
    async with logged_in(pbx, COLLECTOR) as ami:
        boxes = await ami.list("VoicemailUsersList", "VoicemailUserEntryComplete")
    told = {b["VMContext"]: (b["NewMessageCount"], b["OldMessageCount"]) for b in boxes}
    assert (told[acme], told[bolt], told[pbx.clients[2]]) == (("3", "0"), ("0", "2"), ("0", "0"))


def test_it_listens_by_tcp_at_its_own_ports_alone(pbx: Pbx) -> None:
    pid = read_json(pbx.root / "run" / f"{pbx.series.part}.json")["pid"]
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    sockets = {found[1] for link in links if (found := re.fullmatch(r"socket:\[(\d+)\]", link))}
    listening = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and fields[9] in sockets:
                address, _, port = fields[1].rpartition(":")
                listening[int(port, 16)] = address
    owned = read_json(pbx.root / "ports.json")
    ways = [pbx.series.named(name) for name in ("ami", "ami-tls", "ajam", "ajam-tls")]
    assert set(listening) == {owned[name] for name in (*ways, pbx.series.gateway)}
    assert set(listening.values()) == {"0100007F"}


def test_it_complains_of_nothing(pbx: Pbx) -> None:
    """But of TLS that the tests refuse or break off."""
    log = (pbx.home / "log/messages.log").read_text().splitlines()
    complaints = [line for line in log if "WARNING" in line or "ERROR" in line]
    assert [line for line in complaints if "iostream.c" not in line and "tcptls.c" not in line] == []
