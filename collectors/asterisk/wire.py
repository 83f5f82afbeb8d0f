"""AMI's framing: blocks of `Key: value` lines ended by an empty line; pure.

Source: docs.asterisk.org, "AMI Libraries and Frameworks" and the AMI v2 specification.
"""

from collections.abc import Mapping
from itertools import islice
from typing import Final

BLOCK_END: Final = b"\r\n\r\n"
MAX_BLOCK_BYTES: Final = 64 * 1024

_PART_OF_END: Final = len(BLOCK_END) - 1
_REPEATED: Final = "ChanVariable"
"""How the names of headers end that come once for each variable that manager.conf has shown."""

Block = Mapping[str, str]
"""One message, its headers in their order. Of a header that comes several times none is kept: Asterisk does
not escape what a caller gives as its number, so any line but the first few may be a caller's, and nobody can
tell which. Of ChanVariables, which do come several times, the first is kept.
"""


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
    lines = raw.decode("utf-8", "replace").split("\r\n")
    block = {key: value for key, colon, value in [line.partition(": ") for line in lines] if colon}
    return block if len(block) == len(lines) else _unambiguous(raw)


def _unambiguous(raw: bytes) -> Block:
    """Return the headers of a block in which some come twice, or are none, or have no space."""
    block: dict[str, str] = {}
    twice = set()
    for key, value in decode_lines(raw):
        if key not in block:
            block[key] = value
        elif not key.endswith(_REPEATED):
            twice.add(key)
    for key in twice:
        del block[key]
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


def begins(block: Block, *names: str) -> bool:
    """Tell whether these are a block's first headers: what a caller gives never comes before the second."""
    return tuple(islice(block, len(names))) == names


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
