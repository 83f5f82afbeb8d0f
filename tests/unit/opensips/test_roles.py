"""What modules list of themselves, as servers of every generation list it, and what is published of it."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.opensips import OpensipsCollector
from collectors.opensips.client import READ_ONLY_COMMANDS, MiClient
from collectors.opensips.jsonrpc import MiRefused
from collectors.opensips.lists import Lists
from collectors.opensips.metrics import Publisher
from collectors.opensips.parse import OpensipsSnapshot
from collectors.opensips.role_metrics import MOST_PIPES, MOST_PREFIXES
from collectors.opensips.roles import (
    MOST,
    Capability,
    Peer,
    Pipe,
    Ratelimit,
    Roles,
    SharingTag,
    parse_blocked,
    parse_capabilities,
    parse_peers,
    parse_processes,
    parse_ratelimit,
    parse_tags,
)
from collectors.opensips.statistics import LIST_AGAIN
from dialtone.config import TenantTree
from dialtone.model import CollectError, CollectFailure, Level, Node, NodeKind, Reading, Sample, Tenant
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, http, recorded_reply
from tests.unit.opensips.conftest import Tenants, recorded

Parse = Callable[[object], object]
ALL: tuple[Parse, ...] = (
    parse_capabilities,
    parse_blocked,
    parse_ratelimit,
    parse_peers,
    parse_tags,
    parse_processes,
)
VERSIONS = ("1.11", "2.4", "3.6.8", "4.0.1")
NEW = VERSIONS[2:]
ACME = ("acme.ntek.example.net", "ntek.example.net")
NAMES = (
    "IPs",
    "",
    "Pipes",
    "PIPE",
    "drop_rate",
    "Clusters",
    "Cluster",
    "Nodes",
    "Node",
    "Processes",
    "Process",
)
FIELDS = (
    "id",
    "counter",
    "limit",
    "cluster_id",
    "node_id",
    "link_state",
    "Link_state",
    "Tag",
    "State",
    "ID",
    "Type",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(NAMES)
            | st.sampled_from(FIELDS)
            | st.sampled_from(["value", "attributes", "children"]),
            inner,
        )
    ),
    max_leaves=20,
)


def read(version: str, name: str) -> object:
    reply = json.loads(recorded(version, name))
    return reply["result"] if "jsonrpc" in reply else reply


@pytest.mark.parametrize(
    ("version", "name", "count"),
    [
        *((version, "live-pike_list", 1) for version in VERSIONS[:3]),
        ("4.0.1", "idle-newname-pike-list", 0),
    ],
)
def test_the_addresses_that_pike_blocks_are_counted(version: str, name: str, count: int) -> None:
    assert parse_blocked(read(version, name)) == count


def test_a_reply_without_a_body_is_no_blocked_address() -> None:
    assert parse_blocked(None) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_pipes_have_their_requests_and_their_limit(version: str) -> None:
    found = parse_ratelimit(read(version, "live-rl_list"))
    acme = {pipe.name: pipe for pipe in found.pipes}["tenant_acme.ntek.example.net"]
    assert acme == Pipe("tenant_acme.ntek.example.net", 3, 5000, "TAILDROP")
    assert len(found.pipes) == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_limits_nothing_yet_has_no_pipes(version: str) -> None:
    assert parse_ratelimit(read(version, "idle-rl_list")) == Ratelimit()


def pipe(name: object, counter: object = 1, algorithm: str = "SBT") -> dict[str, object]:
    return {"id": name, "algorithm": algorithm, "limit": 5, "counter": counter}


@pytest.mark.parametrize(("said", "drop"), [(7, 7), (319, 100), (-1, 0)])
def test_a_rate_of_drops_is_one_only_where_a_pipe_drops_by_it(said: int, drop: int) -> None:
    assert parse_ratelimit({"Pipes": [pipe("a")], "drop_rate": said}).drop is None
    found = parse_ratelimit({"Pipes": [pipe("a"), pipe("b", 1, "FEEDBACK")], "drop_rate": said})
    assert found.drop == drop


def test_a_pipe_that_was_never_used_is_none() -> None:
    assert parse_ratelimit({"Pipes": [{}, pipe("a")]}) == Ratelimit((Pipe("a", 1, 5, "SBT"),))


def test_a_pipe_that_the_script_counted_below_zero_is_read_and_spoils_no_other() -> None:
    found = parse_ratelimit({"Pipes": [pipe("a", -2), pipe("b")]})
    assert found == Ratelimit((Pipe("a", -2, 5, "SBT"), Pipe("b", 1, 5, "SBT")))


@pytest.mark.parametrize("version", NEW)
def test_the_other_nodes_of_a_cluster_are_up_or_not(version: str) -> None:
    assert parse_peers(read(version, "live-clusterer_list")) == (Peer("1", "2", up=False),)


@pytest.mark.parametrize(("state", "up"), [("Up", True), ("Probe", False), ("Down", False), ("?", False)])
def test_a_link_that_is_only_probed_is_not_up(state: str, up: bool) -> None:
    nodes = [{"node_id": 3, "link_state": state}]
    assert parse_peers({"Clusters": [{"cluster_id": 7, "Nodes": nodes}]}) == (Peer("7", "3", up),)


def test_a_cluster_in_a_tree_of_mi_json_is_read_as_well() -> None:
    node = {"value": "2", "attributes": {"DB_ID": "1", "Link_state": "Up     "}}
    for nodes in ([node], node):
        tree = {"Cluster": [{"value": "1", "children": {"Node": nodes}}]}
        assert parse_peers(tree) == (Peer("1", "2", up=True),)


@pytest.mark.parametrize("version", NEW)
def test_sharing_tags_are_active_or_a_backup(version: str) -> None:
    assert parse_tags(read(version, "live-clusterer_list_shtags")) == (SharingTag("1", "vip", active=True),)
    backup = {"Tag": "vip", "Cluster": 2, "State": "backup"}
    assert parse_tags([backup]) == (SharingTag("2", "vip", active=False),)


@pytest.mark.parametrize("version", NEW)
def test_a_cluster_over_which_no_module_shares_anything_has_no_capability(version: str) -> None:
    assert parse_capabilities(read(version, "live-clusterer_list_cap")) == ()


def test_what_modules_share_over_a_cluster_is_in_sync_or_not(tenants: Tenants) -> None:
    shared = [
        {"name": "usrloc-contact-repl", "state": "not synced", "enabled": "yes"},
        {"name": "ratelimit-pipe-repl", "state": "Ok", "enabled": "yes"},
    ]
    found = parse_capabilities({"Clusters": [{"cluster_id": 1, "Capabilities": shared}]})
    assert found == (
        Capability("1", "usrloc-contact-repl", synced=False),
        Capability("1", "ratelimit-pipe-repl", synced=True),
    )
    samples, _ = of(Roles(capabilities=found), tenants)
    assert values(samples, "cluster_capability_synced") == {
        ("1", "usrloc-contact-repl"): 0,
        ("1", "ratelimit-pipe-repl"): 1,
    }
    row = {"value": "dialog-dlg-repl", "attributes": {"State": "Ok"}}
    tree = {"Cluster": [{"value": "1", "children": {"Capability": row}}]}
    assert parse_capabilities(tree) == (Capability("1", "dialog-dlg-repl", synced=True),)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_process_has_its_role(version: str) -> None:
    found = parse_processes(read(version, "live-ps"))
    assert found["0"] == "attendant"
    assert sum(role.startswith("SIP receiver udp:127.0.0.1:") for role in found.values()) == 4
    assert all(role == role.strip() for role in found.values())


@pytest.mark.parametrize("parse", ALL)
@given(reply=JSON)
def test_whatever_a_module_lists_is_read_or_refused(parse: Parse, reply: object) -> None:
    with suppress(CollectError):
        assert parse(reply) is not None


@pytest.mark.parametrize("number", [10**400, 2**53, 1.5, True, None, float("nan"), "x", "", [], {}])
def test_a_number_that_is_none_is_refused(number: object) -> None:
    with pytest.raises(CollectError):
        parse_ratelimit({"Pipes": [pipe("a", number)]})


@pytest.mark.parametrize(
    ("parse", "reply"),
    [
        (parse_ratelimit, {"Pipes": [pipe(n) for n in range(MOST + 1)]}),
        (parse_tags, [{"Tag": n, "Cluster": 1, "State": "active"} for n in range(MOST + 1)]),
        (parse_processes, {"Processes": [{"ID": n, "Type": "x"} for n in range(MOST + 1)]}),
        (
            parse_peers,
            {
                "Clusters": [
                    {"cluster_id": n, "Nodes": [{"node_id": 1, "link_state": "Up"}]} for n in range(MOST + 1)
                ]
            },
        ),
    ],
)
def test_a_list_without_end_is_cut_off(parse: Parse, reply: object) -> None:
    with pytest.raises(CollectError) as caught:
        parse(reply)
    assert caught.value.failure is CollectFailure.TOO_LARGE


def values(samples: tuple[Sample, ...], metric: str) -> dict[tuple[str, ...], float]:
    return {sample.labels[1:]: sample.value for sample in samples if sample.metric == f"opensips_{metric}"}


def of(roles: Roles, tenants: Tenants) -> tuple[tuple[Sample, ...], dict[str, str]]:
    return Publisher("sip1").publish(OpensipsSnapshot("3.6.8", {}, None, roles), tenants, FakeClock().now())


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("acme.ntek.example.net", ""),
        ("tenant_acme.ntek.example.net", "tenant"),
        ("tenant:acme.ntek.example.net", "tenant"),
        ("reg_in/ACME.ntek.example.net", "reg_in"),
    ],
)
def test_a_pipe_named_after_a_tenant_is_the_tenants(name: str, prefix: str, tenants: Tenants) -> None:
    samples, _ = of(Roles(ratelimit=Ratelimit((Pipe(name, 4, 9),))), tenants)
    assert values(samples, "tenant_ratelimit_requests") == {(*ACME, prefix): 4}
    assert values(samples, "tenant_ratelimit_limit") == {(*ACME, prefix): 9}
    assert not values(samples, "ratelimit_pipe_requests")


@pytest.mark.parametrize(
    "name",
    [
        "invites",
        "tenant_globex.modulis.example.net",
        "xacme.ntek.example.net",
        "tenant.acme.ntek.example.net",
        "tenant-acme.ntek.example.net",
        "acme.ntek.example.net_tenant",
        "ü_acme.ntek.example.net",
        "",
    ],
)
def test_a_pipe_of_nobody_counts_for_no_tenant(name: str, tenants: Tenants) -> None:
    samples, _ = of(Roles(ratelimit=Ratelimit((Pipe(name, 4, 9),))), tenants)
    assert values(samples, "ratelimit_pipe_requests") == {(name,): 4}
    assert values(samples, "ratelimit_pipe_limit") == {(name,): 9}
    assert not [sample for sample in samples if "tenant" in sample.metric]


@pytest.mark.parametrize("name", ["my_pbx.example.net", "in_my_pbx.example.net", "in:my_pbx.example.net"])
def test_a_pipe_of_a_tenant_with_underscores_in_its_domain_is_the_tenants(name: str) -> None:
    tenants = TenantTree(
        Tenant("example.net", None, Level.PLATFORM, "Platform"),
        [Tenant("my_pbx.example.net", "example.net", Level.CLIENT, "Mine")],
    )
    snapshot = OpensipsSnapshot("3.6.8", {}, None, Roles(ratelimit=Ratelimit((Pipe(name, 4, 9),))))
    samples, _ = Publisher("sip1").publish(snapshot, tenants, FakeClock().now())
    prefix = "in" if name.startswith("in") else ""
    assert values(samples, "tenant_ratelimit_requests") == {("my_pbx.example.net", "example.net", prefix): 4}


def test_two_pipes_in_which_one_tenant_is_spelled_in_two_ways_are_one_series_each(tenants: Tenants) -> None:
    pipes = (Pipe("t_acme.ntek.example.net", 1, 9), Pipe("t_ACME.ntek.example.net", 2, 9))
    samples, _ = of(Roles(ratelimit=Ratelimit(pipes)), tenants)
    assert values(samples, "tenant_ratelimit_requests") == {(*ACME, "t"): 1}
    assert values(samples, "ratelimit_pipe_requests") == {("t_ACME.ntek.example.net",): 2}


def test_pipes_of_no_tenant_are_bounded_and_what_is_left_out_is_said(tenants: Tenants) -> None:
    pipes = tuple(Pipe(f"caller{number:05}", 1, 1) for number in range(MOST_PIPES + 7))
    samples, notes = of(Roles(ratelimit=Ratelimit(pipes[::-1])), tenants)
    kept = values(samples, "ratelimit_pipe_requests")
    assert set(kept) == {(f"caller{number:05}",) for number in range(MOST_PIPES)}
    assert notes["ratelimit"] == "7 pipes of no tenant are left out"


def test_a_pipe_for_each_phone_of_a_tenant_does_not_make_a_series_for_each(tenants: Tenants) -> None:
    pipes = tuple(Pipe(f"phone{number}_acme.ntek.example.net", 1, 1) for number in range(3000))
    samples, notes = of(Roles(ratelimit=Ratelimit(pipes)), tenants)
    assert len(values(samples, "tenant_ratelimit_requests")) == MOST_PREFIXES
    assert len(values(samples, "ratelimit_pipe_requests")) == MOST_PIPES
    assert notes["ratelimit"] == f"{3000 - MOST_PREFIXES - MOST_PIPES} pipes of no tenant are left out"


def test_the_rate_of_drops_is_a_share(tenants: Tenants) -> None:
    samples, _ = of(Roles(ratelimit=Ratelimit((), 7)), tenants)
    assert values(samples, "ratelimit_drop_ratio") == {(): 0.07}


def test_a_server_without_these_modules_shows_nothing_of_them(tenants: Tenants) -> None:
    assert of(Roles(), tenants) == ((), {})


async def polled(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock, times: int = 1
) -> tuple[Reading, list[str]]:
    """Return the last reading, and the commands that the server was asked."""
    async with FakeMi(replies).running() as server:
        collector = OpensipsCollector(
            Node("sip1", NodeKind.OPENSIPS, server.url, timeout=5.0), tenants, clock
        )
        for _ in range(times):
            reading = await collector.collect()
        await collector.aclose()
    return reading, [json.loads(body)["method"] for body in server.requests]


async def test_a_poll_publishes_what_each_module_lists(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    samples = (await polled(replies, tenants, clock))[0].samples
    assert values(samples, "pike_blocked_addresses")[()] in (0, 1)
    assert values(samples, "tenant_ratelimit_requests")[*ACME, "tenant"] == 3
    assert values(samples, "ratelimit_pipe_limit") == {("tenant_globex.modulis.example.net",): 5000}
    assert values(samples, "cluster_node_up") == {("1", "2"): 0}
    assert values(samples, "cluster_sharing_tag_active") == {("1", "vip"): 1}
    assert values(samples, "process_info")["0", "attendant"] == 1
    assert not [sample for sample in samples if "127.0.0.9" in sample.labels], "an address is no label"


async def test_the_newer_name_of_a_command_is_found_once_and_remembered(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    replies["pike_list"] = recorded("4.0.1", "errors-err-unknown-method")
    _, asked = await polled(replies, tenants, clock, 3)
    assert asked.count("pike_list") == 1
    assert asked.count("pike:list") == 3


async def test_a_server_of_another_version_is_asked_by_the_name_that_it_knows(
    replies: dict[str, bytes],
) -> None:
    domains = b'{"result": {"Domains": []}}'
    fake = FakeMi({"domain:dump": domains})
    async with fake.running() as server, MiClient(server.url, deadline=5) as client:
        for _ in range(2):
            assert await client.domains() == {"Domains": []}
        fake.replies = {"domain_dump": domains}
        for _ in range(2):
            assert await client.domains() == {"Domains": []}
        fake.replies = {}
        assert isinstance(await client.domains(), MiRefused)
    asked = [json.loads(body)["method"] for body in server.requests]
    old, new = "domain_dump", "domain:dump"
    assert asked == [old, new, new, new, old, old, old, new]


async def test_a_module_that_refuses_once_is_asked_again_later(
    replies: dict[str, bytes], clock: FakeClock
) -> None:
    pipes = replies.pop("rl_list")
    async with FakeMi(replies).running() as server, MiClient(server.url, deadline=5) as client:
        lists = Lists(client, clock)
        for wait in (1.0, LIST_AGAIN - 2, 2.0):
            assert (await lists.read()).ratelimit is None
            server.replies = {**replies, "rl_list": pipes}
            await clock.advance(wait)
        assert (await lists.read()).ratelimit is not None
        await clock.advance(1)
        lists.forget()
        await lists.read()
    asked = [json.loads(body)["method"] for body in server.requests]
    assert asked.count("rl_list") == 3
    assert asked.count("ps") == 3, "at first, 300 seconds later, and after the restart"


async def test_what_a_module_refuses_for_another_reason_is_said(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    replies["rl_list"] = b'{"error": {"code": 503, "message": "busy"}}'
    reading, asked = await polled(replies, tenants, clock, 2)
    assert reading.info["lists/rl_list"] == "MI error 503: busy"
    assert asked.count("rl_list") == 2
    assert values(reading.samples, "tenant_dialogs")


async def test_every_command_of_the_closed_list_is_sent_in_the_form_that_servers_survive() -> None:
    def answer(request: dict[str, Any]) -> bytes:
        return http(recorded_reply({}, request))

    async with FakeMi({}, answer).running() as server, MiClient(server.url, deadline=5) as client:
        for command in sorted(READ_ONLY_COMMANDS):
            await client._command(command, {})
    seen = set()
    for body in server.requests:
        request = json.loads(body)
        assert isinstance(request, dict), "a batch crashes servers"
        assert isinstance(request["method"], str)
        assert isinstance(request["id"], int)
        assert len(body) <= 1024
        seen.add(request["method"])
    assert seen == READ_ONLY_COMMANDS
