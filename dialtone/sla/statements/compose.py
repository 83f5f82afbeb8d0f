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
    calendars = tuple(calendar(account, statement.period, spoken) for account in statement.accounts)
    return Sheet(
        language=spoken,
        title=spoken.gettext("Service level statement"),
        subtitle=month_name(statement.period, spoken.locale),
        tenant=plain(statement.tenant.name),
        domain=plain(statement.tenant.domain),
        issuer=plain(statement.issuer.name),
        logo=statement.logo,
        made=statement.made,
        facts=_facts(statement, spoken),
        notes=_notes(statement, spoken),
        remark=_remark(statement, spoken),
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
    """Return what is to be known before any figure: that it may change."""
    _ = spoken.gettext
    running = [account for account in statement.accounts if not account.is_over]
    if running:
        until = max(account.until for account in running)
        return (
            _(
                "The period is not over: this is how it stood on {instant}, and figures may still change."
            ).format(instant=_told(until, statement, spoken)),
        )
    if statement.closing is None:
        return (_("The month is not closed: figures may still change."),)
    return ()


def _remark(statement: Statement, spoken: Language) -> str:
    """Return which services are counted over another time than the month, or by another clock."""
    _ = spoken.gettext
    said: dict[str, list[str]] = {}
    for account in statement.accounts:
        title, zone = plain(account.objective.title(spoken.tag)), account.objective.zone
        start = _told(account.start, statement, spoken)
        if not account.objective.rolling and not _is_whole(statement, account.start, account.end):
            words = (
                _("{services}: counted from {start} to {end}.").format(
                    services="{services}", start=start, end=_told(account.end, statement, spoken)
                )
                if account.is_over
                else _("{services}: counted from {start}, so far until {until}.").format(
                    services="{services}", start=start, until=_told(account.until, statement, spoken)
                )
            )
            said.setdefault(words, []).append(title)
        if zone != statement.zone:
            words = _("{services}: by the time zone {zone}.").format(services="{services}", zone=plain(zone))
            said.setdefault(words, []).append(title)
    return " ".join(words.replace("{services}", ", ".join(titles)) for words, titles in said.items())


def _told(at: datetime, statement: Statement, spoken: Language) -> str:
    return instant(at, ZoneInfo(statement.zone), spoken.locale, year=True)


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
