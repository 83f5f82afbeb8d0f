"""Which accounts a probe may use: free ones of its tenant, in rotation, by nobody else at the same time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import anyio
import structlog

from dialtone.model import Account
from dialtone.ports import Clock, Store, StoreError

_RELEASE: Final = 5.0

_log = structlog.get_logger(__name__)


class AccountsBusyError(Exception):
    """Too few accounts are free."""


class AccountLeases:
    """Leases accounts in the store, so that a manual probe and the service never share one.

    Where the store can't do it (a full disk), probing goes on: inside this process no account is given out
    twice even then. `failures` counts what the store refused.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._choosing = anyio.Lock()
        self._taken: set[str] = set()
        self._turns: dict[str, int] = {}
        self._store_broken = False
        self.failures = 0

    @asynccontextmanager
    async def lease(
        self, tenant: str, accounts: Sequence[Account], count: int, holder: str, seconds: float
    ) -> AsyncIterator[tuple[Account, ...]]:
        """Hold `count` accounts for at most that long, then give them back. Raises AccountsBusyError."""
        held: list[Account] = []
        try:
            async with self._choosing:
                await self._choose(tenant, accounts, count, holder, seconds, held)
            if len(held) < count:
                raise AccountsBusyError(
                    f"{len(held)} of {len(accounts)} accounts are free, {count} are needed"
                )
            yield tuple(held)
        finally:
            with anyio.move_on_after(_RELEASE, shield=True):
                await self._release(held, holder)

    async def _choose(
        self,
        tenant: str,
        accounts: Sequence[Account],
        count: int,
        holder: str,
        seconds: float,
        held: list[Account],
    ) -> None:
        turn = self._turns.get(tenant, 0) % max(len(accounts), 1)
        self._turns[tenant] = turn + count
        for account in [*accounts[turn:], *accounts[:turn]]:
            if len(held) == count:
                return
            if account.aor not in self._taken and await self._take(account, holder, seconds):
                self._taken.add(account.aor)
                held.append(account)

    async def _take(self, account: Account, holder: str, seconds: float) -> bool:
        now = self._clock.now()
        try:
            free = await self._store.lease_accounts(
                [account.aor], holder, now=now, until=now + timedelta(seconds=seconds)
            )
        except StoreError as error:
            self._note_trouble(error)
            return True
        self._store_broken = False
        return free

    async def _release(self, held: Sequence[Account], holder: str) -> None:
        names = [account.aor for account in held]
        self._taken.difference_update(names)
        if not names:
            return
        try:
            await self._store.release_accounts(names, holder)
        except StoreError as error:  # the lease ends by itself
            self._note_trouble(error)

    def _note_trouble(self, error: StoreError) -> None:
        self.failures += 1
        if not self._store_broken:
            self._store_broken = True
            _log.warning("account leases can't be kept; another process might use the same", error=str(error))
