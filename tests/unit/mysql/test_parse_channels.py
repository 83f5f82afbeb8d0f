"""Rows of real servers, in each state that a pair can be in, become channels of one schema."""

from collections.abc import Sequence

import pytest

from collectors.mysql.fields import Facts
from collectors.mysql.parse_channels import DEFAULT_CHANNEL, MAX_CHANNELS, parse_channels
from collectors.mysql.snapshot import Channel, LastError
from collectors.mysqlclient import Row
from dialtone.model import CollectError, CollectFailure
from tests.unit.mysql.recordings import recording

MARIADB, NEW_MARIADB, MYSQL = "mariadb-10.11", "mariadb-11.8", "mysql-9.7"
NOTHING = Facts(())
WORKER: Row = {"state": "ON", "code": "0", "error": "", "applying": "1"}
IDLE = "Replica has read all relay log; waiting for more updates"


def only(server: str, state: str) -> Channel:
    """The one channel of a recording."""
    (channel,) = recording(server, state).channels
    return channel


def applier_states(*workers: Row, names: Sequence[str] = ("",)) -> list[str]:
    """The appliers' states of channels of those names, each that of a healthy replica, with these workers."""
    (row,) = recording(MYSQL, "healthy").rows
    found = parse_channels([{**row, "Channel_Name": name} for name in names], NOTHING, workers=workers)
    return [channel.applier_state for channel in found]


def with_changes(**changes: str | None) -> Channel:
    """The channel of a healthy replica whose row has these columns changed."""
    (row,) = recording(MARIADB, "healthy").rows
    (channel,) = parse_channels([{**row, **changes}], NOTHING)
    return channel


@pytest.mark.parametrize(
    ("server", "state", "io", "sql", "lag"),
    [
        (MARIADB, "healthy", True, True, 0),
        (MARIADB, "sql_thread_stopped", True, False, None),
        (MARIADB, "io_thread_stopped", False, True, None),
        (MARIADB, "io_access_denied_1045", False, True, None),
        (MARIADB, "primary_killed_connecting", False, True, None),
        (MARIADB, "io_fatal_1236_purged", False, True, None),
        (MARIADB, "sql_error_1032", True, False, None),
        (MARIADB, "applier_blocked_by_lock", True, True, 4),
        (MARIADB, "blackhole_early_sbm_lies", True, True, 0),
        (MARIADB, "blackhole_12s", False, True, None),
        (MARIADB, "stopped_both", False, False, None),
        (MARIADB, "active_passive_passive", True, True, 0),
        (MARIADB, "simultaneous_ok_a", True, True, 0),
        (MARIADB, "dup_1062_a", True, False, None),
        (NEW_MARIADB, "healthy", True, True, 0),
        (NEW_MARIADB, "sql_thread_stopped", True, False, None),
        (MYSQL, "healthy", True, True, 1),
        (MYSQL, "sql_thread_stopped", True, False, None),
        (MYSQL, "io_thread_stopped", False, True, None),
        (MYSQL, "sql_error_1062", True, False, None),
        (MYSQL, "network_blackhole", False, True, None),
    ],
)
def test_each_fault_shows_as_the_server_told_it(
    server: str, state: str, io: bool, sql: bool, lag: float | None
) -> None:
    channel = only(server, state)
    assert (channel.name, channel.io_running, channel.sql_running, channel.lag) == (
        DEFAULT_CHANNEL,
        io,
        sql,
        lag,
    )


@pytest.mark.parametrize(
    ("server", "state", "io", "sql", "words"),
    [
        (MARIADB, "io_thread_stopped", None, None, ""),
        (MARIADB, "io_access_denied_1045", 1045, None, "Access denied for user"),
        (MARIADB, "primary_killed_connecting", 2003, None, "Can't connect to server"),
        (MARIADB, "io_fatal_1236_purged", 1236, None, "binary log"),
        (MARIADB, "sql_error_1032", None, 1032, "Can't find record"),
        (MARIADB, "dup_1062_a", None, 1062, "Duplicate entry"),
        (MYSQL, "sql_error_1062", None, 1062, "Duplicate entry '1' for key 't.PRIMARY'"),
        (MYSQL, "network_blackhole", 2013, None, "Lost connection"),
    ],
)
def test_the_last_error_comes_with_its_number_and_the_servers_words(
    server: str, state: str, io: int | None, sql: int | None, words: str
) -> None:
    channel = only(server, state)
    errors = (channel.io_error, channel.sql_error)
    assert tuple(error and error.code for error in errors) == (io, sql)
    assert words in "".join(error.text for error in errors if error)
    assert all(len(error.text) <= 300 for error in errors if error)


def test_what_a_worker_met_counts_and_not_that_the_coordinator_stopped() -> None:
    found = recording(MYSQL, "sql_error_1062")
    (without,) = parse_channels(found.rows, Facts(found.variables))
    assert without.sql_error is not None
    assert without.sql_error.text.startswith("Coordinator stopped because")
    told = only(MYSQL, "sql_error_1062").sql_error
    assert told is not None
    assert told.text.startswith("Worker 1 failed executing transaction")


def test_a_workers_old_error_does_not_outlive_the_channels() -> None:
    found = recording(MYSQL, "healthy")
    stale: list[Row] = [{"channel": "", "state": "ON", "code": "1062", "error": "before", "applying": "0"}]
    (channel,) = parse_channels(found.rows, Facts(found.variables), workers=stale)
    assert channel.sql_error is None


@pytest.mark.parametrize(
    ("server", "state", "delay", "lag"),
    [(MARIADB, "delayed_6s_steady", 6, 5), (NEW_MARIADB, "delayed_5s", 5, 5), (MYSQL, "delayed_5s", 5, 7)],
)
def test_a_lag_that_is_meant_says_so(server: str, state: str, delay: float, lag: float) -> None:
    channel = only(server, state)
    assert (channel.delay, channel.lag, channel.sql_running) == (delay, lag, True)


@pytest.mark.parametrize(
    ("state", "running", "connecting"),
    [
        ("healthy", True, False),
        ("primary_killed_connecting", False, True),
        ("io_thread_stopped", False, False),
    ],
)
def test_a_thread_that_tries_to_connect_is_told_from_one_that_stands(
    state: str, running: bool, connecting: bool
) -> None:
    channel = only(MARIADB, state)
    assert (channel.io_running, channel.connecting) == (running, connecting)


def test_only_the_appliers_state_tells_of_a_lock() -> None:
    assert "lock" in only(MARIADB, "applier_blocked_by_lock").applier_state.lower()
    assert "has read all relay log" in only(MARIADB, "healthy").applier_state


def test_a_worker_that_waits_for_a_lock_tells_what_its_coordinator_does_not() -> None:
    found = recording(MYSQL, "workers_wait_for_lock")
    assert only(MYSQL, "workers_wait_for_lock").applier_state == "Waiting for table metadata lock"
    (without,) = parse_channels(found.rows, Facts(found.variables))
    assert without.applier_state == "Waiting for dependent transaction to commit"


@pytest.mark.parametrize(
    "doing",
    [
        None,
        "",
        "Waiting for an event from Coordinator",
        "Waiting for preceding transaction to commit",
        "Applying batch of row changes (delete)",
        "Waiting for table metadata lock" + "x" * 400,
    ],
)
def test_workers_that_wait_for_no_lock_leave_the_coordinators_state(doing: str | None) -> None:
    assert applier_states({"channel": "", **WORKER, "doing": doing}) == [IDLE]


def test_the_lock_of_one_channels_worker_is_not_the_other_channels() -> None:
    busy = {"channel": "east", **WORKER, "doing": "executing"}
    held = {"channel": "east", **WORKER, "doing": "Waiting for global read lock"}
    assert applier_states(busy, held, names=("east", "west")) == ["Waiting for global read lock", IDLE]


def test_named_channels_are_told_apart_and_one_may_stand_still() -> None:
    east, west = recording(MARIADB, "west_stopped").channels
    assert (east.name, east.source_id, east.io_running, east.sql_running) == ("east", 11, True, True)
    assert (west.name, west.source_id, west.io_running, west.sql_running) == ("west", 12, False, False)


@pytest.mark.parametrize(("server", "state"), [(MARIADB, "not_a_replica"), (MYSQL, "source_healthy")])
def test_a_server_that_is_nobodys_replica_has_no_channels(server: str, state: str) -> None:
    assert recording(server, state).channels == ()


def test_a_server_older_than_channels_has_the_default_one() -> None:
    (row,) = recording("mysql-5.7", "healthy").rows
    before = {column: value for column, value in row.items() if column != "Channel_Name"}
    assert parse_channels([before], NOTHING) == parse_channels([row], NOTHING)


def test_workers_and_links_belong_to_the_channel_of_their_name() -> None:
    (row,) = recording(MYSQL, "healthy").rows
    workers: list[Row] = [
        {"channel": "east", "state": "ON", "code": "0", "error": "", "applying": "1"},
        {"channel": "east", "state": "OFF", "code": "0", "error": "", "applying": "0"},
    ]
    links: list[Row] = [{"channel": "west", "heartbeats": "9", "period": "2.5"}]
    east, west = parse_channels(
        [{**row, "Channel_Name": "east"}, {**row, "Channel_Name": "west"}],
        Facts([{"Variable_name": "replica_parallel_workers", "Value": "2"}]),
        workers=workers,
        links=links,
    )
    assert east.workers is not None
    assert (east.workers.configured, east.workers.running, east.workers.applying) == (2, 1, 1)
    assert (east.source_heartbeats, west.source_heartbeats, west.heartbeat_period) == (None, 9, 2.5)


def test_workers_that_can_not_be_read_are_unknown_and_not_none_at_all() -> None:
    found = recording(MYSQL, "healthy")
    (channel,) = parse_channels(found.rows, Facts(found.variables))
    assert channel.workers is not None
    assert (channel.workers.configured, channel.workers.running, channel.workers.applying) == (4, None, None)


@pytest.mark.parametrize(
    ("host", "address"), [("192.0.2.7", "192.0.2.7:3306"), ("2001:db8::7", "[2001:db8::7]:3306"), ("", "")]
)
def test_a_source_has_an_address_that_can_be_read(host: str, address: str) -> None:
    assert with_changes(Master_Host=host, Master_Port="3306").source_address == address


def test_a_missing_column_is_named_and_not_taken_for_a_stopped_thread() -> None:
    (row,) = recording(MARIADB, "healthy").rows
    without = {column: value for column, value in row.items() if column != "Slave_SQL_Running"}
    with pytest.raises(CollectError, match="no column Slave_SQL_Running or Replica_SQL_Running") as raised:
        parse_channels([without], NOTHING)
    assert raised.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize(
    ("value", "lag"), [("-3", 0.0), ("0", 0.0), ("17", 17.0), ("1.5e1", 15.0), (None, None)]
)
def test_a_lag_is_never_negative(value: str | None, lag: float | None) -> None:
    assert with_changes(Seconds_Behind_Master=value).lag == lag


@pytest.mark.parametrize(
    "value", ["", "soon", "nan", "1e999", "1_0", " 5", "5\n", "٣", "+5", "inf", "9" * 41]
)
def test_what_should_be_a_number_and_is_none_is_refused(value: str) -> None:
    with pytest.raises(CollectError, match="Seconds_Behind_Master is no number"):
        with_changes(Seconds_Behind_Master=value)


@pytest.mark.parametrize("value", ["-1", "1.5", "9" * 21, "٣", "", "4294967296"])
def test_what_is_no_server_id_is_refused(value: str) -> None:
    with pytest.raises(CollectError, match="Master_Server_Id is no"):
        with_changes(Master_Server_Id=value)


def test_a_relay_log_of_any_size_keeps_its_last_digit() -> None:
    assert with_changes(Relay_Log_Space="18446744073709551615").relay_space == 2**64 - 1


@pytest.mark.parametrize("name", ["x" * 1000, "a\nb", "\x00\x07"])
def test_a_channels_name_is_one_short_line(name: str) -> None:
    found = with_changes(Connection_name=name).name
    assert found
    assert len(found) <= 64
    assert found.isprintable()


def test_a_set_of_gtids_without_end_is_left_out() -> None:
    assert with_changes(Gtid_IO_Pos="0-1-1," * 20_000).received == ""


def test_two_channels_that_would_be_one_series_are_refused() -> None:
    (row,) = recording(MARIADB, "healthy").rows
    with pytest.raises(CollectError, match="two channels are called 'default'"):
        parse_channels([row, {**row, "Connection_name": "default"}], NOTHING)


def test_channels_without_end_are_too_large() -> None:
    (row,) = recording(MARIADB, "healthy").rows
    rows = ({**row, "Connection_name": str(number)} for number in range(MAX_CHANNELS + 1))
    with pytest.raises(CollectError, match="more than 256 channels") as raised:
        parse_channels(rows, NOTHING)
    assert raised.value.failure is CollectFailure.TOO_LARGE


def test_an_error_is_kept_with_its_number() -> None:
    channel = with_changes(Last_IO_Errno="1593", Last_IO_Error="Fatal\nerror")
    assert channel.io_error == LastError(1593, "Fatal error")
