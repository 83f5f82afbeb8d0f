"""What a scenario is: its keys, its injection file, what its log lines and timers mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final

INJECTION: Final = "accounts.csv"
"""The name of the injection file; scenarios look accounts up in it by that name."""
COLUMNS: Final = ("key", "user", "domain", "auth_user", "password", "calls")
"""Its columns, [field0] to [field5]; the file begins with SEQUENTIAL, so each call takes the next row.

`key` is user@domain, and the index; `user` as a URI has it, percent-encoded; `calls` is the key of the row
whose account is called, empty where none is. A row that is only called needs neither auth_user nor password.
"""


class Note(StrEnum):
    """The first word of a scenario's log line."""

    CHALLENGED = "challenged"  # status: 401 or 407 came
    DENIED = (
        "denied"  # the challenge came again: the credentials are refused (stale=true is answered once more)
    )
    REFUSED = "refused"  # status: a final response that ends it
    REGISTERED = "registered"  # status: the binding is as asked
    ANSWERED = "answered"  # status: the callee's 2xx came
    NO_DESCRIPTION = "no-description"  # that 2xx had no session description
    GAVE_UP = "gave-up"  # no final response to INVITE in time; CANCEL follows where the INVITE was heard of
    DROPPED = "dropped"  # the other side sent BYE first
    HANGING_UP = "hanging-up"  # BYE goes out next
    ENDED = "ended"  # status, or the Call-ID at the callee: BYE is through
    INVITED = "invited"  # Call-ID: the probe's own INVITE came, 180 went out
    TURNED_AWAY = "turned-away"  # Call-ID: an INVITE of somebody else came, 486 goes out
    INDESCRIBABLE = "indescribable"  # Call-ID: its offer has no G.711, 488 goes out
    ACKNOWLEDGED = "acknowledged"  # Call-ID: the ACK of our 200 came
    UNACKNOWLEDGED = "unacknowledged"  # Call-ID: BYE came and no ACK before it
    CANCELLED = "cancelled"  # Call-ID: CANCEL came, 487 goes out
    TOLD = "told"  # status: the registrar said what is bound
    PUBLISHED = "published"  # status: the first document is published
    CHANGED = "changed"  # status: the second document is published in its place
    SUBSCRIBED = "subscribed"  # status: the subscription is accepted
    LEFT = "left"  # status: what was asked for before is taken back
    TALKING = "talking"  # Call-ID: a call that is held until who runs the scenario ends it
    PASSED_ON = "passed-on"  # Call-ID: a REFER came to the phone itself, 501 goes out
    TO_REPLACE = "to-replace"  # Call-ID: an INVITE with Replaces came to the phone itself, 481 goes out
    CONSULTED = "consulted"  # status: the target's 2xx to the consultation came
    REFERRING = "referring"  # REFER goes out next
    REFERRED = "referred"  # status: the 2xx to REFER came
    UNREFERRED = "unreferred"  # status: a final response that refuses the transfer
    UNANSWERED = "unanswered"  # no final response to REFER in time
    NOTIFIED = "notified"  # status: of the sipfrag in a NOTIFY, 0 where there is none
    UNNOTIFIED = "unnotified"  # no NOTIFY with a final status in time, or the last one had none
    RELEASED = "released"  # consult, or nothing for the call that was taken: the other side sent BYE
    LET_GO = "let-go"  # status: our BYE of the consultation is through
    PARTED = "parted"  # nothing of the transferor's calls is left


class Cue(StrEnum):
    """What tells a scenario that waits to go on: the method of a request that is no SIP of anybody's.

    Who runs it sends it to SIPp's port, in the call that it is for (its Call-ID), with a CSeq of 0 and a
    branch of its own. It is never answered.
    """

    CUE = "CUE"
    ASK = "ASK"
    LEAVE = "LEAVE"


@dataclass(frozen=True, slots=True)
class Role:
    """One scenario, as one SIPp runs it.

    `keys` are what -key must give it, each with its meaning; `injected` whether it needs the injection
    file; `serves` whether it waits for calls; `timers` are its response times by name; `cues` are those that
    it waits for, with what it does then.
    """

    scenario: str
    keys: Mapping[str, str] = field(default_factory=dict)
    injected: bool = False
    serves: bool = False
    notes: frozenset[Note] = frozenset()
    timers: Mapping[str, str] = field(default_factory=dict)
    cues: Mapping[Cue, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the scenario is: SIPp reads it as a file."""
        return Path(str(files(__package__).joinpath(self.scenario)))
