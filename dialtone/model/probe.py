"""Probes: what was asked, what happened, and the record that proves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from dialtone.model.media import MediaPlan, MediaStream
from dialtone.model.secret import Secret


class Flow(StrEnum):
    """What a probe does as a tenant's phone; `http` has no SIP."""

    OPTIONS = "options"
    REGISTER = "register"
    CALL = "call"
    PRESENCE = "presence"
    BLIND_TRANSFER = "blind-transfer"
    ATTENDED_TRANSFER = "attended-transfer"
    HTTP = "http"


class Engine(StrEnum):
    """What runs a flow: sippy in a child process, the program SIPp, or (http alone) the service itself."""

    SIPPY = "sippy"
    SIPP = "sipp"
    SERVICE = "service"


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
    CROSSED_MEDIA = "crossed-media"
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
    "options_delay": "Options delay: OPTIONS sent to its final response",
    "binding_delay": "Binding delay: 200 to the REGISTER to the binding being seen at the registrar",
    "presence_delay": "Presence delay: the change of state to the NOTIFY with the new state",
    "transfer_delay": "Transfer delay: REFER to the proof at the transfer's target",
    "notify_delay": "Notify delay: REFER to the NOTIFY with the final status",
    "http_first_byte": "Time to first byte: request begun, name and connection included, to the first byte",
    "http_duration": "Request duration: request begun to the last byte of the answer",
}
"""The timings that a ProbeResult may carry, in seconds, and their exact meaning."""

COUNTS: Final[Mapping[str, str]] = {
    "register": "REGISTER attempts; with its authenticated resend it is one",
    "register_failed": "those ended by 4xx but 401, 402, 407; by 5xx, 6xx, or no answer (timer F)",
    "invite": "INVITE attempts; with its authenticated resend it is one, a re-INVITE is none",
    "invite_200": "those answered by 2xx",
    "invite_3xx": "those redirected",
    "invite_end_user": "those ended by 480, 486, 600 or 603: the called side's own choice",
    "invite_ineffective": "those ended by 408, 500, 503 or 504, or never answered (RFC 3261 8.1.3.1: as 408)",
    "session_complete": "sessions from setup to teardown with no response missing",
}
"""What a ProbeResult may count of its requests, for the ratios of RFC 6076 4.2 and 4.6 to 4.9."""

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


class AnsweredBy(StrEnum):
    """Who answers a call: a phone of ours, or the platform (echo, IVR, voicemail, a gateway's far side)."""

    CALLEE = "callee"
    PLATFORM = "platform"


class CalledFrom(StrEnum):
    """Whence a call comes: a phone of the tenant, or the trunk's side, which has no account (a DID)."""

    PHONE = "phone"
    TRUNK = "trunk"


class Side(StrEnum):
    """One side of a call."""

    CALLER = "caller"
    CALLEE = "callee"


class EventPackage(StrEnum):
    """What is subscribed to: presence (RFC 3856, PIDF) or dialogs (RFC 4235, dialog-info)."""

    PRESENCE = "presence"
    DIALOG = "dialog"


class ChangedBy(StrEnum):
    """What changes a watched state: our PUBLISH, or a real call."""

    PUBLISH = "publish"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class TlsPlan:
    """How a server is known over TLS.

    `ca` is a file of certificates (PEM) that are trusted instead of the system's, `name` what the certificate
    must say instead of the host's name; `verify` False trusts anybody.
    """

    ca: str | None = None
    name: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """How a probe does its flow. Each field matters to the flows named; the others leave it alone.

    - `number` (call, presence changed by a call): what is dialled instead of a phone of ours; "" for none.
    - `dial` (call, transfers): how a phone of ours is dialled; `{user}` stands for its user.
    - `consult` (attended-transfer): how the target is dialled for the consultation, "" for as in `dial`.
    - `callee` (call): the user of the phone of ours that is called, "" for any: behind a DID there is one.
    - `answered_by`, `called_from`, `caller_id` (user of From, trunk only; "" for anonymous): call.
    - `hangs_up` (call): which side sends BYE. A platform that answers is the callee.
    - `ring`, `hold` (call): seconds that our callee rings, and that the answered call is held; other flows
      hold their calls for as long as the defaults say.
    - `headers`: name and value, put into every INVITE (billing marks, gateway selection).
    - `caller_target`: where the caller sends its requests, "" for the probe's target (failover as felt:
      registered at one front, calling through another; a DID: the trunk's side).
    - `outbound_proxy`: a SIP URI that requests pass on their way to the target (RFC 3261 8.1.2), "" for none.
    - `event`, `changed_by`: presence.
    - `statuses`: which final statuses are right (options: 2xx, http: 200 where empty).
    - `contains` (http): text that the answer's body must have.
    - `media` (call): what is spoken and listened for, None for nothing: the call is then signalling alone.
    """

    number: str = ""
    dial: str = "{user}"
    consult: str = ""
    callee: str = ""
    answered_by: AnsweredBy = AnsweredBy.CALLEE
    called_from: CalledFrom = CalledFrom.PHONE
    caller_id: str = ""
    hangs_up: Side = Side.CALLER
    ring: float = 0.2
    hold: float = 0.3
    headers: tuple[tuple[str, str], ...] = ()
    caller_target: str = ""
    outbound_proxy: str = ""
    event: EventPackage = EventPackage.PRESENCE
    changed_by: ChangedBy = ChangedBy.PUBLISH
    statuses: tuple[int, ...] = ()
    contains: str = ""
    tls: TlsPlan = TlsPlan()
    media: MediaPlan | None = None

    def accounts(self, flow: Flow) -> int:
        """Return how many accounts of one tenant a probe of that flow needs at once."""
        if flow is Flow.CALL:
            return (self.called_from is CalledFrom.PHONE) + (self.answered_by is AnsweredBy.CALLEE)
        return _ACCOUNTS[flow]


_ACCOUNTS: Final = {
    Flow.OPTIONS: 0,
    Flow.REGISTER: 1,
    Flow.PRESENCE: 2,
    Flow.BLIND_TRANSFER: 3,
    Flow.ATTENDED_TRANSFER: 3,
    Flow.HTTP: 0,
}


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """One probe to run now. `accounts` are leased to it; `timeout` is the whole flow's, in seconds.

    `evidence` says whether a pass leaves evidence too: it costs an engine a good part of a probe's work.
    Whatever else becomes of the probe always leaves some. `interval` is that of its schedule, in seconds, 0
    where it has none.
    """

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
    plan: Plan = Plan()
    evidence: bool = True
    interval: float = 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a probe did not pass: a code of the closed list and one line for a person."""

    code: FailureCode
    detail: str = ""

    @property
    def said(self) -> str:
        """Both in one: `timeout: no answer to INVITE`; the code alone where there is no detail."""
        return f"{self.code}: {self.detail}" if self.detail else str(self.code)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one probe ended.

    `slot` is floor(planned UTC / `interval`), which is in seconds and 0 where it is not known; `timings` are
    seconds by the names of TIMINGS, `sip_status` is the final response that decided (of http: its status),
    `counts` are by the names of COUNTS, `evidence` is the record's path relative to the data folder.
    `failure` is None exactly when the outcome is pass. `certificate_expires` is when the server's certificate
    ends, where TLS showed one. `media` is each direction that was listened to.
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
    counts: Mapping[str, int] = field(default_factory=dict)
    certificate_expires: datetime | None = None
    media: tuple[MediaStream, ...] = ()
    interval: float = 0.0


@dataclass(frozen=True, slots=True)
class TimingTotals:
    """A histogram: how many values fell up to each bound of its buckets, and past the last; their sum.

    The bounds are those of TIMING_BUCKETS or MEDIA_BUCKETS.
    """

    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class ProbeTotals:
    """What the results of one series add up to since the store was made; outlives the results themselves.

    `outcomes` counts by outcome and failure code ("" where it passed), `timings` are of passes alone
    (RFC 6076: times of success and of failure are never mixed), `counts` of all conclusive results, and so
    is `media`: by listener and name of MEDIA_FIGURES. Only scheduled probes count.
    """

    tenant: str
    flow: Flow
    engine: Engine
    location: str
    outcomes: Mapping[tuple[Outcome, str], int]
    timings: Mapping[str, TimingTotals]
    counts: Mapping[str, int] = field(default_factory=dict)
    media: Mapping[tuple[str, str], TimingTotals] = field(default_factory=dict)


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
