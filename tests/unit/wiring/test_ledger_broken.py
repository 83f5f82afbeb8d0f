"""Closed months that were tampered with take no other's down; corrections of who left the configuration."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dialtone.config import Settings, load
from dialtone.model import Correction, Scope, SliceState
from dialtone.ports import Store
from dialtone.sla.closing import BrokenClosingError, RefusedError
from dialtone.store import open_store
from dialtone.wiring.ledger import Ledger
from tests.fakes.clock import FakeClock
from tests.fakes.months import ACME, BOLT, CHARLIE, PHONES, PROMISES, probed

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


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def closed(store: Store, settings: Settings) -> Ledger:
    ledger = Ledger(settings, store.books, FakeClock(OVER))
    for tenant in (ACME, BOLT):  # Acme's series is the first
        await store.add_results(list(probed(tenant, BEGAN, 30, failing=[5])))
    await ledger.settle(BEGAN)
    await ledger.close(MONTH, author="alice")
    return ledger


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE slices SET bits = zeroblob(360) WHERE series = (SELECT min(id) FROM slice_series)",
        "UPDATE closings SET inputs = '{' WHERE sequence = 1",
        "UPDATE closings SET figures = '[]' WHERE sequence = 1",
        "UPDATE closings SET closed = 9223372036854775807 WHERE sequence = 1",
        "UPDATE closings SET closed = 0 WHERE sequence = 1",
    ],
)
async def test_one_tampered_month_takes_no_other_down(
    settings: Settings, store: Store, tmp_path: Path, tampering: str
) -> None:
    ledger = await closed(store, settings)
    with sqlite3.connect(tmp_path / "data" / "dialtone.sqlite3") as db:
        db.execute("DROP TRIGGER closings_stay")
        db.execute(tampering)
    db.close()
    found = await ledger.sound_accounts(EVERYTHING, period=MONTH)
    assert [one.objective.tenant for one in found.accounts] == [BOLT, CHARLIE]
    [why] = found.broken
    assert f"{ACME} {MONTH}" in str(why)
    with pytest.raises(BrokenClosingError, match=ACME):
        await ledger.accounts(EVERYTHING, tenant=ACME, period=MONTH)
    assert [one.objective.tenant for one in await ledger.accounts(EVERYTHING, tenant=BOLT, period=MONTH)]
    assert not (await ledger.sound_accounts(Scope.of(CHARLIE), period=MONTH)).broken, "it is Acme's alone"
    acme, *others = await ledger.verify(EVERYTHING)
    assert not acme.is_good
    assert [one.closing.tenant for one in others] == [BOLT, CHARLIE]


@pytest.mark.parametrize("column", ["inputs", "figures", "hash", "previous", "author", "spans", "period"])
async def test_text_that_is_no_utf8_is_told_by_verify_and_takes_no_other_down(
    settings: Settings, store: Store, tmp_path: Path, column: str
) -> None:
    ledger = await closed(store, settings)
    with sqlite3.connect(tmp_path / "data" / "dialtone.sqlite3") as db:
        db.execute("DROP TRIGGER closings_stay")
        db.execute(f"UPDATE closings SET {column} = CAST(x'32fffe80' AS TEXT) WHERE sequence = 1")  # noqa: S608
    db.close()
    acme, bolt, charlie = await ledger.verify(EVERYTHING)
    assert acme.problems
    assert charlie.is_good
    assert bolt.is_good or column == "hash", "the next one follows from what was the hash"
    assert [one.objective.tenant for one in await ledger.accounts(EVERYTHING, tenant=BOLT, period=MONTH)]
    assert (await store.books.closings(Scope.of(BOLT)))[0].tenant == BOLT


async def test_a_chain_whose_last_hash_is_damaged_can_be_read(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    ledger = await closed(store, settings)
    with sqlite3.connect(tmp_path / "data" / "dialtone.sqlite3") as db:
        db.execute("DROP TRIGGER closings_stay")
        db.execute("UPDATE closings SET hash = CAST(x'ff' AS TEXT) WHERE sequence = 3")
    db.close()
    assert await store.books.last_hash() == "\ufffd"
    *others, last = await ledger.verify(EVERYTHING)
    assert all(one.is_good for one in others)
    assert not last.is_good


@pytest.mark.parametrize("bits", ["x''", "x'ff'", "zeroblob(361)"])
async def test_a_month_with_a_day_that_cannot_be_read_is_not_closed_and_says_which(
    settings: Settings, store: Store, tmp_path: Path, bits: str
) -> None:
    ledger = Ledger(settings, store.books, FakeClock(OVER))
    for tenant in (ACME, BOLT):
        await store.add_results(list(probed(tenant, BEGAN, 30, failing=[5])))
    await ledger.settle(BEGAN)
    with sqlite3.connect(tmp_path / "data" / "dialtone.sqlite3") as db:
        db.execute(f"UPDATE slices SET bits = {bits} WHERE series = (SELECT min(id) FROM slice_series)")  # noqa: S608
    db.close()
    acme, *others = await ledger.close(MONTH, author="alice")
    assert acme.closing is None
    assert acme.refused == (
        "2026-10: slices are damaged in the file of the books: those of 2026-10-31 of call calls at mtl1; "
        "put the file back from a copy of before, then close it"
    )
    assert all(one.is_new for one in others), "it is Acme's alone"


@pytest.mark.parametrize("spans", ["{", "[[1]]", "[[0,99999999999999999999]]", "7"])
async def test_spans_that_cannot_be_read_are_told_by_verify(
    settings: Settings, store: Store, tmp_path: Path, spans: str
) -> None:
    ledger = await closed(store, settings)
    with sqlite3.connect(tmp_path / "data" / "dialtone.sqlite3") as db:
        db.execute("DROP TRIGGER closings_stay")
        db.execute("UPDATE closings SET spans = ? WHERE sequence = 1", [spans])
    db.close()
    acme, bolt, charlie = await ledger.verify(EVERYTHING)
    assert acme.problems == ("its span was changed beside its inputs",)
    assert bolt.is_good
    assert charlie.is_good


async def test_who_left_the_configuration_and_was_measured_can_be_corrected(
    settings: Settings, store: Store
) -> None:
    await closed(store, settings)
    gone = replace(settings, tree=load(_without_acme(settings)).tree)
    ledger = Ledger(gone, store.books, FakeClock(OVER))
    begins = BEGAN + timedelta(minutes=5)
    one = Correction(
        0, ACME, begins, begins + timedelta(minutes=1), SliceState.EXCLUDED, "bob", "their uplink", BEGAN
    )
    made = await ledger.correct(EVERYTHING, one)
    assert [closing.tenant for closing in made.closed] == [ACME]
    with pytest.raises(RefusedError, match="the reason is missing"):
        await ledger.correct(EVERYTHING, replace(one, reason=""))
    for refused in (replace(one, tenant="nobody.example"), replace(one, begins=OVER, ends=OVER)):
        with pytest.raises(RefusedError, match="is not a tenant here"):
            await ledger.correct(EVERYTHING, refused)
    with pytest.raises(RefusedError, match="is not a tenant here"):
        await ledger.correct(Scope.of(BOLT), one)


def _without_acme(settings: Settings) -> Path:
    text = PROMISES.replace("  - {domain: acme.ntek.clusterpbx.example, name: Acme}\n", "")
    other = settings.source.with_name("other.yaml")
    other.write_text(text.replace("[acme.ntek.clusterpbx.example, ", "["))
    (settings.source.parent / "accounts.csv").write_text(
        "".join(line for line in PHONES.splitlines(keepends=True) if not line.startswith(ACME))
    )
    return other
