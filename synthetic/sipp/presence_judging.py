"""What the runs of a presence probe mean; the steps and words are those of synthetic/probes/presence.py."""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from dialtone.model import ChangedBy, FailureCode, Mark, Side
from sipp_flows.roles import Note
from synthetic.probes.base import FlowError, Notification
from synthetic.probes.presence import BUSY, IDLE
from synthetic.probes.waiting import PROOF, dropped
from synthetic.probes.watching import TOLD, Sought, unfinished
from synthetic.sipp.counting import invitations, registrations
from synthetic.sipp.hearing import Heard, answered, dropped_at, excuse, held, hung_up, proven
from synthetic.sipp.judging import done_or_refused, late, sound, step
from synthetic.sipp.notified import notifications
from synthetic.sipp.record import Leg, Measured, Said, named, registered, said
from synthetic.sipp.register import judge_registration
from synthetic.sipp.trip import Trip

WATCHING: Final = "watcher"
WATCHED: Final = "presentity"
CALLER: Final = "caller"
CALLEE: Final = "callee"
"""The runs of a trip: of the watcher's subscription, of the presentity's publication, and of both in a call;
registrations are `PARTY registration`."""
APART: Final = 0.02
"""Seconds that stamps of two SIPps may differ: one stamps what it sends once that is sent, so that on a short
way the NOTIFY that follows from it may be stamped before it (measured: by 0.3 ms)."""
_BEFORE: Final = -math.inf
_LEAVING: Final = re.compile(r"^expires[ \t]*:[ \t]*0[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def judge(trip: Trip) -> int:
    """Go through it in its order; what is first found wrong is the cause."""
    return _by_call(trip) if trip.plan.changed_by is ChangedBy.CALL else _by_publish(trip)


def _by_publish(trip: Trip) -> int:
    presentity = trip.runs[WATCHED]
    with step(f"{WATCHED} PUBLISH closed"):
        sound(presentity)
        done_or_refused(presentity, Note.PUBLISHED, "PUBLISH", trip)
        _tagged(presentity, 1)
    watcher = _subscribed(trip)
    _told(trip, watcher, {"closed"}, "before the change")
    with step(f"{WATCHED} PUBLISH open"):
        done_or_refused(presentity, Note.CHANGED, "PUBLISH", trip)
        _tagged(presentity, 2)
    since = changed_at(said(presentity.finished.messages), "PUBLISH", 2)
    _told(trip, watcher, {"open"}, "after the change", since)
    _ended(trip, watcher)
    return 200


def _by_call(trip: Trip) -> int:
    for party in (WATCHED, *(() if trip.plan.number else (WATCHING,))):
        leg = trip.runs.get(f"{party} registration")
        if leg is None:
            raise late(trip).within(f"{party} REGISTER")
        judge_registration(leg, trip)
    watcher = _subscribed(trip)
    before = _told(trip, watcher, IDLE[trip.plan.event], "before the call").state or ""
    heard = _heard(trip)
    if heard.callee is None:
        status = _called(trip, heard, watcher, before)
    else:
        with excuse(heard.callee):
            status = _called(trip, heard, watcher, before)
    hung_up_at = changed_at(heard.at_caller, "BYE", 1)
    _told(trip, watcher, {before}, "after the call", hung_up_at)
    _ended(trip, watcher)
    return status


def _called(trip: Trip, heard: Heard, watcher: Leg, before: str) -> int:
    status = answered(heard)
    if heard.callee is not None:
        proven(heard, heard.callee)
    since = changed_at(heard.at_caller, "INVITE", 1)
    over = dropped_at(heard)
    try:
        told = _told(trip, watcher, BUSY[before], "after the change", since)
    except FlowError:
        if over < math.inf:
            raise dropped() from None
        raise
    if over < told.at:
        raise dropped()
    held(heard)
    hung_up(heard)
    return status


def _subscribed(trip: Trip) -> Leg:
    watcher = trip.runs.get(WATCHING)
    with step(f"{WATCHING} SUBSCRIBE"):
        if watcher is None:
            raise late(trip)
        sound(watcher)
        done_or_refused(watcher, Note.SUBSCRIBED, "SUBSCRIBE", trip)
    return watcher


def _told(
    trip: Trip, watcher: Leg, states: Collection[str], when: str, since: float = _BEFORE
) -> Notification:
    """Return the NOTIFY that told one of these states. Raises FlowError."""
    sought = Sought(states, when)
    with step(f"{WATCHING} NOTIFY"):
        for notified in _notified(trip, watcher):
            if not notified.active:
                if notified.at >= left_at(said(watcher.finished.messages)):
                    break  # as we wanted
                why = f" ({notified.reason})" if notified.reason else ""
                raise FlowError(FailureCode.UNEXPECTED_MESSAGE, f"the platform ended the subscription{why}")
            apart = APART if notified.state in states else 0.0  # the old state is none of the change
            if notified.at >= since - apart and sought.is_found(notified):
                return notified
        raise _in_time(trip, sought.missed(), TOLD)


def _ended(trip: Trip, watcher: Leg) -> None:
    with step(f"{WATCHING} unsubscribe"):
        done_or_refused(watcher, Note.LEFT, "SUBSCRIBE", trip)
    with step(f"{WATCHING} last NOTIFY"):
        if all(notified.active for notified in _notified(trip, watcher)):
            raise _in_time(trip, unfinished(), PROOF)


def _in_time(trip: Trip, error: FlowError, limit: float) -> FlowError:
    if trip.duration < trip.timeout:
        return FlowError(error.code, f"{error.detail} within {limit:g} s", error.status)
    return FlowError(error.code, f"{error.detail}; {late(trip).detail}", error.status)


def _tagged(presentity: Leg, which: int) -> None:
    """Raise FlowError for a 2xx without what it takes to change the publication."""
    answers = [m for m in said(presentity.finished.messages) if m.method == "PUBLISH" and m.status == 200]
    if len(answers) >= which and "\nsip-etag" not in answers[which - 1].text.lower():
        what = "a 2xx to PUBLISH without a SIP-ETag (RFC 3903 11.3.1)"
        raise FlowError(FailureCode.UNEXPECTED_MESSAGE, what, 200)


def _notified(trip: Trip, watcher: Leg | None) -> list[Notification]:
    if watcher is None:
        return []
    return notifications(said(watcher.finished.messages), trip.plan.event, trip.probe)


def _heard(trip: Trip) -> Heard:
    return Heard(trip, WATCHED, trip.runs.get(CALLER), trip.runs.get(CALLEE), True, Side.CALLER)


def changed_at(heard: Sequence[Said], method: str, which: int) -> float:
    """Return when such a request first left, in UTC seconds, counted from 1 without resends; inf for never.

    One that follows a challenge, a 412 or a 423 is a resend; one that takes something back is not counted.
    """
    found, fresh = 0, True
    for message in heard:
        if message.method != method or _LEAVING.search(message.text) is not None:
            continue
        if message.direction == "sent" and message.status is None:
            found += fresh
            if found == which:
                return message.at
            fresh = False
        elif message.direction == "received" and message.final:
            fresh = message.status not in (401, 407, 412, 423)
    return math.inf


def left_at(heard: Iterable[Said]) -> float:
    """Return when something was first asked to end (Expires: 0), in UTC seconds; inf for never."""
    return min((m.at for m in heard if m.direction == "sent" and _LEAVING.search(m.text)), default=math.inf)


def timings(trip: Trip) -> tuple[Measured, ...]:
    """Return how long it took from the change of the state to the NOTIFY that tells it."""
    watcher, since, wanted = trip.runs.get(WATCHING), *_change(trip)
    told = [n.at for n in _notified(trip, watcher) if n.at >= since - APART and n.state in wanted]
    if watcher is None or not told:
        return ()
    return (Measured(watcher, {"presence_delay": max(0.0, told[0] - since)}),)


def _change(trip: Trip) -> tuple[float, Collection[str]]:
    """Return when the state was changed, inf for never, and to which."""
    if trip.plan.changed_by is ChangedBy.PUBLISH:
        presentity = trip.runs.get(WATCHED)
        heard = [] if presentity is None else said(presentity.finished.messages)
        return changed_at(heard, "PUBLISH", 2), {"open"}
    since = changed_at(_heard(trip).at_caller, "INVITE", 1)
    before = [
        n.state for n in _notified(trip, trip.runs.get(WATCHING)) if n.at < since and n.state is not None
    ]
    return since, BUSY.get(before[-1], set()) if before else set()


def marks(trip: Trip) -> list[Mark]:
    """Return the instants that the flow names."""
    watcher, since, wanted = trip.runs.get(WATCHING), *_change(trip)
    found = [
        Mark(f"{party} registered", at)
        for party in (WATCHED, WATCHING)
        if (leg := trip.runs.get(f"{party} registration")) is not None and (at := registered(leg)) is not None
    ]
    found += [mark for mark in _heard(trip).marks() if mark.name in ("answered", "hung up")]
    if watcher is None:
        return found
    accepted = [
        m.at for m in said(watcher.finished.messages) if m.method == "SUBSCRIBE" and m.status in (200, 202)
    ]
    notified = _notified(trip, watcher)
    told = next((n for n in notified if n.at >= since - APART and n.state in wanted), None)
    return found + named(
        ("subscribed", accepted[0] if accepted else None),
        ("published", since if trip.plan.changed_by is ChangedBy.PUBLISH and since < math.inf else None),
        (f"told {told.state}" if told else "told", told.at if told else None),
        ("unsubscribed", next((n.at for n in notified if not n.active), None)),
    )


def counts(trip: Trip) -> Mapping[str, int]:
    """Count its registrations and the call."""
    heard = _heard(trip)
    found = registrations([leg for name, leg in trip.runs.items() if name.endswith(" registration")])
    if heard.caller is not None:
        found += invitations([heard.caller])
        found["session_complete"] += heard.whole
    return found
