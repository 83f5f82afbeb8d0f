"""Telephone events, the digits of a keypad in RTP (RFC 4733): their packets written, digits made of them."""

import struct
from collections.abc import Callable
from typing import Final

from synthetic.address import Address

Origin = tuple[Address, int]
"""Where a packet came from, and its SSRC."""

KEYS: Final = "0123456789*#ABCD"
"""The digits by the number of their event (RFC 4733 3.2)."""
MAX_DIGITS: Final = 64
"""Digits that one listener makes of what comes; more are not counted."""

_EVENT: Final = struct.Struct("!BBH")
_END: Final = 0x80
_VOLUME: Final = 10
"""Of the tone that it stands for, in dB under 0 dBm0."""
_STEP: Final = 160
"""What each packet is later than the one before, by the clock of the stream: 20 ms."""
_UPDATES: Final = 4
_ENDS: Final = 3
_GAP: Final = 1
"""Packets of one digit: 80 ms of those that say it goes on, and its end at 100 ms, thrice (2.5.1.4). The last
of those leaves 20 ms of the pause, and one frame more is said nothing in: 60 ms between two digits.
"""
FRAMES: Final = _UPDATES + _ENDS + _GAP
"""Frames of 20 ms that one digit takes, with the pause after it."""


def payloads(digit: str) -> tuple[bytes, ...]:
    """Return what is said for a digit, packet by packet, the first with the marker; b"" is a pause.

    Raises ValueError for what is no digit of KEYS.
    """
    event = KEYS.index(digit.upper())
    going_on = [_EVENT.pack(event, _VOLUME, _STEP * number) for number in range(1, _UPDATES + 1)]
    ended = _EVENT.pack(event, _END | _VOLUME, _STEP * (_UPDATES + 1))
    return (*going_on, *[ended] * _ENDS, *[b""] * _GAP)


class Digits:
    """What comes of telephone events: a digit for each that has begun and ended, once.

    An event is known by its origin, the timestamp of its beginning and its number: the packets of its end are
    sent again, and any but one of an event may be lost, as long as that is an end.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[Origin, int, int], bool] = {}

    def take(self, origin: Origin, timestamp: int, payload: bytes) -> None:
        """Take a packet; one that is no event of KEYS is passed over."""
        if len(payload) < _EVENT.size or payload[0] >= len(KEYS):
            return
        key = (origin, timestamp, payload[0])
        if key in self._events or len(self._events) < MAX_DIGITS:
            self._events[key] = self._events.get(key, False) or bool(payload[1] & _END)

    def of(self, counts: Callable[[Origin], bool]) -> str:
        """Return the digits of those origins that count."""
        ended = (key for key, has_ended in self._events.items() if has_ended)
        return "".join(KEYS[event] for origin, _, event in ended if counts(origin))
