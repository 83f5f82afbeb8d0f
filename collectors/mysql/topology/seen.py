"""What a check gives before it is known whether it lasts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from collectors.mysql.fleet import NodeView
from dialtone.model import Impact, Link, Topology, Trouble

Views: TypeAlias = Mapping[str, NodeView]
"""The nodes of a topology by name, in its order."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was looked at, in these readings alone; fields as in model.Check.

    What can't be judged from these readings yields nothing. With `lasts`, bad is no more than a suspicion
    until every node in `about` (without any: `node`) has been polled in a later round and it is still bad.
    """

    trouble: Trouble
    bad: bool
    node: str | None = None
    channel: str | None = None
    value: float = 0.0
    detail: str = ""
    impact: Impact = Impact.EXPOSED
    lasts: bool = False
    about: tuple[str, ...] = ()


Looks: TypeAlias = Callable[[Topology, Views, Sequence[Link]], Iterable[Seen]]
"""A group of checks: pure, of a topology, its nodes and its links."""
