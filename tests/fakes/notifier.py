"""A Notifier that keeps what it was given, and can be told to misbehave."""

from collections.abc import Sequence

import anyio

from dialtone.model import AlertEvent, AlertMessage
from dialtone.ports import DeliveryError


class RecordingNotifier:
    """`messages` are those that were taken, in order; `calls` counts the tries.

    `problems` are raised first, one a call. While `down` nothing is taken; while `deaf` messages are
    taken and the answer never comes; `hang` makes every call wait until it is cancelled.
    """

    def __init__(self, problems: Sequence[Exception] = (), *, hang: bool = False) -> None:
        self.messages: list[AlertMessage] = []
        self.calls = 0
        self.down = False
        self.deaf = False
        self.problems = list(problems)
        self._hang = hang

    async def send(self, message: AlertMessage) -> None:
        """Take one message."""
        self.calls += 1
        if self._hang:
            await anyio.sleep_forever()
        if self.down:
            raise DeliveryError("no connection (Connection refused)", permanent=False)
        if self.problems:
            raise self.problems.pop(0)
        self.messages.append(message)
        if self.deaf:
            await anyio.sleep_forever()

    @property
    def keys(self) -> list[str]:
        """The keys of what was taken, with repetitions."""
        return [message.key for message in self.messages]

    @property
    def events(self) -> list[AlertEvent]:
        """What was told, flat, without the repetitions that a receiver tells by the key."""
        once: dict[str, AlertMessage] = {}
        for message in self.messages:
            once.setdefault(message.key, message)
        return [event for message in once.values() for event in message.events]

    @property
    def states(self) -> list[str]:
        """The same as "NodeDown firing" and so on."""
        return [f"{event.rule} {event.state}" for event in self.events]
