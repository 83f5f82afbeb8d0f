"""RTP streams of a capture: whose they are, what was lost, how they sounded; in a memory with an end.

A stream is one synchronisation source between two addresses, as tshark's `-z rtp,streams` has it. What looks
like RTP and comes in fewer than LEAST packets, or in no order, is noise.
"""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dialtone.quality import Received, Reception, score
from synthetic.capture.description import Coding, Described, Use
from synthetic.capture.records import Address, RtcpPacket, RtpPacket

MAX_STREAMS: Final = 5_000
LEAST: Final = 3
"""Packets in order, that make a stream."""
MAX_PENDING: Final = 20
"""So many packets are waited for an order, and for what a payload type means."""
MAX_REPORTS: Final = 20_000
MAX_REFUSED: Final = 20_000
"""So many sources past MAX_STREAMS are known for that; the packets of more may be called noise."""
PAUSE: Final = 2.0
"""Seconds of silence after which the same addresses and source may be another call's."""
_IN_ORDER: Final = 100
_UNKNOWN: Final = Coding("", 0)

_Key = tuple[Address, Address, int]


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. `call_id` is None where no call of the capture has described either address.

    `codec` is its name in SDP or "payload type N"; `rate` its clock in Hz, 0 where nothing tells it: then
    there is no jitter either. `begin` and `end` are instants, `events` packets of telephone events. `rtt` is
    by RTCP, in seconds, None without. `mos` is None where the E-model has no values for the codec; `is_ours`
    says that it is by values of ours, which are no standard's (Opus).
    """

    source: Address
    destination: Address
    ssrc: int
    call_id: str | None
    codec: str
    rate: int
    begin: float
    end: float
    received: Received
    events: int
    rtt: float | None
    mos: float | None
    is_ours: bool


class _Flow:
    """The packets of one stream; the first ones wait until they are seen to be one."""

    __slots__ = ("_pending", "_rate", "begin", "codings", "end", "events", "packets", "reception", "types")

    def __init__(self, packet: RtpPacket) -> None:
        self.begin = self.end = packet.at
        self.packets = 0
        self.events = 0
        self.reception: Reception | None = None
        self.codings: dict[int, Coding] = {}
        self.types: Counter[int] = Counter()
        self._pending: list[RtpPacket] = []
        self._rate = 0

    @property
    def is_noise(self) -> bool:
        """Whether so few packets have come, or none after another."""
        return self.reception is None and not self._in_order()

    @property
    def coding(self) -> Coding:
        """What most of its speech is coded in."""
        for payload_type, _ in self.types.most_common():
            coding = self.codings[payload_type]
            if coding.is_speech:
                return coding
        return _UNKNOWN

    def add(self, packet: RtpPacket, described: Described) -> None:
        """Take a packet."""
        self.packets += 1
        self.end = max(self.end, packet.at)
        if self.reception is not None:
            self._take(self.reception, packet, described)
            return
        if len(self._pending) < MAX_PENDING:
            self._pending.append(packet)
        is_known = _coding(packet, described).rate > 0
        if (is_known or len(self._pending) >= MAX_PENDING) and self._in_order():
            self.begun(described)

    def begun(self, described: Described) -> Reception:
        """Take what has waited; return all that has come."""
        if self.reception is None:
            codings = (_coding(packet, described) for packet in self._pending)
            self._rate = next((coding.rate for coding in codings if coding.is_speech and coding.rate), 8000)
            self.reception = Reception(self._rate)
            for packet in self._pending:
                self._take(self.reception, packet, described)
            self._pending.clear()
        return self.reception

    def _in_order(self) -> bool:
        steps = [
            (second.sequence - first.sequence + _IN_ORDER) & 0xFFFF
            for first, second in zip(self._pending, self._pending[1:], strict=False)
        ]
        return sum(step <= 2 * _IN_ORDER for step in steps) >= LEAST - 1

    def _take(self, reception: Reception, packet: RtpPacket, described: Described) -> None:
        coding = self.codings.get(packet.payload_type)
        if coding is None or not coding.rate:  # a description may come after it
            coding = self.codings[packet.payload_type] = _coding(packet, described)
        self.types[packet.payload_type] += 1
        is_event = coding.name.lower() == "telephone-event"
        self.events += is_event
        is_timed = coding.rate == self._rate and not is_event  # of a codec with another clock nothing is told
        reception.add(packet.sequence, packet.timestamp, packet.at, timed=is_timed)


class Streams:
    """Takes RTP and RTCP in the order of the capture, and is told what calls describe."""

    def __init__(self) -> None:
        self.described = Described()
        self.left_out = 0
        """Packets of streams past MAX_STREAMS."""
        self.noise_packets = 0
        self.noise_streams = 0
        self._flows: dict[_Key, _Flow] = {}
        self._over: list[tuple[_Key, _Flow]] = []
        self._young: OrderedDict[_Key, _Flow] = OrderedDict()
        self._refused: set[_Key] = set()
        self._reports: dict[tuple[int, Address, Address], float] = {}
        self._reporters: dict[tuple[int, Address, Address], float] = {}

    def add(self, packet: RtpPacket) -> None:
        """Take a packet of RTP."""
        key = packet.source, packet.destination, packet.ssrc
        flow = self._flows.get(key)
        if (
            flow is not None
            and packet.at - flow.end > PAUSE
            and self._is_of_another_call(key, flow, packet.at)
        ):
            self._over.append((key, self._flows.pop(key)))
            flow = None
        if flow is not None:
            flow.add(packet, self.described)
            return
        if key in self._refused:
            self.left_out += 1
            return
        flow = self._young.get(key)
        if flow is None:
            if len(self._young) >= MAX_STREAMS:
                self._hiss(self._young.popitem(last=False)[1])
            flow = self._young[key] = _Flow(packet)
        flow.add(packet, self.described)
        if not flow.is_noise:
            del self._young[key]
            if len(self._flows) + len(self._over) < MAX_STREAMS:
                self._flows[key] = flow
            else:
                self.left_out += flow.packets
                if len(self._refused) < MAX_REFUSED:
                    self._refused.add(key)

    def report(self, packet: RtcpPacket) -> None:
        """Take a report of RTCP: how far the reporter is from the place of the capture."""
        if packet.rtt is None or len(self._reporters) >= MAX_REPORTS:
            return
        listener, speaker = _even(packet.source), _even(packet.destination)
        if packet.about is not None:
            self._reports[packet.about, speaker, listener] = packet.rtt
        self._reporters[packet.ssrc, listener, speaker] = packet.rtt

    def close(self) -> list[Stream]:
        """Return the streams, in the order in which they began."""
        for flow in self._young.values():
            self._hiss(flow)
        self._young.clear()
        found = [self._stream(key, flow) for key, flow in (*self._over, *self._flows.items())]
        self._over.clear()
        self._flows.clear()
        return sorted(found, key=lambda stream: stream.begin)

    def _hiss(self, flow: _Flow) -> None:
        self.noise_streams += 1
        self.noise_packets += flow.packets

    def _stream(self, key: _Key, flow: _Flow) -> Stream:
        source, destination, ssrc = key
        received = flow.begun(self.described).received()
        coding, rtt = flow.coding, self._rtt(ssrc, _even(source), _even(destination))
        use = self._use(key, flow.begin) or self._use(key, flow.end)  # some begin before they are described
        scored = score(received, coding.codec, rtt) if coding.codec is not None else None
        return Stream(
            source,
            destination,
            ssrc,
            use.call_id if use is not None else None,
            coding.name or f"payload type {flow.types.most_common(1)[0][0]}",
            coding.rate,
            flow.begin,
            flow.end,
            received,
            flow.events,
            rtt,
            scored.mos if scored is not None else None,
            coding.name.upper() == "OPUS",
        )

    def _use(self, key: _Key, at: float) -> Use | None:
        """Return the call that had either address at an instant."""
        source, destination, _ = key
        return self.described.use(destination, at) or self.described.use(source, at)

    def _is_of_another_call(self, key: _Key, flow: _Flow, at: float) -> bool:
        now, before = self._use(key, at), self._use(key, flow.end)
        return now is not None and before is not None and now.call_id != before.call_id

    def _rtt(self, ssrc: int, source: Address, destination: Address) -> float | None:
        """Return the ways to the listener and to the speaker and back, as far as they are known."""
        ways = (
            self._reports.get((ssrc, source, destination)),
            self._reporters.get((ssrc, source, destination)),
        )
        known = [way for way in ways if way is not None]
        return sum(known) if known else None


def _coding(packet: RtpPacket, described: Described) -> Coding:
    found = described.coding(packet.source, packet.destination, packet.payload_type, packet.at)
    return found or _UNKNOWN


def _even(address: Address) -> Address:
    """Return the address of RTP: RTCP has it, or the next port (RFC 3550 11)."""
    return address[0], address[1] & ~1


def by_call(streams: Sequence[Stream]) -> dict[str, list[Stream]]:
    """Return the streams of each call."""
    found: defaultdict[str, list[Stream]] = defaultdict(list)
    for stream in streams:
        if stream.call_id is not None:
            found[stream.call_id].append(stream)
    return dict(found)
