"""options on SIPp: one run, which ends with any final response."""

from collections.abc import Mapping
from typing import Final

from dialtone.model import Mark
from sipp_flows.catalogue import OPTIONS
from sipp_flows.roles import Note
from synthetic.probes.base import FlowError
from synthetic.probes.refusals import code_of
from synthetic.sipp.credentials import uri_user
from synthetic.sipp.errand import MIN_WAIT, Errand
from synthetic.sipp.judging import done_or_refused, sound, step
from synthetic.sipp.record import Leg, Measured, Said, first, named, said
from synthetic.sipp.stage import client, folder_of, on_stage
from synthetic.sipp.trip import Journey, Trip

PINGER: Final = "pinger"


async def travel(errand: Errand) -> Trip:
    """Ask."""
    account = errand.account(PINGER)
    folder = await folder_of(errand, PINGER)
    keys = {"from": f"{uri_user(account)}@{account.tenant}"}
    with errand.ports.free(errand.towards(PINGER).host) as port:
        invocation = client(errand, PINGER, OPTIONS, port, keys, errand.remaining, account.tenant)
        async with on_stage(errand, PINGER, invocation, folder) as act:
            leg = act.leg(await act.ended(errand.remaining + MIN_WAIT))
        over = errand.clock.monotonic()
    return Trip({PINGER: leg}, errand.request.plan, errand.request.timeout, over - errand.started)


def judge(trip: Trip) -> int:
    """Return the status, where it is a right one."""
    leg = trip.runs[PINGER]
    with step(f"{PINGER} OPTIONS"):
        sound(leg)
        answer = _answer(leg)
        if answer is None or answer.status is None:
            done_or_refused(leg, Note.ANSWERED, "OPTIONS", trip)
            return 200
        if answer.status not in (trip.plan.statuses or range(200, 300)):
            wanted = ", ".join(map(str, trip.plan.statuses)) or "a 2xx"
            raise FlowError(
                code_of(answer.status), f"{answer.status}, where {wanted} is right", answer.status
            )
    return answer.status


def _answer(leg: Leg) -> Said | None:
    heard = said(leg.finished.messages)
    return next((m for m in heard if m.direction == "received" and m.method == "OPTIONS" and m.final), None)


def timings(trip: Trip) -> tuple[Measured, ...]:
    """Return how long the answer took."""
    leg = trip.runs[PINGER]
    sent, answer = first(said(leg.finished.messages), "sent", "OPTIONS", None), _answer(leg)
    if sent is None or answer is None:
        return ()
    return (Measured(leg, {"options_delay": answer.at - sent}),)


def marks(trip: Trip) -> list[Mark]:
    """Return when it was answered."""
    answer = _answer(trip.runs[PINGER])
    return named(("answered", None if answer is None else answer.at))


def counts(trip: Trip) -> Mapping[str, int]:
    """Count nothing: the ratios are of calls and registrations."""
    return {}


JOURNEY: Final = Journey(travel, judge, timings, marks, counts)
