"""One file, several processes: the service, a probe by hand, a list of alerts."""

import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import anyio
import pytest

from dialtone.model import MessageState, Outcome, Scope
from dialtone.ports import StoreError
from dialtone.store import SqliteStore, open_store
from tests.fakes.records import NOON, a_message, a_result, an_alert

ALICE: Final = Scope.everything()


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[SqliteStore, SqliteStore]]:
    stores = await open_store(tmp_path, busy_timeout=30), await open_store(tmp_path, busy_timeout=30)
    yield stores
    for store in stores:
        await store.aclose()


async def test_results_that_two_processes_add_at_once_are_all_counted_once(
    pair: tuple[SqliteStore, SqliteStore],
) -> None:
    async def add(store: SqliteStore, own: str) -> None:
        for n in range(20):
            await store.add_results([a_result(f"{own}{n}"), a_result(f"both{n}")])

    async with anyio.create_task_group() as group:
        group.start_soon(add, pair[0], "a")
        group.start_soon(add, pair[1], "b")
    for store in pair:
        [totals] = await store.probe_totals(ALICE)
        assert totals.outcomes == {(Outcome.PASS, ""): 60}
        assert sum(totals.timings["srd"].counts) == 60


async def test_a_message_that_two_processes_settle_at_once_is_settled_once(
    pair: tuple[SqliteStore, SqliteStore],
) -> None:
    keys = [f"k{n}" for n in range(20)]
    await pair[0].put_alerts([], [a_message(key) for key in keys])

    async def settle(store: SqliteStore, state: MessageState) -> None:
        for key in keys:
            await store.settle_message(key, state, NOON)

    async with anyio.create_task_group() as group:
        group.start_soon(settle, pair[0], MessageState.DELIVERED)
        group.start_soon(settle, pair[1], MessageState.DROPPED)
    totals = await pair[1].message_totals()
    assert sum(totals.values()) == 20
    for state in (MessageState.DELIVERED, MessageState.DROPPED):
        assert totals.get(("hook", state.value), 0) == len(await pair[0].outbox(state))


async def test_lists_are_read_while_another_process_writes(
    pair: tuple[SqliteStore, SqliteStore], tmp_path: Path
) -> None:
    await pair[0].put_alerts([an_alert()], [a_message()])
    await pair[0].add_results([a_result()])
    writer = sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM outbox")
    writer.execute("DELETE FROM probe_outcomes")
    assert await pair[1].alerts(ALICE) == [an_alert()]
    assert [entry.message for entry in await pair[1].outbox()] == [a_message()]
    assert len(await pair[1].probe_totals(ALICE)) == 1
    writer.execute("ROLLBACK")
    writer.close()


async def test_totals_are_of_one_moment(pair: tuple[SqliteStore, SqliteStore]) -> None:
    done = anyio.Event()

    async def add() -> None:
        for n in range(50):
            await pair[0].add_results([a_result(str(n), timings={"srd": 0.25})])
        done.set()

    async with anyio.create_task_group() as group:
        group.start_soon(add)
        while not done.is_set():
            for totals in await pair[1].probe_totals(ALICE):
                assert sum(totals.outcomes.values()) == sum(totals.timings["srd"].counts)


async def test_while_another_process_keeps_it_locked_only_the_first_job_waits_long(tmp_path: Path) -> None:
    store = await open_store(tmp_path, busy_timeout=0.4)
    blocker = sqlite3.connect(tmp_path / "dialtone.sqlite3", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    waited = []
    for number in range(4):
        before = time.monotonic()
        with pytest.raises(StoreError, match="another process keeps it locked"):
            await store.add_results([a_result(f"r{number}")])
        waited.append(time.monotonic() - before)
    assert waited[0] >= 0.4
    assert max(waited[1:]) < 0.4
    blocker.execute("ROLLBACK")
    await store.add_results([a_result("r5")])  # and now it is patient again
    blocker.execute("BEGIN EXCLUSIVE")
    before = time.monotonic()
    with pytest.raises(StoreError):
        await store.add_results([a_result("r6")])
    assert time.monotonic() - before >= 0.4
    blocker.close()
    await store.aclose()
