"""The channels of a replica, in all spellings; pure.

Columns: MySQL 8.4 Reference Manual, "SHOW REPLICA STATUS Statement" (5.7: "SHOW SLAVE STATUS Statement") and
"Performance Schema Replication Tables"; MariaDB KB, "SHOW REPLICA STATUS". With parallel appliers MySQL's
Last_SQL_Error says no more than that one of them stopped, and Replica_SQL_Running_State that others wait for
it: what it met is in replication_applier_status_by_worker, what it waits for in threads.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from collectors.mysql import gtid
from collectors.mysql.fields import MAX_ID, Facts, line, number, text, whole, wrong
from collectors.mysql.snapshot import Channel, LastError, Place, Workers
from collectors.mysql.states import waits_for_lock
from collectors.mysqlclient import Row
from dialtone.model import CollectError, CollectFailure

DEFAULT_CHANNEL: Final = "default"
"""Stands for the channel without a name: an empty label is no label in Prometheus."""

MAX_CHANNELS: Final = 256
"""The most that MySQL has (8.4 Reference Manual, "Replication Channels")."""

_MAX_NAME: Final = 64

# What MariaDB calls it and MySQL did before 8.0.22, and what MySQL has called it since.
_NAME: Final = ("Connection_name", "Channel_Name")
_SOURCE_ID: Final = ("Master_Server_Id", "Source_Server_Id")
_HOST: Final = ("Master_Host", "Source_Host")
_PORT: Final = ("Master_Port", "Source_Port")
_IO_RUNNING: Final = ("Slave_IO_Running", "Replica_IO_Running")
_SQL_RUNNING: Final = ("Slave_SQL_Running", "Replica_SQL_Running")
_IO_STATE: Final = ("Slave_IO_State", "Replica_IO_State")
_SQL_STATE: Final = ("Slave_SQL_Running_State", "Replica_SQL_Running_State", "Slave_SQL_State")
_LAG: Final = ("Seconds_Behind_Master", "Seconds_Behind_Source")
_READ_FILE: Final = ("Master_Log_File", "Source_Log_File")
_READ_POSITION: Final = ("Read_Master_Log_Pos", "Read_Source_Log_Pos")
_DONE_FILE: Final = ("Relay_Master_Log_File", "Relay_Source_Log_File")
_DONE_POSITION: Final = ("Exec_Master_Log_Pos", "Exec_Source_Log_Pos")


def parse_channels(
    rows: Iterable[Row],
    variables: Facts,
    *,
    workers: Iterable[Row] | None = None,
    links: Iterable[Row] = (),
) -> tuple[Channel, ...]:
    """Return the channels of SHOW ALL REPLICAS STATUS, SHOW REPLICA STATUS or SHOW SLAVE STATUS.

    `workers` and `links` are the rows of MySQL's performance schema, None where it has none or they can't be
    read. Raises CollectError where a column is missing, no number where one belongs, or where two
    channels would be the same series.
    """
    # A worker has a channel's name, and a row for each of them is a few hundred bytes.
    by_channel = None if workers is None else _by_channel(workers)
    link_of = _by_channel(links)
    threads = variables.whole("replica_parallel_workers", "slave_parallel_workers", "slave_parallel_threads")
    channels: list[Channel] = []
    for row in rows:
        name = _name(row)
        its = None if by_channel is None else by_channel.get(name, ())
        channels.append(_channel(row, name, threads, its, link_of.get(name, ())))
        if len(channels) > MAX_CHANNELS:
            raise CollectError(CollectFailure.TOO_LARGE, f"more than {MAX_CHANNELS} channels")
    names = [channel.name for channel in channels]
    if len(set(names)) < len(names):
        raise wrong(
            f"two channels are called {max(names, key=names.count)!r} (one may have no name); rename one"
        )
    return tuple(channels)


def _channel(
    row: Row, name: str, threads: int | None, workers: Sequence[Row] | None, link: Sequence[Row]
) -> Channel:
    io = text(row, *_IO_RUNNING)
    heartbeats, period = _heartbeats(link[0] if link else row)
    return Channel(
        name=name,
        source_id=_id(row),
        source_uuid=line(row.get("Source_UUID") or row.get("Master_UUID") or ""),
        source_address=_address(row),
        io_running=io == "Yes",
        # "Preparing" is MariaDB's: nothing arrives yet.
        connecting=io in ("Connecting", "Preparing"),
        sql_running=text(row, *_SQL_RUNNING) == "Yes",
        lag=_seconds(row, *_LAG),
        delay=_seconds(row, "SQL_Delay") or 0.0,
        io_error=_error(row, "Last_IO_Errno", "Last_IO_Error"),
        sql_error=_sql_error(row, workers or ()),
        io_state=line(text(row, *_IO_STATE)),
        applier_state=_locked(workers or ()) or line(text(row, *_SQL_STATE)),
        received=_transactions(row, "Gtid_IO_Pos", "Retrieved_Gtid_Set"),
        executed=_transactions(row, "Gtid_Slave_Pos", "Executed_Gtid_Set"),
        read_place=_place(row, _READ_FILE, _READ_POSITION),
        executed_place=_place(row, _DONE_FILE, _DONE_POSITION),
        relay_space=whole(row, "Relay_Log_Space"),
        workers=None if threads is None else _workers(threads, workers),
        source_heartbeats=heartbeats,
        heartbeat_period=period,
    )


def _name(row: Row) -> str:
    # Before 5.7 MySQL had one channel and no column for its name.
    name = text(row, *_NAME) if any(column in row for column in _NAME) else ""
    return line(name)[:_MAX_NAME] or DEFAULT_CHANNEL


def _seconds(row: Row, *columns: str) -> float | None:
    """Return a time that can't be negative: that a clock was set makes nobody early."""
    found = number(row, *columns)
    return None if found is None else max(0.0, found)


def _by_channel(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(line(text(row, "channel"))[:_MAX_NAME] or DEFAULT_CHANNEL, []).append(row)
    return found


def _id(row: Row) -> int:
    source = whole(row, *_SOURCE_ID)
    if source > MAX_ID:
        raise wrong(f"{_SOURCE_ID[0]} is no server_id")
    return source


def _address(row: Row) -> str:
    host = line(text(row, *_HOST))
    if not host:
        return ""
    return f"[{host}]:{whole(row, *_PORT)}" if ":" in host else f"{host}:{whole(row, *_PORT)}"


def _error(row: Row, code: str, words: str) -> LastError | None:
    found = whole(row, code)
    return LastError(found, line(text(row, words))) if found else None


def _sql_error(row: Row, workers: Iterable[Row]) -> LastError | None:
    told = _error(row, "Last_SQL_Errno", "Last_SQL_Error")
    if told is None:
        return None
    return next((error for worker in workers if (error := _error(worker, "code", "error"))), told)


def _locked(workers: Iterable[Row]) -> str:
    """Return the state of a worker that waits for a lock, "" where none does."""
    states = (line(worker.get("doing") or "") for worker in workers)
    return next((state for state in states if waits_for_lock(state)), "")


def _transactions(row: Row, *columns: str) -> str:
    found = next((row[column] for column in columns if column in row), None) or ""
    return found if len(found) <= gtid.MOST else ""


def _place(row: Row, files: Sequence[str], positions: Sequence[str]) -> Place | None:
    file = line(text(row, *files))
    return Place(file, whole(row, *positions)) if file else None


def _workers(threads: int, rows: Sequence[Row] | None) -> Workers:
    if rows is None:
        return Workers(threads)
    running = sum(text(row, "state") == "ON" for row in rows)
    at_work = [whole(row, "applying") for row in rows if "applying" in row]
    return Workers(threads, running, sum(at_work) if at_work or not rows else None)


def _heartbeats(row: Row) -> tuple[int | None, float | None]:
    """Return count and period, from a row of the performance schema or of MariaDB's channels."""
    for count, period in (("heartbeats", "period"), ("Slave_received_heartbeats", "Slave_heartbeat_period")):
        if count in row:
            return whole(row, count), number(row, period)
    return None, None
