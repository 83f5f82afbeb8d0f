"""Which calls of a report are drawn, and what of their messages may be told."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dialtone.cli.words import printable
from synthetic.address import hostport
from synthetic.capture.analysis import Call, Report
from synthetic.capture.calls import Step
from synthetic.capture.records import Address
from synthetic.capture.rtp import Stream
from synthetic.capture.sip import cut
from synthetic.ladder import Arrow, drawn
from synthetic.redaction import MASK, redact

MOST_LIFELINES: Final = 5
_NARROW: Final = 20
_USER_PASSWORD: Final = re.compile(
    r"((?:sips?:[^\s:@]{1,200}|https?://[^\s:@/]{1,200})):[^\s@<>]{1,4096}(?:@|\Z)", re.IGNORECASE
)
"""RFC 3261 25.1: a comma may be in a password. One that the end of what was kept cuts off is masked too."""
_HEADER_OF_URI: Final = re.compile(r"([?&][a-z-]*authorization(?:=|%3d))[^\s&>]{1,4000}", re.IGNORECASE)
_CONTENT_TYPE: Final = re.compile(
    r"^(?:content-type|c)[ \t]*:[ \t]*([^\s;]{1,80})", re.IGNORECASE | re.MULTILINE
)
_OF_SIGNALLING: Final = frozenset(
    {
        "application/sdp",
        "message/sipfrag",
        "application/dialog-info+xml",
        "application/pidf+xml",
        "application/reginfo+xml",
        "application/simple-message-summary",
    }
)
"""Bodies that are shown. Any other may hold what people write, or dial (a PIN by INFO)."""
_REST: Final = "others"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The calls that a report is about, and those of them that are drawn; `bad` counts all bad ones.

    `whole` is whether it is about all of the capture; `streams` are those of the calls, or all then.
    """

    calls: tuple[Call, ...]
    shown: tuple[Call, ...]
    bad: int
    whole: bool
    streams: tuple[Stream, ...]


def chosen(report: Report, call_id: str | None, most: int) -> Chosen:
    """Return one call by its Call-ID, or all of them, of which so many bad ones are drawn."""
    if call_id is not None:
        one = tuple(call for call in report.calls if call.call_id in (call_id, cut(call_id)))
        streams = tuple(stream for call in one for stream in call.streams)
        return Chosen(one, one, sum(call.is_bad for call in one), False, streams)
    bad = [call for call in report.calls if call.is_bad]
    return Chosen(report.calls, tuple(bad[:most]), len(bad), True, report.streams)


def message_text(step: Step) -> str:
    """Return a message without credentials and control characters; lines end by a line feed."""
    text = step.data.decode("utf-8", "replace").replace("\r\n", "\n")
    text = _without_words(text)
    text = _HEADER_OF_URI.sub(rf"\1{MASK}", _USER_PASSWORD.sub(rf"\1:{MASK}@", redact(text, ())))
    return "\n".join(printable(line) for line in text.split("\n"))


def _without_words(text: str) -> str:
    """Return a message with its body as no more than a size and a type, unless that is of signalling."""
    head, blank, body = text.partition("\n\n")
    found = _CONTENT_TYPE.search(head)
    kind = found[1].lower() if found is not None else "no type"
    if not body or kind in _OF_SIGNALLING:
        return text
    return f"{head}{blank}[{len(body.encode())} bytes of {kind}]"


def lifelines(call: Call) -> dict[Address, str]:
    """Return the names of the addresses of a call in its ladder: themselves where they fit, else letters.

    Past MOST_LIFELINES the later ones are one.
    """
    ends = list(dict.fromkeys(end for step in call.steps for end in (step.source, step.destination)))
    names = [hostport(end) for end in ends]
    fit = len(ends) <= 4 and all(len(name) <= _NARROW for name in names)
    return {
        end: name if fit else _REST if number >= MOST_LIFELINES else chr(ord("A") + number)
        for number, (end, name) in enumerate(zip(ends, names, strict=True))
    }


def ladder_of(call: Call) -> Iterator[str]:
    """Yield the lines of a call's ladder, 80 columns; times are since its first message, in ms."""
    names = lifelines(call)
    if not names:
        return
    if any(name == "A" for name in names.values()):
        for end, name in names.items():
            if name != _REST:
                yield f"  {name} = {hostport(end)}"
    begin = call.steps[0].at
    arrows = (
        Arrow(step.at - begin, names[step.source], names[step.destination], message_text(step))
        for step in call.steps
        if names[step.source] != names[step.destination]
    )
    yield from drawn(list(dict.fromkeys(names.values())), arrows)
    if call.more_steps:
        yield f"           ... and {call.more_steps} messages more"
