"""AMI's framing: blocks of `Key: value` lines ended by an empty line; pure.

Source: docs.asterisk.org, "AMI Libraries and Frameworks" and the AMI v2 specification.
"""

from collections.abc import Mapping
from typing import Final

BLOCK_END: Final = b"\r\n\r\n"

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
    """Return a block's headers; what is no header is left out, bytes that are no UTF-8 are replaced."""
    block: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").split("\r\n"):
        key, colon, value = line.partition(":")
        if colon:
            block.setdefault(key, value.removeprefix(" "))
    return block
