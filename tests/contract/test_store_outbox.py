"""What every store does with messages about alerts: kept with the flip, in order, counted for ever."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.model import AlertState, MessageState, OutboxEntry, Scope
from dialtone.ports import Store, StoreError
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON, a_message, an_alert

ALICE: Final = Scope.everything()
WAITING, DELIVERED, REFUSED, DROPPED = MessageState


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def keys(store: Store, state: MessageState | None = None, *, limit: int | None = None) -> list[str]:
    return [entry.message.key for entry in await store.outbox(state, limit=limit)]


async def test_a_message_comes_back_exactly_as_it_was_given(store: Store) -> None:
    full = an_alert(
        "full",
        state=AlertState.RESOLVED,
        since=NOON + timedelta(microseconds=123_457),
        started=NOON - timedelta(microseconds=1),
        node="db1",
        flow="call",
        channel="Ost/西",
        probe="calls",
        location="mtl1",
        value=0.1 + 0.2,
        cause='2 of "3" failed — ☎\n\x00 “é” \U0001f514',
        topology="main",
        tenants=("acme.example", "é.example"),
        tenants_total=10_000,
    )
    message = a_message("k/1", full, an_alert("bare", None), created=NOON + timedelta(microseconds=1))
    await store.put_alerts([], [message])
    assert await store.outbox() == [OutboxEntry(message, WAITING)]


async def test_words_that_have_no_utf8_do_not_keep_a_message_out(store: Store) -> None:
    event = an_alert(cause="Couldn't open \udcff")
    await store.put_alerts([event], [a_message("k1", event)])
    await store.note_try("k1", "50\udc80 Oops")
    [entry], [alert] = await store.outbox(), await store.alerts(ALICE)
    assert entry.detail == "50? Oops"
    assert entry.message.events == (alert,)
    assert alert.cause == "Couldn't open ?"


async def test_messages_come_in_the_order_in_which_they_were_put_whatever_their_age(store: Store) -> None:
    await store.put_alerts([], [a_message("z", created=NOON + seconds(9)), a_message("a", receiver="pager")])
    await store.put_alerts([], [a_message("m", created=NOON - seconds(9))])
    assert await keys(store) == ["z", "a", "m"]
    assert await keys(store, WAITING, limit=2) == ["z", "a"]
    assert await keys(store, limit=0) == []
    assert await keys(store, limit=-1) == []


async def test_messages_are_listed_by_state(store: Store) -> None:
    await store.put_alerts([], [a_message(key) for key in "abcde"])
    for key, state in (("b", DELIVERED), ("c", REFUSED), ("d", DROPPED)):
        await store.settle_message(key, state, NOON)
    assert await keys(store, WAITING) == ["a", "e"]
    assert await keys(store, WAITING, limit=1) == ["a"]
    assert await keys(store, DELIVERED) == ["b"]
    assert await keys(store, REFUSED) == ["c"]
    assert await keys(store, DROPPED) == ["d"]
    assert await keys(store) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    "wrong",
    [
        a_message("k2", an_alert(value=float("nan"))),
        a_message("k2", an_alert(since=NOON.replace(tzinfo=None))),
        a_message("k2", created=NOON.replace(tzinfo=None)),
    ],
    ids=["not a number", "an alert without time zone", "a message without time zone"],
)
async def test_alerts_and_their_messages_are_put_all_or_none(store: Store, wrong: object) -> None:
    with pytest.raises(ValueError, match=r"time zone|finite"):
        await store.put_alerts([an_alert()], [a_message("k1"), wrong])  # type: ignore[list-item]
    assert await store.alerts(ALICE) == []
    assert await store.outbox() == []


async def test_an_alert_that_can_not_be_kept_keeps_its_message_out(store: Store) -> None:
    with pytest.raises(ValueError, match="finite"):
        await store.put_alerts([an_alert(value=float("inf"))], [a_message()])
    assert await store.outbox() == []


async def test_a_message_whose_key_is_kept_changes_nothing_and_its_alerts_are_put(store: Store) -> None:
    first, again = a_message("k1"), a_message("k1", receiver="pager", created=NOON + seconds(1))
    await store.put_alerts([], [first, again])
    assert await store.outbox() == [OutboxEntry(first, WAITING)]
    await store.settle_message("k1", DELIVERED, NOON)
    await store.put_alerts([an_alert()], [again, a_message("k2")])
    assert await keys(store, WAITING) == ["k2"]
    assert await keys(store, DELIVERED) == ["k1"]
    assert await store.alerts(ALICE) == [an_alert()]
    assert await store.message_totals() == {("hook", "delivered"): 1}


async def test_a_message_is_kept_though_a_newer_state_of_its_alert_is(store: Store) -> None:
    newer, older = an_alert(since=NOON + seconds(9)), an_alert()
    await store.put_alerts([newer])
    await store.put_alerts([older], [a_message("k1", older)])
    assert await store.alerts(ALICE) == [newer]
    assert await keys(store, WAITING) == ["k1"]


async def test_a_try_that_was_not_taken_is_counted_and_the_message_goes_on_waiting(store: Store) -> None:
    await store.put_alerts([], [a_message("k1"), a_message("k2", receiver="pager")])
    await store.note_try("k1", "no connection")
    await store.note_try("k1", "500 Internal Server Error")
    await store.note_try("k2", "")
    assert await store.outbox(WAITING) == [
        OutboxEntry(a_message("k1"), WAITING, tries=2, detail="500 Internal Server Error"),
        OutboxEntry(a_message("k2", receiver="pager"), WAITING, tries=1),
    ]
    assert await store.message_totals() == {("hook", "failed"): 2, ("pager", "failed"): 1}


async def test_a_message_is_settled_once(store: Store) -> None:
    await store.put_alerts([], [a_message("k1")])
    await store.settle_message("k1", REFUSED, NOON + timedelta(microseconds=7), "404 Not Found")
    settled = OutboxEntry(
        a_message("k1"), REFUSED, detail="404 Not Found", settled=NOON + timedelta(microseconds=7)
    )
    assert await store.outbox() == [settled]
    await store.settle_message("k1", DELIVERED, NOON + seconds(9), "later")
    await store.note_try("k1", "later")
    assert await store.outbox() == [settled]
    assert await store.message_totals() == {("hook", "refused"): 1}


async def test_settling_without_a_word_leaves_the_last_problem(store: Store) -> None:
    await store.put_alerts([], [a_message("k1"), a_message("k2")])
    await store.note_try("k1", "no connection")
    await store.settle_message("k1", DELIVERED, NOON)
    await store.settle_message("k2", DELIVERED, NOON)
    assert [(entry.tries, entry.detail) for entry in await store.outbox()] == [(1, "no connection"), (0, "")]


async def test_what_is_unknown_can_be_neither_tried_nor_settled(store: Store) -> None:
    await store.note_try("no such", "words")
    await store.settle_message("no such", DELIVERED, NOON)
    assert await store.outbox() == []
    assert await store.message_totals() == {}


@pytest.mark.parametrize(
    ("state", "at", "why"),
    [(WAITING, NOON, "waiting is no state"), (DELIVERED, NOON.replace(tzinfo=None), "time zone")],
    ids=["waiting", "no time zone"],
)
async def test_settling_in_a_way_that_makes_no_sense_is_refused(
    store: Store, state: MessageState, at: datetime, why: str
) -> None:
    await store.put_alerts([], [a_message("k1")])
    with pytest.raises(ValueError, match=why):
        await store.settle_message("k1", state, at)
    assert await keys(store, WAITING) == ["k1"]
    assert await store.message_totals() == {}


async def test_what_a_receiver_answered_is_cut(store: Store) -> None:
    await store.put_alerts([], [a_message("k1"), a_message("k2")])
    await store.note_try("k1", "é" * 501)
    await store.settle_message("k2", REFUSED, NOON, "x" * 1_000_000)
    assert [entry.detail for entry in await store.outbox()] == ["é" * 500, "x" * 500]


async def test_pruning_forgets_what_was_settled_before_and_nothing_that_waits(store: Store) -> None:
    await store.put_alerts([], [a_message(key, created=NOON - seconds(10_000)) for key in "abcd"])
    await store.note_try("a", "no connection")
    for key, after in (("b", -1), ("c", 0), ("d", 1)):
        await store.settle_message(key, DELIVERED, NOON + seconds(after))
    assert await store.prune_messages(NOON) == 1
    assert await keys(store) == ["a", "c", "d"]
    assert await store.prune_messages(NOON) == 0
    assert await store.message_totals() == {("hook", "failed"): 1, ("hook", "delivered"): 3}


async def test_what_is_put_after_pruning_comes_after_what_is_left(store: Store) -> None:
    await store.put_alerts([], [a_message("waits"), a_message("goes")])
    await store.settle_message("goes", DELIVERED, NOON)
    assert await store.prune_messages(NOON + seconds(1)) == 1
    await store.put_alerts([], [a_message("new")])
    assert await keys(store) == ["waits", "new"]


async def test_a_closed_store_has_no_outbox(store: Store) -> None:
    await store.aclose()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.put_alerts([], [a_message()])
    with pytest.raises(StoreError, match="the store is closed"):
        await store.outbox()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.note_try("k1", "")
    with pytest.raises(StoreError, match="the store is closed"):
        await store.settle_message("k1", DELIVERED, NOON)
    with pytest.raises(StoreError, match="the store is closed"):
        await store.message_totals()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.prune_messages(NOON)


KEYS: Final = st.sampled_from("abcde")
STEPS: Final = st.one_of(
    st.tuples(st.just("put"), KEYS, st.sampled_from(["hook", "pager"])),
    st.tuples(st.just("try"), KEYS, st.sampled_from(["", "500"])),
    st.tuples(st.just("settle"), KEYS, st.sampled_from([DELIVERED, REFUSED, DROPPED]), st.integers(-2, 2)),
    st.tuples(st.just("prune"), st.integers(-2, 2)),
)


async def take(store: Store, step: tuple[object, ...]) -> object:
    """Do one step; return what it answers."""
    match step:
        case ("put", str(key), str(receiver)):
            await store.put_alerts([an_alert(key)], [a_message(key, receiver=receiver)])
        case ("try", str(key), str(detail)):
            await store.note_try(key, detail)
        case ("settle", str(key), MessageState() as state, int(after)):
            await store.settle_message(key, state, NOON + seconds(after))
        case ("prune", int(after)):
            return await store.prune_messages(NOON + seconds(after))
    return None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=20))
async def test_disk_and_memory_agree_about_messages(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[object, ...]]
) -> None:
    memory: Store = MemoryStore()
    disk: Store = await open_store(tmp_path_factory.mktemp("agree"))
    try:
        for step in steps:
            assert await take(memory, step) == await take(disk, step)
        assert await memory.outbox() == await disk.outbox()
        assert await memory.outbox(WAITING, limit=2) == await disk.outbox(WAITING, limit=2)
        assert await memory.message_totals() == await disk.message_totals()
    finally:
        await disk.aclose()
