"""All statistics of a server, each once, and as what it is."""

import json
from collections.abc import Mapping

import pytest

from collectors.opensips import OpensipsCollector
from collectors.opensips.jsonrpc import MAX_REQUEST_BYTES
from collectors.opensips.metrics import METRICS
from collectors.opensips.parse import MOST
from collectors.opensips.series import METRICS as SERIES
from collectors.opensips.statistics import LIST_AGAIN, LIST_SOON, MOST_GROUPS
from collectors.opensips.traffic import SESSION_EVENTS
from dialtone.model import CollectError, CollectFailure, Kind, Node, NodeKind, Reading
from tests.fakes.clock import FakeClock
from tests.fakes.mi import FakeMi, http, recorded_reply
from tests.unit.opensips.conftest import Tenants

KINDS = {metric.name: metric.kind for metric in METRICS}
ACME = ("acme.ntek.example.net", "ntek.example.net")


class Server:
    """A server whose statistics a test sets; `asked` are the names of the commands."""

    def __init__(self, replies: Mapping[str, bytes]) -> None:
        self.fake = FakeMi(dict(replies))
        self.values = json.loads(replies["get_statistics"])["result"]
        self.kinds = json.loads(replies["list_statistics"])["result"]

    def set(self, **statistics: object) -> None:
        """Set what a script counts in its group `tenants`."""
        self.values |= {f"tenants:{name}": value for name, value in statistics.items()}

    def serve(self) -> None:
        """Answer with what is set now."""
        said = {"get_statistics": self.values, "list_statistics": self.kinds}
        wrapped = {name: json.dumps({"result": what}).encode() for name, what in said.items()}
        self.fake.replies = {**self.fake.replies, **wrapped}

    @property
    def asked(self) -> list[str]:
        return [json.loads(body)["method"] for body in self.fake.requests]


def values(reading: Reading, metric: str) -> dict[tuple[str, ...], float]:
    return {sample.labels[1:]: sample.value for sample in reading.samples if sample.metric == metric}


async def test_each_statistic_is_published_once_with_the_kind_that_the_server_says(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        reading = await collector.collect()
        await collector.aclose()
    seen = [(sample.metric, sample.labels) for sample in reading.samples]
    assert len(set(seen)) == len(seen)
    own = [s for s in reading.samples if s.metric.startswith("opensips_statistic")]
    for sample in own:
        name = ":".join(sample.labels[1:])
        assert (KINDS[sample.metric] is Kind.COUNTER) == (server.kinds[name] == "incremental")
    events = values(reading, "opensips_tenant_events_total")
    ours = (
        *("destination", "load_balancer", "dispatcher", "tenant", "pike", "ratelimit", "cluster_"),
        *("process_info", "dialog_profile"),
    )
    published = [s for s in reading.samples if not s.metric.startswith(tuple(f"opensips_{w}" for w in ours))]
    series = [s for s in reading.samples if s.metric in {metric.name for metric in SERIES}]
    sessions = [name for name in server.values if name.rpartition("_")[2] in SESSION_EVENTS]
    told = len(published) + len(events) + len(series) + len(sessions)
    assert told == len(server.values), "one sample each, and nothing is left out"
    assert events[*ACME, "registers"] == server.values["tenants:acme.ntek.example.net_registers"]


def node(url: str) -> Node:
    return Node("sip1", NodeKind.OPENSIPS, url, timeout=5.0)


async def test_a_tenant_that_nobody_configured_counts_as_unknown(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    for name in ("x.example_registers", "y.example_registers"):
        server.values[f"tenants:{name}"], server.kinds[f"tenants:{name}"] = 3, "incremental"
    server.serve()
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        events = values(await collector.collect(), "opensips_tenant_events_total")
        await collector.aclose()
    known = server.values["tenants:globex.modulis.example.net_registers"]  # none of this tree either
    assert events["_unknown", "", "registers"] == 6 + known


async def test_a_scripts_counter_that_falls_is_a_gauge_from_then_on(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        assert ("script", "options_in") in values(await collector.collect(), "opensips_statistic_total")
        server.values["script:options_in"] = 1
        server.serve()
        reading = await collector.collect()
        await clock.advance(LIST_AGAIN + 1)
        server.values["core:timestamp"] += LIST_AGAIN + 1
        server.serve()
        later = await collector.collect()
        await collector.aclose()
    for after in (reading, later):
        assert values(after, "opensips_statistic")["script", "options_in"] == 1
        assert ("script", "options_in") not in values(after, "opensips_statistic_total")


async def test_a_counter_that_begins_anew_with_its_server_stays_one(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        server.values |= {"core:timestamp": 1, "script:options_in": 0}
        server.serve()
        for _ in range(2):
            reading = await collector.collect()
        await collector.aclose()
    assert values(reading, "opensips_statistic_total")["script", "options_in"] == 0
    assert server.asked.count("list_statistics") == 2


async def test_a_statistic_that_appears_waits_until_its_kind_is_known(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        server.values["script:blocked"], server.kinds["script:blocked"] = 7, "incremental"
        server.serve()
        before = await collector.collect()
        await clock.advance(LIST_SOON + 1)
        server.values["core:timestamp"] += LIST_SOON + 1
        server.serve()
        after = await collector.collect()
        await collector.aclose()
    both = ("opensips_statistic", "opensips_statistic_total")
    assert not any(("script", "blocked") in values(before, metric) for metric in both)
    assert values(after, "opensips_statistic_total")["script", "blocked"] == 7
    assert server.asked.count("list_statistics") == 2


async def test_a_tenants_sessions_are_counted_from_the_first_on(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        server.set(**{"quiet.ntek.example.net_invites": 3, "quiet.ntek.example.net_failed_486": 2})
        server.serve()
        reading = await collector.collect()
        await collector.aclose()
    sessions = values(reading, "opensips_tenant_sessions_total")
    quiet = {labels[2]: value for labels, value in sessions.items() if labels[0] == "quiet.ntek.example.net"}
    assert {result: value for result, value in quiet.items() if value} == {"attempted": 3, "end_user": 2}


async def test_a_list_that_is_too_long_for_its_way_is_said_and_the_usual_groups_are_read(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)

    def torn(request: dict[str, object]) -> bytes:
        if request["method"] == "list_statistics":
            return http(b'{"jsonrpc": "2.0", "result": {"core:rcv_requ')
        return http(recorded_reply(server.fake.replies, request))

    server.fake.misbehave = torn
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        reading = await collector.collect()
        await collector.aclose()
    assert reading.info["statistics"].startswith("not all groups are known: list_statistics: ")
    assert values(reading, "opensips_queries_total")
    assert values(reading, "opensips_rpmem_bytes")


async def test_a_counter_that_a_script_took_below_zero_is_left_out(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    server.values["script:options_in"] = 2**64 - 1
    server.serve()
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        reading = await collector.collect()
        await collector.aclose()
    assert not [s for s in reading.samples if "options_in" in s.labels]


async def test_many_groups_are_asked_for_in_requests_that_servers_take(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    groups = [f"group-of-a-script-{number}" for number in range(200)]
    server.kinds |= {f"{group}:calls": "incremental" for group in groups}
    server.serve()
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        await collector.aclose()
    asked = [json.loads(body) for body in server.fake.requests]
    named = [
        name
        for request in asked
        if request["method"] == "get_statistics"
        for name in request["params"]["statistics"]
    ]
    assert len(set(named)) == len(named)
    assert {f"{group}:" for group in groups} < set(named)
    assert max(map(len, server.fake.requests)) <= MAX_REQUEST_BYTES


@pytest.mark.parametrize("answer", [b'{"result": []}', b'{"result": "x"}'])
async def test_a_list_that_makes_no_sense_fails_the_poll(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock, answer: bytes
) -> None:
    server = Server({**replies, "list_statistics": replies["list_statistics"]})
    server.fake.replies = {**server.fake.replies, "list_statistics": answer}
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        with pytest.raises(CollectError, match="list_statistics") as caught:
            await collector.collect()
        await collector.aclose()
    assert caught.value.failure is CollectFailure.PROTOCOL


async def test_what_a_script_counts_of_tenants_stays_a_counter_whoever_resets_it(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        server.values["tenants:acme.ntek.example.net_registers"] = 1
        server.serve()
        reading = await collector.collect()
        await collector.aclose()
    assert values(reading, "opensips_tenant_events_total")[*ACME, "registers"] == 1


async def test_a_server_that_restarted_between_two_polls_is_another_though_it_is_up_for_longer(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        server.values |= {"core:timestamp": server.values["core:timestamp"] + 5, "script:options_in": 0}
        server.serve()
        await clock.advance(60)
        reading = await collector.collect()
        await collector.aclose()
    assert values(reading, "opensips_statistic_total")["script", "options_in"] == 0
    assert server.asked.count("version") == 2


async def test_the_scripts_group_is_asked_for_before_it_has_counted_anything(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    server.kinds = {name: kind for name, kind in server.kinds.items() if not name.startswith("tenants:")}
    server.kinds |= {"g\u00e9ant:calls": "incremental", "a,b:calls": "incremental"}
    server.serve()
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        await collector.aclose()
    bodies = [json.loads(body) for body in server.fake.requests]
    asked = [name for body in bodies for name in body.get("params", {}).get("statistics", ())]
    assert "tenants:" in asked
    assert not {"a,b:", "g\u00e9ant:"} & set(asked), "names that not every server could be sent"


async def test_a_list_that_cannot_be_read_once_changes_no_kind(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)

    def torn(request: dict[str, object]) -> bytes:
        listing = request["method"] == "list_statistics"
        return http(b'{"result": {"core' if listing else recorded_reply(fake.replies, request))

    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        before = await collector.collect()
        fake.misbehave = torn
        await clock.advance(LIST_AGAIN)
        server.values["core:timestamp"] += LIST_AGAIN
        server.serve()
        after = await collector.collect()
        await collector.aclose()
    assert server.asked.count("list_statistics") == 2
    assert [(s.metric, s.labels) for s in after.samples] == [(s.metric, s.labels) for s in before.samples]


async def test_a_server_of_which_no_group_can_be_read_is_soon_left_alone_and_fails_for_that_reason(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        fake.requests.clear()
        fake.misbehave = lambda request: http(b"It works!")
        with pytest.raises(CollectError) as caught:
            await collector.collect()
        await collector.aclose()
    assert caught.value.failure is CollectFailure.PROTOCOL
    assert len(server.asked) == 4  # all groups at once, then three of them alone


def crowded(replies: Mapping[str, bytes], more: int) -> Server:
    """Return a server that has so many statistics more than are read; what its script counts comes first."""
    server = Server(replies)
    room = MOST - sum(not name.startswith("tenants:") for name in server.values)
    names = [f"tenants:d{number}.example_registers" for number in range(room + more)]
    server.values = dict.fromkeys(names, 1) | {
        name: value for name, value in server.values.items() if not name.startswith("tenants:")
    }
    server.kinds = dict.fromkeys(names, "incremental") | server.kinds
    server.serve()
    return server


async def test_of_statistics_without_end_the_first_are_read_and_always_the_same(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = crowded(replies, 7)
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        before = await collector.collect()
        for name in ("late", "later"):
            server.values[f"tenants:{name}.example_registers"] = 1000
            server.kinds[f"tenants:{name}.example_registers"] = "incremental"
        await clock.advance(LIST_AGAIN)
        server.values["core:timestamp"] += LIST_AGAIN
        server.serve()
        after = await collector.collect()
        await clock.advance(LIST_SOON)
        server.values["core:timestamp"] += LIST_SOON
        server.serve()
        await collector.collect()
        await collector.aclose()
    assert before.info["statistics"] == f"7 statistics are left out: over {MOST}"
    assert after.info["statistics"] == f"9 statistics are left out: over {MOST}"
    assert [(s.metric, s.labels) for s in after.samples] == [(s.metric, s.labels) for s in before.samples]
    nobodys = values(after, "opensips_tenant_events_total")["_unknown", "", "registers"]
    assert nobodys == MOST - sum(not name.startswith("tenants:") for name in server.values)
    assert values(after, "opensips_uptime_seconds"), "what the core counts goes first"
    assert server.asked.count("list_statistics") == 2, "what is left out is not waited for"


async def test_groups_without_end_are_cut_off_and_the_tenants_one_is_asked_for(
    replies: dict[str, bytes], tenants: Tenants, clock: FakeClock
) -> None:
    server = Server(replies)
    server.kinds = {f"g{number}:calls": "incremental" for number in range(MOST_GROUPS + 5)}
    server.serve()
    async with server.fake.running() as fake:
        collector = OpensipsCollector(node(fake.url), tenants, clock)
        await collector.collect()
        await collector.aclose()
    bodies = [json.loads(body) for body in server.fake.requests]
    asked = [name for body in bodies for name in body.get("params", {}).get("statistics", ())]
    assert asked == [*(f"g{number}:" for number in range(MOST_GROUPS)), "tenants:"]
