"""The lab's web pages, as a client sees them."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from lab.http.pages import Platform, application

ACME = "acme.ntek.clusterpbx.example"


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Serve a platform of one tenant."""
    running = TestServer(application(Platform("clusterpbx.example", "127.0.0.1:5060", [ACME])))
    await running.start_server()
    yield running
    await running.close()


@pytest.mark.parametrize(
    ("path", "status", "contains"),
    [
        ("/", 200, "<title>clusterpbx.example: administration</title>"),
        ("/admin", 200, "Log in"),
        ("/api/v1/tenants", 200, json.dumps({"tenants": [ACME]})),
        (f"/provisioning/{ACME}.cfg", 200, f"sip_server = {ACME}\naccount.1.outbound_proxy = 127.0.0.1"),
        ("/provisioning/nobody.cfg", 404, "No such tenant"),
        ("/provisioning/..%2f..%2fetc%2fpasswd.cfg", 404, ""),
        ("/elsewhere", 404, ""),
    ],
)  # fmt: skip
async def test_each_page_is_what_it_should_be(
    server: TestServer, path: str, status: int, contains: str
) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.make_url(path)) as reply:
        assert reply.status == status
        assert contains in await reply.text()


async def test_nobody_logs_in(server: TestServer) -> None:
    login = {"user": "a", "password": "b"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(server.make_url("/admin"), data=login) as reply,
    ):
        assert reply.status == 401
