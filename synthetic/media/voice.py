"""A voice that says whose it is, in G.711 samples.

A voice is 80 signs of samples, over and over. The sign is the first bit of a sample in both laws (G.711
tables 1 and 2): it comes through a bridge, a change between the laws and a change of volume, and whatever
renumbers or re-frames the packets, as long as 10 ms of it are in one. 48 of the signs are drawn from the
probe's id and the party's name, 32 are a check of those: so a voice is known for one of ours although nobody
knows whose, and neither a tone nor noise is.
"""

import hashlib
import zlib
from typing import Final

from synthetic.media.packet import read

FRAME: Final = 0.02
"""Seconds of sound in a packet."""
SAMPLES: Final = 160
"""Samples of a packet, at 8000 a second."""
CODE: Final = 80
"""Samples of a voice before it begins again."""
PCMU: Final = 0
PCMA: Final = 8
"""Payload types of the two laws (RFC 3551 6)."""
NAMES: Final = {PCMU: "PCMU", PCMA: "PCMA"}
"""Their names in SDP."""

_LOUD: Final = {PCMU: (b"\x3f", b"\xbf"), PCMA: (b"\x15", b"\x95")}
"""By payload type: a sample of about -2000, and of +2000, of 32768."""
_OF_OTHER: Final = {PCMU: b"".join(_LOUD[PCMA]), PCMA: b"".join(_LOUD[PCMU])}
_SIGNS: Final = bytes(0x31 if value & 0x80 else 0x30 for value in range(256))
_QUIET: Final = {
    PCMU: bytes(sign | 0x70 | 0x0F - size for sign in (0x00, 0x80) for size in range(5)),
    PCMA: bytes((sign | size) ^ 0x55 for sign in (0x00, 0x80) for size in range(2)),
}
"""By payload type: samples of no more than 32 of 32768, 60 dB under full scale."""
_CHECKED: Final = 6
_CHECK_BITS: Final = 32
_ALL: Final = (1 << CODE) - 1
_SALT: Final = zlib.crc32(b"Dialtone")


def voice(probe: str, party: str) -> bytes:
    """Return the voice of a party of a probe: its signs as the characters 0 and 1."""
    drawn = hashlib.sha256(f"{probe} {party}".encode()).digest()[:_CHECKED]
    number = int.from_bytes(drawn) << _CHECK_BITS | zlib.crc32(drawn, _SALT)
    return f"{number:0{CODE}b}".encode()


def spoken(code: bytes, payload_type: int) -> bytes:
    """Return the samples of one packet in a voice."""
    low, high = _LOUD[payload_type]
    return b"".join(high if sign == 0x31 else low for sign in code) * (SAMPLES // CODE)


def says(payload: bytes, code: bytes) -> bool:
    """Whether samples of either law are in that voice, wherever in it they begin."""
    signs = payload.translate(_SIGNS)
    if len(signs) < CODE:
        return False
    turned = code + code
    return signs[:CODE] in turned or signs[-CODE:] in turned


def whose(payload: bytes, payload_type: int) -> bytes | None:
    """Return the voice that samples are in, of whatever call; None where they are in none."""
    if payload_type not in _LOUD or len(payload) < CODE:
        return None
    signs = payload.translate(_SIGNS)
    if _repeats(signs[: 2 * CODE]) and (found := _checked(signs[:CODE])) is not None:
        return found
    if len(signs) > 2 * CODE and _repeats(signs[-2 * CODE :]):
        return _checked(signs[-CODE:])
    return None


def is_silent(payload: bytes, payload_type: int) -> bool:
    """Whether nobody could hear anything of samples: each is next to nothing."""
    return not payload.translate(None, _QUIET[payload_type])


def is_mislabelled(payload: bytes, payload_type: int) -> bool:
    """Whether samples are a voice in the other law than they are said to be: people hear noise."""
    return bool(payload) and not payload.translate(None, _OF_OTHER[payload_type])


def heard(packet: bytes, code: bytes) -> bool:
    """Whether a datagram is RTP in that voice."""
    found = read(packet)
    if found is None or found.payload_type not in _LOUD:
        return False
    return says(found.payload, code) and not is_mislabelled(found.payload, found.payload_type)


def _repeats(signs: bytes) -> bool:
    """Whether the signs could be a voice's: what follows on its end is its beginning."""
    return signs.startswith(signs[CODE:])


def _checked(signs: bytes) -> bytes | None:
    number = int(signs, 2)
    number |= number << CODE
    for by in range(CODE):
        turned = number >> by & _ALL
        drawn = (turned >> _CHECK_BITS).to_bytes(_CHECKED)
        if zlib.crc32(drawn, _SALT) == turned & (1 << _CHECK_BITS) - 1:
            return f"{turned:0{CODE}b}".encode()
    return None
