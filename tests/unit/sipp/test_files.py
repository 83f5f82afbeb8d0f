"""The folder of a run: what is put there, and how what is left is read back, bounded."""

import shutil
from pathlib import Path

import pytest

from synthetic.agents.wirelog import MAX_MESSAGES
from synthetic.sipp import files
from synthetic.sipp.files import collect, prepare

DATA = Path(__file__).parents[2] / "data/sipp"
PID = 4711


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "register.xml"
    path.write_text("<scenario/>")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what a SIPp of two calls left."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(DATA / "passed/statistics.csv", folder / files.STATISTICS)
    shutil.copy(DATA / "passed/messages.log", folder / files.MESSAGES)
    shutil.copy(DATA / "passed/rtt.csv", folder / f"flow_{PID}_rtt.csv")
    shutil.copy(DATA / "passed/counts.csv", folder / f"flow_{PID}_counts.csv")
    return folder


def test_the_scenario_is_found_under_a_short_name_whatever_its_own(tmp_path: Path, scenario: Path) -> None:
    prepare(tmp_path, scenario).close()
    assert (tmp_path / files.SCENARIO).read_text() == "<scenario/>"
    assert len(Path(files.SCENARIO).stem) + len("_4194304_rtt.csv") + 1 <= 24


def test_a_scenario_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        prepare(tmp_path, tmp_path / "none.xml")


def test_what_an_earlier_run_left_is_not_taken_for_this_one_s(folder: Path, scenario: Path) -> None:
    (folder / files.ERRORS).write_text("old trouble\n")
    for _ in range(2):
        prepare(folder, scenario).close()
    left = collect(folder, PID + 1)
    assert (left.began, left.statistics, left.messages, left.errors) == (False, None, (), ())


def test_all_that_a_run_left_is_read(folder: Path) -> None:
    (folder / files.LOG).write_text("call 1 is up\ncall 2 is up\n")
    left = collect(folder, PID)
    assert left.began
    assert left.statistics is not None
    assert left.statistics.successful == 2
    assert [trip.name for trip in left.round_trips] == ["srd", "sdd", "srd", "sdd"]
    assert left.round_trips[0].at == pytest.approx(left.messages[1].at, abs=0.01)
    assert (len(left.messages), left.dropped_messages, len(left.steps)) == (12, 0, 9)
    assert left.log == ("call 1 is up", "call 2 is up")
    assert left.errors == ()


def test_an_empty_folder_is_a_run_that_never_began(tmp_path: Path) -> None:
    left = collect(tmp_path, PID)
    assert (left.began, left.statistics, left.round_trips, left.messages, left.truncated) == (
        False,
        None,
        (),
        (),
        False,
    )


def test_errors_are_told_once_and_without_stamps(folder: Path) -> None:
    said = "2026-11-23\t04:10:01.889549\t1795407001.889549: Unable to bind main socket, errno = 98"
    (folder / files.ERRORS).write_text(f"The following events occurred:\n{said}")
    (folder / files.STDERR).write_text(f"Resolving remote host 'x'... Done.\n{said}\n{said}\nsegfault\n")
    assert collect(folder, PID).errors == ("Unable to bind main socket, errno = 98", "segfault")


def test_a_file_that_makes_no_sense_is_told_and_the_others_are_read(folder: Path) -> None:
    (folder / f"flow_{PID}_rtt.csv").write_text("Date_ms;response_time_ms;rtd_no\n1;soon;srd\n")
    left = collect(folder, PID)
    assert left.errors == ("response times: the response time file has 'soon' for milliseconds",)
    assert left.round_trips == ()
    assert left.statistics is not None


def test_counts_that_stopped_at_the_size_limit_are_not_shown_as_final(folder: Path) -> None:
    (folder / f"flow_{PID}_traces_oversized.log").touch()
    left = collect(folder, PID)
    assert (left.truncated, left.began, left.statistics, left.steps) == (True, True, None, ())


def test_of_a_long_statistics_file_the_last_line_counts(folder: Path) -> None:
    header, *lines = (folder / files.STATISTICS).read_text().splitlines(keepends=True)
    (folder / files.STATISTICS).write_text(header + lines[0] * 3000 + lines[-1])
    assert (folder / files.STATISTICS).stat().st_size > 1 << 20
    left = collect(folder, PID)
    assert left.statistics is not None
    assert left.statistics.successful == 2


def test_huge_files_are_read_in_part(folder: Path) -> None:
    messages = (folder / files.MESSAGES).read_bytes()
    (folder / files.MESSAGES).write_bytes(messages * 2000)
    (folder / files.LOG).write_text(("x" * 10_000 + "\n") * 1000)
    (folder / files.ERRORS).write_text("y" * (4 << 20))
    left = collect(folder, PID)
    assert len(left.messages) == MAX_MESSAGES
    assert left.dropped_messages > 0
    assert len(left.log) <= 200
    assert max(len(line) for line in (*left.log, *left.errors)) == 500


def test_bytes_that_are_no_text_do_not_stop_the_reading(folder: Path) -> None:
    for name in (files.STATISTICS, files.MESSAGES, files.ERRORS, files.LOG):
        (folder / name).write_bytes(bytes(range(256)) * 40)
    assert not collect(folder, PID).began
