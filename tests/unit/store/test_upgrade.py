"""Files that earlier versions wrote: what was in them is there, and counters go on from it.

tests/data/store/schema-N.sqlite3 was written by the program whose newest migration was N. Their results,
alerts and leases are the same; schema-2 has a message that waits and a probe that began, too. schema-5 has
some of everything there was before media, schema-6 results with media and a confirmed failure of before the
books.
"""

import shutil
import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from dialtone.model import (
    AlertState,
    Engine,
    Failure,
    FailureCode,
    Flow,
    Outcome,
    ProbeTotals,
    Scope,
    TimingTotals,
    TrafficMark,
)
from dialtone.store import open_store
from tests.fakes.records import NOON, a_message, a_result, a_stream, an_alert

WRITTEN: Final = Path(__file__).parents[2] / "data" / "store"

ALICE: Final = Scope.everything()
ACME: Final = "acme.ntek.clusterpbx.example"
NTEK: Final = "ntek.clusterpbx.example"
PASS, FAIL, INCONCLUSIVE = Outcome


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.fixture(params=[1, 2], ids=["schema 1", "schema 2"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data folder as an earlier version left it."""
    return left_by(request.param, tmp_path)


def left_by(schema: int, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copyfile(WRITTEN / f"schema-{schema}.sqlite3", folder / "dialtone.sqlite3")
    return folder


def histogram(size: int, total: float, **counts: int) -> TimingTotals:
    """Return a histogram of so many buckets; `b3=1` is one value in the fourth."""
    return TimingTotals(tuple(counts.get(f"b{n}", 0) for n in range(size)), total)


async def totals_of(folder: Path) -> list[ProbeTotals]:
    """Return what a folder's results add up to, the sums to the microsecond."""
    store = await open_store(folder)
    found = await store.probe_totals(ALICE)
    await store.aclose()
    return [
        replace(
            one,
            timings={timing: replace(of, sum=round(of.sum, 6)) for timing, of in one.timings.items()},
        )
        for one in found
    ]


async def test_counters_begin_with_the_results_that_are_there(folder: Path) -> None:
    assert await totals_of(folder) == [
        ProbeTotals(
            ACME,
            Flow.CALL,
            Engine.SIPPY,
            "mtl1",
            {(PASS, ""): 3, (FAIL, "auth"): 1, (INCONCLUSIVE, "no-port"): 1},
            {
                # 0.005, which is a bound, 0.0051 and 0.5; not those of a failure, of stress and by hand.
                "srd": histogram(12, 0.5101, b0=1, b1=1, b6=1),
                "pdd": histogram(12, 11.53, b3=1, b11=1),
                "sdd": histogram(12, 10.001, b0=1, b10=1),
                "sdt": histogram(15, 20_002.0, b3=1, b14=1),
            },
        ),
        ProbeTotals(
            ACME, Flow.CALL, Engine.SIPPY, "par1", {(PASS, ""): 1}, {"srd": histogram(12, 0.02, b2=1)}
        ),
        ProbeTotals(
            ACME,
            Flow.REGISTER,
            Engine.SIPPY,
            "mtl1",
            {(PASS, ""): 1, (FAIL, "timeout"): 2},
            {"rrd": histogram(12, 0.0625, b4=1)},
        ),
        ProbeTotals(NTEK, Flow.REGISTER, Engine.SIPPY, "mtl1", {(FAIL, "auth"): 1}, {}),
    ]


async def test_counters_go_on_and_are_computed_once(folder: Path) -> None:
    for result_id in ("new-1", "new-2"):
        store = await open_store(folder)
        await store.add_results([a_result(result_id, ACME, location="par1", timings={"srd": 0.02})])
        await store.aclose()
    [totals] = [one for one in await totals_of(folder) if one.location == "par1"]
    assert totals.outcomes == {(PASS, ""): 3}
    assert totals.timings == {"srd": histogram(12, 0.06, b2=3)}


async def test_results_alerts_and_leases_are_what_they_were(folder: Path) -> None:
    store = await open_store(folder)
    results = await store.results(ALICE)
    latest = await store.latest_results(ALICE)
    alerts = await store.alerts(ALICE)
    taken = await store.lease_accounts(
        [f"100@{ACME}"], "another", now=NOON + seconds(89), until=NOON + seconds(99)
    )
    await store.aclose()
    assert len(results) == 13
    assert next(result for result in results if result.id == "call-3") == a_result(
        "call-3",
        ACME,
        started=NOON + seconds(120),
        timings={"srd": 0.25},
        sip_status=403,
        outcome=FAIL,
        failure=Failure(FailureCode.AUTH, "403 Forbidden “é”"),
    )
    assert [result.id for result in latest] == ["call-6", "par-1", "reg-3", "stress-1", "ntek-1"]
    assert alerts == [
        an_alert(
            "registers",
            ACME,
            since=NOON + seconds(61),
            started=NOON + seconds(61),
            flow="register",
            cause="2 of 3 failed",
            value=2.0,
        ),
        an_alert(
            "node",
            None,
            rule="NodeDown",
            since=NOON + seconds(30),
            state=AlertState.RESOLVED,
            started=NOON + seconds(10),
            node="db2",
            channel="east",
        ),
    ]
    assert not taken


async def test_an_upgraded_file_takes_what_is_new(folder: Path) -> None:
    store = await open_store(folder)
    event = an_alert("new", probe="calls", location="mtl1", topology="main", tenants=(ACME,), tenants_total=9)
    await store.put_alerts([event], [a_message("k2", event)])
    await store.begin_result(a_result("begun now"))
    assert event in await store.alerts(ALICE)
    assert a_message("k2", event) in [entry.message for entry in await store.outbox()]
    assert a_result("begun now") in await store.adopt_unended()
    counted = a_result("counted", counts={"invite": 1}, certificate_expires=NOON)
    await store.add_results([counted])
    assert await store.result(ALICE, "counted") == counted
    assert await store.probe_counts(ALICE, since=NOON) == {ACME: {"invite": 1}}
    assert await store.traffic_marks() == {}
    mark = TrafficMark("sip1", NOON, 60.0, {ACME: {"invite": 5}})
    await store.count_traffic(mark, {ACME: {"invite": 2}})
    assert await store.traffic_marks() == {"sip1": mark}
    assert await store.traffic_counts(ALICE, since=NOON) == {ACME: {"invite": 2}}
    await store.aclose()


async def test_results_of_a_time_before_counts_have_none(folder: Path) -> None:
    store = await open_store(folder)
    assert all(result.counts == {} for result in await store.results(ALICE))
    assert all(result.certificate_expires is None for result in await store.results(ALICE))
    assert await store.probe_counts(ALICE, since=NOON) == {}
    await store.aclose()


async def test_messages_that_waited_and_probes_that_began_are_there(tmp_path: Path) -> None:
    store = await open_store(left_by(2, tmp_path))
    [entry] = await store.outbox()
    [begun] = await store.adopt_unended()
    [alert] = [alert for alert in await store.alerts(ALICE) if alert.fingerprint == "registers"]
    assert entry.message == a_message("k1", alert)
    assert (begun.id, begun.outcome, begun.counts) == ("begun", INCONCLUSIVE, {})
    await store.aclose()


async def test_a_result_with_damaged_timings_does_not_stop_the_upgrade(tmp_path: Path) -> None:
    folder = left_by(1, tmp_path)
    database = sqlite3.connect(folder / "dialtone.sqlite3")
    with database:
        database.execute("UPDATE results SET timings = '{\"srd\": 0.' WHERE id = 'par-1'")
        database.execute("UPDATE results SET timings = '{\"rrd\": \"soon\"}' WHERE id = 'reg-1'")
    database.close()
    totals = {(one.flow, one.location): one for one in await totals_of(folder) if one.tenant == ACME}
    assert totals[Flow.CALL, "par1"].outcomes == {(PASS, ""): 1}
    assert totals[Flow.CALL, "par1"].timings == {}
    assert totals[Flow.REGISTER, "mtl1"].timings == {}
    assert totals[Flow.CALL, "mtl1"].timings["sdt"] == histogram(15, 20_002.0, b3=1, b14=1)


async def test_before_media_nothing_was_heard_and_everything_else_is_there(tmp_path: Path) -> None:
    store = await open_store(left_by(5, tmp_path))
    by_hand, busy, registered, called = await store.results(ALICE)
    assert called == a_result(
        "call-1",
        timings={"srd": 0.25, "pdd": 0.5},
        counts={"invite": 1, "invite_200": 1, "session_complete": 1},
        evidence="evidence/acme/2026-03-01/call-1",
    )
    assert (busy.failure, busy.sip_status) == (Failure(FailureCode.SIP_4XX, "486 Busy “é”"), 486)
    assert registered.certificate_expires == NOON + seconds(86_400)
    assert [one.media for one in (registered, by_hand, busy, called)] == [(), (), (), ()]
    calls, registers = await store.probe_totals(ALICE)
    assert calls.outcomes == {(PASS, ""): 1, (FAIL, "sip-4xx"): 1}
    assert calls.timings == {"srd": histogram(12, 0.25, b6=1), "pdd": histogram(12, 0.5, b6=1)}
    assert calls.counts == {"invite": 2, "invite_200": 1, "session_complete": 1, "invite_end_user": 1}
    assert (set(registers.timings), calls.media, registers.media) == ({"rrd"}, {}, {})
    [begun] = await store.adopt_unended()
    assert (begun.id, begun.outcome, begun.media) == ("begun", INCONCLUSIVE, ())
    [alert], [entry] = await store.alerts(ALICE), await store.outbox()
    assert (alert.tenants, entry.message) == ((ACME, NTEK), a_message("k1", alert))
    assert await store.traffic_marks() == {"sip1": TrafficMark("sip1", NOON, 60.0, {ACME: {"invite": 5}})}
    await store.aclose()


async def test_an_upgraded_file_takes_media(folder: Path, tmp_path: Path) -> None:
    for at in (folder, left_by(5, tmp_path / "five")):
        store = await open_store(at)
        heard = a_result("heard", location="lon1", media=(a_stream(), a_stream("caller", lost=3)))
        await store.add_results([heard])
        assert await store.result(ALICE, "heard") == heard
        [totals] = [one for one in await store.probe_totals(ALICE) if one.location == "lon1"]
        assert len(totals.media) == 8
        await store.aclose()


async def test_results_of_before_the_books_are_there_and_have_no_say_in_slices(tmp_path: Path) -> None:
    store = await open_store(left_by(6, tmp_path))
    confirmed, failed, called = await store.results(ALICE)
    assert called == a_result("call-1", timings={"srd": 0.25}, media=(a_stream(), a_stream("caller", lost=3)))
    assert [one.outcome for one in (failed, confirmed)] == [FAIL, FAIL]
    assert {one.interval for one in (called, failed, confirmed)} == {0.0}
    [begun] = await store.adopt_unended()
    assert (begun.id, begun.interval) == ("begun", 0.0)
    [totals] = await store.probe_totals(ALICE)
    assert totals.outcomes == {(PASS, ""): 1, (FAIL, "timeout"): 2, (INCONCLUSIVE, "engine-crashed"): 1}
    ever: dict[str, Any] = {"since": NOON - seconds(86_400), "until": NOON + seconds(86_400)}
    assert await store.books.slices(ALICE, **ever) == []
    assert await store.books.causes(ALICE, **ever) == []
    await store.aclose()


@pytest.mark.parametrize("schema", [1, 2, 5, 6])
async def test_an_upgraded_file_keeps_books_from_its_first_result_on(tmp_path: Path, schema: int) -> None:
    store = await open_store(left_by(schema, tmp_path))
    slot = int(NOON.timestamp()) // 60
    probed: dict[str, Any] = {"slot": slot, "interval": 60.0}
    silent: dict[str, Any] = {"outcome": FAIL, "failure": Failure(FailureCode.TIMEOUT, "no answer")}
    await store.add_results([a_result(f"new-{n}", attempt=n, **probed, **silent) for n in (1, 2)])
    [series] = await store.books.slices(ALICE, since=NOON, until=NOON + seconds(60))
    [cause] = await store.books.causes(ALICE, since=NOON, until=NOON + seconds(60))
    assert (series.key.tenant, series.since, series.until) == (ACME, NOON, None)
    assert (cause.slot, cause.cause) == (slot, "timeout: no answer")
    await store.aclose()
    again = await open_store(tmp_path)
    assert await again.books.slices(ALICE, since=NOON, until=NOON + seconds(60)) == [series]
    await again.aclose()
