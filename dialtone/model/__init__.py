"""The words of the project as frozen types; standard library only.

Instants are timezone-aware UTC, durations are seconds from a monotonic clock, names are the
field's (RFC 3261, RFC 6076, Prometheus, MySQL).
"""

from dialtone.model.alert import AlertEvent, AlertState, Severity
from dialtone.model.catalog import Catalog, CatalogError
from dialtone.model.metric import Kind, MetricDef, MetricScope, Sample
from dialtone.model.node import CollectError, CollectFailure, Node, NodeKind, NodeState, Reading
from dialtone.model.probe import (
    CONFIRM_AFTER,
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
)
from dialtone.model.scope import Scope
from dialtone.model.secret import Secret
from dialtone.model.tenant import UNKNOWN_TENANT, Level, Tenant, normalise_domain

__all__ = [
    "Account",
    "AlertEvent",
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
    "MetricDef",
    "MetricScope",
    "Node",
    "NodeKind",
    "NodeState",
    "Origin",
    "Outcome",
    "ProbeRequest",
    "ProbeResult",
    "ProbeRun",
    "Reading",
    "Sample",
    "Scope",
    "Secret",
    "Severity",
    "TIMINGS",
    "Tenant",
    "UNKNOWN_TENANT",
    "normalise_domain",
]
