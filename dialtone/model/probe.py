"""Probes: what was asked, what happened, and the record that proves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from dialtone.model.secret import Secret


class Flow(StrEnum):
    """What a probe does as a tenant's phone."""

    REGISTER = "register"
    CALL = "call"

    @property
    def accounts(self) -> int:
        """How many accounts of one tenant a probe of this flow needs at once."""
        return _ACCOUNTS[self]


_ACCOUNTS: Final = {Flow.REGISTER: 1, Flow.CALL: 2}


class Engine(StrEnum):
    """What runs a SIP flow: sippy in a child process, or the program SIPp."""

    SIPPY = "sippy"
    SIPP = "sipp"


class Outcome(StrEnum):
    """How a probe ended; inconclusive means that our own side was broken, and is never downtime."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Origin(StrEnum):
    """Who asked for a probe; only scheduled ones count for SLA."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    STRESS = "stress"


class FailureCode(StrEnum):
    """Why a probe did not pass: the closed list of design.md."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    AUTH = "auth"
    SIP_3XX = "sip-3xx"
    SIP_4XX = "sip-4xx"
    SIP_5XX = "sip-5xx"
    SIP_6XX = "sip-6xx"
    UNEXPECTED_MESSAGE = "unexpected-message"
    NO_MEDIA = "no-media"
    ONE_WAY_MEDIA = "one-way-media"
    POOR_MEDIA = "poor-media"
    NO_DTMF = "no-dtmf"
    NO_BINDING = "no-binding"
    NO_NOTIFY = "no-notify"
    WRONG_STATE = "wrong-state"
    TRANSFER_REFUSED = "transfer-refused"
    TRANSFER_FAILED = "transfer-failed"
    HTTP_STATUS = "http-status"
    HTTP_CONTENT = "http-content"
    ENGINE_MISSING = "engine-missing"
    ENGINE_CRASHED = "engine-crashed"
    NO_PORT = "no-port"
    OVERLOADED = "overloaded"
    CANARY_FAILED = "canary-failed"
    ACCOUNT_BUSY = "account-busy"
    MISCONFIGURED = "misconfigured"

    @property
    def outcome(self) -> Outcome:
        """Which outcome this code belongs to: ours is inconclusive, theirs is fail."""
        return Outcome.INCONCLUSIVE if self in _OURS else Outcome.FAIL


_OURS: Final = frozenset(
    {
        FailureCode.ENGINE_MISSING,
        FailureCode.ENGINE_CRASHED,
        FailureCode.NO_PORT,
        FailureCode.OVERLOADED,
        FailureCode.CANARY_FAILED,
        FailureCode.ACCOUNT_BUSY,
        FailureCode.MISCONFIGURED,
    }
)

CONFIRM_AFTER: Final = 1.0
"""Seconds between a scheduled probe that failed and the one that confirms it; at most 10 may pass."""

TIMINGS: Final[Mapping[str, str]] = {
    "rrd": "Registration request delay (RFC 6076 4.1): first REGISTER to its 200, authentication included",
    "srd": "Session request delay (RFC 6076 4.3): INVITE to the first non-100 provisional, or the 200",
    "sdd": "Session disconnect delay (RFC 6076 4.4): BYE sent to its 2xx",
    "sdt": "Session duration time (RFC 6076 4.5): 200 to the INVITE to the BYE",
    "pdd": "Post-dial delay: INVITE sent to the first 180, 183 or 200",
}
"""The timings that a ProbeResult may carry, in seconds, and their exact meaning."""

_SIGNALLING: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""From a local answer to a caller's patience; 0.5 s is T1, the first retransmission (RFC 3261 17.1.1.1)."""
_DURATION: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0)

TIMING_BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    timing: _DURATION if timing == "sdt" else _SIGNALLING for timing in TIMINGS
}
"""The upper bounds, in seconds, of the histogram of each timing; a value on a bound is under it."""


@dataclass(frozen=True, slots=True)
class Account:
    """A phone that the probes own. `auth_user` is the digest user name."""

    tenant: str
    user: str
    auth_user: str
    password: Secret

    @property
    def aor(self) -> str:
        """The address of record without its scheme, user@domain: the key of account leases."""
        return f"{self.user}@{self.tenant}"


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One probe to run now. `accounts` are leased to it; `timeout` is the whole flow's, in seconds."""

    id: str
    probe: str
    flow: Flow
    engine: Engine
    tenant: str
    target: str
    location: str
    accounts: tuple[Account, ...]
    origin: Origin
    slot: int
    attempt: Literal[1, 2]
    timeout: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a probe did not pass: a code of the closed list and one line for a person."""

    code: FailureCode
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one probe ended.

    `slot` is floor(planned UTC / interval), `timings` are seconds by the names of TIMINGS,
    `sip_status` is the final response that decided, `evidence` the record's path relative to the
    data folder. `failure` is None exactly when the outcome is pass.
    """

    id: str
    probe: str
    flow: Flow
    engine: Engine
    tenant: str
    target: str
    location: str
    account: str
    origin: Origin
    slot: int
    attempt: Literal[1, 2]
    started: datetime
    duration: float
    outcome: Outcome
    timings: Mapping[str, float] = field(default_factory=dict)
    sip_status: int | None = None
    failure: Failure | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class TimingTotals:
    """A histogram: how many values fell up to each bound of TIMING_BUCKETS, and past the last; their sum."""

    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class ProbeTotals:
    """What the results of one series add up to since the store was made; outlives the results themselves.

    `outcomes` counts by outcome and failure code ("" where it passed), `timings` are of passes alone
    (RFC 6076: times of success and of failure are never mixed). Only scheduled probes count.
    """

    tenant: str
    flow: Flow
    engine: Engine
    location: str
    outcomes: Mapping[tuple[Outcome, str], int]
    timings: Mapping[str, TimingTotals]


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message as it crossed our socket.

    `at` is seconds since the probe started, `party` the agent of ours that sent or received it,
    `source` and `destination` are ip:port, `text` has credentials redacted.
    """

    at: float
    party: str
    direction: Literal["sent", "received"]
    source: str
    destination: str
    transport: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A named instant of a probe, in seconds since it started (INVITE sent, ringing, answered)."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The record of a probe: every message and mark, in the order of time."""

    messages: tuple[Message, ...] = ()
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """A result together with its record."""

    result: ProbeResult
    evidence: Evidence
