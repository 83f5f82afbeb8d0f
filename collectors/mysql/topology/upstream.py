"""Who follows whom among the members of a topology."""

from collections.abc import Mapping, Sequence, Set

from dialtone.model import Link


class Upstream:
    """The members that each member gets its changes from, by its channels, directly or over others."""

    def __init__(self, nodes: Sequence[str], links: Sequence[Link]) -> None:
        direct: dict[str, set[str]] = {name: set() for name in nodes}
        for link in links:
            if link.replica in direct and link.source in direct:
                direct[link.replica].add(link.source)
        self._above = {name: _reached(name, direct) for name in nodes}
        self._beside = {
            name: direct[name] | {below for below, above in direct.items() if name in above} for name in nodes
        }

    def is_head(self, name: str) -> bool:
        """Return whether a member follows no other; in a ring all do, and all are its heads."""
        return all(name in self._above[other] for other in self._above[name])

    def meant(self, one: str, other: str) -> bool:
        """Return whether two heads may both take writes: a third, or several, join their changes.

        In a ring, where each follows the other, they may not.
        """
        return other not in self._above[one] and other in _reached(one, self._beside)


def _reached(name: str, steps: Mapping[str, Set[str]]) -> frozenset[str]:
    found: set[str] = set()
    todo = [name]
    while todo:
        fresh = steps[todo.pop()] - found
        found |= fresh
        todo.extend(fresh)
    return frozenset(found)
