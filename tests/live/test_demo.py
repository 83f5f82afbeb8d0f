"""The demo as people run it: it proves its point, fails where there is none, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

from lab.files import read_json
from lab.proc import environment, look_up, running
from tests.integration.service import descendants, runs

pytestmark = pytest.mark.live

_SLACK: Final = 60.0
"""Seconds a demo may take beyond its time: the lab's start and its end."""
_PAGE: Final = re.compile(r"page (http://127\.0\.0\.1:\d+)/")
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Demo:
    """A `dialtone demo` that was started. `labs` is where labs live, `folder` has its output."""

    process: subprocess.Popen[bytes]
    labs: Path
    folder: Path

    @property
    def root(self) -> Path:
        """Its lab's folder."""
        return self.labs / f"demo-{self.process.pid}"

    def out(self) -> str:
        """Return its standard output so far."""
        return (self.folder / "out").read_text()

    def err(self) -> str:
        """Return what it told people so far."""
        return (self.folder / "err").read_text()

    def code(self, seconds: float) -> int:
        """Return its exit code, which must come within so many seconds."""
        return self.process.wait(seconds)

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened while it runs."""
        end = time.monotonic() + _SLACK
        while not happened():
            assert self.process.poll() is None, self.err()
            assert time.monotonic() < end, self.err()
            time.sleep(_PAUSE)

    def page(self) -> str:
        """Return the service's address, once it is told."""
        self.until(lambda: bool(_PAGE.search(self.err())))
        return str(_PAGE.findall(self.err())[0])

    def ports(self) -> set[int]:
        """Return the ports of its lab."""
        return {port for port in read_json(self.root / "ports.json").values() if isinstance(port, int)}

    def below(self) -> set[int]:
        """Return every process that it has started: its children, and those that carry its lab's mark."""
        mark = f"DIALTONE_LAB={self.root}".encode()
        return {*descendants(self.process.pid), *(p.pid for p in running() if mark in environment(p.pid))}


@dataclass(frozen=True, slots=True)
class Running:
    """What was seen of a demo while it ran."""

    demo: Demo
    page: str
    ports: frozenset[int]
    pids: frozenset[int]

    @classmethod
    def of(cls, demo: Demo) -> "Running":
        """Wait until the demo's service is there, and look."""
        page = demo.page()
        return cls(demo, page, frozenset(demo.ports()), frozenset(demo.below()))

    def check_nothing_is_left(self) -> None:
        """Make sure that no process, no port and no lab outlives the demo."""
        assert self.pids
        assert [pid for pid in self.pids | self.demo.below() if runs(pid)] == []
        assert [port for port in self.ports if _is_taken(port)] == []
        assert not (self.demo.root / "lab.json").exists()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demos of this module keep their labs: one place, like those of one user."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def pair(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Running]]:
    """Two demos at once: a whole one, and one whose fault is left out."""
    folder = tmp_path_factory.mktemp("demos")
    demos = [
        _start(home, folder / "whole", "--for", "45s"),
        _start(home, folder / "sabotaged", "--for", "30s", "--sabotage"),
    ]
    try:
        whole, sabotaged = [Running.of(demo) for demo in demos]
        yield whole, sabotaged
    finally:
        for demo in demos:
            _end(demo)


def test_two_demos_at_once_have_nothing_in_common(pair: tuple[Running, Running]) -> None:
    whole, sabotaged = pair
    assert whole.page != sabotaged.page
    assert whole.ports
    assert not whole.ports & sabotaged.ports
    assert not whole.pids & sabotaged.pids


def test_a_demo_ends_with_0_and_says_what_it_proved(pair: tuple[Running, Running]) -> None:
    whole, _ = pair
    demo = whole.demo
    assert demo.code(45 + _SLACK) == 0, demo.out() + demo.err()
    (summary,) = demo.out().splitlines()
    assert summary.startswith("demo passed: 4 nodes read, register and call of 6 tenants")
    assert re.search(r"webhook firing: .*\bdb2\b", demo.err())
    assert re.search(r"webhook resolved: .*\bdb2\b", demo.err())
    whole.check_nothing_is_left()


def test_a_demo_without_its_fault_ends_with_2_and_names_what_did_not_come(
    pair: tuple[Running, Running],
) -> None:
    _, sabotaged = pair
    demo = sabotaged.demo
    assert demo.code(30 + _SLACK) == 2, demo.out() + demo.err()
    assert demo.out() == "demo failed: the firing webhook did not come; the resolved webhook did not come\n"
    sabotaged.check_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_ends_a_demo_and_leaves_nothing(
    home: Path, tmp_path: Path, number: signal.Signals
) -> None:
    demo = _start(home, tmp_path / "demo")
    try:
        seen = Running.of(demo)
        assert httpx.get(f"{seen.page}/healthz").status_code == 200
        _check_signal(seen, number)
    finally:
        _end(demo)


def test_what_a_killed_demo_leaves_is_ended_by_lab_down(home: Path, tmp_path: Path) -> None:
    demo = _start(home, tmp_path / "demo")
    try:
        seen = Running.of(demo)
        demo.process.kill()
        demo.process.wait(10)
        down = [sys.executable, "-m", "dialtone", "lab", "down", "--purge", "--name", demo.root.name]
        subprocess.run(down, env={**os.environ, "XDG_STATE_HOME": str(home)}, check=True, timeout=60)
        seen.check_nothing_is_left()
        assert not demo.root.exists()
    finally:
        _end(demo)


def test_ctrl_c_while_the_servers_start_leaves_nothing_either(home: Path, tmp_path: Path) -> None:
    demo = _start(home, tmp_path / "demo")
    try:
        demo.until(lambda: any(demo.root.glob("run/*.json")))
        _check_signal(Running(demo, "", frozenset(demo.ports()), frozenset(demo.below())), signal.SIGINT)
    finally:
        _end(demo)


def _check_signal(seen: Running, number: signal.Signals) -> None:
    demo = seen.demo
    os.killpg(demo.process.pid, number)  # as a terminal does it
    assert demo.code(_SLACK) == 128 + number, demo.out() + demo.err()
    assert "Traceback" not in demo.err()
    seen.check_nothing_is_left()


def _start(home: Path, folder: Path, *words: str) -> Demo:
    folder.mkdir()
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            # Where the tests run in the background, their shell has them and their children ignore Ctrl-C.
            ["env", "--default-signal=INT", sys.executable, "-m", "dialtone", "demo", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "XDG_STATE_HOME": str(home), "COLUMNS": "120"},
            start_new_session=True,
        )
    return Demo(process, home / "dialtone/labs", folder)


def _end(demo: Demo) -> None:
    """End a demo whatever became of it, with all that it may have left."""
    for pid in {demo.process.pid, *demo.below()}:
        if (process := look_up(pid)) is not None and process.runs:
            process.signal(signal.SIGKILL)
    demo.process.wait(10)


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
