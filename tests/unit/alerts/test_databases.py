"""What the rules make of databases: what fires, with which words, and what may end it."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from alerts.engine import AlertEngine, fingerprint
from alerts.judges import troubles_in
from alerts.rules import Subject
from dialtone.model import (
    JUDGED,
    TENANTS_NAMED,
    AlertEvent,
    AlertState,
    CheckState,
    Impact,
    Link,
    NodeKind,
    Severity,
    TopologyKind,
    TopologyState,
    Trouble,
    one_line,
)
from tests.fakes.alerts import (
    ACME,
    GLOBEX,
    HEALTHY,
    LATE,
    NOON,
    STOPPED,
    check,
    poll,
    replica,
    rules,
    topology,
)
from tests.unit.alerts.story import after, told

FINE, SUSPECT, BAD = CheckState
TENANTS: Final = (ACME, GLOBEX)


def active(engine: AlertEngine) -> list[str]:
    """Return what pends and fires."""
    return sorted(told(list(engine.active)))


def over(engine: AlertEngine, state: TopologyState, start: float = 0) -> list[str]:
    """Return what comes of a state that lasts two minutes."""
    seconds = range(0, 121, 15)
    return [word for at in seconds for word in told(engine.topology_judged(state, after(start + at)))]


@pytest.mark.parametrize("trouble", [trouble for trouble in Trouble if trouble is not Trouble.MEMBER_DOWN])
def test_each_trouble_is_told_by_one_rule_of_the_pack_and_ends_with_it(
    engine: AlertEngine, trouble: Trouble
) -> None:
    [name] = [rule.name for rule in rules() if trouble in rule.troubles]
    kind = next(kind for kind, troubles in JUDGED.items() if trouble in troubles)
    over(engine, topology(check(trouble), kind=kind))
    assert active(engine) == [f"{name} firing"]
    well = topology(check(trouble, FINE), kind=kind)
    assert told(engine.topology_judged(well, after(135))) == [f"{name} resolved"]


def test_a_member_that_is_down_is_told_as_a_node_that_is_down_and_not_twice(engine: AlertEngine) -> None:
    down = topology(check(Trouble.MEMBER_DOWN, node="db2", channel=None), down=["db2"])
    assert over(engine, down) == []


def test_the_cause_is_the_trouble_in_its_word_and_in_the_servers(engine: AlertEngine) -> None:
    words = "Duplicate entry '1' for key\n'PRIMARY' (error 1062)"
    [event] = engine.topology_judged(replica(Trouble.DUPLICATE_KEY, channel="dc2", detail=words), NOON)
    assert event.rule == "ReplicationBroken"
    assert (event.state, event.severity) == (AlertState.FIRING, Severity.CRITICAL)
    assert event.about == {"topology": "main", "node": "db2", "channel": "dc2"}
    assert event.cause == "duplicate-key: Duplicate entry '1' for key 'PRIMARY' (error 1062)"


def test_of_several_troubles_the_worst_stands_first_and_gives_the_value(engine: AlertEngine) -> None:
    checks = [
        check(Trouble.IO_UNREACHABLE, detail="no route to db1", value=2003),
        check(Trouble.SQL_STOPPED, SUSPECT, detail="perhaps", impact=Impact.HURT),
        check(Trouble.DUPLICATE_KEY, detail="Duplicate entry '1'", value=1062, impact=Impact.HURT),
        check(Trouble.IO_ERROR, FINE),
    ]
    [event] = engine.topology_judged(topology(*checks), NOON)
    assert event.cause == "duplicate-key, io-unreachable: Duplicate entry '1'; no route to db1"
    assert event.value == 1062


def test_a_cause_says_the_same_words_once_and_may_have_none() -> None:
    engine = AlertEngine(rules())
    checks = [check(trouble, detail="stopped") for trouble in (Trouble.IO_STOPPED, Trouble.SQL_STOPPED)]
    [event] = engine.topology_judged(topology(*checks), NOON)
    assert event.cause == "io-stopped, sql-stopped: stopped"
    [silent] = engine.topology_judged(topology(check(Trouble.LINK_SILENT, detail="")), NOON)
    assert silent.cause == "link-silent"


def test_what_a_server_says_is_never_taken_for_a_trouble() -> None:
    assert troubles_in("io-error: late, two-writers: late") == {Trouble.IO_ERROR}
    assert troubles_in("io-error, late") == {Trouble.IO_ERROR, Trouble.LATE}
    for foreign in (
        "",
        "connect: refused",
        "the SQL thread does not run",
        "late, and late: late",
        "late,late",
    ):
        assert troubles_in(foreign) == frozenset()


def test_what_is_bad_in_one_poll_only_pends_and_ends_untold(engine: AlertEngine) -> None:
    unsure = topology(check(Trouble.TWO_WRITERS, SUSPECT, node=None))
    assert told(engine.topology_judged(unsure, NOON)) == ["DatabaseTwoWriters pending"]
    assert engine.topology_judged(unsure, after(600)) == []
    [ended] = engine.topology_judged(topology(check(Trouble.TWO_WRITERS, FINE, node=None)), after(615))
    assert (ended.state, ended.started) == (AlertState.RESOLVED, None)


def test_a_suspicion_ends_nothing_that_fires(engine: AlertEngine) -> None:
    engine.topology_judged(STOPPED, NOON)
    assert engine.topology_judged(topology(check(Trouble.SQL_STOPPED, SUSPECT)), after(15)) == []
    assert active(engine) == ["ReplicationBroken firing"]


def test_a_suspicion_is_not_blamed_where_it_comes_to_nothing(engine: AlertEngine) -> None:
    checks = check(Trouble.SQL_STOPPED), check(Trouble.IO_ERROR, SUSPECT)
    engine.topology_judged(topology(*checks), NOON)
    assert told(engine.topology_judged(topology(check(Trouble.SQL_STOPPED, FINE)), after(15))) == [
        "ReplicationBroken resolved"
    ]


def test_a_minute_of_lag_is_a_warning_and_less_is_not(engine: AlertEngine) -> None:
    assert told(engine.topology_judged(LATE, NOON)) == ["ReplicationLate pending"]
    assert engine.topology_judged(LATE, after(45)) == []
    [event] = engine.topology_judged(LATE, after(60))
    assert (event.state, event.severity, event.node) == (AlertState.FIRING, Severity.WARNING, "db2")
    assert event.cause == "late: 75 s behind, more than 60 s"


def test_what_can_not_be_judged_neither_raises_nor_clears(engine: AlertEngine) -> None:
    assert engine.topology_judged(topology(), NOON) == []
    engine.topology_judged(STOPPED, NOON)
    gone = topology(down=["db2"])
    assert over(engine, gone) == []
    assert active(engine) == ["ReplicationBroken firing"]


def test_a_database_that_goes_down_does_not_end_broken_replication(engine: AlertEngine) -> None:
    engine.topology_judged(STOPPED, NOON)
    for second in (15, 30):
        engine.node_polled(poll(up=False), after(second))
        engine.topology_judged(topology(down=["db2"]), after(second))
    assert active(engine) == ["NodeDown firing", "ReplicationBroken firing"]


def test_an_alert_does_not_end_while_the_trouble_that_raised_it_can_not_be_judged(
    engine: AlertEngine,
) -> None:
    engine.topology_judged(topology(check(Trouble.APPLIER_BLOCKED), check(Trouble.LINK_SILENT, FINE)), NOON)
    assert engine.topology_judged(topology(check(Trouble.LINK_SILENT, FINE)), after(15)) == []
    assert told(engine.topology_judged(topology(check(Trouble.APPLIER_BLOCKED, FINE)), after(30))) == [
        "ReplicationStalled resolved"
    ]


def test_what_came_to_it_while_it_lasted_has_to_end_too(engine: AlertEngine) -> None:
    engine.topology_judged(topology(check(Trouble.APPLIER_BLOCKED), check(Trouble.LINK_SILENT, FINE)), NOON)
    both = topology(check(Trouble.APPLIER_BLOCKED, FINE), check(Trouble.LINK_SILENT))
    assert engine.topology_judged(both, after(15)) == []
    assert engine.topology_judged(topology(check(Trouble.APPLIER_BLOCKED, FINE)), after(30)) == []
    well = topology(check(Trouble.APPLIER_BLOCKED, FINE), check(Trouble.LINK_SILENT, FINE))
    assert told(engine.topology_judged(well, after(45))) == ["ReplicationStalled resolved"]


def test_the_next_alert_is_blamed_for_nothing_that_ended_the_last(engine: AlertEngine) -> None:
    both = topology(check(Trouble.APPLIER_BLOCKED), check(Trouble.LINK_SILENT))
    engine.topology_judged(both, NOON)
    engine.topology_judged(
        topology(check(Trouble.APPLIER_BLOCKED, FINE), check(Trouble.LINK_SILENT, FINE)), NOON
    )
    engine.topology_judged(topology(check(Trouble.LINK_SILENT)), after(15))
    assert told(engine.topology_judged(topology(check(Trouble.LINK_SILENT, FINE)), after(30))) == [
        "ReplicationStalled resolved"
    ]


def test_each_channel_has_its_own_alert(engine: AlertEngine) -> None:
    def state(a: CheckState, b: CheckState) -> TopologyState:
        checks = [check(Trouble.SQL_ERROR, how, channel=name) for name, how in (("a", a), ("b", b))]
        return topology(*checks)

    [first] = engine.topology_judged(state(BAD, FINE), NOON)
    [second] = engine.topology_judged(state(BAD, BAD), NOON)
    assert (first.channel, second.channel) == ("a", "b")
    assert first.fingerprint != second.fingerprint
    [ended] = engine.topology_judged(state(FINE, BAD), NOON)
    assert (ended.channel, ended.state) == ("a", AlertState.RESOLVED)


def test_a_trouble_is_its_subjects_alone(engine: AlertEngine) -> None:
    states = [
        topology(check(Trouble.NO_WRITER, node=None)),
        topology(check(Trouble.NO_WRITER, node=None), name="other", nodes=("db3", "db4")),
        topology(check(Trouble.REPLICA_WRITABLE, node="db1", channel=None)),
        topology(check(Trouble.REPLICA_WRITABLE, node="db2", channel=None)),
    ]
    events = [event for state in states for event in engine.topology_judged(state, NOON)]
    assert [event.about for event in events] == [
        {"topology": "main"},
        {"topology": "other"},
        {"topology": "main", "node": "db1"},
        {"topology": "main", "node": "db2"},
    ]
    assert len({event.fingerprint for event in events}) == 4
    engine.topology_judged(topology(check(Trouble.NO_WRITER, FINE, node=None)), after(15))
    assert [event.topology for event in engine.active if event.node is None] == ["other"]


def test_fingerprints_are_what_they_were_before_there_were_topologies(engine: AlertEngine) -> None:
    # Literals: receivers know alerts that fire over the upgrade by them.
    [broken] = engine.topology_judged(STOPPED, NOON)
    assert broken.fingerprint == "63b1de4f6ef82820"
    engine.topology_judged(LATE, NOON)
    assert {event.fingerprint for event in engine.active if event.rule == "ReplicationLate"} == {
        "37453736db4fc96d"
    }


def test_an_alert_about_a_topology_as_a_whole_has_a_fingerprint_of_its_own() -> None:
    same = "main"
    subjects = [
        Subject(topology=same),
        Subject(node=same),
        Subject(tenant=same),
        Subject(probe=same, location=same),
        Subject(),
    ]
    assert len({fingerprint("R", subject) for subject in subjects}) == len(subjects)
    assert fingerprint("R", Subject(topology="a", node="db2")) == fingerprint("R", Subject(node="db2"))


GONE: Final = "the channel is gone"


def ended_with(events: list[AlertEvent]) -> list[tuple[str, str | None, str]]:
    """Return rule, channel and cause of the alerts that ended."""
    return [(e.rule, e.channel, e.cause) for e in events if e.state is AlertState.RESOLVED]


def test_a_channel_that_is_removed_from_its_server_ends_its_alerts(engine: AlertEngine) -> None:
    checks = [check(trouble, channel=name) for name in "ab" for trouble in (Trouble.IO_ERROR, Trouble.LATE)]
    over(engine, topology(*checks))
    assert len(engine.active) == 4
    left = topology(*(each for each in checks if each.channel == "b"))
    events = engine.topology_judged(left, after(135))
    assert sorted(ended_with(events)) == [("ReplicationBroken", "a", GONE), ("ReplicationLate", "a", GONE)]
    assert [event.channel for event in engine.active] == ["b", "b"]
    assert all(event.started is not None for event in events)


@pytest.mark.parametrize(
    "state",
    [
        topology(check(Trouble.MEMBER_DOWN, channel=None), down=["db2"]),
        topology(nodes=("db1",)),
        replace(topology(), checks=()),
        replace(topology(), members=tuple(replace(m, channels_known=False) for m in topology().members)),
        topology(links=(Link("db2", "", "db1", "127.0.0.1:3306", True, False),)),
        topology(check(Trouble.IO_STOPPED, FINE)),
    ],
    ids=["down", "elsewhere", "not judged", "channels not read", "a link", "another check of it"],
)
def test_a_channel_that_may_be_there_still_ends_nothing(engine: AlertEngine, state: TopologyState) -> None:
    engine.topology_judged(STOPPED, NOON)
    assert engine.topology_judged(state, after(15)) == []
    assert active(engine) == ["ReplicationBroken firing"]


def test_a_server_that_replicates_no_more_is_told_beside_the_end_of_its_channel(engine: AlertEngine) -> None:
    engine.topology_judged(STOPPED, NOON)
    state = topology(check(Trouble.NOT_REPLICATING, channel=None, detail="it has no source"))
    began, ended = engine.topology_judged(state, after(15))
    assert (began.state, began.channel, began.cause) == (
        AlertState.FIRING,
        None,
        "not-replicating: it has no source",
    )
    assert ended_with([ended]) == [("ReplicationBroken", "", GONE)]


def test_the_end_of_a_channel_ends_no_alert_about_something_else(engine: AlertEngine) -> None:
    for second in (0, 15):
        engine.node_polled(poll(up=False), after(second))
    assert engine.topology_judged(topology(), after(20)) == []
    assert active(engine) == ["NodeDown firing"]


def test_a_node_that_is_moved_to_another_topology_takes_along_what_is_judged_there_and_ends_the_rest(
    engine: AlertEngine,
) -> None:
    writable = check(Trouble.REPLICA_WRITABLE, channel=None)
    engine.topology_judged(topology(writable, check(Trouble.NOT_REPLICATING, channel=None)), NOON)
    assert engine.topology_judged(topology(nodes=("db1",)), after(15)) == []
    alone = topology(writable, name="db2", nodes=("db2",))
    assert ended_with(engine.topology_judged(alone, after(30))) == [
        ("ReplicationBroken", None, "db2 is no longer in main")
    ]
    assert active(engine) == ["ReplicaWritable firing"]


def restarted(engine: AlertEngine) -> AlertEngine:
    """Return what follows the engine after a restart, which ends nothing by itself."""
    again = AlertEngine(rules())
    assert again.restore(engine.active, watched=lambda _: True, now=after(60)) == []
    return again


@pytest.mark.parametrize(
    ("trouble", "node", "kind"),
    [
        (Trouble.TWO_WRITERS, None, TopologyKind.MULTI_PRIMARY),
        (Trouble.REPLICA_WRITABLE, "db2", TopologyKind.ACTIVE_PASSIVE),
        (Trouble.NOT_REPLICATING, "db2", TopologyKind.GALERA),
    ],
)
@pytest.mark.parametrize("down", [(), ("db1", "db2")])
def test_a_trouble_that_the_new_kind_of_a_topology_never_has_ends_its_alert(
    engine: AlertEngine, trouble: Trouble, node: str | None, kind: TopologyKind, down: tuple[str, ...]
) -> None:
    engine.topology_judged(topology(check(trouble, node=node, channel=None)), NOON)
    again = restarted(engine)
    [ended] = again.topology_judged(topology(kind=kind, down=down), after(75))
    assert (ended.state, ended.cause) == (AlertState.RESOLVED, f"main is {kind} now")
    assert again.active == ()


def test_a_trouble_that_the_new_kind_has_too_goes_on_until_it_is_judged_there(engine: AlertEngine) -> None:
    engine.topology_judged(topology(check(Trouble.NO_WRITER, node=None)), NOON)
    again = restarted(engine)
    assert again.topology_judged(topology(kind=TopologyKind.GALERA), after(75)) == []
    assert active(again) == ["DatabaseNoWriter firing"]


def test_of_two_troubles_the_one_that_the_new_kind_never_has_holds_the_alert_up_no_more(
    tmp_path: Path,
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules: [{name: Mine, when: database-trouble, troubles: [two-writers, no-writer], severity: warning, "
        "for: 0s, summary: s, felt: f}]"
    )
    engine = AlertEngine([rule for rule in rules(file) if rule.name == "Mine"])
    for trouble in (Trouble.TWO_WRITERS, Trouble.NO_WRITER):
        engine.topology_judged(topology(check(trouble, node=None)), NOON)
    kind = TopologyKind.MULTI_PRIMARY
    assert engine.topology_judged(topology(kind=kind), after(15)) == []
    well = topology(check(Trouble.NO_WRITER, FINE, node=None), kind=kind)
    assert told(engine.topology_judged(well, after(30))) == ["Mine resolved"]


def test_the_kind_of_a_topology_ends_nothing_of_another_one(engine: AlertEngine) -> None:
    engine.topology_judged(topology(check(Trouble.TWO_WRITERS, node=None)), NOON)
    other = topology(name="other", kind=TopologyKind.MULTI_PRIMARY, nodes=("db3", "db4"))
    assert engine.topology_judged(other, after(15)) == []
    assert active(engine) == ["DatabaseTwoWriters firing"]


def test_an_alert_names_the_tenants_whose_data_the_databases_hold(engine: AlertEngine) -> None:
    state = replica(Trouble.SQL_ERROR, tenants=TENANTS, impact=Impact.HURT)
    [event] = engine.topology_judged(state, NOON)
    assert (event.tenants, event.tenants_total) == (TENANTS, 2)
    assert event.tenant is None


def test_of_many_tenants_the_first_are_named_and_all_are_counted(engine: AlertEngine) -> None:
    many = tuple(f"t{number}.clusterpbx.example" for number in range(10_000))
    [event] = engine.topology_judged(replica(Trouble.SQL_ERROR, tenants=many), NOON)
    assert (event.tenants, event.tenants_total) == (many[:TENANTS_NAMED], 10_000)


def test_where_tenants_have_nothing_of_it_none_is_named(engine: AlertEngine) -> None:
    state = replica(Trouble.SQL_ERROR, tenants=TENANTS, impact=Impact.NONE)
    [event] = engine.topology_judged(state, NOON)
    assert (event.tenants, event.tenants_total) == ((), 0)


def test_a_database_that_is_down_names_the_tenants_too(engine: AlertEngine) -> None:
    engine.topology_judged(topology(tenants=TENANTS), NOON)
    engine.topology_judged(topology(name="other", nodes=("db3",), tenants=(GLOBEX,)), NOON)
    for second in (15, 30):
        [event] = engine.node_polled(poll("db2", up=False), after(second))
        assert (event.rule, event.topology, event.tenants) == ("NodeDown", None, TENANTS)
    assert event.state is AlertState.FIRING


def test_before_anything_was_judged_and_of_other_servers_a_node_that_is_down_names_nobody(
    engine: AlertEngine,
) -> None:
    [database] = engine.node_polled(poll("db2", up=False), NOON)
    engine.topology_judged(topology(tenants=TENANTS), NOON)
    [proxy] = engine.node_polled(poll("sip1", up=False, kind=NodeKind.OPENSIPS), NOON)
    assert (database.tenants, proxy.tenants) == ((), ())


def test_the_tenants_are_those_of_now(engine: AlertEngine) -> None:
    for tenants in (TENANTS, (ACME,)):
        engine.topology_judged(topology(tenants=tenants), NOON)
    [event] = engine.node_polled(poll("db2", up=False), NOON)
    assert event.tenants == (ACME,)


def test_an_alert_that_began_before_anybody_told_the_tenants_names_them_then_without_news(
    engine: AlertEngine,
) -> None:
    engine.topology_judged(replica(Trouble.SQL_ERROR), NOON)
    told_now = replica(Trouble.SQL_ERROR, tenants=TENANTS)
    assert engine.topology_judged(told_now, after(15)) == []
    [event] = engine.active
    assert (event.tenants, event.tenants_total, event.since) == (TENANTS, 2, NOON)
    assert engine.take_named() == [event]
    assert engine.topology_judged(replica(Trouble.SQL_ERROR, tenants=(ACME,)), after(30)) == []
    assert (engine.active, engine.take_named()) == ((event,), [])


def test_of_what_tenants_have_nothing_none_is_named_later_either(engine: AlertEngine) -> None:
    for tenants in ((), TENANTS):
        engine.topology_judged(replica(Trouble.SQL_ERROR, tenants=tenants, impact=Impact.NONE), NOON)
    assert [event.tenants for event in engine.active] == [()]


def test_a_good_replica_is_no_news(engine: AlertEngine) -> None:
    assert over(engine, HEALTHY) == []
    assert engine.active == ()


def test_texts_of_servers_become_one_bounded_printable_line() -> None:
    assert one_line("a\x1b[31m\r\n b\u202e") == "a [31m b"
    assert len(one_line("x" * 100_000)) == 500


def test_however_long_a_servers_words_are_the_troubles_stand_in_the_cause(engine: AlertEngine) -> None:
    names = [Trouble.IO_ERROR, Trouble.SQL_ERROR, Trouble.BINLOG_PURGED]
    [event] = engine.topology_judged(topology(*(check(t, detail="x" * 10_000) for t in names)), NOON)
    assert len(event.cause) == 500
    assert troubles_in(event.cause) == set(names)
