"""OpenSIPS servers that answer badly, over real sockets: soon down, and nothing old is shown as new."""

import asyncio
import json
import math
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from collectors.opensips.client import MiClient
from collectors.opensips.jsonrpc import MAX_REPLY_BYTES
from dialtone.model import CollectError, CollectFailure, NodeState
from tests.fakes.mi import FakeMi, http, recorded_reply
from tests.fakes.mi_process import recorded
from tests.fakes.mi_raw import Answer, RawMi, Reply, Request, polite
from tests.integration.exposed import Page, Series
from tests.integration.opensips_watch import ShiftedClock, Watch, a_node

pytestmark = pytest.mark.integration

DEADLINE: Final = 0.5
OVER: Final = 0.2
"""Seconds past the deadline within which `up` is 0."""
TRIES: Final = 3
"""A busy machine is late by itself: of so many polls one must end in time."""
GOOD: Final = recorded("3.6.8")
_HUNDRED_MB: Final = 100 * 1024 * 1024
_CHUNK: Final = b" " * 65_536
_PACKER: Final = zlib.compressobj(wbits=31)
_PACKED: Final = b"".join(
    [*(_PACKER.compress(_CHUNK) for _ in range(_HUNDRED_MB // len(_CHUNK))), _PACKER.flush()]
)
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def silent(request: Request, reply: Reply) -> None:
    """Take the request, say nothing."""
    await reply.hang()


async def after_the_headers(request: Request, reply: Reply) -> None:
    """Promise a body."""
    await reply.write(_HEAD + b"Content-Length: 1000\r\n\r\n")
    await reply.hang()


async def after_half(request: Request, reply: Reply) -> None:
    """Send half of a good reply."""
    whole = http(recorded_reply(GOOD, dict(request)))
    await reply.write(whole[: len(whole) // 2])
    await reply.hang()


async def half(request: Request, reply: Reply) -> None:
    """Send half of a good reply, and close."""
    whole = http(recorded_reply(GOOD, dict(request)))
    await reply.write(whole[: len(whole) // 2])


async def dripping(request: Request, reply: Reply) -> None:
    """Send a byte now and then, for ever."""
    await reply.write(_HEAD + b"Content-Length: 1000000\r\n\r\n")
    while True:
        await reply.write(b" ")
        await asyncio.sleep(0.02)


async def slow(request: Request, reply: Reply) -> None:
    """Answer well, each command within the deadline, all of them together long after it."""
    await asyncio.sleep(0.6 * DEADLINE)
    await polite(GOOD)(request, reply)


async def failing(request: Request, reply: Reply) -> None:
    await reply.write(http(b"Internal Server Error", "500 Internal Server Error", "Connection: close"))


async def web_page(request: Request, reply: Reply) -> None:
    await reply.write(http(b"<html><body>It works!</body></html>", "200 OK", "Connection: close"))


async def truncated(request: Request, reply: Reply) -> None:
    """Send half of a good document, as if it were whole."""
    body = recorded_reply(GOOD, dict(request))
    await reply.write(http(body[: len(body) // 2], "200 OK", "Connection: close"))


async def nothing(request: Request, reply: Reply) -> None:
    """Close at once."""


async def long_reply(request: Request, reply: Reply) -> None:
    """Send 100 MB."""
    await reply.write(_HEAD + f"Content-Length: {_HUNDRED_MB}\r\n\r\n".encode())
    for _ in range(_HUNDRED_MB // len(_CHUNK)):
        await reply.write(_CHUNK)


async def chunked(request: Request, reply: Reply) -> None:
    """Send 100 MB, without having said so."""
    await reply.write(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(_HUNDRED_MB // len(_CHUNK)):
        await reply.write(f"{len(_CHUNK):x}\r\n".encode() + _CHUNK + b"\r\n")
    await reply.write(b"0\r\n\r\n")


async def packed(request: Request, reply: Reply) -> None:
    """Send 100 MB in a tenth of a megabyte."""
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(_PACKED)}\r\n\r\n"
    await reply.write(_HEAD + head.encode() + _PACKED)


async def long_header(request: Request, reply: Reply) -> None:
    """Send a header that never ends."""
    await reply.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(_HUNDRED_MB // len(_CHUNK)):
        await reply.write(_CHUNK.replace(b" ", b"x"))


async def wrong_results(request: Request, reply: Reply) -> None:
    """Answer every command with a list of lists."""
    await reply.write(http(json.dumps({"id": request["id"], "result": [[[]]]}).encode()))


BAD: Final[dict[str, tuple[Answer, CollectFailure]]] = {
    "says nothing": (silent, CollectFailure.TIMEOUT),
    "hangs after the headers": (after_the_headers, CollectFailure.TIMEOUT),
    "hangs after half a reply": (after_half, CollectFailure.TIMEOUT),
    "drips": (dripping, CollectFailure.TIMEOUT),
    "is slow with every command": (slow, CollectFailure.TIMEOUT),
    "closes after half a reply": (half, CollectFailure.PROTOCOL),
    "closes at once": (nothing, CollectFailure.CONNECT),
    "says 500": (failing, CollectFailure.SERVER),
    "sends a web page": (web_page, CollectFailure.PROTOCOL),
    "sends truncated JSON": (truncated, CollectFailure.PROTOCOL),
    "sends something else": (wrong_results, CollectFailure.PROTOCOL),
    "sends 100 MB": (long_reply, CollectFailure.TOO_LARGE),
    "sends 100 MB in chunks": (chunked, CollectFailure.TOO_LARGE),
    "sends 100 MB packed": (packed, CollectFailure.TOO_LARGE),
    "sends an endless header": (long_header, CollectFailure.PROTOCOL),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_server_that_answers_badly_is_down_within_its_deadline_and_nothing_old_is_shown_as_new(
    name: str,
) -> None:
    answer, failure = BAD[name]
    clock = ShiftedClock()
    async with (
        RawMi(polite(GOOD)).running() as server,
        FakeMi(recorded("4.0.1")).running() as well,
        Watch(
            [a_node("sip1", server.url, timeout=DEADLINE), a_node("well", well.url, timeout=DEADLINE)], clock
        ).open() as watch,
    ):
        assert (await watch.poll("sip1")).up
        shown = watch.page().of("sip1")
        assert len(shown) > 50

        server.answer = answer
        state = await down(watch)
        assert state.failure is failure, state.detail
        page = watch.page()
        assert page.one("dialtone_up", node="sip1") == 0
        assert page.by("failure", "dialtone_collect_failing") == {failure.value: 1}
        assert page.of("sip1") == shown, "what was read last is shown as that while it is fresh"
        assert_age_grows(watch, clock)

        clock.set_forward(3 * 15)
        await down(watch)
        assert (await watch.poll("well")).up
        page = watch.page()
        assert not page.of("sip1")
        assert page.one("dialtone_up", node="sip1") == 0
        assert page.one("dialtone_up", node="well") == 1
        assert len(page.of("well")) > 50

        server.answer = polite(GOOD)
        assert (await watch.poll("sip1")).up
        assert watch.page().of("sip1") == shown
        assert watch.page().one("dialtone_up", node="sip1") == 1


async def down(watch: Watch) -> NodeState:
    """Poll until a poll ends in time; none may find the server well."""
    states = []
    for _ in range(TRIES):
        states.append(await watch.poll("sip1"))
        assert not states[-1].up
        if states[-1].duration <= DEADLINE + OVER:
            return states[-1]
    raise AssertionError([state.duration for state in states])


def assert_age_grows(watch: Watch, clock: ShiftedClock) -> None:
    """How old the figures are is shown, and rises."""
    before = watch.page().one("dialtone_snapshot_age_seconds", node="sip1")
    clock.set_forward(10)
    after = watch.page().one("dialtone_snapshot_age_seconds", node="sip1")
    assert before is not None
    assert after is not None
    assert 10 <= after - before < 12


@pytest.mark.parametrize("answer", [long_reply, chunked, packed])
async def test_a_reply_of_100_mb_is_cut_at_the_cap_and_eats_no_memory(answer: Answer) -> None:
    async with RawMi(answer).running() as server, MiClient(server.url, deadline=20) as client:
        tracemalloc.start()
        try:
            with pytest.raises(CollectError) as caught:
                await client.version()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        (reply,) = server.replies
        assert caught.value.failure is CollectFailure.TOO_LARGE
        assert reply.written < 2 * MAX_REPLY_BYTES
        assert most < 4 * MAX_REPLY_BYTES


ODD: Final[Mapping[str, Any]] = {
    "core:rcv_requests": math.nan,
    "core:rcv_replies": math.inf,
    "core:fwd_requests": -5,
    "core:fwd_replies": 2**64 - 1,
    "core:drop_requests": 10**400,
    "core:drop_replies": "a text",
    "core:err_requests": [1],
    "core:err_replies": None,
    "tm:received_replies": True,
    "tm:relayed_replies": -0.5,
    "tm:local_replies": 2**63,
}


async def test_values_that_are_no_counts_are_left_out_and_the_rest_is_shown() -> None:
    async with figures_of({}) as usual, figures_of(ODD) as odd:
        missing = {series for series in usual if series not in odd}
        assert len(missing) == len(ODD)
        assert {series.metric for series in missing} == {
            "opensips_core_requests_total",
            "opensips_core_replies_total",
            "opensips_tm_replies_total",
        }
        assert not odd.keys() - usual.keys()
        assert all(math.isfinite(value) and value >= 0 for value in odd.values())
        assert {s: v for s, v in usual.items() if s in odd} == odd


async def test_statistics_of_a_module_that_nobody_knows_are_shown_under_its_own_name() -> None:
    new = {"newmodule:things": 5, "newmodule:level": 7}
    async with figures_of(new, {"newmodule:things": "incremental", "newmodule:level": "odd"}) as found:
        by_name = {
            (series.metric, dict(series.labels)["name"]): value
            for series, value in found.items()
            if series.has(group="newmodule")
        }
    assert by_name == {
        ("opensips_statistic_total", "things"): 5,
        ("opensips_statistic", "level"): 7,
    }


@asynccontextmanager
async def figures_of(
    values: Mapping[str, Any], kinds: Mapping[str, str] | None = None
) -> AsyncIterator[dict[Series, float]]:
    """Return what is shown of a server that answers with these statistics besides its own."""
    replies = GOOD | {
        "get_statistics": _with("get_statistics", values),
        "list_statistics": _with("list_statistics", kinds or {}),
    }
    async with (
        RawMi(polite(replies)).running() as server,
        Watch([a_node("sip1", server.url)]).open() as watch,
    ):
        state = await watch.poll("sip1")
        assert state.up, state.detail
        yield watch.page().of("sip1")


def _with(command: str, values: Mapping[str, Any]) -> bytes:
    reply = json.loads(GOOD[command])
    return json.dumps(reply | {"result": reply["result"] | dict(values)}).encode()


async def test_another_version_at_the_same_address_is_known_with_the_first_poll() -> None:
    old, new = GOOD, recorded("4.0.1")
    young = json.loads(new["get_statistics"])
    young["result"] |= {"core:timestamp": 3, "core:rcv_requests": 1}
    async with (
        RawMi(polite(old)).running() as server,
        Watch([a_node("sip1", server.url)], clock := ShiftedClock()).open() as watch,
    ):
        before = await watch.poll("sip1")
        server.answer = polite(new | {"get_statistics": json.dumps(young).encode()})
        clock.set_forward(15)
        after = await watch.poll("sip1")
        page: Page = watch.page()
    assert (version(before), version(after)) == ("3.6.8", "4.0.1")
    assert page.one("opensips_uptime_seconds") == 3
    assert page.one("opensips_core_requests_total", action="received") == 1
    assert page.kinds["opensips_core_requests_total"] == "counter"


def version(state: NodeState) -> str:
    """Return the version that was read."""
    assert state.up, state.detail
    assert state.reading is not None
    return state.reading.info["version"]
