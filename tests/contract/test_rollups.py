"""What results add up to by hour and day, on disk and in memory: always the same as adding up the rows.

The cast is test_store.py's: Bob sees ntek and its clients, Charlie nothing of Bob's.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.model import (
    Failure,
    FailureCode,
    Origin,
    Outcome,
    ProbeResult,
    Rollup,
    RollupKey,
    Scope,
    added_up,
)
from dialtone.ports import Store
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON, a_result, a_stream

NTEK: Final = "ntek.clusterpbx.example"
ACME: Final = "acme.ntek.clusterpbx.example"
OTHER: Final = "zeta.ucom.clusterpbx.example"

ALICE: Final = Scope.everything()
BOB: Final = Scope.of(NTEK, ACME)
CHARLIE: Final = Scope.of(OTHER)

EVER: Final[dict[str, Any]] = {
    "since": datetime.min.replace(tzinfo=UTC),
    "until": datetime.max.replace(tzinfo=UTC),
}
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
MIDNIGHT: Final = NOON.replace(hour=0)

Plain = dict[tuple[Any, ...], Any]
"""A rollup as plain values: every count, sum and extreme by what it is of."""


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


def failed(code: FailureCode = FailureCode.TIMEOUT) -> dict[str, Any]:
    return {"outcome": code.outcome, "failure": Failure(code, "in words"), "timings": {}}


def plain(rollup: Rollup) -> Plain:
    """Return a rollup as plain values; what is zero is left out."""
    found: Plain = {("outcome", *place): count for place, count in rollup.outcomes.items()}
    found |= {("confirming", outcome): count for outcome, count in rollup.confirming.items()}
    histograms = {("timing", name): one for name, one in rollup.timings.items()}
    for place, histogram in (histograms | {("media", *at): one for at, one in rollup.media.items()}).items():
        found |= {(*place, "bin", bin_): count for bin_, count in histogram.nonzero()}
        found |= {(*place, "sum"): histogram.total}
        found |= {(*place, "least"): histogram.least, (*place, "most"): histogram.most}
    return {what: value for what, value in found.items() if value or what[-1] in ("least", "most", "sum")}


def digits(value: float) -> str:
    """Return the least number of two significant digits that a value (0.001 to 99) is at most."""
    return next(f"{n / 10:.1f}e{decade}" for decade in range(-6, 3) for n in range(10, 100)
                if value <= float(f"{n / 10:.1f}e{decade}"))  # fmt: skip


def naive(results: Iterable[ProbeResult], length: timedelta) -> dict[tuple[RollupKey, datetime], Plain]:
    """Add up rows one by one, knowing nothing of histograms but that bins end at numbers of two digits."""
    found: dict[tuple[RollupKey, datetime], Counter[Any]] = {}
    values: dict[tuple[RollupKey, datetime], dict[Any, list[float]]] = {}
    for one in results:
        if one.origin is not Origin.SCHEDULE:
            continue
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        start = epoch + (one.started - epoch) // length * length
        place = RollupKey(one.tenant, one.flow, one.probe, one.engine, one.location), start
        counts, kept = found.setdefault(place, Counter()), values.setdefault(place, {})
        counts["outcome", one.outcome, "" if one.failure is None else one.failure.code.value] += 1
        if one.attempt == 2:
            counts["confirming", one.outcome] += 1
        if one.outcome is Outcome.PASS:
            for name, seconds in one.timings.items():
                kept.setdefault(("timing", name), []).append(seconds)
        if one.outcome is not Outcome.INCONCLUSIVE:
            for stream in one.media:
                for name, value in stream.figures.items():
                    kept.setdefault(("media", stream.listener, name), []).append(value)
    bins = {bound: place for place, bound in enumerate(
        f"{n / 10:.1f}e{decade}" for decade in range(-6, 5) for n in range(10, 100))}  # fmt: skip
    whole: dict[tuple[RollupKey, datetime], Plain] = {}
    for place, counts in found.items():
        made: Plain = dict(counts)
        for what, numbers in values[place].items():
            for number in numbers:
                bin_ = (*what, "bin", bins[digits(number)] + 1 if number else 0)
                made[bin_] = made.get(bin_, 0) + 1
            made[(*what, "sum")] = sum(round(number * 10**9) for number in numbers)
            made |= {(*what, "least"): round(min(numbers), 9), (*what, "most"): round(max(numbers), 9)}
        whole[place] = made
    return whole


def by_place(rollups: Iterable[Rollup]) -> dict[tuple[RollupKey, datetime], Plain]:
    return {(one.key, one.start): plain(one) for one in rollups}


async def test_results_add_up_by_the_hour_and_the_day_in_which_they_started(store: Store) -> None:
    last = NOON - timedelta(microseconds=1)
    first = a_result("1", started=last, timings={"srd": 0.2})
    await store.add_results([first, a_result("2", timings={"srd": 0.4}), a_result("3", **failed())])
    before, noon = await store.books.rollups(ALICE, **EVER)
    assert (before.start, noon.start) == (NOON - HOUR, NOON)
    assert before.outcomes == {(Outcome.PASS, ""): 1}
    assert noon.outcomes == {(Outcome.PASS, ""): 1, (Outcome.FAIL, "timeout"): 1}
    assert noon.timings["srd"].at_most(0.4) == 1
    (day,) = await store.books.rollups(ALICE, **EVER, daily=True)
    assert day == added_up([before, noon], before.key, MIDNIGHT)


async def test_a_result_that_is_kept_already_is_added_once(store: Store) -> None:
    await store.add_results([a_result(), a_result()])
    await store.add_results([a_result(**failed())])
    (hour,) = await store.books.rollups(ALICE, **EVER)
    assert hour.outcomes == {(Outcome.PASS, ""): 1}


async def test_probes_that_never_ended_are_added_when_they_are_adopted(store: Store) -> None:
    await store.begin_result(a_result("begun", **failed(FailureCode.ENGINE_CRASHED)))
    assert await store.books.rollups(ALICE, **EVER) == []
    await store.adopt_unended()
    (hour,) = await store.books.rollups(ALICE, **EVER)
    assert hour.outcomes == {(Outcome.INCONCLUSIVE, "engine-crashed"): 1}


@pytest.mark.parametrize("origin", [Origin.MANUAL, Origin.STRESS])
async def test_probes_by_hand_and_stress_are_in_no_rollup(store: Store, origin: Origin) -> None:
    await store.add_results([a_result(origin=origin)])
    assert await store.books.rollups(ALICE, **EVER) == []


async def test_rollups_hold_what_was_pruned_and_what_comes_late(store: Store) -> None:
    await store.add_results([a_result("1"), a_result("2")])
    assert await store.prune_results(NOON + DAY) == 2
    await store.add_results([a_result("late", **failed())])
    (hour,) = await store.books.rollups(ALICE, **EVER)
    assert hour.outcomes == {(Outcome.PASS, ""): 2, (Outcome.FAIL, "timeout"): 1}


async def test_charlie_sees_nothing_of_bobs_and_bob_nothing_of_charlies(store: Store) -> None:
    await store.add_results([a_result("1", ACME), a_result("2", NTEK), a_result("3", OTHER)])
    for daily in (False, True):
        seen = {
            name: [one.key.tenant for one in await store.books.rollups(scope, **EVER, daily=daily)]
            for name, scope in {"alice": ALICE, "bob": BOB, "charlie": CHARLIE, "nobody": Scope.of()}.items()
        }
        assert seen == {
            "alice": [ACME, NTEK, OTHER],
            "bob": [ACME, NTEK],
            "charlie": [OTHER],
            "nobody": [],
        }
        assert await store.books.rollups(CHARLIE, **EVER, tenant=ACME, daily=daily) == []


async def test_reads_are_of_the_hours_that_start_within_the_span_and_of_one_tenant(store: Store) -> None:
    await store.add_results([
        a_result(f"{hour} {tenant} {place}", tenant, started=NOON + hour * HOUR, location=place)
        for hour in range(4) for tenant, place in ((NTEK, "mtl1"), (ACME, "par1"), (ACME, "mtl1"))
    ])  # fmt: skip
    span: dict[str, Any] = {
        "since": NOON + timedelta(minutes=1),
        "until": NOON + 2 * HOUR + timedelta(minutes=1),
    }
    found = await store.books.rollups(ALICE, **span)
    assert [(one.start, one.key.tenant, one.key.location) for one in found] == [
        (NOON + hour * HOUR, tenant, place)
        for hour in (1, 2) for tenant, place in ((ACME, "mtl1"), (ACME, "par1"), (NTEK, "mtl1"))
    ]  # fmt: skip
    assert [one.key.tenant for one in await store.books.rollups(ALICE, **span, tenant=NTEK)] == [NTEK] * 2
    exact: dict[str, Any] = {"since": NOON + HOUR, "until": NOON + 2 * HOUR}
    assert {one.start for one in await store.books.rollups(ALICE, **exact)} == {NOON + HOUR}
    nothing: dict[str, Any] = {"since": NOON + 2 * HOUR, "until": NOON}
    assert await store.books.rollups(ALICE, **nothing) == []


async def test_results_of_a_clock_gone_wrong_are_added_where_it_stood(store: Store) -> None:
    odd = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1901, 1970, 9999)]
    await store.add_results([a_result(str(at.year), started=at) for at in odd])
    assert [one.start for one in await store.books.rollups(ALICE, **EVER)] == odd
    assert [one.start for one in await store.books.rollups(ALICE, **EVER, daily=True)] == odd


async def test_hours_that_ended_are_forgotten_and_days_are_kept(store: Store) -> None:
    await store.add_results([a_result(str(hour), started=NOON + hour * HOUR) for hour in range(3)])
    assert await store.books.prune_rollups(NOON + 2 * HOUR - timedelta(microseconds=1)) == 1
    assert [one.start for one in await store.books.rollups(ALICE, **EVER)] == [NOON + HOUR, NOON + 2 * HOUR]
    assert await store.books.prune_rollups(NOON + 2 * HOUR) == 1
    assert await store.books.prune_rollups(NOON + 2 * HOUR) == 0
    (day,) = await store.books.rollups(ALICE, **EVER, daily=True)
    assert day.outcomes.total() == 3


async def test_what_a_read_returned_changes_with_nothing(store: Store) -> None:
    await store.add_results([a_result("1")])
    (read,) = await store.books.rollups(ALICE, **EVER)
    read.outcomes.clear()
    read.timings["srd"].observe(1.0)
    await store.add_results([a_result("2")])
    (again,) = await store.books.rollups(ALICE, **EVER)
    assert (again.outcomes.total(), again.timings["srd"].count) == (2, 2)
    assert not read.outcomes


async def test_beyond_a_number_the_oldest_passes_go_then_the_oldest_of_all(store: Store) -> None:
    kinds: list[dict[str, Any]] = [{}, failed(), failed(FailureCode.NO_PORT), {}, failed(), {}]
    await store.add_results([
        a_result(f"r{n}", started=NOON + timedelta(seconds=n), **kind) for n, kind in enumerate(kinds)
    ])  # fmt: skip

    async def left(most: int) -> list[str]:
        gone = await store.prune_results(NOON, most=most)
        kept = [result.id for result in await store.results(ALICE)]
        assert gone + len(kept) == known[0]
        known[0] = len(kept)
        return kept

    known = [6]
    assert await left(6) == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert await left(5) == ["r5", "r4", "r3", "r2", "r1"]
    assert await left(4) == ["r5", "r4", "r2", "r1"]
    assert await left(2) == ["r4", "r2"]
    assert await left(0) == []


async def test_what_is_too_old_goes_before_what_is_too_many_is_counted(store: Store) -> None:
    await store.add_results([a_result(f"r{n}", started=NOON + timedelta(seconds=n)) for n in range(4)])
    assert await store.prune_results(NOON + timedelta(seconds=2), most=2) == 2
    assert [result.id for result in await store.results(ALICE)] == ["r3", "r2"]


async def test_the_newest_result_of_a_series_is_found_when_passes_go_out_of_the_middle(store: Store) -> None:
    await store.add_results([
        a_result("a1", ACME, started=NOON, **failed()),
        a_result("a2", ACME, started=NOON + timedelta(seconds=1)),
        a_result("other", ACME, probe="registers", started=NOON + timedelta(seconds=2), **failed()),
        a_result("o1", OTHER, started=NOON + timedelta(seconds=3)),
    ])  # fmt: skip
    assert await store.prune_results(NOON, most=3) == 1
    assert [result.id for result in await store.latest_results(ALICE)] == ["a1", "other", "o1"]
    assert await store.prune_results(NOON, most=2) == 1
    assert [result.id for result in await store.latest_results(ALICE)] == ["a1", "other"]


async def test_counts_are_kept_as_long_as_is_said_and_not_as_results_are(store: Store) -> None:
    await store.add_results([a_result(counts={"invite": 1})])
    later = NOON + 3 * DAY
    assert await store.prune_results(later, counts=NOON) == 1
    assert await store.probe_counts(ALICE, since=NOON) == {ACME: {"invite": 1}}
    assert await store.prune_results(later, counts=later) == 0
    assert await store.probe_counts(ALICE, since=NOON) == {}


CODES: Final = st.sampled_from(
    [None, FailureCode.TIMEOUT, FailureCode.POOR_MEDIA, FailureCode.NO_PORT, FailureCode.ENGINE_CRASHED]
)
SECONDS: Final = st.just(0.0) | st.floats(0.000002, 90) | st.sampled_from([0.18, 0.2, 1.0])
STREAMS: Final = st.builds(
    a_stream, st.sampled_from(["caller", "callee", "platform", "façade"]), jitter=SECONDS, rtt=SECONDS
)


def made(number: int, code: FailureCode | None, **more: Any) -> ProbeResult:
    how: dict[str, Any] = {} if code is None else failed(code)
    return a_result(f"r{number}", **(more | how))


RESULTS: Final = st.lists(
    st.builds(
        made,
        st.integers(0, 60),
        CODES,
        tenant=st.sampled_from([NTEK, ACME, OTHER]),
        location=st.sampled_from(["mtl1", "par1"]),
        origin=st.sampled_from([Origin.SCHEDULE, Origin.SCHEDULE, Origin.MANUAL]),
        attempt=st.sampled_from([1, 2]),
        started=st.integers(-40 * 60, 40 * 60).map(lambda minutes: MIDNIGHT + timedelta(minutes=minutes)),
        timings=st.dictionaries(st.sampled_from(["srd", "pdd", "sdt"]), SECONDS),
        media=st.lists(STREAMS, max_size=2).map(tuple),
    ),
    max_size=12,
)
PRUNES: Final = st.none() | st.tuples(st.integers(-40, 40), st.none() | st.integers(0, 12))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(RESULTS, PRUNES), max_size=5),
    seen=st.none() | st.frozensets(st.sampled_from([NTEK, ACME, OTHER])),
)
async def test_a_rollup_is_what_the_rows_add_up_to_whatever_was_pruned(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[list[ProbeResult], tuple[int, int | None] | None]],
    seen: frozenset[str] | None,
) -> None:
    scope = Scope(seen)
    async with AsyncExitStack() as stack:
        stores: list[Store] = [MemoryStore(), await open_store(tmp_path_factory.mktemp("rollups"))]
        for one in stores:
            stack.push_async_callback(one.aclose)
        added: list[ProbeResult] = []
        for batch, pruned in steps:
            kept = {result.id for result in await stores[0].results(ALICE, limit=1000)}
            added += {result.id: result for result in reversed(batch) if result.id not in kept}.values()
            for one in stores:
                await one.add_results(batch)
                if pruned is not None:
                    await one.prune_results(MIDNIGHT + pruned[0] * HOUR, most=pruned[1])
            assert len({tuple([r.id for r in await one.results(ALICE, limit=1000)]) for one in stores}) == 1
            assert await stores[0].latest_results(ALICE) == await stores[1].latest_results(ALICE)
        expected = [result for result in added if scope.allows(result.tenant)]
        hours = [await one.books.rollups(scope, **EVER) for one in stores]
        days = [await one.books.rollups(scope, **EVER, daily=True) for one in stores]
        assert hours[0] == hours[1]
        assert days[0] == days[1]
        assert by_place(hours[0]) == naive(expected, HOUR)
        assert by_place(days[0]) == naive(expected, DAY)
        for day in days[0]:
            of_it = (h for h in hours[0] if h.key == day.key and day.start <= h.start < day.start + DAY)
            assert added_up(of_it, day.key, day.start) == day
