"""Rollups as bytes, and back: an hour of a call's results is some 200 bytes, a quarter of its JSON (pure).

A rollup is FORMAT, then four lists, each its length and its entries in order:

    outcomes    outcome, failure code, count
    confirming  outcome, count
    timings     name, histogram
    media       listener, name, histogram

A histogram is how many bins have something, for each of them the step from the one before it (the first: from
bin 0) times 8 plus the count, or plus 0 where that is over 7 and follows; then, in billionths, the sum, the
least value, and how much greater the greatest is. Numbers are LEB128, those that may be negative in zigzag;
words are their number in _WORDS from 1 on, or 0, their length and their UTF-8.
"""

from collections.abc import Mapping
from typing import Final

from dialtone.model import LOG_BOUNDS, LogHistogram, Outcome, Rollup, billionths

FORMAT: Final = 1
"""Another order of words, or other bounds of bins, are another format."""

_BILLION: Final = 1_000_000_000

_WORDS: Final = (
    *("", "pass", "fail", "inconclusive", "timeout", "rrd", "srd", "sdd", "sdt", "pdd"),
    *("options_delay", "binding_delay", "presence_delay", "transfer_delay", "notify_delay"),
    *(
        "http_first_byte",
        "http_duration",
        "caller",
        "callee",
        "platform",
        "mos",
        "loss_ratio",
        "jitter",
        "rtt",
    ),
)
"""The words that are written most, forever at their places; new ones come at the end."""

_PLACES: Final[Mapping[str, int]] = {word: place for place, word in enumerate(_WORDS, start=1)}


def pack(rollup: Rollup) -> bytes:
    """Return what a rollup holds but its key and start; equal rollups are equal bytes."""
    out = bytearray((FORMAT,))
    outcomes = sorted((outcome, code, n) for (outcome, code), n in rollup.outcomes.items() if n)
    confirming = sorted((outcome, n) for outcome, n in rollup.confirming.items() if n)
    _put(out, len(outcomes))
    for outcome, code, count in outcomes:
        _put_word(out, outcome)
        _put_word(out, code)
        _put(out, count)
    _put(out, len(confirming))
    for outcome, count in confirming:
        _put_word(out, outcome)
        _put(out, count)
    _put(out, len(rollup.timings))
    for name, histogram in sorted(rollup.timings.items()):
        _put_word(out, name)
        _put_histogram(out, histogram)
    _put(out, len(rollup.media))
    for (listener, name), histogram in sorted(rollup.media.items()):
        _put_word(out, listener)
        _put_word(out, name)
        _put_histogram(out, histogram)
    return bytes(out)


def unpack(data: bytes, into: Rollup) -> Rollup:
    """Put what the bytes hold into an empty rollup, and return it.

    Raises ValueError or LookupError for bytes that are no rollup of this format.
    """
    if not data or data[0] != FORMAT:
        raise ValueError("is no rollup of this version's format")
    source = _Bytes(data, 1)
    for _ in range(source.number()):
        place = Outcome(source.word()), source.word()
        into.outcomes[place] = source.number()
    for _ in range(source.number()):
        outcome = Outcome(source.word())
        into.confirming[outcome] = source.number()
    for _ in range(source.number()):
        name = source.word()
        into.timings[name] = source.histogram()
    for _ in range(source.number()):
        figure = source.word(), source.word()
        into.media[figure] = source.histogram()
    if source.at != len(data):
        raise ValueError("holds more than a rollup")
    return into


def _put(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _put_signed(out: bytearray, number: int) -> None:
    _put(out, 2 * number if number >= 0 else -2 * number - 1)


def _put_word(out: bytearray, word: str) -> None:
    place = _PLACES.get(word, 0)
    _put(out, place)
    if not place:
        text = word.encode("utf-8", "replace")
        _put(out, len(text))
        out += text


def _put_histogram(out: bytearray, histogram: LogHistogram) -> None:
    bins, before = list(histogram.nonzero()), 0
    _put(out, len(bins))
    for bin_, count in bins:
        _put(out, (bin_ - before) << 3 | (count if count <= 7 else 0))
        if count > 7:
            _put(out, count)
        before = bin_
    if histogram.least is not None and histogram.most is not None:
        least = billionths(histogram.least)
        _put_signed(out, histogram.total)
        _put_signed(out, least)
        _put(out, billionths(histogram.most) - least)


class _Bytes:
    """Bytes that are read from `at` on. Past their end they raise IndexError."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self.at = at

    def number(self) -> int:
        data, at = self._data, self.at
        byte = data[at]
        at += 1
        found, shift = byte & 0x7F, 7
        while byte > 0x7F:
            byte = data[at]
            at += 1
            found |= (byte & 0x7F) << shift
            shift += 7
        self.at = at
        return found

    def signed(self) -> int:
        number = self.number()
        return -(number + 1 >> 1) if number & 1 else number >> 1

    def word(self) -> str:
        place = self.number()
        if place:
            return _WORDS[place - 1]
        size = self.number()
        text = self._data[self.at : self.at + size]
        if len(text) < size:
            raise IndexError("ends within a word")
        self.at += size
        return text.decode("utf-8")

    def histogram(self) -> LogHistogram:
        found, bin_ = LogHistogram(), 0
        size = self.number()
        for _ in range(size):
            step = self.number()
            bin_ += step >> 3
            if bin_ > len(LOG_BOUNDS):
                raise ValueError("counts in a bin that there is not")
            found.bins[bin_] = step & 7 or self.number()
        if size:
            found.total, least = self.signed(), self.signed()
            found.least, found.most = least / _BILLION, (least + self.number()) / _BILLION
        return found
