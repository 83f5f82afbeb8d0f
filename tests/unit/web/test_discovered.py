"""Tenants that come and go while people read: who sees them, and who never does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import httpx
import pytest

from dialtone.config import TenantDirectory, TenantTree
from dialtone.model import Secret
from dialtone.web import WebToken, create_app
from tests.unit.web.cast import ACME, NTEK, PLATFORM, TENANTS, TOKENS, VOLT, client, context

NEW: Final = "new.ntek.clusterpbx.example"
FOREIGN: Final = "other.volt.clusterpbx.example"
HOLDERS: Final = {"root": PLATFORM, "bob": NTEK, "alice": ACME, "charlie": VOLT}
PATHS: Final = ("/", "/api/v1/status", "/api/v1/tenants", "/api/v1/ratios", f"/api/v1/tenants/{NEW}")


@pytest.fixture
def directory() -> TenantDirectory:
    platform, *others = TENANTS
    return TenantDirectory(TenantTree(platform, others))


@asynccontextmanager
async def read_by(directory: TenantDirectory, who: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield the client of one of the cast, whose application was made before anything was discovered."""
    tokens = tuple(
        WebToken(name, partial(directory.scope, domain), Secret(TOKENS[name]))
        for name, domain in HOLDERS.items()
    )
    made = replace(await context(tenants=lambda: tuple(directory)), tokens=tokens)
    async with client(create_app(made), TOKENS[who]) as http:
        yield http


async def domains(http: httpx.AsyncClient) -> set[str]:
    return {one["domain"] for one in (await http.get("/api/v1/tenants")).json()["items"]}


async def test_a_resellers_token_sees_a_new_client_of_its_own_from_the_next_request_on(
    directory: TenantDirectory,
) -> None:
    async with read_by(directory, "bob") as http:
        assert await domains(http) == {NTEK, ACME}
        assert (await http.get(f"/api/v1/tenants/{NEW}")).status_code == 404
        await directory.discover([NEW, FOREIGN, "pbx.custom.example"])
        assert await domains(http) == {NTEK, ACME, NEW}
        found = (await http.get(f"/api/v1/tenants/{NEW}")).json()
        assert (found["parent"], found["level"], found["configured"]) == (NTEK, "client", False)
        await directory.discover([])
        assert await domains(http) == {NTEK, ACME}
        assert (await http.get(f"/api/v1/tenants/{NEW}")).status_code == 404


@pytest.mark.parametrize("who", ["alice", "charlie"])
async def test_a_token_of_somebody_else_never_sees_it(directory: TenantDirectory, who: str) -> None:
    async with read_by(directory, who) as http:
        before = await domains(http)
        await directory.discover([NEW, f"branch.{ACME}", "pbx.custom.example"])
        assert await domains(http) == before
        for path in PATHS:
            answer = await http.get(path)
            assert (answer.status_code == 200) == (NEW not in path), path
            assert "new.ntek" not in answer.text.replace(path, ""), path
            assert "custom.example" not in answer.text, path


async def test_the_platform_sees_all_and_the_page_says_which_were_discovered(
    directory: TenantDirectory,
) -> None:
    async with read_by(directory, "root") as http:
        assert "(discovered)" not in (await http.get("/")).text
        await directory.discover([NEW, ACME])
        page = (await http.get("/")).text
        assert page.count("(discovered)") == 1
        assert f"{NEW} (discovered)" in page
        tenants = (await http.get("/api/v1/tenants")).json()["items"]
        assert {one["domain"] for one in tenants if not one["configured"]} == {NEW}


async def test_an_unknown_token_sees_nothing_whatever_is_discovered(directory: TenantDirectory) -> None:
    async with read_by(directory, "bob") as http:
        await directory.discover([NEW])
        for path in PATHS:
            assert (await http.get(path, headers={"Authorization": "Bearer nobody"})).status_code == 401
