"""What every store does, on disk or in memory.

The cast: Alice is of the platform and sees everything, Bob is of the reseller ntek and sees it and
its clients, Charlie is of a client of somebody else and sees nothing of Bob's.
"""

import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialtone.model import AlertState, Engine, Failure, FailureCode, Flow, Origin, Outcome, Scope, Severity
from dialtone.ports import Store, StoreError
from dialtone.store import MemoryStore, open_store
from tests.fakes.records import NOON, a_result, an_alert

NTEK: Final = "ntek.clusterpbx.example"
ACME: Final = "acme.ntek.clusterpbx.example"
BETA: Final = "beta.ntek.clusterpbx.example"
OTHER: Final = "zeta.ucom.clusterpbx.example"

ALICE: Final = Scope.everything()
BOB: Final = Scope.of(NTEK, ACME, BETA)
CHARLIE: Final = Scope.of(OTHER)
NOBODY: Final = Scope.of()


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else await open_store(tmp_path / "data")
    yield made
    await made.aclose()


async def test_words_that_have_no_utf8_do_not_keep_a_result_or_an_alert_out(store: Store) -> None:
    await store.add_results(
        [a_result("r", outcome=Outcome.FAIL, failure=Failure(FailureCode.AUTH, "40\udc80 Forbidden"))]
    )
    await store.put_alerts([an_alert("a", cause="Couldn't open \udcff")])
    result, [alert] = await store.result(ALICE, "r"), await store.alerts(ALICE)
    assert result is not None
    assert result.failure == Failure(FailureCode.AUTH, "40? Forbidden")
    assert alert.cause == "Couldn't open ?"


async def test_a_result_comes_back_exactly_as_it_was_given(store: Store) -> None:
    full = a_result(
        "r-full",
        flow=Flow.REGISTER,
        engine=Engine.SIPPY,
        origin=Origin.MANUAL,
        attempt=2,
        started=NOON + timedelta(microseconds=123_457),
        outcome=Outcome.FAIL,
        timings={"rrd": 0.1 + 0.2, "srd": 1e-9},
        sip_status=403,
        failure=Failure(FailureCode.AUTH, "403 Forbidden “é”"),
        evidence="evidence/acme/2026-03-01/r-full",
        counts={"register": 2, "register_failed": 1, "of a later version": 3},
        certificate_expires=NOON + timedelta(days=3, microseconds=1),
    )
    bare = a_result("r-bare", timings={})
    await store.add_results([full, bare])
    assert await store.result(ALICE, "r-full") == full
    assert await store.result(ALICE, "r-bare") == bare


async def test_an_instant_of_another_zone_comes_back_as_the_same_instant_in_utc(store: Store) -> None:
    montreal = timezone(timedelta(hours=-5))
    await store.add_results([a_result(started=datetime(2026, 3, 1, 7, tzinfo=montreal))])
    found = await store.result(ALICE, "r1")
    assert found is not None
    assert found.started == NOON
    assert found.started.utcoffset() == timedelta(0)


async def test_a_result_that_is_kept_already_changes_nothing(store: Store) -> None:
    await store.add_results([a_result()])
    await store.add_results([a_result(outcome=Outcome.FAIL), a_result("r2")])
    assert await store.result(ALICE, "r1") == a_result()
    assert await store.result(ALICE, "r2") == a_result("r2")


@pytest.mark.parametrize(
    "wrong",
    [
        a_result("r2", started=NOON.replace(tzinfo=None)),
        a_result("r2", duration=float("nan")),
        a_result("r2", timings={"srd": float("inf")}),
        a_result("r2", certificate_expires=NOON.replace(tzinfo=None)),
        a_result("r2", counts={"invite": -1}),
    ],
    ids=["no time zone", "not a number", "infinite", "certificate without zone", "less than nothing"],
)
async def test_results_are_kept_all_or_none(store: Store, wrong: object) -> None:
    with pytest.raises(ValueError, match=r"time zone|finite|below 0"):
        await store.add_results([a_result("r1"), wrong])  # type: ignore[list-item]
    assert await store.results(ALICE) == []


async def test_results_come_newest_first_and_by_id_where_they_started_together(store: Store) -> None:
    kept = [a_result(f"r{n}", started=NOON + seconds(n // 2)) for n in range(6)]
    shuffled = random.Random(4).sample(kept, len(kept))
    await store.add_results(shuffled)
    assert [result.id for result in await store.results(ALICE)] == ["r5", "r4", "r3", "r2", "r1", "r0"]


async def test_results_are_narrowed_by_tenant_flow_start_and_number(store: Store) -> None:
    await store.add_results(
        [
            a_result("a1", ACME, started=NOON),
            a_result("a2", ACME, started=NOON + seconds(1), flow=Flow.REGISTER, probe="registers"),
            a_result("a3", ACME, started=NOON + seconds(2)),
            a_result("b1", BETA, started=NOON + seconds(3)),
        ]
    )

    async def ids(**narrow: object) -> list[str]:
        return [result.id for result in await store.results(BOB, **narrow)]  # type: ignore[arg-type]

    assert await ids(tenant=ACME) == ["a3", "a2", "a1"]
    assert await ids(flow="call") == ["b1", "a3", "a1"]
    assert await ids(tenant=ACME, flow="call") == ["a3", "a1"]
    assert await ids(since=NOON + seconds(2)) == ["b1", "a3"]
    assert await ids(tenant=ACME, since=NOON + seconds(1)) == ["a3", "a2"]
    assert await ids(limit=2) == ["b1", "a3"]
    assert await ids(tenant=ACME, limit=1) == ["a3"]
    assert await ids(limit=0) == []
    assert await ids(limit=-1) == []
    assert await ids(tenant="no.such.example") == []


async def test_one_page_of_results_follows_another_without_gap_or_repetition(store: Store) -> None:
    # Three of them started together, so that a page ends inside the same instant.
    await store.add_results([a_result(f"r{n}", ACME, started=NOON + seconds(n // 3)) for n in range(10)])
    everything = await store.results(ALICE)
    for tenant in (None, ACME):
        last, paged = None, []
        while page := await store.results(ALICE, tenant=tenant, before=last, limit=2):
            paged += page
            last = page[-1].started, page[-1].id
        assert paged == everything


async def test_the_latest_result_is_the_newest_of_each_tenant_probe_and_location(store: Store) -> None:
    await store.add_results(
        [
            a_result("b", BETA),
            a_result("a-new", ACME, started=NOON + seconds(60)),
            a_result("a-old", ACME),
            a_result("a-registers", ACME, probe="registers"),
            a_result("a-paris", ACME, location="par1"),
            a_result("n", NTEK),
        ]
    )
    assert [result.id for result in await store.latest_results(ALICE)] == [
        "a-new",
        "a-paris",
        "a-registers",
        "b",
        "n",
    ]


async def test_of_results_that_started_together_the_latest_has_the_greater_id(store: Store) -> None:
    await store.add_results([a_result("r2"), a_result("r1"), a_result("r3")])
    await store.add_results([a_result("r0")])
    assert [result.id for result in await store.latest_results(ALICE)] == ["r3"]


async def test_pruned_results_are_gone_everywhere_and_counted(store: Store) -> None:
    await store.add_results([a_result(f"r{n}", started=NOON + seconds(n)) for n in range(10)])
    await store.add_results([a_result("old", BETA)])
    assert await store.prune_results(NOON + seconds(5)) == 6
    assert [result.id for result in await store.results(ALICE)] == ["r9", "r8", "r7", "r6", "r5"]
    assert [result.id for result in await store.latest_results(ALICE)] == ["r9"]
    assert await store.result(ALICE, "r4") is None
    assert await store.prune_results(NOON + seconds(5)) == 0


async def test_pruning_more_than_one_step_takes_all_and_no_more(store: Store) -> None:
    await store.add_results([a_result(f"r{n:05}", started=NOON + seconds(n)) for n in range(12_000)])
    assert await store.prune_results(NOON + seconds(11_999)) == 11_999
    assert [result.id for result in await store.results(ALICE)] == ["r11999"]


async def test_alice_sees_the_results_of_all(store: Store) -> None:
    await store.add_results([a_result("a", ACME), a_result("o", OTHER), a_result("u", "_unknown")])
    assert {result.id for result in await store.results(ALICE)} == {"a", "o", "u"}
    assert {result.id for result in await store.latest_results(ALICE)} == {"a", "o", "u"}


async def test_bob_sees_the_results_of_his_own_and_no_others(store: Store) -> None:
    await store.add_results([a_result("n", NTEK), a_result("a", ACME), a_result("o", OTHER)])
    assert {result.id for result in await store.results(BOB)} == {"n", "a"}
    assert {result.id for result in await store.latest_results(BOB)} == {"n", "a"}
    assert await store.result(BOB, "o") is None


@pytest.mark.parametrize("reader", [CHARLIE, NOBODY], ids=["Charlie", "nobody"])
async def test_charlie_sees_nothing_of_bobs_by_any_read(store: Store, reader: Scope) -> None:
    await store.add_results([a_result("a", ACME), a_result("n", NTEK), a_result("u", "_unknown")])
    await store.put_alerts([an_alert("a", ACME), an_alert("node", None, node="sip1")])
    assert await store.results(reader) == []
    assert await store.results(reader, tenant=ACME) == []
    assert await store.results(reader, flow="call", since=NOON - seconds(1)) == []
    assert await store.latest_results(reader) == []
    assert await store.result(reader, "a") is None
    assert await store.alerts(reader) == []


async def test_a_limit_counts_what_may_be_seen_not_what_is_there(store: Store) -> None:
    await store.add_results([a_result("a", ACME)])
    await store.add_results([a_result(f"o{n}", OTHER, started=NOON + seconds(n + 1)) for n in range(50)])
    assert [result.id for result in await store.results(BOB, limit=1)] == ["a"]


@pytest.mark.parametrize(
    "domain", ["acme.ntek.clusterpbx.example' OR '1'='1", '"]', "%", "acme.ntek.clusterpbx.exampl_", ""]
)
async def test_a_domain_is_compared_whole_and_never_interpreted(store: Store, domain: str) -> None:
    await store.add_results([a_result("a", ACME)])
    assert await store.results(Scope.of(domain)) == []
    assert await store.results(ALICE, tenant=domain) == []


async def test_a_scope_of_ten_thousand_domains_holds(store: Store) -> None:
    wide = Scope.of(ACME, *(f"c{n}.ntek.clusterpbx.example" for n in range(10_000)))
    await store.add_results([a_result("a", ACME), a_result("o", OTHER)])
    await store.put_alerts([an_alert("a", ACME), an_alert("o", OTHER)])
    assert [result.id for result in await store.results(wide)] == ["a"]
    assert [result.id for result in await store.latest_results(wide)] == ["a"]
    assert [event.fingerprint for event in await store.alerts(wide)] == ["a"]
    assert await store.result(wide, "o") is None


async def test_an_alert_comes_back_exactly_as_it_was_given(store: Store) -> None:
    full = an_alert(
        "full",
        severity=Severity.WARNING,
        state=AlertState.RESOLVED,
        started=NOON - timedelta(microseconds=1),
        node="db1",
        flow="call",
        channel="east",
        probe="calls",
        location="mtl1",
        value=-0.5,
        cause="the SQL thread stopped: 1032",
        topology="main",
        tenants=(ACME, "é.example"),
        tenants_total=12,
    )
    bare = an_alert("bare", None)
    await store.put_alerts([full, bare])
    assert {event.fingerprint: event for event in await store.alerts(ALICE)} == {"full": full, "bare": bare}


async def test_the_newest_state_of_an_alert_wins_in_whatever_order_it_comes(store: Store) -> None:
    firing = an_alert(since=NOON)
    resolved = an_alert(since=NOON + seconds(60), state=AlertState.RESOLVED)
    await store.put_alerts([resolved])
    await store.put_alerts([firing])
    assert await store.alerts(ALICE) == [resolved]
    again = an_alert(since=NOON + seconds(90))
    await store.put_alerts([firing, again, resolved])
    assert await store.alerts(ALICE) == [again]


async def test_an_alert_that_goes_on_takes_its_new_value(store: Store) -> None:
    await store.put_alerts([an_alert(value=1.0)])
    await store.put_alerts([an_alert(value=2.0)])
    assert await store.alerts(ALICE) == [an_alert(value=2.0)]


async def test_alerts_are_put_all_or_none(store: Store) -> None:
    with pytest.raises(ValueError, match="finite"):
        await store.put_alerts([an_alert("f1"), an_alert("f2", value=float("nan"))])
    assert await store.alerts(ALICE) == []


async def test_alerts_come_newest_first(store: Store) -> None:
    await store.put_alerts([an_alert(f"f{n}", since=NOON + seconds(n // 2)) for n in (3, 0, 2, 1)])
    assert [event.fingerprint for event in await store.alerts(ALICE)] == ["f2", "f3", "f0", "f1"]


async def test_an_alert_about_a_database_is_no_tenants_own_though_it_names_them(store: Store) -> None:
    await store.put_alerts([an_alert("db", None, topology="main", tenants=(ACME,), tenants_total=1)])
    assert await store.alerts(BOB) == []


async def test_bob_sees_alerts_of_his_tenants_and_never_of_a_server(store: Store) -> None:
    await store.put_alerts([an_alert("a", ACME), an_alert("o", OTHER), an_alert("node", None, node="sip1")])
    assert [event.fingerprint for event in await store.alerts(BOB)] == ["a"]
    assert {event.fingerprint for event in await store.alerts(ALICE)} == {"a", "o", "node"}


async def test_accounts_are_leased_all_or_none(store: Store) -> None:
    end = NOON + seconds(60)
    assert await store.lease_accounts(["100@a", "101@a"], "serve", now=NOON, until=end)
    assert not await store.lease_accounts(["102@a", "101@a"], "probe", now=NOON, until=end)
    assert await store.lease_accounts(["102@a"], "another", now=NOON, until=end)


async def test_a_lease_past_its_end_is_free_and_not_a_moment_before(store: Store) -> None:
    end = NOON + seconds(60)
    assert await store.lease_accounts(["100@a"], "serve", now=NOON, until=end)
    before = end - timedelta(microseconds=1)
    assert not await store.lease_accounts(["100@a"], "probe", now=before, until=end + seconds(60))
    assert await store.lease_accounts(["100@a"], "probe", now=end, until=end + seconds(60))
    assert not await store.lease_accounts(["100@a"], "serve", now=end, until=end + seconds(60))


async def test_a_holder_extends_its_lease_and_never_shortens_it(store: Store) -> None:
    assert await store.lease_accounts(["100@a"], "serve", now=NOON, until=NOON + seconds(60))
    assert await store.lease_accounts(["100@a", "101@a"], "serve", now=NOON, until=NOON + seconds(90))
    assert await store.lease_accounts(["100@a"], "serve", now=NOON, until=NOON + seconds(30))
    later = NOON + seconds(89)
    assert not await store.lease_accounts(["100@a"], "probe", now=later, until=later + seconds(60))


async def test_a_lease_taken_over_ends_when_its_new_holder_said(store: Store) -> None:
    assert await store.lease_accounts(["100@a"], "serve", now=NOON, until=NOON + seconds(60))
    # The wall clock of the second one is ahead; its own lease is shorter than what was left by the first.
    ahead = NOON + seconds(61)
    assert await store.lease_accounts(["100@a"], "probe", now=ahead, until=ahead + seconds(1))
    assert await store.lease_accounts(["100@a"], "serve", now=ahead + seconds(1), until=ahead + seconds(9))


async def test_only_its_holder_gives_a_lease_back(store: Store) -> None:
    end = NOON + seconds(60)
    assert await store.lease_accounts(["100@a", "101@a"], "serve", now=NOON, until=end)
    await store.release_accounts(["100@a", "101@a", "no@such"], "probe")
    assert not await store.lease_accounts(["100@a"], "probe", now=NOON, until=end)
    await store.release_accounts(["100@a"], "serve")
    assert await store.lease_accounts(["100@a"], "probe", now=NOON, until=end)
    assert not await store.lease_accounts(["101@a"], "probe", now=NOON, until=end)


async def test_leasing_nothing_and_leasing_one_twice_in_a_call_is_allowed(store: Store) -> None:
    assert await store.lease_accounts([], "serve", now=NOON, until=NOON + seconds(1))
    assert await store.lease_accounts(["100@a", "100@a"], "serve", now=NOON, until=NOON + seconds(1))
    await store.release_accounts(["100@a", "100@a"], "serve")
    assert await store.lease_accounts(["100@a"], "probe", now=NOON, until=NOON + seconds(1))


async def test_a_closed_store_says_so_and_may_be_closed_again(store: Store) -> None:
    await store.aclose()
    await store.aclose()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.add_results([a_result()])
    with pytest.raises(StoreError, match="the store is closed"):
        await store.results(ALICE)
    with pytest.raises(StoreError, match="the store is closed"):
        await store.alerts(ALICE)
    with pytest.raises(StoreError, match="the store is closed"):
        await store.lease_accounts(["100@a"], "serve", now=NOON, until=NOON + seconds(1))


DOMAINS: Final = st.sampled_from([NTEK, ACME, BETA, OTHER, "_unknown"])
RESULTS: Final = st.lists(
    st.builds(
        a_result,
        st.integers(0, 30).map(lambda n: f"r{n:02}"),
        DOMAINS,
        probe=st.sampled_from(["calls", "registers"]),
        location=st.sampled_from(["mtl1", "par1"]),
        started=st.integers(-3, 3).map(lambda n: NOON + seconds(n)),
        duration=st.floats(0, 100),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(RESULTS, max_size=3),
    seen=st.one_of(st.none(), st.frozensets(DOMAINS)),
    prune=st.one_of(st.none(), st.integers(-3, 3)),
)
async def test_disk_and_memory_agree_and_never_show_what_is_foreign(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[object]],
    seen: frozenset[str] | None,
    prune: int | None,
) -> None:
    memory: Store = MemoryStore()
    disk: Store = await open_store(tmp_path_factory.mktemp("agree"))
    try:
        scope = Scope(seen)
        for batch in batches:
            for one in (memory, disk):
                await one.add_results(batch)  # type: ignore[arg-type]
        if prune is not None:
            before = NOON + seconds(prune)
            assert await memory.prune_results(before) == await disk.prune_results(before)
        found = await disk.results(scope, limit=1000)
        assert found == await memory.results(scope, limit=1000)
        assert await disk.latest_results(scope) == await memory.latest_results(scope)
        assert all(scope.allows(result.tenant) for result in found)
    finally:
        await disk.aclose()
