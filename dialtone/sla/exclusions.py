"""What lies over the measurements: hours of service, maintenance declared beforehand, corrections.

Masks are computed for whole calendar months of the objective's zone, for the cap on maintenance counts by
month, and kept: all tenants of one contract share them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, reduce
from operator import or_
from typing import Final

from dialtone.model import DAY_SECONDS, Correction, Flow, Maintenance, Objective, SliceState, WeekSpan
from dialtone.sla.calendar import Span, from_unix, months_over, offsets, start_of_day, unix
from dialtone.sla.figures import Account
from dialtone.sla.lines import Grid, first_bits, runs
from dialtone.sla.recurrence import starts
from dialtone.sla.statement import ExcludedTime

MOST_RECURRING_SECONDS: Final = 31 * DAY_SECONDS
"""What recurs is taken to last no longer each time."""


@dataclass(frozen=True, slots=True)
class States:
    """What a flow or a service counts as on a grid; elsewhere it is unknown."""

    good: int
    bad: int
    excluded: int


def occurrences(maintenance: Maintenance, span: Span) -> list[Span]:
    """Return when the work of a declaration is, as far as it touches a span; in order.

    An occurrence that began before it was declared is none, nor is one after it was withdrawn. Each lasts so
    many seconds as passed, whatever the zone's clock did meanwhile.
    """
    return [one for one in _occurrences(maintenance, span) if span.start < one.end > one.start < span.end]


@lru_cache(maxsize=4096)
def _occurrences(maintenance: Maintenance, span: Span) -> tuple[Span, ...]:
    seconds = max(maintenance.seconds, 0)
    if not maintenance.recurs:
        begins = [maintenance.begins]
    else:
        seconds = min(seconds, MOST_RECURRING_SECONDS)
        reach = Span(from_unix(max(unix(span.start) - seconds, 0)), span.end)
        begins = starts(maintenance.recurs, maintenance.begins, maintenance.zone, reach)
    return tuple(
        Span(at, _later(at, seconds))
        for at in begins
        if at >= maintenance.declared and (maintenance.withdrawn is None or at < maintenance.withdrawn)
    )


def _later(at: datetime, seconds: int) -> datetime:
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def service_hours(objective: Objective, grid: Grid) -> int:
    """Return the plane of an objective's hours of service on a grid."""
    if not objective.hours:
        return grid.all
    whole = _months(objective.zone, grid)
    return whole.cut(_hours(objective.hours, objective.zone, whole), grid)


@lru_cache(maxsize=256)
def _hours(hours: tuple[WeekSpan, ...], zone: str, grid: Grid) -> int:
    plane = 0
    for start, end, ahead in offsets(Span(from_unix(grid.start), from_unix(grid.end)), zone):
        low, high = start + ahead, end + ahead
        for day in range(low // DAY_SECONDS - 1, (high - 1) // DAY_SECONDS + 1):
            midnight = day * DAY_SECONDS
            for span in hours:
                if (day + 3) % 7 in span.days:
                    length = span.end - span.start if span.start < span.end else 1440 - span.start + span.end
                    since = max(low, midnight + span.start * 60)
                    until = min(high, midnight + (span.start + length) * 60)
                    if since < until:
                        plane |= grid.bits(since - ahead, until - ahead)
    return plane


def maintenance_planes(
    objective: Objective, maintenance: Sequence[Maintenance], grid: Grid, came: datetime | None = None
) -> dict[Flow, int]:
    """Return where each flow of an objective is excluded on a grid by what was declared beforehand.

    Of each calendar month in the objective's zone the first `objective.maintenance` seconds in which work of
    any of its flows lies within the hours of service. In the month in which the contract began, or the tenant
    `came` (None: before the period), they count from then on.
    """
    known = tuple(one for one in maintenance if _touches(one.flows, objective))
    if not known:
        return dict.fromkeys(objective.flows, 0)
    whole = _months(objective.zone, grid)
    if came is None and objective.starts is not None:
        came = start_of_day(objective.starts, objective.zone)
    since = whole.start if came is None else max(unix(came), whole.start)
    terms = (objective.flows, objective.hours, objective.zone, objective.maintenance)
    return {flow: whole.cut(plane, grid) for flow, plane in _maintained(*terms, known, whole, since)}


@lru_cache(maxsize=256)
def _maintained(
    flows: tuple[Flow, ...],
    hours: tuple[WeekSpan, ...],
    zone: str,
    cap: int,
    maintenance: tuple[Maintenance, ...],
    grid: Grid,
    since: int,
) -> tuple[tuple[Flow, int], ...]:
    planes = [(one, occurrence_plane(one, grid)) for one in maintenance]
    union = reduce(or_, (plane for _, plane in planes))
    if hours:
        union &= _hours(hours, zone, grid)
    within = 0
    for month in months_over(Span(from_unix(grid.start), from_unix(grid.end)), zone):
        start, end = unix(month.start), unix(month.end)
        of_month = grid.bits(since if start < since < end else start, end)
        within |= first_bits(union & of_month, cap // grid.step)
    return tuple(
        (
            flow,
            reduce(or_, (plane for one, plane in planes if not one.flows or flow in one.flows), 0) & within,
        )
        for flow in flows
    )


def occurrence_plane(maintenance: Maintenance, grid: Grid) -> int:
    """Return when the work of a declaration is, on a grid."""
    plane = 0
    for one in occurrences(maintenance, Span(from_unix(grid.start), from_unix(grid.end))):
        plane |= grid.bits(unix(one.start), unix(one.end))
    return plane


def work_by_month(
    flows: tuple[Flow, ...],
    hours: tuple[WeekSpan, ...],
    zone: str,
    maintenance: Sequence[Maintenance],
    span: Span,
) -> list[tuple[int, list[Maintenance]]]:
    """Return, for each calendar month that a span touches, the seconds of work and whose they are.

    Of any of these flows, within these hours of service; what overlaps counts once.
    """
    grid = Grid(unix(span.start) // 60 * 60, 60, max((unix(span.end) - unix(span.start)) // 60, 1))
    whole = _months(zone, grid)
    counted = _hours(hours, zone, whole) if hours else whole.all
    touching = [one for one in maintenance if not one.flows or not set(one.flows).isdisjoint(flows)]
    planes = [(one, _whole_plane(one, whole) & counted) for one in touching]
    union = reduce(or_, (plane for _, plane in planes), 0)
    found = []
    for month in months_over(Span(from_unix(whole.start), from_unix(whole.end)), zone):
        bits = whole.bits(unix(month.start), unix(month.end))
        found.append((whole.seconds(union & bits), [one for one, plane in planes if plane & bits]))
    return found


@lru_cache(maxsize=1024)
def _whole_plane(maintenance: Maintenance, grid: Grid) -> int:
    return occurrence_plane(maintenance, grid)


def in_force(objective: Objective, corrections: Iterable[Correction]) -> list[Correction]:
    """Return the corrections that hold for an objective, the one that counts most last."""
    found = [one for one in corrections if one.withdrawn is None and _touches(one.flows, objective)]
    return sorted(found, key=lambda one: one.id)


def corrected(states: States, flow: Flow, corrections: Sequence[Correction], grid: Grid) -> States:
    """Lay corrections over what a flow was, in their order."""
    good, bad, excluded = states.good, states.bad, states.excluded
    for one in corrections:
        plane = grid.bits(unix(one.begins), unix(one.ends))
        if plane and (not one.flows or flow in one.flows):
            good = good | plane if one.state is SliceState.GOOD else good & ~plane
            bad = bad | plane if one.state is SliceState.BAD else bad & ~plane
            excluded = excluded | plane if one.state is SliceState.EXCLUDED else excluded & ~plane
    return States(good, bad, excluded)


def excluded_times(
    accounts: Iterable[Account], maintenance: Sequence[Maintenance], corrections: Sequence[Correction]
) -> tuple[ExcludedTime, ...]:
    """Return the time that is outside the figures of one of these accounts, in order, each time once.

    Where several took out the same time, the reasons and authors of all are named; it is maintenance's where
    any of it is. Time that a correction put back is not among it.
    """
    sources: list[Maintenance | Correction] = [
        *sorted(maintenance, key=lambda one: one.id),
        *sorted(corrections, key=lambda one: one.id),
    ]
    edges: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for account in accounts:
        for number, low, high in _taken(account, sources):
            edges[low][number] += 1
            edges[high][number] -= 1
    found: list[ExcludedTime] = []
    active: Counter[int] = Counter()
    begin = 0
    for at in sorted(edges):
        if here := sorted(number for number, count in active.items() if count):
            found.append(_named(begin, at, [sources[number] for number in here]))
        active.update(edges[at])
        begin = at
    return tuple(_joined(found))


def _taken(account: Account, sources: Iterable[Maintenance | Correction]) -> Iterator[tuple[int, int, int]]:
    """Yield which of the sources took time out of an account, from when until when."""
    objective = account.objective
    start, end = unix(account.start), unix(account.until)
    grid = Grid(start, 60, (end - start) // 60)
    if end % 60:
        grid = Grid(start, 1, end - start)
    maintenance = [one for one in sources if isinstance(one, Maintenance)]
    planes = maintenance_planes(objective, maintenance, grid, account.start if account.is_new else None)
    laid = in_force(objective, (one for one in sources if isinstance(one, Correction)))
    counted = service_hours(objective, grid)
    after = {
        flow: corrected(States(0, 0, plane), flow, laid, grid).excluded & counted
        for flow, plane in planes.items()
    }
    for number, one in enumerate(sources):
        if isinstance(one, Maintenance):
            plane, within = occurrence_plane(one, grid), planes
        elif one.state is SliceState.EXCLUDED and one.withdrawn is None:
            plane, within = grid.bits(unix(one.begins), unix(one.ends)), after
        else:
            continue
        flows = one.flows or objective.flows
        taken = reduce(or_, (plane & after[flow] & within[flow] for flow in flows if flow in after), 0)
        yield from ((number, grid.time(low), grid.time(high)) for low, high in runs(taken))


def _named(begin: int, end: int, sources: Sequence[Maintenance | Correction]) -> ExcludedTime:
    return ExcludedTime(
        from_unix(begin),
        from_unix(end),
        "; ".join(dict.fromkeys(one.reason for one in sources)),
        ", ".join(dict.fromkeys(one.author for one in sources if one.author)),
        all(isinstance(one, Correction) for one in sources),
    )


def _joined(times: Iterable[ExcludedTime]) -> Iterator[ExcludedTime]:
    """Yield times in order; what goes on in the same words is one."""
    last: ExcludedTime | None = None
    for one in times:
        if (
            last is not None
            and replace(last, end=one.end) == replace(one, start=last.start)
            and last.end == one.start
        ):
            last = replace(last, end=one.end)
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def _touches(flows: tuple[Flow, ...], objective: Objective) -> bool:
    return not flows or any(flow in objective.flows for flow in flows)


def _months(zone: str, grid: Grid) -> Grid:
    months = months_over(Span(from_unix(grid.start), from_unix(max(grid.end, grid.start + 1))), zone)
    start, end = unix(months[0].start), unix(months[-1].end)
    return Grid(start, grid.step, (end - start) // grid.step)
