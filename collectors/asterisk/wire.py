"""AMI's framing: blocks of `Key: value` lines ended by an empty line; pure.

Source: docs.asterisk.org, "AMI Libraries and Frameworks" and the AMI v2 specification.
"""

from collections.abc import Mapping
from typing import Final

BLOCK_END: Final = b"\r\n\r\n"
MAX_BLOCK_BYTES: Final = 64 * 1024

_PART_OF_END: Final = len(BLOCK_END) - 1

Block = Mapping[str, str]
"""One message. Of a header that comes several times (ChanVariable) the first value is kept."""


def encode(action: str, action_id: str, headers: Mapping[str, str]) -> bytes:
    """Return an action as it goes over the wire.

    Raises ValueError where a value would end its line: AMI knows no quoting, so what follows a line
    break would be a header, or an action, of its own.
    """
    lines = {"Action": action, "ActionID": action_id, **headers}
    for key, value in lines.items():
        if any(character in key + value for character in "\r\n\0"):
            raise ValueError(f"the value of {key} has a line break or a zero in it")
    return "".join(f"{key}: {value}\r\n" for key, value in lines.items()).encode() + b"\r\n"


def decode(raw: bytes) -> Block:
    """Return a block's headers; what is no header is left out, bytes that are no UTF-8 are replaced.

    A line break is CR LF and nothing else: a lone one is part of its value.
    """
    block: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        key, colon, value = line.partition(": ")
        if not colon:  # nearly never, so it is looked for second
            key, colon, value = line.partition(":")
        if colon and key not in block:
            block[key] = value
    return block


def decode_lines(raw: bytes) -> list[tuple[str, str]]:
    """Return all lines of a block that are headers, repeated ones too, in order; else as decode()."""
    found = []
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        key, colon, value = line.partition(": ")
        if not colon:
            key, colon, value = line.partition(":")
        if colon:
            found.append((key, value))
    return found


class Splitter:
    """Cuts a stream into blocks, in pieces of any size, and keeps no more of it than `limit` bytes.

    Of a block that is longer than `limit` its first `limit` + 1 bytes are given, once they are there, and
    the rest is passed over as it comes.
    """

    def __init__(self) -> None:
        self.limit = MAX_BLOCK_BYTES
        self._rest = bytearray()
        self._passing = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the blocks that are complete with these bytes, without their ends."""
        blocks: list[bytes] = []
        searched = max(0, len(self._rest) - _PART_OF_END)
        self._rest += data
        if self._rest.find(BLOCK_END, searched) >= 0:
            *blocks, rest = bytes(self._rest).split(BLOCK_END)
            self._rest = bytearray(rest)
            if self._passing:
                del blocks[0]
            self._passing = False
        # Asterisk ends some messages with more than one empty line.
        blocks = [block[: self.limit + 1] for block in blocks if block]
        # The last few bytes may be the beginning of the end.
        if not self._passing and len(self._rest) > self.limit + _PART_OF_END:
            self._passing = True
            blocks.append(bytes(self._rest[: self.limit + 1]))
        if self._passing:
            del self._rest[:-_PART_OF_END]
        return blocks
