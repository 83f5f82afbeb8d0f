"""Which records of probes are forgotten: by age, passes sooner than failures; then by size, oldest first.

All of it is blocking file work, for a thread. Days are whole ones in UTC, as the folders are named.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from dialtone.config import EvidenceLimits

FOLDER: Final = "evidence"
UNFINISHED: Final = ".unfinished-"
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PASSED: Final = re.compile(rb'^ "outcome": "pass",?$', re.MULTILINE)
"""As evidence.json has it; inside a text of it no line can begin like this."""
_HEAD: Final = 4096
_BLOCK: Final = 512
_ROOM: Final = 0.05
"""What share of the size is made free where it is exceeded, so that it is not again a moment later."""
_OLD_DRAFT: Final = timedelta(hours=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many records went for their age and how many for the size of all; what is left.

    `failures_for_size` are among `for_size`; `left` is in bytes, as the disk gives them out.
    """

    for_age: int
    for_size: int
    failures_for_size: int
    left: int


@dataclass(frozen=True, slots=True)
class _Record:
    path: Path
    written: float
    size: int


def prune(root: Path, limits: EvidenceLimits, now: datetime) -> Pruned:
    """Forget what is over the limits; `root` is the folder with a folder a tenant."""
    today = _first_day(now, 0.0)
    passes_from = _first_day(now, limits.keep)
    failures_from = _first_day(now, limits.keep_failures)
    kept: list[_Record] = []
    stuck: list[OSError] = []
    for_age = 0
    for day in _days(root):
        records = list(_records(day, now))
        if day.name < passes_from:
            gone = [one for one in records if day.name < failures_from or _passed(one)]
            for_age += sum(_forget(one, stuck) for one in gone)
            records = [one for one in records if one.path.exists()] if gone else records
        kept += records
        _drop_empty(day, today)
    total = sum(one.size for one in kept)
    for_size = failures = 0
    for one, is_pass in _in_order_of_loss(kept) if total > limits.max_size else ():
        if total <= limits.max_size * (1 - _ROOM):
            break
        if _forget(one, stuck):
            total -= one.size
            for_size += 1
            failures += not is_pass
            _drop_empty(one.path.parent, today)
    if stuck:
        _log.warning("evidence can't be forgotten", records=len(stuck), error=str(stuck[0]))
    return Pruned(for_age, for_size, failures, total)


def _first_day(now: datetime, keep: float) -> str:
    return (now - timedelta(seconds=keep)).astimezone(UTC).date().isoformat()


def _days(root: Path) -> Iterator[Path]:
    for tenant in _folders(root):
        for day in _folders(Path(tenant.path)):
            if _DATE.fullmatch(day.name):
                yield Path(day.path)


def _folders(path: Path) -> list["os.DirEntry[str]"]:
    """Return the folders in a folder by name, links not followed; none where it is gone."""
    try:
        with os.scandir(path) as entries:
            return sorted(
                (entry for entry in entries if entry.is_dir(follow_symlinks=False)), key=lambda e: e.name
            )
    except OSError:
        return []


def _records(day: Path, now: datetime) -> Iterator[_Record]:
    for entry in _folders(day):
        path, size, written = Path(entry.path), 0, 0.0
        try:
            itself = entry.stat(follow_symlinks=False)
            written = itself.st_mtime
            with os.scandir(path) as files:
                blocks = sum(file.stat(follow_symlinks=False).st_blocks for file in files)
            size = (itself.st_blocks + blocks) * _BLOCK
        except OSError:
            continue  # somebody else has just taken it away
        if not entry.name.startswith(UNFINISHED):
            yield _Record(path, written, size)
        elif now.timestamp() - written > _OLD_DRAFT.total_seconds():
            shutil.rmtree(path, ignore_errors=True)  # a process died while it wrote


def _in_order_of_loss(records: Iterable[_Record]) -> Iterator[tuple[_Record, bool]]:
    """Yield the oldest passes first, then the oldest of all others, each with whether it passed."""
    failures: list[_Record] = []
    for one in sorted(records, key=lambda one: (one.written, one.path.name)):
        if _passed(one):
            yield one, True
        else:
            failures.append(one)
    for one in failures:
        yield one, False


def _passed(record: _Record) -> bool:
    """Whether a record is of a probe that passed; one that can't be read is not taken for one."""
    try:
        with (record.path / "evidence.json").open("rb") as file:
            return _PASSED.search(file.read(_HEAD)) is not None
    except OSError:
        return False


def _forget(record: _Record, stuck: list[OSError]) -> bool:
    try:
        shutil.rmtree(record.path)
    except OSError as error:
        stuck.append(error)
        return False
    return True


def _drop_empty(day: Path, today: str) -> None:
    """Take away the folder of a day that is over; into today's somebody may be writing."""
    if day.name >= today:
        return
    for folder in (day, day.parent):
        try:
            folder.rmdir()
        except OSError:
            return  # not empty
