"""When a poll is cheap enough, and what the commands of the benchmark take."""

from pathlib import Path

import pytest

from benchmarks.mysql import peer
from benchmarks.mysql.__main__ import main
from benchmarks.mysql.poll import MOST, Cost
from dialtone.runtime import logs


@pytest.fixture(autouse=True)
def _logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure", lambda *_: None)


def cost(*polls: float) -> Cost:
    return Cost("db1", polls, polls, 17)


def test_the_median_decides() -> None:
    assert cost(MOST / 2, MOST / 2, 9.0).right
    assert not cost(MOST, MOST, 0.0).right
    assert cost(0.001, 0.002, 0.009).most == 0.009


@pytest.mark.parametrize("words", [["poll", "--polls", "0"], ["exporter", "--rounds", "x"], [], ["drop"]])
def test_a_wrong_option_is_exit_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 2


def test_a_fault_that_is_not_there_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--only", "sunshine"]) == 3
    assert "sunshine" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["exporter", "faults"])
def test_without_an_exporter_a_command_is_left_out_with_a_word(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([command]) == 0
    out, err = capsys.readouterr()
    assert "Left out: neither --exporter nor prometheus-mysqld-exporter" in out + err


def test_an_exporter_that_was_named_and_is_not_there_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exporter", "--exporter", "/nowhere/exporter"]) == 3
    assert "/nowhere/exporter is no program" in capsys.readouterr().err


@pytest.mark.parametrize("name", peer.PROGRAMS)
def test_an_exporter_on_the_path_is_found_and_asked_for_its_version(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / name
    program.write_text("#!/bin/sh\necho 'mysqld_exporter, version 0.14.0 (branch: x)' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert peer.program("") == program
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert peer.version(program) == "0.14.0"


def test_what_says_no_version_is_no_exporter(tmp_path: Path) -> None:
    program = tmp_path / "exporter"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    with pytest.raises(peer.PeerError):
        peer.version(program)
