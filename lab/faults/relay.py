"""A relay before a SIP server: every datagram passes, but for what its rules are about.

Our phones take the relay for the platform and the platform takes the relay for our phones: on the way the
one's address is written over the other's in Via, Contact, Route and Record-Route (RFC 3261), as by a NAT with
an application level gateway. Digests do not name these addresses, so they stay right.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

from lab.faults.media.description import Descriptions
from lab.faults.media.relay import MediaRelay
from lab.faults.message import SipText
from lab.faults.rules import Rule, Way

Address = tuple[str, int]

LOOPBACK: Final = "127.0.0.1"
MAX_LEGS: Final = 64
"""Phones that one relay serves: each has a socket towards the server."""


class SipRelay:
    """Relays UDP between phones and the server at `server` while the block runs; `applied` counts rules.

    With `media` the RTP of its calls goes by that relay. Raises OSError where no port is free.
    """

    def __init__(self, server: Address, rules: Sequence[Rule] = (), media: MediaRelay | None = None) -> None:
        self._descriptions = Descriptions(media) if media is not None else None
        self.applied: Counter[int] = Counter()
        self._server = server
        self._rules = rules
        self._legs: dict[Address, _Leg] = {}
        self._waiting: list[tuple[bytes, Address]] = []
        self._opening: set[Address] = set()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._front, protocol = await self._loop.create_datagram_endpoint(
            lambda: _Receiver(self._from_phone), (LOOPBACK, 0)
        )
        del protocol
        self.port: int = self._front.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        self._front.close()
        for leg in self._legs.values():
            leg.transport.close()
        await asyncio.sleep(0)

    @property
    def target(self) -> str:
        """The relay as a probe's target."""
        return f"sip:{LOOPBACK}:{self.port};transport=udp"

    def _from_phone(self, data: bytes, phone: Address) -> None:
        leg = self._legs.get(phone)
        if leg is not None:
            self._pass(Way.UP, leg, data)
        elif len(self._legs) + len(self._opening) < MAX_LEGS:
            self._waiting.append((data, phone))
            if phone not in self._opening:
                self._opening.add(phone)
                task = self._loop.create_task(self._open(phone))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _open(self, phone: Address) -> None:
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Receiver(lambda data, _: self._pass(Way.DOWN, leg, data)), (LOOPBACK, 0)
        )
        leg = _Leg(phone, transport, {})
        port = transport.get_extra_info("sockname")[1]
        leg.names = {
            Way.UP: _Renaming({phone[1]: port, self.port: self._server[1]}),
            Way.DOWN: _Renaming({port: phone[1], self._server[1]: self.port}),
        }
        self._legs[phone] = leg
        self._opening.discard(phone)
        mine = [data for data, whose in self._waiting if whose == phone]
        self._waiting = [(data, whose) for data, whose in self._waiting if whose != phone]
        for data in mine:
            self._pass(Way.UP, leg, data)

    def _pass(self, way: Way, leg: "_Leg", data: bytes) -> None:
        if b"SIP/2.0" not in data[:2000]:
            self._send(way, leg, data)  # keep-alives
            return
        message = SipText.parse(data)
        rule = self._rule(way, message)
        if rule is None:
            self._send(way, leg, message.encode())
            return
        back = Way.DOWN if way is Way.UP else Way.UP
        for sending in rule.deed(message):
            where = back if sending.back else way
            # What goes back is in the sender's own terms already.
            self._loop.call_later(sending.after, self._send, where, leg, sending.data, not sending.back)

    def _rule(self, way: Way, message: SipText) -> Rule | None:
        for number, rule in enumerate(self._rules):
            if rule.fits(way, message) and not 0 < rule.times <= self.applied[number]:
                self.applied[number] += 1
                return rule
        return None

    def _send(self, way: Way, leg: "_Leg", data: bytes, renamed: bool = True) -> None:
        if renamed and b"SIP/2.0" in data[:2000]:
            message = SipText.parse(leg.names[way](data))
            if self._descriptions is not None:
                message = self._descriptions.redirected(message, leg.phone if way is Way.UP else way)
            data = message.encode()
        if way is Way.UP and not leg.transport.is_closing():
            leg.transport.sendto(data, self._server)
        elif way is Way.DOWN and not self._front.is_closing():
            self._front.sendto(data, leg.phone)


class _Leg:
    """One phone, and the socket that stands for it towards the server."""

    def __init__(
        self, phone: Address, transport: asyncio.DatagramTransport, names: "Mapping[Way, _Renaming]"
    ) -> None:
        self.phone = phone
        self.transport = transport
        self.names = names


class _Renaming:
    """Writes ports of 127.0.0.1 over others, all at once."""

    def __init__(self, ports: Mapping[int, int]) -> None:
        self._ports = {str(old): str(new) for old, new in ports.items()}
        self._pattern = re.compile(
            rf"({re.escape(LOOPBACK)}(?::|%3A))({'|'.join(self._ports)})(?![0-9])", re.IGNORECASE
        )

    def __call__(self, data: bytes) -> bytes:
        text = data.decode("latin-1")
        return self._pattern.sub(lambda found: found[1] + self._ports[found[2]], text).encode("latin-1")


class _Receiver(asyncio.DatagramProtocol):
    """Hands datagrams on."""

    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Take one."""
        self._take(data, addr)
