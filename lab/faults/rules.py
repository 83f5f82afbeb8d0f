"""What is done to single SIP messages on their way between our phones and the platform."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final, Protocol

from lab.faults.message import SipText


class Way(StrEnum):
    """Which way a message goes: from our phones to the platform, or from it to them."""

    UP = auto()
    DOWN = auto()


@dataclass(frozen=True, slots=True)
class Sending:
    """A datagram to send: on, or back to where the message came from, after so many seconds."""

    data: bytes
    back: bool = False
    after: float = 0.0


class Deed(Protocol):
    """Something that is done to a message instead of passing it on."""

    def __call__(self, message: SipText, /) -> tuple[Sending, ...]:
        """Return what is sent in its place."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Messages, and what is done to them; any other passes.

    `method` of a request, or the method that a response answers; `status` None means requests. Statuses
    under 10 mean a class: 2 is any 2xx. `initial`: of requests, only those outside (True) or inside (False)
    a dialog. `where` looks at more, `times` is how often the rule applies (0: always).
    """

    way: Way
    method: str
    deed: Deed
    status: int | None = None
    initial: bool | None = None
    where: Callable[[SipText], bool] | None = None
    times: int = 0

    def fits(self, way: Way, message: SipText) -> bool:
        """Whether it is about a message."""
        if way is not self.way or message.method != self.method:
            return False
        if message.is_response is (self.status is None):
            return False
        if self.status is not None and self.status not in (message.status, message.status // 100):
            return False
        if self.initial is not None and self.initial is (";tag=" in message.get("to")):
            return False
        return self.where is None or self.where(message)


def drop(_: SipText) -> tuple[Sending, ...]:
    """Lose it."""
    return ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer a request instead of whoever it is for."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()

    def __call__(self, message: SipText) -> tuple[Sending, ...]:
        """Return the response."""
        return (Sending(message.reply(self.status, self.reason, *self.headers).encode(), back=True),)


@dataclass(frozen=True, slots=True)
class Become:
    """Turn a response into another one, without a body."""

    status: int
    reason: str

    def __call__(self, message: SipText) -> tuple[Sending, ...]:
        """Return the other response."""
        hidden = ("content-type",)
        kept = [(name, value) for name, value in message.headers if name.lower() not in hidden]
        return (Sending(SipText(f"SIP/2.0 {self.status} {self.reason}", kept, "").encode()),)


@dataclass(frozen=True, slots=True)
class Edit:
    """Pass a message on with a pattern of its text, headers and body, replaced."""

    pattern: str
    by: str

    def __call__(self, message: SipText) -> tuple[Sending, ...]:
        """Return the edited message, with a right Content-Length."""
        edited = re.sub(self.pattern, self.by, message.encode().decode("latin-1"))
        return (Sending(SipText.parse(edited.encode("latin-1")).encode()),)


@dataclass(frozen=True, slots=True)
class Late:
    """Pass a message on after so many seconds."""

    seconds: float

    def __call__(self, message: SipText) -> tuple[Sending, ...]:
        """Return it, for later."""
        return (Sending(message.encode(), after=self.seconds),)


@dataclass(frozen=True, slots=True)
class Instead:
    """Send other bytes back where the message came from."""

    data: bytes
    times: int = 1

    def __call__(self, _: SipText) -> tuple[Sending, ...]:
        """Return the bytes, so many times."""
        return (Sending(self.data, back=True),) * self.times


GARBAGE: Final = b"\x00\xff\xfe HTTP/1.1 200 OK\r\n" + b"\xc3\x28" * 40
"""What is no SIP at all."""
