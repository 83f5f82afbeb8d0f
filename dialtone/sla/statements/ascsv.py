"""A statement as one table for a spreadsheet: a row a service with all its figures, then its incidents.

Column `row` says what a row is (service, incident, excluded, correction), so that one filter leaves the
services of many files put together. Names of columns, decimal points and instants (UTC, as spreadsheets read
them) are the same in every language. Percentages are cut off, never rounded. The file begins with a byte
order mark, without which Excel would read UTF-8 as something else.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from io import StringIO
from typing import Final

from dialtone.model import Correction
from dialtone.sla.figures import Account, Incident
from dialtone.sla.statement import ExcludedTime, Statement
from dialtone.sla.statements.credits import credit_of
from dialtone.sla.statements.numbers import digits_for, digits_of, percent_text
from dialtone.sla.statements.plain import cell
from dialtone.sla.statements.totals import totals, whole_seconds

COLUMNS: Final = (
    "row", "issuer", "tenant", "tenant_name", "period", "zone", "closed",
    "service", "title", "flows", "start_utc", "end_utc",
    "target_percent", "result", "provisional", "over",
    "availability_percent", "lower_percent", "upper_percent", "coverage_percent",
    "raw_availability_percent", "raw_lower_percent", "raw_upper_percent", "raw_coverage_percent",
    "good_seconds", "bad_seconds", "unknown_seconds", "excluded_seconds",
    "raw_bad_seconds", "raw_excluded_seconds",
    "budget_seconds", "budget_left_seconds", "credit_percent",
    "incidents", "detect_seconds", "recover_seconds", "text", "author",
)  # fmt: skip
"""Where a row has no such figure, the cell is empty. `text` is an incident's causes or a reason."""

_BOM: Final = "\ufeff"


def as_csv(statement: Statement) -> str:
    """Return a statement as CSV (RFC 4180)."""
    written = StringIO(newline="")
    table = csv.DictWriter(written, COLUMNS, restval="", lineterminator="\r\n")
    table.writeheader()
    whose: dict[str, object] = {
        "issuer": cell(statement.issuer.domain),
        "tenant": cell(statement.tenant.domain),
        "tenant_name": cell(statement.tenant.name),
        "period": statement.period,
        "zone": cell(statement.zone),
        "closed": _yes(statement.closing is not None),
    }
    for row in _rows(statement):
        table.writerow(whose | row)
    return _BOM + written.getvalue()


def _rows(statement: Statement) -> Iterator[dict[str, object]]:
    for account in statement.accounts:
        yield _named(account, statement) | _service(account)
    for account in statement.accounts:
        for incident in account.incidents:
            yield _named(account, statement) | _incident(incident)
    yield from (_excluded(one) for one in statement.excluded)
    yield from (_correction(one) for one in statement.corrections)


def _named(account: Account, statement: Statement) -> dict[str, object]:
    objective = account.objective
    return {"service": cell(objective.service), "title": cell(objective.title(statement.language))}


def _service(account: Account) -> dict[str, object]:
    objective, raw, found = account.objective, account.raw, account.corrected
    digits, sums, credit = digits_for(objective.target), totals(account), credit_of(account)
    return {
        "row": "service",
        "flows": " ".join(objective.flows),
        "start_utc": _instant(account.start),
        "end_utc": _instant(account.end),
        "target_percent": percent_text(objective.target, digits_of(objective.target)),
        "result": account.standing.value,
        "provisional": _yes(found.is_provisional),
        "over": _yes(account.is_over),
        "availability_percent": _percent(found.availability, digits),
        "lower_percent": _percent(found.lower, digits),
        "upper_percent": _percent(found.upper, digits),
        "coverage_percent": _percent(found.coverage, digits),
        "raw_availability_percent": _percent(raw.availability, digits),
        "raw_lower_percent": _percent(raw.lower, digits),
        "raw_upper_percent": _percent(raw.upper, digits),
        "raw_coverage_percent": _percent(raw.coverage, digits),
        "good_seconds": found.good,
        "bad_seconds": found.bad,
        "unknown_seconds": found.unknown,
        "excluded_seconds": found.excluded,
        "raw_bad_seconds": raw.bad,
        "raw_excluded_seconds": raw.excluded,
        "budget_seconds": account.budget.seconds // 1,
        "budget_left_seconds": (account.budget.seconds - account.budget.spent) // 1,
        "credit_percent": "0" if credit is None else percent_text(credit.share, digits_of(credit.share)),
        "incidents": sums.incidents,
        "detect_seconds": _whole(sums.to_detect),
        "recover_seconds": _whole(sums.to_recover),
    }


def _incident(incident: Incident) -> dict[str, object]:
    start, end, known = incident.start, incident.end, incident.known
    return {
        "row": "incident",
        "flows": " ".join(incident.flows),
        "start_utc": _instant(start),
        "end_utc": "" if end is None else _instant(end),
        "bad_seconds": incident.bad,
        "detect_seconds": "" if known is None else whole_seconds(start, known),
        "recover_seconds": "" if end is None else whole_seconds(start, end),
        "text": cell("; ".join(incident.causes)),
    }


def _excluded(one: ExcludedTime) -> dict[str, object]:
    return {
        "row": "excluded",
        "start_utc": _instant(one.start),
        "end_utc": _instant(one.end),
        "excluded_seconds": whole_seconds(one.start, one.end),
        "result": "correction" if one.is_correction else "maintenance",
        "text": cell(one.reason),
        "author": cell(one.author),
    }


def _correction(one: Correction) -> dict[str, object]:
    return {
        "row": "correction",
        "flows": " ".join(one.flows),
        "start_utc": _instant(one.begins),
        "end_utc": _instant(one.ends),
        "result": "withdrawn" if one.withdrawn else one.state.name.lower(),
        "text": cell(one.reason),
        "author": cell(one.author),
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _percent(share: Fraction | None, digits: int) -> str:
    return "" if share is None else percent_text(share, digits)


def _whole(seconds: Fraction | None) -> object:
    return "" if seconds is None else int(seconds)


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
