"""What a request brings with it: read whole, bounded in size and time, before any route looks at it."""

from typing import Final

import anyio
from starlette.types import Message, Receive

MAX_BODY: Final = 64 * 1024
"""Bytes of a request's body that we are willing to be offered."""

PATIENCE: Final = 10.0
"""Seconds that a body may take to come."""


class BodyError(Exception):
    """A body that is not taken; the words say why, `status` is the answer's."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


async def whole_body(receive: Receive, patience: float) -> bytes:
    """Return a request's body. Raises BodyError where it is too large, too slow, or cut short."""
    parts: list[bytes] = []
    size = 0
    with anyio.move_on_after(patience):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise BodyError(400, "the request ended before its body did")
            part = message.get("body", b"")
            size += len(part)
            if size > MAX_BODY:
                raise BodyError(413, f"a request has at most {MAX_BODY} bytes")
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
    raise BodyError(408, f"the request's body did not come within {patience:g} seconds")


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read to the application once, and then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give
