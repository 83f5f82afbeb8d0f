"""Writing the lab's files: whole or not at all, readable by nobody else where they hold passwords."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.base import LabError

_PATIENCE: Final = 5.0
_PAUSE: Final = 0.01


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner may read (0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file in one step (0600)."""
    write_private(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> dict[str, object]:
    """Return the object in a file of ours; empty where there is no file, or none that we wrote."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@contextmanager
def locked(path: Path, *, busy: str, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold a lock between processes. Raises LabError with the words of `busy` when others keep it.

    The kernel gives it back when its holder dies, so there are no stale locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LabError(f"{busy} (lock: {path})") from None
                time.sleep(_PAUSE)
        yield


def xdg_folder(variable: str, fallback: str) -> Path:
    """Return our folder under an XDG base directory; without the variable under `fallback` at home."""
    # The XDG specification tells to ignore relative paths.
    given = Path(os.environ.get(variable, ""))
    return (given if given.is_absolute() else Path.home() / fallback) / "dialtone"
