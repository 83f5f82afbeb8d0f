"""A Sink that remembers what it was told, in order."""

from dialtone.model import NodeState, ProbeRun


class FakeSink:
    """Keeps every state and run."""

    def __init__(self) -> None:
        self.states: list[NodeState] = []
        self.runs: list[ProbeRun] = []

    async def node_polled(self, state: NodeState) -> None:
        """Keep the state."""
        self.states.append(state)

    async def probe_ended(self, run: ProbeRun) -> None:
        """Keep the run."""
        self.runs.append(run)
