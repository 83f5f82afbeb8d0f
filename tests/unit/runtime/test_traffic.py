"""The books of the tenants' traffic: every call once, whatever server, service and store are up to."""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from collectors.opensips.metrics import METRICS
from collectors.opensips.traffic import TENANT_SESSIONS
from dialtone.model import CollectFailure, NodeState, Reading, Sample, Scope, SessionResult, TrafficMark
from dialtone.ports import Store
from dialtone.runtime.traffic import TrafficBooks
from dialtone.store import MemoryStore
from tests.fakes.clock import FakeClock
from tests.fakes.results import ACME, BOLT, NOON, a_node, a_run, a_state
from tests.fakes.store import BreakableStore

ALICE: Final = Scope.everything()
KEEP: Final = timedelta(days=30)
HOUR: Final = 3600.0
NTEK: Final = "ntek.clusterpbx.example"
UPTIME: Final = "opensips_uptime_seconds"
UP: Final = next(metric for metric in METRICS if metric.name == UPTIME)


class Server:
    """An OpenSIPS of the fakes: its counters go on while nobody reads them, and begin anew with it."""

    def __init__(self, clock: FakeClock, name: str = "sip1", *, up_for: float = 9000.0) -> None:
        self.node = a_node(name)
        self.counters: dict[tuple[str, SessionResult], int] = {}
        self.says_uptime = True
        self._clock = clock
        self._started = clock.monotonic() - up_for

    def carry(self, tenant: str, attempted: int = 1, **results: int) -> None:
        """Count calls of a tenant."""
        for result, count in {"attempted": attempted, **results}.items():
            key = tenant, SessionResult(result)
            self.counters[key] = self.counters.get(key, 0) + count

    def restart(self) -> None:
        """Forget everything."""
        self.counters = {}
        self._started = self._clock.monotonic()

    def samples(self) -> Iterator[Sample]:
        """Yield what the collector makes of it."""
        now = self._clock.now()
        if self.says_uptime:
            up = float(int(self._clock.monotonic() - self._started))
            yield Sample(UPTIME, (self.node.name,), up, now)
        for tenant in dict.fromkeys(tenant for tenant, _ in self.counters):
            for result in SessionResult:
                value = float(self.counters.get((tenant, result), 0))
                yield TENANT_SESSIONS.sample(self.node.name, tenant, NTEK, result, value=value, at=now)

    def state(self, **info: str) -> NodeState:
        """Return the node after a poll."""
        return a_state(self.node, reading=Reading(tuple(self.samples()), info), at=self._clock.now())


class Service:
    """Our side: books over a store that outlives them; `tenants` are those configured."""

    def __init__(
        self,
        clock: FakeClock,
        store: Store | None = None,
        tenants: Iterable[str] = (ACME, BOLT),
        *,
        every: float = 0.0,
    ) -> None:
        self.clock = clock
        self.every = every
        self.store = store or MemoryStore()
        self.tenants = set(tenants)
        self.start()

    def start(self) -> None:
        """Come back after an end: what was not in the store is gone."""
        self.books = TrafficBooks(
            self.store,
            self.clock,
            lambda: self.tenants,
            KEEP,
            self.every,
            sessions=TENANT_SESSIONS,
            uptime=UP,
        )

    async def read(self, *states: NodeState) -> None:
        """Take readings, as serve does, and count them."""
        for state in states:
            await self.books.node_polled(state)
        await self.books.count()

    async def counted(self, tenant: str = ACME, *, since: float = -1000 * HOUR) -> dict[str, int]:
        """Return what is in the books of a tenant."""
        at = self.clock.now() + timedelta(seconds=since)
        return dict((await self.store.traffic_counts(ALICE, since=at)).get(tenant, {}))


@pytest.fixture
def server(clock: FakeClock) -> Server:
    return Server(clock)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_what_a_server_counted_before_our_time_is_no_growth_and_the_rest_is(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    server.carry(ACME, 1000, established=900)
    await service.read(server.state())
    assert await service.counted() == {}
    server.carry(ACME, 3, established=1, redirected=1, failed=1, completed=2)
    server.carry(BOLT, 2, end_user=1, ineffective=1)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted() == {
        "invite": 3,
        "invite_200": 1,
        "invite_3xx": 1,
        "session_complete": 2,
    }
    assert await service.counted(BOLT) == {"invite": 2, "invite_end_user": 1, "invite_ineffective": 1}


async def test_polls_that_are_lost_or_told_twice_change_nothing(clock: FakeClock, server: Server) -> None:
    service = Service(clock)
    await service.read(server.state())
    server.carry(ACME, 2)
    await clock.advance(15)
    lost = replace(server.state(), up=False, failure=CollectFailure.TIMEOUT, detail="no answer")
    await service.read(lost, replace(lost, reading=None))
    assert await service.counted() == {}
    server.carry(ACME, 3)
    await clock.advance(15)
    again = server.state()
    await service.read(again)
    await service.read(again, replace(again, since=NOON))
    await service.books.probe_ended(a_run())
    assert await service.counted() == {"invite": 5}


async def test_a_reading_that_is_told_again_later_is_no_restart_of_a_server_that_is_young(
    clock: FakeClock,
) -> None:
    server, service = Server(clock, up_for=5.0), Service(clock)
    server.carry(ACME, 10)
    old = server.state()
    await service.read(old)
    await clock.advance(40)
    await service.read(replace(old, up=True))
    server.carry(ACME, 1)
    await service.read(server.state())
    assert await service.counted() == {"invite": 1}


async def test_a_server_that_restarts_is_counted_from_nothing(clock: FakeClock, server: Server) -> None:
    service = Service(clock)
    server.carry(ACME, 10)
    await service.read(server.state())
    for calls in (4, 30, 7):  # fewer than before, more, and as many as ever
        await clock.advance(15)
        server.restart()
        await clock.advance(5)
        server.carry(ACME, calls)
        await service.read(server.state())
    assert await service.counted() == {"invite": 41}


@pytest.mark.parametrize("says_uptime", [True, False])
async def test_a_counter_that_fell_has_begun_anew_and_the_others_go_on(
    clock: FakeClock, server: Server, says_uptime: bool
) -> None:
    """reset_statistics of one tenant, or a server that doesn't say how long it has been up."""
    server.says_uptime = says_uptime
    service = Service(clock)
    server.carry(ACME, 10)
    server.carry(BOLT, 100)
    await service.read(server.state())
    server.counters[ACME, SessionResult.ATTEMPTED] = 4
    server.carry(BOLT, 1)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted() == {"invite": 4}
    assert await service.counted(BOLT) == {"invite": 1}


async def test_a_tenants_first_calls_count_whole_though_it_had_no_counter_before(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    await service.read(server.state())
    await clock.advance(15)
    server.carry(ACME, 2)
    await service.read(server.state())
    assert await service.counted() == {"invite": 2}


async def test_a_tenant_that_is_configured_later_counts_from_then_on(
    clock: FakeClock, server: Server
) -> None:
    """What it counted when it was nobody's is from before its time, be it months."""
    service = Service(clock, tenants=[ACME])
    server.carry(BOLT, 5000)
    await service.read(server.state())
    await clock.advance(15)
    service.tenants.add(BOLT)
    await service.read(server.state())
    await clock.advance(15)
    server.carry(BOLT, 2)
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 2}


async def test_a_reading_older_than_a_tenants_discovery_says_nothing_of_its_counters(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock, tenants=[ACME])
    await service.read(server.state())
    await clock.advance(15)
    old = server.state()  # made when all that BOLT counted was nobody's
    server.carry(BOLT, 5000)
    service.tenants.add(BOLT)
    await service.read(old)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted(BOLT) == {}


async def test_traffic_of_nobody_is_in_no_book_and_may_fall(clock: FakeClock, server: Server) -> None:
    service = Service(clock)
    server.carry("_unknown", 900)
    await service.read(server.state())
    server.counters["_unknown", SessionResult.ATTEMPTED] = 100
    await clock.advance(15)
    await service.read(server.state())
    assert await service.store.traffic_counts(ALICE, since=NOON) == {}


async def test_what_happens_while_we_are_down_is_counted_when_we_are_back(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    server.carry(ACME, 10)
    await service.read(server.state())
    await clock.advance(5 * HOUR)
    server.carry(ACME, 7)
    server.carry(BOLT, 3)  # its first calls ever
    service.start()
    await service.read(server.state())
    assert await service.counted() == {"invite": 7}
    assert await service.counted(BOLT) == {"invite": 3}
    assert await service.counted(since=-HOUR) == {"invite": 7}


@pytest.mark.parametrize("calls", [4, 10, 500])
async def test_a_server_that_restarted_while_we_were_down_is_told_by_its_uptime(
    clock: FakeClock, server: Server, calls: int
) -> None:
    service = Service(clock)
    server.carry(ACME, 10)
    server.carry(BOLT, 20)
    await service.read(server.state())
    await clock.advance(HOUR)
    server.restart()
    # It is up for longer than it had been when it was read.
    await clock.advance(9 * HOUR)
    server.carry(ACME, calls)
    service.start()
    await service.read(server.state())
    assert await service.counted() == {"invite": calls}
    await clock.advance(15)
    service.start()
    server.carry(BOLT, 25)  # had counted nothing since the restart
    await service.read(server.state())
    assert await service.counted(BOLT) == {"invite": 25}


async def test_a_server_that_stood_still_for_a_while_has_not_restarted(
    clock: FakeClock, server: Server
) -> None:
    """A machine that is moved or paused: its uptime lags behind our clock ever after."""
    service = Service(clock)
    server.carry(ACME, 10)
    await service.read(server.state())
    await clock.advance(300)
    server._started += 290.0
    server.carry(ACME, 1)
    await service.read(server.state())
    service.start()
    await clock.advance(15)
    server.carry(ACME, 1)
    await service.read(server.state())
    assert await service.counted() == {"invite": 2}


async def test_a_wall_clock_that_is_set_makes_no_restart(clock: FakeClock, server: Server) -> None:
    service = Service(clock)
    server.carry(ACME, 10)
    await service.read(server.state())
    for hours in (20 * 24, -19 * 24):
        clock._start += timedelta(hours=hours)
        await clock.advance(15)
        server.carry(ACME, 1)
        await service.read(server.state())
    assert await service.counted(since=-1000 * HOUR) == {"invite": 2}


async def test_growths_of_several_servers_add_up(clock: FakeClock) -> None:
    service = Service(clock)
    servers = [Server(clock, name) for name in ("sip1", "sip2")]
    await service.read(*(server.state() for server in servers))
    await clock.advance(15)
    for calls, server in zip((2, 30), servers, strict=True):
        server.carry(ACME, calls)
    await service.read(*(server.state() for server in servers))
    servers[0].restart()
    await clock.advance(15)
    await service.read(*(server.state() for server in servers))
    assert await service.counted() == {"invite": 32}


async def test_a_group_that_could_not_be_read_is_neither_a_beginning_nor_an_end(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock)
    server.carry(ACME, 1000)
    state = server.state(statistics="group tenants: too large")
    uptime = tuple(sample for sample in server.samples() if sample.metric == UPTIME)
    await service.read(replace(state, reading=Reading(uptime, {"statistics": "group tenants: too large"})))
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted() == {}
    await clock.advance(15)
    uptime = tuple(sample for sample in server.samples() if sample.metric == UPTIME)
    trouble = Reading(uptime, {"statistics": "group tenants: too large"})
    await service.read(replace(server.state(), reading=trouble))
    server.carry(ACME, 2)
    await clock.advance(15)
    await service.read(server.state(statistics="group pkmem: too large"))
    assert await service.counted() == {"invite": 2}


async def test_a_store_in_trouble_loses_nothing_and_is_one_line_in_the_log(
    clock: FakeClock, server: Server
) -> None:
    store = BreakableStore()
    service = Service(clock, store)
    store.broken = True
    with capture_logs() as logs:
        await service.read(server.state())  # not even the marks can be read
        store.broken = False
        await service.read()
        for calls in (1, 2, 4):
            await clock.advance(15)
            server.carry(ACME, calls)
            store.broken = calls < 4
            await service.read(server.state())
            server.restart()
    assert await service.counted() == {"invite": 7}
    assert service.books.store_errors == 3
    assert [log["log_level"] for log in logs] == ["warning", "info", "warning", "info"]


async def test_a_service_that_ends_while_the_store_is_in_trouble_counts_after_its_start(
    clock: FakeClock, server: Server
) -> None:
    store = BreakableStore()
    service = Service(clock, store)
    await service.read(server.state())
    store.broken = True
    server.carry(ACME, 3)
    await clock.advance(15)
    await service.read(server.state())
    service.start()
    await service.read(server.state())
    store.broken = False
    server.carry(ACME, 4)
    await clock.advance(15)
    await service.read(server.state())
    assert await service.counted() == {"invite": 7}


class CountingStore(MemoryStore):
    """Remembers the marks that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[TrafficMark] = []

    async def count_traffic(
        self, mark: TrafficMark, growth: Mapping[str, Mapping[str, int]], gone: Collection[str] = ()
    ) -> None:
        """See ports.Store."""
        self.marks.append(mark)
        await super().count_traffic(mark, growth, gone)


async def test_the_store_is_given_what_changed_and_nothing_where_nothing_did(
    clock: FakeClock, server: Server
) -> None:
    store = CountingStore()
    service = Service(clock, store)
    server.carry(ACME, 10)
    await service.read(server.state())
    assert [set(mark.counts) for mark in store.marks] == [{ACME, BOLT}]
    for _ in range(10):
        await clock.advance(15)
        await service.read(server.state())
    assert len(store.marks) == 1
    server.carry(BOLT)
    await clock.advance(15)
    await service.read(server.state())
    assert [set(mark.counts) for mark in store.marks[1:]] == [{BOLT}]


async def test_the_store_is_written_to_once_a_minute_and_when_an_hour_ends(
    clock: FakeClock, server: Server
) -> None:
    store = CountingStore()
    service = Service(clock, store, every=60.0)
    await service.read(server.state())
    for _ in range(20):
        await clock.advance(15)
        server.carry(ACME)
        await service.read(server.state())
    assert len(store.marks) == 6
    await clock.advance(HOUR - 10 - 300)
    server.carry(ACME, 100)
    await service.read(server.state())  # 10 s before one
    await clock.advance(5)
    server.carry(ACME, 1000)
    await service.read(server.state())
    await clock.advance(15)
    server.carry(ACME, 10_000)
    await service.read(server.state())
    assert await service.counted() == {"invite": 1120}
    await clock.advance(60)
    await service.read(server.state())
    assert (await store.traffic_counts(ALICE, since=clock.now()))[ACME] == {"invite": 10_000}
    assert await service.counted() == {"invite": 11_120}


async def test_what_was_not_written_yet_is_at_the_end_and_if_not_then_after_the_next_start(
    clock: FakeClock, server: Server
) -> None:
    service = Service(clock, every=60.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.books.run)
        for calls in (1, 2, 4):
            await service.books.node_polled(server.state())
            await clock.advance(15)
            server.carry(ACME, calls)
        assert await service.counted() == {}
        tasks.cancel_scope.cancel()
    assert await service.counted() == {"invite": 3}
    service.start()
    await service.read(server.state())
    assert await service.counted() == {"invite": 7}


async def test_a_quiet_servers_mark_does_not_grow_old_and_one_not_read_for_ages_begins_anew(
    clock: FakeClock, server: Server
) -> None:
    store = CountingStore()
    service = Service(clock, store)
    await service.read(server.state())
    for _ in range(24):
        await clock.advance(HOUR)
        await service.read(server.state())
    assert len(store.marks) == 25
    await store.prune_results(clock.now() - timedelta(hours=2))
    assert set(await store.traffic_marks()) == {"sip1"}
    server.carry(ACME, 5)
    await clock.advance(KEEP.total_seconds() + 1)
    service.start()
    await service.read(server.state())
    assert await service.counted() == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 2.0**60])
async def test_what_no_server_can_have_counted_is_not_believed(
    clock: FakeClock, server: Server, value: float
) -> None:
    service = Service(clock)
    server.carry(ACME, 10)
    for absurd in (False, True, False):
        samples = [
            sample._replace(value=value) if absurd and sample.labels[-1] == "attempted" else sample
            for sample in server.samples()
        ]
        await service.read(replace(server.state(), reading=Reading(tuple(samples))))
        server.carry(ACME, 1)
        await clock.advance(15)
    assert await service.counted() == {"invite": 2}


async def test_readings_are_counted_by_themselves_while_it_runs(clock: FakeClock, server: Server) -> None:
    service = Service(clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.books.run)
        for _ in range(3):
            await service.books.node_polled(server.state())
            await clock.advance(15)
            server.carry(ACME)
        tasks.cancel_scope.cancel()
    assert await service.counted() == {"invite": 2}


STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["sip1", "sip2"]),
        st.sampled_from(["calls", "calls", "read", "read", "restart", "service", "trouble"]),
        st.sampled_from([ACME, BOLT]),
        st.integers(1, 5),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
async def test_all_calls_are_counted_but_those_that_a_dying_server_told_nobody(steps: list[Any]) -> None:
    clock, store = FakeClock(), BreakableStore()
    service = Service(clock, store)
    servers = {name: Server(clock, name) for name in ("sip1", "sip2")}
    told: dict[str, dict[str, int]] = {name: {} for name in servers}
    expected = {ACME: 0, BOLT: 0}

    async def read(name: str) -> None:
        await service.read(servers[name].state())
        if not store.broken:
            for tenant, calls in told[name].items():
                expected[tenant] += calls
            told[name] = {}

    for name in servers:
        await read(name)
    for (name, step, tenant, calls), number in zip(steps, itertools.count(), strict=False):
        await clock.advance(15)
        if step == "calls":
            servers[name].carry(tenant, calls)
            told[name][tenant] = told[name].get(tenant, 0) + calls
        elif step == "restart":
            await read(name)
            if not store.broken:
                servers[name].restart()
        elif step == "service":
            service.start()
        elif step == "trouble":
            store.broken = number % 2 == 0
        else:
            await read(name)
    store.broken = False
    await clock.advance(15)
    for name in servers:
        await read(name)
    for tenant, calls in expected.items():
        assert (await service.counted(tenant)).get("invite", 0) == calls
