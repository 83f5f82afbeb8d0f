"""A stage as Dialtone watches it: its collectors, and its topology judged after each poll."""

from typing import Final

import anyio

from collectors.mysql import MysqlCollector
from collectors.mysql.fleet import Fleet
from collectors.mysql.topology.watch import TopologyWatch
from dialtone.model import Check, CheckState, Node, NodeKind, Secret, Topology, TopologyState
from dialtone.ports import Clock
from dialtone.runtime.runner import CollectorRunner
from lab.mysql.replication import HEARTBEAT_TABLE, WATCHER
from lab.mysql.stage import Stage

LAG: Final = 3.0
"""Seconds that a replica of a stage may be late."""


class Watched:
    """Polls every server of a stage, by an account with the least rights."""

    def __init__(self, stage: Stage, clock: Clock, *, timeout: float = 1.5) -> None:
        names = tuple(server.name for server in stage.servers)
        self._topology = Topology(stage.plan.name, stage.plan.kind, names, (), LAG)
        fleet = Fleet()
        self._watch = TopologyWatch((self._topology,), fleet, clock, tenants_of=lambda _: (), tell=())
        self._runners = []
        for server in stage.servers:
            node = Node(
                server.name,
                NodeKind.MYSQL,
                f"mysql://{server.address}",
                username=WATCHER,
                secret=Secret(stage.passwords.watcher),
                interval=2 * timeout,
                timeout=timeout,
                options={"heartbeat": HEARTBEAT_TABLE, "heartbeat_every": str(stage.plan.wishes.beat)},
            )
            collector = MysqlCollector(node, clock, fleet)
            self._runners.append(CollectorRunner(node, collector, clock, (self._watch,)))

    async def poll(self) -> TopologyState:
        """Poll all servers, each once and all at the same time; return what is known then."""
        async with anyio.create_task_group() as polls:
            for runner in self._runners:
                polls.start_soon(runner.poll)
        return self.state

    @property
    def state(self) -> TopologyState:
        """The topology as judged last."""
        (state,) = (s for s in self._watch.states if s.topology.name == self._topology.name)
        return state


def not_fine(state: TopologyState) -> tuple[Check, ...]:
    """Return what is wrong, and what is suspected to be."""
    return tuple(check for check in state.checks if check.state is not CheckState.FINE)


def told(check: Check) -> str:
    """Return a check in a word or two: late db2/default."""
    about = "/".join(part for part in (check.node, check.channel) if part)
    return f"{check.trouble} {about}".strip()
