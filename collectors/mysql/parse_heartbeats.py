"""Heartbeat rows, of our table and of pt-heartbeat's; pure.

Ours has DATETIME(6) in UTC. pt-heartbeat (Percona Toolkit) writes text, `2026-11-23T20:22:01.001000`, in the
writer's local time unless it is run with --utc.
"""

from collections.abc import Iterable
from typing import Final

from collectors.mysql.fields import MAX_ID, instant, text, whole, wrong
from collectors.mysql.snapshot import Heartbeat
from collectors.mysqlclient import Row

EMPTY: Final = "the table is empty: nobody writes heartbeats"
FULL: Final = (
    "the table has more rows than are read, and this server's own is not among them: delete old ones"
)
IN_LOCAL_TIME: Final = "heartbeats are in local time, not in UTC: run pt-heartbeat with --utc"

_QUARTER: Final = 900.0
"""Zones differ by whole quarters of an hour."""

_NEAR: Final = 60.0


def parse_heartbeats(rows: Iterable[Row]) -> dict[int, Heartbeat]:
    """Return the rows by server_id; one without a readable time or id is left out. Raises CollectError."""
    found: dict[int, Heartbeat] = {}
    for row in rows:
        now = instant(text(row, "now"))
        if now is None:
            raise wrong("no time")
        written = instant(text(row, "ts"))
        server = whole(row, "server_id")
        if written is not None and 0 < server <= MAX_ID:
            newest = found.get(server)
            if newest is None or newest.written < written:
                found[server] = Heartbeat(written, now - written)
    return found


def in_local_time(own: Heartbeat | None, before: Heartbeat | None) -> bool:
    """Whether a server's own row goes on, but is off by whole quarters of an hour: local time, not UTC.

    On a replica such a row may as well be late; on its own server nothing else makes it so.
    """
    if own is None or before is None or own.written <= before.written:
        return False
    quarters = round(own.age / _QUARTER)
    return quarters != 0 and abs(own.age - quarters * _QUARTER) < _NEAR
