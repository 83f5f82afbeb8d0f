"""The ledger: what was promised and kept, computed from the books; and closing and verifying of months."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from anyio import CapacityLimiter, to_thread

from dialtone.config import Settings
from dialtone.model import Closing, Correction, Maintenance, Objective, Scope
from dialtone.ports import Books, BooksClosedError, Clock
from dialtone.sla.account import Pages, account, current_period
from dialtone.sla.calendar import Span, month
from dialtone.sla.closing import (
    BrokenClosingError,
    NothingPlacedError,
    RefusedError,
    chain_problems,
    closed,
    is_made_from,
    refusal,
)
from dialtone.sla.figures import Account
from dialtone.sla.statement import Party, Statement
from dialtone.sla.terms import Terms, span_of
from dialtone.sla.verifying import Verified, closed_accounts, terms_of, verified
from dialtone.wiring import declaring, settling
from dialtone.wiring.declaring import Corrected, Declared
from dialtone.wiring.pages import LaidOver, laid_over, lineage, read_pages
from dialtone.wiring.stating import stated

T = TypeVar("T")

_AT_ONCE: Final = 1000
"""Tenants whose pages are read together: some 50 MB for four probes a minute each."""
_TRIES: Final = 5
"""How often a closing begins anew when others close at the same time, or results come late."""
_NOTHING: Final = Pages()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ClosingAttempt:
    """What became of closing a tenant's month: its closing, made now or before, or why there is none."""

    tenant: str
    closing: Closing | None
    is_new: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class SoundAccounts:
    """Accounts; and why some tenants' are not among them: a closed month of theirs does not verify."""

    accounts: list[Account]
    broken: tuple[BrokenClosingError, ...]


class Ledger:
    """Reads the books with the scope of who asks, and computes beside the loop.

    `clock` says what is over.
    """

    def __init__(self, settings: Settings, books: Books, clock: Clock) -> None:
        self._settings = settings
        self._books = books
        self._clock = clock
        self._limiter = CapacityLimiter(1)

    async def accounts(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> list[Account]:
        """Return the accounts of the services that the scope may see, in the order of the objectives.

        Of one tenant, or of all. `period` is a month (2026-10): of one that a tenant has closed it is as it
        was closed; without it, the period that each objective is in now. Raises RefusedError for a month that
        has not begun, BrokenClosingError where the books don't give what was closed, ValueError for no month.
        """
        found = await self.sound_accounts(scope, tenant=tenant, period=period)
        if found.broken:
            raise found.broken[0]
        return found.accounts

    async def sound_accounts(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> SoundAccounts:
        """Return what `accounts` does, without the closed months that the books don't give any more."""
        now = self._clock.now()
        over = await laid_over(self._books)
        found: dict[str, list[Account]] = {}
        broken: list[BrokenClosingError] = []
        if period is not None:
            for closing in await self._books.closings(scope, tenant=tenant, period=period):
                found[closing.tenant] = []
                try:
                    pages = await self._pages_of(scope, terms_of(closing), over)
                    found[closing.tenant] += await self._beside(partial(closed_accounts, closing, pages))
                except BrokenClosingError as error:
                    broken.append(error)
        wanted = [
            one
            for one in self._settings.objectives
            if scope.allows(one.tenant) and tenant in (None, one.tenant) and one.tenant not in found
        ]
        if period is not None:
            _begun(wanted, period, now)
        placed = [(one, _span(one, period, now)) for one in wanted]
        for whole, tenants in _batches(placed):
            above = {name: lineage(self._settings.tree, name) for name in tenants}
            pages_by = await read_pages(self._books, scope, above, whole, over)
            batch = [(one, span) for one, span in placed if one.tenant in pages_by]
            for computed in await self._beside(partial(_computed, batch, pages_by, now)):
                found.setdefault(computed.objective.tenant, []).append(computed)
        order = dict.fromkeys([*(one.tenant for one in self._settings.objectives), *sorted(found)])
        return SoundAccounts([one for name in order for one in found.get(name, ())], tuple(broken))

    async def statement(self, scope: Scope, tenant: str, period: str) -> Statement | None:
        """Return a tenant's month; None where the scope may not see it, or nothing was promised.

        A closed month is as it was closed, whatever the configuration says now. Raises what `accounts` does.
        """
        if not scope.allows(tenant):
            return None
        closings = await self._books.closings(scope, tenant=tenant, period=period)
        closing = closings[0] if closings else None
        terms = terms_of(closing) if closing is not None else self.terms(tenant, period)
        if not terms.objectives:
            return None
        now = self._clock.now()
        _begun(terms.objectives, period, now)
        pages = await self._pages_of(scope, terms, await laid_over(self._books))
        logo = self._settings.logos.get(terms.issuer.domain)
        return await self._beside(partial(stated, terms, pages, closing, now, logo))

    async def settle(self, at: datetime) -> None:
        """Put the books in step with the configuration; for a service's start."""
        await settling.settle(self._books, self._settings, at)

    async def close(
        self, period: str, *, author: str, tenants: Iterable[str] | None = None
    ) -> list[ClosingAttempt]:
        """Close a month of these tenants, or of all with objectives. One that can't be stops no other.

        Raises ValueError where `period` is no month, StoreError where the books can't be written.
        """
        month(period, "UTC")
        promised = dict.fromkeys(one.tenant for one in self._settings.objectives)
        return [
            await self._close(tenant, period, author) for tenant in (promised if tenants is None else tenants)
        ]

    async def verify(
        self, scope: Scope, *, tenant: str | None = None, period: str | None = None
    ) -> list[Verified]:
        """Compare closed months with the books, in sequence: those of the scope, of a tenant, of a month."""
        links = await self._links()
        over = await laid_over(self._books)
        return [
            await self._verified(scope, closing, links.get(closing.sequence, ()), over)
            for closing in await self._books.closings(scope, tenant=tenant, period=period)
        ]

    @property
    def books(self) -> Books:
        """What is read, for who lists what lies in them."""
        return self._books

    async def declare(self, scope: Scope, maintenance: Maintenance) -> Declared:
        """Put down maintenance, as declaring.declare does, declared now."""
        return await declaring.declare(
            self._books, self._settings.tree, scope, maintenance, self._clock.now()
        )

    async def correct(self, scope: Scope, correction: Correction) -> Corrected:
        """Put down a correction, as declaring.correct does, declared now."""
        return await declaring.correct(self._books, self._settings.tree, scope, correction, self._clock.now())

    def terms(self, tenant: str, period: str) -> Terms:
        """Return whose month it is and what was promised, as the configuration says it now."""
        tree = self._settings.tree
        known, above = tree.get(tenant), lineage(tree, tenant)
        reseller = tree.reseller(tenant)
        issuer = tree.get(reseller) if reseller not in ("", tenant) else tree.platform
        name, zone, language = (
            (known.name, known.timezone, known.language) if known else (tenant, "UTC", "en")
        )
        return Terms(
            Party(tenant, name),
            Party((issuer or tree.platform).domain, (issuer or tree.platform).name),
            above,
            period,
            zone,
            language,
            tuple(one for one in self._settings.objectives if one.tenant == tenant),
        )

    async def _pages_of(self, scope: Scope, terms: Terms, over: LaidOver) -> Pages:
        """Return the pages of a month of a tenant, which the scope may see."""
        tenant = terms.tenant.domain
        found = await read_pages(self._books, scope, {tenant: terms.above}, terms.whole, over)
        return found.get(tenant, _NOTHING)

    async def _links(self) -> dict[int, tuple[str, ...]]:
        """Return what is wrong with the chain: one for all tenants, and its links tell nothing of them."""
        every = await self._books.closings(Scope.everything())
        links = await self._beside(partial(chain_problems, every))
        last = await self._books.last_hash()
        if every and every[-1].hash != last:
            links[every[-1].sequence] = (
                *links.get(every[-1].sequence, ()),
                "it is not the last of its chain",
            )
        return links

    async def _verified(
        self, scope: Scope, closing: Closing, links: Iterable[str], over: LaidOver
    ) -> Verified:
        try:
            terms = terms_of(closing)
        except ValueError:
            pages = _NOTHING  # what can't be read of it is said by whoever reads it next
        else:
            pages = await self._pages_of(scope, terms, over)
        return await self._beside(partial(verified, closing, links, pages))

    async def _close(self, tenant: str, period: str, author: str) -> ClosingAttempt:
        scope = Scope.of(tenant)
        for _ in range(_TRIES):
            if known := await self._books.closings(scope, tenant=tenant, period=period):
                return ClosingAttempt(tenant, known[0])
            at = self._clock.now().replace(microsecond=0)
            terms = self.terms(tenant, period)
            if why := refusal(terms, at):
                return ClosingAttempt(tenant, None, refused=why)
            pages = await self._pages_of(scope, terms, await laid_over(self._books))
            previous = await self._books.last_hash()
            try:
                made = await self._beside(
                    partial(closed, terms, pages, at=at, author=author, previous=previous)
                )
                kept = await self._books.close(made, made_from=partial(is_made_from, made))
                return ClosingAttempt(tenant, kept, is_new=True)
            except NothingPlacedError as error:
                return ClosingAttempt(tenant, None, refused=f"{error}; {await self._began(terms, at)}")
            except RefusedError as error:
                return ClosingAttempt(tenant, None, refused=str(error))
            except BooksClosedError:
                continue  # another closing was faster, or late results: read what there is now
        return ClosingAttempt(tenant, None, refused="the books were written all the time; try again")

    async def _began(self, terms: Terms, now: datetime) -> str:
        """Return when a tenant's books begin, in words."""
        tenant = terms.tenant.domain
        known = await self._books.slices(Scope.of(tenant), since=_EPOCH, until=now, tenants=[tenant])
        if not known:
            return "there are no books of it yet"
        first = min(one.since for one in known).astimezone(ZoneInfo(terms.zone))
        return f"its books begin on {first:%Y-%m-%d}"

    async def _beside(self, work: Callable[[], T]) -> T:
        """Return what work gives, computed in a thread, one at a time: the loop goes on."""
        return await to_thread.run_sync(work, limiter=self._limiter)


def _computed(
    batch: Iterable[tuple[Objective, Span]], pages: Mapping[str, Pages], now: datetime
) -> list[Account]:
    return [account(one, pages[one.tenant], span, now) for one, span in batch]


def _begun(objectives: Iterable[Objective], period: str, now: datetime) -> None:
    starts = [month(period, one.zone).start for one in objectives]
    if starts and min(starts) > now:
        raise RefusedError(f"{period} has not begun yet")


def _span(objective: Objective, period: str | None, now: datetime) -> Span:
    return current_period(objective, now) if period is None else span_of(objective, period)


def _batches(placed: Iterable[tuple[Objective, Span]]) -> Iterator[tuple[Span, list[str]]]:
    """Yield spans, each with tenants whose services' periods are within it: few, and not too many tenants."""
    whole: dict[str, Span] = {}
    for one, span in placed:
        known = whole.get(one.tenant, span)
        whole[one.tenant] = Span(min(known.start, span.start), max(known.end, span.end))
    by_span: dict[Span, list[str]] = {}
    for tenant, span in whole.items():
        by_span.setdefault(span, []).append(tenant)
    for span, tenants in by_span.items():
        for first in range(0, len(tenants), _AT_ONCE):
            yield span, tenants[first : first + _AT_ONCE]
