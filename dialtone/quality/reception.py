"""What became of an RTP stream: loss, order, jitter, and what a jitter buffer would play of it (pure).

Packet by packet, in a memory that does not grow. Loss, order and jitter are RFC 3550's (A.1, A.3, A.8), and
the jitter of a whole stream is the mean of that after each packet. Whether a packet is twice there is told
within the newest WINDOW numbers.

The jitter buffer is modelled: it plays a packet where the usual delay ends, and the buffer's size after it,
and what comes later than that is as good as lost. The size is twice the jitter, 20 ms at least and 200 ms at
most. The usual delay of a packet is the median of its own and of those of up to BESIDE packets before and of
as many after it, in the order in which they came. So neither clocks that drift apart nor a way that changes
for good make packets late, and a stall of less than BESIDE packets does.
"""

from bisect import bisect_left, insort
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from dialtone.quality.emodel import Codec, buffer_of, burst_ratio, delay_of, mos, r_factor

WINDOW: Final = 128
"""Sequence numbers, up to the highest, of which it is known which have come."""
MAX_DROPOUT: Final = 3000
"""So many numbers ahead is no loss but a new beginning (RFC 3550 A.1), if the next number follows."""
MAX_MISORDER: Final = 100
"""So many numbers behind is no packet out of order, but a new beginning too (RFC 3550 A.1)."""
BESIDE: Final = 50
"""The most packets on each side of one that its usual delay is taken of: 1 s of 20 ms each."""
MAX_STEP: Final = 10.0
"""A timestamp further than this from the clock, in seconds, is a new beginning of it and no jitter."""
MAX_LEAP: Final = 0.2
"""So is one further than this, in seconds, where it goes back, or on by more than this for each number."""

_AROUND: Final = 2 * BESIDE + 1
_FINE: Final = 10_000  # delays are counted by tenths of a millisecond
_MOST_DELAY: Final = 20_000  # the counts do not go beyond 2 s of them
_ALL: Final = (1 << WINDOW) - 1
_LEAST: Final = 0.02  # no buffer is smaller


@dataclass(frozen=True, slots=True)
class Received:
    """What came of a stream.

    `packets` is all of them, `unique` each number once, `expected` how many there should be, `lost` those of
    them that never came, `late` those that came too late to be played, `duplicates` and `reordered` packets.
    `jitter` is the mean and `jitter_max` the most of RFC 3550's after each packet, `buffer` the modelled
    buffer's size, in seconds; `burst` is BurstR of the losses that the numbers show (1: at random).
    `restarts` counts new beginnings of the numbers.
    """

    packets: int = 0
    unique: int = 0
    expected: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    reordered: int = 0
    jitter: float = 0.0
    jitter_max: float = 0.0
    buffer: float = 0.0
    burst: float = 1.0
    restarts: int = 0

    @property
    def loss_ratio(self) -> float | None:
        """Lost packets as a share; None where none was expected."""
        return self.lost / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Score:
    """What a stream is worth by the E-model: R, MOS, and the delay from mouth to ear in seconds."""

    r: float
    mos: float
    delay: float


def score(received: Received, codec: Codec, rtt: float | None) -> Score | None:
    """Return the score of what came; `rtt` is in seconds, None counts as none. None where nothing came.

    Losses and what came too late count alike (Ppl of ITU-T G.107), delay is that of delay_of().
    """
    if not received.unique or not received.expected:
        return None
    delay = delay_of(rtt or 0.0, received.jitter, codec)
    gone = min(1.0, (received.lost + received.late) / received.expected)
    burst = max(received.burst, 0.5)
    return Score(r_factor(codec, gone, delay, burst), mos(codec, gone, delay, burst), delay)


class Reception:
    """One stream, of one synchronisation source; `rate` is its clock's, in Hz."""

    def __init__(self, rate: int = 8000) -> None:
        if rate <= 0:
            raise ValueError(f"a clock of {rate} Hz")
        self._rate = rate
        self._packets = 0
        self._unique = 0
        self._expected = 0  # of the numberings before the present one
        self._duplicates = 0
        self._reordered = 0
        self._restarts = 0
        self._base = self._highest = -1
        self._seen = 0
        self._after_new: int | None = None
        self._at = self._transit = 0.0
        self._timestamp: int | None = None
        self._sequence = 0
        self._timed = 0
        self._jitter = self._jitter_sum = self._jitter_max = 0.0
        self._newest: deque[float] = deque()
        self._sorted: list[float] = []
        self._beyond: Counter[int] = Counter()
        self._runs = _Runs()

    def add(self, sequence: int, timestamp: int, at: float, *, timed: bool = True) -> int:
        """Take a packet that came at an instant (seconds, of any clock that goes evenly).

        `timed` is False for one whose timestamp says nothing of when it was sent (a telephone event).
        Returns how many different packets have come.
        """
        self._packets += 1
        if self._is_new(sequence):
            self._unique += 1
            if timed:
                self._time(sequence, timestamp, at)
        return self._unique

    def received(self, sent: int | None = None) -> Received:
        """Return what came until now.

        `sent` is how many packets the sender has sent, where it is known: then what is missing before the
        first and after the last one counts as lost too, and a numbering with gaps does not. How such losses
        come is not known: they are none of `burst`, and it is 1 where the numbers show more than was lost.
        """
        runs = self._runs.copied()
        expected = self._expected
        if self._highest >= 0:
            self._fold(runs)
            expected += self._highest - self._base + 1
        if sent is not None:
            expected = max(sent, self._unique)
        lost = max(0, expected - self._unique)
        jitter = self._jitter_sum / self._timed if self._timed else 0.0
        return Received(
            packets=self._packets,
            unique=self._unique,
            expected=expected,
            lost=lost,
            late=self._late(buffer_of(jitter)),
            duplicates=self._duplicates,
            reordered=self._reordered,
            jitter=jitter,
            jitter_max=self._jitter_max,
            buffer=buffer_of(jitter),
            burst=runs.burst if runs.lost <= lost else 1.0,
            restarts=self._restarts,
        )

    def _is_new(self, sequence: int) -> bool:
        """Take a number; return whether its packet has not come before."""
        if self._highest < 0:
            self._begin(sequence)
            return True
        ahead = (sequence - self._highest) & 0xFFFF
        if ahead < MAX_DROPOUT:
            self._after_new = None
            if ahead == 0:
                self._duplicates += 1
                return False
            self._advance(ahead)
            return True
        behind = 0x10000 - ahead
        if behind > MAX_MISORDER:
            if self._after_new != sequence:
                self._after_new = (sequence + 1) & 0xFFFF
                self._packets -= 1  # belongs to nothing yet
                return False
            self._restart(sequence)
            return True
        if behind < WINDOW and self._seen >> behind & 1:
            self._duplicates += 1
            return False
        self._seen |= 1 << behind
        self._base = min(self._base, self._highest - behind)
        self._reordered += 1
        return True

    def _begin(self, sequence: int) -> None:
        # Room below, so that a packet before the first one has a number too.
        self._base = self._highest = sequence + 0x10000
        self._seen = 1

    def _restart(self, sequence: int) -> None:
        """The one before was the first of another numbering, and this is its second."""
        self._fold(self._runs)
        self._expected += self._highest - self._base + 1
        self._restarts += 1
        self._packets += 1
        self._unique += 1
        self._after_new = None
        self._timestamp = None
        self._begin((sequence - 1) & 0xFFFF)
        self._advance(1)

    def _advance(self, by: int) -> None:
        self._fold(self._runs, min(by, WINDOW))
        if by > WINDOW:
            self._runs.lose(by - WINDOW)
        self._highest += by
        self._seen = (self._seen << by & _ALL) | 1

    def _fold(self, runs: "_Runs", oldest: int = WINDOW) -> None:
        """Tell of the oldest numbers of the window whether they came."""
        for behind in range(WINDOW - 1, WINDOW - 1 - oldest, -1):
            if self._highest - behind >= self._base:
                runs.take(self._seen >> behind & 1)

    def _time(self, sequence: int, timestamp: int, at: float) -> None:
        """Take the delay of a packet, relative to that of the first (RFC 3550 A.8)."""
        if self._timestamp is not None:
            step = _signed(timestamp - self._timestamp, 32) / self._rate
            change = at - self._at - step
            if not _is_anew(change, step, sequence - self._sequence):
                self._timed += 1
                self._jitter += (abs(change) - self._jitter) / 16
                self._jitter_sum += self._jitter
                self._jitter_max = max(self._jitter_max, self._jitter)
                self._transit += change
        self._sequence, self._timestamp, self._at = sequence, timestamp, at
        self._delay(self._transit)

    def _delay(self, transit: float) -> None:
        """Take a delay, and judge the one that now has all its neighbours."""
        newest, ordered = self._newest, self._sorted
        if len(newest) == _AROUND:
            del ordered[bisect_left(ordered, newest.popleft())]
        newest.append(transit)
        insort(ordered, transit)
        middle, odd = divmod(len(newest), 2)
        if odd:
            beyond = newest[middle] - ordered[middle]
            if beyond > _LEAST:
                self._beyond[min(round(beyond * _FINE), _MOST_DELAY)] += 1

    def _late(self, buffer: float) -> int:
        """Count those that came later than the buffer holds; the newest by fewer neighbours."""
        late = sum(count for beyond, count in self._beyond.items() if beyond > buffer * _FINE)
        newest, ordered = list(self._newest), self._sorted
        if not ordered or ordered[-1] - ordered[0] <= buffer:
            return late
        last = len(newest) - 1
        for place in range((len(newest) + 1) // 2, len(newest)):
            around = sorted(newest[2 * place - last :])
            beyond = newest[place] - around[len(around) // 2]
            late += round(beyond * _FINE) > buffer * _FINE
        return late


def _signed(number: int, bits: int) -> int:
    """Return the number of so many bits as one around 0."""
    half = 1 << bits - 1
    return (number + half) % (2 * half) - half


def _is_anew(change: float, step: float, numbers: int) -> bool:
    """Whether a timestamp is of another clock than the one before it, which so many numbers are between.

    `step` is how far apart both are and `change` by how much less than the packets themselves, in seconds. A
    packet that the way holds up is far from the clock too, but its timestamp goes on as its number does.
    """
    if abs(change) <= MAX_LEAP:
        return False
    ahead = _signed(numbers, 16)
    goes_on = 0 <= step / ahead <= MAX_LEAP if ahead else False
    return abs(change) > MAX_STEP or not goes_on


class _Runs:
    """Losses in the order of the numbers, for the Gilbert model."""

    def __init__(self, came: int = 0, lost: int = 0, runs: int = 0, losing: bool = False) -> None:
        self._came, self._lost, self._runs, self._losing = came, lost, runs, losing

    def copied(self) -> "_Runs":
        """Return another one that goes on from here."""
        return _Runs(self._came, self._lost, self._runs, self._losing)

    def take(self, came: int) -> None:
        """Take the next number."""
        if came:
            self._came += 1
            self._losing = False
        else:
            self.lose(1)

    def lose(self, numbers: int) -> None:
        """Take so many numbers that never came."""
        self._lost += numbers
        self._runs += not self._losing
        self._losing = True

    @property
    def lost(self) -> int:
        """The numbers that never came."""
        return self._lost

    @property
    def burst(self) -> float:
        """BurstR: 1 where nothing tells how losses come."""
        if not self._lost or not self._came:
            return 1.0
        return burst_ratio(min(1.0, self._runs / self._came), self._runs / self._lost)
