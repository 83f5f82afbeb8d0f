"""Months that are closed while the books are written: late results, other closings."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from dialtone.config import Settings, load
from dialtone.model import Closing, Scope, SliceCause, SliceSeries
from dialtone.ports import Books, BooksClosedError, Store
from dialtone.sla.closing import hash_of
from dialtone.store import MemoryStore, open_store
from dialtone.wiring.ledger import Ledger
from tests.fakes.clock import FakeClock
from tests.fakes.months import ACME, BOLT, PHONES, PROMISES, probed

BEGAN = datetime(2026, 10, 31, 12, tzinfo=UTC)
OVER = datetime(2026, 11, 1, 1, tzinfo=UTC)
MONTH = "2026-10"
EVERYTHING = Scope.everything()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "accounts.csv").write_text(PHONES)
    (tmp_path / "accounts.csv").chmod(0o600)
    (tmp_path / "dialtone.yaml").write_text(PROMISES)
    return load(tmp_path / "dialtone.yaml")


@pytest.fixture(params=["memory", "disk"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


class Late:
    """Books in which something is written whenever the end of the chain was read: just before a closing."""

    def __init__(self, store: Store, minutes: int) -> None:
        self._store = store
        self._left = minutes

    def __getattr__(self, name: str) -> object:
        return getattr(self._store.books, name)

    async def last_hash(self) -> str:
        found = await self._store.books.last_hash()
        if self._left:
            self._left -= 1
            late = probed(ACME, BEGAN, 30 + self._left + 1, missing=range(30 + self._left))
            await self._store.add_results(list(late))
        return found


async def half_an_hour(store: Store, settings: Settings, late: int) -> Ledger:
    books: Books = Late(store, late)  # type: ignore[assignment]
    ledger = Ledger(settings, books, FakeClock(OVER))
    await ledger.settle(BEGAN)
    await store.add_results(list(probed(ACME, BEGAN, 30, failing=range(5, 8))))
    return ledger


async def test_results_that_come_while_a_month_is_closed_are_in_it(settings: Settings, store: Store) -> None:
    ledger = await half_an_hour(store, settings, late=2)
    [attempt] = await ledger.close(MONTH, author="alice", tenants=[ACME])
    assert attempt.is_new
    [found] = await ledger.verify(EVERYTHING)
    assert found.problems == ()
    [account] = await ledger.accounts(EVERYTHING, tenant=ACME, period=MONTH)
    assert account.corrected.good + account.corrected.bad == 32 * 60


async def test_a_month_into_which_results_come_all_the_time_is_left_open(
    settings: Settings, store: Store
) -> None:
    ledger = await half_an_hour(store, settings, late=20)
    [attempt] = await ledger.close(MONTH, author="alice", tenants=[ACME])
    assert (attempt.closing, attempt.refused) == (None, "the books were written all the time; try again")
    assert await store.books.closings(EVERYTHING) == []


async def test_a_closing_is_refused_where_it_was_not_made_from_what_is_there(store: Store) -> None:
    await store.add_results(list(probed(ACME, BEGAN, 3, failing=[1])))
    await store.add_results(list(probed(BOLT, BEGAN, 3)))
    one = Closing(0, ACME, MONTH, OVER, "alice", "", "", "", hash_of("", "", ""), ((BEGAN, OVER),))
    seen: list[str] = []

    def made_from(series: Sequence[SliceSeries], causes: Sequence[SliceCause]) -> bool:
        seen.extend(each.key.tenant for each in series)
        seen.extend(each.key.tenant for each in causes)
        return False

    with pytest.raises(BooksClosedError, match="read them anew"):
        await store.books.close(one, made_from=made_from)
    assert seen == [ACME, ACME], "Bolt's are none of it"
    assert await store.books.closings(EVERYTHING) == []
    assert await store.books.audit(EVERYTHING) == []


async def test_two_who_close_all_months_at_once_make_one_chain(settings: Settings, store: Store) -> None:
    ledger = await half_an_hour(store, settings, late=0)
    made = []

    async def close() -> None:
        made.extend(await Ledger(settings, store.books, FakeClock(OVER)).close(MONTH, author="alice"))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(close)
    assert sum(one.is_new for one in made) == 3
    assert all(one.closing is not None for one in made)
    assert [one.is_good for one in await ledger.verify(EVERYTHING)] == [True] * 3
