"""What is wrong with a server: down, skewed, lenient, without semi-sync, heartbeat, source."""

from dataclasses import replace
from typing import Any

import pytest

from collectors.mysql.snapshot import ClockReading, Flavour, MysqlSnapshot, SemiSync
from collectors.mysql.statements import HEARTBEATS, Part
from dialtone.model import CheckState, CollectFailure, Impact, TopologyKind, Trouble
from tests.unit.mysql.topology.stories import Story, bad, check, doubted, outcome
from tests.unit.mysql.topology.views import channel, galera, snapshot, topology, uuid

Kind = TopologyKind


def source(at: float = 0.0, **fields: Any) -> MysqlSnapshot:
    """A reading of db1, that takes writes."""
    return snapshot(1, at=at, **fields)


def replica(at: float = 0.0, server_id: int = 2, of: int = 1, **fields: Any) -> MysqlSnapshot:
    """A reading of a replica that works."""
    return snapshot(server_id, at=at, channels=[channel(of)], writable=False, **fields)


def pair(kind: TopologyKind = Kind.PRIMARY_REPLICA, **options: Any) -> Story:
    """A source db1 and its replica db2, both polled once."""
    told = Story(topology(kind), **options)
    told.poll("db1", source())
    told.poll("db2", replica())
    return told


def test_a_member_that_was_not_polled_yet_is_not_judged() -> None:
    told = Story(topology())
    assert told.state.checks == ()
    assert [member.up for member in told.state.members] == [False, False]


def test_a_server_that_is_down_for_two_polls_is_down_and_says_why() -> None:
    told = pair()
    assert outcome(told.poll("db2", None), Trouble.MEMBER_DOWN, "db2") is CheckState.SUSPECT
    told.poll("db2", None)
    assert bad(told.state) == {(Trouble.MEMBER_DOWN, "db2")}
    found = check(told.state, Trouble.MEMBER_DOWN, "db2")
    assert found is not None
    assert found.detail == "connect: nobody listens"


def test_a_server_that_restarts_between_two_polls_is_not_down() -> None:
    told = pair()
    told.poll("db2", None)
    told.poll("db2", replica(30, uptime=5.0))
    assert doubted(told.state) == set()
    told.poll("db2", None)
    assert bad(told.state) == set()


@pytest.mark.parametrize(
    ("kind", "down", "impact"),
    [
        (Kind.PRIMARY_REPLICA, "db1", Impact.HURT),
        (Kind.PRIMARY_REPLICA, "db2", Impact.EXPOSED),
        (Kind.ACTIVE_PASSIVE, "db1", Impact.HURT),
        (Kind.ACTIVE_PASSIVE, "db2", Impact.EXPOSED),
    ],
)
def test_the_only_server_that_took_writes_hurts_when_it_is_down(
    kind: TopologyKind, down: str, impact: Impact
) -> None:
    told = pair(kind)
    told.poll(down, None)
    told.poll(down, None)
    found = check(told.state, Trouble.MEMBER_DOWN, down)
    assert found is not None
    assert (found.state, found.impact) == (CheckState.BAD, impact)


def test_a_source_that_is_down_hurts_though_its_replica_could_be_written_to() -> None:
    told = Story(topology())
    told.poll("db1", source())
    told.poll("db2", snapshot(2, channels=[channel(1)], writable=True))
    told.poll("db1", None)
    told.poll("db1", None)
    found = check(told.state, Trouble.MEMBER_DOWN, "db1")
    assert found is not None
    assert found.impact is Impact.HURT


def test_a_relay_that_is_down_does_not_hurt_yet() -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"))
    told.poll("db1", source())
    told.poll("db2", replica())
    told.poll("db3", replica(server_id=3, of=2))
    told.poll("db2", None)
    told.poll("db2", None)
    found = check(told.state, Trouble.MEMBER_DOWN, "db2")
    assert found is not None
    assert found.impact is Impact.EXPOSED


def test_one_of_several_that_take_writes_does_not_hurt_yet_when_it_is_down() -> None:
    told = Story(topology(Kind.MULTI_PRIMARY))
    told.poll("db1", snapshot(1, channels=[channel(2)], offset=1, increment=2))
    told.poll("db2", snapshot(2, channels=[channel(1)], offset=2, increment=2))
    told.poll("db1", None)
    told.poll("db1", None)
    found = check(told.state, Trouble.MEMBER_DOWN, "db1")
    assert found is not None
    assert found.impact is Impact.EXPOSED


def test_the_last_node_of_a_cluster_that_takes_writes_hurts_when_it_is_down() -> None:
    told = Story(topology(Kind.GALERA))
    told.poll("db1", snapshot(1, galera=galera(size=2)))
    told.poll("db2", snapshot(2, galera=galera(status="non-Primary", ready=False, view=None)))
    told.poll("db1", None)
    told.poll("db1", None)
    found = check(told.state, Trouble.MEMBER_DOWN, "db1")
    assert found is not None
    assert found.impact is Impact.HURT


@pytest.mark.parametrize("failure", [CollectFailure.AUTH, CollectFailure.DENIED, CollectFailure.INTERNAL])
def test_a_server_that_refuses_us_is_not_said_to_hurt(failure: CollectFailure) -> None:
    told = pair()
    told.poll("db1", None, failure=failure)
    told.poll("db1", None, failure=failure)
    found = check(told.state, Trouble.MEMBER_DOWN, "db1")
    assert found is not None
    assert (found.state, found.impact) == (CheckState.BAD, Impact.EXPOSED)


def clocks(*offsets: float, error: float = 0.002) -> Story:
    """Members of a cluster whose clocks are off like this, all of them polled twice."""
    names = [f"db{number}" for number in range(1, len(offsets) + 1)]
    told = Story(topology(Kind.STANDALONE, *names))
    for _ in range(2):
        for number, (name, offset) in enumerate(zip(names, offsets, strict=True), 1):
            told.poll(name, snapshot(number, clock=ClockReading(offset, error)))
    return told


@pytest.mark.parametrize(
    ("offsets", "wrong"),
    [
        ((0.0, 0.5, -0.5), set()),
        ((5.0, 0.0), {"db1"}),
        ((0.0, -5.0, 0.0), {"db2"}),
        ((5.0,), {"db1"}),
        ((5.0, 0.0, 5.0, 0.0), {"db1", "db3"}),
        ((5.0, 5.0), {None}),
        ((5.0, 5.2, 4.9), {None}),
        ((5.0, 5.0, 5.0, -2.0), {"db4", None}),
        ((5.0, 5.0, 0.0), {"db1", "db2"}),
    ],
)
def test_the_clock_that_differs_from_the_most_is_told_ours_among_them(
    offsets: tuple[float, ...], wrong: set[str | None]
) -> None:
    found = {one.node for one in clocks(*offsets).state.troubles if one.trouble is Trouble.CLOCK_SKEW}
    assert found == wrong


def test_how_far_a_clock_is_off_is_told() -> None:
    found = check(clocks(0.0, 5.0, 0.1).state, Trouble.CLOCK_SKEW, "db2")
    assert found is not None
    assert (round(found.value, 6), found.detail) == (5.0, "its clock is 5.0 s ahead of the others'")
    ours = [one for one in clocks(5.0, 5.0).state.troubles if one.node is None]
    assert [one.detail for one in ours] == [
        "our own clock is 5.0 s behind the servers': mend the one of this machine"
    ]
    alone = check(clocks(-5.0).state, Trouble.CLOCK_SKEW, "db1")
    assert alone is not None
    assert alone.detail == "its clock is 5.0 s behind ours; which of the two is wrong can't be told"


@pytest.mark.parametrize("offset", [60.0, -60.0])
def test_servers_are_not_accused_while_our_own_clock_is_set(offset: float) -> None:
    told = clocks(0.0, 0.0, 0.0)
    for turn in range(2):
        for number, name in enumerate(("db1", "db2", "db3"), 1):
            told.poll(name, snapshot(number, clock=ClockReading(offset, 0.002)))
            accused = {node for trouble, node in bad(told.state) if trouble is Trouble.CLOCK_SKEW}
            assert accused <= {None}, (turn, name)
    assert bad(told.state) == {(Trouble.CLOCK_SKEW, None)}


def test_a_clock_that_could_only_be_read_roughly_is_not_said_to_be_off() -> None:
    assert bad(clocks(2.5, 0.0, error=2.0).state) == set()


def test_a_setting_that_skips_errors_is_told_as_long_as_it_is_there() -> None:
    told = pair()
    told.poll("db2", replica(15, skips="slave_skip_errors=1062"))
    assert bad(told.state) == {(Trouble.ERRORS_SKIPPED, "db2")}
    assert doubted(told.poll("db2", replica(30))) == set()


def test_errors_that_were_skipped_since_the_last_poll_are_counted() -> None:
    told = pair()
    told.poll("db2", replica(15, skipped=3))
    assert doubted(told.state) == set()
    told.poll("db2", replica(30, skipped=5))
    found = check(told.state, Trouble.ERRORS_SKIPPED, "db2")
    assert found is not None
    assert (found.state, found.value) == (CheckState.BAD, 2.0)
    assert found.detail == "2 errors were skipped since the last poll"
    assert doubted(told.poll("db2", replica(45, skipped=0))) == set()


@pytest.mark.parametrize(
    ("semi_sync", "off"),
    [
        (SemiSync(), False),
        (SemiSync(source_enabled=True, source_active=True, clients=1), False),
        (SemiSync(source_enabled=True, source_active=False, clients=1), True),
        (SemiSync(source_enabled=True, source_active=True, clients=0), True),
    ],
)
def test_commits_that_no_longer_wait_for_a_replica_are_told_when_it_lasts(
    semi_sync: SemiSync, off: bool
) -> None:
    told = pair()
    told.poll("db1", source(15, semi_sync=semi_sync))
    assert bad(told.state) == set()
    told.poll("db1", source(30, semi_sync=semi_sync))
    assert bad(told.state) == ({(Trouble.SEMI_SYNC_OFF, "db1")} if off else set())


def test_a_replica_that_is_ready_to_become_a_source_needs_no_semi_sync_of_its_own() -> None:
    told = pair()
    for at in (15, 30):
        told.poll("db2", replica(at, semi_sync=SemiSync(source_enabled=True, replica_enabled=True)))
    assert doubted(told.state) == set()


def test_a_relay_takes_no_writes_that_semi_sync_could_save() -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"))
    for at in (0, 15, 30):
        told.poll("db2", replica(at, semi_sync=SemiSync(source_enabled=True), replicas=1))
        told.poll("db3", replica(at, server_id=3, of=2))
    assert outcome(told.state, Trouble.SEMI_SYNC_OFF, "db2") is CheckState.FINE


def beating(at: float, written: float | None, **fields: Any) -> MysqlSnapshot:
    """A reading of db1, whose own beat was written then."""
    return snapshot(1, at=at, beats={} if written is None else {1: written}, **fields)


def test_a_writer_of_heartbeats_that_died_is_told_within_two_polls() -> None:
    told = Story(topology(), beat=1.0)
    told.poll("db2", replica(0, beats={1: 0.0}))
    told.poll("db1", beating(0, 0))
    told.poll("db1", beating(15, 3))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db1") is CheckState.SUSPECT
    told.poll("db1", beating(30, 3))
    found = check(told.state, Trouble.HEARTBEAT_STOPPED, "db1")
    assert found is not None
    assert (found.state, found.value, found.impact) == (CheckState.BAD, 27.0, Impact.NONE)
    assert found.detail == "the last heartbeat was written 27.0 s ago"
    assert outcome(told.poll("db1", beating(45, 44.5)), Trouble.HEARTBEAT_STOPPED, "db1") is CheckState.FINE


def test_a_writer_that_dies_right_after_a_poll_is_told_at_the_next() -> None:
    told = Story(topology(), beat=1.0)
    told.poll("db1", beating(0, 0))
    assert bad(told.poll("db1", beating(15, 0))) == {(Trouble.HEARTBEAT_STOPPED, "db1")}


def test_a_heartbeat_that_nobody_ever_wrote_is_told_when_it_lasts() -> None:
    told = Story(topology(), beat=1.0)
    told.poll("db1", beating(0, None))
    assert bad(told.state) == set()
    told.poll("db1", beating(15, None))
    assert bad(told.state) == {(Trouble.HEARTBEAT_STOPPED, "db1")}


def test_a_writer_that_is_back_soon_after_its_server_s_restart_is_not_dead() -> None:
    told = Story(topology(), beat=1.0)
    told.poll("db1", beating(0, 0))
    told.poll("db1", beating(15, 0, uptime=2.0))
    assert bad(told.state) == set()
    told.poll("db1", beating(30, 29.5, uptime=17.0))
    assert doubted(told.state) == set()


def test_a_server_that_was_only_just_made_the_source_has_a_writer_soon() -> None:
    told = Story(topology(Kind.ACTIVE_PASSIVE), beat=1.0)
    told.poll("db2", replica())
    told.poll("db1", snapshot(1, at=0, beats={1: -9000.0, 2: 0.0}, channels=[channel(2)], writable=False))
    told.poll("db1", snapshot(1, at=15, beats={1: -9000.0, 2: 14.0}, channels=[channel(2)]))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db1") is not CheckState.BAD
    told.poll("db1", snapshot(1, at=30, beats={1: 29.5, 2: 14.0}, channels=[channel(2)]))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db1") is CheckState.FINE


def test_a_server_that_takes_no_writes_needs_no_heartbeat() -> None:
    told = Story(topology(), beat=1.0)
    for at in (0, 15, 30):
        told.poll("db2", replica(at, beats={1: float(at), 2: -9000.0}))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db2") is CheckState.FINE
    relay = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"), beat=1.0)
    for at in (0, 15, 30):
        relay.poll("db2", replica(at, beats={1: float(at), 2: -9000.0}, replicas=1))
    assert outcome(relay.state, Trouble.HEARTBEAT_STOPPED, "db2") is CheckState.FINE


def unread(now: MysqlSnapshot, failure: CollectFailure, *parts: Part, note: str = "no") -> MysqlSnapshot:
    """The same where the server refuses these parts."""
    return replace(
        now, unread=dict.fromkeys(parts, failure), notes={str(part): f"{part}: {note}" for part in parts}
    )


def test_heartbeats_that_our_account_may_not_read_are_not_judged() -> None:
    told = Story(topology(), beat=1.0)
    for at in (0, 15):
        told.poll("db1", unread(source(at), CollectFailure.DENIED, Part.HEARTBEAT))
    assert check(told.state, Trouble.HEARTBEAT_STOPPED) is None
    assert bad(told.state) == {(Trouble.NOT_READ, "db1")}


def test_what_a_server_does_not_have_ends_the_alert_of_when_it_had() -> None:
    told = Story(topology(), beat=None)
    told.poll("db1", beating(0, -9000))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db1") is CheckState.FINE
    assert outcome(told.state, Trouble.SEMI_SYNC_OFF, "db1") is CheckState.FINE
    assert outcome(told.state, Trouble.NOT_READ, "db1") is CheckState.FINE


def test_a_heartbeat_table_that_is_gone_is_told_of_the_source_once_and_with_the_server_s_words() -> None:
    told = Story(topology(), beat=1.0)
    words = "error 1146: Table 'dialtone.heartbeat' doesn't exist"
    for at in (0, 15):
        told.poll("db2", replica(at, beats={}))
        told.poll("db1", unread(source(at), CollectFailure.SERVER, Part.HEARTBEAT, note=words))
        assert bool(bad(told.state)) is bool(at)
    assert bad(told.state) == {(Trouble.HEARTBEAT_STOPPED, "db1")}
    found = check(told.state, Trouble.HEARTBEAT_STOPPED, "db1")
    assert found is not None
    assert words in found.detail
    assert found.detail.startswith("there is no table")
    assert found.impact is Impact.NONE


def test_a_replica_without_the_heartbeat_table_is_not_read_in_full_and_writes_none() -> None:
    told = Story(topology(), beat=1.0)
    for at in (0, 15):
        told.poll("db1", source(at, beats={1: at - 0.5}))
        told.poll("db2", unread(replica(at), CollectFailure.SERVER, Part.HEARTBEAT))
    assert bad(told.state) == {(Trouble.NOT_READ, "db2")}
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db2") is CheckState.FINE


@pytest.mark.parametrize(
    ("failure", "parts"),
    [
        (CollectFailure.DENIED, (Part.CHANNELS,)),
        (CollectFailure.DENIED, (Part.PLACE, Part.HEARTBEAT)),
        (CollectFailure.SERVER, (Part.WORKERS,)),
    ],
)
def test_what_a_server_that_answers_refuses_is_told_when_it_lasts(
    failure: CollectFailure, parts: tuple[Part, ...]
) -> None:
    told = Story(topology(), beat=1.0)
    told.poll("db2", unread(replica(0), failure, *parts))
    assert outcome(told.state, Trouble.NOT_READ, "db2") is CheckState.SUSPECT
    told.poll("db2", unread(replica(15), failure, *parts, note="x" * 3000))
    found = check(told.state, Trouble.NOT_READ, "db2")
    assert found is not None
    assert (found.state, found.impact, found.value) == (CheckState.BAD, Impact.EXPOSED, len(parts))
    assert found.detail.startswith(f"can't be read: {', '.join(parts)}; {parts[0]}: x")
    assert len(found.detail) <= 300
    told.poll("db2", replica(30))
    assert outcome(told.state, Trouble.NOT_READ, "db2") is CheckState.FINE
    told.poll("db2", None)
    assert check(told.state, Trouble.NOT_READ, "db2") is None


@pytest.mark.parametrize("said", [{"status": "non-Primary"}, {"ready": False}, {"rejects": True}])
def test_a_node_that_takes_no_queries_is_not_blamed_for_what_it_does_not_show(said: dict[str, Any]) -> None:
    told = Story(topology(Kind.GALERA), beat=1.0)
    for at in (0, 15):
        now = snapshot(1, at=at, galera=galera(**said))
        told.poll("db1", unread(now, CollectFailure.SERVER, Part.HEARTBEAT))
    assert check(told.state, Trouble.NOT_READ, "db1") is None
    assert check(told.state, Trouble.HEARTBEAT_STOPPED, "db1") is None


def test_an_own_row_among_more_than_are_read_is_not_judged() -> None:
    others = dict.fromkeys(range(1000, 1000 + HEARTBEATS), -9000.0)
    told = Story(topology(), beat=1.0)
    for at in (0, 15):
        told.poll("db1", source(at, beats=others))
    assert check(told.state, Trouble.HEARTBEAT_STOPPED) is None
    for at in (30, 45):
        told.poll("db1", source(at, beats={1: at - 60.0, **others}))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db1") is CheckState.BAD


def test_a_row_from_the_future_is_no_beat() -> None:
    told = Story(topology(), beat=1.0)
    for at in (0, 15):
        told.poll("db1", beating(at, 7200))
    found = check(told.state, Trouble.HEARTBEAT_STOPPED, "db1")
    assert found is not None
    assert found.state is CheckState.BAD
    assert "is dated in the future: it is in local time, or the clock was set back" in found.detail


@pytest.mark.parametrize("ahead", [0.9, 2.9])
def test_a_row_that_is_ahead_by_what_clocks_differ_beats(ahead: float) -> None:
    told = Story(topology(), beat=1.0)
    clock = ClockReading(0.0, 2.0 if ahead > 1 else 0.001)
    for at in (0, 15, 30):
        told.poll("db1", beating(at, at + ahead, clock=clock))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db1") is CheckState.FINE


@pytest.mark.parametrize("away", [18_000.0, 900.0, -7200.0])
def test_a_row_that_goes_on_hours_away_is_in_local_time(away: float) -> None:
    told = Story(topology(), beat=1.0)
    for at in (0, 15, 30):
        told.poll("db1", beating(at, at - 0.4 - away))
    found = check(told.state, Trouble.HEARTBEAT_STOPPED, "db1")
    assert found is not None
    assert (found.state, found.detail) == (
        CheckState.BAD,
        "the heartbeat is in local time: run pt-heartbeat with --utc",
    )


@pytest.mark.parametrize("ahead", [30.0, -30.0])
def test_a_beat_of_another_node_of_a_cluster_is_as_old_as_its_writer_s_clock_says(ahead: float) -> None:
    told = Story(topology(Kind.GALERA), beat=1.0)
    skewed = ClockReading(ahead, 0.001)
    for at in (0, 15, 30):
        rows = {1: at + ahead - 0.3, 2: -9000.0}
        told.poll("db1", snapshot(1, at=at, beats=rows, galera=galera(), clock=skewed))
        told.poll("db2", snapshot(2, at=at, beats=rows, galera=galera()))
    assert outcome(told.state, Trouble.HEARTBEAT_STOPPED, "db2") is CheckState.FINE
    assert Trouble.HEARTBEAT_STOPPED not in doubted(told.state)


def test_a_cluster_in_which_nobody_beats_any_more_says_so_on_each_node() -> None:
    told = Story(topology(Kind.GALERA), beat=1.0)
    for at in (0, 15, 30):
        for number, name in ((1, "db1"), (2, "db2")):
            told.poll(name, snapshot(number, at=at, beats={1: 0.0, 2: -9000.0}, galera=galera()))
    assert {n for t, n in bad(told.state) if t is Trouble.HEARTBEAT_STOPPED} == {"db1", "db2"}


def polled_twice(kind: TopologyKind, beat: float | None = None, **members: MysqlSnapshot) -> Story:
    """A topology of these, all of them polled twice."""
    told = Story(topology(kind, *members), beat=beat)
    for at in (0.0, 15.0):
        for name, now in members.items():
            told.poll(name, replace(now, taken=at))
    return told


def test_a_source_alone_may_follow_nobody() -> None:
    told = polled_twice(Kind.PRIMARY_REPLICA, db1=source(), db2=replica(), db3=replica(server_id=3))
    assert doubted(told.state) == set()


@pytest.mark.parametrize("writable", [False, True])
def test_a_replica_whose_replication_was_reset_is_told(writable: bool) -> None:
    lost = snapshot(3, writable=writable)
    told = polled_twice(Kind.PRIMARY_REPLICA, db1=source(), db2=replica(), db3=lost)
    assert (Trouble.NOT_REPLICATING, "db3") in bad(told.state)
    assert (Trouble.NOT_REPLICATING, "db1") not in bad(told.state)


def test_of_two_that_follow_nobody_the_one_that_takes_writes_may() -> None:
    told = polled_twice(
        Kind.PRIMARY_REPLICA, db1=source(writable=False), db2=snapshot(2), db3=replica(server_id=3)
    )
    found = {node for trouble, node in bad(told.state) if trouble is Trouble.NOT_REPLICATING}
    assert found == {"db1"}


def test_two_sources_of_one_replica_follow_nobody_and_are_right() -> None:
    hub = snapshot(3, channels=[channel(1, name="east"), channel(2, name="west")], writable=False)
    told = polled_twice(Kind.PRIMARY_REPLICA, east=source(), west=snapshot(2), hub=hub)
    assert not [node for trouble, node in bad(told.state) if trouble is Trouble.NOT_REPLICATING]


def test_a_relay_that_has_forgotten_its_source_is_told_and_not_the_source() -> None:
    told = polled_twice(
        Kind.PRIMARY_REPLICA,
        db1=source(),
        db2=snapshot(2, writable=False),
        db3=replica(server_id=3, of=2),
    )
    assert {node for t, node in bad(told.state) if t is Trouble.NOT_REPLICATING} == {"db2"}


def test_a_node_of_a_cluster_needs_no_heartbeat_of_its_own_while_another_one_beats() -> None:
    rows = {1: 0.2}
    told = polled_twice(
        Kind.GALERA,
        1.0,
        g1=snapshot(1, beats=rows, galera=galera()),
        g2=snapshot(2, beats=rows, galera=galera()),
    )
    assert (Trouble.HEARTBEAT_STOPPED, "g2") not in bad(told.state)


def test_a_passive_one_that_takes_writes_all_at_once_has_no_dead_heartbeat() -> None:
    first = snapshot(1, channels=[channel(2)], beats={1: 0.2})
    second = snapshot(2, channels=[channel(1)], beats={1: 0.2})
    told = polled_twice(Kind.ACTIVE_PASSIVE, 1.0, db1=first, db2=second)
    assert not [t for t, _ in bad(told.state) if t is Trouble.HEARTBEAT_STOPPED]


def test_the_only_replica_whose_replication_was_reset_is_told() -> None:
    told = polled_twice(Kind.PRIMARY_REPLICA, db1=source(), db2=snapshot(2, writable=False))
    assert bad(told.state) == {(Trouble.NOT_REPLICATING, "db2")}


def test_a_planned_switch_from_one_poll_to_the_next_is_no_trouble() -> None:
    told = pair()
    switch = [
        ("db1", source(15, writable=False)),
        ("db2", snapshot(2, at=15.1)),
        ("db1", replica(30, 1, of=2)),
        ("db2", snapshot(2, at=30.1)),
        ("db1", replica(45, 1, of=2)),
    ]
    for name, now in switch:
        told.poll(name, now)
        assert bad(told.state) == set()
    assert doubted(told.state) == set()
    assert told.state.switches == 1


def test_of_an_active_and_a_passive_server_each_follows_the_other() -> None:
    told = polled_twice(Kind.ACTIVE_PASSIVE, db1=source(), db2=snapshot(2, writable=False))
    assert bad(told.state) == {(Trouble.NOT_REPLICATING, "db1"), (Trouble.NOT_REPLICATING, "db2")}
    told = polled_twice(Kind.ACTIVE_PASSIVE, db1=source(), db2=replica())
    assert bad(told.state) == {(Trouble.NOT_REPLICATING, "db1")}, "after a switch it would get nothing"
    reset = snapshot(2, writable=False)
    told = polled_twice(Kind.ACTIVE_PASSIVE, db1=snapshot(1, channels=[channel(2)]), db2=reset)
    assert bad(told.state) == {(Trouble.NOT_REPLICATING, "db2")}


def test_of_several_that_take_writes_each_follows_another() -> None:
    numbers: dict[str, Any] = {"increment": 2}
    one = snapshot(1, channels=[channel(2)], offset=1, **numbers)
    told = polled_twice(Kind.MULTI_PRIMARY, db1=one, db2=snapshot(2, offset=2, **numbers))
    assert bad(told.state) == {(Trouble.NOT_REPLICATING, "db2")}


def test_a_server_whose_channels_can_t_be_read_is_not_said_to_have_none() -> None:
    blind = replace(snapshot(2, writable=False), unread={Part.CHANNELS: CollectFailure.DENIED})
    told = polled_twice(Kind.PRIMARY_REPLICA, db1=source(), db2=blind)
    assert outcome(told.state, Trouble.NOT_REPLICATING, "db2") is None
    assert bad(told.state) == {(Trouble.NOT_READ, "db2")}


def test_a_channel_whose_source_was_never_read_may_be_from_a_member() -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"))
    for at in (0.0, 15.0):
        told.poll("db1", None)
        told.poll("db2", replica(at))
        told.poll("db3", replica(at, 3))
    assert outcome(told.state, Trouble.NOT_REPLICATING) is CheckState.FINE


def test_a_replica_of_strangers_alone_follows_no_member() -> None:
    told = polled_twice(
        Kind.PRIMARY_REPLICA,
        db1=source(),
        db2=replica(),
        db3=snapshot(3, channels=[channel(99)], writable=False),
    )
    assert (Trouble.NOT_REPLICATING, "db3") in bad(told.state)


MYSQL: dict[str, Any] = {"flavour": Flavour.MYSQL}


def mysql(server_id: int, gtid: str, *sources: int, **fields: Any) -> MysqlSnapshot:
    """A reading of a MySQL server that has these transactions and follows those servers."""
    channels = [channel(of, source_uuid=uuid(of), name=f"from{of}") for of in sources]
    return snapshot(server_id, channels=channels, gtid=gtid, writable=not sources, **MYSQL, **fields)


def test_transactions_that_a_replica_alone_has_are_told_when_they_last() -> None:
    members = {"db1": mysql(1, f"{uuid(1)}:1-50"), "db2": mysql(2, f"{uuid(1)}:1-50,{uuid(2)}:1-3", 1)}
    told = Story(topology())
    for name, now in members.items():
        told.poll(name, now)
    assert outcome(told.state, Trouble.ERRANT_TRANSACTIONS, "db2") is CheckState.SUSPECT
    told.poll("db2", members["db2"])
    assert outcome(told.state, Trouble.ERRANT_TRANSACTIONS, "db2") is CheckState.SUSPECT
    told.poll("db1", members["db1"])
    found = check(told.state, Trouble.ERRANT_TRANSACTIONS, "db2")
    assert found is not None
    assert (found.state, found.value) == (CheckState.BAD, 3.0)


def test_a_replica_that_is_read_after_its_source_has_nothing_of_its_own() -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"))
    for turn in range(4):
        told.poll("db1", mysql(1, f"{uuid(1)}:1-{50 + turn}"))
        told.poll("db2", mysql(2, f"{uuid(1)}:1-{60 + turn}", 1))
        told.poll("db3", mysql(3, f"{uuid(1)}:1-{70 + turn}", 2))
        assert Trouble.ERRANT_TRANSACTIONS not in doubted(told.state)


def test_servers_that_follow_each_other_have_what_the_other_has_not_got_yet() -> None:
    told = polled_twice(
        Kind.ACTIVE_PASSIVE,
        db1=replace(mysql(1, f"{uuid(1)}:1-50", 2), server=mysql(1, f"{uuid(1)}:1-50").server),
        db2=mysql(2, f"{uuid(1)}:1-40", 1),
    )
    assert check(told.state, Trouble.ERRANT_TRANSACTIONS) is None


def test_a_replica_of_a_stranger_too_may_have_what_its_other_source_lacks() -> None:
    told = polled_twice(
        Kind.PRIMARY_REPLICA,
        db1=mysql(1, f"{uuid(1)}:1-50"),
        db2=mysql(2, f"{uuid(1)}:1-50,{uuid(9)}:1-7", 1, 9),
    )
    found = {c.node for c in told.state.checks if c.trouble is Trouble.ERRANT_TRANSACTIONS}
    assert found == {"db1"}


def test_a_mariadb_position_says_too_little_for_that() -> None:
    told = polled_twice(Kind.PRIMARY_REPLICA, db1=source(gtid="0-1-50"), db2=replica(gtid="0-2-60"))
    assert check(told.state, Trouble.ERRANT_TRANSACTIONS) is None
