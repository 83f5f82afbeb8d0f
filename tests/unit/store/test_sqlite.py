"""The store on disk: its files, its locks, and what it says when it can't."""

import os
import re
import sqlite3
import stat
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Final

import anyio
import pytest

from dialtone.model import MessageState, Scope, TrafficMark
from dialtone.ports import StoreError
from dialtone.store import SqliteStore, open_store
from dialtone.store.database import Database
from tests.fakes.records import NOON, a_message, a_result, an_alert

EVERYTHING: Final = Scope.everything()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = await open_store(tmp_path / "data", busy_timeout=10)
    yield made
    await made.aclose()


@pytest.fixture
def other(store: SqliteStore, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection to the same file (needs the store to have made it)."""
    connection = sqlite3.connect(tmp_path / "data" / "dialtone.sqlite3", isolation_level=None, timeout=0)
    yield connection
    connection.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that an unprivileged user can reach (pytest's own are private)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


class Watched(str):
    """A text that notes on which thread it is made ready for the disk."""

    threads: set[int]

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        self.threads.add(threading.get_ident())
        return super().encode(encoding, errors)


async def test_rows_of_alerts_and_messages_are_made_off_the_event_loop(store: SqliteStore) -> None:
    cause = Watched("connection refused")
    cause.threads = set()
    event = replace(an_alert(), cause=cause)
    await store.put_alerts([event], [replace(a_message("k"), events=(event,))])
    assert cause.threads
    assert threading.get_ident() not in cause.threads


async def ids(store: SqliteStore) -> list[str]:
    return [result.id for result in await store.results(EVERYTHING)]


async def test_folder_and_files_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    store = await open_store(folder)
    await store.add_results([a_result()])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    await store.aclose()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {"dialtone.sqlite3": 0o600, "dialtone.sqlite3-wal": 0o600, "dialtone.sqlite3-shm": 0o600}


async def test_what_was_added_is_there_after_opening_again(tmp_path: Path) -> None:
    first = await open_store(tmp_path)
    await first.add_results([a_result()])
    assert await first.lease_accounts(["100@a"], "serve", now=NOON, until=NOON + timedelta(seconds=9))
    await first.aclose()
    second = await open_store(tmp_path)
    assert await second.result(EVERYTHING, "r1") == a_result()
    assert not await second.lease_accounts(["100@a"], "probe", now=NOON, until=NOON + timedelta(seconds=9))
    await second.aclose()


async def test_two_stores_on_one_file_never_lease_an_account_twice(tmp_path: Path) -> None:
    stores = [await open_store(tmp_path) for _ in range(2)]
    accounts = [f"{n}@a" for n in range(20)]
    winners: list[str] = []

    async def take(store: SqliteStore, holder: str) -> None:
        end = NOON + timedelta(seconds=9)
        winners.extend(
            [one for one in accounts if await store.lease_accounts([one], holder, now=NOON, until=end)]
        )

    async with anyio.create_task_group() as group:
        for number, store in enumerate(stores):
            group.start_soon(take, store, f"holder {number}")
    for store in stores:
        await store.aclose()
    assert sorted(winners) == sorted(accounts)


async def test_a_commit_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "d.sqlite3", busy_timeout=1)
    assert await database.read(lambda db: db.execute("PRAGMA synchronous").fetchone()[0]) == 2  # FULL
    assert await database.read(lambda db: db.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
    await database.aclose()


async def test_readers_do_not_wait_for_a_writer(store: SqliteStore, other: sqlite3.Connection) -> None:
    await store.add_results([a_result()])
    other.execute("BEGIN IMMEDIATE")
    assert await ids(store) == ["r1"]
    other.execute("ROLLBACK")


async def test_a_write_waits_for_another_process_without_holding_up_the_loop(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    done = anyio.Event()

    async def add() -> None:
        await store.add_results([a_result()])
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(add)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert not done.is_set()
        other.execute("ROLLBACK")
    assert await ids(store) == ["r1"]


async def test_a_cancelled_write_is_whole_or_absent_and_the_store_goes_on(
    store: SqliteStore, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    async with anyio.create_task_group() as group:
        group.start_soon(store.add_results, [a_result(f"first{n}") for n in range(50)])
        group.start_soon(store.add_results, [a_result(f"queued{n}") for n in range(50)])
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    other.execute("ROLLBACK")
    await store.add_results([a_result("after")])
    kept = {result.id for result in await store.results(EVERYTHING, limit=1000)}
    assert "after" in kept
    assert len([one for one in kept if one.startswith("first")]) in (0, 50)
    assert len([one for one in kept if one.startswith("queued")]) in (0, 50)


async def test_a_lock_that_is_not_given_up_is_named_and_nothing_is_kept(tmp_path: Path) -> None:
    store = await open_store(tmp_path, busy_timeout=0.05)
    holder = sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        StoreError, match=r"dialtone\.sqlite3: another process keeps it locked; find it with: fuser"
    ):
        await store.add_results([a_result()])
    holder.execute("ROLLBACK")
    assert await ids(store) == []
    await store.add_results([a_result()])
    assert await ids(store) == ["r1"]
    holder.close()
    await store.aclose()


async def test_opening_a_file_that_stays_locked_ends_with_its_reason(tmp_path: Path) -> None:
    await (await open_store(tmp_path)).aclose()
    holder = sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="another process keeps it locked"):
        await open_store(tmp_path, busy_timeout=0.05)
    holder.close()


async def test_a_file_of_a_newer_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    await (await open_store(tmp_path)).aclose()
    path = tmp_path / "dialtone.sqlite3"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"written by a newer dialtone \(its schema is 999"):
        await open_store(tmp_path)
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "dialtone.sqlite3"
    path.write_bytes(b"my holiday pictures " * 100)
    with pytest.raises(StoreError, match="the file is no database; move it away"):
        await open_store(tmp_path)
    assert path.read_bytes() == b"my holiday pictures " * 100


@pytest.fixture
async def full_path(tmp_path: Path) -> Path:
    """A store's file with 500 results in it."""
    store = await open_store(tmp_path)
    await store.add_results([a_result(f"r{n}") for n in range(500)])
    await store.aclose()
    return tmp_path / "dialtone.sqlite3"


def overwrite(path: Path, start: int, length: int | None = None) -> None:
    """Overwrite a part of a file, without a length all to its end."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * (path.stat().st_size - start if length is None else length))


async def test_a_damaged_file_is_reported_as_damaged_when_it_is_read(full_path: Path) -> None:
    database = sqlite3.connect(full_path)
    [(root,)] = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'results'")
    database.close()
    overwrite(full_path, (root - 1) * 4096, 4096)
    store = await open_store(full_path.parent)
    with pytest.raises(StoreError, match="the file is damaged; stop dialtone"):
        await ids(store)
    await store.aclose()


async def test_a_file_whose_schema_is_damaged_is_reported_when_it_is_opened(full_path: Path) -> None:
    # The first page begins the schema.
    overwrite(full_path, 4096)
    with pytest.raises(StoreError, match="the file is damaged; stop dialtone"):
        await open_store(full_path.parent)


async def test_messages_are_forgotten_in_steps_until_all_are(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialtone.store.pruning._AT_ONCE", 3)
    for settled, left in ((7, 1), (6, 0)):
        await store.put_alerts([], [a_message(f"{settled}.{n}") for n in range(settled + left)])
        for n in range(settled):
            await store.settle_message(f"{settled}.{n}", MessageState.DELIVERED, NOON)
        assert await store.prune_messages(NOON + timedelta(seconds=1)) == settled
    assert [entry.message.key for entry in await store.outbox()] == ["7.7"]


async def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(
        StoreError, match=r"data/dialtone\.sqlite3: can't be made or opened: .*; look at `data:`"
    ):
        await open_store(tmp_path / "data")


async def test_a_file_that_may_not_be_written_is_named(open_folder: Path) -> None:
    await (await open_store(open_folder / "data")).aclose()
    path = open_folder / "data" / "dialtone.sqlite3"
    path.chmod(0o444)
    path.parent.chmod(0o555)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)  # nobody: root may write everywhere
    try:
        with pytest.raises(StoreError, match=r"can't be made or opened: Permission denied"):
            await open_store(path.parent)
    finally:
        if privileged:
            os.seteuid(0)
        path.parent.chmod(0o755)


async def test_a_database_that_turns_read_only_says_so_and_recovers(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "d.sqlite3", busy_timeout=1)
    store = SqliteStore(database)
    await database.read(lambda db: db.execute("PRAGMA query_only = 1").close())
    with pytest.raises(StoreError, match="it may not be written by this user"):
        await store.add_results([a_result()])
    await database.read(lambda db: db.execute("PRAGMA query_only = 0").close())
    await store.add_results([a_result()])
    assert await ids(store) == ["r1"]
    await store.aclose()


async def test_a_job_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "d.sqlite3", busy_timeout=1)

    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO leases VALUES ('100@a', 'half', 1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(half)
    assert await database.read(lambda db: db.execute("SELECT count(*) FROM leases").fetchone()[0]) == 0
    await database.aclose()


TOGETHER: Final[Mapping[str, tuple[str, Callable[[SqliteStore], Awaitable[object]]]]] = {
    "a flip and its message": (
        "outbox",
        lambda store: store.put_alerts([an_alert("new")], [a_message("new")]),
    ),
    "a result and its outcome": ("probe_outcomes", lambda store: store.add_results([a_result("begun")])),
    "a result and its timings": ("probe_timings", lambda store: store.add_results([a_result("begun")])),
    "what is adopted and its totals": ("probe_outcomes", lambda store: store.adopt_unended()),
    "a try and its count": ("message_totals", lambda store: store.note_try("k1", "500")),
    "growth of traffic and its mark": (
        "hourly_traffic",
        lambda store: store.count_traffic(
            TrafficMark("sip1", NOON, 9.0, {"acme.example": {"invite": 2}}), {"acme.example": {"invite": 1}}
        ),
    ),
    "an end and its count": (
        "message_totals",
        lambda store: store.settle_message("k1", MessageState.DELIVERED, NOON),
    ),
}
"""What is kept together, as the table that is written last and what writes it."""


@pytest.mark.parametrize(("table", "write"), TOGETHER.values(), ids=TOGETHER)
async def test_what_belongs_together_is_one_transaction(
    store: SqliteStore,
    other: sqlite3.Connection,
    table: str,
    write: Callable[[SqliteStore], Awaitable[object]],
) -> None:
    await store.begin_result(a_result("begun"))
    await store.lease_accounts(["100@a"], "begun", now=NOON, until=NOON + timedelta(seconds=9))
    await store.put_alerts([], [a_message("k1")])
    before = list(other.iterdump())
    trouble = "BEGIN SELECT RAISE(ABORT, 'trouble'); END"
    other.execute(f"CREATE TRIGGER trouble BEFORE INSERT ON {table} {trouble}")
    with pytest.raises(StoreError, match="trouble"):
        await write(store)
    other.execute("DROP TRIGGER trouble")
    assert list(other.iterdump()) == before
    await write(store)
    assert list(other.iterdump()) != before


async def test_jobs_handed_in_before_closing_are_finished(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(store.add_results, [a_result(f"r{number}")])
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        await store.aclose()
    again = await open_store(tmp_path)
    assert len(await ids(again)) == 20
    await again.aclose()


def test_no_read_names_a_table_only_what_the_scope_lets_through() -> None:
    names = (
        "results|latest_results|alerts|probe_outcomes|probe_timings|probe_media|probe_counts|hourly_counts|"
        "hourly_traffic|rollup_series|hourly_rollups|daily_rollups|slice_series|slices|slice_causes|"
        "maintenance|corrections|closings|audit"
    )
    tables = re.compile(rf"\b(?:FROM|JOIN)\s+(?:{names})\b", re.IGNORECASE)
    prefixes = {"visible_all.sql", "visible_some.sql"}
    reads = [
        file
        for file in (resources.files("dialtone.store") / "sql").iterdir()
        if "visible_" in file.read_text("utf-8") and file.name not in prefixes
    ]
    assert {file.name for file in reads} == {
        "results.sql",
        "results_of_tenant.sql",
        "latest_results.sql",
        "result.sql",
        "alerts.sql",
        "probe_outcomes.sql",
        "probe_timings.sql",
        "probe_media.sql",
        "probe_counts.sql",
        "hourly_counts.sql",
        "hourly_traffic.sql",
        "hourly_rollups.sql",
        "daily_rollups.sql",
        "series.sql",
        "days.sql",
        "causes.sql",
        "maintenance.sql",
        "corrections.sql",
        "closings.sql",
        "audit.sql",
    }
    assert [file.name for file in reads if tables.search(file.read_text("utf-8"))] == []
