"""What tells that a SIPp could not run."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from synthetic.sipp.lateness import LATE, LOOK, Watch, stopped, waited

PID, PORT = 77, 40000


class Kernel:
    """A /proc with one process in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / str(PID)).mkdir()
        self.says("S", 0.0)

    def says(self, state: str, waited: float) -> None:
        """Set its state, and the seconds that it has waited for a CPU."""
        process = self.folder / str(PID)
        (process / "stat").write_text(f"{PID} (si) pp) {state} 1 1")
        (process / "schedstat").write_text(f"1000 {round(waited * 1e9)} 5\n")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_one_that_waits_for_a_cpu_is_late_by_the_longest_of_its_waits(kernel: Kernel) -> None:
    watch = Watch(PID, PORT, 10.0, kernel.folder)
    for now, total in ((10.2, 0.15), (10.4, 0.16), (10.6, 0.2)):
        kernel.says("S", total)
        watch.look(now)
    assert watch.late == pytest.approx(0.15)
    assert watch.late > LATE


def test_one_that_waits_a_little_now_and_then_is_not(kernel: Kernel) -> None:
    watch = Watch(PID, PORT, 10.0, kernel.folder)
    for number in range(1, 50):
        kernel.says("S", number * 0.01)
        watch.look(10 + number * 0.2)
    assert watch.late < LATE


def test_one_that_is_stopped_is_late_since_the_last_look(kernel: Kernel) -> None:
    watch = Watch(PID, PORT, 10.0, kernel.folder)
    kernel.says("T", 0.0)
    watch.look(10.25)
    assert watch.late == pytest.approx(0.25)


def test_one_that_stays_stopped_is_late_for_as_long(kernel: Kernel) -> None:
    watch = Watch(PID, PORT, 10.0, kernel.folder)
    kernel.says("T", 0.0)
    for number in range(1, 10):
        watch.look(10 + number * LOOK)
    kernel.says("S", 0.0)
    watch.look(10 + 10 * LOOK)
    assert watch.late == pytest.approx(9 * LOOK)


def test_small_waits_between_two_looks_never_make_a_late_one_but_a_long_one_does(kernel: Kernel) -> None:
    watch = Watch(PID, PORT, 10.0, kernel.folder)
    for number in range(1, 100):  # it waits whenever it wants to run
        kernel.says("S", number * LOOK)
        watch.look(10 + number * LOOK)
    assert watch.late < LATE
    kernel.says("S", 99 * LOOK + 1.1 * LATE)
    watch.look(10 + 102 * LOOK)
    assert watch.late > LATE


def test_one_that_has_ended_meanwhile_is_not(kernel: Kernel) -> None:
    kernel.says("S", 3.0)
    watch = Watch(PID, PORT, 10.0, kernel.folder)
    (kernel.folder / str(PID) / "stat").unlink()
    (kernel.folder / str(PID) / "schedstat").unlink()
    watch.look(10.2)
    assert watch.late == 0.0


def test_the_kernel_tells_both_of_a_real_process() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert not stopped(process.pid)
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert stopped(process.pid)
        assert 0 <= waited(process.pid) < 60
        process.kill()
