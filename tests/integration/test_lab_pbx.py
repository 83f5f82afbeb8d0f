"""The lab's two Asterisks behind its front: numbers, transfers, the trunk, and every way to the front."""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from lab import lab
from lab.debian import BUNDLES, default_cache, unpacked
from lab.ports import has_ipv6
from lab.sample import sample
from lab.state import LabState
from tests.integration.phone import Sip
from tests.integration.softphone import DEADLINE, Call, SoftPhone, Way

pytestmark = pytest.mark.integration

ACME = "acme.ntek.clusterpbx.example"
GLOBEX = "globex.modulis.clusterpbx.example"
PARTS = ("sip", "sip-b", "asterisk", "asterisk-16", "http")
PREFIXES = ("6", "7")


@dataclass(frozen=True, slots=True)
class Platform:
    """The lab that runs, and its phones' passwords."""

    state: LabState
    passwords: dict[tuple[str, str], str]

    def way(self, address: str = "sip", transport: str = "udp") -> Way:
        where = self.state.addresses
        return Way.parse(where[address], transport, where.get("ca"))

    def phone(self, user: str, tenant: str = ACME, *, way: Way | None = None) -> SoftPhone:
        """Return a phone whose voice is its number without the hundred."""
        password = self.passwords.get((tenant, user), "none")
        return SoftPhone(way or self.way(), user, tenant, password, voice=int(user) % 100)

    @asynccontextmanager
    async def phones(self, *users: str) -> AsyncIterator[list[SoftPhone]]:
        """Switch phones of Acme on and register them."""
        async with AsyncExitStack() as stack:
            made = [await stack.enter_async_context(self.phone(user)) for user in users]
            for phone in made:
                await stack.enter_async_context(registered(phone))
            yield made


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("kamailio", marks=pytest.mark.xdist_group("pbx-kamailio")),
        pytest.param("opensips", marks=[pytest.mark.opensips, pytest.mark.xdist_group("pbx-opensips")]),
    ],
)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A lab with both fronts and both Asterisks."""
    root = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "kamailio":
            folders = os.environ["PATH"].split(os.pathsep)
            kept = [folder for folder in folders if not (Path(folder) / "opensips").exists()]
            patch.setenv("PATH", os.pathsep.join(kept))
        elif shutil.which("opensips") is None:
            pytest.skip("no opensips on PATH")
        try:
            state = asyncio.run(lab.up("pbx", only=PARTS, root=root))
            phones = sample(state.root / "accounts.csv").phones
            yield Platform(state, {(phone.tenant, phone.user): phone.password for phone in phones})
        finally:
            asyncio.run(lab.down("pbx", root=root))


@asynccontextmanager
async def registered(phone: SoftPhone) -> AsyncIterator[None]:
    """Have a phone registered for the time of the block, whatever becomes of it."""
    assert await phone.register() == 200
    try:
        yield
    finally:
        assert await phone.register(expires=0) == 200


async def answered(phone: SoftPhone, number: str, *headers: str) -> Call:
    """Call and be answered."""
    status, call = await phone.call(number, *headers)
    assert status == 200
    assert call is not None
    return call


async def reached(phone: SoftPhone) -> tuple[Call, Sip]:
    """Wait until a call reaches this phone."""
    async with asyncio.timeout(DEADLINE):
        return await phone.came.get()


async def over(*calls: Call) -> None:
    """Wait until the other side has hung these calls up."""
    async with asyncio.timeout(DEADLINE):
        for call in calls:
            await call.ended.wait()


async def told(call: Call) -> str:
    """Return the final sipfrag of a transfer."""
    async with asyncio.timeout(DEADLINE):
        while (fragment := await call.notified.get()).startswith("SIP/2.0 1"):
            pass
    return fragment


async def talk(one: SoftPhone, other: SoftPhone) -> None:
    """Have two phones hear each other."""
    one.forget_voices()
    other.forget_voices()
    await asyncio.gather(one.hears(int(other.user) % 100), other.hears(int(one.user) % 100))


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("number", "status"), [("00", 200), ("01", 200), ("03", 486), ("04", 200), ("06", 200), ("07", 200),
                           ("09", 200), ("99", 404), ("199", 404), ("0199", 404), ("105", 480)],
)  # fmt: skip
async def test_each_number_gives_its_status(
    platform: Platform, prefix: str, number: str, status: int
) -> None:
    async with platform.phone("101") as phone:
        found, call = await phone.call(prefix + number)
        assert found == status
        if call is not None:
            assert await phone.hang_up(call) == 200


@pytest.mark.parametrize("number", ["600", "700"])
async def test_the_echo_is_heard(platform: Platform, number: str) -> None:
    async with platform.phone("101") as phone:
        call = await answered(phone, number)
        await phone.hears(1)
        assert await phone.hang_up(call) == 200


@pytest.mark.parametrize("number", ["602", "702"])
async def test_what_rings_for_ever_rings_and_is_not_answered(platform: Platform, number: str) -> None:
    async with platform.phone("101") as phone:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await phone.call(number)
        assert phone.provisional == 180


@pytest.mark.parametrize("number", ["609", "709"])
async def test_the_platform_hangs_up_by_itself(platform: Platform, number: str) -> None:
    async with platform.phone("101") as phone:
        await over(await answered(phone, number))


@pytest.mark.parametrize("number", ["6102", "7102", "60102", "70102", "608", "708", "605", "705"])
async def test_a_phone_of_the_tenant_is_reached_and_both_hear_each_other(
    platform: Platform, number: str
) -> None:
    async with platform.phone("101") as caller, platform.phones("102") as (callee,):
        marks = "X-Dialtone-Probe: 7f"
        call = await answered(caller, number, marks)
        theirs, invite = await reached(callee)
        assert f"sip:101@{ACME}" in invite.one("From")
        if number[1:] != "05":  # the queue of the old series can't be taught to say more
            assert invite.all("X-Dialtone-Probe") == ["7f"]
        await talk(caller, callee)
        assert await caller.hang_up(call) == 200
        await over(theirs)


@pytest.mark.parametrize("number", ["607", "707"])
async def test_the_ivr_takes_a_digit(platform: Platform, number: str) -> None:
    async with platform.phone("102") as caller, platform.phones("101") as (first,):
        call = await answered(caller, number)
        async with asyncio.timeout(DEADLINE):
            while first.came.empty():  # who presses before the announcement begins isn't heard
                caller.press("1")
                await asyncio.sleep(0.3)
        theirs, _ = await reached(first)
        await talk(caller, first)
        assert await first.hang_up(theirs) == 200
        await over(call)


@pytest.mark.parametrize("number", ["606", "706"])
async def test_a_conference_holds_several(platform: Platform, number: str) -> None:
    async with platform.phone("101") as one, platform.phone("102") as two:
        calls = [(phone, await answered(phone, number)) for phone in (one, two)]
        for phone, call in calls:
            assert await phone.hang_up(call) == 200


@pytest.mark.parametrize("gateway", ["", "gw1", "gw2"])
async def test_a_number_outside_is_answered_by_the_gateway_that_was_named(
    platform: Platform, gateway: str
) -> None:
    async with platform.phone("101") as phone:
        call = await answered(phone, "95145550123", *([f"X-Gateway: {gateway}"] if gateway else []))
        await phone.hears(1)
        assert await phone.hang_up(call) == 200


@pytest.mark.parametrize("gateway", ["gw3", "gw9", "gw1 || 1"])
async def test_a_dead_or_unknown_gateway_is_503(platform: Platform, gateway: str) -> None:
    async with platform.phone("101") as phone:
        assert await phone.call("95145550123", f"X-Gateway: {gateway}") == (503, None)


@pytest.mark.parametrize(
    ("number", "domain"),
    [("15140001102", "127.0.0.1"), ("+15140001102", ACME), ("6102", ACME), ("7102", ACME)],
)
async def test_a_did_comes_from_the_trunk_without_a_password(
    platform: Platform, number: str, domain: str
) -> None:
    trunk = SoftPhone(platform.way("trunk"), "5145550199", domain, "none", voice=50)
    async with platform.phones("102") as (callee,), trunk:
        call = await answered(trunk, number, "X-Dialtone-Probe: 7f")
        theirs, invite = await reached(callee)
        assert f"<sip:5145550199@{ACME}>" in invite.one("From")
        assert invite.all("X-Dialtone-Probe") == ["7f"]
        await asyncio.gather(trunk.hears(2), callee.hears(50))
        assert await callee.hang_up(theirs) == 200
        await over(call)


@pytest.mark.parametrize(
    ("number", "domain"),
    [("15149999101", "127.0.0.1"), ("95145550123", ACME), ("102", ACME), ("6102", "elsewhere.example")],
)
async def test_the_trunk_gets_to_nothing_but_a_tenants_numbers(
    platform: Platform, number: str, domain: str
) -> None:
    async with SoftPhone(platform.way("trunk"), "5145550199", domain, "none") as trunk:
        assert await trunk.call(number) == (404, None)
        assert await trunk.register() == 405


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_blind_transfer_reaches_its_target(platform: Platform, prefix: str) -> None:
    async with platform.phones("101", "102", "103") as (transferor, transferee, target):
        call = await answered(transferee, f"{prefix}101")
        mine, _ = await reached(transferor)
        await talk(transferor, transferee)  # Asterisk transfers only what it has joined
        assert await transferor.refer(mine, f"sip:{prefix}103@{ACME}") == 202
        await reached(target)
        assert await told(mine) == "SIP/2.0 200 OK"
        await talk(transferee, target)
        assert await transferee.hang_up(call) == 200


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_blind_transfer_to_a_busy_phone_says_200_all_the_same(
    platform: Platform, prefix: str
) -> None:
    async with platform.phones("101", "102", "103") as (transferor, transferee, target):
        target.busy = True
        call = await answered(transferee, f"{prefix}101")
        mine, _ = await reached(transferor)
        await talk(transferor, transferee)  # Asterisk transfers only what it has joined
        assert await transferor.refer(mine, f"sip:{prefix}103@{ACME}") == 202
        assert await told(mine) == "SIP/2.0 200 OK"
        await over(call)


@pytest.mark.parametrize("number", ["99", "199"])
@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_blind_transfer_to_nowhere_is_404_and_the_call_stays(
    platform: Platform, prefix: str, number: str
) -> None:
    async with platform.phones("101", "102") as (transferor, transferee):
        call = await answered(transferee, f"{prefix}101")
        mine, _ = await reached(transferor)
        await talk(transferor, transferee)  # Asterisk transfers only what it has joined
        assert await transferor.refer(mine, f"sip:{prefix}{number}@{ACME}") == 202
        assert await told(mine) == "SIP/2.0 404 Not Found"
        await talk(transferor, transferee)
        assert await transferee.hang_up(call) == 200


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_phone_that_was_called_as_one_that_may_not_transfer_is_refused(
    platform: Platform, prefix: str
) -> None:
    async with platform.phones("101", "102") as (transferor, transferee):
        call = await answered(transferee, f"{prefix}0101")
        mine, _ = await reached(transferor)
        await talk(transferor, transferee)  # Asterisk transfers only what it has joined
        assert await transferor.refer(mine, f"sip:{prefix}00@{ACME}") == 603
        await talk(transferor, transferee)
        assert await transferee.hang_up(call) == 200


@pytest.mark.parametrize("consult", PREFIXES)
@pytest.mark.parametrize("first", PREFIXES)
@pytest.mark.parametrize("way", ["number", "contact"])
async def test_an_attended_transfer_joins_both_calls_wherever_they_are(
    platform: Platform, first: str, consult: str, way: str
) -> None:
    """With the calls on two Asterisks, the first sends INVITE with Replaces to the other by the front."""
    async with platform.phones("101", "102", "103") as (transferor, transferee, target):
        call = await answered(transferee, f"{first}101")
        mine, _ = await reached(transferor)
        await talk(transferor, transferee)  # Asterisk transfers only what it has joined
        consultation = await answered(transferor, f"{consult}103")
        theirs, _ = await reached(target)
        await talk(transferor, target)
        whom = f"sip:{consult}103@{ACME}" if way == "number" else consultation.target
        assert await transferor.refer(mine, f"{whom}?Replaces={consultation.replaces}") == 202
        assert await told(mine) == "SIP/2.0 200 OK"
        await over(consultation)
        await talk(transferee, target)
        assert await transferee.hang_up(call) == 200
        await over(theirs)


async def test_without_external_replaces_the_second_asterisk_is_not_found(platform: Platform) -> None:
    """The trap that the lab's dialplan avoids: Asterisk knows its own calls alone."""
    await command(platform, "dialplan remove extension external_replaces@numbers")
    try:
        async with platform.phones("101", "102", "103") as (transferor, transferee, target):
            call = await answered(transferee, "6101")
            mine, _ = await reached(transferor)
            await talk(transferor, transferee)
            consultation = await answered(transferor, "7103")
            await reached(target)
            whom = f"sip:7103@{ACME}?Replaces={consultation.replaces}"
            assert await transferor.refer(mine, whom) == 202
            assert await told(mine) == "SIP/2.0 404 Not Found"
            assert await transferee.hang_up(call) == 200
            assert await transferor.hang_up(consultation) == 200
    finally:
        await command(platform, "dialplan reload")


async def command(platform: Platform, text: str) -> None:
    """Give Asterisk 22 a command of its console's."""
    program = unpacked(next(bundle for bundle in BUNDLES if bundle.name == "asterisk"), default_cache())
    assert program is not None
    main = platform.state.root / "asterisk/etc/asterisk.conf"
    words = program.command("-C", str(main), "-rx", text)
    done = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL)
    assert await asyncio.wait_for(done.wait(), DEADLINE) == 0


@pytest.mark.parametrize(
    ("address", "transport"),
    [("sip", "tcp"), ("sip-tls", "tls"), ("sip6", "udp"), ("sip6", "tcp"), ("sip6-tls", "tls")],
)
async def test_by_every_way_a_phone_registers_calls_and_is_called(
    platform: Platform, address: str, transport: str
) -> None:
    if address.startswith("sip6") and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    if address not in platform.state.addresses:
        assert "without TLS" in platform.state.parts[0].says
        pytest.skip("this OpenSIPS has no TLS modules")
    other = platform.phone("102", way=platform.way(address, transport))
    async with platform.phones("101") as (plain,), other, registered(other):
        for caller, callee, number in ((plain, other, "102"), (other, plain, "101"), (other, plain, "6101")):
            call = await answered(caller, number)
            theirs, _ = await reached(callee)
            await talk(caller, callee)
            assert await callee.hang_up(theirs) == 200
            await over(call)


@pytest.mark.parametrize(("home", "other"), [("sip", "sip-b"), ("sip-b", "sip")])
async def test_who_registered_at_one_front_is_called_through_the_other(
    platform: Platform, home: str, other: str
) -> None:
    """Also by Asterisk, which sends by the first front alone."""
    there = platform.phone("102", way=platform.way(home))
    away = platform.phone("101", way=platform.way(other))
    async with there as callee, away as caller, registered(callee):
        for number in ("102", "6102"):
            await until_known(caller, number, callee)
            theirs, _ = await reached(callee)
            assert await callee.hang_up(theirs) == 200


async def until_known(caller: SoftPhone, number: str, callee: SoftPhone) -> None:
    """Call until the registration has come over, and be answered.

    OpenSIPS fronts meet a moment after their start; what was registered before, one never tells the other.
    """
    async with asyncio.timeout(DEADLINE):
        while (status := (await caller.call(number))[0]) == 480:
            await asyncio.sleep(0.2)
            assert await callee.register() == 200
    assert status == 200


@pytest.mark.parametrize("number", ["102", "6102"])
async def test_a_watcher_sees_a_phones_calls_begin_and_end(platform: Platform, number: str) -> None:
    """By dialog-info (RFC 4235), whoever calls; the lab's OpenSIPS publishes none."""
    if "OpenSIPS" in platform.state.parts[0].says:
        pytest.skip("the lab's OpenSIPS publishes no dialog-info")
    uri = f"sip:102@{ACME}"
    wanted = ["Event: dialog", "Expires: 60", "Accept: application/dialog-info+xml"]
    watcher = platform.phone("104")
    async with watcher, platform.phone("101") as caller, platform.phones("102") as (callee,):
        assert (await watcher.ask("SUBSCRIBE", uri, uri, wanted)).status in (200, 202)
        call = await answered(caller, number)
        await notified(watcher, "confirmed")
        assert await caller.hang_up(call) == 200
        await notified(watcher, "terminated")
        assert callee.came.qsize() == 1


async def notified(watcher: SoftPhone, state: str) -> None:
    """Wait for a NOTIFY with that state of a dialog."""
    async with asyncio.timeout(DEADLINE):
        while f"<state>{state}</state>" not in (await watcher.requests.get()).body:
            pass


async def test_the_pages_are_served_by_http_and_by_https_with_the_labs_own_authority(
    platform: Platform,
) -> None:
    where = platform.state.addresses
    trusted = ssl.create_default_context(cafile=where["ca"])
    trusted.verify_flags |= ssl.VERIFY_X509_STRICT
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{where['http']}/admin") as page:
            assert page.status == 200
            assert "clusterpbx.example: administration" in await page.text()
        for base in (where["http"], where["https"]):
            async with session.get(f"{base}/provisioning/{GLOBEX}.cfg", ssl=trusted) as reply:
                assert reply.status == 200
                assert f"sip_server = {GLOBEX}" in await reply.text()
            async with session.get(f"{base}/provisioning/nobody.cfg", ssl=trusted) as reply:
                assert reply.status == 404
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(where["https"])


def test_no_private_key_can_be_read_by_others(platform: Platform) -> None:
    folder = platform.state.root / "tls"
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
    assert not (folder / "ca.key").exists()


def test_no_asterisk_complains(platform: Platform) -> None:
    """What they were asked above is all that they know; a module that is missing would be named here."""
    for part in ("asterisk", "asterisk-16"):
        log = (platform.state.root / part / "log/messages.log").read_text()
        assert "No application" not in log
        assert "Error loading module" not in log
