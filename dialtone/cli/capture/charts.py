"""Pictures of a report as SVG: bars of streams and of responses, the ladder of a call.

svg.py writes text as it is given: all text goes through _text().
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import svg

from dialtone.cli.capture.chosen import lifelines, message_text
from dialtone.cli.capture.words import CLASSES, fitted, percent
from dialtone.cli.words import printable
from synthetic.address import hostport
from synthetic.capture.analysis import Call
from synthetic.capture.rtp import Stream
from synthetic.ladder import label

MOST_BARS: Final = 40
_WIDTH: Final = 960
_ROW: Final = 22
_LEFT: Final = 330
_STEP: Final = 26
_TOP: Final = 46


def stream_bars(streams: Sequence[Stream]) -> str:
    """Return loss, jitter and MOS of streams, a row each, in the order given."""
    shown = streams[:MOST_BARS]
    worst = max((stream.received.loss_ratio or 0.0 for stream in shown), default=0.0)
    late = max((stream.received.jitter_max for stream in shown), default=0.0)
    elements: list[svg.Element] = []
    room = (_WIDTH - _LEFT) // 3
    for number, head in enumerate(("MOS (1 to 4.5)", "loss", "jitter: mean, max")):
        elements.append(_text(_LEFT + number * room, 14, head, "head"))
    for row, stream in enumerate(shown):
        y, received = 24 + row * _ROW, stream.received
        ends = f"{hostport(stream.source)} > {hostport(stream.destination)}"
        elements.append(_text(0, y + 13, fitted(ends, 46), "end", title=ends))
        shares = (
            ((stream.mos or 1) - 1) / 3.5,
            (received.loss_ratio or 0.0) / worst if worst else 0.0,
            received.jitter_max / late if late else 0.0,
        )
        kinds = (_kind(stream.mos), "loss", "jitter")
        said = (
            "-" if stream.mos is None else f"{stream.mos:.2f}",
            percent(received.loss_ratio),
            f"{received.jitter * 1000:.1f}, {received.jitter_max * 1000:.1f} ms" if stream.rate else "-",
        )
        for number, (share, kind, words) in enumerate(zip(shares, kinds, said, strict=True)):
            x, full = _LEFT + number * room, room - 110
            elements.append(_bar(x, y, full, "track"))
            if share > 0:
                elements.append(_bar(x, y, max(2.0, full * min(share, 1.0)), kind))
            elements.append(_text(x + full + 6, y + 13, words, "figure"))
        if late and stream.rate:
            x, full = _LEFT + 2 * room, room - 110
            mean = full * min(received.jitter / late, 1.0)
            elements.append(svg.Rect(x=x + round(mean, 1), y=y + 1, width=2, height=16, class_=["mean"]))
    return _drawing(elements, 30 + len(shown) * _ROW, "Loss, jitter and MOS of RTP streams")


def response_bars(classes: Mapping[str, Mapping[str, int]]) -> str:
    """Return how requests were answered at last, a bar a method, divided by class."""
    elements: list[svg.Element] = []
    x = 120
    for name in CLASSES:
        elements.append(svg.Rect(x=x, y=4, width=12, height=12, rx=2, class_=[f"c{name}"]))
        elements.append(_text(x + 17, 14, name, "figure"))
        x += 70
    most = max((sum(counts.values()) for counts in classes.values()), default=1)
    for row, (method, counts) in enumerate(classes.items()):
        y, x_at, full = 28 + row * _ROW, 120.0, _WIDTH - 240
        elements.append(_text(0, y + 13, fitted(method, 16), "end"))
        for name in CLASSES:
            count = counts.get(name, 0)
            if not count:
                continue
            width = max(2.0, full * count / most)
            said = f"{method} {name}: {count}"
            elements.append(_bar(x_at, y, width, f"c{name}", title=said))
            x_at += width
        elements.append(_text(x_at + 8, y + 13, str(sum(counts.values())), "figure"))
    return _drawing(elements, 34 + len(classes) * _ROW, "Last answers by method and class")


def ladder_picture(call: Call) -> str:
    """Return the ladder of a call: a lifeline an address, an arrow a message."""
    names = lifelines(call)
    columns = list(dict.fromkeys(names.values()))
    if not columns:
        return ""
    gap = (_WIDTH - 260) / max(len(columns) - 1, 1)
    places = {name: 180 + number * gap for number, name in enumerate(columns)}
    full = {name: hostport(end) for end, name in reversed(names.items())}
    height = _TOP + len(call.steps) * _STEP + 10
    elements: list[svg.Element] = []
    for name, place in places.items():
        shown = full[name] if name != "others" else name
        elements.append(_text(place, 16, fitted(shown, max(12, int(gap // 7))), "life", title=shown))
        elements.append(svg.Line(x1=place, y1=24, x2=place, y2=height, class_=["lifeline"]))
    begin = call.steps[0].at
    for row, step in enumerate(call.steps):
        y = _TOP + row * _STEP
        source, destination = places[names[step.source]], places[names[step.destination]]
        said = label(message_text(step))
        kind = f"c{said[0]}xx" if said[:3].isdigit() else "request"
        elements.append(_text(0, y + 4, f"{(step.at - begin) * 1000:.1f} ms", "figure"))
        if source == destination:
            elements.append(_text(source + 6, y + 4, said, "said"))
            continue
        tip = 7 if destination > source else -7
        back = destination - tip
        head: list[svg.PathData] = [svg.M(destination, y), svg.L(back, y - 4), svg.L(back, y + 4), svg.Z()]
        elements.append(svg.Line(x1=source, y1=y, x2=back, y2=y, class_=["arrow", kind]))
        elements.append(svg.Path(d=head, class_=["tip", kind]))
        elements.append(_text((source + destination) / 2, y - 5, said, "said"))
    return _drawing(elements, height, f"Ladder of call {call.call_id}")


def _drawing(elements: Sequence[svg.Element], height: int, name: str) -> str:
    title = svg.Title(text=_safe(name))
    return str(
        svg.SVG(
            viewBox=svg.ViewBoxSpec(0, 0, _WIDTH, height), class_=["picture"], elements=[title, *elements]
        )
    )


def _bar(x: float, y: float, width: float, kind: str, title: str = "") -> svg.Element:
    inside: list[svg.Element] = [svg.Title(text=_safe(title))] if title else []
    return svg.Rect(
        x=round(x, 1), y=y + 3, width=round(width, 1), height=12, rx=2, class_=[kind], elements=inside or None
    )


def _text(x: float, y: float, said: str, kind: str, title: str = "") -> svg.Element:
    element = svg.Text(x=round(x, 1), y=y, text=_safe(said), class_=[kind])
    if not title or title == said:
        return element
    return svg.G(elements=[svg.Title(text=_safe(title)), element])


def _safe(text: str) -> str:
    """Return a text that is nothing but text in a document."""
    return escape(printable(text))


def _kind(mos: float | None) -> str:
    if mos is None:
        return "none"
    return "good" if mos >= 4 else "fair" if mos >= 3.6 else "poor"
