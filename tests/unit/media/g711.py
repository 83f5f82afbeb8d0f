"""G.711 as its tables have it (16 bit), and what platforms do to sound, for tests."""

import math
from collections.abc import Callable, Iterable
from typing import Final

PCMU: Final = 0
PCMA: Final = 8


def _mu(value: int) -> int:
    value ^= 0xFF
    size = ((value & 0x0F) * 8 + 132 << (value >> 4 & 7)) - 132
    return -size if value & 0x80 else size


def _a(value: int) -> int:
    value ^= 0x55
    step, size = value >> 4 & 7, (value & 0x0F) * 16 + 8
    size = size if step == 0 else size + 256 << step - 1
    return size if value & 0x80 else -size


def _nearest(decode: Callable[[int], int]) -> bytes:
    codes = sorted(range(256), key=decode)
    levels = [decode(code) for code in codes]
    table, at = bytearray(65_536), 0
    for sample in range(-32_768, 32_768):
        while at < 255 and abs(levels[at + 1] - sample) <= abs(levels[at] - sample):
            at += 1
        table[sample & 0xFFFF] = codes[at]
    return bytes(table)


_DECODED: Final = {PCMU: [_mu(code) for code in range(256)], PCMA: [_a(code) for code in range(256)]}
_ENCODED: Final = {PCMU: _nearest(_mu), PCMA: _nearest(_a)}


def decoded(payload: bytes, law: int) -> list[int]:
    """Return samples of 16 bit."""
    return [_DECODED[law][code] for code in payload]


def encoded(samples: Iterable[float], law: int) -> bytes:
    """Return the payload of samples, those out of range cut off."""
    return bytes(_ENCODED[law][max(-32_768, min(32_767, round(sample))) & 0xFFFF] for sample in samples)


def tone(hertz: float, level: float, samples: int, phase: float = 0.0) -> list[float]:
    """Return a sine of that amplitude, at 8000 samples a second."""
    return [level * math.sin(2 * math.pi * hertz * at / 8000 + phase) for at in range(samples)]
