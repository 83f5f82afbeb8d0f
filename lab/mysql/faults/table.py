"""The faults that are produced, what must be said of each, and the healthy phases in which nothing may be."""

from typing import Final

from dialtone.model import Trouble
from lab.mysql.faults import acts, phases
from lab.mysql.faults.case import EVERY, SELDOM, Act, Case, Phase, Says, says

_LATE: Final = frozenset({Trouble.LATE})
_STOP_SQL: Final = acts.statements("db2", ["STOP REPLICA SQL_THREAD"], ["START REPLICA"])
_STOP_IO: Final = acts.statements("db2", ["STOP REPLICA IO_THREAD"], ["START REPLICA"])
_STOP: Final = acts.statements("db2", ["STOP REPLICA"], ["START REPLICA"])
_STOP_LEAF: Final = acts.statements("db3", ["STOP REPLICA SQL_THREAD"], ["START REPLICA"])
_STOP_WEST: Final = acts.statements(
    "hub", ["STOP REPLICA 'west' SQL_THREAD"], ["START REPLICA 'west' SQL_THREAD"]
)
_DESYNC: Final = acts.variable("g3", "wsrep_desync", "ON", "OFF")
_SQL_STOPPED: Final = (says(Trouble.SQL_STOPPED, "db2", channel="default"),)

FAULTS: Final[tuple[Case, ...]] = (
    # A primary and its replica
    Case("the SQL thread is stopped", "pair", _STOP_SQL, _SQL_STOPPED),
    Case(
        "the I/O thread is stopped", "pair", _STOP_IO, (says(Trouble.IO_STOPPED, "db2", channel="default"),)
    ),
    Case(
        "the I/O thread is killed",
        "pair",
        acts.killed_thread("db2", "Slave_IO"),
        (says(Trouble.IO_STOPPED, "db2", channel="default"),),
    ),
    Case(
        "both threads are stopped",
        "pair",
        _STOP,
        (says(Trouble.IO_STOPPED, "db2"), says(Trouble.SQL_STOPPED, "db2")),
    ),
    Case(
        "the replica's password is wrong", "pair", acts.wrong_password("db2"), (says(Trouble.IO_AUTH, "db2"),)
    ),
    Case(
        "the primary dies",
        "pair",
        acts.killed("db1"),
        (says(Trouble.MEMBER_DOWN, "db1"), says(Trouble.IO_UNREACHABLE, "db2")),
        frozenset({Trouble.NO_WRITER}),
    ),
    Case("the replica dies", "pair", acts.killed("db2"), (says(Trouble.MEMBER_DOWN, "db2"),)),
    Case(
        "the replica hangs (SIGSTOP)", "pair", acts.frozen("db2"), (says(Trouble.MEMBER_DOWN, "db2"),), _LATE
    ),
    Case("the link is cut", "pair", acts.link("db2", "cut"), (says(Trouble.IO_UNREACHABLE, "db2"),)),
    Case(
        "the link is blackholed",
        "pair",
        acts.link("db2", "blackhole"),
        (says(Trouble.LINK_SILENT, "db2", channel="default"),),
        _LATE,
        every=SELDOM,
    ),
    Case(
        "the binary log was purged too early",
        "pair",
        acts.purged("db2", "db1"),
        (says(Trouble.BINLOG_PURGED, "db2"),),
    ),
    Case(
        "a row is missing on the replica",
        "pair",
        acts.missing_row("db2", "db1"),
        (says(Trouble.ROW_MISSING, "db2"),),
    ),
    Case(
        "a row is there already", "pair", acts.row_twice("db2", "db1"), (says(Trouble.DUPLICATE_KEY, "db2"),)
    ),
    Case(
        "a table is missing on the replica",
        "pair",
        acts.no_table("db2", "db1"),
        (says(Trouble.SQL_ERROR, "db2"),),
    ),
    Case(
        "a long lock holds up the replica",
        "pair",
        acts.locked("db2", "db1"),
        (says(Trouble.APPLIER_BLOCKED, "db2", channel="default"),),
        _LATE,
    ),
    Case(
        "a statement that is slow on the replica",
        "pair",
        acts.slow_statement("db1", 12),
        (says(Trouble.LATE, "db2"),),
        every=SELDOM,
    ),
    Case(
        "the heartbeat writer dies",
        "pair",
        acts.no_heart("db1"),
        (says(Trouble.HEARTBEAT_STOPPED, "db1"),),
        every=SELDOM,
    ),
    Case(
        "the replica's clock is 5 s ahead",
        "pair",
        acts.wrong_clock("db2", 5),
        (says(Trouble.CLOCK_SKEW, "db2"),),
    ),
    Case(
        "the primary's clock is 5 s behind",
        "pair",
        acts.wrong_clock("db1", -5),
        (says(Trouble.CLOCK_SKEW, "db1"),),
    ),
    Case(
        "the replica takes writes",
        "pair",
        acts.writable("db2", True),
        (says(Trouble.REPLICA_WRITABLE, "db2"),),
    ),
    Case("the primary takes no writes", "pair", acts.writable("db1", False), (says(Trouble.NO_WRITER),)),
    Case(
        "the replica has forgotten its source",
        "pair",
        acts.forgotten("db2"),
        (says(Trouble.NOT_REPLICATING, "db2"),),
        frozenset({Trouble.REPLICA_WRITABLE}),
    ),
    Case(
        "the replica skips errors",
        "pair",
        acts.variable("db2", "slave_exec_mode", "IDEMPOTENT", "STRICT"),
        (says(Trouble.ERRORS_SKIPPED, "db2"),),
    ),
    # A chain, and several sources
    Case("the middle of a chain stands still", "chain", _STOP_SQL, _SQL_STOPPED, _LATE),
    Case(
        "the last link of a chain is blackholed",
        "chain",
        acts.link("db3", "blackhole"),
        (says(Trouble.LINK_SILENT, "db3"),),
        _LATE,
        every=SELDOM,
    ),
    Case(
        "one channel of two stands still",
        "sources",
        _STOP_WEST,
        (says(Trouble.SQL_STOPPED, "hub", channel="west"),),
    ),
    Case(
        "one link of two is blackholed",
        "sources",
        acts.link("hub", "blackhole", "east"),
        (says(Trouble.LINK_SILENT, "hub", channel="east"),),
        _LATE,
        every=SELDOM,
    ),
    Case(
        "a delayed replica's link is cut",
        "delayed",
        acts.link("db2", "cut"),
        (says(Trouble.IO_UNREACHABLE, "db2"),),
    ),
    # Active and passive
    Case("both take writes", "standby", acts.writable("db2", True), (says(Trouble.TWO_WRITERS),)),
    Case("none takes writes", "standby", acts.writable("db1", False), (says(Trouble.NO_WRITER),)),
    Case(
        "the active one dies",
        "standby",
        acts.killed("db1"),
        (says(Trouble.MEMBER_DOWN, "db1"), says(Trouble.NO_WRITER)),
        frozenset({Trouble.IO_UNREACHABLE}),
    ),
    Case(
        "the passive one doesn't follow any more",
        "standby",
        acts.forgotten("db2"),
        (says(Trouble.NOT_REPLICATING, "db2"),),
    ),
    # Both are written to
    Case(
        "both gave the same key",
        "writers",
        acts.quarrel("db1", "db2"),
        (says(Trouble.DUPLICATE_KEY, "db1"), says(Trouble.DUPLICATE_KEY, "db2")),
    ),
    Case(
        "auto_increment settings collide",
        "writers",
        acts.variable("db2", "auto_increment_offset", "1", "2"),
        (says(Trouble.AUTO_INCREMENT_COLLISION),),
    ),
    Case(
        "duplicate keys are skipped",
        "writers",
        acts.variable("db1", "slave_exec_mode", "IDEMPOTENT", "STRICT"),
        (says(Trouble.ERRORS_SKIPPED, "db1"),),
    ),
    # Galera
    Case(
        "a node dies",
        "galera",
        acts.killed("g3"),
        (says(Trouble.MEMBER_DOWN, "g3"), says(Trouble.CLUSTER_SMALL)),
    ),
    Case(
        "a node hangs (SIGSTOP)",
        "galera",
        acts.frozen("g3"),
        (says(Trouble.MEMBER_DOWN, "g3"), says(Trouble.CLUSTER_SMALL)),
        frozenset({Trouble.FLOW_CONTROL}),
    ),
    Case(
        "a node is isolated",
        "galera",
        acts.isolated_node("g3"),
        (says(Trouble.NON_PRIMARY, "g3"), says(Trouble.CLUSTER_SMALL)),
    ),
    Case(
        "split brain",
        "galera",
        acts.split("g3"),
        (says(Trouble.SPLIT_BRAIN),),
        frozenset({Trouble.CLUSTER_SMALL}),
    ),
    Case(
        "the majority is lost",
        "galera",
        acts.lost_majority("g1", "g2", "g3"),
        (
            says(Trouble.NON_PRIMARY, "g1"),
            says(Trouble.MEMBER_DOWN, "g2"),
            says(Trouble.MEMBER_DOWN, "g3"),
            says(Trouble.NO_WRITER),
        ),
        frozenset({Trouble.CLUSTER_SMALL}),
    ),
    Case(
        "a node holds up the cluster", "galera", acts.held_up("g3", "g1"), (says(Trouble.FLOW_CONTROL, "g3"),)
    ),
    Case("a node is desynced", "galera", _DESYNC, (says(Trouble.DESYNCED, "g3"),)),
    Case(
        "two nodes change the same rows",
        "galera",
        acts.conflicts("g1", "g2"),
        (says(Trouble.CERTIFICATION_FAILURES, "g1", "g2"),),
        frozenset({Trouble.FLOW_CONTROL}),
    ),
    # Other servers
    Case("11.8: the SQL thread is stopped", "mariadb-11", _STOP_SQL, _SQL_STOPPED),
    Case(
        "11.8: the link is blackholed",
        "mariadb-11",
        acts.link("db2", "blackhole"),
        (says(Trouble.LINK_SILENT, "db2"),),
        _LATE,
        every=SELDOM,
    ),
    Case(
        "11.8: a row is missing on the replica",
        "mariadb-11",
        acts.missing_row("db2", "db1"),
        (says(Trouble.ROW_MISSING, "db2"),),
    ),
    Case("MySQL: the SQL thread is stopped", "mysql-9", _STOP_SQL, _SQL_STOPPED),
    Case(
        "MySQL: the I/O thread is stopped",
        "mysql-9",
        _STOP_IO,
        (says(Trouble.IO_STOPPED, "db2"),),
        frozenset({Trouble.SEMI_SYNC_OFF}),
    ),
    Case(
        "MySQL: the password is wrong",
        "mysql-9",
        acts.wrong_password("db2"),
        (says(Trouble.IO_AUTH, "db2"),),
        frozenset({Trouble.SEMI_SYNC_OFF}),
    ),
    Case(
        "MySQL: the link is blackholed",
        "mysql-9",
        acts.link("db2", "blackhole"),
        (says(Trouble.LINK_SILENT, "db2"),),
        frozenset({Trouble.LATE, Trouble.SEMI_SYNC_OFF}),
        every=SELDOM,
    ),
    Case(
        "MySQL: a row is there already",
        "mysql-9",
        acts.row_twice("db2", "db1"),
        (says(Trouble.DUPLICATE_KEY, "db2"),),
    ),
    Case(
        "MySQL: a long lock holds up the workers",
        "mysql-9",
        acts.locked("db2", "db1"),
        (says(Trouble.APPLIER_BLOCKED, "db2"),),
        _LATE,
    ),
    Case(
        "MySQL: a transaction of the replica's own",
        "mysql-9",
        acts.own_transaction("db2", "db1"),
        (says(Trouble.ERRANT_TRANSACTIONS, "db2"),),
        frozenset({Trouble.REPLICA_WRITABLE}),
    ),
    Case(
        "MySQL: semi-sync has fallen back",
        "mysql-9",
        acts.link("db2", "cut"),
        (says(Trouble.SEMI_SYNC_OFF, "db1"), says(Trouble.IO_UNREACHABLE, "db2")),
        every=SELDOM,
    ),
)


def _healthy(
    name: str,
    stage: str,
    phase: Phase,
    act: Act = _STOP_SQL,
    expected: tuple[Says, ...] = _SQL_STOPPED,
    every: float = EVERY,
) -> Case:
    return Case(name, stage, act, expected, _LATE, phase, every)


PHASES: Final[tuple[Case, ...]] = (
    _healthy("nothing happens", "pair", phases.idle),
    _healthy(
        "the replica is restarted",
        "pair",
        phases.restarted("db2"),
        _STOP_IO,
        (says(Trouble.IO_STOPPED, "db2"),),
    ),
    _healthy("the primary is restarted", "pair", phases.restarted("db1")),
    _healthy("the binary log is rotated", "pair", phases.told("db1", "FLUSH BINARY LOGS", times=5)),
    _healthy("the relay log is rotated", "pair", phases.told("db2", "FLUSH RELAY LOGS", times=5)),
    _healthy("a thread that sends logs is killed", "pair", phases.dump_thread_killed("db1")),
    _healthy(
        "the replica is stopped and started", "pair", phases.told("db2", "STOP REPLICA", "START REPLICA")
    ),
    _healthy(
        "the heartbeat writer is restarted",
        "pair",
        phases.heart_restarted("db1"),
        acts.no_heart("db1"),
        (says(Trouble.HEARTBEAT_STOPPED, "db1"),),
        every=SELDOM,
    ),
    _healthy(
        "a table is locked briefly",
        "pair",
        phases.locked_briefly("db2", "db1"),
        acts.locked("db2", "db1"),
        (says(Trouble.APPLIER_BLOCKED, "db2"),),
    ),
    _healthy(
        "a big transaction, under the threshold",
        "pair",
        phases.big_transaction("db1", 1.5),
        acts.slow_statement("db1", 12),
        (says(Trouble.LATE, "db2"),),
        every=SELDOM,
    ),
    _healthy("a burst of writes", "pair", phases.burst("db1")),
    _healthy(
        "the link is cut for a moment",
        "pair",
        phases.link_cut_briefly("db2"),
        acts.link("db2", "cut"),
        (says(Trouble.IO_UNREACHABLE, "db2"),),
    ),
    _healthy("the replica follows anew", "pair", phases.rebuilt("db2")),
    _healthy(
        "the schema is changed",
        "pair",
        phases.told(
            "db1",
            "CREATE TABLE dialtone_lab.fresh (id INT PRIMARY KEY)",
            "ALTER TABLE dialtone_lab.fresh ADD COLUMN name VARCHAR(20)",
            "DROP TABLE dialtone_lab.fresh",
        ),
    ),
    _healthy("tables are flushed for a backup", "pair", phases.told("db2", "FLUSH TABLES", times=3)),
    _healthy("a replica is delayed on purpose", "delayed", phases.idle),
    _healthy("writes for a delayed replica", "delayed", phases.burst("db1", rows=300)),
    _healthy("a chain at rest", "chain", phases.idle, _STOP_LEAF, (says(Trouble.SQL_STOPPED, "db3"),)),
    _healthy(
        "two sources are written to",
        "sources",
        phases.burst("east", "west", rows=500),
        _STOP_WEST,
        (says(Trouble.SQL_STOPPED, "hub", channel="west"),),
    ),
    _healthy(
        "a planned switch, and back",
        "standby",
        phases.switched("db1", "db2"),
        acts.writable("db2", True),
        (says(Trouble.TWO_WRITERS),),
    ),
    _healthy("the passive one is restarted", "standby", phases.restarted("db2")),
    _healthy(
        "both are written to",
        "writers",
        phases.burst("db1", "db2", rows=500),
        acts.variable("db2", "auto_increment_offset", "1", "2"),
        (says(Trouble.AUTO_INCREMENT_COLLISION),),
    ),
    _healthy("a cluster at rest", "galera", phases.idle, _DESYNC, (says(Trouble.DESYNCED, "g3"),)),
    _healthy(
        "a node leaves and joins again",
        "galera",
        phases.left_and_joined("g3"),
        _DESYNC,
        (says(Trouble.DESYNCED, "g3"),),
    ),
    _healthy(
        "a burst of writes in a cluster",
        "galera",
        phases.burst("g1", rows=500),
        _DESYNC,
        (says(Trouble.DESYNCED, "g3"),),
    ),
    _healthy(
        "the schema of a cluster is changed",
        "galera",
        phases.told(
            "g1",
            "CREATE TABLE dialtone_lab.fresh (id INT PRIMARY KEY)",
            "ALTER TABLE dialtone_lab.fresh ADD COLUMN name VARCHAR(20)",
            "DROP TABLE dialtone_lab.fresh",
        ),
        _DESYNC,
        (says(Trouble.DESYNCED, "g3"),),
    ),
    _healthy("11.8 at rest", "mariadb-11", phases.idle),
    _healthy("11.8: the replica is restarted", "mariadb-11", phases.restarted("db2")),
    _healthy("MySQL at rest", "mysql-9", phases.idle),
    _healthy("MySQL: the replica is restarted", "mysql-9", phases.restarted("db2")),
    _healthy("MySQL: the binary log is rotated", "mysql-9", phases.told("db1", "FLUSH BINARY LOGS", times=5)),
    _healthy("MySQL: a burst of writes", "mysql-9", phases.burst("db1", rows=1000)),
)
