"""What both sides of a call have heard -> what became of each direction, and whether that is right (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from dialtone.model import Failure, FailureCode, Found, Hears, MediaPlan, MediaStream
from dialtone.quality import G711_PLC, score
from synthetic.media.heard import Heard

PLATFORM: Final = "platform"
"""Who speaks to a side of ours where no other one is in the call."""

_WORST_FIRST: Final = (
    FailureCode.CROSSED_MEDIA,
    FailureCode.NO_MEDIA,
    FailureCode.ONE_WAY_MEDIA,
    FailureCode.NO_DTMF,
    FailureCode.POOR_MEDIA,
    FailureCode.OVERLOADED,
)
_RIGHT: Final = {
    Hears.VOICE: {Found.VOICE},
    Hears.ECHO: {Found.ECHO},
    Hears.SOUND: {Found.VOICE, Found.SOUND},
}
_INSTEAD: Final = {
    Found.VOICE: "in the other side's voice",
    Found.ECHO: "in its own voice",
    Found.OTHER: "in a voice that is not of this call",
    Found.SOUND: "of some other sound",
    Found.SILENCE: "all silence",
    Found.NOTHING: "none of them sound",
}
HELD: Final = 15
"""Frames of a voice, 0.3 s of it, that may have nowhere to go: a re-INVITE takes that long to be answered."""
_FRAMES: Final = 50
"""Packets of a voice in a second."""
_ENDS: Final = 3
"""Packets of a digit that say that it has ended: any one of them makes the digit (RFC 4733 2.5.1.4)."""
_MAX_REMARKS: Final = 400


@dataclass(frozen=True, slots=True)
class Side:
    """One side of ours, once it has talked.

    `source` is the SSRC of what it sent and `sent` the packets of its voice; None where that can't be told,
    as of a call that was ended meanwhile. `undialled` is why it could not send its digits, "" where it did.
    `unsent` counts the frames of its voice that had nowhere to go.
    """

    party: str
    source: int
    sent: int | None
    heard: Heard
    undialled: str = ""
    unsent: int = 0


class Sender(Protocol):
    """Who sends packets of its voice."""

    @property
    def sent(self) -> int | None:
        """How many."""


def keyed_back(digits: str) -> str:
    """Return what the called side keys: other digits than the caller, so that none are taken for its own.

    They are the caller's backwards, or moved on by one where that is the same; of one digit alone, another.
    """
    turned = next((way for way in (digits[::-1], digits[1:] + digits[:1]) if way != digits), "")
    return turned or ("2" if digits[:1] == "1" else "1") * len(digits)


def sent_to(hears: Hears, listener: Sender, speaker: Sender | None) -> int | None:
    """Return how many packets should have come to a side, None where nobody can tell."""
    if hears is Hears.ECHO:
        return listener.sent
    return speaker.sent if speaker is not None and hears is Hears.VOICE else None


def streams(plan: MediaPlan, sides: Sequence[Side]) -> tuple[MediaStream, ...]:
    """Return each direction of a call that one or two sides of ours were in, by its listener."""
    return tuple(_stream(plan, listener, speaker) for listener, speaker in _pairs(sides))


def verdict(plan: MediaPlan, sides: Sequence[Side]) -> Failure | None:
    """Return what is wrong with a call, the worst of it first; None where all is right."""
    causes = sorted(_causes(plan, sides), key=lambda cause: _WORST_FIRST.index(cause.code))
    if not causes:
        return None
    remarks = [f"{side.party}: {remark}" for side in sides for remark in side.heard.remarks]
    explained = "; ".join(remarks)[:_MAX_REMARKS]
    said = [cause.detail for cause in causes] + ([explained] if explained else [])
    return Failure(causes[0].code, "; ".join(said))


def is_right(hears: Hears, heard: Heard) -> bool:
    """Whether a side hears what it should."""
    return heard.found in _RIGHT[hears]


def _pairs(sides: Sequence[Side]) -> Iterator[tuple[Side, Side | None]]:
    """Yield each side with the one that it should hear, None for the platform."""
    for listener in sides:
        yield listener, next((side for side in sides if side is not listener), None)


def _stream(plan: MediaPlan, listener: Side, speaker: Side | None) -> MediaStream:
    heard, received, rtt = listener.heard, listener.heard.received, _round_trip(listener, speaker)
    scored = score(received, G711_PLC, rtt) if is_right(plan.hears, heard) else None
    return MediaStream(
        speaker=PLATFORM if speaker is None else speaker.party,
        listener=listener.party,
        found=heard.found,
        codec=heard.codec,
        sent=sent_to(plan.hears, listener, speaker),
        received=received.unique,
        lost=received.lost,
        late=received.late,
        duplicates=received.duplicates,
        reordered=received.reordered,
        jitter=received.jitter,
        buffer=received.buffer,
        burst=received.burst,
        rtt=rtt,
        delay=None if scored is None else scored.delay,
        mos=None if scored is None else scored.mos,
        digits=heard.digits,
    )


def _round_trip(listener: Side, speaker: Side | None) -> float | None:
    """Return the round trip between two sides: of both hops, where something in between reports to each.

    A bridge may pass RTP on as it is, with the speaker's SSRC, and answer RTCP itself all the same.
    """
    own = listener.heard.rtt
    if speaker is None or listener.heard.reporter == speaker.source:
        return own
    other = speaker.heard.rtt
    return None if own is None or other is None else own + other


def _causes(plan: MediaPlan, sides: Sequence[Side]) -> Iterator[Failure]:
    deaf = [side for side, speaker in _pairs(sides) if _is_deaf(plan, side, speaker)]
    for listener, speaker in _pairs(sides):
        keyed = keyed_back(plan.dtmf) if listener is sides[0] and speaker is not None else plan.dtmf
        dropped = listener.heard.dropped
        if _is_crossed(listener.heard):
            yield Failure(FailureCode.CROSSED_MEDIA, _crossed(listener))
        elif listener in deaf:
            one_way = len(deaf) < len(sides)
            code = FailureCode.ONE_WAY_MEDIA if one_way else FailureCode.NO_MEDIA
            cause = Failure(code, _unheard(plan, listener, speaker))
            held = _held(plan, listener, speaker) > HELD
            yield _ours(listener, cause, not held and dropped >= _due(plan, listener, speaker))
        elif (stream := _stream(plan, listener, speaker)).mos is not None and stream.mos < plan.mos:
            cause = Failure(FailureCode.POOR_MEDIA, _poor(plan, stream))
            yield _ours(listener, cause, _would_do(plan, listener.heard, stream.rtt))
        if listener not in deaf and (lacking := _lacking(plan, listener, speaker, keyed)):
            short = len(plan.dtmf) - len(listener.heard.digits)
            cause = Failure(FailureCode.NO_DTMF, lacking)
            yield _ours(listener, cause, short > 0 and dropped >= _ENDS * short)


def _ours(listener: Side, cause: Failure, explained: bool) -> Failure:
    """Return a cause, as our own machine's where the packets that it dropped can explain it."""
    dropped = listener.heard.dropped
    if not dropped or not explained:
        return cause
    said = f"this machine dropped {dropped} packets that came to the {listener.party}, its buffer was full"
    return Failure(FailureCode.OVERLOADED, f"{said}; without that: {cause.code}: {cause.detail}")


def _due(plan: MediaPlan, listener: Side, speaker: Side | None) -> int:
    """Return how many packets a side should have got; where nobody tells, as many as the plan's time has."""
    sent = sent_to(plan.hears, listener, speaker)
    return round(plan.seconds * _FRAMES) if sent is None else sent


def _would_do(plan: MediaPlan, heard: Heard, rtt: float | None) -> bool:
    """Whether a direction reached its score if what our machine dropped had been of it."""
    received = heard.received
    scored = score(replace(received, lost=max(0, received.lost - heard.dropped)), G711_PLC, rtt)
    return scored is not None and scored.mos >= plan.mos


def _is_deaf(plan: MediaPlan, listener: Side, speaker: Side | None) -> bool:
    return not is_right(plan.hears, listener.heard) or _held(plan, listener, speaker) > HELD


def _held(plan: MediaPlan, listener: Side, speaker: Side | None) -> int:
    """Return how many frames for a side had nowhere to go; of a platform's sound nobody knows."""
    if plan.hears is Hears.SOUND:
        return 0
    return (listener if speaker is None else speaker).unsent


def _is_crossed(heard: Heard) -> bool:
    return heard.found is Found.OTHER or heard.others > 0


def _crossed(listener: Side) -> str:
    heard = listener.heard
    packets = heard.others or heard.packets
    beside = "" if heard.found is Found.OTHER else f" beside {heard.received.unique} that should"
    return (
        f"the {listener.party} hears a voice that is not of this call: {packets} packets of it came{beside}"
    )


def _unheard(plan: MediaPlan, listener: Side, speaker: Side | None) -> str:
    who = PLATFORM if speaker is None else speaker.party
    if (unsent := _held(plan, listener, speaker)) > HELD:
        sender = listener if speaker is None else speaker
        of = "" if sender.sent is None else f" of {sender.sent + unsent}"
        return (
            f"the {sender.party} was held by the platform, or sent where no route is, for {unsent}{of} frames"
        )
    what = {
        Hears.VOICE: f"does not hear the {who}",
        Hears.ECHO: "does not hear its own voice come back",
        Hears.SOUND: f"hears no sound of the {who}",
    }[plan.hears]
    packets = listener.heard.packets
    if plan.hears is Hears.SOUND and listener.heard.found is Found.ECHO:
        what = "hears its own voice come back"
    came = f"{packets} packets came, {_INSTEAD[listener.heard.found]}" if packets else "no packet came"
    sent = sent_to(plan.hears, listener, speaker)
    return f"the {listener.party} {what}: {'' if sent is None else f'{sent} packets were sent, '}{came}"


def _poor(plan: MediaPlan, stream: MediaStream) -> str:
    lost, expected = stream.lost, stream.received + stream.lost
    return (
        f"the {stream.listener} hears the {stream.speaker} with a MOS of {stream.mos:.2f}, under"
        f" {plan.mos:g}: of {expected} packets {lost} were lost ({lost / expected:.1%}) and {stream.late}"
        f" came too late, jitter {stream.jitter * 1000:.1f} ms,"
        f" delay {(stream.delay or 0.0) * 1000:.0f} ms"
    )


def _lacking(plan: MediaPlan, listener: Side, speaker: Side | None, digits: str) -> str:
    """Return which of the digits did not come to a side as they should, "" where all did."""
    sender = listener if speaker is None else speaker
    if not digits:
        return ""
    if sender.undialled:
        return f"the {sender.party} can't send the digits {digits}: {sender.undialled}"
    if plan.hears is Hears.SOUND or listener.heard.digits == digits:
        return ""
    got = f"only {listener.heard.digits}" if listener.heard.digits else "nothing"
    back = " back" if speaker is None else ""
    return f"the {sender.party} sent the digits {digits}, and to the {listener.party} came {got}{back}"
