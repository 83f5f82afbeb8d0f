"""JSON lines between us and a child process: one object a line, bounded both ways."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

MAX_LINE: Final = 1024 * 1024
"""The longest line that either side sends or takes, in bytes, without its newline."""


class FrameError(Exception):
    """A line is too long, is no JSON object, or holds what JSON can't carry."""


def encode(frame: Mapping[str, object]) -> bytes:
    """Return the frame as one line with its newline. Raises FrameError where it can't be sent.

    NaN and infinities are refused: they are not JSON, and the other side would fail on them.
    """
    try:
        line = json.dumps(frame, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise FrameError(f"this can't travel as JSON: {error}") from error
    if len(line) > MAX_LINE:
        raise FrameError(f"a line of {len(line)} bytes is over the limit of {MAX_LINE}")
    return line + b"\n"


def decode(line: bytes) -> dict[str, object]:
    """Return the object of one line. Raises FrameError."""
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"no JSON: {error}") from error
    if not isinstance(frame, dict):
        raise FrameError(f"a JSON object is expected, not {type(frame).__name__}")
    return frame


class LineBuffer:
    """Cuts a stream of bytes into lines, without their newlines, each no longer than `limit`."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that the chunk completes. Raises FrameError at a line over the limit."""
        searched = len(self._rest)
        self._rest += chunk
        start = 0
        while (end := self._rest.find(b"\n", max(start, searched))) >= 0:
            if end - start > self._limit:
                raise FrameError(f"a line of over {self._limit} bytes")
            yield bytes(self._rest[start:end])
            start = end + 1
        del self._rest[:start]
        if len(self._rest) > self._limit:
            raise FrameError(f"a line of over {self._limit} bytes")
