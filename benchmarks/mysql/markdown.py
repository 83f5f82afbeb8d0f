"""The fault table as benchmarks/mysql/exporter-faults.md keeps it; pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from benchmarks.mysql.faults import Compared, Table
from benchmarks.mysql.shown import Shown, alerts
from lab.mysql.faults.stages import STAGES

_HEAD: Final = (
    "| fault | on | Dialtone says | mysqld_exporter shows | alerts of its mixin |\n|---|---|---|---|---|"
)
_HEALTHY: Final = "| on, nothing wrong | mysqld_exporter shows | alerts of its mixin, always |\n|---|---|---|"

_ABOUT: Final = """\
Both look at the same servers while the fault is there: Dialtone in two polls, the exporter right after them,
one beside each server, with its default collectors. `IO`, `SQL` and `lag` are
`mysql_slave_status_slave_io_running`, `_slave_sql_running` and `_seconds_behind_master`; `status`, `ready`,
`size` and `state` are `mysql_global_status_wsrep_...`; `gone` is a series that isn't there.

The alerts are those of mysqld-mixin that the fault sets off, by their condition at that moment: how long it
must hold (1 to 5 minutes), and the trend that MySQLReplicationLag wants, are left out."""


def markdown(table: Table, heading: str) -> str:
    """Return the page: heading, what is shown of healthy servers, and the faults."""
    return "\n".join(_lines(table, heading))


def _lines(table: Table, heading: str) -> Iterator[str]:
    yield heading
    yield ""
    yield _ABOUT
    yield ""
    yield _summary(table.compared)
    yield ""
    yield _HEALTHY
    for stage, shown in table.healthy.items():
        standing = [f"{alert} {name}" for name, one in shown.items() for alert in alerts(one)]
        on = f"{STAGES[stage][0]} ({table.versions[stage]})"
        yield f"| {on} | {_by_server(shown)} | {_all(standing)} |"
    yield ""
    yield _HEAD
    for one in table.compared:
        case = one.row.case
        ours, theirs = _said(one), _by_server(one.shown) if one.shown else "not looked at"
        yield f"| {case.name} | {case.stage} | {ours} | {theirs} | {_alerts(one)} |"


def _summary(compared: Sequence[Compared]) -> str:
    named = sum(one.row.right for one in compared)
    sound = sum(bool(one.alerts) for one in compared)
    late = sum(one.late and not one.alerts for one in compared)
    same = sum(bool(one.shown) and not one.noticed for one in compared)
    return (
        f"Of {len(compared)} faults Dialtone named {named} with their cause within two polls, and nothing "
        f"else. An alert of the mixin would come for {sound}, and for {late} more once a lag that grows is "
        f"over 30 s.\nWith {same} all series of this table stayed as they were; others of its page may have "
        "changed, which no alert of the mixin looks at."
    )


def _said(one: Compared) -> str:
    if not one.row.right:
        return f"**RED**: {one.row.wrong}".replace("|", "/")
    polls = "1 poll" if one.row.polls == 1 else f"{one.row.polls} polls"
    return f"{', '.join(map(str, one.row.case.expected))}; {polls}"


def _alerts(one: Compared) -> str:
    if one.alerts:
        return _all(one.alerts)
    if one.late:
        return "MySQLReplicationLag, past 30 s"
    if not one.shown or one.noticed:
        return "none"
    return "none; shown as before"


def _all(words: Sequence[str]) -> str:
    return "<br>".join(words) or "none"


def _by_server(shown: Mapping[str, Shown]) -> str:
    return "<br>".join(f"{name}: {one}" for name, one in shown.items())
