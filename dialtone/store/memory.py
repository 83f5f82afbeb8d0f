"""The store's twin in memory: for tests, and for commands that keep nothing."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dialtone.model import (
    AlertEvent,
    AlertMessage,
    MessageState,
    OutboxEntry,
    Outcome,
    ProbeResult,
    ProbeTotals,
    Scope,
    TrafficMark,
)
from dialtone.ports import StoreError
from dialtone.store.memory_books import MemoryBooks
from dialtone.store.memory_rollups import MemoryRollups
from dialtone.store.rows import (
    FAILED,
    alert_row,
    at,
    counted,
    hour_of,
    instant,
    mark_rows,
    message_row,
    result_row,
    row_alert,
    row_entry,
    row_result,
    settled_row,
    try_row,
)
from dialtone.store.totals import Tally, tally


class MemoryStore:
    """Implements ports.Store. What comes in goes through the rows of the disk, so it refuses the same."""

    def __init__(self) -> None:
        self._results: dict[str, ProbeResult] = {}
        self._unended: dict[str, ProbeResult] = {}
        self._totals = Tally()
        self._rollups = MemoryRollups()
        # Asked through the object: a fake may say later that it is broken.
        self._books = MemoryBooks(lambda: self._check_open(), lambda: self._results.values(), self._rollups)
        self._traffic: Counter[tuple[int, str, str]] = Counter()
        self._marks: dict[str, TrafficMark] = {}
        self._alerts: dict[str, AlertEvent] = {}
        self._outbox: dict[str, OutboxEntry] = {}
        self._message_totals: Counter[tuple[str, str]] = Counter()
        self._leases: dict[str, tuple[str, int]] = {}
        self._closed = False

    @property
    def books(self) -> MemoryBooks:
        """See ports.Store."""
        return self._books

    async def add_results(self, results: Sequence[ProbeResult]) -> None:
        """See ports.Store."""
        self._check_open()
        self._add([_through_row(result) for result in results])

    async def results(
        self,
        scope: Scope,
        *,
        tenant: str | None = None,
        flow: str | None = None,
        since: datetime | None = None,
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ProbeResult]:
        """See ports.Store."""
        found = [
            result
            for result in self._visible(scope)
            if tenant in (None, result.tenant)
            and flow in (None, result.flow)
            and (since is None or result.started >= since)
            and (before is None or _age(result) < before)
        ]
        return sorted(found, key=_age, reverse=True)[: max(limit, 0)]

    async def latest_results(self, scope: Scope) -> list[ProbeResult]:
        """See ports.Store."""
        newest: dict[tuple[str, str, str], ProbeResult] = {}
        for result in sorted(self._visible(scope), key=_age):
            newest[result.tenant, result.probe, result.location] = result
        return [newest[series] for series in sorted(newest)]

    async def result(self, scope: Scope, result_id: str) -> ProbeResult | None:
        """See ports.Store."""
        return next((result for result in self._visible(scope) if result.id == result_id), None)

    async def begin_result(self, result: ProbeResult) -> None:
        """See ports.Store."""
        self._check_open()
        begun = _through_row(result)
        if begun.id not in self._results:
            self._unended.setdefault(begun.id, begun)

    async def adopt_unended(self) -> list[ProbeResult]:
        """See ports.Store."""
        self._check_open()
        begun = sorted(self._unended.values(), key=_age)
        holders = {result.id for result in begun}
        self._leases = {name: lease for name, lease in self._leases.items() if lease[0] not in holders}
        return self._add(begun)

    async def probe_totals(self, scope: Scope) -> list[ProbeTotals]:
        """See ports.Store."""
        self._check_open()
        return [totals for totals in self._totals.totals() if scope.allows(totals.tenant)]

    async def probe_counts(self, scope: Scope, *, since: datetime) -> dict[str, dict[str, int]]:
        """See ports.Store."""
        self._check_open()
        return _since(self._totals.hours, scope, since)

    async def count_traffic(
        self, mark: TrafficMark, growth: Mapping[str, Mapping[str, int]], gone: Collection[str] = ()
    ) -> None:
        """See ports.Store."""
        self._check_open()
        mark_rows(mark)
        for tenant, counts in growth.items():
            counted(f"growth of {tenant}", counts)
        known = self._marks.get(mark.node)
        left = set(gone)
        tenants = {} if known is None else {t: n for t, n in known.counts.items() if t not in left}
        tenants |= {tenant: dict(counts) for tenant, counts in mark.counts.items()}
        self._marks[mark.node] = replace(mark, at=_utc(mark.at), counts=tenants)
        hour = hour_of(mark.at)
        for tenant, counts in growth.items():
            self._traffic.update({(hour, tenant, name): count for name, count in counts.items()})

    async def traffic_marks(self) -> dict[str, TrafficMark]:
        """See ports.Store."""
        self._check_open()
        return dict(self._marks)

    async def traffic_counts(self, scope: Scope, *, since: datetime) -> dict[str, dict[str, int]]:
        """See ports.Store."""
        self._check_open()
        return _since(self._traffic, scope, since)

    async def put_alerts(self, events: Sequence[AlertEvent], messages: Sequence[AlertMessage] = ()) -> None:
        """See ports.Store."""
        self._check_open()
        put = [row_alert(alert_row(event)) for event in events]
        entries = [row_entry(message_row(message)) for message in messages]
        for event in put:
            known = self._alerts.get(event.fingerprint)
            if known is None or event.since >= known.since:
                self._alerts[event.fingerprint] = event
        for entry in entries:
            self._outbox.setdefault(entry.message.key, entry)

    async def outbox(
        self, state: MessageState | None = None, *, limit: int | None = None
    ) -> list[OutboxEntry]:
        """See ports.Store."""
        self._check_open()
        found = [entry for entry in self._outbox.values() if state in (None, entry.state)]
        return found if limit is None else found[: max(limit, 0)]

    async def note_try(self, key: str, detail: str) -> None:
        """See ports.Store."""
        self._check_open()
        values = try_row(key, detail)
        if (entry := self._waiting(key)) is not None:
            self._outbox[key] = replace(entry, tries=entry.tries + 1, detail=values["detail"])
            self._message_totals[entry.message.receiver, FAILED] += 1

    async def settle_message(self, key: str, state: MessageState, at: datetime, detail: str = "") -> None:
        """See ports.Store."""
        self._check_open()
        values = settled_row(key, state, at, detail)
        if (entry := self._waiting(key)) is not None:
            detail = values["detail"] or entry.detail
            self._outbox[key] = replace(entry, state=state, settled=_utc(at), detail=detail)
            self._message_totals[entry.message.receiver, state.value] += 1

    async def message_totals(self) -> Mapping[tuple[str, str], int]:
        """See ports.Store."""
        self._check_open()
        return dict(self._message_totals)

    async def prune_messages(self, before: datetime) -> int:
        """See ports.Store."""
        self._check_open()
        kept = {
            key: entry
            for key, entry in self._outbox.items()
            if entry.settled is None or entry.settled >= before
        }
        gone = len(self._outbox) - len(kept)
        self._outbox = kept
        return gone

    async def alerts(self, scope: Scope) -> list[AlertEvent]:
        """See ports.Store."""
        self._check_open()
        found = [event for event in self._alerts.values() if scope.allows(event.tenant)]
        return sorted(found, key=lambda event: (-instant(event.since), event.fingerprint))

    async def lease_accounts(
        self, accounts: Sequence[str], holder: str, *, now: datetime, until: datetime
    ) -> bool:
        """See ports.Store."""
        self._check_open()
        start, end = instant(now), instant(until)
        for account in accounts:
            owner, expires = self._leases.get(account, (holder, 0))
            if owner != holder and expires > start:
                return False
        for account in accounts:
            owner, expires = self._leases.get(account, (holder, end))
            self._leases[account] = (holder, max(end, expires) if owner == holder else end)
        return True

    async def release_accounts(self, accounts: Sequence[str], holder: str) -> None:
        """See ports.Store."""
        self._check_open()
        for account in accounts:
            if self._leases.get(account, ("", 0))[0] == holder:
                del self._leases[account]

    async def prune_results(
        self, before: datetime, *, most: int | None = None, counts: datetime | None = None
    ) -> int:
        """See ports.Store."""
        self._check_open()
        kept = sorted((r for r in self._results.values() if r.started >= before), key=_age)
        beyond = 0 if most is None else max(len(kept) - most, 0)
        # Stable: within passes, and within the others, the oldest come first still.
        first_to_go = sorted(kept, key=lambda result: result.outcome is not Outcome.PASS)[:beyond]
        passes = {result.id for result in first_to_go if result.outcome is Outcome.PASS}
        kept = [result for result in kept if result.id not in passes][beyond - len(passes) :]
        gone = len(self._results) - len(kept)
        self._results = {result.id: result for result in kept}
        before = before if counts is None else counts
        first = hour_of(before)
        for hours in (self._totals.hours, self._traffic):
            for key in [key for key in hours if key[0] < first]:
                del hours[key]
        self._marks = {node: mark for node, mark in self._marks.items() if mark.at >= before}
        return gone

    async def aclose(self) -> None:
        """See ports.Store."""
        self._closed = True

    def _visible(self, scope: Scope) -> list[ProbeResult]:
        """The one place where the scope is applied to results."""
        self._check_open()
        return [result for result in self._results.values() if scope.allows(result.tenant)]

    def _add(self, results: Sequence[ProbeResult]) -> list[ProbeResult]:
        """Add results in place of those noted as begun; return the new ones."""
        new = []
        for result in results:
            self._unended.pop(result.id, None)
            if self._results.setdefault(result.id, result) is result:
                new.append(result)
        self._totals.add(tally(new))
        self._rollups.add(new)
        self._books.judge(new)
        return new

    def _waiting(self, key: str) -> OutboxEntry | None:
        entry = self._outbox.get(key)
        return entry if entry is not None and entry.state is MessageState.WAITING else None

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


def _through_row(result: ProbeResult) -> ProbeResult:
    return row_result(result_row(result))


def _since(
    hours: Mapping[tuple[int, str, str], int], scope: Scope, since: datetime
) -> dict[str, dict[str, int]]:
    """Return what the hours from that one on add up to, of what the scope may see."""
    first = hour_of(since)
    found: dict[str, Counter[str]] = {}
    for (hour, tenant, name), count in hours.items():
        if hour >= first and scope.allows(tenant):
            found.setdefault(tenant, Counter())[name] += count
    return {tenant: dict(counts) for tenant, counts in found.items()}


def _utc(moment: datetime) -> datetime:
    return at(instant(moment))


def _age(result: ProbeResult) -> tuple[datetime, str]:
    return result.started, result.id
