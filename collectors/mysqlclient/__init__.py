"""A MySQL or MariaDB server asked for rows: for whoever reads a database, with statements of their own."""

from collectors.mysqlclient.client import MysqlClient
from collectors.mysqlclient.connection import MAX_SESSION_BYTES
from collectors.mysqlclient.errors import RefusedError, one_line
from collectors.mysqlclient.resultset import Row
from collectors.mysqlclient.session import Session, StandingSession, Timed

__all__ = [
    "MAX_SESSION_BYTES",
    "MysqlClient",
    "RefusedError",
    "Row",
    "Session",
    "StandingSession",
    "Timed",
    "one_line",
]
