"""The same server over every transport: what is read is the same, and what is sent hurts nobody."""

import asyncio
import json
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from collectors.opensips import OpensipsCollector
from collectors.opensips.client import READ_ONLY_COMMANDS, MiClient
from collectors.opensips.datagram import Datagrams
from collectors.opensips.fifo import Fifo
from collectors.opensips.jsonrpc import MAX_REPLY_BYTES, MAX_REQUEST_BYTES, MiRefused
from collectors.opensips.statistics import GROUPS
from dialtone.model import CollectError, CollectFailure, Node, NodeKind, Reading, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, recorded_reply
from tests.fakes.mi_local import FakeDatagrams, FakeFifo, Misbehave
from tests.fakes.mi_old import FakeMiJson
from tests.unit.opensips.conftest import Tenants, recorded

TRANSPORTS = ("http", "udp", "unix", "fifo")
LOCAL = ("udp", "unix", "fifo")
OLD = ("1.11", "2.4")


@asynccontextmanager
async def serving(
    transport: str, replies: dict[str, bytes], folder: Path, misbehave: Misbehave | None = None
) -> AsyncIterator[Any]:
    """Serve a 3.x or 4.x over one of TRANSPORTS; yield the fake, with its `url` and the `requests` it saw."""
    if transport == "http":
        serve: Any = FakeMi(replies).running()
    elif transport == "fifo":
        serve = FakeFifo(replies, misbehave).running(folder)
    else:
        path = folder / "mi.sock" if transport == "unix" else None
        serve = FakeDatagrams(replies, misbehave).running(path)
    async with serve as fake:
        yield fake


async def polled(url: str, tenants: Tenants, clock: FakeClock, times: int = 1, **options: str) -> Reading:
    """Return the last reading of a collector of that server."""
    node = Node("sip1", NodeKind.OPENSIPS, url, timeout=5.0, options=options)
    collector = OpensipsCollector(node, tenants, clock)
    try:
        for _ in range(times):
            reading = await collector.collect()
    finally:
        await collector.aclose()
    return reading


def old(version: str) -> dict[str, bytes]:
    """Return what a server of that version answers to each command of a poll."""
    return {
        "get_statistics": recorded(version, "live-get_statistics-all"),
        "profile_get_values": recorded(version, "live-profile_get_values-tenant"),
        "list_all_profiles": recorded(version, "live-list_all_profiles"),
        "version": recorded(version, "live-version"),
        "list_statistics": recorded(version, "live-list_statistics"),
        "lb_list": recorded(version, "live-lb_list"),
        "ds_list": recorded(version, "live-ds_list"),
        "dr_gw_status": recorded(version, "live-dr_gw_status"),
    }


def groups_of(reply: bytes) -> list[str]:
    """Return the groups of a recorded list of statistics, in its order."""
    return list(dict.fromkeys(name.partition(":")[0] for name in json.loads(reply)))


def replies_in(folder: Path) -> list[Path]:
    """Return the FIFOs to reply into that lie in a folder."""
    return list(folder.glob("dialtone_*"))


def values(reading: Reading) -> dict[tuple[str, ...], float]:
    return {(sample.metric, *sample.labels): sample.value for sample in reading.samples}


@pytest.mark.parametrize("transport", LOCAL)
async def test_a_server_says_the_same_over_every_transport(
    transport: str, replies: dict[str, bytes], tenants: Tenants, clock: FakeClock, tmp_path: Path
) -> None:
    async with serving("http", replies, tmp_path) as server:
        expected = await polled(server.url, tenants, clock)
    async with serving(transport, replies, tmp_path) as server:
        assert await polled(server.url, tenants, clock, 2) == expected


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_request_over_any_transport_has_a_form_that_crashes_servers(
    transport: str, replies: dict[str, bytes], tenants: Tenants, clock: FakeClock, tmp_path: Path
) -> None:
    async with serving(transport, replies, tmp_path) as server:
        await polled(server.url, tenants, clock)
    methods = [json.loads(body)["method"] for body in server.requests]
    assert len(methods) >= 7
    assert set(methods) <= READ_ONLY_COMMANDS
    for body in server.requests:
        request = json.loads(body)
        assert isinstance(request, dict), "a batch crashes 3.4, 3.6 and 4.0 over FIFO"
        assert request["method"] in READ_ONLY_COMMANDS
        assert isinstance(request["id"], int)
        assert len(body) <= MAX_REQUEST_BYTES


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_request_that_would_be_too_long_is_sent_to_nobody(
    transport: str, replies: dict[str, bytes], tmp_path: Path
) -> None:
    async with serving(transport, replies, tmp_path) as server, MiClient(server.url, deadline=5) as client:
        with pytest.raises(ValueError, match="1024 bytes"):
            await client.statistics(["x" * 100] * 20)
        assert await client.version() == json.loads(replies["version"])["result"]
    assert len(server.requests) == 1
    assert not replies_in(tmp_path)


@pytest.mark.parametrize("transport", LOCAL)
async def test_silence_ends_at_the_deadline_and_leaves_nothing(
    transport: str, replies: dict[str, bytes], tmp_path: Path
) -> None:
    async with (
        serving(transport, replies, tmp_path, lambda _: []) as server,
        MiClient(server.url, deadline=0.5) as client,
    ):
        with pytest.raises(CollectError) as caught:
            await client.version()
        assert caught.value.failure is CollectFailure.TIMEOUT
        assert not replies_in(tmp_path)
        server.misbehave = None
        assert await client.version() == json.loads(replies["version"])["result"]


BROKEN: dict[str, tuple[Misbehave, CollectFailure, str]] = {
    "an error": (
        lambda r: [json.dumps({"id": r["id"], "error": {"code": 500, "message": "no"}}).encode()],
        CollectFailure.SERVER,
        "MI error 500: no",
    ),
    "half of it": (lambda r: [b'{"jsonrpc": "2.0", "res'], CollectFailure.PROTOCOL, "no JSON"),
    "deep json": (lambda r: [b'{"a":' + b"[" * 60_000], CollectFailure.PROTOCOL, "no JSON"),
    "nothing in it": (
        lambda r: [json.dumps({"id": r["id"]}).encode()],
        CollectFailure.PROTOCOL,
        "neither result nor error",
    ),
}


@pytest.mark.parametrize("transport", LOCAL)
@pytest.mark.parametrize("name", BROKEN)
async def test_a_reply_that_is_none_is_a_clear_failure(transport: str, name: str, tmp_path: Path) -> None:
    misbehave, failure, words = BROKEN[name]
    async with (
        serving(transport, {}, tmp_path, misbehave) as server,
        MiClient(server.url, deadline=5) as client,
    ):
        with pytest.raises(CollectError) as caught:
            await client.version()
    assert (caught.value.failure, words in caught.value.detail) == (failure, True)


@pytest.mark.parametrize("transport", ["udp", "unix"])
async def test_a_reply_too_long_for_a_datagram_is_the_servers_failure(transport: str, tmp_path: Path) -> None:
    async with (
        serving(transport, {}, tmp_path, lambda _: [b"500 Internal error\n"]) as server,
        MiClient(server.url, deadline=5) as client,
    ):
        with pytest.raises(CollectError, match="500 Internal error") as caught:
            await client.version()
    assert caught.value.failure is CollectFailure.SERVER


@pytest.mark.parametrize("transport", ["udp", "unix"])
async def test_a_datagram_of_another_request_is_passed_over(
    transport: str, replies: dict[str, bytes], tmp_path: Path
) -> None:
    def late(request: dict[str, Any]) -> list[bytes]:
        ours = {"id": request["id"], "result": {"Server": "OpenSIPS (3.6.8)"}}
        old = {"id": request["id"] - 1, "result": {"Server": "OpenSIPS (1.0.0)"}}
        return [json.dumps(old).encode(), json.dumps(ours).encode(), json.dumps(ours).encode()]

    async with (
        serving(transport, replies, tmp_path, late) as server,
        MiClient(server.url, deadline=5) as client,
    ):
        assert [await client.version() for _ in range(3)] == [{"Server": "OpenSIPS (3.6.8)"}] * 3


async def test_a_lost_datagram_is_sent_once_more(replies: dict[str, bytes]) -> None:
    seen: list[int] = []

    def loses_the_first(request: dict[str, Any]) -> list[bytes]:
        seen.append(request["id"])
        return [] if len(seen) == 1 else [json.dumps({"id": request["id"], "result": "here"}).encode()]

    async with FakeDatagrams({}, loses_the_first).running() as server:
        transport = Datagrams(server.url, again=0.05)
        async with asyncio.timeout(5):
            assert await transport.ask("version", {}) == "here"
        await transport.aclose()
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("udp://127.0.0.1:{port}", "nobody answers"),
        ("unix://{folder}/none.sock", "No such file"),
        ("fifo://{folder}/none?replies={folder}", "No such file"),
        ("fifo://{folder}/unread?replies={folder}", "nobody reads it"),
        ("fifo://{folder}/file?replies={folder}", "is no FIFO"),
        ("fifo://{folder}/unread?replies={folder}/none", "can't make a file"),
    ],
)
async def test_where_nobody_listens_is_a_failure_to_connect(
    endpoint: str, words: str, tmp_path: Path
) -> None:
    async with FakeDatagrams({}).running() as gone:
        port = gone.url.rpartition(":")[2]
    os.mkfifo(tmp_path / "unread")
    (tmp_path / "file").write_text("")
    async with MiClient(endpoint.format(port=port, folder=tmp_path), deadline=5) as client:
        with pytest.raises(CollectError) as caught:
            await client.version()
    assert caught.value.failure is CollectFailure.CONNECT
    assert words in caught.value.detail
    assert (tmp_path / "file").read_text() == ""
    assert not replies_in(tmp_path)


async def test_a_fifo_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    async with (
        FakeFifo({}, lambda _: [b" " * (MAX_REPLY_BYTES + 100_000)]).running(tmp_path) as server,
        MiClient(server.url, deadline=30) as client,
    ):
        with pytest.raises(CollectError) as caught:
            await client.version()
    assert caught.value.failure is CollectFailure.TOO_LARGE


async def test_a_fifo_without_a_reply_asks_for_the_slash_of_reply_dir_until_one_has_come(
    tmp_path: Path,
) -> None:
    """OpenSIPS puts the file's name behind `reply_dir` as it is: without a slash there is no such file."""
    is_mute = True

    def answered(request: dict[str, Any]) -> list[bytes]:
        return [] if is_mute else [json.dumps({"id": request["id"], "result": {"Server": "x"}}).encode()]

    async with FakeFifo({}, answered).running(tmp_path) as server:
        transport = Fifo(server.url, patience=0.05)
        with pytest.raises(CollectError) as caught:
            await transport.ask("version", {})
        assert caught.value.failure is CollectFailure.TIMEOUT
        assert f"is `reply_dir` the folder {tmp_path}, with a slash at its end?" in caught.value.detail
        is_mute = False
        transport = Fifo(server.url, patience=30.0)
        await transport.ask("version", {})
        is_mute, transport._patience = True, 0.05
        with pytest.raises(CollectError, match=r"no reply to version from .* in 0.05 s$"):
            await transport.ask("version", {})
    assert not replies_in(tmp_path)


async def test_what_a_fifo_has_to_say_of_a_silence_is_said_before_the_deadline(tmp_path: Path) -> None:
    async with (
        FakeFifo({}, lambda _: []).running(tmp_path) as server,
        MiClient(server.url, deadline=0.5) as client,
    ):
        with pytest.raises(CollectError, match="with a slash at its end"):
            await client.version()


async def test_a_fifo_to_reply_into_is_gone_after_the_reply(
    replies: dict[str, bytes], tmp_path: Path
) -> None:
    modes: list[int] = []

    def noted(request: dict[str, Any]) -> list[bytes]:
        modes.extend(path.stat().st_mode & 0o777 for path in replies_in(tmp_path))
        return [json.dumps({"id": request["id"], "result": {"Server": "x"}}).encode()]

    async with FakeFifo({}, noted).running(tmp_path) as server, MiClient(server.url, deadline=5) as client:
        await client.version()
    assert modes == [0o622], "nobody but us may read it"
    assert not replies_in(tmp_path)


@pytest.mark.parametrize("version", OLD)
async def test_an_old_server_is_read_by_mi_json(version: str, tenants: Tenants, clock: FakeClock) -> None:
    async with FakeMiJson(old(version)).running() as server:
        reading = await polled(server.url, tenants, clock, 2)
    found = values(reading)
    said = {"version": {"1.11": "1.11.11-notls", "2.4": "2.4.11"}[version]}
    assert reading.info == said | {"unknown domains": "globex.modulis.example.net"}
    assert found["opensips_dialog_active", "sip1"] == 6
    assert found["opensips_tenant_dialogs", "sip1", "bd.ntek.example.net", "ntek.example.net"] == 2
    groups = GROUPS if version == "1.11" else groups_of(recorded(version, "live-list_statistics"))
    asked = f"get_statistics?{','.join(f'{group}:' for group in groups)}"
    lists = ["lb_list", "ds_list", "dr_gw_status"]
    there = lists if version == "2.4" else lists[:2]  # 1.11 has no dr_gw_status: it is not asked for again
    calls = [f"profile_get_values?{profile}" for profile in ("tenant", "allcalls", "trunk")]
    once = ["list_statistics", "version", "list_all_profiles"]
    lacking = ["pike_list", "rl_list", "clusterer_list", "clusterer_list_shtags", "clusterer_list_cap", "ps"]
    assert Counter(server.requests) == Counter(
        [*once, *lacking, *lists, *there, asked, asked, *calls, *calls]
    )


@pytest.mark.parametrize("version", OLD)
async def test_an_old_server_without_a_module_is_asked_for_the_groups_that_it_has(
    version: str, tenants: Tenants, clock: FakeClock
) -> None:
    replies = old(version) | {"list_statistics": recorded("1.11", "live-list_statistics")}
    fake = FakeMiJson(replies, lacking=frozenset({"usrloc", "sl"}), silent=version == "1.11")
    async with fake.running() as server:
        await polled(server.url, tenants, clock, 2)
    statistics = [request for request in server.requests if request.startswith("get_statistics")]
    assert len(statistics) == 1 + len(GROUPS) + 1
    left = [f"{group}:" for group in GROUPS if group not in ("usrloc", "sl")]
    assert statistics[-1] == f"get_statistics?{','.join(left)}"


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize(("profile", "there"), [("tenant", True), ("customer", False)])
async def test_a_profile_without_calls_is_told_from_one_that_there_is_not(
    version: str, profile: str, there: bool, tenants: Tenants, clock: FakeClock
) -> None:
    says_so = version == "2.4" and not there
    empty = recorded("2.4", "live-profile_get_values-nosuchprofile") if says_so else b""
    async with FakeMiJson(old(version) | {"profile_get_values": empty}).running() as server:
        reading = await polled(server.url, tenants, clock, profile=profile)
    tenant_values = [v for key, v in values(reading).items() if key[0] == "opensips_tenant_dialogs"]
    assert tenant_values == ([0.0] * 5 if there else [])
    assert ("no dialog profile" in reading.info.get("tenants", "")) == (not there)


@pytest.mark.parametrize("version", OLD)
async def test_an_old_servers_errors_are_refusals(version: str) -> None:
    replies = {"profile_get_values": recorded(version, "errors-err-unknown-method")}
    async with FakeMiJson(replies).running() as server, MiClient(server.url, deadline=5) as client:
        refused = await client.profile_values("tenant")
    assert isinstance(refused, MiRefused)
    assert refused.code == (500 if version == "2.4" else 0)


async def test_a_login_is_sent_where_one_is_configured() -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        if seen[-1] is None:
            return web.Response(status=401)
        body = await request.json()
        return web.json_response({"jsonrpc": "2.0", "id": body["id"], "result": {"Server": "x"}})

    app = web.Application()
    app.router.add_post("/mi", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/mi"
        async with MiClient(url, deadline=5, username="mon", password=Secret("geheim")) as client:
            assert await client.version() == {"Server": "x"}
        async with MiClient(url, deadline=5) as client:
            with pytest.raises(CollectError) as caught:
                await client.version()
    finally:
        await runner.cleanup()
    assert caught.value.failure is CollectFailure.AUTH
    assert seen == ["Basic bW9uOmdlaGVpbQ==", None]


def open_files() -> int:
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_unix_server_that_reads_nothing_is_a_failure_and_costs_no_time_of_ours(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mi.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(path))
        client = MiClient(f"unix://{path}", deadline=0.05)
        open_before = open_files()
        failures = set()
        for _ in range(30):  # more than its queue has room for
            with pytest.raises(CollectError) as caught:
                await client.version()
            failures.add(caught.value.failure)
        used = time.process_time()
        await asyncio.sleep(0.1)
        used = time.process_time() - used
        await client.aclose()
    assert failures == {CollectFailure.TIMEOUT, CollectFailure.CONNECT}
    assert open_files() <= open_before
    assert used < 0.05


@pytest.mark.parametrize("transport", ["udp", "unix"])
async def test_what_is_too_long_for_a_datagram_is_left_out_and_said(
    transport: str, replies: dict[str, bytes], tenants: Tenants, clock: FakeClock, tmp_path: Path
) -> None:
    def short(request: dict[str, Any]) -> list[bytes]:
        asked = request["params"].get("statistics")
        if request["method"] in ("list_statistics", "ds_list") or asked == ["tenants:"]:
            return [b"500 Internal error\n"]
        return [recorded_reply(replies, request)]

    async with serving(transport, replies, tmp_path, short) as server:
        node = Node("sip1", NodeKind.OPENSIPS, server.url, timeout=20.0)
        collector = OpensipsCollector(node, tenants, clock)
        reading = await collector.collect()
        await collector.aclose()
    assert "group tenants: the server says" in reading.info["statistics"]
    assert reading.info["lists/ds_list"].startswith("the server says")
    found = values(reading)
    assert found["opensips_dialog_active", "sip1"] == 6
    assert ("opensips_destination_up", "sip1", "drouting", "", "gw1") in found
