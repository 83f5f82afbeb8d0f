"""The dialog profiles beside the tenants' one: read in bounds, and never at the cost of the poll."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips import OpensipsCollector
from collectors.opensips.parse import parse_profiles
from collectors.opensips.profiles import MOST_PROFILES, MOST_VALUES, OTHER, folded
from collectors.opensips.statistics import LIST_AGAIN
from dialtone.model import CollectError, CollectFailure, Node, NodeKind, Reading
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, http, recorded_reply
from tests.unit.opensips.conftest import Tenants, recorded

ALL = {"allcalls", "tenant", "trunk", "lbXcalls", "lbXpstn"}


class SlowClock(FakeClock):
    """A clock that what answers can turn, which has no time to wait."""

    late = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.late


class Server:
    """A server with the profiles that a test sets; `slow` seconds pass with each that it is asked for."""

    def __init__(self, replies: Mapping[str, bytes], clock: FakeClock) -> None:
        self.replies = dict(replies)
        self.values: dict[str, object] = {}
        self.slow = 0.0
        self.asked: list[str] = []
        self._clock = clock

    def list(self, *names: str) -> None:
        """Have these profiles."""
        said = {"Profiles": [{"name": name, "has value": True} for name in names]}
        self.replies["list_all_profiles"] = json.dumps({"result": said}).encode()

    def answer(self, request: dict[str, Any]) -> bytes:
        """Return the reply to a request."""
        name = request["params"].get("profile", "")
        self.asked.append(name or request["method"])
        if name in self.values:
            if isinstance(self._clock, SlowClock):
                self._clock.late += self.slow
            return http(json.dumps({"id": request["id"], "result": self.values[name]}).encode())
        return http(recorded_reply(self.replies, request))


def node(url: str) -> Node:
    return Node("sip1", NodeKind.OPENSIPS, url, timeout=2.0)


async def polled(server: Server, tenants: Tenants, clock: FakeClock, times: int = 1) -> Reading:
    async with FakeMi({}, server.answer).running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        for _ in range(times):
            reading = await collector.collect()
        await collector.aclose()
    return reading


def dialogs(reading: Reading) -> dict[tuple[str, ...], float]:
    return {s.labels[1:]: s.value for s in reading.samples if s.metric == "opensips_dialog_profile_dialogs"}


@pytest.mark.parametrize("version", ["1.11", "2.4", "3.6.8", "4.0.1"])
def test_the_names_of_the_profiles_are_read_of_every_version(version: str) -> None:
    reply = json.loads(recorded(version, "live-list_all_profiles"))
    assert parse_profiles(reply.get("result", reply)) == ALL


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i))
)
def test_whatever_is_said_of_profiles_is_read_or_refused(reply: object) -> None:
    for said in (reply, {"Profiles": reply}):
        try:
            found = parse_profiles(said)
        except CollectError:
            continue
        assert all(isinstance(name, str) for name in found)


async def test_each_profile_is_published_by_value_but_the_tenants_and_the_load_balancers(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies, clock)
    server.values["allcalls"] = [{"value": None, "count": 6}]
    server.values["trunk"] = [
        {"value": "carrier-a", "count": 2},
        {"value": "acme.ntek.example.net", "count": 1},
    ]
    reading = await polled(server, tenants, clock)
    assert dialogs(reading) == {
        ("allcalls", ""): 6,
        ("trunk", "carrier-a"): 2,
        ("trunk", "acme.ntek.example.net"): 1,
    }
    assert not {"lbXcalls", "lbXpstn"} & set(server.asked)
    assert server.asked.count("tenant") == 1
    calls = [s for s in reading.samples if s.metric == "opensips_tenant_dialogs" and "acme" in s.labels[1]]
    assert [call.value for call in calls] == [3], "another profile's value is no call of a tenant"


async def test_the_profiles_are_listed_again_now_and_then(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies, clock)
    server.list("tenant")
    async with FakeMi({}, server.answer).running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        server.list("tenant", "pstn")
        server.values["pstn"] = [{"value": "x", "count": 1}]
        assert not dialogs(await collector.collect())
        await clock.advance(LIST_AGAIN)
        assert dialogs(await collector.collect()) == {("pstn", "x"): 1}
        await collector.aclose()


async def test_too_many_profiles_are_cut_and_it_is_said(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies, clock)
    names = [f"p{number:03}" for number in range(MOST_PROFILES + 3)]
    server.list(*names, "with space", "ü", "x" * 65, "")
    server.values = {name: [{"value": None, "count": 1}] for name in names}
    reading = await polled(server, tenants, clock)
    assert {profile for profile, _ in dialogs(reading)} == set(names[:MOST_PROFILES])
    assert reading.info["profiles"] == f"3 profiles over {MOST_PROFILES} are left out"


async def test_a_slow_server_is_asked_for_no_more_profiles_than_the_poll_has_time_for(
    replies: dict[str, bytes], tenants: Tenants
) -> None:
    clock = SlowClock()
    server = Server(replies, clock)
    server.list("a", "b", "c", "d")
    server.values = {name: [{"value": None, "count": 1}] for name in "abcd"}
    server.slow = 0.6
    reading = await polled(server, tenants, clock)
    assert dialogs(reading) == {("a", ""): 1, ("b", ""): 1}
    assert reading.info["profiles"] == "2 profiles were left out: the server is slow"
    assert [s for s in reading.samples if s.metric == "opensips_tenant_dialogs"]


@pytest.mark.parametrize("values", [7, "x", [7], [{"value": "a"}], [{"value": "a", "count": "many"}], {}])
async def test_a_profile_that_makes_no_sense_is_left_out_and_said(
    values: object, replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies, clock)
    server.list("bad", "good")
    server.values = {"bad": values, "good": [{"value": "a", "count": 2}]}
    reading = await polled(server, tenants, clock, 2)
    assert dialogs(reading) == {("good", "a"): 2}
    assert reading.info["profiles"].startswith("profile bad: profile_get_values:")
    assert server.asked.count("bad") == 1, "not before the list is read again"


async def test_a_server_that_hangs_at_a_profile_is_down(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies, clock)
    server.list("a")

    def hang(request: dict[str, Any]) -> bytes | None:
        return None if request["params"].get("profile") == "a" else server.answer(request)

    async with FakeMi({}, hang).running() as fake:
        collector = OpensipsCollector(Node("sip1", NodeKind.OPENSIPS, fake.url, timeout=0.3), tenants, clock)
        with pytest.raises(CollectError) as caught:
            await collector.collect()
        await collector.aclose()
    assert caught.value.failure is CollectFailure.TIMEOUT


def test_the_values_with_the_most_calls_are_told_apart_and_the_rest_is_one() -> None:
    values = {f"caller{number:06}": 1 for number in range(100_000)} | {"trunk": 500, "x" * 257: 7, OTHER: 900}
    found = folded(values)
    assert len(found) == MOST_VALUES
    assert found["trunk"] == 500
    assert sum(found.values()) == sum(values.values())
    assert found[OTHER] == 900 + 7 + 100_000 - (MOST_VALUES - 2)
    assert folded({"a": 1}) == {"a": 1}
