"""What a call's `media:` is written in: how long, which digits, what score, which codecs.

As in values.py, each function raises ValueError with words for a person.
"""

import re
from collections.abc import Mapping
from typing import Final

from dialtone.config import values
from dialtone.config.problem import quote
from dialtone.model import CODECS

BEST_MOS: Final = 4.4
"""The most that G.711 gets by the E-model, without any loss (R of 93.2, ITU-T G.107)."""

_SHORTEST, _LONGEST = 0.5, 60.0
_DIGITS: Final = re.compile(r"[0-9*#A-D]{1,16}")


def switch(raw: object) -> bool | Mapping[str, object]:
    """Return true, false, or a mapping as it is: media with all its keys."""
    if isinstance(raw, bool | dict):
        return raw
    raise ValueError(f"must be true, false, or a mapping like {{for: 3s}}, not {values.kind_of(raw)}")


def spoken(raw: object) -> float:
    """Return the seconds that both sides speak: half a second to a minute."""
    seconds = values.duration(raw)
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ValueError(f"it must be between {_SHORTEST:g} and {_LONGEST:g} seconds, not {seconds:g}")
    return seconds


def digits(raw: object) -> str:
    """Return what is keyed (RFC 4733 3.2): at most 16 of 0-9, *, # and A-D."""
    found = values.text(raw)
    if not _DIGITS.fullmatch(found.upper()):
        raise ValueError(f"{quote(found)} can't be keyed; use 0-9, *, # and A-D, at most 16")
    return found.upper()


def least_mos(raw: object) -> float:
    """Return an opinion score that a call of G.711 can reach: from 1, which is any, to 4.4."""
    if isinstance(raw, int | float) and raw > BEST_MOS:
        raise ValueError(
            f"{raw:g} is out of reach: G.711 without any loss gets {BEST_MOS:g} (ITU-T G.107); write less"
        )
    return float(values.NumberIn(1, BEST_MOS)(raw))


def codecs(raw: object) -> tuple[str, ...]:
    """Return codecs by their names in SDP, in the order in which they are offered."""
    found: dict[str, None] = {}
    for word in values.words(raw):
        codec = word.upper()
        if codec not in CODECS:
            known = " or ".join(one.lower() for one in CODECS)
            raise ValueError(f"{quote(word)} is not spoken here; use {known} (G.711)")
        if codec in found:
            raise ValueError(f"names {quote(word)} twice; upper and lower case are the same")
        found[codec] = None
    return tuple(found)
