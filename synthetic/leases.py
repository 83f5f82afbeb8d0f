"""Which accounts a probe may use: free ones of its tenant, in rotation, by nobody else at the same time."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import anyio
import structlog

from dialtone.model import Account
from dialtone.ports import Clock, Store, StoreError
from synthetic.storing import PatientStore

_RELEASE: Final = 5.0

_log = structlog.get_logger(__name__)


class AccountsBusyError(Exception):
    """Too few accounts are free."""


class AccountLeases:
    """Leases accounts in the store, so that a manual probe and the service never share one.

    Where the store can't do it (a disk that is full, or hangs), probing goes on: inside this process no
    account is given out twice even then. `failures` counts what the store refused.
    """

    def __init__(self, store: Store, clock: Clock, patient: PatientStore) -> None:
        self._store = store
        self._clock = clock
        self._patient = patient
        self._choosing: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
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
            async with self._choosing[tenant]:
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
        free = [one for one in (*accounts[turn:], *accounts[:turn]) if one.aor not in self._taken]
        if len(free) >= count and await self._take(free[:count], holder, seconds, held):
            return
        for account in free:  # another process has one of them, or there are too few: take what there is
            if len(held) < count:
                await self._take([account], holder, seconds, held)

    async def _take(
        self, accounts: Sequence[Account], holder: str, seconds: float, held: list[Account]
    ) -> bool:
        """Take all of these accounts in one transaction, or none of them."""
        names = [account.aor for account in accounts]
        held += accounts  # before the store is asked: who is cancelled meanwhile must give them back
        self._taken.update(names)
        if not names or await self._lease(names, holder, seconds):
            return True
        del held[-len(names) :]
        self._taken.difference_update(names)
        return False

    async def _lease(self, names: Sequence[str], holder: str, seconds: float) -> bool:
        now = self._clock.now()
        try:
            free = await self._patient.ask(
                lambda: self._store.lease_accounts(
                    names, holder, now=now, until=now + timedelta(seconds=seconds)
                )
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
            await self._patient.ask(lambda: self._store.release_accounts(names, holder))
        except StoreError as error:  # the lease ends by itself
            self._note_trouble(error)

    def _note_trouble(self, error: StoreError) -> None:
        self.failures += 1
        if not self._store_broken:
            self._store_broken = True
            _log.warning("account leases can't be kept; another process might use the same", error=str(error))
