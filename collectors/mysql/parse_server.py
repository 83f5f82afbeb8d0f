"""What a server says of itself, from its variables and status; pure.

Variables: MySQL 8.4 Reference Manual, "Server System Variables" and "Replication and Binary Logging Options
and Variables"; MariaDB KB, "Replication and Binary Log System Variables". Names with master and slave are
those of MariaDB and of MySQL before 8.0.26.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from collectors.mysql import gtid
from collectors.mysql.fields import MAX_ID, Facts, instant, line, text, whole, wrong
from collectors.mysql.snapshot import ClockReading, Flavour, Place, SemiSync, Server
from collectors.mysqlclient import Row, Timed

_TRUNCATED: Final = 1024
"""SHOW VARIABLES of MySQL shows no more of a value."""


def parse_version(rows: Sequence[Row]) -> str:
    """Return who is there. Raises CollectError where the reply isn't one row that says so."""
    if len(rows) != 1:
        raise wrong(f"{len(rows)} rows about the server itself")
    version = line(text(rows[0], "version"))
    if not version:
        raise wrong("no version")
    return version


def parse_clock(timed: Timed) -> ClockReading | None:
    """Return what the column `now` of an answer says of the server's clock, None without rows.

    The server took its time somewhere between question and answer: in the middle, give or take half of that.
    Raises CollectError.
    """
    if not timed.rows:
        return None
    now = instant(text(timed.rows[0], "now"))
    if now is None:
        raise wrong("no time")
    return ClockReading(now - (timed.sent + timed.received) / 2, max(0.0, timed.received - timed.sent) / 2)


def flavour_of(version: str, variables: Facts) -> Flavour:
    """Return whose server it is: MariaDB alone has positions of GTIDs, whatever it is called."""
    mariadb = "mariadb" in version.lower() or "gtid_binlog_pos" in variables
    return Flavour.MARIADB if mariadb else Flavour.MYSQL


def parse_server(
    version: str,
    variables: Facts,
    status: Facts,
    clock: ClockReading,
    *,
    place: Iterable[Row] = (),
    executed: str = "",
    replicas: int | None = None,
) -> Server:
    """Return the server. `place` are the rows about its binary log, `executed` is Executed_Gtid_Set of a
    channel, `replicas` how many are connected, where no status variable tells. Raises CollectError.
    """
    flavour = flavour_of(version, variables)
    server_id = variables.whole("server_id")
    if server_id is None or server_id > MAX_ID:
        raise wrong("no server_id")
    if "read_only" not in variables:
        raise wrong("no read_only")
    rows = tuple(place)
    connected = status.whole("slaves_connected")
    return Server(
        version=version,
        flavour=flavour,
        server_id=server_id,
        server_uuid=variables.text("server_uuid"),
        # MariaDB 12 has more words than OFF and ON for it.
        read_only=not variables.off("read_only"),
        super_read_only=variables.on("super_read_only") if "super_read_only" in variables else None,
        clock=clock,
        gtid=_gtid(flavour, variables, rows, executed),
        place=_place(rows),
        increment=variables.whole("auto_increment_increment") or 1,
        offset=variables.whole("auto_increment_offset") or 1,
        replicas=replicas if connected is None else connected,
        skips=_skips(variables),
        skipped=status.whole("slave_skipped_errors"),
        net_timeout=variables.number("replica_net_timeout", "slave_net_timeout"),
        uptime=status.number("uptime"),
        semi_sync=_semi_sync(variables, status),
    )


def parse_replicas(rows: Sequence[Row]) -> int | None:
    """Return how many replicas are connected. Raises CollectError."""
    return whole(rows[0], "replicas") if rows else None


def _place(rows: Sequence[Row]) -> Place | None:
    if not rows:
        return None
    file = line(text(rows[0], "File"))
    return Place(file, whole(rows[0], "Position")) if file else None


def _gtid(flavour: Flavour, variables: Facts, place: Sequence[Row], executed: str) -> str:
    if flavour is Flavour.MARIADB:
        return gtid.joined(variables.raw("gtid_binlog_pos"), variables.raw("gtid_current_pos"))
    shown = variables.raw("gtid_executed")
    if len(shown) >= _TRUNCATED:
        shown = (place[0].get("Executed_Gtid_Set") if place else "") or executed
    return shown if len(shown) <= gtid.MOST else ""


def _skips(variables: Facts) -> str:
    errors = _present(variables, "replica_skip_errors", "slave_skip_errors")
    mode = _present(variables, "replica_exec_mode", "slave_exec_mode")
    told = [] if variables.off(errors) else [f"{errors}={variables.text(errors)}"]
    if variables.raw(mode).upper() == "IDEMPOTENT":
        told.append(f"{mode}=IDEMPOTENT")
    return ", ".join(told)


def _present(variables: Facts, new: str, old: str) -> str:
    return new if new in variables else old


def _semi_sync(variables: Facts, status: Facts) -> SemiSync | None:
    source = ("rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled")
    replica = ("rpl_semi_sync_replica_enabled", "rpl_semi_sync_slave_enabled")
    if not any(name in variables for name in source + replica):
        return None
    return SemiSync(
        source_enabled=variables.on(*source),
        source_active=status.on("rpl_semi_sync_source_status", "rpl_semi_sync_master_status"),
        clients=status.whole("rpl_semi_sync_source_clients", "rpl_semi_sync_master_clients") or 0,
        unacknowledged=status.whole("rpl_semi_sync_source_no_tx", "rpl_semi_sync_master_no_tx") or 0,
        replica_enabled=variables.on(*replica),
        replica_active=status.on("rpl_semi_sync_replica_status", "rpl_semi_sync_slave_status"),
    )
