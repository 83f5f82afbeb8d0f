"""What is published of a MySQL or MariaDB server: tables from the snapshot to metrics."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

from collectors.mysql import gtid
from collectors.mysql.metrics_galera import GALERA, GALERA_STATE, galera_state
from collectors.mysql.metrics_tables import Table, gauge, total
from collectors.mysql.snapshot import Channel, MysqlSnapshot, SemiSync, Server
from dialtone.model import Sample

_T = TypeVar("_T")
_Lags: TypeAlias = Mapping[str, float | None]

_MOST_BEATS: Final = 64
"""Writers of heartbeats that have series of their own: a table keeps the rows of servers that are gone."""

_INFO: Final = gauge("server_info", "Whose server it is and which version; always 1", "version", "flavour")
_HEARTBEAT_LAG: Final = gauge(
    "replication_heartbeat_lag_seconds",
    "Age of the newest heartbeat of the server whose server_id is source, by this server's clock",
    "source",
    unit="seconds",
)
_TRUE_LAG: Final = gauge(
    "replication_true_lag_seconds",
    "Lag by the source's heartbeats and clock, without the delay that is meant; absent while unknown",
    "channel",
    unit="seconds",
)
_ERROR: Final = gauge(
    "replication_last_error",
    "The error that a replica thread (io or sql) met last, by its number; absent without one",
    *("channel", "thread", "code"),
)
_WORKERS: Final = gauge(
    "replication_workers",
    "Threads that apply changes in parallel: configured, running, and applying something now",
    *("channel", "state"),
)

_SERVER: Final[Table[Server]] = (
    (
        gauge("read_only", "Whether the server refuses writes (1) or takes them (0)"),
        lambda server: server.read_only,
    ),
    (
        gauge("super_read_only", "Whether it refuses writes of administrators too; absent on MariaDB"),
        lambda server: server.super_read_only,
    ),
    (
        gauge("replicas_connected", "Replicas that receive changes from this server"),
        lambda server: server.replicas,
    ),
    (
        gauge("uptime_seconds", "How long the server has run", unit="seconds"),
        lambda server: server.uptime,
    ),
    (
        gauge("clock_offset_seconds", "How far the server's clock is ahead of ours", unit="seconds"),
        lambda server: server.clock.offset,
    ),
    (
        gauge(
            "clock_offset_error_seconds",
            "How far off the clock offset may be: half the round trip it was read in",
            unit="seconds",
        ),
        lambda server: server.clock.error,
    ),
    (
        gauge("auto_increment_increment", "Step between two values of AUTO_INCREMENT"),
        lambda server: server.increment,
    ),
    (
        gauge("auto_increment_offset", "Where AUTO_INCREMENT starts within a step"),
        lambda server: server.offset,
    ),
    (
        gauge("replication_skips_errors", "Whether a setting lets the replica skip errors"),
        lambda server: bool(server.skips),
    ),
    (
        total("replication_skipped_errors_total", "Errors that replication has skipped; absent on MySQL"),
        lambda server: server.skipped,
    ),
)
_SEMI_SYNC: Final[Table[SemiSync]] = (
    (
        gauge("semi_sync_source_enabled", "Whether commits are to wait for a replica"),
        lambda semi_sync: semi_sync.source_enabled,
    ),
    (
        gauge("semi_sync_source_active", "Whether commits wait for a replica now"),
        lambda semi_sync: semi_sync.source_active,
    ),
    (
        gauge("semi_sync_clients", "Replicas that acknowledge what they received"),
        lambda semi_sync: semi_sync.clients,
    ),
    (
        total("semi_sync_unacknowledged_total", "Commits that no replica acknowledged in time"),
        lambda semi_sync: semi_sync.unacknowledged,
    ),
    (
        gauge("semi_sync_replica_enabled", "Whether the replica is to acknowledge what it receives"),
        lambda semi_sync: semi_sync.replica_enabled,
    ),
    (
        gauge("semi_sync_replica_active", "Whether the replica acknowledges what it receives now"),
        lambda semi_sync: semi_sync.replica_active,
    ),
)
_CHANNEL: Final[Table[Channel]] = (
    (
        gauge(
            "replication_io_running",
            "Whether the thread that receives changes runs; 0 also while it tries to connect",
            "channel",
        ),
        lambda channel: channel.io_running,
    ),
    (
        gauge("replication_sql_running", "Whether the thread that applies changes runs", "channel"),
        lambda channel: channel.sql_running,
    ),
    (
        gauge(
            "replication_lag_seconds",
            "Lag as the replica itself reckons it; 0 over a link that silently died, absent while unknown",
            "channel",
            unit="seconds",
        ),
        lambda channel: channel.lag,
    ),
    (
        gauge(
            "replication_lag_known",
            "Whether the replica knows its lag (1) or says NULL (0), because a thread stands still",
            "channel",
        ),
        lambda channel: channel.lag is not None,
    ),
    (
        gauge(
            "replication_sql_delay_seconds",
            "Lag that is meant: how long the replica is told to wait before it applies",
            "channel",
            unit="seconds",
        ),
        lambda channel: channel.delay,
    ),
    (
        gauge(
            "replication_position_gap_bytes",
            "Bytes of the source's binary log that are received and not applied; absent across two files",
            "channel",
            unit="bytes",
        ),
        lambda channel: _position_gap(channel),
    ),
    (
        gauge(
            "replication_relay_gap_transactions",
            "Transactions that are received and not applied, by GTID; absent without GTIDs",
            "channel",
        ),
        lambda channel: _relay_gap(channel),
    ),
    (
        gauge("replication_relay_space_bytes", "Size of the relay logs together", "channel", unit="bytes"),
        lambda channel: channel.relay_space,
    ),
    (
        total(
            "replication_source_heartbeats_total",
            "Heartbeats of replication itself, which a source sends while it has no changes",
            "channel",
        ),
        lambda channel: channel.source_heartbeats,
    ),
)

METRICS: Final = (
    _INFO,
    *(metric for metric, _ in _SERVER),
    *(metric for metric, _ in _SEMI_SYNC),
    *(metric for metric, _ in _CHANNEL),
    *(_TRUE_LAG, _ERROR, _WORKERS, _HEARTBEAT_LAG),
    *(metric for metric, _ in GALERA),
    GALERA_STATE,
)
"""All that this collector publishes, for the catalogue."""


def samples(node: str, snapshot: MysqlSnapshot, lags: _Lags, at: datetime) -> Iterator[Sample]:
    """Yield the samples of one poll; `lags` are true lags by channel."""
    server = snapshot.server
    yield _INFO.sample(node, server.version, server.flavour, value=1.0, at=at)
    yield from _rows(_SERVER, server, (node,), at)
    if server.semi_sync is not None:
        yield from _rows(_SEMI_SYNC, server.semi_sync, (node,), at)
    for channel in snapshot.channels:
        yield from _of_channel(node, channel, lags.get(channel.name), at)
    beats = sorted((snapshot.heartbeats or {}).items(), key=lambda item: item[1].written, reverse=True)
    for source, heartbeat in beats[:_MOST_BEATS]:
        yield _HEARTBEAT_LAG.sample(node, str(source), value=heartbeat.age, at=at)
    if snapshot.galera is not None:
        yield from _rows(GALERA, snapshot.galera, (node,), at)
        yield GALERA_STATE.sample(node, galera_state(snapshot.galera), value=1.0, at=at)


def _of_channel(node: str, channel: Channel, lag: float | None, at: datetime) -> Iterator[Sample]:
    labels = (node, channel.name)
    yield from _rows(_CHANNEL, channel, labels, at)
    if lag is not None:
        yield _TRUE_LAG.sample(*labels, value=lag, at=at)
    for thread, error in (("io", channel.io_error), ("sql", channel.sql_error)):
        if error is not None:
            yield _ERROR.sample(*labels, thread, str(error.code), value=1.0, at=at)
    if (workers := channel.workers) is not None:
        for state, threads in (
            ("configured", workers.configured),
            ("running", workers.running),
            ("applying", workers.applying),
        ):
            if threads is not None:
                yield _WORKERS.sample(*labels, state, value=float(threads), at=at)


def _rows(table: Table[_T], of: _T, labels: tuple[str, ...], at: datetime) -> Iterator[Sample]:
    for metric, value_of in table:
        value = value_of(of)
        if value is not None:
            yield metric.sample(*labels, value=float(value), at=at)


def _position_gap(channel: Channel) -> float | None:
    read, executed = channel.read_place, channel.executed_place
    if read is None or executed is None or read.file != executed.file:
        return None
    return max(0, read.position - executed.position)


def _relay_gap(channel: Channel) -> float | None:
    return gtid.missing(channel.executed, channel.received) if channel.received else None
