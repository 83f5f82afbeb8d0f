"""A service in detail: both readings, budget and burn rates, incidents, the days on which something was."""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from dialtone.cli.books import minute, span_told
from dialtone.cli.sla.words import (
    bounds,
    budget_left,
    kept,
    paragraph,
    promised,
    rate_told,
    share,
    verdict,
    window_told,
)
from dialtone.model import Sli
from dialtone.sla.burn import burning
from dialtone.sla.figures import Account, Figures, Incident, Standing
from dialtone.sla.statements.numbers import digits_for, percent_text

_MOST_INCIDENTS = 20
_SO_FAR = {
    Standing.KEPT: " so far",
    Standing.BELOW: " target so far, and can still be kept",
    Standing.MISSED: " whatever is to come",
}
_READING = "  {:<20} {:>9} {:>20} {:>8} {:>17}"
_DAY = "    {:<10} {:>10} {:>12} {:>12} {:>12}"


def details(account: Account) -> Iterator[str]:
    """Yield the lines of a service."""
    objective = account.objective
    yield from paragraph(f"{objective.tenant}: {objective.service}", indent="    ")
    so_far = "" if account.is_over or account.is_met is None else _SO_FAR[account.standing]
    said = f"{verdict(account)}{so_far}: {kept(account)} of {promised(account)} promised, {_of(account)}"
    yield from paragraph(said, "  ", "    ")
    yield from paragraph(_period(account), "  ")
    if account.is_met is not None and account.corrected.is_provisional:
        yield "  provisional: less than 95 % of the time that counts was measured"
    yield ""
    yield from _readings(account)
    yield ""
    yield from _budget(account)
    yield ""
    yield from _incidents(account)
    yield from _days(account)


def _of(account: Account) -> str:
    objective = account.objective
    flows = ", ".join(objective.flows)
    measure = objective.measure
    match objective.sli:
        case Sli.LATENCY:
            return f"{measure.timing} at most {measure.threshold:g} s of {flows}"
        case Sli.MOS:
            return f"MOS at least {measure.threshold:g} of {flows}"
        case _:
            return f"{flows} ({objective.evidence})"


def _period(account: Account) -> str:
    zone = account.objective.zone
    kind = f"the last {account.objective.rolling} days" if account.objective.rolling else "the month"
    text = f"{kind}: {minute(account.start, zone)} to {minute(account.end, zone)} {zone}"
    return text if account.is_over else f"{text}; counted until {minute(account.until, zone)}"


def _readings(account: Account) -> Iterator[str]:
    digits = digits_for(account.objective.target)
    yield _READING.format("", "kept", "bounds", "covered", "excluded").rstrip()
    yield _reading("as declared before", account.raw, digits)
    yield _reading("with corrections", account.corrected, digits)


def _reading(name: str, figures: Figures, digits: int) -> str:
    return _READING.format(
        name,
        share(figures.availability, digits),
        bounds(figures, digits) if figures.lower is not None else "-",
        share(figures.coverage, 1),
        span_told(figures.excluded) if figures.excluded else "-",
    )


def _budget(account: Account) -> Iterator[str]:
    budget = account.budget
    whole = f"{budget.seconds // 1} s"
    yield f"  budget of the whole period {whole}, spent {budget.spent} s, left {budget_left(account)}"
    rates = (
        f"{window_told(burn.window)} {'-' if burn.rate is None else rate_told(burn.rate)}"
        for burn in account.burns
    )
    yield from paragraph(f"burn rate: {', '.join(rates)}", "  ", "    ")
    for alarm in burning(account):
        long, short = span_told(alarm.long.window), span_told(alarm.short.window)
        fast = f"burns {rate_told(alarm.factor)} times too fast or faster over {long} and {short}"
        spent = f"at that rate {percent_text(alarm.share, 0)} % of the budget go in {long}"
        yield from paragraph(f"{fast} ({spent})", "  ", "    ")


def _incidents(account: Account) -> Iterator[str]:
    found = account.incidents
    yield f"  {len(found) or 'no'} incident{'s' if len(found) != 1 else ''}"
    for incident in found[-_MOST_INCIDENTS:]:
        yield from _incident(incident, account.objective.zone)
    if len(found) > _MOST_INCIDENTS:
        yield f"    and {len(found) - _MOST_INCIDENTS} earlier ones (--format json has all)"


def _incident(incident: Incident, zone: str) -> Iterator[str]:
    lasted = "goes on" if incident.to_recover is None else f"lasted {span_told(incident.to_recover)}"
    found = "" if incident.to_detect is None else f", detected after {span_told(incident.to_detect)}"
    when = _when(incident.start, zone)
    yield from paragraph(f"{when} {lasted}{found}; bad {span_told(incident.bad)}", "    ", "      ")
    yield from paragraph(", ".join(incident.flows), "      ", "      ")
    for cause in incident.causes:
        yield from paragraph(cause, "      ", "        ")


def _when(at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S}" if local.second else f"{local:%Y-%m-%d %H:%M}"


def _days(account: Account) -> Iterator[str]:
    """Yield the days on which not all was good."""
    odd = [(day, one) for day, one in account.days if one.bad or one.unknown or one.excluded]
    quiet = len(account.days) - len(odd)
    yield ""
    if odd:
        yield _DAY.format("day", "kept", "bad", "unknown", "excluded")
    for day, one in odd:
        spans = (span_told(seconds) if seconds else "-" for seconds in (one.bad, one.unknown, one.excluded))
        yield _DAY.format(
            day.isoformat(), share(one.availability, digits_for(account.objective.target)), *spans
        )
    if quiet:
        yield f"    {quiet} day{'s' if quiet != 1 else ''} with nothing bad, unknown or excluded"
