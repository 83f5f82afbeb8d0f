"""The way from a server's MI to the page of metrics, as the service has it, without its process."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.abc import TaskGroup

from collectors.opensips import METRICS, OpensipsCollector
from dialtone.config import TenantTree
from dialtone.export.metrics import METRICS as OWN_METRICS
from dialtone.export.prometheus import Exposition
from dialtone.model import Catalog, CollectFailure, Level, Node, NodeKind, NodeState, Tenant
from dialtone.ports import Clock
from dialtone.runtime.clock import SystemClock
from dialtone.runtime.runner import CollectorRunner
from dialtone.runtime.scheduler import Planned, Scheduler
from tests.integration.exposed import Page

PLATFORM = "example.net"
NTEK, VOX = f"ntek.{PLATFORM}", f"vox.{PLATFORM}"
ACME, BOLT, CORP = f"acme.{NTEK}", f"bolt.{NTEK}", f"corp.{VOX}"


def tree() -> TenantTree:
    """Return two resellers and their three clients."""
    resellers = [Tenant(domain, PLATFORM, Level.RESELLER, domain) for domain in (NTEK, VOX)]
    clients = [
        Tenant(domain, domain.partition(".")[2], Level.CLIENT, domain) for domain in (ACME, BOLT, CORP)
    ]
    return TenantTree(Tenant(PLATFORM, None, Level.PLATFORM, PLATFORM), [*resellers, *clients])


class ShiftedClock(SystemClock):
    """The real clock, which a test can set forward."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def set_forward(self, seconds: float) -> None:
        """Let that much time have passed."""
        self._ahead += seconds


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll: how late it began by the scheduler's own figure, when, how long it took, how it ended."""

    node: str
    late: float
    began: float
    took: float
    up: bool
    failure: CollectFailure | None
    shown: float | None
    """`up` on the page at its end."""


@dataclass
class Watch:
    """Nodes with their collectors, runners and the page."""

    nodes: Sequence[Node]
    clock: Clock = field(default_factory=SystemClock)
    polls: list[Poll] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tree = tree()
        catalog = Catalog(OWN_METRICS, METRICS)
        self._page = Exposition(catalog, self._tree.reseller, self.clock, 200_000, self._tree.domains)
        self._collectors = {node.name: OpensipsCollector(node, self._tree, self.clock) for node in self.nodes}
        self._runners = {
            node.name: CollectorRunner(node, self._collectors[node.name], self.clock, [self._page])
            for node in self.nodes
        }
        self._scheduler = Scheduler(self.clock, random.Random(5))
        self._ended = anyio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Watch"]:
        """Close the connections at the end of the block."""
        try:
            yield self
        finally:
            for collector in self._collectors.values():
                await collector.aclose()

    async def poll(self, node: str) -> NodeState:
        """Poll a node once, now."""
        return await self._runners[node].poll()

    def page(self) -> Page:
        """Return the page as it is now."""
        return Page.parse(self._page.render().decode())

    def start(self, group: TaskGroup) -> None:
        """Poll every node at its interval, evenly spread, until the group is cancelled."""
        for number, node in enumerate(self.nodes):
            self._scheduler.add(
                node.name, node.interval, partial(self._scheduled, node.name), phase=number / len(self.nodes)
            )
        group.start_soon(self._scheduler.run)

    def since(self, moment: float, node: str) -> list[Poll]:
        """Return the polls of a node that began after a moment and have ended."""
        return [poll for poll in self.polls if poll.node == node and poll.began >= moment]

    async def next(self, moment: float, node: str, number: int = 1) -> list[Poll]:
        """Wait for so many polls of a node that began after a moment, and return them."""
        found = self.since(moment, node)
        with anyio.fail_after(20):
            while len(found) < number:
                await self._ended.wait()
                found = self.since(moment, node)
        return found[:number]

    async def _scheduled(self, node: str, _: Planned) -> None:
        late = next(job.lateness for job in self._scheduler.figures() if job.name == node)
        began = self.clock.monotonic()
        state = await self.poll(node)
        took = self.clock.monotonic() - began
        shown = self.page().one("dialtone_up", node=node)
        self.polls.append(Poll(node, late, began, took, state.up, state.failure, shown))
        ended, self._ended = self._ended, anyio.Event()
        ended.set()


def a_node(name: str, mi: str, *, interval: float = 15.0, timeout: float = 5.0, **options: str) -> Node:
    """Return an OpenSIPS at that address."""
    return Node(name, NodeKind.OPENSIPS, mi, interval=interval, timeout=timeout, options=options)
