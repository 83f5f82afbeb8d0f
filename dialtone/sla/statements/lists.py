"""The tables of a statement: incidents, what was excluded, what was corrected, what it comes to."""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from dialtone.model import Correction, SliceState
from dialtone.sla.figures import Account, Incident
from dialtone.sla.statement import ExcludedTime, Statement
from dialtone.sla.statements.dates import duration, instant
from dialtone.sla.statements.language import Language
from dialtone.sla.statements.plain import plain
from dialtone.sla.statements.sheet import Column, Table
from dialtone.sla.statements.terms import N_, flow_names
from dialtone.sla.statements.totals import totals, whole_seconds
from dialtone.sla.statements.verdicts import NONE

MOST_ROWS: Final = 500
"""So many rows of a table are on paper; the JSON has them all."""

_STATES: Final = {
    SliceState.EXCLUDED: N_("excluded"),
    SliceState.GOOD: N_("good"),
    SliceState.BAD: N_("bad"),
    SliceState.UNKNOWN: N_("unknown"),
}


def incidents(account: Account, language: Language) -> Table:
    """Return the incidents of a service, in order."""
    _ = language.gettext
    zone = ZoneInfo(account.objective.zone)
    return Table(
        title=plain(account.objective.title(language.tag)),
        columns=(
            Column(_("Start"), 15),
            Column(_("End"), 15),
            Column(_("Bad time"), 11, is_right=True),
            Column(_("Detected after"), 11, is_right=True),
            Column(_("Recovered after"), 11, is_right=True),
            Column(_("Affected"), 17, is_prose=True),
            Column(_("Cause"), 26, is_prose=True),
        ),
        rows=tuple(_incident(one, zone, language) for one in account.incidents[:MOST_ROWS]),
        empty=_("No incident."),
        note=_more(len(account.incidents), language),
    )


def excluded(statement: Statement, language: Language) -> Table:
    """Return the time that is outside of the figures."""
    _ = language.gettext
    zone = ZoneInfo(statement.zone)
    return Table(
        title=_("Excluded time"),
        columns=(
            Column(_("Start"), 15),
            Column(_("End"), 15),
            Column(_("Duration"), 11, is_right=True),
            Column(_("Kind"), 15, is_prose=True),
            Column(_("Reason"), 27, is_prose=True),
            Column(_("Author"), 17, is_prose=True),
        ),
        rows=tuple(_excluded(one, zone, language) for one in statement.excluded[:MOST_ROWS]),
        empty=_("No time was excluded."),
        note=_more(len(statement.excluded), language),
    )


def corrections(statement: Statement, language: Language) -> Table:
    """Return what was put right afterwards."""
    _ = language.gettext
    zone = ZoneInfo(statement.zone)
    return Table(
        title=_("Corrections"),
        columns=(
            Column(_("Start"), 15),
            Column(_("End"), 15),
            Column(_("Made on"), 15),
            Column(_("Counts as"), 13, is_prose=True),
            Column(_("Reason"), 25, is_prose=True),
            Column(_("Author"), 17, is_prose=True),
        ),
        rows=tuple(_correction(one, zone, language) for one in statement.corrections[:MOST_ROWS]),
        empty=_("Nothing was corrected."),
        note=_more(len(statement.corrections), language),
    )


def sums(accounts: Sequence[Account], language: Language) -> Table:
    """Return what the time of each service comes to."""
    _ = language.gettext
    return Table(
        title=_("Totals"),
        columns=(
            Column(_("Service"), 20),
            Column(_("Good"), 12, is_right=True),
            Column(_("Bad"), 12, is_right=True),
            Column(_("Unknown"), 12, is_right=True),
            Column(_("Excluded"), 10, is_right=True),
            Column(_("Incidents"), 10, is_right=True),
            Column(_("Mean time to detect"), 12, is_right=True),
            Column(_("Mean time to recover"), 12, is_right=True),
        ),
        rows=tuple(_sums(account, language) for account in accounts),
        empty=_("No service was promised in this period."),
    )


def _incident(incident: Incident, zone: ZoneInfo, language: Language) -> tuple[str, ...]:
    locale, _ = language.locale, language.gettext
    start, end, known = incident.start, incident.end, incident.known
    return (
        instant(start, zone, locale),
        _("still going on") if end is None else instant(end, zone, locale),
        duration(incident.bad, locale),
        NONE if known is None else duration(whole_seconds(start, known), locale),
        NONE if end is None else duration(whole_seconds(start, end), locale),
        flow_names(incident.flows, language),
        plain("; ".join(incident.causes)) or _("not on record"),
    )


def _excluded(one: ExcludedTime, zone: ZoneInfo, language: Language) -> tuple[str, ...]:
    _ = language.gettext
    return (
        instant(one.start, zone, language.locale),
        instant(one.end, zone, language.locale),
        duration(whole_seconds(one.start, one.end), language.locale),
        _("correction") if one.is_correction else _("announced maintenance"),
        plain(one.reason),
        plain(one.author),
    )


def _correction(one: Correction, zone: ZoneInfo, language: Language) -> tuple[str, ...]:
    _, locale = language.gettext, language.locale
    counts = _(_STATES[one.state])
    if one.withdrawn is not None:
        counts = _("{state}; withdrawn {instant} by {author}").format(
            state=counts, instant=instant(one.withdrawn, zone, locale), author=plain(one.withdrawn_by)
        )
    return (
        instant(one.begins, zone, locale),
        instant(one.ends, zone, locale),
        instant(one.declared, zone, locale, year=True),
        counts,
        plain(one.reason),
        plain(one.author),
    )


def _sums(account: Account, language: Language) -> tuple[str, ...]:
    locale, found, whole = language.locale, totals(account), account.corrected
    return (
        plain(account.objective.title(language.tag)),
        *(duration(each, locale) for each in (whole.good, whole.bad, whole.unknown, whole.excluded)),
        str(found.incidents),
        *(
            NONE if mean is None else duration(int(mean), locale)
            for mean in (found.to_detect, found.to_recover)
        ),
    )


def _more(count: int, language: Language) -> str:
    left = count - MOST_ROWS
    if left <= 0:
        return ""
    return language.ngettext(
        "{count} more is in the JSON of this statement.",
        "{count} more are in the JSON of this statement.",
        left,
    ).format(count=left)
