"""Presence of a node, as its tables have it: counted once a minute."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from collectors.mysqlclient import RefusedError
from collectors.opensips.database import TablesSession
from collectors.opensips.registered import PRESENTITIES, WATCHERS, PresenceBook
from dialtone.model import Sample
from dialtone.ports import Clock, TenantLookup

EVERY: Final = 60.0
"""Seconds between two countings; one is told for three of them."""


class PresenceTables:
    """Reads them; `refused` is the server's no to the last reading, None where it gave what there is."""

    def __init__(self, node: str, clock: Clock) -> None:
        self.refused: RefusedError | None = None
        self._node = node
        self._clock = clock
        self._presentities = PresenceBook(PRESENTITIES)
        self._watchers = PresenceBook(WATCHERS)
        self._asked_at: float | None = None
        self._read_at: float | None = None

    def is_due(self, now: float) -> bool:
        """Whether they are to be read at that instant of the monotonic clock."""
        return self._asked_at is None or now - self._asked_at >= EVERY

    async def read(self, session: TablesSession) -> None:
        """Count what is in them. Raises CollectError where that ends the session."""
        self._asked_at = self._clock.monotonic()
        self.refused = None
        for book, read in (
            (self._presentities, session.presentities),
            (self._watchers, session.watchers),
        ):
            try:
                book.put(await read())
            except RefusedError as error:
                self.refused = error
                book.put(None)
        self._read_at = self._clock.monotonic()

    def samples(self, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the numbers by tenant and event, as long as they are fresh."""
        if self._read_at is not None and self._clock.monotonic() - self._read_at <= 3 * EVERY:
            yield from self._presentities.samples(self._node, tenants, at)
            yield from self._watchers.samples(self._node, tenants, at)

    @property
    def left_out(self) -> int:
        """How many entries are of more kinds of events than are told apart."""
        return self._presentities.left_out + self._watchers.left_out
