"""Where calls are sent, as servers of every generation list it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips import OpensipsCollector
from collectors.opensips.destinations import (
    MOST,
    MOST_IN_ALL,
    MOST_RESOURCES,
    Destination,
    Load,
    State,
    bounded,
    parse_dispatcher,
    parse_gateways,
    parse_load_balancer,
    parse_partitions,
)
from dialtone.model import CollectError, CollectFailure, Node, NodeKind, Reading
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, http, recorded_reply
from tests.unit.opensips.conftest import Tenants, recorded

Parse = Callable[[object], tuple[Destination, ...]]
ALL: tuple[Parse, ...] = (parse_load_balancer, parse_dispatcher, parse_gateways)
PORTS = {"1.11": (5120, 5129), "2.4": (5250, 5259), "3.6.8": (5470, 5479), "4.0.1": (5410, 5419)}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["Destinations", "Destination", "PARTITIONS", "SET", "URI", "Gateways", "ID"])
            | st.sampled_from(["value", "attributes", "children", "Resources", "name", "SETS", "state"]),
            inner,
        )
    ),
    max_leaves=20,
)


def read(version: str, name: str, parse: Parse) -> tuple[Destination, ...]:
    reply = json.loads(recorded(version, name))
    return parse(reply["result"] if "jsonrpc" in reply else reply)


@pytest.mark.parametrize("version", PORTS)
@pytest.mark.parametrize(("state", "first"), [("live", State.ACTIVE), ("uasdown", State.DISABLED)])
def test_the_load_balancers_destinations_have_their_calls_and_their_room(
    version: str, state: str, first: State
) -> None:
    up, down = (f"sip:127.0.0.1:{port}" for port in PORTS[version])
    assert read(version, f"{state}-lb_list", parse_load_balancer) == (
        Destination("load_balancer", "1", up, first, (Load("calls", 6, 30000), Load("pstn", 0, 500))),
        Destination("load_balancer", "1", down, State.DISABLED, (Load("calls", 0, 30000),)),
    )


@pytest.mark.parametrize("version", PORTS)
@pytest.mark.parametrize(("state", "first"), [("live", State.ACTIVE), ("uasdown", State.PROBING)])
def test_the_dispatchers_destinations_are_by_their_set(version: str, state: str, first: State) -> None:
    up, down = (f"sip:127.0.0.1:{port}" for port in PORTS[version])
    hits = None if version == "1.11" else 0
    assert read(version, f"{state}-ds_list", parse_dispatcher) == (
        Destination("dispatcher", "2", f"{up};transport=udp", first, hits=hits),
        Destination("dispatcher", "1", up, first, hits=hits),
        Destination("dispatcher", "1", down, State.PROBING, hits=hits),
    )


@pytest.mark.parametrize("version", ["2.4", "3.6.8", "4.0.1"])
@pytest.mark.parametrize(("state", "first"), [("live", State.ACTIVE), ("uasdown", State.INACTIVE)])
def test_gateways_are_known_by_their_id(version: str, state: str, first: State) -> None:
    assert read(version, f"{state}-dr_gw_status", parse_gateways) == (
        Destination("drouting", "", "gw1", first),
        Destination("drouting", "", "gw2", State.INACTIVE),
    )


def test_a_set_of_another_partition_says_so() -> None:
    row = {"URI": "sip:a", "state": "Active", "first_hit_counter": 7}
    reply = {"PARTITIONS": [{"name": "pstn", "SETS": [{"id": 1, "Destinations": [row]}]}]}
    assert parse_dispatcher(reply) == (Destination("dispatcher", "pstn/1", "sip:a", State.ACTIVE, hits=7),)


def test_mi_json_writes_one_of_one_as_the_thing_itself() -> None:
    gateway = {"value": "gw1", "attributes": {"State": "Disabled MI"}}
    assert parse_gateways({"ID": gateway}) == (Destination("drouting", "", "gw1", State.DISABLED),)


def test_a_state_that_nobody_knows_is_no_active_one() -> None:
    assert parse_gateways({"Gateways": [{"ID": "gw1", "State": "Sleeping"}]})[0].state is State.OTHER


@pytest.mark.parametrize("parse", ALL)
@given(reply=JSON)
def test_whatever_a_server_lists_is_read_or_refused(parse: Parse, reply: object) -> None:
    try:
        found = parse(reply)
    except CollectError:
        return
    assert len({(one.group, one.name) for one in found}) == len(found)


def test_a_list_without_end_is_cut_off() -> None:
    rows = [{"ID": f"gw{number}", "State": "Active"} for number in range(MOST + 1)]
    with pytest.raises(CollectError, match="over 5000") as caught:
        parse_gateways({"Gateways": rows})
    assert caught.value.failure is CollectFailure.TOO_LARGE


async def test_resources_without_end_are_cut_off_and_that_is_said(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    rows = [
        {
            "uri": f"sip:{name}",
            "group": 1,
            "enabled": "yes",
            "Resources": [{"name": f"r{number}", "max": 5, "load": 1} for number in range(count)],
        }
        for name, count in (("a", MOST_RESOURCES + 4), ("b", 2))
    ]
    replies["lb_list"] = json.dumps({"result": {"Destinations": rows}}).encode()
    reading, _ = await polled(replies, tenants, clock)
    calls = values(reading, "opensips_load_balancer_calls")
    first = [("1", "sip:a", f"r{number}") for number in range(MOST_RESOURCES)]
    assert list(calls) == [*first, ("1", "sip:b", "r0"), ("1", "sip:b", "r1")]
    left_out = f"4 resources are left out: over {MOST_RESOURCES} of a destination"
    assert reading.info["lists/destinations"] == left_out


def test_destinations_without_end_are_cut_off_and_that_is_said() -> None:
    found = [Destination("drouting", "", f"gw{number}", State.ACTIVE) for number in range(MOST_IN_ALL + 3)]
    kept, left_out = bounded(found)
    assert list(kept) == found[:MOST_IN_ALL]
    assert left_out == f"3 destinations are left out: over {MOST_IN_ALL}"
    assert bounded(found[:MOST_IN_ALL]) == (kept, "")


async def polled(replies: dict[str, bytes], tenants: Tenants, clock: FakeClock, times: int = 1) -> Any:
    """Return the last reading, and the commands that the server was asked."""
    async with FakeMi(replies).running() as server:
        node = Node("sip1", NodeKind.OPENSIPS, server.url, timeout=5.0)
        collector = OpensipsCollector(node, tenants, clock)
        for _ in range(times):
            reading = await collector.collect()
        await collector.aclose()
    return reading, [json.loads(body)["method"] for body in server.requests]


def values(reading: Reading, metric: str) -> dict[tuple[str, ...], float]:
    return {sample.labels[1:]: sample.value for sample in reading.samples if sample.metric == metric}


async def test_each_destination_is_published_with_its_state(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    reading, _ = await polled(replies, tenants, clock)
    up = values(reading, "opensips_destination_up")
    assert sorted(up.values()) == [0, 0, 0, 1, 1, 1, 1]
    assert up["drouting", "", "gw1"] == 1
    states = values(reading, "opensips_destination_state")
    assert len(states) == len(up) * len(State)
    assert sum(states.values()) == len(up)
    assert states["drouting", "", "gw2", "inactive"] == 1
    calls = values(reading, "opensips_load_balancer_calls")
    room = values(reading, "opensips_load_balancer_capacity_calls")
    assert sorted(calls.values()) == [0, 0, 6]
    assert sorted(room.values()) == [500, 30000, 30000]
    assert len(values(reading, "opensips_dispatcher_first_hits_total")) == 3


async def test_a_module_that_the_server_lacks_is_not_asked_for_again(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    del replies["dr_gw_status"], replies["lb_list"]
    reading, asked = await polled(replies, tenants, clock, 3)
    assert (asked.count("dr_gw_status"), asked.count("lb_list"), asked.count("ds_list")) == (1, 1, 3)
    assert {module for module, *_ in values(reading, "opensips_destination_up")} == {"dispatcher"}


async def test_a_list_that_makes_no_sense_is_said_and_the_rest_is_read(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    replies["ds_list"] = b'{"jsonrpc": "2.0", "result": {"PARTITIONS": 7}}'
    reading, _ = await polled(replies, tenants, clock)
    assert reading.info["lists/ds_list"].startswith("the result is no list of destinations")
    assert {module for module, *_ in values(reading, "opensips_destination_up")} == {
        "drouting",
        "load_balancer",
    }
    assert values(reading, "opensips_tenant_dialogs")


def test_counts_are_counts_and_a_resource_is_there_once() -> None:
    row = {"uri": "sip:a", "group": 1, "enabled": "yes"}
    twice = [{"name": "calls", "max": 5, "load": 1}, {"name": "calls", "max": 5, "load": 2}]
    [found] = parse_load_balancer({"Destinations": [row | {"Resources": twice}]})
    assert found.loads == (Load("calls", 2, 5),)
    for load in (10**400, -1, 1.5, True, "x"):
        resources = [{"name": "calls", "max": 5, "load": load}]
        with pytest.raises(CollectError):
            parse_load_balancer({"Destinations": [row | {"Resources": resources}]})


PARTITIONED = b"""{"error": {"code": 400, "message": "Missing parameter: 'partition_name'",
    "data": "'partition_name' is required when 'use_partitions' is set"}}"""


async def test_the_gateways_of_each_partition_of_drouting_are_read(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    gateways = json.loads(replies["dr_gw_status"])
    partitions = {"Partitions": [{"name": "pstn"}, {"name": "intl"}, {"name": "gone"}, {"name": "a b" * 99}]}
    replies["dr_reload_status"] = json.dumps({"result": partitions}).encode()
    asked = []

    def answer(request: dict[str, Any]) -> bytes:
        asked.append((request["method"], request["params"].get("partition_name")))
        if request["method"] != "dr_gw_status":
            return http(recorded_reply(replies, request))
        said = json.loads(PARTITIONED)
        if name := request["params"].get("partition_name"):
            said = {"error": {"code": 404, "message": "Partition not found"}} if name == "gone" else gateways
        return http(json.dumps(said | {"id": request["id"]}).encode())

    async with FakeMi(replies, answer).running() as server:
        node = Node("sip1", NodeKind.OPENSIPS, server.url, timeout=5.0)
        collector = OpensipsCollector(node, tenants, clock)
        for _ in range(2):
            reading = await collector.collect()
        await collector.aclose()
    up = values(reading, "opensips_destination_up")
    assert {key[1:]: value for key, value in up.items() if key[0] == "drouting"} == {
        ("pstn", "gw1"): 1,
        ("pstn", "gw2"): 0,
        ("intl", "gw1"): 1,
        ("intl", "gw2"): 0,
    }
    again = [("dr_gw_status", "pstn"), ("dr_gw_status", "intl")]
    assert [what for what in asked if what[0].startswith("dr_")] == [
        ("dr_gw_status", None),
        ("dr_reload_status", None),
        *again,
        ("dr_gw_status", "gone"),
        *again,
    ]
    assert not [key for key in reading.info if key.startswith("lists/")]


@pytest.mark.parametrize("result", [{}, {"Date": "now"}, {"Partitions": 7}, {"Partitions": [{}]}, [], 7])
def test_partitions_that_make_no_sense_are_refused(result: object) -> None:
    with pytest.raises(CollectError):
        parse_partitions(result)
