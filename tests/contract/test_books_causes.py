"""Why slices are bad, marks of traffic, and that no order of arrival matters, on disk and in memory.

The cast and the text of slots are test_books.py's.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.model import (
    Measure,
    Outcome,
    ProbeResult,
    Scope,
    Sli,
    SliceCause,
    SliceMark,
    SliceState,
    verdict,
)
from dialtone.ports import Store
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON
from tests.fakes.slots import (
    ACME,
    EVER,
    FAIL,
    MINUTE,
    PASS,
    UNSURE,
    a_key,
    an_attempt,
    failed,
    line,
    minute,
    slot_of,
)

ALICE: Final = Scope.everything()
OTHER: Final = "zeta.ucom.clusterpbx.example"
SEER: Final = a_key(probe="", location="", measure=Measure(Sli.PASSIVE, threshold=0.95))
FIRST: Final = slot_of(NOON)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def told(store: Store, **asked: Any) -> list[tuple[int, str]]:
    """Return causes by their minute from noon."""
    return [(one.slot - FIRST, one.cause) for one in await store.books.causes(ALICE, **(EVER | asked))]


def a_mark(
    number: int, state: Literal[SliceState.GOOD, SliceState.BAD], cause: str = "", **changes: Any
) -> SliceMark:
    return replace(SliceMark(SEER, FIRST + number, state, cause, minute(number + 1)), **changes)


def bad(number: int, cause: str = "seer 71 %") -> SliceMark:
    return a_mark(number, SliceState.BAD, cause)


def good(number: int) -> SliceMark:
    return a_mark(number, SliceState.GOOD)


async def test_a_cause_is_what_the_confirming_attempt_said(store: Store) -> None:
    confirming = an_attempt(NOON, FAIL, 2, said="no answer\n to INVITE", evidence="evidence/r2")
    await store.add_results([an_attempt(NOON, FAIL, 1, said="the first"), confirming])
    known = NOON + timedelta(seconds=19)
    assert await store.books.causes(ALICE, **EVER) == [
        SliceCause(a_key(), FIRST, "timeout: no answer to INVITE", known, "evidence/r2")
    ]


async def test_a_cause_is_put_down_where_a_run_begins_or_another_one_follows(store: Store) -> None:
    words = ["a", "a", "b", "b", None, "b", "a"]
    for number, said in enumerate(words):
        results = [an_attempt(minute(number))] if said is None else failed(minute(number), said=said)
        await store.add_results(results)
    assert await told(store) == [(0, "timeout: a"), (2, "timeout: b"), (5, "timeout: b"), (6, "timeout: a")]


async def test_a_slot_of_which_nothing_is_known_ends_a_run_of_causes(store: Store) -> None:
    await store.add_results([*failed(NOON), an_attempt(minute(1), UNSURE), *failed(minute(2))])
    assert [slot for slot, _ in await told(store)] == [0, 2]


async def test_the_cause_of_a_slice_that_turns_good_is_taken_back(store: Store) -> None:
    await store.add_results([*failed(NOON), *failed(minute(1)), *failed(minute(2), said="b")])
    await store.add_results([an_attempt(NOON, PASS, 1, result_id="late")])
    assert await told(store) == [(1, "timeout: no answer"), (2, "timeout: b")]
    await store.add_results([an_attempt(minute(2), PASS, 2, result_id="late too")])
    assert await told(store) == [(1, "timeout: no answer")]


async def test_a_run_that_grows_backwards_has_its_cause_where_it_begins(store: Store) -> None:
    for number in (3, 2, 1, 0):
        await store.add_results(failed(minute(number)))
    assert await told(store) == [(0, "timeout: no answer")]


async def test_a_run_of_which_the_results_are_pruned_keeps_its_cause_when_its_first_slot_turns_good(
    store: Store,
) -> None:
    await store.add_results([*failed(NOON), *failed(minute(1))])
    await store.prune_results(minute(5))
    await store.add_results([an_attempt(NOON, PASS)])
    assert await told(store) == [(1, "timeout: no answer")]


async def test_causes_are_cut_at_the_span_that_is_asked_for(store: Store) -> None:
    for number in range(6):
        await store.add_results(failed(minute(number), said="b" if number == 4 else "a"))
    await store.add_results([an_attempt(minute(6))])
    assert await told(store, since=minute(2)) == [(2, "timeout: a"), (4, "timeout: b"), (5, "timeout: a")]
    assert await told(store, since=minute(4)) == [(4, "timeout: b"), (5, "timeout: a")]
    assert await told(store, since=minute(2), until=minute(4)) == [(2, "timeout: a")]
    assert await told(store, until=NOON) == []
    assert await told(store, since=minute(6)) == []
    (first, *_) = await store.books.causes(ALICE, since=minute(2), until=minute(3))
    assert first.known == NOON + timedelta(seconds=19), "known since the run began"


async def test_causes_come_by_tenant_then_slot_of_the_tenants_asked_for(store: Store) -> None:
    await store.add_results([*failed(NOON, tenant=OTHER), *failed(minute(1)), *failed(NOON, location="par1")])
    found = await store.books.causes(ALICE, **EVER)
    assert [(one.key.tenant, one.slot - FIRST) for one in found] == [(ACME, 0), (ACME, 1), (OTHER, 0)]
    assert await told(store, tenants=[OTHER]) == [(0, "timeout: no answer")]
    assert await told(store, tenants=[]) == []


async def test_words_that_have_no_utf8_or_no_end_do_not_keep_a_cause_out(store: Store) -> None:
    said = "40\udc80 " + "x" * 2000
    await store.add_results([an_attempt(NOON, FAIL, n, said=said, result_id=f"r{n}") for n in (1, 2)])
    ((_, cause),) = await told(store)
    assert cause.startswith("timeout: 40? xxx")
    assert len(cause) <= 500


async def test_marks_of_traffic_are_slices_and_a_bad_one_stands(store: Store) -> None:
    await store.books.plan_series("", [SEER], NOON)
    await store.books.mark_slices([good(0), bad(1), good(2), bad(2)])
    await store.books.mark_slices([bad(0), good(1)])
    assert line(await store.books.slices(ALICE, **EVER), 4) == "---."
    (one, *_) = found = await store.books.causes(ALICE, **EVER)
    assert [(one.slot - FIRST, one.cause) for one in found] == [(0, "seer 71 %")]
    assert (one.key, one.known, one.evidence) == (SEER, minute(1), None)


async def test_a_mark_without_an_open_series_of_its_key_changes_nothing(store: Store) -> None:
    await store.books.mark_slices([bad(0)])
    assert await store.books.slices(ALICE, **EVER) == []
    await store.books.plan_series("", [SEER], minute(1))
    other = replace(SEER, measure=replace(SEER.measure, threshold=0.9))
    await store.books.mark_slices([bad(0), bad(1), replace(bad(1), key=other)])
    await store.books.plan_series("", [], minute(2))
    await store.books.mark_slices([bad(2)])
    assert line(await store.books.slices(ALICE, **EVER), 3) == ".-."
    assert await told(store) == [(1, "seer 71 %")]


async def test_two_measures_of_one_tenants_traffic_have_causes_of_their_own(store: Store) -> None:
    isa = replace(SEER, measure=Measure(Sli.PASSIVE, other=0.05))
    await store.books.plan_series("", [SEER, isa], NOON)
    await store.books.mark_slices([bad(0), replace(bad(1, "isa 12 %"), key=isa)])
    found = await store.books.causes(ALICE, **EVER)
    assert [(one.key, one.cause) for one in found] == [(SEER, "seer 71 %"), (isa, "isa 12 %")]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (replace(bad(0), slot=-1), "slot -1 of 60 s is none that the books have"),
        (replace(bad(0), slot=10**12), "none that the books have"),
        (replace(bad(0), key=replace(SEER, interval=7)), "of 7 s is none"),
        (replace(bad(0), state=SliceState.EXCLUDED), "not excluded"),  # type: ignore[arg-type]
        (replace(bad(0), known=NOON.replace(tzinfo=None)), "time zone"),
    ],
    ids=["before 1970", "after datetime", "uneven", "excluded", "no zone"],
)
async def test_marks_that_can_not_be_are_refused_all_of_them(
    store: Store, wrong: SliceMark, words: str
) -> None:
    await store.books.plan_series("", [SEER], NOON)
    with pytest.raises(ValueError, match=words):
        await store.books.mark_slices([bad(0), wrong])
    assert line(await store.books.slices(ALICE, **EVER), 1) == "."


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[ProbeResult], list[list[ProbeResult]]]:
    """Return results of a few slots, and all of them in batches of any order, some twice."""
    interval = draw(st.sampled_from([15, 60]))
    results = [
        an_attempt(
            NOON + timedelta(seconds=interval * slot),
            outcome,
            attempt,
            said=said,
            interval=float(interval),
            duration=float(lasting),
            result_id=f"r{number}",
            location=location,
            evidence=f"evidence/r{number}",
        )
        for number, (slot, attempt, outcome, said, lasting, location) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.integers(0, 4),
                        st.sampled_from([1, 2]),
                        st.sampled_from([PASS, FAIL, FAIL, FAIL, UNSURE]),
                        st.sampled_from(["a", "b"]),
                        st.integers(1, 3),
                        st.sampled_from(["mtl1", "mtl1", "par1"]),
                    ),
                    max_size=24,
                )
            )
        )
    ]
    again = draw(st.lists(st.sampled_from(results), max_size=6)) if results else []
    mixed = draw(st.permutations([*results, *again]))
    cuts = sorted(draw(st.lists(st.integers(0, len(mixed)), max_size=4)))
    bounds = [0, *cuts, len(mixed)]
    return results, [mixed[low:high] for low, high in pairwise(bounds)]


def judged(results: Sequence[ProbeResult]) -> dict[int, SliceState]:
    """Return the verdict on each slot of one location, of all its results at once."""
    slots: dict[int, dict[Literal[1, 2], set[Outcome]]] = {}
    for one in results:
        of_slot = slots.setdefault(one.slot, {1: set(), 2: set()})
        if one.outcome is not UNSURE:
            of_slot[one.attempt].add(one.outcome)
    return {slot: verdict({1: frozenset(told[1]), 2: frozenset(told[2])}) for slot, told in slots.items()}


def explained(results: Sequence[ProbeResult]) -> list[tuple[int, str, datetime, str | None]]:
    """Return the causes of one location: of each bad slot its first confirmation, where it says another."""
    states = judged(results)
    texts: dict[int, str] = {}
    found = []
    for slot in sorted(slot for slot, state in states.items() if state is SliceState.BAD):
        confirming = [one for one in results if (one.slot, one.attempt, one.outcome) == (slot, 2, FAIL)]
        first = min(confirming, key=lambda one: (one.duration, one.id))
        assert first.failure is not None
        texts[slot] = first.failure.said
        if texts.get(slot - 1) != texts[slot]:
            ended = first.started + timedelta(seconds=first.duration)
            found.append((slot, texts[slot], ended, first.evidence))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories())
async def test_no_order_repetition_or_splitting_into_batches_changes_slices_or_causes(
    tmp_path_factory: pytest.TempPathFactory,
    history: tuple[list[ProbeResult], list[list[ProbeResult]]],
) -> None:
    results, batches = history
    places = sorted({one.location for one in results})
    by_place = {place: [one for one in results if one.location == place] for place in places}
    async with AsyncExitStack() as stack:
        stores: list[Store] = [MemoryStore(), await open_store(tmp_path_factory.mktemp("orders"))]
        for store in stores:
            stack.push_async_callback(store.aclose)
            for batch in batches:
                await store.add_results(batch)
            series = {one.key.location: one for one in await store.books.slices(ALICE, **EVER)}
            causes = await store.books.causes(ALICE, **EVER)
            assert sorted(series) == places
            for place, of_place in by_place.items():
                one = series[place]
                first = min(result.slot for result in of_place)
                assert one.since == NOON + (first * one.key.interval - NOON.timestamp()) // 60 * MINUTE
                assert one.until is None
                text = {slot: ".+-"[state] for slot, state in judged(of_place).items()}
                begins = slot_of(NOON, one.key.interval)
                assert line([one], 5) == "".join(text.get(begins + n, ".") for n in range(5))
                found = [
                    (cause.slot, cause.cause, cause.known, cause.evidence)
                    for cause in causes
                    if cause.key.location == place
                ]
                assert found == explained(of_place)
