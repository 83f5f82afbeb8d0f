"""What every store does with probes beyond their results: those that never ended, and what they add up to."""

import itertools
import math
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.model import (
    COUNTS,
    TIMING_BUCKETS,
    Engine,
    Failure,
    FailureCode,
    Flow,
    Origin,
    Outcome,
    ProbeResult,
    ProbeTotals,
    Scope,
    TimingTotals,
)
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

PASS, FAIL, INCONCLUSIVE = Outcome


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def failed(code: FailureCode) -> dict[str, Any]:
    return {"outcome": code.outcome, "failure": Failure(code), "timings": {}}


def unended(result_id: str, tenant: str = ACME, **changes: object) -> ProbeResult:
    return a_result(result_id, tenant, **(failed(FailureCode.ENGINE_CRASHED) | {"duration": 0.0} | changes))


def histogram(timing: str, *values: float) -> TimingTotals:
    """Return the histogram of these values, counted the slow way."""
    bounds = (-math.inf, *TIMING_BUCKETS[timing], math.inf)
    counts = (sum(low < value <= high for value in values) for low, high in itertools.pairwise(bounds))
    return TimingTotals(tuple(counts), sum(values))


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def test_a_store_without_results_has_no_totals(store: Store) -> None:
    assert await store.probe_totals(ALICE) == []


async def test_results_add_up_by_tenant_flow_engine_and_location(store: Store) -> None:
    registers: dict[str, Any] = {"flow": Flow.REGISTER, "probe": "registers"}
    await store.add_results(
        [
            a_result("1", ACME, timings={"srd": 0.25, "sdt": 2.0}),
            a_result("2", ACME, timings={"srd": 0.5}, probe="another probe of the same flow"),
            a_result("3", ACME, **failed(FailureCode.AUTH)),
            a_result("4", ACME, **failed(FailureCode.AUTH)),
            a_result("5", ACME, **failed(FailureCode.NO_PORT)),
            a_result("6", ACME, timings={}, engine=Engine.SIPP),
            a_result("7", ACME, timings={}, location="par1"),
            a_result("8", ACME, timings={"rrd": 0.125}, **registers),
            a_result("9", NTEK, **registers, **failed(FailureCode.TIMEOUT)),
        ]
    )
    passed = {(PASS, ""): 1}
    rrd = {"rrd": histogram("rrd", 0.125)}
    assert await store.probe_totals(ALICE) == [
        ProbeTotals(ACME, Flow.CALL, Engine.SIPP, "mtl1", passed, {}),
        ProbeTotals(
            ACME,
            Flow.CALL,
            Engine.SIPPY,
            "mtl1",
            {(PASS, ""): 2, (FAIL, "auth"): 2, (INCONCLUSIVE, "no-port"): 1},
            {"srd": histogram("srd", 0.25, 0.5), "sdt": histogram("sdt", 2.0)},
        ),
        ProbeTotals(ACME, Flow.CALL, Engine.SIPPY, "par1", passed, {}),
        ProbeTotals(ACME, Flow.REGISTER, Engine.SIPPY, "mtl1", passed, rrd),
        ProbeTotals(NTEK, Flow.REGISTER, Engine.SIPPY, "mtl1", {(FAIL, "timeout"): 1}, {}),
    ]


async def test_totals_go_on_from_one_call_to_the_next(store: Store) -> None:
    values = [0.25, 0.5, 0.0625, 20.0]
    for number, value in enumerate(values):
        await store.add_results([a_result(str(number), timings={"srd": value})])
    [totals] = await store.probe_totals(ALICE)
    assert totals.outcomes == {(PASS, ""): 4}
    assert totals.timings == {"srd": histogram("srd", *values)}


@pytest.mark.parametrize("timing", sorted(TIMING_BUCKETS))
async def test_a_value_on_a_bound_is_under_it_and_the_next_one_above(store: Store, timing: str) -> None:
    bounds = TIMING_BUCKETS[timing]
    for number, bound in enumerate(bounds):
        above = math.nextafter(bound, math.inf)
        await store.add_results(
            [
                a_result(f"{number} on", timings={timing: bound}),
                a_result(f"{number} above", timings={timing: above}),
            ]
        )
    [totals] = await store.probe_totals(ALICE)
    assert totals.timings[timing].counts == (1, *(2 for _ in bounds[1:]), 1)


async def test_timings_that_the_model_does_not_know_are_ignored(store: Store) -> None:
    await store.add_results([a_result(timings={"fax_delay": 3.0, "srd": 0.25})])
    [totals] = await store.probe_totals(ALICE)
    assert totals.timings == {"srd": histogram("srd", 0.25)}


async def test_timings_of_what_did_not_pass_are_not_counted(store: Store) -> None:
    await store.add_results(
        [
            a_result("1", **(failed(FailureCode.AUTH) | {"timings": {"srd": 0.25}})),
            a_result("2", **(failed(FailureCode.OVERLOADED) | {"timings": {"srd": 0.25}})),
        ]
    )
    [totals] = await store.probe_totals(ALICE)
    assert totals.timings == {}


async def test_requests_are_counted_of_all_conclusive_probes_whatever_they_ended_in(store: Store) -> None:
    answered = {"invite": 1, "invite_200": 1, "session_complete": 1}
    await store.add_results(
        [
            a_result("1", counts=answered),
            a_result("2", counts={"invite": 1, "invite_ineffective": 1}, **failed(FailureCode.TIMEOUT)),
            a_result("3", counts=answered, attempt=2),
            a_result("4", counts={"invite": 40}, **failed(FailureCode.OVERLOADED)),
            a_result("5", counts={"invite": 400}, origin=Origin.MANUAL),
            a_result("6", counts={"invite": 4000}, origin=Origin.STRESS),
            a_result("7", counts={"faxes": 7}),
            a_result("8", counts={"register": 1}, flow=Flow.REGISTER, probe="registers"),
        ]
    )
    calls, registers = await store.probe_totals(ALICE)
    assert calls.counts == {"invite": 3, "invite_200": 2, "invite_ineffective": 1, "session_complete": 2}
    assert registers.counts == {"register": 1}
    assert await store.probe_counts(ALICE, since=NOON) == {ACME: {**calls.counts, **registers.counts}}


async def test_counts_of_a_time_are_those_of_its_full_hours(store: Store) -> None:
    hour = 3600.0
    times = (-hour, -0.000_001, 0.0, 1800.0, hour - 0.000_001, hour)
    await store.add_results(
        [a_result(str(n), started=NOON + seconds(at), counts={"invite": 10**n}) for n, at in enumerate(times)]
    )

    async def since(at: float) -> int:
        found = await store.probe_counts(ALICE, since=NOON + seconds(at))
        return found.get(ACME, {}).get("invite", 0)

    assert await since(-2 * hour) == await since(-hour) == await since(-0.000_001) == 111_111
    assert await since(0) == await since(1800) == await since(hour - 0.000_001) == 111_100
    assert await since(hour) == 100_000
    assert await since(2 * hour) == 0
    assert await store.probe_counts(ALICE, since=NOON + seconds(2 * hour)) == {}


async def test_counts_of_an_hour_are_forgotten_with_its_last_results_and_totals_never(store: Store) -> None:
    early, late = NOON - seconds(3600), NOON + seconds(1)
    await store.add_results(
        [
            a_result("1", started=early, counts={"invite": 1}),
            a_result("2", started=NOON, counts={"invite": 10}),
            a_result("3", started=late, counts={"invite": 100}),
        ]
    )
    assert await store.prune_results(late) == 2
    # Two of three of the results are gone, and one of two hours.
    assert await store.probe_counts(ALICE, since=early) == {ACME: {"invite": 110}}
    [totals] = await store.probe_totals(ALICE)
    assert totals.counts == {"invite": 111}


async def test_everybody_sees_the_counts_of_their_own_tenants(store: Store) -> None:
    tenants = (ACME, NTEK, OTHER)
    await store.add_results(
        [a_result(str(n), tenant, counts={"invite": n + 1}) for n, tenant in enumerate(tenants)]
    )
    found = {ACME: {"invite": 1}, NTEK: {"invite": 2}, OTHER: {"invite": 3}}
    assert await store.probe_counts(ALICE, since=NOON) == found
    assert await store.probe_counts(BOB, since=NOON) == {name: found[name] for name in (ACME, NTEK)}
    assert await store.probe_counts(CHARLIE, since=NOON) == {OTHER: found[OTHER]}
    assert await store.probe_counts(NOBODY, since=NOON) == {}


async def test_stress_runs_and_probes_by_hand_are_left_out(store: Store) -> None:
    await store.add_results(
        [
            a_result("1", origin=Origin.STRESS),
            a_result("2", NTEK, origin=Origin.MANUAL),
            a_result("3", timings={"srd": 0.25}),
        ]
    )
    [totals] = await store.probe_totals(ALICE)
    assert (totals.tenant, totals.outcomes) == (ACME, {(PASS, ""): 1})
    assert totals.timings == {"srd": histogram("srd", 0.25)}


async def test_a_result_is_counted_once_however_often_it_is_added(store: Store) -> None:
    first, again = a_result("1", timings={"srd": 0.25}), a_result("1", timings={"srd": 0.5})
    await store.add_results([first, again])
    await store.add_results([again, a_result("2", timings={"srd": 1.0}), first])
    [totals] = await store.probe_totals(ALICE)
    assert totals.outcomes == {(PASS, ""): 2}
    assert totals.timings == {"srd": histogram("srd", 0.25, 1.0)}


async def test_results_that_are_refused_count_nothing(store: Store) -> None:
    with pytest.raises(ValueError, match="finite"):
        await store.add_results([a_result("1"), a_result("2", timings={"srd": math.nan})])
    assert await store.probe_totals(ALICE) == []


async def test_pruning_takes_nothing_away_from_totals(store: Store) -> None:
    await store.add_results([a_result(str(n), started=NOON + seconds(n)) for n in range(10)])
    before = await store.probe_totals(ALICE)
    assert await store.prune_results(NOON + seconds(9)) == 9
    assert await store.probe_totals(ALICE) == before
    assert before[0].outcomes == {(PASS, ""): 10}


async def test_everybody_sees_the_totals_of_their_own_tenants(store: Store) -> None:
    await store.add_results([a_result("1", ACME), a_result("2", NTEK), a_result("3", OTHER)])

    async def tenants(scope: Scope) -> list[str]:
        return [totals.tenant for totals in await store.probe_totals(scope)]

    assert await tenants(ALICE) == [ACME, NTEK, OTHER]
    assert await tenants(BOB) == [ACME, NTEK]
    assert await tenants(CHARLIE) == [OTHER]
    assert await tenants(NOBODY) == []
    assert all(totals.timings for totals in await store.probe_totals(BOB))


async def test_no_read_returns_a_probe_that_only_began(store: Store) -> None:
    await store.begin_result(unended("1"))
    assert await store.result(ALICE, "1") is None
    assert await store.results(ALICE) == []
    assert await store.latest_results(ALICE) == []
    assert await store.probe_totals(ALICE) == []


async def test_the_result_takes_the_place_of_what_was_begun(store: Store) -> None:
    await store.begin_result(unended("1"))
    await store.begin_result(unended("2"))
    await store.add_results([a_result("1")])
    assert await store.result(ALICE, "1") == a_result("1")
    assert await store.adopt_unended() == [unended("2")]
    assert await store.result(ALICE, "1") == a_result("1")


async def test_a_probe_that_never_ended_is_adopted_as_it_was_given_and_counted(store: Store) -> None:
    started = NOON + timedelta(microseconds=123_457)
    left = unended("1", started=started, attempt=2, evidence=None)
    await store.begin_result(left)
    assert await store.adopt_unended() == [left]
    assert await store.result(ALICE, "1") == left
    assert await store.latest_results(ALICE) == [left]
    [totals] = await store.probe_totals(ALICE)
    assert totals.outcomes == {(INCONCLUSIVE, "engine-crashed"): 1}


async def test_probes_are_adopted_once_in_the_order_of_their_start(store: Store) -> None:
    for number in (2, 0, 1):
        await store.begin_result(unended(f"r{number}", started=NOON + seconds(number // 2)))
    assert [result.id for result in await store.adopt_unended()] == ["r0", "r1", "r2"]
    before = await store.results(ALICE), await store.probe_totals(ALICE)
    assert await store.adopt_unended() == []
    assert (await store.results(ALICE), await store.probe_totals(ALICE)) == before


async def test_what_was_adopted_stays_though_the_result_comes_after_all(store: Store) -> None:
    await store.begin_result(unended("1"))
    await store.adopt_unended()
    await store.add_results([a_result("1")])
    assert await store.result(ALICE, "1") == unended("1")
    [totals] = await store.probe_totals(ALICE)
    assert totals.outcomes == {(INCONCLUSIVE, "engine-crashed"): 1}


async def test_adopting_does_not_make_an_old_probe_the_latest(store: Store) -> None:
    await store.begin_result(unended("old"))
    await store.add_results([a_result("new", started=NOON + seconds(60))])
    await store.adopt_unended()
    assert [result.id for result in await store.latest_results(ALICE)] == ["new"]


async def test_adopting_frees_the_accounts_of_those_probes_and_no_other(store: Store) -> None:
    end = NOON + seconds(60)
    await store.begin_result(unended("dead"))
    await store.begin_result(unended("ended"))
    assert await store.lease_accounts(["100@a", "101@a"], "dead", now=NOON, until=end)
    assert await store.lease_accounts(["102@a"], "ended", now=NOON, until=end)
    assert await store.lease_accounts(["103@a"], "by hand", now=NOON, until=end)
    await store.add_results([a_result("ended")])
    await store.adopt_unended()
    assert await store.lease_accounts(["100@a", "101@a"], "next", now=NOON, until=end)
    assert not await store.lease_accounts(["102@a"], "next", now=NOON, until=end)
    assert not await store.lease_accounts(["103@a"], "next", now=NOON, until=end)


async def test_beginning_what_has_ended_changes_nothing(store: Store) -> None:
    await store.add_results([a_result("1")])
    await store.begin_result(unended("1"))
    assert await store.adopt_unended() == []
    assert await store.results(ALICE) == [a_result("1")]


async def test_beginning_twice_keeps_the_first(store: Store) -> None:
    await store.begin_result(unended("1"))
    await store.begin_result(unended("1", started=NOON + seconds(1)))
    assert await store.adopt_unended() == [unended("1")]


async def test_what_could_not_be_a_result_can_not_begin(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await store.begin_result(unended("1", started=NOON.replace(tzinfo=None)))
    assert await store.adopt_unended() == []


async def test_results_that_are_refused_leave_what_was_begun(store: Store) -> None:
    await store.begin_result(unended("1"))
    with pytest.raises(ValueError, match="finite"):
        await store.add_results([a_result("1"), a_result("2", duration=math.nan)])
    assert await store.adopt_unended() == [unended("1")]


async def test_a_closed_store_counts_and_adopts_nothing(store: Store) -> None:
    await store.aclose()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.begin_result(unended("1"))
    with pytest.raises(StoreError, match="the store is closed"):
        await store.adopt_unended()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.probe_totals(ALICE)
    with pytest.raises(StoreError, match="the store is closed"):
        await store.probe_counts(ALICE, since=NOON)


RESULTS: Final = st.builds(
    lambda number, tenant, failure, timings, origin, counts, hour: a_result(
        f"r{number}",
        tenant,
        origin=origin,
        timings=timings,
        counts=counts,
        started=NOON + seconds(3600 * hour),
        outcome=PASS if failure is None else failure.outcome,
        failure=None if failure is None else Failure(failure),
    ),
    st.integers(0, 9),
    st.sampled_from([ACME, OTHER]),
    st.sampled_from([None, None, FailureCode.AUTH, FailureCode.NO_PORT]),
    st.dictionaries(st.sampled_from(["srd", "sdt", "unheard_of"]), st.floats(0, 20_000)),
    st.sampled_from(Origin),
    st.dictionaries(st.sampled_from([*COUNTS, "unheard_of"]), st.integers(0, 9), max_size=3),
    st.integers(0, 3),
)
STEPS: Final = st.one_of(
    st.tuples(st.just("begin"), RESULTS),
    st.tuples(st.just("add"), st.lists(RESULTS, max_size=4)),
    st.just("adopt"),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=12))
async def test_disk_and_memory_agree_and_totals_are_those_of_the_results(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object]
) -> None:
    stores: list[Store] = [MemoryStore(), await open_store(tmp_path_factory.mktemp("agree"))]
    memory, disk = stores
    try:
        for step in steps:
            match step:
                case ("begin", ProbeResult() as result):
                    for store in stores:
                        await store.begin_result(result)
                case ("add", list(results)):
                    for store in stores:
                        await store.add_results(results)
                case _:
                    assert await memory.adopt_unended() == await disk.adopt_unended()
        kept = await disk.results(ALICE)
        assert kept == await memory.results(ALICE)
        found = await disk.probe_totals(ALICE)
        assert found == await memory.probe_totals(ALICE)
        counted = [result for result in kept if result.origin is Origin.SCHEDULE]
        assert sum(sum(totals.outcomes.values()) for totals in found) == len(counted)
        for hour in range(4):
            since = NOON + seconds(3600 * hour)
            recent = await disk.probe_counts(ALICE, since=since)
            assert recent == await memory.probe_counts(ALICE, since=since)
            for name in COUNTS:
                counting = [one for one in counted if one.outcome is not INCONCLUSIVE]
                assert sum(of.get(name, 0) for of in recent.values()) == sum(
                    one.counts.get(name, 0) for one in counting if one.started >= since
                )
        for timing in ("srd", "sdt"):
            values = [one.timings[timing] for one in counted if one.outcome is PASS and timing in one.timings]
            histograms = [totals.timings[timing] for totals in found if timing in totals.timings]
            assert sum(sum(one.counts) for one in histograms) == len(values)
            assert sum(one.sum for one in histograms) == pytest.approx(sum(values))
    finally:
        await disk.aclose()
