"""A Notifier that keeps what it was given, and can be told to refuse."""

from collections.abc import Sequence

import anyio

from dialtone.model import AlertEvent
from dialtone.ports import DeliveryError


class RecordingNotifier:
    """`sent` holds the messages that were taken, in order.

    `problems` are raised first, one a call; `hang` makes every call wait until it is cancelled.
    """

    def __init__(self, problems: Sequence[Exception] = (), *, hang: bool = False) -> None:
        self.sent: list[tuple[AlertEvent, ...]] = []
        self.calls = 0
        self.down = False
        self.problems = list(problems)
        self._hang = hang

    async def send(self, events: Sequence[AlertEvent]) -> None:
        """Take one message."""
        self.calls += 1
        if self._hang:
            await anyio.sleep_forever()
        if self.down:
            raise DeliveryError("no connection (Connection refused)", permanent=False)
        if self.problems:
            raise self.problems.pop(0)
        self.sent.append(tuple(events))

    @property
    def states(self) -> list[str]:
        """What was told, flat: "NodeDown firing" and so on."""
        return [f"{event.rule} {event.state}" for message in self.sent for event in message]
