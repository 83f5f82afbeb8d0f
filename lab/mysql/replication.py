"""Who may do what on the pair, and how the two follow each other."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from lab.base import LabError
from lab.mysql.server import LOOPBACK, Server
from lab.mysql.sql import connected

HEARTBEAT_TABLE: Final = "dialtone.heartbeat"
WATCHER: Final = "dialtone"
HEART: Final = "heartbeat"

_REPLICATION: Final = "replication"
_PAUSE: Final = 0.03

# The same on both sides and in no binary log, so that neither sends it to the other.
_SCHEMA: Final = (
    "SET SESSION sql_log_bin = 0",
    "CREATE SCHEMA dialtone",
    f"CREATE TABLE {HEARTBEAT_TABLE} (server_id INT UNSIGNED PRIMARY KEY, ts DATETIME(6) NOT NULL)",
)
_GRANTS: Final = (
    # SLAVE MONITOR allows SHOW ALL REPLICAS STATUS, BINLOG MONITOR SHOW BINLOG STATUS; since MariaDB
    # 10.5 REPLICATION CLIENT is not enough (mariadb.com/kb, GRANT).
    f"GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO {WATCHER}@'{LOOPBACK}'",
    f"GRANT SELECT ON {HEARTBEAT_TABLE} TO {WATCHER}@'{LOOPBACK}'",
    f"GRANT REPLICATION SLAVE ON *.* TO {_REPLICATION}@'{LOOPBACK}'",
    f"GRANT SELECT, INSERT, UPDATE ON {HEARTBEAT_TABLE} TO {HEART}@localhost",
)
_BEATS_OF: Final = f"SELECT ts FROM {HEARTBEAT_TABLE} WHERE server_id = %s"  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True, repr=False)
class Passwords:
    """The passwords of the pair's accounts, new for every lab."""

    watcher: str
    replication: str
    heart: str


async def make_accounts(server: Server, passwords: Passwords) -> None:
    """Make the heartbeat table and the accounts on one side. Raises LabError."""
    users = (
        (f"{WATCHER}@'{LOOPBACK}'", passwords.watcher),
        (f"{_REPLICATION}@'{LOOPBACK}'", passwords.replication),
        (f"{HEART}@localhost", passwords.heart),
    )
    async with connected(server.socket) as root:
        for statement in _SCHEMA:
            await root.rows(statement)
        for user, password in users:
            await root.rows(f"CREATE USER {user} IDENTIFIED BY %s", password)
        for statement in _GRANTS:
            await root.rows(statement)


async def follow(replica: Server, source_port: int, passwords: Passwords) -> None:
    """Make a server replicate from 127.0.0.1:source_port, by GTID. Raises LabError."""
    async with connected(replica.socket) as root:
        await root.rows(
            "CHANGE MASTER TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = %s, MASTER_PASSWORD = %s,"
            " MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 1",
            *(LOOPBACK, source_port, _REPLICATION, passwords.replication),
        )
        await root.rows("START REPLICA")


async def wait_until_replicating(replica: Server, deadline: float) -> None:
    """Return once both threads run. Raises LabError with the server's own words."""
    end = time.monotonic() + deadline
    async with connected(replica.socket) as root:
        while True:
            (row,) = await root.rows("SHOW REPLICA STATUS")
            if row["Slave_IO_Running"] == row["Slave_SQL_Running"] == "Yes":
                return
            if time.monotonic() >= end:
                why = row["Last_IO_Error"] or row["Last_SQL_Error"] or row["Slave_IO_State"]
                raise LabError(f"{replica.name} doesn't replicate after {deadline:.0f} s: {why}")
            await asyncio.sleep(_PAUSE)


async def wait_for_heartbeat(replica: Server, source: Server, deadline: float) -> None:
    """Return once a heartbeat of the source has come through to the replica. Raises LabError."""
    end = time.monotonic() + deadline
    async with connected(replica.socket) as root:
        while not await root.rows(_BEATS_OF, source.number):
            if time.monotonic() >= end:
                raise LabError(f"no heartbeat of {source.name} on {replica.name} after {deadline:.0f} s")
            await asyncio.sleep(_PAUSE)
