"""Snapshots for tests of what is made of them: a healthy server, but for what is given."""

from dataclasses import replace
from typing import Any

from collectors.mysql.snapshot import Channel, ClockReading, Flavour, MysqlSnapshot, Server

CHANNEL = Channel(
    name="default",
    source_id=1,
    source_uuid="",
    source_address="192.0.2.1:3306",
    io_running=True,
    connecting=False,
    sql_running=True,
    lag=0.0,
    delay=0.0,
)

SERVER = Server(
    version="10.11.19-MariaDB",
    flavour=Flavour.MARIADB,
    server_id=2,
    server_uuid="",
    read_only=True,
    super_read_only=None,
    clock=ClockReading(0.0, 0.001),
)


def snapshot(server_id: int = 2, **changes: Any) -> MysqlSnapshot:
    """A reading of the server with that id, taken at 1000 s by all clocks."""
    return replace(MysqlSnapshot(1000.0, 1000.0, replace(SERVER, server_id=server_id)), **changes)
