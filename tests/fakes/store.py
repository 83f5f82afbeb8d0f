"""A store whose disk can be full: for what must go on without it."""

from collections.abc import Sequence
from datetime import datetime

from dialtone.model import AlertEvent, ProbeResult, Scope
from dialtone.ports import StoreError
from dialtone.store import MemoryStore


class BreakableStore(MemoryStore):
    """The real in-memory store; while `broken`, reading and writing raise StoreError."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

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
        """Return results, or raise."""
        self._check()
        return await super().results(scope, tenant=tenant, flow=flow, since=since, before=before, limit=limit)

    async def result(self, scope: Scope, result_id: str) -> ProbeResult | None:
        """Return one result, or raise."""
        self._check()
        return await super().result(scope, result_id)

    async def put_alerts(self, events: Sequence[AlertEvent]) -> None:
        """Keep alerts, or raise."""
        self._check()
        await super().put_alerts(events)

    async def alerts(self, scope: Scope) -> list[AlertEvent]:
        """Return alerts, or raise."""
        self._check()
        return await super().alerts(scope)

    def _check(self) -> None:
        if self.broken:
            raise StoreError("database or disk is full")
