"""Session descriptions of a phone (RFC 4566, RFC 3264): G.711 both ways, over a port that is really bound."""

import re
import socket
from typing import Final

_CODECS: Final = {0: "PCMU/8000", 8: "PCMA/8000"}
_AUDIO: Final = re.compile(r"^m=audio [0-9]+(?:/[0-9]+)? RTP/AVP((?: [0-9]{1,3}){1,32})\s*$", re.MULTILINE)
_SMALL_BUFFER: Final = 4096


class MediaPort:
    """A bound UDP port to name in a description, so that what the platform sends there reaches no one else.

    Nothing reads it: the kernel drops what comes. Raises OSError where none is free.
    """

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
            self._socket.bind((host, 0))
        except OSError:
            self._socket.close()
            raise
        self.host = host
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def offer(media: MediaPort) -> str:
    """Return an offer of G.711, both laws, and telephone events."""
    return _describe(media, (0, 8))


def answer(media: MediaPort, offered: str | None) -> str | None:
    """Return the answer to an offer, None where nothing is common.

    Where there was no offer it is one itself (RFC 3261 13.2.1).
    """
    if offered is None:
        return offer(media)
    found = _AUDIO.search(offered)
    payloads = [int(number) for number in found[1].split()] if found else []
    common = tuple(number for number in payloads if number in _CODECS)
    return _describe(media, common) if common else None


def _describe(media: MediaPort, payloads: tuple[int, ...]) -> str:
    address = f"IN {'IP6' if ':' in media.host else 'IP4'} {media.host}"
    lines = [
        "v=0",
        f"o=- {media.port} 1 {address}",
        "s=-",
        f"c={address}",
        "t=0 0",
        f"m=audio {media.port} RTP/AVP {' '.join(map(str, payloads))} 101",
        *(f"a=rtpmap:{number} {_CODECS[number]}" for number in payloads),
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return "\r\n".join(lines) + "\r\n"
