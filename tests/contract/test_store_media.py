"""What every store does with what was heard in calls: it comes back as it was, and it adds up."""

import itertools
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.model import (
    MEDIA_BUCKETS,
    MEDIA_FIGURES,
    Failure,
    FailureCode,
    Found,
    MediaStream,
    Origin,
    Outcome,
    Scope,
    TimingTotals,
)
from dialtone.ports import Store
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import a_result, a_stream

NTEK: Final = "ntek.clusterpbx.example"
ACME: Final = "acme.ntek.clusterpbx.example"
OTHER: Final = "zeta.ucom.clusterpbx.example"

ALICE: Final = Scope.everything()
BOB: Final = Scope.of(NTEK, ACME)
CHARLIE: Final = Scope.of(OTHER)

HEARD: Final = a_stream("callee", sent=None, digits="15#")
SAID: Final = a_stream("caller", lost=8, burst=1.25, rtt=None, mos=3.1)


def histogram(figure: str, *values: float) -> TimingTotals:
    """Return the histogram of these values, counted the slow way."""
    bounds = (-math.inf, *MEDIA_BUCKETS[figure], math.inf)
    counts = (sum(low < value <= high for value in values) for low, high in itertools.pairwise(bounds))
    return TimingTotals(tuple(counts), sum(values))


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


def poor(code: FailureCode = FailureCode.POOR_MEDIA) -> dict[str, Any]:
    return {"outcome": code.outcome, "failure": Failure(code), "timings": {}}


async def test_what_was_heard_comes_back_exactly_in_its_order(store: Store) -> None:
    every = tuple(a_stream(f"phone {found}", found=found) for found in Found)
    results = [a_result("both", media=(HEARD, SAID)), a_result("none"), a_result("every", media=every)]
    await store.add_results(results)
    for result in results:
        assert await store.result(ALICE, result.id) == result


async def test_what_a_probe_that_began_had_heard_is_kept_with_it(store: Store) -> None:
    begun = a_result("begun", media=(HEARD,), **poor(FailureCode.ENGINE_CRASHED))
    await store.begin_result(begun)
    assert await store.adopt_unended() == [begun]


@pytest.mark.parametrize(
    "wrong",
    [
        {"jitter": math.nan},
        {"mos": math.inf},
        {"rtt": -0.001},
        {"lost": -1},
        {"received": 1 << 60},
        {"listener": "x" * 65},
    ],
    ids=str,
)
async def test_what_no_phone_hears_is_refused(store: Store, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} of a direction can't be"):
        await store.add_results([a_result("fine"), a_result("wrong", media=(replace(HEARD, **wrong),))])
    assert await store.results(ALICE) == []


async def test_more_directions_than_a_call_can_have_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="holds 17 directions"):
        await store.add_results([a_result(media=(HEARD,) * 17)])


async def test_a_codec_whose_name_has_no_utf8_does_not_keep_a_result_out(store: Store) -> None:
    await store.add_results([a_result("r", media=(replace(HEARD, codec="PC\udc80A"),))])
    result = await store.result(ALICE, "r")
    assert result is not None
    assert result.media == (replace(HEARD, codec="PC?A"),)


async def test_figures_add_up_by_listener_of_passes_and_of_failures(store: Store) -> None:
    bad = replace(HEARD, mos=2.0, lost=100, jitter=0.03, rtt=0.5)
    await store.add_results([a_result("1", media=(HEARD, SAID)), a_result("2", media=(bad,), **poor())])
    await store.add_results([a_result("3", attempt=2, media=(SAID,))])
    [totals] = await store.probe_totals(ALICE)
    assert totals.media == {
        ("callee", "mos"): histogram("mos", 4.41, 2.0),
        ("callee", "loss_ratio"): histogram("loss_ratio", 0.0, 0.5),
        ("callee", "jitter"): histogram("jitter", 0.004, 0.03),
        ("callee", "rtt"): histogram("rtt", 0.03, 0.5),
        ("caller", "mos"): histogram("mos", 3.1, 3.1),
        ("caller", "loss_ratio"): histogram("loss_ratio", 8 / 108, 8 / 108),
        ("caller", "jitter"): histogram("jitter", 0.004, 0.004),
    }


async def test_what_was_not_heard_has_neither_score_nor_jitter(store: Store) -> None:
    deaf = MediaStream("caller", "callee", Found.NOTHING, sent=100, lost=100)
    unknown = MediaStream("platform", "caller", Found.NOTHING)
    await store.add_results([a_result(media=(deaf, unknown), **poor(FailureCode.NO_MEDIA))])
    [totals] = await store.probe_totals(ALICE)
    assert totals.media == {("callee", "loss_ratio"): histogram("loss_ratio", 1.0)}


async def test_only_scheduled_probes_that_were_conclusive_count(store: Store) -> None:
    await store.add_results(
        [
            a_result("1", media=(HEARD,), origin=Origin.MANUAL),
            a_result("2", media=(HEARD,), origin=Origin.STRESS),
            a_result("3", media=(HEARD,), **poor(FailureCode.CANARY_FAILED)),
        ]
    )
    assert [totals.media for totals in await store.probe_totals(ALICE)] == [{}]


@pytest.mark.parametrize("figure", sorted(MEDIA_BUCKETS))
async def test_a_figure_on_a_bound_is_under_it_and_the_next_one_above(store: Store, figure: str) -> None:
    values = [at for bound in MEDIA_BUCKETS[figure] for at in (bound, math.nextafter(bound, math.inf))]
    if figure == "loss_ratio":
        values = [0.0, 1e-6, 0.01, 0.010001, 0.02, 0.020001, 0.05, 0.050001, 0.1, 0.100001]
        streams = [
            a_stream("callee", received=1_000_000 - round(v * 1e6), lost=round(v * 1e6)) for v in values
        ]
    else:
        streams = [a_stream("callee", **{figure: value}) for value in values]
    await store.add_results([a_result(str(n), media=(stream,)) for n, stream in enumerate(streams)])
    [totals] = await store.probe_totals(ALICE)
    assert totals.media["callee", figure].counts == (1, 2, 2, 2, 2, 1)


async def test_everybody_sees_what_was_heard_of_their_own_tenants(store: Store) -> None:
    tenants = (ACME, NTEK, OTHER)
    await store.add_results([a_result(tenant, tenant, media=(HEARD,)) for tenant in tenants])

    async def heard(scope: Scope) -> list[str]:
        results = await store.results(scope)
        totals = await store.probe_totals(scope)
        assert all(one.media for one in results)
        assert [one.tenant for one in totals if one.media] == sorted(one.tenant for one in results)
        return [one.tenant for one in totals]

    assert await heard(ALICE) == sorted(tenants)
    assert await heard(BOB) == sorted((ACME, NTEK))
    assert await heard(CHARLIE) == [OTHER]
    assert await heard(Scope.of()) == []


async def test_what_was_heard_outlives_its_results(store: Store, tmp_path: Path) -> None:
    await store.add_results([a_result(media=(HEARD, SAID))])
    before = await store.probe_totals(ALICE)
    assert await store.prune_results(a_result().started.replace(year=9999)) == 1
    assert await store.probe_totals(ALICE) == before
    assert len(before[0].media) == 7


async def test_a_store_that_is_opened_again_goes_on_from_what_was_heard(tmp_path: Path) -> None:
    for result_id in ("1", "2"):
        store = await open_store(tmp_path)
        await store.add_results([a_result(result_id, media=(HEARD,))])
        await store.aclose()
    store = await open_store(tmp_path)
    [totals] = await store.probe_totals(ALICE)
    assert totals.media["callee", "mos"] == histogram("mos", 4.41, 4.41)
    await store.aclose()


def test_every_figure_has_bounds_that_rise() -> None:
    assert MEDIA_BUCKETS.keys() == MEDIA_FIGURES.keys()
    assert all(list(bounds) == sorted(set(bounds)) for bounds in MEDIA_BUCKETS.values())


SHARES: Final = st.none() | st.floats(0, 5)
STREAMS: Final = st.builds(
    MediaStream,
    st.just("caller"),
    st.sampled_from(["caller", "callee"]),
    st.sampled_from(Found),
    received=st.integers(0, 3),
    lost=st.integers(0, 3),
    jitter=st.floats(0, 1),
    rtt=SHARES,
    mos=SHARES,
)
RESULTS: Final = st.builds(
    lambda number, tenant, code, origin, media: a_result(
        f"r{number}",
        tenant,
        origin=origin,
        outcome=Outcome.PASS if code is None else code.outcome,
        failure=None if code is None else Failure(code),
        media=tuple(media),
    ),
    st.integers(0, 9),
    st.sampled_from([ACME, OTHER]),
    st.sampled_from([None, FailureCode.POOR_MEDIA, FailureCode.NO_PORT]),
    st.sampled_from(Origin),
    st.lists(STREAMS, max_size=2),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.lists(RESULTS, max_size=4), max_size=5))
async def test_disk_and_memory_agree_on_what_was_heard(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[Any]]
) -> None:
    memory, disk = MemoryStore(), await open_store(tmp_path_factory.mktemp("agree"))
    try:
        for results in steps:
            await memory.add_results(results)
            await disk.add_results(results)
        kept, found = await disk.results(ALICE), await disk.probe_totals(ALICE)
        assert kept == await memory.results(ALICE)
        assert found == await memory.probe_totals(ALICE)
        counted = [
            stream
            for result in kept
            if result.origin is Origin.SCHEDULE and result.outcome is not Outcome.INCONCLUSIVE
            for stream in result.media
        ]
        for figure in MEDIA_FIGURES:
            values = [stream.figures[figure] for stream in counted if figure in stream.figures]
            histograms = [of for one in found for (_, name), of in one.media.items() if name == figure]
            assert sum(sum(one.counts) for one in histograms) == len(values)
            assert sum(one.sum for one in histograms) == pytest.approx(sum(values))
    finally:
        await disk.aclose()
