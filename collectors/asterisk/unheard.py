"""Which events of calls a connection is not sent, by what the server's lists and counters show; pure.

Nothing says so by itself: a login without `read = call`, or an eventfilter that leaves some out, is as silent
as a server without calls. What was heard is held against what happened; an event may be on its way.
"""

from typing import Final

CALL, NEWCHANNEL, HANGUP = "call", "Newchannel", "Hangup"

SETTLED: Final = 1.0
"""Seconds after which an event that belongs to a list has come, if the login is sent any."""
IN_A_ROW: Final = 5
"""Channels that begin or end without their event, and none with it in between: one may be lost."""


class Unheard:
    """What of a connection's call events doesn't come. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.connected()

    def connected(self) -> None:
        """Say that events come by a new connection, of which nothing is known."""
        self._heard = self._owed = self._deaf = False
        self._since: float | None = None
        self._processed: int | None = None
        self._in_a_row = {HANGUP: 0, NEWCHANNEL: 0}

    @property
    def missing(self) -> frozenset[str]:
        """`call` where no event comes at all; else those of `Hangup` and `Newchannel` that don't."""
        if self._heard:
            return frozenset(event for event, times in self._in_a_row.items() if times >= IN_A_ROW)
        return frozenset({CALL} if self._deaf else ())

    def heard(self, event: str) -> None:
        """Say that an event of a call has come."""
        self._heard = True
        if event in self._in_a_row:
            self._in_a_row[event] = 0

    def without(self, event: str) -> None:
        """Say that a channel has begun or ended while there was this connection, and not by that event."""
        self._in_a_row[event] += 1

    def processed(self, count: int | None) -> None:
        """Say how many calls the server has begun so far, None where it doesn't count them."""
        if count is None:
            return
        if self._processed is not None and count > self._processed:
            self._owed = True
        self._processed = count

    def listed(self, now: float, *, strange: bool) -> None:
        """Say that a list has come, and whether it has a channel that events should have told of."""
        self._owed = self._owed or strange
        if self._since is None:
            self._since = now if self._owed else None
        elif now - self._since >= SETTLED:
            self._deaf = True
