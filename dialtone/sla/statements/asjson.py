"""Figures and statements as canonical JSON: the same accounts are the same bytes, wherever it is computed.

Keys are sorted, there are no spaces, the text is UTF-8. Durations are whole seconds, instants RFC 3339 in
UTC. A share is its numerator and denominator beside `percent`, which is cut off and never rounded.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Final, TypeAlias

from dialtone.model import Closing, Credit, Measure, Objective, Sli
from dialtone.sla.figures import Account, Figures, Incident
from dialtone.sla.statement import Party, Statement
from dialtone.sla.statements.credits import credit_of
from dialtone.sla.statements.numbers import digits_for, digits_of, percent_text
from dialtone.sla.statements.totals import totals, whole_seconds

JsonValue: TypeAlias = "bool | int | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

VERSION: Final = 1
"""Of the shape of a statement; it grows when a field goes or changes its meaning."""


def canonical_json(value: object) -> str:
    """Return a value (dicts, lists, strings, ints, booleans, None) in the one spelling that it has.

    Raises ValueError for NaN and infinity, TypeError for what JSON does not know.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def figures_json(accounts: Iterable[Account]) -> str:
    """Return the figures of accounts as canonical JSON: nothing of when or by whom they were computed."""
    return canonical_json(figures(accounts))


def figures(accounts: Iterable[Account]) -> list[JsonValue]:
    """Return the figures of accounts as JSON values, in their order."""
    return [_account(account) for account in accounts]


def statement_json(statement: Statement) -> str:
    """Return a statement as canonical JSON; its `figures` are those of figures_json."""
    closing = statement.closing
    return canonical_json(
        {
            "format": "dialtone-statement",
            "version": VERSION,
            "tenant": _party(statement.tenant),
            "issuer": _party(statement.issuer),
            "period": statement.period,
            "zone": statement.zone,
            "language": statement.language,
            "made": rfc3339(statement.made),
            "closing": None if closing is None else _closing(closing),
            "figures": figures(statement.accounts),
            "titles": {
                one.objective.service: one.objective.title(statement.language) for one in statement.accounts
            },
            "excluded": [
                {
                    "start": rfc3339(one.start),
                    "end": rfc3339(one.end),
                    "reason": one.reason,
                    "author": one.author,
                    "correction": one.is_correction,
                }
                for one in statement.excluded
            ],
            "corrections": [
                {
                    "id": one.id,
                    "start": rfc3339(one.begins),
                    "end": rfc3339(one.ends),
                    "counts_as": one.state.name.lower(),
                    "flows": list(one.flows),
                    "author": one.author,
                    "reason": one.reason,
                    "declared": rfc3339(one.declared),
                    "withdrawn": _instant(one.withdrawn),
                    "withdrawn_by": one.withdrawn_by,
                }
                for one in statement.corrections
            ],
        }
    )


def rfc3339(at: datetime) -> str:
    """Return an instant in UTC: `2026-10-03T14:02:00Z`; parts of a second are told where there are some."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _closing(closing: Closing) -> JsonValue:
    return {
        "closed": rfc3339(closing.closed),
        "previous": closing.previous,
        "hash": closing.hash,
    }


def _account(account: Account) -> JsonValue:
    digits = digits_for(account.objective.target)
    found, budget = totals(account), account.budget
    return {
        **_objective(account.objective),
        "start": rfc3339(account.start),
        "end": rfc3339(account.end),
        "until": rfc3339(account.until),
        "over": account.is_over,
        "met": account.is_met,
        "standing": account.standing.value,
        "provisional": account.corrected.is_provisional,
        "raw": _figures(account.raw, digits),
        "corrected": _figures(account.corrected, digits),
        "budget": {
            "seconds": _ratio(budget.seconds),
            "spent": budget.spent,
            "left": _share(budget.left, digits),
        },
        "credit": _credit(credit_of(account)),
        "days": [{"date": day.isoformat(), **_seconds(each)} for day, each in account.days],
        "incidents": [_incident(incident) for incident in account.incidents],
        "mean_to_detect": None if found.to_detect is None else _ratio(found.to_detect),
        "mean_to_recover": None if found.to_recover is None else _ratio(found.to_recover),
    }


def _objective(objective: Objective) -> dict[str, JsonValue]:
    return {
        "service": objective.service,
        "flows": list(objective.flows),
        "measure": _measure(objective.measure),
        "passive": None if objective.passive is None else _measure(objective.passive),
        "evidence": objective.evidence.value,
        "target": _share(objective.target, digits_of(objective.target)),
        "zone": objective.zone,
        "rolling_days": objective.rolling,
        "hours": [
            {"days": sorted(span.days), "start": span.start, "end": span.end} for span in objective.hours
        ],
        "maintenance": objective.maintenance,
        "credits": [_credit(credit) for credit in objective.credits],
        "starts": _day(objective.starts),
        "ends": _day(objective.ends),
    }


def _measure(measure: Measure) -> JsonValue:
    """Return what a slice is judged by; thresholds are configured decimals, so they are told as text."""
    said: dict[str, JsonValue] = {"sli": measure.sli.name.lower()}
    if measure.sli is Sli.LATENCY:
        return said | {"timing": measure.timing, "at_most": _decimal(measure.threshold)}
    if measure.sli is Sli.MOS:
        return said | {"at_least": _decimal(measure.threshold)}
    if measure.sli is Sli.PASSIVE:
        return said | {"seer_at_least": _decimal(measure.threshold), "isa_at_most": _decimal(measure.other)}
    return said


def _figures(found: Figures, digits: int) -> JsonValue:
    return {
        **_seconds(found),
        "availability": _share(found.availability, digits),
        "lower": _share(found.lower, digits),
        "upper": _share(found.upper, digits),
        "coverage": _share(found.coverage, digits),
    }


def _seconds(found: Figures) -> dict[str, JsonValue]:
    return {"good": found.good, "bad": found.bad, "unknown": found.unknown, "excluded": found.excluded}


def _incident(incident: Incident) -> JsonValue:
    start, end, known = incident.start, incident.end, incident.known
    return {
        "start": rfc3339(start),
        "end": _instant(end),
        "bad": incident.bad,
        "flows": list(incident.flows),
        "causes": list(incident.causes),
        "detected": _instant(known),
        "to_detect": None if known is None else whole_seconds(start, known),
        "to_recover": None if end is None else whole_seconds(start, end),
    }


def _credit(credit: Credit | None) -> JsonValue:
    if credit is None:
        return None
    return {
        "below": _share(credit.below, digits_of(credit.below)),
        "share": _share(credit.share, digits_of(credit.share)),
    }


def _share(share: Fraction | None, digits: int) -> JsonValue:
    if share is None:
        return None
    return {**_ratio(share), "percent": percent_text(share, digits)}


def _ratio(value: Fraction) -> dict[str, JsonValue]:
    return {"numerator": value.numerator, "denominator": value.denominator}


def _instant(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def _decimal(value: float | None) -> str | None:
    return None if value is None else repr(value)


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _party(party: Party) -> JsonValue:
    return {"domain": party.domain, "name": party.name}
