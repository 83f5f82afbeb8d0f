"""Who is told of a server's events, and of each new connection before the events of that one."""

from collections.abc import Callable
from typing import Final

import structlog

from collectors.asterisk.manager import EVENT_CLASSES, Hear
from collectors.asterisk.wire import Block, begins

_log = structlog.get_logger(__name__)

_NO_EVENTS: Final = "off"


class Hearing:
    """Hands over what is an event. A mistake in whoever hears it does not take the others away.

    `where` is the endpoint, for the log. Without `hear` there are no events.
    """

    def __init__(self, where: str, hear: Hear | None, connected: Callable[[], None] | None) -> None:
        self.wanted = hear is not None
        self.classes = EVENT_CLASSES if self.wanted else _NO_EVENTS
        """What a login asks for."""
        self.connections = 0
        """How many logins have succeeded."""
        self.lost = 0
        """How many events were not taken in: too big, or by a mistake of ours."""
        self._where, self._hear, self._connected = where, hear, connected
        self._failed = False

    def connect(self) -> None:
        """Take in that a login has succeeded: what is heard from now on may not follow what was heard."""
        self.connections += 1
        if self._connected is not None:
            self._connected()

    def lose(self) -> None:
        """Take in that an event was too big to be read."""
        self.lost += 1

    def tell(self, block: Block) -> None:
        """Hand an event over; what only looks like one, a piece of a message that a caller broke, is none."""
        if self._hear is None or not begins(block, "Event", "Privilege"):
            return
        try:
            self._hear(block)
        except Exception:  # noqa: BLE001 - a mistake of ours about one event must not take the others away
            self.lost += 1
            if not self._failed:
                _log.exception("an event could not be taken in, by a mistake of ours", endpoint=self._where)
            self._failed = True
