"""The E-model (ITU-T G.107), its defaults, without echo: from loss and delay to an opinion score (pure).

Of everything that G.107 knows, only what a network does is taken in: R = 93.2 - Idd - Ie,eff. It is the
narrowband scale, on which no call gets more than 4.41. Seconds everywhere; a loss is a share from 0 to 1.
"""

import math
from dataclasses import dataclass
from typing import Final

BEST_R: Final = 93.2
"""G.107's R of a call without loss, delay and coding, by its defaults of 2000 and later."""

_LEAST_BUFFER, _MOST_BUFFER = 0.02, 0.2
_LEAST_BURST: Final = 0.5  # p + q of the Gilbert model is 2 at most


@dataclass(frozen=True, slots=True)
class Codec:
    """A way of coding speech, as G.113 Appendix I rates it.

    `ie` is its impairment without loss, `bpl` its robustness against loss. `frame` is the speech in one
    packet and `lookahead` what it waits for beyond that, in seconds.
    """

    name: str
    ie: float
    bpl: float
    frame: float = 0.02
    lookahead: float = 0.0


G711: Final = Codec("G.711", 0, 4.3)
G711_PLC: Final = Codec("G.711 with PLC", 0, 25.1)
"""With concealment of lost packets (G.711 Appendix I), which nearly every phone has."""
G7231: Final = Codec("G.723.1+VAD 6.3k", 15, 16.1, frame=0.03, lookahead=0.0075)
G729: Final = Codec("G.729A+VAD", 11, 19, lookahead=0.005)
GSM_EFR: Final = Codec("GSM-EFR", 5, 10)
OPUS: Final = Codec("Opus", 0, 25.1, lookahead=0.0065)
"""Not the ITU's: it has no value for Opus. Ours takes it for G.711 with PLC, with the delay of RFC 6716."""

CODECS: Final = (G711, G711_PLC, G7231, G729, GSM_EFR, OPUS)


def mos(codec: Codec, loss_ratio: float, delay: float, burst: float = 1.0) -> float:
    """Return the mean opinion score, from 1 to 4.5. Raises ValueError as r_factor() does."""
    return mos_of_r(r_factor(codec, loss_ratio, delay, burst))


def r_factor(codec: Codec, loss_ratio: float, delay: float, burst: float = 1.0) -> float:
    """Return R: 93.2 at best, under 0 at worst.

    `loss_ratio` is the share of packets that are lost or come too late to be played, `delay` goes from mouth
    to ear, `burst` is BurstR: 1 for losses at random, see burst_ratio(). Raises ValueError for a ratio
    outside 0 to 1, a delay under 0, a burst under 0.5, and for anything that is not finite.
    """
    return BEST_R - delay_impairment(delay) - loss_impairment(codec, loss_ratio, burst)


def delay_impairment(delay: float) -> float:
    """Return Idd, from 0 (up to 100 ms) to 50. Raises ValueError as r_factor() does."""
    if not 0 <= delay < math.inf:
        raise ValueError(f"a delay of {delay} s")
    if delay <= 0.1:
        return 0.0
    x = math.log2(delay) + math.log2(10)  # delay / 0.1 would be infinite for the longest that there are
    return 25 * (_bent(x) - 3 * _bent(x / 3) + 2)


def _bent(x: float) -> float:
    return math.pow(1 + x**6, 1 / 6)


def loss_impairment(codec: Codec, loss_ratio: float, burst: float = 1.0) -> float:
    """Return Ie,eff, from the codec's Ie to 95. Raises ValueError as r_factor() does."""
    if not 0 <= loss_ratio <= 1:
        raise ValueError(f"a loss ratio of {loss_ratio}")
    if not _LEAST_BURST <= burst < math.inf:
        raise ValueError(f"a burst ratio of {burst}")
    percent = 100 * loss_ratio  # G.107's Ppl is in percent
    return codec.ie + (95 - codec.ie) * percent / (percent / burst + codec.bpl)


def burst_ratio(p: float, q: float) -> float:
    """Return BurstR of the Gilbert model: `p` is the chance of a loss after none, `q` that of none after one.

    Raises ValueError where they are no chances, or both are 0: then nothing says how losses come.
    """
    if not (0 <= p <= 1 and 0 <= q <= 1 and p + q > 0):
        raise ValueError(f"the chances {p} and {q}")
    return 1 / (p + q)


def mos_of_r(r: float) -> float:
    """Return the mean opinion score of an R, from 1 to 4.5 however far R goes. Raises ValueError for NaN."""
    if math.isnan(r):
        raise ValueError("R is not a number")
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def delay_of(rtt: float, jitter: float, codec: Codec) -> float:
    """Return the delay from mouth to ear over a network with this round trip time and RFC 3550 jitter.

    Half the round trip, a packet's speech, the lookahead, and a jitter buffer of twice the jitter, 20 ms at
    least and 200 ms at most: a packet that comes later than that is as good as lost, which is not counted
    here. Raises ValueError for what is under 0 or not finite.
    """
    if not (0 <= rtt < math.inf and 0 <= jitter < math.inf):
        raise ValueError(f"a round trip of {rtt} s, a jitter of {jitter} s")
    return rtt / 2 + codec.frame + codec.lookahead + buffer_of(jitter)


def buffer_of(jitter: float) -> float:
    """Return the size of the jitter buffer that is modelled: twice the jitter, from 0.02 to 0.2, seconds."""
    return min(max(2 * jitter, _LEAST_BUFFER), _MOST_BUFFER)
