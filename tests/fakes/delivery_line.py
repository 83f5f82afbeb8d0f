"""One receiver's way from the outbox to its notifier, put together as AlertWatch does it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from alerts.delivery import LIMIT, Delivery
from alerts.messages import messages_about
from alerts.outbox import Earlier, Outbox
from dialtone.model import AlertMessage, AlertState, MessageState, OutboxEntry
from dialtone.ports import Clock, Notifier
from dialtone.store import MemoryStore
from tests.fakes.alerts import NOON, alert
from tests.fakes.notifier import RecordingNotifier

RECEIVER = "hook"


def a_message(node: str, state: AlertState = AlertState.FIRING, receiver: str = RECEIVER) -> AlertMessage:
    """Return the message that this node is down, or up again."""
    [message] = messages_about([alert(state, node=node)], [receiver], NOON)
    return message


def nodes(hook: RecordingNotifier) -> list[str | None]:
    """Return what was taken, with repetitions, by node."""
    return [event.node for message in hook.messages for event in message.events]


class DeliveryLine:
    """An outbox on a store and a delivery behind it; `earlier` is what the store was found to hold."""

    def __init__(self, store: MemoryStore, notifier: Notifier, clock: Clock, *, limit: int = LIMIT) -> None:
        self.store = store
        self.earlier: list[Earlier] = []
        self.outbox = Outbox(
            store, clock, hand_over=lambda message: self.delivery.add(message), take_up=self.earlier.append
        )
        self.delivery = Delivery(RECEIVER, notifier, clock, self.outbox, limit=limit)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run both tasks meanwhile."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.outbox.run)
            tasks.start_soon(self.delivery.run)
            yield
            tasks.cancel_scope.cancel()

    def say(self, *nodes: str) -> None:
        """Record that each of these nodes is down, each in a message of its own."""
        for node in nodes:
            message = a_message(node)
            self.outbox.record(message.events, [message])

    async def entries(self, state: MessageState | None = None) -> dict[str, OutboxEntry]:
        """Return what the store holds of messages, by node."""
        return {str(e.message.events[0].node): e for e in await MemoryStore.outbox(self.store, state)}
