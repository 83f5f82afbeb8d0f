"""A topology over time: servers are polled one by one, and judged each time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from collectors.mysql.fields import Facts
from collectors.mysql.fleet import NodeView
from collectors.mysql.parse_channels import parse_channels
from collectors.mysql.parse_server import flavour_of, parse_server
from collectors.mysql.snapshot import ClockReading, MysqlSnapshot
from collectors.mysql.topology.judge import TopologyJudge
from dialtone.model import JUDGED, Check, CheckState, Topology, TopologyState, Trouble
from tests.unit.mysql.recordings import recording
from tests.unit.mysql.topology.views import EPOCH, EXACT, view

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Story:
    """Polls servers in the order in which a test tells of it; `beat` is the interval of all heartbeats."""

    def __init__(self, topology: Topology, *, beat: float | None = None, tenants: Sequence[str] = ()) -> None:
        self._beat = beat
        self._tenants = tenants
        self._last: dict[str, MysqlSnapshot] = {}
        self.judge = TopologyJudge(topology)
        self.views = {name: NodeView(name) for name in topology.nodes}
        self.state = self.judge.judge(self.views, tenants, AT)

    def poll(self, name: str, now: MysqlSnapshot | None, **fields: Any) -> TopologyState:
        """End a poll of a server, with what it said, or None where it didn't answer (then at `polled`)."""
        before = self._last.get(name)
        if now is not None:
            self._last[name] = now
        last = self.views[name]
        polled = fields.pop("polled", last.polled) if now is None else now.taken
        apart = polled - last.polled if last.polls else 0.0
        times: dict[str, Any] = {"polls": last.polls + 1, "polled": polled, "apart": apart}
        self.views[name] = view(name, now, before, beat=self._beat, **times, **fields)
        self.state = self.judge.judge(self.views, self._tenants, AT)
        # Alerts about anything else would end at once, and begin again.
        assert {one.trouble for one in self.state.checks} <= JUDGED[self.state.topology.kind]
        return self.state


def check(state: TopologyState, trouble: Trouble, node: str | None = None) -> Check | None:
    """Return what became of a check, None where it was not judged; of a node if one is named."""
    found = [one for one in state.checks if one.trouble is trouble and node in (None, one.node)]
    assert len(found) < 2 or node is None
    return max(found, key=lambda one: list(CheckState).index(one.state), default=None)


def outcome(state: TopologyState, trouble: Trouble, node: str | None = None) -> CheckState | None:
    """Return how a check came out, the worst of all nodes' if none is named."""
    found = check(state, trouble, node)
    return None if found is None else found.state


def bad(state: TopologyState) -> set[tuple[Trouble, str | None]]:
    """Return what is wrong for certain, and of which node."""
    return {(one.trouble, one.node) for one in state.troubles}


def doubted(state: TopologyState) -> set[Trouble]:
    """Return what is not fine."""
    return {one.trouble for one in state.checks if one.state is not CheckState.FINE}


def recorded(server: str, state: str, *, at: float = 0.0, clock: ClockReading = EXACT) -> MysqlSnapshot:
    """Return what a real server said in that state, as if it were read at that time."""
    then = recording(server, state)
    variables, status = Facts(then.variables), Facts(then.status)
    channels = parse_channels(then.rows, variables, workers=then.workers, links=then.links or ())
    made = parse_server(
        then.version,
        variables,
        status,
        clock,
        place=then.place,
        executed=next((channel.executed for channel in channels if channel.executed), ""),
    )
    assert made.flavour is flavour_of(then.version, variables)
    return MysqlSnapshot(at, EPOCH + at, made, channels)
