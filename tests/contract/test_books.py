"""What results make of slices, on disk and in memory, and who sees them.

The cast is test_store.py's: Alice sees everything, Bob ntek and its clients, Charlie nothing of Bob's. Slots
are told as text from noon on: `+` good, `-` bad, `.` unknown.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from dialtone.model import DAY_SECONDS, DaySlices, Flow, Measure, Origin, ProbeResult, Scope, Sli
from dialtone.ports import Store, StoreError
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON, a_stream
from tests.fakes.slots import (
    ACME,
    EVER,
    FAIL,
    HOUR,
    MINUTE,
    PASS,
    UNSURE,
    a_key,
    an_attempt,
    failed,
    line,
    minute,
)

NTEK: Final = "ntek.clusterpbx.example"
BETA: Final = "beta.ntek.clusterpbx.example"
OTHER: Final = "zeta.ucom.clusterpbx.example"

ALICE: Final = Scope.everything()
BOB: Final = Scope.of(NTEK, ACME, BETA)
CHARLIE: Final = Scope.of(OTHER)
NOBODY: Final = Scope.of()

SECOND: Final = timedelta(seconds=1)
SLOW: Final = Measure(Sli.LATENCY, "srd", 0.5)
CLEAR: Final = Measure(Sli.MOS, threshold=3.6)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def slots(store: Store, count: int = 1, *, measure: Measure | None = None, **asked: Any) -> str:
    """Return the first slots of Acme's one series, or of that which goes by a measure."""
    series = await store.books.slices(ALICE, **(EVER | asked))
    return line([one for one in series if measure is None or one.key.measure == measure], count)


@pytest.mark.parametrize(
    ("attempts", "found"),
    [
        ([(1, PASS)], "+"),
        ([(1, FAIL)], "."),
        ([(1, FAIL), (2, FAIL)], "-"),
        ([(1, FAIL), (2, PASS)], "+"),
        ([(1, FAIL), (2, UNSURE)], "."),
        ([(1, UNSURE)], "."),
        ([(2, FAIL)], "."),
        ([(2, PASS)], "."),
        ([(1, UNSURE), (2, FAIL)], "."),
    ],
    ids=str,
)
async def test_a_slice_is_bad_by_a_confirmed_failure_and_good_by_a_pass(
    store: Store, attempts: list[tuple[Any, Any]], found: str
) -> None:
    for attempt, outcome in attempts:
        await store.add_results([an_attempt(NOON, outcome, attempt)])
    assert await slots(store) == found


async def test_a_confirmation_that_comes_late_or_first_decides_all_the_same(store: Store) -> None:
    await store.add_results([an_attempt(NOON, FAIL), an_attempt(minute(1), FAIL, 2)])
    await store.add_results([an_attempt(minute(n)) for n in range(2, 5)])
    assert await slots(store, 5) == "..+++"
    await store.add_results([an_attempt(NOON, FAIL, 2), an_attempt(minute(1), FAIL, 1)])
    assert await slots(store, 5) == "--+++"


async def test_a_slot_that_was_probed_twice_over_a_restart_is_good_where_one_passed(store: Store) -> None:
    await store.add_results(failed(NOON))
    assert await slots(store) == "-"
    await store.add_results([an_attempt(NOON, PASS, result_id="after the restart")])
    assert await slots(store) == "+"
    await store.add_results(failed(NOON, said="once more"))
    assert await slots(store) == "+"


async def test_a_first_attempt_before_a_restart_is_confirmed_after_it(store: Store) -> None:
    await store.add_results([an_attempt(NOON, FAIL, result_id="before")])
    await store.add_results([an_attempt(NOON, UNSURE, result_id="killed")])
    await store.add_results([an_attempt(NOON, FAIL, 2, result_id="after")])
    assert await slots(store) == "-"


async def test_a_result_that_is_kept_already_changes_no_slice(store: Store) -> None:
    await store.add_results([*failed(NOON), *failed(NOON)])
    before = await store.books.slices(ALICE, **EVER)
    first = an_attempt(NOON, FAIL)
    await store.add_results([an_attempt(NOON, PASS, result_id=first.id)])
    assert await store.books.slices(ALICE, **EVER) == before


async def test_a_probe_that_never_ended_is_judged_when_it_is_adopted(store: Store) -> None:
    await store.begin_result(an_attempt(NOON, FAIL, 1))
    await store.add_results([an_attempt(NOON, FAIL, 2)])
    assert await slots(store) == "."
    await store.adopt_unended()
    assert await slots(store) == "-"


async def test_pruned_results_leave_their_slices(store: Store) -> None:
    await store.add_results([*failed(NOON), an_attempt(minute(1))])
    assert await store.prune_results(minute(5)) == 3
    assert await slots(store, 2) == "-+"


async def test_tenants_flows_probes_locations_and_intervals_are_series_apart(store: Store) -> None:
    others: list[dict[str, Any]] = [
        {"tenant": BETA},
        {"flow": Flow.REGISTER},
        {"probe": "more calls"},
        {"location": "par1"},
        {"interval": 30.0},
    ]
    await store.add_results(failed(NOON))
    await store.add_results([an_attempt(NOON, **one) for one in others])
    series = await store.books.slices(ALICE, **EVER)
    keys = [one.key for one in series]
    assert set(keys) == {a_key(), *(a_key(**(one | _whole(one))) for one in others)}
    order = [(key.tenant, key.flow, key.probe, key.location) for key in keys]
    assert order == sorted(order)
    assert len({one.id for one in series}) == len(series)
    assert {one.key: line([one], 1) for one in series} == {
        key: "-" if key == a_key() else "+" for key in keys
    }


def _whole(changes: dict[str, Any]) -> dict[str, Any]:
    return {"interval": int(changes["interval"])} if "interval" in changes else {}


@pytest.mark.parametrize("interval", [0.0, 0.5, 7.0, 61.0, 86_401.0, 1e300, -60.0])
async def test_an_interval_that_cuts_no_day_evenly_has_no_slices(store: Store, interval: float) -> None:
    await store.add_results([an_attempt(NOON, interval=interval, slot=1)])
    assert len(await store.results(ALICE)) == 1
    assert await store.books.slices(ALICE, **EVER) == []


@pytest.mark.parametrize("slot", [-1, 10**12])
async def test_a_slot_beyond_the_calendar_has_no_slice(store: Store, slot: int) -> None:
    await store.add_results([an_attempt(NOON, slot=slot)])
    assert len(await store.results(ALICE)) == 1
    assert await store.books.slices(ALICE, **EVER) == []


@pytest.mark.parametrize("origin", [Origin.MANUAL, Origin.STRESS])
async def test_what_people_and_stress_probe_has_no_say(store: Store, origin: Origin) -> None:
    await store.add_results([*failed(NOON, origin=origin), an_attempt(NOON, PASS, 1, origin=origin)])
    assert await store.books.slices(ALICE, **EVER) == []
    await store.add_results([an_attempt(NOON, FAIL)])
    await store.add_results([an_attempt(NOON, FAIL, 2, origin=origin)])
    assert await slots(store) == "."
    await store.add_results(failed(NOON))
    await store.add_results([an_attempt(NOON, PASS, 1, origin=origin, result_id="by hand")])
    assert await slots(store) == "-"


async def test_days_begin_at_midnight_in_utc(store: Store) -> None:
    midnight = NOON + 12 * HOUR
    await store.add_results([an_attempt(midnight - MINUTE), *failed(midnight), an_attempt(midnight + MINUTE)])
    (series,) = await store.books.slices(ALICE, **EVER)
    day = int(midnight.timestamp()) // DAY_SECONDS
    assert series.days == (DaySlices(day - 1, 1 << 1439, 0), DaySlices(day, 0b10, 0b01))
    (first,) = await store.books.slices(ALICE, since=NOON, until=midnight)
    (second,) = await store.books.slices(ALICE, since=midnight, until=midnight + MINUTE)
    assert (first.days, second.days) == (series.days[:1], series.days[1:])


@pytest.mark.parametrize("interval", [1, 5, 7200, 86_400])
async def test_slots_of_any_length_keep_their_place(store: Store, interval: int) -> None:
    start = NOON.replace(hour=0)
    times = [start + timedelta(seconds=interval * n) for n in range(3)]
    results = [an_attempt(times[0], interval=float(interval)), an_attempt(times[2], interval=float(interval))]
    await store.add_results([*results, *failed(times[1], interval=float(interval))])
    assert line(await store.books.slices(ALICE, **EVER), 3, start) == "+-+"


async def test_latency_is_that_of_passes_alone(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key(measure=SLOW)], NOON)
    timings = [{"srd": 0.5}, {"srd": 0.51}, {"pdd": 0.1}, {}]
    await store.add_results([an_attempt(minute(n), timings=one) for n, one in enumerate(timings)])
    await store.add_results(failed(minute(4), timings={"srd": 9.0}))
    assert await slots(store, 5, measure=SLOW) == "+-..."
    assert await slots(store, 5, measure=a_key().measure) == "++++-"


async def test_mos_is_the_worst_that_a_conclusive_probe_heard(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key(measure=CLEAR)], NOON)
    heard = [(4.4, 3.6), (4.4, 3.59), (4.4, None), (None, None)]
    results = [
        an_attempt(minute(n), media=(a_stream(mos=one), a_stream("caller", mos=other)))
        for n, (one, other) in enumerate(heard)
    ]
    poor, ours = (a_stream(mos=1.5),), (a_stream(mos=1.0),)
    results += [an_attempt(minute(4), FAIL, media=poor), an_attempt(minute(5), UNSURE, media=ours)]
    await store.add_results(results)
    assert await slots(store, 6, measure=CLEAR) == "+-+.-."


async def test_a_slot_that_was_quick_once_is_good_whatever_the_order(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key(measure=SLOW)], NOON)
    quick, slow = ({"srd": 0.1}, {"srd": 2.0})
    for n, order in enumerate(((quick, slow), (slow, quick))):
        for timings in order:
            await store.add_results([an_attempt(minute(n), timings=timings, result_id=f"{n}{timings}")])
    assert await slots(store, 2, measure=SLOW) == "++"


async def test_a_measure_that_is_not_planned_is_not_judged(store: Store) -> None:
    await store.add_results([an_attempt(NOON, timings={"srd": 9.0})])
    await store.books.plan_series("mtl1", [a_key(measure=SLOW), a_key()], minute(1))
    await store.add_results([an_attempt(minute(1), timings={"srd": 9.0})])
    await store.books.plan_series("mtl1", [a_key()], minute(2))
    await store.add_results([an_attempt(minute(2), timings={"srd": 9.0})])
    assert await slots(store, 3, measure=SLOW) == ".-."


async def test_series_are_those_that_were_placed_within_the_span_of_the_tenants_asked_for(
    store: Store,
) -> None:
    await store.books.plan_series("mtl1", [a_key(), a_key(tenant=BETA)], NOON)
    await store.books.plan_series("mtl1", [a_key(tenant=BETA)], minute(10))

    async def tenants(**asked: Any) -> list[str]:
        return [one.key.tenant for one in await store.books.slices(BOB, **(EVER | asked))]

    assert await tenants() == [ACME, BETA]
    assert await tenants(tenants=[ACME]) == [ACME]
    assert await tenants(tenants=[]) == []
    assert await tenants(tenants=[OTHER, "%"]) == []
    assert await tenants(until=NOON) == []
    assert await tenants(until=NOON + SECOND) == [ACME, BETA]
    assert await tenants(since=minute(10)) == [BETA]
    assert await tenants(since=minute(10) - SECOND) == [ACME, BETA]
    assert await tenants(since=minute(99), until=minute(98)) == [BETA]


@pytest.mark.parametrize("reader", [CHARLIE, NOBODY], ids=["Charlie", "nobody"])
async def test_charlie_sees_no_slices_and_no_causes_of_bobs(store: Store, reader: Scope) -> None:
    await store.add_results([*failed(NOON), *failed(NOON, tenant=NTEK), an_attempt(NOON, tenant="_unknown")])
    assert len(await store.books.slices(ALICE, **EVER)) == 3
    assert len(await store.books.slices(BOB, **EVER)) == len(await store.books.causes(BOB, **EVER)) == 2
    for tenants in (None, [ACME, NTEK], ["' OR 1=1 --"]):
        assert await store.books.slices(reader, tenants=tenants, **EVER) == []
        assert await store.books.causes(reader, tenants=tenants, **EVER) == []


async def test_a_closed_store_has_no_books(store: Store) -> None:
    await store.aclose()
    for ask in (
        store.books.plan_series("mtl1", [a_key()], NOON),
        store.books.mark_slices([]),
        store.books.slices(ALICE, **EVER),
        store.books.causes(ALICE, **EVER),
    ):
        with pytest.raises(StoreError, match="the store is closed"):
            await ask


async def test_instants_without_a_zone_are_refused(store: Store) -> None:
    for read in (store.books.slices, store.books.causes):
        with pytest.raises(ValueError, match="time zone"):
            await read(ALICE, since=NOON.replace(tzinfo=None), until=NOON)


async def test_results_are_kept_or_judged_all_or_none(store: Store) -> None:
    wrong: ProbeResult = an_attempt(minute(1), duration=float("nan"))
    with pytest.raises(ValueError, match="finite"):
        await store.add_results([*failed(NOON), wrong])
    assert await store.books.slices(ALICE, **EVER) == []
    assert await store.books.causes(ALICE, **EVER) == []
