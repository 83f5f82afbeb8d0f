"""What is published of a MySQL or MariaDB server: tables from the snapshot to metrics."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from collectors.mysql.parse import Channel, MysqlSnapshot
from dialtone.model import Kind, MetricDef, Sample


def _gauge(name: str, text: str, *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(f"mysql_{name}", Kind.GAUGE, text, ("node", *labels), unit=unit)


_READ_ONLY = _gauge("read_only", "Whether the server refuses writes (1) or takes them (0)")
_HEARTBEAT_LAG = _gauge(
    "replication_heartbeat_lag_seconds",
    "Age of the newest heartbeat of the server whose server_id is source, by this server's clock",
    "source",
    unit="seconds",
)
_ERRNO = _gauge(
    "replication_last_errno",
    "Number of the last error of a replica thread (io or sql), 0 without one",
    "channel",
    "thread",
)

# None publishes nothing.
_CHANNEL: Final[tuple[tuple[MetricDef, Callable[[Channel], float | None]], ...]] = (
    (
        _gauge(
            "replication_io_running",
            "Whether the thread that receives changes runs; 0 also while it tries to connect",
            "channel",
        ),
        lambda channel: channel.io_running,
    ),
    (
        _gauge("replication_sql_running", "Whether the thread that applies changes runs", "channel"),
        lambda channel: channel.sql_running,
    ),
    (
        _gauge(
            "replication_lag_seconds",
            "Lag as the replica itself reckons it; 0 over a link that silently died, absent while unknown",
            "channel",
            unit="seconds",
        ),
        lambda channel: channel.lag,
    ),
    (
        _gauge(
            "replication_lag_known",
            "Whether the replica knows its lag (1) or says NULL (0), because a thread stands still",
            "channel",
        ),
        lambda channel: channel.lag is not None,
    ),
    (
        _gauge(
            "replication_sql_delay_seconds",
            "Lag that is meant: how long the replica is told to wait before it applies",
            "channel",
            unit="seconds",
        ),
        lambda channel: channel.delay,
    ),
)
_ERRNOS: Final[tuple[tuple[str, Callable[[Channel], int]], ...]] = (
    ("io", lambda channel: channel.io_errno),
    ("sql", lambda channel: channel.sql_errno),
)

METRICS: Final = (_READ_ONLY, *(metric for metric, _ in _CHANNEL), _ERRNO, _HEARTBEAT_LAG)
"""All that this collector publishes, for the catalogue."""


def samples(node: str, snapshot: MysqlSnapshot, at: datetime) -> tuple[Sample, ...]:
    """Return the samples of one poll."""
    return tuple(_samples(node, snapshot, at))


def _samples(node: str, snapshot: MysqlSnapshot, at: datetime) -> Iterator[Sample]:
    yield _READ_ONLY.sample(node, value=float(snapshot.server.read_only), at=at)
    for channel in snapshot.channels:
        for metric, value_of in _CHANNEL:
            value = value_of(channel)
            if value is not None:
                yield metric.sample(node, channel.name, value=float(value), at=at)
        for thread, errno_of in _ERRNOS:
            yield _ERRNO.sample(node, channel.name, thread, value=float(errno_of(channel)), at=at)
    for source, age in snapshot.heartbeats.items():
        yield _HEARTBEAT_LAG.sample(node, str(source), value=age, at=at)
