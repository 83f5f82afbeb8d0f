"""Watches topologies: takes what polls of their members found, judges, and tells."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import anyio
import structlog

from collectors.mysql.collector import heartbeat_every
from collectors.mysql.fleet import Fleet, NodeView
from collectors.mysql.topology.judge import TopologyJudge
from dialtone.model import NodeState, ProbeRun, Topology, TopologyState
from dialtone.ports import Clock, TopologySink

_log = structlog.get_logger(__name__)


class TopologyWatch:
    """Implements ports.Sink: each poll of a member is a new judgement of its topology.

    `fleet` is the one that the members' collectors fill; it is told who belongs together. `tenants_of` says
    whose data a topology holds now.
    """

    def __init__(
        self,
        topologies: Sequence[Topology],
        fleet: Fleet,
        clock: Clock,
        *,
        tenants_of: Callable[[Topology], Sequence[str]],
        tell: Sequence[TopologySink],
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._tenants_of = tenants_of
        self._tell = tuple(tell)
        self._watched = tuple(_Watched(topology) for topology in topologies)
        for topology in topologies:
            fleet.group(topology.nodes)
        self._polled: dict[str, datetime] = {}
        self._telling = anyio.Lock()

    @property
    def states(self) -> tuple[TopologyState, ...]:
        """The topologies as known now, those of which a member was polled."""
        return tuple(watched.state for watched in self._watched if watched.state is not None)

    async def node_polled(self, state: NodeState) -> None:
        """Judge the topologies that the node is in, and tell of them."""
        name = state.node.name
        watching = [watched for watched in self._watched if name in watched.views]
        if not watching:
            return
        async with self._telling:
            is_poll = self._polled.get(name) != state.polled_at
            self._polled[name] = state.polled_at
            for watched in watching:
                last = watched.views[name]
                watched.views[name] = self._view(state, last, is_poll=is_poll)
                watched.state = self._judged(watched)
                if last.up and not state.up and not is_poll:
                    # No poll has ended for so long that two should have: it is down for certain.
                    watched.views[name] = replace(
                        watched.views[name], polls=last.polls + 1, polled=self._clock.monotonic(), apart=0.0
                    )
                    watched.state = self._judged(watched)
                for sink in self._tell:
                    await sink.topology_judged(watched.state)

    async def probe_ended(self, run: ProbeRun) -> None:
        """Do nothing: no topology depends on probes."""

    def _view(self, state: NodeState, before: NodeView, *, is_poll: bool) -> NodeView:
        node = state.node
        last = self._fleet.last(node.name)
        now = last if state.up and state.reading is not None else None
        polled, apart = before.polled, before.apart
        if is_poll:
            polled = self._clock.monotonic() if now is None else now.taken
            apart = polled - before.polled if before.polls else 0.0
        return NodeView(
            node.name,
            up=state.up,
            polls=before.polls + is_poll,
            polled=polled,
            apart=apart,
            failure=str(state.failure or ""),
            detail=state.detail,
            now=now,
            before=last if now is None else self._fleet.before(node.name),
            clock=self._fleet.clock(node.name),
            heartbeat=heartbeat_every(node) if "heartbeat" in node.options else None,
        )

    def _judged(self, watched: "_Watched") -> TopologyState:
        judge, topology = watched.judge, watched.topology
        writer, switches = judge.writer, 0 if watched.state is None else watched.state.switches
        state = judge.judge(watched.views, self._tenants_of(topology), self._clock.now())
        if state.switches != switches:
            _log.info("mysql.role-switch", topology=topology.name, before=writer, now=judge.writer)
        return state


class _Watched:
    """A topology, its members as known now, and what was made of them."""

    def __init__(self, topology: Topology) -> None:
        self.topology: Final = topology
        self.judge: Final = TopologyJudge(topology)
        self.views = {name: NodeView(name) for name in topology.nodes}
        self.state: TopologyState | None = None
