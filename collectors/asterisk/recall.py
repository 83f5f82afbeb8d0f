"""Items of a list that is asked for again and again, most of which say each time what they said before."""

from collections.abc import Callable, Iterable
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

    def of(self, items: Iterable[bytes], head: int) -> list[T]:
        """Return what is made of items, which begin with a head of so many bytes."""
        # One loop without a call for what is known: there are thousands, at each poll.
        last, now, varying, made = self._last, self._now, self._varying, []
        for item in items:
            before, _, rest = item.partition(varying)
            key = before[head:], rest.partition(_VALUE)[2]
            one = last.get(key)
            if one is None:
                one = self.make(decode(item))
            now[key] = one
            made.append(one)
        return made

    def turn(self) -> None:
        """Begin a list: what the one before the last said is forgotten."""
        self._last, self._now = self._now, {}
