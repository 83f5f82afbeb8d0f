"""register on SIPp: one run that registers, asks what is bound, and takes the binding back.

What the registrar shows is read here while the run goes on, and the run told what to do next. A binding that
it couldn't take back is left to another run.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import count
from typing import Final

import anyio

from dialtone.model import FailureCode, Mark
from sipp_flows.catalogue import BINDING
from sipp_flows.roles import Cue, Note
from synthetic.address import Address, hostport
from synthetic.probes.base import FlowError
from synthetic.probes.register import SEEN
from synthetic.probes.runner import TIDY
from synthetic.sipp.counting import registrations
from synthetic.sipp.credentials import write_injection
from synthetic.sipp.errand import MIN_WAIT, Errand
from synthetic.sipp.judging import done_or_refused, late, sound, step
from synthetic.sipp.record import Leg, Measured, Said, named, of_register, registered, said
from synthetic.sipp.registration import maybe_bound, register
from synthetic.sipp.stage import Act, client, folder_of, on_stage
from synthetic.sipp.threads import in_thread
from synthetic.sipp.trip import Journey, Trip

PHONE: Final = "phone"
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5
"""Pauses between two questions, in seconds: they double from the first to the longest. As on sippy."""
_CONTACT: Final = re.compile(r"^(?:contact|m)[ \t]*:(?P<value>[^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_URI: Final = re.compile(r"sips?:[^\s<>,;]*", re.IGNORECASE)


async def travel(errand: Errand) -> Trip:
    """Register, see the binding, leave."""
    runs: dict[str, Leg] = {}
    leaving: tuple[Leg, ...] = ()
    with errand.ports.free(errand.towards(PHONE).host) as port:
        try:
            await _bind(errand, port, runs)
        finally:
            over = errand.clock.monotonic()
            leg = runs.get(PHONE)
            if leg is not None and maybe_bound(leg) and leg.noted(Note.LEFT) is None:
                with anyio.CancelScope(shield=True):
                    leaving = (await register(errand, PHONE, port, 0, TIDY),)
    return Trip(runs, errand.request.plan, errand.request.timeout, over - errand.started, leaving)


async def _bind(errand: Errand, port: int, runs: dict[str, Leg]) -> None:
    account = errand.account(PHONE)
    folder = await folder_of(errand, "binding")
    await in_thread(lambda: write_injection(folder, account))
    keys = {"expires": str(errand.life)}
    invocation = client(errand, PHONE, BINDING, port, keys, errand.remaining, account.tenant)
    async with on_stage(errand, PHONE, invocation, folder) as act:
        try:
            if await act.notes(errand.remaining, Note.REGISTERED):
                await _see(errand, act, invocation.local)
            else:
                await act.stopped()
        finally:
            with anyio.CancelScope(shield=True):
                runs[PHONE] = act.leg(await act.stopped())


async def _see(errand: Errand, act: Act, local: Address) -> None:
    """Have it ask until the binding is seen, and leave then; return where that isn't so in time."""
    clock, pause = errand.clock, _FIRST_PAUSE
    until = clock.monotonic() + SEEN
    for asked in count(1):
        answers = await act.until(errand.remaining, partial(_told, act, asked))
        if answers is None:
            return
        if _ours(answers[-1], local):
            await act.cue(Cue.LEAVE)
            await act.waited_for(errand.remaining + MIN_WAIT)
            return
        if clock.monotonic() + pause > until:
            return
        await clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        await act.cue(Cue.ASK)


async def _told(act: Act, times: int) -> list[Said] | None:
    """Return what the registrar said it has bound, once it was asked so many times and SIPp waits for a cue.

    Its trace has the answer a few milliseconds before: a cue that came then would have no place.
    """
    if await act.count(Note.TOLD) < times:
        return None
    answers = told(said(await act.messages()))
    return answers if len(answers) >= times else None


def told(heard: Iterable[Said]) -> list[Said]:
    """Return the answers to those REGISTERs that asked what is bound: they have no Contact."""
    asked: set[int] = set()
    answers: dict[int, Said] = {}
    for message in heard:
        if message.method != "REGISTER":
            continue
        if message.direction == "sent":
            if _CONTACT.search(message.text) is None:
                asked.add(message.number)
        elif message.number in asked and 200 <= (message.status or 0) < 300:
            answers.setdefault(message.number, message)
    return list(answers.values())


def _contacts(answer: Said) -> list[str]:
    """Return the URIs of the Contacts that an answer lists."""
    return [uri[0] for header in _CONTACT.finditer(answer.text) for uri in _URI.finditer(header["value"])]


def _ours(answer: Said, local: Address) -> bool:
    return any(uri.rpartition("@")[2] == hostport(local) for uri in _contacts(answer))


def judge(trip: Trip) -> int:
    """Return the status of the registration."""
    leg = trip.runs[PHONE]
    status = judge_registration(leg, trip)
    with step(f"{PHONE} bindings"):
        done_or_refused(leg, Note.TOLD, "REGISTER", trip)
        if _seen(leg) is None:
            if trip.duration >= trip.timeout:
                raise late(trip)
            shown = _contacts(told(said(leg.finished.messages))[-1])
            raise FlowError(
                FailureCode.NO_BINDING,
                f"registered, but {SEEN:g} s later not among the registrar's contacts, of which it shows"
                f" {len(shown)}",
            )
    with step(f"{PHONE} unregister"):
        done_or_refused(leg, Note.LEFT, "REGISTER", trip)
    return status


def judge_registration(leg: Leg, trip: Trip) -> int:
    """Return the status of any phone's registration. Raises FlowError."""
    with step(f"{leg.party} REGISTER"):
        sound(leg)
        done_or_refused(leg, Note.REGISTERED, "REGISTER", trip)
    return 200


def _seen(leg: Leg) -> float | None:
    answers = told(said(leg.finished.messages))
    return next((answer.at for answer in answers if _ours(answer, leg.local)), None)


def timings(trip: Trip) -> tuple[Measured, ...]:
    """Return RRD, and how long the binding took to be seen."""
    leg = trip.runs[PHONE]
    found, bound, seen = of_register(leg), registered(leg), _seen(leg)
    if bound is not None and seen is not None:
        found["binding_delay"] = seen - bound
    return (Measured(leg, found),)


def marks(trip: Trip) -> list[Mark]:
    """Return the instants that the flow names."""
    leg = trip.runs[PHONE]
    answers = [m for m in said(leg.finished.messages) if m.direction == "received" and m.status == 200]
    left = answers[-1].at if answers and leg.noted(Note.LEFT) is not None else None
    return named(("registered", registered(leg)), ("binding seen", _seen(leg)), ("unregistered", left))


def counts(trip: Trip) -> Mapping[str, int]:
    """Count its registration."""
    return registrations(trip.legs)


JOURNEY: Final = Journey(travel, judge, timings, marks, counts)
