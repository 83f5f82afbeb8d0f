"""What one run of SIPp means: its ending, counts, log lines and messages, as one failure or none.

The same faults get the same codes, steps and words as from the sippy flows (synthetic/probes). Pure: a
verdict can be had from recorded runs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from dialtone.model import Failure, FailureCode
from sipp_flows.roles import Note
from synthetic.probes.base import FlowError
from synthetic.probes.refusals import refusal, refused_again
from synthetic.sipp.record import Leg, Said, realms, said
from synthetic.sipp.run import Ending
from synthetic.sipp.trip import Journey, Trip, refusing

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


def judged(journey: Journey, trip: Trip) -> Verdict:
    """Say what came of a probe."""
    try:
        return Verdict(None, journey.judge(trip))
    except FlowError as error:
        return Verdict(Failure(error.code, error.detail), error.status)


def left(leg: Leg) -> str | None:
    """Return why a phone could not take its binding back, None where it did."""
    try:
        sound(leg)
        done_or_refused(leg, Note.REGISTERED, "REGISTER")
    except FlowError as error:
        return error.detail
    return None


def sound(leg: Leg) -> None:
    """Raise FlowError for a run that went wrong by itself."""
    run = leg.finished
    if run.ending in _BROKEN:
        raise FlowError(FailureCode.ENGINE_CRASHED, run.meaning or f"SIPp ended with {run.code}")
    if run.ending is Ending.FATAL:
        complaint = " ".join([run.meaning, *run.errors])
        for words, code, detail in _FATAL:
            if words in complaint:
                raise FlowError(code, detail, challenge(leg) if code is FailureCode.AUTH else None)
        code = FailureCode.ENGINE_CRASHED if run.messages else FailureCode.MISCONFIGURED
        first = next(iter(run.errors), "")[:_MAX_SAID] if not run.messages else ""
        raise FlowError(code, "; ".join(filter(None, [run.meaning, first])))


def done_or_refused(leg: Leg, done: Note, method: str, trip: Trip | None = None) -> None:
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
        if (mistaken := misread(leg, method)) is not None:
            raise mistaken
        last = _last_final(leg, method)
        if last is not None:
            authenticated = leg.noted(Note.CHALLENGED) is not None
            raise refusal(last.status or 0, last.reason, authenticated=authenticated)
        if unexpected:
            raise _unexpected(leg)
    if leg.finished.ending is Ending.PASSED:
        what = "SIPp says that all passed, but its log does not: was the disk full?"
        raise FlowError(FailureCode.ENGINE_CRASHED, what)
    if (mistaken := misread(leg, method)) is not None and _sent_once(leg, method):
        raise mistaken  # it ended the retransmissions
    raise _silent(leg, trip)


def _denied(leg: Leg, method: str) -> FlowError:
    """Return what a challenge means that came again: a refused password, or one that SIPp did not answer.

    SIPp answers one challenge. Another server on the way has a realm of its own (RFC 3261 22.3), and its
    challenge says nothing about the password.
    """
    status = challenge(leg)
    if (mistaken := misread(leg, method)) is not None:
        return mistaken
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


def misread(leg: Leg, method: str) -> FlowError | None:
    """Return what it is where the last answer is a challenge to an older request than the last; else None.

    A first request that went out twice may be challenged twice, each time with a nonce of its own, and the
    second challenge come when the first is answered already. It says nothing about that answer; where the
    scenario passes it over, the answer itself is not sent again.
    """
    about = [message for message in said(leg.finished.messages) if message.method == method]
    asked = [message.direction == "sent" and message.status is None for message in about]
    if not any(asked):
        return None
    number = about[len(asked) - 1 - asked[::-1].index(True)].number
    since = next(at for at, message in enumerate(about) if asked[at] and message.number == number)
    answers = [message for message in about[since:] if message.direction == "received" and message.final]
    if not answers or answers[-1].status not in (401, 407) or answers[-1].number >= number:
        return None
    return FlowError(
        FailureCode.MISCONFIGURED,
        f"a late {answers[-1].status} to an older {method} came between, which SIPp can't set apart:"
        " use the engine sippy",
    )


def _sent_once(leg: Leg, method: str) -> bool:
    """Whether the last such request went out a single time."""
    about = [m for m in said(leg.finished.messages) if (m.direction, m.method) == ("sent", method)]
    return [m.number for m in about if m.status is None].count(about[-1].number) == 1


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


def _silent(leg: Leg, trip: Trip | None) -> FlowError:
    """Return what a step that never ended means: nothing went out, nothing came, or nothing that is SIP."""
    run = leg.finished
    if not any(message.direction == "sent" for message in run.messages):
        return FlowError(FailureCode.ENGINE_CRASHED, "SIPp sent nothing")
    if trip is None:
        return FlowError(FailureCode.TIMEOUT, "no answer")
    overdue = late(trip)
    received = [message for message in run.messages if message.direction == "received"]
    nonsense = any(words in line for words in _NONSENSE for line in run.errors)
    if (received or nonsense) and not said(received):
        remark = "messages were received that are no valid SIP"
        return FlowError(FailureCode.UNEXPECTED_MESSAGE, f"{overdue.detail}; {remark}")
    if not received and (closed := refusing(trip, leg)) is not None:
        remark = f"nothing listens on {closed} (ICMP port unreachable)"
        return FlowError(FailureCode.TIMEOUT, f"{overdue.detail}; {remark}")
    return overdue


def late(trip: Trip) -> FlowError:
    """Return what it is when the probe's time is over."""
    return FlowError(FailureCode.TIMEOUT, f"not done {trip.timeout:g} s after the start")


def challenge(leg: Leg) -> int | None:
    """Return the status of the last challenge that came, None where none did."""
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
def step(name: str) -> Iterator[None]:
    """Name what is being judged, before the detail of a failure."""
    try:
        yield
    except FlowError as error:
        raise error.within(name) from None
