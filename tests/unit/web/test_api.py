"""The API's answers, as the platform sees them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from dialtone.model import Outcome
from dialtone.web import create_app
from dialtone.web import cursor as cursors
from dialtone.web.access import Position
from tests.fakes.alerts import NOON, result
from tests.fakes.clock import FakeClock
from tests.fakes.records import an_alert
from tests.fakes.store import BreakableStore
from tests.unit.web.cast import ACME, KEYED, NTEK, PLATFORM, VOLT, ZETA, ListBoard, client, context


async def test_status_has_everything_at_once_worst_first() -> None:
    async with client(create_app(await context())) as http:
        status = (await http.get("/api/v1/status")).json()
    assert (status["location"], status["version"], status["health"]) == ("mtl1", "0.1.0", "failing")
    assert status["counts"] == {
        "tenants": 5,
        "flows": {"pass": 2, "fail": 1, "inconclusive": 1},
        "alerts": {"firing": 2, "pending": 1},
        "nodes": 2,
        "nodes_down": 1,
    }
    domains = [tenant["domain"] for tenant in status["tenants"]]
    assert domains[0] == PLATFORM
    assert domains.index(ACME) < domains.index(ZETA)
    acme = status["tenants"][domains.index(ACME)]
    assert (acme["health"], acme["alerts_firing"]) == ("failing", 1)
    assert [(flow["flow"], flow["outcome"], flow["failure"]) for flow in acme["flows"]] == [
        ("call", "fail", "timeout"),
        ("register", "pass", None),
    ]


async def test_a_node_shows_texts_and_figures_while_its_reading_is_fresh() -> None:
    async with client(create_app(await context())) as http:
        node = (await http.get("/api/v1/nodes/sip1-front")).json()
        down = (await http.get("/api/v1/nodes/db2-standby")).json()
    assert node["info"] == {"version": "OpenSIPS (3.6.8 (x86_64/linux))"}
    assert node["samples"][1] == {
        "metric": "opensips_uptime_seconds",
        "labels": ["sip1-front"],
        "value": 9000.0,
        "at": "2026-03-01T12:00:00Z",
    }
    assert node["spreads"] == [
        {
            "metric": "asterisk_tenant_rtp_mos",
            "labels": ["sip1-front", ZETA, VOLT, "sent"],
            "counts": [1, 0, 7],
            "sum": 30.5,
            "at": "2026-03-01T12:00:00Z",
        }
    ]
    assert (down["up"], down["failure"], down["info"]) == (False, "connect", {})
    assert down["samples"] == down["spreads"] == []


async def test_a_topology_says_who_replicates_from_whom_what_is_wrong_since_when_and_whom_it_hurts() -> None:
    async with client(create_app(await context())) as http:
        listed = (await http.get("/api/v1/topologies")).json()["items"]
        rack = (await http.get("/api/v1/topologies/rack-one")).json()
        absent = await http.get("/api/v1/topologies/rack")
    assert [one["name"] for one in listed] == ["rack-one", "rack-two"]
    assert listed[0] == {key: value for key, value in rack.items() if key != "tenants"}
    assert absent.status_code == 404
    assert (rack["kind"], rack["impact"], rack["at"]) == ("active-passive", "hurt", "2026-03-01T12:00:00Z")
    assert [(m["node"], m["up"], m["writable"]) for m in rack["members"]] == [
        ("db1-live", True, True),
        ("db2-standby", True, False),
    ]
    (link,) = rack["links"]
    assert (link["source"], link["replica"], link["channel"]) == ("db1-live", "db2-standby", "dc2")
    assert (link["io_running"], link["sql_running"]) == (True, False)
    assert (link["lag"], link["measured"], link["gap"]) == (75.0, True, 40)
    assert rack["checks"] == {"fine": 1, "suspect": 1, "bad": 1}
    assert [(t["trouble"], t["state"], t["since"]) for t in rack["troubles"]] == [
        ("duplicate-key", "bad", "2026-03-01T11:56:00Z"),
        ("late", "suspect", None),
    ]
    assert rack["troubles"][0] | {"since": None} == {
        "trouble": "duplicate-key",
        "state": "bad",
        "node": "db2-standby",
        "channel": "dc2",
        "value": 1062.0,
        "detail": "Could not execute Write_rows: Duplicate entry '7'",
        "impact": "hurt",
        "since": None,
    }
    assert (rack["tenants_count"], rack["tenants"]) == (2, [NTEK, ACME])


async def test_a_tenant_says_which_databases_hold_its_data() -> None:
    async with client(create_app(await context())) as http:
        tenants = (await http.get("/api/v1/tenants")).json()["items"]
    assert {tenant["domain"]: tenant["databases"] for tenant in tenants} == {
        PLATFORM: [],
        NTEK: [{"topology": "rack-one", "impact": "hurt"}],
        ACME: [{"topology": "rack-one", "impact": "hurt"}],
        VOLT: [{"topology": "rack-two", "impact": "none"}],
        ZETA: [{"topology": "rack-two", "impact": "none"}],
    }


async def test_alerts_that_never_fired_are_not_history() -> None:
    async with client(create_app(await context())) as http:
        alerts = (await http.get("/api/v1/alerts")).json()["items"]
    assert len(alerts) == 4
    assert all(alert["started"] for alert in alerts if alert["state"] == "resolved")


async def test_alerts_of_two_probes_of_one_flow_can_be_told_apart() -> None:
    made = await context()
    twins = [an_alert(f"twin-{name}", flow="call", probe=name, location="mtl1") for name in ("fr1", "fr2")]
    await made.store.put_alerts(twins)
    async with client(create_app(made)) as http:
        alerts = (await http.get("/api/v1/alerts")).json()["items"]
        page = (await http.get("/")).text
    told = {(a["probe"], a["location"]) for a in alerts if a["fingerprint"].startswith("twin-")}
    assert told == {("fr1", "mtl1"), ("fr2", "mtl1")}
    assert "fr1</span>" in page
    assert "fr2</span>" in page


async def test_a_result_says_why_it_failed() -> None:
    async with client(create_app(await context())) as http:
        found = (await http.get("/api/v1/results/acme-call")).json()
    assert (found["outcome"], found["failure"], found["detail"]) == (
        "fail",
        "timeout",
        f"no answer to INVITE of 101@{ACME}",
    )


async def test_a_result_says_what_each_side_heard() -> None:
    async with client(create_app(await context())) as http:
        deaf = (await http.get("/api/v1/results/acme-call")).json()
        unheard = (await http.get("/api/v1/results/acme-reg")).json()
        described = (await http.get("/api/v1/openapi.json")).json()
    assert deaf["media"] == [
        {
            "speaker": "callee",
            "listener": "caller",
            "found": "voice",
            "codec": "PCMU",
            "sent": 100,
            "received": 100,
            "lost": 25,
            "late": 0,
            "duplicates": 0,
            "reordered": 0,
            "loss_ratio": 0.2,
            "jitter": 0.004,
            "buffer": 0.02,
            "burst": 1.0,
            "rtt": 0.03,
            "delay": 0.055,
            "mos": 4.41,
            "digits": KEYED[ACME],
        }
    ]
    assert unheard["media"] == []
    told = described["components"]["schemas"]["MediaOut"]["properties"]
    assert told.keys() == deaf["media"][0].keys()
    assert "E-model" in told["mos"]["description"]


async def test_results_are_filtered_by_tenant_in_any_spelling_flow_and_time() -> None:
    async with client(create_app(await context())) as http:

        async def ids(**query: str) -> set[str]:
            answer = await http.get("/api/v1/results", params=query)
            return {item["id"] for item in answer.json()["items"]}

        assert await ids(tenant=f"{ACME.upper()}.") == {"acme-call", "acme-reg"}
        assert await ids(flow="call") == {"acme-call", "zeta-call"}
        assert await ids(since="2026-03-01T12:00:01Z") == set()
        assert await ids(since="2026-03-01T07:00:00-05:00", tenant=ZETA) == {"zeta-call", "zeta-reg"}


async def test_pages_give_every_result_once_though_new_ones_arrive_and_many_share_an_instant() -> None:
    made = await context()
    # Twenty in the same instant: a cursor that only knew the time would lose or repeat some.
    many = [
        result(Outcome.PASS, ACME, result_id=f"p{n:03d}", started=NOON + timedelta(seconds=max(n - 20, 0)))
        for n in range(60)
    ]
    await made.store.add_results(many)
    seen: list[str] = []
    async with client(create_app(made)) as http:
        query = {"limit": "7", "tenant": ACME}
        while True:
            page = (await http.get("/api/v1/results", params=query)).json()
            seen += [item["id"] for item in page["items"]]
            if page["next"] is None:
                break
            query["cursor"] = page["next"]
            late = result(Outcome.PASS, ACME, started=NOON + timedelta(hours=1, seconds=len(seen)))
            await made.store.add_results([late])
    assert len(seen) == len(set(seen)) == 62
    assert set(seen) == {r.id for r in many} | {"acme-call", "acme-reg"}


async def test_a_cursor_whose_result_was_pruned_goes_on_with_what_is_older() -> None:
    cursor = cursors.write(Position(NOON + timedelta(seconds=1), "pruned"))
    async with client(create_app(await context())) as http:
        page = (await http.get("/api/v1/results", params={"cursor": cursor})).json()
    assert len(page["items"]) == 4


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=0", "greater than or equal to 1"),
        ("limit=1001", "less than or equal to 1000"),
        ("flow=pager", "'attended-transfer' or 'http'"),
        ("since=yesterday", "is no instant"),
        ("since=2026-03-01T12:00:00", "has no zone"),
        ("cursor=!!", "this is no cursor"),
        ("cursor=eHw", "this is no cursor"),
        ("cursor=MjAyNi0wMy0wMXw", "this is no cursor"),
        (f"tenant={'x' * 300}", "at most 253 characters"),
    ],
)
async def test_a_wrong_parameter_is_named_with_what_is_wrong(query: str, words: str) -> None:
    async with client(create_app(await context())) as http:
        answer = await http.get(f"/api/v1/results?{query}")
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert problem["errors"][0]["at"] == f"query.{query.partition('=')[0]}"
    assert words in problem["errors"][0]["problem"]


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/v1/nowhere", "/api/v1/results/none", "/api/v1/nodes/none"]
)
async def test_what_does_not_exist_is_a_problem_of_rfc_9457(path: str) -> None:
    async with client(create_app(await context())) as http:
        answer = await http.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is nothing here that you may see",
    }


async def test_what_is_only_read_says_so() -> None:
    async with client(create_app(await context())) as http:
        answer = await http.post("/api/v1/alerts", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["detail"] == "this address knows no such method: use GET"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_also_written_names_every_method_it_knows() -> None:
    async with client(create_app(await context())) as http:
        listing = await http.put("/api/v1/maintenance", json={})
        one = await http.post("/api/v1/corrections/7", json={})
    assert (listing.status_code, listing.headers["allow"]) == (405, "GET, POST")
    assert listing.json()["detail"] == "this address knows no such method: use GET, POST"
    assert (one.status_code, one.headers["allow"]) == (405, "DELETE")


async def test_a_store_that_goes_on_failing_is_logged_once_a_spell() -> None:
    made = await context()
    assert isinstance(made.store, BreakableStore)
    assert isinstance(made.clock, FakeClock)
    made.store.broken = True
    async with client(create_app(made)) as http:
        with capture_logs() as logs:
            for _ in range(10):
                assert (await http.get("/api/v1/alerts")).status_code == 503
                await made.clock.advance(30)
        assert [one["event"] for one in logs] == ["web.store_failed"]
        await made.clock.advance(61)
        with capture_logs() as logs:
            await http.get("/api/v1/alerts")
        assert [one["event"] for one in logs] == ["web.store_failed"], "another spell"


@pytest.mark.parametrize(
    "path", ["/api/v1/status", "/api/v1/results", "/api/v1/results/x", "/api/v1/alerts", "/"]
)
async def test_a_store_that_fails_is_a_503_without_its_inner_words(path: str) -> None:
    made = await context()
    assert isinstance(made.store, BreakableStore)
    made.store.broken = True
    async with client(create_app(made)) as http:
        answer = await http.get(path)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert "disk" not in answer.text


async def test_a_mistake_of_ours_is_a_500_without_its_inner_words() -> None:
    def broken() -> list[bytes]:
        raise ZeroDivisionError("secret inner words")

    async with client(create_app(await context(metrics_page=broken))) as http:
        answer = await http.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "inner words" not in answer.text


async def test_openapi_describes_every_route_its_errors_and_the_token() -> None:
    async with client(create_app(await context())) as http:
        described = (await http.get("/api/v1/openapi.json")).json()
    assert set(described["paths"]) == {
        "/api/v1/status",
        "/api/v1/nodes",
        "/api/v1/nodes/{name}",
        "/api/v1/topologies",
        "/api/v1/topologies/{name}",
        "/api/v1/tenants",
        "/api/v1/tenants/{domain}",
        "/api/v1/ratios",
        "/api/v1/results",
        "/api/v1/results/{result_id}",
        "/api/v1/alerts",
        "/api/v1/sla",
        "/api/v1/sla/{tenant}",
        "/api/v1/statements/{tenant}/{period}",
        "/api/v1/closings",
        "/api/v1/timings",
        "/api/v1/maintenance",
        "/api/v1/maintenance/{id}",
        "/api/v1/corrections",
        "/api/v1/corrections/{id}",
    }
    document = described["paths"]["/api/v1/statements/{tenant}/{period}"]["get"]["responses"]["200"]
    assert set(document["content"]) == {
        *("text/html", "application/pdf", "text/csv", "application/json", "text/plain"),
    }
    document["content"]["application/json"]["schema"] = {"$ref": "a document of its own"}
    for path in described["paths"].values():
        for method, route in path.items():
            assert route["security"] == [{"HTTPBearer": []}]
            assert list(route["responses"]["422"]["content"]) == ["application/problem+json"]
            answer = route["responses"]["201" if method == "post" else "200"]
            assert answer["content"]["application/json"]["schema"]["$ref"]
            changes = {"400", "403", "408", "409", "413", "415"}
            assert changes <= set(route["responses"]) or method == "get"


async def test_what_was_never_tested_is_not_called_passing() -> None:
    made = await context()
    made = replace(made, store=BreakableStore(), board=ListBoard((), ()))
    async with client(create_app(made)) as http:
        status = (await http.get("/api/v1/status")).json()
    assert status["health"] == "untested"
    assert {tenant["health"] for tenant in status["tenants"]} == {"untested"}
