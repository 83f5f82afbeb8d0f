"""`topologies:` in a configuration that is right; what is wrong is in tests/data/config/broken."""

from typing import Final

import pytest

from dialtone.config import TenantQuery
from dialtone.model import Database, Secret, Topology, TopologyKind
from tests.unit.config.conftest import HEAD, Reader

NODES: Final = "nodes:\n" + "".join(
    f'  - {{name: db{number}, kind: mysql, dsn: "mysql://dialtone@127.0.0.{number}"}}\n'
    for number in range(1, 6)
)
ACME: Final = "acme.ntek.clusterpbx.example"


def test_a_topology_holds_everybodys_data_and_is_late_after_a_minute_unless_it_says_so(read: Reader) -> None:
    text = """
topologies:
  - {name: main, kind: active-passive, nodes: [db1, db2]}
  - {name: cdr, kind: primary-replica, nodes: [db5, db3], lag: 2h, tenants: [Acme.ntek.clusterpbx.example.]}
"""
    settings = read(HEAD + NODES + text)
    assert settings.topologies == (
        Topology("main", TopologyKind.ACTIVE_PASSIVE, ("db1", "db2"), None, 60.0),
        Topology("cdr", TopologyKind.PRIMARY_REPLICA, ("db5", "db3"), (ACME,), 7200.0),
    )
    assert (settings.tenant_queries, settings.notes) == ((), ())


def test_a_database_may_tell_the_tenants_and_until_it_does_there_are_none(read: Reader) -> None:
    text = """
topologies:
  - {name: main, kind: multi-primary, nodes: [db1, db2], tenants: {dsn: "mysql://reader@[::1]:3307/opensips",
     password: {env: DB_PASSWORD}, sql: "SELECT name FROM customers", every: 10s}}
  - {name: cdr, kind: primary-replica, nodes: [db3, db4], tenants: {dsn: "mysql://reader@db9.example/opensips"}}
"""
    settings = read(HEAD + NODES + text)
    assert [topology.tenants for topology in settings.topologies] == [(), ()]
    assert settings.tenant_queries == (
        TenantQuery(
            "main",
            Database("mysql://[::1]:3307", "opensips", "reader", Secret("sesame-db")),
            "SELECT name FROM customers",
            10.0,
        ),
        TenantQuery(
            "cdr",
            Database("mysql://db9.example:3306", "opensips", "reader"),
            "SELECT domain FROM domain",
            300.0,
        ),
    )
    assert "sesame" not in repr(settings)
    assert settings.notes == ()


def test_who_asks_a_node_of_the_topology_itself_is_told_what_that_means(read: Reader) -> None:
    text = """
topologies:
  - {name: main, kind: multi-primary, nodes: [db1, db2], tenants: {dsn: "mysql://reader@127.0.0.2/opensips"}}
  - {name: cdr, kind: primary-replica, nodes: [db3, db4], tenants: {dsn: "mysql://reader@127.0.0.2/opensips"}}
"""
    (note,) = read(HEAD + NODES + text).notes
    assert note.startswith("topology main asks db2, a node of its own, for its tenants")


@pytest.mark.parametrize(("nodes", "told"), [(2, True), (3, False), (4, True), (5, False)])
def test_a_cluster_that_no_half_of_outlives_is_noted(read: Reader, nodes: int, told: bool) -> None:
    names = ", ".join(f"db{number}" for number in range(1, nodes + 1))
    text = f"topologies:\n  - {{name: main, kind: galera, nodes: [{names}]}}\n"
    notes = read(HEAD + NODES + text).notes
    assert len(notes) == told
    assert all(f"a Galera cluster of {nodes} nodes" in note for note in notes)


def test_more_than_two_nodes_may_stand_by_for_one_that_is_active(read: Reader) -> None:
    text = "topologies:\n  - {name: main, kind: active-passive, nodes: [db1, db2, db3]}\n"
    (main,) = read(HEAD + NODES + text).topologies
    assert main.nodes == ("db1", "db2", "db3")


@pytest.mark.parametrize("lag", ["61s", "5m"])
def test_a_lag_that_no_healthy_replica_reaches_may_be_as_near_to_the_beat_as_a_second(
    read: Reader, lag: str
) -> None:
    beat = NODES.replace('127.0.0.2"}', '127.0.0.2", heartbeat: {table: dialtone.heartbeat, every: 60s}}')
    text = f"topologies:\n  - {{name: main, kind: active-passive, nodes: [db1, db2], lag: {lag}}}\n"
    assert beat != NODES
    assert len(read(HEAD + beat + text).topologies) == 1


def test_a_server_may_be_in_a_topology_and_stand_alone_by_another_name(read: Reader) -> None:
    again = NODES + '  - {name: again, kind: mysql, dsn: "mysql://other@127.0.0.1"}\n'
    text = "topologies:\n  - {name: main, kind: active-passive, nodes: [db1, db2]}\n"
    assert len(read(HEAD + again + text).topologies) == 1
