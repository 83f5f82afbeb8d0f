"""Who may write is told from what is meant, from what is unknown, and from what passes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest

from collectors.mysql.fleet import NodeView
from collectors.mysql.topology.seen import Seen
from collectors.mysql.topology.writers import writer_checks
from dialtone.model import CollectFailure, Impact, Link, Topology, TopologyKind, Trouble
from tests.unit.mysql.topology.clusters import down, fresh, recorded, server, together
from tests.unit.mysql.topology.views import channel, snapshot

PAIR, REPLICAS, BOTH, GALERA = (
    TopologyKind.ACTIVE_PASSIVE,
    TopologyKind.PRIMARY_REPLICA,
    TopologyKind.MULTI_PRIMARY,
    TopologyKind.GALERA,
)


def look(kind: TopologyKind, *views: NodeView, links: Sequence[Link] = ()) -> dict[object, Seen]:
    """What was seen, by its trouble, or trouble and node."""
    topology, nodes = together(kind, *views)
    return by_key(topology, nodes, links)


def by_key(topology: Topology, nodes: dict[str, NodeView], links: Sequence[Link]) -> dict[object, Seen]:
    seen = list(writer_checks(topology, nodes, links))
    keys: list[object] = [(s.trouble, s.node) if s.node else s.trouble for s in seen]
    assert len(set(keys)) == len(keys), "a check is given twice"
    return dict(zip(keys, seen, strict=True))


def bad(seen: dict[object, Seen]) -> set[object]:
    return {key for key, s in seen.items() if s.bad}


def link(replica: str, source: str | None, channel: str = "default") -> Link:
    return Link(replica, channel, source, "192.0.2.1:3306", io_running=True, sql_running=True)


def ro(name: str) -> NodeView:
    return server(name, writable=False)


# Active-passive


def test_a_pair_with_one_writer_is_fine() -> None:
    seen = look(PAIR, server("db1"), ro("db2"))
    assert seen.keys() == {Trouble.NO_WRITER, Trouble.TWO_WRITERS}
    assert not bad(seen)
    assert all(s.detail == "" for s in seen.values())


def test_two_writers_of_a_pair_hurt_once_both_have_been_read_again() -> None:
    seen = look(PAIR, server("db1"), server("db2"))
    assert bad(seen) == {Trouble.TWO_WRITERS}
    two = seen[Trouble.TWO_WRITERS]
    assert (two.impact, two.lasts, two.about, two.value) == (Impact.HURT, True, ("db1", "db2"), 2.0)
    assert "db1 and db2" in two.detail


def test_a_pair_that_nobody_can_write_to_hurts_once_both_have_been_read_again() -> None:
    seen = look(PAIR, ro("db1"), ro("db2"))
    assert bad(seen) == {Trouble.NO_WRITER}
    none = seen[Trouble.NO_WRITER]
    assert (none.impact, none.lasts, none.about) == (Impact.HURT, True, ("db1", "db2"))
    assert "db1 is read-only, db2 is read-only" in none.detail


@pytest.mark.parametrize("failure", [CollectFailure.CONNECT, CollectFailure.TIMEOUT])
def test_a_passive_server_beside_one_that_does_not_answer_leaves_nobody_to_write_to(failure: str) -> None:
    seen = look(PAIR, down("db1", failure), ro("db2"))
    assert bad(seen) == {Trouble.NO_WRITER}
    assert "db1 doesn't answer, db2 is read-only" in seen[Trouble.NO_WRITER].detail
    assert seen[Trouble.NO_WRITER].about == ("db1", "db2")
    assert Trouble.TWO_WRITERS not in seen


@pytest.mark.parametrize("failure", [CollectFailure.AUTH, CollectFailure.DENIED, CollectFailure.TLS])
def test_a_server_that_refuses_our_login_may_well_take_writes(failure: str) -> None:
    assert look(PAIR, down("db1", failure), ro("db2")) == {}


def test_an_active_server_is_a_writer_whatever_the_other_one_says() -> None:
    assert look(PAIR, server("db1"), down("db2")).keys() == {Trouble.NO_WRITER}
    assert not bad(look(PAIR, server("db1"), fresh("db2")))


def test_two_writers_are_two_whatever_the_third_one_says() -> None:
    for third in (down("db3"), fresh("db3"), ro("db3"), down("db3", CollectFailure.AUTH)):
        assert bad(look(PAIR, server("db1"), server("db2"), third)) == {Trouble.TWO_WRITERS}


@pytest.mark.parametrize("kind", [PAIR, BOTH, REPLICAS, GALERA])
def test_servers_that_are_all_silent_or_not_polled_yet_are_not_judged(kind: TopologyKind) -> None:
    assert look(kind, down("db1"), down("db2")) == {}
    assert look(kind, fresh("db1"), fresh("db2")) == {}
    assert look(kind, down("db1"), fresh("db2")) == {}


@pytest.mark.parametrize("kind", [PAIR, BOTH, REPLICAS])
def test_a_read_only_server_beside_one_that_was_not_polled_yet_is_not_judged(kind: TopologyKind) -> None:
    assert Trouble.NO_WRITER not in look(kind, fresh("db1"), ro("db2"))


def test_a_server_on_which_a_statement_hangs_is_unknown_and_not_one_that_does_not_answer() -> None:
    for kind in (PAIR, BOTH, REPLICAS):
        assert Trouble.NO_WRITER not in look(kind, down("db1", CollectFailure.SERVER), ro("db2"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"rejects": True}, "rejects queries"), ({"replicating": False}, "writes for itself alone")],
)
def test_a_node_that_rejects_or_keeps_what_is_written_is_none_to_write_to(
    changes: dict[str, bool], why: str
) -> None:
    said = recorded("healthy_1", **changes)
    seen = look(GALERA, server("g1", galera=said))
    assert bad(seen) == {Trouble.NO_WRITER}
    assert seen[Trouble.NO_WRITER].detail == f"nobody can write: g1 {why}"


# Primary and replicas


def test_a_primary_with_read_only_replicas_is_fine() -> None:
    seen = look(REPLICAS, server("db1"), ro("db2"), ro("db3"), links=[link("db2", "db1"), link("db3", "db1")])
    assert not bad(seen)
    assert (Trouble.REPLICA_WRITABLE, "db2") in seen
    assert (Trouble.REPLICA_WRITABLE, "db1") in seen  # it may have been a replica: its alert ends


def test_a_replica_that_takes_writes_is_exposed_and_no_second_writer() -> None:
    seen = look(REPLICAS, server("db1"), server("db2"), links=[link("db2", "db1")])
    assert bad(seen) == {(Trouble.REPLICA_WRITABLE, "db2")}
    writable = seen[Trouble.REPLICA_WRITABLE, "db2"]
    assert (writable.impact, writable.lasts) == (Impact.EXPOSED, True)


def test_a_relay_of_a_chain_is_a_replica() -> None:
    chain = [link("db2", "db1"), link("db3", "db2")]
    assert not bad(look(REPLICAS, server("db1"), ro("db2"), ro("db3"), links=chain))
    seen = look(REPLICAS, server("db1"), server("db2"), ro("db3"), links=chain)
    assert bad(seen) == {(Trouble.REPLICA_WRITABLE, "db2")}


def test_a_primary_that_is_read_only_leaves_nobody_to_write_to() -> None:
    seen = look(REPLICAS, ro("db1"), ro("db2"), links=[link("db2", "db1")])
    assert bad(seen) == {Trouble.NO_WRITER}
    assert seen[Trouble.NO_WRITER].detail == "nobody can write: db1 is read-only"


def test_a_writable_replica_does_not_stand_in_for_a_primary_that_is_read_only() -> None:
    seen = look(REPLICAS, ro("db1"), server("db2"), links=[link("db2", "db1")])
    assert bad(seen) == {Trouble.NO_WRITER, (Trouble.REPLICA_WRITABLE, "db2")}


def test_a_primary_that_does_not_answer_leaves_nobody_to_write_to() -> None:
    seen = look(REPLICAS, down("db1"), ro("db2"), links=[link("db2", "db1")])
    assert bad(seen) == {Trouble.NO_WRITER}
    assert "db1 doesn't answer" in seen[Trouble.NO_WRITER].detail
    assert bad(look(REPLICAS, down("db1"), ro("db2"), links=[link("db2", None)])) == {Trouble.NO_WRITER}


def test_a_replica_that_is_promoted_beside_a_dead_primary_is_no_outage_and_no_split() -> None:
    promoted = look(REPLICAS, down("db1"), server("db2"))
    assert not bad(promoted)
    assert Trouble.TWO_WRITERS not in promoted
    halfway = look(REPLICAS, down("db1"), server("db2"), links=[link("db2", "db1")])
    assert bad(halfway) == {(Trouble.REPLICA_WRITABLE, "db2")}
    assert Trouble.NO_WRITER not in halfway


def test_an_old_primary_that_comes_back_writable_is_a_second_writer() -> None:
    seen = look(REPLICAS, server("db1"), server("db2"), ro("db3"), links=[link("db3", "db2")])
    assert bad(seen) == {Trouble.TWO_WRITERS}
    assert seen[Trouble.TWO_WRITERS].impact is Impact.HURT
    assert seen[Trouble.TWO_WRITERS].about == ("db1", "db2")


def test_an_old_primary_that_comes_back_read_only_is_none() -> None:
    assert not bad(look(REPLICAS, ro("db1"), server("db2"), ro("db3"), links=[link("db3", "db2")]))


def test_two_sources_of_one_replica_are_meant() -> None:
    hub = [link("db3", "db1", "east"), link("db3", "db2", "west")]
    seen = look(REPLICAS, server("db1"), server("db2"), ro("db3"), links=hub)
    assert not bad(seen)
    assert Trouble.TWO_WRITERS in seen


def test_while_the_replica_of_two_sources_is_away_they_are_not_called_split() -> None:
    hub = snapshot(channels=[channel(1, name="east"), channel(2, name="west")])
    sources = server("db1"), server("db2")
    assert Trouble.TWO_WRITERS not in look(REPLICAS, *sources, down("db3", before=hub))
    assert Trouble.TWO_WRITERS not in look(REPLICAS, *sources, down("db3"))
    one = snapshot(channels=[channel()])
    assert bad(look(REPLICAS, *sources, down("db3", before=one))) == {Trouble.TWO_WRITERS}


def test_a_server_whose_channels_can_not_be_read_may_be_a_source_or_a_replica() -> None:
    def dark(name: str, *, writable: bool) -> NodeView:
        one = server(name, writable=writable)
        assert one.now is not None
        return replace(one, now=replace(one.now, unread={"channels": CollectFailure.DENIED}))

    assert look(REPLICAS, dark("db1", writable=True), ro("db2"), links=[link("db2", "db1")]).keys() == {
        (Trouble.REPLICA_WRITABLE, "db2")
    }
    assert Trouble.TWO_WRITERS not in look(REPLICAS, dark("db1", writable=True), server("db2"))
    assert bad(look(REPLICAS, dark("db1", writable=False), ro("db2"))) == {Trouble.NO_WRITER}


def test_a_ring_under_primary_replica_may_have_one_writer() -> None:
    ring = [link("db1", "db2"), link("db2", "db1")]
    assert not bad(look(REPLICAS, server("db1"), ro("db2"), links=ring))
    assert bad(look(REPLICAS, server("db1"), server("db2"), links=ring)) == {Trouble.TWO_WRITERS}
    assert bad(look(REPLICAS, ro("db1"), ro("db2"), links=ring)) == {Trouble.NO_WRITER}


# Simultaneous writes


def numbered(name: str, offset: int, increment: int = 2, *, writable: bool = True) -> NodeView:
    return server(name, offset=offset, increment=increment, writable=writable)


@pytest.mark.parametrize(
    ("numbers", "collide"),
    [
        ([(1, 2), (2, 2)], False),
        ([(1, 3), (2, 3), (3, 3)], False),
        ([(1, 10), (2, 10)], False),
        ([(1, 4), (2, 4), (3, 2)], True),
        ([(1, 2), (2, 4), (4, 4)], False),
        ([(1, 2), (1, 2)], True),
        ([(1, 1), (1, 1)], True),
        ([(1, 1), (2, 2)], True),
        ([(1, 2), (2, 3)], True),
        ([(1, 2), (2, 2), (3, 2)], True),
        ([(5, 2), (2, 2)], False),
        ([(5, 2), (1, 2)], True),
        ([(0, 2), (1, 2)], True),
    ],
)
def test_writers_collide_where_their_numbers_meet(numbers: list[tuple[int, int]], collide: bool) -> None:
    views = [numbered(f"db{i}", offset, step) for i, (offset, step) in enumerate(numbers, 1)]
    seen = look(BOTH, *views)
    assert bad(seen) == ({Trouble.AUTO_INCREMENT_COLLISION} if collide else set())
    assert seen[Trouble.AUTO_INCREMENT_COLLISION].bad is collide


def test_the_numbers_that_meet_are_named_in_pairs() -> None:
    views = [numbered("db1", 1), numbered("db2", 2), numbered("db3", 1)]
    seen = look(BOTH, *views)[Trouble.AUTO_INCREMENT_COLLISION]
    assert seen.detail == "the same numbers come from db1 (1 and every 2) and db3 (1 and every 2)"
    assert (seen.value, seen.impact) == (1.0, Impact.EXPOSED)


def test_many_pairs_are_not_all_named() -> None:
    seen = look(BOTH, *[numbered(f"db{i}", 1, 1) for i in range(30)])[Trouble.AUTO_INCREMENT_COLLISION]
    assert seen.value == 435
    assert "and 432 pairs more" in seen.detail
    assert len(seen.detail) < 300


def test_a_read_only_member_makes_no_numbers_and_is_no_trouble() -> None:
    assert not bad(look(BOTH, numbered("db1", 1), numbered("db2", 1, writable=False)))


def test_numbers_of_a_member_that_does_not_answer_are_unknown() -> None:
    assert Trouble.AUTO_INCREMENT_COLLISION not in look(BOTH, numbered("db1", 1), down("db2"))
    seen = look(BOTH, numbered("db1", 1), numbered("db2", 1), down("db3"))
    assert bad(seen) == {Trouble.AUTO_INCREMENT_COLLISION}


def test_galera_sets_its_numbers_by_itself() -> None:
    nodes = [server(f"g{i}", galera=recorded(f"healthy_{i}")) for i in (1, 2, 3)]
    assert not bad(look(BOTH, *nodes))
    assert Trouble.AUTO_INCREMENT_COLLISION not in look(GALERA, *nodes)


def test_simultaneous_writers_need_one_at_least() -> None:
    assert bad(look(BOTH, ro("db1"), ro("db2"))) == {Trouble.NO_WRITER}
    assert bad(look(BOTH, down("db1"), ro("db2"))) == {Trouble.NO_WRITER}
    assert not bad(look(BOTH, ro("db1"), numbered("db2", 2)))


# Galera, and a server alone


def test_a_cluster_without_a_primary_component_hurts() -> None:
    seen = look(GALERA, server("g1", galera=recorded("non_primary_1")), down("g2"), down("g3"))
    assert bad(seen) == {Trouble.NO_WRITER}
    assert (seen[Trouble.NO_WRITER].impact, seen[Trouble.NO_WRITER].lasts) == (Impact.HURT, True)
    assert "g1 is non-Primary, g2 doesn't answer" in seen[Trouble.NO_WRITER].detail


@pytest.mark.parametrize("word", ["ready", "connected"])
def test_a_cluster_whose_nodes_are_read_only_or_not_ready_hurts(word: str) -> None:
    idle = server("g1", galera=recorded("healthy_1", **{word: False}))
    closed = server("g2", galera=recorded("healthy_2"), writable=False)
    seen = look(GALERA, idle, closed)
    assert bad(seen) == {Trouble.NO_WRITER}
    assert "g1 isn't ready, g2 is read-only" in seen[Trouble.NO_WRITER].detail


def test_one_node_that_takes_writes_is_enough_for_a_cluster() -> None:
    majority = server("g1", galera=recorded("isolated_majority_1"))
    alone = server("g3", galera=recorded("isolated_3_non_primary"))
    assert not bad(look(GALERA, majority, down("g2"), alone))


def test_a_server_outside_the_cluster_is_none_of_its_writers() -> None:
    seen = look(GALERA, server("g1", galera=recorded("non_primary_1")), server("g2"))
    assert bad(seen) == {Trouble.NO_WRITER}
    assert "g2 is in no cluster" in seen[Trouble.NO_WRITER].detail


def test_a_cluster_of_which_a_node_is_unknown_is_not_said_to_have_no_writer() -> None:
    lost = server("g1", galera=recorded("non_primary_1"))
    assert look(GALERA, lost, fresh("g2")) == {}
    assert look(GALERA, lost, down("g2", CollectFailure.AUTH)) == {}


def test_a_server_alone_is_not_asked_who_writes() -> None:
    assert look(TopologyKind.STANDALONE, ro("db1")) == {}


def test_numbers_collide_just_where_a_count_of_them_shows_it() -> None:
    settings = [(step, offset) for step in range(1, 7) for offset in range(1, step + 1)]
    for one, other in combinations(settings, 2):
        first, second = (set(range(offset, 200, step)) for step, offset in (one, other))
        views = [numbered("db1", one[1], one[0]), numbered("db2", other[1], other[0])]
        assert look(BOTH, *views)[Trouble.AUTO_INCREMENT_COLLISION].bad is bool(first & second)
