"""Maintenance that is declared, corrections that are put down: what is refused, what is said of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dialtone.config import TenantTree
from dialtone.model import LONGEST_MAINTENANCE, Closing, Correction, Flow, Maintenance, Scope, SliceState
from dialtone.ports import Books
from dialtone.sla.calendar import Span
from dialtone.sla.closing import RefusedError
from dialtone.sla.exclusions import occurrences
from dialtone.sla.recurrence import check_rrule
from dialtone.wiring.pages import lineage

_MOST_AHEAD: Final = timedelta(days=2 * 366)
_LOOKED_AT: Final = timedelta(days=92)
"""How far ahead it is looked for what overlaps."""
_WORDS: Final = 200


@dataclass(frozen=True, slots=True)
class Declared:
    """Maintenance as the books have it, and what was declared already for times that it overlaps."""

    maintenance: Maintenance
    overlapping: tuple[Maintenance, ...]


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction as the books have it, and the closed months that it lies in: those stand as they are."""

    correction: Correction
    closed: tuple[Closing, ...]


async def declare(
    books: Books, tree: TenantTree, scope: Scope, maintenance: Maintenance, now: datetime
) -> Declared:
    """Put down maintenance, declared at this instant; its `id` and `declared` are not looked at.

    Raises RefusedError where it begins in the past, lasts no whole minutes, or comes back by no rule.
    """
    one = replace(maintenance, declared=now, withdrawn=None, withdrawn_by="")
    _check_who(tree, scope, one.tenant)
    _check_words(one.author, one.reason)
    if one.begins < now:
        raise RefusedError(
            f"{_told(one.begins)} is past: maintenance is declared before it begins. What was measured "
            "then can be put right: `dialtone maintenance correct`"
        )
    if one.begins > now + _MOST_AHEAD:
        raise RefusedError(f"{_told(one.begins)} is more than two years ahead")
    if not _is_minute(one.begins) or one.seconds % 60:
        raise RefusedError("maintenance begins and lasts in whole minutes")
    if not 60 <= one.seconds <= LONGEST_MAINTENANCE:
        raise RefusedError("maintenance lasts from a minute to 31 days")
    if one.recurs:
        try:
            check_rrule(one.recurs, one.zone)
        except ValueError as error:
            raise RefusedError(str(error)) from None
    known = [other for other in await books.maintenance(Scope.everything()) if other.withdrawn is None]
    kept = await books.declare(one)
    meets = (other for other in known if scope.allows(other.tenant) and _both(tree, one, other))
    span = Span(one.begins, one.begins + _LOOKED_AT)
    times = occurrences(kept, span)
    return Declared(kept, tuple(other for other in meets if _overlap(times, occurrences(other, span))))


async def correct(
    books: Books, tree: TenantTree, scope: Scope, correction: Correction, now: datetime
) -> Corrected:
    """Put down a correction, declared at this instant; its `id` and `declared` are not looked at.

    A month that is closed stands as it is, and verifying it says what the correction would change. Raises
    RefusedError where it lies in the future, has no length, or no whole minutes.
    """
    one = replace(correction, declared=now, withdrawn=None, withdrawn_by="")
    if one.tenant in tree or not scope.allows(one.tenant) or not await was_measured(books, one):
        _check_who(tree, scope, one.tenant)
    _check_words(one.author, one.reason)
    if one.ends <= one.begins:
        raise RefusedError(f"it ends at {_told(one.ends)}, which is not after its beginning")
    if one.ends > now:
        raise RefusedError(
            f"{_told(one.ends)} is not over: only what was measured can be put right. Work that is to "
            "come is declared: `dialtone maintenance add`"
        )
    if not _is_minute(one.begins) or not _is_minute(one.ends):
        raise RefusedError("a correction begins and ends at whole minutes")
    if one.ends - one.begins > timedelta(days=366):
        raise RefusedError("a correction covers a year at most")
    kept = await books.correct(one)
    return Corrected(
        kept,
        tuple(
            closing
            for closing in await books.closings(scope, whole=False)
            if one.tenant in (closing.tenant, *lineage(tree, closing.tenant))
            and any(start < one.ends and end > one.begins for start, end in closing.spans)
        ),
    )


def state_of(word: str) -> SliceState:
    """Return the state of a word: excluded, good, bad or unknown. Raises RefusedError for any other."""
    try:
        return SliceState[word.upper()]
    except KeyError:
        raise RefusedError(f"{word!r} is no state; write excluded, good, bad or unknown") from None


async def was_measured(books: Books, one: Correction) -> bool:
    """Whether the books have series of a correction's tenant, which may have left the configuration since."""
    if one.ends <= one.begins:
        return False
    who = [one.tenant]
    return bool(await books.slices(Scope.of(*who), since=one.begins, until=one.ends, tenants=who))


def _check_who(tree: TenantTree, scope: Scope, tenant: str) -> None:
    if not scope.allows(tenant) or tenant not in tree:
        raise RefusedError(f"{tenant} is not a tenant here")


def _check_words(author: str, reason: str) -> None:
    for what, text in (("the author", author), ("the reason", reason)):
        if not text.strip():
            raise RefusedError(f"{what} is missing")
        if len(text) > _WORDS or not text.isprintable():
            raise RefusedError(f"{what} must be one line of printable text, of {_WORDS} characters at most")


def _both(tree: TenantTree, one: Maintenance, other: Maintenance) -> bool:
    """Whether both hold for some tenant and flow."""
    related = (
        one.tenant == other.tenant
        or one.tenant in lineage(tree, other.tenant)
        or other.tenant in lineage(tree, one.tenant)
    )
    return related and bool(set(one.flows or Flow) & set(other.flows or Flow))


def _overlap(times: Iterable[Span], others: Iterable[Span]) -> bool:
    known = list(others)
    return any(one.start < other.end and other.start < one.end for one in times for other in known)


def _is_minute(at: datetime) -> bool:
    return at.second == 0 and at.microsecond == 0


def _told(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
