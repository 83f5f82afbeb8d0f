"""When series of slices are placed, on disk and in memory: opened and ended by plan, or opened by results."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import Measure, Scope, Sli
from dialtone.ports import Store
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON
from tests.fakes.slots import EVER, a_key, an_attempt, failed, line, minute

ALICE: Final = Scope.everything()

SECOND: Final = timedelta(seconds=1)
SLOW: Final = Measure(Sli.LATENCY, "srd", 0.5)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def tenures(store: Store) -> list[tuple[datetime, datetime | None]]:
    return [(one.since, one.until) for one in await store.books.slices(ALICE, **EVER)]


async def test_a_series_opens_by_plan_with_the_minute_and_goes_on(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], NOON + 59 * SECOND)
    await store.books.plan_series("mtl1", [a_key(), a_key(measure=SLOW)], minute(9))
    first, second = await store.books.slices(ALICE, **EVER)
    assert (first.key, first.since, first.until) == (a_key(), NOON, None)
    assert (second.key, second.since, second.until) == (a_key(measure=SLOW), minute(9), None)


async def test_a_series_that_is_planned_no_more_ends_and_may_come_again(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], NOON)
    await store.add_results([an_attempt(minute(1))])
    await store.books.plan_series("mtl1", [], minute(10) + SECOND)
    await store.books.plan_series("mtl1", [], minute(12))
    assert await tenures(store) == [(NOON, minute(10))]
    await store.books.plan_series("mtl1", [a_key()], minute(20))
    await store.add_results([an_attempt(minute(21))])
    assert await tenures(store) == [(NOON, minute(10)), (minute(20), None)]
    first, second = await store.books.slices(ALICE, **EVER)
    assert (line([first], 22), line([second], 22)) == ("." + "+" + "." * 20, "." * 21 + "+")


async def test_a_plan_is_that_of_one_location_alone(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], NOON)
    await store.books.plan_series("par1", [a_key(location="par1")], NOON)
    await store.books.plan_series("", [], minute(1))
    await store.books.plan_series("par1", [], minute(5))
    found = {one.key.location: one.until for one in await store.books.slices(ALICE, **EVER)}
    assert found == {"mtl1": None, "par1": minute(5)}


async def test_a_plan_that_can_not_be_is_refused_and_changes_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match=r"a series of par1 in the plan of mtl1"):
        await store.books.plan_series("mtl1", [a_key(), a_key(location="par1")], NOON)
    with pytest.raises(ValueError, match=r"an interval of 7 s cuts no day evenly"):
        await store.books.plan_series("mtl1", [a_key(), a_key(interval=7)], NOON)
    with pytest.raises(ValueError, match="time zone"):
        await store.books.plan_series("mtl1", [a_key()], NOON.replace(tzinfo=None))
    assert await tenures(store) == []


async def test_where_the_clock_was_set_back_a_series_never_ends_before_it_began(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], NOON)
    await store.books.plan_series("mtl1", [], minute(-30))
    assert await tenures(store) == [(NOON, NOON)]
    await store.books.plan_series("mtl1", [a_key()], minute(-20))
    assert await tenures(store) == [(NOON, NOON), (NOON, None)]


async def test_a_result_opens_a_series_by_itself(store: Store) -> None:
    await store.add_results([an_attempt(NOON + 30 * SECOND, interval=15.0)])
    assert await tenures(store) == [(NOON, None)]


async def test_a_series_is_moved_back_to_a_result_of_before_it(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], minute(5))
    await store.add_results([an_attempt(minute(2))])
    await store.add_results(failed(minute(3)))
    assert await tenures(store) == [(minute(2), None)]
    assert line(await store.books.slices(ALICE, **EVER), 4) == "..+-"


async def test_a_probe_of_the_minute_in_which_its_series_ended_opens_none(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], NOON)
    await store.books.plan_series("mtl1", [], minute(5) + 30 * SECOND)
    await store.add_results([an_attempt(minute(5))])
    assert await tenures(store) == [(NOON, minute(5))]
    await store.add_results([an_attempt(minute(8))])
    assert await tenures(store) == [(NOON, minute(5)), (minute(8), None)]
