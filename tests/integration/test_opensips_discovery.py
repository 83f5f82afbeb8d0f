"""A real OpenSIPS (3.x, 4.x) lists the domains that it serves, and says so after domain_reload."""

import json
import os
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
import pytest

from collectors.opensips import MiClient, OpensipsTenants
from dialtone.model import CollectError, CollectFailure, DomainsFound
from tests.integration.opensips_server import OpensipsServer, Program, dbtext_table, installed, opensips

pytestmark = [pytest.mark.integration, pytest.mark.opensips]

_SCRIPT: Final = """
modparam("db_text", "db_mode", 1)
modparam("domain", "db_url", "text://{folder}")
modparam("domain", "db_mode", {mode})
route {{
    exit;
}}
"""
_WITHOUT: Final = """
route {{
    exit;
}}
"""


def serve(folder: Path, program: Program, domains: Sequence[str]) -> None:
    """Write the table of domains; db_text sees a change by its time, in whole seconds."""
    table = folder / "domain"
    before = table.stat().st_mtime if table.exists() else 0.0
    (folder / "version").write_text((program.schema / "version").read_text())
    rows = [{"domain": domain, "last_modified": 0} for domain in domains]
    table.write_text(dbtext_table(program, "domain", rows))
    os.utime(table, (before + 10, before + 10))


def reload(server: OpensipsServer) -> None:
    """Do what an operator does after a change of the table; 4.x has a new name for it."""
    for method in ("domain_reload", "domain:reload"):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode()
        asked = urllib.request.Request(server.mi, body, {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - loopback
            said: dict[str, Any] = json.load(answer)
        if said.get("result") == "OK":
            return
    raise AssertionError(said)


async def listed(server: OpensipsServer) -> DomainsFound:
    async with MiClient(server.mi, deadline=5.0) as client:
        return await OpensipsTenants(client, deadline=5.0).domains()


async def test_domains_come_and_go_with_the_table_of_the_server(tmp_path: Path) -> None:
    program = installed()
    acme, beta, many = "acme.ntek.example", "beta.ntek.example", [f"t{n}.ntek.example" for n in range(500)]
    serve(tmp_path, program, [acme, "127.0.0.1", *many])
    with opensips(tmp_path, _SCRIPT, {"mode": 1}, program=program) as server:
        found = await listed(server)
        assert set(found.domains) == {acme, *many}
        assert found.left_out == 1
        serve(tmp_path, program, [acme, beta])
        assert set((await listed(server)).domains) == {acme, *many}, "the module has them in memory"
        await anyio.to_thread.run_sync(reload, server)
        assert set((await listed(server)).domains) == {acme, beta}
        serve(tmp_path, program, [])
        await anyio.to_thread.run_sync(reload, server)
        assert await listed(server) == DomainsFound(())


@pytest.mark.parametrize("script", [_SCRIPT, _WITHOUT], ids=["db_mode 0", "no module"])
async def test_a_server_whose_module_lists_nothing_is_trouble_and_no_empty_list(
    tmp_path: Path, script: str
) -> None:
    program = installed()
    serve(tmp_path, program, ["acme.ntek.example"])
    with (
        opensips(tmp_path, script, {"mode": 0}, program=program) as server,
        pytest.raises(CollectError) as raised,
    ):
        await listed(server)
    assert raised.value.failure is CollectFailure.SERVER
