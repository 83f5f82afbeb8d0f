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
from dialtone.model.metric import Kind, MetricDef, MetricScope, Sample
from dialtone.model.node import CollectError, CollectFailure, Node, NodeKind, NodeState, Reading
from dialtone.model.probe import (
    CONFIRM_AFTER,
    TIMING_BUCKETS,
    TIMINGS,
    Account,
    Engine,
    Evidence,
    Failure,
    FailureCode,
    Flow,
    Mark,
    Message,
    Origin,
    Outcome,
    ProbeRequest,
    ProbeResult,
    ProbeRun,
    ProbeTotals,
    TimingTotals,
)
from dialtone.model.scope import Scope
from dialtone.model.secret import Secret
from dialtone.model.tenant import UNKNOWN_TENANT, Level, Tenant, normalise_domain

__all__ = [
    "ABOUT",
    "Account",
    "AlertEvent",
    "AlertMessage",
    "AlertState",
    "CONFIRM_AFTER",
    "Catalog",
    "CatalogError",
    "CollectError",
    "CollectFailure",
    "Engine",
    "Evidence",
    "Failure",
    "FailureCode",
    "Flow",
    "Kind",
    "Level",
    "Mark",
    "Message",
    "MessageState",
    "MetricDef",
    "MetricScope",
    "Node",
    "NodeKind",
    "NodeState",
    "Origin",
    "Outcome",
    "OutboxEntry",
    "ProbeRequest",
    "ProbeResult",
    "ProbeRun",
    "ProbeTotals",
    "Reading",
    "Sample",
    "Scope",
    "Secret",
    "Severity",
    "TIMINGS",
    "TIMING_BUCKETS",
    "Tenant",
    "TimingTotals",
    "UNKNOWN_TENANT",
    "normalise_domain",
]
