"""The account of an objective over a period: slices, and what lies over them, as figures (docs/sla.md)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache, reduce
from operator import and_, or_
from typing import Final

from dialtone.model import (
    Correction,
    EvidenceKind,
    Flow,
    Maintenance,
    Objective,
    SeriesKey,
    Sli,
    SliceCause,
    SliceSeries,
)
from dialtone.sla.burn import REACH, WINDOWS, burn_rates
from dialtone.sla.calendar import Span, days_of, from_unix, month, period_of, rolling, start_of_day, unix
from dialtone.sla.exclusions import States, corrected, in_force, maintenance_planes, service_hours
from dialtone.sla.figures import Account, Budget, Burn, Figures
from dialtone.sla.incidents import incidents
from dialtone.sla.lines import Grid, Line, common_step, counts, quorum, series_line, strictest

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pages:
    """What the books have on a tenant: all that was declared for it, or for those above it, by anybody.

    Series and causes reach from 3 days (burn.REACH) before the period until now.
    """

    series: Sequence[SliceSeries] = ()
    causes: Sequence[SliceCause] = ()
    maintenance: Sequence[Maintenance] = ()
    corrections: Sequence[Correction] = ()


def current_period(objective: Objective, at: datetime) -> Span:
    """Return the period of an objective that an instant lies in: its month, or the days that end there."""
    if objective.rolling:
        return rolling(at, objective.rolling)
    return month(period_of(at, objective.zone), objective.zone)


def known_at(pages: Pages, at: datetime) -> Pages:
    """Return the pages with what was declared and withdrawn until an instant, and nothing later."""

    def known(when: datetime | None) -> bool:
        return when is not None and when <= at

    return replace(
        pages,
        maintenance=tuple(
            one if known(one.withdrawn) else replace(one, withdrawn=None, withdrawn_by="")
            for one in pages.maintenance
            if known(one.declared)
        ),
        corrections=tuple(
            one if known(one.withdrawn) else replace(one, withdrawn=None, withdrawn_by="")
            for one in pages.corrections
            if known(one.declared)
        ),
    )


def account(objective: Objective, pages: Pages, period: Span, now: datetime) -> Account:
    """Count a period of an objective, as far as it is settled by now.

    Where the tenant was not with us in the period, or the objective not in force, start and end are the same
    and everything is 0. Raises ValueError, in words, for a period that is still to come.
    """
    if period.start >= now:
        raise ValueError(f"the period from {period.start.isoformat()} has not begun yet")
    contract = _contract(objective)
    whole = Span(_to_minute(period.start), _to_minute(period.end)).cut(contract)
    series = [one for one in pages.series if one.since < now and _has(objective, one)]
    span = whole.cut(_tenure(series, whole))
    if span.start == span.end:
        return _nothing(objective, span.start)
    until = _settled(series, span, now)
    grid = _grid(series, span, contract, until)
    lines = [(one.key, series_line(one, grid)) for one in series]
    is_new = span.start > _to_minute(period.start)
    planned = maintenance_planes(objective, pages.maintenance, grid, span.start if is_new else None)
    raw = {flow: _under(_flow_line(objective, flow, lines), planned[flow]) for flow in objective.flows}
    laid = in_force(objective, pages.corrections)
    flows = {flow: corrected(states, flow, laid, grid) for flow, states in raw.items()}
    counted = service_hours(objective, grid)
    service = _service(flows, counted)
    within = counted & grid.bits(unix(span.start), unix(until))
    figures = _figures(grid, service, within)
    share = 1 - objective.target
    return Account(
        objective=objective,
        start=span.start,
        end=span.end,
        until=until,
        raw=_figures(grid, _service(raw, counted), within) if laid else figures,
        corrected=figures,
        budget=Budget(share * (_service_seconds(objective, span) - figures.excluded), figures.bad),
        days=_days(objective, grid, service, counted, span),
        incidents=incidents(grid, service, flows, within, lines, pages.causes),
        burns=burn_rates(grid, service, _bad_slices(lines, flows), share),
        is_new=is_new,
    )


def _has(objective: Objective, series: SliceSeries) -> bool:
    key = series.key
    if key.tenant != objective.tenant or key.flow not in objective.flows:
        return False
    if key.measure.sli is Sli.PASSIVE:
        return objective.evidence is not EvidenceKind.SYNTHETIC and key.measure == objective.passive
    return (
        objective.evidence is not EvidenceKind.PASSIVE
        and key.measure == objective.measure
        and objective.has_flow(key.flow, key.probe)
    )


def _contract(objective: Objective) -> Span:
    start = start_of_day(objective.starts, objective.zone) if objective.starts else _ALWAYS.start
    end = start_of_day(objective.ends + _DAY, objective.zone) if objective.ends else _ALWAYS.end
    return Span(start, max(start, end))


def _to_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _tenure(series: Sequence[SliceSeries], period: Span) -> Span:
    """Return the time from the first until the last of the series that touch a period."""
    placed = [one for one in series if _touches(one, period)]
    if not placed:
        return Span(period.start, period.start)
    ends = [one.until for one in placed if one.until is not None]
    end = max(ends) if len(ends) == len(placed) else period.end
    return Span(_to_minute(min(one.since for one in placed)), _to_minute(end))


def _touches(series: SliceSeries, span: Span) -> bool:
    return series.since < span.end and (series.until is None or series.until > max(span.start, series.since))


def _settled(series: Sequence[SliceSeries], span: Span, now: datetime) -> datetime:
    """Return until when every slice has its verdict: that of [s, s + interval) from s + 2 intervals on."""
    intervals = {one.key.interval for one in series if _touches(one, span)}
    at = min((unix(now) - each) // each * each for each in intervals)
    return from_unix(min(max(at, unix(span.start)), unix(span.end)))


def _grid(series: Sequence[SliceSeries], span: Span, contract: Span, until: datetime) -> Grid:
    """Return the grid of an account, from its start, or that of the longest burn window, until it ends."""
    step = common_step({one.key.interval for one in series})
    reach = unix(until) - REACH
    start = min(unix(span.start), max(reach - reach % 60, unix(contract.start)))
    return Grid(start, step, (unix(until) - start) // step)


def _flow_line(objective: Objective, flow: Flow, lines: Sequence[tuple[SeriesKey, Line]]) -> Line:
    """Combine what the probes, the locations and the traffic of a flow say."""
    locations: defaultdict[str, list[Line]] = defaultdict(list)
    traffic: list[Line] = []
    for key, line in lines:
        if key.flow is flow:
            (traffic if key.measure.sli is Sli.PASSIVE else locations[key.location]).append(line)
    if objective.evidence is EvidenceKind.PASSIVE:
        return strictest(traffic) if traffic else _NOWHERE
    probed = quorum([strictest(probes) for probes in locations.values()]) if locations else _NOWHERE
    added = reduce(or_, (line.bad for line in traffic), 0)
    return Line(probed.placed, probed.good & ~added, probed.bad | added) if added else probed


def _under(line: Line, excluded: int) -> States:
    if not excluded:
        return States(line.good, line.bad, 0)
    return States(line.good & ~excluded, line.bad & ~excluded, excluded)


def _service(flows: Mapping[Flow, States], counted: int) -> States:
    """Combine flows: bad if any is bad, else unknown if any is; one that is excluded has no say."""
    known = reduce(and_, (one.good | one.bad | one.excluded for one in flows.values()))
    excluded = reduce(and_, (one.excluded for one in flows.values())) & counted
    bad = reduce(or_, (one.bad for one in flows.values())) & counted
    return States(known & counted & ~(bad | excluded), bad, excluded)


def _figures(grid: Grid, service: States, within: int) -> Figures:
    good, bad = grid.seconds(service.good & within), grid.seconds(service.bad & within)
    excluded = grid.seconds(service.excluded & within)
    return Figures(good, bad, grid.seconds(within) - good - bad - excluded, excluded)


def _service_seconds(objective: Objective, span: Span) -> int:
    if not objective.hours:
        return span.seconds
    minutes = Grid(unix(span.start), 60, span.seconds // 60)
    return minutes.seconds(service_hours(objective, minutes))


def _days(
    objective: Objective, grid: Grid, service: States, counted: int, span: Span
) -> tuple[tuple[date, Figures], ...]:
    named, spans, lengths = _days_on(grid, span, objective.zone)
    planes = (service.good, service.bad, service.excluded)
    whole = counts(counted, spans) if objective.hours else lengths
    return tuple(
        (day, _figures_of(good, bad, excluded, counting, grid.step))
        for day, good, bad, excluded, counting in zip(
            named, *(counts(plane, spans) for plane in planes), whole, strict=True
        )
    )


@lru_cache(maxsize=1024)
def _days_on(
    grid: Grid, span: Span, zone: str
) -> tuple[tuple[date, ...], tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Return the days of a span, where they are on a grid, as far as it goes, and their steps on it."""
    found = [(day, unix(one.start), min(unix(one.end), grid.end)) for day, one in days_of(span, zone)]
    placed = [
        (day, ((low - grid.start) // grid.step, (high - grid.start) // grid.step))
        for day, low, high in found
        if low < high
    ]
    spans = tuple(bits for _, bits in placed)
    return tuple(day for day, _ in placed), spans, tuple(high - low for low, high in spans)


@lru_cache(maxsize=8192)
def _figures_of(good: int, bad: int, excluded: int, whole: int, step: int) -> Figures:
    """Return the figures of so many steps, once for the many days that are alike."""
    return Figures(good * step, bad * step, (whole - good - bad - excluded) * step, excluded * step)


def _bad_slices(
    lines: Sequence[tuple[SeriesKey, Line]], flows: Mapping[Flow, States]
) -> list[tuple[int, int]]:
    """Return how long slices last, and where some that long are why a flow is bad.

    Where a correction alone says so it is by the minute.
    """
    found: defaultdict[int, int] = defaultdict(int)
    for flow, states in flows.items():
        left = states.bad
        for key, line in lines if left else ():
            if key.flow is flow:
                found[key.interval] |= line.bad & states.bad
                left &= ~line.bad
        found[60] |= left
    return list(found.items())


def _nothing(objective: Objective, at: datetime) -> Account:
    return Account(
        objective=objective,
        start=at,
        end=at,
        until=at,
        raw=Figures(),
        corrected=Figures(),
        budget=Budget(Fraction(0), 0),
        days=(),
        incidents=(),
        burns=tuple(Burn(window, None, 0) for window in WINDOWS),
    )


_NOWHERE: Final = Line(0, 0, 0)
_ALWAYS: Final = Span(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
