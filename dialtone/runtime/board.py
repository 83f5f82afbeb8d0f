"""The board: what is known at this moment, in memory, for the API, the pages and the demo."""

import anyio

from dialtone.model import NodeState, ProbeResult, ProbeRun, Scope


class Board:
    """A Sink that keeps the last of everything; every read takes the Scope of who asks."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeState] = {}
        self._results: dict[tuple[str, str, str], ProbeResult] = {}
        self._version = 0
        self._next = anyio.Event()

    async def node_polled(self, state: NodeState) -> None:
        """Put the node's state in the place of the last one."""
        self._nodes[state.node.name] = state
        self._turn()

    async def probe_ended(self, run: ProbeRun) -> None:
        """Keep the result, unless one that started later is here already."""
        result = run.result
        key = (result.tenant, result.probe, result.location)
        last = self._results.get(key)
        if last is None or last.started <= result.started:
            self._results[key] = result
            self._turn()

    def nodes(self, scope: Scope) -> list[NodeState]:
        """Return all nodes by name; none to whom does not see all, as a server's figures mix tenants."""
        return [state for _, state in sorted(self._nodes.items())] if scope.sees_all else []

    def node(self, scope: Scope, name: str) -> NodeState | None:
        """Return one node, or None where there is none that the scope may see."""
        return self._nodes.get(name) if scope.sees_all else None

    def results(self, scope: Scope) -> list[ProbeResult]:
        """Return the last result of each (tenant, probe, location) that the scope may see, in that order."""
        return [result for key, result in sorted(self._results.items()) if scope.allows(key[0])]

    @property
    def version(self) -> int:
        """The number of changes so far."""
        return self._version

    async def changed(self, after: int) -> int:
        """Wait until the version is beyond `after`, and return it: at once where it is already."""
        while self._version <= after:
            await self._next.wait()
        return self._version

    def _turn(self) -> None:
        self._version += 1
        self._next.set()
        self._next = anyio.Event()
