"""The account against a second computation that shares nothing with it: equal to the last digit."""

from random import Random

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.model import Engine, Flow, Origin, Outcome, Scope, SliceMark, SliceState
from dialtone.sla.account import Pages, account
from dialtone.sla.calendar import Span, unix
from dialtone.sla.figures import Account, Figures
from dialtone.store import MemoryStore
from tests.fakes.records import a_result
from tests.unit.sla.histories import (
    TENANT,
    a_history,
    moment,
    the_key,
    the_objective,
    the_pages,
)
from tests.unit.sla.reference import History, Reference

seeds = st.integers(0, 2**32)


def four(figures: Figures) -> tuple[int, int, int, int]:
    return figures.good, figures.bad, figures.unknown, figures.excluded


def counted(history: History, pages: Pages) -> Account:
    period = Span(moment(history.start), moment(history.end))
    return account(the_objective(history), pages, period, moment(history.now))


def assert_equal(history: History, pages: Pages, step: int) -> None:
    wanted = Reference(history, step).books()
    found = counted(history, pages)
    if wanted is None:
        assert found.start == found.end
        assert found.raw == found.corrected == Figures()
        assert not found.days
        assert not found.incidents
        return
    assert (unix(found.start), unix(found.end), unix(found.until)) == (wanted.start, wanted.end, wanted.until)
    assert four(found.raw) == wanted.raw
    assert four(found.corrected) == wanted.corrected
    good, bad, unknown, _ = wanted.corrected
    shares = (
        found.corrected.availability,
        found.corrected.lower,
        found.corrected.upper,
        found.corrected.coverage,
    )
    for share, part, whole in zip(
        shares,
        (good, good, good + unknown, good + bad),
        (good + bad, good + bad + unknown, good + bad + unknown, good + bad + unknown),
        strict=True,
    ):
        assert share is None if whole == 0 else (share is not None and share * whole == part)
    assert found.budget.seconds == wanted.budget
    assert found.budget.spent == bad
    assert {one.window: one.rate for one in found.burns} == wanted.rates
    assert {one.window: one.bad for one in found.burns} == wanted.bad_slices
    assert [(day, four(figures)) for day, figures in found.days] == wanted.days
    assert [
        (
            unix(one.start),
            None if one.end is None else unix(one.end),
            one.bad,
            {str(flow) for flow in one.flows},
        )
        for one in found.incidents
    ] == wanted.incidents


@settings(max_examples=60, deadline=None)
@given(seeds)
def test_random_hours_are_counted_as_the_reference_counts_them(seed: int) -> None:
    history = a_history(Random(seed))
    assert_equal(history, the_pages(history), 5)


@settings(max_examples=6, deadline=None)
@given(seeds)
def test_they_are_equal_at_every_single_second(seed: int) -> None:
    history = a_history(Random(seed), minutes=60)
    assert_equal(history, the_pages(history), 1)


@settings(max_examples=15, deadline=None)
@given(seeds)
def test_results_on_their_way_through_the_store_come_to_the_same(seed: int) -> None:
    rng = Random(seed)
    history = a_history(rng, minutes=50, least=15)
    pages = anyio.run(through_the_store, history, rng)
    assert_equal(history, pages, 5)


async def through_the_store(history: History, rng: Random) -> Pages:
    """Plan the series as a service does that is restarted, and let results come in any order, some twice."""
    store = MemoryStore()
    for at in sorted(
        {time for seen in history.seen for time in (seen.since, seen.until) if time is not None}
    ):
        for location in sorted({seen.location for seen in history.seen}):
            keys = [the_key(seen) for seen in history.seen if seen.location == location and seen.placed(at)]
            await store.books.plan_series(location, keys, moment(at))
    results, marks = [], []
    for number, seen in enumerate(history.seen):
        for index, (slot, attempt, outcome) in enumerate(seen.results):
            results.append(
                a_result(
                    f"{number}-{index}",
                    TENANT,
                    probe=seen.probe,
                    flow=Flow(seen.flow),
                    engine=Engine.SIPPY,
                    location=seen.location,
                    origin=Origin.SCHEDULE,
                    interval=float(seen.interval),
                    slot=slot,
                    attempt=attempt,
                    outcome=Outcome(outcome),
                    started=moment(slot * seen.interval),
                )
            )
        for slot, state in seen.marks.items():
            known = moment((slot + 1) * seen.interval)
            if state == "bad":
                marks.append(SliceMark(the_key(seen), slot, SliceState.BAD, "seer", known))
            else:
                marks.append(SliceMark(the_key(seen), slot, SliceState.GOOD, "seer", known))
    rng.shuffle(results)
    for start in range(0, len(results), 40):
        await store.add_results(results[start : start + 40])
        await store.add_results(rng.sample(results[: start + 40], min(5, len(results))))
    await store.books.mark_slices(marks)
    since = moment(history.start - 4 * 86_400)
    series = await store.books.slices(Scope.everything(), since=since, until=moment(history.end + 86_400))
    declared = the_pages(history)
    return Pages(tuple(series), (), declared.maintenance, declared.corrections)
