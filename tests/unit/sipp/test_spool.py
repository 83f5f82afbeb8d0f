"""The spool: every probe has a folder, and what a killed process left in one goes."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from synthetic.sipp.spool import PREFIX, Spool

LEAVING = """
import os, signal, sys
from pathlib import Path
from synthetic.sipp.spool import Spool
berth = Spool(Path(sys.argv[1])).berth()
(berth.path / "accounts.csv").write_text("SEQUENTIAL\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""
PROJECT = Path(__file__).parents[3]


def left_by_a_kill(spool: Path) -> Path:
    subprocess.run([sys.executable, "-c", LEAVING, str(spool)], cwd=PROJECT, check=False)
    (left,) = spool.iterdir()
    assert (left / "accounts.csv").exists()
    return left


def test_a_folder_is_ours_alone_and_goes_with_its_probe(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "data" / "spool")
    berth = spool.berth()
    assert stat.S_IMODE(berth.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    berth.leave()
    assert list(spool.folder.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_first_probe_of_the_next(tmp_path: Path) -> None:
    left = left_by_a_kill(tmp_path)
    Spool(tmp_path).berth().leave()
    assert not left.exists()


def test_a_folder_in_use_stays_even_if_the_process_that_looks_is_its_own(tmp_path: Path) -> None:
    berth = Spool(tmp_path).berth()
    Spool(tmp_path).berth().leave()
    assert berth.path.exists()
    berth.leave()


def test_later_probes_do_not_sweep_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.berth().leave()
    left = left_by_a_kill(tmp_path)
    spool.berth().leave()
    assert left.exists()


@pytest.mark.parametrize("name", ["sipp-notes", "results.spool", f"{PREFIX}2026-11-23"])
def test_what_is_not_ours_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    Spool(tmp_path).berth().leave()
    assert (tmp_path / name).exists()


def test_a_link_in_the_spool_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / f"{PREFIX}abcdefgh").symlink_to(precious)
    Spool(spool).berth().leave()
    assert (precious / "file").exists()


def test_a_folder_that_can_not_be_looked_into_keeps_no_probe_from_running(tmp_path: Path) -> None:
    other = tmp_path / f"{PREFIX}abcdefgh"
    other.mkdir()
    (other / "lock").mkdir()  # as good as another user's: it can't be opened
    Spool(tmp_path).berth().leave()
    assert other.exists()
