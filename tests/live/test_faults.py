"""The fault matrix: every fault gets its code on every engine, and without the faults every probe passes."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

import anyio
import pytest

from lab.faults.matrix import wanted
from tests.integration.service import Finished

pytestmark = pytest.mark.live

ROWS: Final = sum(len(engines) for _, engines in wanted())
FAULTS: Final = len(wanted())
_PATIENCE: Final = 400.0


def faults(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dialtone", "lab", "faults", *arguments]


@pytest.fixture
def surroundings(tmp_path: Path) -> Mapping[str, str]:
    """An environment whose labs and temporary files are the test's own."""
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}


def nothing_is_left(folder: Path) -> None:
    assert not [*(folder / "dialtone" / "labs").glob("*")]
    assert not [*(folder / "tmp").glob("dialtone-faults-*")]
    said = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.exists()]
    assert not [line for line in said if str(folder).encode() in line]


async def ended(surroundings: Mapping[str, str], *arguments: str) -> Finished:
    with anyio.fail_after(_PATIENCE):
        done = await anyio.run_process(faults(*arguments), env=surroundings, check=False)
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


async def test_every_fault_gets_its_code_on_every_engine(
    surroundings: Mapping[str, str], tmp_path: Path
) -> None:
    done = await ended(surroundings)
    assert done.code == 0, done.out + done.err
    assert "RED" not in done.out
    assert done.err.splitlines()[-1] == f"{FAULTS} faults, {ROWS} rows, 0 red"
    nothing_is_left(tmp_path)


async def test_with_the_faults_left_out_every_row_is_red_because_its_probe_passes(
    surroundings: Mapping[str, str], tmp_path: Path
) -> None:
    done = await ended(surroundings, "--sabotage")
    assert done.code == 2, done.out + done.err
    red = [line for line in done.out.splitlines() if "RED" in line]
    assert {line.strip() for line in red} == {
        f"RED on {engine}: passed" for engine in ("sippy", "sipp", "service")
    }
    assert len(red) == ROWS
    assert done.err.splitlines()[-1] == (
        f"{FAULTS} faults, {ROWS} rows, {ROWS} red; the faults were left out and {ROWS} probes passed"
    )
    nothing_is_left(tmp_path)


async def test_ctrl_c_leaves_no_lab_no_program_and_no_file(
    surroundings: Mapping[str, str], tmp_path: Path
) -> None:
    process = await anyio.open_process(faults(), env=surroundings, stdout=PIPE, stderr=DEVNULL)
    async with process:
        assert process.stdout is not None
        with anyio.fail_after(_PATIENCE):
            await process.stdout.receive()  # the first rows: probes of both engines run
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 128 + signal.SIGINT
    nothing_is_left(tmp_path)


async def test_a_reader_that_goes_away_is_no_bug(surroundings: Mapping[str, str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    command = faults("--only", "options", "--only", "http")
    process = await anyio.open_process(command, env=surroundings, stdout=writing, stderr=PIPE)
    os.close(writing)
    os.close(reading)
    async with process:
        assert process.stderr is not None
        with anyio.fail_after(_PATIENCE):
            said = b"".join([chunk async for chunk in process.stderr])
            assert await process.wait() == 3
    assert b"bug" not in said
    nothing_is_left(tmp_path)
