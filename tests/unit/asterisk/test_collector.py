"""The Asterisk collector: what one poll gives, what happens between two, what it takes from the server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime

import anyio
import pytest

from collectors.asterisk import METRICS, AsteriskCollector
from collectors.asterisk.manager import ACTIONS
from dialtone.config.directory import TenantDirectory
from dialtone.config.tree import TenantTree
from dialtone.model import (
    UNKNOWN_TENANT,
    Catalog,
    CollectError,
    CollectFailure,
    Node,
    NodeKind,
    Reading,
    Secret,
)
from dialtone.ports import TenantLookup
from tests.fakes import ami
from tests.fakes.ami import FakeAmi, getvar
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.conftest import RESELLER, recorded, whole

STARTED = datetime(2026, 11, 23, 4, 19, 28, tzinfo=UTC)  # 23:19:28 the day before, five hours west
ACME, BD = f"acme.{RESELLER}", f"bd.{RESELLER}"
LISTS = (
    "CoreShowChannels",
    "CoreStatus",
    "CoreSettings",
    "QueueStatus",
    "ConfbridgeListRooms",
    "DeviceStateList",
    "VoicemailUsersList",
    "PJSIPShowContacts",
)
TIMEOUT = 1.0
RIGHT = "geheim"
Made = Callable[..., AsteriskCollector]


@pytest.fixture
async def server() -> AsyncIterator[FakeAmi]:
    """Return an Asterisk 22 in Montreal, with calls."""
    replies = {name: recorded("22.10.1", name) for name in LISTS} | {"Getvar": getvar("-0500")}
    async with FakeAmi(replies).running() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock two minutes after that server's start."""
    return FakeClock(STARTED.replace(minute=21))


@pytest.fixture
async def made(server: FakeAmi, tenants: TenantTree, clock: FakeClock) -> AsyncIterator[Made]:
    """Return what makes collectors of that server, closed at the end."""
    collectors: list[AsteriskCollector] = []

    def make(
        whose: TenantLookup = tenants, secret: str = RIGHT, names: str = "{tenant}-*"
    ) -> AsteriskCollector:
        node = Node(
            "pbx1",
            NodeKind.ASTERISK,
            server.endpoint,
            username="dialtone",
            secret=Secret(secret),
            timeout=TIMEOUT,
            options={"names": names},
        )
        collectors.append(AsteriskCollector(node, whose, clock))
        return collectors[-1]

    yield make
    for collector in collectors:
        await collector.aclose()


@pytest.fixture
def collector(made: Made) -> AsteriskCollector:
    """Return its collector."""
    return made()


def value(reading: Reading, metric: str, *labels: str) -> float:
    """Return the one value of a metric with these labels among its own."""
    (found,) = (s.value for s in reading.samples if s.metric == metric and set(labels) <= set(s.labels))
    return found


def series(reading: Reading) -> set[tuple[str, tuple[str, ...]]]:
    """Return what series a reading has."""
    return {(s.metric, s.labels) for s in reading.samples} | {(s.metric, s.labels) for s in reading.spreads}


def call(number: int, event: str, **more: str) -> bytes:
    """Return an event about the one channel of a call."""
    lines = {
        "Event": event,
        "Privilege": "call,all",
        **whole(),
        "Channel": f"PJSIP/acme-101-{number:08x}",
        "ChannelState": "4",
        "AccountCode": "acme",
        "Context": "acme",
        "Uniqueid": f"new-{number}",
        "Linkedid": f"new-{number}",
        **{key.replace("_", "-"): text for key, text in more.items()},
    }
    return "".join(f"{key}: {text}\r\n" for key, text in lines.items()).encode() + b"\r\n"


async def settled(collector: AsteriskCollector, clock: FakeClock) -> Reading:
    """Poll until every list has had its turn, and return the last reading."""
    for _ in range(8):
        reading = await collector.collect()
        await clock.advance(15)
    return reading


async def pushed(server: FakeAmi, *events: bytes) -> None:
    """Send events, and wait until they have been heard."""
    server.push(b"".join(events).removesuffix(b"\r\n\r\n"))
    with anyio.fail_after(5):
        for _ in range(3):
            await anyio.wait_all_tasks_blocked()
            await anyio.sleep(0.01)


async def test_a_poll_gives_calls_lists_version_and_age(collector: AsteriskCollector) -> None:
    reading = await collector.collect()
    assert reading.info["version"] == "22.10.1"
    assert value(reading, "asterisk_calls") == 9
    assert value(reading, "asterisk_calls_processed_total") == 41
    assert value(reading, "asterisk_uptime_seconds") == 120
    assert value(reading, "asterisk_tenant_calls", ACME) == 3
    assert value(reading, "asterisk_tenant_conference_parties", BD) == 2
    assert value(reading, "asterisk_tenant_endpoints", ACME, "busy") == 1
    assert value(reading, "asterisk_last_reload_timestamp_seconds") == STARTED.timestamp() + 134


async def test_all_that_is_published_is_in_the_table(collector: AsteriskCollector) -> None:
    catalog = Catalog(METRICS)
    reading = await collector.collect()
    assert {metric for metric, _ in series(reading)} <= {definition.name for definition in catalog}


async def test_samples_are_stamped_with_our_clock(collector: AsteriskCollector, clock: FakeClock) -> None:
    reading = await collector.collect()
    assert {s.at for s in reading.samples} == {s.at for s in reading.spreads} == {clock.now()}


async def test_version_zone_and_rights_are_asked_once_a_connection(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    for _ in range(3):
        await collector.collect()
    assert server.names.count("CoreSettings") == server.names.count("ListCommands") == 1
    assert server.names.count("Getvar") == 2  # of the start, and of the last reload
    assert server.names.count("CoreStatus") == server.names.count("CoreShowChannels") == 3
    assert set(server.names) <= ACTIONS
    assert server.most_in_flight == 1


async def test_after_a_restart_the_version_is_asked_anew(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    server.replies = {
        **server.replies,
        "CoreSettings": b"Response: Success\r\nActionID: 0\r\nAsteriskVersion: 23.1.0\r\n\r\n",
    }
    server.hang_up()
    await anyio.wait_all_tasks_blocked()
    reading = await collector.collect()
    assert reading.info["version"] == "23.1.0"
    assert value(reading, "asterisk_manager_logins_total") == 2


async def test_a_call_between_two_polls_is_counted(
    collector: AsteriskCollector, server: FakeAmi, clock: FakeClock
) -> None:
    await collector.collect()
    await pushed(server, call(1, "Newchannel"), call(1, "Newstate", ChannelState="6"))
    await clock.advance(40)
    await pushed(server, call(1, "Hangup", ChannelState="6", Cause="16"))
    await pushed(server, call(2, "Newchannel"), call(2, "Hangup", Cause="17"))
    reading = await collector.collect()
    assert value(reading, "asterisk_tenant_calls", ACME) == 3
    assert value(reading, "asterisk_tenant_peak_calls", ACME) == 4
    assert value(reading, "asterisk_tenant_calls_started_total", ACME) == 5
    assert value(reading, "asterisk_tenant_calls_failed_total", ACME, "busy") == 1
    assert value(reading, "asterisk_manager_events_total") == 5
    (lasted,) = (
        s for s in reading.spreads if s.metric == "asterisk_tenant_call_duration_seconds" and ACME in s.labels
    )
    assert (sum(lasted.counts), lasted.total) == (1, 40)


async def test_what_comes_while_a_thread_reads_the_counts_is_counted_after_it(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    for turn in range(20):
        numbers = range(turn * 300, (turn + 1) * 300)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collector.collect)
            server.push_raw(b"".join(call(n, "Newchannel") + call(n, "Hangup", Cause="17") for n in numbers))
    await pushed(server)
    reading = await collector.collect()
    started = value(reading, "asterisk_tenant_calls_started_total", ACME)
    assert started - 3 == value(reading, "asterisk_tenant_calls_failed_total", ACME, "busy") == 6000


async def test_calls_that_come_and_go_leave_no_series_behind(
    collector: AsteriskCollector, server: FakeAmi, clock: FakeClock
) -> None:
    before = series(await settled(collector, clock))
    await pushed(
        server, *(call(n, "Newchannel") + call(n, "Hangup", Cause=str(n % 128)) for n in range(1000))
    )
    assert series(await collector.collect()) == before


async def test_transfers_reports_and_queues_are_heard_of(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    for name in ("BlindTransfer", "RTCPSent", "QueueCallerJoin"):
        await pushed(server, recorded("22.10.1", f"events/{name}"))
    first = await collector.collect()
    assert value(first, "asterisk_tenant_transfers_total", ACME, "blind", "success") == 0
    reading = await collector.collect()
    assert value(reading, "asterisk_tenant_transfers_total", ACME, "blind", "success") == 4
    assert value(reading, "asterisk_tenant_queue_joined_total", BD, "bd-support") == 1
    scores = [s for s in reading.spreads if s.metric == "asterisk_tenant_rtp_mos" and ACME in s.labels]
    assert sum(sum(s.counts) for s in scores) > 0


async def test_calls_whose_end_was_missed_are_unseen_unless_they_were_answered_and_never_failed(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    server.hang_up()
    await anyio.wait_all_tasks_blocked()
    server.replies = {**server.replies, "CoreShowChannels": recorded("22.10.1", "CoreShowChannels-idle")}
    reading = await collector.collect()
    assert value(reading, "asterisk_tenant_calls", ACME) == 0
    unseen = [s for s in reading.samples if s.metric == "asterisk_tenant_calls_unseen_total"]
    assert {s.labels[1].partition(".")[0]: s.value for s in unseen if s.value} == {"globex": 1}
    failed = [s.value for s in reading.samples if s.metric == "asterisk_tenant_calls_failed_total"]
    assert set(failed) == {0}


async def test_a_connection_that_is_replaced_inside_a_poll_has_no_call_counted_twice(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    server.replies = {**server.replies, "CoreShowChannels": recorded("22.10.1", "CoreShowChannels-idle")}
    await collector.collect()

    async def and_hang_up(writer: asyncio.StreamWriter, reply: bytes) -> None:
        writer.write(reply)
        await writer.drain()
        server.hang_up()

    server.manners["CoreShowChannels"] = and_hang_up
    with suppress(CollectError):
        await collector.collect()
    server.manners.clear()
    if server.connections == 1:
        await collector.collect()
    assert server.connections == 2
    # It is heard of by the new connection, and is younger than the list that the next poll gets.
    await pushed(server, call(1, "Newchannel"))
    for _ in range(2):
        await collector.collect()
    await pushed(server, call(1, "Newstate", ChannelState="6"), call(1, "Hangup", ChannelState="6"))
    reading = await collector.collect()
    for counted, times in (("started", 1), ("answered", 1), ("unseen", 0)):
        assert value(reading, f"asterisk_tenant_calls_{counted}_total", ACME) == times


async def test_a_login_that_hears_nothing_is_told_so(
    collector: AsteriskCollector, server: FakeAmi, clock: FakeClock
) -> None:
    server.reads = {"dialtone": ()}
    for calls in (0, 0, 9, 9):
        name = "CoreShowChannels" if calls else "CoreShowChannels-idle"
        server.replies = {**server.replies, "CoreShowChannels": recorded("22.10.1", name)}
        reading = await collector.collect()
        assert value(reading, "asterisk_calls") == calls
        await clock.advance(15)
    assert "read = call,agent,reporting" in reading.info["missing/events"]
    assert value(reading, "asterisk_events_missing", "call") == 1
    assert value(reading, "asterisk_events_missing", "Hangup") == 0


async def test_rights_that_are_missing_are_named_and_the_rest_is_read(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    server.users = {"dialtone": ("geheim", ("reporting",))}
    reading = await collector.collect()
    assert "write = reporting,system" in reading.info["optional/contacts"]
    assert not [key for key in reading.info if key.startswith("missing/") and "parked" not in key]
    assert value(reading, "asterisk_tenant_endpoints", ACME, "busy") == 1
    assert not [s for s in reading.samples if s.metric == "asterisk_tenant_contacts"]
    assert "PJSIPShowContacts" not in server.names


async def test_a_login_that_may_not_even_list_channels_is_denied(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    server.users = {"dialtone": ("geheim", ())}
    with pytest.raises(CollectError, match="write = reporting") as caught:
        await collector.collect()
    assert caught.value.failure is CollectFailure.DENIED


async def test_a_list_that_makes_no_sense_is_told_and_the_rest_is_read(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    head, _, tail = server.replies["ConfbridgeListRooms"].partition(b"Conference: ")
    server.replies = {**server.replies, "ConfbridgeListRooms": head + b"Rumble: " + tail}
    reading = await collector.collect()
    assert "ConfbridgeListRooms" in reading.info["lists/conferences"]
    assert value(reading, "asterisk_calls") == 9


async def test_the_offset_is_asked_for_the_instants_of_the_start_and_the_reload(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    asked = [action["Variable"] for action in server.actions if action["Action"] == "Getvar"]
    start = int(datetime(2026, 11, 22, 23, 19, 28, tzinfo=UTC).timestamp())
    assert asked == [f"STRFTIME({start},,%z)", f"STRFTIME({start + 134},,%z)"]


@pytest.mark.parametrize("answer", [None, getvar("UTC")])
async def test_without_the_servers_zone_its_age_is_absent_and_the_rest_is_read(
    collector: AsteriskCollector, server: FakeAmi, answer: bytes | None
) -> None:
    server.replies = {k: v for k, v in server.replies.items() if k != "Getvar"} | (
        {} if answer is None else {"Getvar": answer}
    )
    reading = await collector.collect()
    assert value(reading, "asterisk_calls") == 9
    there = {sample.metric for sample in reading.samples}
    assert not there & {"asterisk_uptime_seconds", "asterisk_last_reload_timestamp_seconds"}


async def failed(collector: AsteriskCollector, clock: FakeClock) -> CollectError:
    """Poll, let the deadline pass, and return what went wrong."""
    caught: list[CollectError] = []

    async def poll() -> None:
        with pytest.raises(CollectError) as error:
            await collector.collect()
        caught.append(error.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(poll)
        for _ in range(10):
            await anyio.sleep(0.01)
        await clock.advance(TIMEOUT + 0.1)
    return caught[0]


async def test_a_start_that_failed_half_way_is_learnt_by_the_next_poll(
    collector: AsteriskCollector, server: FakeAmi, clock: FakeClock
) -> None:
    server.manners["CoreSettings"] = ami.silent
    assert (await failed(collector, clock)).failure is CollectFailure.TIMEOUT
    server.manners.clear()
    assert (await collector.collect()).info["version"] == "22.10.1"


async def test_half_a_reading_is_none(collector: AsteriskCollector, server: FakeAmi) -> None:
    server.manners["CoreShowChannels"] = ami.cut_in_the_middle
    with pytest.raises(CollectError) as caught:
        await collector.collect()
    assert caught.value.failure is CollectFailure.CONNECT


async def test_an_action_that_the_server_lacks_is_its_error(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    server.replies = {k: v for k, v in server.replies.items() if k != "CoreShowChannels"}
    with pytest.raises(CollectError, match="unknown command") as caught:
        await collector.collect()
    assert caught.value.failure is CollectFailure.SERVER


async def test_a_channel_that_a_callers_number_has_broken_is_told_and_the_others_are_read(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    broken = server.replies["CoreShowChannels"].replace(b"CallerIDNum: 12!34", b"CallerIDNum: 1\r\n\r\n")
    server.replies = {**server.replies, "CoreShowChannels": broken}
    reading = await collector.collect()
    assert value(reading, "asterisk_calls") == 8
    assert value(reading, "asterisk_tenant_calls", ACME) == 2
    assert value(reading, "asterisk_unreadable_channels") == 1
    assert reading.info["channels"].startswith("1 channels can't be read")


async def test_a_caller_who_writes_another_account_code_is_not_counted_for_that_tenant(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    forged = server.replies["CoreShowChannels"].replace(
        b"CallerIDNum: 12!34", b"CallerIDNum: 1\r\nAccountCode: globex"
    )
    server.replies = {**server.replies, "CoreShowChannels": forged}
    reading = await collector.collect()
    assert value(reading, "asterisk_tenant_calls", f"globex.{RESELLER}") == 3
    assert value(reading, "asterisk_tenant_calls", ACME) == 2
    assert value(reading, "asterisk_unreadable_channels") == 1


async def test_the_peak_of_a_poll_that_failed_is_in_the_next_ones(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    await pushed(server, *(call(n, "Newchannel") for n in range(50)))
    await pushed(server, *(call(n, "Hangup", Cause="17") for n in range(50)))
    server.manners["QueueStatus"] = ami.cut_in_the_middle
    with pytest.raises(CollectError):
        await collector.collect()
    server.manners.clear()
    assert value(await collector.collect(), "asterisk_tenant_peak_calls", ACME) == 53


async def test_a_zone_that_could_not_be_read_once_is_read_after_the_next_login(
    collector: AsteriskCollector, server: FakeAmi, clock: FakeClock
) -> None:
    server.manners["Getvar"] = ami.cut_in_the_middle
    with pytest.raises(CollectError):
        await collector.collect()
    server.manners.clear()
    reading = await collector.collect()
    assert value(reading, "asterisk_last_reload_timestamp_seconds") == STARTED.timestamp() + 134


async def test_wrong_credentials_are_named_without_the_password(made: Made) -> None:
    with pytest.raises(CollectError) as caught:
        await made(secret="falsch").collect()
    assert caught.value.failure is CollectFailure.AUTH
    assert "falsch" not in str(caught.value)


async def test_names_of_the_configuration_say_whose_an_endpoint_is(made: Made, clock: FakeClock) -> None:
    without = await settled(made(names=""), clock)
    assert value(without, "asterisk_tenant_endpoints", UNKNOWN_TENANT, "busy") == 2
    named = await settled(made(names="phone-{tenant}-*\n{tenant}-*"), clock)
    assert value(named, "asterisk_tenant_endpoints", ACME, "busy") == 1
    assert value(named, "asterisk_tenant_endpoints", BD, "busy") == 1


async def test_a_tenant_that_has_gone_leaves_its_series_and_the_others_stay(
    made: Made, server: FakeAmi, tenants: TenantTree, clock: FakeClock
) -> None:
    directory = TenantDirectory(tenants)
    found = "new.ntek.clusterpbx.example"
    await directory.discover([found])
    collector = made(directory)
    await settled(collector, clock)
    await pushed(server, call(1, "Newchannel", AccountCode=found))
    await pushed(server, call(1, "Hangup", AccountCode=found, Cause="17"))
    for counted in (0, 1):  # a tenant's first figures are 0
        reading = await collector.collect()
        assert value(reading, "asterisk_tenant_calls_started_total", found) == counted
    await directory.discover([])
    after = await collector.collect()
    assert series(after) == {one for one in series(reading) if found not in one[1]}
    assert value(after, "asterisk_tenant_calls_started_total", ACME) == 3


class Changing(TenantTree):
    """Tenants that change while somebody looks: whoever asks twice gets answers that disagree."""

    def __init__(self, now: TenantTree) -> None:
        self._now = now

    def fixed(self) -> TenantTree:
        return self._now

    def __getattribute__(self, name: str) -> object:
        assert name in ("fixed", "_now"), f"{name} was asked of tenants that discovery may change"
        return super().__getattribute__(name)


async def test_a_poll_is_about_the_tenants_of_one_moment(made: Made, tenants: TenantTree) -> None:
    reading = await made(Changing(tenants)).collect()
    assert value(reading, "asterisk_tenant_calls", ACME) == 3
