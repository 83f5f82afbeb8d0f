"""Links that died without a word, told from those that have nothing to say, in whatever order of polls."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mysql.snapshot import ClockReading, Flavour, MysqlSnapshot
from dialtone.model import CheckState, TopologyKind, Trouble
from tests.unit.mysql.topology.stories import Story, check, doubted, outcome
from tests.unit.mysql.topology.views import channel, place, snapshot, topology, uuid

EVERY = 1.0
SILENT = Trouble.LINK_SILENT
FOREVER = float("inf")


class World:
    """A source that writes and beats, and a replica that gets it all at once until the link dies.

    Times are seconds. `writes` are when transactions are committed, `paused` is while the writer of
    heartbeats is, `delay` is meant, `busy` is while the applier is at one big transaction, `shy` is a source
    that tells neither GTIDs nor its place in the binary log.
    """

    def __init__(
        self,
        *,
        dies: float = FOREVER,
        beats: bool = True,
        writes: Sequence[float] = (),
        paused: tuple[float, float] = (FOREVER, FOREVER),
        delay: float = 0.0,
        busy: tuple[float, float] = (FOREVER, FOREVER),
        mysql: bool = False,
        gtids: bool = True,
        skew: float = 0.0,
        heartbeats: float | None = None,
        shy: bool = False,
    ) -> None:
        self.dies, self.beats, self.paused, self.delay, self.busy = dies, beats, paused, delay, busy
        self.mysql, self.gtids, self.heartbeats, self.skew = mysql, gtids, heartbeats, skew
        self.writes, self.shy = tuple(writes), shy

    def source(self, at: float) -> MysqlSnapshot:
        """The source, read at that time."""
        done = self._events(at)
        return snapshot(
            1,
            at=at,
            beats=self._beats(at),
            gtid="" if self.shy else self._gtid(done),
            place=None if self.shy else place(1000 + 100 * done),
            clock=ClockReading(self.skew, 0.001),
            **self._flavour(),
        )

    def replica(self, at: float) -> MysqlSnapshot:
        """The replica, read at that time."""
        arrived = min(at, self.dies)
        applied = arrived - self.delay if arrived < self.busy[0] or at >= self.busy[1] else self.busy[0]
        got, done = self._events(arrived), self._events(applied)
        counted = None if self.heartbeats is None else int(arrived / self.heartbeats)
        link = channel(
            1,
            source_uuid=uuid(1) if self.mysql else "",
            delay=self.delay,
            lag=0.0 if got == done else at - applied,
            received=self._gtid(got),
            executed=self._gtid(done),
            read_place=place(1000 + 100 * got),
            executed_place=place(1000 + 100 * done),
            source_heartbeats=counted,
            heartbeat_period=self.heartbeats,
        )
        return snapshot(
            2,
            at=at,
            beats=self._beats(applied),
            channels=[link],
            gtid=self._gtid(done),
            writable=False,
            **self._flavour(),
        )

    def _flavour(self) -> dict[str, Any]:
        return {"flavour": Flavour.MYSQL} if self.mysql else {}

    def _times(self, at: float) -> Iterator[float]:
        if self.beats:
            yield from (
                beat * EVERY
                for beat in range(-300, 1 + int(at // EVERY))
                if not self.paused[0] <= beat * EVERY < self.paused[1]
            )

    def _events(self, at: float) -> int:
        return 50 + sum(time <= at for time in self.writes) + sum(1 for _ in self._times(at))

    def _beats(self, at: float) -> dict[int, float] | None:
        return {1: max(self._times(at)) + self.skew} if self.beats else None

    def _gtid(self, done: int) -> str:
        if not self.gtids:
            return ""
        return f"{uuid(1)}:1-{done}" if self.mysql else f"0-1-{done}"


def told(world: World, polls: Sequence[tuple[str, float]]) -> list[CheckState | None]:
    """Poll the world in that order; return what became of the link each time."""
    story = Story(topology(TopologyKind.PRIMARY_REPLICA, lag=1e9), beat=EVERY)
    found = []
    for name, at in polls:
        now = world.source(at) if name == "db1" else world.replica(at)
        found.append(outcome(story.poll(name, now), SILENT))
    return found


def rounds(first: float, second: float, every: float = 15.0, count: int = 6) -> list[tuple[str, float]]:
    """The polls of db1, from `first` on, and of db2, from `second` on."""
    polls = [("db1", first + every * turn) for turn in range(count)]
    polls += [("db2", second + every * turn) for turn in range(count)]
    return sorted(polls, key=lambda poll: poll[1])


def told_after(world: World, polls: Sequence[tuple[str, float]]) -> int:
    """Return how many polls of the replica after the link's death it took to tell; it stays told."""
    states = told(world, polls)
    first = states.index(CheckState.BAD)
    assert states[first:] == [CheckState.BAD] * (len(states) - first)
    return sum(1 for name, at in polls[: first + 1] if name == "db2" and at > world.dies)


WRITES = tuple(turn * 0.7 for turn in range(150))
PHASES = [(0.0, 0.1), (0.1, 0.0), (0.0, 7.0), (7.0, 0.0), (0.0, 14.8)]


@pytest.mark.parametrize(("first", "second"), PHASES)
@pytest.mark.parametrize("dies", [16.0, 23.3, 29.0])
def test_a_dead_link_is_told_by_heartbeats_within_two_polls(first: float, second: float, dies: float) -> None:
    assert told_after(World(dies=dies, shy=True), rounds(first, second)) <= 2


@pytest.mark.parametrize(("first", "second"), PHASES)
@pytest.mark.parametrize("mysql", [False, True])
def test_a_dead_link_is_told_by_gtids_where_nobody_beats(first: float, second: float, mysql: bool) -> None:
    world = World(dies=23.3, beats=False, writes=WRITES, mysql=mysql)
    assert told_after(world, rounds(first, second)) <= 3


@pytest.mark.parametrize(("first", "second"), PHASES)
def test_a_dead_link_is_told_by_the_binary_log_without_gtids(first: float, second: float) -> None:
    world = World(dies=23.3, beats=False, writes=WRITES, mysql=True, gtids=False)
    assert told_after(world, rounds(first, second)) <= 3


def test_a_dead_link_is_told_by_replication_s_own_heartbeats_of_an_idle_source() -> None:
    idle = World(dies=23.3, beats=False, heartbeats=5.0)
    assert told_after(idle, rounds(0.0, 1.0)) <= 2


def test_a_dead_link_from_a_stranger_is_told_by_replication_s_own_heartbeats() -> None:
    world = World(dies=5.0, beats=False, heartbeats=5.0)
    story = Story(topology(TopologyKind.STANDALONE, "db2"))
    for at in (0.0, 15.0, 30.0):
        story.poll("db2", world.replica(at))
    found = check(story.state, SILENT)
    assert found is not None
    assert found.state is CheckState.BAD
    assert found.detail == "nothing has come in 15 s, not even replication's own heartbeats"


def test_a_delayed_replica_s_dead_link_is_told_by_what_it_received() -> None:
    assert told_after(World(dies=23.3, delay=200.0), rounds(0.0, 7.0)) <= 3


def test_a_dead_link_shows_though_the_source_s_clock_is_off() -> None:
    for skew in (-30.0, 30.0):
        assert told_after(World(dies=23.3, skew=skew, shy=True), rounds(0.0, 7.0)) <= 2


def test_a_link_that_is_back_is_fine_again() -> None:
    story = Story(topology(lag=1e9), beat=EVERY)
    dead, alive = World(dies=16.0), World()
    for name, at in rounds(0.0, 7.0, count=4):
        story.poll(name, dead.source(at) if name == "db1" else dead.replica(at))
    assert outcome(story.state, SILENT) is CheckState.BAD
    story.poll("db2", alive.replica(67))
    assert outcome(story.state, SILENT) is CheckState.FINE


def test_a_dead_link_that_the_replica_knows_of_is_silent_no_more_once_that_is_certain() -> None:
    story = Story(topology(), beat=EVERY)
    dead = World(dies=16.0)
    for name, at in rounds(0.0, 7.0, count=4):
        story.poll(name, dead.source(at) if name == "db1" else dead.replica(at))
    broken = channel(1, io_running=False, connecting=True, lag=None)
    story.poll("db2", snapshot(2, at=67, beats={1: 16.0}, channels=[broken], writable=False))
    assert outcome(story.state, SILENT) is None, "neither ends its alert nor raises one"
    story.poll("db2", snapshot(2, at=82, beats={1: 16.0}, channels=[broken], writable=False))
    assert outcome(story.state, SILENT) is CheckState.FINE
    assert outcome(story.state, Trouble.IO_UNREACHABLE) is CheckState.BAD


HEALTHY = {
    "beating": World(),
    "skewed": World(skew=-40.0),
    "idle": World(beats=False),
    "idle, with own heartbeats": World(beats=False, heartbeats=5.0),
    "rarely written to": World(beats=False, writes=(21.0, 44.9, 75.0)),
    "written to": World(beats=False, writes=WRITES),
    "written to without gtids": World(beats=False, writes=WRITES, mysql=True, gtids=False),
    "delayed": World(delay=20.0),
    "delayed by minutes": World(delay=200.0, writes=WRITES),
    "busy with a big transaction": World(busy=(18.0, 55.0)),
    "a writer that paused": World(paused=(20.0, 44.0)),
    "a writer that paused, of a shy source": World(paused=(20.0, 44.0), shy=True),
    "a writer that paused while the applier was busy": World(busy=(18.0, 80.0), paused=(25.0, 80.0)),
    "a writer that paused before a delayed replica": World(delay=20.0, paused=(25.0, 80.0)),
    "a writer that stopped": World(paused=(20.0, FOREVER)),
    "a writer that stopped, of a source that is written to": World(paused=(20.0, FOREVER), writes=WRITES),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize(("first", "second"), PHASES)
def test_a_healthy_link_is_never_taken_for_dead(name: str, first: float, second: float) -> None:
    states = told(HEALTHY[name], rounds(first, second))
    assert CheckState.BAD not in states


@given(
    st.sampled_from(sorted(HEALTHY)),
    st.lists(st.tuples(st.sampled_from(["db1", "db2"]), st.floats(0.05, 20.0)), min_size=4, max_size=24),
)
def test_no_order_and_no_timing_of_polls_makes_a_healthy_link_look_dead(
    name: str, steps: list[tuple[str, float]]
) -> None:
    polls, at = [], 0.0
    for node, passed in steps:
        at += passed
        polls.append((node, at))
    assert CheckState.BAD not in told(HEALTHY[name], polls)


@given(
    st.floats(20.0, 40.0),
    st.lists(st.tuples(st.sampled_from(["db1", "db2"]), st.floats(0.5, 12.0)), min_size=8, max_size=40),
)
def test_a_dead_link_once_told_stays_told_in_whatever_order_servers_are_polled(
    dies: float, steps: list[tuple[str, float]]
) -> None:
    polls, at = [("db1", 0.0), ("db2", 0.1)], 0.2
    for node, passed in steps:
        at += passed
        polls.append((node, at))
    states = told(World(dies=dies), polls)
    if CheckState.BAD in states:
        first = states.index(CheckState.BAD)
        assert set(states[first:]) == {CheckState.BAD}


def test_one_reading_tells_nothing() -> None:
    assert told(World(dies=-20.0), [("db1", 0.0), ("db2", 0.1)]) == [None, None]


def test_a_replica_that_was_just_started_has_not_been_listening() -> None:
    story = Story(topology(lag=1e9), beat=EVERY)
    dead = World(dies=5.0)
    story.poll("db1", dead.source(0.0))
    story.poll("db2", dead.replica(6.0))
    story.poll("db1", dead.source(30.0))
    again = dead.replica(31.0)
    assert again.heartbeats is not None
    fresh = snapshot(
        2, at=31.0, beats={1: again.heartbeats[1].written - 1.79e9}, channels=again.channels, uptime=0.5
    )
    story.poll("db2", fresh)
    assert outcome(story.state, SILENT) is CheckState.FINE


def test_the_first_beat_after_a_pause_may_be_under_way() -> None:
    story = Story(topology(lag=1e9), beat=EVERY)
    old, fresh = channel(1), channel(1, read_place=place(200), executed_place=place(200))
    polls = [
        ("db1", snapshot(1, at=14.9, beats={1: 9.0})),
        ("db2", snapshot(2, at=15, beats={1: 9.0}, channels=[old], writable=False)),
        ("db1", snapshot(1, at=30.02, beats={1: 30.0})),
        ("db2", snapshot(2, at=30.05, beats={1: 9.0}, channels=[old], writable=False)),
        ("db1", snapshot(1, at=45.02, beats={1: 45.0})),
        ("db2", snapshot(2, at=45.05, beats={1: 44.0}, channels=[fresh], writable=False)),
    ]
    states = [str(outcome(story.poll(name, now), SILENT)) for name, now in polls]
    assert states == ["None", "None", "None", "suspect", "suspect", "fine"]


def test_a_receiver_that_was_started_again_has_not_been_listening() -> None:
    story = Story(topology())
    stopped: dict[str, Any] = {"io_running": False, "lag": None}
    for at, fields in ((0.0, stopped), (60.0, {})):
        one = channel(1, source_heartbeats=3, heartbeat_period=2.0, **fields)
        story.poll("db2", snapshot(2, at=at, channels=[one], writable=False))
    assert outcome(story.state, SILENT) is CheckState.FINE


def test_a_receiver_that_says_it_is_busy_is_not_silent() -> None:
    story = Story(topology(lag=1e9), beat=EVERY)
    state = "Waiting for the slave SQL thread to free enough relay log space"
    for at in (0.0, 15.0, 30.0):
        full = channel(1, io_state=state, source_heartbeats=3, heartbeat_period=2.0)
        story.poll("db2", snapshot(2, at=at, beats={1: 0.0}, channels=[full], writable=False))
        story.poll("db1", snapshot(1, at=at + 1, beats={1: at + 1}))
        assert outcome(story.state, SILENT) is CheckState.FINE


def test_a_rotated_binary_log_of_an_idle_source_is_no_dead_link() -> None:
    story = Story(topology())
    idle = channel(1, read_place=place(4, "bin.000002"), executed_place=place(4, "bin.000002"))
    for at in (0.0, 15.0, 30.0, 45.0):
        file = "bin.000001" if at < 15 else "bin.000002"
        story.poll("db2", snapshot(2, at=at, channels=[idle], writable=False))
        story.poll("db1", snapshot(1, at=at + 5, place=place(200 if at < 15 else 385, file)))
        assert SILENT not in doubted(story.state)


def test_a_source_whose_own_position_has_what_was_never_replicated_is_no_dead_link() -> None:
    story = Story(topology())
    for at in (0.0, 15.0, 30.0, 45.0):
        story.poll("db1", snapshot(1, at=at, gtid="0-1-100,7-9-44"))
        story.poll("db2", snapshot(2, at=at + 5, gtid="0-1-100", channels=[channel(1)], writable=False))
        assert SILENT not in doubted(story.state)


def test_what_the_source_can_t_be_asked_for_is_not_judged() -> None:
    story = Story(topology(), beat=EVERY)
    dead = World(dies=5.0)
    for at in (0.0, 15.0, 30.0):
        story.poll("db1", None)
        story.poll("db2", dead.replica(at + 1))
    assert check(story.state, SILENT) is None
