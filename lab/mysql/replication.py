"""Who may do what on a server, and how it follows another one."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from lab.base import LabError
from lab.mysql.server import LOOPBACK
from lab.mysql.sql import connected

HEARTBEAT_TABLE: Final = "dialtone.heartbeat"
WATCHER: Final = "dialtone"
HEART: Final = "heartbeat"

_REPLICATION: Final = "replication"
_PASSWORD_BYTES: Final = 24
_PAUSE: Final = 0.03

# The same on all servers and in no binary log, so that none sends it to another.
_UNLOGGED: Final = "SET SESSION sql_log_bin = 0"
_SCHEMA: Final = (
    "CREATE SCHEMA dialtone",
    f"CREATE TABLE {HEARTBEAT_TABLE} (server_id INT UNSIGNED PRIMARY KEY, ts DATETIME(6) NOT NULL)",
)
_GRANTS: Final = (
    f"GRANT SELECT ON {HEARTBEAT_TABLE} TO {WATCHER}@'{LOOPBACK}'",
    f"GRANT REPLICATION SLAVE ON *.* TO {_REPLICATION}@'{LOOPBACK}'",
    f"GRANT SELECT, INSERT, UPDATE ON {HEARTBEAT_TABLE} TO {HEART}@localhost",
)
_WATCHES_MARIADB: Final = (
    # SLAVE MONITOR allows SHOW ALL REPLICAS STATUS, BINLOG MONITOR SHOW BINLOG STATUS; since MariaDB
    # 10.5 REPLICATION CLIENT is not enough (mariadb.com/kb, GRANT).
    f"GRANT SLAVE MONITOR, BINLOG MONITOR ON *.* TO {WATCHER}@'{LOOPBACK}'",
)
_WATCHES_MYSQL: Final = (
    f"GRANT REPLICATION CLIENT ON *.* TO {WATCHER}@'{LOOPBACK}'",
    f"GRANT SELECT ON performance_schema.* TO {WATCHER}@'{LOOPBACK}'",
)
_BEATS_OF: Final = f"SELECT ts FROM {HEARTBEAT_TABLE} WHERE server_id = %s"  # noqa: S608 - a constant


_FOLLOW_MARIADB: Final = (
    "CHANGE MASTER {}TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = %s, MASTER_PASSWORD = %s,"
    " MASTER_DELAY = %s, MASTER_HEARTBEAT_PERIOD = %s, MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1"
)
# A password of caching_sha2_password goes by TLS only, unless the replica asks for the source's public key.
# Since 8.4 a replica tries 10 times by default, and then never again.
_FOLLOW_MYSQL: Final = (
    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s,"
    " SOURCE_DELAY = %s, SOURCE_HEARTBEAT_PERIOD = %s, SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1,"
    " SOURCE_RETRY_COUNT = 86400, SOURCE_SSL = 1"
)
_STATUS_MARIADB: Final = ("SHOW ALL REPLICAS STATUS", "Connection_name", "Slave")
_STATUS_MYSQL: Final = ("SHOW REPLICA STATUS", "Channel_Name", "Replica")


class Reached(Protocol):
    """A server that is reached as root by its socket. `number` is its server_id."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def number(self) -> int:
        """Its server_id."""

    @property
    def socket(self) -> Path:
        """The Unix socket that lets root in."""


@dataclass(frozen=True, slots=True, repr=False)
class Passwords:
    """The passwords of a topology's accounts, new for every lab."""

    watcher: str
    replication: str
    heart: str

    @classmethod
    def fresh(cls) -> Self:
        """Return new ones."""
        return cls(*(secrets.token_urlsafe(_PASSWORD_BYTES) for _ in range(3)))


async def make_accounts(
    server: Reached, passwords: Passwords, *, mysql: bool = False, logged: bool = False
) -> None:
    """Make the heartbeat table and the accounts on one server. Raises LabError.

    `logged` is for a cluster, whose servers have it from one another.
    """
    users = (
        (f"{WATCHER}@'{LOOPBACK}'", passwords.watcher),
        (f"{_REPLICATION}@'{LOOPBACK}'", passwords.replication),
        (f"{HEART}@localhost", passwords.heart),
    )
    async with connected(server.socket) as root:
        for statement in (*(() if logged else (_UNLOGGED,)), *_SCHEMA):
            await root.rows(statement)
        for user, password in users:
            await root.rows(f"CREATE USER {user} IDENTIFIED BY %s", password)
        for statement in (*(_WATCHES_MYSQL if mysql else _WATCHES_MARIADB), *_GRANTS):
            await root.rows(statement)


async def follow(
    replica: Reached,
    source_port: int,
    passwords: Passwords,
    *,
    mysql: bool = False,
    channel: str = "",
    delay: int = 0,
    beat: float = 1.0,
) -> None:
    """Make a server replicate from 127.0.0.1:source_port, by GTID. Raises LabError.

    `delay` is meant, `beat` is how often the source says over an idle link that it lives; both in seconds.
    """
    values = (LOOPBACK, source_port, _REPLICATION, passwords.replication, delay, beat)
    async with connected(replica.socket) as root:
        if mysql:
            await root.rows(_FOLLOW_MYSQL + (" FOR CHANNEL %s" if channel else ""), *values, *_some(channel))
            await root.rows("START REPLICA" + (" FOR CHANNEL %s" if channel else ""), *_some(channel))
        else:
            await root.rows(_FOLLOW_MARIADB.format("%s " if channel else ""), *_some(channel), *values)
            await root.rows("START REPLICA" + (" %s" if channel else ""), *_some(channel))


def _some(channel: str) -> tuple[str, ...]:
    return (channel,) if channel else ()


async def wait_until_replicating(
    replica: Reached, deadline: float, *, mysql: bool = False, channel: str = ""
) -> None:
    """Return once both threads run. Raises LabError with the server's own words."""
    end = time.monotonic() + deadline
    statement, name, prefix = _STATUS_MYSQL if mysql else _STATUS_MARIADB
    async with connected(replica.socket) as root:
        while True:
            (row,) = (r for r in await root.rows(statement) if r[name] == channel)
            if row[f"{prefix}_IO_Running"] == row[f"{prefix}_SQL_Running"] == "Yes":
                return
            if time.monotonic() >= end:
                why = row["Last_IO_Error"] or row["Last_SQL_Error"] or row[f"{prefix}_IO_State"]
                raise LabError(f"{replica.name} doesn't replicate after {deadline:.0f} s: {why}")
            await asyncio.sleep(_PAUSE)


async def wait_for_heartbeat(replica: Reached, source: Reached, deadline: float) -> None:
    """Return once a heartbeat of the source has come through to the replica. Raises LabError."""
    end = time.monotonic() + deadline
    async with connected(replica.socket) as root:
        while not await root.rows(_BEATS_OF, source.number):
            if time.monotonic() >= end:
                raise LabError(f"no heartbeat of {source.name} on {replica.name} after {deadline:.0f} s")
            await asyncio.sleep(_PAUSE)
