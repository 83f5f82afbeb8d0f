"""A server's clock, set wrong by Debian's libfaketime; its timeouts and waits stay right."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from lab.base import LabError

_LIBRARY: Final = "*/faketime/libfaketimeMT.so.1"
_LIB: Final = Path("/usr/lib")


def missing() -> Sequence[str]:
    """Return what this machine lacks for it, with how to get it."""
    return [] if next(_LIB.glob(_LIBRARY), None) else ["libfaketime: apt-get install libfaketime"]


class Clock:
    """The clock of one server that was started with `env`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def env(self) -> Mapping[str, str]:
        """Return the environment that gives a program this clock, right at first. Raises LabError."""
        library = next(_LIB.glob(_LIBRARY), None)
        if library is None:
            raise LabError("; ".join(missing()))
        if not self._file.exists():
            self.set(0.0)
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            # It looks into the file once a second.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, ahead: float) -> None:
        """Set it so many seconds ahead of the machine's (behind: negative); it holds within a second."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead:+.3f}\n")
        fresh.replace(self._file)
