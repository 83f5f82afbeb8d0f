"""How well each tenant's calls are heard, from the RTCP reports that Asterisk tells of as events; pure.

RTCPSent is Asterisk's own report on the stream that it hears (direction `received`), RTCPReceived the far
end's on the stream that Asterisk sends (direction `sent`). Each stream is reported on about every 5 s, unless
rtcpinterval or the phone says otherwise, so a histogram of reports is one of time: what is up to a bound is
the share of time that was no worse.

The events tell less than a score needs. What is assumed:

- The codec is not told: MOS is what G.711 with loss concealment would get, on the E-model's narrowband
  scale. It is too good for a call by G.729 or GSM, and says nothing of what wideband gains. A stream whose
  clock runs at 48 kHz is taken for Opus, for which the ITU has no value: that score is our own.
- Neither is the clock, in whose units jitter comes: 8000 Hz (G.722's too, RFC 3551), until two sender
  reports of the stream tell another. A stream of 90000 Hz is video, and is not counted once that is known.
- The round trip is known from RTCPReceived alone; the other direction takes the leg's last one, 0 as long as
  there is none. It is that between Asterisk and its neighbour, as is the loss: a call of two legs sounds like
  the worse of both at best.
- What comes too late for the phone's jitter buffer is lost as well, and no report tells of it.

Seen with 16.28 and 22.10: jitter and SentRTP are in the codec's own clock (L16 at 16 kHz, Opus, G.722), and
the SSRC of RTCPReceived is no SSRC, but the seconds of the NTP timestamp. So a session is known by our SSRC:
that of RTCPSent, and what the far end's reports are about.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from collectors.asterisk.parse import Channel, is_event, parse_channel
from collectors.asterisk.tally import Distribution
from collectors.asterisk.wire import Block
from dialtone.model import Kind, MetricDef, MetricScope, Spread
from dialtone.ports import TenantLookup
from dialtone.quality import G711_PLC, OPUS, Codec, delay_of, mos

DIRECTIONS: Final = ("received", "sent")
_OURS, _THEIRS = "RTCPSent", "RTCPReceived"
_DIRECTION: Final = {_OURS: "received", _THEIRS: "sent"}
EVENTS: Final = frozenset({*_DIRECTION, "Hangup"})
"""What is heard of."""
_WITH_REPORTS: Final = ("200", "201")  # SR and RR, RFC 3550 6.4
_WHOSE: Final = ("node", "tenant", "reseller")
_OF: Final = "RTP as RTCP reports on it, about one report per stream and 5 s"


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str, unit: str = "") -> MetricDef:
    return MetricDef(
        f"asterisk_tenant_rtp_{name}",
        Kind.HISTOGRAM,
        f"{text}; {_OF}",
        (*_WHOSE, *labels),
        scope=MetricScope.TENANT,
        unit=unit,
        buckets=buckets,
    )


LOSS: Final = _histogram(
    "loss_ratio",
    "Packets lost since the report before, as a share",
    (0.0, 0.01, 0.02, 0.05, 0.1),
    "direction",
    unit="ratio",
)
JITTER: Final = _histogram(
    "jitter_seconds",
    "Interarrival jitter (RFC 3550)",
    (0.005, 0.01, 0.02, 0.05, 0.1),
    "direction",
    unit="seconds",
)
MOS: Final = _histogram(
    "mos",
    "Mean opinion score of loss and delay by the E-model, as if all were G.711 with loss concealment",
    (2.58, 3.1, 3.6, 4.03, 4.34),  # R of 50, 60, 70, 80, 90: G.107 Annex B's steps of satisfaction
    "direction",
)
ROUND_TRIP: Final = _histogram(
    "round_trip_seconds",
    "Round trip time between Asterisk and its neighbour",
    (0.025, 0.05, 0.1, 0.2, 0.4),
    unit="seconds",
)

METRICS: Final = (LOSS, JITTER, MOS, ROUND_TRIP)
"""The histograms of this module, for the catalogue."""

MAX_REPORTS: Final = 31
"""Reports in one packet; RTCP counts them with five bits."""
MAX_LEGS: Final = 20_000
"""Legs whose clocks and round trip are remembered; past that the one longest not heard of is forgotten."""
MAX_STREAMS: Final = 8
"""Streams of a leg whose clocks are remembered: audio and video, both ways, and a change of their sources."""
FORGET_AFTER: Final = 600.0
"""Seconds without any report after which a leg is forgotten, should its Hangup have been missed."""
MAX_SECONDS: Final = 60.0
"""A jitter or a round trip past this is no measurement: a timestamp that jumped, or nonsense."""

_VIDEO: Final = 90_000
_OPUS: Final = 48_000
_RATES: Final = (8000, 12_000, 16_000, 24_000, 32_000, 44_100, _OPUS, _VIDEO)
_NEAR: Final = 0.03  # 44.1 and 48 kHz are 9 % apart; of 5 s the last packet may have been sent 60 ms before
_LEAST_SPAN, _MOST_SPAN = 2_000_000, 30_000_000  # microseconds
_WHOLE: Final = re.compile(r"[0-9]{1,10}")
_SECONDS: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,9})?")
_INSTANT: Final = re.compile(r"([0-9]{1,20})\.([0-9]{6})")
_SSRC: Final = re.compile(r"0x[0-9A-Fa-f]{8}")


_Key = tuple[str, str]
"""A stream: the event that tells of its sender's reports, and our SSRC in its session."""


class _Report(NamedTuple):
    loss: float
    jitter: float
    codec: Codec


class _Stream(NamedTuple):
    """A stream's last sender report: the sender's wall clock in microseconds, and the stream's own clock."""

    instant: int
    timestamp: int
    seen: int | None = None
    """The rate by the last two reports, None where that is none."""
    rate: int | None = None


class _Leg:
    __slots__ = ("heard", "round_trip", "streams")

    def __init__(self) -> None:
        self.heard = 0.0
        self.round_trip = 0.0
        self.streams: OrderedDict[_Key, _Stream] = OrderedDict()

    def learn(self, key: _Key, event: Block) -> None:
        """Learn the clock of the stream that a sender report is about."""
        instant, timestamp = _INSTANT.fullmatch(event.get("SentNTP", "")), event.get("SentRTP", "")
        if _SSRC.fullmatch(key[1]) and instant and _WHOLE.fullmatch(timestamp):
            now = int(instant[1]) * 1_000_000 + int(instant[2])
            self.streams[key] = _later(self.streams.get(key), now, int(timestamp))
            self.streams.move_to_end(key)
            if len(self.streams) > MAX_STREAMS:
                self.streams.popitem(last=False)

    def rate(self, *keys: _Key) -> int:
        """Return the rate of the first of these streams whose clock is known."""
        for key in keys:
            if (stream := self.streams.get(key)) and stream.rate:
                return stream.rate
        return _RATES[0]


class RtpQuality:
    """Counts each report once, for whom `owner` says a leg is; Asterisk's internal legs are not counted."""

    def __init__(self, owner: Callable[[Channel], str]) -> None:
        self._owner = owner
        both = [(direction,) for direction in DIRECTIONS]
        self._loss, self._jitter = Distribution(LOSS, both), Distribution(JITTER, both)
        self._mos, self._round_trip = Distribution(MOS, both), Distribution(ROUND_TRIP)
        self._all = (self._loss, self._jitter, self._mos, self._round_trip)
        self._legs: OrderedDict[str, _Leg] = OrderedDict()

    @property
    def legs(self) -> int:
        """How many legs are remembered."""
        return len(self._legs)

    def hear(self, event: Block, now: float) -> None:
        """Take in an event, at a moment of the monotonic clock. A report that makes no sense is left out."""
        name = event.get("Event", "")
        if name == "Hangup":
            self._legs.pop(event.get("Uniqueid", ""), None)
        elif name in _DIRECTION and event.get("PT", "")[:3] in _WITH_REPORTS:
            channel = parse_channel(event) if is_event(event) else None
            if channel is not None and not channel.internal:
                self._take(name, event, channel, self._leg(channel.unique_id, now))

    def begin(self, domain: str) -> None:
        """Have a tenant show its histograms from now on, empty at first."""
        for distribution in self._all:
            distribution.begin(domain)

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these."""
        for distribution in self._all:
            distribution.keep(domains)

    def spreads(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Spread]:
        """Yield the histograms of every tenant that has begun."""
        for distribution in self._all:
            yield from distribution.spreads(node, tenants, at)

    def _leg(self, unique_id: str, now: float) -> _Leg:
        leg = self._legs.get(unique_id)
        if leg is None:
            leg = self._legs[unique_id] = _Leg()
        leg.heard = now
        self._legs.move_to_end(unique_id)
        while len(self._legs) > MAX_LEGS or next(iter(self._legs.values())).heard < now - FORGET_AFTER:
            self._legs.popitem(last=False)
        return leg

    def _take(self, name: str, event: Block, channel: Channel, leg: _Leg) -> None:
        direction, session = _DIRECTION[name], _session(name, event)
        leg.learn((name, session), event)
        try:
            reports = min(_whole(event, "ReportCount"), MAX_REPORTS)
            round_trip = _round_trip(event) if reports and name == _THEIRS else None
        except ValueError:
            return
        if round_trip is not None:
            leg.round_trip = round_trip
        taken = [report for n in range(reports) if (report := _report(name, event, n, leg))]
        if not taken:
            return
        domain = self._owner(channel)
        self._round_trip.begin(domain)  # the others begin with this report
        for loss, jitter, codec in taken:
            self._loss.observe(domain, direction, value=loss)
            self._jitter.observe(domain, direction, value=jitter)
            score = mos(codec, loss, delay_of(leg.round_trip, jitter, codec))
            self._mos.observe(domain, direction, value=score)
        if round_trip is not None:
            self._round_trip.observe(domain, value=round_trip)


def _session(name: str, event: Block, report: int = 0) -> str:
    """Return our SSRC in the session that an event, or one of its reports, is about."""
    return event.get("SSRC" if name == _OURS else f"Report{report}SourceSSRC", "")


def _report(name: str, event: Block, number: int, leg: _Leg) -> _Report | None:
    """Return one of a packet's reports, None where it makes no sense or is on video."""
    try:
        lost = _whole(event, f"Report{number}FractionLost")
        jitter = _whole(event, f"Report{number}IAJitter")
    except ValueError:
        return None
    # A report is about the other side's stream. Both nearly always have the same clock, and one of them may
    # have no sender reports.
    session, other = _session(name, event, number), _THEIRS if name == _OURS else _OURS
    rate = leg.rate((other, session), (name, session))
    if rate == _VIDEO or lost > 255 or jitter > MAX_SECONDS * rate:
        return None
    return _Report(lost / 256, jitter / rate, OPUS if rate == _OPUS else G711_PLC)


def _round_trip(event: Block) -> float | None:
    """Return the round trip time, None where the far end had no sender report to answer.

    Raises ValueError where it makes no sense.
    """
    if not _whole(event, "Report0LSR"):
        return None
    text = event.get("RTT", "")
    if not _SECONDS.fullmatch(text) or float(text) > MAX_SECONDS:
        raise ValueError("RTT")
    return float(text)


def _whole(event: Block, name: str) -> int:
    text = event.get(name, "")
    if not _WHOLE.fullmatch(text):
        raise ValueError(name)
    return int(text)


def _later(before: _Stream | None, instant: int, timestamp: int) -> _Stream:
    """Return a stream after one more sender report.

    A rate that is known gives way to what two spans in succession say: the clock of a stream that pauses
    stands still, and then looks slower than it is.
    """
    if before is None:
        return _Stream(instant, timestamp)
    span = instant - before.instant
    if 0 <= span < _LEAST_SPAN:
        return before
    seen = None
    if 0 < span <= _MOST_SPAN:
        measured = (timestamp - before.timestamp) % 2**32 * 1_000_000 / span
        seen = next((rate for rate in _RATES if abs(measured - rate) <= _NEAR * rate), None)
    believed = before.rate is None or seen == before.seen
    return _Stream(instant, timestamp, seen, seen if seen and believed else before.rate)
