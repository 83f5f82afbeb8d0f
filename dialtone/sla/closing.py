"""Closing a month: what it came from and what came out, hashed in a chain that nobody changes unseen.

The chain proves that closings stand as they were put down, in that order. It does not prove when: who may
write the whole file may write a whole new chain. A hash that was sent away before, with a statement, tells.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from dialtone.model import Closing, Correction, Maintenance, SliceCause, SliceSeries
from dialtone.sla.account import Pages
from dialtone.sla.calendar import Span, month
from dialtone.sla.encoding import plain, revived
from dialtone.sla.statements.asjson import canonical_json
from dialtone.sla.terms import Terms, cut, date_of
from dialtone.sla.versions import CURRENT, Version, version

SETTLED: Final = timedelta(hours=1)
"""How long after its end a month can be closed: until then results may come late."""

_MOST_NAMED: Final = 5
"""Damaged days that are told by name."""


class RefusedError(ValueError):
    """The books can't give or take it, as they stand; the words are for whoever asked."""


class NothingPlacedError(RefusedError):
    """Nothing was to be measured of a tenant in a month: it had not come, or the contract had not begun."""


class BrokenClosingError(ValueError):
    """The books don't give a closed month any more; the words say whose, and what to do."""

    def __init__(self, words: str, *, tenant: str, period: str) -> None:
        super().__init__(words)
        self.tenant = tenant
        self.period = period


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a closing was made from, as it was then, by which version.

    `series` are as the version's digests give them.
    """

    version: Version
    terms: Terms
    maintenance: tuple[Maintenance, ...]
    corrections: tuple[Correction, ...]
    series: tuple[Mapping[str, object], ...]


def refusal(terms: Terms, now: datetime) -> str:
    """Return why a month can't be closed at that instant, "" where it can (as far as time goes)."""
    if not terms.objectives:
        return f"{terms.tenant.domain} was promised nothing: it has no objectives"
    months = [month(terms.period, one.zone) for one in terms.objectives]
    if now < min(span.start for span in months):
        return f"{terms.period} has not begun yet"
    ready = max(span.end for span in months) + SETTLED
    if now < ready:
        return f"{terms.period} is not over and settled before {ready:%Y-%m-%d %H:%M} UTC; close it then"
    return ""


def closed(terms: Terms, pages: Pages, *, at: datetime, author: str, previous: str) -> Closing:
    """Return the closing of a month, sequence 0, from the tenant's pages.

    `previous` is the hash of the last one in the store. Raises RefusedError where the month is not over, or
    the books have slices of it that can't be read; NothingPlacedError where no service has any time in it.
    """
    if why := refusal(terms, at):
        raise RefusedError(why)
    of_month = cut(terms, pages)
    if lost := _unread(of_month.series, terms.whole):
        raise RefusedError(f"{terms.period}: {lost}")
    by = version(CURRENT)
    accounts = by.accounts(terms, of_month, at)
    if all(one.start == one.end for one in accounts):
        raise NothingPlacedError(f"nothing was measured of {terms.tenant.domain} in {terms.period}")
    if not all(one.is_over for one in accounts):
        raise RefusedError(
            f"{terms.period}: a probe of so long an interval is not settled yet; close it later"
        )
    inputs = canonical_json(
        {
            "version": CURRENT,
            "closed": plain(at),
            "author": author,
            "terms": plain(terms),
            "maintenance": plain(of_month.maintenance),
            "corrections": plain(of_month.corrections),
            "series": by.digests(of_month),
        }
    )
    figures, whole = by.figures(accounts), terms.whole
    return Closing(
        0,
        terms.tenant.domain,
        terms.period,
        at,
        author,
        inputs,
        figures,
        previous,
        hash_of(previous, inputs, figures),
        ((whole.start, whole.end),),
    )


def _unread(series: Iterable[SliceSeries], span: Span) -> str:
    """Say which slices of a month can't be read, "" where all can."""
    lost = [
        f"those of {date_of(day)} of {one.key.flow} {one.key.probe}".rstrip()
        + (f" at {one.key.location}" if one.key.location else "")
        for one in series
        for day in sorted(one.unread)
        if _start_of(day) < span.end and _start_of(day + 1) > span.start
    ]
    if not lost:
        return ""
    more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    return (
        f"slices are damaged in the file of the books: {', '.join(lost[:_MOST_NAMED])}{more}; "
        "put the file back from a copy of before, then close it"
    )


def _start_of(day: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


def is_made_from(closing: Closing, series: Iterable[SliceSeries], causes: Iterable[SliceCause]) -> bool:
    """Whether a closing was made from these slices and causes of its tenant, in and around its month."""
    inputs = inputs_of(closing)
    pages = cut(inputs.terms, Pages(tuple(series), tuple(causes)))
    return list(inputs.series) == inputs.version.digests(pages)


def hash_of(previous: str, inputs: str, figures: str) -> str:
    """Return the SHA-256 (hex) of the hash before it, the inputs and the figures, a line each."""
    return hashlib.sha256(f"{previous}\n{inputs}\n{figures}".encode()).hexdigest()


def inputs_of(closing: Closing) -> Inputs:
    """Return what a closing was made from. Raises ValueError where its inputs are not what was written."""
    found = json.loads(closing.inputs)
    if not isinstance(found, dict) or "version" not in found:
        raise ValueError("the inputs are not those of a closing")
    by = version(found["version"])
    try:
        series = tuple(dict(one) for one in found["series"])
        terms, maintenance, corrections = found["terms"], found["maintenance"], found["corrections"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the inputs lack something: {error}") from error
    return Inputs(
        by,
        revived(Terms, terms),
        tuple(revived(Maintenance, one) for one in maintenance),
        tuple(revived(Correction, one) for one in corrections),
        series,
    )


def pages_then(inputs: Inputs, pages: Pages) -> Pages:
    """Return the tenant's pages of a closed month, as they were laid over each other when it was closed."""
    return replace(cut(inputs.terms, pages), maintenance=inputs.maintenance, corrections=inputs.corrections)


def chain_problems(closings: Iterable[Closing]) -> dict[int, tuple[str, ...]]:
    """Return what is wrong with the links of the chain, by sequence: nothing where it is whole.

    `closings` are all of a store, in sequence.
    """
    found: dict[int, tuple[str, ...]] = {}
    last, previous = 0, ""
    for one in closings:
        problems = []
        if one.sequence != last + 1:
            missing = (
                f"closing {last + 1}"
                if one.sequence == last + 2
                else f"closings {last + 1} to {one.sequence - 1}"
            )
            problems.append(f"{missing} before it {'is' if one.sequence == last + 2 else 'are'} missing")
        elif one.previous != previous:
            problems.append(
                f"it does not follow from closing {last}" if last else "it is not the first of its chain"
            )
        if hash_of(one.previous, one.inputs, one.figures) != one.hash:
            problems.append("its inputs and figures don't give its hash: they were changed, or the hash was")
        if problems:
            found[one.sequence] = tuple(problems)
        last, previous = one.sequence, one.hash
    return found
