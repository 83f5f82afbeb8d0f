"""The scenarios of both transfers: who is called, who calls, and to whom the call goes in the end."""

from typing import Final

from sipp_flows.roles import Cue, Note, Role

_PROBE: Final = "the probe's id: the header X-Dialtone-Probe of its INVITEs, by which its phones know them"
_FIRST: Final = (
    "the user of one of the probe's other phones, percent-encoded: knows a call without that header"
)
_SECOND: Final = "the user of the other"
_RTP: Final = "the port that its session descriptions name; whoever runs it holds it"
_HEADERS: Final = "further headers of its INVITE: each begins with a line break (CR LF), none ends with one"
_TAKEN: Final = frozenset(
    {Note.INVITED, Note.TURNED_AWAY, Note.INDESCRIBABLE, Note.ACKNOWLEDGED, Note.CANCELLED}
)
_REFERS: Final = frozenset(
    {
        *(Note.CHALLENGED, Note.DENIED, Note.REFERRING, Note.REFERRED, Note.UNREFERRED, Note.UNANSWERED),
        *(Note.NOTIFIED, Note.UNNOTIFIED, Note.RELEASED, Note.DROPPED, Note.HANGING_UP, Note.ENDED),
        Note.PARTED,
    }
)
_TRANSFEROR: Final = {
    "probe": _PROBE,
    "first": _FIRST,
    "second": _SECOND,
    "rtp": _RTP,
    "ring": "how long it rings, in ms",
    "talk": "how long it talks before it transfers, in ms",
    "target": "what is dialled for the target, percent-encoded: the user of Refer-To",
}
_NOTIFY_DELAY: Final = {"notify_delay": "REFER to the NOTIFY with the final status"}

TRANSFEREE: Final = Role(
    scenario="blind-transfer/transferee.xml",
    keys={
        "probe": _PROBE,
        "headers": _HEADERS,
        "rtp": _RTP,
        "hold": "how long it holds the line at most, in ms",
    },
    injected=True,
    notes=frozenset(
        {
            *(Note.CHALLENGED, Note.DENIED, Note.REFUSED, Note.ANSWERED, Note.NO_DESCRIPTION, Note.GAVE_UP),
            *(Note.TALKING, Note.PASSED_ON, Note.DROPPED, Note.HANGING_UP, Note.ENDED),
        }
    ),
    timers={
        "pdd": "first INVITE to the first 180 or 183, or the 200 without one",
        "srd": "the same to 181, 182 or the 200: SRD (RFC 6076 4.3) is the lesser of pdd and srd",
        "sdd": "SDD (RFC 6076 4.4): BYE to its 200",
    },
    cues={Cue.CUE: "hangs up"},
)
TARGET: Final = Role(
    scenario="blind-transfer/target.xml",
    keys={
        "probe": _PROBE,
        "first": _FIRST,
        "second": _SECOND,
        "user": "its own user, percent-encoded, for its Contact",
        "rtp": _RTP,
        "ring": "how long it rings, in ms",
    },
    serves=True,
    notes=_TAKEN | {Note.UNACKNOWLEDGED, Note.HANGING_UP, Note.ENDED, Note.TO_REPLACE},
    cues={Cue.CUE: "hangs up"},
)
BLIND: Final = Role(
    scenario="blind-transfer/transferor.xml",
    keys=_TRANSFEROR,
    injected=True,
    serves=True,
    notes=_TAKEN | _REFERS,
    timers=_NOTIFY_DELAY,
)
ATTENDED: Final = Role(
    scenario="attended-transfer/transferor.xml",
    keys=_TRANSFEROR
    | {"consult": "what is dialled for the consultation, percent-encoded", "headers": _HEADERS},
    injected=True,
    serves=True,
    notes=_TAKEN | _REFERS | {Note.REFUSED, Note.GAVE_UP, Note.NO_DESCRIPTION, Note.CONSULTED, Note.LET_GO},
    timers=_NOTIFY_DELAY,
)
