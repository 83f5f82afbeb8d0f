"""What was heard in a probe's call, as text of 80 columns: a line for each direction."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from dialtone.model import Found, MediaStream
from synthetic.ladder import WIDTH

_HEARD: Final = {
    Found.ECHO: "heard its own voice, come back",
    Found.OTHER: "heard the voice of another call",
    Found.SOUND: "heard a sound that is no voice of ours",
    Found.SILENCE: "heard silence",
    Found.NOTHING: "no packet came",
}
_ROW: Final = "{:<24.23}{:<6.5}{:>6}{:>6}{:>8}{:>5}{:>9}{:>9}{:>6}"
_INDENT: Final = "    "


def told(media: Sequence[MediaStream]) -> Iterator[str]:
    """Yield the lines; none where nobody listened. What is not known is a dash."""
    if media:
        yield _ROW.format("media:", "codec", "sent", "got", "lost", "late", "jitter", "rtt", "MOS")
    for stream in media:
        yield _direction(stream)
        if more := ", ".join(_remarks(stream)):
            yield textwrap.fill(more, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _direction(stream: MediaStream) -> str:
    lost, came = stream.loss_ratio, stream.received > 0
    return _ROW.format(
        f"  {stream.listener} hears {stream.speaker}",
        stream.codec or "-",
        "-" if stream.sent is None else stream.sent,
        stream.received,
        "-" if lost is None else f"{lost:.2%}",
        stream.late,
        _milliseconds(stream.jitter if came else None),
        _milliseconds(stream.rtt),
        "-" if stream.mos is None else f"{stream.mos:.2f}",
    )


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.{1 if seconds < 1 else 0}f} ms"


def _remarks(stream: MediaStream) -> Iterator[str]:
    if stream.found in _HEARD:
        yield _HEARD[stream.found]
    if stream.duplicates:
        yield f"{stream.duplicates:,} packets twice"
    if stream.reordered:
        yield f"{stream.reordered:,} out of order"
    if stream.digits:
        yield f"digits {stream.digits}"
