"""Restraint towards a server on which our statements hang: each of them may hold a thread there."""

from typing import Final

from dialtone.model import CollectError, CollectFailure

_DOUBLINGS: Final = 3
_SHOWN: Final = 60


class Restraint:
    """Says when a server is asked again whose answers don't come: at the next poll, then at every second,
    fourth and eighth. In between it is only seen whether it lets us in.

    SHOW REPLICA STATUS waits for the lock that a hanging STOP REPLICA holds, and no limit of time ends that
    wait. The thread stays although its client is gone, and takes one of max_connections: 100 polls would
    lock everybody out.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._in_a_row = 0
        self._left_out = 0
        self._statement = ""

    def turn(self) -> CollectError | None:
        """Call once before each session; return what becomes of it where nothing is to be asked in it yet."""
        if not self._left_out:
            return None
        self._left_out -= 1
        when = f"again in {self._left_out + 1} polls" if self._left_out else "again at the next poll"
        return CollectError(
            CollectFailure.SERVER,
            f"{self._where}: not asked again yet: a statement hangs there, {self._statement} ({when})",
        )

    def hung(self, statement: str) -> None:
        """Take note that a server let us in and then left a statement unanswered."""
        self._statement = statement[:_SHOWN]
        self._left_out = 2 ** min(self._in_a_row, _DOUBLINGS) - 1
        self._in_a_row += 1

    def went_well(self) -> None:
        """Take note that a server answered everything."""
        self._in_a_row = 0
