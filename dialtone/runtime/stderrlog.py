"""What a child process says on stderr, in our log."""

from collections.abc import Callable
from typing import Final

import structlog
from anyio.abc import ByteReceiveStream

from dialtone.ports import Clock

_LINE: Final = 500
_LINES: Final = 40
_WINDOW: Final = 10.0
_TAIL: Final = 200

_log = structlog.get_logger(__name__)


class StderrLog:
    """Passes a child's stderr on to our log: short lines, and not too many of them."""

    def __init__(self, module: str, pid: int, clock: Clock) -> None:
        self._log = _log.bind(module=module, pid=pid)
        self._clock = clock
        self._last = ""
        self._window = clock.monotonic()
        self._said = 0
        self._kept_back = 0

    @property
    def last(self) -> str:
        """The last line, for error messages: of a traceback, what went wrong."""
        return f"({self._last[:_TAIL]})" if self._last else ""

    async def follow(self, stream: ByteReceiveStream, at_end: Callable[[], None]) -> None:
        """Log what comes until the stream ends, then call `at_end`."""
        rest = b""
        async for chunk in stream:
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[:_LINE]  # what is cut from a line without end is not worth keeping
            for line in lines:
                self._say(line)
        self._say(rest)
        self._tell_kept_back()
        at_end()

    def _say(self, line: bytes) -> None:
        text = line[:_LINE].decode("utf-8", "replace").rstrip()
        if not text:
            return
        self._last = text
        if self._clock.monotonic() - self._window >= _WINDOW:
            self._tell_kept_back()
            self._window, self._said = self._clock.monotonic(), 0
        if self._said < _LINES:
            self._said += 1
            self._log.info("child says", line=text)
        else:
            self._kept_back += 1

    def _tell_kept_back(self) -> None:
        if self._kept_back:
            self._log.warning("child says too much", lines_kept_back=self._kept_back)
            self._kept_back = 0
