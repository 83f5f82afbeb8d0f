"""Who is not slower than whom, what percentiles are, and the clock of another process."""

import os
import subprocess
import sys

import pytest

from benchmarks.mysql.beside import OURS, SCRAPES, THEIRS, Asked, CpuClock, Turn, not_slower


def asked(who: str, *took: float, server: str = "db1") -> Asked:
    return Asked(server, who, tuple(Turn(seconds, 2 * seconds, seconds / 2) for seconds in took))


def test_ours_is_held_against_the_exporters_defaults_by_the_medians() -> None:
    lean = next(who for who in SCRAPES if who != THEIRS)
    found = [asked(OURS, 5, 5, 900), asked(THEIRS, 5, 6, 7), asked(lean, 1, 1, 1)]
    assert not_slower(found)


def test_one_slower_server_is_enough_to_be_slower() -> None:
    found = [asked(OURS, 5), asked(THEIRS, 9), asked(OURS, 5, server="db2"), asked(THEIRS, 4, server="db2")]
    assert not not_slower(found)


def test_the_figures_of_who_asked() -> None:
    one = asked(OURS, *range(1, 101))
    assert (one.median, one.late, one.cpu, one.load) == (50.5, 95, 101.0, 25.25)
    assert asked(OURS, 3).late == 3


def test_the_cpu_of_another_process_is_read() -> None:
    busy = subprocess.Popen(
        [sys.executable, "-c", "sum(range(10**6)); print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert busy.stdout is not None
        busy.stdout.readline()
        first = CpuClock(busy.pid).seconds()
        assert 0 < first <= CpuClock(busy.pid).seconds()
    finally:
        busy.communicate(b"\n", timeout=10)
    with pytest.raises(OSError, match=f"no CPU clock of process {busy.pid}"):
        CpuClock(busy.pid)


def test_our_own_clock_goes_on_as_we_work() -> None:
    clock = CpuClock(os.getpid())
    before = clock.seconds()
    sum(range(100_000))
    assert clock.seconds() > before
