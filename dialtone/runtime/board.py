"""The board: what is known at this moment, in memory, for the API and the pages."""

from collections.abc import Mapping
from datetime import datetime

from dialtone.model import (
    CheckKey,
    CheckState,
    Holding,
    KnownTopology,
    NodeState,
    ProbeResult,
    ProbeRun,
    Scope,
    TopologyState,
)


class Board:
    """A Sink and a TopologySink that keeps the last of everything; every read takes the Scope of who asks."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeState] = {}
        self._topologies: dict[str, KnownTopology] = {}
        self._results: dict[tuple[str, str, str], ProbeResult] = {}

    async def node_polled(self, state: NodeState) -> None:
        """Put the node's state in the place of the last one."""
        self._nodes[state.node.name] = state

    async def probe_ended(self, run: ProbeRun) -> None:
        """Keep the result in the place of the last one.

        Which is later is not read from `started`: after the wall clock was set back, that would show what
        was before for as long as it takes the clock to catch up.
        """
        result = run.result
        self._results[result.tenant, result.probe, result.location] = result

    async def topology_judged(self, state: TopologyState) -> None:
        """Put the topology in the place of the last one; a trouble that it still has goes on."""
        name = state.topology.name
        last = self._topologies.get(name)
        self._topologies[name] = KnownTopology(state, _since(last.since if last else {}, state))

    def nodes(self, scope: Scope) -> list[NodeState]:
        """Return all nodes by name; none to whom does not see all, as a server's figures mix tenants."""
        return [state for _, state in sorted(self._nodes.items())] if scope.sees_all else []

    def node(self, scope: Scope, name: str) -> NodeState | None:
        """Return one node, or None where there is none that the scope may see."""
        return self._nodes.get(name) if scope.sees_all else None

    def topologies(self, scope: Scope) -> list[KnownTopology]:
        """Return all topologies by name; none to whom does not see all, as they name servers."""
        return [known for _, known in sorted(self._topologies.items())] if scope.sees_all else []

    def topology(self, scope: Scope, name: str) -> KnownTopology | None:
        """Return one topology, or None where there is none that the scope may see."""
        return self._topologies.get(name) if scope.sees_all else None

    def holdings(self, scope: Scope) -> list[Holding]:
        """Return the topologies that hold data of tenants whom the scope may see, by name."""
        found = []
        for name, known in sorted(self._topologies.items()):
            held = known.state.tenants
            if not scope.sees_all:
                held = tuple(domain for domain in held if scope.allows(domain))
            if held:
                found.append(Holding(name, known.state.impact, held))
        return found

    def results(self, scope: Scope) -> list[ProbeResult]:
        """Return the last result of each (tenant, probe, location) that the scope may see, in that order."""
        return [result for key, result in sorted(self._results.items()) if scope.allows(key[0])]


def _since(before: Mapping[CheckKey, datetime], state: TopologyState) -> dict[CheckKey, datetime]:
    """Return since when each trouble has been there.

    One that can't be judged while a server is down, and is there when it is back, was there all the time.
    """
    down = {member.node for member in state.members if not member.up}
    judged = {check.key for check in state.checks}
    since = {
        key: at
        for key, at in before.items()
        if key not in judged and (key[1] in down or (key[1] is None and down))
    }
    for check in state.checks:
        if check.state is CheckState.BAD:
            since[check.key] = before.get(check.key, state.at)
    return since
