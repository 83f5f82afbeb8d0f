"""Closed months: the chain, and that nothing changes within them, on disk and in memory.

The cast is test_store.py's. Acme's hour from noon is closed where nothing else is said.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from dialtone.model import Closing, Measure, Scope, Sli, SliceCause, SliceMark, SliceSeries, SliceState
from dialtone.ports import BooksClosedError, Store, StoreError
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON
from tests.fakes.slots import (
    ACME,
    EVER,
    HOUR,
    PASS,
    a_closing,
    a_correction,
    a_key,
    an_attempt,
    failed,
    line,
    minute,
    slot_of,
    work,
)

NTEK: Final = "ntek.clusterpbx.example"
BETA: Final = "beta.ntek.clusterpbx.example"
OTHER: Final = "zeta.ucom.clusterpbx.example"

ALICE: Final = Scope.everything()
BOB: Final = Scope.of(NTEK, ACME, BETA)
CHARLIE: Final = Scope.of(OTHER)
NOBODY: Final = Scope.of()

END: Final = NOON + HOUR
SEER: Final = a_key(probe="", location="", measure=Measure(Sli.PASSIVE, threshold=0.95))


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def slices(store: Store, **asked: Any) -> list[SliceSeries]:
    return await store.books.slices(ALICE, **(EVER | asked))


async def told(store: Store, **asked: Any) -> list[tuple[int, str]]:
    """Return causes by their minute from noon."""
    found = await store.books.causes(ALICE, **(EVER | asked))
    return [(one.slot - slot_of(NOON), one.cause) for one in found]


async def tenures(store: Store) -> list[tuple[datetime, datetime | None]]:
    return [(one.since, one.until) for one in await slices(store)]


async def test_a_closing_comes_back_exactly_as_it_was_given_with_its_sequence(store: Store) -> None:
    spans = ((NOON, END), (NOON - 24 * HOUR, NOON))
    full = a_closing(sequence=99, spans=spans, closed=END + timedelta(microseconds=7), inputs="é" * 100_000)
    made = await store.books.close(full)
    assert made == replace(full, sequence=1)
    assert await store.books.closings(ALICE) == [made]
    (row,) = await store.books.audit(ALICE)
    assert (row.at, row.author, row.action, row.tenant) == (full.closed, "alice", "month closed", ACME)
    assert row.detail == f"closing 1 of 2026-03, hash hash of {ACME}"


async def test_each_closing_follows_the_hash_of_the_last_one_whoever_s_it_is(store: Store) -> None:
    assert await store.books.last_hash() == ""
    first = await store.books.close(a_closing())
    assert await store.books.last_hash() == first.hash
    second = await store.books.close(a_closing(OTHER, previous=first.hash))
    assert (first.sequence, second.sequence) == (1, 2)
    for previous in ("", first.hash, "another"):
        with pytest.raises(BooksClosedError, match="the books were written meanwhile; read them anew"):
            await store.books.close(a_closing(BETA, previous=previous))
    assert await store.books.closings(ALICE) == [first, second]
    assert await store.books.last_hash() == second.hash
    assert len(await store.books.audit(ALICE)) == 2


async def test_a_month_is_closed_once(store: Store) -> None:
    made = await store.books.close(a_closing())
    again = a_closing(previous=made.hash, hash="another", spans=((END, END + HOUR),))
    with pytest.raises(
        BooksClosedError, match=rf"2026-03 of {ACME} is closed already; `dialtone sla verify`"
    ):
        await store.books.close(again)
    await store.add_results([an_attempt(END)])
    assert line(await slices(store), 1, END) == "+", "what was refused froze nothing"
    await store.books.close(replace(again, period="2026-04"))


async def test_of_two_who_close_at_once_one_is_told_to_read_anew(store: Store) -> None:
    outcomes = await asyncio.gather(
        store.books.close(a_closing()), store.books.close(a_closing(BETA)), return_exceptions=True
    )
    assert [type(one) for one in outcomes if isinstance(one, Exception)] == [BooksClosedError]
    (made,) = await store.books.closings(ALICE)
    assert made in outcomes


async def test_of_two_who_close_the_same_month_at_once_one_is_told_that_it_is_closed(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.books.close(a_closing(author=name)) for name in ("alice", "bob")), return_exceptions=True
    )
    (refused,) = [one for one in outcomes if isinstance(one, BooksClosedError)]
    assert "closed already" in str(refused)
    assert len(await store.books.closings(ALICE)) == 1


async def test_who_closes_is_shown_the_tenants_pages_of_the_spans_as_they_are_then(store: Store) -> None:
    await store.add_results([*failed(minute(59)), *failed(minute(1), tenant=BETA), *failed(minute(61))])
    seen: list[tuple[Sequence[SliceSeries], Sequence[SliceCause]]] = []

    def no(series: Sequence[SliceSeries], causes: Sequence[SliceCause]) -> bool:
        seen.append((series, causes))
        return False

    with pytest.raises(BooksClosedError, match="read them anew"):
        await store.books.close(a_closing(), made_from=no)
    assert await store.books.closings(ALICE) == []
    assert await store.books.audit(ALICE) == []
    ((series, causes),) = seen
    span: dict[str, Any] = {"since": NOON, "until": END, "tenants": [ACME]}
    assert series == await slices(store, **span)
    assert causes == await store.books.causes(ALICE, **span)
    assert [one.slot for one in causes] == [slot_of(minute(59))]
    await store.add_results([an_attempt(minute(59), PASS, result_id="nothing is frozen")])
    assert (await slices(store, **span))[0].slices != series[0].slices


@pytest.mark.parametrize(
    "spans",
    [(), ((END, NOON),), ((NOON, NOON),), ((NOON, END + timedelta(seconds=1)),), ((NOON, END),) * 1001],
    ids=["none", "backwards", "empty", "no whole minute", "too many"],
)
async def test_spans_that_can_not_be_closed_are_refused(
    store: Store, spans: tuple[tuple[datetime, datetime], ...]
) -> None:
    with pytest.raises(ValueError, match=r"span"):
        await store.books.close(a_closing(spans=spans))
    assert await store.books.last_hash() == ""


async def test_a_result_of_a_closed_month_is_kept_and_its_slices_stay(store: Store) -> None:
    await store.add_results([an_attempt(minute(-1)), *failed(minute(0)), *failed(minute(59))])
    await store.books.close(a_closing())
    before = await store.books.slices(ALICE, since=NOON, until=END)
    late = [an_attempt(minute(n), PASS, result_id=f"late {n}") for n in (0, 1, 59)]
    await store.add_results([*late, *failed(minute(2)), *failed(minute(60))])
    assert await store.result(ALICE, "late 0") == late[0]
    assert await told(store, since=NOON, until=END) == [
        (0, "timeout: no answer"),
        (59, "timeout: no answer"),
    ]
    series = await slices(store)
    assert line(series, 3, minute(-1)) == "+-."
    assert line(series, 3, minute(58)) == ".--"
    assert line(await store.books.slices(ALICE, since=NOON, until=END), 60) == line(before, 60)


async def test_the_months_of_others_stay_open(store: Store) -> None:
    await store.books.close(a_closing())
    for tenant in (ACME, BETA):
        await store.add_results([an_attempt(NOON, tenant=tenant)])
    (beta,) = await slices(store)
    assert (beta.key.tenant, line([beta], 1)) == (BETA, "+")


async def test_a_slot_that_reaches_into_a_closed_month_stays_too(store: Store) -> None:
    await store.add_results([an_attempt(NOON - HOUR, interval=7200.0, slot=slot_of(NOON - HOUR, 7200))])
    await store.books.close(a_closing())
    await store.add_results(failed(NOON + HOUR, interval=7200.0, slot=slot_of(NOON, 7200)))
    assert line(await slices(store), 2, NOON - 2 * HOUR) == "+."


async def test_marks_of_a_closed_month_change_nothing(store: Store) -> None:
    await store.books.plan_series("", [SEER], NOON - HOUR)
    marks = [
        SliceMark(SEER, slot_of(minute(n)), SliceState.BAD, "seer 70 %", minute(n + 1)) for n in (-1, 0, 60)
    ]
    await store.books.close(a_closing())
    await store.books.mark_slices(marks)
    assert line(await slices(store), 62, minute(-1)) == "-" + "." * 60 + "-"
    assert await told(store) == [(-1, "seer 70 %"), (60, "seer 70 %")]


async def test_a_run_that_goes_on_into_a_closed_month_keeps_its_cause_there(store: Store) -> None:
    for number in (-2, -1, 0, 1):
        await store.add_results(failed(minute(number)))
    await store.books.close(a_closing())
    before = await store.books.causes(ALICE, since=NOON, until=END)
    await store.add_results([an_attempt(minute(n), PASS, result_id=f"late {n}") for n in (-2, -1)])
    assert line(await slices(store), 4, minute(-2)) == "++--"
    assert await store.books.causes(ALICE, since=NOON, until=END) == before
    assert [one.slot for one in before] == [slot_of(NOON)]


async def test_a_late_result_makes_no_tenure_touch_a_closed_month(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], minute(90))
    await store.books.close(a_closing())
    await store.add_results([an_attempt(minute(-10)), an_attempt(minute(30)), an_attempt(minute(70))])
    assert await tenures(store) == [(minute(-10), NOON), (minute(70), None)]


async def test_a_series_planned_within_a_closed_month_begins_and_ends_after_it(store: Store) -> None:
    await store.books.plan_series("mtl1", [a_key()], NOON - HOUR)
    await store.books.close(a_closing())
    await store.books.plan_series("mtl1", [a_key(probe="new")], minute(30))
    found = {one.key.probe: (one.since, one.until) for one in await slices(store)}
    assert found == {"calls": (NOON - HOUR, END), "new": (END, None)}


async def test_maintenance_and_corrections_of_a_closed_month_are_taken_down(store: Store) -> None:
    await store.books.close(a_closing())
    made = await store.books.declare(work(begins=NOON))
    put = await store.books.correct(a_correction())
    assert (await store.books.maintenance(ALICE), await store.books.corrections(ALICE)) == ([made], [put])


async def test_closings_are_narrowed_by_scope_tenant_and_period(store: Store) -> None:
    previous, made = "", list[Closing]()
    for tenant, period in ((NTEK, "2026-03"), (ACME, "2026-03"), (ACME, "2026-04"), (OTHER, "2026-03")):
        one = a_closing(tenant, period=period, previous=previous, hash=f"{tenant} {period}")
        made.append(await store.books.close(one))
        previous = one.hash
    closings = store.books.closings
    assert await closings(ALICE) == made
    assert await closings(BOB) == made[:3]
    assert await closings(CHARLIE) == made[3:]
    assert await closings(ALICE, tenant=ACME) == made[1:3]
    assert await closings(ALICE, period="2026-03") == [made[0], made[1], made[3]]
    assert await closings(BOB, tenant=ACME, period="2026-04") == made[2:3]
    assert await closings(BOB, tenant=OTHER) == await closings(ALICE, period="2026-05") == []


@pytest.mark.parametrize("reader", [CHARLIE, NOBODY], ids=["Charlie", "nobody"])
async def test_charlie_sees_no_closings_of_bobs(store: Store, reader: Scope) -> None:
    await store.books.close(a_closing())
    assert await store.books.closings(reader) == []
    assert await store.books.closings(reader, tenant=ACME, period="2026-03") == []
    assert await store.books.audit(reader) == []


async def test_a_closed_store_closes_no_month(store: Store) -> None:
    await store.aclose()
    for ask in (
        store.books.close(a_closing()),
        store.books.closings(ALICE),
        store.books.last_hash(),
    ):
        with pytest.raises(StoreError, match="the store is closed"):
            await ask
