"""`media:` of a call probe -> what is spoken and listened for; what contradicts the call is refused."""

from collections.abc import Mapping
from typing import Final

from dialtone.config.problem import Where
from dialtone.config.report import Report
from dialtone.config.schema import MediaEntry
from dialtone.model import Hears, MediaPlan

DIGIT: Final = 0.16
"""Seconds that a digit takes: its tone and the pause after it."""
AROUND: Final = 3.0
"""Seconds that a call with media needs besides: to be set up, for what is still on its way, to end."""


def read_media(
    report: Report, where: Where, raw: bool | Mapping[str, object], *, by_platform: bool
) -> MediaPlan | None:
    """Return what is written there; None is a call without media, or problems that are noted.

    `by_platform` says whether the platform answers, so that no second phone of ours is in the call.
    """
    if raw is False:
        return None
    entry = report.take(MediaEntry, {} if raw is True else raw, where)
    if entry is None:
        return None
    usual = Hears.SOUND if by_platform else Hears.VOICE
    hears = Hears(entry.hears) if entry.hears is not None else usual
    if by_platform and hears is Hears.VOICE:
        report.problem(
            (*where, "hears"),
            "the platform answers this call, and has no voice of ours; write sound, or echo where it sends "
            "back what it hears",
        )
    elif not by_platform and hears is not Hears.VOICE:
        report.problem(
            (*where, "hears"),
            f"{hears} is for a call that the platform answers (`answered_by: platform`); between phones of "
            "ours write voice, or take it out",
        )
    elif entry.dtmf and hears is Hears.SOUND:
        report.problem(
            (*where, "dtmf"), "nobody would send the digits back; write `hears: echo`, or take them out"
        )
    return MediaPlan(entry.seconds, hears, entry.dtmf, entry.mos, entry.codecs)


def needed(media: MediaPlan, ring: float, hold: float) -> float:
    """Return the seconds that a call with media needs; `ring` and `hold` are its own."""
    return round(ring + max(hold, media.seconds) + len(media.dtmf) * DIGIT + AROUND, 3)
