"""Every statement that is ever sent to a server: a closed list, all of them reading."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from collectors.mysql.grants import GRANTS
from collectors.mysql.snapshot import Flavour


class Part(StrEnum):
    """What a server is asked for beside itself; a part that can't be read is named so."""

    CHANNELS = "channels"
    PLACE = "place"
    WORKERS = "workers"
    LINKS = "links"
    REPLICAS = "replicas"
    HEARTBEAT = "heartbeat"


SERVER: Final = "SELECT VERSION() AS version, UTC_TIMESTAMP(6) AS now"
"""Who is there, and what time is it there: short, so that its round trip says much about the clock."""

ALL_REPLICAS: Final = "SHOW ALL REPLICAS STATUS"
"""MariaDB from 10.5.1. Without ALL, named channels are left out (seen on 10.11 and 11.8)."""

ALL_SLAVES: Final = "SHOW ALL SLAVES STATUS"
"""MariaDB before 10.5.1."""

REPLICA: Final = "SHOW REPLICA STATUS"
"""MySQL from 8.0.22: all channels."""

SLAVE: Final = "SHOW SLAVE STATUS"
"""MySQL before 8.0.22; from 8.4 a syntax error."""

BINLOG_STATUS: Final = "SHOW BINLOG STATUS"
"""MariaDB from 10.5.2; needs BINLOG MONITOR."""

BINARY_LOG_STATUS: Final = "SHOW BINARY LOG STATUS"
"""MySQL from 8.2."""

MASTER_STATUS: Final = "SHOW MASTER STATUS"
"""Both before that; on MySQL from 8.4 a syntax error."""

_WORKER: Final = (
    "SELECT CHANNEL_NAME AS channel, SERVICE_STATE AS state,"
    " LAST_ERROR_NUMBER AS code, LAST_ERROR_MESSAGE AS error"
)
_APPLYING: Final = "APPLYING_TRANSACTION <> '' AS applying"
_DOING: Final = "PROCESSLIST_STATE AS doing"
_BY_WORKER: Final = "FROM performance_schema.replication_applier_status_by_worker"
_THREADS: Final = "LEFT JOIN performance_schema.threads USING (THREAD_ID)"

WORKERS: Final = f"{_WORKER}, {_APPLYING}, {_DOING} {_BY_WORKER} {_THREADS} LIMIT 1024"
"""MySQL from 8.0: the threads that apply, whose own errors and waits SHOW REPLICA STATUS only hints at.

Other than the processlist, `threads` is read without a lock (8.4 Reference Manual, "The threads Table").
"""

OLD_WORKERS: Final = f"{_WORKER}, {_DOING} {_BY_WORKER} {_THREADS} LIMIT 1024"
"""MySQL 5.7, which doesn't say whether they are at work."""

WORKERS_ALONE: Final = (
    f"{_WORKER}, {_APPLYING} {_BY_WORKER} LIMIT 1024",
    f"{_WORKER} {_BY_WORKER} LIMIT 1024",
)
"""The same where the threads can't be read."""

LINKS: Final = (
    "SELECT s.CHANNEL_NAME AS channel, s.COUNT_RECEIVED_HEARTBEATS AS heartbeats,"
    " c.HEARTBEAT_INTERVAL AS period FROM performance_schema.replication_connection_status AS s"
    " JOIN performance_schema.replication_connection_configuration AS c USING (CHANNEL_NAME) LIMIT 256"
)
"""MySQL: replication's own heartbeats; MariaDB has them among its channels."""

DUMPS: Final = (
    "SELECT COUNT(*) AS replicas FROM performance_schema.threads"
    " WHERE PROCESSLIST_COMMAND IN ('Binlog Dump', 'Binlog Dump GTID')"
)
"""MySQL: the replicas that are connected; MariaDB has a status variable for that."""

_VARIABLES: Final = (
    *("server_id", "server_uuid", "read_only", "super_read_only", "log_bin", "performance_schema"),
    *("auto_increment_increment", "auto_increment_offset"),
    *("gtid_executed", "gtid_binlog_pos", "gtid_current_pos"),
    *("slave_net_timeout", "replica_net_timeout", "slave_parallel_threads"),
    *("slave_parallel_workers", "replica_parallel_workers"),
    *("slave_skip_errors", "replica_skip_errors", "slave_exec_mode", "replica_exec_mode"),
    *("rpl_semi_sync_master_enabled", "rpl_semi_sync_source_enabled"),
    *("rpl_semi_sync_slave_enabled", "rpl_semi_sync_replica_enabled"),
    *("wsrep_provider", "wsrep_desync", "wsrep_on", "wsrep_reject_queries"),
)
_STATUS: Final = (
    *("Uptime", "Slaves_connected", "Slave_skipped_errors"),
    *("Rpl_semi_sync_master_status", "Rpl_semi_sync_source_status"),
    *("Rpl_semi_sync_master_clients", "Rpl_semi_sync_source_clients"),
    *("Rpl_semi_sync_master_no_tx", "Rpl_semi_sync_source_no_tx"),
    *("Rpl_semi_sync_slave_status", "Rpl_semi_sync_replica_status"),
    *("wsrep_cluster_status", "wsrep_cluster_size", "wsrep_cluster_conf_id", "wsrep_cluster_state_uuid"),
    *("wsrep_incoming_addresses", "wsrep_local_index", "wsrep_local_state_comment", "wsrep_ready"),
    *("wsrep_connected", "wsrep_last_committed", "wsrep_local_recv_queue", "wsrep_local_send_queue"),
    *("wsrep_flow_control_paused_ns", "wsrep_flow_control_sent", "wsrep_flow_control_recv"),
    *("wsrep_flow_control_requested", "wsrep_local_cert_failures", "wsrep_local_bf_aborts"),
)


def _where(names: Sequence[str]) -> str:
    return f"WHERE Variable_name IN ({', '.join(repr(name) for name in names)})"


VARIABLES: Final = f"SHOW GLOBAL VARIABLES {_where(_VARIABLES)}"
"""Old and new names: a server leaves out what it doesn't know."""

STATUS: Final = f"SHOW GLOBAL STATUS {_where(_STATUS)}"

SPELLINGS: Final[dict[tuple[Flavour, Part], tuple[str, ...]]] = {
    (Flavour.MARIADB, Part.CHANNELS): (ALL_REPLICAS, ALL_SLAVES),
    (Flavour.MARIADB, Part.PLACE): (BINLOG_STATUS, MASTER_STATUS),
    (Flavour.MYSQL, Part.CHANNELS): (REPLICA, SLAVE),
    (Flavour.MYSQL, Part.PLACE): (BINARY_LOG_STATUS, MASTER_STATUS),
    (Flavour.MYSQL, Part.WORKERS): (WORKERS, OLD_WORKERS),
    (Flavour.MYSQL, Part.LINKS): (LINKS,),
    (Flavour.MYSQL, Part.REPLICAS): (DUMPS,),
}
"""How to ask for a part, the newest words first: the first that the server understands is its own."""

FIXED: Final = frozenset({SERVER, VARIABLES, STATUS, GRANTS}.union(WORKERS_ALONE, *SPELLINGS.values()))

HEARTBEATS: Final = 4096
"""Most heartbeat rows taken; a row is a server that writes, or did once."""

# Unquoted identifiers, without the full range that backticks would allow: nothing here can be SQL.
_IDENTIFIER: Final = r"[A-Za-z_][A-Za-z0-9_$]{0,63}"
_TABLE: Final = re.compile(rf"({_IDENTIFIER})\.({_IDENTIFIER})")


def heartbeat_statement(table: str) -> str:
    """Return the query for heartbeats and the server's own UTC clock.

    `table` is schema.table with the columns server_id and ts: ours, or that of pt-heartbeat. Raises
    ValueError for anything else than two plain identifiers.
    """
    return (
        "SELECT server_id, LEFT(ts, 41) AS ts, UTC_TIMESTAMP(6) AS now"  # noqa: S608 - a checked name
        f" FROM {quoted_table(table)} LIMIT {HEARTBEATS}"
    )


def quoted_table(table: str) -> str:
    """Return schema.table as SQL takes it. Raises ValueError for anything else than two plain identifiers."""
    match = _TABLE.fullmatch(table)
    if match is None:
        raise ValueError(f"{table[:80]!r} is not a table; write SCHEMA.TABLE like dialtone.heartbeat")
    return f"`{match[1]}`.`{match[2]}`"
