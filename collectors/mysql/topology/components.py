"""The primary components that the nodes of a Galera cluster say they are in, compared with each other.

A real component is a set of members that all name each other, so two of them have no member in common. What
a node says is its own knowledge: one that stood still (SIGSTOP, a frozen virtual machine) names members that
have long gone on without it.

Addresses come from wsrep_incoming_addresses: an arbitrator (garbd) has an empty one, a node whose own can't
be found out is AUTO. Where they don't tell the members apart, sizes have to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from collectors.mysql.snapshot import Galera

_NO_CLUSTER: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Component:
    """What one or more nodes say of their component; `members` are addresses, empty where they tell nothing.

    `data` counts its members that hold data: all but arbitrators, where addresses tell them apart.
    """

    cluster: str
    view: int
    size: int
    data: int
    members: frozenset[str]
    nodes: tuple[str, ...]


class Components:
    """What the nodes say that are in a primary component; `expected` is how many members are configured."""

    def __init__(self, nodes: Mapping[str, Galera], expected: int) -> None:
        primary = {name: galera for name, galera in nodes.items() if galera.primary}
        self.by_address = _tell_apart(tuple(primary.values()))
        self._expected = expected
        said: dict[tuple[str, int, int, int, frozenset[str]], list[str]] = {}
        for name, galera in primary.items():
            members = _real(galera.members) if self.by_address else frozenset[str]()
            data = sum(1 for address in galera.members if address) or galera.size
            key = galera.cluster_uuid, galera.view or 0, galera.size, data, members
            said.setdefault(key, []).append(name)
        self.all = tuple(Component(*key, tuple(names)) for key, names in said.items())

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes that say they are in a primary component."""
        return tuple(name for component in self.all for name in component.nodes)

    @property
    def main(self) -> Component | None:
        """The one that most nodes are in; of equals the newest, then the largest."""
        return max(self.all, key=lambda one: (len(one.nodes), one.view, one.size), default=None)

    def split(self) -> tuple[Component, ...]:
        """Return the components that can't be the same one, at different times or not; () without any."""
        apart = [pair for pair in combinations(self.all, 2) if self._apart(*pair)]
        if apart:
            return tuple(c for c in self.all if any(c is one or c is other for one, other in apart))
        return () if self.by_address else self._split_by_size()

    def _apart(self, one: Component, other: Component) -> bool:
        if one.cluster != other.cluster and not {"", _NO_CLUSTER} & {one.cluster, other.cluster}:
            return True
        return self.by_address and one.members.isdisjoint(other.members)

    def _split_by_size(self) -> tuple[Component, ...]:
        """Return the components where there is room for all of them among the members that are configured.

        A view that is out of date counts members that others count too: then there isn't.
        """
        several = len(self.all) > 1 or any(len(component.nodes) > component.data for component in self.all)
        room = sum(max(component.data, len(component.nodes)) for component in self.all)
        return self.all if several and room <= self._expected else ()


def own_address(galera: Galera) -> str:
    """Return a node's own address, "" where it is none that others could know it by."""
    return galera.own if _is_real(galera.own) else ""


def _is_real(address: str) -> bool:
    return bool(address) and not address.upper().startswith("AUTO")


def _real(addresses: Sequence[str]) -> frozenset[str]:
    return frozenset(address for address in addresses if _is_real(address))


def _tell_apart(nodes: Sequence[Galera]) -> bool:
    """Return whether each node has an address that is its own, and stands once in its own membership."""
    owns = [own_address(galera) for galera in nodes]
    once = all(own and galera.members.count(own) == 1 for own, galera in zip(owns, nodes, strict=True))
    return once and len(set(owns)) == len(owns)
