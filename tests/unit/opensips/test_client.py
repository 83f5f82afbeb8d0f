"""The MI client against a server on a real socket: polite, bounded, never without a deadline."""

import asyncio
import json

import aiohttp
import pytest

from collectors.opensips import OpensipsCollector
from collectors.opensips.client import READ_ONLY_COMMANDS, MiClient
from collectors.opensips.jsonrpc import MAX_REPLY_BYTES, MiRefused
from dialtone.model import CollectError, CollectFailure, Node, NodeKind
from tests.fakes.clock import FakeClock
from tests.fakes.mi import Answer, FakeMi, http, recorded_reply
from tests.unit.opensips.conftest import Tenants, recorded

LISTS = ("lb_list", "ds_list", "dr_gw_status", "pike_list", "rl_list", "clusterer_list")


def node(url: str, timeout: float = 2.0, **options: str) -> Node:
    return Node("sip1", NodeKind.OPENSIPS, url, timeout=timeout, options=options)


async def test_a_poll_reads_statistics_and_calls_of_every_recorded_version(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    async with FakeMi(replies).running() as server:
        collector = OpensipsCollector(node(server.url), tenants, clock)
        reading = await collector.collect()
        await collector.collect()
        await collector.aclose()
    asked = [json.loads(body)["method"] for body in server.requests]
    every_time = [
        *("get_statistics", "profile_get_values", *LISTS, "clusterer_list_shtags", "clusterer_list_cap"),
        *("profile_get_values", "profile_get_values"),
    ]
    once = ["list_statistics", "version", "ps", "list_all_profiles"]
    if reading.info["version"].startswith("4"):
        once.append("pike_list")  # its name of before
        every_time[every_time.index("pike_list")] = "pike:list"
    assert sorted(asked) == sorted([*once, *every_time, *every_time])
    assert asked[:2] == ["list_statistics", "get_statistics"]
    assert reading.info["version"][0] in "34"
    values = {(s.metric, *s.labels): s.value for s in reading.samples}
    assert values["opensips_tenant_dialogs", "sip1", "bd.ntek.example.net", "ntek.example.net"] == 2
    assert server.connections == 1, "the connection is kept between polls"


async def test_a_restarted_server_is_asked_for_its_version_again(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    async with FakeMi(replies).running() as server:
        collector = OpensipsCollector(node(server.url), tenants, clock)
        await collector.collect()
        younger = json.loads(replies["get_statistics"])
        younger["result"]["core:timestamp"] = 1
        server.replies = dict(replies) | {"get_statistics": json.dumps(younger).encode()}
        await collector.collect()
        await collector.aclose()
    assert [json.loads(b)["method"] for b in server.requests].count("version") == 2


async def test_a_script_without_the_tenant_profile_is_said_and_the_rest_is_read(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    replies["profile_get_values"] = recorded("3.6.8", "live-profile_get_values-nosuchprofile")
    async with FakeMi(replies).running() as server:
        collector = OpensipsCollector(node(server.url, profile="customer"), tenants, clock)
        reading = await collector.collect()
        await collector.aclose()
    assert "no dialog profile 'customer'" in reading.info["tenants"]
    assert "set_dlg_profile" in reading.info["tenants"]
    assert reading.samples
    assert not [s for s in reading.samples if s.metric == "opensips_tenant_dialogs"]


async def test_no_request_of_this_client_has_a_form_that_crashes_servers(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    async with FakeMi(replies).running() as server:
        collector = OpensipsCollector(node(server.url), tenants, clock)
        await collector.collect()
        await collector.aclose()
    for body in server.requests:
        request = json.loads(body)
        assert isinstance(request, dict), "a batch crashes 3.4, 3.6 and 4.0 over FIFO"
        assert request["method"] in READ_ONLY_COMMANDS
        assert isinstance(request["id"], int), "a request without id never ends its reply"
        assert len(body) <= 1024


async def test_commands_off_the_list_never_reach_the_wire(replies: dict[str, bytes]) -> None:
    async with FakeMi(replies).running() as server, MiClient(server.url, deadline=1) as client:
        for command in ("ul_dump", "dlg_list", "reset_statistics", "t_hash"):
            with pytest.raises(ValueError, match="read-only"):
                await client._command(command, {})
    assert server.requests == []


async def test_one_request_is_in_flight_at_a_time(replies: dict[str, bytes]) -> None:
    async with FakeMi(replies).running() as server, MiClient(server.url, deadline=2) as client:
        await asyncio.gather(*(client.version() for _ in range(10)))
    assert server.most_in_flight == 1
    assert server.connections == 1


async def test_a_connection_that_died_between_polls_is_opened_again(replies: dict[str, bytes]) -> None:
    async with FakeMi(replies).running() as server, MiClient(server.url, deadline=2) as client:
        await client.version()
        for writer in list(server._writers):
            writer.close()
        assert await client.version() == json.loads(replies["version"])["result"]


async def test_a_closing_that_a_deadline_cuts_short_leaves_a_client_that_connects_again(
    replies: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    close = aiohttp.ClientSession.close

    async def slow(session: aiohttp.ClientSession) -> None:
        await close(session)
        await asyncio.sleep(3600)

    async with FakeMi(replies).running() as server, MiClient(server.url, deadline=2) as client:
        await client.version()
        with monkeypatch.context() as patch:
            patch.setattr(aiohttp.ClientSession, "close", slow)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.aclose()
        assert await client.version() == json.loads(replies["version"])["result"]


async def test_an_unknown_command_is_refused_not_broken(replies: dict[str, bytes]) -> None:
    replies["profile_get_values"] = recorded("3.6.8", "errors-err-unknown-method")
    async with FakeMi(replies).running() as server, MiClient(server.url, deadline=2) as client:
        assert await client.profile_values("tenant") == MiRefused(-32601, "Method not found")


def _answer(body: bytes) -> Answer:
    return lambda request: http(body)


def _with_id(text: str) -> Answer:
    return lambda request: http((text % request["id"]).encode())


BROKEN: dict[str, tuple[Answer, CollectFailure, str]] = {
    "silence": (lambda r: None, CollectFailure.TIMEOUT, "no reply to version"),
    "closes": (lambda r: b"", CollectFailure.CONNECT, "closed the connection"),
    "no http": (lambda r: b"hello\r\n\r\n", CollectFailure.PROTOCOL, "does not speak HTTP"),
    "wrong path": (lambda r: http(b"<html>", "400 Bad Request"), CollectFailure.SERVER, "mi_http serves /mi"),
    "endless 405": (
        lambda r: b"HTTP/1.1 405 Method Not Allowed\r\nTransfer-Encoding: chunked\r\n\r\n",
        CollectFailure.SERVER,
        "HTTP 405",
    ),
    "unauthorised": (lambda r: http(b"", "401 Unauthorized"), CollectFailure.AUTH, "credentials refused"),
    "redirect": (
        lambda r: http(b"", "302 Found", "Location: http://127.0.0.1:1/"),
        CollectFailure.SERVER,
        "HTTP 302",
    ),
    "no json": (_answer(b"500 Internal error"), CollectFailure.PROTOCOL, "no JSON"),
    "deep json": (_answer(b"[" * 200_000), CollectFailure.PROTOCOL, "no JSON"),
    "a list": (_answer(b"[]"), CollectFailure.PROTOCOL, "no JSON-RPC answer"),
    "another's id": (_answer(b'{"id": 99, "result": {}}'), CollectFailure.PROTOCOL, "no JSON-RPC answer"),
    "nothing in it": (_with_id('{"id": %d}'), CollectFailure.PROTOCOL, "neither result nor error"),
    "an error": (
        _with_id('{"id": %d, "error": {"code": 500, "message": "Internal"}}'),
        CollectFailure.SERVER,
        "MI error 500: Internal",
    ),
    "a flood": (lambda r: http(b" " * (MAX_REPLY_BYTES + 1)), CollectFailure.TOO_LARGE, "over 8 MiB"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_server_that_misbehaves_is_a_clear_failure(name: str) -> None:
    misbehave, failure, words = BROKEN[name]
    deadline = 0.2 if name == "silence" else 5
    async with FakeMi({}, misbehave).running() as server, MiClient(server.url, deadline=deadline) as client:
        with pytest.raises(CollectError) as caught:
            await client.version()
    assert caught.value.failure is failure
    assert words in caught.value.detail


async def test_nobody_listening_is_a_connect_failure() -> None:
    async with FakeMi({}).running() as server:
        url = server.url
    async with MiClient(url, deadline=2) as client:
        with pytest.raises(CollectError) as caught:
            await client.version()
    assert caught.value.failure is CollectFailure.CONNECT


async def test_a_name_that_does_not_resolve_is_a_dns_failure() -> None:
    async with MiClient("http://sip.invalid:8888/mi", deadline=10) as client:
        with pytest.raises(CollectError) as caught:
            await client.version()
    assert caught.value.failure is CollectFailure.DNS


async def test_a_name_that_is_no_text_hides_no_other_one(clock: FakeClock, tenants: Tenants) -> None:
    replies = {
        "list_statistics": b'{"id": 0, "result": {"tenants:acme.ntek.example.net_invites": "incremental"}}',
        "version": recorded("4.0.1", "live-version"),
    }

    def bytes_of_a_caller(request: dict[str, object]) -> bytes:
        said = {
            "get_statistics": b'{"tenants:x\xff_invites": 7, "tenants:acme.ntek.example.net_invites": 3}',
            "profile_get_values": (
                b'[{"value": "x\xed\xa0\x80", "count": 1}, {"value": "x\\ud800", "count": 2},'
                b' {"value": "acme.ntek.example.net", "count": 4}]'
            ),
        }.get(str(request["method"]))
        if said is None:
            return http(recorded_reply(replies, request))
        return http(b'{"id": %s, "result": %s}' % (json.dumps(request["id"]).encode(), said))

    async with FakeMi(replies, bytes_of_a_caller).running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        reading = await collector.collect()
        await collector.aclose()
    found = {(s.metric, *s.labels[1:2], *s.labels[3:]): s.value for s in reading.samples}
    assert found["opensips_tenant_sessions_total", "acme.ntek.example.net", "attempted"] == 3
    assert found["opensips_tenant_dialogs", "acme.ntek.example.net"] == 4
    assert found["opensips_tenant_dialogs", "_unknown"] == 3
    for sample in reading.samples:
        "".join(sample.labels).encode()


async def test_calls_that_can_not_be_read_leave_the_rest_of_the_server(
    replies: dict[str, bytes], clock: FakeClock, tenants: Tenants
) -> None:
    def too_many(request: dict[str, object]) -> bytes:
        if request["method"] == "profile_get_values":
            return http(b"500 Internal error", "500 Internal Server Error")
        return http(recorded_reply(replies, request))

    async with FakeMi(replies, too_many).running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        reading = await collector.collect()
        await collector.aclose()
    assert reading.info["tenants"].startswith("calls per tenant can't be read: ")
    metrics = {sample.metric for sample in reading.samples}
    assert "opensips_core_requests_total" in metrics
    assert "opensips_tenant_dialogs" not in metrics
