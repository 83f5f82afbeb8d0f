"""A capture's records into a report of its calls, their figures and their streams (pure)."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from dialtone.model import FAIR_MOS
from synthetic.capture.calls import MAX_HELD, Calls, Conversation, Ending, Step
from synthetic.capture.description import audio_of
from synthetic.capture.figures import END_USER, SHOWN_DOMAINS, Figures
from synthetic.capture.records import Address, Read, Record, RtcpPacket, RtpPacket
from synthetic.capture.rtp import LEAST, Stream, Streams, by_call
from synthetic.capture.sip import parse

_PATIENT: Final = END_USER | {487}
"""The called side's choice, and the caller's: no fault of a platform's."""
_DIRECTED: Final = re.compile(r"^(?:a=(?:sendonly|recvonly|inactive)|c=IN IP4 0\.0\.0\.0)\s*$", re.MULTILINE)
"""Audio that was not agreed to go both ways (RFC 3264 5.1, 8.4)."""
_FOR_LONG: Final = 0.5
"""Seconds of RTP in one direction, after which some is missed in the other."""


@dataclass(frozen=True, slots=True)
class Call:
    """A Call-ID with an INVITE, or with what belongs to a call.

    `began` is an instant, `duration` seconds from the 200 to the BYE, None where either was not seen. `path`
    are the hops of its first INVITE, in the order seen. `domains` are its tenants. `steps` are its first
    messages, `more_steps` counts the others. `one_way`: answered, and between two hosts RTP went in one
    direction alone, though none was described.
    """

    call_id: str
    caller: str
    callee: str
    domains: tuple[str, ...]
    began: float
    ending: Ending
    status: int | None
    reason: str
    duration: float | None
    attempts: int
    path: tuple[tuple[Address, Address], ...]
    streams: tuple[Stream, ...] = ()
    steps: tuple[Step, ...] = field(default=(), repr=False)
    more_steps: int = 0
    one_way: bool = False

    @property
    def mos(self) -> float | None:
        """The score of its worst stream; None where none has one."""
        return min((stream.mos for stream in self.streams if stream.mos is not None), default=None)

    @property
    def rank(self) -> int:
        """How bad it is: 0 failed, 1 unanswered, 2 sounds bad, 3 refused or redirected by choice, 4 fine."""
        if self.ending is Ending.FAILED and self.status not in _PATIENT:
            return 0
        if self.ending is Ending.NO_ANSWER:
            return 1
        if self.one_way or (self.mos is not None and self.mos < FAIR_MOS):
            return 2
        return 3 if self.ending in (Ending.FAILED, Ending.CANCELLED, Ending.REDIRECTED) else 4

    @property
    def is_bad(self) -> bool:
        """Whether somebody should look at it."""
        return self.rank <= 2


@dataclass(frozen=True, slots=True)
class Report:
    """What a capture tells. `calls` and `streams` are the worst first, `notes` are lines for a person."""

    read: Read
    messages: int
    rtp_packets: int
    rtcp_packets: int
    figures: Figures
    tenants: dict[str, Figures]
    calls: tuple[Call, ...]
    streams: tuple[Stream, ...]
    notes: tuple[str, ...]


class Analysis:
    """Takes records in the order of the capture, in a memory with an end."""

    def __init__(self) -> None:
        self._calls = Calls()
        self._streams = Streams()
        self._many: Counter[str] = Counter()

    def add(self, records: Iterable[Record]) -> None:
        """Take what follows."""
        streams = self._streams
        for record in records:
            if isinstance(record, RtpPacket):
                self._many["rtp"] += 1
                streams.add(record)
            elif isinstance(record, RtcpPacket):
                self._many["rtcp"] += 1
                streams.report(record)
            else:
                self._many["sip"] += 1
                sip = parse(record)
                if sip is None:
                    self._many["unreadable"] += 1
                    continue
                conversation = self._calls.add(sip, record)
                if "m=audio" in sip.body and _DIRECTED.search(sip.body):
                    conversation.is_directed = True
                for audio in audio_of(sip.body):
                    streams.described.add(audio, conversation.call_id, sip.at)

    def report(self, read: Read) -> Report:
        """Return what it has come to, once; `read` is how the capture was read."""
        until = read.sip_until if read.sip_until is not None else read.last
        conversations = self._calls.close(until or 0.0)
        streams = self._streams.close()
        of_calls, is_whole = by_call(streams), not self._streams.left_out
        calls = [_call(one, tuple(of_calls.get(one.call_id, ())), is_whole) for one in conversations]
        return Report(
            read,
            self._many["sip"],
            self._many["rtp"],
            self._many["rtcp"],
            self._calls.book.all.figures(),
            self._calls.book.tenants(),
            tuple(sorted(calls, key=_worst_call)),
            tuple(sorted(streams, key=_worst_stream)),
            tuple(self._notes(len(calls))),
        )

    def _notes(self, calls: int) -> Iterable[str]:
        streams = self._streams
        if self._many["unreadable"]:
            yield f"{self._many['unreadable']} messages could not be read: no SIP, or without Call-ID or CSeq"
        if self._calls.strays:
            yield f"{self._calls.strays} responses to requests that were not captured are in no figure"
        if self._calls.forgotten:
            yield (
                f"{self._calls.forgotten} calls or registrations were given up before they were over, as more"
                f" than {MAX_HELD} were held: no ratio is complete, nor are sdd and sdt"
            )
        if self._calls.unlisted:
            more = self._calls.unlisted
            yield f"{more} calls more than the {calls} here are in the figures, and not listed"
        if streams.noise_streams:
            yield (
                f"{streams.noise_packets} packets that look like RTP are noise: {streams.noise_streams}"
                f" sources with fewer than {LEAST} packets, or without order"
            )
        if streams.left_out:
            yield f"{streams.left_out} packets of RTP are left out: too many streams"
        if len(self._calls.book.tenants()) > SHOWN_DOMAINS:
            yield f"tenants past the {SHOWN_DOMAINS} with the most requests are one, _other"


def _call(one: Conversation, streams: tuple[Stream, ...], is_whole: bool) -> Call:
    session = one.session
    attempt = session.attempt if session is not None else None
    up = attempt.answered if attempt is not None and attempt.succeeded else None
    return Call(
        one.call_id,
        str(session.caller if session is not None else one.caller),
        str(session.callee if session is not None else one.callee),
        one.domains,
        one.began,
        one.ending,
        attempt.status if attempt is not None else None,
        attempt.reason if attempt is not None else "",
        session.duration if session is not None else None,
        len(one.sessions),
        attempt.hops if attempt is not None else (),
        streams,
        tuple(one.steps),
        one.more_steps,
        is_whole and not one.is_directed and up is not None and _is_one_way(streams, up),
    )


def _is_one_way(streams: tuple[Stream, ...], up: float) -> bool:
    """Whether RTP of a call that was answered went from a host to another for a while, and none came back.

    Ports may move, and a relay has a pair with either side; those of one and the same host are told by ports.
    What came before the answer was an announcement.
    """
    ways: defaultdict[tuple[object, object], float] = defaultdict(float)
    for stream in streams:
        is_within = stream.source[0] == stream.destination[0]
        way = (stream.source, stream.destination) if is_within else (stream.source[0], stream.destination[0])
        ways[way] += max(0.0, stream.end - max(stream.begin, up))
    return any(
        seconds >= _FOR_LONG and (destination, source) not in ways
        for (source, destination), seconds in ways.items()
    )


def _worst_call(call: Call) -> tuple[int, float, float]:
    return call.rank, call.mos if call.mos is not None else 5.0, call.began


def _worst_stream(stream: Stream) -> tuple[float, float, float]:
    loss = stream.received.loss_ratio or 0.0
    return stream.mos if stream.mos is not None else 5.0 - loss, -loss, stream.begin
