"""`dialtone serve` while a domain appears on a server and disappears from it: nothing is restarted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.mi import FakeMi
from tests.integration.service import Service, dialtone, serving, until, write_config, write_private

pytestmark = pytest.mark.integration

DATA: Final = Path(__file__).parents[1] / "data" / "opensips" / "3.6.8"
REPLIES: Final = {
    "get_statistics": "live-get_statistics-all",
    "list_statistics": "live-list_statistics",
    "profile_get_values": "live-profile_get_values-tenant",
    "version": "live-version",
}
PLATFORM: Final = "example.net"
NTEK: Final = "ntek.example.net"
MODULIS: Final = "modulis.example.net"
GLOBEX: Final = "globex.modulis.example.net"
NEW: Final = "acme.ntek.example.net"
"""A tenant with calls in the recordings."""
TOKENS: Final = {"ops": PLATFORM, "ntek": NTEK, "modulis": MODULIS}
PATHS: Final = ("/", "/api/v1/status", "/api/v1/tenants", "/api/v1/ratios", "/api/v1/alerts")
A_LOOK: Final = 30.0
"""Seconds in which the next look, at most ten away, has surely been made and shown."""


class Front(FakeMi):
    """An OpenSIPS 3.6 whose domain module lists what it is told."""

    def __init__(self) -> None:
        super().__init__({name: (DATA / f"{file}.json").read_bytes() for name, file in REPLIES.items()})

    def list(self, *domains: str) -> None:
        """List these domains from now on."""
        listed = {"jsonrpc": "2.0", "result": {"Domains": [{"name": domain} for domain in domains]}}
        self.replies = {**self.replies, "domain_dump": json.dumps(listed).encode()}


def token(name: str) -> str:
    return f"token-of-{name}-0123456789"


def a_config(folder: Path, front: Front) -> Path:
    for name in TOKENS:
        write_private(folder / name, f"{token(name)}\n")
    return write_config(
        folder,
        platform={"domain": PLATFORM},
        tenants=[{"domain": NTEK}, {"domain": MODULIS}],
        nodes=[{"name": "sip1", "kind": "opensips", "mi": front.url, "interval": "1s"}],
        discover=[{"node": "sip1", "every": "10s"}],
        access={"tokens": [{"name": n, "scope": s, "token": {"file": n}} for n, s in TOKENS.items()]},
    )


async def tenants(service: Service, who: str) -> Mapping[str, bool]:
    """Return the tenants that one sees, and whether they are configured."""
    items = (await service.api("/tenants", token=token(who)))["items"]
    return {one["domain"]: one["configured"] for one in items}


def live_calls(page: str) -> dict[str, float]:
    """Return live calls by tenant."""
    found = {}
    for line in page.splitlines():
        if line.startswith("opensips_tenant_dialogs{"):
            labels, _, value = line.partition("} ")
            found[labels.partition('tenant="')[2].partition('"')[0]] = float(value)
    return found


async def test_a_domain_appears_and_disappears_without_a_restart(tmp_path: Path) -> None:
    async with Front().running() as front:
        assert isinstance(front, Front)
        front.list(GLOBEX, "127.0.0.1")
        async with serving(a_config(tmp_path, front)) as service:

            async def page() -> str:
                return (await service.ask("/metrics", token=token("ops")))[1]

            async def known() -> dict[str, float]:
                calls = live_calls(await page())
                return calls if GLOBEX in calls else {}

            before = await until("the first look is made and the node polled after it", known)
            assert NEW not in before
            assert before["_unknown"] > 0
            configured = {NTEK: True, MODULIS: True, PLATFORM: True}
            assert await tenants(service, "ops") == configured | {GLOBEX: False}

            front.list(GLOBEX, NEW)

            async def appeared() -> dict[str, float]:
                shown = await page()
                calls = live_calls(shown)
                return calls if NEW in calls and "dialtone_tenants_appeared_total 1.0\n" in shown else {}

            there = await until("the tenant appears", appeared, seconds=A_LOOK)
            assert there[NEW] > 0
            assert there[NEW] + there["_unknown"] == before["_unknown"]
            shown = await page()
            assert f'node="sip1",reseller="{NTEK}",tenant="{NEW}"' in shown
            assert 'dialtone_tenants{origin="discovered"} 2.0\n' in shown
            assert 'dialtone_discovery_success{source="sip1"} 1.0\n' in shown
            assert await tenants(service, "ops") == configured | {GLOBEX: False, NEW: False}
            assert await tenants(service, "ntek") == {NTEK: True, NEW: False}
            for path in (*PATHS, f"/api/v1/tenants/{NEW}"):
                status, body = await service.ask(path, token=token("modulis"))
                assert (status == 404) == path.endswith(NEW)
                assert "acme" not in body.replace(path, ""), path
            assert (await service.ask("/metrics", token=token("ntek")))[0] == 403

            front.list(GLOBEX)

            async def gone() -> bool:
                shown = await page()
                return f'tenant="{NEW}"' not in shown and "dialtone_tenants_disappeared_total 1.0\n" in shown

            await until("the tenant disappears", gone, seconds=A_LOOK)
            assert live_calls(await page()) == before
            assert await tenants(service, "ntek") == {NTEK: True}
            assert (await service.ask(f"/api/v1/tenants/{NEW}", token=token("ntek")))[0] == 404

            for event, names in (
                ("tenants found", [GLOBEX]),
                ("tenants appeared", [NEW]),
                ("tenants disappeared", [NEW]),
            ):
                [line] = service.logged(event)
                assert (line["source"], line["count"], line["tenants"]) == ("sip1", 1, names)
            assert not service.logged("node is down")
            assert "Traceback" not in service.log.read_text()
            assert await service.stop() == 0
    assert front.most_in_flight == 1


async def test_a_poll_by_hand_shows_the_tenants_that_the_service_would(tmp_path: Path) -> None:
    async with Front().running() as front:
        assert isinstance(front, Front)
        front.list(NEW)
        config = a_config(tmp_path, front)
        found = await dialtone("collect", config, "--format", "prometheus")
        assert (found.code, found.err) == (0, "")
        assert live_calls(found.out)[NEW] > 0
        front.replies = {name: reply for name, reply in front.replies.items() if name != "domain_dump"}
        without = await dialtone("collect", config, "--format", "prometheus")
        assert without.code == 0
        assert without.err.startswith("note: no tenants from sip1: server: the domain module lists nothing")
        assert NEW not in live_calls(without.out)
