"""What a packet of the file becomes: records, and the counts that stand in its Read."""

from collections import Counter, OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from synthetic.address import hostport
from synthetic.capture import packets
from synthetic.capture.records import Address, Read, Record, SipPacket
from synthetic.capture.streams import Streams, Told
from synthetic.capture.tshark import Packet
from synthetic.capture.wire import Limits

_NOT_MEDIA: Final = frozenset(
    {
        "dns",
        "mdns",
        "llmnr",
        "nbns",
        "ntp",
        "icmp",
        "icmpv6",
        "quic",
        "gquic",
        "dtls",
        "snmp",
        "radius",
        "dhcp",
    }
)
"""Layers of tshark's that are neither SIP nor media, whatever their bytes look like; ICMP quotes a packet."""
_QUOTES: Final = frozenset({"icmp", "icmpv6"})
_MOST_SERVERS: Final = 1000
_NAMED: Final = 5
_GAP: Final = 5
"""So many segments in which no message ends are no long message, but wait for one that is missing."""


class Sorter:
    """Sorts one file's packets, in their order; use as a context manager, which ends what it started.

    `packets` is how many there were so far.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._reports = packets.Reports()
        self._stack = ExitStack()
        self._streams: Streams | None = None
        self._streams_failed = ""
        self._first: float | None = None
        self._last: float | None = None
        self._sip_until: float | None = None
        self.packets = 0
        self._other = self._cut = 0
        self._messages = self._bytes = self._left_out = 0
        self._unread: OrderedDict[tuple[Address, Address], int] = OrderedDict()
        self._told_of: set[frozenset[Address]] = set()
        self._tls: Counter[Address] = Counter()
        self._read_tls: set[Address] = set()

    def __enter__(self) -> "Sorter":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def records(self, packet: Packet) -> list[Record]:
        """Return what the packet holds, nothing where it is neither SIP nor media."""
        self.packets += 1
        self._cut += packet.cut
        self._first = packet.at if self._first is None else min(self._first, packet.at)
        self._last = packet.at if self._last is None else max(self._last, packet.at)
        found = self._stream(packet) if _is_stream(packet) else self._datagram(packet)
        if found is None:
            self._other += 1
            return []
        return found

    def end(self, problem: str | None) -> Read:
        """Return the end of the reading; `problem` is what tshark says of the file."""
        problems = [problem] if problem else []
        if not self.packets and not problem:
            problems.append("the file holds no packets")
        if self._cut:
            problems.append(
                f"{_packets(self._cut)} {'was' if self._cut == 1 else 'were'} cut short when captured: "
                "record with a snapshot length of 0 (-s 0)"
            )
        if self._streams_failed:
            problems.append(f"SIP over TCP was not read to its end: {self._streams_failed}")
        problems += self._gaps()
        problems += self._encrypted()
        if self._left_out:
            problems.append(
                f"{self._left_out} SIP messages were left out: at most {self._limits.messages} "
                f"of {self._limits.sip_bytes} bytes in all are read"
            )
        return Read(self.packets, self._other, self._first, self._last, tuple(problems), self._sip_until)

    def _datagram(self, packet: Packet) -> list[Record] | None:
        data, at, source, destination = packet.data, packet.at, packet.source, packet.destination
        if not data or not _NOT_MEDIA.isdisjoint(packet.layers):
            return None
        if data[0] >> 6 == 2:
            reports = self._reports.read(data, at, source, destination)
            if reports is not None:
                return list(reports)
            found = packets.rtp(data, packet.size, at, source, destination)
            return None if found is None else [found]
        message = data.lstrip(b"\r\n")  # RFC 3261 7.5
        if packets.looks_like_sip(message):
            return self._bounded([SipPacket(at, source, destination, "UDP", message)])
        return None

    def _stream(self, packet: Packet) -> list[Record] | None:
        if "tls" in packet.layers:
            self._note_tls(packet)
        told = self._told(packet.number)
        if self._streams_failed:
            self._sip_ends(packet.at)
        self._note_gap(packet, told is not None)
        if told is None:
            return None
        if told.transport == "TLS":
            self._read_tls |= {packet.source, packet.destination}
        return self._bounded(
            [
                SipPacket(packet.at, packet.source, packet.destination, told.transport, message)
                for message in told.messages
            ]
        )

    def _told(self, number: int) -> Told | None:
        if self._streams_failed:
            return None
        try:
            if self._streams is None:
                self._streams = self._stack.enter_context(Streams(self._path))
            return self._streams.of(number)
        except Exception as error:  # noqa: BLE001 - pyshark raises what it likes; all else is read without it
            self._streams_failed = (
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
            return None

    def _bounded(self, messages: list[SipPacket]) -> list[Record]:
        kept: list[Record] = []
        for message in messages:
            size = len(message.data)
            if self._messages >= self._limits.messages or self._bytes + size > self._limits.sip_bytes:
                self._left_out += 1
                self._sip_ends(message.at)
                continue
            self._messages += 1
            self._bytes += size
            kept.append(message)
        return kept

    def _sip_ends(self, at: float) -> None:
        if self._sip_until is None:
            self._sip_until = at

    def _note_tls(self, packet: Packet) -> None:
        server = min(packet.source, packet.destination, key=lambda end: (end[1] != 5061, end[1]))
        if server in self._tls or len(self._tls) < _MOST_SERVERS:
            self._tls[server] += 1

    def _note_gap(self, packet: Packet, told: bool) -> None:
        """Count the segments since the last message of each direction of a connection with SIP in it."""
        way = packet.source, packet.destination
        if told and len(self._told_of) < _MOST_SERVERS:
            self._told_of.add(frozenset(way))
        self._unread[way] = 0 if told else self._unread.get(way, 0) + 1
        self._unread.move_to_end(way)
        if len(self._unread) > _MOST_SERVERS:
            self._unread.popitem(last=False)

    def _gaps(self) -> list[str]:
        lost = [
            (way, count)
            for way, count in self._unread.items()
            if count >= _GAP and frozenset(way) in self._told_of
        ]
        lines = [
            f"{count} packets of TCP from {hostport(source)} to {hostport(destination)} can't be read as SIP:"
            " one before them was not captured"
            for (source, destination), count in lost[:_NAMED]
        ]
        if len(lost) > _NAMED:
            lines.append(f"neither can those of {len(lost) - _NAMED} more ways")
        return lines

    def _encrypted(self) -> list[str]:
        unread = [(end, count) for end, count in self._tls.most_common() if end not in self._read_tls]
        lines = [
            f"{_packets(count)} of TLS to {hostport(end)}: SIP in it can't be read"
            for end, count in unread[:_NAMED]
        ]
        if len(unread) > _NAMED:
            lines.append(f"TLS to {len(unread) - _NAMED} more addresses can't be read either")
        return lines


def _is_stream(packet: Packet) -> bool:
    """Say whether the packet carries data over TCP or SCTP; ICMP quotes one that did not arrive."""
    layers = packet.layers
    if not _QUOTES.isdisjoint(layers):
        return False
    return ("tcp" in layers and packet.size > 0) or ("sctp" in layers and layers[-1] != "sctp")


def _packets(count: int) -> str:
    return "1 packet" if count == 1 else f"{count} packets"
