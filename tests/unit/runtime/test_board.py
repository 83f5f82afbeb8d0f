"""The board: the last of everything, and nothing foreign to anybody."""

from datetime import timedelta

from dialtone.model import FailureCode, Scope
from dialtone.runtime.board import Board
from tests.fakes.results import ACME, BOLT, NOON, a_node, a_run, a_state

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
