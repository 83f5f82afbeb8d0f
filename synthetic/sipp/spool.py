"""The spool: a folder for each probe, which goes with it; what killed processes left goes with the next."""

import fcntl
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

PREFIX: Final = "sipp-probe-"
_OURS: Final = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")
_LOCK: Final = "lock"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Berth:
    """One probe's folder. Its lock, a descriptor, says that it is in use; the kernel lifts it with us."""

    path: Path
    lock: int

    def leave(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


class Spool:
    """Makes folders of probes, 0700, in one that other processes may share.

    A process id would not tell whether a folder is in use: a container's next service has the same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._swept = False

    def berth(self) -> Berth:
        """Make a folder; the first time, remove what was left. Blocks: for a thread. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            self._sweep()
        for _ in range(_TRIES):
            path = Path(mkdtemp(prefix=PREFIX, dir=self.folder))
            try:
                lock = _locked(path)
            except OSError:  # a full disk
                shutil.rmtree(path, ignore_errors=True)
                raise
            if lock is not None and path.exists():
                return Berth(path, lock)
            if lock is not None:  # another process that sweeps was between the two
                os.close(lock)
        raise OSError("another process removes every folder at once")

    def _sweep(self) -> None:
        for path in self.folder.iterdir():
            if not _OURS.fullmatch(path.name) or path.is_symlink():
                continue
            try:
                lock = _locked(path)
            except OSError:  # another user's
                continue
            if lock is not None:
                Berth(path, lock).leave()


def _locked(folder: Path) -> int | None:
    """Lock a folder that nobody uses and return the lock, else None."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:  # it has been removed meanwhile
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
