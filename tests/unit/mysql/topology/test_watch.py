"""From polls to topologies: what the watch makes of a node's state, and whom it tells."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import structlog.testing

from collectors.mysql.fleet import Fleet
from collectors.mysql.snapshot import ClockReading, MysqlSnapshot
from collectors.mysql.topology.watch import TopologyWatch
from dialtone.model import (
    CheckState,
    CollectFailure,
    Node,
    NodeKind,
    NodeState,
    Reading,
    Topology,
    TopologyKind,
    TopologyState,
    Trouble,
)
from tests.fakes.clock import FakeClock
from tests.unit.mysql.topology.stories import bad, check, outcome
from tests.unit.mysql.topology.views import channel, snapshot, topology

HEARTBEAT = {"heartbeat": "dialtone.heartbeat", "heartbeat_every": "0.5"}


class Listener:
    """Implements TopologySink; takes its time, and the longer the sooner it is asked."""

    def __init__(self) -> None:
        self.told: list[TopologyState] = []
        self._patience = 60

    async def topology_judged(self, state: TopologyState) -> None:
        self._patience -= 3
        for _ in range(self._patience):
            await anyio.lowlevel.checkpoint()
        self.told.append(state)


class Service:
    """A watch, the fleet that it reads, and polls to tell it of."""

    def __init__(self, clock: FakeClock, *topologies: Topology, **options: str) -> None:
        self.clock, self.fleet, self.listener = clock, Fleet(), Listener()
        self.options = options
        self.tenants: Sequence[str] = ("acme.example.net",)
        self.watch = TopologyWatch(
            topologies or (topology(),),
            self.fleet,
            clock,
            tenants_of=lambda _: self.tenants,
            tell=[self.listener],
        )
        self.last: dict[str, NodeState] = {}

    async def poll(self, name: str, now: MysqlSnapshot | None, **fields: Any) -> None:
        """End a poll, fifteen seconds after whatever was before."""
        await self.clock.advance(15)
        if now is not None:
            self.fleet.put(name, now)
        node = Node(name, NodeKind.MYSQL, "mysql://10.0.0.1:3306", options=self.options)
        at = self.clock.now()
        state = NodeState(node, now is not None, at, at, 0.01, reading=Reading(()) if now else None, **fields)
        await self.tell(state)

    async def tell(self, state: NodeState) -> None:
        """Tell of a state of a node."""
        self.last[state.node.name] = state
        await self.watch.node_polled(state)


def replica(at: float = 0.0, **fields: Any) -> MysqlSnapshot:
    """A reading of db2."""
    return snapshot(2, at=at, channels=[channel(1, **fields)], writable=False)


async def test_each_poll_of_a_member_is_a_judgement_that_is_told(clock: FakeClock) -> None:
    service = Service(clock)
    assert not service.watch.states
    await service.poll("db1", snapshot(1))
    await service.poll("db2", replica())
    assert len(service.listener.told) == 2
    assert service.watch.states == (service.listener.told[-1],)
    state = service.listener.told[-1]
    assert (state.topology.name, state.at, state.tenants) == ("main", clock.now(), ("acme.example.net",))
    assert [member.up for member in state.members] == [True, True]
    assert [(link.replica, link.source) for link in state.links] == [("db2", "db1")]


async def test_a_server_id_is_one_server_s_among_those_of_a_topology(clock: FakeClock) -> None:
    other = Topology("web", TopologyKind.PRIMARY_REPLICA, ("web1", "web2"))
    service = Service(clock, topology(), other)
    for name, number in (("db1", 1), ("db2", 2), ("web1", 1), ("web2", 2), ("lone", 1)):
        service.fleet.put(name, snapshot(number))
    having = [service.fleet.having(1, beside=name) for name in ("db2", "web2", "lone", "db1")]
    assert having == ["db1", "web1", None, None]
    service.fleet.group(("db2", "lone"))
    assert service.fleet.having(1, beside="db2") is None


async def test_a_node_of_no_topology_is_nothing_to_it(clock: FakeClock) -> None:
    service = Service(clock)
    await service.poll("sip1", snapshot(9))
    assert service.listener.told == []


async def test_each_topology_that_a_node_is_in_is_judged(clock: FakeClock) -> None:
    alone = Topology("db2", TopologyKind.STANDALONE, ("db2",))
    service = Service(clock, topology(), alone)
    await service.poll("db2", replica())
    assert [state.topology.name for state in service.listener.told] == ["main", "db2"]
    await service.poll("db1", snapshot(1))
    assert [state.topology.name for state in service.listener.told] == ["main", "db2", "main"]


async def test_a_server_that_does_not_answer_is_down_and_what_it_said_is_not_shown(clock: FakeClock) -> None:
    service = Service(clock)
    await service.poll("db2", replica())
    failed = {"failure": CollectFailure.CONNECT, "detail": "nobody listens on 10.0.0.2:3306"}
    await service.poll("db2", None, **failed)
    assert outcome(service.listener.told[-1], Trouble.MEMBER_DOWN) is CheckState.SUSPECT
    assert service.listener.told[-1].links == ()
    await service.poll("db2", None, **failed)
    found = check(service.listener.told[-1], Trouble.MEMBER_DOWN)
    assert found is not None
    assert found.state is CheckState.BAD
    assert found.detail == "connect: nobody listens on 10.0.0.2:3306"


async def test_a_source_that_is_down_is_still_known_by_what_it_said(clock: FakeClock) -> None:
    service = Service(clock)
    await service.poll("db1", snapshot(1))
    await service.poll("db1", None)
    await service.poll("db2", replica())
    assert [link.source for link in service.listener.told[-1].links] == ["db1"]


async def test_the_same_poll_told_twice_is_one_poll(clock: FakeClock) -> None:
    service = Service(clock)
    stopped: dict[str, Any] = {"io_running": False, "lag": None}
    await service.poll("db2", replica(**stopped))
    await service.tell(service.last["db2"])
    assert outcome(service.listener.told[-1], Trouble.IO_STOPPED) is CheckState.SUSPECT
    await service.poll("db2", replica(15, **stopped))
    assert bad(service.listener.told[-1]) == {(Trouble.IO_STOPPED, "db2")}


async def test_a_server_of_which_no_poll_ends_any_more_is_down_for_certain(clock: FakeClock) -> None:
    service = Service(clock)
    await service.poll("db2", replica())
    state = service.last["db2"]
    lost = NodeState(
        state.node,
        False,
        clock.now(),
        state.polled_at,
        0.01,
        failure=CollectFailure.TIMEOUT,
        detail="no poll has ended",
    )
    await service.tell(lost)
    assert bad(service.listener.told[-1]) == {(Trouble.MEMBER_DOWN, "db2")}
    assert len(service.listener.told) == 2


async def test_polls_of_one_round_are_one_however_near_they_are(clock: FakeClock) -> None:
    service = Service(clock, topology(TopologyKind.ACTIVE_PASSIVE))

    async def seen(number: int, at: float, *, writable: bool) -> CheckState | None:
        now = snapshot(number, at=at, channels=[channel(3 - number)], writable=writable)
        await service.poll(f"db{number}", now)
        return outcome(service.listener.told[-1], Trouble.NO_WRITER)

    for at in (0.0, 15.0):
        await seen(1, at, writable=True)
        await seen(2, at + 0.05, writable=False)
    states = [await seen(1 + turn % 2, 30 + 15 * (turn // 2), writable=False) for turn in range(4)]
    assert states == [*[CheckState.SUSPECT] * 3, CheckState.BAD]


async def test_a_server_of_which_no_poll_ends_any_more_holds_up_no_suspicion_of_others(
    clock: FakeClock,
) -> None:
    service = Service(clock, topology(TopologyKind.ACTIVE_PASSIVE))

    async def passive() -> None:
        now = snapshot(2, at=service.clock.monotonic() + 15, channels=[channel(1)], writable=False)
        await service.poll("db2", now)

    for _ in range(2):
        await service.poll("db1", snapshot(1, at=clock.monotonic() + 15, channels=[channel(2)]))
        await passive()
    await passive()
    state = service.last["db1"]
    silent: dict[str, Any] = {"failure": CollectFailure.TIMEOUT, "detail": "no poll has ended"}
    await service.tell(NodeState(state.node, False, clock.now(), state.polled_at, 0.01, **silent))
    assert outcome(service.listener.told[-1], Trouble.NO_WRITER) is CheckState.SUSPECT
    await passive()
    assert outcome(service.listener.told[-1], Trouble.NO_WRITER) is CheckState.BAD


async def test_a_reading_that_was_withdrawn_is_no_longer_judged(clock: FakeClock) -> None:
    service = Service(clock)
    await service.poll("db2", replica(sql_running=False, lag=None))
    state = service.last["db2"]
    await service.tell(NodeState(state.node, True, state.since, state.polled_at, 0.01))
    assert [one.trouble for one in service.listener.told[-1].checks] == [Trouble.MEMBER_DOWN]


async def test_two_readings_in_a_row_are_compared(clock: FakeClock) -> None:
    service = Service(clock)
    for at, skipped in ((0, 3), (15, 3), (30, 4)):
        now = snapshot(1, at=at, skipped=skipped)
        await service.poll("db1", now)
    assert bad(service.listener.told[-1]) == {(Trouble.ERRORS_SKIPPED, "db1")}


async def test_heartbeats_are_due_as_the_node_s_configuration_says(clock: FakeClock) -> None:
    beating = Service(clock, **HEARTBEAT)
    plain = Service(clock)
    for service in (beating, plain):
        for at in (0.0, 15.0):
            await service.poll("db1", snapshot(1, at=at, beats={1: at - 4.0}))
    assert bad(beating.listener.told[-1]) == {(Trouble.HEARTBEAT_STOPPED, "db1")}
    assert outcome(plain.listener.told[-1], Trouble.HEARTBEAT_STOPPED) is CheckState.FINE


async def test_a_clock_is_judged_by_its_best_reading_unless_it_was_set(clock: FakeClock) -> None:
    service = Service(clock, topology(TopologyKind.STANDALONE, "db1"))
    for offset, error in ((0.0, 0.001), (1.9, 2.0)):
        await service.poll("db1", snapshot(1, clock=ClockReading(offset, error)))
    assert service.listener.told[-1].members[0].clock_offset == 0.0
    await service.poll("db1", snapshot(1, clock=ClockReading(5.0, 0.002)))
    assert service.listener.told[-1].members[0].clock_offset == 5.0
    await service.poll("db1", snapshot(1, clock=ClockReading(5.0, 0.002)))
    assert bad(service.listener.told[-1]) == {(Trouble.CLOCK_SKEW, "db1")}


async def test_a_role_switch_is_logged_once(clock: FakeClock) -> None:
    service = Service(clock, topology(TopologyKind.ACTIVE_PASSIVE))
    with structlog.testing.capture_logs() as logs:
        await service.poll("db1", snapshot(1, channels=[channel(2)]))
        await service.poll("db2", replica())
        await service.poll("db1", snapshot(1, channels=[channel(2)], writable=False))
        await service.poll("db2", snapshot(2, channels=[channel(1)]))
        await service.poll("db2", snapshot(2, channels=[channel(1)]))
    assert logs == [
        {
            "event": "mysql.role-switch",
            "log_level": "info",
            "topology": "main",
            "before": "db1",
            "now": "db2",
        }
    ]
    assert service.listener.told[-1].switches == 1


async def test_tenants_are_those_of_the_moment(clock: FakeClock) -> None:
    service = Service(clock)
    await service.poll("db1", snapshot(1))
    service.tenants = ("acme.example.net", "new.example.net")
    await service.poll("db1", snapshot(1))
    assert service.listener.told[-1].tenants == ("acme.example.net", "new.example.net")


async def test_what_is_told_last_is_the_newest_though_polls_end_together(clock: FakeClock) -> None:
    service = Service(clock)
    node = Node("db1", NodeKind.MYSQL, "mysql://10.0.0.1:3306")
    polls = [clock.now() + timedelta(seconds=turn) for turn in range(20)]
    async with anyio.create_task_group() as tasks:
        for turn, at in enumerate(polls):
            service.fleet.put("db1", snapshot(1, at=turn))
            tasks.start_soon(service.tell, NodeState(node, True, at, at, 0.01, reading=Reading(())))
    assert len(service.listener.told) == 20
    assert service.listener.told[-1] is service.watch.states[0]


async def test_probes_are_nothing_to_it(clock: FakeClock) -> None:
    service = Service(clock)
    await service.watch.probe_ended(None)  # type: ignore[arg-type]
    assert service.listener.told == []
