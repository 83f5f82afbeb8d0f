"""What a phone makes of the RTP that comes: whose voice it is, and what became of the packets.

Whatever comes is bounded: so many sources, payloads and remarks are remembered, in one memory each.
"""

from collections import Counter, deque
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from dialtone.model import Found, Hears
from dialtone.quality import Received, Reception, buffer_of
from synthetic.address import Address
from synthetic.media.events import Digits, Origin
from synthetic.media.heard import NOTHING, Heard
from synthetic.media.packet import Packet, read
from synthetic.media.remarks import Oddities, not_of_the_call
from synthetic.media.voice import NAMES, PCMA, PCMU, SAMPLES, is_mislabelled, is_silent, says, whose

STRAY: Final = 5
"""Packets in the voice of somebody else, 0.1 s of it, from which on it is said to be heard. Fewer are the end
of a call that had the port before.
"""
LEAST_SOUND: Final = 10 * SAMPLES
"""Samples of sound, 0.2 s, from which on any is said to be heard where that is asked for."""
MAX_SOURCES: Final = 16
"""Sources (SSRC) of which is counted. One more takes the place of one that said nothing for us, if any."""
MAX_ORIGINS: Final = 16
"""Addresses and SSRCs that are told apart as parts of the call, or none; further ones are none."""
COMFORT_NOISE: Final = 13
"""The payload type of silence that is described instead of sent (RFC 3389)."""

_TWINS: Final = 5
"""Packets, 0.1 s of them, within which the same timestamp again is a twin. Further apart it is a clock that
was set back.
"""
_MAX_KNOWN: Final = 256
"""Payloads that are known again: a voice has but a few, over and over."""
_BEST: Final = {
    Hears.VOICE: (Found.VOICE, Found.ECHO, Found.OTHER, Found.SOUND, Found.SILENCE),
    Hears.ECHO: (Found.ECHO, Found.OTHER, Found.SOUND, Found.SILENCE),
    Hears.SOUND: (Found.SOUND, Found.ECHO, Found.OTHER, Found.SILENCE),
}
_PARTNER: Final = {Hears.VOICE: Found.VOICE, Hears.ECHO: Found.OTHER, Hears.SOUND: Found.SOUND}
"""What the voice of the phone on the other side is."""
_HEARD: Final = (Found.VOICE, Found.ECHO, Found.SOUND)


class Source:
    """The packets of one SSRC, counted by what they are; None are those without sound, telephone events.

    Packets of one kind with one timestamp are one, although something in between numbered them anew.
    """

    def __init__(self) -> None:
        self.highest = -1
        """The highest sequence number with its cycles before it (RFC 3550 A.1)."""
        self.counts: Counter[Found | None] = Counter()
        self.samples: Counter[Found | None] = Counter()
        self._reception = Reception()
        self._unique = 0
        self._twins: Counter[Found | None] = Counter()
        self._recent: deque[tuple[int, Found]] = deque(maxlen=_TWINS)

    def take(self, taken: Packet, at: float, found: Found | None) -> None:
        """Take a packet that came at an instant."""
        is_twin = found is not None and (taken.timestamp, found) in self._recent
        timed = found is not None and not is_twin
        unique = self._reception.add(taken.sequence, taken.timestamp, at, timed=timed)
        new, self._unique = unique - self._unique, unique
        if new and is_twin:
            self._twins[found] += 1
            new -= 1
        self.counts[found] += new
        self.samples[found] += new * len(taken.payload)
        if found is not None and not is_twin:
            self._recent.append((taken.timestamp, found))
        ahead = (taken.sequence - self.highest) & 0xFFFF
        if self.highest < 0:
            self.highest = taken.sequence
        elif ahead < 0x8000:
            self.highest += ahead

    def received(self) -> Received:
        """Return what came of it all."""
        return self._reception.received()

    def received_of(self, found: Found, sent: int | None) -> Received:
        """Return what came of the packets that are that; `sent` is how many those were, where it is known."""
        others, twins = self._unique - self.counts[found], self._twins[found]
        numbered = self._reception.received()
        whole = numbered if sent is None else self._reception.received(sent + others)
        # What a mixer lacks it fills with silence, numbered like the rest: nobody can tell where.
        hidden = others > 0 and whole.lost > numbered.lost
        return replace(
            whole,
            burst=numbered.burst if hidden else whole.burst,
            packets=whole.packets - others + twins,
            unique=whole.unique - others,
            expected=whole.expected - others,
            duplicates=whole.duplicates + twins,
        )


class Ear:
    """What comes to one port from when its phone began to talk.

    `code` is our own voice, `of` that of the phone that should be heard. Before `began` (CLOCK_MONOTONIC,
    seconds) only the voice that should be heard counts: the kernel keeps what comes to a port that nobody
    reads. Where that is heard, other voices and digits count only of an address that was described, or of an
    address or SSRC that it came from too: anybody may send to a port.
    """

    def __init__(self, code: bytes, hears: Hears, of: bytes | None, began: float) -> None:
        self._best = _BEST[hears]
        self._voices = {code: Found.ECHO} if of is None else {of: _PARTNER[hears], code: Found.ECHO}
        self.began = began
        self._known: dict[int, dict[bytes, Found]] = {PCMU: {}, PCMA: {}}
        self._sources: dict[int, Source] = {}
        self._last: dict[Found, tuple[int, str]] = {}
        self._first: dict[Found, float] = {}
        self._counts: Counter[Found] = Counter()
        self._digits = Digits()
        self._described: set[Address] = set()
        self._right: set[Address | int] = set()  # the addresses and SSRCs of what should be heard
        self._others: Counter[Origin] = Counter()
        self._packets = 0
        self._odd = Oddities()

    @property
    def sources(self) -> dict[int, Source]:
        """The sources that are counted, by their SSRC."""
        return self._sources

    def take(
        self,
        datagram: bytes,
        at: float,
        sender: Address,
        *,
        expected: Address | None,
        payloads: Collection[int],
        events: Collection[int | None],
    ) -> None:
        """Take what came at an instant; `expected`, `payloads` and `events` are as the descriptions say."""
        taken = read(datagram)
        if taken is None:
            self._odd.no_rtp += at >= self.began
            return
        found, number = self._found(taken), taken.payload_type
        if at < self.began and found is not Found.VOICE:
            return
        self._packets += 1
        if sender != expected:
            self._odd.sender(sender)
        elif len(self._described) < MAX_ORIGINS:
            self._described.add(sender)
        if found is self._best[0] and len(self._right) < MAX_ORIGINS:
            self._right.update((sender, taken.source))
        elif found is Found.OTHER:
            origin = (sender, taken.source)
            if origin in self._others or len(self._others) < MAX_ORIGINS or self._is_of_the_call(origin):
                self._others[origin] += 1
        if found is not None:
            self._counts[found] += 1
            if found not in self._first:
                self._first[found] = at
            if number != COMFORT_NOISE:
                self._last[found] = taken.source, NAMES[number]
                if number not in payloads:
                    self._odd.codec(NAMES[number])
                if len(taken.payload) != SAMPLES:
                    self._odd.size(len(taken.payload))
        elif number in events:
            self._digits.take((sender, taken.source), taken.timestamp, taken.payload)
        else:
            self._odd.payload_type(number)
        source = self._sources.get(taken.source) or self._new(taken.source)
        if source is not None:
            source.take(taken, at, found)

    def heard(self, sent: int | None, rtt: float | None, remarks: Collection[str] = ()) -> Heard:
        """Return what came until now; `sent` is how many packets the phone that should be heard has sent."""
        found = next((kind for kind in self._best if self._is_heard(kind)), Found.NOTHING)
        sound = self._samples(Found.SOUND)
        self._odd.too_short = sound if self._best[0] is Found.SOUND and found is not Found.SOUND else 0
        others, digits = self._counts[Found.OTHER], self._digits.of(lambda _: True)
        if found is self._best[0]:
            others, digits, strangers = self._of_the_call()
            remarks = (*strangers, *remarks)
        self._odd.strays = others if others < STRAY else 0
        source, codec = self._last.get(found, (None, ""))
        return Heard(
            found,
            self._received(found, sent),
            codec,
            source,
            others if others >= STRAY else 0,
            rtt,
            digits,
            (*self._odd.lines(), *remarks),
            self._first.get(found),
            packets=self._packets,
        )

    def _of_the_call(self) -> tuple[int, str, list[str]]:
        """Return the packets in other voices and the digits that are of the call, and say what is not."""
        others, strangers = 0, Counter[Address]()
        for origin, count in self._others.items():
            if self._is_of_the_call(origin):
                others += count
            else:
                strangers[origin[0]] += count
        digits = self._digits.of(self._is_of_the_call)
        said = [not_of_the_call(count, address) for address, count in strangers.most_common(3)]
        if strange := self._digits.of(lambda origin: not self._is_of_the_call(origin)):
            said.append(f"the digits {strange} came from an address that is not of this call")
        return others, digits, said

    def _is_of_the_call(self, origin: Origin) -> bool:
        sender, source = origin
        return sender in self._described or sender in self._right or source in self._right

    def _is_heard(self, kind: Found) -> bool:
        if kind is Found.SOUND and self._best[0] is kind:
            return self._samples(kind) >= LEAST_SOUND
        return self._counts[kind] >= (STRAY if kind is Found.OTHER else 1)

    def _samples(self, kind: Found) -> int:
        return sum(source.samples[kind] for source in self._sources.values())

    def _found(self, taken: Packet) -> Found | None:
        """Say what a packet is to who listens."""
        if taken.payload_type == COMFORT_NOISE:
            return Found.SILENCE
        known = self._known.get(taken.payload_type)
        if known is None:
            return None
        found = known.get(taken.payload)
        if found is None:
            found = self._told(taken.payload, taken.payload_type)
            if len(known) >= _MAX_KNOWN:
                known.clear()
            known[taken.payload] = found
        return found

    def _told(self, payload: bytes, payload_type: int) -> Found:
        if is_mislabelled(payload, payload_type):
            return Found.SOUND
        found = next((found for code, found in self._voices.items() if says(payload, code)), None)
        if found is not None:
            return found
        if whose(payload, payload_type) is not None:
            return Found.OTHER
        return Found.SILENCE if is_silent(payload, payload_type) else Found.SOUND

    def _new(self, number: int) -> Source | None:
        """Return the record of a new source; None where there are too many."""
        self._odd.sources += 1
        if len(self._sources) >= MAX_SOURCES:
            useless = (old for old, source in self._sources.items() if not source.counts[self._best[0]])
            old = next(useless, None)
            if old is None:
                self._odd.passed_over += 1
                return None
            del self._sources[old]
        self._sources[number] = Source()
        return self._sources[number]

    def _received(self, found: Found, sent: int | None) -> Received:
        """Return what became of what should be heard; without `sent`, of the best that was."""
        if sent is not None and found is not self._best[0]:
            return Received(expected=sent, lost=sent)
        if found not in _HEARD:
            return _sum([source.received() for source in self._sources.values()], None)
        saying = [source for source in self._sources.values() if source.counts[found]]
        if sent is not None:  # in packets as long as theirs
            unique, samples = sum(source.counts[found] for source in saying), self._samples(found)
            sent = unique + max(0, sent * SAMPLES - samples) * unique // samples if samples else sent
        if len(saying) == 1:
            return saying[0].received_of(found, sent)
        return _sum([source.received_of(found, None) for source in saying], sent)


def _sum(parts: list[Received], sent: int | None) -> Received:
    """Return several sources as one; `sent` is what all of them have sent, where it is known."""
    if not parts:
        return NOTHING
    unique = sum(part.unique for part in parts)
    expected = sum(part.expected for part in parts) if sent is None else max(sent, unique)
    weights = [part.unique / unique if unique else 0.0 for part in parts]
    jitter = sum(part.jitter * weight for part, weight in zip(parts, weights, strict=True))
    return Received(
        packets=sum(part.packets for part in parts),
        unique=unique,
        expected=expected,
        lost=max(0, expected - unique),
        late=sum(part.late for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        reordered=sum(part.reordered for part in parts),
        jitter=jitter,
        jitter_max=max(part.jitter_max for part in parts),
        buffer=buffer_of(jitter),
        burst=sum(part.burst * weight for part, weight in zip(parts, weights, strict=True)) or 1.0,
        restarts=sum(part.restarts for part in parts),
    )
