"""Why a call was never answered, as few words; pure.

Source: ITU-T Q.850 and Asterisk's include/asterisk/causes.h, whose own 0 is "not set". What the Hangup of the
caller's leg says was measured with PJSIP on 16.28 and 22.10, which don't differ:

- the caller gave up (CANCEL): 127, which PJSIP makes of 487 and of each status that it has no cause for;
- nobody answered until Dial's time was up: 0, and 16 after Hangup(${HANGUPCAUSE}): so both are `no-answer`;
- a phone that refused: 17 (486), 21 (403, 603), 19 (480), 1 (404), 58 (488), 34 (503), 38 (500), 22 (410),
  if the dialplan hands it on by Hangup(${HANGUPCAUSE}); where it just ends, all but 17 and 19 become 34;
- a phone that isn't registered: 3, and 34 where the dialplan just ends.
"""

from typing import Final

CAUSES: Final = (
    "unknown-number",
    "unreachable",
    "busy",
    "no-answer",
    "rejected",
    "congestion",
    "media",
    "cancelled",
    "other",
)
"""All that a Hangup's Cause is folded to."""

_FOLDED: Final = {
    "unknown-number": (1, 2, 3, 5, 22, 28),
    "unreachable": (20, 27, 102),
    "busy": (17,),
    "no-answer": (0, 16, 18, 19),
    "rejected": (21, 29, 50, 52, 54, 57),
    "congestion": (34, 38, 41, 42, 43, 44, 46, 47),
    "media": (58, 65, 66, 79, 88),
    "cancelled": (26, 127),
}
_WORDS: Final = {str(number): word for word, numbers in _FOLDED.items() for number in numbers}


def cause_word(number: str) -> str:
    """Return the word of CAUSES for a Hangup's Cause, "other" for what is no number of the list."""
    return _WORDS.get(number, "other")
