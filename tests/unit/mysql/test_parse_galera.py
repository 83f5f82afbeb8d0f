"""Nodes of a cluster, from recorded status."""

from dataclasses import replace

import pytest

from collectors.mysql.fields import Facts
from collectors.mysql.metrics_galera import galera_state
from collectors.mysql.parse_galera import parse_galera
from collectors.mysql.snapshot import Galera
from collectors.mysqlclient import Row
from dialtone.model import CollectError
from tests.unit.mysql.recordings import recording

GALERA, XTRADB = "mariadb-10.11-galera", "xtradb-8.0"
PROVIDED = Facts([{"Variable_name": "wsrep_provider", "Value": "/usr/lib/galera/libgalera_smm.so"}])
ALL = ("127.0.0.1:23410", "127.0.0.1:23420", "127.0.0.1:23430")


def node(server: str, state: str) -> Galera:
    """A node as recorded."""
    found = recording(server, state).snapshot.galera
    assert found is not None
    return found


def with_status(**values: str) -> Galera:
    """A node with this status alone."""
    rows: list[Row] = [{"Variable_name": name, "Value": value} for name, value in values.items()]
    found = parse_galera(PROVIDED, Facts(rows))
    assert found is not None
    return found


def test_a_healthy_node_knows_its_cluster_and_itself() -> None:
    found = node(GALERA, "healthy_1")
    assert (found.primary, found.size, found.view, found.state) == (True, 3, 3, "Synced")
    assert (found.members, found.own) == (ALL, ALL[0])
    assert (found.ready, found.connected, found.desync, found.pause_requested) == (True, True, False, False)


def test_a_node_without_majority_has_no_view_and_still_says_it_is_connected() -> None:
    found = node(GALERA, "non_primary_1")
    assert (found.primary, found.view, found.size) == (False, None, 1)
    assert (found.ready, found.connected) == (False, True)


def test_a_split_brain_is_primary_and_synced_on_both_sides() -> None:
    one, other = node(GALERA, "split_brain_1"), node(GALERA, "split_brain_3")
    assert (one.primary, other.primary, one.state, other.state) == (True, True, "Synced", "Synced")
    assert one.cluster_uuid == other.cluster_uuid
    assert not set(one.members) & set(other.members)


def test_the_culprit_of_flow_control_asks_for_the_pause() -> None:
    found = node(GALERA, "flow_control_3_culprit")
    assert (found.pause_requested, found.pauses_sent) == (True, 1)
    assert found.paused == pytest.approx(3.142884931)


def test_a_node_that_was_taken_out_of_step_says_so() -> None:
    found = node(GALERA, "desync_3")
    assert (found.desync, found.state, galera_state(found)) == (True, "Donor/Desynced", "donor")


def test_conflicts_are_counted() -> None:
    found = node(GALERA, "cert_conflicts_1")
    assert found.certification_failures > 0
    assert found.brute_force_aborts > 0


@pytest.mark.parametrize(
    ("variables", "replicating", "rejects"),
    [
        ({}, True, False),
        ({"wsrep_on": "ON", "wsrep_reject_queries": "NONE"}, True, False),
        ({"wsrep_on": "OFF", "wsrep_reject_queries": "ALL"}, False, True),
        ({"wsrep_on": "0", "wsrep_reject_queries": "all_kill"}, False, True),
    ],
)
def test_a_node_may_keep_its_writes_or_reject_all_queries(
    variables: dict[str, str], replicating: bool, rejects: bool
) -> None:
    rows: list[Row] = [
        {"Variable_name": name, "Value": value}
        for name, value in {"wsrep_provider": "x", **variables}.items()
    ]
    found = parse_galera(Facts(rows), Facts(()))
    assert found is not None
    assert (found.replicating, found.rejects) == (replicating, rejects)


@pytest.mark.parametrize("provider", ["", "none", "NONE"])
def test_a_server_without_a_provider_is_no_node(provider: str) -> None:
    variables = Facts([{"Variable_name": "wsrep_provider", "Value": provider}])
    status = Facts([{"Variable_name": "wsrep_cluster_status", "Value": "Disconnected"}])
    assert parse_galera(variables, status) is None
    assert parse_galera(Facts(()), status) is None


def test_an_arbitrator_has_a_place_and_no_address() -> None:
    found = with_status(wsrep_incoming_addresses=",192.0.2.1:3306,192.0.2.2:3306", wsrep_local_index="2")
    assert (found.members, found.own) == (("192.0.2.1:3306", "192.0.2.2:3306"), "192.0.2.2:3306")


def test_a_node_that_has_only_just_begun_is_nothing_yet() -> None:
    found = with_status(wsrep_last_committed="-1", wsrep_local_index="18446744073709551615")
    assert (found.committed, found.own, found.members, found.view, found.primary) == (0, "", (), None, False)


def test_members_without_end_are_cut_off() -> None:
    assert len(with_status(wsrep_incoming_addresses="a:1," * 10_000).members) == 256


@pytest.mark.parametrize(
    "status",
    [
        {"wsrep_cluster_size": "three"},
        {"wsrep_local_recv_queue": "-3"},
        {"wsrep_flow_control_sent": "9" * 30},
    ],
)
def test_status_that_makes_no_sense_is_refused(status: dict[str, str]) -> None:
    with pytest.raises(CollectError, match="is no number"):
        with_status(**status)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("Synced", "synced"),
        ("Joining: receiving State Transfer", "joining"),
        ("Joined", "joined"),
        ("Inconsistent", "inconsistent"),
        ("", "other"),
        ("x" * 300, "other"),
    ],
)
def test_a_state_is_one_of_few_words(told: str, state: str) -> None:
    assert galera_state(replace(node(GALERA, "healthy_1"), state=told)) == state
