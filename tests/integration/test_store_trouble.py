"""The store on a full disk and behind another process's lock: its own words, nothing half done, then on."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from dialtone.model import MessageState, Scope, SliceMark, SliceState
from dialtone.ports import StoreError
from dialtone.store import SqliteStore, open_store
from tests.fakes.records import NOON, a_message, a_result, an_alert
from tests.fakes.slots import MINUTE, a_closing, a_correction, a_key, an_attempt, failed, slot_of, work

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[2]
FILE: Final = "dialtone.sqlite3"
TRAFFIC: Final = a_key(probe="", location="")
LATER: Final = NOON + timedelta(seconds=60)

WRITES: Final[Mapping[str, Callable[[SqliteStore], Awaitable[object]]]] = {
    "add results": lambda store: store.add_results([a_result("begun"), a_result("new")]),
    "begin": lambda store: store.begin_result(a_result("new")),
    "adopt": lambda store: store.adopt_unended(),
    "put alerts": lambda store: store.put_alerts(
        [an_alert("known", since=LATER), an_alert("new")], [a_message("k1"), a_message("k2")]
    ),
    "note a try": lambda store: store.note_try("waits", "500"),
    "settle": lambda store: store.settle_message("waits", MessageState.DELIVERED, NOON),
    "prune results": lambda store: store.prune_results(LATER),
    "prune messages": lambda store: store.prune_messages(LATER),
    "a result that ends a run": lambda store: store.add_results([an_attempt(NOON)]),
    "a failure that is confirmed": lambda store: store.add_results(failed(NOON + 2 * MINUTE)),
    "plan series": lambda store: store.books.plan_series("mtl1", [a_key(probe="other")], LATER),
    "mark slices": lambda store: store.books.mark_slices(
        [SliceMark(TRAFFIC, slot_of(NOON), SliceState.BAD, "traffic: SEER 40 %", NOON)]
    ),
    "declare": lambda store: store.books.declare(work()),
    "withdraw": lambda store: store.books.withdraw(Scope.everything(), 1, at=LATER, author="bob"),
    "correct": lambda store: store.books.correct(a_correction()),
    "withdraw a correction": lambda store: store.books.withdraw_correction(
        Scope.everything(), 1, at=LATER, author="bob"
    ),
    "close": lambda store: store.books.close(a_closing()),
    "lease": lambda store: store.lease_accounts(["101@a", "102@a"], "new", now=NOON, until=LATER),
    "release": lambda store: store.release_accounts(["100@a"], "begun"),
}
"""Everything that writes, each so that a `prepared` store changes in more than one row where it can."""


async def prepared(folder: Path) -> SqliteStore:
    """Return a store that every write has something to change in."""
    store = await open_store(folder, busy_timeout=0.05)
    await store.add_results([a_result("old")])
    await store.begin_result(a_result("begun"))
    await store.lease_accounts(["100@a"], "begun", now=NOON, until=LATER)
    await store.put_alerts([an_alert("known")], [a_message("waits"), a_message("gone")])
    await store.settle_message("gone", MessageState.DELIVERED, NOON)
    # Three bad minutes for one cause: the first of them alone tells it.
    await store.books.plan_series("", [TRAFFIC], NOON)
    await store.add_results([one for count in (0, 1, 3) for one in failed(NOON + count * MINUTE)])
    await store.books.declare(work())
    await store.books.correct(a_correction())
    return store


def contents(folder: Path) -> list[str]:
    """Return all that is in the file, as another process reads it."""
    with closing(sqlite3.connect(folder / FILE)) as database:
        return list(database.iterdump())


async def done_well(folder: Path, name: str) -> list[str]:
    """Return the contents of a store in which that write met no trouble."""
    store = await prepared(folder)
    before = contents(folder)
    await WRITES[name](store)
    await store.aclose()
    assert contents(folder) != before
    return contents(folder)


HOLDER: Final = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
database.execute("DELETE FROM outbox")
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held_by_another(folder: Path) -> Iterator[None]:
    """Have another process lock the file; it is killed in the end, with its transaction open."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder / FILE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.kill()


async def test_a_lock_of_another_process_is_named_and_nothing_is_half_done(tmp_path: Path) -> None:
    stores = {name: await prepared(tmp_path / name) for name in WRITES}
    for name, store in stores.items():
        folder = tmp_path / name
        before = contents(folder)
        with held_by_another(folder):
            with pytest.raises(
                StoreError, match=r"another process keeps it locked; find it with: fuser -v /"
            ):
                await WRITES[name](store)
            # Who only reads is not held up, and sees nothing of what the other one has begun.
            assert [entry.message.key for entry in await store.outbox()] == ["waits", "gone"]
            assert len(await store.probe_totals(Scope.everything())) == 1
        assert contents(folder) == before, name
        await WRITES[name](store)
        await store.aclose()
        assert contents(folder) == await done_well(tmp_path / "well" / name, name), name


@contextmanager
def no_room(folder: Path, *, limited: bool) -> Iterator[None]:
    """Leave no room for another byte: by a limit on the size of files, or by filling the file system."""
    if limited:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()


async def in_a_process_of_its_own(folder: Path, *, limited: bool) -> dict[str, dict[str, object]]:
    """Try every write without room and again with room; return what each said and left."""
    found: dict[str, dict[str, object]] = {}
    for name, write in WRITES.items():
        store = await prepared(folder / name)
        before = contents(folder / name)
        words = ""
        with no_room(folder, limited=limited):
            try:
                await write(store)
            except StoreError as error:
                words = str(error)
            untouched = contents(folder / name) == before
            readable = len(await store.results(Scope.everything()))
        await write(store)
        await store.aclose()
        found[name] = {
            "words": words,
            "untouched": untouched,
            "readable": readable,
            "after": contents(folder / name),
        }
        shutil.rmtree(folder / name)
    return found


CHILD: Final = """
import functools, json, pathlib, sys
import anyio
from tests.integration.test_store_trouble import in_a_process_of_its_own
folder, limited = pathlib.Path(sys.argv[1]), sys.argv[2] == "limited"
print(json.dumps(anyio.run(functools.partial(in_a_process_of_its_own, folder, limited=limited))))
"""


def without_room(folder: Path, *, limited: bool, within: Sequence[str] = ()) -> dict[str, dict[str, object]]:
    """Run the child, in the command `within` which it is; return what it found."""
    done = subprocess.run(
        [*within, sys.executable, "-c", CHILD, str(folder), "limited" if limited else "filled"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    assert found.keys() == WRITES.keys()
    return found


async def check(found: dict[str, dict[str, object]], words: str, tmp_path: Path) -> None:
    """Compare what the child found with writes that met no trouble."""
    for name, of in found.items():
        assert words in str(of["words"]), name
        assert (of["untouched"], of["readable"]) == (True, 7), name
        assert of["after"] == await done_well(tmp_path / "well" / name, name), name


async def test_a_limit_on_the_size_of_files_is_reported_and_nothing_is_half_done(tmp_path: Path) -> None:
    found = without_room(tmp_path, limited=True)
    await check(found, f"{FILE}: the disk fails, or a quota or file size limit is reached", tmp_path)


def small_file_system(folder: Path) -> list[str]:
    """Return a command that runs another with a file system of 2 MiB at that folder, its own.

    Skips where nobody may mount one. It ends with the process.
    """
    if shutil.which("unshare") is None:
        pytest.skip("no unshare program here")
    namespace = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
    mount = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
    command = ["unshare", *namespace, "sh", "-c", mount, str(folder)]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system")
    return command


async def test_a_full_disk_is_reported_and_nothing_is_half_done(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    found = without_room(small, limited=False, within=small_file_system(small))
    await check(
        found, f"{FILE}: the disk is full; free some space, the next write goes on by itself", tmp_path
    )


FILLER: Final = """
import pathlib, sys
import anyio
from dialtone.model import Scope
from dialtone.ports import StoreError
from dialtone.store import open_store
from tests.fakes.records import a_message, a_result, an_alert

async def main():
    folder = pathlib.Path(sys.argv[1])
    store = await open_store(folder / "data")
    added = []
    try:
        for batch in range(10_000):
            names = [f"{batch}.{n}" for n in range(20)]
            await store.add_results([a_result(name) for name in names])
            added += names
            await store.put_alerts([an_alert(str(batch))], [a_message(str(batch))])
    except StoreError as error:
        print(error)
    found = {result.id for result in await store.results(Scope.everything(), limit=1_000_000)}
    print("same" if found == set(added) else "differs")
    flips = [event.fingerprint for event in await store.alerts(Scope.everything())]
    messages = [entry.message.key for entry in await store.outbox()]
    print("same" if sorted(flips) == sorted(messages) else "differs")
    [totals] = await store.probe_totals(Scope.everything())
    print(sum(totals.outcomes.values()) == len(added))
    (folder / "ballast").unlink()
    await store.add_results([a_result("afterwards")])
    print(await store.result(Scope.everything(), "afterwards") is not None)
    await store.aclose()

anyio.run(main)
"""


def test_a_disk_that_fills_up_under_traffic_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    ballast = ["sh", "-c", 'head -c 524288 /dev/zero > "$0/ballast" && exec "$@"', str(small)]
    done = subprocess.run(
        [*small_file_system(small), *ballast, sys.executable, "-c", FILLER, str(small)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    message, *facts = done.stdout.splitlines()
    assert "dialtone.sqlite3: the disk is full; free some space, the next write goes on by itself" in message
    assert facts == ["same", "same", "True", "True"]
