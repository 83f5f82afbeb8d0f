"""What a month of a tenant is computed from: the terms as they stood, and the pages cut to its span."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from dialtone.model import (
    Maintenance,
    Objective,
    SeriesKey,
    SliceCause,
    Slices,
    SliceSeries,
    plane_bytes,
)
from dialtone.sla.account import Pages, account
from dialtone.sla.calendar import Span, month, rolling
from dialtone.sla.encoding import plain
from dialtone.sla.figures import Account
from dialtone.sla.statement import Party

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH: Final = timedelta(days=32)
"""Maintenance that ended longer before a span than any month lasts takes nothing from its months' caps."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Whose month it is, by whom, and what was promised.

    `above` are the tenants whose maintenance and corrections hold for it too, the nearest first. `objectives`
    are those of the tenant in the order of the configuration.
    """

    tenant: Party
    issuer: Party
    above: tuple[str, ...]
    period: str
    zone: str
    language: str
    objectives: tuple[Objective, ...]

    @property
    def whole(self) -> Span:
        """The span that all its services' periods are in."""
        spans = [span_of(objective, self.period) for objective in self.objectives]
        return Span(min(span.start for span in spans), max(span.end for span in spans))

    def lie_on(self, tenant: str) -> bool:
        """Whether what is declared for that tenant holds for this one."""
        return tenant == self.tenant.domain or tenant in self.above


def span_of(objective: Objective, period: str) -> Span:
    """Return the span of an objective's month: the calendar month, or the rolling days up to its end.

    Raises ValueError, with words, where `period` is no month.
    """
    span = month(period, objective.zone)
    return rolling(span.end, objective.rolling) if objective.rolling else span


def accounts_of(terms: Terms, pages: Pages, now: datetime) -> tuple[Account, ...]:
    """Return the accounts of all services of the month, from pages that are cut to it."""
    return tuple(account(one, pages, span_of(one, terms.period), now) for one in terms.objectives)


def cut(terms: Terms, pages: Pages) -> Pages:
    """Return of a tenant's pages what lies within the month's span, and nothing else.

    What is beyond its edges, in the same UTC day even, goes on changing after the month is closed.
    """
    span = terms.whole
    cut_series = (_cut_series(one, span) for one in pages.series if _touches(one, span))
    series = tuple(one for one in cut_series if one.since != one.until)
    return Pages(
        series,
        _cut_causes(series, pages.causes, span),
        tuple(one for one in pages.maintenance if terms.lie_on(one.tenant) and _may_matter(one, span)),
        tuple(
            one
            for one in pages.corrections
            if terms.lie_on(one.tenant) and one.begins < span.end and one.ends > span.start
        ),
    )


def digests(pages: Pages) -> list[dict[str, object]]:
    """Return each series with its tenure, the SHA-256 of each day's bits, and that of its causes.

    A day of which nothing is known is left out, as the store may do.
    """
    causes: defaultdict[SeriesKey, list[SliceCause]] = defaultdict(list)
    for cause in sorted(pages.causes, key=lambda one: (one.slot, one.cause)):
        causes[cause.key].append(cause)
    return [
        {
            "series": _named(one.key),
            "since": plain(one.since),
            "until": plain(one.until),
            "days": {
                date_of(day.day).isoformat(): hashlib.sha256(
                    plane_bytes(day.good, day.bad, one.key.interval)
                ).hexdigest()
                for day in one.days
                if day.good or day.bad
            },
            "causes": _digest(causes.get(one.key, ())),
        }
        for one in pages.series
    ]


def date_of(day: int) -> date:
    """Return the date of a day that is counted from 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=day)


def _named(key: SeriesKey) -> dict[str, object]:
    """Return whose slices, field by field: what a key comes to have later is not in closings of before."""
    measure = key.measure
    return {
        "tenant": key.tenant,
        "flow": key.flow.value,
        "probe": key.probe,
        "location": key.location,
        "interval": key.interval,
        "measure": {
            "sli": plain(measure.sli),
            "timing": measure.timing,
            "threshold": measure.threshold,
            "other": measure.other,
        },
    }


def _digest(causes: Iterable[SliceCause]) -> str:
    text = "\n".join(f"{one.slot} {plain(one.known)} {one.cause}" for one in causes)
    return hashlib.sha256(text.encode()).hexdigest()


def _touches(series: SliceSeries, span: Span) -> bool:
    return series.since < span.end and (series.until is None or series.until > span.start)


def _cut_series(series: SliceSeries, span: Span) -> SliceSeries:
    until = None if series.until is None or series.until > span.end else series.until
    kept = _cut_slices(series, span)
    return replace(series, since=max(series.since, span.start), until=until, slices=kept)


def _cut_slices(series: SliceSeries, span: Span) -> Slices:
    """Return the slots that begin within the span."""
    interval, slices = series.key.interval, series.slices
    size = max(slices.good.bit_length(), slices.bad.bit_length())
    first = min(max(-(-_seconds(span.start) // interval) - series.first, 0), size)
    past = min(max(-(-_seconds(span.end) // interval) - series.first, 0), size)
    mask = (1 << past) - (1 << first) if past > first else 0
    return Slices(slices.day, slices.good & mask, slices.bad & mask)


def _cut_causes(
    series: Iterable[SliceSeries], causes: Iterable[SliceCause], span: Span
) -> tuple[SliceCause, ...]:
    """Return the causes of the span's slots; one that goes on into it begins with its first slot."""
    start, end = _seconds(span.start), _seconds(span.end)
    found = [cause for cause in causes if start <= _start(cause) < end]
    told = {(cause.key, cause.slot) for cause in found}
    before = {
        cause.key: cause
        for cause in sorted(causes, key=lambda one: (one.slot, one.known))
        if _start(cause) < start
    }
    for one in series:
        key, first = one.key, -(-start // one.key.interval)
        bad = first >= one.first and one.slices.bad >> first - one.first & 1
        if bad and key in before and (key, first) not in told:
            told.add((key, first))
            found.append(replace(before[key], slot=first))
    return tuple(sorted(found, key=lambda one: one.slot))


def _start(cause: SliceCause) -> int:
    return cause.slot * cause.key.interval


def _seconds(at: datetime) -> int:
    return int((at - _EPOCH).total_seconds())


def _may_matter(one: Maintenance, span: Span) -> bool:
    """Whether it can exclude something of the span, or use up the cap of a month that the span is in."""
    if one.begins >= span.end or (one.withdrawn is not None and one.withdrawn < span.start - _MONTH):
        return False
    return bool(one.recurs) or one.begins + timedelta(seconds=one.seconds) > span.start - _MONTH
