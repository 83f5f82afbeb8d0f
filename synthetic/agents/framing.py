"""Messages out of a stream of bytes (RFC 3261 18.3): a head, an empty line, Content-Length bytes."""

import re
from typing import Final

MAX_HEAD: Final = 16 * 1024
MAX_BODY: Final = 64 * 1024
"""How long a message may be, in bytes. Beyond it nobody can say where the next one starts."""

_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(
    rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)


class FramingError(Exception):
    """What came can't be taken apart, in words for a person; the stream is of no more use."""


class Framer:
    """Cuts what it is fed into messages.

    `pings` counts keep-alives: CRLF before a message is skipped (7.5), twice it is a ping (RFC 5626 3.5.1).
    """

    def __init__(self) -> None:
        self.pings = 0
        self._bytes = bytearray()
        self._searched = 0

    @property
    def rest(self) -> bytes:
        """What has come of a message that is not whole."""
        return bytes(self._bytes)

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        self._bytes += data

    def next(self) -> bytes | None:
        """Return the next whole message, None where more must come. Raises FramingError."""
        if self._bytes.startswith((b"\r", b"\n")):
            blank = len(self._bytes) - len(self._bytes.lstrip(b"\r\n"))
            self.pings += blank // 4
            del self._bytes[:blank]
        head = self._bytes.find(_END, self._searched, MAX_HEAD + len(_END))
        if head < 0:
            if len(self._bytes) > MAX_HEAD:
                raise FramingError(f"a message's head did not end within {MAX_HEAD:,} bytes")
            self._searched = max(0, len(self._bytes) - len(_END))
            return None
        # Remembered, so that a message that comes byte by byte costs no more than one at once.
        self._searched = head
        whole = head + len(_END) + self._length(head)
        if len(self._bytes) < whole:
            return None
        message = bytes(self._bytes[:whole])
        del self._bytes[:whole]
        self._searched = 0
        return message

    def _length(self, head: int) -> int:
        """Return the length of the body; a message that gives none has none, as far as anybody can tell."""
        lengths = {int(number) for number in _LENGTH.findall(bytes(self._bytes[: head + 2]))}
        if len(lengths) > 1:
            raise FramingError("a message gives two different values of Content-Length")
        length = lengths.pop() if lengths else 0
        if length > MAX_BODY:
            raise FramingError(f"a message announces {length:,} bytes; {MAX_BODY:,} is the most that is read")
        return length
