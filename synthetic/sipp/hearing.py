"""What the runs of one call mean: whether it was answered, by whom, held, and how it ended.

The steps and words are those of synthetic/probes (call.py, answering.py, waiting.py).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dialtone.model import FailureCode, Mark, Side
from sipp_flows.roles import Note
from synthetic.probes.answering import BYE_LOST
from synthetic.probes.base import FlowError
from synthetic.probes.waiting import PROOF, dropped
from synthetic.sipp.judging import challenge, done_or_refused, late, sound, step
from synthetic.sipp.record import Leg, Measured, Said, first, named, of_setup, of_teardown, said
from synthetic.sipp.trip import Trip

_SHORT: Final = 0.1
"""Seconds that a call may be held less than the plan says: cues come by the clock of another program.

SIPp stamps what it has sent, so that one of two may have received a BYE before the other stamps it, by as
much as the latter waits for a CPU.
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """A call of a trip: the runs of both ends, and what the plan wanted of it.

    `callee` is None where the platform answers, `caller` where it was never called; `account` is whether the
    caller has one, `through` where it sends its requests, "" for the probe's target.
    """

    trip: Trip
    calling: str
    caller: Leg | None
    callee: Leg | None
    at_once: bool
    hangs_up: Side
    account: bool = True
    through: str = ""

    @property
    def invite(self) -> str:
        """The step of its INVITE."""
        return f"{self.calling} INVITE{f' through {self.through}' if self.through else ''}"

    @property
    def at_caller(self) -> list[Said]:
        """What the caller sent and received."""
        return [] if self.caller is None else said(self.caller.finished.messages)

    @property
    def at_callee(self) -> list[Said]:
        """What our callee sent and received of the probe's own call, the last one that it took."""
        if self.callee is None:
            return []
        call_id = self.callee.noted(Note.ACKNOWLEDGED) or self.callee.noted(Note.INVITED)
        return [m for m in said(self.callee.finished.messages) if m.call_id == call_id]

    @property
    def whole(self) -> bool:
        """Whether the session was seen from its setup to its end by all our sides."""
        if self.caller is None or self.caller.noted(Note.ANSWERED) is None:
            return False
        if self.callee is not None and self.callee.noted(Note.ENDED) is None:
            return False
        theirs = self.hangs_up is Side.CALLEE
        return self.caller.noted(Note.DROPPED if theirs else Note.ENDED) is not None

    def measured(self) -> tuple[Measured, ...]:
        """Return SRD, PDD, SDD and SDT, the last two as whoever sends the BYE has them."""
        if self.caller is None:
            return ()
        found, other = of_setup(self.caller), dict[str, float]()
        start = first(self.at_caller, "received", "INVITE", 200)
        if self.hangs_up is Side.CALLER:
            found |= of_teardown(self.caller)
            end = first(self.at_caller, "sent", "BYE", None)
        elif self.callee is not None:
            other = of_teardown(self.callee)
            end = first(self.at_callee, "sent", "BYE", None)
        else:
            end = first(self.at_caller, "received", "BYE", None)
        confirmed = "sdd" in found or "sdd" in other or self.callee is None
        if start is not None and end is not None and confirmed:
            found["sdt"] = end - start
        return (Measured(self.caller, found), *(Measured(self.callee, other) for _ in other if self.callee))

    def marks(self) -> list[Mark]:
        """Return the instants that the flows name."""
        at_caller, at_callee = self.at_caller, self.at_callee
        ours = self.callee.party if self.callee is not None else ""
        return named(
            ("answered", first(at_caller, "received", "INVITE", 200)),
            ("hung up", first(at_caller, "sent", "BYE", None)),
            (f"{self.calling} hung up on", first(at_caller, "received", "BYE", None)),
            (f"{ours} invited", first(at_callee, "received", "INVITE", None)),
            (f"{ours} acknowledged", first(at_callee, "received", "ACK", None)),
            (f"{ours} hung up on", first(at_callee, "received", "BYE", None)),
            (f"{ours} hung up", first(at_callee, "sent", "BYE", None)),
            (f"{ours} was cancelled", first(at_callee, "received", "CANCEL", None)),
        )


def answered(heard: Heard) -> int:
    """Return the status of the INVITE. Raises FlowError."""
    with step(heard.invite):
        if heard.caller is None:
            raise late(heard.trip)
        sound(heard.caller)
        if not heard.account and (status := challenge(heard.caller)) is not None:
            raise FlowError(
                FailureCode.AUTH,
                f"the platform asks for a password ({status}), and this side has no account:"
                " it must let this machine's address in without one",
                status,
            )
        done_or_refused(heard.caller, Note.ANSWERED, "INVITE", heard.trip)
        if heard.caller.noted(Note.NO_DESCRIPTION) is not None:
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, "a 2xx without a session description", 200)
    return 200


def proven(heard: Heard, callee: Leg) -> None:
    """Raise FlowError unless our callee saw the caller's INVITE and ACK."""
    with step(f"{callee.party} answer"):
        if callee.noted(Note.INVITED) is None or not _took(callee):
            what = f"the call was answered, but not by our {callee.party}"
            if callee.noted(Note.CANCELLED) is not None:
                what += ", where it rang and was cancelled:"
            raise _in_time(heard, FlowError(FailureCode.UNEXPECTED_MESSAGE, what))
        if callee.noted(Note.ACKNOWLEDGED) is None:
            raise _in_time(heard, FlowError(FailureCode.TIMEOUT, "the ACK did not arrive"), at_once=True)


def _took(callee: Leg) -> bool:
    """Whether it answered: a call that rings may be cancelled."""
    return any(
        m.direction == "sent" and m.method == "INVITE" and m.status == 200
        for m in said(callee.finished.messages)
    )


def _in_time(heard: Heard, error: FlowError, *, at_once: bool = False) -> FlowError:
    """Say by when it should have come: soon after the answer, or before the probe's deadline."""
    soon = at_once or heard.at_once
    if soon and heard.trip.duration < heard.trip.timeout:
        return FlowError(error.code, f"{error.detail} within {PROOF:g} s", error.status)
    return FlowError(error.code, f"{error.detail}; {late(heard.trip).detail}", error.status)


@contextmanager
def excuse(callee: Leg) -> Iterator[None]:
    """Tell a failure with account-busy where the callee may have refused the probe's own call."""
    try:
        yield
    except FlowError as error:
        if callee.noted(Note.TURNED_AWAY) is None or callee.noted(Note.INVITED) is not None:
            raise
        raise FlowError(
            FailureCode.ACCOUNT_BUSY,
            f"the {callee.party} turned away a call that it could not know for ours, neither by the header"
            f" X-Dialtone-Probe nor by the caller's user in From; {error.detail}",
            error.status,
        ) from None


def held(heard: Heard) -> None:
    """Raise FlowError where a side was hung up on before one of ours hung up, or the time was over."""
    if heard.hangs_up is Side.CALLEE and heard.callee is None:
        return  # the platform hangs up when it likes
    end = ended(heard)
    with step("hold"):
        if dropped_at(heard) < (math.inf if end is None else end):
            raise dropped()
        start = first(heard.at_callee, "received", "ACK", None) or first(heard.at_caller, "sent", "ACK", None)
        if end is None or (start is not None and end - start < heard.trip.plan.hold - _SHORT):
            raise late(heard.trip)


def ended(heard: Heard) -> float | None:
    """Return when the right side hung up, in UTC seconds; None for never."""
    ours = heard.at_caller if heard.hangs_up is Side.CALLER else heard.at_callee
    return first(ours, "sent", "BYE", None)


def dropped_at(heard: Heard) -> float:
    """Return when a side was hung up on before any of ours hung up; inf where none was."""
    end = ended(heard)
    ends = [first(heard.at_caller, "received", "BYE", None), first(heard.at_callee, "received", "BYE", None)]
    early = [at for at in ends if at is not None and (end is None or at < end - _SHORT)]
    return min(early, default=math.inf)


def hung_up(heard: Heard) -> None:
    """Raise FlowError unless the right side hung up, and the other saw it."""
    trip, caller, callee = heard.trip, heard.caller, heard.callee
    if caller is None:
        raise late(trip)
    if heard.hangs_up is Side.CALLER:
        with step(f"{caller.party} BYE"):
            done_or_refused(caller, Note.ENDED, "BYE", trip)
        if callee is not None:
            with step(f"{callee.party} BYE"):
                _seen(callee.noted(Note.ENDED) is not None)
        return
    if callee is None:
        with step("platform BYE"):
            if caller.noted(Note.DROPPED) is None:
                raise late(trip)
        return
    with step(f"{callee.party} BYE"):
        _confirmed(callee, trip)
    with step(f"{caller.party} BYE"):
        _seen(caller.noted(Note.DROPPED) is not None)


def _confirmed(callee: Leg, trip: Trip) -> None:
    asked = {
        m.status for m in said(callee.finished.messages) if m.method == "BYE" and m.direction == "received"
    }
    if callee.noted(Note.ENDED) is None and asked & {401, 407}:
        raise FlowError(
            FailureCode.MISCONFIGURED,
            "the platform asks for a password to the BYE of who was called, which SIPp can't answer:"
            " use the engine sippy",
        )
    done_or_refused(callee, Note.ENDED, "BYE", trip)


def _seen(seen: bool) -> None:
    if not seen:
        error = BYE_LOST()
        raise FlowError(error.code, f"{error.detail} within {PROOF:g} s", error.status)
