"""What the scenarios are for: their flow, their keys, what their log lines and timers mean.

A scenario is made for one probe and for a stress run alike. What it has to tell beyond SIPp's own counts it
writes as log lines, a word of `Note` and what belongs to it; who runs without logs has the counts: whatever
is refused or given up is a failed call, and each final response is a step of its own in the counts file.

Both 3.6 and 3.7 run them. What they can't do, because SIPp can't: follow a Contact or Route to another
address (all goes to the next hop), answer a second challenge of another realm, algorithms beyond MD5 (3.6),
answer a request while one of their own waits for its answer. Who runs them gives -aa (keep-alives in a call
are answered then) and -auth_uri (the digest names the next hop otherwise).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final

from dialtone.model import Flow

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


@dataclass(frozen=True, slots=True)
class Role:
    """One scenario, as one SIPp runs it.

    `keys` are what -key must give it, each with its meaning; `injected` whether it needs the injection
    file; `serves` whether it waits for calls; `timers` are its response times by name.
    """

    scenario: str
    keys: Mapping[str, str] = field(default_factory=dict)
    injected: bool = False
    serves: bool = False
    notes: frozenset[Note] = frozenset()
    timers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the scenario is: SIPp reads it as a file."""
        return Path(str(files(__package__).joinpath(self.scenario)))


_PROBE: Final = "the probe's id: the header X-Dialtone-Probe of its INVITE, by which its callee knows it"

REGISTER: Final = Role(
    scenario="register/register.xml",
    keys={"expires": "the binding's life in seconds; 0 removes it"},
    injected=True,
    notes=frozenset({Note.CHALLENGED, Note.DENIED, Note.REFUSED, Note.REGISTERED}),
    timers={"rrd": "RRD (RFC 6076 4.1): first REGISTER to its 200"},
)
CALLER: Final = Role(
    scenario="call/caller.xml",
    keys={"probe": _PROBE, "hold": "how long an answered call is held, in ms"},
    injected=True,
    notes=frozenset(
        {
            *(Note.CHALLENGED, Note.DENIED, Note.REFUSED, Note.ANSWERED, Note.NO_DESCRIPTION),
            *(Note.GAVE_UP, Note.DROPPED, Note.HANGING_UP, Note.ENDED),
        }
    ),
    timers={
        "pdd": "first INVITE to the first 180 or 183, or the 200 without one",
        "srd": "the same to 181, 182 or the 200: SRD (RFC 6076 4.3) is the lesser of pdd and srd",
        "sdd": "SDD (RFC 6076 4.4): BYE to its 200",
    },
)
CALLEE: Final = Role(
    scenario="call/callee.xml",
    keys={
        "probe": _PROBE,
        "caller": "the caller's user, percent-encoded: knows the call where the header is taken off",
        "user": "the callee's own user, percent-encoded, for its Contact",
        "ring": "how long it rings, in ms",
    },
    serves=True,
    notes=frozenset(
        {
            *(Note.INVITED, Note.TURNED_AWAY, Note.INDESCRIBABLE, Note.ACKNOWLEDGED),
            *(Note.UNACKNOWLEDGED, Note.ENDED, Note.CANCELLED),
        }
    ),
)

FLOWS: Final[Mapping[Flow, Mapping[str, Role]]] = {
    Flow.REGISTER: {"register": REGISTER},
    Flow.CALL: {"register": REGISTER, "callee": CALLEE, "caller": CALLER},
}
"""The roles of each flow. The callee registers before it serves, from the same port; 0 seconds is leaving."""
