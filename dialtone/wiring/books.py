"""The books for a command: with or without a service beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialtone.config import Settings
from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.store import open_store
from dialtone.store.sqlite import FILE_NAME
from dialtone.wiring.ledger import Ledger


@asynccontextmanager
async def opened_ledger(
    settings: Settings, *, make: bool = False, clock: Clock | None = None
) -> AsyncIterator[Ledger | None]:
    """Give the ledger of a data folder; None where there is no store in it, unless one is to be made.

    Raises StoreError where the data folder can't be used.
    """
    if not make and not (settings.data / FILE_NAME).exists():
        yield None
        return
    store = await open_store(settings.data)
    try:
        yield Ledger(settings, store.books, clock or SystemClock())
    finally:
        await store.aclose()
