"""Supervision of the real SIPp: every way in which a run ends, and nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from dialtone.runtime.clock import SystemClock
from synthetic.agents.wirelog import MAX_MESSAGES
from synthetic.sipp import files
from synthetic.sipp.command import MAX_LOG
from synthetic.sipp.process import SippRun, running
from synthetic.sipp.program import Sipp, find_sipp
from synthetic.sipp.run import Ending, Finished, Invocation
from tests.fakes.clock import FakeClock
from tests.fakes.sipp_program import SippProgram

pytestmark = pytest.mark.integration

DATA = (Path(__file__).parents[1] / "data/sipp").resolve()
PATIENCE = 20.0
GRACE = 5.0
"""Longer than a stop may take, 2.3 s, on a busy machine."""


@pytest.fixture
async def sipp() -> Sipp:
    return await find_sipp()


def unused_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def asked(
    scenario: str, *, to: int | None = None, calls: int | None = 1, host: str = "127.0.0.1"
) -> Invocation:
    remote = None if to is None else (host, to)
    keys = {"who": "bob"}
    return Invocation(DATA / f"{scenario}.xml", (host, unused_port(host)), remote, calls=calls, keys=keys)


class Place:
    """Runs SIPp in folders of its own."""

    def __init__(self, sipp: Sipp, folder: Path) -> None:
        self._sipp = sipp
        self._folder = folder
        self._runs = 0

    def run(self, invocation: Invocation) -> AbstractAsyncContextManager[SippRun]:
        return running(self._sipp, invocation, self.new_folder(), SystemClock())

    def new_folder(self) -> Path:
        self._runs += 1
        self.folder = self._folder / f"run{self._runs}"
        self.folder.mkdir()
        return self.folder


@pytest.fixture
def place(sipp: Sipp, tmp_path: Path) -> Place:
    return Place(sipp, tmp_path)


async def call(
    place: Place, callee: str, caller: str = "caller", host: str = "127.0.0.1", calls: int = 1
) -> Finished:
    answering = asked(callee, calls=None, host=host)
    async with place.run(answering) as uas:
        assert await uas.listening(PATIENCE)
        async with place.run(asked(caller, to=answering.local[1], host=host, calls=calls)) as uac:
            return await uac.ended(PATIENCE)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not happened():  # noqa: ASYNC110 - the kernel sets no Event
            await anyio.sleep(0.01)


async def gone(*pids: int) -> None:
    await until(lambda: not any(alive(pid) for pid in pids))


def holds(path: Path, words: str) -> bool:
    return path.exists() and words in path.read_text()


async def child_of(folder: Path) -> int:
    """Return the process that a fake program noted as its child's."""
    note = folder / "child.pid"
    await until(lambda: holds(note, "\n"))
    return int(note.read_text())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_calls_that_pass_are_told_with_all_that_was_seen_of_them(place: Place, host: str) -> None:
    finished = await call(place, "callee", host=host, calls=2)
    assert (finished.ending, finished.code, finished.errors) == (Ending.PASSED, 0, ())
    assert finished.statistics is not None
    assert (finished.statistics.created, finished.statistics.successful) == (2, 2)
    assert finished.log == ("call 1 is up", "call 2 is up")
    assert [trip.name for trip in finished.round_trips] == ["srd", "sdd"] * 2
    first = finished.messages[:6]
    assert [message.direction for message in first] == [
        "sent",
        "received",
        "received",
        "sent",
        "sent",
        "received",
    ]
    waited = first[1].at - first[0].at
    assert 0.02 <= waited < 1.0
    assert finished.round_trips[0].seconds == pytest.approx(waited, abs=2.5 * finished.resolution)
    assert not finished.truncated


async def test_a_call_that_is_refused_fails_and_says_by_what(place: Place) -> None:
    finished = await call(place, "busy")
    assert (finished.ending, finished.code) == (Ending.CALL_FAILED, 1)
    assert finished.statistics is not None
    assert finished.statistics.failed == {"FailedUnexpectedMessage": 1}
    assert "486 Busy Here" in finished.errors[0]


async def test_a_silent_peer_is_a_timeout_and_no_hang(place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        invocation = replace(asked("caller", to=silent.getsockname()[1]), answer_within=0.8)
        async with place.run(invocation) as run:
            finished = await run.ended(PATIENCE)
    assert finished.ending is Ending.CALL_FAILED
    assert finished.statistics is not None
    assert finished.statistics.failed == {"FailedTimeoutOnRecv": 1}
    assert finished.statistics.retransmissions >= 1
    assert finished.steps[0].retransmissions == finished.statistics.retransmissions


async def test_a_scenario_that_does_not_parse_is_fatal_and_not_a_failed_call(place: Place) -> None:
    async with place.run(asked("broken")) as run:
        assert not await run.listening(PATIENCE)
        finished = await run.ended(PATIENCE)
    assert (finished.ending, finished.statistics) == (Ending.FATAL, None)
    assert finished.errors == ("Unable to load or parse 'flow.xml' xml scenario file",)


async def test_a_port_that_is_taken_is_fatal_and_says_so(place: Place) -> None:
    invocation = asked("callee")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(invocation.local)
        async with place.run(invocation) as run:
            assert not await run.listening(PATIENCE)
            finished = await run.ended(PATIENCE)
    assert (finished.ending, finished.code) == (Ending.FATAL, 254)
    assert "Address already in use" in finished.errors[0]


async def test_a_sipp_that_somebody_kills_is_told_at_once(place: Place) -> None:
    async with place.run(asked("callee", calls=None)) as run:
        assert await run.listening(PATIENCE)
        os.kill(run.pid, signal.SIGKILL)
        finished = await run.ended(PATIENCE)
    assert (finished.ending, finished.code) == (Ending.KILLED, -9)
    assert finished.meaning.startswith("SIPp was ended by SIGKILL")


async def test_a_sipp_that_stands_still_is_killed_within_the_grace(place: Place) -> None:
    async with place.run(asked("callee", calls=None)) as run:
        assert await run.listening(PATIENCE)
        os.kill(run.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await run.ended(0.1)
        with anyio.fail_after(GRACE):
            finished = await run.stop()
    assert finished.ending is Ending.HUNG
    await gone(run.pid)


async def test_a_stop_of_one_that_waits_for_calls_is_obeyed(place: Place) -> None:
    async with place.run(asked("callee", calls=None)) as run:
        assert await run.listening(PATIENCE)
        finished = await run.stop()
        assert await run.stop() is finished
        assert await run.ended(PATIENCE) is finished
    assert finished.ending is Ending.STOPPED
    assert finished.statistics is not None
    assert finished.statistics.created == 0


async def test_a_stop_in_the_middle_of_a_call_is_obeyed_on_both_sides(place: Place) -> None:
    answering = asked("callee", calls=None)
    async with place.run(answering) as uas:
        assert await uas.listening(PATIENCE)
        async with place.run(asked("hold", to=answering.local[1])) as uac:
            await until(lambda: holds(place.folder / files.MESSAGES, "ACK sip:"))
            with anyio.fail_after(GRACE):
                calling, called = await uac.stop(), await uas.stop()
    assert (calling.ending, called.ending) == (Ending.STOPPED, Ending.STOPPED)
    assert calling.statistics is not None
    assert (calling.statistics.created, calling.statistics.successful) == (1, 0)
    assert calling.messages[-1].text.startswith("ACK ")


async def test_a_stop_right_after_the_start_is_obeyed(place: Place) -> None:
    for pause in (0.0, 0.002, 0.005, 0.01):
        async with place.run(asked("callee", calls=None)) as run:
            await anyio.sleep(pause)
            assert (await run.stop()).ending is Ending.STOPPED


async def test_a_flood_fills_neither_the_disk_nor_the_record(place: Place) -> None:
    invocation = asked("callee", calls=None)
    async with place.run(invocation) as run:
        assert await run.listening(PATIENCE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            flood.bind(("127.0.0.1", 0))
            for number in range(3000):
                flood.sendto(_invite(number), invocation.local)
                if number % 100 == 0:
                    await anyio.sleep(0.005)
        with anyio.fail_after(GRACE):
            finished = await run.stop()
    assert finished.ending is Ending.STOPPED
    assert (place.folder / files.MESSAGES).stat().st_size < MAX_LOG + 10_000
    assert len(finished.messages) <= MAX_MESSAGES
    assert finished.dropped_messages > 100
    assert finished.statistics is not None
    assert finished.statistics.created > 100


def _invite(number: int) -> bytes:
    return (
        (
            "INVITE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{0}\r\n"
            "From: <sip:flood@127.0.0.1>;tag={0}\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: flood-{0}\r\n"
            "CSeq: 1 INVITE\r\nSubject: {1}\r\nContent-Length: 0\r\n\r\n"
        )
        .format(number, "x" * 600)
        .encode()
    )


async def test_a_deaf_program_is_killed_with_its_children(sipp: Sipp, tmp_path: Path) -> None:
    deaf = replace(sipp, path=SippProgram(tmp_path).deaf())
    place = Place(deaf, tmp_path)
    async with place.run(asked("callee")) as run:
        child = await child_of(place.folder)
        with anyio.fail_after(GRACE):
            finished = await run.stop()
    assert (finished.ending, finished.code) == (Ending.HUNG, -9)
    await gone(run.pid, child)


async def test_calls_without_number_are_stopped_too(place: Place) -> None:
    answering = asked("callee", calls=None)
    async with place.run(answering) as uas:
        assert await uas.listening(PATIENCE)
        async with place.run(asked("hold", to=answering.local[1], calls=None)) as uac:
            await until(lambda: holds(place.folder / files.MESSAGES, "ACK sip:"))
            with anyio.fail_after(GRACE):
                finished = await uac.stop()
    assert finished.ending is Ending.STOPPED
    assert "BYE" in {message.text.split(" ")[0] for message in finished.messages}


async def test_nobody_left_to_stop_it_it_ends_by_itself(place: Place) -> None:
    async with place.run(replace(asked("callee", calls=None), lifetime=1)) as run:
        finished = await run.ended(PATIENCE)
    assert finished.ending is Ending.FATAL
    assert "timed out after" in finished.errors[0]


async def test_keys_reach_the_scenario_as_they_are_and_an_injection_file_is_taken(place: Place) -> None:
    answering = asked("callee", calls=None)
    async with place.run(answering) as uas:
        assert await uas.listening(PATIENCE)
        folder = place.new_folder()
        (folder / "accounts.csv").write_text("SEQUENTIAL\nalice;secret\nbob;secret\n")
        invocation = asked("caller", to=answering.local[1])
        invocation = replace(
            invocation, keys={"who": "-bg", "other": "[::1]"}, inject="accounts.csv", rate=50
        )
        async with running(await find_sipp(), invocation, folder, SystemClock()) as uac:
            finished = await uac.ended(PATIENCE)
    assert (finished.ending, finished.errors) == (Ending.PASSED, ())
    assert finished.messages[0].text.startswith("INVITE sip:-bg@127.0.0.1:")


async def test_what_a_scenario_left_running_is_ended_with_it(sipp: Sipp, tmp_path: Path) -> None:
    begetting = replace(sipp, path=SippProgram(tmp_path).version("3.6.1", "sleep 600 & echo $! > child.pid"))
    place = Place(begetting, tmp_path)
    async with place.run(asked("callee")) as run:
        await run.ended(PATIENCE)
        child = await child_of(place.folder)
    await gone(run.pid, child)


async def test_a_program_that_is_gone_by_now_is_fatal(sipp: Sipp, tmp_path: Path) -> None:
    async with Place(replace(sipp, path=f"{tmp_path}/none"), tmp_path).run(asked("callee")) as run:
        finished = await run.ended(PATIENCE)
    assert (finished.ending, finished.code) == (Ending.FATAL, 127)
    assert "No such file" in finished.errors[0]


async def test_leaving_the_context_ends_it_however_it_is_left(place: Place) -> None:
    pids = []
    async with place.run(asked("callee", calls=None)) as run:
        pids.append(run.pid)

    async def fail() -> None:
        async with place.run(asked("callee", calls=None)) as run:
            pids.append(run.pid)
            raise RuntimeError("it comes out as it is")

    with pytest.raises(RuntimeError, match="as it is"):
        await fail()
    with anyio.move_on_after(0.2):
        async with place.run(asked("callee", calls=None)) as run:
            pids.append(run.pid)
            await anyio.sleep_forever()
    assert len(pids) == 3
    assert not any(alive(pid) for pid in pids)


async def test_deadlines_are_those_of_the_clock(sipp: Sipp, tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        running(sipp, asked("callee", calls=None), tmp_path, clock) as run,
        anyio.create_task_group() as group,
    ):

        async def wait_an_hour() -> None:
            with pytest.raises(TimeoutError):
                await run.ended(3600)
            assert not run.over

        group.start_soon(wait_an_hour)
        await clock.advance(3601)


async def test_waiting_for_a_port_that_is_never_bound_has_an_end(sipp: Sipp, tmp_path: Path) -> None:
    place = Place(replace(sipp, path=SippProgram(tmp_path).deaf()), tmp_path)
    async with place.run(asked("callee")) as run:
        with pytest.raises(TimeoutError):
            await run.listening(0.1)


async def test_it_runs_with_bounds_of_its_own_and_none_of_our_secrets(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    async with place.run(asked("callee", calls=None)) as run:
        assert await run.listening(PATIENCE)
        process = Path(f"/proc/{run.pid}")
        environment = process.joinpath("environ").read_bytes()
        limits = _limits(process.joinpath("limits").read_text())
        assert os.getpgid(run.pid) == run.pid
        assert {entry.partition(b"=")[0] for entry in environment.split(b"\0") if entry} == {
            b"LC_ALL",
            b"TZ",
            b"PATH",
        }
        assert (limits["Max file size"], limits["Max core file size"]) == (str(files.MAX_FILE), "0")
        assert process.joinpath("cmdline").read_bytes().split(b"\0")[0].endswith(b"sipp")
        assert (place.folder / files.MESSAGES).stat().st_mode & 0o077 == 0


def _limits(text: str) -> Mapping[str, str]:
    return {line[:25].strip(): line[25:].split()[0] for line in text.splitlines()[1:]}


async def test_an_earlier_run_in_the_same_folder_is_not_mistaken_for_this_one(
    sipp: Sipp, tmp_path: Path
) -> None:
    async with running(sipp, asked("callee", calls=None), tmp_path, SystemClock()) as run:
        assert await run.listening(PATIENCE)
    async with running(sipp, asked("broken"), tmp_path, SystemClock()) as run:
        assert (await run.ended(PATIENCE)).ending is Ending.FATAL


ORPHANING = """
import sys
from pathlib import Path
import anyio
from dialtone.runtime.clock import SystemClock
from synthetic.sipp.process import running
from synthetic.sipp.program import find_sipp
from synthetic.sipp.run import Invocation

async def main():
    invocation = Invocation(Path(sys.argv[1]), ("127.0.0.1", int(sys.argv[2])), calls=None)
    async with running(await find_sipp(), invocation, Path(sys.argv[3]), SystemClock()) as run:
        await run.listening(20)
        print(run.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


async def test_sipp_does_not_outlive_us_even_when_we_are_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ORPHANING, str(DATA / "callee.xml"), str(unused_port()), str(tmp_path)]
    async with await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=None, cwd=DATA.parents[2]
    ) as parent:
        assert parent.stdout is not None
        with anyio.fail_after(PATIENCE):
            pid = int(await parent.stdout.receive())
        assert alive(pid)
        parent.kill()
        await gone(pid)
