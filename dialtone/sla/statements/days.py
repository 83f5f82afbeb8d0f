"""The calendar of a service: a cell a day, in weeks as the reader's country begins them."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from dialtone.model import LEAST_COVERAGE
from dialtone.sla.figures import Account, Figures
from dialtone.sla.statements.dates import (
    brief_duration,
    day_end,
    day_length,
    duration,
    long_date,
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
    DayKind.COMING: N_("still to come"),
}


def calendar(account: Account, language: Language) -> Calendar:
    """Return the days of an account in weeks."""
    first = language.locale.first_week_day
    zone = ZoneInfo(account.objective.zone)
    cells: list[Day | None] = []
    if account.days:
        # By date: a zone may have skipped a day.
        begin = account.days[0][0] - timedelta(days=(account.days[0][0].weekday() - first) % 7)
        count = (account.days[-1][0] - begin).days + 1
        cells = [None] * (count + -count % 7)
        for day, found in account.days:
            cells[(day - begin).days] = _day(day, found, account, zone, language)
    return Calendar(
        service=plain(account.objective.service),
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
        return DayKind.COMING if day_end(day, zone) > account.until else DayKind.UNCOUNTED
    kept = figures.availability
    if kept is None:
        return DayKind.UNMEASURED if figures.unknown else DayKind.EXCLUDED
    if figures.bad:
        return DayKind.SOME if kept >= account.objective.target else DayKind.POOR
    seen = figures.coverage
    return DayKind.GOOD if seen is not None and seen >= LEAST_COVERAGE else DayKind.PATCHY


def _day(day: date, figures: Figures, account: Account, zone: ZoneInfo, language: Language) -> Day:
    locale = language.locale
    kind, kept, length = kind_of(day, figures, account), figures.availability, day_length(day, zone)
    share = "" if kept is None else percent(kept, 0 if kept == 1 else LEAST_DIGITS, locale)
    if kind is DayKind.UNMEASURED:
        share = language.gettext("not measured")
    elif kind is DayKind.EXCLUDED:
        share = language.gettext("excluded")
    bad = duration(figures.bad, locale) if figures.bad else ""
    if kind is DayKind.PATCHY:
        bad = language.gettext("unknown: {time}").format(time=brief_duration(figures.unknown, locale))
    begins = day == account.days[0][0] or day.day == 1
    spans_months = account.days[0][0].month != account.days[-1][0].month
    return Day(
        label=short_date(day, locale) if begins and spans_months else str(day.day),
        kind=kind,
        share=share,
        bad=bad,
        brief=brief_duration(figures.bad, locale) if figures.bad else "",
        length="" if length == _DAY else duration(length, locale),
        title=f"{long_date(day, locale)}: {language.gettext(KEYS[kind])}",
    )
