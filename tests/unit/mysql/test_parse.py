"""Rows of real servers, in each state that a pair can be in, become one snapshot."""

import pytest

from collectors.mysql.parse import (
    DEFAULT_CHANNEL,
    Channel,
    ServerState,
    parse_channels,
    parse_heartbeats,
    parse_server,
)
from dialtone.model import CollectError, CollectFailure
from tests.unit.mysql.recordings import recording

MARIADB, NEW_MARIADB, MYSQL = "mariadb-10.11", "mariadb-11.8", "mysql-9.7"


def only(server: str, state: str) -> Channel:
    """The one channel of a recording."""
    (channel,) = parse_channels(recording(server, state).rows)
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
    ("server", "state", "io_errno", "sql_errno", "words"),
    [
        (MARIADB, "io_thread_stopped", 0, 0, ""),
        (MARIADB, "io_access_denied_1045", 1045, 0, "Access denied for user"),
        (MARIADB, "primary_killed_connecting", 2003, 0, "Can't connect to server"),
        (MARIADB, "io_fatal_1236_purged", 1236, 0, "binary log"),
        (MARIADB, "sql_error_1032", 0, 1032, "Can't find record"),
        (MYSQL, "sql_error_1062", 0, 1062, "replication_applier_status_by_worker"),
        (MYSQL, "network_blackhole", 2013, 0, "Lost connection"),
    ],
)
def test_the_last_error_comes_with_its_number_and_the_servers_words(
    server: str, state: str, io_errno: int, sql_errno: int, words: str
) -> None:
    channel = only(server, state)
    assert (channel.io_errno, channel.sql_errno) == (io_errno, sql_errno)
    assert words in channel.io_error + channel.sql_error
    assert bool(channel.io_error) == bool(io_errno)
    assert bool(channel.sql_error) == bool(sql_errno)


@pytest.mark.parametrize(
    ("server", "state", "delay", "lag"),
    [(MARIADB, "delayed_6s_steady", 6, 5), (NEW_MARIADB, "delayed_5s", 5, 5), (MYSQL, "delayed_5s", 5, 7)],
)
def test_a_lag_that_is_meant_says_so(server: str, state: str, delay: float, lag: float) -> None:
    channel = only(server, state)
    assert (channel.delay, channel.lag, channel.sql_running) == (delay, lag, True)


def test_named_channels_are_told_apart_and_one_may_stand_still() -> None:
    east, west = parse_channels(recording(MARIADB, "west_stopped").rows)
    assert (east.name, east.source, east.io_running, east.sql_running) == ("east", 11, True, True)
    assert (west.name, west.source, west.io_running, west.sql_running) == ("west", 12, False, False)


@pytest.mark.parametrize(("server", "state"), [(MARIADB, "not_a_replica"), (MYSQL, "source_healthy")])
def test_a_server_that_is_nobodys_replica_has_no_channels(server: str, state: str) -> None:
    assert parse_channels(recording(server, state).rows) == ()


def test_a_server_older_than_channels_has_the_default_one() -> None:
    (row,) = recording(MYSQL, "healthy").rows
    spelt_as_before = {
        column.replace("Replica_", "Slave_").replace("Source", "Master"): value
        for column, value in row.items()
        if column != "Channel_Name"
    }
    assert parse_channels([spelt_as_before]) == parse_channels([row])


def test_a_missing_column_is_named_and_not_taken_for_a_stopped_thread() -> None:
    (row,) = recording(MARIADB, "healthy").rows
    without = {column: value for column, value in row.items() if column != "Slave_SQL_Running"}
    with pytest.raises(CollectError, match="no column Slave_SQL_Running or Replica_SQL_Running") as raised:
        parse_channels([without])
    assert raised.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize("value", ["", "soon", "nan", "1e999"])
def test_what_should_be_a_number_and_is_none_is_refused(value: str) -> None:
    (row,) = recording(MARIADB, "healthy").rows
    with pytest.raises(CollectError, match="Seconds_Behind_Master is no number"):
        parse_channels([{**row, "Seconds_Behind_Master": value}])


def test_two_channels_that_would_be_one_series_are_refused() -> None:
    (row,) = recording(MARIADB, "healthy").rows
    with pytest.raises(CollectError, match="two channels are called 'default'"):
        parse_channels([row, {**row, "Connection_name": "default"}])


@pytest.mark.parametrize(
    ("told", "read_only"),
    [("0", False), ("1", True), ("OFF", False), ("ON", True), ("NO_LOCK_NO_ADMIN", True)],
)
def test_read_only_is_understood_in_every_spelling(told: str, read_only: bool) -> None:
    assert parse_server([{"version": "12.0", "read_only": told}]) == ServerState("12.0", read_only)


@pytest.mark.parametrize("rows", [[], [{"version": "", "read_only": "0"}], [{"version": "9"}], [{}, {}]])
def test_a_server_that_does_not_say_who_it_is_is_refused(rows: list[dict[str, str | None]]) -> None:
    with pytest.raises(CollectError, match="can't be read"):
        parse_server(rows)


def test_heartbeats_are_seconds_by_writer_and_may_be_negative_where_clocks_differ() -> None:
    rows: list[dict[str, str | None]] = [
        {"server_id": "1", "age": "1500000"},
        {"server_id": "2", "age": "-20000"},
    ]
    assert parse_heartbeats(rows) == {1: 1.5, 2: -0.02}


def test_a_heartbeat_without_a_readable_time_is_left_out_and_is_not_zero() -> None:
    assert parse_heartbeats([{"server_id": "1", "age": None}, {"server_id": "2", "age": "0"}]) == {2: 0.0}
