"""A UDP socket for sippy on asyncio, with exact times: the kernel's for what arrives, ours at sendto."""

import asyncio
import errno
import ipaddress
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, Final

from synthetic.address import Address, bracketed, hostport
from synthetic.agents.intake import BATCH, SETUP, Intake, Setup, as_bytes
from synthetic.stamps import SO_TIMESTAMPNS
from synthetic.stamps import received_at as _received_at

_IP_RECVERR: Final = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}


class UdpEndpoint:
    """What sippy's transaction manager takes for its Udp_server: one bound socket of one phone.

    Raises OSError where the address can't be bound. `sent_at` is when the last datagram left
    (CLOCK_MONOTONIC, seconds).
    """

    transport = "udp"

    def __init__(self, config: Mapping[str, Any], options: Any) -> None:
        setup: Setup = config[SETUP]
        self.uopts = options.getCopy()
        self.sent_at: float = 0.0
        self._setup = setup
        self._wire = setup.wire
        self._next_hop: Address = setup.hop.address
        self._family = ipaddress.ip_address(self._next_hop[0]).version
        self._intake = Intake(setup, self)
        self._socket = _bound(self.uopts.family, (self.uopts.laddress[0], int(self.uopts.laddress[1])))
        self.own: Address = self._socket.getsockname()[:2]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def local(self) -> Address:
        """The address and port that it is bound to: what our Contact names."""
        return self.own

    async def ready(self) -> None:
        """A datagram can be sent at any time."""

    async def gone(self) -> None:
        """A socket is closed at once."""

    def getSIPaddr(self) -> tuple[tuple[str, int], str]:  # noqa: N802 - sippy's name
        """Return what sippy writes into Via."""
        return (bracketed(self.own[0]), self.own[1]), self.transport

    def addr2str(self, address: Address) -> str:
        """Return an address as sippy logs it."""
        return f"{self.transport}:{address[0]}:{address[1]}"

    def send_to(self, data: str | bytes, address: Address, delayed: bool = False) -> None:
        """Send a datagram and note when. What could not leave is counted; it will be retransmitted."""
        raw = as_bytes(data)
        destination = self._destination(address)
        self.sent_at = time.monotonic()
        try:
            self._send_once(raw, destination)
            self._wire.left += 1
        except OSError as error:
            self._network_error(error.errno or 0, destination)
        except OverflowError:  # a port over 65535, from a Contact, Via or Record-Route
            self._network_error(errno.EINVAL, destination)
        self._intake.record(self.sent_at, "sent", destination, raw)

    def shutdown(self) -> None:
        """Close it; nothing more is delivered."""
        self.uopts.data_callback = None
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _destination(self, address: Address) -> Address:
        """Return where to send. A host name (of a Record-Route or Contact) means the platform we talk to.

        Looking it up here would block the loop, and who put its own name there is behind that address. So is
        who put an address of the other family there (a presence server with one Contact for all): this
        socket can't reach it.
        """
        host = address[0].strip("[]")
        if (host, address[1]) == self._next_hop:
            return self._next_hop
        try:
            family = ipaddress.ip_address(host).version
        except ValueError:
            return self._next_hop
        return (host, int(address[1])) if family == self._family else self._next_hop

    def _send_once(self, raw: bytes, destination: Address) -> None:
        try:
            self._socket.sendto(raw, destination)
        except OSError:
            # A pending ICMP error (refused, no route) is reported once, by whatever is called next, and this
            # was not sent. What fails twice is refused by this machine itself.
            self._socket.sendto(raw, destination)

    def _readable(self) -> None:
        for taken in range(BATCH):
            try:
                data, ancillary, _, source = self._socket.recvmsg(65535, 256)
            except BlockingIOError:
                if taken == 0:
                    self._take_network_errors()  # nothing else can have woken the loop
                return
            except OSError:
                self._take_network_errors()
                continue
            if self._intake.full():
                self._loop.remove_reader(self._socket.fileno())
                return
            self._intake.take(data, source[:2], _received_at(ancillary))
            if self.uopts.data_callback is None:
                return

    def _take_network_errors(self) -> None:
        """Empty the socket's error queue (ip(7), IP_RECVERR): the loop would wake for it for ever."""
        while True:
            try:
                _, ancillary, _, destination = self._socket.recvmsg(512, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            for level, kind, value in ancillary:
                if (level, kind) == _IP_RECVERR[self.uopts.family] and len(value) >= 4:
                    where = destination[:2] if destination else None
                    self._network_error(struct.unpack_from("I", value)[0], where)

    def _network_error(self, number: int, destination: Address | None) -> None:
        where = hostport(destination) if destination else "the platform"
        self._wire.network_error(number, where)
        if number == errno.ECONNREFUSED and destination in (None, self._next_hop):
            self._setup.on_refused(f"nothing listens on {where} (ICMP port unreachable)")


def _bound(family: int, address: Address) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        bound.setsockopt(*_IP_RECVERR[socket.AddressFamily(family)], 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
