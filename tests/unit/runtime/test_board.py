"""The board: the last of everything, and nothing foreign to anybody."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from dialtone.model import Check, CheckState, FailureCode, Holding, Impact, Scope, Trouble
from dialtone.runtime.board import Board
from tests.fakes.results import ACME, BOLT, NOON, a_node, a_run, a_state
from tests.fakes.topologies import a_member, a_topology_state

EVERYTHING = Scope.everything()


async def test_the_last_state_of_each_node_is_kept_in_the_order_of_names() -> None:
    board = Board()
    first, second, other = a_state(), a_state(at=NOON + timedelta(seconds=15)), a_state(a_node("db1"))
    for state in (first, other, second):
        await board.node_polled(state)
    assert board.nodes(EVERYTHING) == [other, second]
    assert board.node(EVERYTHING, "sip1") is second
    assert board.node(EVERYTHING, "sip2") is None


async def test_the_last_result_of_each_tenant_probe_and_location_is_kept() -> None:
    board = Board()
    runs = [
        a_run(BOLT),
        a_run(ACME, location="par1"),
        a_run(ACME),
        a_run(ACME, started=NOON + timedelta(minutes=1), failure=FailureCode.TIMEOUT),
        a_run(ACME, probe="registers"),
    ]
    for run in runs:
        await board.probe_ended(run)
    assert board.results(EVERYTHING) == [runs[number].result for number in (3, 1, 4, 0)]


async def test_a_tenant_sees_its_own_results_and_nobody_elses() -> None:
    board = Board()
    for run in (a_run(ACME), a_run(BOLT)):
        await board.probe_ended(run)
    assert [result.tenant for result in board.results(Scope.of(ACME))] == [ACME]
    assert [result.tenant for result in board.results(Scope.of(ACME, BOLT))] == [ACME, BOLT]
    assert board.results(Scope.of("charlie.example")) == []
    assert board.results(Scope.of()) == []


async def test_only_the_platforms_people_see_servers() -> None:
    board = Board()
    await board.node_polled(a_state())
    assert board.nodes(Scope.of(ACME)) == []
    assert board.node(Scope.of(ACME), "sip1") is None


async def test_a_clock_that_is_set_back_does_not_hide_what_comes_after() -> None:
    board = Board()
    await board.probe_ended(a_run(ACME, started=NOON + timedelta(hours=1)))
    await board.probe_ended(a_run(ACME, started=NOON, failure=FailureCode.TIMEOUT))
    [result] = board.results(EVERYTHING)
    assert result.failure is not None


STOPPED: Final = Check(Trouble.SQL_STOPPED, CheckState.BAD, "db2", "", 1.0, "stopped", Impact.HURT)
ALONE: Final = Check(Trouble.NO_WRITER, CheckState.BAD)


def of(check: Check, state: CheckState) -> Check:
    return replace(check, state=state)


async def judged(board: Board, minute: int, *checks: Check, db2_up: bool = True) -> dict[str, datetime]:
    """Have the board take a topology judged so many minutes past noon; return since when what is wrong."""
    state = a_topology_state(members=(a_member("db1"), a_member("db2", up=db2_up)), checks=checks)
    await board.topology_judged(replace(state, at=NOON + timedelta(minutes=minute)))
    known = board.topology(EVERYTHING, "main")
    assert known is not None
    return {key[0].value: at for key, at in known.since.items()}


async def test_a_trouble_is_there_since_it_was_certain_and_goes_with_the_poll_that_is_fine() -> None:
    board = Board()
    assert await judged(board, 0, of(STOPPED, CheckState.SUSPECT)) == {}
    began = {"sql-stopped": NOON + timedelta(minutes=1)}
    assert await judged(board, 1, STOPPED) == began
    assert await judged(board, 2, replace(STOPPED, detail="still", value=2.0)) == began
    assert await judged(board, 3, of(STOPPED, CheckState.FINE)) == {}
    assert await judged(board, 4, STOPPED) == {"sql-stopped": NOON + timedelta(minutes=4)}


async def test_a_trouble_that_is_a_suspicion_again_begins_anew() -> None:
    board = Board()
    await judged(board, 0, STOPPED)
    assert await judged(board, 1, of(STOPPED, CheckState.SUSPECT)) == {}
    assert await judged(board, 2, STOPPED) == {"sql-stopped": NOON + timedelta(minutes=2)}


async def test_while_its_server_is_down_a_trouble_is_neither_gone_nor_new() -> None:
    board = Board()
    began = {"sql-stopped": NOON, "no-writer": NOON}
    assert await judged(board, 0, STOPPED, ALONE) == began
    assert await judged(board, 1, db2_up=False) == began
    assert await judged(board, 2, STOPPED, ALONE) == began
    assert await judged(board, 3) == {}, "nobody is down, and there is nothing to be judged any more"


async def test_two_channels_of_a_server_have_troubles_of_their_own() -> None:
    board = Board()
    await judged(board, 0, STOPPED)
    state = a_topology_state(checks=(STOPPED, replace(STOPPED, channel="dc2")))
    await board.topology_judged(replace(state, at=NOON + timedelta(minutes=1)))
    known = board.topology(EVERYTHING, "main")
    assert known is not None
    assert [(key[2], at.minute) for key, at in known.since.items()] == [("", 0), ("dc2", 1)]


async def test_the_last_of_each_topology_is_kept_in_the_order_of_names() -> None:
    board = Board()
    for name in ("main", "cdr", "main"):
        last = a_topology_state(name)
        await board.topology_judged(last)
    assert [known.state.topology.name for known in board.topologies(EVERYTHING)] == ["cdr", "main"]
    assert board.topologies(EVERYTHING)[1].state is last
    assert board.topology(EVERYTHING, "other") is None


async def test_only_the_platforms_people_see_topologies_and_a_tenant_what_its_own_is_worth() -> None:
    board = Board()
    await board.topology_judged(a_topology_state("main", checks=(STOPPED,), tenants=(ACME, BOLT)))
    await board.topology_judged(a_topology_state("cdr", tenants=(BOLT,)))
    await board.topology_judged(a_topology_state("db9"))
    acme = Scope.of(ACME)
    assert (board.topologies(acme), board.topology(acme, "main")) == ([], None)
    assert board.holdings(acme) == [Holding("main", Impact.HURT, (ACME,))]
    assert board.holdings(EVERYTHING) == [
        Holding("cdr", Impact.NONE, (BOLT,)),
        Holding("main", Impact.HURT, (ACME, BOLT)),
    ]
    assert board.holdings(Scope.of("charlie.example")) == []
