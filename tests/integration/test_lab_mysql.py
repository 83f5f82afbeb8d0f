"""The lab's stages of real database servers: they come up, replicate, can be hurt, and leave nothing."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lab import lab
from lab.base import LabContext, LabError
from lab.faultproxy import Mode
from lab.mysql import galera as cluster
from lab.mysql.clock import missing as clock_missing
from lab.mysql.database import Database
from lab.mysql.flavour import Flavour, missing
from lab.mysql.plan import (
    Plan,
    Wishes,
    active_passive,
    chain,
    galera,
    multi_primary,
    multi_source,
    primary_replica,
)
from lab.mysql.stage import Stage, staged, workshop
from lab.proc import environment, running

pytestmark = pytest.mark.integration

PATIENCE = 20.0
LACKS = {flavour: "; ".join(missing(flavour)) for flavour in Flavour}
NO_CLUSTER = "; ".join([*missing(Flavour.MARIADB), *cluster.missing()])
needs_mariadb = pytest.mark.skipif(bool(LACKS[Flavour.MARIADB]), reason=LACKS[Flavour.MARIADB])
needs_cluster = pytest.mark.skipif(bool(NO_CLUSTER), reason=NO_CLUSTER)
needs_bundles = pytest.mark.skipif(
    any(LACKS[flavour] for flavour in (Flavour.MARIADB_11, Flavour.MYSQL_9)), reason="; ".join(LACKS.values())
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[LabContext]:
    """A lab of the test's own; at its end no process of it is left, whatever the test did."""
    root = tmp_path / "lab"
    with workshop(root) as context:
        yield context
    assert left(root) == []


def left(root: Path) -> list[int]:
    """Return the processes that carry the mark of the lab in that folder."""
    mark = f"DIALTONE_LAB={root}".encode()
    return [process.pid for process in running() if mark in environment(process.pid)]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


async def has(stage: Stage, server: str, mark: int) -> bool:
    return await stage.has_mark(server, mark)


async def check(shop: LabContext, plan: Plan) -> Mapping[str, float]:
    """Bring a stage up, have rows come through and take it down; return what that took, in seconds."""
    began = time.monotonic()
    async with staged(shop, plan) as stage:
        up = time.monotonic() - began
        await stage.caught_up()
        assert [server.name for server in stage.servers if await server.value("@@read_only")] == [
            seat.name for seat in plan.seats if seat.read_only
        ]
        assert [heart.server for heart in stage.hearts if heart.beats] == list(plan.hearts)
        assert left(shop.root)
    assert left(shop.root) == []
    return {"up": up}


@needs_mariadb
@pytest.mark.parametrize(
    "plan",
    [
        primary_replica(("db1", "db2", "db3"), Wishes(semi_sync=True, workers=2)),
        primary_replica(delay=1),
        chain(),
        multi_source(),
        active_passive(),
        multi_primary(),
    ],
    ids=["semi-sync", "delayed", "chain", "multi-source", "active-passive", "multi-primary"],
)
async def test_a_row_reaches_all_that_follow_and_nothing_is_left_in_the_end(
    shop: LabContext, plan: Plan
) -> None:
    await check(shop, plan)


@needs_mariadb
async def test_a_link_can_be_blackholed_cut_and_healed(shop: LabContext) -> None:
    async with staged(shop, primary_replica()) as stage:
        link = stage.link("db2")
        await link.blackhole()
        held = await stage.mark("db1")
        assert await link.mode() is Mode.BLACKHOLE
        await asyncio.sleep(0.3)
        assert not await stage.has_mark("db2", held)
        await link.heal()
        await until(lambda: has(stage, "db2", held))
        await link.cut()
        await until(lambda: io_is(stage["db2"], "Connecting"))
        await link.heal()
        await stage.caught_up()


async def io_is(replica: Database, word: str) -> bool:
    (row,) = await replica.sql("SHOW ALL REPLICAS STATUS")
    return bool(row["Slave_IO_Running"] == word)


@needs_mariadb
async def test_a_server_dies_freezes_and_comes_back_with_its_data(shop: LabContext) -> None:
    async with staged(shop, primary_replica()) as stage:
        source, replica = stage.servers
        kept = await stage.mark("db1")
        await source.kill()
        assert not source.runs
        with pytest.raises(LabError, match="db1"):
            await source.sql("SELECT 1")
        await source.start()
        assert await stage.has_mark("db1", kept)
        replica.freeze()
        assert replica.runs
        replica.thaw()
        await replica.restart()
        assert await replica.value("@@read_only") == 1
        await stage.caught_up()


@needs_mariadb
async def test_a_heart_stops_and_beats_again(shop: LabContext) -> None:
    async with staged(shop, primary_replica(wishes=Wishes(beat=0.05))) as stage:
        beat = "(SELECT ts FROM dialtone.heartbeat WHERE server_id = 1)"
        heart = stage.heart("db1")
        await heart.stop()
        assert not heart.beats
        last = await stage["db1"].value(beat)
        await asyncio.sleep(0.3)
        assert await stage["db1"].value(beat) == last
        heart.start()

        async def beats() -> bool:
            return await stage["db2"].value(beat) != last

        await until(beats)


@needs_mariadb
@pytest.mark.skipif(bool(clock_missing()), reason="; ".join(clock_missing()))
async def test_a_clock_can_be_set_wrong_and_right_again_while_the_server_runs(shop: LabContext) -> None:
    async with staged(shop, primary_replica(wishes=Wishes(clocks=True))) as stage:
        replica = stage["db2"]

        async def ahead() -> float:
            return float(str(await replica.value("UNIX_TIMESTAMP(SYSDATE(6))"))) - time.time()

        async def wrong() -> bool:
            return 4.5 < await ahead() < 5.5

        async def right() -> bool:
            return abs(await ahead()) < 0.5

        assert await right()
        replica.set_clock(5.0)
        await until(wrong)
        await stage.caught_up()
        replica.set_clock(0.0)
        await until(right)


@needs_mariadb
async def test_what_can_not_come_up_says_why_and_leaves_nothing(shop: LabContext) -> None:
    with pytest.raises(LabError, match=r"db[12] ended while it was starting"):
        async with staged(shop, primary_replica(wishes=Wishes(options=("--no-such-option",)))):
            pytest.fail("it came up")
    assert left(shop.root) == []


@needs_cluster
async def test_a_cluster_comes_up_and_every_node_has_what_one_was_told(shop: LabContext) -> None:
    await check(shop, galera())


@needs_cluster
@pytest.mark.live
async def test_a_killed_node_comes_back_by_what_it_missed(shop: LabContext) -> None:
    async with staged(shop, galera()) as stage:
        node = stage["g3"]
        await node.kill()
        await cluster.whole(stage.servers[:2])
        missed = await stage.mark("g1")
        await node.start()
        await cluster.whole(stage.servers)
        assert await stage.has_mark("g3", missed)


@needs_cluster
@pytest.mark.live
async def test_a_node_without_any_data_gets_all_of_it_from_a_donor(shop: LabContext) -> None:
    async with staged(shop, galera()) as stage:
        node = stage["g3"]
        early = await stage.mark("g1")
        await node.stop()
        shutil.rmtree(node.folder / "dialtone_lab")
        state = node.folder / "grastate.dat"
        state.write_text(
            "# GALERA saved state\nversion: 2.1\nuuid: 00000000-0000-0000-0000-000000000000\n"
            "seqno: -1\nsafe_to_bootstrap: 0\n"
        )
        await node.start()
        await cluster.whole(stage.servers)
        assert await stage.has_mark("g3", early)
        await stage.caught_up()


async def component(node: Database) -> tuple[str, str]:
    """Return whether the node is in a primary component, and how many nodes it sees."""
    status = await node.status("wsrep_cluster_s%")
    return status["wsrep_cluster_status"], status["wsrep_cluster_size"]


@needs_cluster
@pytest.mark.live
async def test_an_isolated_node_is_non_primary_and_two_primaries_are_a_split_brain(shop: LabContext) -> None:
    async with staged(shop, galera()) as stage:
        node = stage["g3"]

        async def alone() -> bool:
            return await component(node) == ("non-Primary", "1")

        async with cluster.isolated(node):
            await until(alone)
            await cluster.whole(stage.servers[:2])
        await cluster.whole(stage.servers)
        async with cluster.isolated(node):
            await until(alone)
            await cluster.force_primary(node)
            await until(lambda: is_primary(node))
            assert [await component(server) for server in stage.servers] == [
                ("Primary", "2"),
                ("Primary", "2"),
                ("Primary", "1"),
            ]


async def is_primary(node: Database) -> bool:
    return (await component(node))[0] == "Primary"


@needs_cluster
@pytest.mark.live
async def test_a_cluster_that_died_as_a_whole_is_bootstrapped_from_what_it_had(shop: LabContext) -> None:
    async with staged(shop, galera()) as stage:
        kept = await stage.mark("g2")
        await stage.caught_up()
        for server in stage.servers:
            await server.kill()
        await stage["g1"].start(bootstrap=True)
        for name in ("g2", "g3"):
            await stage[name].start()
        await cluster.whole(stage.servers)
        assert await stage.has_mark("g3", kept)


@needs_bundles
@pytest.mark.live
@pytest.mark.parametrize("flavour", [Flavour.MARIADB_11, Flavour.MYSQL_9])
@pytest.mark.parametrize(
    "kind",
    [primary_replica, active_passive, multi_primary, multi_source, chain],
    ids=lambda kind: kind.__name__,
)
async def test_every_kind_comes_up_with_the_bundled_servers(
    shop: LabContext, flavour: Flavour, kind: Callable[..., Plan]
) -> None:
    await check(shop, kind(wishes=Wishes(flavour, workers=4, semi_sync=kind is primary_replica)))


@needs_bundles
@pytest.mark.live
async def test_a_killed_mysql_comes_back_and_its_replica_stays_read_only(shop: LabContext) -> None:
    async with staged(shop, primary_replica(wishes=Wishes(Flavour.MYSQL_9))) as stage:
        source, replica = stage.servers
        await source.kill()
        await source.start()
        await replica.restart()
        assert await replica.value("@@super_read_only") == 1
        assert await source.value("@@server_uuid") != await replica.value("@@server_uuid")
        await stage.caught_up()


@needs_cluster
@needs_bundles
@pytest.mark.live
def test_the_parts_come_up_together_and_their_configuration_names_their_topologies(tmp_path: Path) -> None:
    parts = ["mysql", "galera", "mysql-9", "mariadb-11"]
    state = asyncio.run(lab.up("databases", only=parts, root=tmp_path))
    try:
        assert [part.name for part in state.parts] == parts
        text = state.config.read_text()
        for name, kind in (
            ("main", "active-passive"),
            ("galera", "galera"),
            ("mysql-9", "primary-replica"),
            ("mariadb-11", "primary-replica"),
        ):
            assert f"- name: {name}\n  kind: {kind}\n" in text
    finally:
        asyncio.run(lab.down("databases", root=tmp_path))
    assert left(tmp_path / "databases") == []
