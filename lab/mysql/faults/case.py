"""What a case of the fault table is."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from dialtone.model import TopologyState, Trouble
from lab.mysql.stage import Stage

EVERY: Final = 2.0
"""Seconds between two polls of a stage."""
SELDOM: Final = 4.0
"""The same where it takes more: a heartbeat must have stood still for three beats and a second, say."""
POLLS: Final = 2
"""In so many polls a fault must be seen."""

Act: TypeAlias = Callable[[Stage], AbstractAsyncContextManager[object]]
"""Breaks something as the block begins and mends it as it ends."""
Phase: TypeAlias = Callable[[Stage], Awaitable[object]]
"""Something that happens to healthy servers every week."""


@dataclass(frozen=True, slots=True)
class Says:
    """What must be said: a trouble of one of these nodes ("" for the topology itself), of that channel."""

    trouble: Trouble
    nodes: tuple[str, ...]
    channel: str | None = None

    def fits(self, state: TopologyState) -> bool:
        """Whether it is said, for certain."""
        return any(
            check.trouble is self.trouble
            and (check.node or "") in self.nodes
            and self.channel in (None, check.channel)
            for check in state.troubles
        )

    def __str__(self) -> str:
        about = " or ".join(node for node in self.nodes if node)
        return f"{self.trouble} {about}{f'/{self.channel}' if self.channel else ''}".strip()


def says(trouble: Trouble, *nodes: str, channel: str | None = None) -> Says:
    """Return what must be said."""
    return Says(trouble, nodes or ("",), channel)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault on a stage, and all that must be said of it; `also` are troubles that may come with it.

    With a `phase` it is a healthy one: nothing must be said while it lasts, and the fault comes after it, to
    show that something would have been.
    """

    name: str
    stage: str
    act: Act
    expected: tuple[Says, ...]
    also: frozenset[Trouble] = field(default_factory=frozenset)
    phase: Phase | None = None
    every: float = EVERY
