"""Writes that wait at the same time are committed together, and none suffers from another."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialtone.ports import StoreError
from dialtone.store.database import Database


class Held:
    """A database whose thread waits; `statements` are those run since."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.statements: list[str] = []
        self._go = threading.Event()

    async def hold(self) -> asyncio.Task[None]:
        """Keep the thread busy until `let_go`."""
        await self.database.write(lambda db: db.execute("CREATE TABLE noted (what TEXT UNIQUE)").fetchall())
        began, loop = asyncio.Event(), asyncio.get_running_loop()

        def wait(db: sqlite3.Connection) -> None:
            loop.call_soon_threadsafe(began.set)
            assert self._go.wait(10)
            db.set_trace_callback(self.statements.append)

        task = asyncio.create_task(self.database.read(wait))
        await began.wait()
        return task

    def write(self, what: str, error: Exception | None = None) -> asyncio.Task[str]:
        """Hand in a job that notes something, and then raises."""

        def note(db: sqlite3.Connection) -> str:
            db.execute("INSERT INTO noted VALUES (?)", [what])
            if error is not None:
                raise error
            return what

        return asyncio.create_task(self.database.write(note))

    async def noted(self) -> list[str]:
        """Return what was noted."""
        return await self.database.read(
            lambda db: [row["what"] for row in db.execute("SELECT what FROM noted ORDER BY what")]
        )

    def let_go(self) -> None:
        """Have the thread go on."""
        self._go.set()


@asynccontextmanager
async def held(folder: Path) -> AsyncIterator[Held]:
    database = await Database.open(folder / "x.sqlite3", busy_timeout=0.1)
    held = Held(database)
    holding = await held.hold()
    try:
        yield held
    finally:
        held.let_go()
        await holding
        await database.aclose()


async def started(*tasks: asyncio.Task[str]) -> None:
    for _ in tasks:
        await asyncio.sleep(0)


async def test_writes_that_wait_share_one_commit(tmp_path: Path) -> None:
    async with held(tmp_path) as database:
        tasks = [database.write(name) for name in "abc"]
        await started(*tasks)
        database.let_go()
        assert await asyncio.gather(*tasks) == ["a", "b", "c"]
        # The first is that of the job that held the thread.
        assert database.statements.count("COMMIT") == 2
        assert await database.noted() == ["a", "b", "c"]


@pytest.mark.parametrize("error", [ValueError("no row"), sqlite3.IntegrityError("no row")])
async def test_one_that_fails_is_undone_alone(tmp_path: Path, error: Exception) -> None:
    async with held(tmp_path) as database:
        tasks = [database.write("a"), database.write("b", error), database.write("c")]
        await started(*tasks)
        database.let_go()
        a, b, c = await asyncio.gather(*tasks, return_exceptions=True)
        assert (a, c) == ("a", "c")
        assert isinstance(b, StoreError if isinstance(error, sqlite3.Error) else ValueError)
        assert "no row" in str(b)
        assert await database.noted() == ["a", "c"]


async def test_one_that_is_cancelled_while_it_waits_never_runs(tmp_path: Path) -> None:
    async with held(tmp_path) as database:
        tasks = [database.write(name) for name in "abc"]
        await started(*tasks)
        tasks[1].cancel()
        await asyncio.sleep(0)
        database.let_go()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await database.noted() == ["a", "c"]


async def test_where_the_file_is_locked_each_of_them_is_told(tmp_path: Path) -> None:
    async with held(tmp_path) as database:
        other = sqlite3.connect(tmp_path / "x.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        tasks = [database.write(name) for name in "ab"]
        await started(*tasks)
        database.let_go()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        other.close()
        assert [type(one) for one in found] == [StoreError, StoreError]
        assert "locked" in str(found[1])
        assert await database.noted() == []
