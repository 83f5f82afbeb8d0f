"""What a direction's packets are worth, worked out from the truth of a relay alone.

Written once more, and in another way, from RFC 3550, ITU-T G.107 and the rule of the jitter buffer, so that
an error of the product is not repeated: nothing of it is used here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import log2
from statistics import fmean, median

from lab.faults.media.truth import Noted, Truth


@dataclass(frozen=True, slots=True)
class Opinion:
    """The right figures of one direction; times are seconds, `lost` and `late` are packets.

    `burst` is of what was lost between the first and the last packet that came.
    """

    sent: int
    lost: int
    late: int
    twice: int
    jitter: float
    burst: float

    @property
    def loss_ratio(self) -> float:
        """The share that was lost on the way."""
        return self.lost / self.sent

    def mos(self, round_trip: float) -> float:
        """The score of G.711 with concealment: Ie 0 and Bpl 25.1 (G.113 Appendix I), without echo."""
        mouth_to_ear_ms = 1000 * (round_trip / 2 + 0.020 + _buffer(self.jitter))
        idd = 0.0
        if mouth_to_ear_ms > 100:
            x = log2(mouth_to_ear_ms / 100)
            idd = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
        percent = 100 * (self.lost + self.late) / self.sent
        r = 93.2 - idd - 95 * percent / (percent / self.burst + 25.1)
        if r <= 0:
            return 1.0
        return max(1.0, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r))


def opinion(truth: Truth) -> Opinion:
    """Work out the figures of a direction. Something of it must have come."""
    came, went = truth.voice(truth.came), _firsts(truth.voice(truth.went))
    through = {packet.sequence for packet in went}
    fates = [packet.sequence in through for packet in came]
    delays = [packet.at - _seconds(packet.timestamp - went[0].timestamp) for packet in went]
    jitter = _jitter(delays)
    return Opinion(
        sent=len(came),
        lost=fates.count(False),
        late=_late(delays, _buffer(jitter)),
        twice=len(truth.voice(truth.went)) - len(went),
        jitter=jitter,
        burst=_burst_ratio(fates[fates.index(True) : len(fates) - fates[::-1].index(True)]),
    )


def _firsts(packets: Sequence[Noted]) -> list[Noted]:
    """The packets in the order in which they were sent on, without what came again."""
    seen: dict[int, Noted] = {}
    for packet in packets:
        seen.setdefault(packet.sequence, packet)
    return list(seen.values())


def _seconds(clock: int) -> float:
    """A difference of timestamps, which go round after 32 bits."""
    return ((clock + 2**31) % 2**32 - 2**31) / 8000


def _jitter(delays: Sequence[float]) -> float:
    """J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16 (RFC 3550 6.4.1), the mean of it after each packet."""
    j, all_of_them = 0.0, []
    for before, after in pairwise(delays):
        j += (abs(after - before) - j) / 16
        all_of_them.append(j)
    return fmean(all_of_them)


def _late(delays: Sequence[float], buffer: float) -> int:
    """Those that come later than the buffer after the median of up to 50 before, and of as many after."""
    beside = (min(50, place, len(delays) - 1 - place) for place in range(len(delays)))
    windows = (delays[place - many : place + many + 1] for place, many in enumerate(beside))
    return sum(delay - median(window) > buffer for delay, window in zip(delays, windows, strict=True))


def _buffer(jitter: float) -> float:
    """Twice the jitter, at least 20 ms and at most 200."""
    return sorted((0.020, 2 * jitter, 0.200))[1]


def _burst_ratio(fates: Sequence[bool]) -> float:
    """1 / (p + q) of Gilbert's model: p of a loss after none, q of none after a loss."""
    runs = sum(not through for through, _ in groupby(fates))
    lost = fates.count(False)
    if not 0 < lost < len(fates):
        return 1.0
    return 1 / (min(1.0, runs / (len(fates) - lost)) + runs / lost)
