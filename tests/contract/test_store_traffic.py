"""What every store does with the tenants' own traffic: each growth counted once, and nobody else's shown."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.model import COUNTS, Scope, TrafficMark
from dialtone.ports import Store, StoreError
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON, a_result

NTEK: Final = "ntek.clusterpbx.example"
ACME: Final = "acme.ntek.clusterpbx.example"
OTHER: Final = "zeta.ucom.clusterpbx.example"

ALICE: Final = Scope.everything()
BOB: Final = Scope.of(NTEK, ACME)
CHARLIE: Final = Scope.of(OTHER)
NOBODY: Final = Scope.of()

HOUR: Final = timedelta(hours=1)


def a_mark(at: datetime = NOON, node: str = "sip1", **counts: dict[str, int]) -> TrafficMark:
    """Return a mark; a tenant is named by its first label."""
    tenants = {"acme": ACME, "ntek": NTEK, "other": OTHER}
    return TrafficMark(node, at, 3600.5, {tenants[name]: of for name, of in counts.items()})


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def test_a_store_without_traffic_has_no_marks_and_no_counts(store: Store) -> None:
    assert await store.traffic_marks() == {}
    assert await store.traffic_counts(ALICE, since=NOON) == {}


async def test_a_mark_comes_back_exactly_as_it_was_given(store: Store) -> None:
    at = NOON + timedelta(microseconds=123_457)
    mark = a_mark(at, acme={"invite": 10**12, "invite_200": 0}, ntek={})
    bare = TrafficMark("sip2", NOON, None)
    await store.count_traffic(mark, {})
    await store.count_traffic(bare, {})
    assert await store.traffic_marks() == {"sip1": mark, "sip2": bare}


async def test_a_mark_moves_on_for_the_tenants_that_it_names_alone(store: Store) -> None:
    await store.count_traffic(a_mark(acme={"invite": 1}, ntek={"invite": 5}), {})
    await store.count_traffic(a_mark(node="sip2", acme={"invite": 7}), {})
    await store.count_traffic(a_mark(NOON + HOUR, acme={"invite": 2, "invite_200": 1}), {})
    assert await store.traffic_marks() == {
        "sip1": a_mark(NOON + HOUR, acme={"invite": 2, "invite_200": 1}, ntek={"invite": 5}),
        "sip2": a_mark(node="sip2", acme={"invite": 7}),
    }


async def test_marks_of_tenants_that_are_gone_go_and_what_they_counted_stays(store: Store) -> None:
    await store.count_traffic(a_mark(acme={"invite": 1}, ntek={"invite": 5}), {ACME: {"invite": 1}})
    await store.count_traffic(a_mark(node="sip2", acme={"invite": 7}), {})
    await store.count_traffic(a_mark(ntek={"invite": 6}), {ACME: {"invite": 2}}, {ACME, OTHER})
    assert await store.traffic_marks() == {
        "sip1": a_mark(ntek={"invite": 6}),
        "sip2": a_mark(node="sip2", acme={"invite": 7}),
    }
    assert await store.traffic_counts(ALICE, since=NOON) == {ACME: {"invite": 3}}
    await store.count_traffic(a_mark(acme={"invite": 9}), {}, [ACME])
    assert (await store.traffic_marks())["sip1"] == a_mark(acme={"invite": 9}, ntek={"invite": 6})


async def test_growth_adds_up_over_servers_and_readings(store: Store) -> None:
    await store.count_traffic(a_mark(), {ACME: {"invite": 2, "invite_200": 1}, NTEK: {"invite": 5}})
    await store.count_traffic(a_mark(node="sip2"), {ACME: {"invite": 30}})
    await store.count_traffic(a_mark(NOON + HOUR), {ACME: {"invite": 400}})
    assert await store.traffic_counts(ALICE, since=NOON) == {
        ACME: {"invite": 432, "invite_200": 1},
        NTEK: {"invite": 5},
    }


async def test_counts_of_a_time_are_those_of_its_full_hours(store: Store) -> None:
    for number, at in enumerate((NOON - timedelta(microseconds=1), NOON, NOON + HOUR)):
        await store.count_traffic(a_mark(at), {ACME: {"invite": 10**number}})

    async def since(at: datetime) -> int:
        return (await store.traffic_counts(ALICE, since=at)).get(ACME, {}).get("invite", 0)

    assert await since(NOON - HOUR) == await since(NOON - timedelta(seconds=1)) == 111
    assert await since(NOON) == await since(NOON + timedelta(minutes=59)) == 110
    assert await since(NOON + HOUR) == 100
    assert await store.traffic_counts(ALICE, since=NOON + 2 * HOUR) == {}


async def test_everybody_sees_the_traffic_of_their_own_tenants(store: Store) -> None:
    found = {ACME: {"invite": 1}, NTEK: {"invite": 2}, OTHER: {"invite": 3}}
    await store.count_traffic(a_mark(acme={}, ntek={}, other={}), found)
    assert await store.traffic_counts(ALICE, since=NOON) == found
    assert await store.traffic_counts(BOB, since=NOON) == {name: found[name] for name in (ACME, NTEK)}
    assert await store.traffic_counts(CHARLIE, since=NOON) == {OTHER: found[OTHER]}
    assert await store.traffic_counts(NOBODY, since=NOON) == {}


async def test_traffic_and_probes_are_never_mixed(store: Store) -> None:
    await store.add_results([a_result("1", ACME, counts={"invite": 1})])
    await store.count_traffic(a_mark(), {ACME: {"invite": 20}})
    assert await store.traffic_counts(ALICE, since=NOON) == {ACME: {"invite": 20}}
    assert await store.probe_counts(ALICE, since=NOON) == {ACME: {"invite": 1}}


WRONG: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "a mark without time zone": ({"at": NOON.replace(tzinfo=None)}, {}),
    "an uptime that is no number": ({"uptime": float("nan")}, {}),
    "a counter below 0": ({"counts": {ACME: {"invite": 1}, NTEK: {"invite": -1}}}, {}),
    "a counter of an unknown name": ({"counts": {ACME: {"faxes": 1}}}, {}),
    "growth below 0": ({}, {NTEK: {"invite": 1}, ACME: {"invite": -1}}),
    "growth of an unknown name": ({}, {NTEK: {"invite": 1}, ACME: {"faxes": 1}}),
}


@pytest.mark.parametrize(("mark", "growth"), WRONG.values(), ids=WRONG)
async def test_mark_and_growth_are_taken_both_or_neither(
    store: Store, mark: dict[str, Any], growth: dict[str, Any]
) -> None:
    await store.count_traffic(a_mark(acme={"invite": 1}), {ACME: {"invite": 1}})
    values: dict[str, Any] = {"node": "sip1", "at": NOON, "uptime": 9.0, "counts": {ACME: {"invite": 9}}}
    with pytest.raises(ValueError, match=r"time zone|finite|below 0"):
        await store.count_traffic(TrafficMark(**(values | mark)), growth or {ACME: {"invite": 8}})
    assert await store.traffic_marks() == {"sip1": a_mark(acme={"invite": 1})}
    assert await store.traffic_counts(ALICE, since=NOON) == {ACME: {"invite": 1}}


async def test_hours_of_traffic_and_marks_are_forgotten_with_the_results_of_their_time(store: Store) -> None:
    await store.count_traffic(a_mark(NOON - HOUR, "gone", acme={"invite": 1}), {ACME: {"invite": 1}})
    await store.count_traffic(a_mark(NOON, "read", acme={"invite": 10}), {ACME: {"invite": 10}})
    late = NOON + timedelta(minutes=1)
    await store.count_traffic(a_mark(late, acme={"invite": 100}), {ACME: {"invite": 100}})
    assert await store.prune_results(NOON) == 0
    assert set(await store.traffic_marks()) == {"read", "sip1"}
    assert await store.traffic_counts(ALICE, since=NOON - HOUR) == {ACME: {"invite": 110}}
    await store.prune_results(late)
    # The hour that the instant is in has not ended.
    assert await store.traffic_counts(ALICE, since=NOON - HOUR) == {ACME: {"invite": 110}}
    assert set(await store.traffic_marks()) == {"sip1"}
    await store.count_traffic(a_mark(late, "gone"), {})
    assert (await store.traffic_marks())["gone"].counts == {}


async def test_a_closed_store_counts_no_traffic(store: Store) -> None:
    await store.aclose()
    for ask in (
        store.count_traffic(a_mark(), {}),
        store.traffic_marks(),
        store.traffic_counts(ALICE, since=NOON),
    ):
        with pytest.raises(StoreError, match="the store is closed"):
            await ask


TENANT_COUNTS: Final = st.dictionaries(
    st.sampled_from([NTEK, ACME, OTHER]),
    st.dictionaries(st.sampled_from(list(COUNTS)), st.integers(0, 9), max_size=3),
)
STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["sip1", "sip2"]), st.integers(-2, 2), TENANT_COUNTS, TENANT_COUNTS),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, seen=st.none() | st.frozensets(st.sampled_from([NTEK, ACME, OTHER])), prune=st.booleans())
async def test_disk_and_memory_agree_on_traffic(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], seen: frozenset[str] | None, prune: bool
) -> None:
    memory: Store = MemoryStore()
    disk: Store = await open_store(tmp_path_factory.mktemp("agree"))
    try:
        for store in (memory, disk):
            for node, hour, counts, growth in steps:
                await store.count_traffic(TrafficMark(node, NOON + hour * HOUR, 1.0, counts), growth)
            if prune:
                await store.prune_results(NOON)
        assert await memory.traffic_marks() == await disk.traffic_marks()
        for hour in range(-2, 3):
            since = NOON + hour * HOUR
            found = await disk.traffic_counts(Scope(seen), since=since)
            assert found == await memory.traffic_counts(Scope(seen), since=since)
            assert seen is None or found.keys() <= seen
    finally:
        await disk.aclose()
