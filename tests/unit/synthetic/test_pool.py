"""The pool of workers: who is asked, when one more is hired, and what a death costs."""

import asyncio
from collections.abc import Mapping

import pytest

from dialtone.runtime.child import ChildDied
from synthetic.agents.pool import BUSY_A_SECOND, BUSY_AT_ONCE, WorkerPool, usual_size
from tests.fakes.clock import FakeClock


class FakeWorker:
    """Answers when told; `rests` is as a ChildProcess has it."""

    def __init__(self) -> None:
        self.rests = 0.0
        self.asked: list[asyncio.Future[dict[str, object]]] = []

    async def request(self, payload: Mapping[str, object], *, timeout: float) -> dict[str, object]:
        """Wait to be told."""
        answer: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self.asked.append(answer)
        return await answer

    def die(self) -> None:
        """Fail all that wait."""
        for answer in self.asked:
            if not answer.done():
                answer.set_exception(ChildDied("killed"))


class Crew:
    """A pool and the workers that it hired."""

    def __init__(self, clock: FakeClock, size: int = 3) -> None:
        self.workers: list[FakeWorker] = []
        self.pool = WorkerPool(self._hire, clock, size)
        self.tasks: list[asyncio.Task[dict[str, object]]] = []

    def _hire(self) -> FakeWorker:
        self.workers.append(FakeWorker())
        return self.workers[-1]

    async def ask(self, times: int = 1) -> None:
        """Send so many requests, and let them reach their workers."""
        for _ in range(times):
            self.tasks.append(asyncio.create_task(self.pool.request({}, timeout=1.0)))
            await asyncio.sleep(0)

    @property
    def loads(self) -> list[int]:
        """How many requests each worker was ever given."""
        return [len(worker.asked) for worker in self.workers]

    async def end(self) -> None:
        """Answer all that waits."""
        for worker in self.workers:
            for answer in worker.asked:
                if not answer.done():
                    answer.set_result({})
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_a_light_load_has_one_worker(clock: FakeClock) -> None:
    crew = Crew(clock)
    for _ in range(10 * BUSY_A_SECOND):
        await crew.ask()
        await crew.end()
        await clock.advance(0.1)
    assert crew.pool.workers == 1


async def test_many_at_once_hire_one_more_and_the_idlest_is_asked(clock: FakeClock) -> None:
    crew = Crew(clock)
    for _ in range(BUSY_AT_ONCE + 10):
        await crew.ask()
        await clock.advance(0.1)
    assert crew.loads == [BUSY_AT_ONCE, 10]
    await crew.end()


async def test_many_a_second_hire_one_more_though_each_is_over_at_once(clock: FakeClock) -> None:
    crew = Crew(clock)
    for _ in range(2 * BUSY_A_SECOND):
        await crew.ask()
        await crew.end()
    assert crew.pool.workers == 2


async def test_there_are_never_more_than_the_size(clock: FakeClock) -> None:
    crew = Crew(clock, size=2)
    await crew.ask(4 * BUSY_AT_ONCE)
    assert crew.loads == [2 * BUSY_AT_ONCE] * 2
    await crew.end()


async def test_a_death_takes_its_own_probes_and_no_others(clock: FakeClock) -> None:
    crew = Crew(clock, size=2)
    await crew.ask(2 * BUSY_AT_ONCE)
    first, second = crew.workers
    first.die()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    dead = [task for task in crew.tasks if task.done()]
    assert len(dead) == BUSY_AT_ONCE
    assert not any(answer.done() for answer in second.asked)
    await crew.end()
    ended = await asyncio.gather(*crew.tasks, return_exceptions=True)
    assert sum(isinstance(answer, ChildDied) for answer in ended) == BUSY_AT_ONCE


async def test_one_that_rests_after_its_death_draws_no_probes_while_another_works(clock: FakeClock) -> None:
    crew = Crew(clock, size=2)
    await crew.ask(2 * BUSY_AT_ONCE)
    first, second = crew.workers
    first.die()
    first.rests = 4.0
    await asyncio.sleep(0)
    before = len(second.asked)
    await crew.ask(5)
    assert len(second.asked) == before + 5
    first.rests = 0.0
    await crew.ask(5)
    assert len(second.asked) == before + 5
    await crew.end()


async def test_another_is_hired_rather_than_that_probes_wait_for_one_that_rests(clock: FakeClock) -> None:
    crew = Crew(clock, size=2)
    await crew.ask()
    crew.workers[0].die()
    crew.workers[0].rests = 4.0
    await crew.ask(2)
    assert crew.loads == [1, 2]
    await crew.end()


async def test_where_all_rest_the_one_that_rests_shortest_is_asked(clock: FakeClock) -> None:
    crew = Crew(clock, size=2)
    await crew.ask(BUSY_AT_ONCE + 1)
    crew.workers[0].rests, crew.workers[1].rests = 8.0, 2.0
    await crew.ask()
    assert crew.loads == [BUSY_AT_ONCE, 2]
    await crew.end()


async def test_a_request_that_is_cancelled_is_under_way_no_more(clock: FakeClock) -> None:
    crew = Crew(clock, size=1)
    await crew.ask(BUSY_AT_ONCE)
    for task in crew.tasks:
        task.cancel()
    await asyncio.gather(*crew.tasks, return_exceptions=True)
    crew.tasks.clear()
    await clock.advance(2)
    bigger = WorkerPool(crew._hire, clock, 1)
    assert bigger.workers == 0
    await crew.ask()
    assert crew.pool.workers == 1
    await crew.end()


def test_the_usual_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for cpus, size in ((1, 1), (3, 3), (64, 4)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cpus=cpus: set(range(cpus)))
        assert usual_size() == size
