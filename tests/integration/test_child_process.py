"""ChildProcess on real processes: conversation, crashes, hangs, and nothing left behind."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import pytest
import structlog

from dialtone.runtime.child import ChildDied, ChildProcess, ChildRefused, ChildTimeout
from dialtone.runtime.clock import SystemClock
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.integration

WORKER = "tests.fakes.worker"
PATIENCE = 30.0


@pytest.fixture
async def child() -> AsyncIterator[ChildProcess]:
    async with ChildProcess(WORKER, clock=SystemClock()) as child:
        yield child


async def ask(child: ChildProcess, do: str, **rest: object) -> dict[str, object]:
    return await child.request({"do": do, **rest}, timeout=PATIENCE)


async def pid_of(child: ChildProcess) -> int:
    return int(str((await ask(child, "pid"))["pid"]))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and merely not reaped doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def gone(*pids: int) -> None:
    with anyio.fail_after(10):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - the kernel sets no Event
            await anyio.sleep(0.01)


async def test_a_request_starts_the_child_and_gets_its_reply(child: ChildProcess) -> None:
    assert child.pid is None
    assert await ask(child, "echo", text="grüß\n{}") == {"said": "grüß\n{}"}
    assert child.pid == await pid_of(child)


async def test_many_requests_at_a_time_each_get_their_own_reply(
    child: ChildProcess,
) -> None:
    replies: dict[int, Mapping[str, object]] = {}

    async def one(number: int) -> None:
        replies[number] = await ask(child, "echo", text=number)

    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(one, number)
    assert replies == {number: {"said": number} for number in range(200)}


async def test_a_slow_request_does_not_hold_up_a_quick_one(child: ChildProcess) -> None:
    order: list[str] = []

    async def slow() -> None:
        with pytest.raises(ChildDied):
            await ask(child, "wait", seconds=600)
        order.append("slow")

    async with anyio.create_task_group() as group:
        group.start_soon(slow)
        await ask(child, "echo")
        order.append("quick")
        os.kill(await pid_of(child), signal.SIGKILL)
    assert order == ["quick", "slow"]


async def test_a_handler_that_raises_is_refused_and_the_child_lives_on(child: ChildProcess) -> None:
    before = await pid_of(child)
    with pytest.raises(ChildRefused, match="ValueError: I can't do sing"):
        await ask(child, "sing")
    assert await pid_of(child) == before


async def test_what_a_library_prints_or_reads_does_not_touch_the_conversation(child: ChildProcess) -> None:
    assert await ask(child, "print") == {"read": ""}
    assert await ask(child, "echo", text=1) == {"said": 1}


async def test_lines_over_the_limit_are_refused_on_both_sides(child: ChildProcess) -> None:
    with pytest.raises(ChildRefused, match="over the limit"):
        await ask(child, "echo", text="x" * (1 << 20))
    with pytest.raises(ChildRefused, match="over the limit"):
        await ask(child, "large", size=1 << 20)
    reply = await ask(child, "large", size=1_000_000)
    assert len(str(reply["text"])) == 1_000_000


async def test_what_json_cannot_carry_is_refused_before_it_is_sent(child: ChildProcess) -> None:
    with pytest.raises(ChildRefused, match="JSON"):
        await child.request({"do": "echo", "text": float("nan")}, timeout=PATIENCE)
    with pytest.raises(ChildRefused, match="JSON"):
        await child.request({"do": "echo", "text": object()}, timeout=PATIENCE)


async def test_all_pending_requests_fail_at_once_when_the_child_crashes(child: ChildProcess) -> None:
    await pid_of(child)
    died: list[str] = []

    async def wait() -> None:
        with pytest.raises(ChildDied) as error:
            await ask(child, "wait", seconds=600)
        died.append(error.value.detail)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(wait)
            with pytest.raises(ChildDied):
                await ask(child, "exit", status=7)
    assert died == [f"{WORKER} exited with 7 (I have had enough)"] * 5
    assert child.pid is None


async def test_the_next_request_starts_another_child(child: ChildProcess) -> None:
    first = await pid_of(child)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ChildDied, match="SIGKILL"):
        await ask(child, "wait", seconds=600)
    assert await pid_of(child) != first


async def test_a_child_that_keeps_dying_is_started_less_and_less_often() -> None:
    clock = FakeClock()
    async with ChildProcess(WORKER, clock=clock) as child:
        for _ in range(2):
            with pytest.raises(ChildDied, match="exited with 3"):
                await child.request({"do": "exit", "status": 3}, timeout=0.6)
            await clock.advance(0.3)
        with pytest.raises(ChildDied, match=r"keeps dying; its next start is in 0\.2 s"):
            await child.request({"do": "echo"}, timeout=0.1)
        assert child.pid is None
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: child.request({"do": "echo"}, timeout=100))
            await clock.advance(0.1)
            assert child.pid is None
            await clock.advance(0.2)


async def test_a_module_that_cannot_be_imported_says_so() -> None:
    async with ChildProcess("tests.fakes.no_such_module", clock=SystemClock()) as child:
        with pytest.raises(ChildDied, match=r"exited with 1 .*No module named tests\.fakes\.no_such_module"):
            await ask(child, "echo")


async def test_a_request_past_its_deadline_times_out_and_the_child_lives_on() -> None:
    clock = FakeClock()
    async with ChildProcess(WORKER, clock=clock) as child, anyio.create_task_group() as group:
        first = await pid_of(child)

        async def impatient() -> None:
            with pytest.raises(ChildTimeout, match="within 5 s"):
                await child.request({"do": "wait", "seconds": 600}, timeout=5)

        group.start_soon(impatient)
        await clock.advance(5)
        assert await pid_of(child) == first


async def test_the_child_gives_up_what_is_past_its_deadline(child: ChildProcess) -> None:
    await pid_of(child)
    with pytest.raises((ChildTimeout, ChildRefused)):  # whichever clock rings first
        await child.request({"do": "wait", "seconds": 600}, timeout=0.05)
    assert await ask(child, "echo", text=1) == {"said": 1}


async def test_a_child_whose_loop_stands_still_is_killed_and_replaced() -> None:
    clock = FakeClock()
    async with ChildProcess(WORKER, clock=clock, grace=0.05) as child:
        stuck = await pid_of(child)

        async def block() -> None:
            with pytest.raises(ChildTimeout):
                await child.request({"do": "block"}, timeout=5)

        async with anyio.create_task_group() as group:
            group.start_soon(block)
            await clock.advance(5)
        with anyio.fail_after(10):
            while child.pid == stuck:  # noqa: ASYNC110 - that its end was noticed sets no Event of ours
                await anyio.sleep(0.01)
        assert not alive(stuck)
        assert await pid_of(child) != stuck


async def test_a_line_that_is_no_json_ends_the_child(child: ChildProcess) -> None:
    pid = await pid_of(child)
    with pytest.raises(ChildDied, match="can't be understood"):
        await ask(child, "rubbish", fd=sink_of(pid))
    await gone(pid)


async def test_a_reply_without_end_is_not_kept_in_memory(child: ChildProcess) -> None:
    pid = await pid_of(child)
    with pytest.raises(ChildDied, match="a line of over"):
        await ask(child, "flood", fd=sink_of(pid))
    await gone(pid)


def sink_of(pid: int) -> int:
    """Return the descriptor that the child keeps for its replies: the pipe it may write that isn't stderr."""
    stderr = Path(f"/proc/{pid}/fd/2").readlink()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        flags = int(Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().split("flags:")[1].split()[0], 8)
        if (
            "pipe:" in str(entry.readlink())
            and entry.readlink() != stderr
            and flags & os.O_ACCMODE == os.O_WRONLY
        ):
            return int(entry.name)
    raise AssertionError("the child has no pipe to write to")


async def test_leaving_ends_the_child_and_all_that_it_started() -> None:
    async with ChildProcess(WORKER, clock=SystemClock()) as child:
        pid = await pid_of(child)
        grandchild = int(str((await ask(child, "beget"))["pid"]))
    await gone(pid, grandchild)


async def test_a_child_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    async with ChildProcess(WORKER, clock=SystemClock(), grace=0.05) as child:
        pid = await pid_of(child)
        await ask(child, "ignore-sigterm")
    assert not alive(pid)


async def test_a_pending_request_fails_when_the_owner_leaves() -> None:
    details: list[str] = []
    async with anyio.create_task_group() as group:
        async with ChildProcess(WORKER, clock=SystemClock()) as child:
            await pid_of(child)

            async def wait() -> None:
                with pytest.raises(ChildDied) as error:
                    await ask(child, "wait", seconds=600)
                details.append(error.value.detail)

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
        with pytest.raises(ChildDied, match="has been closed"):
            await ask(child, "echo")
    assert len(details) == 1


async def test_cancelling_the_owner_ends_the_child() -> None:
    with anyio.CancelScope() as scope:
        async with ChildProcess(WORKER, clock=SystemClock()) as child:
            pid = await pid_of(child)
            scope.cancel()
            await anyio.sleep_forever()
    assert not alive(pid)


async def test_no_child_outlives_a_parent_that_is_killed() -> None:
    parent = await anyio.open_process([sys.executable, "-m", "tests.fakes.parent"])
    try:
        assert parent.stdout is not None
        with anyio.fail_after(PATIENCE):
            pid = int(await parent.stdout.receive())
        assert alive(pid)
    finally:
        parent.kill()
        await parent.aclose()
    await gone(pid)


async def test_the_environment_is_cleaned_and_argv_tells_nothing(
    child: ChildProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    reply = await ask(child, "environment")
    names, argv = reply["names"], reply["argv"]
    assert isinstance(names, list)
    assert "PATH" in names
    assert "DB_PASSWORD" not in names
    assert argv == [sys.executable, "-P", "-m", WORKER]


async def test_stderr_is_logged_but_a_flood_of_it_is_cut_short(child: ChildProcess) -> None:
    await pid_of(child)
    with structlog.testing.capture_logs() as logs:
        await ask(child, "complain", lines=1000)
        with pytest.raises(ChildDied):
            await ask(child, "exit", status=0)
    said = [entry["line"] for entry in logs if entry["event"] == "child says"]
    kept_back = sum(entry["lines_kept_back"] for entry in logs if entry["event"] == "child says too much")
    assert said == [f"complaint {number}" for number in range(40)]
    assert kept_back == 1000 - 40 + 1
