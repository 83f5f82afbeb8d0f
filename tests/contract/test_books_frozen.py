"""A closed time stays as it was, whatever comes later: results, plans, other closings, in any order.

Steps are drawn at random and done to both stores, which must agree after each.
"""

import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.model import ProbeResult, Scope, SliceState
from dialtone.ports import Books, Store
from dialtone.store import MemoryStore, open_store
from tests.fakes.slots import EVER, FAIL, PASS, a_closing, a_key, an_attempt, minute, slot_of, state

ALICE: Final = Scope.everything()
MINUTES: Final = 20


@dataclass(frozen=True, slots=True)
class Add:
    """Results come."""

    results: tuple[ProbeResult, ...]

    async def do(self, store: Store) -> None:
        await store.add_results(self.results)


@dataclass(frozen=True, slots=True)
class Plan:
    """A service starts, by a clock that may have been set back."""

    minute: int
    places: bool
    interval: int

    async def do(self, store: Store) -> None:
        keys = [a_key(interval=self.interval)] if self.places else []
        await store.books.plan_series("mtl1", keys, minute(self.minute))


@dataclass(frozen=True, slots=True)
class Close:
    """A time is closed, which others may overlap."""

    since: int
    minutes: int

    @property
    def span(self) -> tuple[datetime, datetime]:
        return minute(self.since), minute(self.since + self.minutes)

    async def do(self, store: Store) -> None:
        last = await store.books.last_hash()
        number = len(await store.books.closings(ALICE))
        await store.books.close(
            a_closing(period=f"{number}", previous=last, hash=f"{number}", spans=(self.span,))
        )


def steps(interval: int) -> st.SearchStrategy[list[Add | Plan | Close]]:
    """Draw what happens within 20 minutes of one series."""
    minutes = st.integers(0, MINUTES - 1)
    slots = st.integers(0, MINUTES * 60 // interval - 1)
    attempts = st.builds(
        lambda slot, outcome, attempt, said: an_attempt(
            minute(0) + timedelta(seconds=slot * interval),
            outcome,
            attempt,
            said=said,
            interval=float(interval),
        ),
        slots,
        st.sampled_from([PASS, FAIL, FAIL]),
        st.sampled_from([1, 2]),
        st.sampled_from("ab"),
    )
    adding = st.lists(attempts, min_size=1, max_size=8).map(lambda found: Add(tuple(found)))
    planning = st.builds(Plan, minutes, st.booleans(), st.just(interval))
    closing = st.builds(Close, minutes, st.integers(1, 8))
    return st.lists(st.one_of(adding, adding, planning, closing), min_size=4, max_size=20)


async def within(books: Books, since: datetime, until: datetime) -> dict[str, Any]:
    """Return what the books say of a time, cut to it."""
    found: dict[str, Any] = {"causes": await books.causes(ALICE, since=since, until=until), "slices": []}
    for series in await books.slices(ALICE, since=since, until=until):
        interval = series.key.interval
        first, end = -(-slot_of(since, 1) // interval), -(-slot_of(until, 1) // interval)
        tenure = max(series.since, since), min(series.until or until, until)
        states: list[SliceState] = [state(series, slot) for slot in range(first, end)]
        found["slices"].append((series.key, tenure, states))
    return found


async def everything(books: Books) -> list[Any]:
    """Return all slices and causes."""
    return [await books.slices(ALICE, **EVER), await books.causes(ALICE, **EVER)]


async def lived_through(story: list[Add | Plan | Close]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory, disk = MemoryStore(), await open_store(Path(folder))
        frozen: dict[tuple[datetime, datetime], dict[str, Any]] = {}
        try:
            for step in story:
                if isinstance(step, Close):
                    frozen.setdefault(step.span, await within(memory.books, *step.span))
                await step.do(memory)
                await step.do(disk)
                assert await everything(memory.books) == await everything(disk.books)
                for span, was in frozen.items():
                    assert await within(disk.books, *span) == was
        finally:
            await disk.aclose()


@given(steps(60))
@settings(max_examples=30, deadline=None)
async def test_what_was_closed_never_changes(story: list[Add | Plan | Close]) -> None:
    await lived_through(story)


@given(steps(300))
@settings(max_examples=20, deadline=None)
async def test_what_was_closed_never_changes_where_a_slot_lies_across_its_edge(
    story: list[Add | Plan | Close],
) -> None:
    await lived_through(story)
