"""What the scenarios are for: their flow, their keys, what their log lines and timers mean.

A scenario is made for one probe and for a stress run alike. What it has to tell beyond SIPp's own counts it
writes as log lines, a word of `Note` and what belongs to it; who runs without logs has the counts: whatever
is refused or given up is a failed call, and each final response is a step of its own in the counts file.

Both 3.6 and 3.7 run them. What they can't do, because SIPp can't: follow a Contact or Route to another
address (all goes to the next hop), answer a second challenge of another realm, algorithms beyond MD5 (3.6),
answer a request while one of their own waits for its answer. Who runs them gives -aa (keep-alives in a call,
and a NOTIFY that comes before the answer to its SUBSCRIBE, are answered then) and -auth_uri (the digest names
the next hop otherwise).
"""

from collections.abc import Mapping
from typing import Final

from dialtone.model import Flow
from sipp_flows.roles import Cue, Note, Role
from sipp_flows.transfers import ATTENDED, BLIND, TARGET, TRANSFEREE

_PROBE: Final = "the probe's id: the header X-Dialtone-Probe of its INVITE, by which its callee knows it"
_HEADERS: Final = "further headers of its INVITE: each begins with a line break (CR LF), none ends with one"
_EXPIRES: Final = "for how long, in seconds"
_ASKED: Final = frozenset({Note.CHALLENGED, Note.DENIED, Note.REFUSED})

REGISTER: Final = Role(
    scenario="register/register.xml",
    keys={"expires": "the binding's life in seconds; 0 removes it"},
    injected=True,
    notes=_ASKED | {Note.REGISTERED},
    timers={"rrd": "RRD (RFC 6076 4.1): first REGISTER to its 200"},
)
BINDING: Final = Role(
    scenario="register/binding.xml",
    keys={"expires": _EXPIRES},
    injected=True,
    notes=_ASKED | {Note.REGISTERED, Note.TOLD, Note.LEFT},
    timers={"rrd": "RRD (RFC 6076 4.1): first REGISTER to its 200"},
    cues={Cue.ASK: "asks what is bound once more", Cue.LEAVE: "takes its binding back"},
)
OPTIONS: Final = Role(
    scenario="options/options.xml",
    keys={"from": "who asks: the address in From, without sip:"},
    notes=frozenset({Note.REFUSED, Note.ANSWERED}),
    timers={"options_delay": "OPTIONS to its 200"},
)
CALLER: Final = Role(
    scenario="call/caller.xml",
    keys={
        "probe": _PROBE,
        "hold": "how long an answered call is held at most, in ms",
        "headers": _HEADERS,
    },
    injected=True,
    notes=_ASKED
    | {
        *(Note.ANSWERED, Note.NO_DESCRIPTION),
        *(Note.GAVE_UP, Note.DROPPED, Note.HANGING_UP, Note.ENDED),
    },
    timers={
        "pdd": "first INVITE to the first 180 or 183, or the 200 without one",
        "srd": "the same to 181, 182 or the 200: SRD (RFC 6076 4.3) is the lesser of pdd and srd",
        "sdd": "SDD (RFC 6076 4.4): BYE to its 200",
    },
    cues={Cue.CUE: "hangs up a call that is held"},
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
            *(Note.UNACKNOWLEDGED, Note.ENDED, Note.CANCELLED, Note.HANGING_UP),
        }
    ),
    cues={Cue.CUE: "hangs up the call"},
)
PRESENTITY: Final = Role(
    scenario="presence/presentity.xml",
    keys={
        "expires": _EXPIRES,
        "first": "the PIDF document that is published first, in one line",
        "second": "the one that takes its place",
    },
    injected=True,
    notes=_ASKED | {Note.PUBLISHED, Note.CHANGED, Note.LEFT},
    cues={Cue.CUE: "publishes the second document", Cue.LEAVE: "takes back what is published"},
)
WATCHER: Final = Role(
    scenario="presence/watcher.xml",
    keys={
        "expires": _EXPIRES,
        "event": "the event package",
        "accept": "the type of the documents that it wants",
    },
    injected=True,
    notes=_ASKED | {Note.SUBSCRIBED, Note.LEFT},
    cues={Cue.LEAVE: "unsubscribes"},
)

FLOWS: Final[Mapping[Flow, Mapping[str, Role]]] = {
    Flow.OPTIONS: {"pinger": OPTIONS},
    Flow.REGISTER: {"register": REGISTER, "binding": BINDING},
    Flow.CALL: {"register": REGISTER, "callee": CALLEE, "caller": CALLER},
    Flow.PRESENCE: {
        "register": REGISTER,
        "watcher": WATCHER,
        "presentity": PRESENTITY,
        "callee": CALLEE,
        "caller": CALLER,
    },
    Flow.BLIND_TRANSFER: {
        "register": REGISTER,
        "transferor": BLIND,
        "transferee": TRANSFEREE,
        "target": TARGET,
    },
    Flow.ATTENDED_TRANSFER: {
        "register": REGISTER,
        "transferor": ATTENDED,
        "transferee": TRANSFEREE,
        "target": TARGET,
    },
}
"""The roles of each flow. A phone that is called registers before it serves, from the same port; 0 seconds
is leaving."""
