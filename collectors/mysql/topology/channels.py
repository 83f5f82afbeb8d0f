"""What is wrong with a channel, by what its replica says of it; pure.

Numbers and states: MySQL 8.4 Error Message Reference and Reference Manual, "General Thread States",
"Replication I/O (Receiver) Thread States"; MariaDB KB, "Error Codes" and "General Thread States".
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from collectors.mysql.snapshot import Channel, LastError, MysqlSnapshot
from collectors.mysql.states import waits_for_lock
from collectors.mysql.topology.links import measured
from collectors.mysql.topology.seen import Seen, Views
from collectors.mysql.topology.silence import silence
from collectors.mysqlclient import one_line
from dialtone.model import Impact, Link, Topology, TopologyKind, Trouble

IO_TROUBLES: Final = (
    Trouble.IO_STOPPED,
    Trouble.IO_AUTH,
    Trouble.IO_UNREACHABLE,
    Trouble.BINLOG_PURGED,
    Trouble.IO_ERROR,
)
"""Why a channel receives nothing: one of them at a time."""

SQL_TROUBLES: Final = (
    Trouble.SQL_STOPPED,
    Trouble.ROW_MISSING,
    Trouble.DUPLICATE_KEY,
    Trouble.SQL_ERROR,
)
"""Why a channel applies nothing: one of them at a time."""

# fmt: off
_AUTH: Final = frozenset({
    1044, 1045, 1142, 1143, 1227, 1396,  # user or password, rights
    1129, 1130,  # this host is blocked, or not allowed
    1251, 1275, 2049, 2059, 2061,  # how to prove who one is
    1698, 1820, 1862, 3118, 3159, 3955, 4151,  # password expired, account locked, TLS demanded
})
_UNREACHABLE: Final = frozenset({
    2001, 2002, 2003, 2004, 2005, 2006, 2012, 2013, 2055,
    1040, 1203, 1226,  # too many connections
    1053, 1158, 1159, 1160, 1161, 1189, 1218, 1927, 4031,
})
# fmt: on
_TLS: Final = 2026
_CUT: Final = re.compile(
    r"eof|reset|timed out|timeout|refused|broken pipe|closed|system error", re.IGNORECASE
)
"""What a broken connection looks like through TLS, other than a certificate that proves nothing."""

_FATAL: Final = frozenset({1236, 13114})
_NOT_PURGED: Final = re.compile(
    r"max_allowed_packet|same server_(?:uu)?id|equal (?:MySQL )?server|diverged|not in the master's binlog"
    r"|bogus|corrupt|truncated|checksum|> file size|impossible position|missing the GTID|out of memory",
    re.IGNORECASE,
)
"""Of 1236, a bag of reasons, all that are not a log that is gone."""

_ROW_MISSING: Final = frozenset({1032})
_DUPLICATE: Final = frozenset({1022, 1062, 1169, 1586})


def channel_checks(topology: Topology, views: Views, links: Sequence[Link]) -> Iterator[Seen]:
    """Look at each channel of each member on its own."""
    found = {(link.replica, link.channel): link for link in links}
    # Where several take writes, each shows its clients what the other one doesn't have.
    impact = Impact.HURT if topology.kind is TopologyKind.MULTI_PRIMARY else Impact.EXPOSED
    for name, view in views.items():
        if view.now is None:
            continue
        for channel in view.now.channels:
            before = same_channel(view.before, channel)
            link = found[name, channel.name]
            yield from _io(name, channel, before, impact)
            yield from _sql(name, channel, impact)
            yield _blocked(name, channel, before)
            yield from silence(view, view.now, channel, before, link, views)
            whose = measured(channel, view, view.now, views)[1] if link.measured else None
            yield from _late(topology, channel, link, whose)


def same_channel(snapshot: MysqlSnapshot | None, channel: Channel) -> Channel | None:
    """Return what an older reading says of a channel; None where it had another source then."""
    for other in () if snapshot is None else snapshot.channels:
        if other.name == channel.name:
            return other if other.source_address == channel.source_address else None
    return None


def _io(name: str, channel: Channel, before: Channel | None, impact: Impact) -> Iterator[Seen]:
    wrong, detail, lasts = _io_trouble(channel, before)
    for trouble in IO_TROUBLES:
        yield _seen(trouble, name, channel, trouble is wrong, detail, lasts, impact)


def _io_trouble(channel: Channel, before: Channel | None) -> tuple[Trouble | None, str, bool]:
    if channel.io_running:
        return None, "", False
    whence = f"from {channel.source_address}" if channel.source_address else "of changes"
    if not channel.connecting:
        if channel.io_error is None:
            return Trouble.IO_STOPPED, f"the receiver {whence} is stopped", True
        return _io_cause(channel.io_error), f"the receiver {whence} gave up: {_said(channel.io_error)}", False
    # A source that restarts is no trouble; it may be another reason by which it is not back for two polls.
    lasts = before is None or not before.connecting
    if channel.io_error is None:
        return Trouble.IO_UNREACHABLE, f"the receiver {whence} tries to connect, without an answer", lasts
    cause = _io_cause(channel.io_error)
    return cause, f"the receiver {whence} tries to connect: {_said(channel.io_error)}", lasts


def _io_cause(error: LastError) -> Trouble:
    if error.code in _AUTH:
        return Trouble.IO_AUTH
    if error.code in _UNREACHABLE or (error.code == _TLS and _CUT.search(error.text)):
        return Trouble.IO_UNREACHABLE
    if error.code in _FATAL and not _NOT_PURGED.search(error.text):
        return Trouble.BINLOG_PURGED
    return Trouble.IO_ERROR


def _sql(name: str, channel: Channel, impact: Impact) -> Iterator[Seen]:
    wrong, detail = None, ""
    if not channel.sql_running:
        error = channel.sql_error
        wrong = Trouble.SQL_STOPPED if error is None else _sql_cause(error)
        detail = "the applier is stopped" if error is None else f"the applier gave up: {_said(error)}"
    for trouble in SQL_TROUBLES:
        lasts = trouble is Trouble.SQL_STOPPED
        yield _seen(trouble, name, channel, trouble is wrong, detail, lasts, impact)


def _sql_cause(error: LastError) -> Trouble:
    if error.code in _ROW_MISSING:
        return Trouble.ROW_MISSING
    return Trouble.DUPLICATE_KEY if error.code in _DUPLICATE else Trouble.SQL_ERROR


def _blocked(name: str, channel: Channel, before: Channel | None) -> Seen:
    """Look for an applier that waits for a lock and gets nowhere.

    Told by the state of the SQL thread, on MySQL by those of the parallel workers too; MariaDB shows theirs
    to nobody without PROCESS. Locks of InnoDB's rows show in no state, and nothing cheap tells of them: who
    waits for one is in performance_schema.data_lock_waits and information_schema.INNODB_TRX, which hold up
    what clients need (all of InnoDB's locks, all its transactions) while they are read. What shows instead is
    LATE, and once the applier gives up (innodb_lock_wait_timeout, replica_transaction_retries) SQL_ERROR with
    1205.
    """
    blocked = before is not None and _waits(channel) and _done(channel) == _done(before)
    detail = f"the applier has got nowhere since the last poll: {channel.applier_state}"
    # Waiting both times for a lock, and nothing done in between, needs no third reading.
    lasts = before is None or not _waits(before)
    return _seen(Trouble.APPLIER_BLOCKED, name, channel, blocked, detail, lasts, Impact.EXPOSED)


def _waits(channel: Channel) -> bool:
    if not (channel.io_running and channel.sql_running and waits_for_lock(channel.applier_state)):
        return False
    places = channel.read_place, channel.executed_place
    return None in places or places[0] != places[1] or channel.lag != 0


def _done(channel: Channel) -> object:
    # Of several channels each has its own place, but MariaDB has one position for all.
    return channel.executed_place or channel.executed


def _late(topology: Topology, channel: Channel, link: Link, whose: str | None) -> Iterator[Seen]:
    """Look for lag beyond the topology's, measured by the heartbeat of `whose` if that is a member."""
    if link.lag is None or not (channel.io_running and channel.sql_running):
        return
    own = "NULL" if channel.lag is None else f"{channel.lag:.0f} s"
    meant = f" beyond the {channel.delay:.0f} s that are meant" if channel.delay else ""
    source = whose or link.source or link.address
    over = f", over {link.source}" if whose and whose != link.source else ""
    how = (
        f"by the heartbeat of {source}; the replica itself says {own}" if link.measured else "by its own word"
    )
    late = link.lag > topology.lag
    yield Seen(
        Trouble.LATE,
        late,
        link.replica,
        link.channel,
        value=link.lag,
        detail=f"{link.lag:.1f} s behind {source}{over}{meant}, {how}" if late else "",
        # Whether the writer of heartbeats has died shows when its own server is asked next.
        lasts=True,
        about=(link.replica, whose) if whose else (link.replica,),
    )


def _said(error: LastError) -> str:
    return one_line(f"{error.code}: {error.text}" if error.text else str(error.code))


def _seen(
    trouble: Trouble, name: str, channel: Channel, bad: bool, detail: str, lasts: bool, impact: Impact
) -> Seen:
    return Seen(
        trouble,
        bad,
        name,
        channel.name,
        value=float(bad),
        detail=detail if bad else "",
        impact=impact,
        lasts=lasts and bad,
    )
