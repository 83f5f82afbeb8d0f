"""What is laid over slices, and who did it: maintenance, corrections and the audit, on disk and in memory.

The cast is test_store.py's: Alice sees everything, Bob ntek and its clients, Charlie nothing of Bob's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest

from dialtone.model import AuditRow, Correction, Flow, Maintenance, Scope, SliceState
from dialtone.ports import Books, Store, StoreError
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON
from tests.fakes.slots import ACME, EVER, HOUR, MINUTE, a_correction, an_attempt, failed, line, minute, work

NTEK: Final = "ntek.clusterpbx.example"
OTHER: Final = "zeta.ucom.clusterpbx.example"

ALICE: Final = Scope.everything()
BOB: Final = Scope.of(NTEK, ACME)
CHARLIE: Final = Scope.of(OTHER)
NOBODY: Final = Scope.of()

LATER: Final = NOON + timedelta(days=2)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


@pytest.fixture
def books(store: Store) -> Books:
    return store.books


async def everything(books: Books) -> list[object]:
    """Return all that is laid over slices, with its audit."""
    return [
        await books.maintenance(ALICE),
        await books.corrections(ALICE),
        await books.audit(ALICE, limit=1000),
    ]


async def test_maintenance_comes_back_exactly_as_it_was_declared_with_its_id(books: Books) -> None:
    full = work(
        tenant=NTEK,
        begins=NOON + HOUR,
        seconds=31 * 86_400,
        author="anna é",
        reason="“cores”\nand more",
        declared=NOON + timedelta(microseconds=123_457),
        flows=(Flow.REGISTER, Flow.CALL),
        recurs="FREQ=WEEKLY;BYDAY=SU",
        zone="America/Montreal",
        source="config",
        name="sundays",
    )
    first, second = await books.declare(full), await books.declare(work())
    assert (first, second) == (replace(full, id=1), work(id=2))
    assert await books.maintenance(ALICE) == [first, second]


async def test_the_id_and_a_withdrawal_that_were_given_are_not_looked_at(books: Books) -> None:
    made = await books.declare(work(id=77, withdrawn=NOON, withdrawn_by="eve"))
    assert made == work(id=1)
    put = await books.correct(a_correction(id=77, withdrawn=NOON, withdrawn_by="eve"))
    assert put == a_correction(id=1)
    assert (await books.maintenance(ALICE), await books.corrections(ALICE)) == ([made], [put])


async def test_instants_of_another_zone_come_back_in_utc(books: Books) -> None:
    montreal = timezone(timedelta(hours=-5))
    made = await books.declare(work(begins=datetime(2026, 3, 2, 7, tzinfo=montreal)))
    assert (made.begins, made.begins.utcoffset()) == (NOON + 24 * HOUR, timedelta(0))


async def test_maintenance_is_withdrawn_once(books: Books) -> None:
    made = await books.declare(work())
    gone = replace(made, withdrawn=LATER, withdrawn_by="bob")
    assert await books.withdraw(BOB, made.id, at=LATER, author="bob") == gone
    assert await books.withdraw(ALICE, made.id, at=LATER + HOUR, author="alice") == gone
    assert await books.maintenance(ALICE) == [gone]
    assert [row.action for row in await books.audit(ALICE)] == [
        "maintenance withdrawn",
        "maintenance declared",
    ]


async def test_a_correction_comes_back_exactly_as_it_was_put_down_with_its_id(books: Books) -> None:
    put = [
        a_correction(state=state, flows=(Flow.CALL,) if state else (), reason=f"“{state.name}”")
        for state in SliceState
    ]
    made = [await books.correct(one) for one in put]
    assert made == [replace(one, id=number) for number, one in enumerate(put, start=1)]
    assert await books.corrections(ALICE) == made


async def test_a_correction_is_withdrawn_once_and_a_later_one_has_a_new_id(books: Books) -> None:
    made = await books.correct(a_correction())
    gone = replace(made, withdrawn=LATER, withdrawn_by="bob")
    assert await books.withdraw_correction(BOB, made.id, at=LATER, author="bob") == gone
    assert await books.withdraw_correction(ALICE, made.id, at=LATER + HOUR, author="alice") == gone
    again = await books.correct(a_correction())
    assert again.id == 2
    assert await books.corrections(ALICE) == [gone, again]


async def test_a_correction_leaves_what_was_measured_as_it_is(store: Store) -> None:
    await store.add_results([*failed(NOON), an_attempt(minute(1))])
    await store.books.declare(work(begins=NOON, declared=NOON - HOUR))
    await store.books.correct(a_correction())
    assert line(await store.books.slices(ALICE, **EVER), 2) == "-+"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (work(seconds=0), "maintenance lasts 0 s; whole minutes are needed"),
        (work(seconds=-60), "maintenance lasts -60 s"),
        (work(seconds=90), "maintenance lasts 90 s; whole minutes"),
        (work(seconds=32 * 86_400), "31 days at most"),
        (work(begins=NOON + timedelta(seconds=1)), "no whole minute"),
        (work(begins=NOON.replace(tzinfo=None)), "time zone"),
        (work(declared=NOON.replace(tzinfo=None)), "time zone"),
        (work(reason="x" * 2001), "reason has 2001 characters; 2000 at most"),
        (work(recurs="x" * 2001), "rule of recurrence has 2001"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_maintenance_that_can_not_be_is_refused_in_words(
    books: Books, wrong: Maintenance, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        await books.declare(wrong)
    assert await everything(books) == [[], [], []]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (a_correction(ends=NOON), "no later than it begins"),
        (a_correction(ends=NOON - MINUTE), "no later than it begins"),
        (a_correction(ends=NOON + timedelta(seconds=30)), "no whole minute"),
        (a_correction(begins=NOON.replace(tzinfo=None)), "time zone"),
        (a_correction(author="x" * 2001), "author has 2001 characters"),
        (a_correction(state=4), "4 is not a valid SliceState"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_a_correction_that_can_not_be_is_refused_in_words(
    books: Books, wrong: Correction, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        await books.correct(wrong)
    assert await everything(books) == [[], [], []]


async def test_every_change_has_its_row_in_the_audit_the_newest_first(books: Books) -> None:
    made = await books.declare(work(tenant=NTEK, recurs="FREQ=DAILY", flows=(Flow.CALL,)))
    put = await books.correct(a_correction())
    await books.withdraw(BOB, made.id, at=LATER, author="carol")
    await books.withdraw_correction(BOB, put.id, at=LATER + HOUR, author="dave")
    assert await books.audit(ALICE) == [
        AuditRow(4, LATER + HOUR, "dave", "correction withdrawn", ACME, "correction 1"),
        AuditRow(3, LATER, "carol", "maintenance withdrawn", NTEK, "maintenance 1"),
        AuditRow(
            2,
            NOON + 24 * HOUR,
            "bob",
            "correction put down",
            ACME,
            "correction 1 from 2026-03-01 12:00 UTC to 2026-03-01 12:10 UTC is good, all flows: "
            "our own line was cut",
        ),
        AuditRow(
            1,
            NOON,
            "bob",
            "maintenance declared",
            NTEK,
            "maintenance 1 from 2026-03-02 12:00 UTC, 60 min, FREQ=DAILY in UTC, flows call: new cores",
        ),
    ]


async def test_the_audit_is_narrowed_by_tenant_and_number(books: Books) -> None:
    for tenant in (NTEK, ACME, OTHER, ACME):
        await books.declare(work(tenant=tenant))

    async def ids(scope: Scope, **narrow: Any) -> list[int]:
        return [row.id for row in await books.audit(scope, **narrow)]

    assert await ids(ALICE) == [4, 3, 2, 1]
    assert await ids(BOB) == [4, 2, 1]
    assert await ids(BOB, limit=2) == [4, 2]
    assert await ids(ALICE, tenant=ACME) == [4, 2]
    assert await ids(ALICE, tenant=ACME, limit=1) == [4]
    assert await ids(BOB, tenant=OTHER) == []
    assert await ids(ALICE, limit=0) == await ids(ALICE, limit=-1) == []


@pytest.mark.parametrize("id_", [1, 0, -1, 99, 2**62])
async def test_who_may_not_see_it_withdraws_nothing_and_nothing_tells(books: Books, id_: int) -> None:
    await books.declare(work())
    await books.correct(a_correction())
    before = await everything(books)
    readers = [CHARLIE, NOBODY] if id_ == 1 else [CHARLIE, NOBODY, BOB, ALICE]
    for reader in readers:
        assert await books.withdraw(reader, id_, at=LATER, author="charlie") is None
        assert await books.withdraw_correction(reader, id_, at=LATER, author="charlie") is None
    assert await everything(books) == before


@pytest.mark.parametrize("reader", [CHARLIE, NOBODY], ids=["Charlie", "nobody"])
async def test_charlie_sees_nothing_of_what_is_laid_over_bobs(books: Books, reader: Scope) -> None:
    for tenant in (NTEK, ACME):
        await books.declare(work(tenant=tenant))
        await books.correct(a_correction(tenant=tenant))
    assert len(await books.maintenance(BOB)) == len(await books.corrections(BOB)) == 2
    assert await books.maintenance(reader) == []
    assert await books.corrections(reader) == []
    assert await books.audit(reader) == await books.audit(reader, tenant=ACME) == []


async def test_a_client_is_not_shown_what_was_declared_further_up(books: Books) -> None:
    await books.declare(work(tenant=NTEK))
    await books.correct(a_correction(tenant=NTEK))
    acme = Scope.of(ACME)
    assert (await books.maintenance(acme), await books.corrections(acme)) == ([], [])
    assert await books.audit(acme) == []


@pytest.mark.parametrize("domain", [f"{ACME}' OR '1'='1", '"]', "%", ""])
async def test_a_domain_is_compared_whole_and_never_interpreted(books: Books, domain: str) -> None:
    await books.declare(work())
    assert await books.maintenance(Scope.of(domain)) == []
    assert await books.audit(ALICE, tenant=domain) == []


async def test_words_that_have_no_utf8_do_not_keep_anything_out(books: Books) -> None:
    made = await books.declare(work(reason="caf\udce9", author="a\udc80"))
    assert (made.reason, made.author) == ("caf?", "a?")
    assert await books.maintenance(ALICE) == [made]
    gone = await books.withdraw(ALICE, made.id, at=LATER, author="b\udc80")
    assert gone is not None
    assert gone.withdrawn_by == "b?"


ASKS: Final[list[Callable[[Books], Awaitable[object]]]] = [
    lambda books: books.declare(work()),
    lambda books: books.withdraw(ALICE, 1, at=NOON, author="alice"),
    lambda books: books.maintenance(ALICE),
    lambda books: books.correct(a_correction()),
    lambda books: books.withdraw_correction(ALICE, 1, at=NOON, author="alice"),
    lambda books: books.corrections(ALICE),
    lambda books: books.audit(ALICE),
]


async def test_a_closed_store_has_no_ledger(store: Store) -> None:
    await store.aclose()
    for ask in ASKS:
        with pytest.raises(StoreError, match="the store is closed"):
            await ask(store.books)
