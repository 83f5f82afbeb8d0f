"""What must hold while one of several servers hangs, whichever kind of server it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from dialtone.model import CollectFailure
from tests.integration.opensips_watch import Poll, Watch, a_node

DEADLINE: Final = 0.5
"""Seconds that a poll of the server that hangs may take."""
_INTERVAL: Final = 0.7
_OVER: Final = 0.2
"""Seconds past the deadline within which `up` is 0."""
_LATE: Final = 0.050
"""Seconds that a poll of another server may begin late."""
_ROUNDS: Final = 4
"""A busy machine is late by itself: of so many rounds one must be without fault."""


class Hangs(Protocol):
    """A server that can be made to hang."""

    @property
    def mi(self) -> str:
        """Its address."""

    def hang(self) -> None:
        """Answer nothing from now on."""

    def go_on(self) -> None:
        """Answer again."""


@dataclass(frozen=True, slots=True)
class Round:
    """The polls while the server hung, and the first that began after that."""

    hung: Sequence[Poll]
    others: Sequence[Poll]
    back: Poll

    def faults(self) -> Iterator[str]:
        """Yield what should not have been."""
        for poll in self.hung:
            if poll.up or poll.shown != 0 or poll.failure is not CollectFailure.TIMEOUT:
                yield f"a server that hangs is not down by timeout: {poll}"
            if poll.took > DEADLINE + _OVER:
                yield f"it was known {poll.took:.3f} s after the poll's begin: {poll}"
        for poll in self.others:
            if not poll.up or poll.shown != 1:
                yield f"another server is down: {poll}"
            if poll.took > _OVER:
                yield f"another server's poll took {poll.took:.3f} s: {poll}"
            if poll.late > _LATE:
                yield f"another server's poll began {1000 * poll.late:.0f} ms late: {poll}"
        if not self.back.up or self.back.shown != 1:
            yield f"it is not up again with the first poll after it went on: {self.back}"


async def assert_a_hung_server_harms_nobody(server: Hangs, others: Sequence[str]) -> None:
    """One server hangs for two of its polls, again and again, while the others are polled."""
    nodes = [
        a_node(name, mi, interval=_INTERVAL, timeout=DEADLINE)
        for name, mi in {"hung": server.mi, **{f"well{n}": mi for n, mi in enumerate(others)}}.items()
    ]
    async with Watch(nodes).open() as watch, anyio.create_task_group() as group:
        watch.start(group)
        for node in nodes:
            await watch.next(0.0, node.name)
        rounds = []
        for _ in range(_ROUNDS):
            rounds.append(await _round(watch, server, [node.name for node in nodes[1:]]))
            if not list(rounds[-1].faults()):
                break
        group.cancel_scope.cancel()
    assert not list(rounds[-1].faults()), [list(one.faults()) for one in rounds]


async def _round(watch: Watch, server: Hangs, others: Sequence[str]) -> Round:
    await watch.next(watch.clock.monotonic(), "hung")  # one has just ended, so that none goes now
    server.hang()
    try:
        began = watch.clock.monotonic()
        hung = await watch.next(began, "hung", 2)
        for name in others:
            await watch.next(began, name, 2)
        beside = [poll for name in others for poll in watch.since(began, name)]
    finally:
        server.go_on()
    (back,) = await watch.next(watch.clock.monotonic(), "hung")
    return Round(hung, beside, back)
