"""What crossed a probe's sockets: kept for its evidence, bounded, and what was wrong with it."""

import errno
import os
from dataclasses import dataclass
from typing import Final, Literal

from synthetic.address import Address
from synthetic.probes.base import FlowError
from synthetic.redaction import answers
from synthetic.target import Transport

Direction = Literal["sent", "received"]

MAX_MESSAGES: Final = 200
MAX_BYTES: Final = 128 * 1024
MAX_MESSAGE: Final = 8 * 1024
"""How much of one probe is kept: messages, bytes in all, bytes of one message."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One message as it was on the wire, cut at MAX_MESSAGE. `at` is CLOCK_MONOTONIC, in seconds."""

    at: float
    party: str
    direction: Direction
    source: Address
    destination: Address
    data: bytes
    size: int
    transport: Transport = "udp"


class WireLog:
    """The record of one probe, shared by its phones.

    `left` counts messages that this machine let out; `understood` messages that made sense, `nonsense`
    those that did not; `dropped` those not kept; `flooded` says that not all were even read.

    `troubles` has what broke off a connection, `unfinished` how far those got that wait for the other side
    still, by party: who waits in vain is told by his deadline, and then this says for what.
    """

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self._credentials: list[bytes] = []
        self.dropped = 0
        self.left = 0
        self.understood = 0
        self.nonsense = 0
        self.flooded = False
        self.troubles: dict[str, FlowError] = {}
        self.unfinished: dict[str, FlowError] = {}
        self._bytes = 0
        self._errors: dict[tuple[int, str], int] = {}

    def begin(self) -> None:
        """Forget what was wrong with connections: another attempt begins."""
        self.troubles.clear()
        self.unfinished.clear()

    @property
    def answers(self) -> frozenset[str]:
        """What we answered to challenges, in messages that are not kept too; nobody else may read it."""
        return answers(data.decode("utf-8", "backslashreplace") for data in self._credentials)

    def add(self, packet: Packet) -> None:
        """Keep a message while there is room, else count it."""
        if packet.direction == "sent" and b"uthorization" in packet.data:
            self._credentials.append(packet.data)
        if len(self.packets) >= MAX_MESSAGES or self._bytes + len(packet.data) > MAX_BYTES:
            self.dropped += 1
            return
        self._bytes += len(packet.data)
        self.packets.append(packet)

    def network_error(self, number: int, where: str) -> None:
        """Count an error that the network reported: ICMP, or a datagram that could not leave."""
        if len(self._errors) < 16 or (number, where) in self._errors:
            self._errors[number, where] = self._errors.get((number, where), 0) + 1

    def connection_trouble(self, party: str = "") -> FlowError | None:
        """Return what is wrong with a connection that is not, or no longer, up; that party's before any."""
        own = self.troubles.get(party) or self.unfinished.get(party)
        return own or next(iter([*self.troubles.values(), *self.unfinished.values()]), None)

    def remarks(self) -> list[str]:
        """Return what a person should know about a failure, a phrase each."""
        said = [_explain(number, where, times) for (number, where), times in self._errors.items()]
        if self.nonsense:
            said.append("messages were received that are no valid SIP")
        if self.flooded:
            said.append("more messages were received than a probe reads")
        return said


def _explain(number: int, where: str, times: int) -> str:
    if number == errno.ECONNREFUSED:
        return f"nothing listens on {where} (ICMP port unreachable, {times} times)"
    return f"{where}: {os.strerror(number)} ({times} times)"
