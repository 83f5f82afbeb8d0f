"""RFC 6076 timings from packets alone: what tshark reads from a capture, and nothing that an engine says.

Stamps are the kernel's, in nanoseconds since the epoch. On the loopback interface a datagram that leaves is
the one that arrives: it has a single stamp, taken between the two.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

FIELDS: Final = (
    "frame.time_epoch",
    "udp.srcport",
    "udp.dstport",
    "sip.Call-ID",
    "sip.CSeq.method",
    "sip.Status-Code",
)
"""What tshark is asked for, in the order of its columns (tab-separated; the last is empty in a request)."""

_NANO: Final = 9


@dataclass(frozen=True, slots=True)
class SipPacket:
    """One SIP message on the wire. `at` is nanoseconds since the epoch, `status` None for a request."""

    at: int
    source: int
    destination: int
    call_id: str
    method: str
    status: int | None


@dataclass(frozen=True, slots=True)
class _Rule:
    """A timing begins with the first request of this method and ends with the first response that counts."""

    method: str
    ends: Callable[[int], bool]


def _success(status: int) -> bool:
    return 200 <= status < 300


def _progress_or_success(status: int) -> bool:
    return 100 < status < 300


RULES: Final[Mapping[str, _Rule]] = {
    "rrd": _Rule("REGISTER", _success),
    "srd": _Rule("INVITE", _progress_or_success),
    "sdd": _Rule("BYE", _success),
}
"""RFC 6076 4.1, 4.3 (successes) and 4.4. A challenge (401, 407) ends none: authentication is inside."""


@dataclass(frozen=True, slots=True)
class Span:
    """A timing on the wire: the originator's port, first bit out and last bit in, in nanoseconds."""

    port: int
    began: int
    ended: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began) / 1e9


def parse(lines: Iterable[str]) -> list[SipPacket]:
    """Return the messages of tshark's lines, in the order of their stamps; a line that is no SIP is left out.

    Raises ValueError for a stamp that has fewer than nine decimals: the capture is too coarse to judge by.
    """
    packets = []
    for line in lines:
        columns = line.rstrip("\n").split("\t")
        if len(columns) != len(FIELDS) or not all(columns[:-1]):
            continue
        stamp, source, destination, call_id, method, status = columns
        packets.append(
            SipPacket(
                _nanoseconds(stamp),
                int(source),
                int(destination),
                call_id,
                method.upper(),
                int(status) if status else None,
            )
        )
    return sorted(packets, key=lambda packet: packet.at)


class Wire:
    """The messages between phones and a server at `port`, searched by call."""

    def __init__(self, packets: Iterable[SipPacket], port: int) -> None:
        self._port = port
        self._calls: defaultdict[str, list[SipPacket]] = defaultdict(list)
        for packet in packets:
            self._calls[packet.call_id].append(packet)

    def span(self, timing: str, call_id: str) -> Span | None:
        """Return one call's timing, as its originator's port saw it; None where either end is missing."""
        rule = RULES[timing]
        messages = [packet for packet in self._calls.get(call_id, ()) if packet.method == rule.method]
        first = next((p for p in messages if p.status is None and p.destination == self._port), None)
        if first is None:
            return None
        answers = (
            p.at
            for p in messages
            if p.at >= first.at
            and (p.source, p.destination) == (self._port, first.source)
            and p.status is not None
            and rule.ends(p.status)
        )
        ended = next(answers, None)
        return None if ended is None else Span(first.source, first.at, ended)

    def spans_of(self, timing: str, port: int) -> list[Span]:
        """Return the timings of every call that this port placed, in the order of their ends."""
        spans = (self.span(timing, call_id) for call_id in self._calls)
        return sorted((s for s in spans if s is not None and s.port == port), key=lambda s: s.ended)


def first_call_id(texts: Sequence[str], method: str) -> str | None:
    """Return the Call-ID of the first of these SIP messages that is a request of that method."""
    for text in texts:
        if text.startswith(f"{method} "):
            for line in text.splitlines()[1:]:
                name, _, value = line.partition(":")
                if name.strip().lower() in ("call-id", "i"):
                    return value.strip()
    return None


def _nanoseconds(stamp: str) -> int:
    seconds, _, fraction = stamp.partition(".")
    if len(fraction) != _NANO:
        raise ValueError(f"the stamp {stamp} has {len(fraction)} decimals, {_NANO} are needed (nanoseconds)")
    return int(seconds) * 10**_NANO + int(fraction)
