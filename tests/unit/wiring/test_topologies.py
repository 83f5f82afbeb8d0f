"""Topologies joined to what fills and shows them: polls, tenants' queries, the exposition."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import structlog

from collectors.mysql.statements import SERVER
from dialtone.config import Settings, TenantDirectory, TenantQuery, load
from dialtone.export.prometheus import Exposition
from dialtone.model import (
    CheckState,
    CollectFailure,
    Database,
    Impact,
    Topology,
    TopologyKind,
    Trouble,
)
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.scheduler import Scheduler
from dialtone.wiring.commands import Collected, collect
from dialtone.wiring.parts import build_catalog
from dialtone.wiring.topologies import TopologyFigures, plan, topologies_of, topology_tenants
from tests.fakes.mysql import FakeMysql, Ok, Refusal, Result
from tests.fakes.topologies import a_link, a_member, a_topology_state
from tests.integration.service import until
from tests.unit.mysql.recordings import recording
from tests.unit.runtime.test_scheduler import FixedRandom

PLATFORM: Final = "example.net"
NTEK: Final = f"ntek.{PLATFORM}"
ACME: Final = f"acme.{NTEK}"
READ_ONLY: Final = {"SET SESSION TRANSACTION READ ONLY": Ok()}
SQL: Final = "SELECT domain FROM domain"


def a_node(name: str, port: int) -> dict[str, object]:
    return {"name": name, "kind": "mysql", "dsn": f"mysql://dialtone@127.0.0.1:{port}"}


def settings_of(folder: Path, **changes: object) -> Settings:
    document: dict[str, object] = {
        "location": "mtl1",
        "platform": {"domain": PLATFORM},
        "tenants": [{"domain": NTEK}, {"domain": ACME}],
    }
    path = folder / "dialtone.yaml"
    path.write_text(json.dumps(document | changes))
    return load(path, environ={})


def a_pair(replica: str) -> tuple[FakeMysql, FakeMysql]:
    """Return a source, and a replica in a recorded state, with the clock of this machine."""
    states = (recording("mariadb-10.11", state) for state in ("primary_healthy", replica))
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    clocks = (state.answers | {SERVER: Result([{"version": state.version, "now": now}])} for state in states)
    source, other = map(FakeMysql, clocks)
    return source, other


async def polled(folder: Path, replica: str, table: FakeMysql, *names: str) -> Collected:
    """Poll these nodes of a pair once, whose tenants that table lists."""
    source, other = a_pair(replica)
    async with source.running(), other.running(), table.running():
        query = {"dsn": f"mysql://reader@127.0.0.1:{table.port}/opensips"}
        pair = {"name": "main", "kind": "primary-replica", "nodes": ["db1", "db2"], "tenants": query}
        nodes = [a_node("db1", source.port), a_node("db2", other.port), a_node("db9", source.port)]
        settings = settings_of(folder, nodes=nodes, topologies=[pair])
        chosen = [node for node in settings.nodes if node.name in names]
        return await collect(settings, chosen, build_catalog())


def a_table(*domains: str) -> FakeMysql:
    return FakeMysql(READ_ONLY | {SQL: Result([{"domain": domain} for domain in domains])})


def test_each_mysql_node_that_no_topology_names_is_one_of_its_own_and_nobodys(tmp_path: Path) -> None:
    nodes = [a_node(name, port) for name, port in (("db1", 3306), ("db2", 3307), ("db3", 3308))]
    sip1 = {"name": "sip1", "kind": "opensips", "mi": "http://127.0.0.1:8888/mi"}
    main = {"name": "main", "kind": "active-passive", "nodes": ["db3", "db1"]}
    settings = settings_of(tmp_path, nodes=[sip1, *nodes], topologies=[main])
    assert topologies_of(settings) == (
        Topology("main", TopologyKind.ACTIVE_PASSIVE, ("db3", "db1"), None),
        Topology("db2", TopologyKind.STANDALONE, ("db2",), ()),
    )


async def test_one_poll_by_hand_judges_the_topologies_and_asks_whose_data_they_hold(tmp_path: Path) -> None:
    found = await polled(tmp_path, "sql_thread_stopped", a_table(ACME, "sold.example"), "db1", "db2", "db9")
    main, alone = found.topologies
    assert (main.topology.name, main.tenants, alone.topology.name, alone.tenants) == (
        "main",
        (ACME,),
        "db9",
        (),
    )
    assert [member.up for member in main.members] == [True, True]
    ((replica, running),) = {(link.replica, (link.io_running, link.sql_running)) for link in main.links}
    assert (replica, running) == ("db2", (True, False))
    stopped = [check for check in main.checks if check.trouble is Trouble.SQL_STOPPED]
    assert [check.state is CheckState.FINE for check in stopped] == [False]
    assert found.untold == {}
    assert 'mysql_topology_impact{topology="main"}' in found.exposition
    assert f'reseller="{NTEK}",tenant="{ACME}",topology="main"' in found.exposition


async def test_what_is_well_has_no_trouble(tmp_path: Path) -> None:
    found = await polled(tmp_path, "healthy", a_table(ACME), "db1", "db2")
    (main,) = found.topologies
    # On a machine that is too busy a poll may come late after the clocks were set.
    troubles = [check.trouble for check in main.troubles if check.trouble is not Trouble.CLOCK_SKEW]
    assert (main.impact, troubles) == (Impact.NONE, [])


async def test_a_topology_of_which_not_all_nodes_are_polled_is_not_judged_and_nobody_asked_for_it(
    tmp_path: Path,
) -> None:
    table = a_table(ACME)
    found = await polled(tmp_path, "healthy", table, "db2", "db9")
    assert [state.topology.name for state in found.topologies] == ["db9"]
    assert table.statements == []


async def test_why_nobody_told_the_tenants_is_kept(tmp_path: Path) -> None:
    denied = FakeMysql(READ_ONLY | {SQL: Refusal(1142, "denied")})
    found = await polled(tmp_path, "healthy", denied, "db1", "db2")
    assert {name: error.failure for name, error in found.untold.items()} == {"main": CollectFailure.DENIED}
    assert found.topologies[0].tenants == ()


async def test_each_query_is_a_job_that_asks_at_once(tmp_path: Path) -> None:
    clock = SystemClock()
    directory = TenantDirectory(settings_of(tmp_path).tree)
    scheduler = Scheduler(clock, FixedRandom(0.9))
    main = Topology("main", TopologyKind.ACTIVE_PASSIVE, ("db1", "db2"), ())
    async with a_table(ACME).running() as table:
        query = TenantQuery("main", Database(table.endpoint, "opensips", "reader"), SQL, 3600.0)
        async with (
            topology_tenants([query], directory, clock) as tenants_of,
            anyio.create_task_group() as tasks,
        ):
            plan(tenants_of, scheduler)
            tasks.start_soon(scheduler.run)

            async def told() -> bool:
                return tenants_of(main) == (ACME,)

            await until("the tenants are told", told)
            tasks.cancel_scope.cancel()
    assert [job.name for job in scheduler.figures()] == ["tenants/main"]


async def test_a_topology_that_breaks_the_catalogue_is_logged_once_and_shown_again_when_it_does_not(
    tmp_path: Path,
) -> None:
    directory = TenantDirectory(settings_of(tmp_path).tree)
    exposition = Exposition(build_catalog(), directory.reseller, SystemClock(), 10_000)
    figures = TopologyFigures(exposition, directory)
    members = (a_member("db1"), a_member("db2"))
    right = a_topology_state(members=members, links=(a_link("db2", "db1"),), tenants=(ACME,))
    twice = a_topology_state(members=members, links=(a_link("db2", "db1"), a_link("db2", "db1")))
    await figures.topology_judged(right)
    assert 'topology="main"' in exposition.render().decode()
    with structlog.testing.capture_logs() as logs:
        await figures.topology_judged(twice)
        await figures.topology_judged(twice)
    assert 'topology="main"' not in exposition.render().decode()
    assert [(line["log_level"], line["topology"]) for line in logs] == [("error", "main")]
    await figures.topology_judged(right)
    assert 'topology="main"' in exposition.render().decode()
