"""What the exposition says of the nodes themselves; most of it depends on the moment of the scrape."""

from collections.abc import Iterator
from dataclasses import dataclass

from dialtone.model import CollectFailure, NodeState
from dialtone.ports import Clock


@dataclass(frozen=True, slots=True)
class _Known:
    state: NodeState
    read: float | None
    """When it was last read completely, on the monotonic clock: no step of the wall clock ages it."""


class NodeFigures:
    """The last state of each node, and how old it is now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def take(self, state: NodeState) -> None:
        """Put a node's state in the place of its last one."""
        last = self._known.get(state.node.name)
        if last is not None and last.state.read_at == state.read_at:
            read = last.read
        elif state.read_at is None:
            read = None
        else:
            since = (self._clock.now() - state.read_at).total_seconds()
            read = self._clock.monotonic() - max(0.0, since)
        self._known[state.node.name] = _Known(state, read)

    def stale(self) -> list[str]:
        """Return the nodes whose last reading is too old to be shown."""
        return [name for name, known in self._known.items() if not self._fresh(known)]

    def values(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        """Yield metric, label values and value of what is known of the nodes, by node."""
        for name, known in sorted(self._known.items()):
            state, labels = known.state, (name, str(known.state.node.kind))
            up = state.up and self._fresh(known)
            failure = state.failure or CollectFailure.TIMEOUT
            yield "dialtone_up", labels, float(up)
            yield "dialtone_collect_duration_seconds", labels, state.duration
            if (age := self._age(known)) is not None:
                yield "dialtone_snapshot_age_seconds", labels, age
            if not up:
                yield "dialtone_collect_failing", (*labels, str(failure)), 1.0

    def _age(self, known: _Known) -> float | None:
        return None if known.read is None else self._clock.monotonic() - known.read

    def _fresh(self, known: _Known) -> bool:
        age = self._age(known)
        return age is not None and age <= known.state.node.fresh_for
