"""A report as text, 80 columns wide: a summary, the figures, the worst streams, the calls, ladders."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dialtone.cli.capture.chosen import Chosen, ladder_of
from dialtone.cli.capture.words import (
    CLASSES,
    CLOCK,
    clock_time,
    ended,
    fitted,
    many,
    outcome,
    percent,
    score,
    span,
    still_up,
)
from synthetic.address import hostport
from synthetic.capture.analysis import Call, Report
from synthetic.capture.figures import TIMES, Figures
from synthetic.capture.rtp import Stream
from synthetic.ladder import WIDTH

MOST_ROWS: Final = 20
"""So many rows of each table are printed; JSON has them all."""
_TIMES: Final = {"srd_failed": "SRD failed", "sdd_failed": "SDD failed"}


def written(report: Report, chosen: Chosen, name: str) -> str:
    """Return the text of a report, or of one call of it."""
    parts: list[Iterable[str]] = [_summary(report, name)]
    if chosen.whole:
        parts += [_figures(report.figures, still_up(report)), _tenants(report)]
    parts += [_streams(chosen.streams), _calls(chosen.calls), *map(_ladder, chosen.shown)]
    if chosen.whole and chosen.bad > len(chosen.shown):
        left = chosen.bad - len(chosen.shown)
        parts.append(_folded(f"{many(left, 'bad call')} more, not drawn: see --calls and --call"))
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _folded(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def _summary(report: Report, name: str) -> Iterator[str]:
    read = report.read
    yield fitted(name, WIDTH)
    if read.first is not None and read.last is not None:
        yield f"  from {clock_time(read.first)}, {span(max(0.0, read.last - read.first))}"
    kinds = (("SIP", report.messages), ("RTP", report.rtp_packets), ("RTCP", report.rtcp_packets))
    counted = ", ".join(f"{count} {kind}" for kind, count in (*kinds, ("other", read.other)))
    yield from _folded(f"{many(read.packets, 'packet')}: {counted}", "  ")
    bad = sum(call.is_bad for call in report.calls)
    yield from _folded(
        f"{many(len(report.calls), 'call')}, {bad} of them failed or bad; "
        f"{many(len(report.streams), 'RTP stream')}",
        "  ",
    )
    for problem in read.problems:
        yield from _folded(f"problem: {fitted(problem, 400)}", "  ")
    for note in report.notes:
        yield from _folded(f"note: {note}", "  ")


def _figures(figures: Figures, up: int) -> Iterator[str]:
    counts, ratios = figures.counts, figures.ratios
    still = f", {up} still up at the end" if up else ""
    yield from _folded(f"Figures of RFC 6076, {CLOCK}")
    shares = (ratios.ser, ratios.seer, ratios.isa, ratios.scr, ratios.ira)
    yield "  " + "".join(f"{name:>11}" for name in ("SER", "SEER", "ISA", "SCR", "IRA"))
    yield "  " + "".join(f"{percent(share):>11}" for share in shares)
    yield from _folded(
        f"INVITE {counts['invite']}: {counts['invite_200']} answered, {counts['invite_3xx']} redirected, "
        f"{counts['invite_end_user']} refused by the callee, {counts['invite_ineffective']} ineffective; "
        f"{counts['session_complete']} sessions complete{still}",
        "  ",
    )
    yield f"  REGISTER {counts['register']}: {counts['register_failed']} failed"
    if figures.open:
        yield from _folded(f"{figures.open} more without an answer yet at the end: in no ratio", "  ")
    if figures.times:
        yield ""
        yield f"  {'':<12}{'n':>8}{'median':>13}{'p95':>13}{'max':>13}"
    for name in TIMES:
        if times := figures.times.get(name):
            known = _TIMES.get(name, name.upper())
            values = "".join(f"{span(value):>13}" for value in (times.median, times.p95, times.most))
            yield f"  {known:<12}{times.count:>8}{values}"
    if figures.classes:
        yield ""
        yield f"  {'last answer':<14}" + "".join(f"{name:>8}" for name in CLASSES)
    for method, classes in figures.classes.items():
        yield f"  {fitted(method, 14):<14}" + "".join(f"{classes.get(name, 0) or '-':>8}" for name in CLASSES)


def _tenants(report: Report) -> Iterator[str]:
    if len(report.tenants) < 2:
        return
    yield f"{'Tenants':<30}{'INVITE':>8}{'SER':>10}{'SEER':>10}{'ISA':>10}{'REGISTER':>10}"
    rows = list(report.tenants.items())
    for tenant, figures in rows[:MOST_ROWS]:
        ratios, counts = figures.ratios, figures.counts
        shares = "".join(f"{percent(share):>10}" for share in (ratios.ser, ratios.seer, ratios.isa))
        yield f"  {fitted(tenant, 27):<28}{counts['invite']:>8}{shares}{counts['register']:>10}"
    yield from _more(len(rows))


def _streams(streams: Sequence[Stream]) -> Iterator[str]:
    if not streams:
        return
    yield "RTP streams, the worst first"
    heads = f"{'packets':>9}{'lost':>7}{'loss':>10}{'late':>6}{'jitter':>11}{'max':>11}{'rtt':>10}"
    yield f"  {'MOS':>5} {'codec':<8}{heads}"
    for stream in streams[:MOST_ROWS]:
        received, timed = stream.received, stream.rate > 0
        jitter = span(received.jitter if timed else None), span(received.jitter_max if timed else None)
        yield (
            f"  {score(stream.mos) + '*' * stream.is_ours:>5} {_codec(stream):<8}{received.packets:>9}"
            f"{received.lost:>7}{percent(received.loss_ratio):>10}{received.late:>6}"
            f"{jitter[0]:>11}{jitter[1]:>11}{span(stream.rtt):>10}"
        )
        call = "of no call seen" if stream.call_id is None else f"call {stream.call_id}"
        ends = fitted(f"{hostport(stream.source)} > {hostport(stream.destination)}", 46)
        odd = _oddities(stream)
        room = WIDTH - 10 - len(ends) - len(odd)
        if room >= min(len(call), 26):
            yield f"        {ends}, {fitted(call, room)}{odd}"
        else:
            yield f"        {ends}, {fitted(call, WIDTH - 10 - len(ends))}"
            yield from _folded(odd.removeprefix(", "), " " * 10)
    yield from _more(len(streams))
    if any(stream.is_ours and stream.mos is not None for stream in streams):
        yield "  * by values of ours: ITU-T has none for Opus"


def _codec(stream: Stream) -> str:
    return fitted(stream.codec.replace("payload type ", "type "), 8)


def _oddities(stream: Stream) -> str:
    received = stream.received
    found = {
        "duplicates": received.duplicates,
        "out of order": received.reordered,
        "telephone events": stream.events,
        "restarts": received.restarts,
    }
    return "".join(f", {count} {name}" for name, count in found.items() if count)


def _calls(calls: Iterable[Call]) -> Iterator[str]:
    found = list(calls)
    if not found:
        return
    yield "Calls, the worst first"
    yield f"  {'UTC':<9}{'ended':<26}{'duration':>10}{'MOS':>6}  Call-ID, from > to"
    for call in found[:MOST_ROWS]:
        parties = fitted(f"{call.caller or '?'} > {call.callee or '?'}", WIDTH - 11)
        begin = clock_time(call.began, "%H:%M:%S")
        name = fitted(call.call_id, 25)
        yield f"  {begin:<9}{ended(call)[:25]:<26}{span(call.duration):>10}{score(call.mos):>6}  {name}"
        yield f"           {parties}"
    yield from _more(len(found))


def _more(rows: int) -> Iterator[str]:
    if rows > MOST_ROWS:
        yield f"  ... and {rows - MOST_ROWS} more: --format json has them all"


def _ladder(call: Call) -> Iterator[str]:
    yield from _folded(f"Call {fitted(call.call_id, WIDTH - 5)}")
    yield fitted(f"  {call.caller or '?'} > {call.callee or '?'}", WIDTH)
    tenants = f"; {', '.join(call.domains[:3])}" if call.domains else ""
    yield fitted(f"  {outcome(call)}{tenants}; {clock_time(call.began)}", WIDTH)
    for stream in call.streams[:4]:
        ends = f"{hostport(stream.source)} > {hostport(stream.destination)}"
        loss = percent(stream.received.loss_ratio)
        yield fitted(f"  RTP {ends} {_codec(stream)}: lost {loss}, MOS {score(stream.mos)}", WIDTH)
    yield from ladder_of(call)
