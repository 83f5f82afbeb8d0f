"""What every Notifier owes its caller, held against the webhook (over real HTTP) and the recording fake."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from alerts.messages import message_key
from alerts.payload import AlertWriter
from alerts.webhook import WebhookNotifier
from dialtone.model import AlertEvent, AlertMessage, AlertState, Secret
from dialtone.ports import DeliveryError, Notifier
from tests.fakes.alerts import NOON, alert, rules
from tests.fakes.notifier import RecordingNotifier
from tests.fakes.webhook_receiver import receiving


@dataclass(frozen=True, slots=True)
class Case:
    """A notifier with levers: what arrived (rule and state) under which keys, and how to make it fail."""

    notifier: Notifier
    arrived: Callable[[], list[str]]
    keys: Callable[[], list[str]]
    refuse: Callable[[], None]
    break_down: Callable[[], None]
    heal: Callable[[], None]


@asynccontextmanager
async def _webhook() -> AsyncIterator[Case]:
    async with receiving() as receiver:

        def answer(status: int) -> Callable[[], None]:
            return lambda: setattr(receiver, "status", status)

        def arrived() -> list[str]:
            taken = receiver.bodies if receiver.status == 200 else []
            return [f"{a['labels']['alertname']} {a['status']}" for body in taken for a in body["alerts"]]

        writer = AlertWriter(rules(), external_url="http://127.0.0.1:9876", reseller_of=lambda _: None)
        notifier = WebhookNotifier("hook", Secret(f"{receiver.url}/hook"), writer)
        yield Case(notifier, arrived, lambda: receiver.keys, answer(404), answer(503), answer(200))


@asynccontextmanager
async def _recording() -> AsyncIterator[Case]:
    notifier = RecordingNotifier()
    yield Case(
        notifier,
        lambda: notifier.states,
        lambda: notifier.keys,
        lambda: notifier.problems.append(DeliveryError("no such receiver", permanent=True)),
        lambda: setattr(notifier, "down", True),
        lambda: setattr(notifier, "down", False),
    )


@pytest.fixture(params=[_webhook, _recording], ids=["webhook", "recording fake"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    """Yield each notifier in turn."""
    async with request.param() as made:
        yield made


def about(*events: AlertEvent) -> AlertMessage:
    """Return one message about these."""
    return AlertMessage(message_key("hook", events), "hook", events, NOON)


async def test_a_message_arrives_with_all_its_alerts_in_order(case: Case) -> None:
    await case.notifier.send(about(alert(node="db1"), alert(AlertState.RESOLVED, node="db2")))
    assert case.arrived() == ["NodeDown firing", "NodeDown resolved"]


async def test_a_receiver_that_refuses_is_a_permanent_problem(case: Case) -> None:
    case.refuse()
    with pytest.raises(DeliveryError) as caught:
        await case.notifier.send(about(alert(node="db1")))
    assert caught.value.permanent
    assert str(caught.value)


async def test_a_receiver_that_is_down_is_a_passing_problem(case: Case) -> None:
    case.break_down()
    with pytest.raises(DeliveryError) as caught:
        await case.notifier.send(about(alert(node="db1")))
    assert not caught.value.permanent


async def test_after_a_problem_the_next_message_arrives(case: Case) -> None:
    case.break_down()
    with pytest.raises(DeliveryError):
        await case.notifier.send(about(alert(node="db1")))
    case.heal()
    await case.notifier.send(about(alert(AlertState.RESOLVED, node="db1")))
    assert case.arrived()[-1] == "NodeDown resolved"


async def test_a_message_has_its_key_however_often_it_is_sent(case: Case) -> None:
    one, two = about(alert(node="db1")), about(alert(node="db2"))
    for message in (one, one, two):
        await case.notifier.send(message)
    assert case.keys() == [one.key, one.key, two.key]
