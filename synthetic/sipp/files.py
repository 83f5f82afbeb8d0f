"""The folder of a run: what SIPp finds in it, and what it leaves there."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from synthetic.sipp.messages import parse_messages
from synthetic.sipp.run import RoundTrip, Statistics, Step, Traced
from synthetic.sipp.statistics import parse_round_trips, parse_statistics, parse_steps

SCENARIO: Final = "flow.xml"
"""A link to the scenario. Its name is in those of other files: 3.6 and 3.7 reserve too little memory for them
where a name of 8 or 9 letters meets a process id of 7 digits (initRtt in src/stat.cpp)."""
STATISTICS: Final = "statistics.csv"
MESSAGES: Final = "messages.log"
ERRORS: Final = "errors.log"
LOG: Final = "actions.log"
STDERR: Final = "stderr.log"
_ROUND_TRIPS: Final = "flow_{pid}_rtt.csv"
_COUNTS: Final = "flow_{pid}_counts.csv"
_OVERSIZED: Final = "flow_{pid}_traces_oversized.log"

MAX_FILE: Final = 32 * 1024 * 1024
"""Bytes that a file of a run may have (RLIMIT_FSIZE). SIPp notes it and stops writing all of them."""
_MAX_READ: Final = 1024 * 1024
_MAX_ENDS: Final = 128 * 1024
_MAX_LINES: Final = 200
_MAX_ERRORS: Final = 20
_MAX_LINE: Final = 500
_NO_STEPS: Final[tuple[Step, ...]] = ()
_NO_TRIPS: Final[tuple[RoundTrip, ...]] = ()

_STAMP: Final = re.compile(r"^[0-9-]{10}\t[0-9:.]{8,15}\t[0-9.]{10,20}: ")
_SAID_ANYWAY: Final = (
    "The following events occurred:",
    "Resolving remote host '",
    "There were more errors, ",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a run left in its folder. `began`: it came as far as its first line of statistics."""

    began: bool
    statistics: Statistics | None
    round_trips: tuple[RoundTrip, ...]
    steps: tuple[Step, ...]
    messages: tuple[Traced, ...]
    dropped_messages: int
    log: tuple[str, ...]
    errors: tuple[str, ...]
    truncated: bool


def prepare(folder: Path, scenario: Path) -> BinaryIO:
    """Put the scenario where the command line names it, and return the open file for stderr.

    What another run left under the same names is deleted: it would be taken for this one's.

    Raises OSError; FileNotFoundError without a scenario.
    """
    target = scenario.resolve(strict=True)
    for name in (SCENARIO, STATISTICS, MESSAGES, ERRORS, LOG):
        (folder / name).unlink(missing_ok=True)
    (folder / SCENARIO).symlink_to(target)
    return (folder / STDERR).open("wb")


def collect(folder: Path, pid: int) -> Leftovers:
    """Read what is there, at most a megabyte of each file; a file that makes no sense is told in `errors`."""
    complaints: list[str] = []

    def attempt(what: str, parse: Callable[[], T], otherwise: T) -> T:
        try:
            return parse()
        except ValueError as error:
            complaints.append(f"{what}: {error}"[:_MAX_LINE])
            return otherwise

    statistics = attempt("statistics", lambda: parse_statistics(_ends(folder / STATISTICS)), None)
    steps = attempt("counts", lambda: parse_steps(_ends(folder / _COUNTS.format(pid=pid))), _NO_STEPS)
    trips = _NO_TRIPS
    if statistics is not None and (started := statistics.started) is not None:
        text = _text(folder / _ROUND_TRIPS.format(pid=pid))
        trips = attempt("response times", lambda: parse_round_trips(text, started), _NO_TRIPS)
    messages, dropped = parse_messages(_head(folder / MESSAGES, _MAX_READ))
    truncated = (folder / _OVERSIZED.format(pid=pid)).exists()
    return Leftovers(
        began=statistics is not None,
        statistics=None if truncated else statistics,
        round_trips=trips,
        steps=() if truncated else steps,
        messages=messages,
        dropped_messages=dropped,
        log=tuple(_lines(_text(folder / LOG)))[:_MAX_LINES],
        errors=(*_errors(folder), *complaints),
        truncated=truncated,
    )


def _errors(folder: Path) -> tuple[str, ...]:
    """Return the first lines of the error file, and the last of stderr that are not among them."""
    first = _told(_text(folder / ERRORS))[:_MAX_ERRORS]
    last = _told(_ends(folder / STDERR))[-_MAX_ERRORS:]
    return (*first, *(line for line in dict.fromkeys(last) if line not in first))


def _told(text: str) -> list[str]:
    """Return what SIPp tells of errors, without its stamps and what it says of everything."""
    lines = (_STAMP.sub("", line) for line in _lines(text))
    return [line for line in lines if not line.startswith(_SAID_ANYWAY)]


def _lines(text: str) -> list[str]:
    return [line[:_MAX_LINE].rstrip() for line in text.splitlines() if line.strip()]


def _text(path: Path) -> str:
    return _head(path, _MAX_READ).decode("utf-8", "backslashreplace")


def _ends(path: Path) -> str:
    """Return a file whose first and last lines matter; of a large one, the middle is left out."""
    head = _head(path, _MAX_ENDS)
    if len(head) == _MAX_ENDS:
        with path.open("rb") as file:
            file.seek(max(_MAX_ENDS, file.seek(0, os.SEEK_END) - _MAX_ENDS))
            head = head[: head.rfind(b"\n") + 1] + file.read(_MAX_ENDS)
    return head.decode("utf-8", "backslashreplace")


def _head(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError:  # it was not written, or can't be read: what depends on it is None or empty
        return b""
