"""Takes secrets out of what a web server was asked and what it said, before anybody else reads it.

What phones are provisioned with holds their passwords, and URLs hold keys. So nothing is shown because it
looks harmless: of a query only the names, of headers those on a list, of a body what stands beside no name
of a secret and does not look drawn at random.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from synthetic.redaction import MASK

SHOWN_BODY: Final = 1024
"""Bytes of a body that are shown."""

_MAX_LINE: Final = 300
_MAX_HEADERS: Final = 50
_OPEN_HEADERS: Final = frozenset(
    {
        *("accept", "accept-encoding", "accept-ranges", "age", "allow", "cache-control", "connection"),
        *("content-encoding", "content-language", "content-length", "content-type", "date", "expires"),
        *("host", "keep-alive", "last-modified", "pragma", "retry-after", "server"),
        *("strict-transport-security", "transfer-encoding", "user-agent", "vary", "via"),
        *("x-content-type-options", "x-dialtone-probe", "x-frame-options", "x-powered-by"),
    }
)
"""Headers whose values are shown; of all others only the name is."""

_RANDOM: Final = re.compile(
    r"(?<![A-Za-z0-9+_=-])(?=[A-Za-z+_-]*[0-9])(?=[0-9+_-]*[A-Za-z])[A-Za-z0-9+_-]{20,}={0,2}"
)
"""Long words of letters and digits: keys, tokens, session numbers, the names of private files."""
_NAMES: Final = r"(?:pass|pwd|secret|token|credential|auth|key|private|pin\b|cookie|session)[\w.-]{0,60}"
"""What the names of secrets have in them, with the rest of the name."""
_TIED: Final = r"""["']?(?:\s{0,3},?\s{0,10}["']?value["']?)?\s{0,3}(?:=>|[=:])\s{0,3}"""
"""What stands between a name and its value: password=, "password": , name="password" value= ."""
_ASSIGNED: Final = re.compile(
    rf"""(?P<name>{_NAMES}{_TIED})(?:"[^"\r\n]*"?|'[^'\r\n]*'?|[^\s,;&<>]+)""", re.IGNORECASE
)
_ELEMENT: Final = re.compile(
    rf"(?P<name><(?:[\w:.-]{{0,60}}?{_NAMES}|P[0-9]{{1,5}})\b[^<>]{{0,300}}>)[^<]*", re.IGNORECASE
)
"""<AuthPassword>x, and elements by number alone (<P34>x), which some makers of phones put passwords in."""
_USER_INFO: Final = re.compile(r"(?P<name>\b[a-z]{2,8}:(?://)?)[^\s/@<>\"']{1,200}@", re.IGNORECASE)


def shown_url(url: str) -> str:
    """Return a URL without user, password and the values of its query; any other target as it is."""
    if not url.lower().startswith(("http:", "https:")):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{shown_path(parts.path, parts.query)}"


def shown_path(path: str, query: str) -> str:
    """Return path and query with the values of the query, and words in the path that look random, masked."""
    shown = _RANDOM.sub(MASK, path)
    if query:
        names = (
            f"{name}={MASK}" if eq else MASK for name, eq, _ in (p.partition("=") for p in query.split("&"))
        )
        shown += "?" + "&".join(_RANDOM.sub(MASK, name) for name in names)
    return shown[:_MAX_LINE]


def shown_headers(headers: Iterable[tuple[str, str]]) -> list[str]:
    """Return header lines; of a header that is on no list of harmless ones the name only."""
    lines: list[str] = []
    for name, value in headers:
        if len(lines) == _MAX_HEADERS:
            lines.append("[more headers]")
            break
        if name.lower() == "location":
            value = _location(value)
        elif name.lower() not in _OPEN_HEADERS:
            value = MASK
        lines.append(f"{name[:80]}: {value}"[:_MAX_LINE])
    return lines


def shown_body(body: bytes) -> str:
    """Return the first KiB of a body as text, secrets masked; a body that is no text as its size."""
    if b"\0" in body[:SHOWN_BODY]:
        return f"[{len(body)} bytes that are no text]"
    # A secret may lie across the end of what is shown: it is masked first, and cut then.
    text = body[: 2 * SHOWN_BODY].decode("utf-8", "replace")
    for pattern in (_ELEMENT, _ASSIGNED):
        text = pattern.sub(lambda found: found["name"] + MASK, text)
    text = _USER_INFO.sub(lambda found: f"{found['name']}{MASK}@", text)
    return _RANDOM.sub(MASK, text)[:SHOWN_BODY]


def _location(value: str) -> str:
    if value.lower().startswith(("http:", "https:")):
        return shown_url(value)
    path, _, query = value.partition("?")
    return shown_path(path, query)
