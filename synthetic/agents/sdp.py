"""Session descriptions of a phone (RFC 4566, RFC 3264): G.711 both ways, over a port that is really bound.

Of what the other side writes, G.711 over plain RTP is taken, with its telephone events (RFC 4733). What we do
not do is passed over: ICE, bundles, and a=rtcp-mux, which an answer without it refuses (RFC 5761 5.1.1).
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Protocol

from dialtone.model.media import CODECS
from synthetic.address import Address

PAYLOADS: Final = {0: "PCMU", 8: "PCMA"}
"""The payload types of G.711 (RFC 3551 6)."""
EVENTS: Final = 101
"""The payload type that we offer for telephone events."""

_MEDIA: Final = re.compile(r"m=(\S{1,32}) ([0-9]{1,5})(?:/[0-9]{1,5})? (\S{1,32})((?: \S{1,32}){1,128})\s*")
"""As many formats as there are payload types: a server that offers all it knows names over 32."""
_CONNECTION: Final = re.compile(r"c=IN IP[46] ([0-9A-Za-z:._-]{1,255})(?:/[0-9/]{1,8})?\s*")
_RTCP: Final = re.compile(r"a=rtcp:([0-9]{1,5})(?: IN IP[46] ([0-9A-Fa-f:.]{1,64}))?\s*")
_MAPPED: Final = re.compile(r"a=rtpmap:([0-9]{1,3}) +([0-9A-Za-z._+-]{1,32}/[0-9]{1,6})(?:/1)?\s*")
_DIRECTIONS: Final = {
    "a=sendrecv": "sendrecv",
    "a=sendonly": "recvonly",
    "a=recvonly": "sendonly",
    "a=inactive": "inactive",
}
"""What the other side does, and what we do then (RFC 3264 6.1)."""
_SAID: Final = {
    "recvonly": "puts the audio on hold (a=sendonly)",
    "sendonly": "sends no audio (a=recvonly)",
    "inactive": "puts the audio on hold (a=inactive)",
}
_MAX_SECTIONS: Final = 16
_MAX_SAID: Final = 80
_MAX_LINES: Final = 400
_MAX_SIZE: Final = 65_536


class Port(Protocol):
    """Where a phone takes RTP, and RTCP. `version` counts its descriptions (RFC 3264 8)."""

    host: str
    port: int
    rtcp_port: int

    def version(self, described: str) -> int:
        """Return the number of this description: a new one where it differs from the last."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The audio of a description: where RTP goes, the G.711 in it by preference, what we do with it.

    `address` is None where RTP can't be sent: a name, a group, port 0, an address that is nobody's. `events`
    is the payload type of the other side's telephone events (RFC 4733), None where it takes none. `rtcp` is
    where RTCP goes (RFC 3605, else the next port). `why` says what keeps audio from going both ways, "" for
    nothing: it follows on "the answer", or whatever the description was.
    """

    address: Address | None
    payloads: tuple[int, ...]
    direction: str
    events: int | None = None
    rtcp: Address | None = None
    why: str = ""

    @property
    def wants_ours(self) -> bool:
        """Whether the other side takes what we send."""
        return self.direction in ("sendrecv", "sendonly")


def offer(media: Port, codecs: tuple[str, ...] = CODECS) -> str:
    """Return an offer of G.711, by those names in that order, and of telephone events."""
    by_name = {name: number for number, name in PAYLOADS.items()}
    payloads = tuple(by_name[name] for name in codecs)
    return _describe(media, [_ours(media, payloads, EVENTS, "sendrecv")])


def answer(media: Port, offered: str | None, codecs: tuple[str, ...] = CODECS) -> str | None:
    """Return the answer to an offer, None where nothing is common.

    Where there was no offer it is one itself (RFC 3261 13.2.1).
    """
    if offered is None:
        return offer(media, codecs)
    chosen = read(offered, codecs)
    if not chosen.payloads:
        return None
    head, described = _split(offered)
    sections, left = [], [chosen]
    for section in described:
        found = _MEDIA.fullmatch(section[0])
        if found is None:
            return None
        if _stream(section, head, codecs) in left:
            sections.append(_ours(media, chosen.payloads, chosen.events, chosen.direction))
            left.clear()  # one stream is enough; each other section is refused by port 0 (RFC 3264 6)
        else:
            sections.append([f"m={found[1]} 0 {found[3]}{found[4]}"])
    return _describe(media, sections)


def read(description: str, codecs: tuple[str, ...] = CODECS) -> Stream:
    """Return the first audio stream with G.711 in a description.

    Where there is none, it is the first audio, without payloads and with the reason in `why`.
    """
    head, sections = _split(description)
    streams = [stream for section in sections if (stream := _stream(section, head, codecs)) is not None]
    usable = (stream for stream in streams if stream.payloads)
    return next(usable, streams[0] if streams else Stream(None, (), "inactive", why="describes no audio"))


def _split(description: str) -> tuple[list[str], list[list[str]]]:
    """Return the lines before the first section, and those of each section."""
    head: list[str] = []
    sections: list[list[str]] = []
    for line in description[:_MAX_SIZE].splitlines()[:_MAX_LINES]:
        if line.startswith("m="):
            sections.append([line])
        else:
            (sections[-1] if sections else head).append(line)
    return head, sections[:_MAX_SECTIONS]


def _stream(section: list[str], head: list[str], codecs: tuple[str, ...]) -> Stream | None:
    """Return what a section says, None where it is no audio; `head` is the lines before the first."""
    found = _MEDIA.fullmatch(section[0])
    if found is None or found[1] != "audio":
        return None
    port, transport = int(found[2]), found[3]
    if port == 0:
        return Stream(None, (), "inactive", why="refuses the audio (port 0)")
    if "SAVP" in transport:
        return Stream(None, (), "inactive", why=f"wants the audio encrypted ({_plain(transport)})")
    if transport != "RTP/AVP":
        return Stream(None, (), "inactive", why=f"wants the audio over {_plain(transport)}, not RTP/AVP")
    numbers = [int(entry) for entry in found[4].split() if re.fullmatch("[0-9]{1,3}", entry)]
    mapped = _mapped(section)
    payloads = tuple(
        number
        for number in dict.fromkeys(numbers)
        if PAYLOADS.get(number) in codecs and mapped.get(number) in (None, f"{PAYLOADS[number]}/8000")
    )
    if not payloads:
        others = ", ".join(mapped.get(number, str(number)) for number in numbers)[:_MAX_SAID]
        return Stream(None, (), "inactive", why=f"has none of our codecs, only {others or 'unknown ones'}")
    direction = next((way for line in reversed(head + section) if (way := _DIRECTIONS.get(line.strip()))), "")
    direction = direction or "sendrecv"
    address, why = _destination(_host(head + section), port)
    return Stream(
        address,
        payloads,
        direction,
        next((number for number in numbers if mapped.get(number) == "TELEPHONE-EVENT/8000"), None),
        None if address is None else _control(section, address),
        why or _SAID.get(direction, ""),
    )


def _mapped(section: list[str]) -> dict[int, str]:
    """Return the encodings that a section names, in capitals with their clocks, by payload type."""
    found = [match for line in section if (match := _MAPPED.fullmatch(line)) is not None]
    return {int(match[1]): match[2].upper() for match in reversed(found) if int(match[1]) < 128}


def _host(lines: list[str]) -> str:
    """Return where the last connection line says to send to: the audio's own outweighs the session's."""
    return next((found[1] for line in reversed(lines) if (found := _CONNECTION.fullmatch(line))), "")


def _destination(host: str, port: int) -> tuple[Address | None, str]:
    """Return where to send to, or None and why not."""
    if not host:
        return None, "names no address to send to"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None, f"names a host to send to, and no address ({host[:_MAX_SAID]})"
    if address.is_unspecified:
        return None, f"puts the audio on hold, as RFC 2543 did (address {host})"
    if address.is_multicast:
        return None, f"names a group to send to ({host})"
    if address.version == 4 and address.is_reserved:
        return None, f"names an address to send to that is nobody's ({host})"
    if port > 65_535:
        return None, f"names a port to send to that is none ({port})"
    return (str(address), port), ""


def _control(section: list[str], address: Address) -> Address | None:
    """Return where RTCP goes; None where the description leaves no port for it."""
    named = next((found for line in section if (found := _RTCP.fullmatch(line)) is not None), None)
    port = address[1] + 1 if named is None else int(named[1])
    host = address[0] if named is None or not named[2] else named[2]
    return _destination(host, port)[0] if port else None


def _plain(word: str) -> str:
    """Return a word of a description as it may be shown: nothing that is not ASCII, nothing unprintable."""
    return "".join(sign for sign in word if sign.isascii() and sign.isprintable())


def _ours(media: Port, payloads: tuple[int, ...], events: int | None, direction: str) -> list[str]:
    formats = [*payloads, *(() if events is None else (events,))]
    lines = [
        f"m=audio {media.port} RTP/AVP {' '.join(map(str, formats))}",
        *(f"a=rtpmap:{number} {PAYLOADS[number]}/8000" for number in payloads),
    ]
    if events is not None:
        lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"]
    if media.rtcp_port != media.port + 1:
        lines.append(f"a=rtcp:{media.rtcp_port}")
    return [*lines, "a=ptime:20", f"a={direction}"]


def _describe(media: Port, sections: list[list[str]]) -> str:
    address = f"IN {'IP6' if ':' in media.host else 'IP4'} {media.host}"
    body = [f"c={address}", "t=0 0", *(line for section in sections for line in section)]
    version = media.version("\n".join(body))
    lines = ["v=0", f"o=- {media.port} {version} {address}", "s=-", *body]
    return "\r\n".join(lines) + "\r\n"
