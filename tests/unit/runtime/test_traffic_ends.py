"""The books of traffic where something ends: a write, a tenant, an hour, what a server says of itself."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
import pytest

from dialtone.model import (
    CollectFailure,
    Kind,
    MetricDef,
    MetricScope,
    Reading,
    Sample,
    SessionResult,
    TrafficMark,
)
from dialtone.runtime.traffic import TrafficBooks
from dialtone.store import MemoryStore, open_store
from tests.fakes.clock import FakeClock
from tests.fakes.results import ACME, BOLT, a_node, a_state
from tests.fakes.store import BreakableStore
from tests.unit.runtime.test_traffic import ALICE, HOUR, KEEP, UPTIME, Server, Service

DAY: Final = 24 * HOUR


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Server:
    return Server(clock)


class SlowStore(MemoryStore):
    """Takes its time, as a disk does; a write that has begun is not called off, unless it is `lazy`."""

    def __init__(self, *, lazy: bool = False) -> None:
        super().__init__()
        self.lazy = lazy
        self.slow = False
        self.begun = anyio.Event()
        self.may = anyio.Event()
        self._tasks = set[asyncio.Task[None]]()

    async def count_traffic(
        self, mark: TrafficMark, growth: Mapping[str, Mapping[str, int]], gone: Collection[str] = ()
    ) -> None:
        """See ports.Store."""
        if not self.slow:
            await super().count_traffic(mark, growth, gone)
            return
        self.begun.set()
        if self.lazy:
            await self.may.wait()
        task = asyncio.create_task(self._write(mark, growth, gone))
        self._tasks.add(task)
        await asyncio.shield(task)

    async def _write(
        self, mark: TrafficMark, growth: Mapping[str, Mapping[str, int]], gone: Collection[str]
    ) -> None:
        await self.may.wait()
        await super().count_traffic(mark, growth, gone)

    async def finish(self) -> None:
        """Let what has begun come to its end."""
        self.slow = False
        self.may.set()
        await asyncio.gather(*self._tasks)


@pytest.mark.parametrize("lazy", [False, True], ids=["begun", "not begun"])
async def test_a_write_that_a_stop_cuts_off_is_counted_once(
    clock: FakeClock, server: Server, lazy: bool
) -> None:
    store = SlowStore(lazy=lazy)
    service = Service(clock, store)
    await service.read(server.state())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.books.run)
        server.carry(ACME, 5)
        await clock.advance(15)
        store.slow = True
        await service.books.node_polled(server.state())
        await store.begun.wait()
        tasks.cancel_scope.cancel()
    await store.finish()
    server.carry(ACME, 2)
    await clock.advance(15)
    service.start()
    await service.read(server.state())
    assert await service.counted() == {"invite": 7}


async def test_a_write_to_a_disk_that_a_stop_cuts_off_is_counted_once(
    clock: FakeClock, server: Server, tmp_path: Path
) -> None:
    store = await open_store(tmp_path)
    service = Service(clock, store)
    await service.read(server.state())
    for _ in range(20):
        running = asyncio.create_task(service.books.run())
        server.carry(ACME, 1)
        await clock.advance(15)
        await service.books.node_polled(server.state())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted() == {"invite": 20}
    await store.aclose()


async def test_books_that_run_again_go_on_where_the_store_is(clock: FakeClock, server: Server) -> None:
    store = SlowStore()
    service = Service(clock, store)
    await service.read(server.state())
    for calls in (5, 2):
        store.slow, store.begun, store.may = True, anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.books.run)
            server.carry(ACME, calls)
            await clock.advance(15)
            await service.books.node_polled(server.state())
            await store.begun.wait()
            tasks.cancel_scope.cancel()
        await store.finish()
    assert await service.counted() == {"invite": 7}


@pytest.mark.parametrize("every", [0.0, 60.0])
async def test_a_tenant_that_comes_back_counts_from_its_return(
    clock: FakeClock, server: Server, every: float
) -> None:
    """What it called meanwhile was nobody's, and whoever has its name now may be another customer."""
    service = Service(clock, every=every)
    server.carry(BOLT, 10)
    await service.read(server.state())
    server.carry(BOLT, 3)
    await clock.advance(15)
    await service.read(server.state())
    service.tenants.discard(BOLT)
    for _ in range(5):
        await clock.advance(15)
        server.carry(BOLT, 1000)
        await service.read(server.state())
    service.tenants.add(BOLT)
    for _ in range(3):
        await clock.advance(60)
        await service.read(server.state())
        server.carry(BOLT, 2)
    await clock.advance(60)
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 9}


async def test_a_tenant_that_left_and_came_back_between_two_readings_counts_from_its_return(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    await service.read(server.state())
    lost = replace(server.state(), up=False, reading=None, failure=CollectFailure.TIMEOUT, detail="no answer")
    service.tenants.discard(BOLT)
    await service.read(lost)
    server.carry(BOLT, 1000)
    server.carry(ACME, 7)
    await clock.advance(5 * HOUR)
    service.tenants.add(BOLT)
    await service.read(lost)
    await service.read(server.state())
    await clock.advance(15)
    server.carry(BOLT, 2)
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 2}
    assert await service.counted(ACME) == {"invite": 7}


async def test_a_tenant_without_a_call_that_comes_back_counts_its_first_one(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    for known in (True, False, True, True):
        service.tenants = {ACME, BOLT} if known else {ACME}
        await service.read(server.state())
        await clock.advance(15)
    server.carry(BOLT, 2)
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 2}


@pytest.mark.parametrize("disk", [False, True], ids=["memory", "disk"])
async def test_marks_of_tenants_that_left_are_not_kept(
    clock: FakeClock, server: Server, tmp_path: Path, disk: bool
) -> None:
    store = await open_store(tmp_path) if disk else MemoryStore()
    service = Service(clock, store)
    for number in range(50):
        guest = f"guest{number}.example.net"
        service.tenants = {ACME, guest}
        for _ in range(2):
            await clock.advance(15)
            server.carry(guest)
            await service.read(server.state())
    assert set((await store.traffic_marks())["sip1"].counts) == {ACME, guest}
    await store.aclose()


async def test_what_a_tenant_had_called_until_it_left_stays_counted(clock: FakeClock, server: Server) -> None:
    store = BreakableStore()
    service = Service(clock, store, every=60.0)
    await service.read(server.state())
    for calls in (3, 4):
        await clock.advance(15)
        server.carry(BOLT, calls)
        await service.read(server.state())
    service.tenants.discard(BOLT)
    store.broken = True
    await clock.advance(60)
    await service.read(server.state())
    store.broken = False
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 7}
    assert set((await store.traffic_marks())["sip1"].counts) == {ACME}


async def test_tenants_that_are_discovered_again_soon_after_a_start_go_on(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    await service.read(server.state())
    server.carry(BOLT, 5)
    service.tenants = {ACME}
    service.start()
    await clock.advance(5)
    await service.read(server.state())
    service.tenants.add(BOLT)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 5}
    service.tenants.discard(BOLT)  # it was found, and has left
    await clock.advance(15)
    await service.read(server.state())
    server.carry(BOLT, 100)
    service.tenants.add(BOLT)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 5}


async def test_tenants_that_are_not_found_again_long_after_a_start_have_left(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    await service.read(server.state())
    service.tenants = {ACME}
    service.start()
    for _ in range(2):
        await service.read(server.state())
        await clock.advance(900)
    await service.read(server.state())
    assert set((await service.store.traffic_marks())["sip1"].counts) == {ACME}
    server.carry(BOLT, 1000)
    service.tenants.add(BOLT)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted(BOLT) == {}


async def by_hour(service: Service, hours: int) -> list[int]:
    """Return the calls of ACME in the last hours, the oldest first."""
    now = service.clock.now()
    sums = [
        (await service.store.traffic_counts(ALICE, since=now - timedelta(hours=back)))
        .get(ACME, {})
        .get("invite", 0)
        for back in range(hours, -1, -1)
    ]
    return [older - newer for older, newer in zip(sums, [*sums[1:], 0], strict=True)]


async def test_calls_of_hours_in_which_the_store_was_in_trouble_are_counted_in_them(
    clock: FakeClock, server: Server
) -> None:
    store = BreakableStore()
    service = Service(clock, store)
    await service.read(server.state())
    store.broken = True
    await clock.advance(10)
    for calls in (1, 20, 300):
        for share in (calls, calls):
            server.carry(ACME, share)
            await service.read(server.state())
            await clock.advance(HOUR / 2)
    store.broken = False
    server.carry(ACME, 4000)
    await service.read(server.state())
    assert await by_hour(service, 3) == [2, 40, 600, 4000]
    service.start()
    server.carry(ACME, 4000)
    await clock.advance(15)
    await service.read(server.state())
    assert await by_hour(service, 3) == [2, 40, 600, 8000]


async def test_calls_of_an_hour_whose_last_write_failed_are_not_the_next_ones(
    clock: FakeClock, server: Server
) -> None:
    store = BreakableStore()
    service = Service(clock, store, every=60.0)
    await clock.advance(HOUR - 40)
    await service.read(server.state())
    await clock.advance(20)
    server.carry(ACME, 5)
    await service.read(server.state())
    await clock.advance(30)
    server.carry(ACME, 70)
    store.broken = True
    await service.read(server.state())
    store.broken = False
    await clock.advance(60)
    await service.read(server.state())
    assert await by_hour(service, 1) == [5, 70]


async def test_a_store_in_trouble_for_days_takes_no_memory_for_each_hour_of_them(
    clock: FakeClock, server: Server
) -> None:
    store = BreakableStore()
    service = Service(clock, store)
    await service.read(server.state())
    store.broken = True
    for _ in range(100):
        await clock.advance(HOUR)
        server.carry(ACME, 1)
        await service.read(server.state())
    assert service.books._books is not None
    assert len(service.books._books["sip1"].owed) <= 24
    store.broken = False
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted() == {"invite": 100}


def without_uptime(server: Server) -> Reading:
    """Return what is read where the group with the uptime can't be."""
    told = tuple(sample for sample in server.samples() if sample.metric != UPTIME)
    return Reading(told, {"statistics": "group core: too large"})


@pytest.mark.parametrize("later", [False, True], ids=["restarted before", "restarted after"])
async def test_a_restart_about_a_reading_without_uptime_is_not_missed(
    clock: FakeClock, server: Server, later: bool
) -> None:
    service = Service(clock)
    server.carry(ACME, 10)
    await service.read(server.state())
    for after in (False, True):
        await clock.advance(15)
        if after is later:
            server.restart()
        server.carry(ACME, 30)
        state = server.state()
        await service.read(state if after else replace(state, reading=without_uptime(server)))
    assert await service.counted() == {"invite": 30 if later else 60}


async def test_a_server_that_says_no_more_how_long_it_is_up_is_counted_all_the_same(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    await service.read(server.state())
    for _ in range(3):
        server.carry(ACME, 2)
        await clock.advance(HOUR)
        await service.read(replace(server.state(), reading=without_uptime(server)))
    assert await service.counted() == {"invite": 6}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
async def test_an_uptime_that_is_none_is_not_believed(clock: FakeClock, server: Server, value: float) -> None:
    service = Service(clock)
    await service.read(server.state())
    samples = [s._replace(value=value) if s.metric == UPTIME else s for s in server.samples()]
    await clock.advance(15)
    await service.read(replace(server.state(), reading=Reading(tuple(samples))))
    server.carry(ACME, 2)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted() == {"invite": 2}


async def test_marks_of_a_server_not_read_for_ages_are_gone_with_its_return(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    await service.read(server.state())
    service.tenants = {ACME}
    await clock.advance(KEEP.total_seconds() + DAY)
    service.start()
    await service.read(server.state())
    assert set((await service.store.traffic_marks())["sip1"].counts) == {ACME}


async def test_what_is_counted_is_told_by_who_joins_the_parts(clock: FakeClock) -> None:
    """Whatever the metrics are called and in whatever order their labels are."""
    labels = ("result", "node", "tenant")
    sessions = MetricDef("pbx_calls_total", Kind.COUNTER, "Calls", labels, MetricScope.TENANT)
    up = MetricDef("pbx_up_seconds", Kind.GAUGE, "Up", ("node",), MetricScope.NODE)
    store = MemoryStore()
    books = TrafficBooks(store, clock, lambda: {ACME}, KEEP, 0.0, sessions=sessions, uptime=up)
    for calls, seconds in ((10.0, 900.0), (12.0, 915.0), (5.0, 3.0), (9.0, 18.0)):
        now = clock.now()
        samples = (
            up.sample("sip1", value=seconds, at=now),
            sessions.sample(SessionResult.ATTEMPTED, "sip1", ACME, value=calls, at=now),
            Sample("opensips_tenant_sessions_total", ("sip1", ACME, "", "attempted"), 10**6 * calls, now),
        )
        await books.node_polled(a_state(a_node("sip1"), reading=Reading(samples), at=now))
        await books.count()
        await clock.advance(15)
    assert await store.traffic_counts(ALICE, since=clock.now()) == {ACME: {"invite": 2 + 5 + 4}}
