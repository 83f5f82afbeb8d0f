"""What a page of mysqld_exporter is read as, and which alerts of its mixin that meets."""

import pytest

from benchmarks.mysql.shown import Galera, Link, Shown, alerts, falls_behind, fired, read

LABELS = 'channel_name="",connection_name="",master_host="10.0.0.7",master_uuid=""'
WEST = LABELS.replace('connection_name=""', 'connection_name="west"')


def page(*lines: str) -> str:
    return "\n".join((*lines, ""))


def link(io: float = 1, sql: float = 1, lag: float | None = 0, **more: float) -> Link:
    return Link("", io, sql, lag, **more)


def replica(*links: Link, read_only: float = 1) -> Shown:
    return Shown(page=True, up=1, read_only=read_only, links=links)


def node(
    ready: float = 1,
    state: float = 4,
    *,
    desync: float = 0,
    queue: float = 0,
    size: float = 3,
    primary: float = 1,
) -> Shown:
    galera = Galera(primary, ready, size, state, desync, queue)
    return Shown(page=True, up=1, read_only=0, galera=galera, member=True)


def test_a_replica_is_read_with_all_its_channels() -> None:
    found = read(
        page(
            "# TYPE mysql_up gauge",
            "mysql_up 1",
            "mysql_global_variables_read_only 1",
            "mysql_global_variables_innodb_read_only 0",
            f"mysql_slave_status_slave_io_running{{{LABELS}}} 1",
            f"mysql_slave_status_slave_sql_running{{{LABELS}}} 0",
            f"mysql_slave_status_sql_delay{{{LABELS}}} 5",
            f"mysql_slave_status_slave_io_running{{{WEST}}} 1",
        )
    )
    assert found == replica(Link("", 1, 0, None, 5.0), Link("west", 1, None, None))
    assert str(found) == "up 1, read_only 1; IO 1, SQL 0, lag gone; west: IO 1, SQL gone, lag gone"


def test_a_node_of_a_cluster_is_read() -> None:
    found = read(
        page(
            "mysql_up 1",
            "mysql_global_variables_read_only 0",
            "mysql_global_variables_wsrep_desync 1",
            "mysql_global_status_wsrep_cluster_status 1",
            "mysql_global_status_wsrep_ready 1",
            "mysql_global_status_wsrep_cluster_size 3",
            "mysql_global_status_wsrep_local_state 2",
            "mysql_global_status_wsrep_local_recv_queue 7",
        ),
        member=True,
    )
    assert found == node(state=2, desync=1, queue=7)
    assert str(found) == "up 1, read_only 0; status 1, ready 1, size 3, state 2, desync 1"


def test_what_wsrep_says_of_a_server_in_no_cluster_is_not_shown_but_judged_as_the_mixin_does() -> None:
    found = read(page("mysql_up 1", "mysql_global_status_wsrep_ready 0"))
    assert str(found) == "up 1"
    assert alerts(found) == ("MySQLGaleraNotReady",)


def test_a_collector_that_fails_is_named() -> None:
    found = read(
        page(
            "mysql_up 1",
            'mysql_exporter_scrape_errors_total{collector="collect.slave_status"} 2',
            'mysql_exporter_scrape_errors_total{collector="collect.global_status"} 0',
        )
    )
    assert found.failed == ("slave_status",)
    assert str(found) == "up 1; slave_status fails"


def test_what_is_no_page_is_an_error() -> None:
    with pytest.raises(ValueError, match="html"):
        read("<html>")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (replica(link()), ()),
        (Shown(page=True, up=0), ("MySQLDown",)),
        (Shown(page=False), ()),
        (replica(link(io=0, lag=None)), ("MySQLReplicationNotRunning",)),
        (replica(link(sql=0, lag=None)), ("MySQLReplicationNotRunning",)),
        (replica(link(sql=0), link(io=0)), ("MySQLReplicationNotRunning",)),
        (replica(link(lag=30)), ()),
        (replica(link(lag=31)), ("MySQLReplicationLag",)),
        (replica(link(lag=34, delay=5)), ()),
        (replica(link(lag=None)), ()),
        (node(), ()),
        (node(ready=0), ("MySQLGaleraNotReady",)),
        (node(state=2), ("MySQLGaleraOutOfSync",)),
        (node(state=2, desync=1), ()),
        (node(state=2, desync=1, queue=101), ("MySQLGaleraDonorFallingBehind",)),
        (node(size=1), ()),
        (node(primary=0), ()),
    ],
)
def test_an_alert_comes_by_the_mixins_own_condition(shown: Shown, expected: tuple[str, ...]) -> None:
    assert alerts(shown) == expected


def test_what_fired_before_is_no_alert_of_the_fault() -> None:
    before = {"db1": node(ready=0), "db2": replica(link())}
    now = {"db1": node(ready=0), "db2": replica(link(io=0, lag=None))}
    assert fired(now, before) == ["MySQLReplicationNotRunning db2"]
    assert fired(before, before) == []


@pytest.mark.parametrize(
    ("one", "differs"),
    [
        (replica(link()), False),
        (replica(link(lag=2)), False),
        (replica(link(lag=3)), True),
        (replica(link(lag=None)), True),
        (replica(link(io=0)), True),
        (replica(link(), read_only=0), True),
        (replica(), True),
        (Shown(page=False), True),
        (Shown(page=True, up=1, read_only=1, links=(link(),), failed=("slave_status",)), True),
    ],
)
def test_a_lag_of_a_second_or_two_is_nothing_new(one: Shown, differs: bool) -> None:
    assert one.differs(replica(link())) is differs


def test_the_length_of_a_queue_is_nothing_that_is_shown() -> None:
    assert not node(queue=50).differs(node())
    assert node(size=2).differs(node())


def test_a_lag_falls_behind_only_when_it_grows() -> None:
    assert falls_behind(replica(link(lag=9)), replica(link(lag=5)))
    assert not falls_behind(replica(link(lag=7)), replica(link(lag=5)))
    assert not falls_behind(replica(link(lag=None)), replica(link(lag=5)))
