"""The bridge over Kamailio answers as OpenSIPS 3.6.8 did: same members, types, errors, HTTP statuses.

The same shapes are asked of the running lab, bridge or OpenSIPS, in tests/integration/test_lab_front.py.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from aiohttp import web

from lab.front.bridge import application
from lab.front.commands import Commands
from lab.front.rpc import DatagramKamailio
from lab.sample import tenants
from tests.contract import mi_shapes
from tests.fakes.kamailio import FakeKamailio

_JSON: Final = {"Content-Type": "application/json"}
_VERSION: Final = b'{"jsonrpc": "2.0", "id": 1, "method": "version"}'


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[FakeKamailio]:
    """Run a Kamailio with seven calls."""
    with FakeKamailio(tmp_path / "rpc.sock") as fake:
        yield fake


@pytest.fixture
async def url(kamailio: FakeKamailio) -> AsyncIterator[str]:
    """Serve the bridge over it on loopback."""
    domains = tuple(tenant.domain for tenant in tenants())
    app = application(Commands(DatagramKamailio(kamailio.path, deadline=0.3), "tenant", domains))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over HTTP."""

    status: int
    type: str
    body: bytes


async def _send(
    url: str, body: bytes, *, method: str = "POST", path: str = "/mi", kind: str | None = None
) -> Reply:
    headers = _JSON if kind is None else {"Content-Type": kind}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url + path, data=body or None, headers=headers) as reply,
    ):
        return Reply(reply.status, reply.content_type, await reply.read())


async def _ask(url: str, method: str, params: object) -> object:
    return json.loads((await _send(url, mi_shapes.body(method, params))).body)


@pytest.mark.parametrize("name", mi_shapes.REQUESTS)
async def test_a_reply_has_the_shape_of_the_recording(url: str, name: str) -> None:
    assert mi_shapes.differs(name, await _ask(url, *mi_shapes.REQUESTS[name])) == ""


async def test_a_profile_without_calls_is_an_empty_list(url: str, kamailio: FakeKamailio) -> None:
    kamailio.forget_calls()
    reply = await _ask(url, "profile_get_values", {"profile": "tenant"})
    assert reply == mi_shapes.recorded("idle-profile_get_values-tenant")


async def test_seven_calls_are_shown_per_tenant(url: str) -> None:
    reply = await _ask(url, "profile_get_values", ["tenant"])
    assert isinstance(reply, dict)
    assert {item["value"]: item["count"] for item in reply["result"]} == {
        "acme.ntek.clusterpbx.example": 3,
        "bolt.ntek.clusterpbx.example": 2,
        "globex.modulis.clusterpbx.example": 2,
    }


async def test_the_version_does_not_pass_for_an_opensips(url: str) -> None:
    assert await _ask(url, "version", []) == {
        "jsonrpc": "2.0",
        "result": {"Server": "OpenSIPS (3.6.8-lab-bridge over kamailio 5.6.3 (x86_64/linux))"},
        "id": 1,
    }


async def test_only_commands_that_it_answers_are_listed(url: str) -> None:
    listed = await _ask(url, "which", [])
    assert isinstance(listed, dict)
    for command in listed["result"]:
        reply = await _ask(url, command, [])
        assert reply != mi_shapes.recorded("errors-err-unknown-method"), command


ENVELOPES: Final = {
    "errors-err-malformed-json": b'{"jsonrpc":"2.0","id":1,"method":',
    "errors-err-not-json": b"hello",
    "errors-err-batch": b'[{"jsonrpc": "2.0", "id": 1, "method": "uptime"}]',
    "errors-err-empty-object": b"{}",
    "errors-err-method-not-string": b'{"jsonrpc":"2.0","id":1,"method":5}',
    "errors-err-no-jsonrpc-member": b'{"id":1,"method":"version"}',
    "errors-err-empty-body": b"",
    "errors-err-no-id-notification": b'{"jsonrpc":"2.0","method":"uptime"}',
    "errors-err-request-3000-bytes": _VERSION + b" " * 3000,
    "errors-err-trailing-garbage": _VERSION + b"xyz",
    "errors-ok-null-id": b'{"jsonrpc":"2.0","id":null,"method":"version"}',
    "errors-ok-string-id": b'{"jsonrpc":"2.0","id":"abc","method":"version"}',
}


@pytest.mark.parametrize("name", ENVELOPES)
async def test_the_envelope_is_treated_as_recorded(url: str, name: str) -> None:
    ours, theirs = await _send(url, ENVELOPES[name]), _recorded_http(name)
    assert ours.status == theirs.status
    if not theirs.body:
        assert ours.body == b""
        return
    reply, recorded = json.loads(ours.body), json.loads(theirs.body)
    assert ours.type == theirs.type
    if "error" in recorded:
        assert reply == recorded
    else:
        assert mi_shapes.shape(reply) == mi_shapes.shape(recorded)
        assert reply["id"] == recorded["id"]


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("errors-err-404-path", "GET", "/nosuch"),
        ("errors-err-delete-method", "DELETE", "/mi"),
        ("errors-err-get-on-mi", "GET", "/mi"),
    ],
)
async def test_other_paths_and_methods_are_refused_as_recorded(
    url: str, name: str, method: str, path: str
) -> None:
    ours, theirs = await _send(url, b"", method=method, path=path), _recorded_http(name)
    assert (ours.status, ours.body) == (theirs.status, theirs.body)


async def test_another_content_type_closes_the_connection_without_a_reply(url: str) -> None:
    assert (mi_shapes.RECORDINGS / "errors-err-content-type-text-plain.http.txt").read_bytes() == b""
    with pytest.raises(aiohttp.ClientConnectionError):
        await _send(url, _VERSION, kind="text/plain")


async def test_a_kamailio_that_is_gone_is_no_empty_success(url: str, kamailio: FakeKamailio) -> None:
    kamailio.path.rename(kamailio.path.with_name("gone.sock"))
    try:
        for method, params in (
            ("get_statistics", {"statistics": ["all"]}),
            ("profile_get_values", ["tenant"]),
        ):
            reply = await _send(url, mi_shapes.body(method, params))
            assert reply.status == 502
            assert b"Kamailio" in reply.body
    finally:
        kamailio.path.with_name("gone.sock").rename(kamailio.path)


async def test_a_kamailio_that_hangs_is_given_up(url: str, kamailio: FakeKamailio) -> None:
    kamailio.mute = True
    assert (await _send(url, _VERSION)).status == 502
    kamailio.mute = False
    assert (await _send(url, _VERSION)).status == 200


def _recorded_http(name: str) -> Reply:
    head, _, body = (mi_shapes.RECORDINGS / f"{name}.http.txt").read_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    kind = next(line.partition(":")[2].strip() for line in lines if line.startswith("Content-Type:"))
    # The recorder wrote this where OpenSIPS never ended its reply; there was no body.
    return Reply(int(lines[0].split()[1]), kind, b"" if body == b"<<client timeout>>" else body)
