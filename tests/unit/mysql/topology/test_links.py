"""Who replicates from whom, by ids of all kinds; lag by whoever knows it best; roles."""

from dataclasses import replace
from typing import Any

from collectors.mysql.fleet import NodeView
from collectors.mysql.snapshot import ClockReading, Flavour
from collectors.mysql.statements import Part
from collectors.mysql.topology.links import links, roles
from dialtone.model import CollectFailure, Link, Role, TopologyKind
from tests.unit.mysql.topology.views import channel, snapshot, topology, uuid, view, views


def only(*members: NodeView) -> Link:
    """Return the one link of these members."""
    (link,) = links(topology(), views(*members))
    return link


def test_a_source_is_found_by_its_server_id() -> None:
    link = only(view("db1", snapshot(1)), view("db2", snapshot(2, channels=[channel(1)], writable=False)))
    assert (link.replica, link.source, link.address) == ("db2", "db1", "10.0.0.1:3306")
    assert link.io_running
    assert link.sql_running


def test_a_source_of_which_only_the_server_id_is_that_of_a_member_is_a_stranger() -> None:
    mysql: dict[str, Any] = {"flavour": Flavour.MYSQL}
    one = view("db1", snapshot(1, **mysql))
    stranger = only(one, view("db2", snapshot(2, channels=[channel(1, source_uuid=uuid(99))], **mysql)))
    assert (stranger.source, stranger.address) == (None, "10.0.0.1:3306")
    known = only(one, view("db2", snapshot(2, channels=[channel(7, source_uuid=uuid(1).upper())], **mysql)))
    assert known.source == "db1"


def test_a_server_id_that_two_members_have_names_nobody() -> None:
    assert only(
        view("db1", snapshot(1)), view("db3", snapshot(1)), view("db2", snapshot(2, channels=[channel(1)]))
    ).source is None  # fmt: skip


def test_a_source_that_was_never_reached_is_nobody() -> None:
    assert only(view("db1", snapshot(0)), view("db2", snapshot(2, channels=[channel(0)]))).source is None


def test_a_replica_is_not_its_own_source_though_it_has_its_source_s_id() -> None:
    assert only(view("db2", snapshot(1, channels=[channel(1)]))).source is None


def test_a_source_that_is_down_is_known_by_what_it_said() -> None:
    link = only(view("db1", None, snapshot(1)), view("db2", snapshot(2, channels=[channel(1)])))
    assert link.source == "db1"
    assert link.gap is None


def test_a_server_that_is_down_has_no_links() -> None:
    assert links(topology(), views(view("db2", None, snapshot(2, channels=[channel(1)])))) == ()


def test_each_channel_of_a_replica_of_several_sources_is_a_link() -> None:
    found = links(
        topology(),
        views(
            view("db1", snapshot(1)),
            view("db2", snapshot(2)),
            view("db3", snapshot(3, channels=[channel(1, name="east"), channel(2, name="west")])),
        ),
    )
    assert [(link.channel, link.source) for link in found] == [("east", "db1"), ("west", "db2")]


def test_lag_is_measured_by_the_source_s_heartbeat_and_its_clock_less_the_delay() -> None:
    source = snapshot(1, at=100, beats={1: 104.9}, clock=ClockReading(5.0, 0.001))
    replica = snapshot(2, at=100, beats={1: 92.0}, channels=[channel(1, delay=10.0, lag=0.0)])
    link = only(view("db1", source, beat=1.0), view("db2", replica))
    assert link.lag is not None
    assert (round(link.lag, 6), link.measured, link.delay) == (3.0, True, 10.0)


def test_lag_is_the_replica_s_word_where_nobody_writes_heartbeats() -> None:
    source = view("db1", snapshot(1, at=100))
    link = only(source, view("db2", snapshot(2, at=100, channels=[channel(1, lag=12.0, delay=10.0)])))
    assert (link.lag, link.measured) == (2.0, False)
    assert only(source, view("db2", snapshot(2, channels=[channel(1, lag=None)]))).lag is None


def test_lag_is_the_replica_s_word_once_the_writer_of_heartbeats_is_dead() -> None:
    source = view("db1", snapshot(1, at=100, beats={1: 50.0}), beat=1.0)
    link = only(source, view("db2", snapshot(2, at=100, beats={1: 50.0}, channels=[channel(1, lag=0.0)])))
    assert (link.lag, link.measured) == (0.0, False)


def test_lag_of_a_stranger_s_replica_is_by_the_replica_s_own_clock() -> None:
    replica = snapshot(2, at=100, beats={9: 93.0}, channels=[channel(9)])
    link = only(view("db2", replica, snapshot(2, at=85, beats={9: 78.0})))
    assert (link.source, link.lag, link.measured) == (None, 7.0, True)
    stale = only(view("db2", replica, snapshot(2, at=85, beats={9: 93.0})))
    assert (stale.lag, stale.measured) == (0.0, False)


def test_lag_behind_a_relay_that_takes_no_writes_is_by_the_heartbeat_of_the_source_above_it() -> None:
    beats = {1: 100.0}
    found = links(
        topology(),
        views(
            view("db1", snapshot(1, at=100, beats=beats), beat=1.0),
            view(
                "db2",
                snapshot(2, at=100, beats={1: 98.0}, channels=[channel(1, delay=2.0)], writable=False),
                beat=1.0,
            ),
            view(
                "db3",
                snapshot(3, at=100, beats={1: 88.0}, channels=[channel(2, delay=3.0)], writable=False),
                beat=1.0,
            ),
        ),
    )
    assert [(link.replica, link.lag, link.measured) for link in found] == [
        ("db2", 0.0, True),
        ("db3", 7.0, True),
    ]


def test_servers_that_follow_each_other_are_no_endless_chain() -> None:
    found = links(
        topology(TopologyKind.ACTIVE_PASSIVE),
        views(
            view("db1", snapshot(1, beats={}, channels=[channel(2)], writable=False)),
            view("db2", snapshot(2, beats={}, channels=[channel(1)], writable=False)),
        ),
    )
    assert [(link.source, link.measured) for link in found] == [("db2", False), ("db1", False)]


def test_the_gap_counts_what_the_replica_has_not_applied() -> None:
    source = view("db1", snapshot(1, gtid="0-1-120"))
    replica = snapshot(2, gtid="0-1-100", channels=[channel(1, executed="0-1-100", received="0-1-120")])
    assert only(source, view("db2", replica)).gap == 20
    mysql: dict[str, Any] = {"flavour": Flavour.MYSQL}
    source = view("db1", snapshot(1, gtid=f"{uuid(1)}:1-50", **mysql))
    replica = snapshot(
        2,
        gtid=f"{uuid(1)}:1-44,{uuid(2)}:1-3",
        channels=[channel(1, source_uuid=uuid(1), executed=f"{uuid(1)}:1-45")],
        **mysql,
    )
    assert only(source, view("db2", replica)).gap == 5


def test_the_gap_is_unknown_without_gtids_or_where_they_are_garbage() -> None:
    replica = view("db2", snapshot(2, gtid="0-1-1", channels=[channel(1)]))
    assert only(view("db1", snapshot(1)), replica).gap is None
    assert only(view("db1", snapshot(1, gtid="what?")), replica).gap is None


def test_a_chain_is_source_relay_and_replica() -> None:
    members = views(
        view("db1", snapshot(1, replicas=1)),
        view("db2", snapshot(2, channels=[channel(1)], writable=False)),
        view("db3", snapshot(3, channels=[channel(2)], writable=False)),
    )
    main = topology(TopologyKind.PRIMARY_REPLICA, *members)
    assert roles(main, members, links(main, members)) == {
        "db1": Role.SOURCE,
        "db2": Role.RELAY,
        "db3": Role.REPLICA,
    }


def test_a_source_that_is_down_still_is_one_and_a_replica_that_is_down_is_unknown() -> None:
    members = views(
        view("db1", None, snapshot(1)),
        view("db2", snapshot(2, channels=[channel(1)], writable=False)),
        view("db3", None, snapshot(3, channels=[channel(1)], writable=False)),
    )
    main = topology(TopologyKind.PRIMARY_REPLICA, *members)
    found = roles(main, members, links(main, members))
    assert found == {"db1": Role.SOURCE, "db2": Role.REPLICA, "db3": Role.UNKNOWN}


def test_a_server_whose_channels_can_t_be_read_is_no_source_for_that() -> None:
    blind = replace(snapshot(2), unread={Part.CHANNELS: CollectFailure.DENIED})
    members = views(view("db2", blind))
    main = topology(TopologyKind.PRIMARY_REPLICA, *members)
    assert roles(main, members, ()) == {"db2": Role.UNKNOWN}


def test_of_an_active_and_a_passive_one_the_active_takes_writes() -> None:
    members = views(
        view("db1", snapshot(1, channels=[channel(2)])),
        view("db2", snapshot(2, channels=[channel(1)], writable=False)),
        view("db3", None, snapshot(3)),
    )
    main = topology(TopologyKind.ACTIVE_PASSIVE, *members)
    assert roles(main, members, links(main, members)) == {
        "db1": Role.ACTIVE,
        "db2": Role.PASSIVE,
        "db3": Role.UNKNOWN,
    }


def test_nodes_of_a_cluster_are_members_and_a_lone_server_is_nothing() -> None:
    members = views(view("db1", snapshot(1)))
    assert roles(topology(TopologyKind.GALERA, "db1"), members, ()) == {"db1": Role.MEMBER}
    assert roles(topology(TopologyKind.STANDALONE, "db1"), members, ()) == {"db1": Role.UNKNOWN}
