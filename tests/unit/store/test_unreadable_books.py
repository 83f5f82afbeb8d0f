"""Damaged books: what can't be read is unknown and named, stays as it is, and keeps no result out."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from dialtone.model import Scope
from dialtone.store import SqliteStore, open_store
from tests.fakes.records import NOON
from tests.fakes.slots import EVER, a_closing, a_correction, an_attempt, failed, line, minute, work

ALICE: Final = Scope.everything()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = await open_store(tmp_path)
    yield made
    await made.aclose()


@pytest.fixture
def raw(store: SqliteStore, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another program (needs the store to have made the file)."""
    connection = sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)
    yield connection
    connection.close()


@pytest.mark.parametrize("bits", ["x''", "x'ff'", "zeroblob(359)", "zeroblob(361)", "zeroblob(2160)"])
async def test_a_day_of_another_length_is_unknown_and_stays(
    store: SqliteStore, raw: sqlite3.Connection, bits: str
) -> None:
    await store.add_results([an_attempt(NOON), an_attempt(minute(24 * 60))])
    damaged = f"UPDATE slices SET bits = {bits} WHERE day = (SELECT min(day) FROM slices)"  # noqa: S608 - above
    raw.execute(damaged)
    before = raw.execute("SELECT bits FROM slices ORDER BY day").fetchone()
    with capture_logs() as logs:
        late = [an_attempt(minute(1)), *failed(minute(2))]
        await store.add_results([*late, *failed(minute(24 * 60 + 1))])
        series = await store.books.slices(ALICE, **EVER)
    assert line(series, 3) == "..."
    assert line(series, 3, minute(24 * 60)) == "+-."
    assert raw.execute("SELECT bits FROM slices ORDER BY day").fetchone() == before
    assert {one.id for one in late} <= {one.id for one in await store.results(ALICE)}
    assert [(log["table"], log["event"]) for log in logs] == [("slices", "store.row_unreadable")]


async def test_a_series_of_a_newer_version_takes_no_other_down(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.add_results([an_attempt(NOON), an_attempt(NOON, location="par1")])
    raw.execute("UPDATE slice_series SET sli = 99 WHERE location = 'par1'")
    with capture_logs() as logs:
        series = await store.books.slices(ALICE, **EVER)
        assert await store.books.causes(ALICE, **EVER) == []
        await store.add_results([an_attempt(minute(1))])
        await store.books.plan_series("par1", [], minute(2))
    assert [one.key.location for one in series] == ["mtl1"]
    assert [log["table"] for log in logs] == ["slice_series"]


async def test_a_declaration_of_a_newer_version_takes_no_other_down(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    for _ in range(2):
        await store.books.declare(work())
        await store.books.correct(a_correction())
    raw.executescript("DROP TRIGGER maintenance_stays; DROP TRIGGER corrections_stay;")
    raw.execute("UPDATE maintenance SET flows = '[\"fax\"]' WHERE id = 1")
    raw.execute("UPDATE corrections SET state = 99 WHERE id = 2")
    with capture_logs() as logs:
        assert [one.id for one in await store.books.maintenance(ALICE)] == [2]
        assert [one.id for one in await store.books.corrections(ALICE)] == [1]
        assert await store.books.withdraw(ALICE, 1, at=NOON, author="bob") is None
    assert [log["table"] for log in logs] == ["maintenance", "corrections"]


async def test_a_result_of_a_newer_version_keeps_no_other_of_its_slot_from_being_judged(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    first, second = failed(NOON)
    again = an_attempt(NOON, second.outcome, 2, said="again")
    await store.add_results([first, again])
    raw.execute("UPDATE results SET failure_code = 'mute' WHERE id = ?", [again.id])
    await store.add_results([second])
    [cause] = await store.books.causes(ALICE, **EVER)
    assert line(await store.books.slices(ALICE, **EVER), 1) == "-"
    assert cause.cause == "timeout: no answer"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE closings SET figures = '{}'",
        "DELETE FROM closings",
        "UPDATE audit SET author = 'nobody'",
        "DELETE FROM audit",
        "UPDATE maintenance SET reason = 'another'",
        "UPDATE maintenance SET declared = declared - 1, withdrawn = 1",
        "UPDATE maintenance SET withdrawn = NULL WHERE id = 2",
        "UPDATE corrections SET state = 2",
        "UPDATE corrections SET withdrawn = 2 WHERE id = 2",
        "DELETE FROM maintenance",
        "DELETE FROM corrections",
    ],
)
async def test_the_file_itself_refuses_to_change_what_was_put_down(
    store: SqliteStore, raw: sqlite3.Connection, change: str
) -> None:
    for _ in range(2):
        await store.books.declare(work())
        await store.books.correct(a_correction())
    await store.books.withdraw(ALICE, 2, at=NOON, author="bob")
    await store.books.withdraw_correction(ALICE, 2, at=NOON, author="bob")
    await store.books.close(a_closing())
    before = list(raw.iterdump())
    with pytest.raises(sqlite3.IntegrityError, match=r"never|kept"):
        raw.execute(change)
    assert list(raw.iterdump()) == before


async def test_a_closing_that_is_damaged_leaves_no_gap_and_its_month_closed(
    store: SqliteStore, raw: sqlite3.Connection
) -> None:
    await store.add_results([an_attempt(NOON)])
    made = await store.books.close(a_closing())
    raw.execute("DROP TRIGGER closings_stay")
    raw.execute("UPDATE closings SET spans = '[[1]]', closed = 9223372036854775807")
    [found] = await store.books.closings(ALICE)
    assert (found.sequence, found.spans, found.hash) == (1, (), made.hash)
    await store.add_results([an_attempt(minute(1))])
    assert line(await store.books.slices(ALICE, **EVER), 2) == "+."
