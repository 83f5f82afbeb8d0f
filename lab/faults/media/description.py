"""Session descriptions on their way past a relay of RTP: they are made to name its ports (RFC 4566)."""

import re
from collections.abc import Hashable
from typing import Final

from lab.faults.media.loop import CALLEE, CALLER, LOOPBACK
from lab.faults.media.relay import MediaRelay
from lab.faults.message import SipText

NOWHERE: Final = "0.0.0.0"  # noqa: S104  (RFC 3264 8.4: on hold, as it was done once)

_AUDIO: Final = re.compile(r"^m=audio ([1-9][0-9]{0,4}) ", re.MULTILINE)
_NEXT: Final = re.compile(r"^m=", re.MULTILINE)
_CONNECTION: Final = re.compile(r"^c=IN IP4 ([0-9.]+)", re.MULTILINE)
_CONTROL: Final = re.compile(r"^(a=rtcp:)([0-9]{1,5})", re.MULTILINE)


class Descriptions:
    """Makes the descriptions of calls name the relay's ports, and tells the relay whose these are.

    The first calls, told by their Call-ID, have the relay's; any other keeps its own ports.
    """

    def __init__(self, relay: MediaRelay) -> None:
        self._relay = relay
        self._calls: dict[str, list[Hashable]] = {}
        self._ours = {port for both in relay.ports for port in both}

    def redirected(self, message: SipText, sender: Hashable) -> SipText:
        """Return a message of `sender` with its first audio sent by the relay.

        It stays as it is without any, with audio refused or elsewhere than by IPv4, and where it names the
        relay already: between two phones it comes past twice.
        """
        found = _AUDIO.search(message.body) if "sdp" in message.get("content-type") else None
        if found is None or int(found[1]) in self._ours:
            return message
        begin, later = found.start(), _NEXT.search(message.body, found.end())
        end = later.start() if later is not None else len(message.body)
        before, audio, after = message.body[:begin], message.body[begin:end], message.body[end:]
        connection = _CONNECTION.search(audio) or _CONNECTION.search(before)
        place = self._place(message.get("call-id"), sender)
        if connection is None or place is None or connection[1] == NOWHERE:
            return message
        call, which = place
        control = _CONTROL.search(audio)
        rtp = int(found[1])
        self._relay.aim(call, which, connection[1], rtp, int(control[2]) if control else rtp + 1)
        port = self._relay.ports[call][which]
        audio = _AUDIO.sub(f"m=audio {port} ", audio)
        audio = _CONTROL.sub(rf"\g<1>{port + 1}", audio)
        body = before + audio + after
        return SipText(message.first, message.headers, _CONNECTION.sub(f"c=IN IP4 {LOOPBACK}", body))

    def _place(self, call: str, sender: Hashable) -> tuple[int, int] | None:
        """Return the number of a call and the end that a sender is of it: the caller is first to speak."""
        if call not in self._calls and len(self._calls) >= len(self._relay.ports):
            return None
        senders = self._calls.setdefault(call, [])
        if not senders:
            senders.append(sender)
        return list(self._calls).index(call), CALLER if sender == senders[0] else CALLEE
