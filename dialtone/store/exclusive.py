"""One service a data folder: a second would judge the same probes and send every alert twice."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dialtone.ports import StoreError

FILE_NAME: Final = "serve.lock"


@contextmanager
def held_alone(folder: Path) -> Iterator[None]:
    """Hold a data folder (0700, made if need be) for one service; the system lets go however it ends.

    Taken before the store is opened: a newer version must not change the schema under one that runs.
    Raises StoreError where another service holds it. Commands that share the store don't ask.
    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: can't be made or opened: {error.strerror}; look at `data:`") from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{folder}: another `dialtone serve` uses this data folder; stop it, or set another `data:`"
            ) from None
        yield
    finally:
        os.close(file)
