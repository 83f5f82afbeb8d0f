"""Session descriptions of a phone (RFC 4566, RFC 3264): G.711 both ways, over a port that is really bound."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Protocol

from synthetic.address import Address

_CODECS: Final = {0: "PCMU/8000", 8: "PCMA/8000"}
_MEDIA: Final = re.compile(r"m=(\S{1,32}) ([0-9]{1,5})(?:/[0-9]{1,5})? (\S{1,32})((?: \S{1,32}){1,128})\s*")
"""As many formats as there are payload types: a server that offers all it knows names over 32."""
_CONNECTION: Final = re.compile(r"c=IN IP[46] ([0-9A-Fa-f:.]{1,64})(?:/[0-9/]{1,8})?\s*")
_DIRECTIONS: Final = {
    "a=sendrecv": "sendrecv",
    "a=sendonly": "recvonly",
    "a=recvonly": "sendonly",
    "a=inactive": "inactive",
}
"""What the other side does, and what we do then (RFC 3264 6.1)."""
_MAX_SECTIONS: Final = 16
_MAX_LINES: Final = 400


class Port(Protocol):
    """Where a phone takes RTP. `version` counts its descriptions (RFC 3264 8)."""

    host: str
    port: int

    def version(self, described: str) -> int:
        """Return the number of this description: a new one where it differs from the last."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The audio of a description: where RTP goes, the G.711 in it by preference, what we do with it.

    `address` is None where RTP can't be sent: a name, a group, port 0, an address that is nobody's.
    """

    address: Address | None
    payloads: tuple[int, ...]
    direction: str

    @property
    def wants_ours(self) -> bool:
        """Whether the other side takes what we send."""
        return self.direction in ("sendrecv", "sendonly")


def offer(media: Port) -> str:
    """Return an offer of G.711, both laws, and telephone events."""
    return _describe(media, [_ours(media, (0, 8), "sendrecv")])


def answer(media: Port, offered: str | None) -> str | None:
    """Return the answer to an offer, None where nothing is common.

    Where there was no offer it is one itself (RFC 3261 13.2.1).
    """
    if offered is None:
        return offer(media)
    chosen = read(offered)
    if chosen is None:
        return None
    sections = []
    for section in _sections(offered):
        found = _MEDIA.fullmatch(section[0])
        if found is not None and _stream(section, "") is not None and chosen is not None:
            sections.append(_ours(media, chosen.payloads, chosen.direction))
            chosen = None  # one stream is enough; each other section is refused by port 0 (RFC 3264 6)
        elif found is not None:
            sections.append([f"m={found[1]} 0 {found[3]}{found[4]}"])
        else:
            return None
    return _describe(media, sections)


def read(description: str) -> Stream | None:
    """Return the first audio stream with G.711 in a description; None where there is none."""
    head = description.split("\nm=", 1)[0]
    found = next(filter(None, map(_CONNECTION.fullmatch, head.splitlines()[:_MAX_LINES])), None)
    session = found[1] if found is not None else ""
    return next(filter(None, (_stream(section, session) for section in _sections(description))), None)


def _sections(description: str) -> list[list[str]]:
    sections: list[list[str]] = []
    for line in description.splitlines()[:_MAX_LINES]:
        if line.startswith("m="):
            sections.append([line])
        elif sections:
            sections[-1].append(line)
    return sections[:_MAX_SECTIONS]


def _stream(section: list[str], connection: str) -> Stream | None:
    found = _MEDIA.fullmatch(section[0])
    if found is None or found[1] != "audio" or found[3] != "RTP/AVP" or int(found[2]) == 0:
        return None
    numbers = [int(entry) for entry in found[4].split() if entry.isascii() and entry.isdigit()]
    payloads = tuple(number for number in numbers if number in _CODECS)
    if not payloads:
        return None
    direction = "sendrecv"
    for line in section[1:]:
        if named := _CONNECTION.fullmatch(line):
            connection = named[1]
        direction = _DIRECTIONS.get(line.strip(), direction)
    return Stream(_destination(connection, int(found[2])), payloads, direction)


def _destination(host: str, port: int) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    nobody = address.is_multicast or address.is_unspecified or (address.version == 4 and address.is_reserved)
    if nobody or not 0 < port < 65536:
        return None
    return str(address), port


def _ours(media: Port, payloads: tuple[int, ...], direction: str) -> list[str]:
    return [
        f"m=audio {media.port} RTP/AVP {' '.join(map(str, payloads))} 101",
        *(f"a=rtpmap:{number} {_CODECS[number]}" for number in payloads),
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        f"a={direction}",
    ]


def _describe(media: Port, sections: list[list[str]]) -> str:
    address = f"IN {'IP6' if ':' in media.host else 'IP4'} {media.host}"
    body = [f"c={address}", "t=0 0", *(line for section in sections for line in section)]
    version = media.version("\n".join(body))
    lines = ["v=0", f"o=- {media.port} {version} {address}", "s=-", *body]
    return "\r\n".join(lines) + "\r\n"
