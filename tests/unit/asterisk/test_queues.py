"""Queues: states of the recordings, counts of their events, and whose they are."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pytest

from collectors.asterisk.level import Scene
from collectors.asterisk.parse import Channel
from collectors.asterisk.queues import _SAID, AGENTS, EVENTS, MAX_QUEUES, METRICS, OTHER_QUEUES, Queues, parse
from collectors.asterisk.whose import Whose, read_patterns
from collectors.asterisk.wire import Block
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT, Catalog, CollectError, CollectFailure
from tests.unit.asterisk.conftest import VERSIONS, blocks, event_of, items
from tests.unit.asterisk.lists import (
    LAB,
    Figures,
    channel,
    client,
    lab_tenants,
    scene,
    spread,
    told,
    without,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARAMS = dict.fromkeys(_SAID["QueueParams"], "0") | {
    "Event": "QueueParams",
    "Queue": "sales",
    "Calls": "0",
    "Holdtime": "0",
    "TalkTime": "0",
    "Completed": "0",
    "Abandoned": "0",
    "ServiceLevel": "20",
    "ServicelevelPerf": "0.0",
    "ServicelevelPerf2": "0.0",
}
MEMBER = dict.fromkeys(_SAID["QueueMember"], "0") | {
    "Event": "QueueMember",
    "Queue": "sales",
    "Status": "1",
}
ENTRY = dict.fromkeys(_SAID["QueueEntry"], "1") | {"Event": "QueueEntry", "Queue": "sales", "Wait": "7"}
JOIN = event_of("QueueCallerJoin", Channel="PJSIP/trunk-00000001", Uniqueid="1", Linkedid="1") | {
    "Queue": "sales"
}
CONNECT = JOIN | {"Event": "AgentConnect", "HoldTime": "12"}


class Line:
    """The queues of a node and those who ask: lists are read, and events heard, by one set of tenants."""

    def __init__(self, tenants: TenantTree, *, names: str = "") -> None:
        self.tenants = tenants
        self.names = names
        self.whose = Whose(tenants, read_patterns(names))
        self.queues = Queues()

    def read(self, items: Iterable[Block], channels: Iterable[Channel] = ()) -> None:
        self.queues.take(parse(list(items), scene(self.tenants, channels, names=self.names)))

    def hear(self, *events: Block) -> None:
        for event in events:
            self.queues.hear(event, self.whose)

    def deaf(self) -> bool:
        return self.queues.deaf

    @property
    def figures(self) -> Figures:
        """What is shown, but not for the first time: then all that is counted here is 0."""
        list(self.queues.samples("pbx1", self.tenants, AT))
        return self.shown

    @property
    def shown(self) -> Figures:
        return told(self.queues.samples("pbx1", self.tenants, AT))

    @property
    def spreads(self) -> Mapping[tuple[str, ...], tuple[int, float]]:
        """The histograms, but not the first, which are empty."""
        list(self.queues.spreads("pbx1", self.tenants, AT))
        return self.shown_spreads

    @property
    def shown_spreads(self) -> Mapping[tuple[str, ...], tuple[int, float]]:
        return spread(self.queues.spreads("pbx1", self.tenants, AT))


@pytest.fixture
def line(tenants: TenantTree) -> Line:
    """Return queues whose names stand for nobody."""
    return Line(tenants)


def read(blocks: Iterable[Block], seen: Scene, tenants: TenantTree) -> Figures:
    queues = Queues()
    queues.take(parse(list(blocks), seen))
    return told(queues.samples("pbx1", tenants, AT))


def agents(found: Figures, domain: str, queue: str) -> dict[str, float]:
    return {
        key[3]: value for key, value in found.items() if key[:3] == ("queue_agents", domain, queue) and value
    }


def test_the_table_keeps_to_the_conventions() -> None:
    assert len(Catalog(METRICS)) == len(METRICS)


# States


@pytest.mark.parametrize("version", VERSIONS)
def test_agents_of_each_queue_by_state(version: str, tenants: TenantTree) -> None:
    found = read(items(version, "QueueStatus"), scene(tenants), tenants)
    assert agents(found, client("globex"), "globex-support") == {"available": 1, "unavailable": 1}
    assert agents(found, client("acme"), "acme-support") == {"available": 1, "in-use": 1}
    assert agents(found, client("bd"), "bd-support") == {"available": 1, "in-use": 1}


def test_the_servers_own_counters_and_averages() -> None:
    tenants = lab_tenants()
    found = read(items("22.10.1", "QueueStatus"), scene(tenants, names=""), tenants)
    mine = {key[0]: value for key, value in found.items() if key[2] == "bd-support" and len(key) == 3}
    assert mine == {
        "queue_waiting": 0,
        "queue_longest_wait_seconds": 0,
        "queue_completed_total": 1,
        "queue_abandoned_total": 0,
        "queue_service_level_seconds": 20,
        "queue_service_level_ratio": 1,
        "queue_average_hold_seconds": 0,
        "queue_average_talk_seconds": 64,
        "queue_joined_total": 0,
        "queue_answered_total": 0,
        "queue_answered_in_time_total": 0,
        "queue_ring_no_answer_total": 0,
    }


def test_before_the_first_call_was_completed_there_are_no_shares_and_averages(tenants: TenantTree) -> None:
    found = read(items("16.28.0", "QueueStatus"), scene(tenants), tenants)
    names = {key[0] for key in found}
    assert "queue_completed_total" in names
    assert (
        not {"queue_service_level_ratio", "queue_average_hold_seconds", "queue_average_talk_seconds"} & names
    )


def test_those_who_wait_are_their_queues() -> None:
    tenants = lab_tenants()
    found = read(items("16.28.0", "QueueStatus-waiting"), scene(tenants, names=""), tenants)
    # q-one stands for nobody.
    waiting = {key[1:]: value for key, value in found.items() if key[0] == "queue_waiting" and value}
    assert waiting == {(f"globex.modulis.{LAB}", f"globex.modulis.{LAB}"): 1, (UNKNOWN_TENANT, "q-one"): 1}
    assert found["queue_longest_wait_seconds", UNKNOWN_TENANT, "q-one"] == 5
    assert found["queue_abandoned_total", UNKNOWN_TENANT, "q-empty"] == 1
    assert agents(found, f"globex.modulis.{LAB}", f"globex.modulis.{LAB}") == {"available": 5}


def test_the_longest_wait_is_the_longest(line: Line) -> None:
    line.read([PARAMS | {"Calls": "3"}, *(ENTRY | {"Wait": wait} for wait in ("7", "99", "3"))])
    assert line.figures["queue_waiting", UNKNOWN_TENANT, "sales"] == 3
    assert line.figures["queue_longest_wait_seconds", UNKNOWN_TENANT, "sales"] == 99


@pytest.mark.parametrize("wait", ["-5", "nan", "", "9" * 30, "1795390370"])
def test_a_wait_that_makes_no_sense_is_not_the_longest(wait: str, line: Line) -> None:
    line.read([PARAMS | {"Calls": "2"}, ENTRY, ENTRY | {"Wait": wait}])
    assert line.figures["queue_longest_wait_seconds", UNKNOWN_TENANT, "sales"] == 7


@pytest.mark.parametrize(
    ("status", "paused", "state"),
    [
        ("1", "0", "available"),
        ("2", "0", "in-use"),
        ("3", "0", "in-use"),
        ("7", "0", "in-use"),
        ("8", "0", "in-use"),
        ("6", "0", "ringing"),
        ("4", "0", "unavailable"),
        ("5", "0", "unavailable"),
        ("0", "0", "other"),
        ("99", "0", "other"),
        ("", "0", "other"),
        *((status, "1", "paused") for status in ("0", "1", "2", "5", "6")),
    ],
)
def test_an_agent_is_in_one_state_and_paused_before_all(
    status: str, paused: str, state: str, line: Line
) -> None:
    line.read([PARAMS, MEMBER | {"Status": status, "Paused": paused}])
    assert agents(line.figures, UNKNOWN_TENANT, "sales") == {state: 1}
    shown = [key[3] for key in line.figures if key[0] == "queue_agents"]
    assert shown == list(AGENTS)


@pytest.mark.parametrize("share", ["nan", "-nan", "inf", "100.1", "-1.0", "", "9" * 300])
def test_a_share_that_makes_no_sense_is_absent(share: str, line: Line) -> None:
    line.read([PARAMS | {"Completed": "3", "ServicelevelPerf": share, "Abandoned": "-1", "TalkTime": "nan"}])
    names = {key[0] for key in line.figures}
    assert "queue_completed_total" in names
    assert not {"queue_service_level_ratio", "queue_abandoned_total", "queue_average_talk_seconds"} & names


def test_the_share_is_that_of_completed_calls(line: Line) -> None:
    line.read([PARAMS | {"Completed": "3", "ServicelevelPerf": "66.7", "ServicelevelPerf2": "12.5"}])
    assert line.figures["queue_service_level_ratio", UNKNOWN_TENANT, "sales"] == pytest.approx(0.667)


@pytest.mark.parametrize("calls", ["-1", "nan", "9" * 50, ""])
def test_a_queue_whose_callers_are_no_number_is_no_reading(calls: str, tenants: TenantTree) -> None:
    with pytest.raises(CollectError) as caught:
        parse([PARAMS, PARAMS | {"Calls": calls}], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL


@pytest.mark.parametrize("block", [without(PARAMS, "Queue"), without(MEMBER, "Status"), {}])
def test_half_an_item_is_left_out_and_nothing_but_halves_is_no_reading(
    block: Block, tenants: TenantTree
) -> None:
    assert parse([PARAMS, block], scene(tenants)) == parse([PARAMS], scene(tenants))
    with pytest.raises(CollectError) as caught:
        parse([block], scene(tenants))
    assert caught.value.failure is CollectFailure.PROTOCOL


def test_a_queue_that_comes_twice_is_shown_once(line: Line) -> None:
    line.read([PARAMS, PARAMS | {"Calls": "4"}])
    assert line.figures["queue_waiting", UNKNOWN_TENANT, "sales"] == 4


# Whose a queue is


@pytest.mark.parametrize("version", VERSIONS)
def test_the_callers_of_a_queue_whose_name_tells_no_tenant_are_shown_nothing_of_it(
    version: str, tenants: TenantTree
) -> None:
    """The server's own counters are of all who called before, whose tenants nothing tells."""
    line = Line(tenants)
    line.read(items(version, "QueueStatus"))
    line.hear(*blocks(version, "events/QueueCallerJoin"))  # of bd
    line.read(items(version, "QueueStatus"))
    assert {key[1] for key in line.figures} == {key[1] for key in line.spreads} == {UNKNOWN_TENANT}
    assert line.figures["queue_joined_total", UNKNOWN_TENANT, "bd-support"] == 1


def test_whoever_calls_and_waits_changes_nothing_of_whose_a_queue_is(line: Line) -> None:
    for number, code in enumerate(("acme", "bd", "", "acme")):
        line.hear(JOIN | {"AccountCode": code})
        line.read([PARAMS | {"Calls": "1", "Abandoned": "5"}, ENTRY], [channel("1", code)])
        assert {key[1] for key in line.figures} == {UNKNOWN_TENANT}
        assert line.figures["queue_joined_total", UNKNOWN_TENANT, "sales"] == number + 1
        assert line.figures["queue_abandoned_total", UNKNOWN_TENANT, "sales"] == 5


def test_a_queue_is_the_tenants_that_its_name_tells_of(tenants: TenantTree) -> None:
    line = Line(tenants, names="{tenant}-*")
    named = "acme-sales"
    line.read([PARAMS | {"Queue": named}, ENTRY | {"Queue": named}], [channel("1", "bd")])
    line.hear(JOIN | {"Queue": named, "AccountCode": "bd"})
    assert {key[1] for key in line.figures} == {client("acme")}
    assert line.figures["queue_joined_total", client("acme"), named] == 1


def test_a_tenant_that_has_gone_leaves_its_queues_to_nobody_and_comes_back_from_0(
    tenants: TenantTree,
) -> None:
    line = Line(tenants, names="{tenant}-*")
    sales = PARAMS | {"Queue": "acme-sales"}
    line.hear(JOIN | {"Queue": "acme-sales"})
    line.read([sales])
    assert line.figures["queue_joined_total", client("acme"), "acme-sales"] == 1
    line.queues.keep([client("bd")])
    assert {key[1] for key in line.figures} == {key[1] for key in line.spreads} == {UNKNOWN_TENANT}
    assert line.figures["queue_joined_total", UNKNOWN_TENANT, "acme-sales"] == 0
    line.hear(JOIN | {"Queue": "acme-sales"})
    line.read([sales])
    joined = [line.shown["queue_joined_total", client("acme"), "acme-sales"] for _ in range(2)]
    assert joined == [0, 1]


# Events


@pytest.mark.parametrize("version", VERSIONS)
def test_a_call_that_an_agent_answered_is_counted_with_its_wait_and_talk(
    version: str, tenants: TenantTree
) -> None:
    line = Line(tenants, names="{tenant}-*")
    line.read(items(version, "QueueStatus"))
    for name in ("QueueCallerJoin", "AgentConnect", "QueueCallerLeave", "AgentComplete"):
        line.hear(*blocks(version, f"events/{name}"))
    key = (client("bd"), "bd-support")
    assert line.figures["queue_joined_total", *key] == 1
    assert line.figures["queue_answered_total", *key] == 1
    assert line.figures["queue_answered_in_time_total", *key] == 1
    assert line.figures["queue_ring_no_answer_total", *key] == 0
    assert line.spreads["queue_wait_seconds", *key, "answered"] == (1, 0)
    assert line.spreads["queue_wait_seconds", *key, "abandoned"] == (0, 0)
    assert line.spreads["queue_talk_seconds", *key] == (1, 64)
    others = {key: value for key, value in line.figures.items() if key[1] != client("bd")}
    assert not any(value for key, value in others.items() if key[0] == "queue_joined_total")


@pytest.mark.parametrize(("version", "wait"), [("16.28.0", 11), ("22.10.1", 12)])
def test_callers_who_left_and_phones_that_rang_in_vain_are_counted(version: str, wait: int) -> None:
    line = Line(lab_tenants())
    line.read(items(version, "QueueStatus-waiting"))
    for name in ("AgentRingNoAnswer", "QueueCallerAbandon"):
        line.hear(*blocks(version, f"events/{name}"))
    globex = f"globex.modulis.{LAB}"
    assert line.figures["queue_ring_no_answer_total", globex, globex] == 3
    waits = {key[1:3]: value for key, value in line.spreads.items() if key[-1] == "abandoned" and value[0]}
    assert waits.items() >= {(globex, globex): (1, wait), (UNKNOWN_TENANT, "q-empty"): (1, 2)}.items()
    assert line.figures["queue_answered_total", globex, globex] == 0


@pytest.mark.parametrize(("wait", "in_time"), [("19", 1), ("20", 1), ("21", 0), ("-1", 0), ("nan", 0)])
def test_an_answer_is_in_time_up_to_the_service_level(wait: str, in_time: int, line: Line) -> None:
    line.read([PARAMS])
    line.hear(CONNECT | {"HoldTime": wait})
    assert line.figures["queue_answered_total", UNKNOWN_TENANT, "sales"] == 1
    assert line.figures["queue_answered_in_time_total", UNKNOWN_TENANT, "sales"] == in_time


@pytest.mark.parametrize("wait", ["-3", "nan", "", "9" * 40, "1795390370"])
def test_a_wait_by_a_clock_that_was_set_is_not_in_the_histogram(wait: str, line: Line) -> None:
    line.hear(CONNECT | {"HoldTime": wait}, JOIN | {"Event": "AgentComplete", "TalkTime": wait})
    line.hear(without(CONNECT, "HoldTime"))
    assert line.figures["queue_answered_total", UNKNOWN_TENANT, "sales"] == 2
    assert set(line.spreads.values()) == {(0, 0)}


def test_what_was_heard_of_before_a_queue_is_first_shown_shows_from_then_on(line: Line) -> None:
    line.hear(JOIN, CONNECT)
    line.read([PARAMS | {"Completed": "7"}])
    for times in (0, 1):
        found, spreads = line.shown, line.shown_spreads
        assert found["queue_joined_total", UNKNOWN_TENANT, "sales"] == times
        assert found["queue_answered_total", UNKNOWN_TENANT, "sales"] == times
        assert found["queue_completed_total", UNKNOWN_TENANT, "sales"] == 7  # the server's own
        assert spreads["queue_wait_seconds", UNKNOWN_TENANT, "sales", "answered"] == (times, 12 * times)


def test_a_queue_begins_at_zero_when_it_is_first_read(line: Line) -> None:
    line.read([PARAMS])
    counted = {key[0]: value for key, value in line.figures.items() if key[0].endswith("_total")}
    assert set(counted.values()) == {0}
    assert len(counted) == 6
    assert set(line.spreads.values()) == {(0, 0)}
    assert len(line.spreads) == 3


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Event": "QueueCallerJoin"},
        {"Event": "QueueCallerJoin", "Queue": ""},
        {"Queue": "sales"},
        {"Event": "QueueMemberStatus", "Queue": "sales"},
        {"Event": "Hangup", "Queue": "sales"},
        {"Event": "queuecallerjoin", "Queue": "sales"},
    ],
)
def test_what_is_no_event_of_a_queue_makes_no_series(event: Block, line: Line) -> None:
    line.hear(event)
    assert line.figures == {}


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_an_event_without_its_channel_is_none(kind: str, line: Line) -> None:
    line.hear({"Event": kind, "Queue": "sales"})
    assert line.figures == {}


@pytest.mark.parametrize("kind", sorted(_SAID))
def test_a_second_half_that_a_callers_number_makes_of_an_item_changes_nothing(kind: str, line: Line) -> None:
    line.read([PARAMS])
    before = line.figures
    forged = {"Event": kind, "Queue": "sales", "Calls": "99", "Status": "1", "Paused": "0", "Wait": "9"}
    line.read([PARAMS, forged | {"CallerIDName": "x", "ConnectedLineNum": "", "ConnectedLineName": ""}])
    assert line.figures == before


# A login that is sent no events of queues


def ended(completed: int = 0, abandoned: int = 0, queue: str = "sales") -> Block:
    return PARAMS | {"Queue": queue, "Completed": str(completed), "Abandoned": str(abandoned)}


@pytest.mark.parametrize("after", [ended(6, 2), ended(5, 3), ended(6, 0)])
def test_calls_that_ended_without_a_word_show_that_no_events_come(after: Block, line: Line) -> None:
    line.read([ended(5, 2)])
    if after == ended(6, 0):  # the queue was reset
        line.read([ended(5, 0)])
    line.read([after])
    assert not line.deaf()  # the event may be on its way
    line.read([after])
    assert line.deaf()
    line.read([after])
    assert line.deaf()


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_whoever_heard_an_event_of_queues_is_not_deaf(kind: str, line: Line) -> None:
    line.read([ended(5)])
    line.hear(JOIN | {"Event": kind})
    for n in range(6, 9):
        line.read([ended(n)])
        assert not line.deaf()


def test_an_event_that_a_list_was_faster_than_is_none_that_was_missed(line: Line) -> None:
    line.read([ended(5)])
    line.read([ended(6)])
    line.hear(JOIN | {"Event": "AgentComplete", "TalkTime": "9"})
    line.read([ended(6)])
    assert not line.deaf()


def test_one_who_hears_after_all_is_not_deaf(line: Line) -> None:
    for n in (5, 6, 6):
        line.read([ended(n)])
    assert line.deaf()
    line.hear(JOIN)
    assert not line.deaf()
    line.read([ended(9)])
    line.read([ended(9)])
    assert not line.deaf()


def test_queues_that_are_quiet_reset_new_or_gone_show_nothing(line: Line) -> None:
    others = ended(9, 9, "support")
    for listed in (
        [ended(5, 5)],
        [ended(5, 5)],
        [ended(0, 0)],
        [ended(0, 0), others],
        [ended(0, 0)],
        [others],
    ):
        line.read(listed)
        assert not line.deaf()
    line.read([PARAMS | {"Completed": "", "Abandoned": "nan"}])
    line.read([ended(7)])
    assert not line.deaf()


def test_what_ended_while_there_was_no_connection_shows_nothing(line: Line) -> None:
    line.read([ended(5)])
    line.queues.connected()
    line.read([ended(8)])
    line.read([ended(8)])
    assert not line.deaf()
    line.read([ended(9)])
    line.queues.connected()
    line.read([ended(9)])
    line.read([ended(9)])
    assert not line.deaf()
    line.read([ended(10)])
    line.read([ended(10)])
    assert line.deaf()
    line.queues.connected()
    assert not line.deaf()


# Queues that come and go, and too many of them


def test_counts_stay_while_the_queue_does_and_go_with_it(line: Line) -> None:
    line.hear(JOIN, CONNECT)
    for _ in range(3):
        line.read([PARAMS])
        assert line.figures["queue_joined_total", UNKNOWN_TENANT, "sales"] == 1
    line.read([PARAMS | {"Queue": "support"}])
    assert {key[2] for key in line.figures} == {"support"}
    assert {key[2] for key in line.spreads} == {"support"}


def test_states_that_are_too_old_go_and_counts_stay(line: Line) -> None:
    line.read([PARAMS])
    line.hear(JOIN)
    line.queues.withdraw()
    assert {key[0] for key in line.figures} == {
        f"queue_{name}_total" for name in ("joined", "answered", "answered_in_time", "ring_no_answer")
    }
    line.read([PARAMS])
    assert line.figures["queue_joined_total", UNKNOWN_TENANT, "sales"] == 1


def test_names_of_any_bytes_are_labels_that_can_be_shown(line: Line) -> None:
    name = f'a"\\\n\x00{"x" * 5000}'
    line.read([PARAMS | {"Queue": name}])
    line.hear(JOIN | {"Queue": name})
    (shown,) = {key[2] for key in line.figures}
    assert shown.isprintable()
    assert len(shown) == 80
    assert line.figures["queue_joined_total", UNKNOWN_TENANT, shown] == 1


def many(number: int, prefix: str = "bd") -> list[Block]:
    params = PARAMS | {"Calls": "1", "Completed": "5"}
    return [params | {"Queue": f"{prefix}-{n}"} for n in range(number)]


def test_queues_past_the_most_that_are_shown_are_one_of_their_tenant(tenants: TenantTree) -> None:
    line = Line(tenants, names="{tenant}-*")
    line.read([*many(MAX_QUEUES), *many(3, "acme"), MEMBER | {"Queue": "acme-1"}])
    found = line.figures
    assert len({key[2] for key in found}) == MAX_QUEUES + 1
    rest = (client("acme"), OTHER_QUEUES)
    assert found["queue_waiting", *rest] == 3
    assert agents(found, *rest) == {"available": 1}
    assert ("queue_completed_total", *rest) not in found  # a sum of counters that fall one by one
    line.hear(JOIN | {"Queue": "acme-2"}, JOIN | {"Queue": "bd-7"})
    assert line.figures["queue_joined_total", *rest] == 1
    assert line.figures["queue_joined_total", client("bd"), "bd-7"] == 1


def test_a_queue_that_is_shown_stays_so_when_others_come_before_it(tenants: TenantTree) -> None:
    line = Line(tenants, names="{tenant}-*")
    line.read(many(1, "acme"))
    line.read([*many(MAX_QUEUES + 5), *many(1, "acme")])
    assert ("queue_waiting", client("acme"), "acme-0") in line.figures
    assert line.figures["queue_waiting", client("bd"), OTHER_QUEUES] == 6


def test_events_of_endless_queues_make_no_endless_series(line: Line) -> None:
    for n in range(3 * MAX_QUEUES):
        line.hear(JOIN | {"Queue": f"q{n}"})
    found = line.figures
    assert len({key[2] for key in found}) == MAX_QUEUES + 1
    assert sum(value for key, value in found.items() if key[0] == "queue_joined_total") == 3 * MAX_QUEUES
    line.read([PARAMS])
    assert {key[2] for key in line.figures} == {"sales", OTHER_QUEUES}


def test_a_queue_that_is_called_like_the_rest_is_in_the_rest(line: Line) -> None:
    line.read([PARAMS | {"Queue": OTHER_QUEUES, "Calls": "2"}, PARAMS])
    assert line.figures["queue_waiting", UNKNOWN_TENANT, OTHER_QUEUES] == 2


def test_a_list_of_100_000_queues_is_read(tenants: TenantTree) -> None:
    line = Line(tenants, names="{tenant}-*")
    line.read(many(100_000))
    waiting = [value for key, value in line.figures.items() if key[0] == "queue_waiting"]
    assert (len(waiting), sum(waiting)) == (MAX_QUEUES + 1, 100_000)
