"""Discovery joined to what holds tenants: collectors, alerts, figures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import anyio
import pytest

from dialtone.config import Settings, TenantDirectory, load
from dialtone.export.prometheus import Exposition
from dialtone.model import CollectError, CollectFailure, NodeState
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.scheduler import Scheduler
from dialtone.wiring.commands import collect
from dialtone.wiring.discovery import discovering, figures, mi_clients, plan
from dialtone.wiring.parts import alert_writer, build_catalog, build_rules, running_collectors
from tests.fakes.alerts import alert
from tests.fakes.mi import FakeMi, http, recorded_reply
from tests.fakes.mysql import FakeMysql, Ok, Refusal, Result
from tests.fakes.sink import FakeSink
from tests.integration.service import until
from tests.unit.opensips.conftest import recorded
from tests.unit.runtime.test_scheduler import FixedRandom

READ_ONLY: Final = {"SET SESSION TRANSACTION READ ONLY": Ok()}
PLATFORM: Final = "example.net"
NTEK: Final = f"ntek.{PLATFORM}"
NEW: Final = f"acme.{NTEK}"
"""A tenant with calls in the recordings."""


def result(value: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "result": value}).encode()


def a_server(*domains: str) -> FakeMi:
    """Return a 3.6 that has calls of acme.ntek.example.net, and lists these domains."""
    replies = {
        "get_statistics": recorded("3.6.8", "live-get_statistics-all"),
        "list_statistics": recorded("3.6.8", "live-list_statistics"),
        "profile_get_values": recorded("3.6.8", "live-profile_get_values-tenant"),
        "version": recorded("3.6.8", "live-version"),
    }
    fake = FakeMi(dict(replies))
    listing(fake, *domains)
    return fake


def listing(fake: FakeMi, *domains: str) -> None:
    """Have the server list these from now on."""
    assert isinstance(fake.replies, dict)
    fake.replies["domain_dump"] = result({"Domains": [{"name": domain} for domain in domains]})


def settings_of(folder: Path, **changes: object) -> Settings:
    document: dict[str, object] = {
        "location": "mtl1",
        "platform": {"domain": PLATFORM},
        "tenants": [{"domain": NTEK}],
    }
    path = folder / "dialtone.yaml"
    path.write_text(json.dumps(document | changes))
    return load(path, environ={})


def node(fake: FakeMi, **changes: object) -> dict[str, object]:
    return {"name": "sip1", "kind": "opensips", "mi": fake.url} | changes


def calls(state: NodeState) -> Mapping[str, float]:
    """Return live calls by tenant."""
    assert state.reading is not None, state.detail
    return {s.labels[1]: s.value for s in state.reading.samples if s.metric == "opensips_tenant_dialogs"}


def counted(state: NodeState) -> dict[str, float]:
    """Return what the script has counted, by tenant."""
    assert state.reading is not None, state.detail
    found: dict[str, float] = {}
    for sample in state.reading.samples:
        if sample.metric == "opensips_tenant_events_total":
            found[sample.labels[1]] = found.get(sample.labels[1], 0) + sample.value
    return found


async def test_a_tenants_traffic_is_its_own_while_it_is_listed_and_unknown_before_and_after(
    tmp_path: Path,
) -> None:
    async with a_server().running() as fake:
        settings = settings_of(tmp_path, nodes=[node(fake)], discover=[{"node": "sip1"}])
        clock, directory, sink = SystemClock(), TenantDirectory(settings.tree), FakeSink()
        exposition = Exposition(build_catalog(), directory.reseller, clock, 10_000)
        clients = mi_clients(settings)
        async with (
            discovering(settings, directory, clock, clients) as discovery,
            running_collectors(settings.nodes, directory, clock, (sink, exposition), clients) as runners,
        ):
            seen = []
            events = []
            for domains in ((), (NEW, "127.0.0.1"), (), ()):
                listing(fake, *domains)
                await discovery.run("sip1")
                state = await runners[0].poll()
                seen.append(calls(state))
                events.append(counted(state))
                shown = f'tenant="{NEW}"' in exposition.render().decode()
                assert shown == (NEW in seen[-1])
    before, there, doubted, gone = seen
    assert NEW not in before
    assert there[NEW] > 0
    assert there[NEW] + there["_unknown"] == before["_unknown"]
    assert doubted == there
    assert gone == before
    assert [NEW in of for of in events] == [False, True, True, False]
    assert {of["_unknown"] for of in events} == {events[0]["_unknown"]}  # no counter falls by that
    assert fake.most_in_flight == 1
    assert fake.connections == 1  # the two share a client


async def test_a_server_that_never_lists_its_domains_is_polled_all_the_same(tmp_path: Path) -> None:
    asked = anyio.Event()

    def answer(request: dict[str, object]) -> bytes | None:
        if request["method"] == "domain_dump":
            asked.set()
            return None
        return http(recorded_reply(fake.replies, request))

    fake = a_server(NEW)
    fake.misbehave = answer
    async with fake.running():
        settings = settings_of(tmp_path, nodes=[node(fake, timeout="1s")], discover=[{"node": "sip1"}])
        clock, directory = SystemClock(), TenantDirectory(settings.tree)
        clients = mi_clients(settings)
        async with (
            discovering(settings, directory, clock, clients) as discovery,
            running_collectors(settings.nodes, directory, clock, (), clients) as runners,
            anyio.create_task_group() as both,
        ):
            both.start_soon(discovery.run, "sip1")
            await asked.wait()
            assert (await runners[0].poll()).up
    assert [source.success for source in discovery.figures()] == [False]
    assert fake.most_in_flight == 1


async def test_a_discovered_tenants_reseller_is_on_its_series_and_in_alerts(tmp_path: Path) -> None:
    async with a_server(NEW).running() as fake:
        settings = settings_of(tmp_path, nodes=[node(fake)], discover=[{"node": "sip1"}])
        clock, directory = SystemClock(), TenantDirectory(settings.tree)
        clients = mi_clients(settings)
        writer = alert_writer(settings, build_rules(settings), directory)
        event = alert(rule="ProbeFailing", tenant=NEW, flow="call")
        assert "reseller" not in writer.labels(event)
        async with discovering(settings, directory, clock, clients) as discovery:
            await discovery.run_all()
    assert writer.labels(event)["reseller"] == NTEK


async def test_what_discovery_knows_of_itself_is_in_the_catalogue(tmp_path: Path) -> None:
    async with a_server(NEW, "192.0.2.1").running() as fake:
        settings = settings_of(
            tmp_path,
            nodes=[node(fake)],
            discover=[{"node": "sip1"}, {"dsn": "mysql://dialtone@127.0.0.1:9/opensips"}],
        )
        clock, directory, catalog = SystemClock(), TenantDirectory(settings.tree), build_catalog()
        exposition = Exposition(catalog, directory.reseller, clock, 10_000)
        async with discovering(settings, directory, clock, mi_clients(settings)) as discovery:
            exposition.put("discovery", figures(discovery, directory, catalog, clock.now()))
            assert "source=" not in exposition.render().decode()
            ended = await discovery.run_all()
            exposition.put("discovery", figures(discovery, directory, catalog, clock.now()))
        page = exposition.render().decode()
    assert ended["sip1"] is None
    assert isinstance(ended["opensips"], CollectError)
    for line in (
        'dialtone_tenants{origin="configured"} 2.0',
        'dialtone_tenants{origin="discovered"} 1.0',
        'dialtone_discovery_success{source="sip1"} 1.0',
        'dialtone_discovery_success{source="opensips"} 0.0',
        'dialtone_discovery_left_out{source="sip1"} 1.0',
        "dialtone_tenants_appeared_total 0.0",
        "dialtone_tenants_disappeared_total 0.0",
    ):
        assert f"{line}\n" in page
    assert 'dialtone_discovery_age_seconds{source="sip1"}' in page
    assert 'dialtone_discovery_age_seconds{source="opensips"}' not in page


async def test_each_source_is_a_job_that_looks_at_once(tmp_path: Path) -> None:
    async with a_server(NEW).running() as fake:
        settings = settings_of(tmp_path, nodes=[node(fake)], discover=[{"node": "sip1", "every": "1h"}])
        clock, directory = SystemClock(), TenantDirectory(settings.tree)
        scheduler = Scheduler(clock, FixedRandom(0.9))
        async with (
            discovering(settings, directory, clock, mi_clients(settings)) as discovery,
            anyio.create_task_group() as tasks,
        ):
            plan(discovery, scheduler)
            tasks.start_soon(scheduler.run)
            await until("the tenant is there", lambda: _holds(directory, NEW))
            tasks.cancel_scope.cancel()
        assert [job.name for job in scheduler.figures()] == ["discover/sip1"]


async def _holds(directory: TenantDirectory, domain: str) -> bool:
    return domain in directory.domains


@pytest.mark.parametrize("lists", [True, False])
async def test_a_node_with_a_database_is_read_by_its_table_where_mi_lists_nothing(
    tmp_path: Path, lists: bool
) -> None:
    table = FakeMysql(READ_ONLY | {"SELECT domain FROM domain": Result([{"domain": "of-the-table.example"}])})
    async with a_server("of-mi.example").running() as fake, table.running():
        if not lists:
            assert isinstance(fake.replies, dict)
            del fake.replies["domain_dump"]
        database = {"dsn": f"mysql://dialtone@127.0.0.1:{table.port}/opensips"}
        settings = settings_of(tmp_path, nodes=[node(fake, database=database)], discover=[{"node": "sip1"}])
        directory = TenantDirectory(settings.tree)
        async with discovering(settings, directory, SystemClock(), mi_clients(settings)) as discovery:
            assert await discovery.run("sip1") is None
    found = {tenant.domain for tenant in directory if not tenant.configured}
    assert found == ({"of-mi.example"} if lists else {"of-the-table.example"})


async def test_one_poll_by_hand_looks_for_tenants_first_also_on_nodes_that_are_not_polled(
    tmp_path: Path,
) -> None:
    table = FakeMysql(READ_ONLY | {"SELECT domain FROM domain": Refusal(1142, "denied")})
    async with a_server().running() as polled, a_server(NEW).running() as other, table.running():
        settings = settings_of(
            tmp_path,
            nodes=[node(polled), node(other, name="sip2")],
            discover=[{"node": "sip2"}, {"dsn": f"mysql://dialtone@127.0.0.1:{table.port}/opensips"}],
        )
        found = await collect(settings, settings.nodes[:1], build_catalog())
    (state,) = found.states
    assert calls(state)[NEW] > 0
    assert f'reseller="{NTEK}",tenant="{NEW}"' in found.exposition
    assert {name: error.failure for name, error in found.undiscovered.items()} == {
        "opensips": CollectFailure.DENIED
    }
