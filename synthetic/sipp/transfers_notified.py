"""What the NOTIFYs of a transfer say of its end (RFC 3515 2.4.5)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from synthetic.sipp.run import Traced

_NOTIFY: Final = re.compile(r"NOTIFY \S{1,1024} SIP/2\.0\r?\n")
_FRAGMENT: Final = re.compile(r"SIP/2\.0 (?P<status>[2-6][0-9]{2})\b")
_TERMINATED: Final = re.compile(r"^subscription-state[ \t]*:[ \t]*terminated", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A NOTIFY with a final status: when it came, in UTC seconds, and whether it ends the subscription."""

    at: float
    status: int
    terminated: bool


def concluded(messages: Iterable[Traced]) -> Outcome | None:
    """Return the first NOTIFY with a final status in its sipfrag, None where none has come."""
    for message in messages:
        if message.direction != "received" or _NOTIFY.match(message.text) is None:
            continue
        head, _, body = message.text.partition("\r\n\r\n")
        if found := _FRAGMENT.match(body.lstrip()):
            return Outcome(message.at, int(found["status"]), _TERMINATED.search(head) is not None)
    return None
