"""What the sockets of a phone have in common: how they are set up, and how a message that came is taken.

Bytes and text are mapped one to one. sippy counts characters where SIP counts bytes (Content-Length, RFC 3261
20.14) and decodes strictly; as ISO 8859-1 both are right for any bytes. In the head, those bytes that end a
line for Python but not for SIP (0x85 is in the UTF-8 of "\u00c5") are moved out of its sight.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from dialtone.model import TlsPlan
from synthetic.address import Address, bracketed
from synthetic.agents.siplib import COMPLAINTS, Instant, RemoteAddress
from synthetic.agents.wirelog import MAX_MESSAGE, Direction, Packet, WireLog
from synthetic.probes.base import FlowError
from synthetic.target import Hop

_log = structlog.get_logger(__name__)

SETUP: Final = "_dialtone_setup"
"""Key of the dictionary that sippy hands from the transaction manager to its sockets."""

MAX_PARSED: Final = 16 * 1024
MAX_LINES: Final = 400
MAX_SEPARATORS: Final = 600
MAX_RECEIVED: Final = 1000
"""What is read at all: bytes of a message, lines, commas and quotes of its head, messages a phone.

sippy's parser is quadratic, in separators above all: 5000 of them held the loop for 0.25 s. Bodies it does
not parse; they have readers of ours, with bounds of their own.
"""
BATCH: Final = 16
"""How many messages are taken before the loop has its turn."""

_KEEPALIVE: Final = 32
"""sippy ignores anything shorter: CRLF keep-alives (RFC 5626 3.5.1), NAT pings."""
_START_LINE: Final = re.compile(
    r"SIP/2\.0 [1-6][0-9]{2}[ \r\n]|[A-Za-z0-9.!%*_+`'~-]{1,64} \S{1,1024} SIP/2\.0\r?\n"
)
"""A status, or a method (any token, RFC 3261 25.1) and its Request-URI."""
_BREAKS: Final = bytes((0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85))
_HIDDEN: Final = {byte: 0xE000 + byte for byte in _BREAKS}
_SHOWN: Final = {hidden: byte for byte, hidden in _HIDDEN.items()}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a socket of a phone is made for.

    `on_trouble` is told when nothing can be sent or received any more, `on_refused` when the network says
    that nothing listens where packets go, which on UDP need not be the end.
    """

    hop: Hop
    tls: TlsPlan
    party: str
    wire: WireLog
    on_trouble: Callable[[FlowError], None]
    on_refused: Callable[[str], None]


def as_text(data: bytes) -> str:
    """Return a message as sippy reads it."""
    text = data.decode("latin-1")
    if len(data.translate(None, _BREAKS)) == len(data):  # there is nothing to hide: nearly always
        return text
    head, blank, body = text.partition("\r\n\r\n")
    return head.translate(_HIDDEN) + blank + body


def as_bytes(text: str | bytes) -> bytes:
    """Return what sippy has written as it goes on the wire. Raises UnicodeEncodeError for anything else."""
    if not isinstance(text, str):
        return text
    return text.encode("ascii") if text.isascii() else text.translate(_SHOWN).encode("latin-1")


class Intake:
    """Takes the messages of one socket: into the evidence, and to sippy where they may be SIP."""

    def __init__(self, setup: Setup, server: Any) -> None:
        self._setup = setup
        self._server = server
        self._seen = 0

    def full(self) -> bool:
        """Count a message that came; whether it is one more than this phone reads."""
        self._seen += 1
        if self._seen > MAX_RECEIVED:
            self._setup.wire.flooded = True
        return self._seen > MAX_RECEIVED

    def take(self, data: bytes, source: Address, at: float) -> None:
        """Record a message and hand it to sippy; what can't be SIP is counted as nonsense."""
        self.record(at, "received", source, data)
        if len(data) < _KEEPALIVE:
            return
        text = as_text(data)
        head = data.partition(b"\r\n\r\n")[0]
        separators = head.count(b",") + head.count(b'"')
        if (
            len(data) > MAX_PARSED
            or head.count(b"\n") > MAX_LINES
            or separators > MAX_SEPARATORS
            or not _START_LINE.match(text)
        ):
            self._setup.wire.nonsense += 1
            return
        complaints = COMPLAINTS.count
        sender = RemoteAddress((bracketed(source[0]), source[1]), self._setup.hop.transport)
        try:
            self._server.uopts.data_callback(text, sender, self._server, Instant(at))
        except Exception as error:  # noqa: BLE001 - the edge: hostile bytes make sippy's parser raise anything
            _log.info(
                "a SIP message could not be handled", party=self._setup.party, error=type(error).__name__
            )
            self._setup.wire.nonsense += 1
            return
        if COMPLAINTS.count != complaints:
            self._setup.wire.nonsense += 1

    def record(self, at: float, direction: Direction, peer: Address, data: bytes) -> None:
        """Keep a message for the evidence."""
        ours: Address = self._server.own
        source, destination = (ours, peer) if direction == "sent" else (peer, ours)
        setup = self._setup
        kept = data[:MAX_MESSAGE]
        setup.wire.add(
            Packet(at, setup.party, direction, source, destination, kept, len(data), setup.hop.transport)
        )
