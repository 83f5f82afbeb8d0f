"""Rollups as bytes: small, the same for equal rollups, and never read wrong."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.model import (
    MEDIA_FIGURES,
    TIMINGS,
    FailureCode,
    LogHistogram,
    Outcome,
    Rollup,
    Scope,
    rollup_key,
)
from dialtone.store import MemoryStore, open_store
from dialtone.store.database import Database
from dialtone.store.packed import pack, unpack
from tests.fakes.records import NOON, a_result, a_stream

ALICE = Scope.everything()


def empty() -> Rollup:
    key = rollup_key(a_result())
    assert key is not None
    return Rollup(key, NOON)


def histogram(values: list[float]) -> LogHistogram:
    made = LogHistogram()
    for value in values:
        made.observe(value)
    return made


COUNTS = st.integers(1, 2**40)
HISTOGRAMS = st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, 2)).map(histogram)
WORDS = st.sampled_from([*TIMINGS, *MEDIA_FIGURES]) | st.text(max_size=200).filter(
    lambda text: text.encode("utf-8", "replace").decode() == text
)
ROLLUPS = st.builds(
    lambda outcomes, confirming, timings, media: _filled(empty(), outcomes, confirming, timings, media),
    st.dictionaries(st.tuples(st.sampled_from(Outcome), st.sampled_from(["", *FailureCode])), COUNTS),
    st.dictionaries(st.sampled_from(Outcome), COUNTS),
    st.dictionaries(WORDS, HISTOGRAMS, max_size=3),
    st.dictionaries(st.tuples(WORDS, WORDS), HISTOGRAMS, max_size=3),
)


def _filled(
    rollup: Rollup,
    outcomes: dict[tuple[Outcome, str], int],
    confirming: dict[Outcome, int],
    timings: dict[str, LogHistogram],
    media: dict[tuple[str, str], LogHistogram],
) -> Rollup:
    rollup.outcomes.update({(outcome, str(code)): count for (outcome, code), count in outcomes.items()})
    rollup.confirming.update(confirming)
    rollup.timings.update(timings)
    rollup.media.update(media)
    return rollup


@settings(max_examples=150)
@given(ROLLUPS)
def test_a_rollup_comes_back_exactly(rollup: Rollup) -> None:
    assert unpack(pack(rollup), empty()) == rollup


def test_equal_rollups_are_equal_bytes_whatever_the_order() -> None:
    results = [a_result(str(n), timings={"srd": n / 7, "pdd": n / 9}, attempt=1 + n % 2) for n in range(9)]
    one, other = empty(), empty()
    for result in results:
        one.count(result)
    for result in reversed(results):
        other.count(result)
    assert pack(one) == pack(other)


def test_an_hour_of_calls_is_some_200_bytes() -> None:
    rollup = empty()
    for n in range(60):
        spread = 1 + n * 7 % 60 / 60
        timings = {"srd": 0.018 * spread, "pdd": 0.031 * spread, "sdd": 0.004 * spread, "sdt": 0.3 * spread}
        rollup.count(a_result(str(n), timings=timings))
    assert len(pack(rollup)) < 200


@settings(max_examples=150)
@given(ROLLUPS, st.data())
def test_bytes_that_were_cut_off_are_refused(rollup: Rollup, data: st.DataObject) -> None:
    whole = pack(rollup)
    with pytest.raises((ValueError, LookupError)):
        unpack(whole[: data.draw(st.integers(0, len(whole) - 1))], empty())


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        unpack(b"\x01" + data, empty())
    except (ValueError, LookupError):
        return


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x02\x00\x00\x00\x00",
        b"\x01\x00\x00\x00\x00\x00",
        b"\x01\x00\x00\x01\x01\x01\xff\xff\x7f\x00\x00\x00",
    ],
    ids=["nothing", "another format", "something after the end", "a bin that there is not"],
)
def test_what_is_no_rollup_is_refused(wrong: bytes) -> None:
    with pytest.raises((ValueError, LookupError)):
        unpack(wrong, empty())


async def _execute(folder: Path, statement: str) -> None:
    database = await Database.open(folder / "dialtone.sqlite3", busy_timeout=1)
    await database.write(lambda db: db.execute(statement).rowcount)
    await database.aclose()


async def test_a_damaged_rollup_keeps_no_result_out_and_no_other_rollup_back(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    await store.add_results([a_result("1"), a_result("2", location="par1")])
    await _execute(tmp_path, "UPDATE hourly_rollups SET data = x'00' WHERE series = 1")
    span: dict[str, Any] = {"since": NOON, "until": NOON + timedelta(hours=1)}
    with structlog.testing.capture_logs() as logs:
        assert [one.key.location for one in await store.books.rollups(ALICE, **span)] == ["par1"]
        await store.add_results([a_result("3")])
    assert [log["event"] for log in logs] == ["store.row_unreadable", "store.rollup_unreadable"]
    assert await store.result(ALICE, "3") is not None
    begun_anew, other = await store.books.rollups(ALICE, **span)
    assert (begun_anew.outcomes.total(), other.outcomes.total()) == (1, 1)
    await store.aclose()


async def test_results_of_an_earlier_version_are_added_before_any_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backlog is what migration 0008 leaves: here for a file whose results have no rollups."""
    monkeypatch.setattr("dialtone.store.pruning._ADDED_AT_ONCE", 2)
    store, twin = await open_store(tmp_path), MemoryStore()
    early = [
        a_result(str(n), f"{n % 2}.ntek.clusterpbx.example", started=NOON + timedelta(minutes=40 * n))
        for n in range(7)
    ]
    await store.add_results(early)
    for table in ("hourly_rollups", "daily_rollups", "rollup_series"):
        await _execute(tmp_path, f"DELETE FROM {table}")  # noqa: S608 - names of this test
    await _execute(tmp_path, "INSERT INTO rollup_backlog SELECT max(rowid), '', 0, '' FROM results")
    late = [a_result("late", media=(a_stream(),)), a_result("later", "0.ntek.clusterpbx.example")]
    await store.add_results(late)
    await twin.add_results([*early, *late])
    for _ in range(2):
        await store.prune_results(NOON + timedelta(hours=3))
        span: dict[str, Any] = {"since": NOON - timedelta(days=1), "until": NOON + timedelta(days=1)}
        for daily in (False, True):
            found = await store.books.rollups(ALICE, **span, daily=daily)
            assert found == await twin.books.rollups(ALICE, **span, daily=daily)
    await store.aclose()
