"""Ratios over the API and on the page: computed from sums, by the hour, and never anybody else's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialtone.model import COUNTS, Flow, Level, Origin, Outcome, Scope, Secret, Tenant, TrafficMark
from dialtone.quality import added, ratios
from dialtone.web import WebContext, WebToken, create_app
from dialtone.web.page import percent
from dialtone.web.ratios import Source, ratios_of
from tests.fakes.alerts import NOON, result
from tests.fakes.records import a_result, a_stream
from tests.fakes.store import BreakableStore
from tests.unit.web.cast import ACME, NTEK, PLATFORM, TENANTS, TOKENS, VOLT, ZETA, ListBoard, client, context

COUNTED: Final[Mapping[str, Mapping[str, int]]] = {
    ACME: {
        "invite": 10,
        "invite_200": 8,
        "invite_end_user": 1,
        "session_complete": 7,
        "invite_ineffective": 1,
    },
    NTEK: {"invite": 2, "invite_200": 2, "session_complete": 2},
    ZETA: {"invite": 4, "invite_3xx": 4, "register": 5, "register_failed": 1},
}


CARRIED: Final[Mapping[str, Mapping[str, int]]] = {
    ACME: {"invite": 1000, "invite_200": 700, "invite_end_user": 200, "session_complete": 650},
    ZETA: {"invite": 10, "invite_3xx": 10},
}
"""What the tenants' own traffic counted in the same half hour."""


async def counting(**changes: Any) -> WebContext:
    """Return the cast's platform on which probes have counted, and traffic was, half an hour ago."""
    made = await context(**changes)
    await made.store.add_results(
        [
            a_result(f"of {tenant}", tenant, started=NOON - timedelta(minutes=30), counts=counts)
            for tenant, counts in COUNTED.items()
        ]
    )
    mark = TrafficMark("sip1", NOON - timedelta(minutes=30), 60.0)
    await made.store.count_traffic(mark, CARRIED)
    return made


async def asked(who: str = "root", **query: str) -> dict[str, Any]:
    """Return the items of an answer, by tenant."""
    async with client(create_app(await counting(tokens=True)), TOKENS[who]) as http:
        answer = await http.get("/api/v1/ratios", params=query)
    assert answer.status_code == 200, answer.text
    return {item["tenant"]: item for item in answer.json()["items"]}


async def test_each_tenant_has_its_own_ratios_and_those_above_the_sum() -> None:
    items = await asked()
    assert list(items) == [tenant.domain for tenant in TENANTS]
    acme, ntek = items[ACME], items[NTEK]
    assert acme["own"] == {
        "counts": COUNTED[ACME],
        "ser": 0.8,
        "seer": 0.9,
        "isa": 0.1,
        "ira": None,
        "scr": 0.7,
    }
    assert (acme["below"], acme["subtree"]) == (0, None)
    assert (ntek["own"]["ser"], ntek["below"]) == (1.0, 1)
    assert ntek["subtree"]["ser"] == 10 / 12  # of the sums: not the mean of 0.8 and 1
    assert items[PLATFORM]["below"] == 4
    assert items[PLATFORM]["subtree"]["counts"]["invite"] == 16
    assert items[PLATFORM]["subtree"]["ser"] == 10 / 12


async def test_ratios_of_the_tenants_own_traffic_are_asked_for_by_name_and_mixed_with_nothing() -> None:
    items = await asked(source="traffic")
    assert list(items) == [tenant.domain for tenant in TENANTS]
    assert items[ACME]["own"] == {
        "counts": CARRIED[ACME],
        "ser": 0.7,
        "seer": 0.9,
        "isa": 0.0,
        "ira": None,
        "scr": 0.65,
    }
    assert items[NTEK]["own"]["counts"] == {}
    assert items[NTEK]["subtree"]["ser"] == 0.7
    assert items[PLATFORM]["subtree"]["counts"]["invite"] == 1010
    assert items[ZETA]["own"]["ser"] is None
    assert await asked(source="probes") == await asked()


async def test_an_answer_says_whose_requests_it_counts_and_another_source_is_refused() -> None:
    async with client(create_app(await counting())) as http:
        assert (await http.get("/api/v1/ratios")).json()["source"] == "probes"
        assert (await http.get("/api/v1/ratios?source=traffic")).json()["source"] == "traffic"
        refused = await http.get("/api/v1/ratios?source=rumours")
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "query.source")


async def test_a_ratio_without_a_denominator_is_null() -> None:
    items = await asked()
    zeta = items[ZETA]["own"]
    assert (zeta["ser"], zeta["seer"], zeta["isa"], zeta["ira"], zeta["scr"]) == (None, None, 0.0, 0.2, 0.0)
    assert items[VOLT]["own"] == {"counts": {}, **dict.fromkeys(("ser", "seer", "isa", "ira", "scr"))}


async def test_a_resellers_token_sees_its_own_subtree_and_a_clients_itself() -> None:
    for source in ("probes", "traffic"):
        assert set(await asked("bob", source=source)) == {NTEK, ACME}
        assert set(await asked("charlie", source=source)) == {ZETA}
    bob, charlie = await asked("bob"), await asked("charlie")
    assert set(bob) == {NTEK, ACME}
    assert bob[NTEK]["subtree"]["ser"] == 10 / 12
    assert set(charlie) == {ZETA}


async def test_one_tenant_is_asked_for_in_any_spelling_and_a_foreign_one_does_not_exist() -> None:
    assert set(await asked(tenant=f"{NTEK.upper()}.")) == {NTEK}
    assert await asked("charlie", tenant=ACME) == await asked("charlie", tenant="nowhere.example") == {}


async def test_a_time_is_counted_from_its_full_hour_and_the_answer_says_so() -> None:
    async with client(create_app(await counting())) as http:

        async def since(text: str | None) -> tuple[str, int]:
            answer = (await http.get("/api/v1/ratios", params={"since": text} if text else {})).json()
            platform = next(item for item in answer["items"] if item["tenant"] == PLATFORM)
            return answer["since"], platform["subtree"]["counts"].get("invite", 0)

        assert await since(None) == ("2026-02-28T12:00:00Z", 16)
        assert await since("2026-03-01T11:59:00Z") == ("2026-03-01T11:00:00Z", 16)
        assert await since("2026-03-01T07:00:00-05:00") == ("2026-03-01T12:00:00Z", 0)
        assert await since("9999-12-31T23:59:59-14:00") == ("2026-03-01T12:00:00Z", 0)


@pytest.mark.parametrize(
    "since", ["2026-02-22T11:59:59Z", "0001-01-01T00:00:00+14:00", "2026-03-01T12:00:00"]
)
async def test_a_time_too_far_back_or_without_a_zone_is_refused_with_what_is_possible(since: str) -> None:
    async with client(create_app(await context())) as http:
        answer = await http.get("/api/v1/ratios", params={"since": since})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == "query.since"


async def test_probes_by_hand_and_inconclusive_ones_are_in_no_ratio() -> None:
    made = await context()
    lost = replace(result(Outcome.INCONCLUSIVE, ACME), counts={"invite": 9})
    by_hand = a_result("by hand", ACME, counts={"invite": 90}, origin=Origin.MANUAL)
    await made.store.add_results([lost, by_hand])
    async with client(create_app(made)) as http:
        items = (await http.get("/api/v1/ratios")).json()["items"]
    assert all(item["own"]["counts"] == {} for item in items)


COUNTS_OF: Final = st.dictionaries(
    st.sampled_from([tenant.domain for tenant in TENANTS]),
    st.dictionaries(st.sampled_from(list(COUNTS)), st.integers(1, 1000), min_size=1),
)


class LeakyStore(BreakableStore):
    """A store with a mistake: it counts everybody for everybody."""

    async def probe_counts(self, scope: Scope, **more: Any) -> dict[str, dict[str, int]]:
        """Return all counts."""
        return await super().probe_counts(Scope.everything(), **more)

    async def traffic_counts(self, scope: Scope, **more: Any) -> dict[str, dict[str, int]]:
        """Return all counts."""
        return await super().traffic_counts(Scope.everything(), **more)


@settings(max_examples=30, deadline=None)
@given(
    counts=COUNTS_OF,
    seen=st.sets(st.sampled_from([tenant.domain for tenant in TENANTS])),
    leaky=st.booleans(),
    source=st.sampled_from(Source),
)
async def test_what_one_sees_depends_on_nothing_foreign(
    counts: dict[str, dict[str, int]], seen: set[str], leaky: bool, source: Source
) -> None:
    async def items_of(known: Mapping[str, Mapping[str, int]]) -> list[Any]:
        store = (LeakyStore if leaky else BreakableStore)()
        if source is Source.PROBES:
            await store.add_results([a_result(name, name, counts=of) for name, of in known.items()])
        else:
            await store.count_traffic(TrafficMark("sip1", NOON, 60.0), known)
        token = WebToken("one", partial(Scope.of, *seen), Secret("a-long-token"))
        app = create_app(replace(await context(), store=store, tokens=(token,)))
        async with client(app, "a-long-token") as http:
            answer = await http.get("/api/v1/ratios", params={"source": source})
            return list(answer.json()["items"])

    items = await items_of(counts)
    assert {item["tenant"] for item in items} == seen
    assert items == await items_of({name: of for name, of in counts.items() if name in seen})
    for item in items:
        assert item["own"]["counts"] == counts.get(item["tenant"], {})


@given(COUNTS_OF)
def test_the_whole_tree_adds_up_to_all_counts(counts: dict[str, dict[str, int]]) -> None:
    found = {one.tenant.domain: one for one in ratios_of(TENANTS, counts)}
    whole = found[PLATFORM].subtree
    assert whole is not None
    assert whole.counts == added(counts.values())
    assert whole.ratios == ratios(added(counts.values()))


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, "-"), (0.0, "0.00 %"), (1.0, "100.00 %"), (0.99999, "99.99 %"), (2 / 3, "66.66 %")],
)
def test_a_share_is_never_rounded_up(share: float | None, shown: str) -> None:
    assert percent(share) == shown


async def test_the_page_shows_how_many_test_calls_are_established_and_nothing_where_none_was_made() -> None:
    async with client(create_app(await counting())) as http:
        page = (await http.get("/")).text
    assert "83.33 %" in page
    assert "70.00 %</b><span>tenants' own calls established" in page.replace("&#39;", "'")
    assert page.count("SER of own calls 70.00 %") == 1  # Acme's; its reseller's own is nothing
    assert page.count("SER</abbr> of own calls 70.00 %") == 2  # those above: the reseller and the platform
    assert "(SER)" in page
    async with client(create_app(await context())) as http:
        assert "(SER)" not in (await http.get("/")).text


async def test_the_page_shows_every_flow_with_the_figure_that_says_most_of_it() -> None:
    shown = {
        Flow.OPTIONS: ("options_delay", '<span class="how">84 ms'),
        Flow.REGISTER: ("rrd", "RRD 84 ms"),
        Flow.CALL: ("pdd", "PDD 84 ms"),
        Flow.PRESENCE: ("presence_delay", "seen after 84 ms"),
        Flow.BLIND_TRANSFER: ("transfer_delay", "after 84 ms"),
        Flow.ATTENDED_TRANSFER: ("transfer_delay", "after 84 ms"),
        Flow.HTTP: ("http_duration", '<span class="how">84 ms'),
    }
    assert set(shown) == set(Flow)
    for flow, (name, words) in shown.items():
        last = a_result(flow, ACME, flow=flow, timings={name: 0.084})
        made = await context(
            tenants=lambda: [Tenant(ACME, None, Level.CLIENT, "Acme")],
            board=ListBoard((), [last, a_result("bare", ZETA, flow=flow, timings={})]),
        )
        async with client(create_app(made)) as http:
            page = (await http.get("/")).text
        assert f'<span class="what">{flow}</span>' in page
        assert words in page


async def test_of_a_call_that_was_listened_to_the_page_shows_the_worse_score() -> None:
    heard = a_result("heard", ACME, timings={"pdd": 0.084}, media=(a_stream("caller"), a_stream(mos=3.876)))
    unscored = a_result("unscored", ZETA, timings={"pdd": 0.084}, media=(a_stream("caller", mos=None),))
    made = await context(board=ListBoard((), [heard, unscored]))
    async with client(create_app(made)) as http:
        page = (await http.get("/")).text
    assert '<span class="how">PDD 84 ms, MOS 3.88</span>' in page
    assert '<span class="how">PDD 84 ms</span>' in page


async def test_several_probes_of_one_flow_are_told_apart_by_their_names() -> None:
    last = [a_result(name, ACME, probe=name) for name in ("to-echo", "to-voicemail")]
    last.append(a_result("alone", ACME, probe="logins", flow=Flow.REGISTER))
    made = await context(board=ListBoard((), last))
    async with client(create_app(made)) as http:
        page = (await http.get("/")).text
    assert "to-echo</span>" in page
    assert "to-voicemail</span>" in page
    assert "logins" not in page


async def test_a_result_shows_its_counts_and_when_the_certificate_ends() -> None:
    made = await context()
    kept = a_result("web", ACME, flow=Flow.HTTP, counts={}, certificate_expires=NOON + timedelta(days=9))
    await made.store.add_results([kept, a_result("call", ACME, counts={"invite": 1, "invite_200": 1})])
    async with client(create_app(made)) as http:
        web = (await http.get("/api/v1/results/web")).json()
        call = (await http.get("/api/v1/results/call")).json()
    assert (web["certificate_expires"], web["counts"]) == ("2026-03-10T12:00:00Z", {})
    assert (call["certificate_expires"], call["counts"]) == (None, {"invite": 1, "invite_200": 1})
