"""What is heard in a probe's calls: what a plan asks for, and what each side got of the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Hears(StrEnum):
    """What a phone of ours must hear in a call.

    `voice` of the other phone of ours; its own, come back (`echo`); anything that is no silence (`sound`).
    """

    VOICE = "voice"
    ECHO = "echo"
    SOUND = "sound"


class Found(StrEnum):
    """What a phone of ours heard, the best first; `other` is the voice of a call that is not this one."""

    VOICE = "voice"
    ECHO = "echo"
    OTHER = "other"
    SOUND = "sound"
    SILENCE = "silence"
    NOTHING = "nothing"


CODECS: Final = ("PCMU", "PCMA")
"""The codecs that phones of ours speak, by their names in SDP (RFC 3551): G.711, mu-law and A-law."""

MEDIA_FIGURES: Final[Mapping[str, str]] = {
    "mos": "Mean opinion score of a direction by the E-model (ITU-T G.107), late packets as lost",
    "loss_ratio": "Packets of a direction that were lost, as a share of those that its speaker sent",
    "jitter": "Interarrival jitter of a direction (RFC 3550), the mean over its packets",
    "rtt": "Round trip time by RTCP (RFC 3550)",
}
"""The figures of a direction that are counted in histograms, and their exact meaning; times are seconds."""

MEDIA_BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    "mos": (2.58, 3.1, 3.6, 4.03, 4.34),
    "loss_ratio": (0.0, 0.01, 0.02, 0.05, 0.1),
    "jitter": (0.005, 0.01, 0.02, 0.05, 0.1),
    "rtt": (0.025, 0.05, 0.1, 0.2, 0.4),
}
"""The upper bounds of those histograms; a value on a bound is under it.

The scores are R of 50, 60, 70, 80 and 90: the steps of satisfaction of ITU-T G.107 Annex B. All are those of
Asterisk's RTP, so that both can be laid side by side.
"""

FAIR_MOS: Final = 3.6
"""Under it many users are dissatisfied (R of 70, ITU-T G.107 Annex B)."""


@dataclass(frozen=True, slots=True)
class MediaPlan:
    """What is spoken and listened for in a call.

    Both sides speak for `seconds`, then each sends the digits of `dtmf` to the other as telephone events
    (RFC 4733), "" for none. `mos` is the least score that each direction must reach, 1 for any. `codecs`
    are offered in that order.
    """

    seconds: float = 2.0
    hears: Hears = Hears.VOICE
    dtmf: str = ""
    mos: float = FAIR_MOS
    codecs: tuple[str, ...] = CODECS


@dataclass(frozen=True, slots=True)
class MediaStream:
    """One direction of a call, as its listener had it.

    `speaker` and `listener` are parties; who is none of ours is "platform". `codec` is what came, "" for
    nothing. `sent` is how many packets the speaker says to have sent, None where nobody told; `received`
    those of them that came, each once; `lost` the others; `late` those that came after the modelled jitter
    buffer had played on; `duplicates` and `reordered` are packets. `jitter` (RFC 3550 6.4.1, the mean over
    the packets), `buffer` (the modelled one's size), `rtt` (by RTCP, RFC 3550 6.4.1; None where no report
    tells), and `delay` (from mouth to ear) are seconds. `burst` is BurstR of ITU-T G.107. `mos` is by the
    E-model, None where nothing right was heard. `digits` are those that came; to a caller the called side
    keys other ones than those of `dtmf`.
    """

    speaker: str
    listener: str
    found: Found
    codec: str = ""
    sent: int | None = None
    received: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    reordered: int = 0
    jitter: float = 0.0
    buffer: float = 0.0
    burst: float = 1.0
    rtt: float | None = None
    delay: float | None = None
    mos: float | None = None
    digits: str = ""

    @property
    def loss_ratio(self) -> float | None:
        """Lost packets as a share, without the late ones; None where nothing could be lost."""
        expected = self.received + self.lost
        return self.lost / expected if expected else None

    @property
    def figures(self) -> dict[str, float]:
        """What of MEDIA_FIGURES it has: of nothing that came there is no jitter."""
        jitter = self.jitter if self.received else None
        every = {"mos": self.mos, "loss_ratio": self.loss_ratio, "jitter": jitter, "rtt": self.rtt}
        return {name: value for name, value in every.items() if value is not None}
