"""A statement in words: the sheet that HTML, PDF and text lay out."""

from datetime import datetime
from zoneinfo import ZoneInfo

from dialtone.sla.statement import Statement
from dialtone.sla.statements import lists
from dialtone.sla.statements.dates import instant, month_name, month_span
from dialtone.sla.statements.days import calendar, keys
from dialtone.sla.statements.language import Language, language
from dialtone.sla.statements.method import method
from dialtone.sla.statements.plain import plain
from dialtone.sla.statements.sheet import Sheet
from dialtone.sla.statements.verdicts import headline, verdict


def composed(statement: Statement) -> Sheet:
    """Return what stands on a statement, in its language."""
    spoken = language(statement.language)
    result, line = headline(statement.accounts, spoken)
    calendars = tuple(calendar(account, spoken) for account in statement.accounts)
    return Sheet(
        language=spoken,
        title=spoken.gettext("Service level statement"),
        subtitle=month_name(statement.period, spoken.locale),
        tenant=plain(statement.tenant.name),
        domain=plain(statement.tenant.domain),
        issuer=plain(statement.issuer.name),
        logo=statement.logo,
        facts=_facts(statement, spoken),
        notes=_notes(statement, spoken),
        headline=line,
        result=result,
        verdicts=tuple(verdict(account, spoken) for account in statement.accounts),
        calendars=calendars,
        keys=keys(calendars, spoken),
        incidents=tuple(lists.incidents(account, spoken) for account in statement.accounts),
        excluded=lists.excluded(statement, spoken),
        corrections=lists.corrections(statement, spoken),
        totals=lists.sums(statement.accounts, spoken),
        method=method(statement, spoken),
        seal=_seal(statement, spoken),
    )


def _facts(statement: Statement, spoken: Language) -> tuple[tuple[str, str], ...]:
    _, zone = spoken.gettext, ZoneInfo(statement.zone)
    return (
        (_("Client"), _named(statement.tenant.name, statement.tenant.domain)),
        (_("Issued by"), _named(statement.issuer.name, statement.issuer.domain)),
        (_("Period"), month_name(statement.period, spoken.locale)),
        (_("Time zone"), plain(statement.zone)),
        (_("Computed on"), instant(statement.made, zone, spoken.locale, year=True)),
    )


def _notes(statement: Statement, spoken: Language) -> tuple[str, ...]:
    """Return what is to be known before any figure: that it may change, or rests on too little."""
    _, notes = spoken.gettext, []
    zone = ZoneInfo(statement.zone)
    running = [account for account in statement.accounts if not account.is_over]
    if running:
        until = max(account.until for account in running)
        notes.append(
            _("The period is not over: this is how it stood on {instant}.").format(
                instant=instant(until, zone, spoken.locale, year=True)
            )
        )
    if statement.closing is None:
        notes.append(_("The month is not closed: figures may still change."))
    if any(account.corrected.is_provisional for account in statement.accounts):
        notes.append(
            _(
                "The services marked provisional were measured for less than 95% of the time: "
                "their figures can't be relied on."
            )
        )
    notes += [
        _("{service} is counted from {start} to {end}.").format(
            service=plain(account.objective.service),
            start=instant(account.start, zone, spoken.locale, year=True),
            end=instant(account.end, zone, spoken.locale, year=True),
        )
        for account in statement.accounts
        if not account.objective.rolling and not _is_whole(statement, account.start, account.end)
    ]
    notes += [
        _("{service} goes by the time zone {zone}.").format(
            service=plain(account.objective.service), zone=plain(account.objective.zone)
        )
        for account in statement.accounts
        if account.objective.zone != statement.zone
    ]
    return tuple(notes)


def _is_whole(statement: Statement, start: datetime, end: datetime) -> bool:
    begins, ends = month_span(statement.period, statement.zone)
    return start <= begins and end >= ends


def _seal(statement: Statement, spoken: Language) -> tuple[tuple[str, str], ...]:
    """Return what a closed month can be told by."""
    _, closing = spoken.gettext, statement.closing
    if closing is None:
        return ()
    zone = ZoneInfo(statement.zone)
    return (
        (_("Closed on"), instant(closing.closed, zone, spoken.locale, year=True)),
        (_("SHA-256"), closing.hash),
    )


def _named(name: str, domain: str) -> str:
    said, at = plain(name), plain(domain)
    return at if said in ("", at) else f"{said} ({at})"
