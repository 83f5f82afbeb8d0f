"""The SIP ladder of a probe, or of a captured call, as text: who said what to whom, when."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from dialtone.model import Evidence, Message

WIDTH: Final = 80
_TIME: Final = 11
_PLATFORM: Final = "platform"
_LEFT: Final = ("caller", "phone")
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([0-9]{3})")
_REQUEST_LINE: Final = re.compile(r"([A-Z]+) \S+ SIP/2\.0")
_WEB: Final = re.compile(
    r"HTTP/1\.[01] (?P<status>[0-9]{3}[^\r\n]{0,40})|(?P<request>GET \S{1,40})\S* HTTP/1\.1"
)
_CSEQ: Final = re.compile(r"^cseq\s*:\s*([0-9]{1,10})\s+([A-Za-z]{1,20})", re.IGNORECASE | re.MULTILINE)


class Arrow(NamedTuple):
    """A message from one lifeline to another, `at` in seconds."""

    at: float
    source: str
    destination: str
    text: str


def ladder(evidence: Evidence) -> str:
    """Return the ladder, 80 columns: time in ms, our phones around the platform, an arrow a message.

    An arrow carries the method or status and the CSeq. Named instants follow below.
    """
    lines = list(drawn(_lifelines(evidence), map(_arrow, evidence.messages)))
    lines += [f"{mark.at * 1000:9.1f}  * {mark.name}"[:WIDTH].rstrip() for mark in evidence.marks]
    return "\n".join(lines) + "\n"


def drawn(lifelines: Sequence[str], arrows: Iterable[Arrow]) -> Iterator[str]:
    """Yield the lines of a ladder, 80 columns: the names of lifelines, then an arrow a message."""
    gap = (WIDTH - _TIME - 6) // max(len(lifelines) - 1, 2)
    columns = {name: _TIME + 3 + index * gap for index, name in enumerate(lifelines)}
    yield _header(columns)
    for arrow in arrows:
        yield _line(arrow, columns)


def _lifelines(evidence: Evidence) -> list[str]:
    parties = list(dict.fromkeys(message.party for message in evidence.messages))
    left = [party for party in parties if party in _LEFT] or parties[:1]
    return [*left, _PLATFORM, *(party for party in parties if party not in left)]


def _arrow(message: Message) -> Arrow:
    ends = (message.party, _PLATFORM) if message.direction == "sent" else (_PLATFORM, message.party)
    return Arrow(message.at, *ends, message.text)


def _header(columns: Mapping[str, int]) -> str:
    line = list("       ms".ljust(WIDTH))
    for name, column in columns.items():
        start = max(_TIME, min(column - len(name) // 2, WIDTH - len(name)))
        line[start : start + len(name)] = name
    return "".join(line).rstrip()


def _line(arrow: Arrow, columns: Mapping[str, int]) -> str:
    line = list(f"{arrow.at * 1000:9.1f}".ljust(WIDTH))
    for column in columns.values():
        line[column] = "|"
    source, destination = columns[arrow.source], columns[arrow.destination]
    left, right = sorted((source, destination))
    room = right - left - 1
    said = f" {label(arrow.text)} "[: max(0, room - 4)]
    shaft = said.center(room - 1, "-")
    line[left + 1 : right] = f"{shaft}>" if source < destination else f"<{shaft}"
    return "".join(line).rstrip()


def label(text: str) -> str:
    """Return a message in a few characters: `INVITE 2`, `401 REGISTER 1`."""
    sequence = _CSEQ.search(text)
    number, of = (sequence[1], sequence[2].upper()) if sequence else ("?", "")
    if status := _STATUS_LINE.match(text):
        return f"{status[1]} {of} {number}"
    if request := _REQUEST_LINE.match(text):
        return f"{request[1]} {number}"
    if web := _WEB.match(text):
        return (web["status"] or web["request"]).rstrip()
    return "not SIP"
