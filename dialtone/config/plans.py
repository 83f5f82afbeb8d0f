"""How a probe does its flow: its entry's keys -> Plan. Keys of other flows and contradictions are refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from dialtone.config import addresses
from dialtone.config.media import needed, read_media
from dialtone.config.problem import Where, listing
from dialtone.config.report import Report
from dialtone.config.schema import ProbeEntry
from dialtone.config.tls import read_tls
from dialtone.model import (
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    Engine,
    EventPackage,
    Flow,
    Plan,
    Side,
)

_TRANSFERS: Final = (Flow.BLIND_TRANSFER, Flow.ATTENDED_TRANSFER)
_SIP: Final = tuple(flow for flow in Flow if flow is not Flow.HTTP)

KNOWN_BY: Final[Mapping[str, tuple[Flow, ...]]] = {
    "number": (Flow.CALL, Flow.PRESENCE),
    "dial": (Flow.CALL, *_TRANSFERS),
    "consult": (Flow.ATTENDED_TRANSFER,),
    "callee": (Flow.CALL,),
    "answered_by": (Flow.CALL,),
    "called_from": (Flow.CALL,),
    "caller_id": (Flow.CALL,),
    "hangs_up": (Flow.CALL,),
    "ring": (Flow.CALL,),
    "hold": (Flow.CALL,),
    "headers": (Flow.CALL, Flow.PRESENCE, *_TRANSFERS),
    "caller_target": (Flow.CALL, *_TRANSFERS),
    "outbound_proxy": _SIP,
    "event": (Flow.PRESENCE,),
    "changed_by": (Flow.PRESENCE,),
    "statuses": (Flow.OPTIONS, Flow.HTTP),
    "contains": (Flow.HTTP,),
    "media": (Flow.CALL,),
}
"""Which flows know a key of a probe; the other keys are known to all."""


def read_plan(
    report: Report, where: Where, entry: ProbeEntry, timeout: float, folder: Path
) -> tuple[Engine, Plan]:
    """Return a probe's engine and plan; what is wrong with them is noted.

    `timeout` is in seconds, relative paths start from `folder`.
    """
    flow = Flow(entry.flow)
    engine = Engine(entry.engine) if entry.engine else _usual_engine(flow)
    _check_target(report, where, flow, entry.target)
    for key, flows in KNOWN_BY.items():
        if key in entry.model_fields_set and flow not in flows:
            others = listing(flows)
            report.problem((*where, key), f"flow {flow} does not know it; it is for {others}")
    media = None
    if flow is Flow.CALL:
        by_platform = entry.answered_by == AnsweredBy.PLATFORM
        media = read_media(report, (*where, "media"), entry.media, by_platform=by_platform)
    plan = Plan(
        number=entry.number,
        dial=entry.dial,
        consult=entry.consult,
        callee=entry.callee,
        answered_by=AnsweredBy(entry.answered_by),
        called_from=CalledFrom(entry.called_from),
        caller_id=entry.caller_id,
        hangs_up=Side(entry.hangs_up),
        ring=entry.ring,
        hold=entry.hold,
        headers=entry.headers,
        caller_target=entry.caller_target,
        outbound_proxy=entry.outbound_proxy,
        event=EventPackage(entry.event),
        changed_by=_changed_by(entry),
        statuses=entry.statuses,
        contains=entry.contains or "",
        tls=read_tls(report, (*where, "tls"), entry.tls, folder),
        media=media,
    )
    contradictions = (
        *_of_calls(entry, plan, timeout),
        *_of_presence(entry, plan),
        *_of_tls(entry, plan),
        *engine_contradictions(flow, engine, entry.target, plan),
    )
    for key, message in contradictions:
        if flow in KNOWN_BY.get(key, tuple(Flow)):
            report.problem((*where, key), message)
    return engine, plan


def engine_contradictions(flow: Flow, engine: Engine, target: str, plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield what an engine can't do of a probe: the key that asks for it, and words for a person."""
    if flow is Flow.HTTP:
        if engine is not Engine.SERVICE:
            yield "engine", f"flow http has no SIP for {engine}; write service, or take the key out"
        return
    if engine is Engine.SERVICE:
        yield "engine", f"service runs flow http alone; for {flow} use {Engine.SIPPY} or {Engine.SIPP}"
    if engine is Engine.SIPP and not addresses.is_http(target):
        for key, uri in (("target", target), ("caller_target", plan.caller_target)):
            if uri and (how := addresses.transport(uri)) != "udp":
                yield key, f"engine sipp speaks UDP alone here, not {how.upper()}; use engine sippy"
        if plan.outbound_proxy:
            yield "outbound_proxy", "engine sipp goes through no outbound proxy; use engine sippy"
        if plan.media is not None:
            yield "media", "engine sipp hears nothing here; use engine sippy"


def _usual_engine(flow: Flow) -> Engine:
    return Engine.SERVICE if flow is Flow.HTTP else Engine.SIPPY


def _check_target(report: Report, where: Where, flow: Flow, target: str) -> None:
    asks = addresses.is_http(target)
    if flow is Flow.HTTP and not asks:
        report.problem((*where, "target"), "flow http asks for a URL; write https://HOST/PATH")
    elif flow is not Flow.HTTP and asks:
        report.problem((*where, "target"), f"flow {flow} talks SIP; write sip:HOST:5060;transport=udp")


def _changed_by(entry: ProbeEntry) -> ChangedBy:
    """Return what changes the state: of dialogs only a call can."""
    if entry.changed_by is not None:
        return ChangedBy(entry.changed_by)
    return ChangedBy.CALL if entry.event == EventPackage.DIALOG else ChangedBy.PUBLISH


def _of_calls(entry: ProbeEntry, plan: Plan, timeout: float) -> Iterator[tuple[str, str]]:
    given = entry.model_fields_set
    by_platform = plan.answered_by is AnsweredBy.PLATFORM
    if by_platform and not plan.number:
        yield "answered_by", "a call that the platform answers needs the `number` that is dialled"
    if by_platform and "callee" in given:
        yield "callee", "is which phone of ours is called, and the platform answers this call; take it out"
    if by_platform and "ring" in given:
        yield "ring", "is how long our own callee rings, and the platform answers this call; take it out"
    if plan.number and "dial" in given:
        yield "dial", "`number` is dialled already, instead of a phone; keep one of them"
    if plan.called_from is CalledFrom.PHONE and "caller_id" in given:
        yield "caller_id", "only a call from the trunk chooses it; write `called_from: trunk` or take it out"
    ring = 0.0 if by_platform else plan.ring
    if plan.media is not None and (takes := needed(plan.media, ring, plan.hold)) > timeout:
        why = (
            f"a call with media that needs {takes:g}s in all does not fit into the probe's timeout of "
            f"{timeout:g}s; make it shorter, or `timeout` (and `interval`) longer"
        )
        yield "media", why
        return
    spent = ring + plan.hold
    if entry.flow == Flow.CALL and given & {"ring", "hold", "timeout"} and spent >= timeout:
        why = (
            f"a call that rings and is held for {spent:g}s in all does not fit into the probe's timeout of "
            f"{timeout:g}s; make it shorter, or `timeout` (and `interval`) longer"
        )
        yield "hold" if plan.hold >= plan.ring else "ring", why


def _of_presence(entry: ProbeEntry, plan: Plan) -> Iterator[tuple[str, str]]:
    if entry.flow != Flow.PRESENCE:
        return
    if plan.event is EventPackage.DIALOG and plan.changed_by is ChangedBy.PUBLISH:
        yield "changed_by", "dialogs are changed by calls, not by PUBLISH (RFC 4235); write call"
    if plan.changed_by is ChangedBy.PUBLISH:
        for key in sorted(entry.model_fields_set & {"number", "headers"}):
            yield key, "belongs to a call, and here PUBLISH changes the state; write `changed_by: call`"


def _of_tls(entry: ProbeEntry, plan: Plan) -> Iterator[tuple[str, str]]:
    if entry.tls is None:
        return
    if entry.flow == Flow.HTTP:
        if entry.target.lower().startswith("http:"):
            yield "tls", "the target is http://, without TLS; write https:// or take this out"
    elif not addresses.is_http(entry.target) and all(
        addresses.transport(uri) != "tls"
        for uri in (entry.target, plan.caller_target, plan.outbound_proxy)
        if uri
    ):
        yield "tls", "nothing here goes over TLS; write `;transport=tls` in the target or take this out"
