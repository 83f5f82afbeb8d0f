"""The AMI client against a server that behaves, and against ones that don't."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator

import anyio
import pytest

from collectors.asterisk import client as module
from collectors.asterisk.client import READ_ONLY_ACTIONS, AmiClient, AmiRefusedError
from dialtone.model import CollectError, CollectFailure, Secret
from tests.fakes import ami
from tests.fakes.ami import FakeAmi, getvar
from tests.unit.asterisk.conftest import recorded
from tests.unit.asterisk.contract import AmiContract

REPLIES = {
    "CoreShowChannels": recorded("22.10.1", "CoreShowChannels"),
    "CoreStatus": recorded("22.10.1", "CoreStatus"),
    "CoreSettings": recorded("22.10.1", "CoreSettings"),
    "Getvar": getvar("-0500"),
}
SOON = 0.5
"""A deadline that is waited for, in seconds."""
PATIENT = 20.0
"""One that is not."""


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
async def hasty(server: FakeAmi) -> AsyncIterator[AmiClient]:
    """Return a client of it with a short deadline."""
    made = AmiClient(server.endpoint, "dialtone", Secret("geheim"), deadline=SOON)
    yield made
    await made.aclose()


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


def test_the_list_of_actions_is_closed_and_reads_only() -> None:
    assert {
        "Challenge",
        "Login",
        "CoreSettings",
        "CoreStatus",
        "CoreShowChannels",
        "Getvar",
    } == READ_ONLY_ACTIONS


async def test_nothing_but_the_list_is_ever_sent(server: FakeAmi, client: AmiClient) -> None:
    await client.settings()
    await client.status()
    await client.channels()
    await client.zone_offset(1_700_000_000)
    assert server.names == ["Challenge", "Login", "CoreSettings", "CoreStatus", "CoreShowChannels", "Getvar"]
    assert set(server.names) == READ_ONLY_ACTIONS
    variables = [action["Variable"] for action in server.actions if "Variable" in action]
    assert all(re.fullmatch(r"STRFTIME\(\d+,,%z\)", variable) for variable in variables)


async def test_an_action_off_the_list_is_refused_before_anything_is_sent(
    server: FakeAmi, client: AmiClient
) -> None:
    with pytest.raises(ValueError, match="read-only"):
        await client._ask("Originate", {})
    assert "Originate" not in server.names


async def test_the_password_does_not_cross_the_wire_and_no_events_are_asked_for(
    server: FakeAmi, client: AmiClient
) -> None:
    await client.status()
    assert "geheim" not in repr(server.actions)
    login = next(action for action in server.actions if action["Action"] == "Login")
    assert login["AuthType"] == "MD5"
    assert login["Events"] == "off"


async def test_one_connection_serves_all_polls(server: FakeAmi, client: AmiClient) -> None:
    for _ in range(3):
        assert len(await client.channels()) == 14
    assert server.connections == 1


async def test_one_action_is_in_flight_at_a_time(server: FakeAmi, client: AmiClient) -> None:
    answers = await asyncio.gather(client.channels(), client.status(), client.channels())
    assert [len(answers[0]), len(answers[2])] == [14, 14]
    assert server.most_in_flight == 1
    assert server.connections == 1


async def test_pieces_of_any_size_make_the_same_answer(server: FakeAmi, client: AmiClient) -> None:
    whole = await client.status()
    server.manners["CoreStatus"] = ami.in_small_pieces
    piecewise = await client.status()
    assert {**piecewise, "ActionID": ""} == {**whole, "ActionID": ""}


async def test_strangers_between_are_not_our_answer(server: FakeAmi, client: AmiClient) -> None:
    server.manners["CoreShowChannels"] = ami.with_a_stranger_first
    assert len(await client.channels()) == 14


async def test_a_restart_between_two_polls_is_no_failure(server: FakeAmi, client: AmiClient) -> None:
    await client.status()
    server.hang_up()
    await anyio.wait_all_tasks_blocked()
    assert len(await client.channels()) == 14
    assert server.connections == client.connections == 2


@pytest.mark.parametrize(
    ("manner", "failure"),
    [
        (ami.silent, CollectFailure.TIMEOUT),
        (ami.cut_in_the_middle, CollectFailure.CONNECT),
        (ami.as_one_endless_message, CollectFailure.TOO_LARGE),
    ],
)
@pytest.mark.parametrize("action", ["banner", "Challenge", "Login", "CoreShowChannels"])
async def test_a_server_that_misbehaves_is_a_failure_with_its_reason_and_the_next_poll_is_well(
    server: FakeAmi,
    client: AmiClient,
    hasty: AmiClient,
    action: str,
    manner: ami.Manner,
    failure: CollectFailure,
) -> None:
    client = hasty if manner is ami.silent else client
    server.manners[action] = manner
    with pytest.raises(CollectError) as caught:
        await client.channels()
    if (action, failure) == ("banner", CollectFailure.TOO_LARGE):
        failure = CollectFailure.PROTOCOL  # whatever it is, it is no AMI
    assert caught.value.failure is failure
    assert "\n" not in caught.value.detail
    server.manners.clear()
    assert len(await client.channels()) == 14


async def test_an_endless_list_is_cut_off(
    server: FakeAmi, client: AmiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LIST_ITEMS", 1000)
    server.manners["CoreShowChannels"] = ami.without_end
    with pytest.raises(CollectError, match="over 1000 items") as caught:
        await client.channels()
    assert caught.value.failure is CollectFailure.TOO_LARGE


async def test_a_flood_of_events_is_cut_off(
    server: FakeAmi, client: AmiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REPLY_BYTES", 200_000)
    server.manners["CoreStatus"] = ami.flooded_with_events
    with pytest.raises(CollectError, match="over 200000 bytes") as caught:
        await client.status()
    assert caught.value.failure is CollectFailure.TOO_LARGE


async def test_a_list_that_lost_items_is_no_answer(server: FakeAmi, client: AmiClient) -> None:
    head, _, *rest = recorded("22.10.1", "CoreShowChannels").split(b"\r\n\r\n")
    server.replies = REPLIES | {"CoreShowChannels": b"\r\n\r\n".join([head, *rest])}
    with pytest.raises(CollectError) as caught:
        await client.channels()
    assert caught.value.failure is CollectFailure.PROTOCOL


async def test_a_list_that_the_server_breaks_off_is_no_answer(server: FakeAmi, client: AmiClient) -> None:
    cancelled = REPLIES["CoreShowChannels"].replace(b"EventList: Complete", b"EventList: cancelled")
    server.replies = REPLIES | {"CoreShowChannels": cancelled}
    with pytest.raises(CollectError, match="broke the list off") as caught:
        await client.channels()
    assert caught.value.failure is CollectFailure.SERVER


async def test_a_refused_action_leaves_the_connection_alone(server: FakeAmi, client: AmiClient) -> None:
    server.replies = {name: reply for name, reply in REPLIES.items() if name != "Getvar"}
    with pytest.raises(AmiRefusedError, match="unknown command"):
        await client.zone_offset(0)
    await client.status()
    assert server.connections == 1


async def test_a_poll_given_up_in_the_middle_does_not_answer_the_next_one(
    server: FakeAmi, client: AmiClient
) -> None:
    await client.status()
    server.manners["CoreShowChannels"] = ami.silent
    with anyio.move_on_after(0.05) as scope:
        await client.channels()
    assert scope.cancelled_caught
    server.manners.clear()
    assert (await client.status())["CoreProcessedCalls"] == "41"
    assert server.connections == 2


async def test_something_else_on_the_port_is_no_asterisk(server: FakeAmi, client: AmiClient) -> None:
    server.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    with pytest.raises(CollectError, match="no Asterisk manager") as caught:
        await client.status()
    assert caught.value.failure is CollectFailure.PROTOCOL


async def test_nothing_listening_is_a_failure_to_connect() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        client = AmiClient(endpoint, "dialtone", Secret("geheim"), deadline=PATIENT)
        with pytest.raises(CollectError) as caught:
            await client.status()
    assert caught.value.failure is CollectFailure.CONNECT
    assert "refused" in caught.value.detail


async def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio, "open_connection", unresolved)
    client = AmiClient("tcp://pbx.invalid:5038", "dialtone", Secret("geheim"), deadline=PATIENT)
    with pytest.raises(CollectError) as caught:
        await client.status()
    assert caught.value.failure is CollectFailure.DNS


async def test_a_user_name_with_a_line_break_sends_nothing_of_it(server: FakeAmi) -> None:
    client = AmiClient(server.endpoint, "x\r\nAction: Originate", Secret("geheim"), deadline=PATIENT)
    with pytest.raises(CollectError, match="line break"):
        await client.status()
    assert set(server.names) <= {"Challenge"}
    await client.aclose()
