"""The manager over HTTP (AJAM) of real Asterisks: what it reads is what AMI reads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from collectors.asterisk.ajam import AjamClient
from collectors.asterisk.manager import AmiRefusedError, Manager
from collectors.asterisk.rawman import Rawman
from collectors.asterisk.transports import manager_of
from collectors.asterisk.wire import Block
from dialtone.config.addresses import ami_url
from dialtone.model import CollectError, CollectFailure, Node, Secret
from dialtone.runtime.clock import SystemClock
from lab.asterisk.manager import COLLECTOR, LAB_USER
from lab.asterisk.series import Series
from tests.integration.asterisk_calls import Placed, held, phones
from tests.integration.asterisk_lab import SERIES, Pbx, asterisk

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

PATIENCE: Final = 10.0
LISTS: Final = (
    ("CoreShowChannels", "CoreShowChannelsComplete"),
    ("QueueStatus", "QueueStatusComplete"),
    ("DeviceStateList", "DeviceStateListComplete"),
    ("VoicemailUsersList", "VoicemailUserEntryComplete"),
)
ASIDE: Final = ("ActionID", "Duration")


@pytest.fixture(scope="module", params=SERIES, ids=["22", "16"])
def pbx(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """Each of the two Asterisks by itself."""
    series: Series = request.param
    with asterisk(tmp_path_factory.mktemp(series.part), series) as running:
        yield running


def node(
    pbx: Pbx,
    way: str,
    user: str = COLLECTOR,
    *,
    timeout: float = 5.0,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Node:
    """Return the node that one of the server's addresses makes: ami, ami-tls, ajam or ajam-tls."""
    return replace(pbx.node(user, endpoint=ami_url(pbx.address(way)), timeout=timeout), options=options)


@asynccontextmanager
async def managed(of: Node, hear: Callable[[Block], None] | None = None) -> AsyncIterator[Manager]:
    """Have a node's manager for the time of the block."""
    manager = manager_of(of, SystemClock(), hear)
    try:
        yield manager
    finally:
        await manager.aclose()


async def until(manager: Manager, channels: int) -> None:
    """Return when there are that many channels."""
    async with asyncio.timeout(PATIENCE):
        while len(await manager.list(*LISTS[0])) != channels:  # noqa: ASYNC110 - a server's state
            await asyncio.sleep(0.05)


def plain(block: Block) -> Mapping[str, str]:
    """Return a block without what differs from one look to the next."""
    return {key: value for key, value in block.items() if key not in ASIDE}


async def test_all_that_is_read_is_what_ami_reads_and_events_come_in_the_same_order(
    pbx: Pbx, tmp_path: Path
) -> None:
    acme, bolt, *_ = pbx.clients
    calls = [Placed.by_phone("101", acme), Placed.by_phone(pbx.number("02"), acme)]
    calls += [Placed.by_phone(pbx.number("01"), bolt)] * 3
    by_ami: list[Block] = []
    by_ajam: list[Block] = []
    async with (
        managed(node(pbx, "ami"), by_ami.append) as ami,
        managed(node(pbx, "ajam"), by_ajam.append) as ajam,
        phones(pbx, tmp_path),
    ):
        await ami.connect()
        await ajam.connect()
        async with held(pbx, tmp_path, calls) as sipp:
            await until(ami, 6)
            for action, end in LISTS:
                theirs = await ami.list(action, end)
                assert list(map(plain, await ajam.list(action, end))) == list(map(plain, theirs))
                assert theirs or action == "VoicemailUsersList"
            assert plain(await ajam.ask("CoreStatus")) == plain(await ami.ask("CoreStatus"))
            assert (await ajam.lines("ListCommands"))[3:] == (await ami.lines("ListCommands"))[3:]
            await ajam.drain()
            assert {"Newchannel", "BridgeEnter"} <= {event["Event"] for event in by_ajam}
            await sipp.hang_up()
            await sipp.passed()
        await until(ajam, 0)
        await ami.ask("Ping")
        await ajam.drain()
        assert len([event for event in by_ajam if event["Event"] == "Hangup"]) == 6
        assert by_ajam == by_ami
        await ajam.drain()
        assert len(by_ajam) == len(by_ami), "each event is handed out once"
        assert (ajam.connections, ajam.lost_events) == (1, 0)


async def test_nothing_is_waited_for_where_there_is_no_event(pbx: Pbx) -> None:
    heard: list[Block] = []
    async with managed(node(pbx, "ajam"), heard.append) as ajam:
        async with asyncio.timeout(1.0):
            for _ in range(5):
                await ajam.drain()
    assert not heard


async def test_a_session_that_the_server_has_ended_is_begun_anew_without_a_word(pbx: Pbx) -> None:
    heard: list[Block] = []
    async with managed(node(pbx, "ajam"), heard.append) as ajam:
        assert isinstance(ajam, AjamClient)
        await ajam.ask("CoreStatus")
        other = Rawman(ami_url(pbx.address("ajam")), None)
        await other.post("Logoff", {"Action": "Logoff"}, ajam._cookie)
        await other.aclose()
        await ajam.ask("CoreStatus")
        await ajam.drain()
        assert ajam.connections == 2


@pytest.mark.parametrize(("user", "secret"), [(COLLECTOR, "wrong"), ("nobody", "")])
async def test_a_wrong_password_and_an_unknown_user_are_refused(pbx: Pbx, user: str, secret: str) -> None:
    asked = node(pbx, "ajam")
    async with managed(replace(asked, username=user, secret=Secret(secret))) as ajam:
        for _ in range(2):
            with pytest.raises(CollectError) as caught:
                await ajam.ask("CoreStatus")
            assert caught.value.failure is CollectFailure.AUTH
        assert ajam.connections == 0


async def test_who_lacks_a_right_is_told_which_and_stays_logged_in(pbx: Pbx) -> None:
    async with managed(node(pbx, "ajam", LAB_USER)) as ajam:
        for _ in range(2):
            with pytest.raises(CollectError, match="write = reporting") as caught:
                await ajam.ask("CoreStatus")
            assert caught.value.failure is CollectFailure.DENIED
        assert ajam.connections == 1
        with pytest.raises(CollectError, match="write = system"):
            await ajam.list("PJSIPShowContacts", "ContactListComplete")


async def test_an_action_that_is_refused_leaves_the_session_alone(pbx: Pbx) -> None:
    async with managed(node(pbx, "ajam")) as ajam:
        with pytest.raises(AmiRefusedError, match="No active conferences"):
            await ajam.list("ConfbridgeListRooms", "ConfbridgeListRoomsComplete")
        await ajam.ask("Ping")
        assert ajam.connections == 1


async def test_over_tls_the_server_is_who_it_says_or_nobody_talks_to_it(pbx: Pbx) -> None:
    for way in ("ajam-tls", "ami-tls"):
        for right in (
            {"tls_ca": pbx.ca},
            {"tls_ca": pbx.ca, "tls_name": "localhost"},
            {"tls_verify": "false"},
        ):
            async with managed(node(pbx, way, options=right)) as manager:
                assert await manager.ask("CoreStatus")
        for wrong in ({}, {"tls_ca": pbx.ca, "tls_name": "pbx.example"}, {"tls_ca": "/nowhere.pem"}):
            async with managed(node(pbx, way, options=wrong)) as manager:
                with pytest.raises(CollectError) as caught:
                    await manager.ask("CoreStatus")
                assert caught.value.failure is CollectFailure.TLS, (way, wrong)


@pytest.mark.parametrize(
    ("path", "failure", "said"),
    [
        ("/mxml", CollectFailure.PROTOCOL, "'text/xml'"),
        ("/manager", CollectFailure.PROTOCOL, "'text/html'"),
        ("/arawman", CollectFailure.AUTH, "HTTP 401"),
        ("/asterisk/rawman", CollectFailure.SERVER, "webenabled in manager.conf"),
    ],
)
async def test_a_path_that_is_not_rawmans_says_so(
    pbx: Pbx, path: str, failure: CollectFailure, said: str
) -> None:
    async with managed(replace(node(pbx, "ajam"), endpoint=pbx.address("ajam") + path)) as ajam:
        with pytest.raises(CollectError, match=said) as caught:
            await ajam.ask("CoreStatus")
        assert caught.value.failure is failure


@pytest.mark.parametrize(
    ("scheme", "way", "failure", "said"),
    [
        ("https", "ajam", CollectFailure.TLS, "does not speak TLS"),
        ("https", "ami", CollectFailure.TLS, "does not speak TLS"),
        ("https", "ami-tls", CollectFailure.PROTOCOL, "no web server; for AMI write tcp:// or tls://"),
        ("http", "ajam-tls", CollectFailure.CONNECT, "is this a port for TLS .https://"),
        ("http", "ami", CollectFailure.PROTOCOL, "no web server; for AMI write tcp:// or tls://"),
        ("tcp", "ami-tls", CollectFailure.TIMEOUT, "no greeting came: is this a port for TLS .tls://"),
        ("tcp", "ajam", CollectFailure.TIMEOUT, "no greeting came: .* HTTP .http://"),
        ("tls", "ami", CollectFailure.TLS, "does not speak TLS"),
        ("tls", "ajam-tls", CollectFailure.TIMEOUT, "no greeting came: .* HTTP .https://"),
    ],
)
async def test_the_ports_of_the_other_transports_say_what_is_wrong(
    pbx: Pbx, scheme: str, way: str, failure: CollectFailure, said: str
) -> None:
    endpoint = ami_url(f"{scheme}://127.0.0.1:{pbx.address(way).rpartition(':')[2]}")
    trust = {"tls_ca": str(pbx.ca)}
    async with managed(replace(node(pbx, way, timeout=1.0, options=trust), endpoint=endpoint)) as manager:
        with pytest.raises(CollectError, match=said) as caught:
            await manager.ask("CoreStatus")
        assert caught.value.failure is failure


async def test_a_stopped_server_is_a_timeout_and_well_again_afterwards(pbx: Pbx) -> None:
    async with managed(node(pbx, "ajam", timeout=0.5)) as ajam:
        await ajam.ask("CoreStatus")
        with pbx.stopped():
            with pytest.raises(CollectError) as caught:
                await ajam.ask("CoreStatus")
            assert caught.value.failure is CollectFailure.TIMEOUT
    async with managed(node(pbx, "ajam")) as ajam:
        assert await ajam.ask("CoreStatus")
