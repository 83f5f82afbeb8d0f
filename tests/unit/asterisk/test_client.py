"""The AMI client against a server that behaves, and against ones that don't."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest

from collectors.asterisk import answers
from collectors.asterisk.client import AmiClient
from collectors.asterisk.manager import ACTIONS, TASK_PROCESSORS, AmiRefusedError
from dialtone.model import CollectError, CollectFailure, Secret
from tests.fakes import ami
from tests.fakes.ami import FakeAmi, getvar
from tests.fakes.clock import FakeClock
from tests.unit.asterisk.asking import channels, settings, status, zone_offset
from tests.unit.asterisk.conftest import VERSIONS, items, recorded
from tests.unit.asterisk.contract import AmiContract

REPLIES = {
    "CoreShowChannels": recorded("22.10.1", "CoreShowChannels"),
    "CoreStatus": recorded("22.10.1", "CoreStatus"),
    "CoreSettings": recorded("22.10.1", "CoreSettings"),
    "Getvar": getvar("-0500"),
}
PATIENT = 20.0
"""A deadline that is not waited for, in seconds."""


@pytest.fixture
async def server() -> AsyncIterator[FakeAmi]:
    """Return a server with 14 channels."""
    async with FakeAmi(dict(REPLIES)).running() as running:
        yield running


@pytest.fixture
async def client(server: FakeAmi) -> AsyncIterator[AmiClient]:
    """Return a client of it."""
    made = AmiClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
    yield made
    await made.aclose()


@pytest.fixture
async def timed(server: FakeAmi, clock: FakeClock) -> AsyncIterator[AmiClient]:
    """Return a client of it whose time is the test's; its deadline is 5 s."""
    made = AmiClient(server.endpoint, "dialtone", Secret("geheim"), deadline=5.0, clock=clock)
    yield made
    await made.aclose()


async def overdue(clock: FakeClock, server: FakeAmi, action: str, asking: Awaitable[object]) -> CollectError:
    """Let the deadline pass once the server has been asked; return what the client makes of that."""
    asked = asyncio.ensure_future(asking)
    await until(lambda: bool(server.connections) if action == "banner" else action in server.names)
    await clock.advance(2.5 if action == "banner" else 5.0)
    with pytest.raises(CollectError) as caught:
        await asked
    return caught.value


async def until(happened: Callable[[], bool]) -> None:
    """Let everything run until something has happened."""
    while not happened():  # noqa: ASYNC110 - what other tasks and the kernel do
        await asyncio.sleep(0)


class TestFakeKeepsTheContract(AmiContract):
    """The fake is like the real one, which tests/integration/ holds to the same contract."""

    @pytest.fixture
    async def endpoint(self) -> AsyncIterator[str]:
        replies = REPLIES | {"CoreShowChannels": recorded("22.10.1", "CoreShowChannels-idle")}
        users = {"dialtone": ("geheim", True), "lab": ("macht nichts", False)}
        async with FakeAmi(replies, users).running() as running:
            yield running.endpoint

    @pytest.fixture
    def secret(self) -> str:
        return "geheim"

    @pytest.fixture
    def powerless(self) -> tuple[str, str]:
        return "lab", "macht nichts"


async def test_nothing_but_the_list_is_ever_sent(server: FakeAmi, client: AmiClient) -> None:
    await settings(client)
    await status(client)
    await channels(client)
    await zone_offset(client, 1_700_000_000)
    await client.aclose()
    assert server.names == [
        *("Challenge", "Login", "CoreSettings", "CoreStatus", "CoreShowChannels", "Getvar", "Logoff")
    ]
    assert set(server.names) <= ACTIONS


@pytest.mark.parametrize(
    ("action", "headers"),
    [
        ("Originate", {}),
        ("coreStatus", {}),
        ("Getvar", {}),
        ("Getvar", {"Variable": "SHELL(id)"}),
        ("Getvar", {"Variable": "STRFTIME(1,,%z)x"}),
        ("Getvar", {"Variable": "STRFTIME(1,,%z)", "Channel": "PJSIP/x"}),
        ("Command", {}),
        ("Command", {"Command": "core stop now"}),
        ("Command", {"Command": TASK_PROCESSORS, "X": "y"}),
    ],
)
async def test_what_is_off_the_list_is_refused_before_anything_is_sent(
    server: FakeAmi, client: AmiClient, action: str, headers: dict[str, str]
) -> None:
    for asking in (
        client.ask(action, headers),
        client.lines(action, headers),
        client.list(action, "", headers),
    ):
        with pytest.raises(ValueError, match=r"list of read-only|alone"):
            await asking
    assert server.connections == 0


async def test_the_password_does_not_cross_the_wire_and_no_events_are_asked_for(
    server: FakeAmi, client: AmiClient
) -> None:
    await status(client)
    assert "geheim" not in repr(server.actions)
    login = next(action for action in server.actions if action["Action"] == "Login")
    assert login["AuthType"] == "MD5"
    assert login["Events"] == "off"


async def test_one_connection_serves_all_polls(server: FakeAmi, client: AmiClient) -> None:
    for _ in range(3):
        assert len(await channels(client)) == 14
    assert server.connections == 1


async def test_one_action_is_in_flight_at_a_time(server: FakeAmi, client: AmiClient) -> None:
    answers = await asyncio.gather(channels(client), status(client), channels(client))
    assert [len(answers[0]), len(answers[2])] == [14, 14]
    assert server.most_in_flight == 1
    assert server.connections == 1


async def test_pieces_of_any_size_make_the_same_answer(server: FakeAmi, client: AmiClient) -> None:
    whole = await status(client)
    server.manners["CoreStatus"] = ami.in_small_pieces
    piecewise = await status(client)
    assert {**piecewise, "ActionID": ""} == {**whole, "ActionID": ""}


async def test_strangers_between_are_not_our_answer(server: FakeAmi, client: AmiClient) -> None:
    server.manners["CoreShowChannels"] = ami.with_a_stranger_first
    assert len(await channels(client)) == 14


async def test_a_restart_between_two_polls_is_no_failure(server: FakeAmi, client: AmiClient) -> None:
    await status(client)
    server.hang_up()
    await anyio.wait_all_tasks_blocked()
    assert len(await channels(client)) == 14
    assert server.connections == client.connections == 2


@pytest.mark.parametrize(
    ("manner", "failure"),
    [
        (ami.cut_in_the_middle, CollectFailure.CONNECT),
        (ami.as_one_endless_message, CollectFailure.TOO_LARGE),
    ],
)
@pytest.mark.parametrize("action", ["banner", "Challenge", "Login", "CoreShowChannels"])
async def test_a_server_that_misbehaves_is_a_failure_with_its_reason_and_the_next_poll_is_well(
    server: FakeAmi, client: AmiClient, action: str, manner: ami.Manner, failure: CollectFailure
) -> None:
    server.manners[action] = manner
    with pytest.raises(CollectError) as caught:
        await channels(client)
    if (action, failure) == ("banner", CollectFailure.TOO_LARGE):
        failure = CollectFailure.PROTOCOL  # whatever it is, it is no AMI
    assert caught.value.failure is failure
    assert "\n" not in caught.value.detail
    server.manners.clear()
    assert len(await channels(client)) == 14


@pytest.mark.parametrize(
    ("action", "manner"),
    [
        *((action, ami.silent) for action in ("banner", "Challenge", "Login", "CoreShowChannels")),
        *((action, ami.stops_reading) for action in ("banner", "Challenge", "Login", "CoreShowChannels")),
        *((action, ami.flooded_with_events) for action in ("Challenge", "Login", "CoreShowChannels")),
    ],
)
async def test_an_answer_that_does_not_come_is_a_failure_at_the_deadline_and_the_next_poll_is_well(
    server: FakeAmi, timed: AmiClient, clock: FakeClock, action: str, manner: ami.Manner
) -> None:
    server.manners[action] = manner
    error = await overdue(clock, server, action, channels(timed))
    assert error.failure is CollectFailure.TIMEOUT
    assert (" 2.5 s" if action == "banner" else " 5 s") in error.detail
    server.manners.clear()
    assert len(await channels(timed)) == 14


@pytest.mark.parametrize("manner", [ami.with_a_wrong_action_id, ami.without_an_action_id])
async def test_an_answer_to_somebody_else_is_not_taken(
    server: FakeAmi, timed: AmiClient, clock: FakeClock, manner: ami.Manner
) -> None:
    server.manners["CoreStatus"] = manner
    error = await overdue(clock, server, "CoreStatus", status(timed))
    assert error.failure is CollectFailure.TIMEOUT


async def test_a_late_answer_is_never_taken_for_that_to_a_newer_question(
    server: FakeAmi, timed: AmiClient, clock: FakeClock
) -> None:
    late = server.manners["CoreStatus"] = ami.Late()
    await overdue(clock, server, "CoreStatus", status(timed))
    server.replies = REPLIES | {"CoreStatus": b"Response: Success\r\nActionID: 0\r\nNew: yes\r\n\r\n"}
    asked = asyncio.ensure_future(status(timed))
    await until(lambda: server.names.count("CoreStatus") == 2)
    late.let_go()
    assert (await asked)["New"] == "yes"
    assert server.connections == 2


async def test_lines_that_are_no_headers_and_odd_bytes_are_passed_over(
    server: FakeAmi, client: AmiClient
) -> None:
    whole = await channels(client)
    for action in ("Challenge", "Login", "CoreShowChannels"):
        server.manners[action] = ami.with_strange_lines
    assert client._connection is not None
    client._connection.abort()
    await client._connection.ended
    strange = await channels(client)
    assert [block["Channel"] for block in strange] == [block["Channel"] for block in whole]


@pytest.mark.parametrize("action", ["CoreShowChannels", "CoreStatus"])
async def test_an_answer_with_a_value_of_a_megabyte_is_too_large_and_the_next_poll_is_well(
    server: FakeAmi, client: AmiClient, action: str
) -> None:
    server.manners[action] = ami.with_a_huge_value
    asking = channels(client) if action == "CoreShowChannels" else status(client)
    with pytest.raises(CollectError, match="over 65536 bytes") as caught:
        await asking
    assert caught.value.failure is CollectFailure.TOO_LARGE
    server.manners.clear()
    assert len(await channels(client)) == 14


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [
        ("MAX_LIST_ITEMS", 1000, "items"),
        ("MAX_REPLY_BYTES", 200_000, "bytes"),
        ("MAX_REPLY_HEADERS", 9000, "h"),
    ],
)
async def test_an_endless_list_is_cut_off(
    server: FakeAmi, client: AmiClient, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, says: str
) -> None:
    monkeypatch.setattr(answers, limit, value)
    server.manners["CoreShowChannels"] = ami.without_end
    with pytest.raises(CollectError, match=f"over {value} {says}") as caught:
        await channels(client)
    assert caught.value.failure is CollectFailure.TOO_LARGE


async def test_lines_are_whole_however_long_their_message_is(server: FakeAmi, client: AmiClient) -> None:
    line = b"Output: stasis/p:endpoint:PJSIP/acme-101                0          0          1\r\n"
    head = b"Response: Success\r\nActionID: 0\r\nMessage: Command output follows\r\n"
    server.replies = {**server.replies, "Command": head + line * 10_000 + b"\r\n"}
    lines = await client.lines("Command", {"Command": TASK_PROCESSORS})
    assert [name for name, _ in lines[3:]] == ["Output"] * 10_000
    server.replies = {**server.replies, "Command": head + line * 20_000 + b"\r\n"}
    with pytest.raises(CollectError, match="over 1048576 bytes") as caught:
        await client.lines("Command", {"Command": TASK_PROCESSORS})
    assert caught.value.failure is CollectFailure.TOO_LARGE


async def test_a_list_that_lost_items_is_no_answer(server: FakeAmi, client: AmiClient) -> None:
    head, _, *rest = recorded("22.10.1", "CoreShowChannels").split(b"\r\n\r\n")
    server.replies = REPLIES | {"CoreShowChannels": b"\r\n\r\n".join([head, *rest])}
    with pytest.raises(CollectError) as caught:
        await channels(client)
    assert caught.value.failure is CollectFailure.PROTOCOL


async def test_a_list_that_the_server_breaks_off_is_no_answer(server: FakeAmi, client: AmiClient) -> None:
    cancelled = REPLIES["CoreShowChannels"].replace(b"EventList: Complete", b"EventList: cancelled")
    server.replies = REPLIES | {"CoreShowChannels": cancelled}
    with pytest.raises(CollectError, match="broke the list off") as caught:
        await channels(client)
    assert caught.value.failure is CollectFailure.SERVER


async def test_a_refused_action_leaves_the_connection_alone(server: FakeAmi, client: AmiClient) -> None:
    server.replies = {name: reply for name, reply in REPLIES.items() if name != "Getvar"}
    with pytest.raises(AmiRefusedError, match="unknown command"):
        await zone_offset(client, 0)
    await status(client)
    assert server.connections == 1


async def test_an_action_without_the_right_names_it_and_leaves_the_connection_alone(server: FakeAmi) -> None:
    server.users = {"dialtone": ("geheim", {"reporting"})}
    server.replies = {**server.replies, "PJSIPShowContacts": b""}
    client = AmiClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
    for action, right in (("Command", "command"), ("PJSIPShowContacts", "system")):
        with pytest.raises(CollectError, match=f"{action}.* write = {right} ") as caught:
            await client.ask(action, {"Command": TASK_PROCESSORS} if action == "Command" else None)
        assert caught.value.failure is CollectFailure.DENIED
    assert len(await channels(client)) == 14
    assert server.connections == 1
    await client.aclose()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("action", "ends_with", "found"),
    [
        ("ConfbridgeListRooms", "ConfbridgeListRoomsComplete", 1),
        ("CoreShowChannels", "CoreShowChannelsComplete", 14),
        ("DeviceStateList", "DeviceStateListComplete", None),
        ("PJSIPShowContacts", "ContactListComplete", 1),
        ("QueueStatus", "QueueStatusComplete", 9),
    ],
)
async def test_recorded_lists_are_read_whole(
    server: FakeAmi, client: AmiClient, version: str, action: str, ends_with: str, found: int | None
) -> None:
    server.replies = {action: recorded(version, action)}
    listed = await client.list(action, ends_with)
    assert [{**block, "ActionID": ""} for block in listed] == [
        {**block, "ActionID": ""} for block in items(version, action)
    ]
    assert len(listed) == found or found is None


async def test_a_list_that_is_answered_by_words_is_empty(server: FakeAmi, client: AmiClient) -> None:
    words = "There are no voicemail users currently defined."  # as app_voicemail says it
    server.replies = {
        "VoicemailUsersList": f"Response: Success\r\nActionID: 0\r\nMessage: {words}\r\n\r\n".encode()
    }
    assert await client.list("VoicemailUsersList", "VoicemailUserEntryComplete") == []


async def test_what_a_user_may_send_is_told_line_by_line(server: FakeAmi) -> None:
    server.users = {"dialtone": ("geheim", {"reporting"})}
    server.replies = {"ListCommands": recorded("22.10.1", "ListCommands")}
    client = AmiClient(server.endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
    told = dict(await client.lines("ListCommands"))
    assert "CoreShowChannels" in told
    assert "PJSIPShowContacts" not in told
    await client.aclose()


async def test_a_poll_given_up_in_the_middle_does_not_answer_the_next_one(
    server: FakeAmi, client: AmiClient
) -> None:
    await status(client)
    server.manners["CoreShowChannels"] = ami.silent
    with anyio.move_on_after(0.05) as scope:
        await channels(client)
    assert scope.cancelled_caught
    server.manners.clear()
    assert (await status(client))["CoreProcessedCalls"] == "41"
    assert server.connections == 2


async def test_something_else_on_the_port_is_no_asterisk(server: FakeAmi, client: AmiClient) -> None:
    server.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    with pytest.raises(CollectError, match="no Asterisk manager") as caught:
        await status(client)
    assert caught.value.failure is CollectFailure.PROTOCOL


async def test_nothing_listening_is_a_failure_to_connect() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        client = AmiClient(endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
        with pytest.raises(CollectError) as caught:
            await status(client)
    assert caught.value.failure is CollectFailure.CONNECT
    assert "refused" in caught.value.detail


async def test_a_silent_port_is_told_before_the_polls_deadline_with_what_it_may_be(
    server: FakeAmi, timed: AmiClient, clock: FakeClock
) -> None:
    server.manners["banner"] = ami.silent
    error = await overdue(clock, server, "banner", status(timed))
    assert error.failure is CollectFailure.TIMEOUT
    assert error.detail == (
        f"{server.endpoint}: connected, but no greeting came: is this a port for TLS (tls://) or HTTP "
        "(http://), or does Asterisk hang? (waited 2.5 s)"
    )


async def test_a_port_that_was_asterisks_before_is_not_taken_for_a_wrong_one(
    server: FakeAmi, timed: AmiClient, clock: FakeClock
) -> None:
    await status(timed)
    server.hang_up()
    await anyio.wait_all_tasks_blocked()
    server.manners["banner"] = ami.silent
    asked = asyncio.ensure_future(status(timed))
    await until(lambda: server.connections == 2)
    await clock.advance(2.5)
    with pytest.raises(CollectError, match=r"no greeting came: does Asterisk hang\?"):
        await asked


async def test_a_machine_that_does_not_answer_is_told_before_the_polls_deadline(
    monkeypatch: pytest.MonkeyPatch, timed: AmiClient, clock: FakeClock
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    asked = asyncio.ensure_future(status(timed))
    await clock.advance(2.5)
    with pytest.raises(CollectError, match=r"nothing answers: is the machine up") as caught:
        await asked
    assert caught.value.failure is CollectFailure.TIMEOUT


async def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    client = AmiClient("tcp://pbx.invalid:5038", "dialtone", Secret("geheim"), deadline=PATIENT)
    with pytest.raises(CollectError) as caught:
        await status(client)
    assert caught.value.failure is CollectFailure.DNS


async def test_a_user_name_with_a_line_break_sends_nothing_of_it(server: FakeAmi) -> None:
    client = AmiClient(server.endpoint, "x\r\nAction: Originate", Secret("geheim"), deadline=PATIENT)
    with pytest.raises(CollectError, match="line break"):
        await status(client)
    assert set(server.names) <= {"Challenge"}
    await client.aclose()


async def test_refused_credentials_are_tried_once_a_poll_whatever_it_asks(
    server: FakeAmi, clock: FakeClock
) -> None:
    client = AmiClient(server.endpoint, "dialtone", Secret("falsch"), deadline=5.0, clock=clock)
    for asking in (status(client), channels(client), client.connect()):
        with pytest.raises(CollectError, match="wrong password") as caught:
            await asking
        assert caught.value.failure is CollectFailure.AUTH
    assert server.names.count("Login") == 1
    server.users = {"dialtone": ("falsch", True)}
    await clock.advance(5.0)
    assert len(await channels(client)) == 14
    await client.aclose()


async def test_a_server_without_a_challenge_is_not_sent_the_password_in_clear(
    server: FakeAmi, client: AmiClient
) -> None:
    server.has_challenge = False
    with pytest.raises(CollectError, match="over verified TLS only") as caught:
        await status(client)
    assert caught.value.failure is CollectFailure.AUTH
    assert "Login" not in server.names


async def test_closing_logs_off_and_nothing_is_asked_afterwards(server: FakeAmi, client: AmiClient) -> None:
    await status(client)
    await client.aclose()
    assert server.names[-1] == "Logoff"
    await client.aclose()
    for asking in (client.connect(), status(client), channels(client)):
        with pytest.raises(CollectError, match="closed by us") as caught:
            await asking
        assert caught.value.failure is CollectFailure.CONNECT
    assert server.names[-1] == "Logoff"
    assert server.connections == client.connections == 1


async def test_a_poll_that_is_closed_between_two_actions_logs_in_no_more(
    server: FakeAmi, client: AmiClient
) -> None:
    await status(client)
    asked = asyncio.ensure_future(settings(client))
    await client.aclose()
    with pytest.raises(CollectError, match="closed"):
        await asked
    with pytest.raises(CollectError, match="closed"):
        await status(client)
    assert server.names.count("Login") == server.connections == 1


@pytest.mark.parametrize("action", ["banner", "Challenge", "Login"])
async def test_a_login_that_is_under_way_when_we_close_comes_to_nothing(
    server: FakeAmi, clock: FakeClock, action: str
) -> None:
    told: list[str] = []
    client = AmiClient(
        *(server.endpoint, "dialtone", Secret("geheim")),
        deadline=5.0,
        hear=lambda _: None,
        connected=lambda: told.append("connected"),
        clock=clock,
    )
    server.manners[action] = late = ami.Late()
    asked = asyncio.ensure_future(client.connect())
    await until(lambda: bool(server.connections) if action == "banner" else action in server.names)
    await client.aclose()
    late.let_go()
    with pytest.raises(CollectError) as caught:
        await asked
    assert caught.value.failure is CollectFailure.CONNECT
    await until(lambda: not server._sessions)
    assert server.names == {"banner": [], "Challenge": ["Challenge"]}.get(action, ["Challenge", "Login"])
    assert client.connections == 0
    assert not told
    assert clock.sleeping == 0


async def test_closing_before_anything_is_connected_holds(server: FakeAmi, client: AmiClient) -> None:
    asked = asyncio.ensure_future(client.connect())
    await asyncio.sleep(0)  # it looks the name up, or connects
    await client.aclose()
    with pytest.raises(CollectError) as caught:
        await asked
    assert caught.value.failure is CollectFailure.CONNECT
    assert "Challenge" not in server.names
    await until(lambda: not server._sessions)


async def test_a_server_that_says_no_goodbye_is_left_after_a_second(
    server: FakeAmi, timed: AmiClient, clock: FakeClock
) -> None:
    await status(timed)
    server.manners["Logoff"] = ami.stops_reading
    closing = asyncio.ensure_future(timed.aclose())
    await until(lambda: "Logoff" in server.names)
    assert not closing.done()
    await clock.advance(2.0)
    await closing
    assert clock.sleeping == 0


@pytest.mark.parametrize("action", ["banner", "Challenge", "CoreStatus"])
async def test_who_waits_for_an_answer_is_told_that_we_close(
    server: FakeAmi, timed: AmiClient, clock: FakeClock, action: str
) -> None:
    server.manners[action] = late = ami.Late()
    asked = asyncio.ensure_future(status(timed))
    await until(lambda: bool(server.connections) if action == "banner" else action in server.names)
    await timed.aclose()
    late.let_go()
    with pytest.raises(CollectError) as caught:
        await asked
    assert caught.value.failure is CollectFailure.CONNECT
    assert clock.sleeping == 0


async def test_a_silent_connection_is_pinged_and_stays(
    server: FakeAmi, timed: AmiClient, clock: FakeClock
) -> None:
    await status(timed)
    for pings in range(1, 4):
        await clock.advance(20.0)
        await until(lambda pings=pings: server.names.count("Ping") == pings)  # type: ignore[misc]
    await status(timed)
    assert server.connections == timed.connections == 1


async def test_a_connection_that_is_used_is_not_pinged(
    server: FakeAmi, timed: AmiClient, clock: FakeClock
) -> None:
    for _ in range(10):
        await status(timed)
        await clock.advance(15.0)
    assert "Ping" not in server.names


@pytest.mark.parametrize("manner", [ami.silent, ami.stops_reading, ami.with_a_wrong_action_id])
async def test_a_server_that_does_not_answer_a_ping_is_given_up_and_found_anew_by_the_next_poll(
    server: FakeAmi, timed: AmiClient, clock: FakeClock, manner: ami.Manner
) -> None:
    await status(timed)
    server.manners["Ping"] = manner
    await clock.advance(20.0)
    await until(lambda: "Ping" in server.names)
    await clock.advance(4.9)
    assert timed._connection is not None
    assert not timed._connection.ended.done()
    await clock.advance(0.2)
    assert timed._connection.ended.done()
    assert server.connections == 1  # nobody connects but a poll
    assert clock.sleeping == 0
    server.manners.clear()
    assert len(await channels(timed)) == 14
    assert server.connections == timed.connections == 2
