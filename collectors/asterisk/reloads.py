"""Reloads of Asterisk's configuration, by what CoreStatus says of the last one; pure.

A reload of one module counts as one of everything. Several between two polls are counted as one; a restart
is none.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from collectors.asterisk.parse import parse_reload
from collectors.asterisk.wire import Block
from dialtone.model import Kind, MetricDef, Sample

RELOADS: Final = MetricDef(
    "asterisk_reloads_total",
    Kind.COUNTER,
    "Reloads of Asterisk that were seen, at most one a poll",
    ("node",),
)
LAST_RELOAD: Final = MetricDef(
    "asterisk_last_reload_timestamp_seconds",
    Kind.GAUGE,
    "When Asterisk read its configuration last: a reload, or its start",
    ("node",),
    unit="seconds",
)
METRICS: Final = (RELOADS, LAST_RELOAD)


class Reloads:
    """Counts the reloads of one node. `last` is the last one's instant, UTC, for whoever finds it out."""

    def __init__(self) -> None:
        self.last: datetime | None = None
        self._count = 0
        self._wall: datetime | None = None
        self._start = ""

    def see(self, status: Block, *, anew: bool) -> datetime | None:
        """Take in a poll's CoreStatus. Return the wall clock reading of the last reload if it is a new one.

        Its instant, by the zone that held then, is to be put into `last`, which is unknown until then; where
        it still is on a connection `anew`, the reading is returned again.
        """
        wall = parse_reload(status)
        start = f"{status.get('CoreStartupDate', '')} {status.get('CoreStartupTime', '')}"
        if wall is None:
            return None
        if (wall, start) == (self._wall, self._start):
            return wall if anew and self.last is None else None
        if self._wall is not None and (start == self._start or start != str(wall)):
            self._count += 1
        self._wall, self._start, self.last = wall, start, None
        return wall

    def samples(self, node: str, at: datetime) -> Iterator[Sample]:
        """Yield the count, and the instant where it is known."""
        yield RELOADS.sample(node, value=self._count, at=at)
        if self.last is not None:
            yield LAST_RELOAD.sample(node, value=self.last.timestamp(), at=at)
