"""The manager over HTTP (AJAM) against a server that behaves, and against ones that don't."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp
import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.asterisk import ajam as module
from collectors.asterisk import answers, rawman
from collectors.asterisk.ajam import AjamClient
from collectors.asterisk.client import AmiClient
from collectors.asterisk.manager import EVENT_CLASSES, AmiRefusedError
from collectors.asterisk.parse import parse_channels
from collectors.asterisk.tls import tls_of
from collectors.asterisk.transports import manager_of
from collectors.asterisk.wire import MAX_BLOCK_BYTES, Block, decode
from dialtone.model import CollectError, CollectFailure, Node, NodeKind, Secret, TlsPlan
from tests.fakes import ajam
from tests.fakes.ajam import FakeAjam, http, instead, replaced
from tests.fakes.certificates import Certificates
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.conftest import VERSIONS, recorded

LIST: Final = ("CoreShowChannels", "CoreShowChannelsComplete")
REPLIES: Final = {
    "CoreShowChannels": recorded("22.10.1", "CoreShowChannels"),
    "CoreStatus": recorded("22.10.1", "CoreStatus"),
    "Ping": ajam.success("Ping: Pong\r\nTimestamp: 1795390219.232908"),
    "ListCommands": ajam.success("Output: a\r\nOutput: b: c\r\nno header\r\nOutput:"),
}
OURS: Final = "our own authority"
PATIENT: Final = 20.0
"""A deadline in seconds that is not waited for."""
BOMB: Final = http(gzip.compress(bytes(10_000_000)), "e72f0001", kind="text/plain\r\nContent-Encoding: gzip")
Edits: TypeAlias = list[tuple[float, int, bytes]]
WORDS: Final = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b": ", b"Event: ", b"ActionID: a1\r\n", b"EventList: cancelled", b"y" * 70_000]
)
EDITS: Final = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 100), WORDS | st.binary(max_size=20)), min_size=1, max_size=6
)
MUTATED: Final = settings(deadline=None, max_examples=100)


@pytest.fixture
async def server() -> AsyncIterator[FakeAjam]:
    """Return a server with 14 channels."""
    async with FakeAjam(dict(REPLIES)).running() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(server: FakeAjam, clock: FakeClock) -> AsyncIterator[AjamClient]:
    """Return a client of it that wants no events."""
    made = AjamClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, clock=clock)
    yield made
    await made.aclose()


@pytest.fixture
def heard() -> list[Block]:
    """Return what the listener has heard."""
    return []


@pytest.fixture
async def listener(server: FakeAjam, clock: FakeClock, heard: list[Block]) -> AsyncIterator[AjamClient]:
    """Return a client of it that wants events."""
    made = AjamClient(
        server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, hear=heard.append, clock=clock
    )
    yield made
    await made.aclose()


def event(number: int, more: str = "") -> bytes:
    """Return an event that can be told from others."""
    return f"Event: Newstate\r\nPrivilege: call,all\r\nNumber: {number}\r\n{more}\r\n".encode()


async def failure_of(client: AjamClient, said: str = "") -> CollectFailure:
    """Return why the list of channels can't be had; `said` is in the words for a person."""
    with pytest.raises(CollectError, match=said or None) as caught:
        await client.list(*LIST)
    assert "\n" not in caught.value.detail
    assert "geheim" not in caught.value.detail
    return caught.value.failure


@pytest.mark.parametrize("version", VERSIONS)
async def test_recorded_bodies_of_rawman_are_read_whole(
    server: FakeAjam, client: AjamClient, version: str
) -> None:
    head, _, body = recorded(version, "ajam/rawman-CoreShowChannels").partition(b"\r\n\r\n")
    assert b"Content-type: text/plain" in head
    server.replies = {"CoreShowChannels": body}
    blocks = await client.list(*LIST)
    assert len(blocks) == body.count(b"Event: CoreShowChannel\r\n") == 14
    assert {block["ChanVariable"] for block in blocks} >= {"TENANT=acme"}


async def test_the_password_crosses_the_wire_in_no_form_and_nothing_stands_in_a_url(
    server: FakeAjam, client: AjamClient
) -> None:
    await client.ask("CoreStatus")
    await client.list(*LIST)
    assert "geheim" not in repr(server.requests)
    assert all(request.head.startswith("POST /rawman HTTP/1.1\r\n") for request in server.requests)
    assert server.names == ["Challenge", "Login", "CoreStatus", "CoreShowChannels"]
    assert server.requests[1].form["AuthType"] == "MD5"
    assert server.requests[0].cookie == ""
    assert len({request.cookie for request in server.requests[1:]}) == 1


async def test_an_action_off_the_list_is_refused_before_anything_is_sent(
    server: FakeAjam, client: AjamClient
) -> None:
    for action, headers in (("Originate", {}), ("Command", {"Command": "core stop now"})):
        with pytest.raises(ValueError, match="is"):
            await client.ask(action, headers)
        with pytest.raises(ValueError, match="is"):
            await client.list(action, "End", headers)
        with pytest.raises(ValueError, match="is"):
            await client.lines(action, headers)
    assert server.requests == []


async def test_a_user_name_with_a_line_break_sends_nothing_of_it(server: FakeAjam) -> None:
    client = AjamClient(server.endpoint, "x\r\nAction: Originate", Secret("geheim"), deadline=PATIENT)
    with pytest.raises(CollectError, match="line break") as caught:
        await client.ask("CoreStatus")
    assert caught.value.failure is CollectFailure.INTERNAL
    assert server.names == ["Challenge"]
    await client.aclose()


async def test_odd_characters_of_a_user_name_arrive_as_they_are(server: FakeAjam) -> None:
    name = "mon & co=1+2%20;é"
    server.users = {name: ("geheim", True)}
    client = AjamClient(server.endpoint, name, Secret("geheim"), deadline=PATIENT)
    assert await client.ask("CoreStatus")
    await client.aclose()


async def test_one_session_serves_all_polls_one_request_at_a_time(
    server: FakeAjam, client: AjamClient
) -> None:
    answers_ = await asyncio.gather(client.list(*LIST), client.ask("CoreStatus"), client.list(*LIST))
    await client.connect()
    assert (len(answers_[0]), len(answers_[2])) == (14, 14)
    assert server.most_in_flight == 1
    assert server.names.count("Login") == client.connections == 1


async def test_pieces_of_any_size_make_the_same_answer(server: FakeAjam, client: AjamClient) -> None:
    whole = parse_channels(await client.list(*LIST))
    server.manners["CoreShowChannels"] = ajam.in_small_pieces
    assert parse_channels(await client.list(*LIST)) == whole
    assert len(whole) == 14


async def test_all_lines_of_a_response_come_in_order_repeated_ones_too(client: AjamClient) -> None:
    lines = await client.lines("ListCommands")
    assert lines[2:] == [("Output", "a"), ("Output", "b: c"), ("Output", "")]


async def test_a_refused_action_leaves_the_session_alone(server: FakeAjam, client: AjamClient) -> None:
    with pytest.raises(AmiRefusedError, match="unknown command"):
        await client.ask("CoreSettings")
    await client.ask("CoreStatus")
    assert server.names.count("Login") == client.connections == 1


async def test_closing_logs_off_and_nothing_is_asked_afterwards(server: FakeAjam, client: AjamClient) -> None:
    await client.ask("Ping")
    await client.aclose()
    assert server.names[-1] == "Logoff"
    assert server.sessions == {}
    for asking in (client.connect(), client.ask("Ping"), client.list(*LIST)):
        with pytest.raises(CollectError, match="closed by us") as caught:
            await asking
        assert caught.value.failure is CollectFailure.CONNECT
    await client.aclose()
    assert server.names[-1] == "Logoff"
    assert client.connections == 1


@pytest.mark.parametrize("action", ["Challenge", "Login"])
async def test_a_login_that_is_under_way_when_we_close_comes_to_nothing(
    server: FakeAjam, action: str
) -> None:
    told: list[str] = []
    client = AjamClient(
        *(server.endpoint, "dialtone", Secret("geheim")),
        deadline=PATIENT,
        hear=lambda _: None,
        connected=lambda: told.append("connected"),
    )
    server.manners[action] = ajam.silent
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut_off, client)
        await server.received(action)
        await client.aclose()
    assert server.names[-1] == action
    assert client.connections == 0
    assert not told


async def test_a_poll_that_is_closed_between_two_actions_logs_in_no_more(
    server: FakeAjam, client: AjamClient
) -> None:
    await client.ask("Ping")
    server.forget()
    await client.aclose()
    before = len(server.names)
    assert await failure_of(client, "closed by us") is CollectFailure.CONNECT
    assert len(server.names) == before


async def test_nothing_is_asked_while_the_session_is_closed(server: FakeAjam, clock: FakeClock) -> None:
    client = AjamClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, clock=clock)
    await client.connect()
    server.manners["Logoff"] = ajam.silent
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.aclose)
        await server.received("Logoff")
        for asking in (client.connect(), client.list(*LIST)):
            with pytest.raises(CollectError, match="closed by us"):
                await asking
        await clock.advance(2.0)
    assert server.names[-1] == "Logoff"


async def test_a_closed_rawman_sends_nothing_though_a_login_goes_on(server: FakeAjam) -> None:
    closed = rawman.Rawman(server.endpoint, None)
    await closed.aclose()
    with pytest.raises(CollectError, match="closed by us") as caught:
        await closed.post("Login", {"Action": "Login"}, "")
    assert caught.value.failure is CollectFailure.CONNECT
    assert server.names == []


async def test_who_never_asked_is_closed_without_a_request(server: FakeAjam, client: AjamClient) -> None:
    await client.aclose()
    assert server.requests == []


async def test_a_server_that_is_silent_at_the_end_is_waited_for_a_second(
    server: FakeAjam, client: AjamClient, clock: FakeClock
) -> None:
    await client.ask("Ping")
    server.manners["Logoff"] = ajam.silent
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.aclose)
        await server.received("Logoff")
        await clock.advance(1.0)


# Sessions that end


async def test_a_session_that_has_ended_is_begun_anew_without_a_word_and_counted(
    server: FakeAjam, client: AjamClient
) -> None:
    await client.ask("CoreStatus")
    server.forget()
    assert len(await client.list(*LIST)) == 14
    assert client.connections == 2
    assert server.names[-4:] == ["CoreShowChannels", "Challenge", "Login", "CoreShowChannels"]


async def test_an_answer_without_a_cookie_is_an_answer_all_the_same(
    server: FakeAjam, client: AjamClient
) -> None:
    server.manners["CoreShowChannels"] = replaced(b"Set-Cookie", b"X-Cookie")
    assert len(await client.list(*LIST)) == 14
    assert client.connections == 1


async def test_a_session_that_ends_while_events_are_fetched_loses_them_and_says_so(
    server: FakeAjam, listener: AjamClient, heard: list[Block]
) -> None:
    await listener.connect()
    server.events = [event(1)]
    server.forget()
    await listener.drain()
    assert heard == []
    assert listener.connections == 2
    server.events = [event(2)]
    await listener.drain()
    assert [block["Number"] for block in heard] == ["2"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_that_ends_over_and_over_is_a_failure_not_an_endless_loop(
    server: FakeAjam, client: AjamClient, version: str
) -> None:
    server.manners["CoreShowChannels"] = instead(recorded(version, "ajam/rawman-no-login"))
    assert await failure_of(client, "forgets sessions at once") is CollectFailure.SERVER
    assert server.names.count("CoreShowChannels") == 2
    server.manners.clear()
    assert len(await client.list(*LIST)) == 14


async def test_who_lacks_a_right_is_told_which_and_stays_logged_in(server: FakeAjam) -> None:
    server.users = {"lab": ("macht nichts", False)}
    client = AjamClient(server.endpoint, "lab", Secret("macht nichts"), deadline=PATIENT)
    for _ in range(2):
        assert await failure_of(client, "write = reporting") is CollectFailure.DENIED
    assert client.connections == server.names.count("Login") == 1
    await client.aclose()


# Credentials


@pytest.mark.parametrize(("user", "secret"), [("dialtone", "wrong"), ("nobody", "geheim")])
async def test_refused_credentials_are_tried_once_in_a_deadlines_time(
    server: FakeAjam, clock: FakeClock, user: str, secret: str
) -> None:
    client = AjamClient(server.endpoint, user, Secret(secret), deadline=PATIENT, clock=clock)
    for _ in range(3):
        assert await failure_of(client, "wrong password, no such user") is CollectFailure.AUTH
    assert server.names == ["Challenge", "Login"]
    await clock.advance(PATIENT)
    assert await failure_of(client) is CollectFailure.AUTH
    assert server.names == ["Challenge", "Login"] * 2
    assert client.connections == 0
    await client.aclose()


async def test_credentials_that_are_right_again_are_taken(server: FakeAjam, clock: FakeClock) -> None:
    users, server.users = server.users, {}
    client = AjamClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, clock=clock)
    assert await failure_of(client) is CollectFailure.AUTH
    server.users = users
    await clock.advance(PATIENT)
    assert len(await client.list(*LIST)) == 14
    await client.aclose()


@pytest.mark.parametrize(
    ("old", "said"),
    [(b"Set-Cookie: mansession_id", b"Set-Cookie: other"), (b"Challenge: ", b"Challenge-Of: ")],
)
async def test_without_cookie_or_challenge_nobody_logs_in(
    server: FakeAjam, client: AjamClient, old: bytes, said: bytes
) -> None:
    server.manners["Challenge"] = replaced(old, said)
    assert await failure_of(client, "is it rawman") is CollectFailure.PROTOCOL
    assert server.names == ["Challenge"]


async def test_a_cookie_that_is_no_number_is_not_sent_back(server: FakeAjam, client: AjamClient) -> None:
    server.manners["Challenge"] = replaced(b'="e72f0001"', b'="1;x: y"')
    assert await failure_of(client, "no session cookie") is CollectFailure.PROTOCOL


# Events


async def test_events_are_heard_in_order_each_once_and_only_when_fetched(
    server: FakeAjam, listener: AjamClient, heard: list[Block]
) -> None:
    await listener.connect()
    assert server.requests[-1].form["Events"] == EVENT_CLASSES
    server.events = [event(number) for number in range(500)]
    await listener.ask("CoreStatus")
    assert heard == []
    await listener.drain()
    assert [block["Number"] for block in heard] == [str(number) for number in range(500)]
    await listener.drain()
    assert len(heard) == 500
    assert listener.lost_events == 0


async def test_who_hears_nothing_asks_for_no_events(server: FakeAjam, client: AjamClient) -> None:
    await client.ask("CoreStatus")
    await client.drain()
    assert server.requests[1].form["Events"] == "off"
    assert "WaitEvent" not in server.names


@pytest.mark.parametrize("version", VERSIONS)
async def test_recorded_events_are_heard_as_they_are(
    server: FakeAjam, listener: AjamClient, heard: list[Block], version: str
) -> None:
    await listener.connect()
    stream = recorded(version, "events/calls")
    server.events = [stream]
    await listener.drain()
    assert heard == [block for raw in stream.split(b"\r\n\r\n") if "Event" in (block := decode(raw))]
    assert len(heard) > 20


async def test_an_event_that_is_too_large_is_left_out_and_counted(
    server: FakeAjam, listener: AjamClient, heard: list[Block]
) -> None:
    await listener.connect()
    server.events = [event(1), event(2, f"Value: {'x' * 1_000_000}\r\n"), event(3)]
    await listener.drain()
    assert [block["Number"] for block in heard] == ["1", "3"]
    assert listener.lost_events == 1


async def test_what_looks_like_the_end_of_the_events_is_believed_of_our_own_answer_only(
    server: FakeAjam, listener: AjamClient, heard: list[Block]
) -> None:
    await listener.connect()
    server.events = [
        b"Event: WaitEventComplete\r\nPrivilege: call,all\r\n\r\n",
        b"Event: WaitEventComplete\r\nActionID: forged\r\n\r\n",
        b"Nothing: x\r\n\r\n",
        b"\xff\xfe: \xff\r\n\r\n",
        event(1),
    ]
    await listener.drain()
    assert [block["Event"] for block in heard] == ["WaitEventComplete", "Newstate"]


async def test_events_that_are_not_all_there_are_a_failure_and_a_new_session(
    server: FakeAjam, listener: AjamClient
) -> None:
    await listener.connect()
    server.events = [event(number) for number in range(9)]
    server.manners["WaitEvent"] = ajam.half_told_as_whole
    with pytest.raises(CollectError) as caught:
        await listener.drain()
    assert caught.value.failure is CollectFailure.PROTOCOL
    server.manners.clear()
    await listener.drain()
    assert listener.connections == 2


async def test_a_listener_that_fails_loses_no_event_for_others(server: FakeAjam, clock: FakeClock) -> None:
    heard: list[str] = []

    def hear(block: Block) -> None:
        heard.append(block["Number"])
        raise RuntimeError("a mistake")

    client = AjamClient(
        server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, hear=hear, clock=clock
    )
    await client.connect()
    server.events = [event(1), event(2)]
    await client.drain()
    assert heard == ["1", "2"]
    assert client.lost_events == 2
    await client.aclose()


async def test_others_have_their_turns_while_a_big_answer_is_read(
    server: FakeAjam, client: AjamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 channels are 2.4 MB: read in one piece they would hold the loop for 60 ms."""
    head, item, *_, end = REPLIES["CoreShowChannels"].split(b"\r\n\r\n")[:-1]
    end = end.replace(b"ListItems: 14", b"ListItems: 5000")
    server.replies = {"CoreShowChannels": b"\r\n\r\n".join([head, *[item] * 5000, end, b""])}
    spans: list[int] = []
    decoded = 0

    def counting(raw: bytes) -> Block:
        nonlocal decoded
        decoded += len(raw)
        return decode(raw)

    async def other() -> None:
        nonlocal decoded
        while True:
            spans.append(decoded)
            decoded = 0
            await asyncio.sleep(0)

    monkeypatch.setattr(answers, "decode", counting)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        assert len(await client.list(*LIST)) == 5000
        tasks.cancel_scope.cancel()
    assert sum(spans) > 1_000_000
    assert max(spans) < 70_000


# Servers that misbehave


@pytest.mark.parametrize("action", ["Challenge", "Login", "CoreShowChannels"])
@pytest.mark.parametrize(
    ("manner", "failure"),
    [
        (ajam.closed, CollectFailure.CONNECT),
        (ajam.cut_in_the_middle, CollectFailure.CONNECT),
        (ajam.half_told_as_whole, CollectFailure.PROTOCOL),
        (ajam.without_end, CollectFailure.TOO_LARGE),
        (instead(b"SSH-2.0-OpenSSH_9.2\r\n"), CollectFailure.PROTOCOL),
        (instead(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n"), CollectFailure.PROTOCOL),
        (instead(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n"), CollectFailure.PROTOCOL),
        (instead(http(b"<html>", "e72f0001", kind="text/html")), CollectFailure.PROTOCOL),
        (instead(http(b"", "e72f0001", kind="\xff; charset=\xfe")), CollectFailure.PROTOCOL),
        (instead(http(b"", "e72f0001")), CollectFailure.PROTOCOL),
        (instead(http(b"\xff\x00" * 5000, "e72f0001")), CollectFailure.PROTOCOL),
        (instead(BOMB), CollectFailure.PROTOCOL),
        (instead(http(b"", status="301 Moved\r\nLocation: http://127.0.0.1:9/")), CollectFailure.SERVER),
        (instead(http(b"", status="401 Unauthorized", kind="text/html")), CollectFailure.AUTH),
        (instead(http(b"", status="403 Forbidden", kind="text/html")), CollectFailure.AUTH),
        (instead(http(b"", status="404 Not Found", kind="text/html")), CollectFailure.SERVER),
        (instead(http(b"", status="500 Error", kind="text/html")), CollectFailure.SERVER),
        (instead(http(b"", status="503 Unavailable", kind="text/html")), CollectFailure.SERVER),
    ],
)
async def test_a_server_that_misbehaves_is_a_failure_with_its_reason_and_the_next_poll_is_well(
    server: FakeAjam,
    client: AjamClient,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    manner: ajam.Manner,
    failure: CollectFailure,
) -> None:
    monkeypatch.setattr(rawman, "MAX_REPLY_BYTES", 500_000)
    server.manners[action] = manner
    assert await failure_of(client) is failure
    server.manners.clear()
    assert len(await client.list(*LIST)) == 14


@pytest.mark.parametrize("action", ["Challenge", "Login", "CoreShowChannels"])
async def test_a_silent_server_is_given_up_at_the_deadline(
    server: FakeAjam, client: AjamClient, clock: FakeClock, action: str
) -> None:
    server.manners[action] = ajam.silent
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(failed_by_time, client)
        await server.received(action)
        await clock.advance(PATIENT if action != "Challenge" else PATIENT / 2)
    server.manners.clear()
    assert len(await client.list(*LIST)) == 14


async def failed_by_time(client: AjamClient) -> None:
    said = "no answer to (Challenge .* in 10 s: is this a port for HTTP|(Login|CoreShow).* in 20 s)"
    assert await failure_of(client, said) is CollectFailure.TIMEOUT


async def test_a_redirect_leads_nowhere(server: FakeAjam, client: AjamClient) -> None:
    elsewhere = http(b"", status=f"302 Found\r\nLocation: {server.endpoint}")
    server.manners["CoreShowChannels"] = instead(elsewhere)
    assert await failure_of(client, "it leads elsewhere") is CollectFailure.SERVER
    assert server.names == ["Challenge", "Login", "CoreShowChannels"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "failure", "said"),
    [
        ("http-404", CollectFailure.SERVER, "webenabled in manager.conf"),
        ("arawman-ping-401", CollectFailure.AUTH, "HTTP's own login"),
        ("mxml-CoreShowChannels", CollectFailure.PROTOCOL, "'text/xml'"),
    ],
)
async def test_recorded_refusals_say_what_is_to_be_mended(
    server: FakeAjam, client: AjamClient, version: str, name: str, failure: CollectFailure, said: str
) -> None:
    server.manners["Login"] = instead(recorded(version, f"ajam/{name}"))
    assert await failure_of(client, said) is failure


@pytest.mark.parametrize(
    ("old", "new", "failure"),
    [
        (b"ListItems: 14", b"ListItems: 15", CollectFailure.PROTOCOL),
        (b"ListItems: 14", b"ListItems: x", CollectFailure.PROTOCOL),
        (b"EventList: start", b"EventList: none", CollectFailure.PROTOCOL),
        (b"EventList: Complete", b"EventList: cancelled", CollectFailure.SERVER),
        (b"Event: CoreShowChannelsComplete", b"Event: SomethingComplete", CollectFailure.PROTOCOL),
        (b"ActionID: dialtone-", b"ActionID: somebody-", CollectFailure.PROTOCOL),
        (b"AccountCode: ", b"AccountCode: " + b"x" * MAX_BLOCK_BYTES, CollectFailure.TOO_LARGE),
    ],
)
async def test_a_list_that_is_not_what_it_says_is_no_answer(
    server: FakeAjam, client: AjamClient, old: bytes, new: bytes, failure: CollectFailure
) -> None:
    server.manners["CoreShowChannels"] = replaced(old, new)
    assert await failure_of(client) is failure
    server.manners.clear()
    assert len(await client.list(*LIST)) == 14
    assert client.connections == 2


async def test_a_list_of_too_many_items_is_cut_off(
    server: FakeAjam, client: AjamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_LIST_ITEMS", 10)
    assert await failure_of(client, "over 10 items") is CollectFailure.TOO_LARGE


async def test_a_reply_of_too_many_bytes_is_cut_off(
    server: FakeAjam, client: AjamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rawman, "MAX_REPLY_BYTES", 5000)
    assert await failure_of(client, "over 5000 bytes") is CollectFailure.TOO_LARGE


@MUTATED
@given(EDITS)
def test_whatever_a_list_has_become_it_is_whole_or_an_error_of_ours(edits: Edits) -> None:
    body = edited(recorded("22.10.1", "ajam/rawman-CoreShowChannels").partition(b"\r\n\r\n")[2], edits)
    try:
        read = asyncio.run(module._answer(LIST[0], ends_with=LIST[1])("a1", body))
    except (CollectError, AmiRefusedError):
        return
    assert read.response == decode(read.raw)
    assert body.count(b"Event: CoreShowChannel\r\n") <= len(read.items) <= 14 + len(edits)


@MUTATED
@given(EDITS)
def test_whatever_events_have_become_they_are_heard_or_an_error_of_ours(edits: Edits) -> None:
    heard: list[Block] = []
    client = AjamClient("http://h/rawman", "", Secret(""), deadline=PATIENT, hear=heard.append)
    end = b"Event: WaitEventComplete\r\nActionID: a1\r\n\r\n"
    body = edited(ajam.success("Message: x") + recorded("22.10.1", "events/calls") + end, edits)
    with suppress(CollectError, AmiRefusedError):
        asyncio.run(client._events("a1", body))
    assert all("Event" in block for block in heard)


def edited(body: bytes, edits: Edits) -> bytes:
    """Return a body with pieces cut out and others put in, at places from 0 to 1."""
    for place, cut, put in edits:
        at = int(place * len(body))
        body = body[:at] + put + body[at + cut :]
    return body


async def test_a_poll_given_up_in_the_middle_does_not_answer_the_next_one(
    server: FakeAjam, client: AjamClient
) -> None:
    await client.ask("CoreStatus")
    server.manners["CoreShowChannels"] = ajam.silent
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.list, *LIST)
        await server.received("CoreShowChannels")
        tasks.cancel_scope.cancel()
    server.manners.clear()
    assert (await client.ask("CoreStatus"))["CoreProcessedCalls"] == "41"
    assert client.connections == 2


async def test_closing_in_the_middle_tells_whoever_waits(server: FakeAjam, client: AjamClient) -> None:
    await client.connect()
    server.manners["CoreShowChannels"] = ajam.silent
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut_off, client)
        await server.received("CoreShowChannels")
        await client.aclose()
    assert "Logoff" not in server.names


async def cut_off(client: AjamClient) -> None:
    assert await failure_of(client) is CollectFailure.CONNECT


async def test_nothing_listening_is_a_failure_to_connect() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{held.getsockname()[1]}/rawman"
        client = AjamClient(endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
        assert await failure_of(client, "refused") is CollectFailure.CONNECT
        await client.aclose()


async def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", unresolved)
    client = AjamClient("http://pbx.invalid:8088/rawman", "dialtone", Secret("geheim"), deadline=PATIENT)
    assert await failure_of(client, "does not resolve") is CollectFailure.DNS
    await client.aclose()


async def test_a_proxy_of_the_environment_is_not_used(
    server: FakeAjam, client: AjamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert len(await client.list(*LIST)) == 14


# TLS, and which transport


@pytest.mark.parametrize(
    ("name", "plan", "failure"),
    [
        ("127.0.0.1", TlsPlan(OURS), None),
        ("pbx.example", TlsPlan(OURS, "pbx.example"), None),
        ("pbx.example", TlsPlan(OURS), CollectFailure.TLS),
        ("127.0.0.1", TlsPlan(OURS, "pbx.example"), CollectFailure.TLS),
        ("127.0.0.1", TlsPlan(), CollectFailure.TLS),
        ("127.0.0.1", TlsPlan("/nowhere.pem"), CollectFailure.TLS),
        ("pbx.example", TlsPlan(verify=False), None),
    ],
)
async def test_over_tls_the_server_is_who_it_should_be_or_is_told_nothing(
    tmp_path: Path, name: str, plan: TlsPlan, failure: CollectFailure | None
) -> None:
    made = Certificates(tmp_path)
    server = FakeAjam(dict(REPLIES), tls=made.server(name))
    trust = replace(plan, ca=str(made.file)) if plan.ca == OURS else plan
    async with server.running():
        client = AjamClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, tls=trust)
        if failure is None:
            assert len(await client.list(*LIST)) == 14
        else:
            assert await failure_of(client) is failure
            assert server.requests == []
        await client.aclose()


@pytest.mark.parametrize(
    ("names", "plan", "says"),
    [
        (["pbx.example"], TlsPlan(OURS), "the certificate is for pbx.example"),
        (["127.0.0.1"], TlsPlan(), "write tls: {ca: FILE}"),
    ],
)
async def test_over_tls_it_is_said_how_to_mend_what_is_wrong(
    tmp_path: Path, names: list[str], plan: TlsPlan, says: str
) -> None:
    made = Certificates(tmp_path)
    server = FakeAjam(dict(REPLIES), tls=made.server(*names))
    trust = replace(plan, ca=str(made.file)) if plan.ca == OURS else plan
    async with server.running():
        client = AjamClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT, tls=trust)
        assert await failure_of(client, says) is CollectFailure.TLS
        await client.aclose()


@contextlib.asynccontextmanager
async def serving(greeting: bytes) -> AsyncIterator[str]:
    """Run something that says a thing and hangs up once it is spoken to, for the time of the block."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await reader.read(1)
        writer.close()

    other = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with other:
        yield f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}/rawman"


@pytest.mark.parametrize(
    ("greeting", "failure", "says"),
    [
        (b"Asterisk Call Manager/11.0.0\r\n", CollectFailure.PROTOCOL, "for AMI write tcp:// or tls://"),
        (b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n", CollectFailure.PROTOCOL, "is no web server"),
        (b"", CollectFailure.CONNECT, "is this a port for TLS .https://"),
    ],
)
async def test_another_port_than_that_of_the_web_is_told_by_what_it_may_be(
    greeting: bytes, failure: CollectFailure, says: str
) -> None:
    async with serving(greeting) as endpoint:
        client = AjamClient(endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
        assert await failure_of(client, says) is failure
        await client.aclose()


async def test_a_server_that_has_answered_before_is_not_taken_for_one_of_https(
    server: FakeAjam, client: AjamClient
) -> None:
    await client.ask("CoreStatus")
    server.manners["CoreShowChannels"] = ajam.closed
    assert (
        await failure_of(client, r"closed the connection during CoreShowChannels$") is CollectFailure.CONNECT
    )


async def test_tls_asked_of_a_server_that_has_none_says_so(server: FakeAjam) -> None:
    endpoint = server.endpoint.replace("http:", "https:")
    client = AjamClient(endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
    assert await failure_of(client) is CollectFailure.TLS
    await client.aclose()


@pytest.mark.parametrize(
    ("endpoint", "options", "plan"),
    [
        ("tcp://h:5038", {}, None),
        ("http://h/rawman", {"tls_ca": "/ca.pem"}, None),
        ("tls://h:5039", {}, TlsPlan()),
        ("tls://h:5039", {"tls_ca": "/ca.pem", "tls_name": "pbx.example"}, TlsPlan("/ca.pem", "pbx.example")),
        ("https://h/rawman", {"tls_verify": "false"}, TlsPlan(verify=False)),
        ("https://h/rawman", {"tls_verify": "true"}, TlsPlan()),
    ],
)
def test_a_nodes_options_say_whom_it_trusts(
    endpoint: str, options: dict[str, str], plan: TlsPlan | None
) -> None:
    assert tls_of(Node("pbx1", NodeKind.ASTERISK, endpoint, options=options)) == plan


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("tcp://h:5038", AmiClient),
        ("tls://h:5039", AmiClient),
        ("http://h/rawman", AjamClient),
        ("https://h/rawman", AjamClient),
    ],
)
async def test_the_address_of_a_node_chooses_the_transport(
    endpoint: str, kind: type, clock: FakeClock
) -> None:
    node = Node("pbx1", NodeKind.ASTERISK, endpoint, "dialtone", Secret("geheim"))
    made = manager_of(node, clock)
    assert type(made) is kind
    await made.aclose()
