"""The store when the machine is against it: killed processes, full disks, everybody at once."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import Scope
from dialtone.store import open_store
from tests.fakes.records import a_result

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[2]

WRITER: Final = """
import itertools, pathlib, sys
import anyio
from dialtone.store import open_store
from tests.fakes.records import a_result

async def main():
    store = await open_store(pathlib.Path(sys.argv[1]))
    for number in itertools.count():
        await store.add_results([a_result(f"r{number:06}a"), a_result(f"r{number:06}b")])
        print(number, flush=True)

anyio.run(main)
"""

OPENER: Final = """
import pathlib, sys
import anyio
from dialtone.store import open_store

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    store = await open_store(pathlib.Path(sys.argv[1]))
    await store.aclose()

anyio.run(main)
"""

FILLER: Final = """
import pathlib, resource, sys
import anyio
from dialtone.model import Scope
from dialtone.ports import StoreError
from dialtone.store import open_store
from tests.fakes.records import a_result

async def main():
    folder, limit = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    store = await open_store(folder / "data")
    await store.add_results([a_result("first")])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    else:
        with (folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"x" * 65536):
                    pass
            except OSError:
                pass
    added = ["first"]
    for batch in range(10_000):
        names = [f"{batch}.{n}" for n in range(20)]
        try:
            await store.add_results([a_result(name) for name in names])
        except StoreError as error:
            print(error)
            break
        added += names
    found = {result.id for result in await store.results(Scope.everything(), limit=1_000_000)}
    print("same" if found == set(added) else "differs")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (folder / "ballast").unlink()
    await store.add_results([a_result("afterwards")])
    print(await store.result(Scope.everything(), "afterwards") is not None)
    await store.aclose()

anyio.run(main)
"""


def child(script: str, *arguments: str, **more: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


async def test_nothing_that_was_acknowledged_is_lost_to_kill_9(tmp_path: Path) -> None:
    for enough in (1, 20, 57):
        folder = tmp_path / f"after-{enough}"
        acknowledged = -1
        with child(WRITER, str(folder)) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                acknowledged = int(line)
                if acknowledged >= enough:
                    break
            writer.send_signal(signal.SIGKILL)
            # What it acknowledged between our last read and its death counts too.
            for line in writer.stdout:
                acknowledged = int(line)
            assert writer.wait(10) == -signal.SIGKILL
        store = await open_store(folder)
        kept = {result.id for result in await store.results(Scope.everything(), limit=1_000_000)}
        await store.add_results([a_result("afterwards")])
        await store.aclose()
        assert {f"r{n:06}{half}" for n in range(acknowledged + 1) for half in "ab"} <= kept
        assert len(kept) % 2 == 0


def test_processes_that_start_at_once_make_one_schema(tmp_path: Path) -> None:
    for attempt in range(3):
        children = [child(OPENER, str(tmp_path / f"{attempt}")) for _ in range(4)]
        for one in children:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in children:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        endings = [(one.communicate(timeout=60)[1], one.returncode) for one in children]
        assert endings == [("", 0)] * 4


def test_a_file_size_limit_is_reported_and_what_was_kept_stays(tmp_path: Path) -> None:
    with child(FILLER, str(tmp_path), str(2 << 20)) as filler:
        output, errors = filler.communicate(timeout=60)
    assert errors == ""
    message, same, afterwards = output.splitlines()
    assert "dialtone.sqlite3: the disk fails, or a quota or file size limit is reached" in message
    assert (same, afterwards) == ("same", "True")


def test_a_full_disk_is_reported_and_writing_goes_on_once_there_is_room(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("no unshare program here")
    # A file system of its own, 2 MiB small, in a mount namespace that ends with the process.
    namespace = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    mount = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
    command = ["unshare", *namespace, "sh", "-c", mount, str(small)]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system")
    done = subprocess.run(
        [*command, sys.executable, "-c", FILLER, str(small), "0"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    message, same, afterwards = done.stdout.splitlines()
    assert "dialtone.sqlite3: the disk is full; free some space, the next write goes on by itself" in message
    assert (same, afterwards) == ("same", "True")
