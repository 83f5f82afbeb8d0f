"""What can't be written: a full disk behind stdout, a reader that has gone. Neither is called a bug."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def start(config: Path, stdout: int) -> "subprocess.Popen[str]":
    """Start a command whose answer goes there, buffered as on anybody's machine."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    argv = [sys.executable, "-m", "dialtone", "check", str(config)]
    env |= {"DB_PASSWORD": "sesame-db-5521"}
    return subprocess.Popen(argv, stdout=stdout, stderr=subprocess.PIPE, text=True, env=env)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_behind_stdout_is_3_and_one_sentence(config: Path) -> None:
    with Path("/dev/full").open("wb") as full, start(config, full.fileno()) as process:
        _, said = process.communicate(timeout=30)
    assert said == "dialtone: can't write: No space left on device; free some space\n"
    assert process.returncode == 3


def test_a_reader_that_has_gone_is_3_and_silence(config: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start(config, writer) as process:
        os.close(writer)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (3, "")
