"""The program of `make opensips-suite`: what it writes of tests that pass, fail, break and are skipped."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from benchmarks.opensips.suite import UNAVAILABLE, Facts, Outcome, page

ROOT: Final = Path(__file__).parents[3]
KNOWN: Final = Facts(
    "4.0.1", "1747e6ed2", "a" * 40, 0, datetime(2026, 11, 23, 14, 5, tzinfo=UTC), "4 cores", "3.11.7"
)
OPENSIPS: Final = """#!/bin/sh
echo 'version: opensips 3.6.8 (x86_64/linux)'
echo 'git revision: f9f85260e'
"""
INI: Final = "[pytest]\nmarkers = opensips: real\n"
PASSES: Final = "import pytest\n@pytest.mark.opensips\ndef test_passes(): pass\n"
SKIPPED: Final = "import pytest\n@pytest.mark.opensips\ndef test_skipped(): pytest.skip('no | module')\n"
FAILS: Final = "import pytest\n@pytest.mark.opensips\ndef test_fails(): raise ValueError('five|six')\n"
BREAKS: Final = """
import pytest

@pytest.fixture
def broken():
    raise ValueError("no server")

@pytest.mark.opensips
def test_breaks(broken): pass

@pytest.fixture
def untidy():
    yield
    raise ValueError("it did not end")

@pytest.mark.opensips
def test_leaves_something(untidy): pass

def test_of_something_else(): raise AssertionError
"""


class Suite:
    """The program, on tests of its own and with stand-ins for OpenSIPS and SIPp."""

    def __init__(self, folder: Path) -> None:
        self.into = folder / "results"
        self._programs = folder / "bin"
        self._tests = folder / "tests"
        for place in (self.into, self._programs, self._tests):
            place.mkdir()
        (self._tests / "pytest.ini").write_text(INI)
        for name in ("opensips", "sipp"):
            self.program(name).write_text(OPENSIPS)
            self.program(name).chmod(0o755)

    def program(self, name: str) -> Path:
        return self._programs / name

    def run(self, **tests: str) -> subprocess.CompletedProcess[str]:
        for name, text in tests.items():
            (self._tests / f"test_{name}.py").write_text(text)
        words = ["-m", "benchmarks.opensips.suite", "--tests", str(self._tests), "--into", str(self.into)]
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env={"PATH": f"{self._programs}{os.pathsep}/usr/bin:/bin", "HOME": str(self.into)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def result(self) -> str:
        (file,) = self.into.iterdir()
        assert file.name == "suite-3.6.8.md"
        return file.read_text()


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def rows(text: str) -> dict[str, str]:
    """Return what is said of each test, by its name."""
    return dict(re.findall(r"^\| `(?:.*::)?(\w+)` \| (.*) \| [\d.]+ \|$", text, re.MULTILINE))


def test_what_was_tested_with_what_and_when_is_said() -> None:
    text = page(KNOWN, [Outcome("tests/a.py::test_a", "passed", 1.26)], 0)
    assert text.startswith("# The whole path against OpenSIPS 4.0.1\n")
    assert "**passed**: 1 passed, 0 failed, 0 error, 0 skipped, 1 s." in text
    for said in ("git revision 1747e6ed2", "a" * 40 + ", tree clean", "2026-11-23 14:05 UTC", "4 cores"):
        assert said in text
    assert "| `tests/a.py::test_a` | passed | 1.3 |" in text


def test_a_tree_that_is_not_as_committed_is_said() -> None:
    changed = Facts("4.0.1", "r", "c", 2, KNOWN.at, "m", "p")
    assert "NOT CLEAN: 2 files" in page(changed, [], 0)


def test_a_suite_that_passes_ends_with_0_and_names_what_was_skipped_and_why(suite: Suite) -> None:
    done = suite.run(passes=PASSES, skipped=SKIPPED)
    assert done.returncode == 0, done.stderr
    assert rows(suite.result()) == {"test_passes": "passed", "test_skipped": r"skipped: no \| module"}
    assert "**passed**: 1 passed, 0 failed, 0 error, 1 skipped" in suite.result()
    assert "git revision f9f85260e" in suite.result()


def test_a_test_that_fails_or_breaks_fails_the_suite_and_is_named_with_its_reason(suite: Suite) -> None:
    done = suite.run(passes=PASSES, fails=FAILS, breaks=BREAKS)
    assert done.returncode == 1
    assert rows(suite.result()) == {
        "test_passes": "passed",
        "test_fails": r"**failed**: ValueError: five\|six",
        "test_breaks": "**error**: ValueError: no server",
        "test_leaves_something": "**error**: ValueError: it did not end",
    }
    assert "**NOT PASSED (exit code 1)**: 1 passed, 1 failed, 2 error, 0 skipped" in suite.result()


def test_a_file_of_tests_that_cannot_be_read_is_an_error(suite: Suite) -> None:
    done = suite.run(passes=PASSES, torn="import nothing_of_that_name\n")
    assert done.returncode == 2
    assert "NOT PASSED (exit code 2)" in suite.result()
    assert "test_torn.py" in suite.result()


def test_a_suite_of_which_everything_was_skipped_has_tested_nothing(suite: Suite) -> None:
    done = suite.run(skipped=SKIPPED)
    assert done.returncode == UNAVAILABLE
    assert "nothing was tested" in done.stderr
    assert f"NOT PASSED (exit code {UNAVAILABLE})" in suite.result()


def test_without_an_opensips_nothing_runs_and_that_is_said(suite: Suite) -> None:
    suite.program("opensips").unlink()
    done = suite.run(passes=PASSES)
    assert done.returncode == UNAVAILABLE
    assert "no opensips on PATH" in done.stderr
    assert not list(suite.into.iterdir())
