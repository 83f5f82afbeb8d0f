"""`dialtone serve` keeps the books: from results to /metrics, the API, a statement and a declaration."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.fakes.sip_server import Manner, SipServer
from tests.integration.service import ACME, BOLT, PLATFORM, Service, serving, until, write_config

pytestmark = pytest.mark.integration

PASSWORD: Final = "planted-7718-phone"
USERS: Final = {"100": PASSWORD, "101": PASSWORD}
TOKENS: Final = {
    "ops": "0123456789-of-ops",
    "acme": "0123456789-of-acme",
    "bolt": "0123456789-of-bolt",
}


def access() -> dict[str, object]:
    """Return the tokens: the platform's operator, and one that only reads of each client."""
    scopes = {"ops": PLATFORM, "acme": ACME, "bolt": BOLT}
    return {
        "tokens": [
            {"name": name, "scope": scope, "token": {"env": f"TOKEN_{name.upper()}"}}
            | ({"role": "operator"} if name == "ops" else {})
            for name, scope in scopes.items()
        ]
    }


ENVIRONMENT: Final = {f"TOKEN_{name.upper()}": token for name, token in TOKENS.items()}


def configured(folder: Path, target: str) -> Path:
    """Return the configuration: both clients are promised that their phones can register."""
    return write_config(
        folder,
        accounts={ACME: USERS, BOLT: USERS},
        probes=[
            {
                "name": "logins",
                "flow": "register",
                "target": target,
                "interval": "5s",
                "timeout": "1s",
                "tenants": [ACME, BOLT],
            }
        ],
        objectives=[{"name": "telephony", "flows": ["register"], "target": "99.9%"}],
        access=access(),
    )


async def put_down(service: Service, kind: str, body: dict[str, Any], who: str) -> tuple[int, Any]:
    """Declare something; return the status and the answer."""
    headers = {"Authorization": f"Bearer {TOKENS[who]}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{service.base}/api/v1/{kind}", json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json(content_type=None)


async def measured(service: Service) -> list[dict[str, Any]]:
    """Return the services of which something was measured."""
    items = (await service.api("/sla", token=TOKENS["ops"]))["items"]
    return [one for one in items if one["figures"]["good"] + one["figures"]["bad"] >= 2]


async def test_what_was_probed_is_accounted_for_and_shown_also_after_a_restart(tmp_path: Path) -> None:
    async with SipServer(USERS, Manner.PROPER, ACME) as sip:
        config = configured(tmp_path, sip.target)
        async with serving(config, env=ENVIRONMENT) as service:

            async def both() -> bool:
                return len(await measured(service)) == 2

            await until("slices of both clients are good", both, seconds=60)
            assert await service.stop() == 0
        async with serving(config, env=ENVIRONMENT) as service:
            await figures_are_shown(service)
            await each_sees_its_own(service)
            await work_is_declared_by_who_may(service)
            assert not service.logged("figures of SLA can't be computed, they grow old")
            assert await service.stop() == 0
        assert "Traceback" not in service.log.read_text()


async def figures_are_shown(service: Service) -> None:
    async def page() -> str:
        _, text = await service.ask("/metrics", token=TOKENS["ops"])
        known = "dialtone_sla_availability_ratio{" in text and "dialtone_sla_age_seconds" in text
        return text if known else ""

    text = await until("the metrics show figures", page)
    series = f'reseller="ntek.{PLATFORM}",service="telephony",tenant="{ACME}"'
    assert f"dialtone_sla_availability_ratio{{{series}}} 1.0\n" in text
    assert f"dialtone_sla_target_ratio{{{series}}} 0.999\n" in text
    assert f"dialtone_sla_open_incident{{{series}}} 0.0\n" in text
    assert f'dialtone_sla_burn_rate{{{series},window="5m"}} 0.0\n' in text
    assert "dialtone_sla_errors_total 0.0\n" in text
    assert "dialtone_sla_traffic_lost_total 0.0\n" in text


async def each_sees_its_own(service: Service) -> None:
    own = (await service.api("/sla", token=TOKENS["acme"]))["items"]
    assert [(one["tenant"], one["service"], one["met"]) for one in own] == [(ACME, "telephony", True)]
    status, _ = await service.ask(f"/api/v1/sla/{BOLT}", token=TOKENS["acme"])
    assert status == 404
    period = f"{datetime.now(UTC):%Y-%m}"
    status, page = await service.ask(f"/api/v1/statements/{ACME}/{period}?format=text", token=TOKENS["acme"])
    assert (status, "telephony" in page) == (200, True)
    status, _ = await service.ask(f"/api/v1/statements/{ACME}/{period}", token=TOKENS["bolt"])
    assert status == 404
    rows = (await service.api(f"/timings?tenant={ACME}", token=TOKENS["acme"]))["items"]
    assert {row["flow"] for row in rows} == {"register"}


async def work_is_declared_by_who_may(service: Service) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(second=0, microsecond=0)
    work = {"tenant": ACME, "begins": tomorrow.isoformat(), "seconds": 3600, "reason": "New proxies"}
    assert (await put_down(service, "maintenance", work, "acme"))[0] == 403
    status, made = await put_down(service, "maintenance", work, "ops")
    assert (status, made["author"], made["tenant"]) == (201, "ops", ACME)
    status, refused = await put_down(service, "maintenance", work | {"begins": "2026-01-01T00:00:00Z"}, "ops")
    assert status == 422
    assert "is past" in refused["detail"]
    listed = (await service.api("/maintenance", token=TOKENS["acme"]))["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    assert (await service.api("/maintenance", token=TOKENS["bolt"]))["items"] == []
