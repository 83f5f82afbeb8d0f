"""How the table of faults looks on a screen and in the docs, and what the command refuses."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dialtone.cli import run
from dialtone.cli.faults import COLUMNS, NAME, Screen, markdown
from dialtone.model import Engine, Failure, FailureCode, Flow
from lab.faults.matrix import Row
from lab.faults.table import FAULTS

DOCS = Path(__file__).parents[3] / "docs" / "faults.md"
LONG = "caller INVITE: not done 2.5 s after the start; " * 4


def all_rows(failure: Failure | None = None) -> list[list[Row]]:
    """Return every fault's rows, right ones unless another failure is given."""
    return [
        [Row(fault, engine, failure or Failure(fault.code, "as told")) for engine in fault.engines]
        for fault in FAULTS
    ]


def shown(faults: Sequence[Sequence[Row]], capsys: pytest.CaptureFixture[str]) -> list[str]:
    screen = Screen(to_stderr=False)
    for rows in faults:
        screen(rows)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("failure", [None, Failure(FailureCode.OVERLOADED, LONG)])
def test_no_line_is_longer_than_a_screen_and_no_name_is_cut(
    failure: Failure | None, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(all_rows(failure), capsys)
    assert max(map(len, lines)) <= COLUMNS
    assert lines == [line.rstrip() for line in lines]
    for fault in FAULTS:
        assert len(fault.name) <= NAME
        assert any(line.startswith(f"  {fault.name} ") for line in lines)


def test_every_flow_is_a_heading_once(capsys: pytest.CaptureFixture[str]) -> None:
    headings = [line for line in shown(all_rows(), capsys) if not line.startswith(" ")]
    assert sorted(headings) == sorted(Flow)


def test_a_red_row_says_the_engine_and_all_of_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    fault = next(f for f in FAULTS if f.code is FailureCode.AUTH)
    rows = [
        Row(fault, Engine.SIPPY, Failure(FailureCode.AUTH, "no")),
        Row(fault, Engine.SIPP, Failure(FailureCode.OVERLOADED, LONG)),
    ]
    _, line, *red = shown([rows], capsys)
    assert line.split()[-2:] == ["auth", "sippy"]
    assert " ".join(" ".join(red).split()) == f"RED on sipp: overloaded: {LONG.strip()}"


def test_a_passed_probe_is_red(capsys: pytest.CaptureFixture[str]) -> None:
    assert "      RED on service: passed" in shown([[Row(FAULTS[-1], Engine.SERVICE, None)]], capsys)


def test_the_docs_have_the_table_as_it_is() -> None:
    """Make it anew: `dialtone lab faults --format markdown`."""
    kept = [line for line in DOCS.read_text().splitlines() if line.startswith("|")]
    assert kept == markdown([row for rows in all_rows() for row in rows]).splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "wombat"], "--only 'wombat' is no flow, no engine and in no fault's name"),
        (["--only", ""], "--only '' is no flow"),
        (["--name", "never-started"], "dialtone lab up --name never-started --only sip,asterisk,http"),
    ],
)
def test_what_can_not_be_produced_is_refused_before_anything_starts(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run(["lab", "faults", *arguments]) == 3
    err = capsys.readouterr().err
    assert words in " ".join(err.split())
    assert "starting" not in err


def test_without_sipp_it_says_how_to_get_it_or_do_without(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["lab", "faults", "--only", "call"]) == 3
    err = " ".join(capsys.readouterr().err.split())
    assert "no program sipp on PATH: install the Debian package sip-tester" in err
    assert "without it: --only sippy --only http" in err
    assert "starting" not in err
