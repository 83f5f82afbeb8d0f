"""The message file: what SIPp sent and received, each with its time (-trace_msg)."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from synthetic.agents.wirelog import MAX_BYTES, MAX_MESSAGE, MAX_MESSAGES
from synthetic.sipp.run import Traced

_HEADER: Final = re.compile(
    rb"-{47} (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[ T](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6})"
    rb"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?\n"
    rb"[A-Z]{2,8} (?P<control>control )?message (?P<direction>sent|received) [\[(](?P<size>[0-9]{1,9})"
    rb"(?:\] bytes ?| bytes\)):\n\n"
)
"""3.6 and 3.7 write local time without a zone, the newest 3.7 RFC 3339. We start SIPp in UTC."""
_REMARK: Final = re.compile(rb"-{47}\n[^\n]{1,500}:\n\n")
_ENTRIES: Final = (b"-" * 47, b"Discarded message")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_messages(data: bytes) -> tuple[tuple[Traced, ...], int]:
    """Return the first messages of a file and how many more there are; never raises.

    Bounds are those of the other engine's record: messages, bytes in all, bytes of one (the rest is cut).
    What else SIPp notes in the file, and what can't be understood, is passed over. A message keeps its
    length by the size that stands before it, so that a body which looks like a header is no message.
    """
    kept: list[Traced] = []
    room, dropped = MAX_BYTES, 0
    for header, body in _records(data):
        at = _instant(header)
        if header["control"] or at is None:
            continue
        text = body[:MAX_MESSAGE]
        if len(kept) >= MAX_MESSAGES or len(text) > room:
            dropped += 1
            continue
        room -= len(text)
        direction: Literal["sent", "received"] = "sent" if header["direction"] == b"sent" else "received"
        kept.append(Traced(at, direction, text.decode("utf-8", "backslashreplace")))
    return tuple(kept), dropped


def _records(data: bytes) -> Iterator[tuple[re.Match[bytes], bytes]]:
    header = _HEADER.search(data)
    while header is not None:
        start = header.end()
        end = start + int(header["size"])
        if not _ends_at(data, end):  # SIPp prints a message up to its first NUL; or the file was cut here
            following = _HEADER.search(data, start)
            end = following.start() - 1 if following is not None else len(data)
        body = data[start:end]
        yield header, body
        header = _HEADER.search(data, _past_remark(data, max(start, end + 1), body))


def _ends_at(data: bytes, end: int) -> bool:
    """Whether a line break is there and nothing, or another entry of SIPp's, behind it."""
    return data[end : end + 1] == b"\n" and (end + 1 == len(data) or data.startswith(_ENTRIES, end + 1))


def _past_remark(data: bytes, at: int, body: bytes) -> int:
    """Return where to go on: behind SIPp's remark about a message, which repeats the message."""
    remark = _REMARK.match(data, at)
    return remark.end() + len(body) if remark is not None and data.startswith(body, remark.end()) else at


def _instant(header: re.Match[bytes]) -> float | None:
    zone = (header["zone"] or b"Z").decode().replace("Z", "+00:00")
    try:
        parsed = datetime.fromisoformat(f"{header['date'].decode()}T{header['time'].decode()}{zone}")
        return (parsed.astimezone(UTC) - _EPOCH) / timedelta(seconds=1)
    except (ValueError, OverflowError):  # the 31st of February
        return None
