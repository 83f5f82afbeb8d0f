"""The board: what is known at this moment, in memory, for the API and the pages."""

from dialtone.model import NodeState, ProbeResult, ProbeRun, Scope


class Board:
    """A Sink that keeps the last of everything; every read takes the Scope of who asks."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeState] = {}
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

    def nodes(self, scope: Scope) -> list[NodeState]:
        """Return all nodes by name; none to whom does not see all, as a server's figures mix tenants."""
        return [state for _, state in sorted(self._nodes.items())] if scope.sees_all else []

    def node(self, scope: Scope, name: str) -> NodeState | None:
        """Return one node, or None where there is none that the scope may see."""
        return self._nodes.get(name) if scope.sees_all else None

    def results(self, scope: Scope) -> list[ProbeResult]:
        """Return the last result of each (tenant, probe, location) that the scope may see, in that order."""
        return [result for key, result in sorted(self._results.items()) if scope.allows(key[0])]
