"""Every statement that is ever sent to a server: a closed list, all of them reading."""

import re
from typing import Final

SERVER: Final = "SELECT VERSION() AS version, @@GLOBAL.read_only AS read_only"
"""Who is there, and does it take writes; the version decides how to ask for the rest."""

ALL_REPLICAS: Final = "SHOW ALL REPLICAS STATUS"
"""MariaDB from 10.5.1. Without ALL, named channels are left out (seen on 10.11 and 11.8)."""

ALL_SLAVES: Final = "SHOW ALL SLAVES STATUS"
"""MariaDB before 10.5.1."""

REPLICA: Final = "SHOW REPLICA STATUS"
"""MySQL from 8.0.22: all channels."""

SLAVE: Final = "SHOW SLAVE STATUS"
"""MySQL before 8.0.22; from 8.4 a syntax error."""

FIXED: Final = frozenset({SERVER, ALL_REPLICAS, ALL_SLAVES, REPLICA, SLAVE})

HEARTBEATS: Final = 64
"""Most heartbeat rows taken; a row is a server that writes."""

_MARIADB: Final = (ALL_REPLICAS, ALL_SLAVES)
_MYSQL: Final = (REPLICA, SLAVE)

# Unquoted identifiers, without the full range that backticks would allow: nothing here can be SQL.
_IDENTIFIER: Final = r"[A-Za-z_][A-Za-z0-9_$]{0,63}"
_TABLE: Final = re.compile(rf"({_IDENTIFIER})\.({_IDENTIFIER})")


def channel_statements(version: str) -> tuple[str, ...]:
    """Return how to ask this server for its channels: the first that is no syntax error there."""
    return _MARIADB if "mariadb" in version.lower() else _MYSQL


def heartbeat_statement(table: str) -> str:
    """Return the query for the age of heartbeats, in microseconds of the server's own UTC clock.

    `table` is schema.table with the columns server_id and ts. Raises ValueError for anything else
    than two plain identifiers.
    """
    match = _TABLE.fullmatch(table)
    if match is None:
        raise ValueError(f"{table[:80]!r} is not a table; write SCHEMA.TABLE like dialtone.heartbeat")
    return (
        "SELECT server_id, TIMESTAMPDIFF(MICROSECOND, ts, UTC_TIMESTAMP(6)) AS age"  # noqa: S608 - checked above
        f" FROM `{match[1]}`.`{match[2]}` LIMIT {HEARTBEATS}"
    )
