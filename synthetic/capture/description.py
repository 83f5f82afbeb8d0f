"""Session descriptions of a capture (RFC 4566): where audio was to go, and what its payload types mean."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NamedTuple

from dialtone.quality import G711_PLC, G729, G7231, GSM_EFR, OPUS, Codec
from synthetic.capture.records import Address

MAX_LINES: Final = 400
MAX_SECTIONS: Final = 16
MAX_CANDIDATES: Final = 16
MAX_ADDRESSES: Final = 40_000
"""So many described addresses are known at once; of more, the oldest are forgotten."""
MAX_USES: Final = 8
"""So many calls in a row are known of one address."""
_SLACK: Final = 0.5
"""Seconds that RTP may be seen before the description that it follows."""

_MEDIA: Final = re.compile(r"m=audio ([0-9]{1,5})(?:/[0-9]{1,5})? (\S{1,32})((?: [0-9]{1,3}){1,128})\s*")
_CONNECTION: Final = re.compile(r"c=IN IP[46] ([0-9A-Fa-f:.]{1,64})(?:/[0-9/]{1,8})?\s*")
_CANDIDATE: Final = re.compile(
    r"a=candidate:\S{1,32} 1 [Uu][Dd][Pp] [0-9]{1,10} ([0-9A-Fa-f:.]{1,64}) ([0-9]{1,5}) typ .*"
)
"""Of RTP over UDP (RFC 8839 5.1)."""
_MAP: Final = re.compile(r"a=rtpmap:([0-9]{1,3}) ([A-Za-z0-9._-]{1,32})/([0-9]{1,6})(?:/.*)?\s*")


class Coding(NamedTuple):
    """What a payload type means: the name in SDP, and the clock of its timestamps in Hz."""

    name: str
    rate: int

    @property
    def codec(self) -> Codec | None:
        """How the E-model rates it; None where it has no values for it."""
        return _RATED.get(self.name.upper()) if self.is_speech else None

    @property
    def is_speech(self) -> bool:
        """Whether it is neither a telephone event (RFC 4733) nor comfort noise (RFC 3389)."""
        return self.name.lower() not in ("telephone-event", "cn", "tone")


STATIC: Final[Mapping[int, Coding]] = {
    0: Coding("PCMU", 8000),
    3: Coding("GSM", 8000),
    4: Coding("G723", 8000),
    5: Coding("DVI4", 8000),
    6: Coding("DVI4", 16000),
    7: Coding("LPC", 8000),
    8: Coding("PCMA", 8000),
    9: Coding("G722", 8000),
    10: Coding("L16", 44100),
    11: Coding("L16", 44100),
    12: Coding("QCELP", 8000),
    13: Coding("CN", 8000),
    14: Coding("MPA", 90000),
    15: Coding("G728", 8000),
    16: Coding("DVI4", 11025),
    17: Coding("DVI4", 22050),
    18: Coding("G729", 8000),
}
"""Audio payload types that need no description (RFC 3551 6)."""
_RATED: Final[Mapping[str, Codec]] = {
    "PCMU": G711_PLC,
    "PCMA": G711_PLC,
    "G729": G729,
    "G723": G7231,
    "GSM-EFR": GSM_EFR,
    "OPUS": OPUS,
}


@dataclass(frozen=True, slots=True)
class Audio:
    """A section of audio: where RTP was to go, and its payload types beyond or instead of STATIC."""

    address: Address
    codings: Mapping[int, Coding] = field(default_factory=dict)


class Use(NamedTuple):
    """A call describes an address: since when, and what payload types mean there."""

    at: float
    call_id: str
    codings: Mapping[int, Coding]


class Described:
    """The addresses that calls have described, and what payload types mean there."""

    def __init__(self) -> None:
        self._uses: OrderedDict[Address, list[Use]] = OrderedDict()

    def add(self, audio: Audio, call_id: str, at: float) -> None:
        """Take a description of a call."""
        uses = self._uses.setdefault(audio.address, [])
        self._uses.move_to_end(audio.address)
        if uses and uses[-1].call_id == call_id:
            uses[-1] = Use(uses[-1].at, call_id, {**uses[-1].codings, **audio.codings})
        else:
            uses.append(Use(at, call_id, audio.codings))
            del uses[:-MAX_USES]
        if len(self._uses) > MAX_ADDRESSES:
            self._uses.popitem(last=False)

    def use(self, address: Address, at: float) -> Use | None:
        """Return the call that had an address at an instant."""
        return next((use for use in reversed(self._uses.get(address, ())) if use.at <= at + _SLACK), None)

    def coding(self, source: Address, destination: Address, payload_type: int, at: float) -> Coding | None:
        """Return what a payload type means to the receiver, else to the sender (RFC 3264 5.1)."""
        for address in (destination, source):
            use = self.use(address, at)
            if use is not None and payload_type in use.codings:
                return use.codings[payload_type]
        return STATIC.get(payload_type)


def audio_of(body: str) -> list[Audio]:
    """Return the audio that a message's body describes; nothing for another body, or media refused by port 0.

    Candidates of ICE are addresses as the described one is.
    Bodies of several parts are looked through for their lines alike.
    """
    if "m=audio" not in body:
        return []
    found: list[Audio] = []
    session = connection = ""
    port = -1  # before the first section
    codings: dict[int, Coding] = {}
    candidates: list[Address] = []

    def close() -> None:
        if port <= 0:
            return
        named = [_address(connection, port), *candidates]
        found.extend(Audio(address, codings) for address in dict.fromkeys(filter(None, named)))

    for raw in body.split("\n", MAX_LINES)[:MAX_LINES]:
        line = raw.rstrip("\r")
        if line.startswith("m="):
            close()
            if len(found) >= MAX_SECTIONS:
                return found
            media = _MEDIA.fullmatch(line)
            port, connection, codings = (int(media[1]) if media is not None else 0), session, {}
            candidates = []
        elif named := _CONNECTION.fullmatch(line):
            connection = named[1]
            session = session if port >= 0 else connection
        elif (offered := _CANDIDATE.fullmatch(line)) and len(candidates) < MAX_CANDIDATES:
            if (address := _address(offered[1], int(offered[2]))) is not None:
                candidates.append(address)
        elif (mapped := _MAP.fullmatch(line)) and int(mapped[1]) < 128 and int(mapped[3]):
            codings[int(mapped[1])] = Coding(mapped[2], int(mapped[3]))
    close()
    return found


def _address(host: str, port: int) -> Address | None:
    try:
        return (str(ip_address(host)), port) if port < 65536 else None
    except ValueError:
        return None
