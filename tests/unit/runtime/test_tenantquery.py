"""Whose data a topology holds, as tenants come and go and databases answer, fail and fall silent."""

from typing import Final

import anyio
import pytest
import structlog

from dialtone.config import TenantDirectory, TenantTree
from dialtone.model import (
    CollectError,
    CollectFailure,
    DomainsFound,
    Level,
    Tenant,
    Topology,
    TopologyKind,
)
from dialtone.runtime.asking import Asked
from dialtone.runtime.tenantquery import TopologyTenants
from tests.fakes.clock import FakeClock
from tests.fakes.tenants import FakeSource

DOWN: Final = CollectError(CollectFailure.CONNECT, "connection refused")
PLATFORM: Final = "example.net"
NTEK, ACME, BOLT = f"ntek.{PLATFORM}", f"acme.ntek.{PLATFORM}", f"bolt.ntek.{PLATFORM}"


def a_directory() -> TenantDirectory:
    """Return a platform with a reseller and its client."""
    above = Tenant(PLATFORM, None, Level.PLATFORM, PLATFORM)
    below = [Tenant(NTEK, PLATFORM, Level.RESELLER, NTEK), Tenant(ACME, NTEK, Level.CLIENT, ACME)]
    return TenantDirectory(TenantTree(above, below))


def a_topology(name: str = "main", tenants: tuple[str, ...] | None = ()) -> Topology:
    return Topology(name, TopologyKind.ACTIVE_PASSIVE, ("db1", "db2"), tenants)


class Bench:
    """The tenants of the topology `main`, which a source lists."""

    def __init__(self, clock: FakeClock, source: FakeSource) -> None:
        self.directory = a_directory()
        self.tenants = TopologyTenants([Asked("main", source, 300.0, 5.0)], self.directory, clock)

    async def run(self, times: int = 1) -> tuple[str, ...]:
        """Ask so many times; return whose data the topology is said to hold then."""
        for _ in range(times):
            await self.tenants.run("main")
        return self.tenants(a_topology())


async def test_all_are_the_resellers_and_clients_that_there_are_now(clock: FakeClock) -> None:
    directory = a_directory()
    tenants = TopologyTenants([], directory, clock)
    everybody = a_topology(tenants=None)
    assert tenants(everybody) == (NTEK, ACME)
    assert tenants(everybody) is tenants(everybody), "not made anew at each poll"
    await directory.discover([BOLT])
    assert tenants(everybody) == (NTEK, ACME, BOLT)
    assert tenants(a_topology(tenants=(ACME,))) == (ACME,)
    assert tenants(a_topology(tenants=())) == ()


async def test_a_query_names_nobody_before_its_answer_and_then_whom_it_lists_in_the_trees_order(
    clock: FakeClock,
) -> None:
    bench = Bench(clock, FakeSource([ACME, NTEK], [ACME]))
    assert bench.tenants(a_topology()) == ()
    assert await bench.run() == (NTEK, ACME)
    assert bench.tenants(a_topology()) is bench.tenants(a_topology())
    assert await bench.run() == (ACME,)
    assert bench.tenants(a_topology("cdr", (NTEK,))) == (NTEK,), "another's tenants are another's"


async def test_whom_nobody_knows_is_left_out_and_counted_until_discovery_finds_it(clock: FakeClock) -> None:
    bench = Bench(clock, FakeSource(DomainsFound((ACME, BOLT, "sold.example"), left_out=1)))
    with structlog.testing.capture_logs() as logs:
        assert await bench.run() == (ACME,)
        assert await bench.run() == (ACME,)
    assert [(line["topology"], line["tenants"], line["unknown"]) for line in logs] == [("main", 1, 3)]
    await bench.directory.discover([BOLT])
    assert bench.tenants(a_topology()) == (ACME, BOLT)
    await bench.directory.discover([])
    assert bench.tenants(a_topology()) == (ACME,)


@pytest.mark.parametrize(("trouble", "failure"), [(DOWN, "connect"), (RuntimeError("a mistake"), "internal")])
async def test_a_query_that_fails_has_its_last_answer_stand_and_says_so_once(
    clock: FakeClock, trouble: Exception, failure: str
) -> None:
    bench = Bench(clock, FakeSource([ACME], trouble, trouble, [ACME]))
    await bench.run()
    with structlog.testing.capture_logs() as logs:
        assert await bench.run(2) == (ACME,)
        ended = await bench.tenants.run_all()
    assert ended == {"main": None}
    told = [(line["event"], line.get("failure")) for line in logs if line["log_level"] != "error"]
    assert told == [
        ("a topology's tenants are not told", failure),
        ("a topology's tenants are told again", None),
    ]
    assert sum(line["log_level"] == "error" for line in logs) == (failure == "internal")


async def test_a_table_that_is_empty_for_a_moment_is_believed_when_it_says_so_again(clock: FakeClock) -> None:
    bench = Bench(clock, FakeSource([ACME], [], [ACME], [], DOWN, [], []))
    assert await bench.run(2) == (ACME,)
    assert await bench.run(2) == (ACME,)
    assert await bench.run(2) == (ACME,), "a failure in between: not twice in a row"
    assert await bench.run() == ()


async def test_a_query_that_lists_nothing_at_first_is_believed(clock: FakeClock) -> None:
    bench = Bench(clock, FakeSource([]))
    assert await bench.tenants.run("main") is None
    assert bench.tenants(a_topology()) == ()


async def test_a_query_that_hangs_is_given_up_after_its_deadline(clock: FakeClock) -> None:
    bench = Bench(clock, FakeSource([ACME], None))
    await bench.run()
    ended: dict[str, CollectError | None] = {}

    async def run() -> None:
        ended.update(await bench.tenants.run_all())

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await clock.advance(4.9)
        assert ended == {}
        await clock.advance(0.2)
    assert (error := ended["main"]) is not None
    assert error.failure is CollectFailure.TIMEOUT
    assert bench.tenants(a_topology()) == (ACME,)
