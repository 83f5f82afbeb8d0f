"""`maintenance:` -> the work that the configuration declares, by the wall clock of its zone."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dialtone.config.contracts import MaintenanceEntry
from dialtone.config.nodes import choose
from dialtone.config.problem import Where
from dialtone.config.report import Report
from dialtone.config.tree import TenantTree
from dialtone.model import Maintenance
from dialtone.sla.calendar import Span
from dialtone.sla.recurrence import check_rrule, starts

MOST: Final = 1000
MOST_RECURRING: Final = 200
"""Of these entries; what recurs is followed, to say how much of a month it takes."""
AUTHOR: Final = "configuration"
_LOOKED: Final = timedelta(days=731)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_maintenance(report: Report, raw: object, tree: TenantTree | None) -> tuple[Maintenance, ...]:
    """Return what is declared, one for each tenant that an entry names; its `declared` is not known yet.

    None for tree means that tenants can't be judged.
    """
    if not isinstance(raw, list):
        return ()
    if len(raw) > MOST:
        report.problem(("maintenance",), f"has {len(raw):,} entries; {MOST:,} are the most")
        return ()
    recurring = [item for item in raw if isinstance(item, Mapping) and "recurs" in item]
    if len(recurring) > MOST_RECURRING:
        report.problem(
            ("maintenance",), f"has {len(recurring):,} entries that recur; {MOST_RECURRING} are the most"
        )
        return ()
    found: list[Maintenance] = []
    names: dict[str, Where] = {}
    for where, item in report.entries(raw, ("maintenance",)):
        entry = report.take(MaintenanceEntry, item, where)
        if entry is None:
            continue
        if entry.name in names:
            report.problem(
                (*where, "name"),
                f"{entry.name} is the name of other maintenance already, in line "
                f"{report.line(names[entry.name])}",
            )
        names.setdefault(entry.name, where)
        if entry.tenants == "all":
            tenants: Sequence[str] = () if tree is None else (tree.platform.domain,)
        else:
            tenants = choose(report, (*where, "tenants"), entry.tenants, tree)
        found.extend(_declared(report, where, entry, tenants, tree))
    return tuple(found)


def _declared(
    report: Report, where: Where, entry: MaintenanceEntry, tenants: Sequence[str], tree: TenantTree | None
) -> list[Maintenance]:
    """Return an entry's maintenance of each tenant; in a zone of its own where the entry gives none."""
    owners = {domain: tree.get(domain) for domain in tenants} if tree is not None else {}
    zones = {domain: entry.zone or owner.timezone for domain, owner in owners.items() if owner is not None}
    begins: dict[str, datetime] = {}
    for zone in dict.fromkeys(zones.values()):
        try:
            if entry.recurs is not None:
                check_rrule(entry.recurs, zone)
        except ValueError as error:
            report.problem((*where, "recurs"), str(error))
            return []
        begin = _instant(report, where, entry, zone)
        if begin is None:
            return []
        begins[zone] = begin
        _note_first(report, entry, begin, zone)
    return [
        Maintenance(
            id=0,
            tenant=domain,
            begins=begins[zone],
            seconds=entry.lasts,
            author=AUTHOR,
            reason=entry.reason,
            declared=_EPOCH,
            flows=entry.flows,
            recurs=entry.recurs or "",
            zone=zone,
            source="config",
            name=entry.name,
        )
        for domain, zone in zones.items()
    ]


def _instant(report: Report, where: Where, entry: MaintenanceEntry, zone: str) -> datetime | None:
    """Return when work begins (UTC): by the zone's wall clock, unless the entry has an offset of its own."""
    given = entry.begins
    if given.tzinfo is not None:
        return given.astimezone(UTC)
    local = given.replace(tzinfo=ZoneInfo(zone))
    found = local.astimezone(UTC)
    if found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != given:
        report.problem(
            (*where, "begins"),
            f"{given:%Y-%m-%dT%H:%M} does not exist in {zone}: the clock is put forward over it",
        )
        return None
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        report.note(
            f"maintenance {entry.name} begins at {given:%Y-%m-%dT%H:%M}, which {zone} has twice: the first "
            f"of them is taken, {found:%H:%M} UTC; for the other write it with its offset"
        )
    return found


def _note_first(report: Report, entry: MaintenanceEntry, begin: datetime, zone: str) -> None:
    """Note where what recurs does not begin when the entry says so, but later or never."""
    if entry.recurs is None:
        return
    if starts(entry.recurs, begin, zone, Span(begin, begin + timedelta(minutes=1))):
        return
    found = starts(entry.recurs, begin, zone, Span(begin, begin + _LOOKED))
    if not found:
        report.note(f"maintenance {entry.name}: {entry.recurs} has no day within two years of its beginning")
    else:
        first = found[0].astimezone(ZoneInfo(zone))
        report.note(
            f"maintenance {entry.name}: {entry.recurs} does not fall on the day of `begins`; the first time "
            f"is {first:%Y-%m-%dT%H:%M}, {zone}"
        )
