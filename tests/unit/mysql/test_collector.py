"""A poll, from recorded rows over a real socket to samples and words."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import structlog.testing

from collectors.mysql.collector import MysqlCollector
from collectors.mysql.fleet import Fleet
from collectors.mysql.grants import GRANTS
from collectors.mysql.metrics import METRICS
from collectors.mysql.snapshot import ClockReading, Heartbeat
from collectors.mysql.statements import (
    ALL_REPLICAS,
    ALL_SLAVES,
    BINARY_LOG_STATUS,
    BINLOG_STATUS,
    DUMPS,
    FIXED,
    HEARTBEATS,
    LINKS,
    MASTER_STATUS,
    OLD_WORKERS,
    REPLICA,
    SERVER,
    SLAVE,
    STATUS,
    VARIABLES,
    WORKERS,
    WORKERS_ALONE,
    heartbeat_statement,
)
from dialtone.model import Catalog, CollectError, CollectFailure, Node, NodeKind, Reading, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.mysql import Answer, FakeMysql, Refusal, Result
from tests.unit.mysql.recordings import NOW, recording
from tests.unit.mysql.snapshots import snapshot

TABLE = "dialtone.heartbeat"
HEARTBEAT = heartbeat_statement(TABLE)
GRANTED = Result(
    [
        {"Grants": "GRANT SLAVE MONITOR, BINLOG MONITOR, REPLICATION CLIENT ON *.* TO `dialtone`@`%`"},
        {"Grants": "GRANT SELECT ON `performance_schema`.* TO `dialtone`@`%`"},
        {"Grants": f"GRANT SELECT ON {TABLE.replace('.', '`.`').join('``')} TO `dialtone`@`%`"},
    ]
)


def beats(*rows: tuple[str, str | None], now: str = NOW) -> Result:
    """Heartbeat rows: server_id and ts."""
    return Result([{"server_id": server, "ts": ts, "now": now} for server, ts in rows])


FRESH = beats(("1", "2026-03-01 12:00:00.000000"))


def collector(
    server: FakeMysql, clock: FakeClock, fleet: Fleet | None = None, **options: str
) -> MysqlCollector:
    """A collector of that server, with these node options."""
    node = Node("db2", NodeKind.MYSQL, server.endpoint, "dialtone", Secret("x"), timeout=5.0, options=options)
    return MysqlCollector(node, clock, fleet)


def asked(server: FakeMysql) -> list[str]:
    """What it was asked, without what the client itself begins a session with."""
    return [statement for statement in server.statements if not statement.startswith("SET ")]


async def polled(
    answers: Mapping[str, Answer], clock: FakeClock, fleet: Fleet | None = None, **options: str
) -> tuple[Reading, FakeMysql]:
    """Poll a server that gives these answers."""
    server = FakeMysql({GRANTS: GRANTED, **answers})
    async with server.running():
        return await collector(server, clock, fleet, **options).collect(), server


def values(reading: Reading) -> dict[str, float]:
    """Values by metric and its labels but the node: mysql_replication_lag_seconds/default."""
    assert all(sample.labels[0] == "db2" for sample in reading.samples)
    return {"/".join((sample.metric, *sample.labels[1:])): sample.value for sample in reading.samples}


async def test_a_healthy_replica_gives_every_metric_of_a_replica(clock: FakeClock) -> None:
    reading, _ = await polled(
        recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: FRESH}, clock, heartbeat=TABLE
    )
    assert values(reading) == {
        "mysql_server_info/10.11.19-MariaDB-0+deb12u1-log/mariadb": 1,
        "mysql_read_only": 1,
        "mysql_replicas_connected": 0,
        "mysql_uptime_seconds": 1,
        "mysql_clock_offset_seconds": pytest.approx(0.25),
        "mysql_clock_offset_error_seconds": 0,
        "mysql_auto_increment_increment": 1,
        "mysql_auto_increment_offset": 1,
        "mysql_replication_skips_errors": 0,
        "mysql_replication_skipped_errors_total": 0,
        "mysql_replication_io_running/default": 1,
        "mysql_replication_sql_running/default": 1,
        "mysql_replication_lag_seconds/default": 0,
        "mysql_replication_lag_known/default": 1,
        "mysql_replication_sql_delay_seconds/default": 0,
        "mysql_replication_position_gap_bytes/default": 0,
        "mysql_replication_relay_gap_transactions/default": 0,
        "mysql_replication_relay_space_bytes/default": 2990,
        "mysql_replication_source_heartbeats_total/default": 0,
        "mysql_replication_workers/default/configured": 0,
        "mysql_replication_true_lag_seconds/default": 0.25,
        "mysql_replication_heartbeat_lag_seconds/1": 0.25,
    }
    assert reading.info == {
        "version": "10.11.19-MariaDB-0+deb12u1-log",
        "channel/default/source": "1",
        "channel/default/address": "127.0.0.1:23301",
    }
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
    assert found["mysql_replication_last_error/default/sql/1062"] == 1
    assert found["mysql_replication_relay_gap_transactions/default"] == 6
    assert found["mysql_replication_position_gap_bytes/default"] == 15941 - 10064
    assert found["mysql_replication_workers/default/running"] == 0
    assert "Duplicate entry '1' for key 't.PRIMARY'" in reading.info["channel/default/error"]
    assert len(reading.info["channel/default/error"]) <= 300


async def test_named_channels_have_series_of_their_own(clock: FakeClock) -> None:
    reading, _ = await polled(recording("mariadb-10.11", "west_stopped").answers, clock)
    found = values(reading)
    assert found["mysql_replication_sql_running/east"] == 1
    assert found["mysql_replication_sql_running/west"] == 0
    assert not any(name.endswith("/default") for name in found)


async def test_a_server_that_is_nobodys_replica_is_read_without_channels(clock: FakeClock) -> None:
    reading, server = await polled(recording("mysql-9.7", "source_healthy").answers, clock)
    found = values(reading)
    assert (found["mysql_read_only"], found["mysql_replicas_connected"]) == (0, 1)
    assert not any("/default" in name for name in found)
    assert WORKERS not in server.statements
    assert LINKS not in server.statements


async def test_a_node_of_a_cluster_gives_its_figures(clock: FakeClock) -> None:
    reading, _ = await polled(recording("xtradb-8.0", "healthy").answers, clock)
    found = values(reading)
    assert found["mysql_galera_primary"] == 1
    assert found["mysql_galera_cluster_size"] == 3
    assert found["mysql_galera_flow_control_paused_seconds_total"] == 2.5
    assert found["mysql_galera_state/synced"] == 1
    reading, _ = await polled(recording("xtradb-8.0", "non_primary").answers, clock)
    found = values(reading)
    assert (found["mysql_galera_primary"], found["mysql_galera_ready"]) == (0, 0)
    assert "mysql_galera_cluster_view" not in found
    assert found["mysql_galera_state/initialized"] == 1


async def test_what_is_published_is_what_the_catalogue_knows(clock: FakeClock) -> None:
    catalog = Catalog(METRICS)
    seen = set()
    for server, state in (
        ("mariadb-11.8", "delayed_5s"),
        ("mysql-9.7", "sql_error_1062"),
        ("mysql-8.4", "healthy"),
        ("mariadb-10.11-galera", "healthy_1"),
    ):
        answers = recording(server, state).answers | {
            HEARTBEAT: beats(("41", "2026-03-01 12:00:00"), ("1", "2026-03-01 12:00:00"))
        }
        reading, _ = await polled(answers, clock, heartbeat=TABLE)
        assert all(len(sample.labels) == len(catalog[sample.metric].labels) for sample in reading.samples)
        seen |= {sample.metric for sample in reading.samples}
    assert seen == {metric.name for metric in catalog}


@pytest.mark.parametrize(
    ("server", "first"),
    [
        (
            "mysql-5.7",
            [REPLICA, SLAVE, DUMPS, WORKERS, OLD_WORKERS, LINKS, BINARY_LOG_STATUS, MASTER_STATUS],
        ),
        ("mysql-8.0", [REPLICA, DUMPS, WORKERS, LINKS, BINARY_LOG_STATUS, MASTER_STATUS]),
        ("mysql-8.4", [REPLICA, DUMPS, WORKERS, LINKS, BINARY_LOG_STATUS]),
        ("mariadb-11.8", [ALL_REPLICAS]),
    ],
)
async def test_the_words_that_a_server_understands_are_found_once(
    server: str, first: list[str], clock: FakeClock
) -> None:
    answers = recording(server, "healthy").answers
    fake = FakeMysql({GRANTS: GRANTED, WORKERS: Refusal(1054, "Unknown column"), **answers})
    async with fake.running():
        reader = collector(fake, clock)
        one = await reader.collect()
        found = asked(fake)
        fake.statements.clear()
        two = await reader.collect()
    assert found == [SERVER, VARIABLES, STATUS, *first, GRANTS]
    assert all(statement in answers for statement in asked(fake))
    assert values(one) == values(two)


async def test_a_server_of_another_version_is_asked_anew(clock: FakeClock) -> None:
    old = recording("mysql-5.7", "healthy")
    fake = FakeMysql({GRANTS: GRANTED, **old.answers})
    async with fake.running():
        reader = collector(fake, clock)
        await reader.collect()
        fake.answers = {GRANTS: GRANTED, **recording("mysql-8.4", "healthy").answers}
        fake.statements.clear()
        reading = await reader.collect()
    assert values(reading)["mysql_replication_io_running/default"] == 1
    assert SLAVE not in fake.statements


async def test_a_mariadb_before_its_new_words_is_asked_in_the_old_ones(clock: FakeClock) -> None:
    answers = recording("mariadb-10.11", "healthy").answers
    answers[ALL_SLAVES], answers[MASTER_STATUS] = answers.pop(ALL_REPLICAS), answers.pop(BINLOG_STATUS)
    reading, fake = await polled(answers, clock)
    assert values(reading)["mysql_replication_io_running/default"] == 1
    assert ALL_REPLICAS in fake.statements


async def test_a_server_that_knows_none_of_the_words_is_an_error(clock: FakeClock) -> None:
    answers = {
        statement: answer
        for statement, answer in recording("mysql-8.4", "healthy").answers.items()
        if statement in (SERVER, VARIABLES, STATUS)
    }
    with pytest.raises(CollectError, match="error 1064") as raised:
        await polled(answers, clock)
    assert raised.value.failure is CollectFailure.SERVER


async def test_a_server_without_a_binary_log_is_not_asked_for_its_place(clock: FakeClock) -> None:
    _, fake = await polled(recording("mariadb-10.11-galera", "healthy_1").answers, clock)
    assert BINLOG_STATUS not in fake.statements


async def test_replicas_are_unknown_and_not_none_where_the_performance_schema_is_off(
    clock: FakeClock,
) -> None:
    found = recording("mysql-8.4", "healthy")
    variables = Result([*found.variables, {"Variable_name": "performance_schema", "Value": "OFF"}])
    reading, fake = await polled(found.answers | {VARIABLES: variables, DUMPS: Refusal(1317)}, clock)
    assert DUMPS not in fake.statements
    assert "mysql_replicas_connected" not in values(reading)
    assert values(reading)["mysql_replication_workers/default/running"] == 4


@pytest.mark.parametrize(
    ("server", "statement", "part"),
    [
        ("mariadb-10.11", ALL_REPLICAS, "channels"),
        ("mariadb-10.11", BINLOG_STATUS, "place"),
        ("mysql-8.4", REPLICA, "channels"),
        ("mysql-8.4", BINARY_LOG_STATUS, "place"),
        ("mysql-8.4", WORKERS, "workers"),
        ("mysql-8.4", LINKS, "links"),
        ("mysql-8.4", DUMPS, "replicas"),
        ("mysql-5.7", OLD_WORKERS, "workers"),
    ],
)
async def test_what_the_account_may_not_read_is_told_and_the_rest_is_read(
    server: str, statement: str, part: str, clock: FakeClock
) -> None:
    found = recording(server, "healthy")
    answers = found.answers
    answers[statement] = Refusal(1227 if statement.startswith("SHOW") else 1142, "denied")
    if server == "mariadb-10.11":
        answers[VARIABLES] = Result([*found.variables, {"Variable_name": "log_bin", "Value": "ON"}])
    fleet = Fleet()
    reading, _ = await polled(answers, clock, fleet)
    assert reading.unread == {part: CollectFailure.DENIED}
    assert "denied" in reading.info[part]
    assert "mysql_read_only" in values(reading)
    if part != "channels":
        assert values(reading)["mysql_replication_io_running/default"] == 1
    kept = fleet.last("db2")
    assert kept is not None
    assert kept.unread == {part: CollectFailure.DENIED}


@pytest.mark.parametrize(("server", "spelling"), [("mysql-8.4", 0), ("mysql-5.7", 1)])
async def test_without_a_right_to_the_threads_the_workers_are_read_alone_until_it_is_there(
    server: str, spelling: int, clock: FakeClock
) -> None:
    answers = {GRANTS: GRANTED, **recording(server, "healthy").answers}
    denied = dict.fromkeys((DUMPS, WORKERS, OLD_WORKERS), Refusal(1142, "denied"))
    fake = FakeMysql({**answers, **denied})
    async with fake.running():
        reader = collector(fake, clock)
        reading = await reader.collect()
        assert values(reading)["mysql_replication_workers/default/running"] == 4
        assert reading.unread == {"replicas": CollectFailure.DENIED}
        fake.answers, fake.statements[:] = answers, []
        assert not (await reader.collect()).unread
    assert (WORKERS, OLD_WORKERS)[spelling] in fake.statements
    assert WORKERS_ALONE[spelling] not in fake.statements


async def test_what_a_worker_waits_for_is_what_the_applier_waits_for(clock: FakeClock) -> None:
    fleet = Fleet()
    await polled(recording("mysql-9.7", "workers_wait_for_lock").answers, clock, fleet)
    kept = fleet.last("db2")
    assert kept is not None
    assert [channel.applier_state for channel in kept.channels] == ["Waiting for table metadata lock"]


async def test_rights_are_looked_at_once_and_again_after_a_refusal(clock: FakeClock) -> None:
    answers = recording("mysql-8.4", "healthy").answers
    fake = FakeMysql({GRANTS: Result([{"Grants": "GRANT USAGE ON *.* TO `dialtone`@`%`"}]), **answers})
    async with fake.running():
        reader = collector(fake, clock)
        first = await reader.collect()
        await reader.collect()
        assert fake.statements.count(GRANTS) == 1
        fake.answers = {**fake.answers, WORKERS: Refusal(1142, "denied")}
        for _ in range(3):
            last = await reader.collect()
    assert fake.statements.count(GRANTS) == 2
    assert "GRANT REPLICATION CLIENT ON *.* TO" in first.info["grants"]
    assert first.info["grants"] == last.info["grants"]
    assert not first.unread


async def test_rights_are_looked_at_again_at_every_hundredth_poll(clock: FakeClock) -> None:
    spare = Result([*GRANTED.rows, {"Grants": "GRANT SUPER ON *.* TO `dialtone`@`%`"}])
    fake = FakeMysql({**recording("mysql-8.4", "healthy").answers, GRANTS: spare})
    async with fake.running():
        reader = collector(fake, clock)
        assert "SUPER on *.*" in (await reader.collect()).info["grants"]
        fake.answers = {**fake.answers, GRANTS: GRANTED}
        for _ in range(99):
            assert "grants" in (await reader.collect()).info
        assert "grants" not in (await reader.collect()).info
    assert fake.statements.count(GRANTS) == 2


async def test_an_account_that_may_not_see_its_rights_is_no_trouble(clock: FakeClock) -> None:
    answers = recording("mysql-8.4", "healthy").answers | {GRANTS: Refusal(1044, "denied")}
    reading, _ = await polled(answers, clock)
    assert "grants" not in reading.info
    assert not reading.unread


@pytest.mark.parametrize("code", [1142, 1146, 1049, 1054, 1047])
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
    assert not any("heartbeat_lag" in name or "true_lag" in name for name in values(reading))


async def test_an_empty_heartbeat_table_is_told(clock: FakeClock) -> None:
    answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: Result([])}
    reading, _ = await polled(answers, clock, heartbeat=TABLE)
    assert reading.info["heartbeat"] == "the table is empty: nobody writes heartbeats"
    assert not reading.unread


async def test_a_part_that_can_not_be_read_is_logged_once_and_once_when_it_is_back(clock: FakeClock) -> None:
    healthy = {GRANTS: GRANTED, **recording("mariadb-10.11", "healthy").answers}
    server = FakeMysql(healthy | {HEARTBEAT: Refusal(1146, "no such table")})
    async with server.running():
        reader = collector(server, clock, heartbeat=TABLE)
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                await reader.collect()
            server.answers = healthy | {HEARTBEAT: FRESH}
            for _ in range(3):
                await reader.collect()
        await reader.aclose()
    assert [(entry["event"], entry["part"]) for entry in logs] == [
        ("mysql.unread", "heartbeat"),
        ("mysql.read-again", "heartbeat"),
    ]


async def test_any_other_trouble_with_the_heartbeat_gives_no_half_reading(clock: FakeClock) -> None:
    answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: Refusal(1317, "interrupted")}
    fleet = Fleet()
    with pytest.raises(CollectError, match="interrupted"):
        await polled(answers, clock, fleet, heartbeat=TABLE)
    assert fleet.last("db2") is None


async def test_rows_of_pt_heartbeat_are_read_like_ours(clock: FakeClock) -> None:
    table = beats(("1", "2026-03-01T12:00:00.000000"), ("2", None))
    answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: table}
    reading, _ = await polled(answers, clock, heartbeat=TABLE)
    found = values(reading)
    assert found["mysql_replication_heartbeat_lag_seconds/1"] == 0.25
    assert "mysql_replication_heartbeat_lag_seconds/2" not in found


async def test_of_a_table_full_of_old_rows_the_newest_are_published_and_what_is_missing_is_told(
    clock: FakeClock,
) -> None:
    old = [(str(number), "2020-01-01 00:00:00") for number in range(1000, 1000 + HEARTBEATS - 1)]
    for own, told in ((("2", "2026-03-01 12:00:00"), False), (("1", "2026-03-01 12:00:00"), True)):
        answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: beats(*old, own)}
        reading, _ = await polled(answers, clock, heartbeat=TABLE)
        found = [name for name in values(reading) if "heartbeat_lag" in name]
        assert len(found) == 64
        assert f"mysql_replication_heartbeat_lag_seconds/{own[0]}" in found
        assert ("delete old ones" in reading.info.get("heartbeat", "")) is told


async def test_a_pt_heartbeat_in_local_time_is_told_how_to_run(clock: FakeClock) -> None:
    def late(second: int) -> dict[str, Answer]:
        row = beats(("2", f"2026-03-01T07:00:0{second}"), now=f"2026-03-01 12:00:0{second}.1")
        return {GRANTS: GRANTED, **recording("mariadb-10.11", "healthy").answers, HEARTBEAT: row}

    server = FakeMysql(late(1))
    async with server.running():
        reader = collector(server, clock, heartbeat=TABLE)
        assert "heartbeat" not in (await reader.collect()).info
        server.answers = late(3)
        assert (await reader.collect()).info["heartbeat"].endswith("run pt-heartbeat with --utc")


async def test_the_lag_of_a_source_of_ours_is_by_its_clock_and_its_age_by_the_replicas(
    clock: FakeClock,
) -> None:
    fleet = Fleet()
    at = clock.now().timestamp()
    source = snapshot(1, heartbeats={1: Heartbeat(at + 4.9, 0.1)}, taken=clock.monotonic(), at=at)
    ahead = replace(source.server, clock=replace(source.server.clock, offset=5.0))
    fleet.group(("db1", "db2"))
    fleet.put("db1", replace(source, server=ahead))
    answers = recording("mariadb-10.11", "healthy").answers | {
        HEARTBEAT: beats(("1", "2026-03-01 12:00:04.000000"))
    }
    reading, _ = await polled(answers, clock, fleet, heartbeat=TABLE)
    found = values(reading)
    assert found["mysql_replication_true_lag_seconds/default"] == pytest.approx(1.0)
    assert found["mysql_replication_heartbeat_lag_seconds/1"] == pytest.approx(-3.75)


async def test_a_source_that_was_not_read_for_long_leaves_the_true_lag_unknown(clock: FakeClock) -> None:
    fleet = Fleet()
    beat = {1: Heartbeat(clock.now().timestamp(), 0.1)}
    fleet.group(("db1", "db2"))
    fleet.put("db1", snapshot(1, heartbeats=beat, taken=clock.monotonic()))
    await clock.advance(46.0)
    answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: FRESH}
    reading, _ = await polled(answers, clock, fleet, heartbeat=TABLE)
    assert "mysql_replication_true_lag_seconds/default" not in values(reading)


async def test_servers_of_other_topologies_with_the_same_numbers_change_no_true_lag(clock: FakeClock) -> None:
    fleet = Fleet()
    at = clock.now().timestamp()
    for group in (("db1", "db2"), ("web1", "web2")):
        fleet.group(group)
        for number, name in enumerate(group, start=1):
            source = snapshot(
                number, heartbeats={1: Heartbeat(at + 4.9, 0.1)}, taken=clock.monotonic(), at=at
            )
            offset = 5.0 if name == "db1" else 0.0
            fleet.put(name, replace(source, server=replace(source.server, clock=ClockReading(offset, 0.001))))
    row = beats(("1", "2026-03-01 12:00:04.000000"))
    answers = recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: row}
    reading, _ = await polled(answers, clock, fleet, heartbeat=TABLE)
    assert values(reading)["mysql_replication_true_lag_seconds/default"] == pytest.approx(1.0)


async def test_a_poll_is_told_to_the_fleet_with_all_that_it_found(clock: FakeClock) -> None:
    fleet = Fleet()
    await polled(
        recording("mariadb-10.11", "healthy").answers | {HEARTBEAT: FRESH}, clock, fleet, heartbeat=TABLE
    )
    kept = fleet.last("db2")
    assert kept is not None
    assert (kept.taken, kept.at) == (clock.monotonic(), clock.now().timestamp())
    assert kept.heartbeats == {1: Heartbeat(clock.now().timestamp(), 0.25)}


async def test_hostile_rows_give_no_other_error_than_that_they_can_not_be_read(clock: FakeClock) -> None:
    healthy = recording("mysql-8.4", "healthy").answers | {HEARTBEAT: FRESH}
    odd: list[Mapping[str, str | None]] = [
        {},
        {"none": None},
        {"Variable_name": None, "Value": None},
        {"channel": "\x00" * 200, "state": "", "code": "9" * 40, "error": None},
        {"version": "8" * 5000, "now": "2026-03-01 12:00:00"},
        {"server_id": "1", "ts": "x" * 9000, "now": "9999-99-99"},
        {"Channel_Name": "", "Replica_IO_Running": "\u202e", "Replica_SQL_Running": None},
    ]
    for statement in healthy:
        for row in odd:
            if not row:
                continue
            try:
                reading, _ = await polled(healthy | {statement: Result([row])}, clock, heartbeat=TABLE)
            except CollectError as error:
                assert error.failure is CollectFailure.PROTOCOL  # noqa: PT017 - not every row is refused
            else:
                assert all(len(text) <= 400 for text in reading.info.values())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"heartbeat": "x; DROP TABLE y"}, "is not a table"),
        ({"tls": "perhaps"}, "tls is 'perhaps'"),
        ({"heartbeat_every": "soon"}, "heartbeat_every is 'soon'; write seconds"),
        ({"heartbeat_every": "0"}, "write seconds"),
        ({"heartbeat_every": "nan"}, "write seconds"),
        ({"heartbeat_every": "3601"}, "write seconds"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    options: dict[str, str], complaint: str, clock: FakeClock
) -> None:
    with pytest.raises(ValueError, match=complaint):
        collector(FakeMysql(port=1), clock, None, **options)


def test_a_node_without_user_name_is_refused(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="needs a user name"):
        MysqlCollector(Node("db1", NodeKind.MYSQL, "mysql://127.0.0.1:3306"), clock)


async def test_nothing_is_asked_that_is_not_on_the_list(clock: FakeClock) -> None:
    for server in ("mysql-5.7", "mysql-8.0", "mysql-8.4", "mysql-9.7", "mariadb-10.11", "mariadb-11.8"):
        _, fake = await polled(
            recording(server, "healthy").answers | {HEARTBEAT: FRESH}, clock, heartbeat=TABLE
        )
        assert set(asked(fake)) <= FIXED | {HEARTBEAT}
