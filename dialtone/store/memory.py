"""The store's twin in memory: for tests, and for commands that keep nothing."""

from collections.abc import Sequence
from datetime import datetime

from dialtone.model import AlertEvent, ProbeResult, Scope
from dialtone.ports import StoreError
from dialtone.store.rows import alert_row, instant, result_row, row_alert, row_result


class MemoryStore:
    """Implements ports.Store. What comes in goes through the rows of the disk, so it refuses the same."""

    def __init__(self) -> None:
        self._results: dict[str, ProbeResult] = {}
        self._alerts: dict[str, AlertEvent] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._closed = False

    async def add_results(self, results: Sequence[ProbeResult]) -> None:
        """See ports.Store."""
        self._check_open()
        for result in [row_result(result_row(result)) for result in results]:
            self._results.setdefault(result.id, result)

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

    async def put_alerts(self, events: Sequence[AlertEvent]) -> None:
        """See ports.Store."""
        self._check_open()
        for event in [row_alert(alert_row(event)) for event in events]:
            known = self._alerts.get(event.fingerprint)
            if known is None or event.since >= known.since:
                self._alerts[event.fingerprint] = event

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

    async def prune_results(self, before: datetime) -> int:
        """See ports.Store."""
        self._check_open()
        kept = {key: result for key, result in self._results.items() if result.started >= before}
        gone = len(self._results) - len(kept)
        self._results = kept
        return gone

    async def aclose(self) -> None:
        """See ports.Store."""
        self._closed = True

    def _visible(self, scope: Scope) -> list[ProbeResult]:
        """The one place where the scope is applied to results."""
        self._check_open()
        return [result for result in self._results.values() if scope.allows(result.tenant)]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


def _age(result: ProbeResult) -> tuple[datetime, str]:
    return result.started, result.id
