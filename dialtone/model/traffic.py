"""Sessions of the tenants' own traffic, as the servers count them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final


class SessionResult(StrEnum):
    """What a server counts of INVITEs that begin a session: each of them, how it ended, and sessions ended.

    They overlap: `attempted` has all. By final response: `established` 2xx, `redirected` 3xx, `end_user`
    480, 486, 600, 603, `ineffective` 408, 500, 503, 504, `failed` every other. `completed`: ended by a BYE
    that was answered.
    """

    ATTEMPTED = "attempted"
    ESTABLISHED = "established"
    REDIRECTED = "redirected"
    END_USER = "end_user"
    INEFFECTIVE = "ineffective"
    FAILED = "failed"
    COMPLETED = "completed"


SESSION_COUNTS: Final[Mapping[SessionResult, str]] = {
    SessionResult.ATTEMPTED: "invite",
    SessionResult.ESTABLISHED: "invite_200",
    SessionResult.REDIRECTED: "invite_3xx",
    SessionResult.END_USER: "invite_end_user",
    SessionResult.INEFFECTIVE: "invite_ineffective",
    SessionResult.COMPLETED: "session_complete",
}
"""The names of COUNTS; a session that failed otherwise is an attempt and nothing else (RFC 6076 4.6-4.9)."""


@dataclass(frozen=True, slots=True)
class TrafficMark:
    """How far a server's counters are in the books: what each stood at, by tenant and name of COUNTS.

    `uptime` is the server's at that instant, in seconds, None where it says none. A tenant without a name
    stood at 0; one that is missing was not known then.
    """

    node: str
    at: datetime
    uptime: float | None
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
