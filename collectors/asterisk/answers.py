"""What belongs to the answer to one action, and what is wrong with it; pure, of both transports."""

from collections.abc import Mapping
from typing import Any, Final

from collectors.asterisk.manager import AmiRefusedError
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import Block
from dialtone.model import CollectError, CollectFailure

MAX_REPLY_BYTES: Final = 32 * 1024 * 1024
MAX_LIST_ITEMS: Final = 50_000
"""A channel takes some 500 bytes; 4800 of them were 2.2 MB."""
MAX_REPLY_HEADERS: Final = 750_000
"""A header takes some 150 bytes of memory, a channel has 27."""

_SUCCESSES: Final = frozenset({"Success", "Goodbye"})
_RIGHTS: Final[Mapping[str, str]] = {
    "BridgeList": "",
    "Command": "command",
    "ParkedCalls": "call",
    "PJSIPShowContacts": "system",
    "QueueStatus": "",
}
"""Of ListCommands, 16.28 and 22.10; the other actions need `reporting`, those of the login nothing."""
_MAX_DETAIL: Final = 200


class Answer:
    """Takes in the answer to one action, block by block: its response and, of a list, the items.

    `ends_with` is the event that ends the list, "" where none is expected. With `recall` the items are `made`
    of it and not kept themselves.
    """

    def __init__(self, action: str, ends_with: str = "", recall: Recall[Any] | None = None) -> None:
        self._action, self._end, self._recall = action, ends_with, recall
        self._bytes = self._headers = 0
        self.response: Block | None = None
        self.items: list[Block] = []
        self.made: list[Any] = []

    def take(self, block: Block, size: int) -> bool:
        """Take in one block, of so many bytes; True when the answer is complete.

        Raises AmiRefusedError, and CollectError where the answer is none.
        """
        self._bytes += size
        self._headers += len(block)
        if self._bytes > MAX_REPLY_BYTES:
            raise self._too_large(f"{MAX_REPLY_BYTES} bytes")
        if self._headers > MAX_REPLY_HEADERS:
            raise self._too_large(f"{MAX_REPLY_HEADERS} headers")
        return self._begin(block) if self.response is None else self._go_on(block)

    def take_item(self, text: bytes, size: int) -> None:
        """Take in an item, without its head, of so many bytes with it. Raises as take()."""
        assert self._recall is not None  # noqa: S101 - or nobody knows the head
        self._bytes += size
        if self._bytes > MAX_REPLY_BYTES:
            raise self._too_large(f"{MAX_REPLY_BYTES} bytes")
        self._check_count()
        self.made.append(self._recall.of(text))

    def _check_count(self) -> None:
        if len(self.items) + len(self.made) == MAX_LIST_ITEMS:
            raise self._too_large(f"{MAX_LIST_ITEMS} items")

    def _begin(self, block: Block) -> bool:
        if block.get("Response") in _SUCCESSES:
            self.response = block
            # A list that is empty may be a plain success with words: "There are no voicemail users ...".
            return not self._end or block.get("EventList") != "start"
        message = block.get("Message", "")[:_MAX_DETAIL]
        if message == "Permission denied":
            right = _RIGHTS.get(self._action, "reporting")
            takes = f"this user needs write = {right} in manager.conf" if right else "denied to this user"
            raise CollectError(CollectFailure.DENIED, f"{self._action}: {takes}")
        raise AmiRefusedError(message)

    def _go_on(self, block: Block) -> bool:
        if block.get("EventList") == "cancelled":
            raise CollectError(CollectFailure.SERVER, f"{self._action}: the server broke the list off")
        if block.get("Event") != self._end:
            self._check_count()
            if self._recall is None:
                self.items.append(block)
            else:
                self.made.append(self._recall.make(block))
            return False
        if block.get("ListItems") != str(len(self.items) + len(self.made)):
            raise CollectError(CollectFailure.PROTOCOL, f"{self._action}: the list is not what its end says")
        return True

    def _too_large(self, limit: str) -> CollectError:
        return CollectError(CollectFailure.TOO_LARGE, f"{self._action}: over {limit}")
