"""What is wrong with a channel: each state that a server can show, one cause at a time."""

from typing import Any

import pytest

from collectors.mysql.topology.channels import IO_TROUBLES, SQL_TROUBLES
from dialtone.model import CheckState, Impact, TopologyKind, TopologyState, Trouble
from tests.unit.mysql.topology.stories import Story, bad, check, doubted, outcome, recorded
from tests.unit.mysql.topology.views import channel, error, place, snapshot, topology

CONNECTING: dict[str, Any] = {
    "io_running": False,
    "connecting": True,
    "lag": None,
    "io_state": "Connecting to master",
}
STOPPED: dict[str, Any] = {"io_running": False, "lag": None, "io_state": ""}
SQL_STOPPED: dict[str, Any] = {"sql_running": False, "lag": None, "applier_state": ""}
LOCKED = "Waiting for table metadata lock"


def story(kind: TopologyKind = TopologyKind.PRIMARY_REPLICA, lag: float = 60.0) -> Story:
    """A source that was polled once."""
    told = Story(topology(kind, lag=lag))
    told.poll("db1", snapshot(1))
    return told


def replica(at: float = 0.0, **fields: Any) -> Any:
    """A reading of db2, whose channel from db1 is like this."""
    return snapshot(2, at=at, channels=[channel(1, **fields)], writable=False)


def polled(*readings: Any) -> TopologyState:
    """Poll db2 as often; return how it ends."""
    told = story()
    for reading in readings:
        told.poll("db2", reading)
    return told.state


def test_a_channel_that_works_has_every_check_and_all_are_fine() -> None:
    state = polled(replica(), replica(15, read_place=place(200), executed_place=place(200)))
    of_channel = {one.trouble for one in state.checks if one.channel == "default"}
    assert of_channel == {
        *IO_TROUBLES,
        *SQL_TROUBLES,
        Trouble.APPLIER_BLOCKED,
        Trouble.LINK_SILENT,
        Trouble.LATE,
    }
    assert doubted(state) == set()
    assert all(one.detail == "" for one in state.checks)


@pytest.mark.parametrize(
    ("code", "text", "trouble"),
    [
        (1045, "Access denied for user 'repl'@'10.0.0.2' (using password: YES)", Trouble.IO_AUTH),
        (1130, "Host '10.0.0.2' is not allowed to connect to this MariaDB server", Trouble.IO_AUTH),
        (1227, "Access denied; you need REPLICATION SLAVE", Trouble.IO_AUTH),
        (2061, "Authentication requires secure connection.", Trouble.IO_AUTH),
        (3118, "Access denied for user 'repl'. Account is locked.", Trouble.IO_AUTH),
        (2003, "Can't connect to server on '10.0.0.1' (111)", Trouble.IO_UNREACHABLE),
        (2005, "Unknown server host 'db1' (-2)", Trouble.IO_UNREACHABLE),
        (2013, "Lost connection to server", Trouble.IO_UNREACHABLE),
        (1040, "Too many connections", Trouble.IO_UNREACHABLE),
        (2026, "TLS/SSL error: unexpected eof while reading", Trouble.IO_UNREACHABLE),
        (2026, "SSL connection error: certificate verify failed", Trouble.IO_ERROR),
        (1236, "Could not find first log file name in binary log index file", Trouble.BINLOG_PURGED),
        (1236, "Impossible de trouver le fichier", Trouble.BINLOG_PURGED),
        (13114, "Cannot replicate because the source purged required binary logs.", Trouble.BINLOG_PURGED),
        (1236, "log event entry exceeded max_allowed_packet", Trouble.IO_ERROR),
        (1236, "A slave with the same server_uuid/server_id as this slave has connected", Trouble.IO_ERROR),
        (1236, "it probably means that the slave has diverged", Trouble.IO_ERROR),
        (1236, "Client requested master to start replication from position > file size", Trouble.IO_ERROR),
        (1593, "The slave I/O thread stops because master and slave have equal server ids", Trouble.IO_ERROR),
    ],
)
def test_a_receiver_that_gave_up_has_one_cause_at_once(code: int, text: str, trouble: Trouble) -> None:
    state = polled(replica(**STOPPED | {"io_error": error(code, text)}))
    assert bad(state) == {(trouble, "db2")}
    found = check(state, trouble, "db2")
    assert found is not None
    assert found.detail == f"the receiver from 10.0.0.1:3306 gave up: {code}: {text}"
    others = [outcome(state, other, "db2") for other in IO_TROUBLES if other is not trouble]
    assert others == [CheckState.FINE] * 4


def test_a_stopped_receiver_is_trouble_when_it_lasts() -> None:
    assert outcome(polled(replica(), replica(**STOPPED)), Trouble.IO_STOPPED) is CheckState.SUSPECT
    assert bad(polled(replica(), replica(**STOPPED), replica(**STOPPED))) == {(Trouble.IO_STOPPED, "db2")}


def test_a_receiver_that_can_t_connect_is_trouble_by_the_second_poll_whatever_it_said_at_the_first() -> None:
    refused = replica(**CONNECTING | {"io_error": error(1045)})
    assert bad(polled(replica(), refused)) == set()
    assert bad(polled(replica(), refused, refused)) == {(Trouble.IO_AUTH, "db2")}
    assert bad(polled(replica(), replica(**CONNECTING), refused)) == {(Trouble.IO_AUTH, "db2")}
    silent = polled(replica(), replica(**CONNECTING), replica(**CONNECTING))
    assert bad(silent) == {(Trouble.IO_UNREACHABLE, "db2")}


def test_a_source_that_restarts_between_two_polls_is_no_trouble() -> None:
    told = story()
    told.poll("db2", replica())
    seen = [
        told.poll("db2", replica(15, **CONNECTING | {"io_error": error(2003)})),
        told.poll("db1", snapshot(1, at=16, uptime=1.0)),
        told.poll("db2", replica(30)),
        told.poll("db1", snapshot(1, at=31, uptime=16.0)),
    ]
    assert [bad(state) for state in seen] == [set()] * 4
    assert doubted(told.state) == set()


def test_a_cause_that_becomes_another_is_no_longer_the_first() -> None:
    seen = polled(
        replica(**CONNECTING | {"io_error": error(2003)}),
        replica(**CONNECTING | {"io_error": error(2003)}),
        replica(**CONNECTING | {"io_error": error(1045)}),
    )
    assert bad(seen) == {(Trouble.IO_AUTH, "db2")}


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (1032, Trouble.ROW_MISSING),
        (1062, Trouble.DUPLICATE_KEY),
        (1146, Trouble.SQL_ERROR),
        (13121, Trouble.SQL_ERROR),
    ],
)
def test_an_applier_that_gave_up_has_one_cause_at_once(code: int, trouble: Trouble) -> None:
    state = polled(replica(**SQL_STOPPED | {"sql_error": error(code)}))
    assert bad(state) == {(trouble, "db2")}
    others = [outcome(state, other, "db2") for other in SQL_TROUBLES if other is not trouble]
    assert others == [CheckState.FINE] * 3


def test_a_stopped_applier_is_trouble_when_it_lasts() -> None:
    stopped = replica(**SQL_STOPPED)
    assert bad(polled(replica(), stopped)) == set()
    assert bad(polled(replica(), stopped, stopped)) == {(Trouble.SQL_STOPPED, "db2")}


def test_an_error_that_is_over_is_none() -> None:
    state = polled(replica(io_error=error(2003), sql_error=error(1205)))
    assert doubted(state) == set()


def test_the_text_of_an_error_is_one_short_line() -> None:
    state = polled(replica(**SQL_STOPPED | {"sql_error": error(1146, "no\ntable\x1b[31m " + "x" * 5000)}))
    found = check(state, Trouble.SQL_ERROR, "db2")
    assert found is not None
    assert found.detail.startswith("the applier gave up: 1146: no table [31m xxx")
    assert found.detail.isprintable()
    assert len(found.detail) < 350


def test_channels_of_several_sources_are_judged_each_on_its_own() -> None:
    told = Story(topology(TopologyKind.PRIMARY_REPLICA, "db1", "db2"))
    broken = channel(3, name="west", **SQL_STOPPED | {"sql_error": error(1062)})
    told.poll("db2", snapshot(2, channels=[channel(1, name="east"), broken], writable=False))
    assert [(one.trouble, one.channel) for one in told.state.troubles] == [(Trouble.DUPLICATE_KEY, "west")]


def test_a_broken_channel_between_two_that_take_writes_hurts_at_once() -> None:
    told = Story(topology(TopologyKind.MULTI_PRIMARY))
    told.poll("db2", replica(**SQL_STOPPED | {"sql_error": error(1062)}))
    assert told.state.impact is Impact.HURT
    assert polled(replica(**SQL_STOPPED | {"sql_error": error(1062)})).impact is Impact.EXPOSED


def test_a_channel_that_was_given_another_source_has_no_past() -> None:
    told = story()
    told.poll("db2", replica(applier_state=LOCKED, lag=4.0, source_address="10.0.0.9:3306"))
    told.poll("db2", replica(15, applier_state=LOCKED, lag=4.0))
    assert outcome(told.state, Trouble.APPLIER_BLOCKED) is CheckState.FINE


def blocked(at: float, state: str = LOCKED, done: int = 100) -> Any:
    """A reading of db2 whose applier waits."""
    return replica(
        at, applier_state=state, read_place=place(9000 + int(at)), executed_place=place(done), lag=4.0
    )


@pytest.mark.parametrize(
    "state",
    [
        LOCKED,
        "Waiting for table level lock",
        "Waiting for global read lock",
        "Waiting for commit lock",
        "Waiting for backup lock",
        "Waiting for stored procedure metadata lock",
        "Waiting for table flush",
        "Waiting for tables",
        "User lock",
    ],
)
def test_an_applier_that_waits_for_a_lock_and_gets_nowhere_is_blocked_by_the_second_poll(state: str) -> None:
    first = polled(replica(), blocked(15, state))
    assert outcome(first, Trouble.APPLIER_BLOCKED) is CheckState.SUSPECT
    assert bad(polled(replica(), blocked(15, state), blocked(30, state))) == {
        (Trouble.APPLIER_BLOCKED, "db2")
    }


def test_an_applier_that_had_work_before_the_lock_is_blocked_by_the_second_poll_too() -> None:
    seen = polled(replica(), blocked(15, done=150), blocked(30, done=150))
    assert bad(seen) == {(Trouble.APPLIER_BLOCKED, "db2")}


def test_an_applier_that_meets_locks_but_gets_on_is_not_blocked() -> None:
    told = story()
    for turn in range(6):
        told.poll("db2", blocked(15.0 * turn, done=100 + turn))
        assert outcome(told.state, Trouble.APPLIER_BLOCKED) is CheckState.FINE


@pytest.mark.parametrize(
    "state",
    [
        "Waiting until MASTER_DELAY seconds after master executed event",
        "Waiting until SOURCE_DELAY seconds after source executed event",
        "Update_rows_log_event::ha_update_row(-1) on table `users`",
        "System lock",
        "Waiting for prior transaction to commit",
        "Waiting for dependent transaction to commit",
        "Waiting for room in worker thread event queue",
        "Slave has read all relay log; waiting for more updates",
        "altering table",
    ],
)
def test_an_applier_that_is_busy_or_told_to_wait_is_not_blocked(state: str) -> None:
    assert doubted(polled(blocked(0, state), blocked(15, state), blocked(30, state))) == set()


def test_nothing_left_to_apply_is_nothing_to_be_blocked_at() -> None:
    idle = [replica(15.0 * turn, applier_state=LOCKED) for turn in range(3)]
    assert outcome(polled(*idle), Trouble.APPLIER_BLOCKED) is CheckState.FINE


def test_a_blocked_applier_is_blocked_no_more_once_it_gets_on() -> None:
    told = story()
    for turn in range(3):
        told.poll("db2", blocked(15.0 * turn))
    assert bad(told.state) == {(Trouble.APPLIER_BLOCKED, "db2")}
    assert doubted(told.poll("db2", replica(45, lag=0.0, executed_place=place(9030)))) == set()


def test_a_late_replica_says_by_whose_word() -> None:
    told = story(lag=5.0)
    told.poll("db2", replica(lag=8.0))
    assert outcome(told.state, Trouble.LATE) is CheckState.SUSPECT
    told.poll("db2", replica(15, lag=8.0))
    found = check(told.state, Trouble.LATE)
    assert found is not None
    assert (found.state, found.value) == (CheckState.BAD, 8.0)
    assert found.detail == "8.0 s behind db1, by its own word"


def test_a_late_replica_that_says_it_is_not_is_late_by_the_heartbeat() -> None:
    told = Story(topology(lag=5.0), beat=1.0)
    for at in (0.0, 15.0):
        told.poll("db2", snapshot(2, at=at, beats={1: at - 9.5}, channels=[channel(1)], writable=False))
        told.poll("db1", snapshot(1, at=at + 1, beats={1: at + 1}))
    told.poll("db2", snapshot(2, at=30, beats={1: 20.5}, channels=[channel(1)], writable=False))
    found = check(told.state, Trouble.LATE)
    assert found is not None
    assert found.state is CheckState.BAD
    assert found.detail == "9.5 s behind db1, by the heartbeat of db1; the replica itself says 0 s"


def test_a_replica_at_the_end_of_a_chain_is_late_by_the_heartbeat_of_the_one_that_wrote_it() -> None:
    told = Story(topology(TopologyKind.PRIMARY_REPLICA, "db1", "db2", "db3"), beat=1.0)
    for at in (0.0, 300.0, 315.0):
        stuck = channel(1, **SQL_STOPPED) if at else channel(1)
        told.poll("db1", snapshot(1, at=at, beats={1: at}))
        told.poll("db2", snapshot(2, at=at, beats={1: 0.0}, channels=[stuck], writable=False))
        told.poll("db3", snapshot(3, at=at, beats={1: 0.0}, channels=[channel(2)], writable=False))
    found = check(told.state, Trouble.LATE, "db3")
    assert found is not None
    assert found.state is CheckState.BAD
    assert (
        found.detail == "315.0 s behind db1, over db2, by the heartbeat of db1; the replica itself says 0 s"
    )


def test_the_old_heartbeat_of_a_source_that_is_none_of_ours_makes_nobody_late() -> None:
    told = Story(topology(TopologyKind.STANDALONE, "db2"), beat=1.0)
    for at in (600.0, 615.0, 630.0):
        told.poll("db2", snapshot(2, at=at, beats={9: 0.0}, channels=[channel(9)], writable=False))
        assert outcome(told.state, Trouble.LATE) is CheckState.FINE
    for at in (645.0, 660.0, 675.0):
        told.poll("db2", snapshot(2, at=at, beats={9: at - 600}, channels=[channel(9)], writable=False))
    assert outcome(told.state, Trouble.LATE) is CheckState.BAD


def test_a_replica_that_is_as_late_as_it_is_meant_to_be_is_in_time() -> None:
    told = story(lag=5.0)
    for at in (0.0, 15.0, 30.0):
        told.poll("db2", replica(at, lag=3605.0, delay=3600.0))
        assert doubted(told.state) == set()
    for at in (45.0, 60.0):
        told.poll("db2", replica(at, lag=3700.0, delay=3600.0))
    assert bad(told.state) == {(Trouble.LATE, "db2")}


def test_lag_is_not_judged_while_a_thread_stands_still() -> None:
    assert check(polled(replica(**SQL_STOPPED)), Trouble.LATE) is None
    assert check(polled(replica(**CONNECTING)), Trouble.LATE) is None
    told = Story(topology(lag=5.0), beat=1.0)
    for at in (0.0, 15.0):
        told.poll("db1", snapshot(1, at=at, beats={1: at}))
        broken = channel(1, **SQL_STOPPED | {"sql_error": error(1062)})
        told.poll("db2", snapshot(2, at=at, beats={1: -60.0}, channels=[broken], writable=False))
    assert told.state.links[0].lag == 75.0
    assert bad(told.state) == {(Trouble.DUPLICATE_KEY, "db2")}


@pytest.mark.parametrize(
    ("server", "state", "trouble"),
    [
        ("mariadb-10.11", "sql_thread_stopped", Trouble.SQL_STOPPED),
        ("mariadb-11.8", "sql_thread_stopped", Trouble.SQL_STOPPED),
        ("mysql-9.7", "sql_thread_stopped", Trouble.SQL_STOPPED),
        ("mariadb-10.11", "io_thread_stopped", Trouble.IO_STOPPED),
        ("mysql-9.7", "io_thread_stopped", Trouble.IO_STOPPED),
        ("mariadb-10.11", "io_access_denied_1045", Trouble.IO_AUTH),
        ("mariadb-10.11", "primary_killed_connecting", Trouble.IO_UNREACHABLE),
        ("mariadb-10.11", "blackhole_12s", Trouble.IO_UNREACHABLE),
        ("mysql-9.7", "network_blackhole", Trouble.IO_UNREACHABLE),
        ("mariadb-10.11", "io_fatal_1236_purged", Trouble.BINLOG_PURGED),
        ("mariadb-10.11", "sql_error_1032", Trouble.ROW_MISSING),
        ("mysql-9.7", "sql_error_1062", Trouble.DUPLICATE_KEY),
        ("mariadb-10.11", "dup_1062_a", Trouble.DUPLICATE_KEY),
        ("mariadb-10.11", "applier_blocked_by_lock", Trouble.APPLIER_BLOCKED),
    ],
)
def test_what_real_servers_say_in_trouble_is_told_by_the_second_poll(
    server: str, state: str, trouble: Trouble
) -> None:
    told = Story(topology(TopologyKind.STANDALONE, "db2"))
    told.poll("db2", recorded(server, state))
    told.poll("db2", recorded(server, state, at=0.5))
    assert bad(told.state) == {(trouble, "db2")}


def test_both_threads_of_a_real_server_stopped_are_both_told() -> None:
    told = Story(topology(TopologyKind.STANDALONE, "db2"))
    told.poll("db2", recorded("mariadb-10.11", "stopped_both"))
    told.poll("db2", recorded("mariadb-10.11", "stopped_both", at=15))
    assert bad(told.state) == {(Trouble.IO_STOPPED, "db2"), (Trouble.SQL_STOPPED, "db2")}


def test_of_two_real_channels_the_stopped_one_is_told() -> None:
    told = Story(topology(TopologyKind.STANDALONE, "db2"))
    told.poll("db2", recorded("mariadb-10.11", "west_stopped"))
    told.poll("db2", recorded("mariadb-10.11", "west_stopped", at=15))
    assert {one.channel for one in told.state.troubles} == {"west"}


@pytest.mark.parametrize(
    ("server", "state"),
    [
        ("mariadb-10.11", "healthy"),
        ("mariadb-11.8", "healthy"),
        ("mysql-9.7", "healthy"),
        ("mariadb-10.11", "delayed_6s_steady"),
        ("mariadb-11.8", "delayed_5s"),
        ("mysql-9.7", "delayed_5s"),
        ("mariadb-10.11", "primary_healthy"),
        ("mysql-9.7", "source_healthy"),
        ("mariadb-10.11", "two_named_channels"),
        ("mariadb-10.11", "not_a_replica"),
        ("mariadb-10.11", "active_passive_passive"),
        ("mariadb-10.11", "simultaneous_ok_a"),
    ],
)
def test_what_real_servers_say_in_health_raises_nothing(server: str, state: str) -> None:
    told = Story(topology(TopologyKind.STANDALONE, "db2"))
    for turn in range(3):
        told.poll("db2", recorded(server, state, at=0.5 * turn))
        assert doubted(told.state) == set()
