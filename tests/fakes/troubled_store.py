"""A store that fails in the ways of a disk: full, hanging, or slow to say that it has done what it did."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from typing import TypeVar

import anyio

from dialtone.model import AlertEvent, AlertMessage, MessageState, OutboxEntry, Scope
from dialtone.ports import StoreError
from dialtone.store import MemoryStore

T = TypeVar("T")


class Trouble(Enum):
    """What happens to whoever asks the store: it refuses, never answers, or does it and never answers."""

    FULL = "full"
    HANGS = "hangs"
    SILENT = "silent"


class TroubledStore(MemoryStore):
    """The real in-memory store, in trouble with alerts and messages; `calls` names what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Trouble | None = None
        self.calls: list[str] = []

    async def put_alerts(self, events: Sequence[AlertEvent], messages: Sequence[AlertMessage] = ()) -> None:
        """See ports.Store."""
        await self._through("put_alerts", partial(super().put_alerts, events, messages))

    async def alerts(self, scope: Scope) -> list[AlertEvent]:
        """See ports.Store."""
        return await self._through("alerts", partial(super().alerts, scope))

    async def outbox(
        self, state: MessageState | None = None, *, limit: int | None = None
    ) -> list[OutboxEntry]:
        """See ports.Store."""
        return await self._through("outbox", partial(super().outbox, state, limit=limit))

    async def note_try(self, key: str, detail: str) -> None:
        """See ports.Store."""
        await self._through("note_try", partial(super().note_try, key, detail))

    async def settle_message(self, key: str, state: MessageState, at: datetime, detail: str = "") -> None:
        """See ports.Store."""
        await self._through("settle_message", partial(super().settle_message, key, state, at, detail))

    async def message_totals(self) -> Mapping[tuple[str, str], int]:
        """See ports.Store."""
        return await self._through("message_totals", super().message_totals)

    async def _through(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(name)
        trouble = self.trouble
        await anyio.lowlevel.checkpoint()
        if trouble is Trouble.FULL:
            raise StoreError("database or disk is full")
        if trouble is Trouble.HANGS:
            await anyio.sleep_forever()
        done = await work()
        if trouble is Trouble.SILENT:
            await anyio.sleep_forever()
        return done
