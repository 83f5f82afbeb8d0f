"""Who gets in, and what Charlie sees: nothing of anybody else, on any route."""

import re
from collections.abc import Iterator
from itertools import product

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st

from dialtone.model import AccessRole, Scope, Secret
from dialtone.web import WebToken, create_app
from dialtone.web.context import Visitor
from dialtone.web.gate import OPEN, Keys
from tests.unit.web.cast import ACME, KEYED, NTEK, TENANTS, TOKENS, VOLT, ZETA, client, context, seen_by
from tests.unit.web.promises import AUTHORS, CAUSES, PERIOD, REASONS

NODES = ("sip1-front", "db2-standby", "db1-live")
TOPOLOGIES = ("rack-one", "rack-two")
FILLINGS = {
    "name": (*NODES, *TOPOLOGIES),
    "domain": tuple(tenant.domain for tenant in TENANTS),
    "tenant": tuple(tenant.domain for tenant in TENANTS),
    "period": (PERIOD, "2026-01"),
    "result_id": ("acme-call", "acme-reg", "zeta-call", "zeta-reg", "nobody's"),
}
QUERIES = (
    "",
    f"?tenant={ACME}",
    f"?tenant={ZETA}",
    "?flow=call",
    "?limit=1",
    "?limit=x",
    "?cursor=x",
    "?since=x",
    f"?period={PERIOD}",
    f"?tenant={ACME}&step=day",
    "?format=json",
    "?format=csv",
)


def get_paths(app: FastAPI) -> Iterator[str]:
    """Yield every GET address of the application, path parameters filled with everybody's things."""
    for route in iter_route_contexts(app.router.routes):
        if "GET" not in (route.methods or ()):
            continue
        path = str(route.path)
        names = re.findall(r"{(\w+)}", path)
        for values in product(*(FILLINGS[name] for name in names)):
            yield path.format(**dict(zip(names, values, strict=True)))


async def bodies(http: httpx.AsyncClient, app: FastAPI) -> list[tuple[str, httpx.Response]]:
    """Ask every GET route every question; return the answers with what was asked."""
    paths = sorted(set(get_paths(app)))
    assert len(paths) > 15
    found = [(path + query, await http.get(path + query)) for path in paths for query in QUERIES]
    assert [asked for asked, answer in found if answer.status_code >= 500] == []
    return found


def foreign_to(who: str) -> tuple[str, ...]:
    """Return what one of the cast must never read."""
    own = {"charlie": {ZETA}, "alice": {ACME}, "bob": {NTEK, ACME}}[who]
    others = [tenant for tenant in TENANTS if tenant.domain not in own]
    rack = "rack-one" if who == "charlie" else "rack-two"
    names = (*(t.domain for t in others), *(t.name for t in others), *NODES, rack)
    told = (KEYED, AUTHORS, CAUSES)
    planted = (word for words in told for domain, word in words.items() if domain not in own)
    # What is declared further up holds for those below: they read why, and no name.
    beside = {"charlie": (NTEK, ACME), "alice": (VOLT, ZETA), "bob": (VOLT, ZETA)}[who]
    reasons = (REASONS[domain] for domain in beside)
    return (*names, *planted, *reasons, "author-of", "dc2", "OpenSIPS (", "Duplicate entry", "10.11.19")


def own_words(who: str) -> tuple[str, ...]:
    """Return the domains that one may read, longest first: they contain the names of those above them."""
    return {"charlie": (ZETA,), "alice": (ACME,), "bob": (ACME, NTEK)}[who]


@pytest.mark.parametrize("leaky", [False, True], ids=["board", "board that filters nothing"])
@pytest.mark.parametrize("who", ["charlie", "alice", "bob"])
async def test_nobody_sees_a_foreign_tenant_or_any_node_on_any_get_route(who: str, leaky: bool) -> None:
    app = create_app(await context(tokens=True, leaky=leaky))
    async with client(app, TOKENS[who]) as http:
        for asked, answer in await bodies(http, app):
            body = f"{answer.text} {dict(answer.headers)}"
            for own in own_words(who):
                body = body.replace(own, "")
            for foreign in foreign_to(who):
                assert foreign not in body, f"{who} read {foreign} at {asked}"


@pytest.mark.parametrize("who", ["charlie", "bob"])
async def test_what_they_must_not_see_is_there_for_the_platform(who: str) -> None:
    app = create_app(await context(tokens=True))
    async with client(app, TOKENS["root"]) as http:
        everything = " ".join(answer.text for _, answer in await bodies(http, app))
    assert [word for word in foreign_to(who) if word not in everything] == []


async def test_charlie_sees_what_is_charlies() -> None:
    async with seen_by("charlie") as http:
        status = (await http.get("/api/v1/status")).json()
        assert [t["domain"] for t in status["tenants"]] == [ZETA]
        assert status["tenants"][0]["parent"] is None
        assert (status["counts"]["nodes"], status["counts"]["nodes_down"]) == (None, None)
        assert {r["tenant"] for r in (await http.get("/api/v1/results")).json()["items"]} == {ZETA}
        assert {a["tenant"] for a in (await http.get("/api/v1/alerts")).json()["items"]} == {ZETA}
        assert (await http.get(f"/api/v1/tenants/{ZETA}")).status_code == 200
        heard = (await http.get("/api/v1/results/zeta-call")).json()["media"]
        assert [direction["digits"] for direction in heard] == ["", KEYED[ZETA]]
        assert "Zeta Clinic" in (await http.get("/")).text


async def test_a_reseller_sees_its_clients_and_their_place_in_the_tree() -> None:
    async with seen_by("bob") as http:
        tenants = (await http.get("/api/v1/tenants")).json()["items"]
    assert {t["domain"]: t["parent"] for t in tenants} == {NTEK: None, ACME: NTEK}


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/tenants/{ACME}",
        f"/api/v1/tenants/{VOLT}",
        "/api/v1/results/acme-call",
        "/api/v1/nodes/sip1-front",
        "/api/v1/topologies/rack-one",
        "/api/v1/topologies/rack-two",
        f"/api/v1/sla/{ACME}",
        f"/api/v1/sla/{VOLT}",
        f"/api/v1/timings?tenant={ACME}",
    ],
)
async def test_a_foreign_thing_is_as_absent_as_one_that_does_not_exist(path: str) -> None:
    async with seen_by("charlie") as http:
        foreign = await http.get(path)
        absent = await http.get(re.sub("[/=][^/=]+$", lambda end: end[0][0] + "nowhere.example", path))
    assert foreign.status_code == 404
    assert foreign.content == absent.content


@pytest.mark.parametrize("leaky", [False, True], ids=["board", "board that filters nothing"])
async def test_a_tenant_sees_what_its_databases_are_worth_and_not_that_there_are_others(leaky: bool) -> None:
    async with seen_by("charlie", leaky=leaky) as http:
        charlie = (await http.get("/api/v1/status")).json()["tenants"]
    async with seen_by("alice", leaky=leaky) as http:
        alice = (await http.get(f"/api/v1/tenants/{ACME}")).json()
    assert [tenant["databases"] for tenant in charlie] == [[{"topology": "rack-two", "impact": "none"}]]
    assert alice["databases"] == [{"topology": "rack-one", "impact": "hurt"}]


@pytest.mark.parametrize("what", ["nodes", "topologies"])
async def test_the_servers_of_anybody_but_the_platform_are_an_empty_list(what: str) -> None:
    async with seen_by("bob") as http:
        answer = await http.get(f"/api/v1/{what}")
    assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


async def test_metrics_mix_tenants_and_need_the_platforms_token() -> None:
    async with seen_by("bob") as http:
        assert (await http.get("/metrics")).status_code == 403
    async with seen_by("root") as http:
        assert (await http.get("/metrics")).status_code == 200


async def test_without_a_token_every_route_but_the_health_checks_is_closed() -> None:
    app = create_app(await context(tokens=True))
    async with client(app) as http:
        for path in {*get_paths(app), "/nowhere", "/api/v1/"}:
            answer = await http.get(path)
            assert answer.status_code == (200 if path in OPEN else 401), path
            if path not in OPEN:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wrong",
        "Bearer ",
        "Bearer",
        "",
        "Basic !!!",
        "Basic OnJvb3Q=",
        "Digest root-token-1",
        "Bearer \xe9",
    ],
)
async def test_a_wrong_token_is_no_token(header: str) -> None:
    async with client(create_app(await context(tokens=True))) as http:
        answer = await http.get("/api/v1/status", headers=[(b"authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert "root-token" not in answer.text


async def test_a_browser_may_send_the_token_as_its_password() -> None:
    async with client(create_app(await context(tokens=True))) as http:
        answer = await http.get("/", auth=httpx.BasicAuth("anybody", TOKENS["charlie"]))
    assert answer.status_code == 200
    assert "Zeta Clinic" in answer.text


@given(st.text(min_size=1).filter(lambda text: text.strip() and text.strip() not in {"päss:wörd", "other"}))
def test_only_the_whole_token_opens(offered: str) -> None:
    keys = Keys(
        [
            WebToken("a", lambda: Scope.of(ACME), Secret("päss:wörd")),
            WebToken("b", lambda: Scope.of(ZETA), Secret("other"), AccessRole.OPERATOR),
        ]
    )
    header = offered.encode().decode("latin-1")
    assert keys.visitor(f"Bearer {header}") is None
    assert keys.visitor("bearer other") == Visitor(Scope.of(ZETA), AccessRole.OPERATOR, "b")
    found = keys.visitor("Bearer " + "päss:wörd".encode().decode("latin-1"))
    assert found == Visitor(Scope.of(ACME), AccessRole.VIEWER, "a")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:9876", "localhost", "LOCALHOST:1", "localhost.", "[::1]:9876", "status.clusterpbx.example"],
)
async def test_without_tokens_the_services_own_names_are_answered(host: str) -> None:
    async with client(create_app(await context())) as http:
        assert (await http.get("/api/v1/status", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9876", "", "[::1"]
)
@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/metrics", "/nowhere"])
async def test_without_tokens_a_foreign_name_that_points_here_is_refused(host: str, path: str) -> None:
    async with client(create_app(await context())) as http:
        answer = await http.get(path, headers={"Host": host})
    assert answer.status_code == 421
    assert "sip1-front" not in answer.text


async def test_with_tokens_any_name_will_do() -> None:
    async with seen_by("root") as http:
        assert (await http.get("/api/v1/status", headers={"Host": "dialtone:9876"})).status_code == 200


async def test_a_large_body_is_refused_unread() -> None:
    async with client(create_app(await context())) as http:
        answer = await http.request("GET", "/api/v1/status", content=b"x" * 70_000)
    assert answer.status_code == 413
