"""The SIP ladder of a probe as text: who said what to whom, when."""

import re
from typing import Final

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


def ladder(evidence: Evidence) -> str:
    """Return the ladder, 80 columns: time in ms, our phones around the platform, an arrow a message.

    An arrow carries the method or status and the CSeq. Named instants follow below.
    """
    columns = _columns(evidence)
    lines = [_header(columns)]
    lines += [_line(message, columns) for message in evidence.messages]
    lines += [f"{mark.at * 1000:9.1f}  * {mark.name}"[:WIDTH] for mark in evidence.marks]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _columns(evidence: Evidence) -> dict[str, int]:
    """Return the text column of each lifeline."""
    parties = list(dict.fromkeys(message.party for message in evidence.messages))
    left = [party for party in parties if party in _LEFT] or parties[:1]
    names = [*left, _PLATFORM, *(party for party in parties if party not in left)]
    gap = (WIDTH - _TIME - 6) // max(len(names) - 1, 2)
    return {name: _TIME + 3 + index * gap for index, name in enumerate(names)}


def _header(columns: dict[str, int]) -> str:
    line = list("       ms".ljust(WIDTH))
    for name, column in columns.items():
        start = max(_TIME, min(column - len(name) // 2, WIDTH - len(name)))
        line[start : start + len(name)] = name
    return "".join(line)


def _line(message: Message, columns: dict[str, int]) -> str:
    line = list(f"{message.at * 1000:9.1f}".ljust(WIDTH))
    for column in columns.values():
        line[column] = "|"
    ours, theirs = columns[message.party], columns[_PLATFORM]
    left, right = sorted((ours, theirs))
    rightwards = (ours < theirs) == (message.direction == "sent")
    room = right - left - 1
    label = f" {_label(message.text)} "[: room - 4]
    arrow = label.center(room - 1, "-")
    line[left + 1 : right] = f"{arrow}>" if rightwards else f"<{arrow}"
    return "".join(line)


def _label(text: str) -> str:
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
