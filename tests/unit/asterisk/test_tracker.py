"""Calls followed by events: single calls, races with snapshots, lost connections, recordings of 16 and 22."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from collectors.asterisk import tracker as tracker_module
from collectors.asterisk.parse import ALWAYS, Channel, is_whole, parse_channel, parse_channels
from collectors.asterisk.tracker import METRICS, Tracker
from collectors.asterisk.whose import Whose
from collectors.asterisk.wire import BLOCK_END, Block, decode
from dialtone.config.directory import TenantDirectory
from dialtone.config.tree import TenantTree
from dialtone.model import UNKNOWN_TENANT
from tests.unit.asterisk.conftest import RESELLER, VERSIONS, blocks, items, whole

AT = datetime(2026, 3, 1, tzinfo=UTC)
ACME, BD, GLOBEX = (f"{name}.{RESELLER}" for name in ("acme", "bd", "globex"))
STATES = {"down": "0", "ring": "4", "ringing": "5", "up": "6"}


class Desk:
    """A tracker, and short words for what Asterisk would say of legs called `a`, `b` ... of a call `a`."""

    def __init__(self, tenants: TenantTree) -> None:
        self.tracker = Tracker(Whose(tenants))
        self.tenants = tenants
        self.now = 100.0
        self.states: dict[str, str] = {}

    def block(self, leg: str, of: str, state: str, code: str, driver: str = "PJSIP") -> dict[str, str]:
        return whole(
            Channel=f"{driver}/{leg}-0000000a",
            ChannelState=STATES[state],
            Uniqueid=leg,
            Linkedid=of,
            AccountCode=code,
        )

    def told(self, name: str, leg: str, of: str, state: str, code: str, **more: str) -> dict[str, str]:
        block = self.block(leg, of, state, code, more.pop("driver", "PJSIP"))
        return {"Event": name, "Privilege": "call,all", **block, **more}

    def event(
        self, name: str, leg: str, of: str = "a", state: str = "down", code: str = "acme", **more: str
    ) -> None:
        self.states[leg] = state
        self.tracker.hear(self.told(name, leg, of, state, code, **more), self.now)

    def new(self, leg: str, of: str = "a", state: str = "down", code: str = "acme", **more: str) -> None:
        self.event("Newchannel", leg, of, state, code, **more)

    def state(self, leg: str, state: str, of: str = "a", code: str = "acme") -> None:
        self.event("Newstate", leg, of, state, code)

    def hangup(self, leg: str, cause: str = "16", of: str = "a", code: str = "acme", **more: str) -> None:
        """A channel ends in the state in which it was last."""
        self.event("Hangup", leg, of, self.states.get(leg, "down"), code, Cause=cause, **more)

    def listed(self, *legs: tuple[str, str, str] | tuple[str, str, str, str]) -> list[Channel]:
        """Return a snapshot of legs: leg, call, state, and account code if it isn't acme."""
        return list(parse_channels(self.block(*(*leg, "acme")[:4]) for leg in legs))

    def resync(
        self, *legs: tuple[str, str, str] | tuple[str, str, str, str], anew: bool = False, after: float = 10.0
    ) -> None:
        self.now += after
        self.tracker.resync(self.listed(*legs), self.now, anew=anew)

    def counts(self) -> dict[str, float]:
        """Return all counters but zeros: `started acme`, `failed busy acme`; not a tenant's first, all 0."""
        list(self.tracker.samples("pbx1", self.tenants, AT))
        found = {}
        for sample in self.tracker.samples("pbx1", self.tenants, AT):
            if sample.value and sample.metric.endswith("_total"):
                name = sample.metric.removeprefix("asterisk_tenant_calls_").removesuffix("_total")
                found[" ".join((name, *sample.labels[3:], sample.labels[1].partition(".")[0]))] = sample.value
        return found

    def spread(self, name: str) -> dict[str, tuple[int, float]]:
        """Return a histogram's count and sum by tenant, without empty ones as a tenant's first are."""
        list(self.tracker.spreads("pbx1", self.tenants, AT))
        return {
            spread.labels[1].partition(".")[0]: (sum(spread.counts), round(spread.total, 3))
            for spread in self.tracker.spreads("pbx1", self.tenants, AT)
            if spread.metric == f"asterisk_tenant_{name}_seconds" and any(spread.counts)
        }

    def missing(self) -> set[str]:
        return set(self.tracker.missing)

    def play(self, events: list[Block]) -> None:
        """Hear a recording; not all of them were made with timestamps."""
        for event in events:
            self.now = float(event.get("Timestamp", self.now + 0.1))
            self.tracker.hear(event, self.now)

    def answered_call(self) -> None:
        self.new("a", state="ring")
        self.new("b")
        self.state("b", "ringing")
        self.now += 4
        self.state("b", "up")
        self.state("a", "up")


@pytest.fixture
def desk(tenants: TenantTree) -> Desk:
    return Desk(tenants)


# One call


def test_an_answered_call_has_a_ring_time_and_a_duration(desk: Desk) -> None:
    desk.answered_call()
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    desk.now += 61.5
    desk.hangup("b")
    assert desk.spread("call_duration") == {}  # it is one until its last leg has ended
    desk.now += 0.5
    desk.hangup("a")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.spread("call_duration") == {"acme": (1, 62.0)}
    assert desk.spread("ring") == {"acme": (1, 4.0)}
    assert desk.tracker.held == 0


def test_a_call_that_nobody_answered_fails_by_the_cause_of_the_leg_it_began_with(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.new("b")
    desk.hangup("b", cause="17")
    desk.hangup("a", cause="34")
    assert desk.counts() == {"started acme": 1, "failed congestion acme": 1}
    assert (desk.spread("call_duration"), desk.spread("ring"), desk.tracker.held) == ({}, {}, 0)


def test_the_first_legs_cause_counts_where_it_ends_first_too(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.new("b")
    desk.hangup("a", cause="127")
    desk.hangup("b", cause="17")
    assert desk.counts() == {"started acme": 1, "failed cancelled acme": 1}


def test_the_last_legs_cause_counts_where_the_first_is_asterisks_own(desk: Desk) -> None:
    desk.new("a", driver="Local")
    desk.new("b")
    desk.hangup("b", cause="17")
    desk.hangup("a", cause="0", driver="Local")
    assert desk.counts() == {"started acme": 1, "failed busy acme": 1}


def test_only_phones_that_answer_give_a_ring_time(desk: Desk) -> None:
    desk.answered_call()
    desk.new("c")
    desk.state("c", "ringing")
    desk.hangup("c", cause="26")
    assert desk.spread("ring") == {"acme": (1, 4.0)}


def test_asterisks_own_channels_are_no_calls(desk: Desk) -> None:
    for name in ("CBAnn", "Local", "Bridge"):
        desk.new("a", driver=name)
        desk.event("Newstate", "a", state="up", driver=name)
        desk.tracker.take_peaks()
        assert desk.tracker.take_peaks() == (0, {})
        desk.hangup("a", driver=name)
    assert (desk.counts(), desk.tracker.held) == ({}, 0)


def test_a_local_leg_tells_whose_the_call_is_and_is_neither_up_nor_ringing(desk: Desk) -> None:
    desk.new("a", state="ring", code="")
    desk.new("b", driver="Local", code="bd")
    desk.event("Newstate", "b", state="ringing", code="bd", driver="Local")
    desk.event("Newstate", "b", state="up", code="bd", driver="Local")
    assert desk.counts() == {}
    desk.hangup("a", cause="127", code="")
    assert desk.tracker.take_peaks() == (1, {BD: 1})
    assert desk.tracker.take_peaks() == (0, {})
    desk.hangup("b", code="bd", driver="Local")
    assert desk.counts() == {"started bd": 1, "failed cancelled bd": 1}
    assert (desk.spread("ring"), desk.tracker.held) == ({}, 0)


def test_two_phones_tried_one_after_the_other_are_one_call(desk: Desk) -> None:
    desk.new("a", driver="Local")
    for leg in ("b", "c"):
        desk.new(leg)
        desk.hangup(leg, cause="17")
    desk.hangup("a", driver="Local")
    assert desk.counts() == {"started acme": 1, "failed busy acme": 1}


# Whose it is


@pytest.mark.parametrize("before", ["", "bd"])
@pytest.mark.parametrize("how", ["answer", "end", "first snapshot", "first snapshot, faster"])
def test_a_call_is_counted_for_the_tenant_that_the_first_lines_of_the_dialplan_give_it(
    how: str, before: str, desk: Desk
) -> None:
    """A trunk's endpoint has no account code, or a reseller's; the number that was called tells whose."""
    desk.new("a", state="ring", code=before)
    desk.new("b", driver="Local", code=before)
    if how == "first snapshot, faster":  # than the event; the leg that tells it is the last one listed
        desk.resync(("b", "a", "down", before), ("a", "a", "ring", "acme"))
    else:
        desk.event("NewAccountCode", "a", state="ring", code="acme", OldAccountCode=before)
        assert desk.counts() == {}
    match how:
        case "answer":
            desk.state("a", "up")
        case "end":
            desk.hangup("b", driver="Local", code=before)
            desk.hangup("a", cause="17")
        case "first snapshot":
            desk.resync(("b", "a", "down", before), ("a", "a", "ring", "acme"))
    assert desk.counts()["started acme"] == 1
    assert {name for name in desk.counts() if "acme" not in name} == set()


def test_a_call_that_was_counted_keeps_its_tenant_when_its_account_code_changes(desk: Desk) -> None:
    desk.new("a", state="ring", code="bd")
    desk.resync(("a", "a", "ring", "bd"))
    desk.tracker.take_peaks()
    desk.event("NewAccountCode", "a", state="ring", code="acme", OldAccountCode="bd")
    assert desk.tracker.take_peaks() == (1, {ACME: 1, BD: 1})
    desk.hangup("a", cause="17")
    assert desk.counts() == {"started bd": 1, "failed busy bd": 1}
    assert desk.tracker.take_peaks() == (1, {ACME: 1})  # alive for whose it was then
    assert desk.tracker.held == 0


def test_a_call_that_joined_another_unheard_of_is_counted_for_whose_it_was(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.new("b", of="b", state="ring", code="bd")
    desk.event("BridgeEnter", "b", of="a", state="ring", code="bd")
    assert desk.counts() == {"started bd": 1}
    for leg in "ab":
        desk.hangup(leg, cause="17", code="acme" if leg == "a" else "bd")
    assert desk.counts() == {"started acme": 1, "failed busy acme": 1, "started bd": 1}


@pytest.mark.parametrize("how", ["answer", "end", "second snapshot"])
def test_a_call_of_nobody_is_counted_as_unknown_in_the_end(how: str, desk: Desk) -> None:
    desk.new("a", state="ring", code="stranger")
    if how == "answer":
        desk.state("a", "up", code="stranger")
    elif how == "end":
        desk.hangup("a", code="stranger", cause="17")
    else:
        desk.resync(("a", "a", "ring", "stranger"))
        assert desk.counts() == {}
        desk.resync(("a", "a", "ring", "stranger"))
    assert desk.counts()[f"started {UNKNOWN_TENANT}"] == 1
    # Whose it was comes out too late: a counted call doesn't change hands.
    desk.event("NewAccountCode", "a", code="acme")
    desk.hangup("a", cause="17")
    assert {name for name in desk.counts() if "acme" in name} == set()
    assert desk.tracker.held == 0


def test_a_leg_is_its_own_tenants_else_its_calls_else_nobodys(desk: Desk) -> None:
    desk.new("a", state="ring", code="acme")
    desk.new("b", code="bd")
    desk.new("c", code="")
    own, trunk, stranger = desk.listed(("b", "a", "up", "globex"), ("c", "a", "up", ""), ("x", "y", "up", ""))
    assert [desk.tracker.owner(channel) for channel in (own, trunk, stranger)] == [
        GLOBEX,
        ACME,
        UNKNOWN_TENANT,
    ]
    (unheard,) = desk.listed(("d", "a", "up", ""))
    assert desk.tracker.owner(unheard) == ACME
    told_by_event = parse_channel(whole(Channel="PJSIP/b-1", Uniqueid="b", Linkedid="a"))
    assert told_by_event
    assert desk.tracker.owner(told_by_event) == BD


def test_a_tenant_that_has_gone_is_counted_no_further_and_comes_back_from_nothing(
    tenants: TenantTree,
) -> None:
    directory = TenantDirectory(tenants)
    desk = Desk(tenants)
    desk.tracker = Tracker(Whose(directory))
    desk.answered_call()
    desk.new("x", of="x", code="bd")
    directory._tree = TenantTree(
        next(t for t in tenants if t.parent is None),
        [t for t in tenants if t.parent is not None and t.domain != ACME],
    )
    desk.tracker.keep(directory.domains)
    assert desk.counts() == {}
    desk.hangup("a", cause="17")
    desk.hangup("b", cause="17")
    desk.hangup("x", of="x", code="bd", cause="17")
    assert desk.counts() == {"started bd": 1, "failed busy bd": 1}
    assert desk.spread("call_duration") == {}
    assert desk.tracker.held == 0


def test_counts_of_nobody_stay_whatever_tenants_there_are(desk: Desk) -> None:
    desk.new("a", code="", state="up")
    desk.tracker.keep([ACME])
    assert desk.counts() == {f"started {UNKNOWN_TENANT}": 1, f"answered {UNKNOWN_TENANT}": 1}


# Peaks


def test_the_peak_is_the_most_at_once_and_begins_anew_from_the_present(desk: Desk) -> None:
    for call in "abc":
        desk.new(call, of=call, state="ring", code="acme" if call != "c" else "bd")
    desk.hangup("a")
    desk.hangup("c", of="c", code="bd")
    assert desk.tracker.take_peaks() == (3, {ACME: 2, BD: 1})
    assert desk.tracker.take_peaks() == (1, {ACME: 1})
    shown = {
        (s.metric, *s.labels[1:2]): s.value
        for s in desk.tracker.samples("pbx1", desk.tenants, AT)
        if "peak" in s.metric
    }
    assert shown == {
        ("asterisk_peak_calls",): 1,
        ("asterisk_tenant_peak_calls", ACME): 1,
        ("asterisk_tenant_peak_calls", BD): 0,
    }


def test_a_peak_is_kept_until_it_is_taken_whatever_snapshots_come(desk: Desk) -> None:
    desk.tracker.take_peaks()
    for call in "ab":
        desk.new(call, of=call, state="ring")
    for call in "ab":
        desk.hangup(call, of=call)
    desk.resync()
    desk.resync(("x", "x", "ring", "bd"), anew=True)
    assert desk.tracker.take_peaks() == (2, {ACME: 2, BD: 1})
    desk.resync(("x", "x", "ring", "bd"))
    assert desk.tracker.take_peaks() == (1, {BD: 1})


def test_a_call_of_two_tenants_is_in_both_peaks_and_counted_for_one(desk: Desk) -> None:
    desk.new("a", state="ring", code="acme")
    desk.new("b", code="bd")
    assert desk.tracker.take_peaks() == (1, {ACME: 1, BD: 1})
    desk.resync(("b", "a", "down", "bd"), ("a", "a", "ring", "acme"))
    assert desk.counts() == {"started acme": 1}


def test_a_trunks_leg_makes_no_peak_of_unknown_while_its_code_is_on_its_way(desk: Desk) -> None:
    desk.new("a", state="ring", code="")
    desk.event("NewAccountCode", "a", code="acme")
    desk.new("b", code="")
    assert desk.tracker.take_peaks() == (1, {ACME: 1})


# Calls that are joined


def test_a_call_that_was_joined_to_another_is_no_failure_and_has_no_duration(desk: Desk) -> None:
    desk.answered_call()
    desk.new("c", of="c", state="ring")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    desk.event("BridgeEnter", "c", of="a", state="ring")
    assert desk.counts() == {"started acme": 2, "answered acme": 1}
    desk.hangup("c")
    desk.now += 10
    desk.hangup("b")
    desk.hangup("a")
    assert desk.counts() == {"started acme": 2, "answered acme": 1}
    assert desk.spread("call_duration") == {"acme": (1, 10.0)}
    assert desk.tracker.held == 0


def test_an_answered_call_that_joins_a_waiting_one_answers_it(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.new("b", of="b", state="up")
    desk.event("BridgeEnter", "b", of="a", state="up")
    assert desk.counts() == {"started acme": 2, "answered acme": 2}
    desk.hangup("a")
    desk.hangup("b")
    assert desk.spread("call_duration") == {"acme": (1, 0.0)}
    assert desk.tracker.held == 0


def test_a_joined_call_whose_other_ended_before_that_was_told_isnt_counted_twice(desk: Desk) -> None:
    desk.answered_call()
    desk.new("c", of="c", state="up")
    desk.hangup("a")
    desk.hangup("b")
    desk.event("BridgeEnter", "c", of="a", state="up")  # call `a` has ended for us
    assert desk.counts() == {"started acme": 2, "answered acme": 2}
    desk.hangup("c")
    assert desk.counts() == {"started acme": 2, "answered acme": 2}
    assert desk.spread("call_duration") == {"acme": (1, 0.0)}
    assert desk.tracker.held == 0


def test_joining_makes_no_peak(desk: Desk) -> None:
    desk.new("a", state="ring", code="bd")
    desk.new("b", of="b", state="ring")
    desk.tracker.take_peaks()
    desk.event("BridgeEnter", "b", of="a", state="ring")
    assert desk.tracker.take_peaks() == (2, {ACME: 1, BD: 1})
    assert desk.tracker.take_peaks() == (1, {ACME: 1, BD: 1})


def test_a_call_goes_on_in_the_name_of_one_that_was_never_seen(desk: Desk) -> None:
    desk.answered_call()
    desk.event("BridgeEnter", "b", of="older", state="up")
    desk.event("BridgeEnter", "a", of="a", state="up")  # not joined yet when that happened
    desk.now += 5
    desk.hangup("b", of="older")
    desk.hangup("a", of="older")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.spread("call_duration") == {"acme": (1, 5.0)}
    assert desk.tracker.held == 0


def test_a_call_that_goes_on_by_legs_taken_for_another_calls_isnt_begun_twice(desk: Desk) -> None:
    desk.answered_call()
    desk.new("c", of="c", state="up")
    desk.hangup("a")
    desk.hangup("b")
    desk.new("d")  # `c` dials, having joined call `a`, which nothing has told yet
    desk.event("BridgeEnter", "c", of="a", state="up")
    desk.hangup("c")
    desk.hangup("d", cause="17")
    assert desk.counts() == {"started acme": 2, "answered acme": 2}
    assert desk.tracker.held == 0


def test_an_event_from_before_the_joining_doesnt_part_the_calls_again(desk: Desk) -> None:
    desk.answered_call()
    desk.new("c", of="c", state="ring")
    desk.resync(("a", "a", "up"), ("b", "a", "up"), ("c", "a", "ring"))
    desk.state("c", "up", of="c")
    desk.event("BridgeEnter", "c", of="a", state="up")
    for leg in "abc":
        desk.hangup(leg)
    assert desk.counts() == {"started acme": 2, "answered acme": 1}
    assert desk.tracker.held == 0


# Races between events and snapshots


def test_a_channel_that_the_snapshot_knew_before_its_events_came_is_counted_once_and_timed(
    desk: Desk,
) -> None:
    desk.resync(anew=True)
    desk.resync(("a", "a", "up"), ("b", "a", "up"))
    assert desk.counts() == {}
    desk.answered_call()
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    desk.resync(("a", "a", "up"), ("b", "a", "up"))
    desk.hangup("a")
    desk.hangup("b")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.spread("call_duration") == {"acme": (1, 10.0)}
    assert desk.missing() == set()
    assert desk.tracker.held == 0


def test_a_call_of_which_a_snapshot_knew_the_called_leg_alone_is_the_callers(desk: Desk) -> None:
    desk.resync(anew=True)
    desk.resync(("b", "a", "ringing", "bd"))
    desk.new("a", state="ring", code="acme")
    desk.new("b", code="bd")
    desk.hangup("a", cause="127", code="acme")
    desk.hangup("b", code="bd")
    assert desk.counts() == {"started acme": 1, "failed cancelled acme": 1}


def test_a_snapshot_from_before_the_joining_doesnt_part_the_calls_again(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.new("b", of="b", state="ring")
    desk.new("c", of="b")
    desk.event("BridgeEnter", "b", of="a", state="ring")
    desk.resync(("a", "a", "ring"), ("b", "b", "ring"), ("c", "b", "down"))
    for leg in "abc":
        desk.hangup(leg, cause="17")
    assert desk.counts() == {"started acme": 2, "failed busy acme": 1}
    assert desk.tracker.held == 0


@pytest.mark.parametrize("seen", [True, False])
def test_a_snapshot_that_still_has_a_channel_whose_end_was_heard_doesnt_bring_it_back(
    seen: bool, desk: Desk
) -> None:
    if seen:
        desk.answered_call()
    desk.hangup("b")
    desk.hangup("a")
    before = desk.counts()
    desk.resync(("a", "a", "up"), ("b", "a", "up"), anew=not seen)
    desk.resync(("a", "a", "up"), ("b", "a", "up"))
    assert desk.counts() == before
    assert desk.tracker.held == 0


def test_what_has_gone_is_remembered_for_two_snapshots_only(desk: Desk) -> None:
    desk.hangup("a")
    for _ in range(2):
        desk.resync(("a", "a", "up"))
        assert desk.tracker.held == 0
    desk.resync(("a", "a", "up"))
    assert desk.tracker.held > 0


def test_a_channel_younger_than_the_snapshot_isnt_ended_by_it(desk: Desk) -> None:
    desk.answered_call()
    desk.resync()
    desk.resync(("a", "a", "up"), ("b", "a", "up"))
    desk.resync()  # both have ended by now, and their Hangup is on its way
    desk.hangup("a")
    desk.hangup("b")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.spread("call_duration") == {"acme": (1, 30.0)}


def test_a_channel_younger_than_one_snapshot_and_ended_just_before_the_next_is_given_time(desk: Desk) -> None:
    desk.answered_call()
    desk.resync()
    desk.resync()
    desk.hangup("a")
    desk.hangup("b")
    assert desk.spread("call_duration") == {"acme": (1, 20.0)}


def test_a_channel_whose_end_is_never_told_is_ended_by_the_snapshots(desk: Desk) -> None:
    desk.answered_call()
    desk.new("x", of="x", state="ring")
    desk.resync(("a", "a", "up"), ("b", "a", "up"), ("x", "x", "ring"))
    desk.resync()
    assert desk.counts() == {"started acme": 2, "answered acme": 1}
    desk.resync()
    assert desk.counts() == {"started acme": 2, "answered acme": 1, "unseen acme": 1}
    assert desk.spread("call_duration") == {}
    assert desk.tracker.held == 0
    desk.hangup("a")  # late beyond all patience
    desk.new("b")
    assert desk.counts() == {"started acme": 2, "answered acme": 1, "unseen acme": 1}
    assert desk.tracker.held == 0


def test_an_answer_that_is_never_told_is_believed_at_the_second_snapshot(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.resync(("a", "a", "up"))
    assert desk.counts() == {"started acme": 1}
    desk.resync(("a", "a", "up"))
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    desk.hangup("a")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.spread("call_duration") == {}


@pytest.mark.parametrize("how", ["its end", "one snapshot"])
def test_an_answer_that_only_the_end_or_one_snapshot_tells_of_is_one(how: str, desk: Desk) -> None:
    desk.new("a", state="ring")
    if how == "its end":
        desk.states["a"] = "up"
        desk.hangup("a", cause="16")
    else:
        desk.resync(("a", "a", "up"))
        desk.resync(anew=True)
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert (desk.spread("call_duration"), desk.tracker.held) == ({}, 0)


# Connections that were lost


def test_the_first_snapshot_brings_the_calls_that_are_there(desk: Desk) -> None:
    desk.resync(("a", "a", "up"), ("b", "a", "up"), ("x", "x", "ring", "bd"), anew=True)
    assert desk.counts() == {"started acme": 1, "answered acme": 1, "started bd": 1}
    assert desk.tracker.take_peaks() == (2, {ACME: 1, BD: 1})
    desk.hangup("b")
    desk.hangup("a")
    desk.hangup("x", of="x", code="bd", cause="17")
    # When `a` was answered nobody knows.
    assert desk.counts() == {
        "started acme": 1,
        "answered acme": 1,
        "started bd": 1,
        "failed busy bd": 1,
    }
    assert desk.spread("call_duration") == {}
    assert desk.tracker.held == 0


def test_calls_that_ended_while_there_was_no_connection_are_unseen_unless_they_were_answered(
    desk: Desk,
) -> None:
    desk.answered_call()
    desk.new("x", of="x", state="ring", code="bd")
    desk.resync(anew=True)
    assert desk.counts() == {
        "started acme": 1,
        "answered acme": 1,
        "started bd": 1,
        "unseen bd": 1,
    }
    assert (desk.spread("call_duration"), desk.tracker.held) == ({}, 0)
    assert desk.tracker.take_peaks()[0] == 2
    assert desk.tracker.take_peaks() == (0, {})


def test_a_call_that_outlives_the_connection_keeps_its_duration(desk: Desk) -> None:
    desk.answered_call()
    desk.resync(("a", "a", "up"), anew=True)
    desk.hangup("a")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.spread("call_duration") == {"acme": (1, 10.0)}


def test_a_call_answered_while_there_was_no_connection_is_answered_without_duration(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.resync(("a", "a", "up"), anew=True)
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    desk.states["a"] = "up"
    desk.hangup("a")
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.spread("call_duration") == {}


def test_a_state_that_is_told_after_a_gap_has_no_moment_unless_it_is_told_as_new(desk: Desk) -> None:
    for call in "abc":
        desk.new(call, of=call, state="ringing")
    desk.tracker.connected()
    desk.now += 5
    desk.event("BridgeEnter", "a", of="a", state="up")
    desk.state("b", "up", of="b")
    desk.states["c"] = "up"
    desk.hangup("c", of="c")
    desk.now += 5
    for call in "ab":
        desk.hangup(call, of=call)
    assert desk.counts() == {"started acme": 3, "answered acme": 3}
    assert (desk.spread("ring"), desk.spread("call_duration")) == ({"acme": (1, 5.0)}, {"acme": (1, 5.0)})


def test_a_channel_that_the_new_connection_told_of_isnt_ended_by_its_first_snapshot(desk: Desk) -> None:
    desk.new("a", state="ring")
    desk.tracker.connected()
    desk.new("x", of="x", state="ring", code="bd")
    desk.resync(anew=True)  # older than `x`
    assert desk.counts()["unseen acme"] == 1
    desk.hangup("x", of="x", cause="17", code="bd")
    assert desk.counts()["failed busy bd"] == 1
    assert "unseen bd" not in desk.counts()


def test_a_restarted_server_isnt_seen_with_its_calls_of_before_and_after(desk: Desk) -> None:
    desk.answered_call()
    desk.tracker.take_peaks()
    desk.resync(("x", "x", "up"), ("y", "x", "up"), anew=True)
    assert desk.tracker.take_peaks() == (1, {ACME: 1})


# A login that isn't sent all events


def test_a_login_without_call_events_is_found_out_by_the_list_after_a_stranger(desk: Desk) -> None:
    desk.resync(("a", "a", "up"), anew=True)
    desk.resync(("a", "a", "up"))
    assert desk.missing() == set()  # nothing has happened that there was to tell
    desk.resync(("a", "a", "up"), ("b", "b", "ring"))
    assert desk.missing() == set()  # its event may be on its way
    desk.resync(("a", "a", "up"))  # and it needn't live on
    assert desk.missing() == {"call"}
    desk.event("BridgeEnter", "a", state="up")
    assert desk.missing() == set()


def test_a_server_that_has_begun_calls_without_a_word_is_found_out_by_the_list_after(desk: Desk) -> None:
    counts = iter((7, 7, 8, 8, 8))
    for missing in (set(), set(), set(), {"call"}, {"call"}):
        desk.tracker.processed(next(counts))
        desk.resync(anew=desk.now == 100.0)
        assert desk.missing() == missing
    desk.new("a", state="ring")
    assert desk.missing() == set()


def test_counts_of_calls_that_stay_fall_or_are_not_told_prove_nothing(desk: Desk) -> None:
    for n, count in enumerate((7, 7, 3, None, 3, 3)):
        desk.tracker.processed(count)
        desk.resync(anew=not n)
    assert desk.missing() == set()


def test_two_snapshots_at_once_prove_nothing(desk: Desk) -> None:
    desk.resync(anew=True)
    desk.resync(("a", "a", "up"))
    desk.resync(("a", "a", "up"), after=0.1)
    assert desk.missing() == set()
    desk.resync(after=0.9)
    assert desk.missing() == {"call"}


def test_one_lost_event_proves_nothing(desk: Desk) -> None:
    desk.resync(anew=True)
    desk.new("x", of="x")
    for _ in range(4):
        desk.resync(("a", "a", "up"), ("x", "x", "down"))
    assert desk.missing() == set()


def test_a_new_connection_is_judged_by_itself(desk: Desk) -> None:
    desk.resync(anew=True)
    desk.tracker.processed(7)
    desk.resync(("a", "a", "up"))
    desk.tracker.connected()
    desk.tracker.processed(9)
    desk.resync(("b", "b", "up"), anew=True)
    desk.resync(("b", "b", "up"))
    assert desk.missing() == set()
    desk.resync(("c", "c", "up"))
    desk.resync(("c", "c", "up"))
    assert desk.missing() == {"call"}
    desk.tracker.connected()
    assert desk.missing() == set()


@pytest.mark.parametrize("short", [True, False])
def test_a_login_that_is_sent_no_hangups_is_found_out_by_the_fifth_channel_that_ends_unheard(
    short: bool, desk: Desk
) -> None:
    desk.resync(anew=True)
    for call in "abcde":
        assert desk.missing() == set()
        desk.new(call, of=call)
        if not short:
            desk.resync((call, call, "down"))
        for _ in range(3):  # as many as are waited for
            desk.resync()
    assert desk.missing() == {"Hangup"}
    desk.new("f", of="f")
    assert desk.missing() == {"Hangup"}
    desk.hangup("f", of="f")
    assert desk.missing() == set()


def test_ends_that_were_missed_now_and_then_or_with_the_connection_prove_nothing(desk: Desk) -> None:
    desk.resync(anew=True)
    for call in "abcd":
        desk.new(call, of=call)
    for _ in range(3):
        desk.resync()
    desk.new("e", of="e")
    desk.hangup("e", of="e")
    for call in "fghij":
        desk.new(call, of=call)
    desk.tracker.connected()
    desk.new("x", of="x")
    for n in range(4):
        desk.resync(anew=not n)
    assert desk.missing() == set()
    assert desk.tracker.held == 0


@pytest.mark.parametrize("how", ["long", "heard to end", "gone"])
def test_a_login_that_is_sent_no_newchannels_is_found_out_by_the_fifth_that_lists_alone_announce(
    how: str, desk: Desk
) -> None:
    desk.resync(anew=True)
    desk.state("x", "up", of="x")
    for call in "abcde":
        assert desk.missing() == set()
        desk.resync((call, call, "ring"))
        if how == "long":
            desk.resync((call, call, "ring"))
            desk.state(call, "up", of=call)
            desk.resync((call, call, "up"))
        if how == "gone":
            desk.resync()
            desk.resync()
            desk.hangup("x", of="x")
        else:
            desk.hangup(call, of=call)
    assert desk.missing() == {"Newchannel"}
    desk.new("f", of="f")
    assert desk.missing() == set()
    desk.hangup("f", of="f")
    assert desk.tracker.held == 0


def test_channels_of_before_the_connection_and_late_announcements_prove_nothing(desk: Desk) -> None:
    calls = "abcde"
    desk.resync(anew=True)
    desk.resync(*((call, call, "ring") for call in calls))
    desk.tracker.connected()
    desk.state("a", "up", of="a")
    for n in range(3):
        desk.resync(*((call, call, "ring") for call in calls), anew=not n)
    for call in calls:
        desk.hangup(call, of=call)
    assert desk.missing() == set()
    for after in (10.0, 0.1):
        desk.resync(*((call, call, "ring") for call in "vwxyz"), after=after)
        assert desk.missing() == set()
    for call in "vwxyz":
        desk.new(call, of=call)
    desk.resync(*((call, call, "ring") for call in "vwxyz"))
    assert desk.missing() == set()


def test_channels_that_were_announced_while_there_was_no_place_for_them_prove_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_module, "MAX_CHANNELS", 5)
    desk.resync(anew=True)
    for call in "abcdevwxyz":
        desk.new(call, of=call)
    for call in "abcde":
        desk.hangup(call, of=call)
    for _ in range(3):
        desk.resync(*((call, call, "ring") for call in "vwxyz"))
    assert desk.missing() == set()


def test_without_events_calls_are_still_counted_by_snapshots(desk: Desk) -> None:
    desk.resync(anew=True)
    for _ in range(2):
        desk.resync(("a", "a", "up"))
    for _ in range(2):
        desk.resync()
    assert desk.counts() == {"started acme": 1, "answered acme": 1}
    assert desk.tracker.held == 0


# Events that come in clumps


def test_where_events_come_in_clumps_calls_are_counted_and_nothing_is_timed(desk: Desk) -> None:
    desk.tracker = Tracker(Whose(desk.tenants), timed=False)
    desk.answered_call()
    desk.new("x", of="x", code="bd")
    for leg in "abx":
        desk.hangup(leg, of="x" if leg == "x" else "a", code="bd" if leg == "x" else "acme", cause="17")
    desk.tracker.keep([ACME, BD])
    assert desk.counts() == {"started acme": 1, "answered acme": 1, "started bd": 1, "failed busy bd": 1}
    assert desk.tracker.take_peaks() == (2, {ACME: 1, BD: 1})
    assert list(desk.tracker.spreads("pbx1", desk.tenants, AT)) == []
    assert desk.tracker.held == 0


# What a server may say


@pytest.mark.parametrize(
    "name", ["Newchannel", "NewAccountCode", "Newstate", "BridgeEnter", "Hangup", "VarSet"]
)
@pytest.mark.parametrize("odd", ["Channel", "Uniqueid", "Linkedid", "ChannelState", "AccountCode", "Event"])
def test_an_odd_event_does_no_harm(name: str, odd: str, desk: Desk) -> None:
    desk.new("a", state="ring")
    for text in ("", "x" * 100_000, "\0", "-1", "٣"):
        desk.tracker.hear({**desk.told(name, "a", "a", "up", "acme"), odd: text}, desk.now)
    desk.tracker.hear({}, desk.now)
    for _ in range(3):
        desk.resync()
    assert desk.tracker.held == 0


@pytest.mark.parametrize("name", ["Newchannel", "NewAccountCode", "Newstate", "BridgeEnter", "Hangup"])
@pytest.mark.parametrize("lacks", ["Event", "Privilege", *ALWAYS])
def test_an_event_that_isnt_whole_changes_nothing(name: str, lacks: str, desk: Desk) -> None:
    desk.new("a", state="ring", code="acme")
    desk.new("b", of="b")
    for event in (
        desk.told(name, "a", "b", "up", "bd", Cause="17"),  # of a leg that is there
        desk.told(name, "x", "x", "up", "bd", Cause="17"),  # of one that isn't
    ):
        del event[lacks]
        desk.tracker.hear(event, desk.now)
        if lacks != "Event":  # the same, not in Asterisk's order
            desk.tracker.hear({lacks: "a", **event}, desk.now)
    assert desk.counts() == {}
    for leg in "ab":
        desk.hangup(leg, of=leg, cause="17")
    assert desk.counts() == {"started acme": 2, "failed busy acme": 2}
    desk.resync(("x", "x", "ring", "bd"), anew=True)
    assert desk.tracker.owner(*desk.listed(("y", "x", "up", ""))) == BD  # and `x` hasn't gone


@pytest.mark.parametrize("version", VERSIONS)
def test_a_callers_numbers_end_nobody_elses_call(version: str, desk: Desk) -> None:
    """Between its number and the number that it calls, each of 79 characters, there is room for an event."""
    desk.new("pbx1-1795454138.84", of="pbx1-1795454138.84", state="ring")
    number = "\r\n\r\nEvent:Hangup\r\nChannel:X\r\nChannelState:6\r\nChannelStateDesc:\r\nCallerIDNum:"
    called = "6\r\nPriority:\r\nUniqueid:pbx1-1795454138.84\r\nLinkedid:pbx1-1795454138.84\r\n\r\n"
    assert max(len(number), len(called)) < 80
    real = next(event for event in blocks(version, "events/calls") if event["Event"] == "Newchannel")
    forged = {**real, "CallerIDNum": number, "Exten": called}
    raw = "".join(f"{key}: {value}\r\n" for key, value in forged.items()).encode()
    events = [decode(part) for part in raw.split(BLOCK_END)]
    assert [is_whole(event) for event in events] == [False, True, False]
    for event in events:
        desk.tracker.hear(event, desk.now)
    assert desk.counts() == {}
    desk.resync(("pbx1-1795454138.84", "pbx1-1795454138.84", "ring"))
    assert desk.counts() == {"started acme": 1}
    assert desk.tracker.waiting == {ACME: 1}


@pytest.mark.parametrize("name", ["NewAccountCode", "Newstate", "BridgeEnter", "Hangup"])
def test_an_event_of_a_channel_that_nobody_announced_is_ignored(name: str, desk: Desk) -> None:
    desk.event(name, "a", state="up")
    assert (desk.counts(), desk.tracker.held) == ({}, 0)


def test_more_channels_than_can_be_held_are_not_followed_and_that_is_said(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_module, "MAX_CHANNELS", 3)
    for number in range(5):
        desk.new(str(number), of=str(number))
    assert desk.tracker.full
    for number in range(5):
        desk.hangup(str(number), of=str(number))
    assert desk.counts() == {"started acme": 3, "failed no-answer acme": 3}
    assert desk.tracker.held == 0
    desk.resync()
    assert not desk.tracker.full


def test_a_tenant_begins_with_all_its_series_and_they_never_depend_on_calls(desk: Desk) -> None:
    for number in range(100):
        code = ("acme", "bd", "")[number % 3]
        desk.new(f"{number}", of=f"{number}", code=code)
        desk.hangup(f"{number}", of=f"{number}", cause=str(number), code=code)
    desk.tracker.take_peaks()
    samples = list(desk.tracker.samples("pbx1", desk.tenants, AT))
    assert desk.tracker.waiting == {}
    spreads = list(desk.tracker.spreads("pbx1", desk.tenants, AT))
    by_tenant = Counter(s.labels[1] for s in samples if len(s.labels) > 1)
    assert by_tenant == {ACME: 13, BD: 13, UNKNOWN_TENANT: 13}
    assert len(spreads) == 6
    assert {s.metric for s in samples} | {s.metric for s in spreads} == {metric.name for metric in METRICS}


# Recordings


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_day_of_calls_gives_the_figures_that_were_placed(version: str, desk: Desk) -> None:
    desk.play(blocks(version, "events/calls"))
    assert desk.counts() == {
        # echo, phone to phone (with a blind transfer to the echo), wait, phone to phone
        "started acme": 4,
        "answered acme": 4,
        # a queue's caller and agent, two in a conference
        "started bd": 3,
        "answered bd": 3,
        # one over the trunk, one over a Local channel; one rings, and no list has had it
        "started globex": 2,
        "answered globex": 2,
    }
    assert desk.tracker.take_peaks() == (9, {ACME: 3, BD: 3, GLOBEX: 3})
    count, seconds = desk.spread("call_duration")["acme"]
    assert (count, round(seconds)) == (1, 19)
    assert {who: count for who, (count, _) in desk.spread("ring").items()} == {"acme": 2, "bd": 1}
    assert not desk.tracker.full


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_snapshot_gives_the_calls_that_were_up(version: str, desk: Desk) -> None:
    channels = parse_channels(items(version, "CoreShowChannels"))
    desk.tracker.resync(channels, 1.0, anew=True)
    assert desk.counts() == {
        "started acme": 3,
        "answered acme": 3,
        "started bd": 3,
        "answered bd": 3,
        "started globex": 3,
        "answered globex": 2,
    }
    assert desk.tracker.take_peaks() == (9, {ACME: 3, BD: 3, GLOBEX: 3})
    whose = Whose(desk.tenants).channels(channels)
    assert {c.unique_id: desk.tracker.owner(c) for c in channels} == whose
    assert desk.tracker.waiting == {GLOBEX: 1}
    for again in (1.0, 2.0):
        desk.tracker.resync((), again, anew=False)
    assert desk.counts()["unseen globex"] == 1
    assert desk.tracker.held == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_ends_of_calls_have_the_word_of_what_was_done(version: str, desk: Desk) -> None:
    desk.play(blocks(version, "events/calls-ends"))
    assert desk.counts() == {
        "started acme": 14,
        "answered acme": 2,  # over a Local channel; one phone of a group
        "failed busy acme": 3,  # at once, after ringing, over a Local channel
        "failed rejected acme": 1,  # 603
        "failed unknown-number acme": 2,  # 404, a phone that isn't registered
        "failed media acme": 1,  # 488
        "failed congestion acme": 1,  # 503
        "failed no-answer acme": 3,  # 480; Dial's time was up, with Hangup(${HANGUPCAUSE}) and without
        "failed cancelled acme": 1,  # CANCEL
    }
    assert desk.tracker.take_peaks() == (1, {ACME: 1})
    assert desk.spread("call_duration")["acme"][0] == 2
    assert desk.tracker.held == 0


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "started", "durations"),
    [
        ("attended-transfer", 2, 1),  # the call to whom it went has joined the first
        ("attended-to-application", 2, 2),  # an application is no party: nothing to join
        ("pickup", 2, 1),  # the call that picked up has joined
        ("blind-transfer", 1, 1),
        ("invite-replaces", 2, 1),
        ("bare", 1, 1),  # from a trunk; the account code came by the dialplan
    ],
)
def test_recorded_transfers_and_pickups_are_calls_without_failures(
    version: str, name: str, started: int, durations: int, desk: Desk
) -> None:
    desk.play(blocks(version, f"events/calls-{name}"))
    whose = "bd" if name == "bare" else "acme"
    assert desk.counts() == {f"started {whose}": started, f"answered {whose}": started}
    assert desk.spread("call_duration")[whose][0] == durations
    assert desk.tracker.held == 0
