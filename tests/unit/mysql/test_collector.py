"""A poll, from recorded rows over a real socket to samples and words."""

import pytest
import structlog.testing

from collectors.mysql.collector import MysqlCollector
from collectors.mysql.metrics import METRICS
from collectors.mysql.statements import ALL_REPLICAS, ALL_SLAVES, REPLICA, SERVER, SLAVE, heartbeat_statement
from dialtone.model import Catalog, CollectError, CollectFailure, Node, NodeKind, Reading, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.mysql import Answer, FakeMysql, Refusal, Result
from tests.unit.mysql.recordings import recording

TABLE = "dialtone.heartbeat"
HEARTBEAT = heartbeat_statement(TABLE)
FRESH = Result([{"server_id": "1", "age": "250000"}])


def collector(server: FakeMysql, clock: FakeClock, **options: str) -> MysqlCollector:
    """A collector of that server, with these node options."""
    node = Node("db2", NodeKind.MYSQL, server.endpoint, "dialtone", Secret("x"), timeout=5.0, options=options)
    return MysqlCollector(node, clock)


async def polled(answers: dict[str, Answer], clock: FakeClock, **options: str) -> tuple[Reading, FakeMysql]:
    """Poll a server that gives these answers."""
    server = FakeMysql(answers)
    async with server.running():
        return await collector(server, clock, **options).collect(), server


def values(reading: Reading) -> dict[str, float]:
    """Values by metric and its labels but the node: mysql_replication_lag_seconds/default."""
    assert all(sample.labels[0] == "db2" for sample in reading.samples)
    return {"/".join((sample.metric, *sample.labels[1:])): sample.value for sample in reading.samples}


async def test_a_healthy_replica_gives_every_metric(clock: FakeClock) -> None:
    reading, _ = await polled(
        recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: FRESH}, clock, heartbeat=TABLE
    )
    assert values(reading) == {
        "mysql_read_only": 1,
        "mysql_replication_io_running/default": 1,
        "mysql_replication_sql_running/default": 1,
        "mysql_replication_lag_seconds/default": 0,
        "mysql_replication_lag_known/default": 1,
        "mysql_replication_sql_delay_seconds/default": 0,
        "mysql_replication_last_errno/default/io": 0,
        "mysql_replication_last_errno/default/sql": 0,
        "mysql_replication_heartbeat_lag_seconds/1": 0.25,
    }
    assert reading.info == {"version": "10.11.19-MariaDB-0+deb12u1-log", "channel/default/source": "1"}
    assert {sample.at for sample in reading.samples} == {clock.now()}


async def test_a_stopped_applier_says_so_and_its_unknown_lag_does_not_vanish_silently(
    clock: FakeClock,
) -> None:
    reading, _ = await polled(recording("mysql-9.7", "sql_error_1062").answers, clock)
    found = values(reading)
    assert found["mysql_replication_io_running/default"] == 1
    assert found["mysql_replication_sql_running/default"] == 0
    assert found["mysql_replication_lag_known/default"] == 0
    assert "mysql_replication_lag_seconds/default" not in found
    assert found["mysql_replication_last_errno/default/sql"] == 1062
    assert reading.info["channel/default/error"].startswith("Coordinator stopped because there were error(s)")
    assert len(reading.info["channel/default/error"]) <= 300


async def test_named_channels_have_series_of_their_own(clock: FakeClock) -> None:
    reading, _ = await polled(recording("mariadb-10.11", "west_stopped").answers, clock)
    found = values(reading)
    assert found["mysql_replication_sql_running/east"] == 1
    assert found["mysql_replication_sql_running/west"] == 0
    assert not any(name.endswith("/default") for name in found)


async def test_a_server_that_is_nobodys_replica_is_read_without_channels(clock: FakeClock) -> None:
    reading, _ = await polled(recording("mysql-9.7", "source_healthy").answers, clock)
    assert values(reading) == {"mysql_read_only": 0}


async def test_what_is_published_is_what_the_catalogue_knows(clock: FakeClock) -> None:
    catalog = Catalog(METRICS)
    reading, _ = await polled(
        recording("mariadb-11.8", "delayed_5s").answers | {HEARTBEAT: FRESH}, clock, heartbeat=TABLE
    )
    assert {sample.metric for sample in reading.samples} == {metric.name for metric in catalog}
    assert all(len(sample.labels) == len(catalog[sample.metric].labels) for sample in reading.samples)


@pytest.mark.parametrize(
    ("version", "asked"),
    [("5.7.44-log", [REPLICA, SLAVE]), ("10.3.39-MariaDB", [ALL_REPLICAS, ALL_SLAVES])],
)
async def test_an_older_server_is_asked_again_in_its_own_words(
    version: str, asked: list[str], clock: FakeClock
) -> None:
    rows = Result(recording("mariadb-10.11", "healthy").rows)
    server = Result([{"version": version, "read_only": "1"}])
    reading, fake = await polled({SERVER: server, asked[-1]: rows}, clock)
    assert values(reading)["mysql_replication_io_running/default"] == 1
    assert fake.statements == [SERVER, *asked]


async def test_a_server_that_knows_none_of_the_words_is_an_error(clock: FakeClock) -> None:
    with pytest.raises(CollectError, match="error 1064") as raised:
        await polled({SERVER: Result([{"version": "4.0", "read_only": "0"}])}, clock)
    assert raised.value.failure is CollectFailure.SERVER


async def test_a_missing_privilege_is_denied_and_says_what_to_grant(clock: FakeClock) -> None:
    answers = recording("mariadb-10.11", "healthy").answers | {ALL_REPLICAS: Refusal(1227, "Access denied")}
    with pytest.raises(CollectError, match="grant SLAVE MONITOR on MariaDB") as raised:
        await polled(answers, clock)
    assert raised.value.failure is CollectFailure.DENIED


@pytest.mark.parametrize("code", [1142, 1146, 1049])
async def test_without_a_readable_heartbeat_the_threads_are_read_all_the_same(
    code: int, clock: FakeClock
) -> None:
    answers = recording("mariadb-10.11", "sql_thread_stopped").answers
    refused: dict[str, Answer] = {HEARTBEAT: Refusal(code, "no")}
    reading, _ = await polled(answers | refused, clock, heartbeat=TABLE)
    assert values(reading)["mysql_replication_sql_running/default"] == 0
    assert f"error {code}: no" in reading.info["heartbeat"]
    assert reading.unread == {
        "heartbeat": CollectFailure.DENIED if code == 1142 else CollectFailure.SERVER,
    }
    assert not any("heartbeat" in name for name in values(reading))


async def test_an_empty_heartbeat_table_is_told(clock: FakeClock) -> None:
    answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: Result([])}
    reading, _ = await polled(answers, clock, heartbeat=TABLE)
    assert reading.info["heartbeat"] == "the table is empty: nobody writes heartbeats"
    assert not reading.unread


async def test_a_heartbeat_that_fails_is_logged_once_and_once_when_it_is_back(clock: FakeClock) -> None:
    healthy = recording("mariadb-10.11", "healthy").answers
    server = FakeMysql(dict(healthy) | {HEARTBEAT: Refusal(1146, "no such table")})
    async with server.running():
        reader = collector(server, clock, heartbeat=TABLE)
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                await reader.collect()
            server.answers = healthy | {HEARTBEAT: FRESH}
            for _ in range(3):
                await reader.collect()
        await reader.aclose()
    assert [entry["event"] for entry in logs] == ["mysql.no-heartbeat", "mysql.heartbeat-back"]


async def test_any_other_trouble_with_the_heartbeat_gives_no_half_reading(clock: FakeClock) -> None:
    answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: Refusal(1317, "interrupted")}
    with pytest.raises(CollectError, match="interrupted"):
        await polled(answers, clock, heartbeat=TABLE)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"heartbeat": "x; DROP TABLE y"}, "is not a table"), ({"tls": "perhaps"}, "tls is 'perhaps'")],
)
def test_options_that_mean_nothing_are_refused(
    options: dict[str, str], complaint: str, clock: FakeClock
) -> None:
    with pytest.raises(ValueError, match=complaint):
        collector(FakeMysql(port=1), clock, **options)


def test_a_node_without_user_name_is_refused(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="needs a user name"):
        MysqlCollector(Node("db1", NodeKind.MYSQL, "mysql://127.0.0.1:3306"), clock)
