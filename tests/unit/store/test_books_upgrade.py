"""Files of before there were books: what is in them stays as it is, and has no say in slices."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import Origin, Outcome, Scope
from dialtone.ports import StoreError
from dialtone.store import SqliteStore, open_store
from dialtone.store.database import Database
from dialtone.store.migrate import migrate, scripts
from dialtone.store.rows import instant
from tests.fakes.records import NOON
from tests.fakes.slots import ACME, EVER, FAIL, PASS, a_closing, a_key, an_attempt, failed, line, minute, work

ALICE: Final = Scope.everything()
CHARLIE: Final = Scope.of("zeta.ucom.clusterpbx.example")

RESULT: Final = """
INSERT INTO results (id, probe, flow, engine, tenant, target, location, account, origin, slot, attempt,
    started, duration, outcome, timings, failure_code, failure_detail)
VALUES (?, 'calls', 'call', 'sippy', ?, 'sip:127.0.0.1:5060', 'mtl1', '100@a', ?, ?, ?, ?, 9.0, ?, '{}', ?, ?)
"""
BEGUN: Final = RESULT.replace("INTO results", "INTO unended")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of schema 6, with two confirmed failures, a pass, and a probe that has not ended."""
    database = sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)
    migrate(database, tmp_path, scripts()[:6])
    for number, (attempt, outcome) in enumerate([(1, FAIL), (2, FAIL), (1, PASS)]):
        _put(database, RESULT, f"old {number}", number // 2, attempt, outcome)
    _put(database, BEGUN, "begun", 2, 1, Outcome.INCONCLUSIVE)
    assert database.execute("PRAGMA user_version").fetchone() == (6,)
    database.close()
    return tmp_path


def _put(
    database: sqlite3.Connection, text: str, id_: str, number: int, attempt: int, outcome: Outcome
) -> None:
    slot, started = int(minute(number).timestamp()) // 60, instant(minute(number))
    code, detail = {PASS: (None, None), FAIL: ("timeout", "no answer")}.get(outcome, ("engine-crashed", "?"))
    row = (id_, ACME, Origin.SCHEDULE.value, slot, attempt, started, outcome.value, code, detail)
    database.execute(text, row)


async def test_results_of_before_the_books_are_there_and_have_no_slices(folder: Path) -> None:
    store = await open_store(folder)
    results = await store.results(ALICE)
    assert {(one.id, one.interval, one.outcome) for one in results} == {
        ("old 0", 0.0, FAIL),
        ("old 1", 0.0, FAIL),
        ("old 2", 0.0, PASS),
    }
    assert await store.books.slices(ALICE, **EVER) == []
    assert await store.books.last_hash() == ""
    await store.aclose()


async def test_the_books_begin_with_the_first_result_of_the_new_version(folder: Path) -> None:
    store = await open_store(folder)
    # A second attempt that comes after the upgrade: the first one doesn't say how long its slot is.
    await store.add_results([an_attempt(NOON, FAIL, 2), *failed(minute(3)), an_attempt(minute(4))])
    series = await store.books.slices(ALICE, **EVER)
    assert line(series, 5) == "...-+"
    assert [one.id for one in await store.adopt_unended()] == ["begun"]
    assert await store.books.slices(ALICE, **EVER) == series
    await store.books.declare(work())
    await store.books.close(a_closing())
    assert await store.books.slices(CHARLIE, **EVER) == []
    await store.aclose()
    again = await open_store(folder)
    assert await again.books.slices(ALICE, **EVER) == series
    assert len(await again.books.audit(ALICE)) == 2
    assert await again.books.last_hash() == a_closing().hash
    await again.aclose()


async def test_books_of_a_newer_version_are_refused_in_words_and_left_as_they_are(folder: Path) -> None:
    await (await open_store(folder)).aclose()
    path = folder / "dialtone.sqlite3"
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(scripts()) + 1}")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"was written by a newer dialtone .*; upgrade this one"):
        await open_store(folder)
    assert path.read_bytes() == before


async def test_a_file_that_can_grow_no_more_keeps_results_and_slices_together(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "d.sqlite3", busy_timeout=1)
    store = SqliteStore(database)
    pages = "SELECT page_count FROM pragma_page_count"
    size = await database.read(lambda db: db.execute(pages).fetchone()["page_count"])
    await _at_most(database, size + 20)
    with pytest.raises(StoreError, match="full"):
        await _add_without_end(store)
    kept = len(await store.results(ALICE, limit=5000))
    assert kept > 0
    assert kept % 20 == 0
    series = await store.books.slices(ALICE, **EVER)
    assert sum(one.slices.good.bit_count() for one in series) == kept
    with pytest.raises(StoreError, match="full"):
        await store.books.close(a_closing(inputs="x" * 1_000_000))
    assert await store.books.closings(ALICE) == []
    await _at_most(database, 1_000_000)
    await store.add_results([an_attempt(minute(0) + timedelta(days=1))])
    assert a_key() in [one.key for one in await store.books.slices(ALICE, **EVER)]
    await store.aclose()


async def _add_without_end(store: SqliteStore) -> None:
    for batch in range(100):
        await store.add_results([an_attempt(minute(n), probe=f"calls {batch}") for n in range(20)])


async def _at_most(database: Database, pages: int) -> None:
    await database.read(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchall())
