"""What a server says of itself: variables, status, its clock and its heartbeats."""

from collections.abc import Mapping, Sequence

import pytest

from collectors.mysql.fields import Facts, instant
from collectors.mysql.parse_heartbeats import in_local_time, parse_heartbeats
from collectors.mysql.parse_server import flavour_of, parse_clock, parse_server, parse_version
from collectors.mysql.snapshot import ClockReading, Flavour, Heartbeat, Server
from collectors.mysqlclient import Row, Timed
from dialtone.model import CollectError, CollectFailure

A = "a43003cc-e6cd-11f1-a6ea-02fc00000001"
NOON = 1772366400.0
"""2026-03-01 12:00:00 UTC."""


def facts(**values: str) -> Facts:
    """Rows of a name and a value."""
    return Facts([{"Variable_name": name, "Value": value} for name, value in values.items()])


def server(
    version: str = "8.4.3",
    status: Mapping[str, str] | None = None,
    place: Sequence[Row] = (),
    variables: Mapping[str, str] | None = None,
    **more: str,
) -> Server:
    """A server with these variables."""
    told = {"server_id": "7", "read_only": "OFF", **(variables or {}), **more}
    return parse_server(version, facts(**told), facts(**status or {}), ClockReading(0.0, 0.0), place=place)


@pytest.mark.parametrize(
    ("told", "read_only"),
    [("0", False), ("1", True), ("OFF", False), ("ON", True), ("NO_LOCK_NO_ADMIN", True)],
)
def test_read_only_is_understood_in_every_spelling(told: str, read_only: bool) -> None:
    found = server(read_only=told)
    assert (found.read_only, found.writable) == (read_only, not read_only)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"version": "", "now": "2026-03-01 12:00:00"}],
        [{"version": None}],
        [{"now": "2026-03-01 12:00:00"}],
        [{}, {}],
    ],
)
def test_a_server_that_does_not_say_who_it_is_is_refused(rows: list[Row]) -> None:
    with pytest.raises(CollectError, match="can't be read") as raised:
        parse_version(rows)
    assert raised.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize(
    "variables",
    [
        {"server_id": "7"},
        {"read_only": "OFF"},
        {"server_id": "", "read_only": "OFF"},
        {"server_id": "4294967296", "read_only": "OFF"},
        {"server_id": "-1", "read_only": "OFF"},
        {"server_id": "seven", "read_only": "OFF"},
        {"server_id": "7", "read_only": "OFF", "auto_increment_increment": "many"},
        {"server_id": "7", "read_only": "OFF", "slave_net_timeout": "inf"},
    ],
)
def test_variables_that_make_no_sense_are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(CollectError) as raised:
        parse_server("8.4.3", facts(**variables), facts(), ClockReading(0.0, 0.0))
    assert raised.value.failure is CollectFailure.PROTOCOL


def test_a_server_that_says_the_least_has_nothing_made_up() -> None:
    found = server()
    assert (found.super_read_only, found.replicas, found.skipped, found.uptime) == (None,) * 4
    assert (found.net_timeout, found.semi_sync, found.place) == (None,) * 3
    assert (found.gtid, found.skips, found.increment, found.offset) == ("", "", 1, 1)


@pytest.mark.parametrize(
    ("version", "variables", "flavour"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", {}, Flavour.MARIADB),
        ("5.5.5-10.3.39-mariadb", {}, Flavour.MARIADB),
        ("8.0.0-ours", {"gtid_binlog_pos": ""}, Flavour.MARIADB),
        ("9.7.4-2", {}, Flavour.MYSQL),
        ("5.7.44-log", {}, Flavour.MYSQL),
        ("8.0.36-28.1", {"wsrep_provider": "x"}, Flavour.MYSQL),
    ],
)
def test_whose_server_it_is_shows_in_what_it_has_and_not_in_its_name_alone(
    version: str, variables: dict[str, str], flavour: Flavour
) -> None:
    assert flavour_of(version, facts(**variables)) is flavour


@pytest.mark.parametrize(
    ("variables", "skips"),
    [
        ({"slave_skip_errors": "OFF", "slave_exec_mode": "STRICT"}, ""),
        ({"slave_skip_errors": "1062"}, "slave_skip_errors=1062"),
        (
            {"replica_skip_errors": "ddl_exist_errors", "slave_skip_errors": "x"},
            "replica_skip_errors=ddl_exist_errors",
        ),
        ({"slave_exec_mode": "IDEMPOTENT", "slave_skip_errors": "OFF"}, "slave_exec_mode=IDEMPOTENT"),
        (
            {"replica_skip_errors": "all", "replica_exec_mode": "IDEMPOTENT"},
            "replica_skip_errors=all, replica_exec_mode=IDEMPOTENT",
        ),
    ],
)
def test_a_setting_that_lets_errors_pass_is_named(variables: dict[str, str], skips: str) -> None:
    assert server(variables=variables).skips == skips


def test_semi_sync_that_is_switched_on_may_not_hold() -> None:
    found = server(
        rpl_semi_sync_source_enabled="ON",
        status={
            "Rpl_semi_sync_source_status": "OFF",
            "Rpl_semi_sync_source_clients": "0",
            "Rpl_semi_sync_source_no_tx": "17",
        },
    ).semi_sync
    assert found is not None
    assert (found.source_enabled, found.source_active, found.clients, found.unacknowledged) == (
        True,
        False,
        0,
        17,
    )
    assert not found.replica_enabled


def test_mariadb_has_what_it_wrote_and_what_it_applied() -> None:
    found = server("10.11.1-MariaDB", gtid_binlog_pos="0-7-9,2-7-4", gtid_current_pos="0-1-12,1-3-1")
    assert found.gtid == "0-1-12,1-3-1,2-7-4"


def test_a_set_that_show_variables_cuts_off_is_taken_from_elsewhere_or_not_at_all() -> None:
    cut = (f"{A}:1-9:" + "11:" * 600)[:1024]
    place: list[Row] = [{"File": "b.1", "Position": "4", "Executed_Gtid_Set": f"{A}:1-99"}]
    assert server(gtid_executed=cut, place=place).gtid == f"{A}:1-99"
    assert server(gtid_executed=cut).gtid == ""
    assert server(gtid_executed=f"{A}:1-9", place=place).gtid == f"{A}:1-9"


def test_a_clock_is_read_in_the_middle_of_the_round_trip() -> None:
    rows: list[Row] = [{"version": "x", "now": "2026-03-01 12:00:05.500000"}]
    reading = parse_clock(Timed(rows, NOON, NOON + 0.2))
    assert reading is not None
    assert reading.offset == pytest.approx(5.4)
    assert reading.error == pytest.approx(0.1)


def test_a_clock_of_ours_that_was_set_back_meanwhile_gives_no_negative_error() -> None:
    reading = parse_clock(Timed([{"now": "2026-03-01 12:00:00"}], NOON, NOON - 5.0))
    assert reading is not None
    assert reading.error == 0.0


@pytest.mark.parametrize("now", [None, "", "noon", "0000-00-00 00:00:00", "2026-03-01 12:00:00" + "0" * 40])
def test_a_server_without_a_time_is_refused(now: str | None) -> None:
    with pytest.raises(CollectError, match="no time"):
        parse_clock(Timed([{"now": now}], NOON, NOON))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01 12:00:00", NOON),
        ("2026-03-01 12:00:00.250000", NOON + 0.25),
        ("2026-03-01T12:00:00.250000", NOON + 0.25),
        ("2026-03-01T14:00:00+02:00", NOON),
        ("9999-12-31 23:59:59.999999", 253402300799.999999),
        ("0000-00-00 00:00:00", None),
        ("2026-02-30 12:00:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_as_they_are_written(text: str | None, seconds: float | None) -> None:
    assert instant(text) == seconds


def beat(server_id: str, ts: str | None, now: str | None = "2026-03-01 12:00:01.500000") -> Row:
    """A heartbeat row."""
    return {"server_id": server_id, "ts": ts, "now": now}


def test_heartbeats_have_their_time_and_an_age_that_may_be_negative() -> None:
    rows = [beat("1", "2026-03-01 12:00:00.000000"), beat("2", "2026-03-01T12:00:01.750000")]
    assert parse_heartbeats(rows) == {1: Heartbeat(NOON, 1.5), 2: Heartbeat(NOON + 1.75, -0.25)}


@pytest.mark.parametrize(
    "row", [beat("1", None), beat("1", "0000-00-00"), beat("1", ""), beat("0", "2026-03-01 12:00:00")]
)
def test_a_heartbeat_without_a_readable_time_or_writer_is_left_out_and_is_not_zero(row: Row) -> None:
    fresh = beat("2", "2026-03-01 12:00:01.500000")
    assert parse_heartbeats([row, fresh]) == {2: Heartbeat(NOON + 1.5, 0.0)}


def test_of_two_rows_of_a_writer_the_newer_counts() -> None:
    rows = [beat("1", f"2026-03-01 12:00:0{second}") for second in (0, 1, 0)]
    assert parse_heartbeats(rows)[1].written == NOON + 1


@pytest.mark.parametrize(
    "row",
    [beat("me", "2026-03-01"), beat("-1", "2026-03-01"), beat("1", "2026-03-01", None), {"server_id": "1"}],
)
def test_a_heartbeat_table_of_another_kind_is_refused(row: Row) -> None:
    with pytest.raises(CollectError, match="can't be read"):
        parse_heartbeats([row])


@pytest.mark.parametrize(
    ("age", "goes_on", "local"),
    [
        (0.4, True, False),
        (18000.4, True, True),
        (-7199.8, True, True),
        (20700.2, True, True),
        (900.3, True, True),
        (18000.4, False, False),
        (450.0, True, False),
        (18300.0, True, False),
    ],
)
def test_a_row_that_goes_on_hours_away_is_in_local_time(age: float, goes_on: bool, local: bool) -> None:
    own = Heartbeat(NOON - age, age)
    before = Heartbeat(own.written - (1.0 if goes_on else 0.0), age)
    assert in_local_time(own, before) is local
    assert not in_local_time(own, None)
    assert not in_local_time(None, before)
