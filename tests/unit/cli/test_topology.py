"""Topologies as text: each picture exactly as a person sees it, in 80 columns."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dialtone.cli.topology import draw
from dialtone.model import (
    Check,
    CheckState,
    Impact,
    Link,
    Member,
    Role,
    Topology,
    TopologyKind,
    TopologyState,
    Trouble,
)
from tests.fakes.results import ACME, BOLT, NOON
from tests.fakes.topologies import a_link, a_member, a_topology_state

ACTIVE: Final = a_member("db1", role=Role.ACTIVE, writable=True)
PASSIVE: Final = a_member("db2", role=Role.PASSIVE)
BOTH_WAYS: Final = (a_link("db2", "db1", lag=12.34, gap=40), a_link("db1", "db2", gap=0))


def pictured(*lines: str) -> list[str]:
    """Return the lines of a picture."""
    return list(lines)


def bad(trouble: Trouble, node: str | None = None, detail: str = "", impact: Impact = Impact.HURT) -> Check:
    return Check(trouble, CheckState.BAD, node, None if node is None else "", 1.0, detail, impact)


def test_a_pair_that_replicate_from_each_other_begins_with_the_one_that_is_written_to() -> None:
    state = a_topology_state(members=(PASSIVE, ACTIVE), links=BOTH_WAYS, tenants=(ACME, BOLT))
    assert draw(state) == pictured(
        "main  active-passive  fine  2 tenants",
        "  db1  active   writable   10.11.19-MariaDB  clock +0.000 s",
        "    └─> db2  I/O yes  SQL yes  lag 12.3 s by heartbeat  gap 40",
        "  db2  passive  read-only  10.11.19-MariaDB  clock +0.000 s",
        "    └─> db1  I/O yes  SQL yes  lag 0.0 s by heartbeat  gap 0",
    )


def test_what_is_wrong_stands_below_the_worst_first_suspicions_last_long_texts_folded() -> None:
    error = (
        "Could not execute Write_rows_v1 event on table opensips.location; Duplicate entry '7' for key "
        "'PRIMARY', Error_code: 1062; the event's master log binlog.000003, end_log_pos 1042"
    )
    checks = (
        Check(Trouble.LATE, CheckState.SUSPECT, "db2", "dc2", 75.0, "75 s behind db1"),
        bad(Trouble.DONOR, "db1", impact=Impact.NONE),
        Check(Trouble.MEMBER_DOWN, CheckState.FINE, "db1"),
        bad(Trouble.SEMI_SYNC_OFF, "db1", "fell back to asynchronous", Impact.EXPOSED),
        bad(Trouble.DUPLICATE_KEY, "db2", error),
        bad(Trouble.NO_WRITER, None, "none of them takes writes"),
    )
    links = (a_link("db2", "db1", sql_running=False, lag=None),)
    tenants = tuple(f"t{number}.ntek.example" for number in range(1000))
    state = a_topology_state(members=(ACTIVE, PASSIVE), links=links, checks=checks, tenants=tenants)
    assert draw(state) == pictured(
        "main  active-passive  HURT  1,000 tenants",
        "  db1  active   writable   10.11.19-MariaDB  clock +0.000 s",
        "    └─> db2  I/O yes  SQL NO  lag unknown",
        "  db2  passive  read-only  10.11.19-MariaDB  clock +0.000 s",
        "  duplicate-key  db2  hurt  Could not execute Write_rows_v1 event on table",
        "      opensips.location; Duplicate entry '7' for key 'PRIMARY', Error_code:",
        "      1062; the event's master log binlog.000003, end_log_pos 1042",
        "  no-writer  hurt  none of them takes writes",
        "  semi-sync-off  db1  exposed  fell back to asynchronous",
        "  donor  db1",
        "  late  db2/dc2  seen once  75 s behind db1",
        "  tenants  t0.ntek.example, t1.ntek.example, t2.ntek.example, t3.ntek.example,",
        "      t4.ntek.example and 995 more",
    )


def test_in_a_chain_each_source_stands_before_its_replicas_however_they_are_configured() -> None:
    members = (
        a_member("db3", role=Role.REPLICA),
        a_member("db2", role=Role.RELAY),
        a_member("db1", role=Role.SOURCE, writable=True),
        a_member("db4", role=Role.REPLICA),
    )
    links = (a_link("db2", "db1"), a_link("db3", "db2", lag=0.2), a_link("db4", "db1"))
    state = a_topology_state("cdr", TopologyKind.PRIMARY_REPLICA, members=members, links=links)
    assert draw(state) == pictured(
        "cdr  primary-replica  fine  no tenants",
        "  db1  source   writable   10.11.19-MariaDB  clock +0.000 s",
        "    ├─> db2  I/O yes  SQL yes  lag 0.0 s by heartbeat",
        "    └─> db4  I/O yes  SQL yes  lag 0.0 s by heartbeat",
        "  db2  relay    read-only  10.11.19-MariaDB  clock +0.000 s",
        "    └─> db3  I/O yes  SQL yes  lag 0.2 s by heartbeat",
        "  db3  replica  read-only  10.11.19-MariaDB  clock +0.000 s",
        "  db4  replica  read-only  10.11.19-MariaDB  clock +0.000 s",
    )


def test_a_replica_of_several_stands_under_each_and_a_stranger_is_called_one() -> None:
    members = (
        a_member("hub", role=Role.REPLICA),
        a_member("a", role=Role.SOURCE, writable=True),
        a_member("b", up=False, writable=None),
    )
    by_status = replace(a_link("hub", None, channel="dc2", lag=172.0), measured=False, delay=3600.0, gap=None)
    links = (
        a_link("hub", "a", channel="from-a", gap=12345),
        a_link("hub", "b", channel="from-b", io_running=False, lag=None),
        by_status,
        replace(by_status, channel="dc2b", lag=2.0, delay=0.0, io_running=False),
    )
    state = a_topology_state("cdr", TopologyKind.PRIMARY_REPLICA, members=members, links=links)
    assert draw(state) == pictured(
        "cdr  primary-replica  unknown in part  no tenants",
        "  elsewhere:3306  not one of these nodes",
        "    ├─> hub  channel dc2  I/O yes  SQL yes  lag 172 s by status",
        "    │       meant delay 3,600 s",
        "    └─> hub  channel dc2b  I/O NO  SQL yes  lag 2.0 s by status",
        "  a    source   writable   10.11.19-MariaDB  clock +0.000 s",
        "    └─> hub  channel from-a  I/O yes  SQL yes  lag 0.0 s by heartbeat",
        "            gap 12,345",
        "  b    DOWN",
        "    └─> hub  channel from-b  I/O NO  SQL yes  lag unknown",
        "  hub  replica  read-only  10.11.19-MariaDB  clock +0.000 s",
    )


def test_of_a_cluster_each_nodes_state_is_told() -> None:
    def node(name: str, status: str) -> Member:
        return replace(a_member(name, role=Role.MEMBER, writable=True), status=status)

    members = (node("g1", "Synced"), node("g2", "Donor/Desynced"), a_member("g3", up=False))
    state = a_topology_state("pxc", TopologyKind.GALERA, members=members, tenants=(ACME,))
    assert draw(state) == pictured(
        "pxc  galera  unknown in part  1 tenant",
        "  g1  member  writable  Synced          10.11.19-MariaDB  clock +0.000 s",
        "  g2  member  writable  Donor/Desynced  10.11.19-MariaDB  clock +0.000 s",
        "  g3  DOWN",
    )


def test_a_server_that_stands_alone_has_no_tenants_to_speak_of() -> None:
    unsure = replace(a_member("db9", writable=None), clock_offset=-61.5, channels_known=False)
    state = a_topology_state("db9", TopologyKind.STANDALONE, members=(unsure,))
    assert draw(state) == pictured(
        "db9  standalone  unknown in part", "  db9  10.11.19-MariaDB  clock -61.500 s  channels unread"
    )


def test_a_channel_without_a_name_needs_none_and_a_clock_that_is_right_no_sign() -> None:
    state = a_topology_state(
        members=(replace(ACTIVE, clock_offset=-0.0001), PASSIVE),
        links=(a_link("db2", "db1", channel="default"), a_link("db2", "db1", channel="dc2")),
        checks=(replace(bad(Trouble.LATE, "db2"), channel="default"),),
    )
    assert draw(state) == pictured(
        "main  active-passive  HURT  no tenants",
        "  db1  active   writable   10.11.19-MariaDB  clock +0.000 s",
        "    ├─> db2  I/O yes  SQL yes  lag 0.0 s by heartbeat",
        "    └─> db2  channel dc2  I/O yes  SQL yes  lag 0.0 s by heartbeat",
        "  db2  passive  read-only  10.11.19-MariaDB  clock +0.000 s",
        "  late  db2  hurt",
    )


@pytest.mark.parametrize(
    ("checks", "up", "verdict"),
    [
        ((), True, "fine"),
        ((), False, "unknown"),
        ((Check(Trouble.LATE, CheckState.FINE, "db1"),), True, "fine"),
        ((Check(Trouble.LATE, CheckState.SUSPECT, "db1"),), True, "uncertain"),
        ((bad(Trouble.DONOR, "db1", impact=Impact.NONE),), True, "not felt"),
        ((bad(Trouble.LATE, "db1", impact=Impact.EXPOSED),), True, "EXPOSED"),
        ((bad(Trouble.MEMBER_DOWN, "db1"),), False, "HURT"),
    ],
)
def test_the_heading_says_what_tenants_have_of_it(checks: tuple[Check, ...], up: bool, verdict: str) -> None:
    state = a_topology_state(members=(a_member("db1", up=up),), checks=checks)
    assert draw(state)[0] == f"main  active-passive  {verdict}  no tenants"


@pytest.mark.parametrize(
    "other",
    [a_member("db2", up=False), replace(a_member("db2"), channels_known=False)],
    ids=["doesn't answer", "channels unread"],
)
def test_where_a_member_tells_nothing_the_heading_does_not_say_that_all_is_fine(other: Member) -> None:
    state = a_topology_state(members=(a_member("db1"), other))
    assert draw(state)[0] == "main  active-passive  unknown in part  no tenants"
    late = a_topology_state(members=(a_member("db1"), other), checks=(bad(Trouble.LATE, "db1"),))
    assert draw(late)[0] == "main  active-passive  HURT  no tenants"


def test_what_a_server_says_is_no_command_of_the_terminal() -> None:
    evil = "x\x1b[2J\u202e\n"
    state = a_topology_state(
        members=(replace(ACTIVE, version=evil, status=evil), PASSIVE),
        links=(replace(a_link("db2", None, channel=evil), address=evil), a_link("db2", "db1", channel=evil)),
        checks=(Check(Trouble.SQL_ERROR, CheckState.BAD, "db2", evil, 1.0, evil),),
    )
    lines = draw(state)
    assert all(line.isprintable() for line in lines)
    assert sum(r"x\x1b[2J\u202e\n" in line for line in lines) >= 5


texts: Final = st.text(max_size=300)
names: Final = st.text(st.sampled_from("abcXYZ019._-"), min_size=1, max_size=63)


@given(nodes=st.lists(names, min_size=1, max_size=4, unique=True), said=texts, channel=texts, data=st.data())
def test_no_line_is_longer_than_80_columns_and_every_server_and_link_is_there(
    nodes: list[str], said: str, channel: str, data: st.DataObject
) -> None:
    some = st.sampled_from(nodes)
    pairs = data.draw(st.lists(st.tuples(some, st.none() | some), max_size=8))
    links = tuple(
        Link(replica, channel, source, said, io_running=True, sql_running=True, lag=1e9, gap=10**12)
        for replica, source in pairs
    )
    members = tuple(Member(node, True, Role.RELAY, None, said, -1e6, 0.1, said) for node in nodes)
    checks = (Check(Trouble.AUTO_INCREMENT_COLLISION, CheckState.BAD, nodes[0], channel, 1.0, said),)
    topology = Topology(nodes[0], TopologyKind.PRIMARY_REPLICA, tuple(nodes), None)
    lines = draw(TopologyState(topology, NOON, members, links, checks, tuple(f"{n}.example" for n in nodes)))
    assert max(map(cell_len, lines)) <= 80
    assert all(line.isprintable() for line in lines)
    assert sum(line.lstrip(" ").startswith(("├─> ", "└─> ")) for line in lines) == len(links)
    assert all(any(line.startswith(f"  {node}") for line in lines) for node in nodes)
