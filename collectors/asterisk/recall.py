"""Items of a list that is asked for again and again, most of which say each time what they said before."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from collectors.asterisk.wire import Block, decode

T = TypeVar("T")

_VALUE: Final = b"\r\n"


class Recall(Generic[T]):
    """Makes something of each item of one list: once, for as long as the item says the same.

    `event` is what the items are called; what they say in the header `varying` makes no difference, and
    `make` must not look at it, nor at ActionID. What was made of the last list is kept, with its text.
    """

    def __init__(self, event: str, varying: str, make: Callable[[Block], T]) -> None:
        self.make = make
        self._event = event
        self._varying = f"\r\n{varying}: ".encode()
        self._last: dict[tuple[bytes, bytes], T] = {}
        self._now: dict[tuple[bytes, bytes], T] = {}

    def head(self, action_id: str) -> bytes:
        """Return what the items of an answer begin with, where they are as Asterisk sends them."""
        return f"Event: {self._event}\r\nActionID: {action_id}\r\n".encode()

    def of(self, text: bytes) -> T:
        """Return what is made of an item, which is given without its head."""
        before, _, rest = text.partition(self._varying)
        key = before, rest.partition(_VALUE)[2]
        made = self._last.get(key)
        if made is None:
            made = self.make(decode(text))
        self._now[key] = made
        return made

    def turn(self) -> None:
        """Begin a list: what the one before the last said is forgotten."""
        self._last, self._now = self._now, {}
