"""What messages are made of alerts, and the keys that name them."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from alerts import messages
from alerts.messages import messages_about
from alerts.payload import AlertWriter
from dialtone.model import AlertEvent, AlertState
from tests.fakes.alerts import ACME, GLOBEX, NOON, alert, rules

HEX = set("0123456789abcdef")


def test_each_receiver_gets_each_group_in_order() -> None:
    events = [alert(node="db2"), alert(node="db1"), alert(AlertState.RESOLVED, node="db2")]
    made = messages_about(events, ["chat", "pager"], NOON)
    assert [(m.receiver, [(e.node, e.state.value) for e in m.events]) for m in made] == [
        (receiver, [told])
        for receiver in ("chat", "pager")
        for told in (("db2", "firing"), ("db1", "firing"), ("db2", "resolved"))
    ]
    assert {m.created for m in made} == {NOON}


@pytest.mark.parametrize(
    "event",
    [
        alert(AlertState.PENDING, node="db2", started=None),
        # It ended before anybody was told that it began.
        alert(AlertState.RESOLVED, node="db2", started=None),
    ],
    ids=["pending", "never fired"],
)
def test_nobody_is_told_what_never_fired(event: AlertEvent) -> None:
    assert messages_about([event], ["hook"], NOON) == []


def test_tenants_never_share_a_message() -> None:
    events = [alert(rule="ProbeFailing", tenant=tenant, flow="call") for tenant in (ACME, GLOBEX)]
    assert [[e.tenant for e in m.events] for m in messages_about(events, ["hook"], NOON)] == [
        [ACME],
        [GLOBEX],
    ]


def test_a_key_is_32_hex_digits_and_the_same_whenever_it_is_made() -> None:
    [first] = messages_about([alert(node="db2")], ["hook"], NOON)
    [again] = messages_about([alert(node="db2", cause="other words")], ["hook"], NOON + timedelta(days=1))
    assert len(first.key) == 32
    assert set(first.key) <= HEX
    assert again.key == first.key


def test_a_key_does_not_depend_on_the_version_that_makes_it() -> None:
    # An upgrade must not make what waits in the outbox look new to a receiver.
    [message] = messages_about([replace(alert(node="db2"), fingerprint="f" * 16)], ["hook"], NOON)
    assert message.key == "02951c2c79a062ddff5beb314fa518d9"


def test_a_key_is_about_the_instant_and_not_about_how_it_is_written() -> None:
    event = alert(node="db2")
    montreal = replace(event, since=event.since.astimezone(timezone(timedelta(hours=-5))))
    assert messages.message_key("hook", [montreal]) == messages.message_key("hook", [event])


@pytest.mark.parametrize(
    "other",
    [
        alert(node="db1"),
        alert(AlertState.RESOLVED, node="db2"),
        alert(node="db2", since=NOON + timedelta(microseconds=1)),
        alert(rule="ReplicationBroken", node="db2"),
    ],
    ids=["node", "state", "instant", "rule"],
)
def test_what_differs_has_another_key(other: AlertEvent) -> None:
    assert messages.message_key("hook", [other]) != messages.message_key("hook", [alert(node="db2")])


def test_receivers_and_events_do_not_run_into_each_other() -> None:
    one, two = alert(node="db1"), alert(node="db2")
    keys = {
        messages.message_key(receiver, events)
        for receiver in ("a", "ab", 'a"')
        for events in ([one], [two], [one, two], [two, one])
    }
    assert len(keys) == 12


def test_a_test_message_says_what_it_is_and_looks_like_any_other() -> None:
    message = messages.test_message("hook", NOON)
    writer = AlertWriter(rules(), external_url="http://127.0.0.1:9876", reseller_of=lambda _: None)
    told = writer.message("hook", message.events)
    assert (message.receiver, message.created, told["status"]) == ("hook", NOON, "firing")
    assert told["commonLabels"] == {"alertname": "DialtoneTest", "severity": "warning"}
    assert told["commonAnnotations"] == {
        "summary": "DialtoneTest",
        "description": "sent by dialtone alerts test",
    }


def test_two_test_messages_are_two() -> None:
    later = messages.test_message("hook", NOON + timedelta(seconds=1))
    assert later.key != messages.test_message("hook", NOON).key
