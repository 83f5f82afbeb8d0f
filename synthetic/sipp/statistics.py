"""SIPp's statistics files, by the names in their headers.

All are separated by semicolons, one at the end of each line too. Cumulative columns end in `(C)`. What is
behind the last line break was cut off when SIPp was killed, and is left out.
"""

import math
import re
from typing import Final

from synthetic.sipp.run import RoundTrip, Statistics, Step

MAX_ROUND_TRIPS: Final = 10_000
_MAX_STEPS: Final = 1_000
_CUMULATIVE: Final = "(C)"
_COUNT: Final = re.compile(r"[0-9]{1,20}")
_EPOCH: Final = re.compile(r"[0-9]{1,11}\.[0-9]{1,9}")
_STEP: Final = re.compile(
    r"([0-9]{1,6})_(.{1,60}?)_?(Sent|Recv|Sessions|RecvCmd|SendCmd|Retrans|Timeout|Unexp)"
)
_FIELDS: Final = {
    "Sent": "happened",
    "Recv": "happened",
    "Sessions": "happened",
    "Retrans": "retransmissions",
    "Timeout": "timeouts",
    "Unexp": "unexpected",
}


def parse_statistics(text: str) -> Statistics | None:
    """Read the last whole line of the statistics file; None where there is none yet.

    Raises ValueError for what is no statistics file.
    """
    line = _last_line(text)
    if line is None:
        return None
    return Statistics(
        created=_count(line, "TotalCallCreated") if "TotalCallCreated" in line else _created(line),
        successful=_count(line, "SuccessfulCall(C)"),
        failed_calls=_count(line, "FailedCall(C)"),
        failed=_failed(line),
        retransmissions=_count(line, "Retransmissions(C)") if "Retransmissions(C)" in line else 0,
        started=_epoch(line.get("StartTime", "")),
    )


def parse_steps(text: str) -> tuple[Step, ...]:
    """Read the last whole line of the counts file, step by step; empty where there is none yet.

    Raises ValueError for what is no counts file.
    """
    line = _last_line(text)
    steps: dict[tuple[int, str], dict[str, int]] = {}
    for column in line or {}:
        known = _STEP.fullmatch(column)
        if known is not None and len(steps) < _MAX_STEPS:
            number, name, kind = int(known[1]), known[2], known[3]
            steps.setdefault((number, name), {})[_FIELDS[kind]] = _count(line or {}, column)
    return tuple(Step(number, name, **counts) for (number, name), counts in steps.items())


def parse_round_trips(text: str, started: float) -> tuple[RoundTrip, ...]:
    """Read the response time file, at most MAX_ROUND_TRIPS lines.

    `started` is when SIPp began, in UTC seconds: the file counts from there. Past 1000 s it has no
    fractions of a second any more (six digits). Raises ValueError for what is no response time file.
    """
    header, lines = _table(text)
    if not header:
        return ()
    places = [_place(header, name) for name in ("Date_ms", "response_time_ms", "rtd_no")]
    trips = []
    for line in lines[:MAX_ROUND_TRIPS]:
        if len(line) <= max(places):
            raise ValueError(f"the response time file has a line of {len(line)} fields")
        after, took, name = (line[place] for place in places)
        trips.append(RoundTrip(name[:60], _seconds(took), started + _seconds(after)))
    return tuple(trips)


def _table(text: str) -> tuple[list[str], list[list[str]]]:
    rows = [row.rstrip("\r").split(";") for row in text.split("\n")[:-1]]
    return (rows[0], rows[1:]) if rows else ([], [])


def _last_line(text: str) -> dict[str, str] | None:
    header, lines = _table(text)
    whole = [line for line in lines if len(line) == len(header)]
    if lines and not whole:
        raise ValueError(f"no line has the {len(header)} fields of the header")
    return dict(zip(header, whole[-1], strict=True)) if whole else None


def _created(line: dict[str, str]) -> int:
    return sum(_count(line, name) for name in ("IncomingCall(C)", "OutgoingCall(C)") if name in line)


def _failed(line: dict[str, str]) -> dict[str, int]:
    classes = (name for name in line if name.startswith("Failed") and name.endswith(_CUMULATIVE))
    counts = {
        name.removesuffix(_CUMULATIVE): _count(line, name) for name in classes if name != "FailedCall(C)"
    }
    return {name: count for name, count in counts.items() if count}


def _count(line: dict[str, str], column: str) -> int:
    value = line.get(column)
    if value is None:
        raise ValueError(f"there is no column {column}")
    if not _COUNT.fullmatch(value):
        raise ValueError(f"column {column} is {value[:40]!r}, not a count")
    return int(value)


def _epoch(stamp: str) -> float | None:
    """Read the last part of `2026-11-23<tab>04:04:16.524224<tab>1795406656.524224`."""
    last = stamp.rpartition("\t")[2]
    return float(last) if _EPOCH.fullmatch(last) else None


def _place(header: list[str], column: str) -> int:
    if column not in header:
        raise ValueError(f"there is no column {column}")
    return header.index(column)


def _seconds(milliseconds: str) -> float:
    """Turn `336.001` or `1.00034e+06` milliseconds into seconds."""
    try:
        value = float(milliseconds) / 1000
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"the response time file has {milliseconds[:40]!r} for milliseconds")
    return value
