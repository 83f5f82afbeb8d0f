"""What a phone of ours has heard on its media port, and what came of its own speaking (pure)."""

from dataclasses import dataclass
from typing import Final

from dialtone.model import Found
from dialtone.quality import Received

NOTHING: Final = Received()


@dataclass(frozen=True, slots=True)
class Heard:
    """What came to a media port since its phone began to talk.

    `found` is the best of what was heard, and `received` is about the packets of that (of `other` and worse:
    about all that came). Where it is known how many should have come, it is about those alone: all are lost
    where something else was heard. `codec` is theirs by its name in SDP, `source` their last SSRC. `others`
    counts packets in the voice of another call. `rtt` is the round trip time to whoever reports by RTCP on
    what we send, in seconds, and `reporter` is their SSRC, None where that is no phone of ours. `digits` are
    the telephone events that came to an end (RFC 4733). `remarks` are lines for a person: an unexpected
    source, a payload type that was not agreed, a change of SSRC. `first` is when the first packet of what was
    found came (CLOCK_MONOTONIC, seconds). `packets` counts the RTP packets that came, whatever was in them,
    and `dropped` those that our own kernel dropped since the talk began.
    """

    found: Found
    received: Received = NOTHING
    codec: str = ""
    source: int | None = None
    others: int = 0
    rtt: float | None = None
    digits: str = ""
    remarks: tuple[str, ...] = ()
    first: float | None = None
    reporter: int | None = None
    packets: int = 0
    dropped: int = 0
