"""Figures of a report in the words that text and page share; hostile names in the room that there is."""

import math
from datetime import UTC, datetime
from typing import Final

from rich.cells import cell_len, chop_cells

from dialtone.cli.words import printable
from synthetic.capture.analysis import Call, Report
from synthetic.capture.calls import Ending

ABSENT: Final = "-"
CLOCK: Final = "by the clock of the place of capture, not of the phones"
_HAIR: Final = 1e-9  # 0.57 * 10,000 is less than 5,700
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "6xx", "none")


def fitted(text: str, width: int) -> str:
    """Return a text in so many cells at most, without control characters, its middle left out."""
    said = printable(text)
    if cell_len(said) <= width:
        return said
    end = (width - 2) // 3
    return f"{chop_cells(said, width - 2 - end)[0]}..{said[-end:] if said[-end:].isascii() else ''}"


def percent(share: float | None) -> str:
    """Return a ratio, never rounded up to 100; "-" where there is none."""
    return ABSENT if share is None else f"{math.floor(share * 10_000 + _HAIR) / 100:.2f} %"


def span(seconds: float | None) -> str:
    """Return a time in ms, or s from 1 s on; "-" where there is none."""
    if seconds is None:
        return ABSENT
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def score(mos: float | None) -> str:
    """Return a score; "-" where there is none."""
    return ABSENT if mos is None else f"{mos:.2f}"


def clock_time(at: float | None, shape: str = "%Y-%m-%d %H:%M:%S UTC") -> str:
    """Return an instant as a person reads it; "-" for one that no calendar has."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime(shape) if at is not None else ABSENT
    except (ValueError, OverflowError, OSError):
        return ABSENT


def ended(call: Call) -> str:
    """Return how a call ended: "answered", "failed 503"; and what else is wrong with it."""
    word = f"{call.ending} {call.status}" if _has_status(call) else str(call.ending)
    return f"{word}, one-way RTP" if call.one_way else word


def outcome(call: Call) -> str:
    """Return how a call ended with the words of its last answer, and apart from them what else is wrong."""
    said = f"{call.status} {call.reason}".rstrip() if call.status is not None else ""
    how = f"{call.ending} {said}" if _has_status(call) else f"{call.ending} ({said})" if said else call.ending
    return f"{how}, one-way RTP" if call.one_way else str(how)


def still_up(report: Report) -> int:
    """Return how many calls were answered and had no end in the capture, of those that are listed."""
    return sum(call.ending is Ending.UP for call in report.calls)


def _has_status(call: Call) -> bool:
    return call.status is not None and call.ending in (Ending.FAILED, Ending.REDIRECTED)


def many(count: int, word: str) -> str:
    """Return "1 call", "2 calls"."""
    return f"{count} {word}" + ("" if count == 1 else "s")
