"""A UDP socket for sippy on asyncio, with exact times: the kernel's for what arrives, ours at sendto.

Bytes and text are mapped one to one (ISO 8859-1). sippy counts characters where SIP counts bytes
(Content-Length, RFC 3261 20.14) and decodes strictly; this way both are right for any bytes.
"""

import asyncio
import errno
import ipaddress
import re
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from synthetic.address import Address, bracketed, hostport
from synthetic.agents.siplib import COMPLAINTS, MonoTime, RemoteAddress
from synthetic.agents.wirelog import MAX_MESSAGE, Packet, WireLog

_log = structlog.get_logger(__name__)

CONFIG_WIRE: Final = "_dialtone_wire"
CONFIG_PARTY: Final = "_dialtone_party"
CONFIG_NEXT_HOP: Final = "_dialtone_next_hop"
"""Keys of the dictionary that sippy hands from the transaction manager to its sockets."""

MAX_PARSED: Final = 16 * 1024
MAX_LINES: Final = 400
MAX_SEPARATORS: Final = 600
MAX_DATAGRAMS: Final = 1000
"""What is read at all: bytes, lines, commas and quotes of a message, messages a probe.

sippy's parser is quadratic, in separators above all: 5000 of them held the loop for 0.25 s.
"""

_KEEPALIVE: Final = 32
"""sippy ignores anything shorter: CRLF keep-alives (RFC 5626 3.5.1), NAT pings."""
_BATCH: Final = 16
_SO_TIMESTAMPNS: Final = 35
_IP_RECVERR: Final = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_MAX_AGE_NS: Final = 5_000_000_000
_START_LINE: Final = re.compile(r"SIP/2\.0 [1-6][0-9]{2}[ \r\n]|[A-Z]{1,32} \S{1,1024} SIP/2\.0\r?\n")


class UdpEndpoint:
    """What sippy's transaction manager takes for its Udp_server: one bound socket of one phone.

    Raises OSError where the address can't be bound. `sent_at` is when the last datagram left
    (CLOCK_MONOTONIC, seconds).
    """

    transport = "udp"

    def __init__(self, config: Mapping[str, Any], options: Any) -> None:
        self.uopts = options.getCopy()
        self.sent_at: float = 0.0
        self._wire: WireLog = config[CONFIG_WIRE]
        self._party: str = config[CONFIG_PARTY]
        self._next_hop: Address = config[CONFIG_NEXT_HOP]
        self._seen = 0
        self._socket = _bound(self.uopts.family, (self.uopts.laddress[0], int(self.uopts.laddress[1])))
        self._local: Address = self._socket.getsockname()[:2]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @property
    def local(self) -> Address:
        """The address and port that it is bound to."""
        return self._local

    def getSIPaddr(self) -> tuple[tuple[str, int], str]:  # noqa: N802 - sippy's name
        """Return what sippy writes into Via."""
        return (bracketed(self._local[0]), self._local[1]), self.transport

    def addr2str(self, address: Address) -> str:
        """Return an address as sippy logs it."""
        return f"{self.transport}:{address[0]}:{address[1]}"

    def send_to(self, data: str | bytes, address: Address, delayed: bool = False) -> None:
        """Send a datagram and note when. What could not leave is counted; it will be retransmitted."""
        raw = data.encode("latin-1") if isinstance(data, str) else data
        destination = self._destination(address)
        self.sent_at = time.monotonic()
        try:
            self._send_once(raw, destination)
            self._wire.left += 1
        except OSError as error:
            self._wire.network_error(error.errno or 0, hostport(destination))
        except OverflowError:  # a port over 65535, from a Contact, Via or Record-Route
            self._wire.network_error(errno.EINVAL, hostport(destination))
        self._record(self.sent_at, "sent", destination, raw)

    def shutdown(self) -> None:
        """Close it; nothing more is delivered."""
        self.uopts.data_callback = None
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _destination(self, address: Address) -> Address:
        """Return where to send. A host name (of a Record-Route or Contact) means the platform we talk to.

        Looking it up here would block the loop, and who put its own name there is behind that address.
        """
        host = address[0].strip("[]")
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return self._next_hop
        return host, int(address[1])

    def _send_once(self, raw: bytes, destination: Address) -> None:
        try:
            self._socket.sendto(raw, destination)
        except OSError:
            # A pending ICMP error (refused, no route) is reported once, by whatever is called next, and this
            # was not sent. What fails twice is refused by this machine itself.
            self._socket.sendto(raw, destination)

    def _readable(self) -> None:
        self._take_network_errors()
        for _ in range(_BATCH):
            try:
                data, ancillary, _, source = self._socket.recvmsg(65535, 256)
            except BlockingIOError:
                return
            except OSError:
                continue  # the ICMP error that the queue has told us about already
            self._seen += 1
            if self._seen > MAX_DATAGRAMS:
                self._loop.remove_reader(self._socket.fileno())
                self._wire.nonsense += 1
                return
            self._take(data, source[:2], _received_at(ancillary))
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
                    where = hostport(destination[:2]) if destination else "the platform"
                    self._wire.network_error(struct.unpack_from("I", value)[0], where)

    def _take(self, data: bytes, source: Address, at: float) -> None:
        self._record(at, "received", source, data)
        if len(data) < _KEEPALIVE:
            return
        text = data.decode("latin-1")
        separators = data.count(b",") + data.count(b'"')
        if (
            len(data) > MAX_PARSED
            or data.count(b"\n") > MAX_LINES
            or separators > MAX_SEPARATORS
            or not _START_LINE.match(text)
        ):
            self._wire.nonsense += 1
            return
        complaints = COMPLAINTS.count
        try:
            self.uopts.data_callback(
                text,
                RemoteAddress((bracketed(source[0]), source[1]), self.transport),
                self,
                MonoTime(monot=at),
            )
        except Exception as error:  # noqa: BLE001 - the edge: hostile bytes make sippy's parser raise anything
            _log.info("a SIP message could not be handled", party=self._party, error=type(error).__name__)
            self._wire.nonsense += 1
            return
        if COMPLAINTS.count != complaints:
            self._wire.nonsense += 1

    def _record(self, at: float, direction: Any, peer: Address, data: bytes) -> None:
        source, destination = (self._local, peer) if direction == "sent" else (peer, self._local)
        self._wire.add(Packet(at, self._party, direction, source, destination, data[:MAX_MESSAGE], len(data)))


def _bound(family: int, address: Address) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        bound.setsockopt(*_IP_RECVERR[socket.AddressFamily(family)], 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _received_at(ancillary: Iterable[tuple[int, int, bytes]]) -> float:
    """Return when the kernel got the datagram, in CLOCK_MONOTONIC seconds; now, where it doesn't say.

    The kernel stamps with CLOCK_REALTIME (socket(7), SO_TIMESTAMPNS): only the age is taken from it, so that
    a step of the wall clock can't end up in a measurement unless it falls between these very lines.
    """
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(value) >= 16:
            seconds, nanoseconds = struct.unpack_from("qq", value)
            # Both clocks at once: what comes between their readings would be an error of the stamp.
            wall, now = time.time_ns(), time.monotonic()
            age = wall - (int(seconds) * 1_000_000_000 + int(nanoseconds))
            if 0 <= age <= _MAX_AGE_NS:
                return now - age / 1e9
    return time.monotonic()
