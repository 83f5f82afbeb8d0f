"""The words of the project as frozen types; standard library only.

Instants are timezone-aware UTC, durations are seconds from a monotonic clock, names are the
field's (RFC 3261, RFC 6076, Prometheus, MySQL).
"""

from dialtone.model.alert import (
    ABOUT,
    AlertEvent,
    AlertMessage,
    AlertState,
    MessageState,
    OutboxEntry,
    Severity,
)
from dialtone.model.catalog import Catalog, CatalogError
from dialtone.model.discovered import MAX_DISCOVERED, DomainsFound, domains_among
from dialtone.model.metric import Kind, MetricDef, MetricScope, Sample
from dialtone.model.node import CollectError, CollectFailure, Database, Node, NodeKind, NodeState, Reading
from dialtone.model.probe import (
    CONFIRM_AFTER,
    COUNTS,
    TIMING_BUCKETS,
    TIMINGS,
    Account,
    AnsweredBy,
    CalledFrom,
    ChangedBy,
    Engine,
    EventPackage,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Mark,
    Message,
    Origin,
    Outcome,
    Plan,
    ProbeRequest,
    ProbeResult,
    ProbeRun,
    ProbeTotals,
    Side,
    TimingTotals,
    TlsPlan,
)
from dialtone.model.restart import has_restarted
from dialtone.model.scope import Scope
from dialtone.model.secret import Secret
from dialtone.model.tenant import UNKNOWN_TENANT, Level, Tenant, normalise_domain
from dialtone.model.traffic import SESSION_COUNTS, SessionResult, TrafficMark

__all__ = [
    "ABOUT",
    "Account",
    "AlertEvent",
    "AlertMessage",
    "AlertState",
    "AnsweredBy",
    "CalledFrom",
    "Catalog",
    "CatalogError",
    "ChangedBy",
    "CollectError",
    "CollectFailure",
    "Database",
    "CONFIRM_AFTER",
    "COUNTS",
    "DomainsFound",
    "domains_among",
    "Engine",
    "EventPackage",
    "Evidence",
    "Failure",
    "FailureCode",
    "Flow",
    "has_restarted",
    "Kind",
    "Level",
    "Mark",
    "MAX_DISCOVERED",
    "Message",
    "MessageState",
    "MetricDef",
    "MetricScope",
    "Node",
    "NodeKind",
    "NodeState",
    "normalise_domain",
    "Origin",
    "OutboxEntry",
    "Outcome",
    "Plan",
    "ProbeRequest",
    "ProbeResult",
    "ProbeRun",
    "ProbeTotals",
    "Reading",
    "Sample",
    "Scope",
    "Secret",
    "SESSION_COUNTS",
    "SessionResult",
    "Severity",
    "Side",
    "Tenant",
    "TIMING_BUCKETS",
    "TIMINGS",
    "TimingTotals",
    "TlsPlan",
    "TrafficMark",
    "UNKNOWN_TENANT",
]
