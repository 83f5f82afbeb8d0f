"""What is asked of an Asterisk, over either transport: AMI on a connection of its own, or AJAM over HTTP."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from collectors.asterisk.recall import Recall
from collectors.asterisk.wire import Block

T = TypeVar("T")

ACTIONS: Final = frozenset(
    {
        "BridgeList",
        "Challenge",
        "Command",
        "ConfbridgeListRooms",
        "CoreSettings",
        "CoreShowChannels",
        "CoreStatus",
        "DeviceStateList",
        "Getvar",
        "ListCommands",
        "Login",
        "Logoff",
        "ParkedCalls",
        "Ping",
        "PJSIPShowContacts",
        "QueueStatus",
        "VoicemailUsersList",
        "WaitEvent",
    }
)
"""All that can be sent to an Asterisk. None changes anything there.

Getvar is sent for one constant expression, the time zone; Command for one constant line, TASK_PROCESSORS;
BridgeList with HOLDING alone.
"""

TASK_PROCESSORS: Final = "core show taskprocessors"
HOLDING: Final[Mapping[str, str]] = {"BridgeType": "holding_bridge"}
"""What keeps BridgeList to the bridges in which channels wait: parking lots, and a few others."""

_ZONE_AT: Final = re.compile(r"STRFTIME\([0-9]{1,12},,%z\)")

EVENT_CLASSES: Final = "call,agent,reporting"
"""The classes of events that are asked for at login; a user has those that its `read` names, at most."""

Hear = Callable[[Block], None]
"""Is handed each event, in order, on the event loop. It neither raises nor takes long."""


class AmiRefusedError(Exception):
    """The server understood an action and answered `Response: Error`; the connection is fine."""


def check(action: str, headers: Mapping[str, str]) -> None:
    """Raise ValueError for what is never sent to an Asterisk: each transport asks before it sends."""
    if action not in ACTIONS:
        raise ValueError(f"{action!r} is not on the list of read-only actions")
    if action == "Getvar" and not (
        headers.keys() == {"Variable"} and _ZONE_AT.fullmatch(headers["Variable"])
    ):
        raise ValueError("Getvar is sent for a server's time zone alone")
    if action == "Command" and headers != {"Command": TASK_PROCESSORS}:
        raise ValueError(f"Command is sent with {TASK_PROCESSORS!r} alone")
    if action == "BridgeList" and headers != HOLDING:
        raise ValueError("BridgeList is sent for the bridges in which channels wait alone")


class Manager(Protocol):
    """One Asterisk's manager, asked one action at a time.

    Each action, connecting too, has the node's deadline. What goes wrong is a CollectError, or
    AmiRefusedError where the server refuses one action; after any other error but `denied` the connection is
    given up, and the next action makes a new one.

    Events are heard in the order of the wire, answers included: what came behind an answer is heard after
    whoever waited for that answer has run on to its next wait.
    """

    @property
    def lost_events(self) -> int:
        """How many events were not taken in: too big to be kept, or by a mistake of ours."""

    @property
    def connections(self) -> int:
        """How many logins have succeeded so far: where it has grown, events may have been missed."""

    async def connect(self) -> None:
        """Make sure of a logged-in connection. Raises CollectError."""

    async def ask(self, action: str, headers: Mapping[str, str] | None = None) -> Block:
        """Send an action and return its response."""

    async def list(
        self, action: str, ends_with: str, headers: Mapping[str, str] | None = None
    ) -> Sequence[Block]:
        """Send an action that answers with a list, and return the items: all of them, or an error."""

    async def items(self, action: str, ends_with: str, recall: Recall[T]) -> Sequence[T]:
        """Send an action that answers with a list, and return what is made of the items: as list()."""

    async def lines(self, action: str, headers: Mapping[str, str] | None = None) -> Sequence[tuple[str, str]]:
        """Send an action and return all lines of its one response as name and value, in order."""

    async def drain(self) -> None:
        """Have the events heard that wait at the server, where they don't come by themselves."""

    async def aclose(self) -> None:
        """Log off and close, for good: whatever is asked, then or meanwhile, gets a CollectError."""
