"""Rows into one frozen snapshot; pure, tested on recordings of MariaDB 10.11 and 11.8 and MySQL 9.7."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collectors.mysqlclient import Row
from dialtone.model import CollectError, CollectFailure

DEFAULT_CHANNEL: Final = "default"
"""Stands for the channel without a name: an empty label is no label in Prometheus."""

_MAX_NAME: Final = 64
_MICROSECOND: Final = 1e-6
_OFF: Final = frozenset({"0", "OFF"})

# What MariaDB calls it, what MySQL has called it since 8.0.22 and, where it differs, before.
_NAME: Final = ("Connection_name", "Channel_Name")
_SOURCE_ID: Final = ("Master_Server_Id", "Source_Server_Id")
_IO_RUNNING: Final = ("Slave_IO_Running", "Replica_IO_Running")
_SQL_RUNNING: Final = ("Slave_SQL_Running", "Replica_SQL_Running")
_LAG: Final = ("Seconds_Behind_Master", "Seconds_Behind_Source")


@dataclass(frozen=True, slots=True)
class Channel:
    """One stream of changes from a source.

    `lag` is Seconds_Behind_..., in seconds; None where the server says NULL, that is when it can't
    know: a thread stands still. `delay` is the lag that is meant (SQL_Delay), in seconds. `source`
    is the server_id of the source, 0 as long as it was never reached. Error numbers are 0 and texts
    "" where there is none.
    """

    name: str
    source: int
    io_running: bool
    sql_running: bool
    lag: float | None
    delay: float
    io_errno: int
    io_error: str
    sql_errno: int
    sql_error: str


@dataclass(frozen=True, slots=True)
class ServerState:
    """What a server says of itself."""

    version: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class MysqlSnapshot:
    """One poll. `heartbeats` are ages in seconds by the writer's server_id.

    `channels` is empty on a server that is nobody's replica. An age is by the polled server's own
    clock, so that it is off by as much as the clocks are, and may be negative.
    """

    server: ServerState
    channels: tuple[Channel, ...]
    heartbeats: Mapping[int, float]


def parse_server(rows: Sequence[Row]) -> ServerState:
    """Return who is there. Raises CollectError where the reply isn't one row with the two."""
    if len(rows) != 1:
        raise _wrong(f"{len(rows)} rows about the server itself")
    version = _text(rows[0], ("version",))
    if not version:
        raise _wrong("no version")
    # MySQL and MariaDB say 0 or 1; MariaDB 12 has more words than OFF and ON for it.
    return ServerState(version, _text(rows[0], ("read_only",)).upper() not in _OFF)


def parse_channels(rows: Iterable[Row]) -> tuple[Channel, ...]:
    """Return the channels of SHOW ALL REPLICAS STATUS, SHOW REPLICA STATUS or SHOW SLAVE STATUS.

    Raises CollectError where a column is missing, no number where one belongs, or where two
    channels would be the same series.
    """
    channels = tuple(_channel(row) for row in rows)
    names = [channel.name for channel in channels]
    if len(set(names)) < len(names):
        raise _wrong(
            f"two channels are called {max(names, key=names.count)!r} (one may have no name); rename one"
        )
    return channels


def parse_heartbeats(rows: Iterable[Row]) -> dict[int, float]:
    """Return ages in seconds by server_id; a row without a readable time is left out. Raises CollectError."""
    ages = {_whole(row, ("server_id",)): _number(row, ("age",)) for row in rows}
    return {server: age * _MICROSECOND for server, age in ages.items() if age is not None}


def _channel(row: Row) -> Channel:
    # Before 5.7 MySQL had one channel and no column for its name.
    name = _text(row, _NAME) if any(column in row for column in _NAME) else ""
    return Channel(
        name=name[:_MAX_NAME] or DEFAULT_CHANNEL,
        source=_whole(row, _SOURCE_ID),
        # "Connecting" and MariaDB's "Preparing" are attempts: nothing arrives.
        io_running=_text(row, _IO_RUNNING) == "Yes",
        sql_running=_text(row, _SQL_RUNNING) == "Yes",
        lag=_number(row, _LAG),
        delay=_number(row, ("SQL_Delay",)) or 0.0,
        io_errno=_whole(row, ("Last_IO_Errno",)),
        io_error=_text(row, ("Last_IO_Error",)),
        sql_errno=_whole(row, ("Last_SQL_Errno",)),
        sql_error=_text(row, ("Last_SQL_Error",)),
    )


def _value(row: Row, columns: Sequence[str]) -> str | None:
    for column in columns:
        if column in row:
            return row[column]
    raise _wrong(f"no column {' or '.join(columns)}")


def _text(row: Row, columns: Sequence[str]) -> str:
    return _value(row, columns) or ""


def _number(row: Row, columns: Sequence[str]) -> float | None:
    value = _value(row, columns)
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(f"{columns[0]} is no number")
    return number


def _whole(row: Row, columns: Sequence[str]) -> int:
    return int(_number(row, columns) or 0)


def _wrong(what: str) -> CollectError:
    return CollectError(CollectFailure.PROTOCOL, f"the server's reply can't be read: {what}")
