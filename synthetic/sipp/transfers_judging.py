"""What the runs of a transfer mean: in the order of the flow, what is first found wrong is the cause.

The same codes, steps and words as those of synthetic/probes/{blind,attended}_transfer.py.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from dialtone.model import FailureCode
from sipp_flows.roles import Note
from synthetic.probes.base import FlowError
from synthetic.probes.refusals import refused_again
from synthetic.probes.transfers import ACCEPTED, FINAL, PROVEN
from synthetic.probes.waiting import PROOF
from synthetic.sipp.judging import done_or_refused, late, misread, sound, step
from synthetic.sipp.record import Leg, Said, first, said
from synthetic.sipp.transfers import CALLED, CALLING, PHONES, TRANSFEROR, Transfer, registration_of
from synthetic.sipp.transfers_notified import concluded
from synthetic.sipp.trip import Trip

SIPPY: Final = "use the engine sippy"


def judge(trip: Trip) -> int:
    """Return the status of the 2xx to REFER. Raises FlowError for the first thing that went wrong."""
    transfer = of(trip)
    for party in PHONES:
        leg = trip.runs.get(registration_of(party))
        if leg is None:
            raise late(trip).within(f"{party} REGISTER")
        with step(f"{party} REGISTER"):
            sound(leg)
            done_or_refused(leg, Note.REGISTERED, "REGISTER", trip)
    for party in PHONES:
        if party in trip.runs:
            with step(f"{party} answer" if party != CALLING else f"{party} INVITE"):
                sound(trip.runs[party])
    if CALLING not in trip.runs:
        raise late(trip).within(f"{CALLING} INVITE")
    _called(transfer)
    if transfer.attended:
        _consulted(transfer)
    status = _referred(transfer)
    _concluded(transfer)
    _proven(transfer)
    _taken_down(transfer)
    return status


def of(trip: Trip) -> Transfer:
    """Return a trip as what it is. Raises TypeError for a trip of another flow."""
    if not isinstance(trip, Transfer):
        raise TypeError("the trip is no transfer")
    return trip


def acknowledged(transfer: Transfer, party: str) -> float | None:
    """Return when the ACK of the probe's own call came to a phone that takes calls."""
    leg = transfer.runs[party]
    call_id = leg.noted(Note.ACKNOWLEDGED)
    heard = [message for message in said(leg.finished.messages) if message.call_id == call_id]
    return first(heard, "received", "ACK", None)


def _called(transfer: Transfer) -> None:
    transferor, transferee = transfer.runs[TRANSFEROR], transfer.runs[CALLING]
    through = transfer.plan.caller_target
    with _excusing(transferor):
        with step(f"{CALLING} INVITE{f' through {through}' if through else ''}"):
            done_or_refused(transferee, Note.ANSWERED, "INVITE", transfer)
            _described(transferee)
        _reached(transferor)
    if transferee.noted(Note.PASSED_ON) is not None:
        what = f"this platform passes REFER to the phone, which SIPp can't serve: {SIPPY}"
        raise FlowError(FailureCode.MISCONFIGURED, what).within(f"{TRANSFEROR} REFER")
    if transferor.noted(Note.REFERRING) is None and transferor.noted(Note.REFUSED) is None:
        _held(transferor, transferee)


def _held(*legs: Leg) -> None:
    if any(leg.noted(Note.DROPPED) is not None for leg in legs):
        what = "the platform ended the call that had been answered"
        raise FlowError(FailureCode.UNEXPECTED_MESSAGE, what).within("hold")


def _consulted(transfer: Transfer) -> None:
    transferor, target = transfer.runs[TRANSFEROR], transfer.runs[CALLED]
    if target.noted(Note.TO_REPLACE) is not None:
        what = f"this platform passes Replaces to the phone, which SIPp can't serve: {SIPPY}"
        raise FlowError(FailureCode.MISCONFIGURED, what).within(f"{TRANSFEROR} REFER")
    with _excusing(target):
        with step(f"{TRANSFEROR} INVITE"):
            done_or_refused(transferor, Note.CONSULTED, "INVITE", transfer)
            _described(transferor)
        _reached(target)
    if transferor.noted(Note.REFERRING) is None:
        _held(transferor, transfer.runs[CALLING])


def _referred(transfer: Transfer) -> int:
    leg = transfer.runs[TRANSFEROR]
    with step(f"{TRANSFEROR} REFER"):
        if (accepted := leg.noted(Note.REFERRED)) is not None:
            return int(accepted)
        if leg.noted(Note.UNREFERRED) is not None:
            refused = _last(leg, "REFER")
            status, reason = (refused.status, refused.reason) if refused is not None else (None, "")
            detail = f"{status} {_printable(reason)}{_followed(transfer)}"
            raise FlowError(FailureCode.TRANSFER_REFUSED, detail, status)
        if (mistaken := misread(leg, "REFER")) is not None:
            raise mistaken
        if leg.noted(Note.DENIED) is not None:
            raise refused_again(int(leg.noted(Note.CHALLENGED) or 401))
        if leg.noted(Note.UNANSWERED) is not None:
            raise FlowError(FailureCode.TIMEOUT, f"not answered within {ACCEPTED:g} s")
        raise late(transfer)


def _concluded(transfer: Transfer) -> None:
    leg, target = transfer.runs[TRANSFEROR], transfer.runs[CALLED]
    with step(f"{TRANSFEROR} NOTIFY"):
        final = concluded(leg.finished.messages)
        if final is None:
            limit = f" within {FINAL:g} s" if leg.noted(Note.UNNOTIFIED) is not None else ""
            if remarks := _remarks(transfer):
                what = f"accepted, but it came to nothing and no NOTIFY says so{remarks}{limit}"
                raise FlowError(FailureCode.TRANSFER_FAILED, what)
            reached = "reached" if target.noted(Note.ACKNOWLEDGED) is not None else "not reached"
            what = f"accepted, the target was {reached}, but no NOTIFY with a final status came{limit}"
            raise FlowError(FailureCode.NO_NOTIFY, what)
        status = final.status
        if status >= 300:
            detail = f"the transfer ended with {status}{_followed(transfer)}"
            raise FlowError(FailureCode.TRANSFER_FAILED, detail, status)
        if not final.terminated:
            what = "leaves the subscription active (RFC 3515 2.4.7 has it terminated)"
            raise FlowError(
                FailureCode.UNEXPECTED_MESSAGE, f"the NOTIFY with the final {status} {what}", status
            )


def _proven(transfer: Transfer) -> None:
    target = transfer.runs[CALLED]
    if not transfer.attended:
        with _excusing(target), step(f"{CALLED} answer"):
            if target.noted(Note.INVITED) is None:
                raise _unproven(transfer, "the target was not called")
            if target.noted(Note.CANCELLED) is not None and target.noted(Note.ACKNOWLEDGED) is None:
                raise _unproven(transfer, "the target rang and was cancelled")
            if target.noted(Note.ACKNOWLEDGED) is None:
                raise _unproven(transfer, "the target's answer was not acknowledged")
        return
    with step(f"{TRANSFEROR} consultation"):
        if "consult" not in _released(transfer.runs[TRANSFEROR]):
            raise _unproven(transfer, "the consultation's leg was not ended by BYE")
    with step(f"{CALLED} voice"):
        if transfer.heard is None:
            raise _unproven(transfer, "the target did not hear the transferee")


def _taken_down(transfer: Transfer) -> None:
    transferee, target = transfer.runs[CALLING], transfer.runs[CALLED]
    if target.noted(Note.HANGING_UP) is None:
        what = "the target was hung up on when the transferor had left"
        raise FlowError(FailureCode.TRANSFER_FAILED, what).within("hold")
    with step(f"{CALLED} BYE"):
        done_or_refused(target, Note.ENDED, "BYE", transfer)
    with step(f"{CALLING} BYE"):
        if transferee.noted(Note.DROPPED) is None:
            what = f"the BYE was confirmed, but did not arrive within {PROOF:g} s"
            raise FlowError(FailureCode.TIMEOUT, what)


def _described(leg: Leg) -> None:
    if leg.noted(Note.NO_DESCRIPTION) is not None:
        raise FlowError(FailureCode.UNEXPECTED_MESSAGE, "a 2xx without a session description", 200)


def _reached(leg: Leg) -> None:
    with step(f"{leg.party} answer"):
        if leg.noted(Note.INDESCRIBABLE) is not None:
            what = "the INVITE arrived with no G.711 in its offer"
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, what)
        if leg.noted(Note.INVITED) is None:
            what = f"the call was answered, but not by our {leg.party} within {PROOF:g} s"
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, what)
        if leg.noted(Note.ACKNOWLEDGED) is None:
            raise FlowError(FailureCode.TIMEOUT, f"the ACK did not arrive within {PROOF:g} s")


@contextmanager
def _excusing(leg: Leg) -> Iterator[None]:
    """Tell a failure that may be our own phone's doing, which took the call for a stranger's."""
    try:
        yield
    except FlowError as error:
        if leg.noted(Note.TURNED_AWAY) is None or leg.noted(Note.INVITED) is not None:
            raise
        raise FlowError(
            FailureCode.ACCOUNT_BUSY,
            f"the {leg.party} turned away a call that it could not know for ours, neither by the header"
            f" X-Dialtone-Probe nor by the caller's user in From; {error.detail}",
            error.status,
        ) from None


def _unproven(transfer: Transfer, what: str) -> FlowError:
    final = concluded(transfer.runs[TRANSFEROR].finished.messages)
    status = final.status if final is not None else 0
    detail = f"the NOTIFY said {status}, but {what}{_remarks(transfer)} within {PROVEN:g} s"
    return FlowError(FailureCode.TRANSFER_FAILED, detail)


def _followed(transfer: Transfer) -> str:
    return _remarks(transfer) or "; the transferee's call stays up"


def _remarks(transfer: Transfer) -> str:
    """Say on which of the two that should talk the platform hung up, before any of ours did."""
    transferee, target = transfer.runs[CALLING], transfer.runs[CALLED]
    ours = [_first_bye(transfer.runs[party], "sent") for party in PHONES]
    until = min((at for at in ours if at is not None), default=math.inf)
    dropped = [
        leg.party
        for leg in (transferee, target)
        if (at := _first_bye(leg, "received")) is not None and at < until
    ]
    return "".join(f"; the {party} was hung up on" for party in dropped)


def _first_bye(leg: Leg, direction: Literal["sent", "received"]) -> float | None:
    return first(said(leg.finished.messages), direction, "BYE", None)


def _released(leg: Leg) -> set[str]:
    lines = [line.partition(" ") for line in leg.finished.log]
    return {rest.strip() for word, _, rest in lines if word == Note.RELEASED}


def _last(leg: Leg, method: str) -> Said | None:
    finals = [m for m in said(leg.finished.messages) if m.method == method and m.final]
    return finals[-1] if finals else None


def _printable(reason: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in reason[:80])
