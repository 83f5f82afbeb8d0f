"""A server that is restarted: noticed once, whatever fails meanwhile, and told from one that stood still."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from collectors.opensips import OpensipsCollector
from collectors.opensips.metrics import METRICS
from collectors.opensips.statistics import LIST_AGAIN
from dialtone.config import TenantDirectory, TenantTree
from dialtone.model import CollectError, Kind, Level, MetricDef, Node, NodeKind, Reading, Tenant
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, http, recorded_reply

KINDS: Mapping[str, MetricDef] = {metric.name: metric for metric in METRICS}
PLATFORM = Tenant("example.net", None, Level.PLATFORM, "Platform")
HOSTS = ("a.example.net", "b.example.net")


@dataclass
class Front:
    """A server that counts by domain, and its collector; `refused` is what it can't answer now."""

    fake: FakeMi
    clock: FakeClock
    collector: OpensipsCollector
    directory: TenantDirectory
    values: dict[str, float]
    kinds: dict[str, str]
    refused: Callable[[str, str], bool] = field(default=lambda _, __: False)
    forgotten: Counter[str] = field(default_factory=Counter)

    def answer(self, request: dict[str, object]) -> bytes:
        """Answer as it is now; a group that it can't tell makes all of a request fail."""
        params = request["params"]
        assert isinstance(params, dict)
        groups = params.get("statistics", [""])
        if any(self.refused(str(request["method"]), group) for group in groups):
            return http(b"It works!")
        found: object = self.kinds
        if request["method"] == "get_statistics":
            found = {name: n for name, n in self.values.items() if f"{name.partition(':')[0]}:" in groups}
        elif request["method"] != "list_statistics":
            return http(recorded_reply(self.fake.replies, request))
        return http(json.dumps({"id": request["id"], "result": found}).encode())

    async def poll(self, seconds: float = 15.0, *, still: float = 0.0) -> Reading:
        """Let time pass, for `still` of which the server stands still, and poll."""
        await self.clock.advance(seconds)
        self.values["core:timestamp"] += seconds - still
        return await self.collector.collect()

    def restart(self) -> None:
        """Begin anew."""
        self.values |= dict.fromkeys(self.values, 0)

    def carry(self, **calls: int) -> None:
        """Count calls of hosts, by their first labels."""
        for name, more in calls.items():
            self.values[f"tenants:{name}.example.net_challenges"] += more

    @property
    def versions(self) -> int:
        """How often the version was asked for."""
        return sum(json.loads(body)["method"] == "version" for body in self.fake.requests)


def nobodys(reading: Reading) -> float:
    """Return what was counted of `_unknown`."""
    return sum(
        sample.value
        for sample in reading.samples
        if sample.metric == "opensips_tenant_events_total" and sample.labels[1] == "_unknown"
    )


@asynccontextmanager
async def a_front(replies: Mapping[str, bytes], clock: FakeClock) -> AsyncIterator[Front]:
    """Run a server with a hundred calls of the one host and 23 of the other, which is up for a while."""
    values = {f"tenants:{host}_challenges": float(n) for host, n in zip(HOSTS, (100, 23), strict=True)}
    values |= {"core:timestamp": 9000.0, "script:options_in": 7.0}
    kinds = {name: "non-incremental" if name.startswith("core:") else "incremental" for name in values}
    directory = TenantDirectory(TenantTree(PLATFORM, []))
    async with FakeMi(dict(replies)).running() as fake:
        collector = OpensipsCollector(
            Node("sip1", NodeKind.OPENSIPS, fake.url, timeout=5.0), directory, clock
        )
        front = Front(fake, clock, collector, directory, values, kinds)
        fake.misbehave = front.answer
        for name in ("lists", "profiles", "registrations", "unknown"):
            part = getattr(collector, f"_{name}")
            part.forget = counting(front.forgotten, name, part.forget)
        try:
            yield front
        finally:
            await collector.aclose()


def counting(counts: Counter[str], name: str, forget: Callable[[], None]) -> Callable[[], None]:
    def counted() -> None:
        counts[name] += 1
        forget()

    return counted


ALL = ("lists", "profiles", "registrations", "unknown")


async def test_a_server_that_stood_still_goes_on_where_it_was(
    replies: dict[str, bytes], clock: FakeClock
) -> None:
    async with a_front(replies, clock) as front:
        assert nobodys(await front.poll()) == 123
        await front.directory.discover([HOSTS[0]])
        assert nobodys(await front.poll()) == 123
        front.carry(b=1)
        assert nobodys(await front.poll(15, still=12)) == 124
        front.carry(b=1)
        assert nobodys(await front.poll(300, still=290)) == 125
    assert not front.forgotten
    assert front.versions == 1


@pytest.mark.parametrize("up", [0.0, 14.0, 9500.0])
async def test_a_restart_is_seen_by_every_part_once(
    replies: dict[str, bytes], clock: FakeClock, up: float
) -> None:
    async with a_front(replies, clock) as front:
        await front.poll()
        assert not front.forgotten
        await front.directory.discover([HOSTS[0]])
        await front.poll()
        for number in (1, 2):
            front.restart()
            front.carry(b=5)
            await clock.advance(2 * up)
            front.values["core:timestamp"] = up
            front.values["core:timestamp"] -= 15
            assert nobodys(await front.poll()) == 5
            assert nobodys(await front.poll()) == 5
            assert front.forgotten == dict.fromkeys(ALL, number)
            assert front.versions == 1 + number


async def test_a_restart_in_the_first_seconds_of_a_servers_life_is_seen(
    replies: dict[str, bytes], clock: FakeClock
) -> None:
    async with a_front(replies, clock) as front:
        await front.poll()
        front.restart()
        await front.poll(3)
        front.restart()
        await front.poll(1)
        assert front.forgotten == dict.fromkeys(ALL, 2)
        await front.poll(1)
        assert front.forgotten == dict.fromkeys(ALL, 2)


FAILURES = {
    "the second look at its statistics": ("get_statistics", 2),
    "the list of its statistics": ("list_statistics", 1),
    "its version": ("version", 1),
    "its calls": ("profile_get_values", 1),
}


@pytest.mark.parametrize(("command", "number"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("times", [1, 3])
async def test_a_restart_is_not_lost_where_the_poll_that_saw_it_fails(
    replies: dict[str, bytes], clock: FakeClock, command: str, number: int, times: int
) -> None:
    async with a_front(replies, clock) as front:
        await front.poll()
        await front.directory.discover([HOSTS[0]])
        assert nobodys(await front.poll()) == 123
        front.restart()
        front.carry(b=5)
        asked: Counter[str] = Counter()

        def hanging_up(request: dict[str, object]) -> bytes:
            asked[str(request["method"])] += 1
            return b"" if asked[command] >= number else front.answer(request)

        front.fake.misbehave = hanging_up
        for _ in range(times):
            with pytest.raises(CollectError):
                await front.poll()
        front.fake.misbehave = front.answer
        for _ in range(2):
            assert nobodys(await front.poll()) == 5
            assert front.forgotten == dict.fromkeys(ALL, 1)
        assert front.versions == 2 or command == "version"


async def test_a_restart_is_not_lost_where_the_poll_that_saw_it_is_cancelled(
    replies: dict[str, bytes], clock: FakeClock
) -> None:
    async with a_front(replies, clock) as front:
        await front.poll()
        await front.directory.discover([HOSTS[0]])
        await front.poll()
        front.restart()
        front.carry(b=5)
        reached = asyncio.Event()

        def silent(request: dict[str, object]) -> bytes | None:
            if request["method"] != "list_statistics":
                return front.answer(request)
            reached.set()
            return None

        front.fake.misbehave = silent
        polling = asyncio.create_task(front.poll())
        await reached.wait()
        polling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await polling
        front.fake.misbehave = front.answer
        assert nobodys(await front.poll()) == 5
        assert front.forgotten == dict.fromkeys(ALL, 1)
        assert front.versions == 2


async def test_a_restart_is_seen_though_a_poll_before_it_could_not_read_how_long_it_was_up(
    replies: dict[str, bytes], clock: FakeClock
) -> None:
    async with a_front(replies, clock) as front:
        await front.poll()
        await front.directory.discover([HOSTS[0]])
        await front.poll()
        front.refused = lambda _, group: group == "core:"
        await front.poll()
        front.refused = lambda *_: False
        front.restart()
        front.carry(b=5)
        assert nobodys(await front.poll()) == 5
        assert front.forgotten == dict.fromkeys(ALL, 1)


async def test_a_counter_that_fell_where_nobody_knows_of_a_restart_yet_stays_a_counter(
    replies: dict[str, bytes], clock: FakeClock
) -> None:
    """The first poll after a restart can't read the uptime."""
    async with a_front(replies, clock) as front:
        await front.poll()
        front.restart()
        front.refused = lambda _, group: group == "core:"
        readings = [await front.poll()]
        front.refused = lambda *_: False
        readings += [await front.poll(LIST_AGAIN), await front.poll()]
    for reading in readings:
        found = [sample for sample in reading.samples if sample.labels[1:] == ("script", "options_in")]
        assert [(KINDS[sample.metric].kind, sample.value) for sample in found] == [(Kind.COUNTER, 0.0)]


async def test_nobodys_counter_does_not_fall_where_tenants_change_while_their_group_cannot_be_read(
    replies: dict[str, bytes], clock: FakeClock
) -> None:
    async with a_front(replies, clock) as front:
        assert nobodys(await front.poll()) == 123
        front.refused = lambda _, group: group == "tenants:"
        await front.directory.discover([HOSTS[0]])
        reading = await front.poll()
        assert "tenants" in reading.info["statistics"]
        assert nobodys(reading) == 0
        front.refused = lambda *_: False
        front.carry(b=1)
        assert nobodys(await front.poll()) == 124
