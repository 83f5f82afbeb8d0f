"""Our message against what a real Alertmanager sent."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.payload import NOT_ENDED, AlertWriter, group_labels, grouped, whose
from dialtone.model import AlertState
from tests.fakes.alerts import ACME, GLOBEX, NOON, alert, rules

DATA = Path(__file__).parents[2] / "data" / "alerts"
NTEK = "ntek.clusterpbx.example"


def recorded(name: str) -> dict[str, Any]:
    """Return the body of a recorded webhook."""
    body = json.loads((DATA / f"{name}.json").read_text())["body"]
    assert isinstance(body, dict)
    return body


@pytest.fixture
def writer() -> AlertWriter:
    """Return a writer for a platform where acme belongs to ntek."""
    return AlertWriter(
        rules(), external_url="http://127.0.0.1:9876/", reseller_of=lambda t: NTEK if t == ACME else None
    )


def shape(message: dict[str, Any]) -> object:
    """Return a message's shape: label and annotation sets count as "texts by name"."""
    free = {"labels", "annotations", "groupLabels", "commonLabels", "commonAnnotations"}

    def walk(value: object) -> object:
        if isinstance(value, dict):
            for texts in (value[key] for key in value.keys() & free):
                assert all(isinstance(text, str) for pair in texts.items() for text in pair)
            return {key: "texts" if key in free else walk(inner) for key, inner in value.items()}
        return [walk(inner) for inner in value] if isinstance(value, list) else type(value)

    return walk(message)


@pytest.mark.parametrize(
    ("recording", "state"),
    [
        ("alertmanager-0.25-firing", AlertState.FIRING),
        ("alertmanager-0.25-resolved", AlertState.RESOLVED),
    ],
)
def test_the_message_has_exactly_the_shape_of_alertmanagers(
    writer: AlertWriter, recording: str, state: AlertState
) -> None:
    theirs = recorded(recording)
    ours = writer.message("hook", [alert(state, rule="ProbeFailing", tenant=ACME, flow="call")])
    assert list(ours) == list(theirs)
    assert shape(ours) == shape(theirs)
    assert (ours["status"], ours["version"]) == (theirs["status"], theirs["version"])


def test_a_newer_alertmanager_adds_to_the_same_version_but_takes_nothing_away(writer: AlertWriter) -> None:
    theirs = recorded("alertmanager-0.33-firing")
    assert theirs["version"] == "4"
    assert writer.message("hook", [alert(node="db2")]).keys() <= theirs.keys()


def test_group_key_and_instants_are_spelt_as_alertmanager_does(writer: AlertWriter) -> None:
    event = alert(rule="ProbeFailing", tenant="acme", flow="call")
    ours: dict[str, Any] = writer.message("hook", [event])
    assert ours["groupKey"] == recorded("alertmanager-0.25-firing")["groupKey"]
    assert ours["alerts"][0]["startsAt"] == "2026-03-01T12:00:00.000Z"
    assert (
        ours["alerts"][0]["endsAt"]
        == NOT_ENDED
        == recorded("alertmanager-0.25-firing")["alerts"][0]["endsAt"]
    )


def test_a_resolved_alert_says_when_it_began_and_when_it_ended(writer: AlertWriter) -> None:
    event = alert(AlertState.RESOLVED, node="db2", since=NOON + timedelta(seconds=90), started=NOON)
    message: dict[str, Any] = writer.message("hook", [event])
    [told] = message["alerts"]
    assert (told["startsAt"], told["endsAt"]) == ("2026-03-01T12:00:00.000Z", "2026-03-01T12:01:30.000Z")
    assert told["status"] == "resolved"


def test_labels_name_exactly_what_applies(writer: AlertWriter) -> None:
    assert writer.labels(alert(rule="ProbeFailing", tenant=ACME, flow="call")) == {
        "alertname": "ProbeFailing",
        "severity": "critical",
        "tenant": ACME,
        "reseller": NTEK,
        "flow": "call",
    }
    assert writer.labels(alert(rule="ReplicationBroken", node="db2", channel="")) == {
        "alertname": "ReplicationBroken",
        "severity": "critical",
        "node": "db2",
    }
    assert "reseller" not in writer.labels(alert(rule="ProbeFailing", tenant=GLOBEX, flow="call"))


def test_an_alert_about_a_probe_names_it_and_where_it_ran(writer: AlertWriter) -> None:
    event = alert(rule="ProbeFailing", tenant=ACME, flow="call", probe="calls-tls", location="mtl1")
    labels = writer.labels(event)
    assert (labels["probe"], labels["location"]) == ("calls-tls", "mtl1")


def test_the_words_of_a_rule_may_name_everything_that_an_alert_is_about() -> None:
    [rule] = [rule for rule in rules() if rule.name == "ProbeFailing"]
    rule = replace(rule, summary="{flow} of {tenant} from {location}", felt="See {probe}.")
    writer = AlertWriter([rule], external_url="http://127.0.0.1:9876", reseller_of=lambda _: None)
    event = alert(rule=rule.name, tenant=ACME, flow="call", probe="calls", location="mtl1", cause="no answer")
    assert writer.annotations(event) == {
        "summary": f"call of {ACME} from mtl1",
        "description": f"call of {ACME} from mtl1. Cause: no answer. See calls.",
    }


def test_annotations_say_what_is_wrong_why_and_what_tenants_feel(writer: AlertWriter) -> None:
    event = alert(rule="ReplicationBroken", node="db2", channel="dc2", cause="the SQL thread does not run")
    notes = writer.annotations(event)
    assert notes["summary"] == "Replication on db2 is broken (channel dc2)"
    assert notes["description"] == (
        "Replication on db2 is broken (channel dc2). Cause: the SQL thread does not run. "
        "What is changed elsewhere does not reach db2: a switch to it would lose changes, and tenants "
        "that are served from it see old data."
    )


def test_an_alert_about_databases_names_topology_and_tenants(writer: AlertWriter) -> None:
    event = alert(
        rule="DatabaseNoWriter", topology="main", tenants=(ACME, GLOBEX), cause="no-writer: all are read-only"
    )
    assert writer.labels(event) == {
        "alertname": "DatabaseNoWriter",
        "severity": "critical",
        "topology": "main",
    }
    notes = writer.annotations(event)
    assert notes["tenants"] == f"2 tenants: {ACME}, {GLOBEX}"
    assert notes["summary"] == "No server of main takes changes"
    assert notes["description"].startswith(f"{notes['summary']}. Cause: no-writer: all are read-only. ")
    assert notes["description"].endswith(f" This is about 2 tenants: {ACME}, {GLOBEX}.")


def test_where_tenants_have_nothing_of_it_nothing_is_said_of_tenants(writer: AlertWriter) -> None:
    assert writer.annotations(alert(node="db2")).keys() == {"summary", "description"}


def test_one_tenant_is_one_and_ten_thousand_are_counted(writer: AlertWriter) -> None:
    assert whose(alert(node="db2", tenants=(ACME,))) == f"1 tenant: {ACME}"
    many = tuple(f"tenant-{number}.clusterpbx.example" for number in range(10_000))
    words = whose(alert(node="db2", tenants=many))
    assert words.startswith("10,000 tenants: tenant-0.clusterpbx.example, ")
    assert len(words) <= 500
    listed = words.partition(": ")[2].partition(" and ")[0].split(", ")
    assert words.endswith(f" and {10_000 - len(listed):,} more")
    assert listed == list(many[: len(listed)])


def test_a_domain_as_long_as_one_can_be_is_named_still(writer: AlertWriter) -> None:
    assert whose(alert(node="db2", tenants=("x" * 253,))) == "1 tenant: " + "x" * 253


def test_an_alert_about_a_topology_as_a_whole_says_so_where_the_words_name_a_node() -> None:
    [rule] = [rule for rule in rules() if rule.name == "GaleraDegraded"]
    rule = replace(rule, summary="{node} of {topology}{channel}", felt="f")
    writer = AlertWriter([rule], external_url="http://127.0.0.1:9876", reseller_of=lambda _: None)
    summaries = [
        writer.annotations(alert(rule=rule.name, topology=topology, node=node, channel=channel))["summary"]
        for topology, node, channel in (("main", None, None), ("main", "db2", ""), (None, "db2", ""))
    ]
    assert summaries == ["main of main", "db2 of main", "db2 of db2"]


def test_alerts_about_topologies_share_a_message_only_with_their_own() -> None:
    events = [alert(rule="SplitBrain", topology=name) for name in ("main", "other")]
    assert grouped(events) == [[events[0]], [events[1]]]
    assert group_labels(events[0]) == {"alertname": "SplitBrain", "topology": "main"}


def test_a_cause_with_braces_is_text_and_not_a_template(writer: AlertWriter) -> None:
    assert (
        "{tenant.__class__}"
        in writer.annotations(alert(node="db2", cause="{tenant.__class__}"))["description"]
    )


def test_every_rule_has_words_that_name_its_subject(writer: AlertWriter) -> None:
    for rule in rules():
        event = alert(rule=rule.name, tenant=ACME, node="db2", flow="call")
        assert any(name in writer.annotations(event)["summary"] for name in (ACME, "db2"))


def test_alerts_of_one_rule_and_node_share_a_message_and_its_common_labels(writer: AlertWriter) -> None:
    events = [
        alert(rule="ReplicationBroken", node="db2", channel="a"),
        alert(AlertState.RESOLVED, rule="ReplicationBroken", node="db2", channel="b"),
    ]
    assert grouped(events) == [events]
    told = writer.message("hook", events)
    assert told["status"] == "firing"
    assert told["commonLabels"] == {"alertname": "ReplicationBroken", "severity": "critical", "node": "db2"}
    assert told["groupLabels"] == {"alertname": "ReplicationBroken", "node": "db2"}


def test_tenants_never_share_a_message() -> None:
    mine = alert(rule="ProbeFailing", tenant=ACME, flow="call")
    theirs = alert(rule="ProbeFailing", tenant=GLOBEX, flow="call")
    assert grouped([mine, theirs]) == [[mine], [theirs]]


def test_an_alert_that_fired_and_ended_makes_two_messages_in_order() -> None:
    fired, ended = alert(node="db2"), alert(AlertState.RESOLVED, node="db2")
    assert grouped([fired, ended]) == [[fired], [ended]]
