"""A cluster is judged by what its nodes say of it, alone, together, and since the reading before.

Each fault is what real nodes said in it; beside it stands what looks like it and is healthy.
"""

from dataclasses import replace
from typing import Any

import pytest

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import Galera
from collectors.mysql.topology.galera import galera_checks
from collectors.mysql.topology.seen import Seen
from dialtone.model import CollectFailure, Impact, TopologyKind, Trouble
from tests.unit.mysql.topology.clusters import down, fresh, node, recorded, server, together
from tests.unit.mysql.topology.views import snapshot

NAMES = "g1", "g2", "g3"
ADDRESSES = "127.0.0.1:23410", "127.0.0.1:23420", "127.0.0.1:23430"
Key = Trouble | tuple[Trouble, str]


def look(*members: NodeView, kind: TopologyKind = TopologyKind.GALERA) -> dict[Key, Seen]:
    """What was seen, by its trouble, or trouble and node."""
    topology, views = together(kind, *members)
    seen = list(galera_checks(topology, views, ()))
    keys: list[Key] = [(s.trouble, s.node) if s.node else s.trouble for s in seen]
    assert len(set(keys)) == len(keys), "a check is given twice"
    for s in seen:
        assert bool(s.detail) is s.bad
    return dict(zip(keys, seen, strict=True))


def bad(seen: dict[Key, Seen]) -> set[Key]:
    return {key for key, s in seen.items() if s.bad}


def at_once(seen: dict[Key, Seen]) -> set[Key]:
    """What is bad without waiting for another poll."""
    return {key for key, s in seen.items() if s.bad and not s.lasts}


def healthy(number: int, **changes: Any) -> Galera:
    return recorded(f"healthy_{number}", **changes)


def cluster(**changes: Any) -> list[NodeView]:
    """Three nodes that were idle since the reading before; `changes` are of the third."""
    return [
        *(node(f"g{i}", healthy(i), healthy(i)) for i in (1, 2)),
        node("g3", healthy(3, **changes), healthy(3)),
    ]


def pair(state: str, **second: Any) -> list[NodeView]:
    """The nodes of the majority: the first as recorded, the second the like of it."""
    first = recorded(state)
    return [node("g1", first), node("g2", replace(first, own=ADDRESSES[1], **second))]


# Healthy


def test_an_idle_cluster_is_fine_in_all_that_can_be_judged() -> None:
    seen = look(*cluster())
    assert not bad(seen)
    each = {
        Trouble.NON_PRIMARY,
        Trouble.NOT_READY,
        Trouble.DESYNCED,
        Trouble.DONOR,
        Trouble.JOINING,
        Trouble.VIEW_DIFFERS,
        Trouble.FLOW_CONTROL,
        Trouble.CERTIFICATION_FAILURES,
    }
    whole = {Trouble.SPLIT_BRAIN, Trouble.CLUSTER_SMALL, Trouble.FLOW_CONTROL}
    assert seen.keys() == {(trouble, name) for trouble in each for name in NAMES} | whole


@pytest.mark.parametrize("kind", [kind for kind in TopologyKind if kind is not TopologyKind.GALERA])
def test_other_topologies_are_no_clusters(kind: TopologyKind) -> None:
    assert look(*cluster(), kind=kind) == {}


def test_nodes_that_are_down_or_not_polled_yet_have_no_checks() -> None:
    assert look(down("g1"), down("g2", before=snapshot(galera=healthy(2))), fresh("g3")) == {}


def test_a_first_reading_tells_nothing_of_flow_control_and_conflicts() -> None:
    seen = look(*(node(f"g{i}", healthy(i)) for i in (1, 2, 3)))
    assert not {s.trouble for s in seen.values()} & {Trouble.FLOW_CONTROL, Trouble.CERTIFICATION_FAILURES}


def test_one_node_alone_is_compared_with_nobody() -> None:
    seen = look(node("g1", healthy(1)), down("g2"), down("g3"))
    assert (Trouble.VIEW_DIFFERS, "g1") not in seen
    assert not bad(seen)


def test_a_rejoin_by_ist_is_healthy_once_it_is_synced() -> None:
    third = recorded("rejoin_synced")
    nodes = [node(name, replace(third, own=own)) for name, own in zip(NAMES, ADDRESSES, strict=True)]
    assert not bad(look(*nodes))


# A node that is in no primary component


def test_a_node_without_quorum_is_non_primary_though_it_is_connected() -> None:
    said = recorded("non_primary_1")
    assert said.connected
    seen = look(node("g1", said), down("g2"), down("g3"))
    assert bad(seen) == {(Trouble.NON_PRIMARY, "g1")}
    assert seen[Trouble.NON_PRIMARY, "g1"].impact is Impact.HURT
    assert (Trouble.NOT_READY, "g1") not in seen
    assert Trouble.CLUSTER_SMALL not in seen
    assert Trouble.SPLIT_BRAIN not in seen


def test_an_isolated_node_is_non_primary_and_the_majority_small() -> None:
    seen = look(*pair("isolated_majority_1"), node("g3", recorded("isolated_3_non_primary")))
    assert bad(seen) == {(Trouble.NON_PRIMARY, "g3"), Trouble.CLUSTER_SMALL}
    small = seen[Trouble.CLUSTER_SMALL]
    assert small.detail == "2 of 3 members are in the cluster; g3 missing"
    assert (small.value, small.impact, small.about) == (1.0, Impact.EXPOSED, ("g1", "g2"))


def test_a_server_without_wsrep_is_in_no_cluster() -> None:
    seen = look(*pair("one_node_killed_1"), server("g3"))
    assert bad(seen) == {(Trouble.NON_PRIMARY, "g3"), Trouble.CLUSTER_SMALL}


@pytest.mark.parametrize(
    ("changes", "word"), [({"ready": False}, "wsrep_ready"), ({"connected": False}, "wsrep_connected")]
)
def test_a_primary_node_that_is_not_ready_hurts_if_it_lasts(changes: dict[str, bool], word: str) -> None:
    seen = look(*cluster(**changes))
    assert bad(seen) == {(Trouble.NOT_READY, "g3")}
    not_ready = seen[Trouble.NOT_READY, "g3"]
    assert (not_ready.lasts, not_ready.impact) == (True, Impact.HURT)
    assert word in not_ready.detail


@pytest.mark.parametrize(
    "passing",
    [
        {"status": "Disconnected", "size": 0, "view": None, "ready": False, "connected": False, "state": ""},
        {"status": "non-Primary", "view": None, "ready": False, "state": "Initialized"},
        {"state": "Joining: receiving State Transfer", "ready": False},
        {"state": "Joined"},
        {"state": "Donor/Desynced"},
    ],
)
def test_what_a_rolling_restart_passes_through_is_nothing_at_once(passing: dict[str, Any]) -> None:
    seen = look(*cluster(**passing))
    assert bad(seen)
    assert not at_once(seen)


def test_a_node_that_writes_for_itself_alone_hurts_though_it_says_synced() -> None:
    seen = look(*cluster(replicating=False))
    assert bad(seen) == {(Trouble.NON_PRIMARY, "g3")}
    alone = seen[Trouble.NON_PRIMARY, "g3"]
    assert (alone.detail, alone.impact) == ("writes stay on this node: wsrep_on is OFF", Impact.HURT)


def test_a_node_that_was_told_to_reject_queries_is_not_ready() -> None:
    seen = look(*cluster(rejects=True))
    assert bad(seen) == {(Trouble.NOT_READY, "g3")}
    rejecting = seen[Trouble.NOT_READY, "g3"]
    assert rejecting.detail == "refuses queries: wsrep_reject_queries is not NONE"
    assert rejecting.impact is Impact.HURT


def test_a_lock_of_a_backup_is_not_told_as_a_copy_for_sure() -> None:
    detail = look(*cluster(state="Donor/Desynced"))[Trouble.DONOR, "g3"].detail
    assert "or a backup holds a lock" in detail


# Members that are missing


def test_a_killed_node_makes_the_cluster_small() -> None:
    before = snapshot(galera=healthy(3))
    for away in (down("g3", before=before), down("g3"), down("g3", CollectFailure.TIMEOUT)):
        seen = look(*pair("one_node_killed_1"), away)
        assert bad(seen) == {Trouble.CLUSTER_SMALL}
        assert seen[Trouble.CLUSTER_SMALL].detail == "2 of 3 members are in the cluster; g3 missing"
        assert seen[Trouble.CLUSTER_SMALL].lasts


def test_a_node_that_only_we_can_not_reach_is_still_in_the_cluster() -> None:
    for away in (down("g3"), down("g3", CollectFailure.AUTH), fresh("g3")):
        assert not bad(look(node("g1", healthy(1)), node("g2", healthy(2)), away))


def test_a_node_that_leaves_cleanly_and_comes_back_is_missing_only_in_between() -> None:
    gone = look(*pair("one_node_killed_1"), down("g3"))
    assert gone[Trouble.CLUSTER_SMALL].bad
    assert not at_once(gone)
    assert not bad(look(*cluster()))


def test_a_bootstrapped_node_names_those_that_are_not_with_it() -> None:
    seen = look(node("g1", recorded("after_pc_bootstrap_1")), down("g2"), down("g3"))
    assert bad(seen) == {Trouble.CLUSTER_SMALL}
    assert seen[Trouble.CLUSTER_SMALL].detail == "1 of 3 members are in the cluster; g2, g3 missing"
    assert seen[Trouble.CLUSTER_SMALL].value == 2


def test_only_the_node_that_is_known_to_be_out_is_called_missing() -> None:
    lost = down("g2", before=snapshot(galera=healthy(2)))
    said = recorded("one_node_killed_1", members=(ADDRESSES[0], ADDRESSES[2]))
    seen = look(node("g1", said), lost, down("g3", CollectFailure.AUTH))
    assert seen[Trouble.CLUSTER_SMALL].detail == "2 of 3 members are in the cluster; g2 missing"


def test_members_that_nobody_configured_do_not_stand_in_for_one_that_is() -> None:
    members = (*ADDRESSES[:2], "127.0.0.1:23440", "127.0.0.1:23450")
    said = [replace(g, members=members, size=4) for g in (healthy(1), healthy(2))]
    away = down("g3", before=snapshot(galera=healthy(3)))
    seen = look(node("g1", said[0]), node("g2", said[1]), away)
    assert bad(seen) == {Trouble.CLUSTER_SMALL}
    assert "g3 missing" in seen[Trouble.CLUSTER_SMALL].detail


def test_an_arbitrator_does_not_stand_in_for_a_node() -> None:
    said = recorded("one_node_killed_1", size=2, members=ADDRESSES[:1], view=4)
    seen = look(node("g1", said), down("g2"))
    assert bad(seen) == {Trouble.CLUSTER_SMALL}


# Views that differ


def test_a_split_brain_is_seen_though_both_sides_are_primary_in_the_same_view() -> None:
    for state in ("split_brain", "split_brain_heal"):
        one, other = recorded(f"{state}_1"), recorded(f"{state}_3")
        assert (one.view, one.cluster_uuid, one.committed) == (
            other.view,
            other.cluster_uuid,
            other.committed,
        )
        seen = look(*pair(f"{state}_1"), node("g3", other))
        assert bad(seen) == {Trouble.SPLIT_BRAIN, Trouble.CLUSTER_SMALL}
        split = seen[Trouble.SPLIT_BRAIN]
        assert (split.impact, split.value, split.about) == (Impact.HURT, 2.0, NAMES)
        assert split.detail.endswith("g1, g2 | g3")
        assert not any(s.trouble is Trouble.VIEW_DIFFERS for s in seen.values())


def test_two_sides_of_which_only_one_node_each_answers_are_seen_too() -> None:
    seen = look(node("g1", recorded("split_brain_1")), down("g2"), node("g3", recorded("split_brain_3")))
    assert Trouble.SPLIT_BRAIN in bad(seen)


def test_two_clusters_of_different_data_are_a_split_brain() -> None:
    seen = look(*cluster(cluster_uuid="b0000000-e6cc-11f1-9362-0b0bd707e2e5"))
    assert Trouble.SPLIT_BRAIN in bad(seen)


def test_a_node_that_slept_and_still_claims_its_old_view_is_no_split_brain() -> None:
    awake = node("g3", recorded("after_sigcont_3"))
    others = [replace(recorded("one_node_killed_1"), view=6, own=own) for own in ADDRESSES[:2]]
    seen = look(node("g1", others[0]), node("g2", others[1]), awake)
    assert bad(seen) == {(Trouble.VIEW_DIFFERS, "g3"), Trouble.CLUSTER_SMALL}
    assert not at_once(seen)
    assert not seen[Trouble.SPLIT_BRAIN].bad
    differs = seen[Trouble.VIEW_DIFFERS, "g3"]
    assert differs.about == NAMES
    assert differs.detail == "sees 3 members (view 5), g1, g2 2 (view 6)"


def test_of_two_nodes_the_one_with_the_older_view_differs() -> None:
    new = replace(recorded("after_pc_bootstrap_1"), view=8)
    old = healthy(2, members=ADDRESSES[:2], size=2)
    assert (Trouble.VIEW_DIFFERS, "g2") in bad(look(node("g1", new), node("g2", old)))


def test_a_node_that_slept_while_another_joined_is_no_split_brain() -> None:
    joined = [*ADDRESSES[:2], "127.0.0.1:23440"]
    others = [replace(healthy(1), view=6, own=own, members=tuple(joined)) for own in joined]
    members = [*NAMES[:2], "g4"]
    seen = look(*map(node, members, others), node("g3", healthy(3)))
    assert not seen[Trouble.SPLIT_BRAIN].bad
    assert (Trouble.VIEW_DIFFERS, "g3") in bad(seen)


def test_readings_around_a_node_that_joins_are_no_split_brain() -> None:
    alone = replace(recorded("after_pc_bootstrap_1"), view=1)
    two = replace(healthy(2), members=ADDRESSES[:2], size=2, view=2)
    seen = look(node("g1", alone), node("g2", two), node("g3", healthy(3)))
    assert not seen[Trouble.SPLIT_BRAIN].bad
    assert not at_once(seen)


def test_a_cluster_begun_anew_by_another_node_is_no_split_brain_at_once() -> None:
    before = node("g1", recorded("after_pc_bootstrap_1"))
    begun = node("g3", recorded("split_brain_3", view=1))
    seen = look(before, down("g2"), begun)
    assert seen[Trouble.SPLIT_BRAIN].lasts
    assert seen[Trouble.SPLIT_BRAIN].about == ("g1", "g3")


@pytest.mark.parametrize("own", ["AUTO", "", "AUTO:3306"])
def test_without_addresses_a_split_brain_is_told_by_sizes(own: str) -> None:
    def hidden(galera: Galera) -> Galera:
        return replace(galera, own=own, members=(own,) * galera.size if own else ())

    majority = hidden(recorded("split_brain_1"))
    split = look(node("g1", majority), node("g2", majority), node("g3", hidden(recorded("split_brain_3"))))
    assert bad(split) == {Trouble.SPLIT_BRAIN, Trouble.CLUSTER_SMALL}
    assert "by its size alone" in split[Trouble.SPLIT_BRAIN].detail
    assert split[Trouble.CLUSTER_SMALL].detail.endswith("; g3 missing")

    newer = replace(majority, view=6)
    slept = look(node("g1", newer), node("g2", newer), node("g3", hidden(recorded("after_sigcont_3"))))
    assert bad(slept) == {(Trouble.VIEW_DIFFERS, "g3"), Trouble.CLUSTER_SMALL}

    idle = [node(f"g{i}", hidden(healthy(i))) for i in (1, 2, 3)]
    assert not bad(look(*idle))


def test_without_addresses_more_nodes_than_a_component_has_are_a_split_brain() -> None:
    half = healthy(1, own="", members=(), size=2)
    seen = look(*(node(f"g{i}", half) for i in (1, 2, 3, 4)))
    assert Trouble.SPLIT_BRAIN in bad(seen)
    assert seen[Trouble.SPLIT_BRAIN].value == 2


def test_nodes_that_all_call_themselves_the_same_are_told_by_sizes() -> None:
    same = "0.0.0.0:3306"
    sides = [healthy(1, own=same, members=(same,) * size, size=size) for size in (2, 2, 1)]
    seen = look(*map(node, NAMES, sides))
    assert "by its size alone" in seen[Trouble.SPLIT_BRAIN].detail


def test_nodes_of_which_each_calls_itself_the_same_are_not_taken_for_one_component() -> None:
    same = "0.0.0.0:3306"
    alone = [node(name, healthy(1, own=same, members=(same,), size=1)) for name in NAMES[:2]]
    assert Trouble.SPLIT_BRAIN in bad(look(*alone))


@pytest.mark.parametrize("uuid", ["", "00000000-0000-0000-0000-000000000000"])
def test_a_node_that_does_not_know_its_cluster_yet_is_in_no_other_one(uuid: str) -> None:
    assert not bad(look(*cluster(cluster_uuid=uuid)))


# Donors, and nodes that don't follow


def test_a_node_that_was_told_to_lag_behind_is_desynced_and_no_donor() -> None:
    said = recorded("desync_3")
    assert said.state == "Donor/Desynced"
    seen = look(node("g1", healthy(1)), node("g2", healthy(2)), node("g3", said))
    assert bad(seen) == {(Trouble.DESYNCED, "g3")}
    assert seen[Trouble.DESYNCED, "g3"].lasts


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({"state": "Donor/Desynced"}, Trouble.DONOR),
        ({"state": "Donor/Desynced", "desync": True}, Trouble.DESYNCED),
        ({"state": "Synced", "desync": True}, Trouble.DESYNCED),
        ({"state": "Joining"}, Trouble.JOINING),
        ({"state": "Joining: receiving State Transfer", "ready": False}, Trouble.JOINING),
        ({"state": "Joined"}, Trouble.JOINING),
        ({"state": "Joined", "desync": True}, Trouble.DESYNCED),
        ({"state": "Initialized", "ready": False}, Trouble.JOINING),
    ],
)
def test_a_node_is_one_of_donor_desynced_and_joining(changes: dict[str, Any], trouble: Trouble) -> None:
    seen = look(*cluster(**changes))
    assert bad(seen) == {(trouble, "g3")}
    assert (seen[trouble, "g3"].lasts, seen[trouble, "g3"].impact) == (True, Impact.EXPOSED)


# Flow control


def slowed(*, sent: int = 0, requested: tuple[bool, bool] = (False, False), queue: int = 0) -> list[NodeView]:
    """A cluster that stood still 3 of 15 seconds, and what its third node has to do with it."""
    before = healthy(3, pause_requested=requested[0])
    now = healthy(3, paused=3.0, pauses_sent=sent, pause_requested=requested[1], receive_queue=queue)
    return [
        *(node(f"g{i}", healthy(i, paused=3.0, receive_queue=1), healthy(i)) for i in (1, 2)),
        node("g3", now, before),
    ]


def test_the_recorded_culprit_of_flow_control_is_named() -> None:
    first, third = recorded("cert_conflicts_1"), recorded("flow_control_3_culprit")
    earlier = replace(third, paused=0.0, pauses_sent=0, pause_requested=False, receive_queue=0)
    seen = look(
        node("g1", recorded("flow_control_1"), first),
        node("g2", healthy(2), healthy(2)),
        node("g3", third, earlier),
    )
    assert bad(seen) == {(Trouble.FLOW_CONTROL, "g3")}
    flow = seen[Trouble.FLOW_CONTROL, "g3"]
    assert (flow.impact, flow.lasts) == (Impact.HURT, False)
    assert flow.value == pytest.approx(3.142884931 / 15)
    assert flow.detail == (
        "commits stood still 21% of the time: it asked for it, 19 transactions wait here to be applied"
    )


@pytest.mark.parametrize(
    "members",
    [
        slowed(sent=1),
        slowed(requested=(False, True)),
        slowed(requested=(True, False)),
        slowed(queue=40),
    ],
)
def test_the_culprit_is_who_asked_or_has_the_longest_queue(members: list[NodeView]) -> None:
    seen = look(*members)
    assert bad(seen) == {(Trouble.FLOW_CONTROL, "g3")}
    assert seen[Trouble.FLOW_CONTROL, "g3"].value == pytest.approx(0.2)


def test_a_culprit_that_nobody_knows_leaves_the_cluster_bad() -> None:
    still = [node(f"g{i}", healthy(i, paused=3.0), healthy(i)) for i in (1, 2)]
    seen = look(*still, down("g3"))
    assert bad(seen) == {Trouble.FLOW_CONTROL}
    assert "none of the nodes that answer" in seen[Trouble.FLOW_CONTROL].detail


def test_a_short_flow_control_is_healthy() -> None:
    members = [node(f"g{i}", healthy(i, paused=1.4, pauses_sent=1), healthy(i)) for i in (1, 2, 3)]
    assert not bad(look(*members))


def test_flow_control_that_is_over_is_healthy_whatever_the_counters_hold() -> None:
    after = recorded("flow_control_after_3")
    assert after.paused > 3
    members = [node(f"g{i}", healthy(i, paused=3.2), healthy(i, paused=3.2)) for i in (1, 2)]
    assert not bad(look(*members, node("g3", after, after)))


def test_a_node_that_asks_the_others_to_wait_in_two_readings_is_bad_however_short_the_pause() -> None:
    now, before = healthy(3, pause_requested=True, paused=0.5), healthy(3, pause_requested=True)
    members = [node(f"g{i}", healthy(i), healthy(i)) for i in (1, 2)]
    assert bad(look(*members, node("g3", now, before))) == {(Trouble.FLOW_CONTROL, "g3")}
    assert not bad(look(*members, node("g3", now, healthy(3))))


def test_a_server_that_was_restarted_between_two_readings_is_not_judged_by_its_counters() -> None:
    fell = node("g3", healthy(3, paused=9.0), healthy(3, paused=9.5))
    early = node("g3", healthy(3, paused=9.0, certification_failures=900), healthy(3))
    assert early.now is not None
    early = replace(early, now=replace(early.now, server=replace(early.now.server, uptime=10.0)))
    for restarted in (fell, early):
        seen = look(node("g1", healthy(1)), node("g2", healthy(2)), restarted)
        assert not bad(seen)
        assert not {s.trouble for s in seen.values()} & {Trouble.FLOW_CONTROL, Trouble.CERTIFICATION_FAILURES}


def test_two_readings_of_one_moment_are_not_divided() -> None:
    both = [node(f"g{i}", healthy(i, paused=3.0), healthy(i), seconds=0.0) for i in (1, 2, 3)]
    assert not bad(look(*both))


# Conflicts


def test_transactions_lost_to_conflicts_are_counted_from_one_reading_to_the_next() -> None:
    after, before = recorded("cert_conflicts_1"), healthy(1)
    seen = look(node("g1", after, before), *cluster()[1:])
    assert bad(seen) == {(Trouble.CERTIFICATION_FAILURES, "g1")}
    lost = seen[Trouble.CERTIFICATION_FAILURES, "g1"]
    assert (lost.lasts, lost.impact) == (True, Impact.EXPOSED)
    assert lost.value == pytest.approx((992 + 981) / 15)


def test_a_conflict_now_and_then_is_healthy() -> None:
    assert not bad(look(*cluster(certification_failures=8, brute_force_aborts=7)))
    assert bad(look(*cluster(certification_failures=9, brute_force_aborts=7)))


def test_conflicts_that_are_over_are_healthy() -> None:
    old = recorded("cert_conflicts_1")
    assert not bad(look(node("g1", old, old), *cluster()[1:]))
