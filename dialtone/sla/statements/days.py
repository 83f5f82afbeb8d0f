"""The calendar of a service: a cell a day, in weeks as the reader's country begins them."""

from datetime import date, time, timedelta
from zoneinfo import ZoneInfo

from dialtone.model import LEAST_COVERAGE
from dialtone.sla.figures import Account, Figures
from dialtone.sla.statements.dates import (
    brief_duration,
    day_end,
    day_length,
    duration,
    long_date,
    month_span,
    short_date,
    weekday_names,
)
from dialtone.sla.statements.language import Language
from dialtone.sla.statements.numbers import LEAST_DIGITS, percent
from dialtone.sla.statements.plain import plain
from dialtone.sla.statements.sheet import Calendar, Day, DayKind, Key
from dialtone.sla.statements.terms import N_

_DAY = 86_400

KEYS = {
    DayKind.GOOD: N_("no bad time"),
    DayKind.SOME: N_("bad time, target met on the day"),
    DayKind.POOR: N_("target missed on the day"),
    DayKind.PATCHY: N_("no bad time seen, less than 95% measured"),
    DayKind.UNMEASURED: N_("not measured"),
    DayKind.EXCLUDED: N_("excluded all day"),
    DayKind.UNCOUNTED: N_("outside the hours of service"),
    DayKind.ABSENT: N_("before the service began, or after it ended"),
    DayKind.COMING: N_("still to come"),
}


def calendar(account: Account, period: str, language: Language) -> Calendar:
    """Return the days of an account's period in weeks, those too that it has no figures of.

    `period` is the month that it is of; one of rolling days has these.
    """
    first = language.locale.first_week_day
    zone = ZoneInfo(account.objective.zone)
    cells: list[Day | None] = []
    days = _days_of(account, period, zone)
    if days:
        # By date: a zone may have skipped a day.
        begin = days[0] - timedelta(days=(days[0].weekday() - first) % 7)
        count = (days[-1] - begin).days + 1
        cells = [None] * (count + -count % 7)
        known = dict(account.days)
        spans_months = days[0].month != days[-1].month
        for day in days:
            label = (
                short_date(day, language.locale)
                if spans_months and day in (days[0], day.replace(day=1))
                else str(day.day)
            )
            cells[(day - begin).days] = _day(day, label, known.get(day, Figures()), account, language)
    return Calendar(
        service=plain(account.objective.title(language.tag)),
        weekdays=weekday_names(language.locale, first=first),
        weeks=tuple(tuple(cells[at : at + 7]) for at in range(0, len(cells), 7)),
    )


def keys(calendars: tuple[Calendar, ...], language: Language) -> tuple[Key, ...]:
    """Return what the kinds of days that occur are called."""
    found = {day.kind for one in calendars for week in one.weeks for day in week if day}
    return tuple(Key(kind, language.gettext(KEYS[kind])) for kind in DayKind if kind in found)


def kind_of(day: date, figures: Figures, account: Account) -> DayKind:
    """Return how a day of an account went."""
    if figures == Figures():
        zone = ZoneInfo(account.objective.zone)
        begin, end = day_end(day - timedelta(days=1), zone), day_end(day, zone)
        if end <= account.start or begin >= account.end:
            return DayKind.ABSENT
        return DayKind.UNCOUNTED if account.is_over or end <= account.until else DayKind.COMING
    kept = figures.availability
    if kept is None:
        return DayKind.UNMEASURED if figures.unknown else DayKind.EXCLUDED
    if figures.bad:
        return DayKind.SOME if kept >= account.objective.target else DayKind.POOR
    seen = figures.coverage
    return DayKind.GOOD if seen is not None and seen >= LEAST_COVERAGE else DayKind.PATCHY


def _days_of(account: Account, period: str, zone: ZoneInfo) -> list[date]:
    """Return the days of a period: those of its month, or from the first that is counted to its end."""
    if account.objective.rolling:
        begin, end = account.start, account.end
    else:
        begin, end = month_span(period, zone.key)
    found = {day for day, _figures in account.days}
    day, at = begin.astimezone(zone).date(), end.astimezone(zone)
    past = at.date() + timedelta(days=at.time() > time())
    while day < past:
        if day_length(day, zone):
            found.add(day)
        day += timedelta(days=1)
    return sorted(found)


def _day(day: date, label: str, figures: Figures, account: Account, language: Language) -> Day:
    locale, zone = language.locale, ZoneInfo(account.objective.zone)
    kind, kept, length = kind_of(day, figures, account), figures.availability, day_length(day, zone)
    share = "" if kept is None else percent(kept, 0 if kept == 1 else LEAST_DIGITS, locale)
    if kind is DayKind.UNMEASURED:
        share = language.gettext("not measured")
    elif kind is DayKind.EXCLUDED:
        share = language.gettext("excluded")
    elif kind is DayKind.UNCOUNTED:
        share = language.gettext("outside hours")
    elif kind is DayKind.ABSENT:
        share = "–"
    bad = duration(figures.bad, locale) if figures.bad else ""
    if kind is DayKind.PATCHY:
        bad = language.gettext("unknown: {time}").format(time=brief_duration(figures.unknown, locale))
    return Day(
        label=label,
        kind=kind,
        share=share,
        bad=bad,
        length="" if length == _DAY else duration(length, locale),
        title=f"{long_date(day, locale)}: {language.gettext(KEYS[kind])}",
    )
