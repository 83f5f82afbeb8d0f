"""What a probe's SIPp runs mean: their endings, counts, log lines and messages, as one failure or none.

The same faults get the same codes, steps and words as from the sippy flows (synthetic/probes). Pure: a
verdict can be had from recorded runs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dialtone.model import Failure, FailureCode, Outcome
from sipp_flows.catalogue import Note
from synthetic.probes.base import FlowError
from synthetic.probes.call import PROOF
from synthetic.probes.refusals import refusal, refused_again
from synthetic.sipp.lateness import LATE
from synthetic.sipp.record import Leg, Said, realms, said
from synthetic.sipp.run import Ending

_BROKEN: Final = frozenset({Ending.KILLED, Ending.HUNG, Ending.UNKNOWN, Ending.NO_CALL, Ending.MEDIA_FAILED})
"""Endings that say nothing about the platform."""

_FATAL: Final[tuple[tuple[str, FailureCode, str], ...]] = (
    ("Unable to bind", FailureCode.NO_PORT, "SIPp could not have its port"),
    ("could not bind", FailureCode.NO_PORT, "SIPp could not have its port"),
    ("Couldn't find 'Proxy-Auth", FailureCode.AUTH, "the challenge has no header that can be answered"),
    ("must be digest", FailureCode.AUTH, "the challenge offers no digest, nothing that can be answered"),
    ("couldn't parse", FailureCode.AUTH, "the challenge lacks its realm or its nonce"),
    (
        "must use MD5",
        FailureCode.MISCONFIGURED,
        "the platform asks for a digest algorithm that this SIPp does not have: use the engine sippy",
    ),
    ("Invalid sip message", FailureCode.UNEXPECTED_MESSAGE, "what came is no SIP, and SIPp gave up"),
    ("method too long", FailureCode.UNEXPECTED_MESSAGE, "what came is no SIP, and SIPp gave up"),
)
"""What SIPp says when it gives up (src/{auth,call,socket,sipp}.cpp), and what that means."""

_FAILED: Final[Mapping[str, tuple[FailureCode, str]]] = {
    "FailedCannotSendMessage": (FailureCode.NO_PORT, "this machine does not let SIPp's packets out"),
    "FailedTimeoutOnSend": (FailureCode.NO_PORT, "this machine does not let SIPp's packets out"),
    "FailedOutboundCongestion": (FailureCode.OVERLOADED, "this machine has no room for SIPp's packets"),
    "FailedTcpConnect": (FailureCode.CONNECT, "no connection"),
    "FailedTcpClosed": (FailureCode.CONNECT, "the connection was closed"),
}
"""Classes of failed calls that no message explains; timeouts and unexpected messages are told by hand."""

_NONSENSE: Final = ("non SIP message discarded", "without Call-ID discarded", "No valid Call-ID")
"""What SIPp says of messages that it keeps no trace of (src/{socket,sip_parser}.cpp)."""
_MAX_SAID: Final = 80


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a probe ended, and the SIP status that decided, where one did."""

    failure: Failure | None
    status: int | None


@dataclass(frozen=True, slots=True)
class Legs:
    """A probe's runs. A flow that ended early has no callee or caller; `register` has neither.

    `timeout` is the probe's, in seconds; `refusing` is an address that nothing listens on, where that is
    known: a remark for timeouts.
    """

    registration: Leg
    callee: Leg | None
    caller: Leg | None
    timeout: float
    refusing: str | None = None

    @property
    def all(self) -> tuple[Leg, ...]:
        """Every run there was, in order."""
        legs = (self.registration, self.caller, self.callee)
        return tuple(leg for leg in legs if leg is not None)


def judge(legs: Legs, *, call: bool) -> Verdict:
    """Say what came of a registration, or of a call: both of its ends must have seen all of it."""
    try:
        status = _called(legs) if call else _registered(legs)
    except FlowError as error:
        return Verdict(Failure(error.code, error.detail), error.status)
    return Verdict(None, status)


def left(leg: Leg) -> str | None:
    """Return why a phone could not leave, None where it did."""
    try:
        _sound(leg)
        _done_or_refused(leg, Note.REGISTERED, "REGISTER")
    except FlowError as error:
        return error.detail
    return None


def overloaded(failure: Failure | None, lost: int, late: float, *, tolerated: float = LATE) -> Failure | None:
    """Return the failure that it is where SIPp lost datagrams here, or could not run: none of the platform's.

    `late` spoils what passed too: its timings are not the platform's.
    """
    if failure is not None and failure.code.outcome is not Outcome.FAIL:
        return failure
    without = "" if failure is None else f"; without that: {failure.code}: {failure.detail}"
    if late > tolerated:
        return Failure(FailureCode.OVERLOADED, f"SIPp could not run for {late * 1000:.0f} ms{without}")
    if failure is None or lost <= 0:
        return failure
    return Failure(FailureCode.OVERLOADED, f"{lost_here(lost)}{without}")


def excused(failure: Failure | None, held: float, *, tolerated: float) -> Failure | None:
    """Return the failure that it is where other work held our own loop for `held` seconds of the probe.

    The loop only starts and ends the runs: what passed, passed, and its timings are SIPp's own.
    """
    if failure is None or failure.code.outcome is not Outcome.FAIL or held <= tolerated:
        return failure
    what = f"our own loop was held for {held * 1000:.0f} ms"
    return Failure(FailureCode.OVERLOADED, f"{what}; without that: {failure.code}: {failure.detail}")


def lost_here(lost: int) -> str:
    """Say how many datagrams a probe's own sockets had no room for."""
    return f"{lost} datagrams to SIPp were lost in its full receive buffer"


def _registered(legs: Legs) -> int:
    leg = legs.registration
    with _step(f"{leg.party} REGISTER"):
        _sound(leg)
        _done_or_refused(leg, Note.REGISTERED, "REGISTER", legs)
    return 200


def _called(legs: Legs) -> int:
    """Go through a call in its order; what is first found wrong is the cause, what it tore down follows."""
    _registered(legs)
    callee, caller = legs.callee, legs.caller
    if callee is not None:
        with _step("callee answer"):
            _sound(callee)
            if callee.noted(Note.INDESCRIBABLE) is not None:
                raise FlowError(
                    FailureCode.UNEXPECTED_MESSAGE, "the INVITE arrived with no G.711 in its offer"
                )
    if callee is None or caller is None:
        raise _late(legs).within("caller INVITE")
    try:
        status = _answered(legs, caller)
        with _step("callee answer"):
            _proven(callee)
    except FlowError as error:
        _excuse(callee, error)
        raise
    _hung_up(legs, caller)
    with _step("callee BYE"):
        if callee.noted(Note.ENDED) is None:
            raise FlowError(
                FailureCode.TIMEOUT, f"the BYE was confirmed, but did not arrive within {PROOF:g} s"
            )
    return status


def _answered(legs: Legs, caller: Leg) -> int:
    with _step("caller INVITE"):
        _sound(caller)
        _done_or_refused(caller, Note.ANSWERED, "INVITE", legs)
        if caller.noted(Note.NO_DESCRIPTION) is not None:
            raise FlowError(FailureCode.UNEXPECTED_MESSAGE, "a 2xx without a session description", 200)
    return 200


def _proven(callee: Leg) -> None:
    """Raise FlowError unless the callee saw the caller's INVITE and ACK."""
    if callee.noted(Note.INVITED) is None:
        what = f"the call was answered, but not by our callee within {PROOF:g} s"
        raise FlowError(FailureCode.UNEXPECTED_MESSAGE, what)
    if callee.noted(Note.ACKNOWLEDGED) is None:
        before = " before the BYE" if callee.noted(Note.UNACKNOWLEDGED) is not None else ""
        raise FlowError(FailureCode.TIMEOUT, f"the ACK did not arrive{before}")


def _excuse(callee: Leg, error: FlowError) -> None:
    """Raise FlowError with account-busy where the callee may have refused the probe's own call."""
    if callee.noted(Note.TURNED_AWAY) is not None and callee.noted(Note.INVITED) is None:
        raise FlowError(
            FailureCode.ACCOUNT_BUSY,
            "the callee turned away a call that it could not know for ours, neither by the header"
            f" X-Dialtone-Probe nor by the caller's user in From; {error.detail}",
            error.status,
        )


def _hung_up(legs: Legs, caller: Leg) -> None:
    if caller.noted(Note.DROPPED) is not None and caller.noted(Note.HANGING_UP) is None:
        what = "the platform ended the call that had been answered"
        raise FlowError(FailureCode.UNEXPECTED_MESSAGE, what).within("hold")
    with _step("hold" if caller.noted(Note.HANGING_UP) is None else "caller BYE"):
        _done_or_refused(caller, Note.ENDED, "BYE", legs)


def _sound(leg: Leg) -> None:
    """Raise FlowError for a run that went wrong by itself."""
    run = leg.finished
    if run.ending in _BROKEN:
        raise FlowError(FailureCode.ENGINE_CRASHED, run.meaning or f"SIPp ended with {run.code}")
    if run.ending is Ending.FATAL:
        complaint = " ".join([run.meaning, *run.errors])
        for words, code, detail in _FATAL:
            if words in complaint:
                raise FlowError(code, detail, _challenge(leg) if code is FailureCode.AUTH else None)
        code = FailureCode.ENGINE_CRASHED if run.messages else FailureCode.MISCONFIGURED
        first = next(iter(run.errors), "")[:_MAX_SAID] if not run.messages else ""
        raise FlowError(code, "; ".join(filter(None, [run.meaning, first])))


def _done_or_refused(leg: Leg, done: Note, method: str, legs: Legs | None = None) -> None:
    """Raise FlowError unless the run noted that it got so far."""
    if leg.noted(done) is not None:
        return
    if leg.noted(Note.DENIED) is not None:
        raise _denied(leg, method)
    for name, (code, detail) in _FAILED.items():
        if _failures(leg, name):
            raise FlowError(code, detail)
    unexpected = _failures(leg, "FailedUnexpectedMessage") > 0
    if leg.noted(Note.GAVE_UP) is None and (unexpected or leg.noted(Note.REFUSED) is not None):
        last = _last_final(leg, method)
        if last is not None:
            authenticated = leg.noted(Note.CHALLENGED) is not None
            raise refusal(last.status or 0, last.reason, authenticated=authenticated)
        if unexpected:
            raise _unexpected(leg)
    if leg.finished.ending is Ending.PASSED:
        what = "SIPp says that all passed, but its log does not: was the disk full?"
        raise FlowError(FailureCode.ENGINE_CRASHED, what)
    raise _silent(leg, legs)


def _denied(leg: Leg, method: str) -> FlowError:
    """Return what a challenge means that came again: a refused password, or one that SIPp did not answer.

    SIPp answers one challenge. Another server on the way has a realm of its own (RFC 3261 22.3), and its
    challenge says nothing about the password.
    """
    status = _challenge(leg)
    if status is not None:
        answered = realms(leg, method, status, asked=False)
        asked = realms(leg, method, status, asked=True)
        if asked and asked.isdisjoint(answered):
            return FlowError(
                FailureCode.MISCONFIGURED,
                f"a second server asks for credentials (a {status} of another realm), which SIPp can't"
                " answer: use the engine sippy",
                status,
            )
    return refused_again(status)


def _unexpected(leg: Leg) -> FlowError:
    """Return what a message means that ended a call, though it refuses nothing.

    What is right SIP is not the platform's fault: the scenario lacks it.
    """
    received = [message for message in leg.finished.messages if message.direction == "received"]
    last = said(received[-1:])
    if not last:
        return FlowError(FailureCode.UNEXPECTED_MESSAGE, "something else came than a response to it")
    what = last[0].method if last[0].status is None else f"{last[0].status} to {last[0].method}"
    return FlowError(
        FailureCode.MISCONFIGURED,
        f"SIPp's scenario has no place for the {what} that came: use the engine sippy",
    )


def _silent(leg: Leg, legs: Legs | None) -> FlowError:
    """Return what a step that never ended means: nothing went out, nothing came, or nothing that is SIP."""
    run = leg.finished
    if not any(message.direction == "sent" for message in run.messages):
        return FlowError(FailureCode.ENGINE_CRASHED, "SIPp sent nothing")
    if legs is None:
        return FlowError(FailureCode.TIMEOUT, "no answer")
    late = _late(legs)
    received = [message for message in run.messages if message.direction == "received"]
    nonsense = any(words in line for words in _NONSENSE for line in run.errors)
    if (received or nonsense) and not said(received):
        remark = "messages were received that are no valid SIP"
        return FlowError(FailureCode.UNEXPECTED_MESSAGE, f"{late.detail}; {remark}")
    if not received and legs.refusing is not None:
        remark = f"nothing listens on {legs.refusing} (ICMP port unreachable)"
        return FlowError(FailureCode.TIMEOUT, f"{late.detail}; {remark}")
    return late


def _late(legs: Legs) -> FlowError:
    return FlowError(FailureCode.TIMEOUT, f"not done {legs.timeout:g} s after the start")


def _challenge(leg: Leg) -> int | None:
    noted = leg.noted(Note.CHALLENGED)
    return int(noted) if noted is not None and noted.isdigit() else None


def _failures(leg: Leg, name: str) -> int:
    statistics = leg.finished.statistics
    return 0 if statistics is None else statistics.failed.get(name, 0)


def _last_final(leg: Leg, method: str) -> Said | None:
    """Return the final response that refused the last request; a challenge that was answered is none."""
    for message in reversed(said(leg.finished.messages)):
        if message.method != method:
            continue
        if message.direction == "sent" and message.status is None:
            return None
        if message.direction == "received" and (message.status or 0) >= 300:
            return message
    return None


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Name what is being judged, before the detail of a failure."""
    try:
        yield
    except FlowError as error:
        raise error.within(name) from None
