"""The demo's screen and verdict follow the flows that are tested, whatever they are."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from dialtone.cli.demo.screen import WIDTH, screen
from dialtone.cli.demo.service import flows
from dialtone.cli.demo.verdict import Proof
from dialtone.cli.demo.view import Api, FlowView, NodeView, TenantView, View
from dialtone.model import Flow

ACME: Final = "acme.ntek.clusterpbx.example"
ALL: Final = tuple(flow.value for flow in Flow)
NODE: Final = NodeView("sip1", "opensips", True, "", "3.6", {})


def shown(view: View, tested: Sequence[str]) -> list[str]:
    """Return the lines of the screen on a plain terminal."""
    console = Console(width=200, force_terminal=False, no_color=True)
    with console.capture() as captured:
        console.print(screen(view, tested, ["0.1 s  something"], ["Dialtone demo"]))
    return captured.get().splitlines()


def ending(outcome: str = "pass", delay: float | None = 0.0123, why: str = "") -> FlowView:
    return FlowView(outcome, why, delay)


def test_few_flows_are_shown_with_their_delays() -> None:
    client = TenantView(ACME, {"register": ending(), "call": ending("fail", None, "timeout")})
    lines = shown(View((client,), (NODE,)), ("register", "call"))
    assert "register RRD" in lines[1]
    assert "call SRD" in lines[1]
    assert "ok 12.3 ms" in lines[2]
    assert "FAIL timeout" in lines[2]


def test_a_call_that_was_heard_is_shown_with_its_score_within_80_columns() -> None:
    client = TenantView("umbrella.modulis.clusterpbx.example", {"call": FlowView("pass", "", 0.0123, 4.41)})
    lines = shown(View((client,), (NODE,)), ("register", "call"))
    assert "call SRD, MOS" in lines[1]
    assert "on front/pbx" in lines[1]
    assert "ok 12.3 ms 4.4" in lines[2]
    assert max(len(line.rstrip()) for line in lines) <= WIDTH


def test_all_flows_fit_80_columns_and_say_how_they_ended() -> None:
    endings = {flow: ending() for flow in ALL[:-2]} | {ALL[-2]: ending("fail", None, "transfer-failed")}
    lines = shown(View((TenantView(ACME, endings),), (NODE,)), ALL)
    assert max(len(line.rstrip()) for line in lines) <= WIDTH
    assert lines[1].split() == ["tenant", "opt", "reg", "call", "pres", "blind", "att", "http", "calls"]
    assert lines[2].split() == [ACME, *["ok"] * 5, "FAIL", "...", "-/-"]


@pytest.mark.parametrize("flow", ALL)
def test_every_flow_has_a_column(flow: str) -> None:
    assert flow.split("-")[0] in shown(View((), ()), (flow,))[1]


def test_the_flows_are_those_of_the_configuration_each_once(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    probes = [{"name": f"{flow}{n}", "flow": flow} for n in (1, 2) for flow in ("http", "call", "register")]
    path.write_text(json.dumps({"probes": probes}))
    assert flows(path) == ("register", "call", "http")
    path.write_text("{}")
    assert flows(path) == ()


async def test_of_several_probes_of_a_flow_the_worst_is_seen() -> None:
    def result(outcome: str, failure: str | None) -> dict[str, Any]:
        media = [{"mos": 4.4}, {"mos": 3.2}, {"mos": None}]
        return {
            "flow": "call",
            "outcome": outcome,
            "failure": failure,
            "timings": {"srd": 0.1},
            "media": media,
        }

    tenant = {
        "domain": ACME,
        "level": "client",
        "flows": [result("fail", "timeout"), result("pass", None)],  # worst first, as the API has it
    }

    async def status(_: web.Request) -> web.Response:
        return web.json_response({"tenants": [tenant]})

    async def nodes(_: web.Request) -> web.Response:
        return web.json_response({"items": []})

    app = web.Application()
    app.router.add_get("/api/v1/status", status)
    app.router.add_get("/api/v1/nodes", nodes)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        view = await Api(session, str(server.make_url("")).rstrip("/")).look()
    assert view.clients[0].flows["call"] == FlowView("fail", "timeout", 0.1, 3.2)


def test_every_flow_must_have_passed_for_every_tenant() -> None:
    view = View((), (NODE,))
    passed = {(ACME, flow): {"pass"} for flow in ALL}
    words = "options, register, call, presence, blind-transfer, attended-transfer and http of 1 tenants"
    assert words in Proof(view, (ACME,), ALL, passed, {}).summary()
    lacking = {key: seen for key, seen in passed.items() if key[1] != "presence"}
    assert Proof(view, (ACME,), ALL, lacking, {}).missing() == [f"presence never passed for {ACME}"]
    failed = passed | {(ACME, "http"): {"pass", "fail"}}
    assert Proof(view, (ACME,), ALL, failed, {}).missing() == [f"http failed for {ACME}"]
