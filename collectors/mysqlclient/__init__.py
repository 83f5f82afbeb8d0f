"""A MySQL or MariaDB server asked for rows: for whoever reads a database, with statements of their own."""

from collectors.mysqlclient.client import MAX_SESSION_BYTES, MysqlClient, Session
from collectors.mysqlclient.errors import RefusedError, one_line
from collectors.mysqlclient.resultset import Row

__all__ = ["MAX_SESSION_BYTES", "MysqlClient", "RefusedError", "Row", "Session", "one_line"]
