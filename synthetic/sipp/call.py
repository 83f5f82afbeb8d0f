"""call on SIPp: a callee that registers and waits, where a phone of ours answers, and a caller."""

from collections.abc import Mapping
from typing import Final

from dialtone.model import AnsweredBy, FailureCode, Flow, Mark
from sipp_flows.roles import Note
from synthetic.probes.base import FlowError
from synthetic.probes.parties import parties
from synthetic.sipp.conversation import Call, converse
from synthetic.sipp.counting import invitations, registrations
from synthetic.sipp.errand import Errand
from synthetic.sipp.hearing import Heard, answered, excuse, held, hung_up, proven
from synthetic.sipp.judging import late, sound, step
from synthetic.sipp.record import Leg, Measured, named, registered
from synthetic.sipp.register import judge_registration
from synthetic.sipp.registration import bound
from synthetic.sipp.trip import Journey, Trip

REGISTRATION: Final = "registration"
CALLED: Final = "callee"


async def travel(errand: Errand) -> Trip:
    """Make the call; the callee registers before it, and takes its binding back after it."""
    plan, request = errand.request.plan, errand.request
    calling = errand.parties[0].name
    runs: dict[str, Leg] = {}
    leaving: tuple[Leg, ...] = ()
    if plan.answered_by is AnsweredBy.PLATFORM:
        if not plan.number:
            raise FlowError(
                FailureCode.MISCONFIGURED, "a call that the platform answers needs a number to dial"
            )
        runs, over = await converse(errand, Call(calling, None, plan.number, plan.hangs_up, True), None)
    else:
        number = plan.number or plan.dial.replace("{user}", errand.account(CALLED).user)
        call = Call(calling, CALLED, number, plan.hangs_up, at_once=not plan.number)
        async with bound(errand, CALLED) as phone:
            runs, over = {REGISTRATION: phone.registration}, errand.clock.monotonic()
            if phone.there:
                more, over = await converse(errand, call, phone.port)
                runs |= more
        leaving = () if phone.leaving is None else (phone.leaving,)
    return Trip(runs, plan, request.timeout, over - errand.started, leaving)


def _heard(trip: Trip) -> Heard:
    calling = parties(Flow.CALL, trip.plan)[0]
    return Heard(
        trip,
        calling.name,
        trip.runs.get(calling.name),
        trip.runs.get(CALLED),
        at_once=not trip.plan.number,
        hangs_up=trip.plan.hangs_up,
        account=calling.account,
        through=trip.plan.caller_target,
    )


def judge(trip: Trip) -> int:
    """Go through a call in its order; what is first found wrong is the cause, what it tore down follows."""
    heard = _heard(trip)
    if trip.plan.answered_by is AnsweredBy.PLATFORM:
        status = answered(heard)
        held(heard)
        hung_up(heard)
        return status
    judge_registration(trip.runs[REGISTRATION], trip)
    if heard.callee is not None:
        with step(f"{CALLED} answer"):
            sound(heard.callee)
            if heard.callee.noted(Note.INDESCRIBABLE) is not None:
                raise FlowError(
                    FailureCode.UNEXPECTED_MESSAGE, "the INVITE arrived with no G.711 in its offer"
                )
    if heard.callee is None or heard.caller is None:
        raise late(trip).within(heard.invite)
    with excuse(heard.callee):
        status = answered(heard)
        proven(heard, heard.callee)
        held(heard)
        hung_up(heard)
    return status


def timings(trip: Trip) -> tuple[Measured, ...]:
    """Return SRD, PDD, SDD and SDT; RRD is the flow register's."""
    return _heard(trip).measured()


def marks(trip: Trip) -> list[Mark]:
    """Return the instants that the flow names."""
    found = []
    if REGISTRATION in trip.runs:
        found += named((f"{CALLED} registered", registered(trip.runs[REGISTRATION])))
    return found + _heard(trip).marks()


def counts(trip: Trip) -> Mapping[str, int]:
    """Count the callee's registration, the call, and the session where both saw all of it."""
    heard = _heard(trip)
    found = registrations([leg for name, leg in trip.runs.items() if name == REGISTRATION])
    if heard.caller is not None:
        found += invitations([heard.caller])
    found["session_complete"] += heard.whole
    return found


JOURNEY: Final = Journey(travel, judge, timings, marks, counts)
