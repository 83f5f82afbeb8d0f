"""Discovery: what becomes of the tenants as sources answer, fail and fall silent, in virtual time."""

from collections.abc import Collection

import anyio
import pytest
import structlog

from dialtone.model import MAX_DISCOVERED, CollectError, CollectFailure, DomainsFound
from dialtone.runtime.asking import Asked
from dialtone.runtime.discovery import Discovery, SourceFigures
from tests.fakes.clock import FakeClock
from tests.fakes.tenants import FakeSource

DOWN = CollectError(CollectFailure.CONNECT, "connection refused")


class Book:
    """A directory that holds what it is told."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.calls = 0

    async def discover(self, domains: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        self.calls += 1
        await anyio.lowlevel.checkpoint()
        appeared, gone = set(domains) - self.held, self.held - set(domains)
        self.held = set(domains)
        return tuple(sorted(appeared)), tuple(sorted(gone))


class Bench:
    """A discovery of some sources with all that is around it."""

    def __init__(self, clock: FakeClock, **sources: FakeSource) -> None:
        self.book = Book()
        asked = [Asked(name, source, every=300.0, timeout=5.0) for name, source in sources.items()]
        self.discovery = Discovery(asked, self.book, clock)

    async def run(self, *names: str) -> set[str]:
        """Ask these sources, one after the other; return what the directory holds then."""
        for name in names:
            await self.discovery.run(name)
        return self.book.held


async def test_a_domain_appears_when_it_is_listed_and_disappears_when_it_is_not(clock: FakeClock) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x", "b.x"], ["b.x", "c.x"]))
    assert await bench.run("sip1") == {"a.x", "b.x"}
    assert await bench.run("sip1") == {"b.x", "c.x"}
    assert (bench.discovery.appeared, bench.discovery.disappeared) == (1, 1)


async def test_what_a_first_answer_lists_has_not_appeared_since_the_start(clock: FakeClock) -> None:
    bench = Bench(clock, sip1=FakeSource(DOWN, ["a.x"]), db=FakeSource(["b.x"]))
    with structlog.testing.capture_logs() as logs:
        assert await bench.run("sip1", "db", "sip1") == {"a.x", "b.x"}
    assert (bench.discovery.appeared, bench.discovery.disappeared) == (0, 0)
    assert [line["event"] for line in logs if "tenants found" in line["event"]] == ["tenants found"] * 2


async def test_a_domain_stays_while_any_source_lists_it(clock: FakeClock) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x", "b.x"], ["b.x"]), db=FakeSource(["a.x"], ["c.x"]))
    assert await bench.run("sip1", "db") == {"a.x", "b.x"}
    assert await bench.run("sip1") == {"a.x", "b.x"}
    assert await bench.run("db") == {"b.x", "c.x"}
    assert bench.discovery.disappeared == 1


@pytest.mark.parametrize(
    ("trouble", "failure"),
    [
        (DOWN, "connect"),
        (CollectError(CollectFailure.TOO_LARGE, "too much"), "too-large"),
        (RuntimeError("a mistake"), "internal"),
    ],
)
async def test_a_discovery_that_fails_changes_nothing_and_says_so_once(
    clock: FakeClock, trouble: Exception, failure: str
) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x"], trouble, trouble, ["a.x"]))
    await bench.run("sip1")
    await clock.advance(60)
    with structlog.testing.capture_logs() as logs:
        assert await bench.run("sip1", "sip1") == {"a.x"}
        assert bench.discovery.figures() == (SourceFigures("sip1", success=False, age=60.0, left_out=0),)
        assert await bench.run("sip1") == {"a.x"}
    assert bench.discovery.figures() == (SourceFigures("sip1", success=True, age=0.0, left_out=0),)
    told = [line for line in logs if line["log_level"] in ("warning", "info")]
    assert [line["event"] for line in told] == [
        "tenants can't be discovered",
        "tenants can be discovered again",
    ]
    assert (told[0]["source"], told[0]["failure"]) == ("sip1", failure)
    assert sum(line["log_level"] == "error" for line in logs) == (failure == "internal")


async def test_a_source_that_hangs_is_given_up_after_its_deadline_and_others_are_not_held(
    clock: FakeClock,
) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x"], None), db=FakeSource(["b.x"], ["c.x"]))
    await bench.run("sip1", "db")
    ended: dict[str, CollectError | None] = {}

    async def run() -> None:
        ended.update(await bench.discovery.run_all())

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await clock.advance(4.9)
        assert bench.book.held == {"a.x", "c.x"}
        assert not ended
        await clock.advance(0.2)
    assert ended["db"] is None
    assert ended["sip1"] is not None
    assert ended["sip1"].failure is CollectFailure.TIMEOUT


async def test_an_empty_answer_after_names_is_believed_when_it_is_given_twice_in_a_row(
    clock: FakeClock,
) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x"], [], ["a.x"], [], DOWN, [], []))
    assert await bench.run("sip1", "sip1") == {"a.x"}
    assert not bench.discovery.figures()[0].success
    assert await bench.run("sip1", "sip1", "sip1", "sip1") == {"a.x"}  # never twice in a row
    assert await bench.run("sip1") == set()
    assert bench.discovery.figures()[0].success
    assert bench.discovery.disappeared == 1


async def test_an_empty_answer_from_the_beginning_is_an_answer(clock: FakeClock) -> None:
    bench = Bench(clock, sip1=FakeSource([]))
    assert await bench.discovery.run("sip1") is None
    assert bench.discovery.figures() == (SourceFigures("sip1", success=True, age=0.0, left_out=0),)


async def test_names_that_are_left_out_are_counted_and_make_no_answer_full(clock: FakeClock) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x"], DomainsFound((), 3), DomainsFound(("a.x",), 2)))
    assert await bench.run("sip1", "sip1") == {"a.x"}
    await bench.run("sip1")
    assert bench.discovery.figures()[0].left_out == 2


async def test_all_sources_together_list_no_more_than_the_cap(clock: FakeClock) -> None:
    many = [f"t{number}.x" for number in range(MAX_DISCOVERED)]
    bench = Bench(clock, sip1=FakeSource(many), db=FakeSource(["t1.x"], ["one-more.x"]))
    await bench.run("sip1", "db")
    error = await bench.discovery.run("db")
    assert error is not None
    assert error.failure is CollectFailure.TOO_LARGE
    assert len(bench.book.held) == MAX_DISCOVERED
    assert "one-more.x" not in bench.book.held


async def test_a_log_line_names_twenty_and_counts_all(clock: FakeClock) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x"], ["a.x", *(f"t{n:03}.x" for n in range(500))], ["a.x"]))
    with structlog.testing.capture_logs() as logs:
        await bench.run("sip1", "sip1", "sip1")
    _, appeared, gone = logs
    for line, event in ((appeared, "tenants appeared"), (gone, "tenants disappeared")):
        assert (line["event"], line["count"]) == (event, 500)
        assert line["tenants"] == [f"t{n:03}.x" for n in range(20)]


async def test_an_answer_that_says_the_same_again_changes_nothing(clock: FakeClock) -> None:
    bench = Bench(clock, sip1=FakeSource(["a.x", "b.x"], ["b.x", "a.x"]))
    with structlog.testing.capture_logs() as logs:
        await bench.run("sip1", "sip1")
    assert bench.book.calls == 1
    assert len(logs) == 1


async def test_a_source_that_was_never_asked_has_no_figures(clock: FakeClock) -> None:
    assert Bench(clock, sip1=FakeSource(["a.x"])).discovery.figures() == ()
