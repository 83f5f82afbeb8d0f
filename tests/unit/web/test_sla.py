"""What was promised and kept, over the API: figures, statements, closed months, timings."""

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dialtone.model import Closing, Engine, Flow, LogHistogram, Rollup, RollupKey, Scope
from dialtone.ports import StoreError
from dialtone.sla.closing import BrokenClosingError
from dialtone.web import create_app
from dialtone.web.timings import timing_rows
from tests.fakes.alerts import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.ledger import FakeLedger
from tests.fakes.records import a_result
from tests.fakes.statements import a_statement
from tests.unit.web.cast import ACME, NTEK, TOKENS, ZETA, client, context, seen_by
from tests.unit.web.promises import CAUSES, PERIOD, accounts, statements


async def got(path: str, who: str = "root") -> Any:
    """Return what one of the cast is answered."""
    async with seen_by(who) as http:
        answer = await http.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_service_with_the_least_budget_left_comes_first_and_what_was_not_measured_last() -> None:
    told = await got("/sla")
    assert [(one["tenant"], one["service"], one["met"]) for one in told["items"]] == [
        (ACME, "Calls", False),
        (ACME, "Logins", True),
        (ZETA, "Calls", None),
    ]
    calls, _, unmeasured = told["items"]
    assert calls["figures"]["bad"] == 780
    assert calls["budget"]["left"] < 0
    assert calls["open_incident"] is True
    assert [(one["severity"], one["long"], one["short"]) for one in calls["burning"]] == [("page", 3600, 300)]
    assert unmeasured["figures"]["availability"] is None
    assert unmeasured["figures"]["coverage"] == 0
    assert unmeasured["figures"]["provisional"] is True


async def test_services_are_filtered_and_bounded_and_the_answer_says_how_many_there_are() -> None:
    assert [one["service"] for one in (await got("/sla?limit=1"))["items"]] == ["Calls"]
    assert (await got("/sla?limit=1"))["total"] == 3
    assert [one["tenant"] for one in (await got("/sla?service=Logins"))["items"]] == [ACME]
    assert [one["tenant"] for one in (await got(f"/sla?tenant={ZETA.upper()}."))["items"]] == [ZETA]


async def test_a_month_may_be_asked_for_and_the_ledger_is_asked_with_the_readers_scope() -> None:
    made = await context()
    assert isinstance(made.ledger, FakeLedger)
    async with client(create_app(made)) as http:
        await http.get("/api/v1/sla?period=2026-02")
        await http.get(f"/api/v1/sla/{ACME}")
    assert [period for _, period in made.ledger.asked] == ["2026-02", None]


async def test_a_tenants_services_have_days_incidents_burn_rates_and_both_readings() -> None:
    told = await got(f"/sla/{ACME}")
    calls = told["items"][0]
    assert (told["tenant"], calls["objective"]["sli"], calls["objective"]["zone"]) == (
        ACME,
        "availability",
        "America/Montreal",
    )
    assert calls["raw"] == calls["figures"]
    assert (len(calls["days"]), calls["days"][0]["bad"]) == (31, 780)
    first, last = calls["incidents"]
    assert first["causes"] == [CAUSES[ACME]]
    assert (first["to_detect"], first["to_recover"], last["end"]) == (8.5, 600, None)
    assert calls["burns"][0] == {"window": 300, "rate": 60.0, "bad": 3}


async def test_a_reseller_sees_the_services_of_its_clients_and_no_others() -> None:
    assert {one["tenant"] for one in (await got("/sla", "bob"))["items"]} == {ACME}
    assert {one["tenant"] for one in (await got("/sla", "charlie"))["items"]} == {ZETA}
    assert (await got("/sla?tenant=" + ACME, "charlie")) == {"items": [], "total": 0, "broken": []}


@pytest.mark.parametrize(
    ("format_", "media_type", "shown", "begin"),
    [
        ("html", "text/html; charset=utf-8", "inline", b"<!doctype html>"),
        ("pdf", "application/pdf", "attachment", b"%PDF-"),
        ("csv", "text/csv; charset=utf-8", "attachment", b""),
        ("json", "application/json", "inline", b"{"),
        ("text", "text/plain; charset=utf-8", "inline", b""),
    ],
)
async def test_a_statement_is_given_as_what_was_asked_for(
    format_: str, media_type: str, shown: str, begin: bytes
) -> None:
    async with seen_by("alice") as http:
        answer = await http.get(f"/api/v1/statements/{ACME.upper()}/{PERIOD}?format={format_}")
    suffix = "txt" if format_ == "text" else format_
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"] == (
        f'{shown}; filename="statement-{ACME}-{PERIOD}.{suffix}"'
    )
    assert answer.content.lower().startswith(begin.lower())


async def test_a_statement_may_bring_its_style_and_run_and_load_nothing() -> None:
    async with seen_by("alice") as http:
        page = await http.get(f"/api/v1/statements/{ACME}/{PERIOD}")
        other = await http.get(f"/api/v1/statements/{ACME}/{PERIOD}?format=json")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    assert "script" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert "unsafe-inline" not in other.headers["content-security-policy"]


@pytest.mark.parametrize("who", ["charlie", "alice", "bob"])
@pytest.mark.parametrize("format_", ["html", "pdf", "csv", "json", "text"])
async def test_a_foreign_statement_is_as_absent_as_none_even_where_the_ledger_leaks(
    who: str, format_: str
) -> None:
    foreign = ACME if who == "charlie" else ZETA
    async with seen_by(who, leaky=True) as http:
        theirs = await http.get(f"/api/v1/statements/{foreign}/{PERIOD}?format={format_}")
        nobodys = await http.get(f"/api/v1/statements/nowhere.example/{PERIOD}?format={format_}")
    assert theirs.status_code == 404
    assert theirs.content == nobodys.content


async def test_a_domain_with_odd_characters_makes_no_odd_file_name() -> None:
    odd = replace(a_statement(), tenant=replace(a_statement().tenant, domain=ACME), period=PERIOD)
    strange = replace(odd, tenant=replace(odd.tenant, domain='a";\r\nb'))
    made = await context()
    made = replace(made, ledger=FakeLedger(statements=(strange,), leaky=True))
    async with client(create_app(made)) as http:
        answer = await http.get(f"/api/v1/statements/{ACME}/{PERIOD}?format=json")
    assert answer.headers["content-disposition"] == f'inline; filename="statement-a____b-{PERIOD}.json"'


@pytest.mark.parametrize(
    "path",
    [
        f"/statements/{ACME}/9999-99",
        f"/statements/{ACME}/9999-12",
        f"/statements/{ACME}/2026-04",
        f"/statements/{ACME}/0000-01",
        f"/statements/{ACME}/2026-13",
        f"/statements/{ACME}/-2026-1",
        f"/statements/{ACME}/2026-02%0a",
        f"/statements/{ACME}/{PERIOD}?format=exe",
        "/sla?period=9999-99",
        "/sla?period=2026-04",
        "/sla?period=",
        "/sla?limit=0",
        f"/sla/{ACME}?period=２０２６-02",
        f"/sla?tenant={'x' * 300}",
        "/closings?period=x",
        "/closings?limit=1001",
        "/closings?limit=0",
        "/closings?cursor=x",
        "/closings?cursor=bm9wZQ",
        "/timings",
        f"/timings?tenant={ACME}&since=2026-03-01T12:00:00",
        f"/timings?tenant={ACME}&since=2026-01-01T12:00:00Z",
        f"/timings?tenant={ACME}&since=0001-01-01T00:00:00Z&step=day",
        f"/timings?tenant={ACME}&since=0001-01-01T00:00:00%2B14:00",
        f"/timings?tenant={ACME}&until=0001-01-01T00:00:00Z",
        f"/timings?tenant={ACME}&until=9999-12-31T23:59:59-14:00",
        f"/timings?tenant={ACME}&step=week",
        "/maintenance?limit=1001",
        "/maintenance?cursor=-1",
        "/corrections?cursor=99999999999999999999",
    ],
)
async def test_what_makes_no_sense_is_named_with_what_is_wrong(path: str) -> None:
    async with seen_by("root") as http:
        answer = await http.get(f"/api/v1{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["problem"]


@pytest.mark.parametrize(
    "path",
    [
        "/sla/a/b",
        "/sla/a%2Fb",
        "/sla/..%2F..%2Fetc",
        f"/statements/{ACME}%2F..%2F{ZETA}/{PERIOD}",
        f"/statements/{ACME}/{PERIOD}/x",
        "/sla/%00",
        "/sla/%ff",
    ],
)
async def test_a_tenant_with_slashes_or_stranger_bytes_is_none(path: str) -> None:
    async with seen_by("root") as http:
        assert (await http.get(f"/api/v1{path}")).status_code == 404


async def test_a_month_that_has_begun_in_the_far_east_may_be_asked_for() -> None:
    made = await context()
    made = replace(made, clock=FakeClock(NOON.replace(day=31, hour=13)))
    async with client(create_app(made)) as http:
        assert (await http.get("/api/v1/sla?period=2026-04")).status_code == 200
        assert (await http.get("/api/v1/sla?period=2026-05")).status_code == 422


async def test_what_the_books_refuse_is_told_in_their_words_and_a_store_that_fails_is_a_503() -> None:
    made = await context()
    for ledger, status in (
        (FakeLedger(refused="2026-02 has not begun yet"), 422),
        (FakeLedger(fails=StoreError("database or disk is full")), 503),
        (FakeLedger(fails=ValueError("inner words")), 500),
    ):
        async with client(create_app(replace(made, ledger=ledger))) as http:
            for path in ("/sla", f"/sla/{ACME}", f"/statements/{ACME}/{PERIOD}"):
                answer = await http.get(f"/api/v1{path}")
                assert answer.status_code == status, path
                assert answer.headers["content-type"] == "application/problem+json"
                assert ("has not begun yet" in answer.text) is (status == 422)
                assert "disk" not in answer.text
                assert "inner" not in answer.text


async def test_a_closed_month_that_the_books_dont_give_is_a_conflict_that_says_how_to_find_out_more() -> None:
    words = f"{ACME} {PERIOD}: the books don't give what was closed; run `dialtone sla verify`"
    made = await context(ledger=FakeLedger(fails=BrokenClosingError(words, tenant=ACME, period=PERIOD)))
    async with client(create_app(made)) as http:
        for path in (f"/sla/{ACME}?period={PERIOD}", f"/statements/{ACME}/{PERIOD}"):
            answer = await http.get(f"/api/v1{path}")
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.status_code, answer.json()["detail"]) == (409, words), path


async def test_closed_months_come_last_first_and_their_chain_is_the_platforms_to_know() -> None:
    every = (await got("/closings"))["items"]
    assert [(one["tenant"], one["sequence"]) for one in every] == [(ZETA, 2), (ACME, 1)]
    assert every[0]["previous"] == every[1]["hash"]
    (own,) = (await got("/closings", "charlie"))["items"]
    assert own == every[0] | {"sequence": None, "previous": None, "author": None}
    assert (await got(f"/closings?tenant={ACME}", "charlie"))["items"] == []
    assert (await got("/closings?period=2026-01"))["items"] == []


async def test_a_broken_closing_takes_no_others_figures_and_is_told_to_whom_it_concerns() -> None:
    words = f"{ACME} {PERIOD}: the books don't give what was closed"
    broken = [BrokenClosingError(words, tenant=ACME, period=PERIOD)]
    for leaky in (False, True):
        ledger = FakeLedger(accounts()[2:], broken=broken, leaky=leaky)
        app = create_app(await context(tokens=True, ledger=ledger))
        for who, told in (("root", True), ("alice", True), ("bob", True), ("charlie", False)):
            async with client(app, TOKENS[who]) as http:
                found = (await http.get(f"/api/v1/sla?period={PERIOD}")).json()
            expected = [{"tenant": ACME, "period": PERIOD, "problem": words}] if told else []
            assert found["broken"] == expected, who
            assert found["total"] == (who in ("root", "charlie")), who


async def test_closed_months_are_told_in_pages_whose_cursor_holds_what_was_shown_alone() -> None:
    first = await got("/closings?limit=1")
    rest = await got(f"/closings?limit=1&cursor={first['next']}")
    assert [one["tenant"] for one in (*first["items"], *rest["items"])] == [ZETA, ACME]
    assert rest["next"] is None
    assert base64.urlsafe_b64decode(first["next"] + "==").decode() == f"{ZETA}|{PERIOD}"
    assert (await got(f"/closings?cursor={first['next']}", "alice"))["items"] == [], "nothing to go on from"
    assert (await got("/closings?limit=1", "charlie"))["next"] is None


async def test_of_closed_months_no_more_is_read_than_is_shown() -> None:
    made = await context()
    honest, asked = made.store.books.closings, list[bool]()

    async def noted(scope: Scope, *, whole: bool = True, **changes: str | None) -> list[Closing]:
        asked.append(whole)
        return await honest(scope, whole=whole, **changes)

    made.store.books.closings = noted  # type: ignore[method-assign]
    async with client(create_app(made)) as http:
        assert (await http.get("/api/v1/closings")).status_code == 200
    assert asked == [False]


async def test_timings_are_added_up_by_hour_and_day_from_what_results_left() -> None:
    made = await context()
    await made.store.add_results(
        [
            a_result(
                f"r{number}",
                ACME,
                started=NOON - timedelta(minutes=90 - number),
                timings={"pdd": number / 100},
            )
            for number in range(1, 61)
        ]
    )
    async with client(create_app(made)) as http:
        hours = (await http.get(f"/api/v1/timings?tenant={ACME}")).json()["items"]
        days = (await http.get(f"/api/v1/timings?tenant={ACME}&step=day")).json()["items"]
        none = (await http.get(f"/api/v1/timings?tenant={ZETA}&until=2026-02-01T00:00:00Z")).json()
    assert [
        (row["start"][11:16], row["timing"], row["count"]) for row in hours if row["timing"] == "pdd"
    ] == [
        ("10:00", "pdd", 29),
        ("11:00", "pdd", 31),
    ]
    (day,) = [row for row in days if row["timing"] == "pdd"]
    assert (day["count"], day["max"], day["flow"]) == (60, 0.6, "call")
    assert day["mean"] == pytest.approx(0.305)
    assert 0.3 <= day["p50"] <= 0.33
    assert none == {"items": [], "next": None}


async def test_timings_of_a_foreign_tenant_do_not_exist() -> None:
    async with seen_by("bob") as http:
        assert (await http.get(f"/api/v1/timings?tenant={ACME}")).status_code == 200
        assert (await http.get(f"/api/v1/timings?tenant={NTEK}")).status_code == 200
        assert (await http.get(f"/api/v1/timings?tenant={ZETA}")).status_code == 404


def test_timings_of_several_probes_of_a_flow_are_one_and_nothing_is_told_of_none() -> None:
    def rollup(probe: str, *values: float) -> Rollup:
        made = Rollup(RollupKey(ACME, Flow.CALL, probe, Engine.SIPPY, "mtl1"), NOON)
        made.timings["pdd"] = LogHistogram()
        for value in values:
            made.timings["pdd"].observe(value)
        return made

    (row,) = timing_rows([rollup("one", 0.1, 0.2), rollup("two", 0.3), rollup("three")])
    assert (row.count, row.max, row.p99) == (3, 0.3, 0.3)
    assert row.mean == pytest.approx(0.2)
    assert timing_rows([rollup("three")]) == ()


def test_the_fakes_have_what_the_cast_needs() -> None:
    assert {one.objective.tenant for one in accounts()} == {ACME, ZETA}
    assert {one.tenant.domain for one in statements()} == {ACME, ZETA}
