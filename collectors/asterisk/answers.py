"""What belongs to the answer to one action, and what is wrong with it; pure, of both transports."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from collectors.asterisk.manager import AmiRefusedError
from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import MAX_BLOCK_BYTES, Block, begins, decode
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
    of it and not kept themselves. `raw` is the response as it came; `whole` is whether all has come.
    """

    def __init__(
        self, action: str, action_id: str, ends_with: str = "", recall: Recall[Any] | None = None
    ) -> None:
        self._action, self._end, self._recall = action, ends_with, recall
        self._mark = f"ActionID: {action_id}".encode()
        self._head = recall.head(action_id) if recall is not None else b""
        self._bytes = self._headers = 0
        self.response: Block | None = None
        self.raw = b""
        self.whole = False
        self.items: list[Block] = []
        self.made: list[Any] = []

    def has(self, raw: bytes) -> bool:
        """Tell whether a block is of this answer, whatever a caller has put into its lines.

        The ActionID cannot be guessed; one that is longer and begins with it is of a later action.
        """
        return self._mark in raw

    def take(self, raw: bytes) -> None:
        """Take in one block. Raises AmiRefusedError, and CollectError where the answer is none."""
        if self.whole:
            raise CollectError(CollectFailure.PROTOCOL, f"{self._action}: the answer goes on after its end")
        block = decode(raw)
        self._headers += len(block)
        if self._headers > MAX_REPLY_HEADERS:
            raise self._too_large(f"{MAX_REPLY_HEADERS} headers")
        self._count(len(raw))
        if self.response is None:
            self.raw = raw
            self._begin(block)
        else:
            self._go_on(block)

    def take_items(self, blocks: deque[bytes]) -> None:
        """Take the items that are next off the blocks, all at once: there may be thousands. Raises as take().

        They are those that come as Asterisk sends them; of any other take() makes the same.
        """
        if not self._head or self.response is None or self.whole:
            return
        texts = []
        while blocks and blocks[0].startswith(self._head):
            texts.append(blocks.popleft())
        if texts:
            if max(map(len, texts)) > MAX_BLOCK_BYTES:
                raise self._too_large(f"{MAX_BLOCK_BYTES} bytes in a message")
            self._count(sum(map(len, texts)), len(texts))
            assert self._recall is not None  # noqa: S101 - or nobody knew the head
            self.made += self._recall.of(texts, len(self._head))

    def _count(self, size: int, items: int = 0) -> None:
        self._bytes += size
        if self._bytes > MAX_REPLY_BYTES:
            raise self._too_large(f"{MAX_REPLY_BYTES} bytes")
        if len(self.items) + len(self.made) + items > MAX_LIST_ITEMS:
            raise self._too_large(f"{MAX_LIST_ITEMS} items")

    def _begin(self, block: Block) -> None:
        if block.get("Response") in _SUCCESSES:
            self.response = block
            # A list that is empty may be a plain success with words: "There are no voicemail users ...".
            self.whole = not self._end or block.get("EventList") != "start"
            return
        message = block.get("Message", "")[:_MAX_DETAIL]
        if message == "Permission denied":
            right = _RIGHTS.get(self._action, "reporting")
            takes = f"this user needs write = {right} in manager.conf" if right else "denied to this user"
            raise CollectError(CollectFailure.DENIED, f"{self._action}: {takes}")
        raise AmiRefusedError(message)

    def _go_on(self, block: Block) -> None:
        # What a caller writes into an item looks like the list's end in everything but this order.
        if not begins(block, "Event", "ActionID", "EventList"):
            self._count(0, 1)
            if self._recall is None:
                self.items.append(block)
            else:
                self.made.append(self._recall.make(block))
        elif block["EventList"] == "cancelled":
            raise CollectError(CollectFailure.SERVER, f"{self._action}: the server broke the list off")
        elif block["Event"] != self._end or block.get("ListItems") != str(len(self.items) + len(self.made)):
            raise CollectError(CollectFailure.PROTOCOL, f"{self._action}: the list is not what its end says")
        else:
            self.whole = True

    def _too_large(self, limit: str) -> CollectError:
        return CollectError(CollectFailure.TOO_LARGE, f"{self._action}: over {limit}")
