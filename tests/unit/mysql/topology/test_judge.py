"""What lasts is believed, what is over is forgotten, and no order of polls changes either."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mysql.snapshot import MysqlSnapshot
from collectors.mysql.statements import Part
from dialtone.model import Check, CheckState, CollectFailure, Impact, Role, TopologyKind, Trouble
from tests.unit.mysql.topology.stories import Story, bad, check, doubted, outcome
from tests.unit.mysql.topology.views import channel, error, galera, snapshot, topology

Kind = TopologyKind
BEAT = 1.0


def active(server_id: int, at: float = 0.0, **fields: Any) -> MysqlSnapshot:
    """One of two servers that follow each other, 1 and 2; it takes writes."""
    other = 3 - server_id
    return snapshot(server_id, at=at, channels=[channel(other)], beats={server_id: at, other: at}, **fields)


def passive(server_id: int, at: float = 0.0, **fields: Any) -> MysqlSnapshot:
    """The same without writes."""
    return active(server_id, at, writable=False, **fields)


def switched(*polls: tuple[str, MysqlSnapshot | None]) -> Story:
    """An active db1 and a passive db2, and these polls after."""
    told = Story(topology(Kind.ACTIVE_PASSIVE), beat=BEAT)
    for name, now in (("db1", active(1)), ("db2", passive(2)), *polls):
        told.poll(name, now)
    return told


def test_a_suspicion_becomes_certain_only_by_another_poll_of_whom_it_is_about() -> None:
    told = switched(("db2", active(2, 15)))
    states = [outcome(told.state, Trouble.TWO_WRITERS)]
    for name, now in [
        ("db2", active(2, 30)),
        ("db2", active(2, 45)),
        ("db1", active(1, 46)),
    ]:
        states.append(outcome(told.poll(name, now), Trouble.TWO_WRITERS))
    assert states == [CheckState.SUSPECT, CheckState.SUSPECT, CheckState.SUSPECT, CheckState.BAD]
    assert told.state.impact is Impact.HURT


def test_a_suspicion_is_not_forgotten_because_another_server_was_polled() -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"))
    stopped = snapshot(2, channels=[channel(1, io_running=False, lag=None)], writable=False)
    told.poll("db1", snapshot(1))
    told.poll("db2", stopped)
    for at in (1.0, 2.0, 3.0):
        told.poll("db1", snapshot(1, at=at))
        told.poll("db3", snapshot(3, at=at, channels=[channel(1)], writable=False))
        assert outcome(told.state, Trouble.IO_STOPPED, "db2") is CheckState.SUSPECT
    told.poll("db2", stopped)
    assert bad(told.state) == {(Trouble.IO_STOPPED, "db2")}


def test_what_was_certain_is_suspected_anew_after_it_was_fine() -> None:
    told = Story(topology())
    stopped = snapshot(2, channels=[channel(1, io_running=False, lag=None)], writable=False)
    well = snapshot(2, channels=[channel(1)], writable=False)
    states = [
        outcome(told.poll("db2", now), Trouble.IO_STOPPED)
        for now in (stopped, stopped, stopped, well, stopped, stopped)
    ]
    assert [str(state) for state in states] == ["suspect", "bad", "bad", "fine", "suspect", "bad"]


def stopped(at: float) -> MysqlSnapshot:
    """A replica db2 whose receiver is stopped."""
    return snapshot(2, at=at, channels=[channel(1, io_running=False, lag=None)], writable=False)


def test_a_lasting_trouble_of_a_server_that_answers_every_other_time_becomes_certain_and_stays() -> None:
    told = Story(topology())
    states = []
    for turn in range(6):
        at = 15.0 * turn
        told.poll("db1", snapshot(1, at=at))
        told.poll("db2", None, polled=at + 1) if turn % 2 else told.poll("db2", stopped(at + 1))
        states.append(outcome(told.state, Trouble.IO_STOPPED))
    assert states == [CheckState.SUSPECT, None, CheckState.BAD, None, CheckState.BAD, None]


def test_nothing_becomes_certain_by_polls_in_which_its_server_was_away() -> None:
    told = Story(topology())
    told.poll("db1", snapshot(1))
    told.poll("db2", snapshot(2, channels=[channel(1)], writable=False))
    for at in (15.0, 30.0, 45.0):
        told.poll("db2", None, polled=at)
    assert outcome(told.poll("db2", stopped(60)), Trouble.IO_STOPPED) is CheckState.SUSPECT
    told.poll("db2", None, polled=75.0)
    for at in (75.0, 90.0):
        told.poll("db1", snapshot(1, at=at))
        assert bad(told.state) <= {(Trouble.MEMBER_DOWN, "db2")}
    well = snapshot(2, at=90, channels=[channel(1)], writable=False)
    assert outcome(told.poll("db2", well), Trouble.IO_STOPPED) is CheckState.FINE
    assert outcome(told.poll("db2", stopped(105)), Trouble.IO_STOPPED) is CheckState.SUSPECT


@pytest.mark.parametrize("known", [True, False])
def test_what_was_suspected_of_a_channel_is_forgotten_only_when_its_server_no_longer_has_it(
    known: bool,
) -> None:
    told = Story(topology())
    told.poll("db2", stopped(0))
    without = snapshot(2, at=15, writable=False)
    told.poll("db2", without if known else replace(without, unread={Part.CHANNELS: CollectFailure.DENIED}))
    assert outcome(told.state, Trouble.IO_STOPPED) is None
    told.poll("db2", stopped(30))
    assert outcome(told.state, Trouble.IO_STOPPED) is (CheckState.SUSPECT if known else CheckState.BAD)


def test_a_server_that_goes_down_has_no_checks_but_that_and_none_of_its_links() -> None:
    told = switched(("db2", passive(2, 15, skips="slave_skip_errors=all")))
    assert (Trouble.ERRORS_SKIPPED, "db2") in bad(told.state)
    told.poll("db2", None)
    assert {one.trouble for one in told.state.checks if one.node == "db2"} == {Trouble.MEMBER_DOWN}
    assert [link.replica for link in told.state.links] == ["db1"]
    member = told.state.members[1]
    assert (member.up, member.writable, member.version) == (False, None, "")


def test_members_say_what_is_known_of_them() -> None:
    told = Story(topology(Kind.GALERA), tenants=("acme.example.net",))
    told.poll("db1", snapshot(1, galera=galera(state="Donor/Desynced")))
    first, second = told.state.members
    assert (first.node, first.up, first.role, first.status) == ("db1", True, Role.MEMBER, "Donor/Desynced")
    assert (first.version, first.clock_offset, first.clock_error) == ("10.11.19-MariaDB", 0.0, 0.001)
    assert (second.up, second.channels_known) == (False, False)
    assert told.state.tenants == ("acme.example.net",)


def test_every_check_is_there_once() -> None:
    told = switched(("db1", active(1, 15)), ("db2", active(2, 15)), ("db1", None), ("db1", None))
    keys = [one.key for one in told.state.checks]
    assert len(keys) == len(set(keys))


def test_a_planned_switch_is_one_switch_in_whatever_order_it_is_seen() -> None:
    steps = [("db1", passive(1, 15)), ("db2", active(2, 15.1))]
    for order in permutations(steps):
        told = switched(*order)
        assert told.state.switches == 1
        assert told.judge.writer == "db2"
        assert bad(told.state) == set()
        assert doubted(told.state) == set()


@pytest.mark.parametrize("stopped", [passive(1, 30), None], ids=["switched", "failed over"])
def test_nobody_can_write_is_not_certain_in_a_switch_by_a_reading_of_the_round_that_it_was_suspected_in(
    stopped: MysqlSnapshot | None,
) -> None:
    told = switched(("db1", active(1, 15)), ("db2", passive(2, 15.05)))
    told.poll("db1", stopped, **({} if stopped else {"polled": 30.0}))
    told.poll("db2", passive(2, 30.05))  # before its own part of the switch
    told.poll("db1", passive(1, 45))
    assert outcome(told.state, Trouble.NO_WRITER) is not CheckState.BAD
    told.poll("db2", active(2, 45.05))
    assert outcome(told.state, Trouble.NO_WRITER) is CheckState.FINE
    assert told.state.switches == 1


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.9])
def test_nobody_can_write_is_certain_in_the_second_round_of_polls_and_so_is_who_may_not(gap: float) -> None:
    for first in (1, 2):
        told = switched(("db1", active(1, 2)), ("db2", passive(2, 2 + gap)))
        for at in (4.0, 6.0):
            for number in (first, 3 - first):
                now = at + gap * (number != first)
                told.poll(f"db{number}", passive(number, now))
        assert outcome(told.state, Trouble.NO_WRITER) is CheckState.BAD


def test_a_server_that_is_read_only_for_a_while_is_no_switch() -> None:
    told = switched(("db1", passive(1, 15)), ("db1", active(1, 30)))
    assert told.state.switches == 0


def test_the_writer_is_in_doubt_while_two_take_writes_or_one_has_only_just_stopped_to_answer() -> None:
    told = switched(("db2", active(2, 15)))
    assert (told.judge.writer, told.state.switches) == ("db1", 0)
    told.poll("db1", None)
    assert (told.judge.writer, told.state.switches) == ("db1", 0)
    told.poll("db1", None)
    assert (told.judge.writer, told.state.switches) == ("db2", 1)


def test_the_first_writer_is_no_switch_nor_are_those_of_topologies_with_many() -> None:
    assert switched().state.switches == 0
    told = Story(topology(Kind.MULTI_PRIMARY))
    for name, now in (("db1", active(1)), ("db2", passive(2)), ("db1", passive(1)), ("db2", active(2))):
        told.poll(name, now)
    assert told.state.switches == 0


FAULTS: dict[str, dict[str, Any]] = {
    "duplicate": {"sql_running": False, "lag": None, "sql_error": error(1062)},
    "refused": {"io_running": False, "connecting": True, "lag": None, "io_error": error(1045)},
    "stopped": {"io_running": False, "lag": None},
    "late": {"lag": 900.0},
}
EXPECTED = {
    "duplicate": Trouble.DUPLICATE_KEY,
    "refused": Trouble.IO_AUTH,
    "stopped": Trouble.IO_STOPPED,
    "late": Trouble.LATE,
}


def _polls(order: str, fault: str | None, count: int) -> Iterator[tuple[str, MysqlSnapshot]]:
    for turn in range(count):
        at = 15.0 * turn
        for index, digit in enumerate(order):
            number, now = int(digit), at + index
            if number == 1:
                yield "db1", snapshot(1, at=now, beats={1: now})
            else:
                fields = FAULTS[fault] if fault and number == 2 and turn > 0 else {}
                beats = {1: now} if not fields else None
                one = channel(1, **fields)
                yield f"db{number}", snapshot(number, at=now, beats=beats, channels=[one], writable=False)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("order", ["123", "132", "213", "231", "312", "321"])
def test_each_fault_is_told_within_two_polls_of_the_server_and_stays_in_whatever_order(
    fault: str, order: str
) -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"), beat=BEAT)
    seen: list[CheckState | None] = []
    polls = 0
    for name, now in _polls(order, fault, 6):
        told.poll(name, now)
        if now.taken >= 15 and name == "db2":
            polls += 1
        seen.append(outcome(told.state, EXPECTED[fault], "db2"))
        if polls >= 2:
            assert bad(told.state) == {(EXPECTED[fault], "db2")}
    first = seen.index(CheckState.BAD)
    assert set(seen[first:]) == {CheckState.BAD}


@given(st.lists(st.sampled_from(["db1", "db2", "db3"]), min_size=1, max_size=40))
def test_no_order_of_polls_raises_anything_of_healthy_servers(order: list[str]) -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"), beat=BEAT)
    for turn, name in enumerate(order):
        at = 4.0 * turn
        if name == "db1":
            told.poll(name, snapshot(1, at=at, beats={1: at}))
        else:
            number = int(name[-1])
            told.poll(name, snapshot(number, at=at, beats={1: at}, channels=[channel(1)], writable=False))
        assert bad(told.state) == set()


@given(st.lists(st.sampled_from(["db1", "db2", "db3"]), min_size=1, max_size=40))
def test_a_certain_fault_never_flaps_whoever_is_polled(order: list[str]) -> None:
    told = Story(topology(Kind.PRIMARY_REPLICA, "db1", "db2", "db3"))
    broken = channel(1, **FAULTS["refused"])
    polled = 0
    for turn, name in enumerate(order):
        at, number = 4.0 * turn, int(name[-1])
        channels = [] if number == 1 else [broken if number == 2 else channel(1)]
        told.poll(name, snapshot(number, at=at, channels=channels, writable=number == 1))
        polled += name == "db2"
        found: Check | None = check(told.state, Trouble.IO_AUTH, "db2")
        expected = None if not polled else CheckState.SUSPECT if polled == 1 else CheckState.BAD
        assert (None if found is None else found.state) is expected
