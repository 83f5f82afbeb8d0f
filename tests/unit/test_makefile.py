"""The Makefile and lab/setup.sh do what they say, on stand-ins for the programs that they call."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TARGETS: Final = ("setup", "demo", "test", "live", "opensips-suite", "check", "bench", "soak", "clean")
DEADLINE: Final = 30

# Stand-ins: each notes how it was called. `python3 -m venv` leaves behind what a virtual environment has.
NOTE: Final = '#!/bin/bash\necho "$(basename "$0") $*" >>"$NOTES"\n'
PYTHON3: Final = (
    NOTE
    + """
case "$*" in
    *'-m venv'*)
        mkdir -p .venv/bin .venv/lib
        for program in python dialtone pytest ruff mypy lint-imports; do
            cp "$0" .venv/bin/$program
        done ;;
esac
"""
)
INSTALLED: Final = NOTE + 'for name in "$@"; do echo "$name installed"; done\n'
NOT_INSTALLED: Final = NOTE + "exit 1\n"
USER: Final = "#!/bin/bash\necho 1000\n"
DEBIAN_12: Final = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
# What set-up may use of the system itself: everything but sudo.
SYSTEM: Final = (
    "bash basename cat cp date dirname awk env flock grep mkdir readlink sha256sum tail touch uname rm make"
)


class Machine:
    """A folder that looks like the project, on a machine that has only the programs given to it."""

    def __init__(self, folder: Path, system: str = DEBIAN_12) -> None:
        self.project = folder / "project"
        self.notes = folder / "notes"
        self._programs = folder / "bin"
        for place in (self.project / "lab", self._programs):
            place.mkdir(parents=True)
        self.notes.touch()
        os_release = folder / "os-release"
        os_release.write_text(system)
        script = (ROOT / "lab/setup.sh").read_text(encoding="utf-8")
        assert "/etc/os-release" in script
        setup = self.project / "lab/setup.sh"
        setup.write_text(script.replace("/etc/os-release", str(os_release)))
        setup.chmod(0o755)
        shutil.copy(ROOT / "Makefile", self.project)
        (self.project / "requirements-dev.txt").write_text("a==1\n")
        (self.project / "pyproject.toml").write_text("[project]\n")
        for name in SYSTEM.split():
            found = shutil.which(name)
            assert found is not None, name
            (self._programs / name).symlink_to(found)
        self.program("python3", PYTHON3)
        self.program("dpkg-query", INSTALLED)

    def program(self, name: str, text: str) -> None:
        path = self._programs / name
        path.write_text(text)
        path.chmod(0o755)

    def venv(self, name: str, text: str) -> None:
        path = self.project / ".venv/bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment: Mapping[str, str] = {
            "PATH": str(self._programs),
            "NOTES": str(self.notes),
            "HOME": str(self.project),
        }
        return subprocess.run(
            command,
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def set_up(self) -> subprocess.CompletedProcess[str]:
        return self.run("lab/setup.sh")

    def called(self) -> str:
        """Return the calls noted since the last time."""
        text = self.notes.read_text()
        self.notes.write_text("")
        return text


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """Return a machine on which set-up has been done."""
    assert machine.set_up().returncode == 0
    machine.called()
    return machine


def test_plain_make_lists_every_target(machine: Machine) -> None:
    result = machine.run("make")

    assert result.returncode == 0
    listed = re.findall(r"^  make ([a-z -]+?)  ", result.stdout, re.MULTILINE)
    assert set(" ".join(listed).split()) == {"help", *TARGETS}


def test_the_first_set_up_says_each_step_with_its_seconds(machine: Machine) -> None:
    result = machine.set_up()

    assert result.returncode == 0
    assert result.stdout == ""
    *steps, last = result.stderr.splitlines()
    assert len(steps) >= 4
    assert all(re.fullmatch(r"setup: .* \.\.\. \d+\.\d s", step) for step in steps)
    assert re.fullmatch(r"setup: ready, \d+\.\d s", last)
    calls = machine.called()
    assert "--require-hashes" in calls
    assert "--no-deps --no-build-isolation --editable ." in calls
    assert "-m lab.debian fetch" in calls


def test_a_second_set_up_installs_nothing(ready: Machine) -> None:
    assert ready.set_up().returncode == 0

    calls = ready.called()
    assert "pip" not in calls
    assert "-m venv" not in calls


@pytest.mark.parametrize("changed", ["requirements-dev.txt", "pyproject.toml"])
def test_changed_requirements_bring_the_environment_up_to_date(ready: Machine, changed: str) -> None:
    (ready.project / changed).write_text("b==2\n")

    assert ready.set_up().returncode == 0

    assert "--require-hashes" in ready.called()


def test_a_program_gone_from_the_environment_is_installed_again(ready: Machine) -> None:
    (ready.project / ".venv/bin/ruff").unlink()

    assert ready.set_up().returncode == 0

    assert "--require-hashes" in ready.called()


def test_a_step_that_fails_shows_the_end_of_its_output_and_is_tried_again(ready: Machine) -> None:
    (ready.project / "requirements-dev.txt").write_text("b==2\n")
    ready.venv("python", NOTE + 'case "$*" in *install*) echo "no such package"; exit 1;; esac\n')

    first, second = ready.set_up(), ready.set_up()

    for result in (first, second):
        assert result.returncode == 69
        assert "failed after" in result.stderr
        assert "no such package" in result.stderr
        assert ".cache/setup/pip.log" in result.stderr


def test_without_root_and_sudo_the_missing_packages_are_named(machine: Machine) -> None:
    machine.program("dpkg-query", NOT_INSTALLED)
    machine.program("id", USER)

    result = machine.set_up()

    assert result.returncode == 69
    assert "neither root nor has it sudo" in result.stderr
    assert re.search(r"apt-get install --no-install-recommends .*\bkamailio\b.*\btshark\b", result.stderr)


def test_without_root_and_sudo_nothing_is_asked_for_when_nothing_is_missing(machine: Machine) -> None:
    machine.program("id", USER)

    assert machine.set_up().returncode == 0


@pytest.mark.parametrize(
    "system",
    [
        'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n',
        'ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\n',
        'ID=debian\nPRETTY_NAME="Debian GNU/Linux forky/sid"\n',
    ],
)
def test_another_system_is_told_what_is_missing_and_the_way_by_compose(tmp_path: Path, system: str) -> None:
    machine = Machine(tmp_path, system)

    result = machine.run("make", "demo")

    assert result.returncode != 0
    name = re.search(r'PRETTY_NAME="(.*)"', system)
    assert name is not None
    assert f"this is {name[1]}" in result.stderr
    assert "sipp" in result.stderr
    assert "docker compose up" in result.stderr
    assert not (machine.project / ".venv").exists()


def test_no_python_in_range_is_said(machine: Machine) -> None:
    machine.program("python3", "#!/bin/bash\nexit 1\n")
    script = machine.project / "lab/setup.sh"
    script.write_text(script.read_text().replace("/usr/bin/python3", "/nowhere/python3"))

    result = machine.set_up()

    assert result.returncode == 69
    assert "no Python from 3.11 to 3.13" in result.stderr


@pytest.mark.parametrize(
    ("made", "called"), [((), "dialtone demo\n"), (("FOR=60s",), "dialtone demo --for 60s\n")]
)
def test_the_demo_runs_as_long_as_asked(ready: Machine, made: tuple[str, ...], called: str) -> None:
    assert ready.run("make", "demo", *made).returncode == 0

    assert ready.called().endswith(called)


def test_a_demo_that_fails_fails_make(ready: Machine) -> None:
    ready.venv("dialtone", "#!/bin/bash\nexit 3\n")

    assert ready.run("make", "demo", "FOR=1s").returncode != 0


def test_test_runs_the_linters_then_the_unit_tests_then_the_others(ready: Machine) -> None:
    assert ready.run("make", "test").returncode == 0

    calls = [line.split()[:2] for line in ready.called().splitlines()]
    programs = [" ".join(call) for call in calls if call[0] in {"ruff", "mypy", "lint-imports", "pytest"}]
    assert programs == [
        "ruff check",
        "ruff format",
        "mypy",
        "lint-imports",
        "pytest tests/unit",
        "pytest tests/contract",
    ]


@pytest.mark.parametrize("failing", ["ruff", "mypy", "lint-imports", "pytest"])
def test_test_fails_when_any_part_fails(ready: Machine, failing: str) -> None:
    ready.venv(failing, "#!/bin/bash\nexit 1\n")

    assert ready.run("make", "test").returncode != 0


def test_no_live_test_is_said_and_is_no_failure(ready: Machine) -> None:
    ready.venv("pytest", "#!/bin/bash\nexit 5\n")

    result = ready.run("make", "live")

    assert result.returncode == 0
    assert "nothing was tested" in result.stderr


def test_a_failing_live_test_fails_make(ready: Machine) -> None:
    ready.venv("pytest", "#!/bin/bash\nexit 1\n")

    assert ready.run("make", "live").returncode != 0


def test_a_suite_that_fails_on_a_real_opensips_fails_make(ready: Machine) -> None:
    ready.venv("python", '#!/bin/bash\n[[ "$*" != *benchmarks.opensips.suite* ]] || { echo "$@"; exit 1; }\n')

    done = ready.run("make", "opensips-suite")

    assert done.returncode != 0
    assert "-m benchmarks.opensips.suite" in done.stdout


def test_bench_shows_what_is_measured(machine: Machine) -> None:
    (machine.project / "benchmarks").mkdir()
    (machine.project / "benchmarks/README.md").write_text("# Measured\n")

    done = machine.run("make", "bench")

    assert (done.returncode, done.stdout) == (0, "# Measured\n")


def test_a_soak_that_finds_something_fails_make(ready: Machine) -> None:
    ready.venv("python", '#!/bin/bash\n[[ "$*" != *benchmarks.soak* ]] || { echo "$@"; exit 1; }\n')

    done = ready.run("make", "soak", "MINUTES=5")

    assert done.returncode != 0
    assert "-m benchmarks.soak --minutes 5" in done.stdout


def test_ci_runs_the_quick_suites_and_the_live_ones() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")

    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert os.access(ROOT / "lab/setup.sh", os.X_OK)
    assert "set -euo pipefail" in script
    assert script.index("make test") < script.index("make live")
