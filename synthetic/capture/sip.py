"""A SIP message of a capture, taken apart as far as it goes; nothing makes it raise or grow."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from zlib import crc32

from dialtone.model import normalise_domain
from synthetic.capture.records import Address, SipPacket

MAX_LENGTH: Final = 65_536
"""So many bytes of a message are looked at."""
MAX_LINES: Final = 300
MAX_VALUE: Final = 1024
"""So much of a header's value is looked at, in characters."""
MAX_NAME: Final = 128
"""So much of a Call-ID, a tag, a branch or a user is kept, in characters."""

_REQUEST: Final = re.compile(r"([A-Z]{2,20}) (\S{1,8192}) SIP/2\.0\s*")
_RESPONSE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.{0,200}))?.*", re.DOTALL)
_LONG: Final = {"v": "via", "f": "from", "t": "to", "i": "call-id"}
_WANTED: Final = frozenset({"via", "from", "to", "call-id", "cseq", "authorization", "proxy-authorization"})
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_BETWEEN: Final = re.compile(r"<([^<>]*)>")
_TAG: Final = re.compile(r";\s*tag\s*=\s*([^;\s,>]+)", re.IGNORECASE)
_BRANCH: Final = re.compile(r";\s*branch\s*=\s*([^;\s,]+)", re.IGNORECASE)
_SEQUENCE: Final = re.compile(r"([0-9]{1,10})\s+([A-Za-z]{1,20})")
_BLANK: Final = re.compile(r"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Party:
    """Who a URI names: `user` without a password, `host` in lower case; "" for what it does not say."""

    user: str = ""
    host: str = ""

    @property
    def domain(self) -> str:
        """The host where it is a domain; "" for an address or nonsense."""
        try:
            domain = normalise_domain(self.host)
        except ValueError:
            return ""
        try:
            ip_address(domain)
        except ValueError:
            return domain
        return ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host


@dataclass(frozen=True, slots=True)
class Sip:
    """A request, or a response (which has a `status`); `method` is what it answers then.

    `branch` is that of the topmost Via (RFC 3261 8.1.1.7), "" where there is none. `credentials` says whether
    it answers a challenge. `body` is as it was captured.
    """

    at: float
    source: Address
    destination: Address
    method: str
    status: int | None
    reason: str
    uri: Party
    caller: Party
    callee: Party
    from_tag: str
    to_tag: str
    call_id: str
    sequence: int
    branch: str
    credentials: bool
    body: str


def parse(packet: SipPacket) -> Sip | None:
    """Return what a packet says; None where it is no SIP, or without Call-ID or CSeq belongs to nothing.

    Names may be compact, lines folded or ended by a line feed alone; other headers may be missing.
    """
    text = packet.data[:MAX_LENGTH].decode("utf-8", "replace").lstrip("\r\n")
    blank = _BLANK.search(text)
    head, body = (text, "") if blank is None else (text[: blank.start()], text[blank.end() :])
    first, *lines = head.split("\n", MAX_LINES)
    request, response = _REQUEST.fullmatch(first), _RESPONSE.fullmatch(first)
    if request is None and response is None:
        return None
    headers = _headers(lines[: MAX_LINES - 1])
    call_id, sequence = cut(headers.get("call-id", "")), _SEQUENCE.match(headers.get("cseq", ""))
    if not call_id or sequence is None:
        return None
    caller, callee = headers.get("from", ""), headers.get("to", "")
    return Sip(
        packet.at,
        packet.source,
        packet.destination,
        request[1] if request is not None else sequence[2].upper(),
        int(response[1]) if response is not None else None,
        (response[2] or "").strip() if response is not None else "",
        party(f"<{request[2]}>") if request is not None else Party(),
        party(caller),
        party(callee),
        _named(_TAG, _QUOTED.sub("", caller)),
        _named(_TAG, _QUOTED.sub("", callee)),
        call_id,
        int(sequence[1]),
        _named(_BRANCH, headers.get("via", "")),
        "authorization" in headers or "proxy-authorization" in headers,
        body,
    )


def party(text: str) -> Party:
    """Return whom a From, a To or a `<URI>` names."""
    bare = _QUOTED.sub("", text[:MAX_VALUE])
    between = _BETWEEN.search(bare)
    uri = (between[1] if between is not None else bare.partition(";")[0]).strip()
    scheme, _, rest = uri.partition(":")
    if scheme.lower() not in ("sip", "sips"):
        return Party(cut(rest or scheme)) if scheme.lower() == "tel" else Party()
    user, at, host = rest.rpartition("@")
    host = re.split(r"[;?]", host, maxsplit=1)[0]
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return Party(cut(user.partition(":")[0]) if at else "", cut(host.lower().removesuffix(".")))


def cut(text: str) -> str:
    """Return a name; of one that is too long the beginning, and what tells it from others that begin so."""
    if len(text) <= MAX_NAME:
        return text
    return f"{text[: MAX_NAME - 28]}...({len(text)}, {crc32(text.encode('utf-8', 'replace')):08x})"


def _headers(lines: list[str]) -> dict[str, str]:
    """Return the first value of each header that is wanted, unfolded (RFC 3261 7.3.1) and cut."""
    found: dict[str, str] = {}
    last = ""
    for raw in lines:
        line = raw.rstrip("\r")
        if line[:1] in (" ", "\t"):
            if last and len(found[last]) < MAX_VALUE:
                found[last] += f" {line.strip()[:MAX_VALUE]}"
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        name = _LONG.get(name, name)
        if colon and name in _WANTED and name not in found:
            found[name] = value.strip() if name == "call-id" else value.strip()[:MAX_VALUE]
            last = name
        else:
            last = ""
    return found


def _named(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return cut(found[1]) if found is not None else ""
