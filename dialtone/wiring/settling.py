"""Putting the books in step with the configuration: what is placed, which maintenance is declared."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from dialtone.config import Settings
from dialtone.model import (
    AVAILABILITY,
    EvidenceKind,
    Maintenance,
    Objective,
    Scope,
    SeriesKey,
    Sli,
    slice_interval,
)
from dialtone.ports import Books
from dialtone.runtime.passive import passive_key

SOURCE: Final = "config"
AUTHOR: Final = "configuration"


async def settle(books: Books, settings: Settings, at: datetime) -> None:
    """Open the series that the configuration places, end the others, declare and withdraw its maintenance.

    Doing it again changes nothing. A location that the configuration had before, and its series, end: one
    data folder is one service's, and what nobody measures any more would be unknown for ever.
    """
    here = set(probed(settings))
    await books.plan_series(settings.location, here, at)
    await books.plan_series("", set(passive(settings.objectives)), at)
    open_now = await books.slices(Scope.everything(), since=at, until=at + timedelta(minutes=1))
    gone = {one.key.location for one in open_now if one.until is None} - {settings.location, ""}
    for location in sorted(gone):
        await books.plan_series(location, (), at)
    await _declare(books, settings.maintenance, at)


def probed(settings: Settings) -> Iterator[SeriesKey]:
    """Yield the series of all scheduled probes: what each is judged by, of each tenant that it is placed as.

    Availability is kept of all, whether it is promised or not; what is promised later has its history then.
    """
    promised: dict[str, list[Objective]] = {}
    for objective in settings.objectives:
        promised.setdefault(objective.tenant, []).append(objective)
    for spec in settings.probes:
        interval = slice_interval(spec.interval)
        for tenant in spec.tenants if interval is not None else ():
            measures = {AVAILABILITY} | {
                one.measure
                for one in promised.get(tenant, ())
                if one.sli in (Sli.LATENCY, Sli.MOS) and one.has_flow(spec.flow, spec.name)
            }
            for measure in measures:
                yield SeriesKey(tenant, spec.flow, spec.name, settings.location, interval or 0, measure)


def passive(objectives: Iterable[Objective]) -> Iterator[SeriesKey]:
    """Yield the series of the tenants' own traffic, for those that are judged by it."""
    for one in objectives:
        if one.passive is not None and one.evidence is not EvidenceKind.SYNTHETIC:
            yield passive_key(one.tenant, one.passive)


async def _declare(books: Books, wanted: Iterable[Maintenance], at: datetime) -> None:
    """Have the books hold this maintenance; a changed entry is withdrawn and declared anew."""
    standing = {
        _entry(one): one
        for one in await books.maintenance(Scope.everything())
        if one.source == SOURCE and one.withdrawn is None
    }
    entries = {_entry(one): one for one in wanted}
    for entry, one in standing.items():
        if entry not in entries:
            await books.withdraw(Scope.everything(), one.id, at=at, author=AUTHOR)
    for entry, one in entries.items():
        if entry not in standing:
            await books.declare(replace(one, declared=at, source=SOURCE, author=AUTHOR))


def _entry(one: Maintenance) -> Maintenance:
    """Return what the configuration says of it, without what the books add."""
    epoch = one.begins
    return replace(one, id=0, declared=epoch, source=SOURCE, author=AUTHOR, withdrawn=None, withdrawn_by="")
