"""The Asterisk collector: what one poll gives, and what it takes from the server."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import anyio
import pytest

from collectors.asterisk import AsteriskCollector
from dialtone.config.tree import TenantTree
from dialtone.model import CollectError, CollectFailure, Node, NodeKind, Reading, Secret
from tests.fakes import ami
from tests.fakes.ami import FakeAmi, getvar
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.conftest import RESELLER, recorded

STARTED = datetime(2026, 11, 23, 4, 19, 28, tzinfo=UTC)  # 23:19:28 the day before, five hours west


@pytest.fixture
async def server() -> AsyncIterator[FakeAmi]:
    """Return an Asterisk 22 in Montreal, with calls."""
    names = ("CoreShowChannels", "CoreStatus", "CoreSettings")
    replies = {name: recorded("22.10.1", name) for name in names} | {"Getvar": getvar("-0500")}
    async with FakeAmi(replies).running() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock two minutes after that server's start."""
    return FakeClock(STARTED.replace(minute=21))


@pytest.fixture
async def collector(
    server: FakeAmi, tenants: TenantTree, clock: FakeClock
) -> AsyncIterator[AsteriskCollector]:
    """Return its collector."""
    node = Node(
        "pbx1", NodeKind.ASTERISK, server.endpoint, username="dialtone", secret=Secret("geheim"), timeout=1.0
    )
    made = AsteriskCollector(node, tenants, clock)
    yield made
    await made.aclose()


def value(reading: Reading, metric: str, *labels: str) -> float:
    """Return the one value of a metric with these labels among its own."""
    (found,) = (s.value for s in reading.samples if s.metric == metric and set(labels) <= set(s.labels))
    return found


async def test_a_poll_gives_calls_version_and_age(collector: AsteriskCollector) -> None:
    reading = await collector.collect()
    assert reading.info == {"version": "22.10.1"}
    assert value(reading, "asterisk_calls") == 9
    assert value(reading, "asterisk_calls_processed_total") == 41
    assert value(reading, "asterisk_uptime_seconds") == 120
    assert value(reading, "asterisk_tenant_calls", f"acme.{RESELLER}") == 3


async def test_samples_are_stamped_with_our_clock(collector: AsteriskCollector, clock: FakeClock) -> None:
    assert {sample.at for sample in (await collector.collect()).samples} == {clock.now()}


async def test_version_and_start_are_asked_once_a_connection(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    for _ in range(3):
        await collector.collect()
    assert server.names.count("CoreSettings") == server.names.count("Getvar") == 1
    assert server.names.count("CoreStatus") == server.names.count("CoreShowChannels") == 3


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
    assert (await collector.collect()).info["version"] == "23.1.0"


async def test_the_offset_is_asked_for_the_instant_of_the_start(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    await collector.collect()
    (asked,) = (action["Variable"] for action in server.actions if action["Action"] == "Getvar")
    assert asked == f"STRFTIME({int(datetime(2026, 11, 22, 23, 19, 28, tzinfo=UTC).timestamp())},,%z)"


@pytest.mark.parametrize("answer", [None, getvar("UTC")])
async def test_without_the_servers_zone_its_age_is_absent_and_the_rest_is_read(
    collector: AsteriskCollector, server: FakeAmi, answer: bytes | None
) -> None:
    server.replies = {k: v for k, v in server.replies.items() if k != "Getvar"} | (
        {} if answer is None else {"Getvar": answer}
    )
    reading = await collector.collect()
    assert value(reading, "asterisk_calls") == 9
    assert "asterisk_uptime_seconds" not in {sample.metric for sample in reading.samples}


async def test_a_start_that_failed_half_way_is_learnt_by_the_next_poll(
    collector: AsteriskCollector, server: FakeAmi
) -> None:
    server.manners["CoreSettings"] = ami.silent
    with pytest.raises(CollectError):
        await collector.collect()
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
    server.replies = {k: v for k, v in server.replies.items() if k != "CoreShowChannels"}
    with pytest.raises(CollectError, match="unknown command") as caught:
        await collector.collect()
    assert caught.value.failure is CollectFailure.SERVER


async def test_wrong_credentials_are_named_without_the_password(
    server: FakeAmi, tenants: TenantTree, clock: FakeClock
) -> None:
    node = Node("pbx1", NodeKind.ASTERISK, server.endpoint, username="dialtone", secret=Secret("falsch"))
    collector = AsteriskCollector(node, tenants, clock)
    with pytest.raises(CollectError) as caught:
        await collector.collect()
    assert caught.value.failure is CollectFailure.AUTH
    assert "falsch" not in str(caught.value)


class Changing(TenantTree):
    """Tenants that change while somebody looks: whoever asks twice gets answers that disagree."""

    def __init__(self, now: TenantTree) -> None:
        self._now = now

    def fixed(self) -> TenantTree:
        return self._now

    def __getattribute__(self, name: str) -> object:
        assert name in ("fixed", "_now"), f"{name} was asked of tenants that discovery may change"
        return super().__getattribute__(name)


async def test_a_poll_is_about_the_tenants_of_one_moment(
    server: FakeAmi, tenants: TenantTree, clock: FakeClock
) -> None:
    node = Node("pbx1", NodeKind.ASTERISK, server.endpoint, username="dialtone", secret=Secret("geheim"))
    collector = AsteriskCollector(node, Changing(tenants), clock)
    assert value(await collector.collect(), "asterisk_tenant_calls", f"acme.{RESELLER}") == 3
    await collector.aclose()
