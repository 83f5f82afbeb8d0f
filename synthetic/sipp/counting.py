"""Attempts and their ends, for the ratios of RFC 6076: names of COUNTS, from the message traces.

An attempt is a request with its authenticated resends: what follows a 401 or 407 in the same Call-ID goes on
with it, and so does what follows a 423. The rules are those of synthetic/probes/attempts.py: a REGISTER that
asks for bindings or takes one back is none, and a call that rang for ever is of no class.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from synthetic.sipp.record import Leg, Said, said

_RESENT: Final = frozenset({401, 407, 423})
"""Statuses after which a request comes again."""
_NO_FAILURE: Final = frozenset({401, 402, 407})
_END_USER: Final = frozenset({480, 486, 600, 603})
_INEFFECTIVE: Final = frozenset({408, 500, 503, 504})
_CONTACT: Final = re.compile(r"^(?:contact|m)[ \t]*:(?P<value>[^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_LEAVING: Final = re.compile(r";[ \t]*expires[ \t]*=[ \t]*0\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request that was made: its Call-ID, the CSeq it has last, and how it ended, None for never.

    `progressed` whether it had a provisional response but 100.
    """

    call_id: str
    number: int
    status: int | None = None
    progressed: bool = False


def attempts(leg: Leg, method: str, wanted: Callable[[Said], bool] = lambda _: True) -> list[Attempt]:
    """Return a run's attempts of a method, in their order; one within a dialog is none."""
    found: list[Attempt] = []
    for message in said(leg.finished.messages):
        if message.method == method:
            _follow(found, message, wanted)
    return found


def binds(message: Said) -> bool:
    """Whether a REGISTER binds: one that asks has no Contact, one that leaves expires at once."""
    contact = _CONTACT.search(message.text)
    return contact is not None and _LEAVING.search(contact["value"]) is None


def _follow(found: list[Attempt], message: Said, wanted: Callable[[Said], bool]) -> None:
    same = [n for n, one in enumerate(found) if one.call_id == message.call_id]
    if message.direction == "sent" and message.status is None:
        if message.inside or not wanted(message) or any(found[n].number == message.number for n in same):
            return  # in a dialog, of another kind, or a retransmission
        if same and found[same[-1]].status in _RESENT:
            found[same[-1]] = Attempt(message.call_id, message.number)
        else:
            found.append(Attempt(message.call_id, message.number))
    elif message.direction == "received" and message.status is not None:
        for n in same:
            if found[n].number != message.number or found[n].status is not None:
                continue
            if message.final:
                found[n] = replace(found[n], status=message.status)
            elif message.status != 100:
                found[n] = replace(found[n], progressed=True)


def registrations(legs: Iterable[Leg]) -> Counter[str]:
    """Count the attempts to register."""
    ended = [attempt.status for leg in legs for attempt in attempts(leg, "REGISTER", binds)]
    return _kept(register=len(ended), register_failed=sum(map(_failed, ended)))


def invitations(legs: Iterable[Leg]) -> Counter[str]:
    """Count the attempts to call."""
    made = [attempt for leg in legs for attempt in attempts(leg, "INVITE")]
    ended = [attempt.status or 0 for attempt in made]
    silent = sum(attempt.status is None and not attempt.progressed for attempt in made)
    return _kept(
        invite=len(made),
        invite_200=sum(200 <= status < 300 for status in ended),
        invite_3xx=sum(300 <= status < 400 for status in ended),
        invite_end_user=sum(status in _END_USER for status in ended),
        invite_ineffective=silent + sum(status in _INEFFECTIVE for status in ended),
    )


def _failed(status: int | None) -> bool:
    return status is None or (status >= 400 and status not in _NO_FAILURE)


def _kept(**counts: int) -> Counter[str]:
    return Counter({name: count for name, count in counts.items() if count})
