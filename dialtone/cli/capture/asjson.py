"""A report as JSON: names that stay, told in docs/captures.md; seconds and ratios, null for what is not."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from dialtone.cli.capture.chosen import Chosen, message_text
from dialtone.cli.capture.words import still_up
from synthetic.address import hostport
from synthetic.capture.analysis import Call, Report
from synthetic.capture.figures import Figures
from synthetic.capture.rtp import Stream

VERSION: Final = 1
"""Of the names: another number where one is taken away or means something else."""


def written(report: Report, chosen: Chosen, name: str) -> str:
    """Return all of a report, or of one call of it; the messages of those calls alone that are drawn."""
    shown = {call.call_id for call in chosen.shown}
    found = {
        "version": VERSION,
        "file": name,
        "begin": _instant(report.read.first),
        "end": _instant(report.read.last),
        "packets": {
            "all": report.read.packets,
            "sip": report.messages,
            "rtp": report.rtp_packets,
            "rtcp": report.rtcp_packets,
            "other": report.read.other,
        },
        "clock": "capture",
        "problems": list(report.read.problems),
        "notes": list(report.notes),
        "up": still_up(report),
        "figures": _figures(report.figures),
        "tenants": {tenant: _figures(figures) for tenant, figures in report.tenants.items()},
        "calls": [_call(call, messages=call.call_id in shown) for call in chosen.calls],
        "streams": [_stream(one) for one in chosen.streams],
    }
    return json.dumps(found, indent=2, allow_nan=False) + "\n"


def _figures(figures: Figures) -> dict[str, object]:
    return {
        "ratios": asdict(figures.ratios),
        "counts": dict(figures.counts),
        "open": figures.open,
        "classes": {method: dict(classes) for method, classes in figures.classes.items()},
        "times": {
            name: {"count": times.count, "median": times.median, "p95": times.p95, "max": times.most}
            for name, times in figures.times.items()
        },
    }


def _call(call: Call, *, messages: bool) -> dict[str, object]:
    return {
        "call_id": call.call_id,
        "from": call.caller,
        "to": call.callee,
        "tenants": list(call.domains),
        "begin": _instant(call.began),
        "ending": call.ending,
        "status": call.status,
        "reason": call.reason,
        "duration": call.duration,
        "attempts": call.attempts,
        "hops": [[hostport(source), hostport(destination)] for source, destination in call.path],
        "bad": call.is_bad,
        "one_way": call.one_way,
        "mos": call.mos,
        "messages": [
            {
                "at": _instant(step.at),
                "source": hostport(step.source),
                "destination": hostport(step.destination),
                "transport": step.transport,
                "text": message_text(step),
            }
            for step in (call.steps if messages else ())
        ],
        "messages_count": len(call.steps) + call.more_steps,
    }


def _stream(stream: Stream) -> dict[str, object]:
    received = stream.received
    return {
        "source": hostport(stream.source),
        "destination": hostport(stream.destination),
        "ssrc": f"0x{stream.ssrc:08x}",
        "call_id": stream.call_id,
        "codec": stream.codec,
        "rate": stream.rate or None,
        "begin": _instant(stream.begin),
        "end": _instant(stream.end),
        "packets": received.packets,
        "expected": received.expected,
        "lost": received.lost,
        "loss_ratio": received.loss_ratio,
        "late": received.late,
        "duplicates": received.duplicates,
        "reordered": received.reordered,
        "restarts": received.restarts,
        "events": stream.events,
        "jitter": received.jitter if stream.rate else None,
        "jitter_max": received.jitter_max if stream.rate else None,
        "rtt": stream.rtt,
        "mos": stream.mos,
        "mos_is_standard": stream.mos is not None and not stream.is_ours,
    }


def _instant(at: float | None) -> str | None:
    """Return an instant as RFC 3339; None also for one that no calendar has."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError, OSError):
        return None
