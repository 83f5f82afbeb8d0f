"""The page, and what supervisors and Prometheus ask."""

import functools
import gzip
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

import dialtone.web
from dialtone.model import Level, Outcome, Scope, Tenant
from dialtone.web import create_app
from dialtone.web.beside import beside
from dialtone.web.operations import accepts_gzip
from dialtone.web.overview import overview
from dialtone.web.page import age
from dialtone.web.ratios import ratios_of
from tests.fakes.alerts import NOON, result
from tests.fakes.store import BreakableStore
from tests.unit.web.cast import ACME, ZETA, ListBoard, client, context, seen_by


async def test_the_page_shows_tenants_nodes_and_alerts_worst_first() -> None:
    async with client(create_app(await context())) as http:
        page = (await http.get("/")).text
    assert "<h1>1 tenant failing</h1>" in page
    assert page.index("Acme Bakery") < page.index("Zeta Clinic")
    assert page.index("db2-standby</b>") < page.index("sip1-front</b>")
    assert "no answer to INVITE" in page
    assert "RRD 12 ms" in page


async def test_the_page_of_a_tenant_shows_neither_nodes_nor_metrics() -> None:
    async with seen_by("charlie") as http:
        page = (await http.get("/")).text
    assert "<h2>Nodes</h2>" not in page
    assert "/metrics" not in page


async def test_names_from_outside_are_text_on_the_page_and_never_markup() -> None:
    evil = "<script>alert(1)</script>"
    made = await context(
        tenants=lambda: [Tenant(ACME, None, Level.CLIENT, evil)],
        board=ListBoard((), [result(Outcome.FAIL, ACME, detail=evil)]),
    )
    async with client(create_app(made)) as http:
        page = (await http.get("/")).text
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 2


async def test_the_page_has_no_script_and_loads_nothing_from_elsewhere() -> None:
    async with client(create_app(await context())) as http:
        answer = await http.get("/")
        assert "<script" not in answer.text
        assert "style=" not in answer.text  # the content policy would drop it
        loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
        assert all(url.startswith(("/", "data:image/svg+xml,")) for url in loaded)
        for url in (url for url in loaded if url.startswith("/")):
            assert (await http.get(url)).status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy


async def test_every_answer_has_the_safe_headers_errors_too() -> None:
    async with client(create_app(await context())) as http:
        for path in ("/", "/api/v1/status", "/metrics", "/healthz", "/nowhere", "/api/v1/results?limit=0"):
            headers = (await http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff", path
            assert headers["cache-control"] == "no-store", path
            assert "frame-ancestors 'none'" in headers["content-security-policy"], path


@pytest.mark.parametrize(
    ("outcomes", "title"),
    [
        ([Outcome.PASS, Outcome.PASS], "Everything passes"),
        ([Outcome.PASS, Outcome.FAIL], "1 tenant failing"),
        ([Outcome.FAIL, Outcome.FAIL], "2 tenants failing"),
        ([Outcome.PASS, Outcome.INCONCLUSIVE], "Not everything could be tested"),
        ([], "Nothing tested yet"),
    ],
)
async def test_the_first_line_says_how_it_is(outcomes: list[Outcome], title: str) -> None:
    last = [result(outcome, tenant) for outcome, tenant in zip(outcomes, (ACME, ZETA), strict=False)]
    made = await context(board=ListBoard((), last), store=BreakableStore())
    async with client(create_app(made)) as http:
        page = (await http.get("/")).text
    assert f"<h1>{title}</h1>" in page


@pytest.mark.parametrize("has_probes", [True, False])
async def test_where_no_probes_are_configured_no_results_are_promised(has_probes: bool) -> None:
    made = await context(board=ListBoard((), []), store=BreakableStore(), has_probes=has_probes)
    async with client(create_app(made)) as http:
        page = (await http.get("/")).text
    assert ("<h1>Nothing is tested</h1>" in page) is not has_probes
    assert ("No probes are configured." in page) is not has_probes
    assert ("The first results come within" in page) is has_probes
    assert ("no test has run yet" in page) is has_probes


async def test_with_a_node_down_and_every_test_passing_the_page_says_both() -> None:
    made = await context(store=BreakableStore())
    [down, _] = made.board.nodes(Scope.everything())
    made = replace(made, board=ListBoard((down,), [result(Outcome.PASS, ACME)]))
    async with client(create_app(made)) as http:
        page = (await http.get("/")).text
    assert "<h1>1 node down</h1>" in page
    assert "No tenant&#39;s test fails." in page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_ages_have_one_unit(seconds: int, words: str) -> None:
    assert age(NOON, NOON + timedelta(seconds=seconds)) == words


async def test_healthz_answers_whatever_the_store_does() -> None:
    made = await context(ready=lambda: False)
    assert isinstance(made.store, BreakableStore)
    made.store.broken = True
    async with client(create_app(made)) as http:
        assert (await http.get("/healthz")).text == "ok\n"
        assert (await http.head("/healthz")).status_code == 200


async def test_readyz_waits_for_the_first_polls_and_the_store() -> None:
    polled = False
    made = await context(ready=lambda: polled)
    assert isinstance(made.store, BreakableStore)
    async with client(create_app(made)) as http:
        early = await http.get("/readyz")
        assert (early.status_code, early.json()["detail"]) == (503, "the first polls are not done yet")
        polled = True
        assert (await http.get("/readyz")).status_code == 200
        made.store.broken = True
        assert (await http.get("/readyz")).json()["detail"] == "the store does not answer"


async def test_metrics_are_rendered_where_collectors_change_them_and_nowhere_else() -> None:
    threads: list[int] = []

    def page() -> list[bytes]:
        threads.append(threading.get_ident())
        return [b"up 1\n"]

    async with client(create_app(await context(metrics_page=page))) as http:
        for accepted in ("gzip", "identity"):
            await http.get("/metrics", headers={"Accept-Encoding": accepted})
    assert threads == [threading.get_ident()] * 2


async def test_metrics_are_gzipped_only_when_asked() -> None:
    page = b"up 1\n" * 5000
    async with client(create_app(await context(metrics_page=lambda: [page]))) as http:
        plain = await http.get("/metrics", headers={"Accept-Encoding": "identity"})
        assert plain.content == page
        assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "content-encoding" not in plain.headers
        async with http.stream("GET", "/metrics", headers={"Accept-Encoding": "gzip"}) as packed:
            raw = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert gzip.decompress(raw) == page
    assert len(raw) < len(page) / 20
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("identity", False),
        ("", False),
        ("x-gzip-not", False),
    ],
)
def test_accept_encoding_is_read_as_rfc_9110_says(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


def test_template_and_style_sheet_are_part_of_the_package() -> None:
    folder = Path(dialtone.web.__file__).parent
    assert (folder / "templates" / "overview.html").is_file()
    assert (folder / "static" / "dialtone.css").is_file()


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/api/v1/tenants", "/api/v1/ratios"])
async def test_what_speaks_of_every_tenant_is_put_together_beside_the_loop(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()

    def noted(*arguments: Any, work: Callable[..., Any], **named: Any) -> Any:
        threads.add(threading.get_ident())
        return work(*arguments, **named)

    monkeypatch.setattr("dialtone.web.api.overview", functools.partial(noted, work=overview))
    monkeypatch.setattr("dialtone.web.access.ratios_of", functools.partial(noted, work=ratios_of))
    async with client(create_app(await context())) as http:
        assert (await http.get(path)).status_code == 200
    assert threads
    assert threading.get_ident() not in threads


async def test_answers_about_every_tenant_are_made_one_after_the_other() -> None:
    at_once, most = 0, 0
    turn = threading.Lock()

    def work() -> None:
        nonlocal at_once, most
        with turn:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.01)
        with turn:
            at_once -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(beside, work)
    assert most == 1
