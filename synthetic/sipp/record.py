"""What the message traces of a probe's runs tell: timings, named instants, and the evidence.

Timings are differences of two stamps of SIPp's message trace. On loopback they are within 0.1 ms of the
packets' (measured: SIPp 3.6.1, 99 % of 20 calls a second); its response time file counts in steps of the
kernel's tick, 4 ms mostly. The stamps are the wall clock's, so the file, which is not, decides where the two
differ by far: somebody set the clock.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from dialtone.model import Mark, Message, Secret
from sipp_flows.roles import Note
from synthetic.address import Address, hostport
from synthetic.redaction import answers, redactor
from synthetic.sipp.run import Finished, Traced

ACCURACY: Final = "0.1 ms"
CLOCK_SET: Final = 0.05
"""Seconds that a timing by the trace may differ from SIPp's own, beyond the step of the latter."""

_RESPONSE: Final = re.compile(r"SIP/2\.0 (?P<status>[1-6][0-9]{2})(?: (?P<reason>[^\r\n]{0,200}))?")
_REQUEST: Final = re.compile(r"(?P<method>[A-Z]{1,32}) \S{1,1024} SIP/2\.0\r?\n")
_CSEQ: Final = re.compile(
    r"^cseq[ \t]*:[ \t]*(?P<number>[0-9]{1,10})[ \t]+(?P<method>[A-Z]{1,32})", re.IGNORECASE | re.MULTILINE
)
_TO_TAG: Final = re.compile(
    r"^(?:to|t)[ \t]*:[^\r\n]{0,2000}?;[ \t]*tag[ \t]*=", re.IGNORECASE | re.MULTILINE
)
_CALL_ID: Final = re.compile(r"^(?:call-id|i)[ \t]*:[ \t]*(?P<id>\S{1,255})", re.IGNORECASE | re.MULTILINE)


def _realm(header: str) -> re.Pattern[str]:
    return re.compile(
        rf'^{header}[ \t]*:[^\r\n]*?\brealm[ \t]*=[ \t]*"([^"\r\n]*)"', re.IGNORECASE | re.MULTILINE
    )


_CHALLENGES: Final = {401: _realm("www-authenticate"), 407: _realm("proxy-authenticate")}
_ANSWERS: Final = {401: _realm("authorization"), 407: _realm("proxy-authorization")}


@dataclass(frozen=True, slots=True)
class Leg:
    """One SIPp of a probe: for which party it acted, on which address, and what is left of it.

    `next_hop` is where all that it sent went, and where all that came is taken to come from. `lost` counts
    datagrams that its own socket had no room for; `late` is how long it could not run, in seconds.
    """

    party: str
    local: Address
    finished: Finished
    next_hop: Address
    lost: int = 0
    late: float = 0.0

    def noted(self, note: Note) -> str | None:
        """Return what the last log line with that word says behind it, None where there is none."""
        lines = [line.partition(" ") for line in self.finished.log]
        return next((rest for word, _, rest in reversed(lines) if word == note), None)


@dataclass(frozen=True, slots=True)
class Said:
    """A SIP message of a trace: `status` and `reason` of a response, the method that it is or is about.

    `number` is its CSeq; `inside` whether its To has a tag, which of a request says that it is in a dialog.
    """

    at: float
    direction: Literal["sent", "received"]
    method: str
    status: int | None
    reason: str
    call_id: str
    number: int = 0
    inside: bool = False
    text: str = ""

    @property
    def final(self) -> bool:
        """Whether it is a final response."""
        return self.status is not None and self.status >= 200


def said(messages: Iterable[Traced]) -> list[Said]:
    """Return those messages that are SIP, in their order."""
    found = []
    for message in messages:
        response = _RESPONSE.match(message.text)
        line = response or _REQUEST.match(message.text)
        cseq, call_id = _CSEQ.search(message.text), _CALL_ID.search(message.text)
        if line is None or cseq is None or call_id is None:
            continue
        found.append(
            Said(
                message.at,
                message.direction,
                cseq["method"].upper(),
                int(response["status"]) if response else None,
                (response["reason"] or "") if response else "",
                call_id["id"],
                int(cseq["number"]),
                _TO_TAG.search(message.text) is not None,
                message.text,
            )
        )
    return found


def realms(leg: Leg, method: str, status: int, *, asked: bool) -> set[str]:
    """Return the realms that the last such challenge to a method asked for; else those that we answered."""
    header = _CHALLENGES[status] if asked else _ANSWERS[status]
    direction = "received" if asked else "sent"
    texts = [
        message.text
        for message in leg.finished.messages
        if message.direction == direction
        and any(about.method == method for about in said([message]))
        and header.search(message.text)
    ]
    return {realm[1] for text in (texts[-1:] if asked else texts) for realm in header.finditer(text)}


@dataclass(frozen=True, slots=True)
class Measured:
    """What the trace of one run measured, in seconds by the names of TIMINGS.

    A timer of the run's scenario with the same name checks it.
    """

    leg: Leg
    timings: Mapping[str, float]


def agreed(parts: Iterable[Measured]) -> tuple[dict[str, float], bool]:
    """Return the timings of a probe, and whether the wall clock was set meanwhile."""
    found: dict[str, float] = {}
    clock_set = False
    for part in parts:
        trips = {trip.name: trip.seconds for trip in part.leg.finished.round_trips}
        if {"pdd", "srd"} <= trips.keys():
            trips["srd"] = min(trips["pdd"], trips["srd"])
        far = CLOCK_SET + part.leg.finished.resolution
        measured = part.timings
        wrong = [name for name, value in measured.items() if name in trips and abs(value - trips[name]) > far]
        if not wrong and all(value >= 0 for value in measured.values()):
            found |= measured
        else:
            clock_set = True
            found |= {name: trips[name] for name in measured if name in trips}
    return found, clock_set


def of_register(leg: Leg) -> dict[str, float]:
    """Return what a registration that succeeded measures: RRD."""
    sent = first(said(leg.finished.messages), "sent", "REGISTER", None)
    done = registered(leg)
    return {} if sent is None or done is None else {"rrd": done - sent}


def of_setup(leg: Leg) -> dict[str, float]:
    """Return what an INVITE that was answered measures: SRD and PDD.

    A provisional response that comes after the 2xx, overtaken by it, measures nothing (RFC 6076 4.3).
    """
    heard = said(leg.finished.messages)
    sent, answered = first(heard, "sent", "INVITE", None), first(heard, "received", "INVITE", 200)
    if sent is None or answered is None or leg.noted(Note.ANSWERED) is None:
        return {}
    before = [message for message in heard if message.at < answered]
    ringing = [first(before, "received", "INVITE", status) for status in (180, 183)]
    others = [first(before, "received", "INVITE", status) for status in (181, 182, 199)]
    return {"srd": _least([*ringing, *others], answered) - sent, "pdd": _least(ringing, answered) - sent}


def of_teardown(leg: Leg) -> dict[str, float]:
    """Return what a BYE of ours that was confirmed measures: SDD."""
    heard = said(leg.finished.messages)
    hung_up, confirmed = first(heard, "sent", "BYE", None), first(heard, "received", "BYE", 200)
    if hung_up is None or confirmed is None or leg.noted(Note.ENDED) is None:
        return {}
    return {"sdd": confirmed - hung_up}


def registered(leg: Leg) -> float | None:
    """Return when a registration succeeded, in UTC seconds."""
    if leg.noted(Note.REGISTERED) is None:
        return None
    return first(said(leg.finished.messages), "received", "REGISTER", 200)


def named(*instants: tuple[str, float | None]) -> list[Mark]:
    """Return those instants that there were."""
    return [Mark(name, at) for name, at in instants if at is not None]


def first(
    heard: Iterable[Said], direction: Literal["sent", "received"], method: str, status: int | None
) -> float | None:
    """Return when the first such message crossed our socket; `status` None is a request."""
    wanted = (direction, method, status)
    return next((m.at for m in heard if (m.direction, m.method, m.status) == wanted), None)


def hiding(legs: Iterable[Leg], secrets: Iterable[Secret]) -> Callable[[str], str]:
    """Return what takes these passwords, and what the legs answered to challenges, out of a text."""
    sent = (m.text for leg in legs for m in leg.finished.messages if m.direction == "sent")
    return redactor(secrets, answers(sent))


def messages(legs: Iterable[Leg], redact: Callable[[str], str], started: float) -> tuple[Message, ...]:
    """Return the legs' messages in the order of time, redacted; `started` is in UTC seconds.

    SIPp's trace names no addresses. All goes to the next hop, and what comes is taken to come from there.
    """
    found = [
        Message(
            message.at - started,
            leg.party,
            message.direction,
            hostport(leg.local if message.direction == "sent" else leg.next_hop),
            hostport(leg.next_hop if message.direction == "sent" else leg.local),
            "udp",
            redact(message.text),
        )
        for leg in legs
        for message in leg.finished.messages
    ]
    return tuple(sorted(found, key=lambda message: message.at))


def _least(instants: Iterable[float | None], otherwise: float) -> float:
    return min((at for at in instants if at is not None), default=otherwise)
