"""The line that probes wait in: who comes first, and places that never get lost."""

import asyncio

import pytest

from synthetic.queueing import PATIENCE, TO_CONFIRM, Line, LineTooLongError
from tests.fakes.clock import FakeClock


class Waiting:
    """Somebody in the line; `order` is where those who get a place write themselves down."""

    def __init__(self, line: Line, name: str, order: list[str], *, confirms: bool = False) -> None:
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._stand(line, name, order, confirms=confirms))

    async def _stand(self, line: Line, name: str, order: list[str], *, confirms: bool) -> None:
        async with line.turn(confirms=confirms):
            order.append(name)
            await self.leave.wait()


@pytest.fixture
def line(clock: FakeClock) -> Line:
    return Line(clock, per_second=1000.0, at_a_time=1)


async def test_who_confirms_a_failure_passes_all_others(line: Line, clock: FakeClock) -> None:
    order: list[str] = []
    people = [Waiting(line, name, order) for name in ("a", "b", "c")]
    await clock.advance(1)
    people.insert(1, Waiting(line, "confirming", order, confirms=True))
    for person in people:
        await clock.advance(1)
        person.leave.set()
    await asyncio.gather(*(person.task for person in people))
    assert order == ["a", "confirming", "b", "c"]


async def test_each_waits_as_long_as_its_patience_and_no_longer(line: Line, clock: FakeClock) -> None:
    order: list[str] = []
    holder = Waiting(line, "holder", order)
    await clock.advance(1)
    usual, confirming = Waiting(line, "usual", order), Waiting(line, "confirming", order, confirms=True)
    await clock.advance(PATIENCE)
    assert (usual.task.done(), confirming.task.done()) == (True, False)
    await clock.advance(TO_CONFIRM - PATIENCE)
    for gone in (usual, confirming):
        with pytest.raises(LineTooLongError):
            await gone.task
    holder.leave.set()
    await holder.task
    assert order == ["holder"]


async def test_a_place_is_not_lost_with_who_leaves_the_line(line: Line, clock: FakeClock) -> None:
    order: list[str] = []
    holder, gone, next_one = (Waiting(line, name, order) for name in ("holder", "gone", "next"))
    await clock.advance(1)
    gone.task.cancel()
    holder.leave.set()
    await clock.advance(1)
    assert order == ["holder", "next"]
    next_one.leave.set()
    await clock.advance(1)
    last = Waiting(line, "last", order)
    await clock.advance(1)
    assert order[-1] == "last"
    last.leave.set()
    await asyncio.gather(holder.task, next_one.task, last.task)


async def test_a_place_that_is_given_to_who_leaves_at_that_moment_goes_to_the_next(clock: FakeClock) -> None:
    line = Line(clock, per_second=1000.0, at_a_time=1)
    order: list[str] = []
    turn = line.turn()
    await turn.__aenter__()
    gone, next_one = Waiting(line, "gone", order), Waiting(line, "next", order)
    await clock.advance(1)
    await turn.__aexit__(None, None, None)  # it is given to the first here, who is cancelled before it wakes
    gone.task.cancel()
    await clock.advance(1)
    assert order == ["next"]
    next_one.leave.set()
    await next_one.task


async def test_a_confirmation_finds_a_start_where_others_are_too_many(clock: FakeClock) -> None:
    line = Line(clock, per_second=1.0, at_a_time=100)
    order: list[str] = []
    people = [Waiting(line, str(number), order) for number in range(8)]
    await clock.advance(0)
    confirming = Waiting(line, "confirming", order, confirms=True)
    await clock.advance(TO_CONFIRM)
    assert order == ["0", "1", "2", "3", "4", "5", "confirming"]
    for person in (*people, confirming):
        person.leave.set()
    ended = await asyncio.gather(*(p.task for p in (*people, confirming)), return_exceptions=True)
    assert [type(one) for one in ended if one is not None] == [LineTooLongError] * 2
