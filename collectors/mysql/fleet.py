"""What all servers said last, for what one of them alone can't tell: true lag, who follows whom."""

from collections.abc import Iterable
from dataclasses import dataclass

from collectors.mysql.snapshot import ClockReading, MysqlSnapshot


@dataclass(frozen=True, slots=True)
class NodeView:
    """A server as a topology sees it.

    `up` is None before its first poll has ended, `polls` counts those that have. `polled` is when the last of
    them was, by our monotonic clock in seconds, and `apart` how long after the one before it (0 without one).
    `now` and `before` are its last two readings; `now` is None while it is down: what it said before is not
    what it says. `clock` is the best reading of its clock in the last few polls. `heartbeat` is how many
    seconds lie between two beats of the writer that its configuration names, None without one.
    """

    name: str
    up: bool | None = None
    polls: int = 0
    polled: float = 0.0
    apart: float = 0.0
    failure: str = ""
    detail: str = ""
    now: MysqlSnapshot | None = None
    before: MysqlSnapshot | None = None
    clock: ClockReading | None = None
    heartbeat: float | None = None


class Fleet:
    """Holds the last two readings of each node; one for all collectors and topologies of a service.

    A server_id is one server's only among those that belong together: `group` says which nodes do.
    """

    def __init__(self) -> None:
        self._now: dict[str, MysqlSnapshot] = {}
        self._before: dict[str, MysqlSnapshot] = {}
        self._clocks: dict[str, tuple[ClockReading, ...]] = {}
        self._peers: dict[str, set[str]] = {}

    def group(self, nodes: Iterable[str]) -> None:
        """Take note that these nodes are one topology's."""
        together = frozenset(nodes)
        for node in together:
            self._peers.setdefault(node, set()).update(together - {node})

    def put(self, node: str, snapshot: MysqlSnapshot) -> None:
        """Take a reading in the place of the node's last one."""
        if node in self._now:
            self._before[node] = self._now[node]
        self._now[node] = snapshot
        self._clocks[node] = (*self._clocks.get(node, ()), snapshot.server.clock)[-_CLOCKS:]

    def last(self, node: str) -> MysqlSnapshot | None:
        """Return the node's last reading, however old."""
        return self._now.get(node)

    def before(self, node: str) -> MysqlSnapshot | None:
        """Return the reading before that."""
        return self._before.get(node)

    def clock(self, node: str) -> ClockReading | None:
        """Return the most exact of the last readings of a node's clock that agree with the newest.

        Those that don't are from before a clock was set.
        """
        clocks = self._clocks.get(node, ())
        agree = (clock for clock in clocks if _agree(clock, clocks[-1]))
        return min(agree, key=lambda clock: clock.error, default=None)

    def having(self, server_id: int, beside: str) -> str | None:
        """Return the node with that server_id in the topology of another; None for nobody and for several."""
        wanted = self._peers.get(beside, ())
        found = [name for name in wanted if (s := self._now.get(name)) and s.server.server_id == server_id]
        return found[0] if len(found) == 1 else None


def _agree(one: ClockReading, other: ClockReading) -> bool:
    return abs(one.offset - other.offset) <= one.error + other.error


_CLOCKS = 5
"""Readings of a clock that are kept: a round trip that was held up says little."""
