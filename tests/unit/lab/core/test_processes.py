"""Programs of the lab: started once, found again by any command, ended by pid and start time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from lab.base import LabError
from lab.files import read_json, write_json
from lab.proc import look_up
from lab.processes import LabProcesses
from tests.fakes.lab_parts import PATIENT

STUBBORN: Final = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"
PARENT: Final = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); "
    "print('child', child.pid, flush=True); child.wait()"
)
_DEADLINE: Final = 10.0


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[LabProcesses]:
    """Make a lab's processes; whatever the test leaves is ended."""
    made = LabProcesses(tmp_path)
    yield made
    made.stop_all(grace=0.0)


def _wait_for(processes: LabProcesses, name: str, word: str) -> str:
    """Return the first line of its output with that word in it, as soon as it is there."""
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        for line in processes.log_tail(name).splitlines():
            if word in line:
                return line
        time.sleep(0.01)
    raise AssertionError(processes.log_tail(name))


def test_a_program_is_known_to_later_commands_and_ended_by_them(
    processes: LabProcesses, tmp_path: Path
) -> None:
    pid = processes.start("db1", [sys.executable, "-c", PATIENT])
    later = LabProcesses(tmp_path)
    assert later.alive("db1")
    assert later.names() == ("db1",)
    later.stop("db1")
    assert not processes.alive("db1")
    found = look_up(pid)
    assert found is None or not found.runs
    assert later.names() == ()
    later.stop("db1")


def test_a_program_does_not_inherit_the_signals_that_its_starter_blocks(processes: LabProcesses) -> None:
    script = f"import signal; print('blocked', sorted(signal.pthread_sigmask(0, ())), flush=True); {PATIENT}"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
    try:
        processes.start("db1", [sys.executable, "-c", script])
        assert signal.SIGURG in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert _wait_for(processes, "db1", "blocked") == "blocked []"


def test_a_program_outlives_the_command_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lab.processes import LabProcesses; "
        "LabProcesses(Path(sys.argv[1])).start('db1', [sys.executable, '-c', sys.argv[2]])"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path), PATIENT]
    done = subprocess.run(command, check=True, capture_output=True, timeout=30, cwd=Path.cwd())
    assert done.stderr == b""
    processes = LabProcesses(tmp_path)
    assert processes.alive("db1")
    processes.stop_all()
    assert not processes.alive("db1")


def test_output_environment_and_folder_are_as_asked(processes: LabProcesses, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    what = "os.environ['LAB_WORD'], os.getcwd(), os.getsid(0) == os.getpid(), 'PATH' in os.environ"
    code = f"import os; print({what})"
    processes.start("say", [sys.executable, "-c", code], cwd=folder, env={"LAB_WORD": "hello"})
    assert _wait_for(processes, "say", "hello") == f"hello {folder} True True"
    assert (tmp_path / "logs/say.log").stat().st_mode & 0o777 == 0o600


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(processes: LabProcesses) -> None:
    processes.start("db1", [sys.executable, "-c", STUBBORN])
    _wait_for(processes, "db1", "ready")
    processes.stop("db1", grace=0.1)
    assert not processes.alive("db1")


def test_what_a_program_started_itself_ends_with_it(processes: LabProcesses) -> None:
    processes.start("front", [sys.executable, "-c", PARENT, STUBBORN])
    child = int(_wait_for(processes, "front", "child").split()[1])
    _wait_for(processes, "front", "ready")
    processes.stop("front", grace=0.2)
    _assert_gone(child)


def test_a_child_whose_parent_crashed_is_ended_too(processes: LabProcesses, tmp_path: Path) -> None:
    parent = processes.start("front", [sys.executable, "-c", PARENT, PATIENT])
    child = int(_wait_for(processes, "front", "child").split()[1])
    os.kill(parent, signal.SIGKILL)
    deadline = time.monotonic() + _DEADLINE
    while processes.alive("front") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not processes.alive("front")
    LabProcesses(tmp_path).stop("front")
    _assert_gone(child)


def test_a_program_whose_record_is_lost_is_found_by_its_mark(processes: LabProcesses, tmp_path: Path) -> None:
    pid = processes.start("db1", [sys.executable, "-c", PATIENT])
    _wait_for(processes, "db1", "ready")
    (tmp_path / "run/db1.json").unlink()
    LabProcesses(tmp_path / "another").stop_all()
    assert _runs(pid)
    LabProcesses(tmp_path).stop_all()
    _assert_gone(pid)


def test_a_stranger_that_got_the_same_pid_is_left_alone(processes: LabProcesses, tmp_path: Path) -> None:
    stranger = subprocess.Popen(
        [sys.executable, "-c", PATIENT], start_new_session=True, stdout=subprocess.DEVNULL
    )
    try:
        now = look_up(stranger.pid)
        assert now is not None
        write_json(tmp_path / "run/db1.json", {"pid": stranger.pid, "started": now.started - 1})
        assert not processes.alive("db1")
        processes.stop("db1", grace=0.0)
        processes.stop_all(grace=0.0)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_died_is_not_alive_and_leaves_no_zombie(processes: LabProcesses) -> None:
    pid = processes.start("db1", [sys.executable, "-c", "print('too bad')"])
    deadline = time.monotonic() + _DEADLINE
    while processes.alive("db1") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert look_up(pid) is None
    assert processes.log_tail("db1") == "too bad"


def test_a_name_that_runs_is_not_started_twice(processes: LabProcesses, tmp_path: Path) -> None:
    processes.start("db1", [sys.executable, "-c", PATIENT])
    before = read_json(tmp_path / "run/db1.json")
    with pytest.raises(LabError, match="db1 runs already"):
        processes.start("db1", [sys.executable, "-c", PATIENT])
    assert read_json(tmp_path / "run/db1.json") == before


def test_a_program_that_does_not_exist_is_told(processes: LabProcesses) -> None:
    with pytest.raises(LabError, match=r"db1 can't be started \(/nonexistent/mysqld: No such file"):
        processes.start("db1", ["/nonexistent/mysqld"])
    assert processes.names() == ()


def test_only_the_end_of_a_long_log_is_told(processes: LabProcesses) -> None:
    processes.start("db1", [sys.executable, "-c", "for n in range(50000): print('line', n)"])
    _wait_for(processes, "db1", "line 49999")
    assert processes.log_tail("db1", 2) == "line 49998\nline 49999"
    assert processes.log_tail("nobody") == ""


def _runs(pid: int) -> bool:
    found = look_up(pid)
    return found is not None and found.runs


def _assert_gone(pid: int) -> None:
    assert not _runs(pid)
