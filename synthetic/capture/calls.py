"""SIP messages into calls by their Call-ID, and all that was asked into figures; in a memory with an end."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from synthetic.capture.attempts import TIMER, Attempt
from synthetic.capture.figures import Book
from synthetic.capture.records import SipPacket
from synthetic.capture.sip import Party, Sip

MAX_CALLS: Final = 10_000
"""So many calls are listed; of more, those that were silent for longest are in the figures alone."""
MAX_HELD: Final = 200_000
"""So many other Call-IDs are held at once: calls that are not listed, registrations and the like."""
MAX_STEPS: Final = 100
"""So many messages of a call are kept for its ladder."""
MAX_TEXT: Final = 4096
"""So many bytes of each of them."""
MAX_TEXTS: Final = 32 * 1024 * 1024
"""So many bytes of all of them; of later messages their first lines alone are kept."""
MAX_ATTEMPTS: Final = 16
"""So many INVITEs, and so many other requests, are held of one Call-ID."""

_CALL: Final = frozenset({"INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE"})
_FIRST_LINE: Final = 300


class Ending(StrEnum):
    """How a call ended, as far as the capture tells."""

    ANSWERED = "answered"
    UP = "still up"
    FAILED = "failed"
    REDIRECTED = "redirected"
    CANCELLED = "cancelled"
    NO_ANSWER = "no answer in the capture"
    EARLIER = "begun before the capture"


class Step:
    """A message of a call, as it was captured or the beginning of it."""

    __slots__ = ("at", "data", "destination", "source", "transport")

    def __init__(self, packet: SipPacket, room: int) -> None:
        self.at = packet.at
        self.source, self.destination = packet.source, packet.destination
        self.transport = packet.transport
        self.data = bytes(packet.data[:MAX_TEXT]) if room > 0 else _gist(packet.data)


@dataclass(slots=True)
class Session:
    """An INVITE attempt and the session that it set up."""

    attempt: Attempt
    caller: Party
    callee: Party
    from_tag: str
    domain: str
    cancelled: float | None = None
    ended: float | None = None
    complete: bool = False

    @property
    def duration(self) -> float | None:
        """Seconds from its 200 to its BYE (RFC 6076 4.5); None where either was not seen."""
        answered = self.attempt.answered
        if not self.attempt.succeeded or answered is None or self.ended is None:
            return None
        return max(0.0, self.ended - answered)


class Conversation:
    """All of one Call-ID."""

    __slots__ = (
        "began",
        "call_id",
        "callee",
        "caller",
        "domains",
        "is_directed",
        "is_listed",
        "last",
        "more_steps",
        "requests",
        "sessions",
        "steps",
    )

    def __init__(self, call_id: str, sip: Sip) -> None:
        self.call_id = call_id
        self.began = self.last = sip.at
        self.caller, self.callee = sip.caller, sip.callee
        self.domains: tuple[str, ...] = ()
        self.sessions: list[Session] = []
        self.requests: list[tuple[str, str, Attempt]] = []
        """By method and From tag, in the order in which they came."""
        self.steps: list[Step] = []
        self.more_steps = 0
        self.is_listed = True
        """False of a call of which no more is kept than the figures need."""
        self.is_directed = False
        """Whether a description said that audio goes in one direction, or in none."""

    @property
    def is_over(self) -> bool:
        """Whether all of it was answered, and each session has ended: nothing more is to come."""
        return all(
            one.attempt.status is not None and (one.ended is not None or not one.attempt.succeeded)
            for one in self.sessions
        ) and all(attempt.status is not None for _, _, attempt in self.requests)

    @property
    def session(self) -> Session | None:
        """Its newest session that was answered, else its newest attempt."""
        answered = [one for one in self.sessions if one.attempt.succeeded]
        found = answered or self.sessions
        return found[-1] if found else None

    @property
    def ending(self) -> Ending:
        """How it ended."""
        session = self.session
        if session is None:
            return Ending.EARLIER
        attempt = session.attempt
        if attempt.succeeded:
            return Ending.ANSWERED if session.ended is not None else Ending.UP
        if session.cancelled is not None and attempt.status in (None, 487):
            return Ending.CANCELLED
        if attempt.status is None:
            return Ending.NO_ANSWER
        return Ending.REDIRECTED if attempt.status < 400 else Ending.FAILED


class Calls:
    """Takes messages in the order of the capture; `book` has the figures once it is closed."""

    def __init__(self) -> None:
        self.book = Book()
        self.unlisted = 0
        """Calls that are in the figures alone."""
        self.forgotten = 0
        """Call-IDs that were given up before they were over: there were too many."""
        self.strays = 0
        """Responses whose requests were not captured."""
        self._calls: OrderedDict[str, Conversation] = OrderedDict()
        self._others: OrderedDict[str, Conversation] = OrderedDict()
        self._over: OrderedDict[str, Conversation] = OrderedDict()
        self._room = MAX_TEXTS

    def add(self, sip: Sip, packet: SipPacket) -> Conversation:
        """Take a message; return the conversation that it belongs to."""
        conversation = self._conversation(sip)
        conversation.last = max(conversation.last, sip.at)
        if conversation.call_id in self._calls:
            self._keep(conversation, packet)
        if sip.status is None:
            self._request(conversation, sip)
        else:
            self._response(conversation, sip)
        if conversation.call_id not in self._calls:
            self._put(conversation, sip.at)
        return conversation

    def close(self, until: float) -> list[Conversation]:
        """Bring all that is held into the figures, and return the calls; `until` is the capture's end."""
        calls = sorted(self._calls.values(), key=lambda one: one.began)
        for held in (self._calls, self._over, self._others):
            for conversation in held.values():
                self._fold(conversation, until)
            held.clear()
        return calls

    def _conversation(self, sip: Sip) -> Conversation:
        found = self._calls.get(sip.call_id)
        if found is not None:
            self._calls.move_to_end(sip.call_id)
            return found
        found = self._others.pop(sip.call_id, None) or self._over.pop(sip.call_id, None)
        if found is None:
            found = Conversation(sip.call_id, sip)
        if sip.method in _CALL and found.is_listed:
            self._calls[sip.call_id] = found
            if len(self._calls) > MAX_CALLS:
                self._unlist(self._calls.popitem(last=False)[1], sip.at)
        return found

    def _unlist(self, conversation: Conversation, now: float) -> None:
        self.unlisted += 1
        self._room += sum(len(step.data) for step in conversation.steps)
        conversation.is_listed = False
        conversation.steps.clear()
        self._put(conversation, now)

    def _put(self, conversation: Conversation, now: float) -> None:
        """Hold it where it isn't listed; give up what has been over for long, and what is too much."""
        (self._over if conversation.is_over else self._others)[conversation.call_id] = conversation
        while self._over and next(iter(self._over.values())).last + TIMER < now:
            self._fold(self._over.popitem(last=False)[1], now)
        if len(self._over) + len(self._others) > MAX_HELD:
            self.forgotten += not self._over
            self._fold((self._over or self._others).popitem(last=False)[1], now)

    def _keep(self, conversation: Conversation, packet: SipPacket) -> None:
        if len(conversation.steps) >= MAX_STEPS:
            conversation.more_steps += 1
            return
        step = Step(packet, self._room)
        self._room -= len(step.data)
        conversation.steps.append(step)

    def _request(self, conversation: Conversation, sip: Sip) -> None:
        if sip.method == "INVITE" and not sip.to_tag:
            self._invite(conversation, sip)
            return
        if sip.method == "ACK":
            return
        session = _session(conversation, sip)
        if sip.method == "CANCEL" and session is not None and session.cancelled is None:
            session.cancelled = sip.at
        if sip.method == "BYE" and session is not None and session.ended is None:
            session.ended = sip.at
        method = "re-INVITE" if sip.method == "INVITE" else sip.method
        same = [one for one in conversation.requests if one[:2] == (method, sip.from_tag)]
        if same and same[-1][2].takes(sip):
            return
        gone = [one for one in same if one[2].status is not None]
        if not gone and len(conversation.requests) >= MAX_ATTEMPTS:
            gone = conversation.requests[:1]
        for one in gone:
            conversation.requests.remove(one)
            self._count(one[0], one[2], _domain(conversation, sip), sip.at)
        conversation.requests.append((method, sip.from_tag, Attempt(sip)))
        _note(conversation, sip)

    def _invite(self, conversation: Conversation, sip: Sip) -> None:
        for session in reversed(conversation.sessions):
            if session.from_tag == sip.from_tag:
                if session.attempt.takes(sip):
                    return
                break
        _note(conversation, sip)
        if len(conversation.sessions) >= MAX_ATTEMPTS:
            self._count_session(conversation.sessions.pop(0), sip.at)
        if not conversation.sessions:
            conversation.caller, conversation.callee = sip.caller, sip.callee
        conversation.sessions.append(
            Session(Attempt(sip), sip.caller, sip.callee, sip.from_tag, _domain_of(sip))
        )

    def _response(self, conversation: Conversation, sip: Sip) -> None:
        known = False
        if sip.method == "INVITE":
            for session in conversation.sessions:
                if session.from_tag == sip.from_tag:
                    known = True
                    if session.attempt.sequence == sip.sequence:
                        session.attempt.answer(sip)
                        return
        method = "re-INVITE" if sip.method == "INVITE" else sip.method
        same = [one for name, tag, one in conversation.requests if (name, tag) == (method, sip.from_tag)]
        self.strays += not (same or known)
        for attempt in same:
            if attempt.answer(sip) and method == "BYE" and attempt.succeeded:
                ended = _session(conversation, sip)
                if ended is not None:
                    ended.complete = True

    def _fold(self, conversation: Conversation, until: float) -> None:
        for session in conversation.sessions:
            self._count_session(session, until)
        domain = next(iter(conversation.domains), "")
        for method, _, attempt in conversation.requests:
            self._count(method, attempt, domain, until)

    def _count(self, method: str, attempt: Attempt, domain: str, until: float) -> None:
        for sums in self.book.of(domain):
            sums.add(method, attempt, until)

    def _count_session(self, session: Session, until: float) -> None:
        self._count("INVITE", session.attempt, session.domain, until)
        if session.duration is not None:
            for sums in self.book.of(session.domain):
                sums.session(session.duration, complete=session.complete)


def _gist(data: bytes) -> bytes:
    """Return the first line and the CSeq of a message: enough for a line of a ladder."""
    lines = data[:MAX_TEXT].splitlines()
    sequence = [line for line in lines if line[:4].lower() == b"cseq"][:1]
    return b"\r\n".join((lines[0][:_FIRST_LINE] if lines else b"", *sequence)) + b"\r\n\r\n"


def _session(conversation: Conversation, sip: Sip) -> Session | None:
    """Return the newest session that a request inside it, from either side, belongs to."""
    tags = (sip.from_tag, sip.to_tag)
    return next((one for one in reversed(conversation.sessions) if one.from_tag in tags), None)


def _domains(sip: Sip) -> Iterator[str]:
    """Yield the tenants of a request: for a registration whose it is, else the caller's first."""
    parties = (sip.callee, sip.caller) if sip.method == "REGISTER" else (sip.caller, sip.callee)
    for one in (*parties, sip.uri):
        if one.domain:
            yield one.domain


def _domain_of(sip: Sip) -> str:
    return next(_domains(sip), "")


def _domain(conversation: Conversation, sip: Sip) -> str:
    return next(iter(conversation.domains), "") or _domain_of(sip)


def _note(conversation: Conversation, sip: Sip) -> None:
    for domain in _domains(sip):
        if domain not in conversation.domains and len(conversation.domains) < MAX_ATTEMPTS:
            conversation.domains += (domain,)
