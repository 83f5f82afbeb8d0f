"""Forgetting on disk: in steps, without counting by reading, and never before the rollups have it."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from dialtone.model import Failure, FailureCode, Outcome, Scope
from dialtone.store import MemoryStore, open_store
from dialtone.store.sqlite import FILE_NAME, SqliteStore
from dialtone.store.statements import sql
from tests.fakes.records import NOON, a_result

WRITTEN: Final = Path(__file__).parents[2] / "data" / "store"
ALICE: Final = Scope.everything()
EVER: Final[dict[str, Any]] = {
    "since": datetime.min.replace(tzinfo=UTC),
    "until": datetime.max.replace(tzinfo=UTC),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = await open_store(tmp_path)
    yield made
    await made.aclose()


@pytest.mark.parametrize("most", [0, 1, 4, 5, 6, 9, 19, 20, 21])
async def test_what_is_beyond_a_number_goes_in_steps_until_none_is(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("dialtone.store.pruning._AT_ONCE", 3)
    fail: dict[str, Any] = {"outcome": Outcome.FAIL, "failure": Failure(FailureCode.TIMEOUT)}
    results = [
        a_result(f"r{n:02}", started=NOON + timedelta(seconds=n), **(fail if n % 4 == 0 else {}))
        for n in range(20)
    ]
    await store.add_results(results)
    assert await store.prune_results(NOON, most=most) == max(20 - most, 0)
    order = sorted(results, key=lambda one: (one.outcome is not Outcome.PASS, one.id))
    kept = {one.id for one in order[max(20 - most, 0) :]}
    assert {one.id for one in await store.results(ALICE)} == kept


async def test_hours_are_forgotten_in_steps_until_all_are(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialtone.store.pruning._AT_ONCE", 3)
    await store.add_results([a_result(str(n), started=NOON + timedelta(hours=n)) for n in range(10)])
    assert await store.books.prune_rollups(NOON + timedelta(hours=9)) == 9


async def test_the_number_of_results_is_kept_right_by_whatever_comes_and_goes(
    store: SqliteStore, tmp_path: Path
) -> None:
    await store.add_results([a_result(str(n), started=NOON + timedelta(seconds=n)) for n in range(9)])
    await store.add_results([a_result("3"), a_result("new")])
    await store.prune_results(NOON + timedelta(seconds=4))
    db = sqlite3.connect(tmp_path / FILE_NAME)
    (counted,), (kept,) = (
        db.execute("SELECT count(*) FROM results").fetchone(),
        db.execute(sql("result_count")).fetchone(),
    )
    db.close()
    assert counted == kept == 5


@pytest.mark.parametrize("statement", ["prune_results", "prune_passes", "prune_hourly_rollups"])
async def test_the_oldest_are_found_by_an_index(store: SqliteStore, tmp_path: Path, statement: str) -> None:
    await store.add_results([a_result()])
    db = sqlite3.connect(tmp_path / FILE_NAME)
    plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql(statement), {"before": 1, "limit": 1})]
    db.close()
    assert [step for step in plan if step.startswith("SCAN") and "INDEX" not in step] == []


@pytest.mark.parametrize("schema", [1, 2, 5])
async def test_results_of_an_earlier_version_are_in_the_rollups_before_they_go(
    tmp_path: Path, schema: int
) -> None:
    shutil.copyfile(WRITTEN / f"schema-{schema}.sqlite3", tmp_path / FILE_NAME)
    store, twin = await open_store(tmp_path), MemoryStore()
    before = await store.results(ALICE, limit=1000)
    await twin.add_results(before)
    assert before
    assert await store.prune_results(datetime.max.replace(tzinfo=UTC)) == len(before)
    for daily in (False, True):
        assert await store.books.rollups(ALICE, **EVER, daily=daily) == await twin.books.rollups(
            ALICE, **EVER, daily=daily
        )
    await store.aclose()
